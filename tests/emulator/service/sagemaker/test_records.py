"""What the emulator remembers of the jobs that were asked for in local mode."""

from __future__ import annotations

import pytest

from workshop.emulator.service.sagemaker import records

from ...conftest import ROLE

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


def test_jobs_of_another_folder_are_not_this_ones(tmp_path):
    (tmp_path / "other").mkdir()
    assert records.jobs(tmp_path / "other") == []
