"""The emulated AWS: a moto server in the background, which keeps what S3 holds on disk.

One server serves everybody on a checkout. It listens on 127.0.0.1 only, ends by itself after an
hour without a request or when its folder is removed, and is started again by whoever needs it, on
the same port.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from workshop.emulator import state
from workshop.emulator.errors import WorkshopError

ACCOUNT = "123456789012"
REGION = "us-east-1"
#: Name of the role that `sagemaker.get_execution_role()` finds.
ROLE = "AmazonSageMaker-ExecutionRole-Workshop"
#: The keys that belong to that role. They open nothing outside the emulator.
ACCESS_KEY, SECRET_KEY = "ASIAWORKSHOPEMULATED", "workshop"

_IDLE_SECONDS = 3600
_STATUS_PATH = "/_workshop/status"


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


def status() -> dict | None:
    """Return what the server says of itself (``endpoint``, ``pid``, ``state``), or None."""
    endpoint = _remembered().get("endpoint")
    if not endpoint:
        return None
    try:
        # No proxy of the environment may come between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(endpoint + _STATUS_PATH, timeout=10) as answer:
            found = json.load(answer)
    except (OSError, ValueError):
        return None
    return found if found.get("state") == str(state.folder()) else None


def stop() -> None:
    """End the server, if it runs. What S3 holds stays."""
    found = status()
    if not found:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(found["pid"], signal.SIGTERM)
    with open(_life()) as life:  # the server holds the lock as long as it lives
        for _ in range(200):
            try:
                fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.05)


def _life() -> Path:
    path = state.folder() / "server.life"
    path.touch()
    return path


def _remembered() -> dict:
    try:
        return json.loads((state.folder() / "server.json").read_text())
    except (OSError, ValueError):
        return {}


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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = status()
        if found:
            return found
        time.sleep(0.02)
    process.kill()
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise WorkshopError(
        f"The emulated AWS did not start. The end of its log ({log}):\n{end}\n"
        "Run ./lab doctor to see what is wrong."
    )


def _port() -> int:
    """Return the port of last time when it is free, so that open notebooks find it again."""
    for port in (int(_remembered().get("endpoint", ":0").rpartition(":")[2]), 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return trial.getsockname()[1]
    raise WorkshopError("No free port on 127.0.0.1 for the emulated AWS.")


# --- the server itself --------------------------------------------------------------------


class _Application:
    """moto's WSGI application, with what S3 holds written to disk before a write is answered."""

    def __init__(self, endpoint: str) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from workshop.emulator.s3_store import S3Store

        self.used = time.monotonic()
        self._about = {"endpoint": endpoint, "pid": os.getpid(), "state": str(state.folder())}
        self._store = S3Store(state.folder("s3"), ACCOUNT)
        self._moto = DomainDispatcherApplication(create_backend_app)
        _make_role()

    def __call__(self, environment, start_response):
        if environment["PATH_INFO"] == _STATUS_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._about).encode()]
        self.used = time.monotonic()
        answer = self._moto(environment, start_response)
        if environment["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
            self._store.save(environment["PATH_INFO"].split("/")[1])
        return answer


def _make_role() -> None:
    """Make the learner's role, and keys that `get_caller_identity` knows as that role's."""
    from moto.iam.models import AccessKey, iam_backends
    from moto.sts.models import AssumedRole, sts_backends

    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam_backends[ACCOUNT]["aws"].create_role(
        role_name=ROLE,
        assume_role_policy_document=json.dumps(trust),
        path="/service-role/",
        permissions_boundary=None,
        description="The execution role of the emulated account",
        tags=[],
        max_session_duration="3600",
    )
    key = AccessKey(user_name=None, prefix="ASIA", account_id=ACCOUNT)
    key.access_key_id, key.secret_access_key = ACCESS_KEY, SECRET_KEY
    sts_backends[ACCOUNT]["aws"].assumed_roles.append(
        AssumedRole(ACCOUNT, REGION, key, "SageMaker", role.arn, "", 3600, "")
    )


def main() -> None:
    """Serve until idle or told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    endpoint = f"http://127.0.0.1:{port}"
    life = open(_life())  # noqa: SIM115
    fcntl.flock(life, fcntl.LOCK_EX)

    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    application = _Application(endpoint)
    server = make_server("127.0.0.1", port, application, True, request_handler=MotoRequestHandler)
    remembered = state.folder() / "server.json"
    incoming = remembered.with_suffix(".incoming")
    incoming.write_text(json.dumps({"endpoint": endpoint}))
    incoming.replace(remembered)

    def end_when_idle() -> None:
        while time.monotonic() - application.used < _IDLE_SECONDS and remembered.exists():
            time.sleep(10)
        server.shutdown()

    threading.Thread(target=end_when_idle, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
