"""What a check is: a function for one task's number, and the three things it can say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workshop.course.checks.look import Look

NOT_ATTEMPTED = "not attempted"
NOT_YET = "not yet"
PASSED = "passed"

Check = Callable[["Look"], None]

#: The check of each task, by the task's number.
CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Outcome:
    """What a check says of one task. `found` and `expected` are empty when it passed."""

    number: str
    state: str  # NOT_ATTEMPTED, NOT_YET or PASSED
    looked_at: str
    found: str = ""
    expected: str = ""


class NotYet(Exception):
    """Raised by a check: the task is not done yet.

    `looked_at` is only needed where it is not what `Look.at` was told last.
    """

    def __init__(self, found: str, expected: str, looked_at: str | None = None) -> None:
        super().__init__(f"found {found}; expected {expected}")
        self.found, self.expected, self.looked_at = found, expected, looked_at


def check(number: str) -> Callable[[Check], Check]:
    """Register a function as the check of a task.

    It takes a `Look`, returns nothing when all is well, and raises NotYet when it is not.
    """

    def register(function: Check) -> Check:
        assert number not in CHECKS, f"two checks for task {number}"
        CHECKS[number] = function
        return function

    return register
