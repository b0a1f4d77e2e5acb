"""Data: resources that are only described. What experiments and their like share."""

from __future__ import annotations

import time

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import times
from workshop.emulator.service.sagemaker.operation import Caller, Operation, known
from workshop.emulator.service.sagemaker.resource import Account, Resource


class Data(Resource):
    """A description. A kind says what a request may give."""

    #: The members of a request that become the description, beside the name.
    members: tuple[str, ...]
    #: Those of them that are times.
    time_members: tuple[str, ...] = ()
    #: What AWS says of a name that is taken, with ``{name}`` for it, or ``{arn}``.
    taken: str


def make(account: Account, kind: type[Data], request: dict, region: str) -> Data:
    """Make one of what a request gives. Raises ApiError when the name is taken."""
    name, now = request[kind.name_member], time.time()
    arn = account.arn(region, kind.resource_type, name)
    description = {kind.name_member: name, kind.arn_member: arn}
    description |= {member: request[member] for member in kind.members if member in request}
    if "DisplayName" in kind.members:
        description.setdefault("DisplayName", name)
    for member in {*kind.time_members} & {*description}:
        description[member] = times.seconds(description[member])
    description |= {"CreationTime": now, "LastModifiedTime": now}
    with account.lock:
        if account.find(kind, name):
            raise ApiError("ValidationException", kind.taken.format(name=name, arn=arn))
        one = kind(account, description, request.get("Tags", ()))
        account.add(one)
    return one


def create(kind: type[Data]) -> Operation:
    """Make the operation that makes one."""

    def answer(account: Account, request: dict, caller: Caller) -> dict:
        return {kind.arn_member: make(account, kind, request, caller.region).arn}

    return Operation(answer)


def delete(kind: type[Data]) -> Operation:
    """Make the operation that deletes one."""

    def answer(account: Account, request: dict, _: Caller) -> dict:
        with account.lock:
            account.remove(known(account, kind, request[kind.name_member]))
        return {}

    return Operation(answer)


def update(kind: type[Data]) -> Operation:
    """Make the operation that sets the members that a request gives."""

    def answer(account: Account, request: dict, _: Caller) -> dict:
        with account.lock:
            one = known(account, kind, request[kind.name_member])
            one.change(**{name: request[name] for name in request if name != kind.name_member})
            return {kind.arn_member: one.arn}

    return Operation(answer)
