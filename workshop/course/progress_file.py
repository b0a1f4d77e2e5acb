"""What the learner has tried, opened and passed: one text file, `.lab/progress.json`.

```json
{
 "format": 1,
 "tasks": {
  "1.3": {
   "first_seen": "2026-11-20T14:02:11+00:00",
   "attempts": 2,
   "state": "passed",
   "passed": "2026-11-20T14:11:40+00:00",
   "evidence": {"jobs": ["preprocessing-2026-11-20-14-06-12-345"]},
   "latest": null,
   "hints": {"1": "2026-11-20T14:05:02+00:00"},
   "compare": null
  }
 }
}
```

A pass is an event: its time, and what the check looked at. It stays, whatever a later check says
(`latest`); `./lab reset` alone takes it back. Fields that a newer workshop has put here are kept.

Two notebooks and a terminal may write at the same time: each change is made under a lock, and the
file is replaced in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from workshop.emulator import files, state

FORMAT = 1
NAME = "progress.json"

NOT_CHECKED = "not checked"
NOT_ATTEMPTED = "not attempted"
NOT_YET = "not yet"
PASSED = "passed"
STATES = (NOT_ATTEMPTED, NOT_YET, PASSED)  # what a check can say

_NUMBER = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Latest:
    """What the last check said of a task that passed before, and does not pass as it is now."""

    when: datetime
    state: str  # NOT_ATTEMPTED or NOT_YET
    found: str


@dataclass(frozen=True)
class TaskProgress:
    """How far one task is. `state` is what the last check said; once it is passed, it stays so."""

    state: str = NOT_CHECKED
    attempts: int = 0  # checks that found something to look at, up to the first that passed
    hints: tuple[int, ...] = ()  # rungs opened, ascending
    first_seen: datetime | None = None
    passed: datetime | None = None
    evidence: dict = field(default_factory=dict)  # as in `checks.Outcome`
    latest: Latest | None = None
    compare: datetime | None = None  # when our code was asked for before the pass

    @property
    def minutes(self) -> int | None:
        """Whole minutes from the first sight of the task to its first passed check."""
        if self.first_seen is None or self.passed is None:
            return None
        return max(0, round((self.passed - self.first_seen).total_seconds() / 60))


# --- write -------------------------------------------------------------------------------------


def record_seen(number: str) -> None:
    """Note that the learner met this task; only the first time counts."""
    _change(number, lambda task: None)


def record_hint(number: str, rung: int) -> None:
    """Note that this rung (from 1) was opened; only the first time counts."""
    _change(number, lambda task: task["hints"].setdefault(str(rung), _now()))


def record_compare(number: str) -> None:
    """Note that our code was asked for; only the first time counts."""

    def note(task: dict) -> None:
        task["compare"] = task["compare"] or _now()

    _change(number, note)


def record_check(
    number: str, result: str, *, found: str = "", evidence: dict | None = None
) -> None:
    """Note what a check said: one of STATES, what it found, and what a pass was seen by.

    `not attempted` is no attempt, and does not start the clock: `./lab check` looks at tasks that
    the learner has not come to. A task that has passed stays so.
    """
    if result not in STATES:
        raise ValueError(f"a check says one of {', '.join(STATES)}, not {result!r}")
    untouched = result == NOT_ATTEMPTED

    def note(task: dict) -> None:
        if task["passed"]:
            now = {"when": _now(), "state": result, "found": found}
            task["latest"] = None if result == PASSED else now
            return
        task["state"] = result
        task["attempts"] += not untouched
        if result == PASSED:
            task["passed"], task["evidence"] = _now(), evidence or {}

    _change(number, note, start_clock=not untouched)


def record_reset(number: str) -> None:
    """Take a pass back: the task is not attempted, and its clock starts again."""

    def note(task: dict) -> None:
        if task["passed"]:
            task.update(passed=None, evidence={}, latest=None, first_seen=None, compare=None)
        if task["state"] != NOT_CHECKED:
            task["state"] = NOT_ATTEMPTED

    _change(number, note, start_clock=False)


def _change(number: str, change: Callable[[dict], object], *, start_clock: bool = True) -> None:
    """Apply a change to one task. A file that cannot be written must not stop a lesson."""
    try:
        with _locked():
            content = _load()
            task = content["tasks"].setdefault(number, _as_task({}))
            before = json.dumps(task)
            if start_clock and not task["first_seen"]:
                task["first_seen"] = _now()
            change(task)
            if json.dumps(task) != before:
                _replace(content)
    except OSError as error:
        _say(f"your progress could not be saved in {_path()}: {error.strerror or error}.")


# --- read --------------------------------------------------------------------------------------


def opened(number: str) -> tuple[int, ...]:
    """Return the rungs of a task's ladder that were opened, ascending."""
    return of(number).hints


def of(number: str) -> TaskProgress:
    """Return how far one task is."""
    return summary().get(number, TaskProgress())


def summary() -> dict[str, TaskProgress]:
    """Return all tasks that something is known of, by number, in order."""
    try:
        with _locked():
            tasks = _load()["tasks"]
    except OSError as error:
        _say(f"{_path()} cannot be read: {error.strerror or error}.")
        return {}
    return {
        number: TaskProgress(
            state=task["state"],
            attempts=task["attempts"],
            hints=tuple(sorted(map(int, task["hints"]))),
            first_seen=_time(task["first_seen"]),
            passed=_time(task["passed"]),
            evidence=task["evidence"],
            latest=_latest(task["latest"]),
            compare=_time(task["compare"]),
        )
        for number, task in sorted(tasks.items(), key=lambda item: order(item[0]))
    }


def order(number: str) -> tuple[int, ...]:
    """Return the key that sorts task numbers: 1.2 before 1.10."""
    return tuple(map(int, number.split(".")))


# --- the file ----------------------------------------------------------------------------------


def _path() -> Path:
    return state.folder() / NAME


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with open(state.folder() / "progress.lock", "a") as lock:
        with contextlib.suppress(OSError):  # some network folders have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _load() -> dict:
    """Return the file's content; put a damaged file aside, say so, and start anew."""
    try:
        text = _path().read_bytes().decode()
    except FileNotFoundError:
        return {"format": FORMAT, "tasks": {}}
    except UnicodeDecodeError as error:
        return _start_anew(str(error))
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, this workshop knows {FORMAT}")
        tasks = {_as_number(number): _as_task(task) for number, task in content["tasks"].items()}
        return {**content, "tasks": tasks}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return _start_anew(f"no {error}" if isinstance(error, KeyError) else str(error))


def _start_anew(why: str) -> dict:
    path = _path()
    aside = path.with_name(f"progress-damaged-{datetime.now():%Y-%m-%d-%H%M%S-%f}.json")
    path.rename(aside)
    _say(
        f"your progress could not be read from {path} ({why}). "
        f"The file is kept as {aside.name}, and a new one is started. Your work is not touched."
    )
    return {"format": FORMAT, "tasks": {}}


def _replace(content: dict) -> None:
    tasks = dict(sorted(content["tasks"].items(), key=lambda item: order(item[0])))
    content = {**content, "tasks": tasks}
    files.write(_path(), json.dumps(content, indent=1) + "\n", mode=0o644)


def _as_number(number: str) -> str:
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is no task")
    return number


def _as_task(task: dict) -> dict:
    """Return a task with all its fields; raise when one of them cannot be what it should be."""
    whole = {
        **task,
        "first_seen": task.get("first_seen"),
        "attempts": int(task.get("attempts", 0)),
        "state": task.get("state", NOT_CHECKED),
        "passed": task.get("passed"),
        "evidence": dict(task.get("evidence", {})),
        "latest": task.get("latest"),
        "hints": dict(task.get("hints", {})),
        "compare": task.get("compare"),
    }
    if whole["passed"]:  # once, a later check could change the state
        whole["state"] = PASSED
    if whole["state"] not in (NOT_CHECKED, *STATES):
        raise ValueError(f"{whole['state']!r} is no state")
    times = ("first_seen", "passed", "compare")
    for when in (*(whole[name] for name in times), *whole["hints"].values()):
        _time(when)
    _latest(whole["latest"])
    for rung in whole["hints"]:
        int(rung)
    return whole


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    # A person may have written it by hand, without a zone.
    return time if time.tzinfo else time.astimezone()


def _latest(check: dict | None) -> Latest | None:
    if check is None:
        return None
    return Latest(datetime.fromisoformat(check["when"]), str(check["state"]), str(check["found"]))


def _say(message: str) -> None:
    print(f"workshop: {message}", file=sys.stderr)
