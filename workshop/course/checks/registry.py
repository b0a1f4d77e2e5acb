"""The check of each task: a function, registered for the task's number."""

from __future__ import annotations

from collections.abc import Callable

from workshop.course.checks.look import Look

Check = Callable[[Look], None]

#: The check of each task, by the task's number.
CHECKS: dict[str, Check] = {}


def check(number: str) -> Callable[[Check], Check]:
    """Register a function as the check of a task.

    It takes a `Look`, returns nothing when all is well, and raises NotYet when it is not.
    """

    def register(function: Check) -> Check:
        assert number not in CHECKS, f"two checks for task {number}"
        CHECKS[number] = function
        return function

    return register
