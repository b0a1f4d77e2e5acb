"""Text 002: scikit-learn with two named outputs, and Spark on two instances.

Mended: a quote is missing after the address of the input, and Spark's `role` is the one before.
"""

from __future__ import annotations

import pytest

from .conftest import INSTANCES, PREPARED, ROLE, positions

pytestmark = [pytest.mark.slow, pytest.mark.lab3]

#: A processor.
BLOCK_1 = f"""
from sagemaker.sklearn.processing import SKLearnProcessor

sklearn_processor = SKLearnProcessor(framework_version='0.20.0',
                                     role='{ROLE}',
                                     instance_type='ml.m5.xlarge',
                                     instance_count=1)
"""

#: Its job.
BLOCK_2 = """
from sagemaker.processing import ProcessingInput, ProcessingOutput

sklearn_processor.run(code='preprocessing.py',
                      inputs=[ProcessingInput(
                        source='s3://sagemaker-002/path/to/your/data',
                        destination='/opt/ml/processing/input')],
                      outputs=[ProcessingOutput(output_name='train_data',
                                                source='/opt/ml/processing/train'),
                               ProcessingOutput(output_name='test_data',
                                                source='/opt/ml/processing/test')],
                      arguments=['--train-test-split-ratio', '0.2']
                     )

preprocessing_job_description = sklearn_processor.jobs[-1].describe()
"""

#: Spark, by the program that its image has for it.
BLOCK_3 = """
from sagemaker.processing import ScriptProcessor, ProcessingInput

spark_processor = ScriptProcessor(base_job_name='spark-preprocessor',
                                  image_uri='123456789012.dkr.ecr.us-east-1.amazonaws.com/'
                                            'sagemaker-spark-processing:latest',
                                  command=['/opt/program/submit'],
                                  role=role,
                                  instance_count=2,
                                  instance_type='ml.r5.xlarge',
                                  max_runtime_in_seconds=1200,
                                  env={'mode': 'python'})

spark_processor.run(code='preprocess.py',
                    arguments=['s3_input_bucket', bucket,
                               's3_input_key_prefix', input_prefix,
                               's3_output_bucket', bucket,
                               's3_output_key_prefix', input_preprocessed_prefix],
                    logs=False)
"""

PROGRAM = f"""{PREPARED}
put('sagemaker-002', *(f'path/to/your/data/{{n}}.csv' for n in range(10)))
{BLOCK_1}
print('IMAGE', sklearn_processor.image_uri)
{BLOCK_2}
print('COMMAND', *preprocessing_job_description['AppSpecification']['ContainerArguments'])
for one in preprocessing_job_description['ProcessingOutputConfig']['Outputs']:
    place = one['S3Output']['S3Uri'].split('/', 3)
    print('OUTPUT', one['OutputName'], *(key.removeprefix(place[3]) for key in keys(*place[2:])))

bucket, input_prefix, input_preprocessed_prefix = 'sagemaker-002', 'path', 'spark'
{BLOCK_3}
for key in keys(bucket, 'spark/'):
    print('SPARK', s3.get_object(Bucket=bucket, Key=key)['Body'].read().decode())
job = spark_processor.jobs[-1].describe()
print('ASKED', job['AppSpecification']['ContainerEntrypoint'], job['ProcessingResources'],
      job['Environment'], job.get('StoppingCondition'))
"""

FILES = {
    "program/preprocessing.py": """
import argparse, pathlib
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument('--train-test-split-ratio', type=float)
args = parser.parse_args()
folder = pathlib.Path('/opt/ml/processing')
names = sorted(path.name for path in (folder / 'input').rglob('*.csv'))
for part, of_part in zip(('train', 'test'),
                         train_test_split(names, test_size=args.train_test_split_ratio)):
    (folder / part / f'{part}.csv').write_text(' '.join(of_part))
    print('SPLIT', part, len(of_part))
""",
    # Each task waits a little, so that both instances have one.
    "program/preprocess.py": """
import os, socket, sys, time
import boto3
from pyspark.sql import SparkSession

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
source = f"s3://{given['s3_input_bucket']}/{given['s3_input_key_prefix']}"
spark = SparkSession.builder.getOrCreate()

def read(lines):
    time.sleep(0.5)
    yield socket.gethostname(), len(list(lines))

lines = spark.sparkContext.wholeTextFiles(f'{source}/to/your/data', minPartitions=8)
found = lines.mapPartitions(read).collect()
report = f"{sorted({host for host, _ in found})} {sum(rows for _, rows in found)}"
boto3.client('s3').put_object(
    Bucket=given['s3_output_bucket'], Key=given['s3_output_key_prefix'] + '/report', Body=report)
""",
}


@positions
def test_block_1_a_processor_of_scikit_learn(printed, position):
    done = printed("002", PROGRAM, FILES, position)
    assert done.line("IMAGE").endswith("/sagemaker-scikit-learn:0.20.0-cpu-py3")


@positions
def test_block_2_its_job_with_two_named_outputs(printed, position):
    done = printed("002", PROGRAM, FILES, position)
    assert done.line("COMMAND") == "--train-test-split-ratio 0.2"
    assert done.lines("SPLIT") == ["train 8", "test 2"]
    assert done.lines("OUTPUT") == ["train_data /train.csv", "test_data /test.csv"]


@positions
def test_block_3_spark_on_two_instances(printed, position):
    done = printed("002", PROGRAM, FILES, position)
    hosts, _, rows = done.line("SPARK").rpartition(" ")
    assert len(hosts.split(",")) == 2, "both have executed tasks"
    assert rows == "10"
    asked = done.line("ASKED")
    assert "['/opt/program/submit', '/opt/ml/processing/input/code/preprocess.py']" in asked
    assert "'InstanceCount': 2" in asked and "{'mode': 'python'}" in asked
    if position == INSTANCES:
        assert "'ml.r5.xlarge'" in asked and "{'MaxRuntimeInSeconds': 1200}" in asked
