"""Who the learner is, which role and bucket the jobs get, and what is said when that fails."""

from __future__ import annotations

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from workshop.account import identity
from workshop.emulator.errors import WorkshopError

from .conftest import ACCOUNT, QUERY_THROTTLED, REGION


def test_a_user_without_a_stack(aws):
    """There is no role, and it is said how to make one; the bucket is the SDK's."""
    found = identity.find()
    assert (found.number, found.region) == (ACCOUNT, REGION)
    assert found.role == ""
    assert found.bucket == f"sagemaker-{REGION}-{ACCOUNT}"


def test_a_user_with_the_stack(make_stack):
    make_stack()
    found = identity.find()
    assert found.role == f"arn:aws:iam::{ACCOUNT}:role/sagemaker-workshop-Role"
    assert found.bucket == "sagemaker-workshop-test"
    assert found.role_from == found.bucket_from == "the stack sagemaker-workshop"


def test_a_stack_of_somebody_else_with_the_same_name(make_stack):
    make_stack(tags=[{"Key": "team", "Value": "other"}])
    assert identity.find().role == ""


def test_an_execution_role_stays(make_role, make_stack, become):
    """In Studio the caller is the role of the jobs already."""
    make_stack()
    role = make_role("StudioRole")
    become(role)
    found = identity.find()
    assert (found.role, found.role_from) == (role, "you")


def test_a_role_for_people_is_not_for_jobs(make_role, make_stack, become):
    make_stack()
    become(make_role("AWSReservedSSO_Admin_1234", service="sso.amazonaws.com"))
    assert identity.find().role.endswith(":role/sagemaker-workshop-Role")


def test_an_execution_role_that_may_not_ask_iam(make_role, become, answers):
    role = make_role("AmazonSageMaker-ExecutionRole-20261120")
    become(role)
    answers("iam", ("get_role", "AccessDenied"))
    name = "service-role/AmazonSageMaker-ExecutionRole-20261120"
    assert identity.find().role == f"arn:aws:iam::{ACCOUNT}:role/{name}"


@pytest.mark.parametrize("request_", ["Action=DescribeStacks", "Action=GetRole"])
def test_no_answer_does_not_mean_that_there_is_none(service, make_role, become, request_):
    """Else the jobs would get another role, or another bucket, than the time before."""
    become(make_role("StudioRole"))
    assert identity.find().role_from == "you"
    service.answer(request_, 400, QUERY_THROTTLED)
    with pytest.raises(WorkshopError, match=r"AWS was asked too often .* Wait a minute, then try"):
        identity.find()


def test_a_service_out_of_reach_does_not_mean_that_there_is_none(service, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")
    with pytest.raises(WorkshopError, match="AWS cannot be reached"):
        identity.find()


def test_what_the_learner_names_comes_first(make_stack, monkeypatch):
    make_stack()
    own = f"arn:aws:iam::{ACCOUNT}:role/path/Mine"
    monkeypatch.setenv("WORKSHOP_ROLE", own)
    monkeypatch.setenv("WORKSHOP_BUCKET", "my-sagemaker-bucket")
    found = identity.find()
    assert (found.role, found.role_from) == (own, "WORKSHOP_ROLE")
    assert (found.bucket, found.bucket_from) == ("my-sagemaker-bucket", "WORKSHOP_BUCKET")


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("Mine", "Give the ARN of a role"),
        ("arn:aws:iam::999999999999:role/Other", "your credentials belong to the account 1234"),
    ],
)
def test_a_role_that_cannot_be(aws, monkeypatch, role, words):
    monkeypatch.setenv("WORKSHOP_ROLE", role)
    with pytest.raises(WorkshopError, match=words):
        identity.find()


def test_no_region(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(WorkshopError, match="export AWS_DEFAULT_REGION=us-east-1"):
        identity.find()
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    with pytest.raises(WorkshopError, match="does not read AWS_REGION=eu-north-1"):
        identity.find()


def test_no_credentials(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WorkshopError, match="No AWS credentials were found"):
        identity.find()


def test_half_of_the_credentials(monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WorkshopError, match="Half of the AWS credentials is missing"):
        identity.find()


def test_no_such_profile(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(WorkshopError, match="aws configure list-profiles"):
        identity.find()


def test_no_network(monkeypatch):
    """A closed port plays AWS: an answer comes soon, in one sentence."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(WorkshopError, match="AWS cannot be reached") as told:
        identity.find()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ExpiredToken", "have expired. Sign in again (aws sso login --profile mine)"),
        ("InvalidClientTokenId", "AWS does not know this access key"),
        ("SignatureDoesNotMatch", "clock is wrong"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login --profile mine"),
        (exceptions.LoginRefreshRequired(), "sign-in has ended"),
        (exceptions.SSLError(endpoint_url="x", error="y"), "AWS cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="x"), "AWS cannot be reached"),
        (exceptions.InvalidRegionError(region_name="mars 1"), "the name of the region"),
        ("Unheard", "An error occurred (Unheard)"),
    ],
)
def test_words_for_errors(monkeypatch, error, words):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    if isinstance(error, str):
        error = ClientError({"Error": {"Code": error, "Message": "no"}}, "GetCallerIdentity")
    assert words in identity.explain(error)


@pytest.mark.parametrize(
    ("principal", "action", "effect", "trusts"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, "sts:AssumeRole", "Allow", True),
        ({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}, "sts:*", "Allow", True),
        ({"Service": "sagemaker.amazonaws.com"}, ["sts:TagSession"], "Allow", False),
        ({"Service": "sagemaker.amazonaws.com"}, "sts:AssumeRole", "Deny", False),
        ({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole", "Allow", False),
        ({"AWS": "arn:aws:iam::123456789012:root"}, "sts:AssumeRole", "Allow", False),
        ("*", "*", "Allow", True),
        (None, "sts:AssumeRole", "Allow", False),
    ],
)
@pytest.mark.parametrize("as_list", [True, False])
def test_trust(principal, action, effect, trusts, as_list):
    statement = {"Effect": effect, "Principal": principal, "Action": action}
    policy = {"Statement": [statement] if as_list else statement}
    assert identity.trusts_sagemaker(policy) is trusts


def test_nothing_is_made(aws):
    identity.find()
    assert boto3.client("s3").list_buckets()["Buckets"] == []
