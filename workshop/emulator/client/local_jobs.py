"""Records what each job of the SDK's local mode was asked for, and says what AWS would refuse."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import wrapt

from workshop.emulator import files
from workshop.emulator.client import daemon, failures
from workshop.emulator.errors import WorkshopError
from workshop.emulator.settings import REFUSES


def watch(local_session) -> None:
    """Keep what each local job was asked for in the folder that ``WORKSHOP_RECORDS`` names.

    With a real session the request goes to the emulator, which sees it; in local mode the SDK
    answers it in this process (``sagemaker/local/local_session.py``, ``LocalSagemakerClient``).
    Called when a process imports that module.
    """

    def recording(kind: str, operation: str, name_member: str):
        def create(wrapped, _client, arguments, options):
            # The SDK's local pipelines give the name by position (sagemaker/local/pipeline.py).
            request = {**dict(zip([name_member], arguments, strict=False)), **options}
            # The SDK adds to the request while the job runs.
            asked = json.loads(json.dumps(request, default=str))
            refused = [one for one in _warn(operation, asked) if one.startswith(REFUSES)]
            record = {
                "kind": kind,
                "name": request[name_member],
                "request": asked,
                "directory": os.getcwd(),
                "started": time.time(),
                "refused": refused[0] if refused else "",
            }
            name = f"{request[name_member]}-{time.time_ns()}.json"
            file = Path(os.environ["WORKSHOP_RECORDS"], name)
            files.write(file, json.dumps(record))
            try:
                return wrapped(**request)
            except BaseException as error:
                told = failures.remember(error, kind, request[name_member], refused)
                record["error"] = told or str(error) or type(error).__name__
                raise
            finally:
                files.write(file, json.dumps(record | {"ended": time.time()}))

        return create

    wrapt.wrap_function_wrapper(
        local_session,
        "LocalSagemakerClient.create_processing_job",
        recording("processing", "CreateProcessingJob", "ProcessingJobName"),
    )
    wrapt.wrap_function_wrapper(
        local_session,
        "LocalSagemakerClient.create_training_job",
        recording("training", "CreateTrainingJob", "TrainingJobName"),
    )


def leave_no_model_behind(utils) -> None:
    """Let a failed training job leave no ``model.tar.gz``, as on AWS; its output data it leaves.

    The SDK packs what there is in any case (``sagemaker/local/image.py``, ``retrieve_artifacts``).
    Called when a process imports ``sagemaker.local.utils``.
    """

    def move(wrapped, _, arguments, options):
        if failures.is_new(sys.exc_info()[1]):  # raised by the job, on its way to the learner
            Path(arguments[0], "model.tar.gz").unlink(missing_ok=True)
        return wrapped(*arguments, **options)

    wrapt.wrap_function_wrapper(utils, "move_to_destination", move)


def _warn(operation: str, request: dict) -> list[str]:
    """Say, and return, what AWS would refuse and what has no effect: local mode checks nothing.

    The emulator knows it. Where it does not answer, the job runs as it would with the SDK alone.
    """
    try:
        warnings = daemon.warnings(operation, request)
    except (WorkshopError, OSError, ValueError):
        warnings = [
            "Note: whether AWS would take this job is not known: the emulated AWS does not answer."
        ]
    for warning in warnings:
        print(warning, file=sys.stderr, flush=True)
    return warnings
