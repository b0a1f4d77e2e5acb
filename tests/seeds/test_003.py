"""Text 003: the workshop that the labs come from. Labs 1 and 2 are its tasks; here are its blocks.

Mended: `run` of SKLearnProcessor has no `source_dir`; FrameworkProcessor has one, and takes
scikit-learn too.
"""

from __future__ import annotations

import pytest

from workshop.paths import ROOT

from .conftest import LOCAL, PREPARED, positions

pytestmark = pytest.mark.slow

#: What decides between this machine and instances: as comments, or not.
TOGGLE = """
from sagemaker.local import LocalSession
sagemaker_session = LocalSession()
sagemaker_session.config = {'local': {'local_code': True}}
"""

#: The beginning of the pipeline's `main()`.
BLOCK_1 = """
def main():
    print("Download started")
    download_data_from_s3(bucket_name, remote_folder, local_folder)
    print("Download complete")
    X_train, X_val, y_train, y_val, X_test, y_test = preprocess_data(local_folder)
    return X_train, X_val, y_train, y_val, X_test, y_test
"""

#: A processing job with one named input and one named output.
BLOCK_2 = """
from sagemaker.sklearn.processing import SKLearnProcessor

source_data = 's3://sagemaker-003/path/to/input_data'

sklearn_processor.run(
    code='processing-script.py',
    source_dir='scripts',
    inputs=[
        ProcessingInput(
            input_name='source_data', source=source_data, destination="/opt/ml/processing/input")
    ],
    outputs=[
        ProcessingOutput(
            output_name="output", source="/opt/ml/processing/output",
            destination=f's3://sagemaker-003/path/to/output_data')
    ])
"""


def test_block_1_the_beginning_of_the_pipeline(once):
    files = {
        "program/program.py": f"""{PREPARED}
import sys
sys.path.insert(0, '{ROOT / "Lab0-Container-Pipeline"}')
from preprocessing import preprocess_data
from utils import download_data_from_s3, upload_data_to_s3

bucket_name, remote_folder, local_folder = 'ml-pipeline-003', 'raw_data', 'data'
upload_data_to_s3('{ROOT / "data" / "raw"}', bucket_name, remote_folder)
{BLOCK_1}
print('IMAGES', *map(len, main()))
"""
    }
    done = once("003-pipeline", ["python", "program.py"], files)
    X_train, X_val, y_train, y_val, X_test, y_test = done.line("IMAGES").split()
    assert (X_train, X_val, X_test) == (y_train, y_val, y_test)


@positions
def test_block_2_a_processing_job_with_a_folder_of_scripts(printed, position):
    toggle = TOGGLE if position == LOCAL else TOGGLE.replace("\n", "\n# ").rstrip("# ")
    program = f"""{PREPARED}
put('sagemaker-003', 'path/to/input_data/1.csv')
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.sklearn import SKLearn
{toggle}
def processor(kind, *first):
    return kind(
        *first, framework_version='1.2-1', role=role, instance_count=1,
        instance_type='ml.m5.xlarge')

from sagemaker.sklearn.processing import SKLearnProcessor
sklearn_processor = processor(SKLearnProcessor)
try:
{BLOCK_2.replace(chr(10), chr(10) + "    ")}
except TypeError as error:
    print('AS PRINTED', error)
sklearn_processor = processor(FrameworkProcessor, SKLearn)
{BLOCK_2}
print('OUTPUT', keys('sagemaker-003', 'path/to/output_data'))
"""
    files = {
        "program/scripts/processing-script.py": """
import glob, helper
print('FOUND', glob.glob('/opt/ml/processing/input/*.csv'), helper.answer)
open('/opt/ml/processing/output/1.npy', 'w').write('1')
""",
        "program/scripts/helper.py": "answer = 42\n",
    }
    done = printed("003", program, files, position)
    assert "unexpected keyword argument 'source_dir'" in done.line("AS PRINTED")
    assert done.line("FOUND") == "['/opt/ml/processing/input/1.csv'] 42"
    assert done.line("OUTPUT") == "['path/to/output_data/1.npy']"
