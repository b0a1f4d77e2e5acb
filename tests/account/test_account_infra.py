"""The CloudFormation template: clean, and what `./lab` expects of it."""

from __future__ import annotations

import pytest
from cfnlint.api import ManualArgs, lint_file
from cfnlint.decode import cfn_yaml

from workshop import account
from workshop.account import identity, permissions
from workshop.paths import ROOT

from .conftest import TAGS

TEMPLATE = ROOT / "infra" / "workshop.yaml"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"]


def template() -> dict:
    return cfn_yaml.load(str(TEMPLATE))


def test_the_linter_finds_nothing():
    assert lint_file(TEMPLATE, config=ManualArgs(regions=REGIONS)) == []


def test_what_lab_looks_for():
    content = template()
    assert set(content["Outputs"]) == {"RoleArn", "BucketName"}
    resources = content["Resources"]
    trust = resources["Role"]["Properties"]["AssumeRolePolicyDocument"]
    assert identity.trusts_sagemaker(trust)
    bucket = resources["Bucket"]["Properties"]
    assert bucket["BucketName"]["Fn::Sub"].startswith("sagemaker-")
    assert bucket["BucketEncryption"] and all(bucket["PublicAccessBlockConfiguration"].values())
    for name in ("Bucket", "Role", "Domain", "UserProfile"):
        assert resources[name]["Properties"]["Tags"] == TAGS


def test_a_studio_domain_is_only_made_on_request():
    content = template()
    assert content["Parameters"]["StudioDomain"]["Default"] == "no"
    studio = {name for name in content["Resources"] if content["Resources"][name].get("Condition")}
    assert studio == {"StudioPolicy", "Domain", "UserProfile"}


def test_no_right_is_given_on_everything_but_what_aws_has_no_finer_word_for():
    """`*` as a resource stands only where IAM offers nothing else, or a condition narrows it."""
    wide = []
    for resource in template()["Resources"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            actions = actions if isinstance(actions, list) else [actions]
            assert not any(action.endswith(":*") for action in actions)
            if statement["Resource"] == "*" and "Condition" not in statement:
                wide += actions
    lists = ("List", "Search", "GetResources", "GetAuthorizationToken", "BatchPutMetrics")
    assert all(action.split(":")[1].startswith(lists) for action in wide)


@pytest.mark.parametrize("kind", permissions.ACTIONS)
def test_the_role_may_do_what_the_labs_do(kind):
    """In Studio a learner has this role, and pipelines have it everywhere."""
    policy = template()["Resources"]["NotebookPolicy"]["Properties"]["PolicyDocument"]
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        resources = resources if isinstance(resources, list) else [resources]
        names = [one["Fn::Sub"] for one in resources if isinstance(one, dict) and "Fn::Sub" in one]
        if any(name.endswith((f":{kind}/*", "}:*")) for name in names):
            allowed |= {*statement["Action"]}
    assert {f"sagemaker:{action}" for action in permissions.ACTIONS[kind]} <= allowed


def test_the_words_name_the_same_commands():
    text = (ROOT / "infra" / "README.md").read_text()
    assert f"\n{account.DEPLOY}\n" in text
    assert f"delete-stack --stack-name {account.STACK}\n" in text
