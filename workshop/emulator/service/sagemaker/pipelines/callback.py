"""Callback steps: a message to a queue of SQS, and an answer with its token.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html (Callback step);
``sagemaker/workflow/callback_step.py`` of the SDK.
"""

from __future__ import annotations

import json
import random
import string
from urllib.parse import urlparse

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker.pipelines.expressions import FROM_TEXT, Unresolved
from workshop.emulator.settings import REGION


def new_token() -> str:
    """Return a token: 10 letters and digits (API_SendPipelineExecutionStepSuccess)."""
    return "".join(random.choices(string.ascii_letters + string.digits, k=10))


def send(account: str, queue_url: str, message: dict) -> None:
    """Send a message to a queue. Raises ApiError with SQS's words when that cannot be done."""
    from moto.core.exceptions import ServiceException
    from moto.sqs.models import sqs_backends

    sqs = sqs_backends[account][REGION]
    owner, _, name = urlparse(queue_url).path.strip("/").partition("/")
    if owner != account or name not in sqs.queues:
        words = f"The specified queue does not exist: {queue_url}"
        raise ApiError("AWS.SimpleQueueService.NonExistentQueue", words)
    try:
        sqs.send_message(name, json.dumps(message))
    except ServiceException as error:
        raise ApiError(error.code, f"{error.message} The queue: {queue_url}") from None


def output(declared: list[dict], given: dict[str, str], name: str) -> object:
    """Return the value of an output. Raises Unresolved when none was given, or of another type."""
    if name not in given:
        raise Unresolved(f"the answer gave no output {name!r}; it gave: {', '.join(given) or '-'}")
    (kind,) = (one["OutputType"] for one in declared if one["OutputName"] == name)
    try:
        return FROM_TEXT[kind](given[name])
    except (KeyError, ValueError):
        raise Unresolved(
            f"the output {name!r} is of type {kind}, and the answer gave {given[name]!r}"
        ) from None
