"""The three things that a check can say of a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

NOT_ATTEMPTED = "not attempted"
NOT_YET = "not yet"
PASSED = "passed"


@dataclass(frozen=True)
class Outcome:
    """What a check says of one task. `found` and `expected` are empty when it passed.

    step: what to do next; empty where it is a hint
    evidence: of a pass, what was looked at: "jobs", a list of names; "objects", a list of addresses
    in S3; "files", the SHA-256 of each by its path in the lab's folder (of a notebook: of its code)
    """

    number: str
    state: str  # NOT_ATTEMPTED, NOT_YET or PASSED
    looked_at: str
    found: str = ""
    expected: str = ""
    step: str = ""
    evidence: dict = field(default_factory=dict)
    passed_before: datetime | None = None  # a pass stays, whatever `state` is today

    @property
    def passed(self) -> bool:
        """Whether it passed, now or before."""
        return self.state == PASSED or self.passed_before is not None


class NotYet(Exception):
    """Raised by a check: the task is not done yet.

    `looked_at` is only needed where it is not what `Look.at` was told last; `step` where another
    thing is to be done next than to think again, for which there are hints.
    """

    def __init__(
        self, found: str, expected: str, looked_at: str | None = None, step: str = ""
    ) -> None:
        super().__init__(f"found {found}; expected {expected}")
        self.found, self.expected, self.looked_at, self.step = found, expected, looked_at, step
