"""The default role reaches only what has "sagemaker" in its name, as its policy has it on AWS."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ...conftest import ROLE, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def buckets():
    for bucket in ("dataset", "my-sagemaker-data"):
        daemon.client("s3").create_bucket(Bucket=bucket)
        for key in ("train/a.txt", "sagemaker/a.txt"):
            daemon.client("s3").put_object(Bucket=bucket, Key=key, Body=b"a")


@pytest.fixture(scope="module")
def all_rights() -> str:
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
    try:
        role = daemon.client("iam").create_role(
            RoleName="AllRights", AssumeRolePolicyDocument=json.dumps(trust)
        )["Role"]
    except ClientError:  # an earlier test of this server has made it
        role = daemon.client("iam").get_role(RoleName="AllRights")["Role"]
    return role["Arn"]


def process(role: str, source: str, target: str) -> tuple[str, str]:
    """Run a job that copies an input; return its status and FailureReason."""
    name = f"access-{uuid.uuid4().hex[:8]}"
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    given = {"S3Uri": source, "LocalPath": "/opt/ml/processing/in"}
    given |= {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    taken = {"S3Uri": target, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    daemon.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={"ClusterConfig": cluster},
        AppSpecification={
            "ImageUri": "any",
            "ContainerEntrypoint": ["cp", "/opt/ml/processing/in/a.txt", "/opt/ml/processing/out"],
        },
        RoleArn=role,
        ProcessingInputs=[{"InputName": "in", "S3Input": given}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": taken}]},
    )
    found = until(lambda: ended("processing", name), 30)
    return found["ProcessingJobStatus"], found.get("FailureReason", "")


def ended(kind: str, name: str) -> dict | None:
    describe = getattr(daemon.client("sagemaker"), f"describe_{kind}_job")
    found = describe(**{f"{kind.title()}JobName": name})
    return found if found[f"{kind.title()}JobStatus"] != "InProgress" else None


@pytest.mark.parametrize("source", ["s3://my-sagemaker-data/train/", "s3://dataset/sagemaker/"])
def test_the_default_role_uses_what_has_sagemaker_in_its_name(source):
    assert process(ROLE, source, "s3://my-sagemaker-data/out") == ("Completed", "")


def test_the_default_role_may_not_read_another_bucket():
    status, reason = process(ROLE, "s3://dataset/train/", "s3://my-sagemaker-data/out")
    assert status == "Failed"
    assert reason == (
        "ClientError: Data download failed: AccessDenied: the role "
        "AmazonSageMaker-ExecutionRole-Workshop may not read s3://dataset/train/. Its policy, "
        'AmazonSageMakerFullAccess, opens only what has "sagemaker" in its name. Use such a '
        "bucket, as the session's default_bucket(), or give the job a role that may use this one."
    )


def test_the_default_role_may_not_write_another_bucket():
    status, reason = process(ROLE, "s3://my-sagemaker-data/train/", "s3://dataset/out")
    assert status == "Failed"
    assert reason.startswith("ClientError: Data upload failed: AccessDenied: the role ")
    assert "may not write s3://dataset/out." in reason


def test_a_role_with_all_rights_uses_any_bucket(all_rights):
    assert process(all_rights, "s3://dataset/train/", "s3://dataset/out") == ("Completed", "")


def test_a_training_job_may_not_write_its_checkpoints_to_another_bucket():
    name = f"access-{uuid.uuid4().hex[:8]}"
    daemon.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "any", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://my-sagemaker-data/out"},
        CheckpointConfig={"S3Uri": "s3://dataset/checkpoints"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    reason = until(lambda: ended("training", name), 30)["FailureReason"]
    assert "may not write s3://dataset/checkpoints." in reason
