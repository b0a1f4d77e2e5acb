"""The Search operation: which of some records fit an expression, in which order.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import paging, times
from workshop.emulator.service.sagemaker.operation import Caller, reference
from workshop.emulator.service.sagemaker.resource import Account, Resource
from workshop.emulator.service.sagemaker.validation import shapes

#: What names a member of a list of records, and what holds its value: tags, metrics.
_NAMED = (("Key", "Value"), ("MetricName", "Value"), ("MetricName", "Last"))
_ORDERS = {
    "GreaterThan": lambda one, other: one > other,
    "GreaterThanOrEqualTo": lambda one, other: one >= other,
    "LessThan": lambda one, other: one < other,
    "LessThanOrEqualTo": lambda one, other: one <= other,
}


def answer(account: Account, request: dict, _: Caller) -> dict:
    """Answer a Search request. Raises ApiError for what is not found here, as jobs of AutoML."""
    found = {kind.search_name: kind for kind in account.kinds if kind.search_name}
    resource = request["Resource"]
    if resource not in found:
        raise ApiError(
            "UnsupportedOperation",
            f"Search for {resource} is not played by the workshop's emulator. It finds "
            f"{', '.join(found)}. With your own AWS account it works: {reference('Search')}",
        )
    kind = found[resource]
    expression, by = request.get("SearchExpression", {}), request.get("SortBy")
    for name in (*names(expression), *([by] if by else ())):
        _check_property(kind, name)
    records = [one.record() for one in account.all(kind)]
    records = [one for one in records if fits(one, expression)]
    records = ordered(records, by or "LastModifiedTime", request.get("SortOrder"))
    part, more = paging.page(records, request)
    members = _members(kind)
    results = [
        {kind.search_shape: {name: one[name] for name in one if name in members}} for one in part
    ]
    return {"Results": results, **more}


def _members(kind: type[Resource]) -> set[str]:
    """Return the names of the members of a kind's records (API_SearchRecord)."""
    record = shapes.service_model().shape_for("SearchRecord").members[kind.search_shape]
    return set(record.members)


def _check_property(kind: type[Resource], name: str) -> None:
    """Raise ApiError where a record has no such property; the words are ours."""
    properties = {*_members(kind), "Metrics"}
    first = name.partition(".")[0]
    if first not in properties:
        close = difflib.get_close_matches(first, properties, 1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ApiError("ValidationException", f"Unknown property name: {name}.{meant}")


def fits(record: dict, expression: dict) -> bool:
    """Tell whether a record satisfies a SearchExpression, which the service model has checked."""
    found = [_passes(record, one) for one in expression.get("Filters", ())]
    for nested in expression.get("NestedFilters", ()):
        inner = nested["NestedPropertyName"]
        found.append(
            any(
                all(_passes(one, _below(filter_, inner)) for filter_ in nested["Filters"])
                for one in values(record, inner)
            )
        )
    found += [fits(record, one) for one in expression.get("SubExpressions", ())]
    return any(found) if expression.get("Operator") == "Or" else all(found)


def names(expression: dict) -> Iterator[str]:
    """Yield the names of all properties that an expression asks for."""
    for one in expression.get("Filters", ()):
        yield one["Name"]
    for nested in expression.get("NestedFilters", ()):
        yield nested["NestedPropertyName"]
    for one in expression.get("SubExpressions", ()):
        yield from names(one)


def values(record: object, name: str) -> list:
    """Return what a record has under a name such as ``Tags.team`` or ``Metrics.loss``."""
    if not name:
        return [record]
    if isinstance(record, list):
        for key, value in _NAMED:
            for one in record:
                if isinstance(one, dict) and key in one and value in one and (
                    name == one[key] or name.startswith(f"{one[key]}.")
                ):  # fmt: skip
                    rest = name[len(one[key]) + 1 :]  # Metrics.loss.Max
                    return values(one, rest[:1].upper() + rest[1:]) if rest else [one[value]]
        return [value for one in record for value in values(one, name)]
    if not isinstance(record, dict):
        return []
    if name in record:  # a hyperparameter may have dots in its name
        found = record[name]
        return found if isinstance(found, list) else [found]
    for key in sorted(record, key=len, reverse=True):
        if name.startswith(f"{key}."):
            return values(record[key], name[len(key) + 1 :])
    return []


def _below(filter_: dict, inner: str) -> dict:
    """A nested filter's name begins with that of the list (API_NestedFilters)."""
    return filter_ | {"Name": filter_["Name"].removeprefix(f"{inner}.")}


def _passes(record: dict, filter_: dict) -> bool:
    operator, wanted = filter_.get("Operator", "Equals"), filter_.get("Value", "")
    found = values(record, filter_["Name"])
    # A parameter of a trial component is {"NumberValue": 3.0}.
    found = [
        next(iter(one.values())) if isinstance(one, dict) and len(one) == 1 else one
        for one in found
    ]
    if filter_["Name"].startswith("HyperParameters.") and re.fullmatch(r"-?\d+", wanted):
        # Decimal values "are treated as integers" then (API_Filter).
        found = [one if (number := _number(one)) is None else int(number) for one in found]
    if operator in ("Exists", "NotExists"):
        return bool(found) == (operator == "Exists")
    if operator == "NotEquals":
        return not any(_equal(one, wanted) for one in found)
    if operator == "In":
        return any(_equal(one, part.strip()) for one in found for part in wanted.split(","))
    if operator == "Contains":
        return any(wanted.casefold() in str(one).casefold() for one in found)
    if operator == "Equals":
        return any(_equal(one, wanted) for one in found)
    return any(_in_order(operator, one, wanted) for one in found)


def _equal(one: object, wanted: str) -> bool:
    number, other = _number(one), _number(wanted)
    if number is not None and other is not None:
        return number == other
    return str(one).casefold() == wanted.casefold()


def _in_order(operator: str, one: object, wanted: str) -> bool:
    number, other = _number(one), _number(wanted)
    if number is not None and other is not None:
        return _ORDERS[operator](number, other)
    return _ORDERS[operator](str(one), wanted)


def _number(value: object) -> float | None:
    """Return a number, or the seconds of a time such as ``2026-11-20T13:41:00Z``."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    try:
        return times.seconds(value)
    except ValueError:
        return None


def ordered(records: list[dict], name: str, order: str | None) -> list[dict]:
    """Sort records by a property; those without it come last. The newest come first by default."""
    having = [(found[0], one) for one in records if (found := values(one, name))]
    rest = [one for one in records if not values(one, name)]

    def rank(pair: tuple) -> tuple:
        number = _number(pair[0])
        return (0, number, "") if number is not None else (1, 0.0, str(pair[0]))

    having.sort(key=rank, reverse=order != "Ascending")
    return [one for _, one in having] + rest
