"""`./lab doctor --aws`: each line says ok, or the exact thing to do."""

from __future__ import annotations

import json
import shlex

import boto3
import pytest

from workshop.account import doctor
from workshop.terminal import Check

from .conftest import ACCOUNT, REGION

NAMES = [f"{kind} for {use} usage" for kind, use, _, _ in doctor.NEEDED]


@pytest.fixture(autouse=True)
def no_images(monkeypatch, request):
    """Leave the SDK, which takes seconds to import, to the test that needs it."""
    if "images" not in request.node.name:
        monkeypatch.setattr(doctor, "_images", lambda region: [])


def quotas(*values: float, names=NAMES) -> dict:
    """What service-quotas answers: the quotas, among others."""
    pairs = [("ml.m5.xlarge for endpoint usage", 0), *zip(names, values, strict=True)]
    listed = [
        {"QuotaName": name, "QuotaCode": f"L-{number:08}", "Value": value}
        for number, (name, value) in enumerate(pairs)
    ]
    return {"Quotas": listed}


@pytest.fixture
def enough(answers):
    answers("service-quotas", ("list_service_quotas", quotas(4, 4, 4)))


def found(*names: str) -> list[Check]:
    return [check for check in doctor.checks() if check.name in names]


def test_an_account_that_is_ready(make_stack, enough, capsys):
    make_stack()
    assert doctor.doctor() == 0
    told = capsys.readouterr().out
    assert told.endswith("Your account is ready: ./lab start --aws\n")
    lines = [line.split()[:2] for line in told.splitlines()[1:]]
    assert lines[:-2] == [["ok", name] for name in ["account", "region", "role", "bucket"]] + [
        ["ok", "quota"] for _ in NAMES
    ]
    assert f"account  {ACCOUNT}, you are arn:aws" in told
    assert "SageMaker may take it" in told


def test_without_credentials_that_is_all(monkeypatch, capsys):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert doctor.doctor() == 1
    told = capsys.readouterr().out
    assert told.count("FIX") == 1
    assert told.endswith("To do first: account. Then call ./lab doctor --aws again.\n")


def test_without_a_network_one_line_says_it(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    (check,) = doctor.checks()
    assert check.state == "FIX" and check.finding.startswith("AWS cannot be reached")


# --- region, role


@pytest.mark.parametrize(
    ("region", "state", "words"),
    [
        ("eu-west-1", "ok", "eu-west-1"),
        ("ap-south-1", "ok", "us-east-1's stand in"),
        ("eu-west-99", "FIX", "export AWS_DEFAULT_REGION=us-east-1"),
    ],
)
def test_region(region, state, words):
    check = doctor._region(region)
    assert check.state == state and words in check.finding


def test_a_user_without_a_role(aws, enough):
    (check,) = found("role")
    assert check.state == "FIX"
    assert "aws cloudformation deploy" in check.finding


def test_a_trust_policy_without_sagemaker(make_role, monkeypatch, enough):
    """The command that is named mends it, and keeps what was there."""
    monkeypatch.setenv("WORKSHOP_ROLE", make_role("Mine", service="ec2.amazonaws.com"))
    (check,) = found("role")
    assert check.state == "FIX"
    command = shlex.split(check.finding[check.finding.index("aws iam ") :])
    assert command[:5] == ["aws", "iam", "update-assume-role-policy", "--role-name", "Mine"]
    boto3.client("iam").update_assume_role_policy(
        RoleName=command[4], PolicyDocument=command[command.index("--policy-document") + 1]
    )
    policy = boto3.client("iam").get_role(RoleName="Mine")["Role"]["AssumeRolePolicyDocument"]
    assert "ec2.amazonaws.com" in json.dumps(policy)
    assert found("role")[0].state == "ok"


@pytest.mark.parametrize("arn", ["role/Gone", "role/service-role/Mine"])
def test_a_role_that_is_not_there(make_role, monkeypatch, enough, arn):
    make_role("Mine")
    monkeypatch.setenv("WORKSHOP_ROLE", f"arn:aws:iam::{ACCOUNT}:{arn}")
    (check,) = found("role")
    assert check.state == "FIX" and "is not there" in check.finding


def test_a_missing_permission_is_named_and_the_rest_goes_on(make_stack, answers, monkeypatch):
    make_stack()
    answers("iam", ("get_role", "AccessDenied"))
    answers("service-quotas", ("list_service_quotas", "AccessDeniedException"))
    checks = {check.name: check for check in doctor.checks()}
    assert checks["role"].state == checks["quota"].state == "note"
    assert checks["role"].finding.startswith("not checked: you may not iam:GetRole.")
    assert "you may not servicequotas:ListServiceQuotas" in checks["quota"].finding
    assert checks["bucket"].state == "ok"


# --- bucket


def make_bucket(name: str, region: str = REGION) -> None:
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    more = {"CreateBucketConfiguration": where} if where else {}
    boto3.client("s3", region_name=region).create_bucket(Bucket=name, **more)


def test_the_default_bucket_need_not_be_there(aws, enough):
    (check,) = found("bucket")
    assert check.state == "ok" and "made when it is missing" in check.finding


def test_a_bucket_that_default_roles_do_not_reach(aws, enough, monkeypatch):
    make_bucket("my-data")
    monkeypatch.setenv("WORKSHOP_BUCKET", "my-data")
    (check,) = found("bucket")
    assert check.state == "FIX" and "sagemaker in their name" in check.finding


def test_a_missing_bucket(aws, enough, monkeypatch):
    monkeypatch.setenv("WORKSHOP_BUCKET", "sagemaker-gone")
    (check,) = found("bucket")
    assert check.state == "FIX" and "sagemaker-gone is not there" in check.finding


def test_a_bucket_in_another_region(aws, enough, monkeypatch):
    make_bucket("sagemaker-far", "us-west-2")
    monkeypatch.setenv("WORKSHOP_BUCKET", "sagemaker-far")
    (check,) = found("bucket")
    assert check.state == "FIX"
    assert check.finding.endswith("export AWS_DEFAULT_REGION=us-west-2")


def test_a_bucket_of_another_account(aws, enough, answers, monkeypatch):
    answers("s3", ("head_bucket", "403"))
    monkeypatch.setenv("WORKSHOP_BUCKET", "sagemaker-theirs")
    (check,) = found("bucket")
    assert check.state == "FIX" and "another account, or you may not s3:List" in check.finding


# --- quotas


def test_a_quota_of_zero(aws, answers):
    answers("service-quotas", ("list_service_quotas", quotas(0, 2, 0)))
    processing, training, spot = found("quota")
    assert [processing.state, training.state, spot.state] == ["FIX", "ok", "FIX"]
    assert processing.finding == (
        "ml.m5.xlarge for processing job usage: 0. Ask for 3, and wait for AWS's mail: "
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-00000001 --desired-value 3 --region eu-west-1"
    )
    assert "--quota-code L-00000003 --desired-value 1" in spot.finding


def test_a_quota_that_is_enough_for_all_but_the_bonus(aws, answers):
    answers("service-quotas", ("list_service_quotas", quotas(1, 1, 1)))
    processing, *others = found("quota")
    assert processing.state == "note" and "bonus section uses 3" in processing.finding
    assert {check.state for check in others} == {"ok"}


def test_the_default_counts_where_an_account_has_no_quota_of_its_own(aws, answers):
    answers(
        "service-quotas",
        ("list_service_quotas", quotas(4, names=NAMES[:1])),
        ("list_aws_default_service_quotas", quotas(0, names=NAMES[1:2])),
    )
    assert [check.state for check in found("quota")] == ["ok", "FIX", "note"]


# --- images


@pytest.mark.slow
def test_images():
    checks = list(doctor._images(REGION))
    assert [check.state for check in checks] == ["ok", "ok"]
    assert "dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.19.0-cpu-py312" in (
        checks[0].finding
    )
    for check in doctor._images("eu-west-99"):
        assert check.state == "FIX" and "eu-west-99" in check.finding
