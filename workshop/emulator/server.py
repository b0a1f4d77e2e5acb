"""The emulated AWS: a server in the background, which runs jobs and keeps S3 on disk.

One server serves everybody on a checkout. It listens on 127.0.0.1 only, answers those who have the
secrets of its state folder (``keys``), ends by itself after an hour without a request or when its
folder is removed, and is started again by whoever needs it, on the same port. Where the variable
``WORKSHOP_OWNER`` has the number of a process, the server ends with that process, its jobs too.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from workshop.emulator import files, hook, keys, state
from workshop.emulator.errors import WorkshopError
from workshop.emulator.settings import REGION

_STARTING_SECONDS, _IDLE_SECONDS = 60, 3600
_STATUS_PATH, _INTERRUPT_PATH = "/_workshop/status", "/_workshop/interrupt/"


# --- for those who use it -----------------------------------------------------------------


def ensure() -> str:
    """Return the endpoint URL of the server of this checkout; start it when none answers.

    Raises WorkshopError when it does not start, with the end of its log.
    """
    found = status()
    if found is None:
        with open(state.folder() / "server.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two notebooks may need it at the same time
            found = status() or _start()
    return found["endpoint"]


def client(service: str):
    """Return a boto3 client of the emulated account; start its server when none answers.

    It is the same one until another server runs. Raises WorkshopError as ``ensure`` does.
    """
    return _client(service, ensure(), keys.find())


@functools.cache
def _client(service: str, endpoint: str, secrets: keys.Keys):
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=secrets.access_key,
        aws_secret_access_key=secrets.secret_key,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )


def status() -> dict | None:
    """Return what the server says of itself (``endpoint``, ``pid``, ``state``), or None."""
    endpoint = _remembered()
    if not (endpoint and hook.is_ours(int(endpoint.rpartition(":")[2]))):
        return None
    try:
        found = _ask(endpoint + _STATUS_PATH)
    except (OSError, ValueError):
        return None
    return found if found.get("state") == str(state.folder()) else None


def interrupt(job: str) -> None:
    """Take its spot instance away from a running training job.

    Raises WorkshopError when there is no such job, or when it has no spot instance now.
    """
    answer = _ask(ensure() + _INTERRUPT_PATH + urllib.parse.quote(job, safe=""), "POST")
    if answer["problem"]:
        raise WorkshopError(answer["problem"])


def _ask(url: str, method: str = "GET") -> dict:
    # No proxy of the environment may come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = {"X-Workshop-Token": keys.find().token}
    asked = urllib.request.Request(url, method=method, headers=token)
    with opener.open(asked, timeout=10) as answer:
        return json.load(answer)


def stop() -> None:
    """End the server, if it runs. What S3 holds stays.

    Raises WorkshopError when it lives on.
    """
    process = _process()
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        if process and _alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        deadline = time.monotonic() + (seconds if process else 0)
        while _alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    if _alive():
        raise WorkshopError(
            "The emulated AWS of this folder runs, and cannot be ended from here: it was started "
            "in another container, or by another user. Nothing was removed. Remove "
            f"{_file()}: then it ends within seconds. Then try again."
        )


def _process() -> int | None:
    """Return the number of the server's process, also of one that hangs; None if it is not here."""
    import psutil

    found = status()
    if found:
        return found["pid"]
    try:
        number = int(_life().read_text())
        # In another container it is another process's number.
        ours = "workshop.emulator.server" in psutil.Process(number).cmdline()
        return number if ours else None
    except (ValueError, psutil.Error):
        return None


def _alive() -> bool:
    """Tell whether a server of this folder lives: it holds a lock as long."""
    with open(_life()) as life:
        try:
            fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _life() -> Path:
    path = state.folder() / "server.life"
    path.touch()
    return path


def _file() -> Path:
    return state.folder() / "server.json"


def _remembered() -> str:
    """Return the endpoint of the last server, "" when there was none."""
    try:
        endpoint = json.loads(_file().read_text())["endpoint"]
        return endpoint if re.fullmatch(r"http://127\.0\.0\.1:\d{1,5}", endpoint) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _start() -> dict:
    log = state.folder() / "server.log"
    root = Path(__file__).resolve().parents[2]
    environment = {
        key: text for key, text in os.environ.items() if not key.startswith(("AWS_", "WORKSHOP_E"))
    }
    environment |= {
        "PYTHONPATH": str(root),
        "WORKSHOP_STATE": str(state.folder()),
        "TMPDIR": str(state.folder("tmp")),
    }
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop.emulator.server", "--port", str(_port())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = status()
        if found:
            for notice in found["notices"]:
                print(f"lab: {notice}", file=sys.stderr, flush=True)
            return found
        time.sleep(0.02)
    process.kill()
    process.wait()
    if _alive():
        raise WorkshopError(
            "The emulated AWS of this folder runs already, and does not answer here: it was "
            "started in another container or network, or it hangs. Remove "
            f"{_file()}: then it ends within seconds. Then try again."
        )
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise WorkshopError(
        f"The emulated AWS did not start. The end of its log ({log}):\n{end}\n"
        "Run ./lab doctor to see what is wrong."
    )


def _port() -> int:
    """Return the port of last time when it is free, so that open notebooks find it again."""
    for port in (int(_remembered().rpartition(":")[2] or 0), 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return trial.getsockname()[1]
    raise WorkshopError("No free port on 127.0.0.1 for the emulated AWS.")


# --- the server itself --------------------------------------------------------------------


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
    life = open(_life(), "r+")  # noqa: SIM115
    fcntl.flock(life, fcntl.LOCK_EX)
    life.truncate()
    life.write(str(os.getpid()))
    life.flush()

    sys.stdout = sys.stderr = _Log()

    from werkzeug.serving import make_server

    from workshop.emulator.app import Application

    secrets = keys.find()
    application = Application(endpoint, secrets)
    server = make_server("127.0.0.1", port, application, True, request_handler=_handler())
    files.write(_file(), json.dumps({"endpoint": endpoint}))
    used = time.monotonic()

    def end_when_idle() -> None:
        nonlocal used
        while _file().exists() and keys.file().exists() and keys.find() == secrets:
            used = max(used, application.used)
            if any(not job.ended for job in application.jobs):
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
