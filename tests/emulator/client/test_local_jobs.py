"""What is said and kept of a job in local mode."""

from __future__ import annotations

import json
import os
import sys
import types
from datetime import datetime

import pytest

from workshop.emulator import state
from workshop.emulator.client import daemon, failures, local_jobs
from workshop.emulator.service.sagemaker import operations

REQUEST = {
    "ProcessingJobName": "my_job",
    "AppSpecification": {"ImageUri": "any", "ContainerEntrypoint": ["python3"]},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 30}
    },
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole",
    "NetworkConfig": {"EnableNetworkIsolation": True},
}


@pytest.fixture
def local_mode(tmp_path, monkeypatch):
    """Return the SDK's module of local mode, with a client that does as it is told, and hooked."""

    class LocalSagemakerClient:
        def create_processing_job(self, **request):
            request["ProcessingJobName"] = "changed"
            return self.answer()

        def create_training_job(self, **request):
            return "trained"

    monkeypatch.setenv("WORKSHOP_RECORDS", str(tmp_path))
    module = types.ModuleType("local_session")
    module.LocalSagemakerClient = LocalSagemakerClient
    local_jobs.watch(module)
    return module.LocalSagemakerClient()


def records(folder) -> list[dict]:
    assert all(path.suffix == ".json" for path in folder.iterdir())
    return [json.loads(path.read_text()) for path in folder.glob("my_job-*.json")]


def test_what_aws_would_refuse_and_what_has_no_effect_is_said(local_mode, tmp_path, capsys):
    local_mode.answer = lambda: print("answered", file=sys.stderr)
    local_mode.create_processing_job(**REQUEST)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == (
        'AWS would refuse this job: ProcessingJobName is "my_job": use letters, digits and '
        "hyphens, and begin and end with a letter or a digit, such as 'my-job'."
    )
    assert second == (
        "Note: NetworkConfig.EnableNetworkIsolation has no effect here: local mode gives the job "
        "this machine's network."
    )
    assert third == "answered"


def test_over_http_the_same_is_said():
    name = "CreateProcessingJob"
    assert daemon.warnings(name, REQUEST) == operations.local_warnings(name, REQUEST)


def test_a_job_is_kept_from_its_start_to_its_end(local_mode, tmp_path):
    seen = []
    local_mode.answer = lambda: seen.extend(records(tmp_path))
    local_mode.create_processing_job(**REQUEST | {"Tags": [{"Key": "day", "Value": datetime.min}]})
    (before,), (after,) = seen, records(tmp_path)
    assert before["request"] == REQUEST | {"Tags": [{"Key": "day", "Value": "0001-01-01 00:00:00"}]}
    assert (before["kind"], before["name"]) == ("processing", "my_job")
    assert before["directory"] == os.getcwd()
    assert "ended" not in before and after.pop("ended") >= before["started"]
    assert before == after


def test_a_name_may_come_by_position(local_mode, tmp_path):
    """As local pipelines of the SDK give it."""
    local_mode.answer = lambda: "done"
    request = {name: value for name, value in REQUEST.items() if name != "ProcessingJobName"}
    local_mode.create_processing_job(REQUEST["ProcessingJobName"], **request)
    (record,) = records(tmp_path)
    assert (record["name"], record["request"]) == (REQUEST["ProcessingJobName"], REQUEST)


def test_a_job_that_fails_is_kept_with_its_error(local_mode, tmp_path):
    def answer():
        raise RuntimeError("it broke")

    local_mode.answer = answer
    with pytest.raises(RuntimeError):
        local_mode.create_processing_job(**REQUEST)
    (record,) = records(tmp_path)
    assert record["error"] == "it broke" and record["ended"]


def test_only_the_job_that_fails_now_leaves_no_model(tmp_path, monkeypatch):
    """Whoever starts a job again after one failed, inside of `except`, gets its model."""
    monkeypatch.setenv("WORKSHOP_FAILURES", str(tmp_path / "none"))
    utils = types.ModuleType("utils")
    utils.move_to_destination = lambda source: sorted(path.name for path in source.iterdir())
    local_jobs.leave_no_model_behind(utils)
    error = RuntimeError("Failed to run: ['docker', 'compose'], exited with code: 1")
    kept = []
    for failed_before in (True, False):
        for name in ("model.tar.gz", "output.tar.gz"):
            (tmp_path / name).touch()
        if failed_before:
            failures.remember(error, "training", "first", [])
        else:
            error = RuntimeError(*error.args)
        try:
            raise error
        except RuntimeError:
            kept.append(utils.move_to_destination(tmp_path))
    assert kept == [["model.tar.gz", "output.tar.gz"], ["output.tar.gz"]]


def test_a_job_runs_where_no_emulator_can_be_asked(local_mode, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "s3").write_text("no folder: it does not start")
    monkeypatch.setenv("WORKSHOP_STATE", str(folder))
    monkeypatch.setenv("WORKSHOP_RECORDS", str(state.folder("records")))
    name = REQUEST["ProcessingJobName"]
    assert local_mode.create_training_job(TrainingJobName=name) == "trained"
    assert capsys.readouterr().err == (
        "Note: whether AWS would take this job is not known: the emulated AWS does not answer.\n"
    )
