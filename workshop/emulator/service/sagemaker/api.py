"""SageMaker's API: which operation a request asks for, and its answer.

The protocol is JSON over POST, with the operation in a header: ``X-Amz-Target:
SageMaker.CreateTrainingJob``. Members of requests and answers are those of the API reference:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import experiments, operations, paging, search, validation
from workshop.emulator.service.sagemaker.jobs import Jobs

#: How many instances of one type may be in use. AWS calls it a quota, one for each account.
INSTANCES = 20
#: The largest body of a request, in bytes.
_LARGEST = 8 << 20

_JOB_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[^:]*:\d*:(processing|training)-job/(.+)")


@dataclass(frozen=True)
class _World:
    """What validation asks of the account (``validation.World``)."""

    jobs: Jobs
    region: str

    def job_exists(self, kind: str, name: str) -> bool:
        return self.jobs.find(kind, name) is not None

    def role_exists(self, arn: str) -> bool:
        from moto.iam.models import iam_backends

        return any(
            role.arn == arn for role in iam_backends[self.jobs.account]["aws"].roles.values()
        )

    def bucket_exists(self, bucket: str) -> bool:
        return self.jobs.store.has_bucket(bucket)

    def has_objects(self, bucket: str, prefix: str) -> bool:
        return bool(self.jobs.store.keys(bucket, prefix))


@dataclass(frozen=True)
class _Caller:
    region: str
    directory: str


class SageMakerApi:
    """Answers the operations that are played, and refuses the others."""

    def __init__(self, jobs: Jobs) -> None:
        """Answer for ``jobs`` and their experiments."""
        self._jobs = jobs
        processing, training = "processing", "training"
        of = functools.partial
        self._operations: dict[str, Callable[[dict, _Caller], dict]] = {
            "CreateProcessingJob": of(self._create, processing),
            "DescribeProcessingJob": of(self._describe, processing),
            "ListProcessingJobs": of(self._list, processing),
            "StopProcessingJob": of(self._stop, processing),
            "DeleteProcessingJob": of(self._delete, processing),
            "CreateTrainingJob": of(self._create, training),
            "DescribeTrainingJob": of(self._describe, training),
            "ListTrainingJobs": of(self._list, training),
            "UpdateTrainingJob": self._update_training_job,
            "StopTrainingJob": of(self._stop, training),
            "DeleteTrainingJob": of(self._delete, training),
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "ListTags": self._list_tags,
            "Search": self._search,
        }
        for name, answer in jobs.experiments.operations().items():
            self._operations[name] = of(self._of_experiments, answer)

    def names(self) -> set[str]:
        """Return the names of the operations that are played."""
        return set(self._operations)

    def answer(
        self, operation: str, body: bytes, region: str, directory: str
    ) -> tuple[int, dict, list[str]]:
        """Return HTTP status and answer, and what the learner should be told of the request.

        ``region`` is that of the client. ``directory`` is the working directory of the program
        that asks, "" when it is not known.
        """
        try:
            if operation not in self._operations:
                raise ApiError("UnsupportedOperation", operations.refusal(operation))
            request = _parsed(body)
            problem = validation.check(operation, request, _World(self._jobs, region))
            if problem:
                raise ApiError(problem.code, problem.message)
            refused = operations.refused_member(operation, request)
            if refused:
                raise ApiError("ValidationException", refused[0])
            answer = self._operations[operation](request, _Caller(region, directory))
            return 200, answer, operations.notes(operation, request)
        except ApiError as error:
            return error.status, {"__type": error.code, "message": error.message}, []

    # --- jobs -----------------------------------------------------------------------------

    def _create(self, kind: str, request: dict, caller: _Caller) -> dict:
        self._check_quota(kind, request)
        try:
            job = self._jobs.create(kind, request, caller.directory, caller.region)
        except FileExistsError as error:  # another request was quicker
            raise ApiError(
                "ResourceInUse",
                f"Job name must be unique within an AWS account and region: {error} exists.",
            ) from error
        return {f"{kind.title()}JobArn": job.arn}

    def _check_quota(self, kind: str, request: dict) -> None:
        resources = (
            request["ResourceConfig"]
            if kind == "training"
            else request["ProcessingResources"]["ClusterConfig"]
        )
        asked: dict[str, int] = {}  # not the machines themselves: there may be a billion
        for group in resources.get("InstanceGroups") or [resources]:
            instance_type = group["InstanceType"]
            asked[instance_type] = asked.get(instance_type, 0) + group.get("InstanceCount", 1)
        for instance_type, wanted in asked.items():
            used = sum(
                machine.instance_type == instance_type
                for job in self._jobs
                if job.kind == kind and not job.ended
                for machine in job.machines
            )
            if used + wanted > INSTANCES:
                raise ApiError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{instance_type} for {kind} job usage' is "
                    f"{INSTANCES} Instances, with current utilization of {used} Instances and a "
                    f"request delta of {wanted} Instances. Ask for fewer instances, or wait for "
                    "other jobs to end. (On AWS you can ask for a higher quota.)",
                )

    def _describe(self, kind: str, request: dict, _: _Caller) -> dict:
        return self._asked(kind, request).describe()

    def _stop(self, kind: str, request: dict, _: _Caller) -> dict:
        job = self._asked(kind, request)
        if job.ended:
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the {kind} job is in status {job.status}.",
            )
        job.stop()
        return {}

    def _delete(self, kind: str, request: dict, _: _Caller) -> dict:
        job = self._asked(kind, request)
        if not job.ended:
            raise ApiError(
                "ResourceInUse",
                f"The {kind} job {job.name} is in status {job.status}. Stop it first.",
            )
        self._jobs.remove(job)
        return {}

    def _list(self, kind: str, request: dict, _: _Caller) -> dict:
        title = kind.title()
        found = [job.describe() for job in self._jobs if job.kind == kind]
        found = [one for one in found if _wanted(one, title, request)]
        key = {"Name": f"{title}JobName", "Status": f"{title}JobStatus"}.get(
            request.get("SortBy", ""), "CreationTime"
        )
        found.sort(key=lambda one: one[key], reverse=request.get("SortOrder") == "Descending")
        part, more = paging.page(found, request)
        names = (
            *(f"{title}JobName", f"{title}JobArn", f"{title}JobStatus", "CreationTime"),
            *("LastModifiedTime", f"{title}EndTime", "SecondaryStatus", "FailureReason"),
            *("ExitMessage", "WarmPoolStatus"),
        )
        summaries = [{name: one[name] for name in names if name in one} for one in part]
        return {f"{title}JobSummaries": summaries, **more}

    def _update_training_job(self, request: dict, _: _Caller) -> dict:
        job = self._asked("training", request)
        period = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
        others = [name for name in request if name not in ("TrainingJobName", "ResourceConfig")]
        if others:
            raise ApiError(
                "ValidationException",
                f"{others[0]} is not played by the workshop's emulator. Of a training job only "
                "ResourceConfig.KeepAlivePeriodInSeconds can be updated here.",
            )
        if period is not None:
            job.keep_alive(period)
        return {"TrainingJobArn": job.arn}

    def _asked(self, kind: str, request: dict):
        return self._known(kind, request[f"{kind.title()}JobName"])

    def _known(self, kind: str, name: str):
        job = self._jobs.find(kind, name)
        if job is None:
            # The API reference says ResourceNotFound; AWS answers this.
            what = (
                "Requested resource not found."
                if kind == "training"
                else f"Could not find requested job with name: {name}"
            )
            raise ApiError("ValidationException", f"{what} There is no {kind} job {name!r}.")
        return job

    # --- experiments, tags, search --------------------------------------------------------

    def _of_experiments(
        self, answer: Callable[[dict, str], dict], request: dict, caller: _Caller
    ) -> dict:
        return answer(request, caller.region)

    def _add_tags(self, request: dict, _: _Caller) -> dict:
        new = {tag["Key"] for tag in request["Tags"]}
        thing = self._tagged(request)
        thing.tags = [tag for tag in thing.tags if tag["Key"] not in new] + request["Tags"]
        thing.keep()
        return {"Tags": thing.tags}

    def _delete_tags(self, request: dict, _: _Caller) -> dict:
        thing = self._tagged(request)
        thing.tags = [tag for tag in thing.tags if tag["Key"] not in request["TagKeys"]]
        thing.keep()
        return {}

    def _list_tags(self, request: dict, _: _Caller) -> dict:
        part, more = paging.page(self._tagged(request).tags, {"MaxResults": 100} | request)
        return {"Tags": part, **more}

    def _tagged(self, request: dict):
        arn = request["ResourceArn"]
        found = _JOB_ARN.fullmatch(arn)
        thing = self._known(found[1], found[2]) if found else self._jobs.experiments.by_arn(arn)
        if thing is None:
            raise ApiError("ValidationException", f"There is no resource {arn!r}.")
        return thing

    def _search(self, request: dict, _: _Caller) -> dict:
        resource = request["Resource"]
        if resource == "TrainingJob":
            records = [
                job.describe() | {"Tags": job.tags} | _metrics_of(job)
                for job in self._jobs
                if job.kind == "training"
            ]
        elif resource in _SEARCHED:
            records = self._jobs.experiments.records(_SEARCHED[resource])
        else:
            raise ApiError(
                "UnsupportedOperation",
                f"Search for {resource} is not played by the workshop's emulator. It finds "
                f"{', '.join(('TrainingJob', *_SEARCHED))}. With your own AWS account it works: "
                f"{operations.reference('Search')}",
            )
        expression, by = request.get("SearchExpression", {}), request.get("SortBy")
        for name in (*search.names(expression), *([by] if by else ())):
            _check_property(_SHAPES[resource], name)
        found = [one for one in records if search.fits(one, expression)]
        found = search.ordered(found, by or "LastModifiedTime", request.get("SortOrder"))
        part, more = paging.page(found, request)
        member = _SHAPES[resource]
        known = validation.members(member)
        results = [{member: {key: one[key] for key in one if key in known}} for one in part]
        return {"Results": results, **more}


#: The kinds of records that Search knows beside training jobs, by its Resource.
_SEARCHED = {
    "Experiment": experiments.EXPERIMENT,
    "ExperimentTrial": experiments.TRIAL,
    "ExperimentTrialComponent": experiments.COMPONENT,
}
#: The member of a SearchRecord, and the shape, that a resource has.
_SHAPES = {
    "TrainingJob": "TrainingJob",
    "Experiment": "Experiment",
    "ExperimentTrial": "Trial",
    "ExperimentTrialComponent": "TrialComponent",
}


def _parsed(body: bytes) -> dict:
    """Return a request. JSON has no NaN and no Infinity, though Python's parser takes them.

    A member that is null is one that is not there (https://smithy.io/2.0/aws/protocols/
    aws-json-1_1-protocol.html, "Shape serialization").
    """
    try:
        if len(body) > _LARGEST:
            raise ValueError(f"it has {len(body)} bytes, {_LARGEST} may be")
        request = json.loads(
            body or b"{}",
            parse_constant=_no_number,
            parse_float=_finite,
            object_pairs_hook=lambda members: {k: v for k, v in members if v is not None},
        )
        if not isinstance(request, dict):
            raise ValueError("it is no object")
        json.dumps(request, ensure_ascii=False).encode()  # no half of a character
        if "\\u0000" in json.dumps(request).replace("\\\\", ""):
            raise ValueError("it holds a NUL character")
        return request
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", f"The request is not JSON: {error}") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _metrics_of(job) -> dict:
    """Filters call the final metrics ``Metrics.NAME`` (API_Filter)."""
    return {"Metrics": job.description.get("FinalMetricDataList", [])}


def _check_property(shape: str, name: str) -> None:
    """Raise ApiError where a record has no such property; the words are ours."""
    known = {*validation.members(shape), "Metrics"}
    first = name.partition(".")[0]
    if first not in known:
        close = difflib.get_close_matches(first, known, 1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ApiError("ValidationException", f"Unknown property name: {name}.{meant}")


def _wanted(one: dict, title: str, request: dict) -> bool:
    """Tell whether a job passes the filters of a List request."""
    if request.get("NameContains", "").casefold() not in one[f"{title}JobName"].casefold():
        return False
    if request.get("StatusEquals", one[f"{title}JobStatus"]) != one[f"{title}JobStatus"]:
        return False
    pool = one.get("WarmPoolStatus", {}).get("Status")
    if request.get("WarmPoolStatusEquals", pool) != pool:
        return False
    return all(
        paging.in_time(one, request, member, member)
        for member in ("CreationTime", "LastModifiedTime")
    )
