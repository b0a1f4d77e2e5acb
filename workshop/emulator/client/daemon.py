"""The emulated AWS as a server in the background: is it there, start it, end it.

One server serves everybody on a checkout. It listens on 127.0.0.1 only, answers those who have the
secrets of its state folder (``keys``), ends by itself after an hour without a request or when its
folder is removed, and is started again by whoever needs it, on the same port. Where the variable
``WORKSHOP_OWNER`` has the number of a process, the server ends with that process, its jobs too.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import operator
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

from workshop.emulator import keys, settings, state
from workshop.emulator.errors import WorkshopError
from workshop.emulator.settings import INTERRUPT, LOCAL, REGION, STATUS

_STARTING_SECONDS = 60


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
    if not (endpoint and is_ours(int(endpoint.rpartition(":")[2]))):
        return None
    try:
        found = _ask(endpoint + STATUS)
    except (OSError, ValueError):
        return None
    return found if found.get("state") == str(state.folder()) else None


def is_ours(port: int) -> bool:
    """Tell whether a server listens on a port of this machine, and belongs to this user.

    When the emulator has ended, anybody may take its port, and would be shown keys and data. Where
    the system does not tell whose it is, any will do. (proc(5), /proc/net/tcp)
    """
    listening = (f"0100007F:{port:04X}", "0A", str(os.geteuid()))
    facts = operator.itemgetter(1, 3, 7)  # address, state, user
    try:
        with open("/proc/net/tcp") as file:  # those that listen come first
            return any(facts(line.split()) == listening for line in file)
    except OSError:
        return _answers(port)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def watch(handlers) -> None:
    """Start the server again when a request finds it gone: it ends by itself when idle.

    ``handlers`` is ``botocore.handlers``, when a learner's process imports it; ``hook`` has sent
    the request to the server before.
    """
    handlers.BUILTIN_HANDLERS.append(("before-send", _keep_up))


def _keep_up(request, **_) -> None:
    known = urllib.parse.urlsplit(os.environ["WORKSHOP_ENDPOINT"])
    url = urllib.parse.urlsplit(request.url)
    if url.netloc != known.netloc or is_ours(known.port):
        return
    endpoint = ensure()
    os.environ["WORKSHOP_ENDPOINT"] = os.environ["AWS_ENDPOINT_URL"] = endpoint
    request.headers["X-Workshop-Token"] = keys.find().token
    netloc = urllib.parse.urlsplit(endpoint).netloc
    request.url = urllib.parse.urlunsplit(url._replace(netloc=netloc))


def interrupt(job: str) -> None:
    """Take its spot instance away from a running training job.

    Raises WorkshopError when there is no such job, or when it has no spot instance now.
    """
    answer = _ask(ensure() + INTERRUPT + urllib.parse.quote(job, safe=""), "POST")
    if answer["problem"]:
        raise WorkshopError(answer["problem"])


def warnings(operation: str, request: dict) -> list[str]:
    """Return what is to be said of a request that the SDK's local mode answers, as JSON has it.

    Starts the server when none answers. Raises WorkshopError as ``ensure`` does, and OSError or
    ValueError when the server has no answer to this.
    """
    return _ask(ensure() + LOCAL + operation, "POST", json.dumps(request).encode())["warnings"]


def _ask(url: str, method: str = "GET", content: bytes | None = None) -> dict:
    # No proxy of the environment may come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = {"X-Workshop-Token": keys.find().token}
    asked = urllib.request.Request(url, content, token, method=method)
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
            f"{state.endpoint_file()}: then it ends within seconds. Then try again."
        )


def _process() -> int | None:
    """Return the number of the server's process, also of one that hangs; None if it is not here."""
    import psutil

    found = status()
    if found:
        return found["pid"]
    try:
        number = int(state.life_file().read_text())
        # In another container it is another process's number.
        ours = "workshop.emulator.service.server" in psutil.Process(number).cmdline()
        return number if ours else None
    except (ValueError, psutil.Error):
        return None


def _alive() -> bool:
    """Tell whether a server of this folder lives: it holds a lock as long."""
    with open(state.life_file()) as life:
        try:
            fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remembered() -> str:
    """Return the endpoint of the last server, "" when there was none."""
    try:
        endpoint = json.loads(state.endpoint_file().read_text())["endpoint"]
        return endpoint if re.fullmatch(r"http://127\.0\.0\.1:\d{1,5}", endpoint) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _start() -> dict:
    log = state.folder() / "server.log"
    root = Path(__file__).resolve().parents[3]  # of the packages
    environment = {
        key: text
        for key, text in os.environ.items()
        if not key.startswith("AWS_") and key != "WORKSHOP_ENDPOINT"
    }
    environment |= {
        "PYTHONPATH": str(root),
        "WORKSHOP_STATE": str(state.folder()),
        "TMPDIR": str(state.folder("tmp")),
    }
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop.emulator.service.server", "--port", str(_port())],
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
                print(f"{settings.name()}: {notice}", file=sys.stderr, flush=True)
            return found
        time.sleep(0.02)
    process.kill()
    process.wait()
    if _alive():
        raise WorkshopError(
            "The emulated AWS of this folder runs already, and does not answer here: it was "
            "started in another container or network, or it hangs. Remove "
            f"{state.endpoint_file()}: then it ends within seconds. Then try again."
        )
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise WorkshopError(
        f"The emulated AWS did not start. The end of its log ({log}):\n{end}\n"
        f"{settings.advice('server')}"
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
