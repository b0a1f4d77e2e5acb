"""What the emulator remembers of the jobs that were asked for: here and in local mode."""

from __future__ import annotations

import json

import pytest

from workshop.emulator.service.sagemaker import records

from ...by_boto3 import bucket  # noqa: F401 (it is autouse)
from ...conftest import ROLE
from .pipelines.by_definition import process_step

pytestmark = pytest.mark.slow

PROCESSOR = f"""
from sagemaker.processing import ScriptProcessor, ProcessingInput, ProcessingOutput
processor = ScriptProcessor(
    command=['python3'], image_uri='my-image:1', role='{ROLE}', instance_type='local',
    instance_count=1, env={{'EPOCHS': '3'}})
for job_name in ('recorded-ok', 'recorded-failed'):
    processor.run(
        code='process.py', job_name=job_name, arguments=[job_name],
        outputs=[ProcessingOutput(source='/opt/ml/processing/out', output_name='out')])
"""


def test_a_job_is_recorded_with_its_request_its_folder_and_its_end(script, tmp_path):
    done = script(
        PROCESSOR,
        {"process.py": "import sys\nassert 'failed' not in sys.argv[1], '13 labels'"},
        check=False,
    )
    assert done.returncode == 1
    fine, failed = records.jobs(tmp_path)
    assert (fine.kind, fine.name, fine.error) == ("processing", "recorded-ok", "")
    assert fine.directory == tmp_path.resolve()
    assert fine.started < fine.ended <= failed.started
    assert fine.request["AppSpecification"]["ImageUri"] == "my-image:1"
    assert fine.request["Environment"] == {"EPOCHS": "3"}
    (output,) = fine.request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["LocalPath"] == "/opt/ml/processing/out"
    assert failed.error.rstrip().endswith("AssertionError: 13 labels")


EXECUTION = f"""
import boto3, time
client = boto3.client('sagemaker')
definition = open('definition.json').read()
client.create_pipeline(PipelineName='recorded', PipelineDefinition=definition, RoleArn='{ROLE}')
arn = client.start_pipeline_execution(PipelineName='recorded')['PipelineExecutionArn']
status = 'Executing'
while status == 'Executing':
    time.sleep(0.2)
    status = client.describe_pipeline_execution(PipelineExecutionArn=arn)['PipelineExecutionStatus']
assert status == 'Succeeded', status
"""


def test_the_jobs_of_an_execution_are_of_the_folder_that_started_it(script, tmp_path):
    steps = [process_step("One", "0.75")]
    definition = {"Version": "2020-12-01", "Parameters": [], "Steps": steps}
    script(EXECUTION, {"definition.json": json.dumps(definition)})
    (job,) = records.jobs(tmp_path)
    assert job.name.startswith("pipelines-")
    assert (job.kind, job.error) == ("processing", "")


def test_jobs_of_another_folder_are_not_this_ones(tmp_path):
    (tmp_path / "other").mkdir()
    assert records.jobs(tmp_path / "other") == []
