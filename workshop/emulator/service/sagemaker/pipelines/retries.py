"""When a step that has failed is tried again.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

from __future__ import annotations

from workshop.emulator.errors import ApiError

#: AWS tries these again without a policy.
ALWAYS = ("Step.SERVICE_FAULT", "Step.THROTTLING")
#: No wait is longer, in seconds: jobs end sooner here than on AWS.
_LONGEST = 5.0
_ATTEMPTS = 5


def exception_of(error: ApiError) -> str:
    """Return the type of an error of a request, "" for one that no retry can mend."""
    if error.code == "ResourceLimitExceeded":
        return "SageMaker.RESOURCE_LIMIT"
    if error.code == "ThrottlingException":
        return "Step.THROTTLING"
    return "Step.SERVICE_FAULT" if error.status >= 500 else ""


def exception_in(reason: str) -> str:
    """Return the type of a job's FailureReason, "" for one that no retry can mend."""
    if reason.startswith("InternalServerError"):
        return "SageMaker.JOB_INTERNAL_ERROR"
    return "SageMaker.CAPACITY_ERROR" if reason.startswith("CapacityError") else ""


def wait(policies: list[dict], exception: str, attempts: int, passed: float) -> float | None:
    """Return the seconds until the next attempt, None when there is none.

    ``attempts`` were made, the first ``passed`` seconds ago. A policy says how many retries there
    may be (MaxAttempts), or until when (ExpireAfterMin).
    """
    found = next((one for one in policies if exception in one["ExceptionType"]), None)
    if found is None and exception in ALWAYS:
        found = {}
    if found is None:
        return None
    seconds = found.get("IntervalSeconds", 1) * found.get("BackoffRate", 2.0) ** (attempts - 1)
    seconds = min(seconds, _LONGEST)
    if "ExpireAfterMin" in found:
        return seconds if passed + seconds <= found["ExpireAfterMin"] * 60 else None
    return seconds if attempts <= found.get("MaxAttempts", _ATTEMPTS) else None
