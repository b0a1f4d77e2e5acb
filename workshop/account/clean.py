"""`./lab clean --aws`: removes what the workshop made in the learner's account, by its tag.

AWS is only ever asked for what has the tag (Resource Groups Tagging API), and each service is
asked once more before a thing is listed. What has no tag is never seen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from workshop import terminal
from workshop.account import TAG_KEY, TAG_VALUE, identity
from workshop.emulator.errors import WorkshopError

#: What is removed, and in which order: what uses something goes before it.
ORDER = (
    "endpoint",
    "endpoint-config",
    "model",
    "experiment-trial-component",
    "experiment-trial",
    "experiment",
    "training-job",
    "processing-job",
    "repository",
    "bucket",
    "stack",
)

#: Objects that one request may name (S3, DeleteObjects).
_AT_ONCE = 1000

_JOBS = ("training-job", "processing-job")
_ENDED = ("Completed", "Failed", "Stopped")


@dataclass
class Thing:
    """Something with the tag; `what` is its kind in its ARN."""

    arn: str
    what: str
    name: str
    holds: str = ""
    running: bool = False
    parts: frozenset[str] = frozenset()  # of a stack
    stack: str = ""  # of a bucket that goes with one of the list
    unknown: str = ""  # why AWS could not be asked about it: it may be there or not


@dataclass
class _Account:
    """The services that are asked, each with one client."""

    session: object
    _clients: dict = field(default_factory=dict)

    def __getitem__(self, service: str):
        if service not in self._clients:
            self._clients[service] = identity.client(self.session, service)
        return self._clients[service]


def clean(ask: Callable[[str], bool] | None) -> int:
    """List what has the tag, ask, and remove it; return the exit status.

    `ask` None means yes. Raises WorkshopError when AWS cannot be asked, and while tagged jobs run.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    session, region = identity.start()
    number = identity.whoami(session)["Account"]
    where = f"account {number}, region {region}"
    aws = _Account(session)
    try:
        things = _look(aws)
    except (BotoCoreError, ClientError) as error:
        more = " Ask for that permission, or see infra/README.md." if identity.denied(error) else ""
        raise WorkshopError(f"{identity.explain(error)}{more}") from None
    if not things:
        print(f"Nothing has the tag {TAG_KEY}={TAG_VALUE} in {where}.")
        return 0
    known = [thing for thing in things if thing.what in ORDER]
    console = terminal.console()
    print(f"With the tag {TAG_KEY}={TAG_VALUE} in {where}:\n")
    if known:
        rows = [[thing.what, thing.name, _holds(thing)] for thing in known]
        terminal.print_table(console, ["What", "Name", "Holds"], rows)
    for thing in [thing for thing in things if thing.what not in ORDER]:
        left = f" ({_holds(thing)})" if thing.unknown else ""
        print(f"Left alone; it goes with its stack, or by hand: {thing.arn}{left}")
    _refuse_while_jobs_run(known, region)
    unknown = [thing for thing in things if thing.unknown]
    doomed = _doomed(known)
    if unknown:
        print(f"\n{len(unknown)} of these could not be asked, so they stay, if they are there.")
    if doomed and ask and not ask("Remove all of the list?" if not unknown else "Remove the rest?"):
        return 1
    failed = sum(not _remove(aws, thing) for thing in doomed)
    if unknown:
        print("Something may be left. Call ./lab clean --aws again in a minute.")
    return 1 if failed or unknown else 0


# --- looking -----------------------------------------------------------------------------------


def _look(aws: _Account) -> list[Thing]:
    """Return what has the tag, in the order of removal."""
    pages = aws["resourcegroupstaggingapi"].get_paginator("get_resources")
    found = pages.paginate(TagFilters=[{"Key": TAG_KEY, "Values": [TAG_VALUE]}])
    things = [
        _thing(one["ResourceARN"]) for page in found for one in page["ResourceTagMappingList"]
    ]
    things = [thing for thing in things if _is_there(aws, thing)]
    for stack in things:
        for bucket in [thing for thing in things if thing.what == "bucket"]:
            if bucket.name in stack.parts:
                bucket.stack = stack.name
    place = {what: number for number, what in enumerate(ORDER)}
    return sorted(things, key=lambda thing: (place.get(thing.what, len(ORDER)), thing.name))


def _thing(arn: str) -> Thing:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""
    _, _, service, _, _, resource = arn.split(":", 5)
    what, _, name = resource.partition("/")
    if service == "s3" and not name:
        return Thing(arn, "bucket", resource)
    if service == "cloudformation":
        name = name.partition("/")[0]  # its id follows
    return Thing(arn, what if service in ("sagemaker", "ecr", "cloudformation") else "", name)


def _is_there(aws: _Account, thing: Thing) -> bool:
    """Ask the service itself: the index of tags is late, and knows what is gone already.

    A thing is gone when its service says so. Where the service does not answer, the thing may cost
    money: it counts as there, and says why nothing is known.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if not _has_tag(aws, thing):
            return False
        _describe(aws, thing)
    except (BotoCoreError, ClientError) as error:
        if identity.denied(error):
            raise
        if identity.missing(error):
            return False
        thing.unknown = " ".join(identity.explain(error).split())
    return True


def _has_tag(aws: _Account, thing: Thing) -> bool:
    match thing.what:
        case "":
            return False  # of a service that the workshop does not use
        case "bucket":
            tags = _bucket_tags(aws, thing.name)
        case "stack":
            stacks = aws["cloudformation"].describe_stacks(StackName=thing.arn)["Stacks"]
            gone = stacks[0]["StackStatus"] == "DELETE_COMPLETE"
            tags = [] if gone else stacks[0]["Tags"]
        case "repository":
            tags = aws["ecr"].list_tags_for_resource(resourceArn=thing.arn)["tags"]
        case _:
            pages = aws["sagemaker"].get_paginator("list_tags").paginate(ResourceArn=thing.arn)
            tags = [tag for page in pages for tag in page["Tags"]]
    return {"Key": TAG_KEY, "Value": TAG_VALUE} in tags


def _bucket_tags(aws: _Account, name: str) -> list[dict]:
    from botocore.exceptions import ClientError

    try:
        return aws["s3"].get_bucket_tagging(Bucket=name)["TagSet"]
    except ClientError as error:
        if identity.code(error) == "NoSuchTagSet":  # the bucket is there, and has no tags
            return []
        raise


def _describe(aws: _Account, thing: Thing) -> None:
    """Note what a thing holds, and whether a job still runs."""
    match thing.what:
        case "bucket":
            sizes = [one.get("Size", 0) for one in _versions(aws, thing.name)]
            thing.holds = f"{_count(len(sizes), 'object')}, {_size(sum(sizes))}"
        case "repository":
            pages = aws["ecr"].get_paginator("describe_images").paginate(repositoryName=thing.name)
            sizes = [one["imageSizeInBytes"] for page in pages for one in page["imageDetails"]]
            thing.holds = f"{_count(len(sizes), 'image')}, {_size(sum(sizes))}"
        case "stack":
            thing.parts = _parts(aws, thing)
        case "training-job":
            job = aws["sagemaker"].describe_training_job(TrainingJobName=thing.name)
            thing.holds = job["TrainingJobStatus"]
            thing.running = thing.holds not in _ENDED
        case "processing-job":
            job = aws["sagemaker"].describe_processing_job(ProcessingJobName=thing.name)
            thing.holds = job["ProcessingJobStatus"]
            thing.running = thing.holds not in _ENDED


def _versions(aws: _Account, bucket: str) -> list[dict]:
    """Return all versions of all objects, and the marks of removed ones."""
    pages = aws["s3"].get_paginator("list_object_versions").paginate(Bucket=bucket)
    return [
        one for page in pages for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]


def _parts(aws: _Account, stack: Thing) -> frozenset[str]:
    pages = aws["cloudformation"].get_paginator("list_stack_resources")
    return frozenset(
        one["PhysicalResourceId"]
        for page in pages.paginate(StackName=stack.arn)
        for one in page["StackResourceSummaries"]
        if "PhysicalResourceId" in one  # not so where making it failed
    )


def _refuse_while_jobs_run(things: list[Thing], region: str) -> None:
    """A running job needs its bucket and its role. Raises WorkshopError."""
    running = [thing for thing in things if thing.running]
    if running:
        commands = "".join(
            f"\n  aws sagemaker stop-{job.what} --{job.what}-name {job.name} --region {region}"
            for job in running
        )
        raise WorkshopError(
            f"Jobs are running: {', '.join(job.name for job in running)}. Nothing was removed. "
            f"Wait for their end, or stop them, then call ./lab clean --aws again:{commands}"
        )


def _doomed(things: list[Thing]) -> list[Thing]:
    """Return what may be removed: of what is known, all that no job may need."""
    unsure = any(thing.unknown and thing.what in _JOBS for thing in things)
    needed = ("bucket", "stack") if unsure else ()
    for thing in things:
        if thing.what in needed and not thing.unknown:
            print(f"kept: {thing.what} {thing.name}: a job that could not be asked may need it")
    return [thing for thing in things if not thing.unknown and thing.what not in needed]


# --- removing ----------------------------------------------------------------------------------


def _remove(aws: _Account, thing: Thing) -> bool:
    """Remove one thing and say so; say why where AWS does not."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError

    if thing.what == "stack":
        print(f"stack {thing.name}: AWS is at it; this takes a minute, with a domain ten ...")
    try:
        _REMOVE[thing.what](aws, thing)
    except WaiterError:
        print(
            f"not removed: stack {thing.name}. See why: aws cloudformation describe-stack-events "
            f"--stack-name {thing.name}"
        )
        return False
    except (BotoCoreError, ClientError) as error:
        print(f"not removed: {thing.what} {thing.name}: {identity.explain(error)}")
        return False
    how = f"emptied; it goes with the stack {thing.stack}" if thing.stack else "removed"
    print(f"{how}: {thing.what} {thing.name}")
    return True


def _remove_component(aws: _Account, component: Thing) -> None:
    sagemaker, name = aws["sagemaker"], component.name
    pages = sagemaker.get_paginator("list_trials").paginate(TrialComponentName=name)
    for trial in [one["TrialName"] for page in pages for one in page["TrialSummaries"]]:
        sagemaker.disassociate_trial_component(TrialComponentName=name, TrialName=trial)
    sagemaker.delete_trial_component(TrialComponentName=name)


def _remove_trial(aws: _Account, trial: Thing) -> None:
    sagemaker, name = aws["sagemaker"], trial.name
    pages = sagemaker.get_paginator("list_trial_components").paginate(TrialName=name)
    parts = [one["TrialComponentName"] for page in pages for one in page["TrialComponentSummaries"]]
    for part in parts:
        sagemaker.disassociate_trial_component(TrialComponentName=part, TrialName=name)
    sagemaker.delete_trial(TrialName=name)


def _remove_bucket(aws: _Account, bucket: Thing) -> None:
    found = _versions(aws, bucket.name)
    objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
    for start in range(0, len(objects), _AT_ONCE):
        request = {"Objects": objects[start : start + _AT_ONCE], "Quiet": True}
        errors = aws["s3"].delete_objects(Bucket=bucket.name, Delete=request).get("Errors")
        if errors:
            raise _refused(errors[0])
    if not bucket.stack:
        aws["s3"].delete_bucket(Bucket=bucket.name)


def _refused(error: dict) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": error}, "DeleteObjects")


def _remove_stack(aws: _Account, stack: Thing) -> None:
    cloudformation = aws["cloudformation"]
    cloudformation.delete_stack(StackName=stack.arn)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=stack.arn, WaiterConfig={"Delay": 5, "MaxAttempts": 240})


def _by_name(service: str, operation: str, parameter: str, **more) -> Callable:
    """Return a function that removes a thing by one request with its name."""
    return lambda aws, thing: getattr(aws[service], operation)(**{parameter: thing.name}, **more)


_REMOVE: dict[str, Callable[[_Account, Thing], object]] = {
    "endpoint": _by_name("sagemaker", "delete_endpoint", "EndpointName"),
    "endpoint-config": _by_name("sagemaker", "delete_endpoint_config", "EndpointConfigName"),
    "model": _by_name("sagemaker", "delete_model", "ModelName"),
    "experiment-trial-component": _remove_component,
    "experiment-trial": _remove_trial,
    "experiment": _by_name("sagemaker", "delete_experiment", "ExperimentName"),
    "training-job": _by_name("sagemaker", "delete_training_job", "TrainingJobName"),
    "processing-job": _by_name("sagemaker", "delete_processing_job", "ProcessingJobName"),
    "repository": _by_name("ecr", "delete_repository", "repositoryName", force=True),
    "bucket": _remove_bucket,
    "stack": _remove_stack,
}


# --- words -------------------------------------------------------------------------------------


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _holds(thing: Thing) -> str:
    return f"could not be asked: {thing.unknown}" if thing.unknown else thing.holds or "-"


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
