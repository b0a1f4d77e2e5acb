"""What a notebook calls: `workshop.connect()`, `workshop.check("1.2")` and their like."""

from __future__ import annotations

import os
from pathlib import Path

from workshop.emulator.errors import WorkshopError


def connect() -> None:
    """Send the AWS calls of this process to the emulator (`workshop.emulator.client.connection`).

    Under `./lab start --aws` and its like they go to the learner's own account
    (`workshop.account.connection`). In a notebook, the checks see from now on what its cells ran,
    saved or not.

    Raises WorkshopError in a notebook of a lab that needs more packages than are installed.
    """
    from workshop import pins
    from workshop.course import packages

    packages.require(Path.cwd())
    os.environ.update(pins.settings())
    if _in_own_account():  # every Python under ./lab imports this module, so: late imports
        from workshop.account import connection

        connection.connect()
        return
    from workshop.course.checks import live
    from workshop.emulator.client import connection

    connection.connect()
    live.watch()


def _in_own_account() -> bool:
    # As in `workshop.startup`: where both are set, nothing may reach AWS.
    return "WORKSHOP_AWS" in os.environ and "WORKSHOP_ENDPOINT" not in os.environ


class NotAttempted(WorkshopError):
    """A cell came to a task that the learner has not done yet: the message says what to do."""


def not_attempted(number: str) -> None:
    """Stop the notebook here: this stands where a task's code belongs. Raises NotAttempted."""
    from workshop.course import hints

    raise NotAttempted(hints.not_attempted(number))


def check(*numbers: str | float) -> None:
    """Print how far a task is, like "1.3"; a section's tasks for "1"; all for nothing."""
    if _in_own_account():
        print("The checks look into the emulated AWS: with your own account there are none.")
        return
    from workshop.course import checks

    checks.show(*numbers)


def hint(number: str | float, rung: int | None = None) -> None:
    """Show the next hint of a task, like "1.3". It never refuses; `rung` shows a certain one."""
    from workshop.course import hints

    hints.show(number, rung)


def compare(number: str | float) -> None:
    """Show your code of a task beside ours. Before the task is passed, it has to be asked twice."""
    from workshop.course import compare as course_compare

    course_compare.show(number)


def progress() -> None:
    """Show which tasks are done, the hints you opened, the time you took."""
    from workshop.course import progress_report

    progress_report.show()
