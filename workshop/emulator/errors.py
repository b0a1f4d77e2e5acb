"""The one kind of error a learner is meant to read."""

from __future__ import annotations


class WorkshopError(Exception):
    """An error whose message alone tells what is wrong and what to do.

    The command line prints the message without a traceback, and so does a notebook:
    IPython asks an exception for ``_render_traceback_`` before it formats one
    (IPython, ``core/interactiveshell.py``, ``showtraceback``).
    """

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
