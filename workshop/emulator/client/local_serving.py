"""Local endpoints and batch transforms, where the stand-in for Docker runs their container.

The SDK starts the container in a thread and then asks it for two minutes whether it is there
(``sagemaker/local/entities.py``, ``_wait_for_serving_container``). Why it is not would stand in the
traceback of that thread, far above the SDK's own error; here it is the error itself, and at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
import urllib.request
from pathlib import Path

import wrapt

from workshop.emulator.containers import images
from workshop.emulator.errors import WorkshopError

_STAND_IN = Path(__file__).resolve().parents[1] / "containers" / "bin" / "docker"
_OTHER_PORT = "session.config = {'local': {'serving_port': 8081}}"


def watch(local_session) -> None:
    """Wrap what starts a container that serves, in ``sagemaker/local/local_session.py``.

    Called when a process imports that module. What it holds is asked for the image
    (``sagemaker/local/local_session.py``, ``describe_model`` and ``describe_endpoint_config``).
    """

    def refusing(model_of):
        def create(wrapped, client, arguments, request):
            model = client.describe_model(model_of(client, *arguments, **request))
            if _is_stand_in():
                images.command(model["PrimaryContainer"]["Image"], [], ["serve"], "")
                _check_port(client.sagemaker_session.config)
            return wrapped(*arguments, **request)

        return create

    wrapt.wrap_function_wrapper(
        local_session, "LocalSagemakerClient.create_endpoint", refusing(_model_of_endpoint)
    )
    wrapt.wrap_function_wrapper(
        local_session,
        "LocalSagemakerClient.create_transform_job",
        refusing(_model_of_transform_job),
    )


def wait_for_it(entities) -> None:
    """Wait for the container as the SDK does, but no longer than it lives.

    Called when a process imports ``sagemaker.local.entities``.
    """

    def wait(wrapped, _, arguments, options):
        if not _is_stand_in():
            return wrapped(*arguments, **options)
        (port,) = arguments
        deadline = time.monotonic() + entities.HEALTH_CHECK_TIMEOUT_LIMIT
        while not _answers(port):
            told = _failure()
            if told:
                raise WorkshopError(f"The endpoint's container has ended.\n{told}")
            if time.monotonic() > deadline:
                raise RuntimeError("Giving up, endpoint didn't launch correctly")
            time.sleep(0.1)

    wrapt.wrap_function_wrapper(entities, "_wait_for_serving_container", wait)


def end_quietly(image) -> None:
    """Let a container end without a traceback, and without a search for what it has started.

    The SDK sends a signal to each process below the stand-in, and one that has ended meanwhile is
    an error (``sagemaker/local/utils.py``, ``kill_child_processes``); the stand-in ends them all.
    Called when a process imports ``sagemaker.local.image``.
    """

    def run(wrapped, container, *_):
        with contextlib.suppress(KeyError):
            _failure_file().unlink(missing_ok=True)  # of a job before this one
        try:
            wrapped()
        except RuntimeError:
            if not _is_stand_in():
                raise

    def down(wrapped, container, *_):
        if _is_stand_in():
            container.process.terminate()
        else:
            wrapped()

    wrapt.wrap_function_wrapper(image, "_HostingContainer.run", run)
    wrapt.wrap_function_wrapper(image, "_HostingContainer.down", down)


def _model_of_endpoint(client, EndpointName: str, EndpointConfigName: str, *_, **__) -> str:
    config = client.describe_endpoint_config(EndpointConfigName)
    return config["ProductionVariants"][0]["ModelName"]  # the SDK starts no other


def _model_of_transform_job(client, TransformJobName: str, ModelName: str, *_, **__) -> str:
    return ModelName


def _is_stand_in() -> bool:
    """Tell whether the ``docker`` that the SDK will find is the stand-in, and no real one."""
    docker = shutil.which("docker")
    return bool(docker) and Path(docker).resolve() == _STAND_IN


def _check_port(config: dict | None) -> None:
    """Raise WorkshopError where a program listens already: the SDK would take it for the endpoint.

    (``sagemaker/local/entities.py``, ``_LocalEndpoint``: the port of the session's config)
    """
    port = ((config or {}).get("local") or {}).get("serving_port") or 8080
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("127.0.0.1", port))
        except OSError as error:
            raise WorkshopError(
                f"Port {port} of this machine is used: by another local endpoint, or by another "
                "program. Delete that endpoint (predictor.delete_endpoint()), or give the session "
                f"another port: {_OTHER_PORT}"
            ) from error


def _answers(port: int) -> bool:
    asked = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with asked.open(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _failure_file() -> Path:
    return Path(os.environ["WORKSHOP_FAILURES"], str(os.getpid()))


def _failure() -> str:
    """Return why the last container of this process has ended; "" while it runs."""
    try:
        return _failure_file().read_text(errors="replace")
    except (KeyError, OSError):
        return ""
