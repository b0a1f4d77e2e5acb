"""Refuses a request as AWS does: same error code, same words, and how to mend it.

Two sources. Limits, patterns, enums, types and required members come from botocore's service
model, which is AWS's own description of the API (``model``). What the model does not say is written
by hand (``rules``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from workshop.emulator.service.sagemaker.validation.mends import quoted
from workshop.emulator.service.sagemaker.validation.model import Problem, violations_of
from workshop.emulator.service.sagemaker.validation.rules import Rule, World
from workshop.emulator.settings import REFUSES

_SOME_URI = "s3://bucket/prefix/"


def check(
    operation: str, request: dict, world: World | None, rules: Sequence[Rule] = ()
) -> Problem | None:
    """Return why AWS would refuse a request, or None when it would accept it.

    ``operation`` is one of the SageMaker API, such as ``CreateProcessingJob``; ``request`` has
    the keys and types of its JSON. ``rules`` are those of the operation: of several problems AWS
    tells the first. Without ``world`` only what the request itself shows is looked at. Raises
    botocore's OperationNotFoundError when there is no such operation.
    """
    found = list(violations_of(operation, request))
    for kind in ("type", "unknown"):
        for violation in found:
            if violation.kind == kind:
                return violation.problem()
    if found:
        count = f"{len(found)} validation error{'s' * (len(found) > 1)} detected: "
        words = count + "; ".join(violation.words for violation in found)
        mends = "\n".join(dict.fromkeys(violation.mend for violation in found))
        return Problem("ValidationException", f"{words}\n{mends}", found[0].field)
    return next((problem for rule in rules for problem in rule(request, world)), None)


def warnings(operation: str, request: dict, rules: Sequence[Rule] = ()) -> list[str]:
    """Return what AWS would refuse in a request that the SDK's local mode was given.

    ``operation`` is ``CreateProcessingJob``, say; ``request`` the arguments of
    ``LocalSagemakerClient.create_processing_job``. What is legal in local mode alone (instance
    type ``local``, ``file://`` URIs, no output path) gives no warning.
    """
    request = _as_on_aws(request)
    found = list(violations_of(operation, request))
    told = [
        f"{one.field} is {_value(request, one.field)}: {one.mend.removeprefix(f'{one.field}: ')}"
        for one in found
    ]
    if all(violation.kind == "constraint" for violation in found):
        problems = [problem for rule in rules for problem in rule(request, None)]
        told += [re.sub(r"[.]?\n", ". ", problem.message) for problem in problems]
    return [f"{REFUSES}{sentence}" for sentence in told]


def _value(request: dict, field: str) -> str:
    """Return a request's value as a message shows it; ``field`` is as in ``Problem``."""
    value: Any = request
    for name, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field):
        try:
            value = value[name or int(number)]
        except (KeyError, IndexError, TypeError):
            return "not given"
    return "not given" if value is None else quoted(value)


def _as_on_aws(value: Any, key: str = "") -> Any:
    """Return a copy of a local request in which all that is legal only locally is replaced."""
    if isinstance(value, dict):
        if "FileDataSource" in value:  # a file:// channel (sagemaker/local/local_session.py)
            return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": _SOME_URI}}
        return {name: _as_on_aws(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_on_aws(member) for member in value]
    if key == "InstanceType" and value in ("local", "local_gpu"):
        return "ml.m5.xlarge"
    # An estimator with local code has no output path (sagemaker/estimator.py).
    if key in ("S3Uri", "S3OutputPath") and (value == "" or str(value).startswith("file:")):
        return _SOME_URI
    return value
