"""What botocore's service model says of a request, in the words of AWS's servers."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workshop.emulator.service.sagemaker import times
from workshop.emulator.service.sagemaker.validation.mends import (
    enum_mend,
    few,
    pattern_mend,
    quoted,
    shown,
    size_mend,
)
from workshop.emulator.service.sagemaker.validation.shapes import matches, service_model


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a request."""

    code: str
    """AWS's error code, such as ``ValidationException`` or ``ResourceInUse``."""
    message: str
    """AWS's own words; in the next line what to do."""
    field: str
    """Path in the request, such as ``ProcessingInputs[0].S3Input.LocalPath``."""


@dataclass(frozen=True)
class _Violation:
    kind: str  # "type", "unknown", "null" or "constraint"
    words: str
    mend: str
    field: str

    def problem(self) -> Problem:
        code, words = "ValidationException", self.words
        if self.kind == "type":
            code = "SerializationException"
        elif self.kind != "unknown":
            words = f"1 validation error detected: {words}"
        return Problem(code, f"{words}\n{self.mend}", self.field)


def violations_of(operation: str, request: dict) -> Iterator[_Violation]:
    """Yield all that the service model does not allow in a request."""
    services = {"BatchPutMetrics": "sagemaker-metrics", "InvokeEndpoint": "sagemaker-runtime"}
    model = service_model(services.get(operation, "sagemaker"))
    return _violations(model.operation_model(operation).input_shape, request, "", "")


def _violations(shape, value: Any, aws: str, field: str) -> Iterator[_Violation]:
    """Look at a value and all in it; ``aws`` is its path in AWS's words, ``field`` in boto3's."""
    wrong = _type_error(shape, value)
    if wrong:
        words, expected = wrong
        mend = f"{field or 'The request'}: give {expected}, not {quoted(value)}."
        yield _Violation("type", words, mend, field)
        return
    for words, mend in _broken_constraints(shape, value):
        yield broken(aws, field, value, words, mend)
    if shape.type_name == "structure":
        yield from _member_violations(shape, value, aws, field)
    elif shape.type_name == "list":
        yield from _list_violations(shape, value, aws, field)
    elif shape.type_name == "map":
        yield from _map_violations(shape, value, aws, field)


def _member_violations(shape, value: dict, aws: str, field: str) -> Iterator[_Violation]:
    for name, member in shape.members.items():
        below = (_joined(aws, name[0].lower() + name[1:]), _joined(field, name))
        if value.get(name) is not None:
            yield from _violations(member, value[name], *below)
        elif name in shape.required_members:
            yield null(*below)
    for name in value.keys() - shape.members.keys():
        allowed = ", ".join(shape.members)
        close = difflib.get_close_matches(name, shape.members, 1)
        meant = f"did you mean {close[0]}?" if close else "remove it."
        # AWS's servers pass over it; these are the words of its clients (botocore/validate.py).
        words = f'Unknown parameter in input: "{name}", must be one of: {allowed}'
        yield _Violation("unknown", words, f"{_joined(field, name)}: {meant}", _joined(field, name))


def _list_violations(shape, value: list, aws: str, field: str) -> Iterator[_Violation]:
    simple = shape.member.type_name not in ("structure", "list", "map")
    for number, member in enumerate(value):
        place = f"{field}[{number}]"
        for violation in _violations(shape.member, member, f"{aws}.{number + 1}.member", place):
            if simple and violation.kind == "constraint":
                words = f"Member must satisfy constraint: [{', '.join(_constraints(shape.member))}]"
                yield broken(aws, place, value, words, violation.mend.split(": ", 1)[1])
            else:
                yield violation


def _map_violations(shape, value: dict, aws: str, field: str) -> Iterator[_Violation]:
    for name, member in value.items():
        place = _joined(field, name)
        pair = {name: member}
        for side, part, start in (
            (shape.key, name, "Map keys must"),
            (shape.value, member, "Map value must"),
        ):
            for violation in _violations(side, part, "", place):
                if violation.kind == "constraint":
                    words = f"{start} satisfy constraint: [{', '.join(_constraints(side))}]"
                    yield broken(aws, place, pair, words, violation.mend.split(": ", 1)[1])
                else:
                    yield violation


def broken(aws: str, field: str, value: Any, words: str, mend: str) -> _Violation:
    words = f"Value '{shown(value)}' at '{aws}' failed to satisfy constraint: {words}"
    return _Violation("constraint", words, f"{field}: {mend}", field)


def refusal(field: str, words: str, mend: str, code: str = "ValidationException") -> Problem:
    """Return a problem in AWS's words, with what to do in the next line."""
    return Problem(code, f"{words}\n{field}: {mend}", field)


def null(aws: str, field: str) -> _Violation:
    words = f"Value null at '{aws}' failed to satisfy constraint: Member must not be null"
    return _Violation("null", words, f"{field}: it is required.", field)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# JSON's kinds of values, as AWS's parser calls them, and what the API calls its types.
_JSON = ((bool, "{}_VALUE"), (str, "STRING_VALUE"), (int | float, "NUMBER_VALUE"))
_TYPES = {
    "string": (str, "a String", "text, in quotes"),
    "integer": (int, "an Integer", "a whole number"),
    "long": (int, "a Long", "a whole number"),
    "float": (int | float, "a Float", "a number"),
    "double": (int | float, "a Double", "a number"),
    "boolean": (bool, "a Boolean", "true or false"),
    "list": (list | tuple, "", "a list"),
    "map": (dict, "", "a map of names to values"),
    "structure": (dict, "", "a structure"),
    "blob": (bytes, "", "bytes"),
}


def _type_error(shape, value: Any) -> tuple[str, str] | None:
    """Return what AWS's JSON parser says to a value of the wrong type, and what it wants."""
    if shape.type_name == "timestamp":
        if isinstance(value, datetime.datetime):  # boto3's, where nothing was sent yet
            return None
        try:
            times.seconds(value)
            return None
        except ValueError:
            words = f"Unable to parse timestamp: {shown(value)}"
            return words, "seconds since 1970, or a time such as 2026-11-20T13:41:00Z"
    right, name, expected = _TYPES[shape.type_name]
    if isinstance(value, right) and (right is bool or not isinstance(value, bool)):
        bits = {"integer": 31, "long": 63}.get(shape.type_name)
        if bits is None or -(2**bits) <= value < 2**bits:
            return None
    if isinstance(value, list | tuple):
        return "Start of list found where not expected.", expected
    if isinstance(value, dict):
        return "Start of structure or map found where not expected.", expected
    if not name:
        return ("Expected list or null" if shape.type_name == "list" else "Expected null"), expected
    token = next((text for kind, text in _JSON if isinstance(value, kind)), "VALUE")
    return f"{token.format(str(value).upper())} can not be converted to {name}", expected


def _constraints(shape) -> list[str]:
    """Return all constraints of a shape in AWS's words."""
    limits = shape.metadata
    what = "length" if shape.type_name in ("string", "list", "map") else "value"
    words = []
    if "max" in limits:
        words.append(f"Member must have {what} less than or equal to {limits['max']}")
    if "min" in limits:
        words.append(f"Member must have {what} greater than or equal to {limits['min']}")
    if "pattern" in limits:
        words.append(f"Member must satisfy regular expression pattern: {limits['pattern']}")
    return words


def _broken_constraints(shape, value: Any) -> Iterator[tuple[str, str]]:
    """Give for each constraint that a value breaks AWS's words and how to mend it."""
    limits = shape.metadata
    sized = shape.type_name in ("string", "list", "map")
    if sized or shape.type_name in ("integer", "long", "float", "double"):
        what, size = ("length", len(value)) if sized else ("value", value)
        if size > limits.get("max", size):
            words = f"Member must have {what} less than or equal to {limits['max']}"
            yield words, size_mend(shape, value)
        if size < limits.get("min", size):
            words = f"Member must have {what} greater than or equal to {limits['min']}"
            yield words, size_mend(shape, value)
    if shape.type_name != "string":
        return
    if shape.enum and value not in shape.enum:
        yield (
            f"Member must satisfy enum value set: [{few(shape.enum, value)}]",
            enum_mend(shape, value),
        )
    pattern = limits.get("pattern")
    if pattern and not matches(pattern, value):
        words = f"Member must satisfy regular expression pattern: {pattern}"
        yield words, pattern_mend(shape, value)
