"""The emulated AWS: a moto server in the background, which runs jobs and keeps S3 on disk.

One server serves everybody on a checkout. It listens on 127.0.0.1 only, ends by itself after an
hour without a request or when its folder is removed, and is started again by whoever needs it, on
the same port.
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

from workshop.emulator import contract, state
from workshop.emulator.errors import WorkshopError

ACCOUNT = "123456789012"
REGION = "us-east-1"
#: Name of the role that `sagemaker.get_execution_role()` finds.
ROLE = "AmazonSageMaker-ExecutionRole-Workshop"
#: The keys that belong to that role. They open nothing outside the emulator.
ACCESS_KEY, SECRET_KEY = "ASIAWORKSHOPEMULATED", "workshop"

# The emulator is on this machine, and the hook refuses AWS only where it sees the address.
_NEVER_BY_PROXY = (
    *("127.0.0.1", "localhost", "169.254.169.254", "169.254.170.2"),
    *(".amazonaws.com", ".amazonaws.com.cn", ".aws.dev", ".api.aws"),
)
_STARTING_SECONDS, _IDLE_SECONDS = 60, 3600
_STATUS_PATH, _NEWS_PATH = "/_workshop/status", "/_workshop/news"
_INTERRUPT_PATH = "/_workshop/interrupt/"
#: The region in a request's signature: ``Credential=KEY/20261120/us-east-2/logs/aws4_request``.
#: S3 stays out: a bucket of another region must say so (CreateBucket, LocationConstraint).
_SIGNED_REGION = re.compile(r"(?<=/\d{8}/)[a-z0-9-]+(?=/(?!s3/))")
_CHANGE_OF_EXPERIMENTS = re.compile(r"SageMaker\.(?!Describe|List|Search)|/BatchPutMetrics$")


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
    return _client(service, ensure())


@functools.cache
def _client(service: str, endpoint: str):
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )


def status() -> dict | None:
    """Return what the server says of itself (``endpoint``, ``pid``, ``state``), or None."""
    endpoint = _remembered().get("endpoint")
    if not endpoint:
        return None
    try:
        found = _ask(endpoint + _STATUS_PATH)
    except (OSError, ValueError):
        return None
    return found if found.get("state") == str(state.folder()) else None


def without_proxy() -> dict[str, str]:
    """Return the variables with which no proxy comes between a program and the emulator."""
    hosts = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    both = ",".join(dict.fromkeys([*filter(None, hosts.split(",")), *_NEVER_BY_PROXY]))
    return {"NO_PROXY": both, "no_proxy": both}


def interrupt(job: str) -> None:
    """Take its spot instance away from a running training job.

    Raises WorkshopError when there is no such job, or when it has no spot instance now.
    """
    problem = _ask(ensure() + _INTERRUPT_PATH + urllib.parse.quote(job, safe=""))["problem"]
    if problem:
        raise WorkshopError(problem)


def _ask(url: str) -> dict:
    # No proxy of the environment may come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.load(answer)


def stop() -> None:
    """End the server, if it runs. What S3 holds stays."""
    found = status()
    if not found:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(found["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 10
    while _alive() and time.monotonic() < deadline:
        time.sleep(0.05)


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
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = status()
        if found:
            return found
        time.sleep(0.02)
    process.kill()
    process.wait()
    if _alive():
        raise WorkshopError(
            "The emulated AWS of this folder runs already, and does not answer here: it was "
            "started in another container or network, or it hangs. Remove "
            f"{state.folder()}/server.json: then it ends within ten seconds. Then try again."
        )
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
    """moto's WSGI application, but for jobs; S3 is written to disk before a write is answered."""

    def __init__(self, endpoint: str) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from workshop.emulator import experiments, job_logs
        from workshop.emulator.job_api import JobApi
        from workshop.emulator.jobs import Jobs
        from workshop.emulator.s3_store import S3Store

        self.used = time.monotonic()
        self._about = {"endpoint": endpoint, "pid": os.getpid(), "state": str(state.folder())}
        self._store = S3Store(state.folder("s3"), ACCOUNT)
        self._moto = DomainDispatcherApplication(create_backend_app)
        _make_role()
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        settings = contract.aws_settings(endpoint, REGION) | keys | without_proxy()
        self.jobs = Jobs(self._store, settings, ACCOUNT, REGION)
        self._job_api = JobApi(self.jobs)
        self._changing = experiments.changing
        self._with_stream_names = job_logs.with_stream_names

    def __call__(self, environment, start_response):
        path = environment["PATH_INFO"]
        if path == _STATUS_PATH:
            return _json(start_response, 200, self._about)
        self.used = time.monotonic()
        if path == _NEWS_PATH:  # from hook.py, while the SDK waits for a job
            asked = dict(urllib.parse.parse_qsl(environment["QUERY_STRING"]))
            number = self.jobs.news.wait(int(asked["after"]), float(asked["seconds"]))
            return _json(start_response, 200, {"number": number})
        if path.startswith(_INTERRUPT_PATH):
            return _json(start_response, 200, {"problem": self._interrupt(path)})
        # Whatever region a client is in, it finds the same jobs, logs, metrics and experiments.
        signature = environment.get("HTTP_AUTHORIZATION", "")
        signed = _SIGNED_REGION.search(signature)
        region = signed[0] if signed else REGION
        environment["HTTP_AUTHORIZATION"] = _SIGNED_REGION.sub(REGION, signature)
        target = environment.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith("SageMaker."):
            body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            directory = environment.get("HTTP_X_WORKSHOP_DIRECTORY", "")
            answered = self._job_api.answer(target, body, region, urllib.parse.unquote(directory))
            if answered:
                return _json(start_response, *answered)
            environment["wsgi.input"] = io.BytesIO(body)
        if target == "Logs_20140328.FilterLogEvents":
            body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            body = self._with_stream_names(body, ACCOUNT, REGION)
            environment |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        changes = _CHANGE_OF_EXPERIMENTS.match(target or path)
        with self._changing(ACCOUNT, REGION) if changes else contextlib.nullcontext():
            answer = self._moto(environment, start_response)
        if environment["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
            self._store.save(path.split("/")[1])
        return answer

    def _interrupt(self, path: str) -> str:
        name = path.removeprefix(_INTERRUPT_PATH)  # WSGI has decoded it
        job = self.jobs.find("training", name)
        if job is None:
            running = [one.name for one in self.jobs if one.kind == "training" and not one.ended]
            return (
                f"There is no training job {name!r}. Running now: {', '.join(running) or 'none'}."
            )
        try:
            job.interrupt()
        except WorkshopError as error:
            return str(error)
        return ""


def _json(start_response, status: int, content: dict) -> list[bytes]:
    reason = "OK" if status == 200 else "Bad Request"
    start_response(f"{status} {reason}", [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(content).encode()]


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
            if any(not job.ended for job in application.jobs):
                application.used = time.monotonic()
            time.sleep(10)
        server.shutdown()

    threading.Thread(target=end_when_idle, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    application.jobs.close()


if __name__ == "__main__":
    main()
