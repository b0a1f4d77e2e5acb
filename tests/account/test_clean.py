"""`./lab clean --aws` removes what has the workshop's tag, and never sees anything else."""

from __future__ import annotations

import json
import random
import re

import boto3
import pytest
from typer.testing import CliRunner

from workshop import cli
from workshop.account import TAG_VALUE, clean, identity
from workshop.emulator.errors import WorkshopError

from .conftest import ACCOUNT, QUERY_THROTTLED, REGION, TAGS, Account

#: What does not make a thing the workshop's.
OTHER_TAGS = (
    [],
    [{"Key": "workshop", "Value": "of somebody else"}],
    [{"Key": "Workshop", "Value": TAG_VALUE}],
    [{"Key": "team", "Value": TAG_VALUE}],
)


@pytest.mark.parametrize("seed", range(4))
def test_what_has_no_tag_is_never_listed_and_stays(account, make_stack, capsys, seed):
    """Tagged and untagged things of all kinds, in any mixture and order."""
    dice = random.Random(seed)
    makers = [
        lambda name, tags: account.bucket(f"sagemaker-{name}", tags, dice.randrange(3)),
        account.experiment,
        account.repository,
        account.endpoint,
        account.pipeline,
        account.tuning_job,
        lambda name, tags: make_stack(f"stack-{name}", tags, f"sagemaker-of-{name}"),
    ]
    plan = [(maker, True) for maker in makers] + [(maker, False) for maker in makers]
    plan += [(dice.choice(makers), dice.random() < 0.5) for _ in range(6)]
    dice.shuffle(plan)
    before = account.names()
    theirs, ours = set(before), set()
    for number, (maker, tagged) in enumerate(plan):
        known = account.names()
        if tagged:
            maker(f"ours-{number}", [*dice.choice((OTHER_TAGS[0], OTHER_TAGS[3])), *TAGS])
            ours |= account.names() - known
        else:
            maker(f"theirs-{number}", dice.choice(OTHER_TAGS))
            theirs |= account.names() - known

    assert clean.clean(ask=None) == 0

    told = capsys.readouterr().out
    assert account.names() == theirs
    assert not [name for name in theirs if name in told]
    assert "theirs" not in told
    assert not [name for name in ours if f" {name}\n" not in told.replace("  ", "\n")]


def test_an_account_with_nothing_of_ours(account, capsys):
    account.bucket("sagemaker-theirs", [], 1)
    assert clean.clean(ask=None) == 0
    assert capsys.readouterr().out == (
        "Nothing has the tag workshop=sagemaker-replatform in account "
        f"{ACCOUNT}, region {REGION}.\n"
    )


def test_it_asks_first_and_shows_counts_and_sizes(account, make_stack, capsys, monkeypatch):
    monkeypatch.setattr(clean, "_AT_ONCE", 10)
    make_stack(tags=TAGS)
    for number in range(25):
        body = b"x" * 60_000
        account.s3.put_object(Bucket="sagemaker-workshop-test", Key=str(number), Body=body)
    questions = []
    assert clean.clean(ask=lambda text: questions.append(text) or False) == 1
    told = capsys.readouterr().out
    assert questions == ["Remove all of the list?"]
    assert "bucket  sagemaker-workshop-test  25 objects, 1.5 MB\n" in told
    assert told.index("sagemaker-workshop-test") < told.index("stack   sagemaker-workshop")
    assert "sagemaker-workshop-test" in account.names()

    assert clean.clean(ask=lambda text: True) == 0
    told = capsys.readouterr().out
    assert "emptied; it goes with the stack sagemaker-workshop: bucket sagemaker-work" in told
    assert told.endswith("removed: stack sagemaker-workshop\n")
    assert account.names() == set()


def test_all_versions_of_an_object_go(account):
    account.bucket("sagemaker-ours", TAGS)
    account.s3.put_bucket_versioning(
        Bucket="sagemaker-ours", VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"1", b"2"):
        account.s3.put_object(Bucket="sagemaker-ours", Key="x", Body=body)
    account.s3.delete_object(Bucket="sagemaker-ours", Key="x")
    assert clean.clean(ask=None) == 0
    assert account.names() == set()


def test_records_of_ended_jobs_are_removed(account, monkeypatch, capsys):
    account.training_job("lab2-training-1", TAGS)
    account.training_job("theirs", [])
    removed = []
    usual = identity.client

    def client(session, service: str):  # moto has no DeleteTrainingJob
        made = usual(session, service)
        if service == "sagemaker":
            made.delete_training_job = lambda TrainingJobName: removed.append(TrainingJobName)
        return made

    monkeypatch.setattr(identity, "client", client)
    assert clean.clean(ask=None) == 0
    assert removed == ["lab2-training-1"]
    assert "training-job  lab2-training-1  Completed\n" in capsys.readouterr().out


def test_what_aws_refuses_is_said_and_the_rest_goes_on(account, monkeypatch, capsys):
    account.bucket("sagemaker-ours", TAGS)
    account.model("ours", TAGS)
    error = account.s3.exceptions.ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DeleteModel"
    )

    def refuse(*_):
        raise error

    monkeypatch.setitem(clean._REMOVE, "model", refuse)
    assert clean.clean(ask=None) == 1
    told = capsys.readouterr().out
    assert "not removed: model ours: An error occurred (AccessDenied)" in told
    assert account.names() == {"ours"}


def test_what_the_index_of_tags_still_knows_is_not_listed(account, monkeypatch, capsys):
    """The index is late: the tag was taken off, or the thing is gone."""
    account.bucket("sagemaker-not-ours-any-more", [])
    stale = ["arn:aws:s3:::sagemaker-not-ours-any-more", "arn:aws:s3:::sagemaker-gone"]
    account.model("not-ours-any-more", OTHER_TAGS[1])
    stale += [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/not-ours-any-more"]
    stale += [f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/gone/1234"]
    stale += [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/gone"]

    class Paginator:
        def paginate(self, TagFilters):
            yield {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in stale]}

    services = clean._Account(boto3.Session())
    index = services["resourcegroupstaggingapi"]
    monkeypatch.setattr(index, "get_paginator", lambda name: Paginator())
    monkeypatch.setattr(clean, "_Account", lambda session: services)
    assert clean.clean(ask=None) == 0
    assert "Nothing has the tag" in capsys.readouterr().out
    assert account.names() == {"sagemaker-not-ours-any-more", "not-ours-any-more"}


def test_other_kinds_are_left_alone(account, capsys):
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:notebook-instance/ours"
    account.sagemaker.create_notebook_instance(
        NotebookInstanceName="ours",
        InstanceType="ml.t3.medium",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/R",
        Tags=TAGS,
    )
    assert clean.clean(ask=None) == 0
    assert f"Left alone; it goes with its stack, or by hand: {arn}" in capsys.readouterr().out


def test_without_the_permission_to_look(aws, answers):
    answers("resourcegroupstaggingapi", ("get_resources", "AccessDeniedException"))
    with pytest.raises(WorkshopError, match="GetResources operation: no Ask for that permission"):
        clean.clean(ask=None)


# --- AWS does not answer

THROTTLED = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"})
SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
INTERNAL = json.dumps({"__type": "InternalFailure", "message": "It is our fault"})


def clean_it() -> tuple[int, str]:
    """Call `./lab clean --aws --yes`; return its exit status and what it printed."""
    done = CliRunner().invoke(cli.app, ["clean", "--aws", "--yes"])
    return done.exit_code, done.output


@pytest.fixture
def ours(service):
    """An account on the wire, with a thing of ours of each kind that moto's index of tags knows."""
    made = Account()
    made.model("ours-model", TAGS)
    made.experiment("ours-experiment", TAGS)
    made.bucket("sagemaker-ours", TAGS, objects=2)
    made.cloudformation.create_stack(
        StackName="ours-stack", TemplateBody='{"Resources": {}}', Tags=TAGS
    )
    return made


@pytest.mark.parametrize(
    ("request_", "status", "body", "thing", "told"),
    [
        ("ListTags.*model/ours", 400, THROTTLED, "model ours-model", "AWS was asked too often (An"),
        ("ListTags.*model/ours", 500, INTERNAL, "model ours-model", "(InternalFailure)"),
        ("ListTags.*experiment/", 503, "", "experiment ours-experiment", "(503)"),
        ("ListTags.*model/ours", 404, "a proxy's page", "model ours-model", "(404)"),
        (r"GET /sagemaker-ours\?tagging", 503, SLOW_DOWN, "bucket sagemaker-ours", "(SlowDown)"),
        (r"GET /sagemaker-ours\?versions", 500, "", "bucket sagemaker-ours", "(500)"),
        ("Action=DescribeStacks", 400, QUERY_THROTTLED, "stack ours-stack", "(Throttling)"),
        ("Action=ListStackResources", 400, QUERY_THROTTLED, "stack ours-stack", "(Throttling)"),
    ],
    ids=["throttled", "500", "503", "404", "bucket", "objects", "stack", "parts of the stack"],
)
def test_what_could_not_be_asked_is_shown_and_stays(
    ours, service, request_, status, body, thing, told
):
    """And the exit status says so. All the rest goes; when AWS answers again, this goes too."""
    service.answer(request_, status, body)
    exit_code, output = clean_it()
    assert exit_code == 1, output
    what, name = thing.split()
    (line,) = re.findall(rf"(?m)^{what} +{name} +could not be asked: (.*)$", output)
    assert told in line
    assert f"removed: {thing}" not in output
    assert output.count("removed: ") == 5
    assert output.endswith("Something may be left. Call ./lab clean --aws again in a minute.\n")
    service.answer_as_usual()
    assert ours.names() == {name}
    exit_code, output = clean_it()
    assert (exit_code, ours.names()) == (0, set()), output


def test_without_a_network_to_a_service_its_things_are_shown(ours, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    exit_code, output = clean_it()
    assert exit_code == 1
    told = r"(?m)^bucket +sagemaker-ours +could not be asked: AWS cannot be reached: Could not conn"
    assert re.search(told, output), output
    assert ours.names() == {"sagemaker-ours"}


def test_what_a_job_may_need_waits_until_the_job_can_be_asked(ours, service):
    """It may be running, and a running job needs its bucket and its role."""
    ours.training_job("lab2-training-1", TAGS)
    service.answer("DescribeTrainingJob", 400, THROTTLED)
    exit_code, output = clean_it()
    assert exit_code == 1
    assert "kept: bucket sagemaker-ours: training-job lab2-training-1 may need it" in output
    assert "removed: model ours-model" in output
    service.answer_as_usual()
    assert ours.names() == {"lab2-training-1", "sagemaker-ours", "ours-stack"}


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        # what SageMaker says of models, training jobs and processing jobs that are not there
        ("ListTags", '{"__type": "ValidationException", "message": "Could not find model."}'),
        (
            "ListTags",
            '{"__type": "ValidationException", "message": "Requested resource not found."}',
        ),
        ("ListTags", '{"__type": "ResourceNotFound", "message": "no"}'),
    ],
    ids=["model", "training job", "code"],
)
def test_what_is_gone_is_not_shown(ours, service, request_, body):
    service.answer(request_, 400, body)
    exit_code, output = clean_it()
    assert exit_code == 0
    assert "removed: bucket sagemaker-ours" in output and "ours-model" not in output


def test_a_request_that_sagemaker_finds_wrong_does_not_mean_gone(ours, service):
    """ValidationException is its code for both."""
    body = '{"__type": "ValidationException", "message": "1 validation error detected"}'
    service.answer("ListTags.*model/", 400, body)
    exit_code, output = clean_it()
    assert exit_code == 1 and "1 validation error detected" in output


def test_what_may_not_be_asked_ends_it_before_anything_is_removed(ours, service):
    before = ours.names()
    body = '{"__type": "AccessDeniedException", "message": "not you"}'
    service.answer("ListTags.*model/", 400, body)
    exit_code, output = clean_it()
    assert exit_code == 1
    assert "not you Ask for that permission" in output and "removed" not in output
    service.answer_as_usual()
    assert ours.names() == before
