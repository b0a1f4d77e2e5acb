"""`./lab doctor --aws`: each line says ok, or the exact thing to do."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from unittest.mock import MagicMock

import boto3
import pytest

from workshop.account import doctor, identity
from workshop.course import manifest
from workshop.terminal import Check

from .conftest import ACCOUNT, REGION, TAGS

#: What the labs need: AWS's name of the quota, instances at once.
NEEDED = {
    "ml.m5.xlarge for processing job usage": 3,
    "ml.m5.xlarge for training job usage": 2,
    "ml.m5.xlarge for spot training job usage": 1,
    "ml.t3.medium for processing job usage": 1,
    "ml.r5.xlarge for processing job usage": 2,
    "ml.m5.large for processing job usage": 3,
    "ml.m5.large for training job usage": 3,
    "ml.m5.large for transform job usage": 1,
    "ml.m5.large for endpoint usage": 3,
}


@pytest.fixture(autouse=True)
def no_images(monkeypatch, request):
    """Leave the SDK, which takes seconds to import, to the test that needs it."""
    if "images" not in request.node.name:
        monkeypatch.setattr(doctor, "_images", lambda region: [])


class Policies:
    """What IAM's policies say; moto has no simulation of them."""

    def __init__(self) -> None:
        self.denied: set[tuple[str, str]] = set()  # who, and which action
        self.asked: dict[tuple[str, str], set[str]] = {}  # of which resources

    def simulate(self, params: dict, **_) -> tuple[object, dict]:
        body = params["body"]
        who, resource = body["PolicySourceArn"], body["ResourceArns.member.1"]
        assert body["ContextEntries.member.1.ContextKeyValues.member.1"] == identity.SERVICE
        actions = [body[key] for key in body if key.startswith("ActionNames.member.")]
        for action in actions:
            self.asked.setdefault((who, action), set()).add(resource)
        results = [
            {
                "EvalActionName": action,
                "EvalDecision": "implicitDeny" if (who, action) in self.denied else "allowed",
            }
            for action in actions
        ]
        return MagicMock(status_code=200), {"EvaluationResults": results, "IsTruncated": False}


@pytest.fixture(autouse=True)
def policies(monkeypatch):
    """Let everybody do everything, but for what a test takes away."""
    played, usual = Policies(), identity.client

    def client(session, service: str):
        made = usual(session, service)
        if service == "iam":
            made.meta.events.register("before-call.iam.SimulatePrincipalPolicy", played.simulate)
        return made

    monkeypatch.setattr(identity, "client", client)
    return played


def quotas(values: dict[str, float | None] | None = None) -> dict:
    """What service-quotas answers: enough for all labs, but for what is given; None is no quota."""
    pairs = [("ml.m5.xlarge for endpoint usage", 0), *(NEEDED | (values or {})).items()]
    listed = [
        {"QuotaName": name, "QuotaCode": f"L-{number:08}", "Value": value}
        for number, (name, value) in enumerate(pairs)
        if value is not None
    ]
    return {"Quotas": listed}


@pytest.fixture
def enough(answers):
    answers("service-quotas", ("list_service_quotas", quotas()))


def found(*names: str) -> list[Check]:
    return [check for check in doctor.checks() if check.name in names]


def test_an_account_that_is_ready(make_stack, enough, capsys):
    make_stack()
    assert doctor.doctor() == 0
    told = capsys.readouterr().out
    assert told.endswith("Your account is ready: ./lab start --aws\n")
    lines = [line.split()[:2] for line in told.splitlines()[1:]]
    assert lines[:-2] == [
        *(["ok", name] for name in ("account", "region", "role", "permission", "permission")),
        *(["ok", name] for name in ("bucket", *("quota" for _ in NEEDED))),
    ]
    assert re.search(rf"account +{ACCOUNT}, you are arn:aws", told)
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
    answers("iam", ("get_role", "AccessDenied"), ("simulate_principal_policy", "AccessDenied"))
    answers("service-quotas", ("list_service_quotas", "AccessDeniedException"))
    checks = {check.name: check for check in doctor.checks()}
    assert checks["role"].state == checks["permission"].state == checks["quota"].state == "note"
    assert "you may not iam:SimulatePrincipalPolicy" in checks["permission"].finding
    assert checks["role"].finding.startswith("not checked: you may not iam:GetRole.")
    assert "you may not servicequotas:ListServiceQuotas" in checks["quota"].finding
    assert checks["bucket"].state == "ok"


# --- permissions

USER = f"arn:aws:iam::{ACCOUNT}:user/learner"
STACKS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-workshop-Role"


@pytest.fixture
def as_user(make_stack, monkeypatch, enough):
    """A learner who is a user, and has the stack's role for the jobs."""
    make_stack()
    keys = boto3.client("iam")
    keys.create_user(UserName="learner")
    made = keys.create_access_key(UserName="learner")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])


def test_what_you_and_the_role_may_do_is_asked_of_iam(as_user, policies):
    assert [(check.state, check.finding) for check in found("permission")] == [
        ("ok", "you may do all that the labs do"),
        ("ok", "the role may do all that a pipeline does with it"),
    ]
    place = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
    asked = policies.asked
    assert asked[USER, "sagemaker:CreateEndpoint"] == {f"{place}:endpoint/workshop"}
    assert asked[USER, "sagemaker:StartPipelineExecution"] == {f"{place}:pipeline/workshop"}
    assert asked[STACKS_ROLE, "sagemaker:CreateTransformJob"] == {f"{place}:transform-job/workshop"}
    assert asked[USER, "iam:PassRole"] == asked[STACKS_ROLE, "iam:PassRole"] == {STACKS_ROLE}
    assert (STACKS_ROLE, "sagemaker:CreateEndpoint") not in asked


def test_what_you_may_not_do_is_named(as_user, policies):
    policies.denied = {(USER, "sagemaker:CreateEndpoint"), (USER, "sagemaker:InvokeEndpoint")}
    mine, _ = found("permission")
    assert mine.state == "FIX"
    assert mine.finding.startswith(
        f"you may not sagemaker:CreateEndpoint, sagemaker:InvokeEndpoint ({USER}). Ask for that"
    )
    for action in ("sagemaker:CreateTrainingJob", "iam:PassRole"):
        policies.denied = {(USER, action)}
        mine, the_role = found("permission")
        assert (mine.state, the_role.state) == ("FIX", "ok")


def test_what_a_pipeline_may_not_do_with_the_role_is_named(as_user, policies):
    policies.denied = {(STACKS_ROLE, "sagemaker:CreateProcessingJob")}
    mine, the_role = found("permission")
    assert (mine.state, the_role.state) == ("ok", "FIX")
    assert the_role.finding.startswith("the role may not sagemaker:CreateProcessingJob (arn:")


def test_where_you_are_the_role_it_is_asked_once(make_role, become, enough, policies):
    role = make_role("StudioRole")
    become(role)
    (check,) = found("permission")
    assert (check.state, {who for who, _ in policies.asked}) == ("ok", {role})


def test_a_role_for_people_is_asked_by_its_own_name(
    make_role, make_stack, become, enough, policies
):
    make_stack()
    role = make_role("Admin", service="sso.amazonaws.com")
    become(role)
    assert len(found("permission")) == 2
    assert {who for who, _ in policies.asked} == {role, STACKS_ROLE}


# --- endpoints


def test_an_endpoint_that_is_there_is_told_with_its_price(account, enough):
    account.endpoint("digits", TAGS)
    account.endpoint("theirs", [])
    (check,) = found("endpoint")
    assert check.state == "note"
    assert check.finding.startswith("endpoint digits costs $0.257 an hour, $6.17 a day, until it")
    assert check.finding.endswith(
        "Delete it: aws sagemaker delete-endpoint --endpoint-name digits --region eu-west-1"
    )
    account.sagemaker.delete_endpoint(EndpointName="digits")
    assert found("endpoint") == []


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


def quota(start: str) -> Check:
    """Return the one line of the report that begins so."""
    (check,) = [check for check in found("quota") if check.finding.startswith(start)]
    return check


def test_there_is_one_line_for_each_quota_of_the_labs(aws, enough):
    """The bonus too; each one says for what."""
    checks = found("quota")
    assert [check.finding for check in checks] == [
        "ml.m5.xlarge for processing job usage: 3 (sections 1, 3, 4, 6 to 8, 10, 13, 14, 17)",
        "ml.m5.xlarge for training job usage: 2 (sections 2, 10, 14, 17)",
        "ml.m5.xlarge for spot training job usage: 1 (sections 5, 13)",
        "ml.t3.medium for processing job usage: 1 (section 9)",
        "ml.r5.xlarge for processing job usage: 2 (section 11)",
        "ml.m5.large for processing job usage: 3 (section 12)",
        "ml.m5.large for training job usage: 3 (section 12)",
        "ml.m5.large for transform job usage: 1 (section 15)",
        "ml.m5.large for endpoint usage: 3 (section 16)",
    ]
    assert {check.state for check in checks} == {"ok"}


@pytest.mark.parametrize("name", NEEDED)
def test_an_account_without_one_of_the_quotas_is_not_ready(make_stack, answers, capsys, name):
    make_stack()
    answers("service-quotas", ("list_service_quotas", quotas({name: 0})))
    assert doctor.doctor() == 1
    told = capsys.readouterr().out
    assert re.search(rf"\nFIX +quota +{name}: 0, and section", told)
    assert told.count("FIX") == 1
    assert told.endswith("To do first: quota. Then call ./lab doctor --aws again.\n")


def test_a_quota_of_zero(aws, answers):
    values = {"ml.m5.xlarge for processing job usage": 0}
    answers("service-quotas", ("list_service_quotas", quotas(values)))
    check = quota("ml.m5.xlarge for processing job")
    assert check.state == "FIX"
    assert check.finding == (
        "ml.m5.xlarge for processing job usage: 0, and sections 1, 3, 4, 6, 8, 10, 13, 14, 17 need "
        "2. Ask for 3, and wait for AWS's mail: "
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-00000001 --desired-value 3 --region eu-west-1"
    )


def test_a_quota_that_is_enough_for_one_job_and_not_for_those_at_once(aws, answers):
    values = {"ml.m5.large for training job usage": 2}
    answers("service-quotas", ("list_service_quotas", quotas(values)))
    check = quota("ml.m5.large for training job")
    assert check.state == "FIX"
    assert "usage: 2, and section 12 needs 3. Ask for 3, and wait" in check.finding


def test_a_quota_that_is_enough_for_all_but_the_bonus(aws, answers):
    values = {"ml.m5.xlarge for processing job usage": 2}
    answers("service-quotas", ("list_service_quotas", quotas(values)))
    processing, *others = found("quota")
    assert processing.state == "note"
    assert "usage: 2, and the bonus of section 7 needs 3. For it: aws service" in processing.finding
    assert {check.state for check in others} == {"ok"}


def test_the_default_counts_where_an_account_has_no_quota_of_its_own(aws, answers):
    _, second, third, *_ = NEEDED
    rest = dict.fromkeys(NEEDED)
    answers(
        "service-quotas",
        ("list_service_quotas", quotas({second: None, third: None})),
        ("list_aws_default_service_quotas", quotas({**rest, second: 0, third: None})),
    )
    states = {check.finding.partition(" usage")[0]: check.state for check in found("quota")}
    wanted = dict.fromkeys((name.removesuffix(" usage") for name in NEEDED), "ok")
    wanted |= {second.removesuffix(" usage"): "FIX", third.removesuffix(" usage"): "note"}
    assert states == wanted


def test_endpoints_and_transforms_have_quotas_of_their_own():
    """As a section says it, in AWS's words."""
    lab = manifest.labs()[1]
    instances = tuple(
        manifest.Instances("ml.m5.xlarge", use) for use in ("endpoint", "transform job")
    )
    section = replace(lab.sections[0], instances=instances)
    found = doctor.quotas([replace(lab, sections=(section,))])
    assert [quota.name for quota in found] == [
        "ml.m5.xlarge for endpoint usage",
        "ml.m5.xlarge for transform job usage",
    ]


# --- images


@pytest.mark.slow
def test_images():
    """One line names all that there are, and one all that there are not."""
    (check,) = doctor._images(REGION)
    assert check == Check(
        "images",
        "ok",
        "eu-west-1 has tensorflow 2.19.0 (sections 1 to 7, 13, 14, 17), sklearn 1.2-1 (section 8), "
        "sklearn 1.4-2 (section 10), spark 3.5 (section 11), pytorch 2.8 (section 12), "
        "xgboost 3.0-5 (section 12), tensorflow 2.19 (sections 14 to 16)",
    )
    (check,) = doctor._images("eu-west-99")
    assert check.state == "FIX"
    for image in doctor.images(manifest.labs()):
        assert f"{image.framework} {image.version} (section" in check.finding
    assert "in eu-west-99 (Unsupported region: eu-west-99). Choose another region" in check.finding


@pytest.mark.slow
def test_images_that_a_region_does_not_have(monkeypatch):
    """They are told beside those that are there."""
    labs = manifest.labs()
    section = labs[1].sections[0]
    future = replace(section, images=(*section.images, manifest.Image("sklearn", "9.9-9")))
    monkeypatch.setattr(manifest, "labs", lambda: [replace(labs[1], sections=(future,)), *labs[2:]])
    missing, there = doctor._images(REGION)
    assert (missing.state, there.state) == ("FIX", "ok")
    assert "the SDK knows none for sklearn 9.9-9 (section 1) in eu-west-1 (Unsup" in missing.finding
    assert "tensorflow 2.19.0" in there.finding
