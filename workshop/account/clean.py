"""`./lab clean --aws`: removes what the workshop made in the learner's account, by its tag.

AWS is only ever asked for what has the tag (Resource Groups Tagging API), and each service is
asked once more before a thing is listed. What has no tag is never seen here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from workshop import terminal
from workshop.account import TAG_KEY, TAG_VALUE, endpoints, identity
from workshop.emulator.errors import WorkshopError

#: What is removed, and in which order: what costs money goes first, and what uses something before
#: it. Of a batch transform AWS keeps the record: it is only stopped.
ORDER = (
    "endpoint",
    "pipeline",
    "hyper-parameter-tuning-job",
    "transform-job",
    "endpoint-config",
    "model",
    "model-package",
    "model-package-group",
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

#: How long AWS may take until all that ran has ended, and how often it is asked, in seconds. A job
#: has 120 seconds to end by itself (StopTrainingJob).
_PATIENCE, _PAUSE = 600.0, 5.0


class _Job(NamedTuple):
    """How boto3 calls what there is to do with a kind of jobs, and AWS the members of one."""

    describe: str
    stop: str
    name: str
    status: str


_JOBS = {
    "hyper-parameter-tuning-job": _Job(
        "describe_hyper_parameter_tuning_job",
        "stop_hyper_parameter_tuning_job",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
    "transform-job": _Job(
        "describe_transform_job", "stop_transform_job", "TransformJobName", "TransformJobStatus"
    ),
    "training-job": _Job(
        "describe_training_job", "stop_training_job", "TrainingJobName", "TrainingJobStatus"
    ),
    "processing-job": _Job(
        "describe_processing_job",
        "stop_processing_job",
        "ProcessingJobName",
        "ProcessingJobStatus",
    ),
}
_IN_PROGRESS = ("InProgress", "Executing", "Stopping")
#: What may run, and what that may need: its configuration, its data, its role.
_LIVE = ("endpoint", "pipeline", *_JOBS)
_NEEDED = ("endpoint-config", "bucket", "stack")


@dataclass
class Thing:
    """Something with the tag; `what` is its kind in its ARN."""

    arn: str
    what: str
    name: str
    holds: str = ""
    costs: str = ""  # of an endpoint, in one line
    running: bool = False
    parts: frozenset[str] = frozenset()  # of a stack
    stack: str = ""  # of a bucket that goes with one of the list
    unknown: str = ""  # why AWS could not be asked about it: it may be there or not


@dataclass
class _Account:
    """The services that are asked, each with one client."""

    session: object
    _clients: dict = field(default_factory=dict)
    deadline: float = 0.0  # for what was told to stop (time.monotonic)

    def __getitem__(self, service: str):
        if service not in self._clients:
            self._clients[service] = identity.client(self.session, service)
        return self._clients[service]


def clean(ask: Callable[[str], bool] | None) -> int:
    """List what has the tag, ask, and remove it; return the exit status.

    `ask` None means yes. What runs is stopped first. Raises WorkshopError when AWS cannot be asked.
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
    for thing in [thing for thing in known if thing.costs]:
        console.print(f"COSTS MONEY NOW: {thing.costs}\n", style="FIX")
    if known:
        rows = [[thing.what, thing.name, _holds(thing)] for thing in known]
        terminal.print_table(console, ["What", "Name", "Holds"], rows)
    for thing in [thing for thing in things if thing.what not in ORDER]:
        left = f" ({_holds(thing)})" if thing.unknown else ""
        print(f"Left alone; it goes with its stack, or by hand: {thing.arn}{left}")
    unknown = [thing for thing in things if thing.unknown]
    doomed = [thing for thing in known if not thing.unknown]
    running = [thing for thing in doomed if thing.running]
    if unknown:
        print(f"\n{len(unknown)} of these could not be asked, so they stay, if they are there.")
    first = "Stop what runs, and remove" if running else "Remove"
    if doomed and ask and not ask(f"{first} {'the rest' if unknown else 'all of the list'}?"):
        return 1
    for thing in running:
        _stop(aws, thing)
    aws.deadline = time.monotonic() + _PATIENCE
    all_gone = _remove_all(aws, known)
    if unknown:
        print("Something may be left. Call ./lab clean --aws again in a minute.")
    return 0 if all_gone and not unknown else 1


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
    if what == "pipeline" and "/" in name:
        return Thing(arn, "", name)  # an execution, which goes with its pipeline
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
        if thing.what == "transform-job" and not thing.running:
            return False  # AWS has no DeleteTransformJob: the record stays, and costs nothing
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
    """Note what a thing holds, costs, whether it runs, and its name: an ARN may write it small."""
    match thing.what:
        case "endpoint":
            found = endpoints.read(aws["sagemaker"], thing.name)
            thing.name, thing.holds = found.name, found.status
            thing.costs = found.line() if found.costs else ""
        case "pipeline":
            found = aws["sagemaker"].describe_pipeline(PipelineName=thing.name)
            thing.name = found["PipelineName"]
            statuses = [status for _, status in _executions(aws, thing)]
            count = sum(status in _IN_PROGRESS for status in statuses)
            thing.holds = _count(len(statuses), "execution") + (f", {count} running" * bool(count))
            thing.running = bool(count)
        case "model-package-group":
            thing.holds = _count(len(_packages(aws, thing)), "version")
        case "bucket":
            sizes = [one.get("Size", 0) for one in _versions(aws, thing.name)]
            thing.holds = f"{_count(len(sizes), 'object')}, {_size(sum(sizes))}"
        case "repository":
            pages = aws["ecr"].get_paginator("describe_images").paginate(repositoryName=thing.name)
            sizes = [one["imageSizeInBytes"] for page in pages for one in page["imageDetails"]]
            thing.holds = f"{_count(len(sizes), 'image')}, {_size(sum(sizes))}"
        case "stack":
            thing.parts = _parts(aws, thing)
        case what if what in _JOBS:
            job = _JOBS[what]
            found = getattr(aws["sagemaker"], job.describe)(**{job.name: thing.name})
            thing.name, thing.holds = found[job.name], found[job.status]
            thing.running = thing.holds in _IN_PROGRESS


def _executions(aws: _Account, pipeline: Thing) -> list[tuple[str, str]]:
    """Return the executions of a pipeline: ARN and status."""
    pages = aws["sagemaker"].get_paginator("list_pipeline_executions")
    return [
        (one["PipelineExecutionArn"], one["PipelineExecutionStatus"])
        for page in pages.paginate(PipelineName=pipeline.name)
        for one in page["PipelineExecutionSummaries"]
    ]


def _packages(aws: _Account, group: Thing) -> list[str]:
    """Return the ARNs of the model packages in a group."""
    pages = aws["sagemaker"].get_paginator("list_model_packages")
    return [
        one["ModelPackageArn"]
        for page in pages.paginate(ModelPackageGroupName=group.name)
        for one in page["ModelPackageSummaryList"]
    ]


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


# --- stopping ----------------------------------------------------------------------------------


def _stop(aws: _Account, thing: Thing) -> None:
    """Tell what runs to stop; it may have ended meanwhile, or been stopped with what started it."""
    from botocore.exceptions import BotoCoreError, ClientError

    sagemaker = aws["sagemaker"]
    try:
        if thing.what == "pipeline":
            for arn, status in _executions(aws, thing):
                if status == "Executing":
                    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
        else:
            _describe(aws, thing)
            if thing.holds != "InProgress":
                return
            job = _JOBS[thing.what]
            getattr(sagemaker, job.stop)(**{job.name: thing.name})
    except (BotoCoreError, ClientError) as error:
        thing.unknown = identity.explain(error)  # so it stays, and what it may need
        print(f"not stopped: {thing.what} {thing.name}: {thing.unknown}")
    else:
        print(f"stopping: {thing.what} {thing.name}")


def _has_ended(aws: _Account, thing: Thing) -> bool:
    """Wait until what was told to stop has ended; tell whether it has."""
    while thing.running:
        _describe(aws, thing)
        if thing.running:
            if time.monotonic() > aws.deadline:
                return False
            time.sleep(_PAUSE)
    return True


# --- removing ----------------------------------------------------------------------------------


def _remove_all(aws: _Account, things: Sequence[Thing]) -> bool:
    """Remove what could be asked, and tell whether all is gone.

    What may run, and is not known to be gone, keeps what it may need. An endpoint even needs its
    role to be deleted (API_DeleteEndpoint).
    """
    left = next((thing for thing in things if thing.unknown and thing.what in _LIVE), None)
    all_gone = True
    for thing in things:
        if thing.unknown:
            all_gone = False
        elif left and thing.what in _NEEDED:
            print(f"kept: {thing.what} {thing.name}: {left.what} {left.name} may need it")
        elif not _remove(aws, thing):
            all_gone = False
            left = left or (thing if thing.what in _LIVE else None)
    return all_gone


def _remove(aws: _Account, thing: Thing) -> bool:
    """Remove one thing and say so; say why where AWS does not."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError

    if thing.what == "stack":
        print(f"stack {thing.name}: AWS is at it; this takes a minute, with a domain ten ...")
    try:
        if not _has_ended(aws, thing):
            print(f"not removed: {thing.what} {thing.name}: it still runs. Call this again later.")
            return False
        _REMOVE[thing.what](aws, thing)
    except WaiterError as error:
        see = "Call this again later."
        if thing.what == "stack":
            events = "aws cloudformation describe-stack-events --stack-name"
            see = f"See why: {events} {thing.name}"
        print(f"not removed: {thing.what} {thing.name}: {error}. {see}")
        return False
    except (BotoCoreError, ClientError) as error:
        print(f"not removed: {thing.what} {thing.name}: {identity.explain(error)}")
        return False
    how = f"emptied; it goes with the stack {thing.stack}" if thing.stack else "removed"
    how = "stopped" if thing.what == "transform-job" else how
    print(f"{how}: {thing.what} {thing.name}")
    return True


def _remove_endpoint(aws: _Account, endpoint: Thing) -> None:
    sagemaker = aws["sagemaker"]
    if endpoint.holds != "Deleting":
        sagemaker.delete_endpoint(EndpointName=endpoint.name)
    waiter = sagemaker.get_waiter("endpoint_deleted")
    waiter.wait(EndpointName=endpoint.name, WaiterConfig={"Delay": 5, "MaxAttempts": 120})


def _remove_group(aws: _Account, group: Thing) -> None:
    """A group that has versions cannot be deleted."""
    for arn in _packages(aws, group):
        aws["sagemaker"].delete_model_package(ModelPackageName=arn)
    aws["sagemaker"].delete_model_package_group(ModelPackageGroupName=group.name)


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
    "endpoint": _remove_endpoint,
    "pipeline": _by_name("sagemaker", "delete_pipeline", "PipelineName"),
    "hyper-parameter-tuning-job": _by_name(
        "sagemaker", "delete_hyper_parameter_tuning_job", "HyperParameterTuningJobName"
    ),
    "transform-job": lambda *_: None,  # it was stopped, and that is all AWS has for it
    "endpoint-config": _by_name("sagemaker", "delete_endpoint_config", "EndpointConfigName"),
    "model": _by_name("sagemaker", "delete_model", "ModelName"),
    "model-package": lambda aws, thing: aws["sagemaker"].delete_model_package(
        ModelPackageName=thing.arn
    ),
    "model-package-group": _remove_group,
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
