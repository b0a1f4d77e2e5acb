"""`./lab clean --aws` removes what has the workshop's tag, and never sees anything else."""

from __future__ import annotations

import itertools
import random

import boto3
import pytest

from workshop.account import TAG_VALUE, clean, identity
from workshop.emulator.errors import WorkshopError

from .conftest import ACCOUNT, REGION, TAGS

#: What does not make a thing the workshop's.
OTHER_TAGS = (
    [],
    [{"Key": "workshop", "Value": "of somebody else"}],
    [{"Key": "Workshop", "Value": TAG_VALUE}],
    [{"Key": "team", "Value": TAG_VALUE}],
)


class Account:
    """Makes things in the account, and tells which are there."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.sagemaker = boto3.client("sagemaker")
        self.ecr = boto3.client("ecr")
        self.cloudformation = boto3.client("cloudformation")

    def add_tags(self, arn: str, tags: list[dict]) -> None:
        """Tag what moto makes without tags; in the words of SageMaker's AddTags."""
        if tags:
            self.sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    def bucket(self, name: str, tags: list[dict], objects: int = 0) -> None:
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        if tags:
            self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        for number in range(objects):
            self.s3.put_object(Bucket=name, Key=f"Lab2/{number}", Body=b"x" * 1000)

    def experiment(self, name: str, tags: list[dict]) -> None:
        """Make an experiment with a trial and a component of it."""
        create = self.sagemaker
        self.add_tags(create.create_experiment(ExperimentName=name)["ExperimentArn"], tags)
        trial = create.create_trial(ExperimentName=name, TrialName=f"{name}-trial")
        self.add_tags(trial["TrialArn"], tags)
        part = create.create_trial_component(TrialComponentName=f"{name}-part")
        self.add_tags(part["TrialComponentArn"], tags)
        create.associate_trial_component(
            TrialName=f"{name}-trial", TrialComponentName=f"{name}-part"
        )

    def repository(self, name: str, tags: list[dict]) -> None:
        self.ecr.create_repository(repositoryName=name, tags=tags)

    def model(self, name: str, tags: list[dict]) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/R"
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, Tags=tags)

    def training_job(self, name: str, tags: list[dict]) -> None:
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingInputMode": "File", "TrainingImage": "image"},
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/R",
            OutputDataConfig={"S3OutputPath": "s3://sagemaker-x/"},
            ResourceConfig={
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Tags=tags,
        )

    def names(self) -> set[str]:
        """Return the names of all there is."""
        ask = self.sagemaker
        found = [one["Name"] for one in self.s3.list_buckets()["Buckets"]]
        found += [one["ExperimentName"] for one in ask.list_experiments()["ExperimentSummaries"]]
        found += [one["TrialName"] for one in ask.list_trials()["TrialSummaries"]]
        parts = ask.list_trial_components()["TrialComponentSummaries"]
        found += [one["TrialComponentName"] for one in parts]
        found += [one["ModelName"] for one in ask.list_models()["Models"]]
        jobs = ask.list_training_jobs()["TrainingJobSummaries"]
        found += [one["TrainingJobName"] for one in jobs]
        found += [one["repositoryName"] for one in self.ecr.describe_repositories()["repositories"]]
        stacks = self.cloudformation.describe_stacks()["Stacks"]
        return {*found, *(stack["StackName"] for stack in stacks)}


@pytest.fixture
def account(aws, monkeypatch):
    """An account; moto's index of tags does not know repositories, and AWS's does."""
    made = Account()
    look = clean._look

    def look_at_repositories_too(services):
        usual = services["resourcegroupstaggingapi"].get_paginator("get_resources")

        class Paginator:
            def paginate(self, TagFilters):
                yield from usual.paginate(TagFilters=TagFilters)
                repositories = made.ecr.describe_repositories()["repositories"]
                arns = [one["repositoryArn"] for one in repositories]
                yield {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]}

        monkeypatch.setattr(
            services["resourcegroupstaggingapi"], "get_paginator", lambda name: Paginator()
        )
        return look(services)

    monkeypatch.setattr(clean, "_look", look_at_repositories_too)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_what_has_no_tag_is_never_listed_and_stays(account, make_stack, capsys, seed):
    """Tagged and untagged things of all kinds, in any mixture and order."""
    dice = random.Random(seed)
    makers = [
        lambda name, tags: account.bucket(f"sagemaker-{name}", tags, dice.randrange(3)),
        account.experiment,
        account.repository,
        account.model,
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


def job_states(monkeypatch, *states: str) -> None:
    """Have training jobs in these states, one call after the other; moto's have ended at once."""
    usual, told = identity.client, itertools.cycle(states)

    def client(session, service: str):
        made = usual(session, service)
        if service == "sagemaker":
            made.describe_training_job = lambda TrainingJobName: {"TrainingJobStatus": next(told)}
        return made

    monkeypatch.setattr(identity, "client", client)


def test_running_jobs_are_named_and_nothing_is_touched(account, make_stack, monkeypatch, capsys):
    make_stack(tags=TAGS)
    account.training_job("lab2-training-1", TAGS)
    account.training_job("lab2-training-2", TAGS)
    account.training_job("theirs", [])
    before = account.names()
    job_states(monkeypatch, "InProgress", "Completed")
    with pytest.raises(WorkshopError) as told:
        clean.clean(ask=None)
    assert str(told.value) == (
        "Jobs are running: lab2-training-1. Nothing was removed. Wait for their end, or stop "
        "them, then call ./lab clean --aws again:\n"
        "  aws sagemaker stop-training-job --training-job-name lab2-training-1 --region eu-west-1"
    )
    assert account.names() == before
    assert "theirs" not in capsys.readouterr().out


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
