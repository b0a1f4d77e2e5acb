"""The errors of the emulator: one for a learner to read, one for a client of the API."""

from __future__ import annotations


class WorkshopError(Exception):
    """An error whose message alone tells what is wrong and what to do.

    The command line prints the message without a traceback, and so does a notebook:
    IPython asks an exception for ``_render_traceback_`` before it formats one
    (``IPython/core/interactiveshell.py``, ``showtraceback`` and ``_render_traceback_``).
    """

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class ApiError(Exception):
    """A request that is answered with an error code, as boto3's ClientError shows it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
