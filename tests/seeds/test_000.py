"""Text 000: a script processor of a plain Python program, with three inputs and a profile.

Mended: the address of the output has no quotes there, and the quotes in the command line are those
of a Python list.
"""

from __future__ import annotations

import re

import pytest

from .conftest import INSTANCES, PREPARED, ROLE, positions

pytestmark = pytest.mark.slow

#: The command line that the job becomes.
BLOCK_2 = r"""
python3 -v /opt/ml/processing/input/code/cli_parse_annotation_files.py \
    --images_dir /opt/ml/processing/input/images_dir \
    --annotations_dir /opt/ml/processing/input/annotations_dir \
    --annotation_out /opt/ml/processing/output/annotation.json
"""

#: One input, which brings the modules that the script imports.
BLOCK_3 = """
ProcessingInput(
    input_name='code_dependencies',
    source='s3://sagemaker-vqs-sla/code',
    destination='/opt/ml/processing/code_dependencies',
    s3_data_type='S3Prefix',
    s3_input_mode='File',
)
"""

#: The first lines of the script.
BLOCK_4 = """
import sys

sys.path.insert(0, "/opt/ml/processing/code_dependencies")
"""

#: The output.
BLOCK_5 = """
ProcessingOutput(
        output_name='annotation.json',
        source='/opt/ml/processing/output',
        destination='s3://sagemaker-vqs-sla/preprocessing/output',
    )
"""

#: All of it. It has the input and the output once more.
BLOCK_1 = f"""
import sagemaker
from sagemaker.processing import ScriptProcessor, ProcessingInput, ProcessingOutput
import os
import boto3

os.environ['AWS_PROFILE'] = 'ming_sagemaker'
sm_client = boto3.client('sagemaker', region_name='us-east-2')
sm_session = sagemaker.Session(sagemaker_client=sm_client)

script_processor = ScriptProcessor(
    command=['python3', '-v'],
    image_uri='123456789012.dkr.ecr.us-east-2.amazonaws.com/mine:latest',
    role='{ROLE}',
    instance_type='ml.m5.xlarge',
    instance_count=1,
    sagemaker_session=sm_session,
)

inputs = [
    ProcessingInput(
        input_name='images_dir',
        source='s3://sagemaker-vqs-sla/inputs/video_01_vframes',
        destination='/opt/ml/processing/input/images_dir',
        s3_data_type='S3Prefix',
        s3_input_mode='File',
    ),
    ProcessingInput(
        input_name='annotations_dir',
        source='s3://sagemaker-vqs-sla/inputs/video_01_vframes_annotations',
        destination='/opt/ml/processing/input/annotations_dir',
        s3_data_type='S3Prefix',
        s3_input_mode='File',
    ),
    {BLOCK_3.strip()}
]
outputs = [
    {BLOCK_5.strip()}
]

script_processor.run(
    code='./code/cli_parse_annotation_files.py',
    inputs=inputs,
    outputs=outputs,
    arguments=[
        '--images_dir', '/opt/ml/processing/input/images_dir',
        '--annotations_dir', '/opt/ml/processing/input/annotations_dir',
        '--annotation_out', '/opt/ml/processing/output/annotation.json'
    ]
)
"""

PROGRAM = f"""{PREPARED}
put('sagemaker-vqs-sla', 'inputs/video_01_vframes/1.png',
    'inputs/video_01_vframes_annotations/1.xml')
s3.upload_file('helper.py', 'sagemaker-vqs-sla', 'code/helper.py')
{BLOCK_1}
job = script_processor.jobs[-1].describe()
print('INPUTS', *(one['S3Input']['LocalPath'] for one in job['ProcessingInputs']))
print('ARN', job['ProcessingJobArn'])
print('OUTPUT', keys('sagemaker-vqs-sla', 'preprocessing/'))
"""

FILES = {
    "program/helper.py": "answer = 42\n",
    "program/code/cli_parse_annotation_files.py": BLOCK_4
    + """
import helper
import json, os

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print('RUNS', *sys.orig_argv)
print('HELPER', helper.__file__, helper.answer)
print('REGION', os.environ.get('AWS_REGION'))
print('IMAGES', sorted(os.listdir(arguments['--images_dir'])))
print('ANNOTATIONS', sorted(os.listdir(arguments['--annotations_dir'])))
json.dump({'images': []}, open(arguments['--annotation_out'], 'w'))
""",
}


@positions
def test_block_1_a_script_processor_with_three_inputs(printed, position):
    done = printed("000", PROGRAM, FILES, position)
    assert "import 'site'" in done.text, "python3 -v reports its imports"
    # Without a / at its end, the address is the beginning of the other folder's name too.
    assert re.match(r"\['1.png', '\w*_annotations'\]", done.line("IMAGES"))
    assert done.line("ANNOTATIONS") == "['1.xml']"
    if position == INSTANCES:
        assert done.line("REGION") == "us-east-2"
        assert done.line("ARN").startswith("arn:aws:sagemaker:us-east-2:123456789012:processing")


@positions
def test_block_2_the_command_line(printed, position):
    done = printed("000", PROGRAM, FILES, position)
    assert done.line("RUNS").split() == BLOCK_2.replace("\\\n", " ").split()


@positions
def test_block_3_an_input_of_code(printed, position):
    inputs = printed("000", PROGRAM, FILES, position).line("INPUTS").split()
    assert "/opt/ml/processing/code_dependencies" in inputs
    # The script is an input too, in a place that is its own.
    assert len(inputs) == 4
    assert inputs[3] == "/opt/ml/processing/input/code"


@positions
def test_block_4_the_input_of_code_is_on_the_path(printed, position):
    helper = printed("000", PROGRAM, FILES, position).line("HELPER")
    assert helper == "/opt/ml/processing/code_dependencies/helper.py 42"


@positions
def test_block_5_an_output(printed, position):
    done = printed("000", PROGRAM, FILES, position)
    assert done.line("OUTPUT") == "['preprocessing/output/annotation.json']"
