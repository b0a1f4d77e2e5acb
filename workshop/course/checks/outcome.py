"""The three things that a check can say of a task."""

from __future__ import annotations

from dataclasses import dataclass

NOT_ATTEMPTED = "not attempted"
NOT_YET = "not yet"
PASSED = "passed"


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
