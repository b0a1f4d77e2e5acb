"""What all List operations of SageMaker have in common."""

from __future__ import annotations

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import times

#: How many of a list are answered at once where a request does not say.
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrials.html (MaxResults)
_AT_ONCE = 10


def page(found: list, request: dict) -> tuple[list, dict]:
    """Return the part of a list that a request asks for, and the token for the next part.

    Raises ApiError for a token that is none of ours.
    """
    token = request.get("NextToken", "0")
    if not (token.isascii() and token.isdigit()):
        raise ApiError("ValidationException", f"Invalid NextToken: {token!r}.")
    start = int(token)
    end = start + request.get("MaxResults", _AT_ONCE)
    return found[start:end], {"NextToken": str(end)} if end < len(found) else {}


def in_time(description: dict, request: dict, prefix: str, member: str) -> bool:
    """Tell whether a time of a description lies where a request wants it.

    ``CreatedAfter`` and ``CreatedBefore`` have the prefix ``Created``.
    """
    after, before = request.get(f"{prefix}After"), request.get(f"{prefix}Before")
    moment = description[member]
    return (after is None or moment > times.seconds(after)) and (
        before is None or moment < times.seconds(before)
    )
