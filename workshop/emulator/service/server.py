"""The process of the emulated AWS: it serves until nobody needs it.

It listens on 127.0.0.1 only, and ends by itself after an hour without a request, when its state
folder is removed, or with the process that ``WORKSHOP_OWNER`` names, its jobs too.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import json
import os
import signal
import sys
import threading
import time

from workshop.emulator import files, keys, state

_IDLE_SECONDS = 3600


def _owner_lives() -> bool:
    """Tell whether the process lives that this server belongs to; a server may belong to none."""
    import psutil

    owner = os.environ.get("WORKSHOP_OWNER")
    try:
        return not owner or psutil.Process(int(owner)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Serve until idle or told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    endpoint = f"http://127.0.0.1:{port}"
    life = open(state.life_file(), "r+")  # noqa: SIM115
    fcntl.flock(life, fcntl.LOCK_EX)
    life.truncate()
    life.write(str(os.getpid()))
    life.flush()

    sys.stdout = sys.stderr = _Log()

    from werkzeug.serving import make_server

    from workshop.emulator.service.app import Application

    secrets = keys.find()
    application = Application(endpoint, secrets)
    server = make_server("127.0.0.1", port, application, True, request_handler=_handler())
    files.write(state.endpoint_file(), json.dumps({"endpoint": endpoint}))
    used = time.monotonic()

    def end_when_idle() -> None:
        nonlocal used
        while state.endpoint_file().exists() and keys.file().exists() and keys.find() == secrets:
            used = max(used, application.used)
            if application.account.busy():
                used = time.monotonic()
            if time.monotonic() - used > _IDLE_SECONDS or not _owner_lives():
                break
            time.sleep(1)
        server.shutdown()

    threading.Thread(target=end_when_idle, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    application.close()


class _Log(io.TextIOBase):
    """The server's log. On a full disk a line is lost, and nothing else."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="backslashreplace"))
        return len(text)


def _handler() -> type:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):
        """Reads requests; what is none gets an error of AWS's form, never a page."""

        timeout = 300  # seconds of a client that says nothing
        error_content_type = "application/xml"
        error_message_format = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            "<Error><Code>BadRequest</Code><Message>%(message)s</Message></Error>"
        )

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if not str(code).startswith(("2", "3", "404")):
                super().log_request(code, size)

    return Handler


if __name__ == "__main__":
    main()
