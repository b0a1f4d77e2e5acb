"""SageMaker's API: which operation a request asks for, and its answer.

The protocol is JSON over POST, with the operation in a header: ``X-Amz-Target:
SageMaker.CreateTrainingJob``. Members of requests and answers are those of the API reference:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.operation import Caller, Operation
from workshop.emulator.service.sagemaker.resource import Account

#: The largest body of a request, in bytes.
_LARGEST = 8 << 20


@dataclass(frozen=True)
class _World:
    """What validation asks of the account (``validation.World``)."""

    resources: Account
    region: str

    @property
    def account(self) -> str:
        return self.resources.number

    def exists(self, resource_type: str, name: str) -> bool:
        return self.resources.by_arn(self.resources.arn("", resource_type, name)) is not None

    def role_exists(self, arn: str) -> bool:
        from moto.iam.models import iam_backends

        return any(role.arn == arn for role in iam_backends[self.account]["aws"].roles.values())

    def bucket_exists(self, bucket: str) -> bool:
        return self.resources.store.has_bucket(bucket)

    def has_objects(self, bucket: str, prefix: str) -> bool:
        return bool(self.resources.store.keys(bucket, prefix))


class SageMakerApi:
    """Answers the operations that are played, and refuses the others."""

    def __init__(self, account: Account) -> None:
        """Answer for the resources of ``account``, and for those of them that make others."""
        self._account = account
        account.door = self

    def plays(self, operation: str) -> bool:
        """Tell whether an operation is played."""
        return operation in operations.PLAYED

    def call(self, operation: str, request: dict, caller: Caller) -> dict:
        """Return the answer to a request. Raises ApiError for one that is refused."""
        played = _played(operation)
        problem = operations.check(operation, request, _World(self._account, caller.region))
        if problem:
            raise ApiError(problem.code, problem.message)
        played.check_members(request)
        return played.answer(self._account, request, caller)

    def answer(
        self, operation: str, body: bytes, region: str, directory: str
    ) -> tuple[int, dict, list[str]]:
        """Return HTTP status and answer, and what the learner should be told of the request.

        ``region`` is that of the client. ``directory`` is the working directory of the program
        that asks, "" when it is not known.
        """
        try:
            played = _played(operation)
            request = _parsed(body)
            answer = self.call(operation, request, Caller(region, directory))
            return 200, answer, played.notes(request)
        except ApiError as error:
            return error.status, {"__type": error.code, "message": error.message}, []


def _played(operation: str) -> Operation:
    if operation not in operations.PLAYED:
        raise ApiError("UnsupportedOperation", operations.refusal(operation))
    return operations.PLAYED[operation]


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
