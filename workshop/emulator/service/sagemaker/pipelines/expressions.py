"""What may stand in a pipeline's definition instead of a value, and what it comes to.

Sources: ``sagemaker/workflow/functions.py``, ``conditions.py``, ``parameters.py``,
``execution_variables.py`` and ``properties.py`` of the SDK, which write these expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"
_FUNCTIONS = (GET, JOIN, JSON_GET)
_PART = re.compile(r"\.?([^.\[\]'\"]+)|\[(\d+)\]|\[(['\"])(.*?)\3\]")
_COMPARISONS = {
    "Equals": lambda left, right: left == right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
    "LessThan": lambda left, right: left < right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
}
_BOOLEANS = {"true": True, "false": False}
#: How the text of a parameter or of an output is read, by its type: KeyError, ValueError.
FROM_TEXT: dict[str, Callable[[str], object]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: _BOOLEANS[text.lower()],
}
CONDITIONS = {*_COMPARISONS, "In", "Not", "And", "Or"}


class Unresolved(Exception):
    """An expression that comes to nothing; the message says which and why."""


class Scope(Protocol):
    """What expressions are made of."""

    def get(self, path: str) -> object:
        """Return what a ``Get`` stands for. Raises Unresolved."""

    def read(self, arguments: dict) -> object:
        """Return the content of the JSON file that a ``Std:JsonGet`` names. Raises Unresolved."""


def function_of(value: object) -> str:
    """Return which function a value is, "" for a plain one."""
    if isinstance(value, dict) and len(value) == 1:
        (name,) = value
        return name if name in _FUNCTIONS else ""
    return ""


def calls(value: object, function: str) -> Iterator[object]:
    """Yield what is given to each call of a function in a part of a definition."""
    if function_of(value) == function:
        yield value[function]  # type: ignore[index]
    elif isinstance(value, dict):
        for member in value.values():
            yield from calls(member, function)
    elif isinstance(value, list):
        for member in value:
            yield from calls(member, function)


def evaluate(value: object, scope: Scope) -> object:
    """Return a part of a definition with what its expressions come to. Raises Unresolved."""
    function = function_of(value)
    if function == GET:
        return scope.get(value[GET])  # type: ignore[index]
    if function == JOIN:
        given = value[JOIN]  # type: ignore[index]
        return given["On"].join(text(evaluate(one, scope)) for one in given["Values"])
    if function == JSON_GET:
        given = value[JSON_GET]  # type: ignore[index]
        return at(scope.read(given), given["Path"])
    if isinstance(value, dict):
        return {name: evaluate(member, scope) for name, member in value.items()}
    if isinstance(value, list):
        return [evaluate(member, scope) for member in value]
    return value


def text(value: object) -> str:
    """Return a value as ``Std:Join`` writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parts(path: str) -> list[str | int]:
    """Return the steps of a path such as ``Outputs['train'].S3Output`` or ``a.b[0]``.

    Raises Unresolved for what is no path.
    """
    found: list[str | int] = []
    end = 0
    for match in _PART.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        found.append(match[1] or (int(match[2]) if match[2] else match[4]))
    if end != len(path) or not found:
        raise Unresolved(f"{path!r} is no path")
    return found


def at(value: object, path: str) -> object:
    """Return what stands at a path of a value.

    A text in brackets picks of a list the entry of this name: in ``Outputs['train']`` that whose
    ``OutputName`` is ``train``. Raises Unresolved when nothing stands there.
    """
    for part in parts(path):
        found = None
        if isinstance(value, dict):
            found = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            found = value[part] if part < len(value) else None
        elif isinstance(value, list):
            found = next((one for one in value if _is_called(one, part)), None)
        if found is None:
            raise Unresolved(f"nothing stands at {path!r}: there is no {part!r}")
        value = found
    return value


def _is_called(entry: object, name: str) -> bool:
    """Tell whether an entry of a list has a name, such as ``OutputName``."""
    return isinstance(entry, dict) and any(
        member.endswith("Name") and value == name for member, value in entry.items()
    )


def holds(condition: dict, scope: Scope) -> bool:
    """Tell whether a condition holds. Raises Unresolved, also for values that do not compare."""
    kind = condition["Type"]
    if kind == "Not":
        # The SDK writes "Condition", the schema of definitions says "Expression".
        return not holds(condition.get("Condition") or condition["Expression"], scope)
    if kind in ("And", "Or"):
        every = (holds(one, scope) for one in condition["Conditions"])
        return all(every) if kind == "And" else any(every)
    if kind == "In":
        return evaluate(condition["QueryValue"], scope) in evaluate(condition["Values"], scope)
    left, right = (evaluate(condition[side], scope) for side in ("LeftValue", "RightValue"))
    if _type(left) != _type(right):
        raise Unresolved(
            f"{left!r} ({_type(left)}) and {right!r} ({_type(right)}) cannot be compared"
        )
    return _COMPARISONS[kind](left, right)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "a text"
