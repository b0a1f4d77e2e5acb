"""An operation of SageMaker's API, as the emulator plays it; and those that many kinds have.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import paging
from workshop.emulator.service.sagemaker.resource import Account, Resource
from workshop.emulator.service.sagemaker.validation.rules import Rule

_Kind = TypeVar("_Kind", bound=Resource)
#: Members of a request, each with a sentence. ``[]`` stands for each member of a list.
Members = Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Who asks: the region of the client, and its working directory, "" when it is not known."""

    region: str
    directory: str


#: Answers a request that was found to be right. Raises ApiError.
Answer = Callable[[Account, dict, Caller], dict]


@dataclass(frozen=True)
class Operation:
    """Who answers an operation, and what is looked at before."""

    answer: Answer
    rules: Sequence[Rule] = ()
    """What AWS refuses beyond its service model."""
    refused: Members = field(default_factory=dict)
    """Members that are not played, with what to do instead."""
    without_effect: Members = field(default_factory=dict)
    """Members that are accepted and do nothing here, with the reason. A member that is false,
    empty or "None" is not told of."""
    without_effect_locally: Members = field(default_factory=dict)
    """More of these, where the SDK's local mode answers the request."""

    def notes(self, request: dict, *, local: bool = False) -> list[str]:
        """Return a sentence for each member of a request that has no effect here.

        ``local`` is for the requests that the SDK's local mode answers.
        """
        told = {**self.without_effect, **(self.without_effect_locally if local else {})}
        return [
            f"Note: {path.replace('[]', '')} has no effect here: {why}."
            for path, why in told.items()
            if any(value and value != "None" for value in _values(request, path))
        ]

    def check_members(self, request: dict) -> None:
        """Raise ApiError for the first member of a request that is not played."""
        for path, advice in self.refused.items():
            if any(_values(request, path)):
                place = path.replace("[]", "")
                raise ApiError(
                    "ValidationException",
                    f"{place} is not played by the workshop's emulator.\n{place}: {advice}, or "
                    "use your own AWS account.",
                )


def _values(value: object, path: str) -> Iterator[object]:
    """Yield what stands at a path of a request; it has been checked, so its types are right."""
    name, _, rest = path.partition(".")
    if not isinstance(value, dict) or value.get(name.removesuffix("[]")) is None:
        return
    found = value[name.removesuffix("[]")]
    for one in found if name.endswith("[]") else [found]:
        if rest:
            yield from _values(one, rest)
        else:
            yield one


@dataclass(frozen=True)
class Topic:
    """A file of operations: what it is about, the kinds of resources in it, and the operations."""

    title: str
    operations: Mapping[str, Operation]
    kinds: Sequence[type[Resource]] = ()


def reference(operation: str) -> str:
    """Return the address of an operation's page in AWS's API reference."""
    service = "runtime_" if operation.startswith("InvokeEndpoint") else ""
    service = "metrics_" if operation == "BatchPutMetrics" else service
    return (
        f"https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_{service}{operation}.html"
    )


def asked(account: Account, kind: type[_Kind], request: dict) -> _Kind:
    """Return the resource that a request names. Raises ApiError when there is none."""
    return known(account, kind, request[kind.name_member])


def known(account: Account, kind: type[_Kind], name: str) -> _Kind:
    """Return a resource by its name, or by its ARN where that may be given instead.

    Raises ApiError when there is none.
    """
    found = account.find(kind, name.rpartition("/")[2])
    if found is None:
        raise kind.not_found(name)
    return found


def describe(kind: type[Resource]) -> Operation:
    """Make the operation that answers the description of one."""
    return Operation(lambda account, request, _: asked(account, kind, request).describe())


def listing(
    kind: type[Resource],
    member: str,
    summary: Sequence[str],
    *,
    newest_first: bool = False,
    wanted: Callable[[Account, Resource, dict], bool] = lambda *_: True,
    renamed: Members = MappingProxyType({}),
) -> Operation:
    """Make the operation that answers a list of all, or of those that a request wants.

    ``member`` holds the list, ``summary`` are the members of each entry; ``renamed`` are those
    that have another name in the description. ``newest_first`` is the order where a request names
    none. ``wanted`` passes what the filters that all kinds have in common do not tell.
    """

    def answer(account: Account, request: dict, _: Caller) -> dict:
        found = [one.facts() for one in account.all(kind) if wanted(account, one, request)]
        found = [one for one in found if _passes(kind, one, request)]
        by = {"Name": kind.name_member, "Status": kind.status_member}.get(request.get("SortBy", ""))
        usual = "Descending" if newest_first else "Ascending"
        descending = request.get("SortOrder", usual) == "Descending"
        found.sort(key=lambda one: one[by or "CreationTime"], reverse=descending)
        part, more = paging.page(found, request)
        names = {name: renamed.get(name, name) for name in summary}
        entries = [
            {name: one[place] for name, place in names.items() if place in one} for one in part
        ]
        return {member: entries, **more}

    return Operation(answer)


def _passes(kind: type[Resource], one: dict, request: dict) -> bool:
    """Tell whether a description passes the filters that List operations have."""
    if request.get("NameContains", "").casefold() not in one[kind.name_member].casefold():
        return False
    status = request.get("StatusEquals")
    if status is not None and one[kind.status_member] != status:
        return False
    return all(
        paging.in_time(one, request, prefix, member)
        for prefix, member in (
            ("Created", "CreationTime"),
            ("CreationTime", "CreationTime"),
            ("LastModifiedTime", "LastModifiedTime"),
        )
    )
