"""Executions of pipelines as SageMaker tells of them, and what their definitions come to."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from workshop.course.checks import live
from workshop.course.checks.look import notebook
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import clock, last_line, listing
from workshop.course.checks.outcome import NotYet
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records
from workshop.emulator.service.sagemaker.pipelines import expressions

#: Where evaluation.py writes the accuracy, in its metrics.json.
_ACCURACY = ("multiclass_classification_metrics", "accuracy", "value")


@dataclass(frozen=True)
class Execution:
    """An execution, and the definition that it has.

    `started` in seconds since the epoch; `reason` why it failed; `parameters` as texts, those with
    their defaults may be missing; `steps` as ListPipelineExecutionSteps has them
    """

    name: str  # its id, which is in the addresses of its files
    status: str
    started: float
    reason: str
    definition: dict
    parameters: dict[str, str]
    steps: list[dict]

    def step(self, name: str) -> dict:
        """Return how far a step has come; nothing when it has not begun."""
        return next((one for one in self.steps if one["StepName"] == name), {})


def ask(operation: str, **request: object) -> dict:
    """Ask SageMaker; an empty answer where it does not know what the request names."""
    client = daemon.client("sagemaker")
    try:
        return getattr(client, operation)(**request)
    except client.exceptions.ClientError:
        return {}


# --- which execution ------------------------------------------------------------------------


def executions(look: Look, pipeline: str) -> Iterator[Execution]:
    """Yield the executions of a pipeline that this folder has started, the newest first.

    One at least: raises NotYet where there is none. Of local mode the kernel knows one.
    """
    notebook.came_to_pipeline(look)
    if notebook.local(look):
        yield _local_execution(look, pipeline)
        return
    look.at("the pipelines in SageMaker")
    step = "run the cells down to the one that starts the pipeline, then check again"
    listed = ask("list_pipelines", MaxResults=100)
    known = [one["PipelineName"] for one in listed["PipelineSummaries"]]
    if pipeline not in known:
        raise NotYet(f"no pipeline {pipeline}; there is {listing(known)}", pipeline, step=step)
    look.at(f"the executions of the pipeline {pipeline}")
    listed = ask("list_pipeline_executions", PipelineName=pipeline, MaxResults=100)
    folders: set[str] = set()
    found = False
    for summary in listed["PipelineExecutionSummaries"]:
        one = _execution(summary["PipelineExecutionArn"])
        others = _started_from(one) - {str(look.folder)}
        if others:
            folders |= others
            continue
        found = True
        look.saw_job(one.name)
        look.at(f"the execution {one.name} of the pipeline {pipeline}, of {clock(one.started)}")
        yield one
    if not found:
        where = f" that this folder started; others are from {listing(folders)}" if folders else ""
        raise NotYet(f"no execution{where}", "an execution to look at", step=step)


def _execution(arn: str) -> Execution:
    about = ask("describe_pipeline_execution", PipelineExecutionArn=arn)
    of_it = {"PipelineExecutionArn": arn}
    steps = ask("list_pipeline_execution_steps", **of_it, MaxResults=100)
    parameters = ask("list_pipeline_parameters_for_execution", **of_it, MaxResults=100)
    definition = ask("describe_pipeline_definition_for_execution", **of_it)
    return Execution(
        arn.rpartition("/")[2],
        about["PipelineExecutionStatus"],
        about["CreationTime"].timestamp(),
        about.get("FailureReason", ""),
        json.loads(definition["PipelineDefinition"]),
        {one["Name"]: one["Value"] for one in parameters["PipelineParameters"]},
        steps["PipelineExecutionSteps"],
    )


def _started_from(execution: Execution) -> set[str]:
    """Return the folder whose jobs an execution has started; none where all is from the cache."""
    jobs = {
        about["Arn"].rpartition("/")[2]
        for step in execution.steps
        if "CacheHitResult" not in step
        for about in step.get("Metadata", {}).values()
        if "Arn" in about
    }
    return {str(one.directory) for one in records.jobs() if one.name in jobs}


def _local_execution(look: Look, pipeline: str) -> Execution:
    """Return the execution of local mode, which nobody but the notebook's kernel knows."""
    look.at(f"{look.notebook.name}, pipeline and execution")
    variables = live.variables(look.notebook.name)
    if not {"pipeline", "execution"} <= variables.keys():
        raise NotYet(
            "the pipeline ran in local mode: SageMaker knows nothing of it",
            "a check in the open notebook, which knows it; or a run with LOCAL = False",
            step="open the notebook, run it from the top, and check in it",
        )
    made, execution = variables["pipeline"], variables["execution"]
    if made.name != pipeline:
        raise NotYet(f"the pipeline's name is {made.name}", pipeline)
    with quiet_sdk():
        definition = json.loads(made.definition())
    about = execution.describe()
    return Execution(
        about["PipelineExecutionArn"],
        about["PipelineExecutionStatus"],
        about["CreationTime"],
        about.get("FailureReason", ""),
        definition,
        {name: str(value) for name, value in execution.pipeline_parameters.items()},
        execution.list_steps()["PipelineExecutionSteps"],
    )


def own_parameters(execution: Execution) -> dict[str, str]:
    """Return the parameters of an execution that differ from the defaults of its definition."""
    defaults = {
        one["Name"]: str(one.get("DefaultValue")) for one in execution.definition["Parameters"]
    }
    given = execution.parameters.items()
    return {name: value for name, value in given if value != defaults.get(name)}


def definition_now(pipeline: str) -> dict:
    """Return the definition of a pipeline: what its next execution will have."""
    return json.loads(ask("describe_pipeline", PipelineName=pipeline)["PipelineDefinition"])


@contextlib.contextmanager
def quiet_sdk() -> Iterator[None]:
    """Let the SDK, and those that it calls, warn of nothing while a check makes use of it."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


# --- what became of it ----------------------------------------------------------------------


def ended_well(execution: Execution) -> None:
    """Make sure that an execution has ended, and did not fail."""
    if execution.status in ("Executing", "Stopping"):
        raise NotYet(
            "it has not ended",
            "an execution that has succeeded",
            step="check again when it has ended",
        )
    if execution.status != "Succeeded":
        raise NotYet(
            f"it is {execution.status}{why_failed(execution)}",
            "an execution that has succeeded",
            step="mend that, run the cells again, then check again",
        )


def why_failed(execution: Execution) -> str:
    """Return ": Train: OSError: …" for an execution with a step that failed."""
    for step in execution.steps:
        if step["StepStatus"] == "Failed":
            return f": {step['StepName']}: {last_line(step.get('FailureReason', ''))[:200]}"
    return f": {last_line(execution.reason)[:200]}" if execution.reason else ""


def stands(look: Look, execution: Execution, *, own: bool = False) -> None:
    """Make sure that an execution shows the cell of the task as it is now, where that is known.

    own: the cell itself starts the execution
    """
    cells = notebook.of_task(look)
    times = [(cell.began if own else cell.since) or 0 for cell in cells]
    what = "ran since, and started no other" if own else "was changed since"
    if max(times, default=0) > execution.started:
        raise NotYet(
            f"this execution is of {clock(execution.started)}, and the cell {what}",
            "an execution with the cell as it is now",
            step="run the cells down to the one that starts the pipeline, then check again",
        )


# --- its definition -------------------------------------------------------------------------


class Scope:
    """Made-up values for the expressions of a definition: what is not known yet stays its path.

    So `{"Get": "Execution.PipelineName"}` comes to the text "Execution.PipelineName".
    """

    def __init__(self, accuracy: float = 0.0, **parameters: object) -> None:
        self._accuracy, self._parameters = accuracy, parameters

    def get(self, path: str) -> object:
        kind, _, name = path.partition(".")
        return self._parameters.get(name, path) if kind == "Parameters" else path

    def read(self, arguments: dict) -> object:
        content: object = self._accuracy
        for name in reversed(_ACCURACY):
            content = {name: content}
        return content


def comes_to(expression: object, scope: Scope | None = None) -> object:
    """Return what a part of a definition comes to; raises NotYet when that is nothing."""
    try:
        return expressions.evaluate(expression, scope or Scope())
    except expressions.Unresolved as error:
        raise NotYet(str(error), "an expression that SageMaker understands") from None


def steps_of(definition: dict) -> list[dict]:
    """Return all steps of a definition, those in the branches of conditions too."""
    return list(all_steps(definition["Steps"]))


def all_steps(steps: list[dict]) -> Iterator[dict]:
    """Yield steps, each before those in its branches."""
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from all_steps(step.get("Arguments", {}).get(branch) or [])


def step_called(definition: dict, name: str, kind: str) -> dict:
    """Return the step with a name, which must be of a kind like "Processing"."""
    steps = {step["Name"]: step for step in steps_of(definition)}
    if name not in steps:
        raise NotYet(f"no step {name}; there is {listing(steps)}", f"a step {name}")
    if steps[name]["Type"] != kind:
        raise NotYet(f"{name} is a {steps[name]['Type']} step", f"a {kind} step")
    return steps[name]
