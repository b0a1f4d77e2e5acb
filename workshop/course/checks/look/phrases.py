"""Lists, times, kinds and errors as a sentence can hold them."""

from __future__ import annotations

import time
from collections.abc import Iterable


def listing(names: Iterable[str], most: int = 6) -> str:
    """Return names as a sentence can hold them."""
    names = list(names)
    if not names:
        return "nothing"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def clock(when: float) -> str:
    """Return 12:31, with the date in front when it is not today's; `when` is since the epoch."""
    then, now = time.localtime(when), time.localtime()
    same_day = then[:3] == now[:3]
    return time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", then)


def at_time(when: float) -> str:
    """Return "at 12:31", or "on 2026-05-04 12:31" when that is not today."""
    text = clock(when)
    return f"on {text}" if "-" in text else f"at {text}"


_KINDS = {str: "a text", bytes: "bytes", dict: "a dict", list: "a list", type(None): "None"}


def kind_of(value: object) -> str:
    """Return what a value is: "a text", "of the type ndarray"."""
    return _KINDS.get(type(value), f"of the type {type(value).__name__}")


def last_line(error: str) -> str:
    """Return the line of a traceback that says what was wrong."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else ""
