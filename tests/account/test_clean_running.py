"""`./lab clean --aws` where something runs: it costs money, is stopped, and goes before the rest.

moto's jobs and executions have ended as soon as they are made, and it cannot stop any; nor does it
delete model packages. `Running` sets and does it in moto's own memory.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from types import SimpleNamespace

import pytest
from moto.sagemaker.models import sagemaker_backends

from workshop.account import clean, identity
from workshop.emulator import settings
from workshop.emulator.client import daemon

from .conftest import ACCOUNT, REGION, TAGS


class Running:
    """What moto leaves out. `asked` are the names of what was stopped or deleted, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stops = True  # in the first pause after it was asked to

    @property
    def moto(self):
        return sagemaker_backends[ACCOUNT][REGION]

    def _all(self) -> list[tuple[object, str]]:
        """Return what has a status, and how moto calls that."""
        moto = self.moto
        executions = [
            one
            for pipeline in moto.pipelines.values()
            for one in pipeline.pipeline_executions.values()
        ]
        return [
            *((one, "training_job_status") for one in moto.training_jobs.values()),
            *((one, "transform_job_status") for one in moto.transform_jobs.values()),
            *(
                (one, "hyper_parameter_tuning_job_status")
                for one in moto.hyper_parameter_tuning_jobs.values()
            ),
            *((one, "pipeline_execution_status") for one in executions),
        ]

    def let_run(self, *names: str) -> None:
        for one, status in self._all():
            if one.arn.split("/")[1] in names:
                executes = status == "pipeline_execution_status"
                setattr(one, status, "Executing" if executes else "InProgress")

    def stop(self, **member: str) -> None:
        """Stop what is named, or has the ARN, as all of AWS's Stop operations do."""
        (name,) = member.values()
        for one, status in self._all():
            if one.arn == name or one.arn.endswith(f"/{name}"):
                self.asked.append(one.arn.split("/")[1])
                setattr(one, status, "Stopping")

    def pause(self, seconds: float) -> None:
        for one, status in self._all():
            if self.stops and getattr(one, status) == "Stopping":
                setattr(one, status, "Stopped")

    def delete_training_job(self, TrainingJobName: str) -> None:
        del self.moto.training_jobs[TrainingJobName]

    def delete_model_package(self, ModelPackageName: str) -> None:
        self.asked.append(ModelPackageName.partition(":model-package/")[2])
        del self.moto.model_packages[ModelPackageName]

    def delete_model_package_group(self, ModelPackageGroupName: str) -> None:
        groups = [one.model_package_group_name for one in self.moto.model_packages.values()]
        assert ModelPackageGroupName not in groups, "AWS deletes no group that has versions"
        del self.moto.model_package_groups[ModelPackageGroupName]


@pytest.fixture
def running(account, monkeypatch):
    """Have what moto leaves out, and wait for nothing."""
    made, usual = Running(), identity.client

    def client(session, service: str):
        one = usual(session, service)
        if service == "sagemaker":
            stop = made.stop
            one.stop_pipeline_execution = one.stop_hyper_parameter_tuning_job = stop
            one.stop_transform_job = one.stop_training_job = stop
            one.delete_training_job = made.delete_training_job
            one.delete_model_package = made.delete_model_package
            one.delete_model_package_group = made.delete_model_package_group
        return one

    monkeypatch.setattr(identity, "client", client)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: made.pause(seconds))
    monkeypatch.setattr(clean, "time", clock)
    return made


def test_an_endpoint_is_told_first_with_what_it_costs(account, running, capsys):
    """And with what depends on it, in the order in which AWS lets them go."""
    account.endpoint("digits", TAGS, "ml.m5.large", 2)
    account.endpoint("theirs", [])
    before = account.names()
    assert clean.clean(ask=lambda question: False) == 1
    told = capsys.readouterr().out
    assert account.names() == before and "theirs" not in told
    first, *rows = [line for line in told.splitlines() if "digits" in line]
    assert re.fullmatch(
        r"COSTS MONEY NOW: endpoint digits costs \$0\.256 an hour, \$6\.14 a day, until it is "
        r"deleted: AllTraffic 2 × ml\.m5\.large at \$0\.128; it has been there since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d UTC",
        first,
    )
    assert [row.split() for row in rows] == [
        ["endpoint", "digits", "InService"],
        ["endpoint-config", "digits-config", "-"],
        ["model", "digits-model", "-"],
    ]

    assert clean.clean(ask=None) == 0
    assert account.names() == {"theirs", "theirs-config", "theirs-model"}
    lines = re.findall(r"(?m)^removed: (\S+) \S+$", capsys.readouterr().out)
    assert lines == ["endpoint", "endpoint-config", "model"]


def test_an_endpoint_costs_as_many_instances_as_it_has_now(account, running, capsys):
    account.endpoint("digits", TAGS)
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="digits",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}],
    )
    clean.clean(ask=lambda question: False)
    assert "costs $0.771 an hour" in capsys.readouterr().out


def test_an_endpoint_without_its_configuration_still_costs(account, running, capsys):
    account.endpoint("digits", TAGS)
    account.sagemaker.delete_endpoint_config(EndpointConfigName="digits-config")
    assert clean.clean(ask=None) == 0
    told = capsys.readouterr().out
    words = "costs an amount that is not known here: its configuration digits-config is gone"
    assert f"COSTS MONEY NOW: endpoint digits {words}" in told
    assert account.names() == set()


def test_a_failed_endpoint_runs_on_nothing_and_is_removed(account, running, capsys):
    account.endpoint("digits", TAGS)
    running.moto.endpoints["digits"].endpoint_status = "Failed"
    assert clean.clean(ask=None) == 0
    told = capsys.readouterr().out
    assert "COSTS MONEY" not in told and re.search(r"endpoint +digits +Failed\n", told)


def test_what_an_endpoint_needs_stays_until_it_is_gone(
    account, running, make_stack, monkeypatch, capsys
):
    """Its configuration says on what it runs, and AWS deletes it with its role."""
    make_stack(tags=TAGS)
    account.endpoint("digits", TAGS)

    def refuse(*_):
        words = f'Cannot update in-progress endpoint "arn:aws:sagemaker:{REGION}:…".'
        error = {"Error": {"Code": "ValidationException", "Message": words}}
        raise account.sagemaker.exceptions.ClientError(error, "DeleteEndpoint")

    monkeypatch.setitem(clean._REMOVE, "endpoint", refuse)
    assert clean.clean(ask=None) == 1
    told = capsys.readouterr().out
    assert "not removed: endpoint digits: An error occurred (ValidationException)" in told
    assert "kept: endpoint-config digits-config: endpoint digits may need it" in told
    assert "kept: stack sagemaker-workshop: endpoint digits may need it" in told
    stay = {"digits", "digits-config", "sagemaker-workshop", "sagemaker-workshop-test"}
    assert account.names() == stay


def test_what_runs_is_stopped_and_what_starts_jobs_comes_before_them(account, running, capsys):
    account.training_job("digits-tuning-001", TAGS)
    account.tuning_job("digits-tuning", TAGS)
    account.transform_job("digits-transform", TAGS)
    account.pipeline("digits-pipeline", TAGS)
    theirs = ["their-pipeline", "their-tuning"]
    account.pipeline(theirs[0], [])
    account.tuning_job(theirs[1], [])
    ours = ["digits-pipeline", "digits-tuning", "digits-transform", "digits-tuning-001"]
    running.let_run(*ours, *theirs)
    questions = []
    assert clean.clean(ask=lambda question: questions.append(question) or False) == 1
    told = capsys.readouterr().out
    assert questions == ["Stop what runs, and remove all of the list?"]
    assert running.asked == []
    rows = [line.split(maxsplit=2) for line in told.splitlines() if "digits" in line]
    assert [row[1:] for row in rows] == [
        ["digits-pipeline", "1 execution, 1 running"],
        ["digits-tuning", "InProgress"],
        ["digits-transform", "InProgress"],
        ["digits-tuning-001", "InProgress"],
    ]

    assert clean.clean(ask=None) == 0
    told = capsys.readouterr().out
    assert running.asked == ours
    assert "stopping: pipeline digits-pipeline\n" in told
    assert "stopped: transform-job digits-transform\n" in told
    assert "removed: hyper-parameter-tuning-job digits-tuning\n" in told
    assert account.names() == {*theirs}


def test_a_job_that_does_not_end_keeps_its_bucket_and_its_role(
    account, running, make_stack, monkeypatch, capsys
):
    make_stack(tags=TAGS)
    account.transform_job("digits-transform", TAGS)
    account.group("digits", TAGS)
    running.let_run("digits-transform")
    running.stops = False
    monkeypatch.setattr(clean, "_PATIENCE", 0.1)
    assert clean.clean(ask=None) == 1
    told = capsys.readouterr().out
    assert "not removed: transform-job digits-transform: it still runs. Call this again" in told
    assert "kept: bucket sagemaker-workshop-test: transform-job digits-transform may need" in told
    assert account.names() == {"sagemaker-workshop", "sagemaker-workshop-test"}


def test_what_may_not_be_stopped_stays_with_what_it_needs(
    account, running, make_stack, monkeypatch, capsys
):
    """And nobody waits for its end."""
    make_stack(tags=TAGS)
    account.pipeline("digits", TAGS)
    account.model("digits-model", TAGS)
    running.let_run("digits")

    def refuse(**_):
        error = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
        raise account.sagemaker.exceptions.ClientError(error, "StopPipelineExecution")

    monkeypatch.setattr(running, "stop", refuse)
    monkeypatch.setattr(running, "pause", lambda seconds: pytest.fail("it waits"))
    assert clean.clean(ask=None) == 1
    told = capsys.readouterr().out
    assert "not stopped: pipeline digits: An error occurred (AccessDeniedException)" in told
    assert "kept: stack sagemaker-workshop: pipeline digits may need it" in told
    assert account.names() == {"digits", "sagemaker-workshop", "sagemaker-workshop-test"}


def test_the_record_of_a_transform_stays_and_is_not_listed(account, running, capsys):
    """AWS has no DeleteTransformJob. A record costs nothing."""
    account.transform_job("digits-transform", TAGS)
    assert clean.clean(ask=None) == 0
    assert "Nothing has the tag" in capsys.readouterr().out


def test_the_versions_of_a_model_go_before_their_group(account, running, capsys):
    account.group("Digits", TAGS, versions=3)
    account.group("theirs", [], versions=1)
    assert clean.clean(ask=None) == 0
    told = capsys.readouterr().out
    assert re.search(r"model-package-group +Digits +3 versions\n", told)
    assert running.asked == ["digits/1", "digits/2", "digits/3"]
    assert account.names() == {"theirs"}
    assert [one.model_package_group_name for one in running.moto.model_packages.values()] == [
        "theirs"
    ]


# --- in the emulated AWS, which refuses what comes in the wrong order, and where things really run

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
PLACE = f"arn:aws:sagemaker:{settings.REGION}:{settings.ACCOUNT}"
ROLE = f"arn:aws:iam::{settings.ACCOUNT}:role/service-role/{settings.ROLE}"


def archive() -> bytes:
    """Return a model.tar.gz with a script that loads nothing."""
    script, packed = b"def model_fn(folder): return folder", io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(script)
        tar.addfile(entry, io.BytesIO(script))
    return packed.getvalue()


class Index:
    """The index of tags, which the emulator does not play: it names all that has an ARN here."""

    def __init__(self, arns: list[str]) -> None:
        self.arns = arns

    def get_paginator(self, name: str) -> Index:
        return self

    def paginate(self, **_) -> list[dict]:
        return [{"ResourceTagMappingList": [{"ResourceARN": arn} for arn in self.arns]}]


@pytest.mark.slow
def test_all_goes_in_the_order_in_which_sagemaker_lets_it_go(monkeypatch, capsys):
    """With an endpoint in service, and a pipeline whose job would run for minutes."""
    s3, sagemaker = daemon.client("s3"), daemon.client("sagemaker")

    def processing_jobs() -> set[str]:
        found = sagemaker.list_processing_jobs(NameContains="pipelines-", MaxResults=100)
        return {one["ProcessingJobArn"] for one in found["ProcessingJobSummaries"]}

    s3.create_bucket(Bucket="sagemaker-cleaned")
    s3.put_object(Bucket="sagemaker-cleaned", Key="model.tar.gz", Body=archive())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://sagemaker-cleaned/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    sagemaker.create_model(
        ModelName="cleaned", ExecutionRoleArn=ROLE, PrimaryContainer=container, Tags=TAGS
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "cleaned"}
    variant |= {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="cleaned", ProductionVariants=[variant], Tags=TAGS
    )
    sagemaker.create_endpoint(EndpointName="cleaned", EndpointConfigName="cleaned", Tags=TAGS)
    sagemaker.create_model_package_group(ModelPackageGroupName="cleaned", Tags=TAGS)
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    for _ in range(2):
        sagemaker.create_model_package(
            ModelPackageGroupName="cleaned",
            InferenceSpecification={"Containers": [container], **types},
        )
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    job = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["sleep", "300"]},
        "RoleArn": ROLE,
    }
    steps = [{"Name": "sleep", "Type": "Processing", "Arguments": job}]
    sagemaker.create_pipeline(
        PipelineName="cleaned",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": steps}),
        RoleArn=ROLE,
        Tags=TAGS,
    )
    before = processing_jobs()
    sagemaker.start_pipeline_execution(PipelineName="cleaned")
    deadline = time.monotonic() + 30
    while processing_jobs() == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (arn,) = processing_jobs() - before
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName="cleaned", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    kinds = ("model-package-group", "model", "endpoint-config", "pipeline", "endpoint")
    index = Index([*(f"{PLACE}:{kind}/cleaned" for kind in kinds), arn])
    monkeypatch.setattr(identity, "start", lambda: (None, settings.REGION))
    monkeypatch.setattr(identity, "whoami", lambda _: {"Account": settings.ACCOUNT})
    monkeypatch.setattr(
        identity,
        "client",
        lambda _, name: index if name.startswith("resource") else daemon.client(name),
    )
    monkeypatch.setattr(clean, "_PAUSE", 0.1)
    assert clean.clean(ask=None) == 0
    told = capsys.readouterr().out
    assert "COSTS MONEY NOW: endpoint cleaned costs $0.115 an hour, $2.76 a day" in told
    # The job of the step may have been told to stop by its pipeline before.
    assert re.findall(r"(?m)^stopping: (\S+)", told)[0] == "pipeline"
    assert re.findall(r"(?m)^removed: (\S+)", told) == [
        *("endpoint", "pipeline", "endpoint-config", "model", "model-package-group"),
        "processing-job",
    ]
    mine = {"NameContains": "cleaned"}
    assert sagemaker.list_endpoints(**mine)["Endpoints"] == []
    assert sagemaker.list_pipelines(PipelineNamePrefix="cleaned")["PipelineSummaries"] == []
    assert sagemaker.list_model_package_groups(**mine)["ModelPackageGroupSummaryList"] == []
    assert arn not in processing_jobs()
