"""Refuses a local endpoint or batch transform at once where nothing here can serve its image.

The SDK starts the container in a thread and then asks it for two minutes whether it is there
(``sagemaker/local/entities.py``, ``_wait_for_serving_container``): why it is not would stand in the
traceback of that thread, far above the SDK's own error.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import wrapt

from workshop.emulator.containers import images

_STAND_IN = Path(__file__).resolve().parents[1] / "containers" / "bin" / "docker"


def watch(local_session) -> None:
    """Wrap what starts a container that serves, in ``sagemaker/local/local_session.py``.

    Called when a process imports that module. What it holds is asked for the image
    (``sagemaker/local/local_session.py``, ``describe_model`` and ``describe_endpoint_config``).
    """

    def refusing(model_of):
        def create(wrapped, client, arguments, request):
            model = client.describe_model(model_of(client, *arguments, **request))
            _check(model["PrimaryContainer"]["Image"])
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


def _model_of_endpoint(client, EndpointName: str, EndpointConfigName: str, *_, **__) -> str:
    config = client.describe_endpoint_config(EndpointConfigName)
    return config["ProductionVariants"][0]["ModelName"]  # the SDK starts no other


def _model_of_transform_job(client, TransformJobName: str, ModelName: str, *_, **__) -> str:
    return ModelName


def _check(image: str) -> None:
    """Raise WorkshopError when this machine is to serve ``image`` and cannot.

    A real Docker engine can: the stand-in is not the ``docker`` that the SDK will find then.
    """
    docker = shutil.which("docker")
    if docker and Path(docker).resolve() == _STAND_IN:
        images.command(image, [], ["serve"], "")
