"""Text 004: a job in PyTorch's image with two outputs, and the evaluation of a model of XGBoost.

Mended: curly quotes, and the imports of `PyTorch` and `XGBoost`. PyTorch's processor needs a
`py_version`: without one the SDK refuses it, as the first test shows. `create_experiment` and
`create_trial` are functions of the text's author; these here do what they are named after.
"""

from __future__ import annotations

import re

import pytest

from .conftest import INSTANCES, PREPARED, positions

pytestmark = [pytest.mark.slow, pytest.mark.lab3]

AS_PRINTED = """
processor= FrameworkProcessor(PyTorch, framework_version="1.10",
                   role=role, instance_type='ml.g5.xlarge',
                   instance_count=1)
"""

#: Two outputs, for training and for validation.
BLOCK_1 = """
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.processing import Processor, ScriptProcessor, FrameworkProcessor

processor= FrameworkProcessor(PyTorch, framework_version="1.10", py_version="py38",
                   role=role, instance_type='ml.g5.xlarge',
                   instance_count=1)

from sagemaker.processing import ProcessingInput, ProcessingOutput

processor.run(
    code='preprocessing.py',
    inputs=[ProcessingInput(source=INPUT_S3_URI, destination='/opt/ml/processing/input')],
    outputs=[
        ProcessingOutput(
            source='/opt/ml/processing/output/train', destination=OUTPUT_S3_URI_1),
        ProcessingOutput(
            source='/opt/ml/processing/output/validation', destination=OUTPUT_S3_URI_2)]
)
"""

#: An evaluation, on an instance or here, as a run of an experiment.
BLOCK_2 = """
from sagemaker.processing import FrameworkProcessor
from sagemaker.processing import ProcessingInput, ProcessingOutput

instance_count = 1
instance_type = "ml.m5.large"

script_eval = FrameworkProcessor(
    XGBoost,
    framework_version="1.3-1",
    role=role,
    instance_type=instance_type,
    instance_count=instance_count
)

artifacts_dir = estimator.model_data

s3_test_path = data_path + '/test.csv'
detect_outputpath = f's3://{bucket}/xgboost/processing'

source_dir='src'

if instance_type == 'local':
    from sagemaker.local import LocalSession
    from pathlib import Path

    sagemaker_session = LocalSession()
    sagemaker_session.config = {'local': {'local_code': True}}
    source_dir = f'{Path.cwd()}/src'
    s3_test_path=f'../data/dataset/test.csv'

create_experiment(experiment_name)
job_name = create_trial(experiment_name)

script_eval.run(
    code="evaluation.py",
    source_dir=source_dir,
    inputs=[ProcessingInput(source=s3_test_path, input_name="test_data",
                            destination="/opt/ml/processing/test"),
            ProcessingInput(source=artifacts_dir, input_name="model_weight",
                            destination="/opt/ml/processing/model")
    ],
    outputs=[
        ProcessingOutput(source="/opt/ml/processing/output", output_name='evaluation',
                         destination=detect_outputpath + "/" + job_name),
    ],
    job_name=job_name,
    experiment_config={
        'TrialName': job_name,
        'TrialComponentDisplayName': job_name,
    },
    wait=False
)
"""

PROGRAM = f"""{PREPARED}
import time
from sagemaker.processing import FrameworkProcessor
from sagemaker.pytorch import PyTorch
from sagemaker.xgboost import XGBoost

bucket = 'sagemaker-004'
put(bucket, 'in/a.txt')
INPUT_S3_URI = f's3://{{bucket}}/in/'
OUTPUT_S3_URI_1, OUTPUT_S3_URI_2 = f's3://{{bucket}}/train', f's3://{{bucket}}/validation'
try:
{AS_PRINTED.replace(chr(10), chr(10) + "    ")}
except ValueError as error:
    print('AS PRINTED', error)
{BLOCK_1}
print('OUTPUTS', keys(bucket, 'train/'), keys(bucket, 'validation/'))

data_path = f's3://{{bucket}}/data'
for name in ('train', 'test'):
    s3.upload_file(f'../data/dataset/{{name}}.csv', bucket, f'data/{{name}}.csv')
estimator = XGBoost(
    'train.py', source_dir='src', framework_version='1.3-1', role=role, instance_count=1,
    instance_type='ml.m5.large', output_path=f's3://{{bucket}}/model')
estimator.fit({{'train': f'{{data_path}}/train.csv'}})

client = boto3.client('sagemaker')
experiment_name = 'xgboost-evaluation'
def create_experiment(experiment_name):
    found = client.search(Resource='Experiment', SearchExpression={{'Filters': [
        {{'Name': 'ExperimentName', 'Operator': 'Equals', 'Value': experiment_name}}]}})
    if not found['Results']:
        client.create_experiment(ExperimentName=experiment_name)
def create_trial(experiment_name):
    name = f'{{experiment_name}}-{{int(time.time())}}'
    client.create_trial(TrialName=name, ExperimentName=experiment_name)
    return name
{BLOCK_2}
def status():
    return script_eval.latest_job.describe()['ProcessingJobStatus']
print('AT ONCE', status())
while status() == 'InProgress':
    time.sleep(0.2)
print('THEN', status())
(key,) = keys(bucket, f'xgboost/processing/{{job_name}}/')
print('EVALUATION', s3.get_object(Bucket=bucket, Key=key)['Body'].read().decode())
for one in client.list_trial_components(TrialName=job_name)['TrialComponentSummaries']:
    one = client.describe_trial_component(TrialComponentName=one['TrialComponentName'])
    print('COMPONENT', one['DisplayName'] == job_name, one['Status']['PrimaryStatus'])
"""

FILES = {
    "program/preprocessing.py": """
import pathlib, torch
for part in ('train', 'validation'):
    torch.save(torch.zeros(1), pathlib.Path('/opt/ml/processing/output', part, f'{part}.pt'))
""",
    "data/dataset/train.csv": "".join(f"{n % 2},{n % 2 + n / 1000}\n" for n in range(100)),
    "data/dataset/test.csv": "1,1.05\n0,0.05\n",
    "program/src/train.py": """
import os, numpy as np, xgboost
table = np.loadtxt(os.path.join(os.environ['SM_CHANNEL_TRAIN'], 'train.csv'), delimiter=',')
data = xgboost.DMatrix(table[:, 1:], label=table[:, 0])
model = xgboost.train({'objective': 'binary:logistic'}, data, 5)
model.save_model(os.path.join(os.environ['SM_MODEL_DIR'], 'model.json'))
""",
    "program/src/evaluation.py": """
import tarfile, numpy as np, xgboost
with tarfile.open('/opt/ml/processing/model/model.tar.gz') as archive:
    content = archive.extractfile('model.json').read()
model = xgboost.Booster()
model.load_model(bytearray(content))
table = np.loadtxt('/opt/ml/processing/test/test.csv', delimiter=',')
found = model.predict(xgboost.DMatrix(table[:, 1:])) > 0.5
accuracy = float((found == table[:, 0]).mean())
open('/opt/ml/processing/output/evaluation.json', 'w').write(f'{{"accuracy": {accuracy}}}')
""",
}


@positions
def test_block_1_a_job_of_pytorch_with_two_outputs(printed, position):
    done = printed("004", PROGRAM, FILES, position)
    assert done.line("OUTPUTS") == "['train/train.pt'] ['validation/validation.pt']"
    assert re.search(r"the image has PyTorch 1\.10\b.*; this machine plays it with", done.text)


@positions
def test_block_1_needs_a_version_of_python(printed, position):
    said = printed("004", PROGRAM, FILES, position).line("AS PRINTED")
    assert said.startswith("Unsupported Python version: py3.")
    assert said.endswith("Supported Python version(s): py38.")


@positions
def test_block_2_the_evaluation_of_a_model_of_xgboost(printed, position):
    done = printed("004", PROGRAM, FILES, position)
    assert done.line("EVALUATION") == '{"accuracy": 1.0}'
    assert done.line("THEN") == "Completed"
    if position == INSTANCES:
        assert done.line("AT ONCE") == "InProgress"
        assert done.line("COMPONENT") == "True Completed"
