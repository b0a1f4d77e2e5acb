"""SageMaker's API for processing and training jobs; all other operations are moto's.

The protocol is JSON over POST, with the operation in a header: ``X-Amz-Target:
SageMaker.CreateTrainingJob``. Members of requests and answers are those of the API reference:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from workshop.emulator import contract, experiments, validation
from workshop.emulator.jobs import Jobs

#: How many instances of one type may be in use. AWS calls it a quota, one for each account.
INSTANCES = 20

_JOB_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[^:]*:\d*:(processing|training)-job/(.+)")


class ApiError(Exception):
    """An answer with an error code, as boto3's ClientError shows it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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


class JobApi:
    """Answers the operations on jobs."""

    def __init__(self, jobs: Jobs) -> None:
        """Answer for ``jobs``."""
        self._jobs = jobs
        self._operations: dict[str, Callable[[dict, _Caller], dict]] = {}
        for kind in ("processing", "training"):
            for verb, function in (
                ("Create", self._create),
                ("Describe", self._describe),
                ("Stop", self._stop),
                ("Delete", self._delete),
                ("List", self._list),
            ):
                name = f"{verb}{kind.title()}Job{'s' if verb == 'List' else ''}"
                self._operations[name] = _of_kind(function, kind)
        self._of_tags = {
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "ListTags": self._list_tags,
        }

    def answer(
        self, target: str, body: bytes, region: str, directory: str
    ) -> tuple[int, dict] | None:
        """Return HTTP status and answer; None when the operation is none of ours.

        ``region`` is that of the client. ``directory`` is the working directory of the program
        that asks, "" when it is not known.
        """
        operation = target.rpartition(".")[2]
        try:
            request = json.loads(body or b"{}")
            if operation in self._of_tags:
                found = _JOB_ARN.fullmatch(str(request.get("ResourceArn")))
                if not found:
                    return None
                return 200, self._of_tags[operation](self._known(found[1], found[2]), request)
            if operation not in self._operations:
                account, shared = self._jobs.account, self._jobs.region
                refused = experiments.refuse(account, shared, operation, request)
                if refused:
                    raise ApiError(*refused)
                return None
            problem = validation.check(operation, request, _World(self._jobs, region))
            if problem:
                raise ApiError(problem.code, problem.message)
            return 200, self._operations[operation](request, _Caller(region, directory))
        except json.JSONDecodeError as error:
            return 400, {"__type": "SerializationException", "message": str(error)}
        except ApiError as error:
            return 400, {"__type": error.code, "message": str(error)}

    # --- operations -----------------------------------------------------------------------

    def _create(self, kind: str, request: dict, caller: _Caller) -> dict:
        self._check_quota(kind, request)
        try:
            job = self._jobs.create(kind, request, caller.directory, caller.region)
        except FileExistsError as error:  # another request was quicker
            raise ApiError(
                "ResourceInUse",
                f"Job name must be unique within an AWS account and region: {error} exists.",
            ) from error
        except LookupError as error:
            raise ApiError("ResourceNotFound", str(error.args[0])) from error
        return {f"{kind.title()}JobArn": job.arn}

    def _check_quota(self, kind: str, request: dict) -> None:
        resources = (
            request["ResourceConfig"]
            if kind == "training"
            else request["ProcessingResources"]["ClusterConfig"]
        )
        asked = contract.machines(resources)
        for instance_type in {machine.instance_type for machine in asked}:
            wanted = sum(machine.instance_type == instance_type for machine in asked)
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
        try:
            start = int(request.get("NextToken", 0))
        except ValueError:
            raise ApiError("ValidationException", "Invalid NextToken.") from None
        end = start + request.get("MaxResults", 100)
        names = (
            *(f"{title}JobName", f"{title}JobArn", f"{title}JobStatus", "CreationTime"),
            *("LastModifiedTime", f"{title}EndTime", "SecondaryStatus", "FailureReason"),
            "ExitMessage",
        )
        summaries = [{name: one[name] for name in names if name in one} for one in found[start:end]]
        more = {"NextToken": str(end)} if end < len(found) else {}
        return {f"{title}JobSummaries": summaries, **more}

    def _add_tags(self, job, request: dict) -> dict:
        new = {tag["Key"] for tag in request["Tags"]}
        job.tags = [tag for tag in job.tags if tag["Key"] not in new] + request["Tags"]
        return {"Tags": job.tags}

    def _delete_tags(self, job, request: dict) -> dict:
        job.tags = [tag for tag in job.tags if tag["Key"] not in request["TagKeys"]]
        return {}

    def _list_tags(self, job, _: dict) -> dict:
        return {"Tags": job.tags}

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


def _of_kind(function: Callable, kind: str) -> Callable[[dict, _Caller], dict]:
    return lambda request, caller: function(kind, request, caller)


def _wanted(one: dict, title: str, request: dict) -> bool:
    """Tell whether a job passes the filters of a List request."""
    if request.get("NameContains", "").casefold() not in one[f"{title}JobName"].casefold():
        return False
    if request.get("StatusEquals", one[f"{title}JobStatus"]) != one[f"{title}JobStatus"]:
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        if one[member] <= request.get(f"{member}After", 0):
            return False
        if f"{member}Before" in request and one[member] >= request[f"{member}Before"]:
            return False
    return True
