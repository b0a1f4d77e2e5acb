"""Serving: hosts that stay and answer. What endpoints and batch transforms share.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import shutil
import socket
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workshop.emulator import state
from workshop.emulator.containers import engine
from workshop.emulator.errors import WorkshopError
from workshop.emulator.service.sagemaker import access
from workshop.emulator.service.sagemaker.resource import remove
from workshop.emulator.service.storage import transfer

#: Seconds that the containers may take until they answer GET /ping. AWS waits 8 minutes.
PATIENCE = 120.0
#: Seconds that a container may take for an answer.
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
LONGEST_ANSWER = 60.0
#: Seconds that a container may take for GET /ping.
_LONGEST_PING = 2.0
#: Seconds that a host has between SIGTERM and SIGKILL. AWS gives 30.
_GRACE = 2.0
_NOBODY = 0
_CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"


class NotServed(Exception):
    """A model that does not begin to answer. The message is fit for a FailureReason."""


@dataclass(frozen=True)
class Answer:
    """What a container answers; ``container`` is its name."""

    status: int
    body: bytes
    container: str
    content_type: str = ""
    custom_attributes: str = ""


class Hosting:
    """The containers of one model, as long as somebody asks them. Any thread may call it.

    Several containers are a serial inference pipeline: each gets what the one before it answers
    (https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html).
    """

    def __init__(
        self,
        store: transfer.Store,
        model: dict,
        name: str,
        log: Callable[[str, bytes], None],
        environment: Mapping[str, str],
        kind: str = "endpoint",
    ) -> None:
        """Prepare to serve; nothing runs yet.

        ``store`` is the S3 with the model's data, ``model`` what DescribeModel answers, with the
        containers of a model package in place of its name (``models.resolved``). ``name`` is for
        those who watch, such as ``my-endpoint/AllTraffic``, and so is ``kind``, what it is hosted
        for. ``log`` gets a container's name and what it writes, in whole lines. ``environment`` are
        variables beside those of the model, ``Account.settings`` among them.
        """
        self._store, self._model, self._name, self._log = store, model, name, log
        self._kind = kind
        self._environment = dict(environment)
        self._containers = containers(model)
        self._folder = state.folder("instances") / f"serving-{uuid.uuid4().hex[:12]}"
        self._starting = threading.Lock()
        self._ports: dict[str, tuple[str, int]] = {}
        self._secret = secrets.token_hex(16)  # nobody else may ask the containers
        self._job: engine.Job | None = None
        self._thread: threading.Thread | None = None
        self._result = engine.Result(0)
        self._closed = False

    def start(self, seconds: float = PATIENCE) -> None:
        """Start the containers, where they do not run, and wait until all answer GET /ping.

        Raises NotServed when one ends before, or takes longer than ``seconds``.
        """
        with self._starting:
            if self._closed:
                raise NotServed(f"The {self._kind} is being ended.")
            if self._thread and self._thread.is_alive():
                return
            try:
                self._bring_model()
                self._start(seconds)
            except (transfer.DataError, WorkshopError) as error:
                raise NotServed(str(error)) from error

    def close(self) -> None:
        """End the containers, and take no more requests."""
        self._closed = True
        if self._job:
            self._job.stop()
        if self._thread:
            self._thread.join(_GRACE + 5)
        remove(self._folder)

    def ask(
        self, body: bytes, headers: Mapping[str, str], seconds: float = LONGEST_ANSWER
    ) -> Answer:
        """Send a request to POST /invocations of the containers, started where they do not run.

        The answer is that of the last container, or of the first one that has an error. Raises
        NotServed when the containers do not start.
        """
        self.start()
        deadline = time.monotonic() + seconds
        first, *others = self._containers
        answer = self._ask(first, body, dict(headers), deadline)
        for name in others:
            if answer.status == 200:
                given = {**headers, "Content-Type": answer.content_type}
                answer = self._ask(name, answer.body, given, deadline)
        return answer

    def parameters(self) -> bytes:
        """Return what GET /execution-parameters of the first container answers, b"" for nothing.

        https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
        """
        self.start()
        name = next(iter(self._containers))
        status, _, body = self._request(name, "GET", "/execution-parameters", 5.0)
        return body if status == 200 else b""

    # --- the containers -------------------------------------------------------------------

    def _bring_model(self) -> None:
        """Download and unpack what the model's containers have in ``/opt/ml/model``."""
        remove(self._folder)
        for number, (name, container) in enumerate(self._containers.items(), 1):
            folder = self._folder / name
            folder.mkdir(parents=True)
            uri, is_archive = model_data(container)
            if not uri:
                continue
            access.check(self._model["ExecutionRoleArn"], "read", uri)
            if is_archive:
                _unpack(self._store, uri, folder, f"container_{number}")
            else:
                transfer.download(self._store, uri, [folder])

    def _start(self, seconds: float) -> None:
        hosts = [
            engine.Host(
                name=name,
                image=container["Image"],
                arguments=["serve"],
                # The port is known when the addresses are.
                environment=container.get("Environment", {}) | self._environment,
                inputs=[(str(self._folder / name), "/opt/ml/model")],
            )
            for name, container in self._containers.items()
        ]
        self._job = job = engine.Job(hosts, name=self._name, kind=self._kind, grace=_GRACE)
        self._ports = {name: (one, _port(one)) for name, one in job.addresses.items()}
        for host in hosts:
            host.environment["SAGEMAKER_BIND_TO_PORT"] = str(self._ports[host.name][1])
            host.environment["JOB_SECRET"] = self._secret
        self._thread = threading.Thread(target=self._run, args=[job], daemon=True)
        self._thread.start()
        deadline = time.monotonic() + seconds
        while not all(self._pings(name) for name in self._containers):
            if not self._thread.is_alive():
                raise NotServed(f"{NO_PING}\n{self._result.error}")
            if self._closed or time.monotonic() > deadline:
                job.stop()
                self._thread.join(_GRACE + 5)
                raise NotServed(
                    f"{NO_PING} GET /ping was not answered with 200 within {seconds:.0f} s (AWS "
                    "waits 8 minutes): does model_fn come to an end?"
                )
            time.sleep(0.02)

    def _run(self, job: engine.Job) -> None:
        try:
            self._result = job.run(self._log)
        except (WorkshopError, OSError) as error:  # no program plays the image, a full disk
            self._result = engine.Result(1, str(error))

    def _pings(self, name: str) -> bool:
        return self._request(name, "GET", "/ping", _LONGEST_PING)[0] == 200

    def _ask(self, name: str, body: bytes, headers: dict[str, str], deadline: float) -> Answer:
        left = max(0.1, deadline - time.monotonic())
        ask = (name, "POST", "/invocations", left, body, headers)
        status, got, answered = self._request(*ask)
        if status == _NOBODY:  # it has just ended
            self._thread.join(5)
            self.start()
            status, got, answered = self._request(*ask)
        return Answer(
            status or 502, answered, name, got.get("Content-Type", ""), got.get(_CUSTOM, "")
        )

    def _request(
        self,
        name: str,
        method: str,
        path: str,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of a container's answer.

        Where there is none, the status is that of a proxy, 504 after ``seconds``, else 502; and
        ``_NOBODY`` where nobody listens.
        """
        connection = http.client.HTTPConnection(*self._ports[name], timeout=seconds)
        try:
            connection.request(
                method, path, body, {**(headers or {}), "X-Job-Secret": self._secret}
            )
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except ConnectionRefusedError:
            return _NOBODY, {}, b"The container does not listen."
        except TimeoutError:
            return 504, {}, b"Your invocation timed out while waiting for a response"
        except (OSError, http.client.HTTPException) as error:
            return 502, {}, f"The container gave no answer: {error!r}".encode()
        finally:
            connection.close()


#: AWS's own words are these, with the name of the variant.
NO_PING = (
    "The primary container did not pass the ping health check. Please check CloudWatch logs for "
    "this endpoint."
)


def containers(model: dict) -> dict[str, dict]:
    """Return the containers of a model by their names, in the order in which they are asked."""
    if "PrimaryContainer" in model:
        return {"primary": model["PrimaryContainer"]}
    return {
        one.get("ContainerHostname", f"container-{number}"): one
        for number, one in enumerate(model["Containers"], 1)
    }


def model_data(container: dict) -> tuple[str, bool]:
    """Return where a container's model lies in S3, "" for nowhere, and whether it is an archive."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source:
        return source["S3Uri"], source["CompressionType"] == "Gzip"
    return container.get("ModelDataUrl", ""), True


def _unpack(store: transfer.Store, uri: str, folder: Path, container: str) -> None:
    bucket, key = transfer.split(uri)
    if key not in store.keys(bucket, key):
        raise transfer.DataError(
            f'Failed to download model data for container "{container}" from URL: "{uri}". Please '
            "ensure that there is an object located at the URL and that the role passed to "
            "CreateModel has permissions to download the model."
        )
    try:
        with tarfile.open(store.file(bucket, key), "r:gz") as archive:
            # Older versions of Python have no filter.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            archive.extractall(folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and shutil.disk_usage(folder).free < 1 << 20:
            raise transfer.DataError(f"{uri} cannot be unpacked: the disk is full.") from error
        raise transfer.DataError(
            f'Failed to extract model data archive for container "{container}" from URL "{uri}". '
            f"Please ensure that the object located at the URL is a valid tar.gz archive. ({error})"
        ) from error


def _port(address: str) -> int:
    """Return the port for a host: AWS's own, or a free one where another program has it."""
    for port in (8080, 0):
        with contextlib.suppress(OSError), socket.create_server((address, port)) as free:
            return free.getsockname()[1]
    raise WorkshopError(f"No port of {address} is free.")
