"""What the expressions of an execution of a pipeline stand for."""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import dataclass, field
from typing import Protocol

from workshop.emulator.service.sagemaker.pipelines import callback, expressions
from workshop.emulator.service.sagemaker.pipelines.definition import Definition
from workshop.emulator.service.sagemaker.pipelines.expressions import Unresolved
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.storage import transfer


@dataclass
class Run:
    """How far a step has come."""

    name: str
    status: str = "Executing"
    started: float = 0.0
    ended: float = 0.0
    attempts: int = 0
    reason: str = ""
    arn: str = ""
    """What it has made."""
    outcome: bool | None = None
    """Of a condition."""
    key: str = ""
    """What it is found by in the cache."""
    cached_from: str = ""
    reused_from: str = ""
    """The executions whose result it has."""
    again_at: float = 0.0
    """When it is tried again; 0: never."""
    queue: str = ""
    call: dict = field(default_factory=dict)
    """Of a callback step: the URL of its queue, and the message to it without its status."""
    outputs: dict[str, str] = field(default_factory=dict)
    """What the answer to a callback gave."""


class Execution(Protocol):
    """What is asked of an execution (``PipelineExecution``)."""

    account: Account
    description: dict
    definition: Definition
    values: dict[str, object]
    steps: dict[str, Run]
    name: str
    arn: str
    pipeline: str


class Scope:
    """What expressions of an execution stand for; ``job`` is the name of the step's own job."""

    def __init__(self, execution: Execution, job: str) -> None:
        self._execution, self._job = execution, job

    def get(self, path: str) -> object:
        kind, name, *rest = expressions.parts(path)
        if kind == "Parameters":
            return self._execution.values[str(name)]
        if kind == "Execution":
            return self._variable(str(name))
        run = self._execution.steps.get(str(name))
        if run is None:
            raise Unresolved(f"{path} is not known: the step {name} has not run")
        if rest == ["Outcome"]:
            return run.outcome
        if rest[0] == "OutputParameters":
            declared = self._execution.definition.steps[run.name].content["OutputParameters"]
            return callback.output(declared, run.outputs, str(rest[1]))
        return expressions.at(self._made(run), path.partition(f"{name}.")[2])

    def _made(self, run: Run) -> dict:
        one = self._execution.account.by_arn(run.arn)
        if one is None:
            raise Unresolved(f"what the step {run.name} has made was deleted")
        return one.properties()

    def _variable(self, name: str) -> object:
        execution = self._execution
        started = execution.description["CreationTime"]
        moments = {"StartDateTime": started, "CurrentDateTime": time.time()}
        if name in moments:
            moment = datetime.datetime.fromtimestamp(moments[name], datetime.timezone.utc)
            return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "PipelineName": execution.pipeline.rpartition("/")[2],
            "PipelineArn": execution.pipeline,
            "PipelineExecutionId": execution.name,
            "PipelineExecutionArn": execution.arn,
        }.get(name, self._job)

    def read(self, arguments: dict) -> object:
        if "S3Uri" in arguments:
            uri = str(expressions.evaluate(arguments["S3Uri"], self))
        else:
            uri = self._property_file(str(arguments["PropertyFile"]["Get"]))
        try:
            path = self._execution.account.store.file(*transfer.split(uri))
            return json.loads(path.read_text())
        except (OSError, KeyError, transfer.DataError) as error:
            raise Unresolved(f"{uri} cannot be read: {error}") from None
        except ValueError as error:
            raise Unresolved(f"{uri} is no JSON: {error}") from None

    def _property_file(self, path: str) -> str:
        """Return the S3 URI of a property file, ``Steps.STEP.PropertyFiles.NAME``."""
        _, name, _, wanted = expressions.parts(path)
        run, step = self._execution.steps[str(name)], self._execution.definition.steps[str(name)]
        file = next(
            one for one in step.content["PropertyFiles"] if one["PropertyFileName"] == wanted
        )
        output = f"ProcessingOutputConfig.Outputs['{file['OutputName']}'].S3Output.S3Uri"
        folder = str(expressions.at(self._made(run), output))
        return f"{folder.rstrip('/')}/{file['FilePath']}"
