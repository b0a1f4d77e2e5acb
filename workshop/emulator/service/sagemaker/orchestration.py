"""Orchestration: what makes other resources, and waits for them. Pipelines and their like share it.

Each is made through the same door as a client's, so validation, quotas and records hold for it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence

from workshop.emulator.service.sagemaker.operation import Caller
from workshop.emulator.service.sagemaker.resource import Account, Resource

#: Seconds that a server which ends waits for one.
_GRACE = 10.0


class Orchestration(Resource):
    """Runs in a thread of its own, from ``start`` on, until it has ended."""

    works = True

    def __init__(
        self, account: Account, description: dict, tags: Sequence[dict], caller: Caller
    ) -> None:
        """Everything is made for ``caller``: in its region, from its working directory."""
        super().__init__(account, description, tags)
        self.caller = caller
        self.changing = threading.RLock()
        self.told = threading.Event()  # to stop
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to run."""
        self.told.clear()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self.account.news.tell(running=1)
        self._thread.start()

    def _live(self) -> None:
        news = 0
        try:
            while not self.ended:
                seconds = self.advance()
                if not self.ended:
                    news = self.account.news.wait(news, seconds)
        except Exception:
            traceback.print_exc()  # to the server's log
            self.abandon(f"InternalServerError: {traceback.format_exc()[-900:]}")
        finally:
            self.account.news.tell(running=-1)

    def ask(self, operation: str, request: dict) -> dict:
        """Ask for something, as a client does. Raises ApiError when it is refused."""
        return self.account.door.call(operation, request, self.caller)

    def join(self) -> None:
        if self._thread:
            self._thread.join(_GRACE)

    # --- what differs ---------------------------------------------------------------------

    def advance(self) -> float:
        """Do what can be done now; return after how many seconds to look again at the latest.

        Whenever a job has news it is called again.
        """
        raise NotImplementedError
