"""How a tuning job makes and stops its training jobs: as a client would.

So validation, quotas and records hold for them too.
"""

from __future__ import annotations

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import training, validation
from workshop.emulator.service.sagemaker.operation import Caller
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.world import AccountWorld


def ask(account: Account, operation: str, request: dict, caller: Caller) -> dict:
    """Answer a request for training jobs. Raises ApiError where AWS would refuse it."""
    played = training.TOPIC.operations[operation]
    world = AccountWorld(account, caller.region)
    problem = validation.check(operation, request, world, played.rules)
    if problem:
        raise ApiError(problem.code, problem.message)
    played.check_members(request)
    return played.answer(account, request, caller)


def problem(request: dict) -> validation.Problem | None:
    """Return why AWS would refuse a request for a training job whatever the account holds."""
    rules = training.TOPIC.operations["CreateTrainingJob"].rules
    return validation.check("CreateTrainingJob", request, None, rules)
