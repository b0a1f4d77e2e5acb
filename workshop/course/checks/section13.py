"""The checks of 13-pipeline."""

from __future__ import annotations

import ast

from workshop.course.checks.look import Look, notebook, pipelines, s3
from workshop.course.checks.look.job_request import PROCESSING, input_at, outputs_of
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

PIPELINE = "lab4-digits"
_RAW = "train-images-idx3-ubyte.gz"
_EPOCHS = 12


def output_of(step: str, name: str) -> str:
    """Return the path of the property with the address of an output of a processing step."""
    return f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"


# --- parameters ---------------------------------------------------------------------------

_PARAMETERS = {
    "epochs": ("Epochs", "Integer", "30"),
    "batch_size": ("BatchSize", "Integer", "32"),
    "raw_data": ("RawData", "String", ""),
}


@check("13.1")
def parameters(look: Look) -> None:
    for variable, (name, kind, default) in _PARAMETERS.items():
        place = list(_PARAMETERS).index(variable)
        value = notebook.value(look, variable, lambda text, at=place: _printed(text, at))
        found = value if isinstance(value, tuple) else _of_parameter(value)
        if found is None:
            raise NotYet(f"{variable} is {value!r}", f"a Parameter{kind} with the name {name}")
        if found[0] != name:
            raise NotYet(
                f"the name of {variable} is {found[0]!r}",
                f"{name!r}: whoever starts the pipeline gives the value by this name",
            )
        if found[1] != kind:
            raise NotYet(f"{name} is of the type {found[1]}", f"a Parameter{kind}")
        if variable != "raw_data" and found[2] != default:
            raise NotYet(f"the default of {name} is {found[2]}", default)
        if variable == "raw_data" and _RAW not in s3.below(look, found[2]):
            raise NotYet(
                f"the default of {name} is {found[2]}, where there are no raw images",
                "raw_data_uri: the folder in S3 with the raw images",
            )
    look.at(f"{look.notebook.name}, {listing(_PARAMETERS)}")


def _of_parameter(value: object) -> tuple[str, str, str] | None:
    """Return name, type and default of a parameter; None for what is none."""
    if not hasattr(value, "parameter_type"):
        return None
    kind = value.parameter_type
    return str(value.name), str(getattr(kind, "value", kind)), str(value.default_value)


def _printed(text: str, place: int) -> tuple[str, str, str] | None:
    """Return name, type and default as the cell prints them in a line for each parameter."""
    rows = [line.split(maxsplit=2) for line in text.splitlines() if line.strip()]
    rows = [tuple(row) for row in rows if len(row) == 3]
    return rows[place] if place < len(rows) else None


# --- the properties of a step -------------------------------------------------------------

_CHANNELS = ("X_train", "y_train", "X_val", "y_val")


@check("13.2")
def channels(look: Look) -> None:
    found = notebook.value(look, "channels", _printed_channels)
    if not isinstance(found, dict):
        raise NotYet(f"channels is a {type(found).__name__}", "a dict: {name: TrainingInput}")
    missing = [name for name in _CHANNELS if name not in found]
    if missing:
        raise NotYet(
            f"no channel {listing(missing)}; there is {listing(found)}",
            f"a channel for each of {listing(_CHANNELS)}",
        )
    others = [name for name in found if name not in _CHANNELS]
    if others:
        raise NotYet(
            f"the channels {listing(others)} too", f"{listing(_CHANNELS)}: main.py asks for no more"
        )
    for name in _CHANNELS:
        uri = str(pipelines.comes_to(_address(found[name]))).rstrip("/")
        expected = output_of("Preprocess", name)
        if uri.startswith("s3://"):
            raise NotYet(
                f"the address of {name} is written down: {uri}",
                f"the property {expected}: it is another address in each execution",
            )
        if uri != expected:
            raise NotYet(f"{name} is {uri}", expected)


def _address(channel: object) -> object:
    """Return the address of a channel as the definition has it: a dict, or a text."""
    config = getattr(channel, "config", None)
    if isinstance(config, dict):
        channel = config["DataSource"]["S3DataSource"]["S3Uri"]
    expression = getattr(channel, "expr", channel)
    return expression if isinstance(expression, dict) else str(expression)


def _printed_channels(text: str) -> dict[str, object]:
    """Return the address of each channel as the cell prints them in a line for each."""
    found: dict[str, object] = {}
    for line in text.splitlines():
        name, _, address = line.strip().partition(" ")
        if address:
            found[name] = ast.literal_eval(address) if address.startswith("{") else address
    return found


# --- the evaluation -----------------------------------------------------------------------

_EVALUATED = {
    f"{PROCESSING}/model": "Steps.Train.ModelArtifacts.S3ModelArtifacts",
    f"{PROCESSING}/test/X_test": output_of("Preprocess", "X_test"),
    f"{PROCESSING}/test/y_test": output_of("Preprocess", "y_test"),
}


@check("13.3")
def evaluation(look: Look) -> None:
    execution = next(pipelines.executions(look, PIPELINE))
    step = pipelines.step_called(execution.definition, "Evaluate", "Processing")
    request = pipelines.comes_to(step["Arguments"])
    record = Record("processing", "Evaluate", request, look.folder, execution.started)
    look.at(f"the step Evaluate in {look.looked_at}")
    for folder, expected in _EVALUATED.items():
        uri = input_at(record, folder, f"{expected} at {folder}")
        if uri.startswith("s3://"):
            raise NotYet(
                f"the address of the input at {folder} is written down: {uri}",
                f"the property {expected}: what this execution has made, and no other",
            )
        if uri.rstrip("/") != expected:
            raise NotYet(f"{uri} at {folder}", expected)
    _judge_output(look, record)
    pipelines.stands(look, execution)


def _judge_output(look: Look, record: Record) -> None:
    outputs = outputs_of(record)
    if "evaluation" not in outputs:
        raise NotYet(
            f"no output with the name evaluation; there is {listing(outputs)}",
            f"evaluation: the folder {PROCESSING}/evaluation",
        )
    folder, uri = outputs["evaluation"]
    if folder != f"{PROCESSING}/evaluation":
        raise NotYet(f"the output evaluation is {folder}", f"{PROCESSING}/evaluation")
    expected = (
        f"s3://{s3.split_uri(uri)[0]}/{look.top}Executions/Execution.StartDateTime/"
        "Execution.PipelineExecutionId/Evaluation"
    )
    if uri.rstrip("/") != expected:
        raise NotYet(f"the output goes to {uri}", f"{expected}: evaluation_uri")


# --- the pipeline -------------------------------------------------------------------------

_EXPERIMENT = {
    "ExperimentName": "Execution.PipelineName",
    "TrialName": "Execution.PipelineExecutionId",
}


@check("13.4")
def pipeline(look: Look) -> None:
    execution = _started_by_cell(look)
    definition = execution.definition
    parameters = [one["Name"] for one in definition.get("Parameters", ())]
    _judge_names("parameters", parameters, [name for name, _, _ in _PARAMETERS.values()])
    steps = [step["Name"] for step in pipelines.steps_of(definition)]
    _judge_names("steps", steps, ["Preprocess", "Train", "Evaluate"])
    _judge_experiment(definition)
    epochs = execution.parameters.get("Epochs", "30, its default")
    if epochs != str(_EPOCHS):
        raise NotYet(
            f"Epochs is {epochs}", f'{_EPOCHS}: pipeline.start(parameters={{"Epochs": {_EPOCHS}}})'
        )
    pipelines.stands(look, execution, own=True)
    if not notebook.local(look) and pipelines.definition_now(PIPELINE) != definition:
        raise NotYet(
            "the pipeline was sent to SageMaker after this execution had started",
            "first pipeline.upsert, then pipeline.start: an execution keeps its definition",
        )
    pipelines.ended_well(execution)
    _judge_metrics(look, execution)


def _judge_names(what: str, found: list[str], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise NotYet(f"the {what} of the pipeline are {listing(found)}", f"{listing(missing)} too")


def _judge_experiment(definition: dict) -> None:
    experiment = pipelines.comes_to(definition.get("PipelineExperimentConfig")) or {}
    if experiment != _EXPERIMENT:
        has, wanted = (
            listing(f"{name} {value}" for name, value in one.items())
            for one in (experiment, _EXPERIMENT)
        )
        raise NotYet(
            f"the experiment of the executions: {has}",
            f"pipeline_experiment_config=in_experiment: {wanted}",
        )


def _started_by_cell(look: Look) -> pipelines.Execution:
    """Return the newest execution with 12 epochs: others may be started later, from elsewhere.

    The newest one where the cell has started none with 12 epochs since it ran.
    """
    began = max((cell.began or 0 for cell in notebook.of_task(look)), default=0)
    newest = None
    for execution in pipelines.executions(look, PIPELINE):
        if newest and execution.started < began:
            break
        if execution.parameters.get("Epochs") == str(_EPOCHS):
            return execution
        newest = newest or (execution, look.looked_at)
    assert newest is not None  # `executions` says itself that there is none
    look.at(newest[1])
    return newest[0]


def _judge_metrics(look: Look, execution: pipelines.Execution) -> None:
    step = pipelines.step_called(execution.definition, "Evaluate", "Processing")
    request = pipelines.comes_to(step["Arguments"])
    record = Record("processing", "Evaluate", request, look.folder, execution.started)
    uris = [uri for _, uri in outputs_of(record).values()]
    bucket = s3.split_uri(uris[0])[0] if uris else ""
    there = s3.below(look, f"s3://{bucket}/{look.top}Executions/")
    if not any(path.endswith(f"/{execution.name}/Evaluation/metrics.json") for path in there):
        of_it = [path for path in there if f"/{execution.name}/" in f"/{path}"]
        raise NotYet(
            f"no Evaluation/metrics.json of this execution; there is {listing(of_it, 3)}",
            f"s3://{bucket}/{look.top}Executions/TIME/{execution.name}/Evaluation/metrics.json",
        )
