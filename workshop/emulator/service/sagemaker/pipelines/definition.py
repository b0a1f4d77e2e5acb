"""A pipeline's definition: its parameters and steps, and what AWS refuses of it.

The schema: https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-
JSON-schema/. What the SDK writes: ``sagemaker/workflow/pipeline.py``, ``definition``.
"""

from __future__ import annotations

import graphlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from workshop.emulator.service.sagemaker.pipelines import expressions, steps
from workshop.emulator.service.sagemaker.pipelines.expressions import GET, JSON_GET, Unresolved
from workshop.emulator.service.sagemaker.validation.shapes import service_model

_VERSION = "2020-12-01"
#: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html (steps of a pipeline)
_MOST_STEPS = 500
#: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-parameters.html
_TYPES = {"String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,)}
_EXECUTION = {
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
}
#: Of the job itself, in its own arguments.
_OF_JOB = {"TrainingJobName": "Training", "ProcessingJobName": "Processing"}
_MEMBERS = {
    "Name",
    "Type",
    "Arguments",
    "DependsOn",
    "DisplayName",
    "Description",
    "PropertyFiles",
    "CacheConfig",
    "RetryPolicies",
}
_OF_CALLBACK = {"SqsQueueUrl", "OutputParameters"}
_EXCEPTIONS = (
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
)
_DURATION = re.compile(
    r"P?(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)w)?(?:(\d+)d)?(?:T(?:(\d+)h)?(?:(\d+)m)?)?", re.I
)
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60)


class Refused(Exception):
    """Why AWS would not take a definition. The message names the step."""


@dataclass(frozen=True)
class Step:
    """One step, wherever it stands: those of the branches of conditions are steps as others."""

    name: str
    type: str
    content: dict
    parent: tuple[str, bool] | None
    """The condition step in whose branch it stands, and whether in the one for true."""
    needs: set[str] = field(default_factory=set)
    """The steps that must have ended well before: named, referred to, and the condition."""

    @property
    def arguments(self) -> dict:
        return self.content.get("Arguments", {})

    @property
    def cached_for(self) -> float:
        """The seconds for which a result may be taken again; 0: it may not."""
        config = self.content.get("CacheConfig", {})
        return duration(config["ExpireAfter"]) if config.get("Enabled") else 0


@dataclass(frozen=True)
class Definition:
    parameters: dict[str, dict]
    steps: dict[str, Step]
    experiment: dict


def parse(text: str, plays: Callable[[str], bool]) -> Definition:
    """Return what a definition says. Raises Refused for what AWS would not take.

    ``plays`` tells whether an operation is played here.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _unparsed(f"It is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise _unparsed("Expecting start of Json Object.")
    if content.get("Version") != _VERSION:
        raise _unparsed(f"The Version is {content.get('Version')!r}; {_VERSION!r} is known.")
    parameters = dict(_parameters(_list(content, "Parameters")))
    found: dict[str, Step] = {}
    for step in _steps(_list(content, "Steps"), None):
        if step.name in found:
            raise Refused(f"There are two steps called {step.name!r}. Each needs its own name.")
        found[step.name] = step
    if not found:
        raise Refused("The pipeline has no steps.")
    if len(found) > _MOST_STEPS:
        raise Refused(f"The pipeline has {len(found)} steps; {_MOST_STEPS} may be.")
    definition = Definition(parameters, found, content.get("PipelineExperimentConfig") or {})
    for step in found.values():
        _check_step(step, definition, plays)
    _check_order(found)
    for path in expressions.calls(definition.experiment, GET):
        _check_reference(str(path), None, definition)
    return definition


def duration(text: str) -> float:
    """Return the seconds of a time such as ``30d``, ``T16m``, ``P1y`` or ``30dT5h``; 0 for none.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching-enabling.html
    """
    found = _DURATION.fullmatch(text)
    if not found:
        return 0
    return sum(int(n or 0) * each for n, each in zip(found.groups(), _SECONDS, strict=True))


def given_values(definition: Definition, given: list[dict]) -> dict[str, object]:
    """Return the value of each parameter: what an execution gives, else its default.

    ``given`` are those of StartPipelineExecution: each has a Name and a Value, which is a text.
    Raises Refused for an unknown parameter, one without a value, and a value of another type.
    """
    values = {one["Name"]: one["Value"] for one in given}
    unknown = sorted(values.keys() - definition.parameters.keys())
    if unknown:
        known = ", ".join(definition.parameters) or "none"
        raise Refused(f"The pipeline has no parameter {unknown[0]!r}. Its parameters: {known}.")
    found = {}
    for name, parameter in definition.parameters.items():
        if name in values:
            found[name] = _read(name, parameter, values[name])
        elif "DefaultValue" in parameter:
            found[name] = parameter["DefaultValue"]
        else:
            raise Refused(
                f"The parameter {name!r} has no default value, and the execution gives none."
            )
    return found


def _read(name: str, parameter: dict, text: str) -> object:
    kind = parameter["Type"]
    try:
        value = expressions.FROM_TEXT[kind](text)
    except (KeyError, ValueError):
        raise Refused(f"The parameter {name!r} is of type {kind}; {text!r} is none.") from None
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise Refused(f"The parameter {name!r} cannot be {text!r}. It may be {', '.join(allowed)}.")
    return value


# --- what is refused ------------------------------------------------------------------------------


def _unparsed(words: str) -> Refused:
    return Refused(f"Unable to parse pipeline definition. {words}")


def _not_played(name: str, kind: str) -> Refused:
    return Refused(
        f"The step {name!r} is of type {kind}, which is not played by the workshop's emulator. "
        f"Instead: {steps.REFUSED[kind]}, or use your own AWS account."
    )


def _list(content: dict, member: str) -> list:
    found = content.get(member) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _unparsed(f"{member}: Expecting start of Json Array.")
    return found


def _parameters(found: list[dict]) -> Iterator[tuple[str, dict]]:
    names: set[str] = set()
    for one in found:
        name, kind = one.get("Name"), one.get("Type")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9\-_]+", name):
            raise _unparsed(f"A parameter has the Name {name!r}.")
        if name in names:
            raise Refused(f"There are two parameters called {name!r}.")
        names.add(name)
        if kind not in _TYPES:
            raise _unparsed(
                f"The parameter {name!r} has the Type {kind!r}; there are {', '.join(_TYPES)}."
            )
        if "DefaultValue" in one:
            _check_default(name, kind, one["DefaultValue"], one.get("EnumValues"))
        yield name, one


def _check_default(name: str, kind: str, value: object, allowed: list | None) -> None:
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "Boolean"):
        raise Refused(
            f"The parameter {name!r} is of type {kind}, and its DefaultValue is {value!r}."
        )
    if allowed and value not in allowed:
        raise Refused(
            f"The DefaultValue {value!r} of the parameter {name!r} is none of its EnumValues: "
            f"{', '.join(map(str, allowed))}."
        )


def _steps(found: list[dict], parent: tuple[str, bool] | None) -> Iterator[Step]:
    for content in found:
        name, kind = content.get("Name"), content.get("Type")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9\-_]{1,64}", name):
            raise _unparsed(
                f"A step has the Name {name!r}: 1 to 64 letters, digits, hyphens or underscores."
            )
        if kind in steps.REFUSED:
            raise _not_played(name, kind)
        if kind not in steps.TYPES:
            raise _unparsed(
                f"The step {name!r} has the Type {kind!r}; there are "
                f"{', '.join(sorted(steps.TYPES))}."
            )
        if not isinstance(content.get("Arguments", {}), dict):
            raise _unparsed(f"Arguments of the step {name!r}: Expecting start of Json Object.")
        yield Step(name, kind, content, parent)
        if kind == steps.CONDITION:
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                yield from _steps(_list(content["Arguments"], member), (name, outcome))


def _check_step(step: Step, definition: Definition, plays: Callable[[str], bool]) -> None:
    """Check a step, and note what it needs."""
    known = _MEMBERS | (_OF_CALLBACK if step.type == steps.CALLBACK else set())
    unknown = step.content.keys() - known
    if unknown:
        raise _unparsed(f"Cannot parse the step {step.name!r}, unknown property {unknown.pop()!r}.")
    checked = step.arguments
    if step.type in steps.MADE:
        made = steps.MADE[step.type]
        if not plays(made.operation):
            raise Refused(
                f"The step {step.name!r} is of type {step.type}, and {made.operation} is not "
                "played by the workshop's emulator. Use your own AWS account for it."
            )
        model = service_model().operation_model(made.operation).input_shape
        _check_arguments(checked, model, step)
        algorithm = checked.get("AlgorithmSpecification") or {}
        if algorithm.get("ContainerEntrypoint") == steps.NOTEBOOK:
            raise _not_played(step.name, "NotebookJob")
    elif step.type == steps.CONDITION:
        checked = {"Conditions": checked.get("Conditions")}
        _check_conditions(checked["Conditions"], step)
    elif step.type == steps.CALLBACK:
        _check_callback(step)
        checked = {"inputs": checked, "queue": step.content["SqsQueueUrl"]}
    elif "ErrorMessage" not in checked:
        raise _unparsed(f"The step {step.name!r} of type Fail has no ErrorMessage.")
    _check_cache(step)
    _check_retries(step)
    if step.parent:
        step.needs.add(step.parent[0])
    for name in step.content.get("DependsOn") or ():
        if name not in definition.steps:
            raise Refused(
                f"The step {step.name!r} depends on {name!r}, which is no step of the pipeline."
            )
        step.needs.add(name)
    for path in expressions.calls(checked, GET):
        needed = _check_reference(str(path), step, definition)
        if needed:
            step.needs.add(needed)
    for given in expressions.calls(checked, JSON_GET):
        _check_json_get(given, step)


def _check_arguments(value: object, shape, step: Step) -> None:
    """Check names and kinds of arguments; what an expression comes to shows when it runs."""
    if expressions.function_of(value):
        return
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            raise _unparsed(f"Step {step.name!r}, {shape.name}: Expecting start of Json Object.")
        for name, member in value.items():
            if name not in shape.members:
                raise _unparsed(f"Unknown Argument member {name!r} in the step {step.name!r}.")
            if member is not None:
                _check_arguments(member, shape.members[name], step)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            raise _unparsed(f"Step {step.name!r}, {shape.name}: Expecting start of Json Array.")
        for member in value:
            _check_arguments(member, shape.member, step)
    elif shape.type_name == "map" and not isinstance(value, dict):
        raise _unparsed(f"Step {step.name!r}, {shape.name}: Expecting start of Json Object.")


def _check_conditions(found: object, step: Step) -> None:
    if not isinstance(found, list) or not found:
        raise _unparsed(f"The step {step.name!r} has no Conditions.")
    for one in found:
        kind = one.get("Type") if isinstance(one, dict) else None
        if kind not in expressions.CONDITIONS:
            raise _unparsed(
                f"The step {step.name!r} has a condition of the Type {kind!r}; there are "
                f"{', '.join(sorted(expressions.CONDITIONS))}."
            )
        wanted: tuple[str, ...] = ("LeftValue", "RightValue")
        if kind == "In":
            wanted = ("QueryValue", "Values")
        elif kind in ("And", "Or"):
            wanted = ("Conditions",)
            _check_conditions(one.get("Conditions"), step)
        elif kind == "Not":
            wanted = ("Condition",) if "Condition" in one else ("Expression",)
            _check_conditions([one.get(wanted[0])], step)
        for member in wanted:
            if member not in one:
                raise _unparsed(f"A condition {kind} of the step {step.name!r} has no {member}.")


def _check_callback(step: Step) -> None:
    if "SqsQueueUrl" not in step.content:
        raise _unparsed(f"The step {step.name!r} of type Callback has no SqsQueueUrl.")
    names: set[object] = set()
    for one in _list(step.content, "OutputParameters"):
        name, kind = one.get("OutputName"), one.get("OutputType")
        if not isinstance(name, str) or kind not in expressions.FROM_TEXT:
            raise _unparsed(
                f"An output of the step {step.name!r} has the OutputName {name!r} and the "
                f"OutputType {kind!r}; there are {', '.join(expressions.FROM_TEXT)}."
            )
        if name in names:
            raise Refused(f"The step {step.name!r} has two outputs called {name!r}.")
        names.add(name)


def _check_cache(step: Step) -> None:
    config = step.content.get("CacheConfig") or {}
    if config.get("Enabled") and not duration(str(config.get("ExpireAfter", ""))):
        raise _unparsed(
            f"The step {step.name!r} is cached, and its ExpireAfter is "
            f"{config.get('ExpireAfter')!r}: no time such as 'P30d' or 'T16m'."
        )


def _check_retries(step: Step) -> None:
    for policy in step.content.get("RetryPolicies") or ():
        kinds = policy.get("ExceptionType") or []
        wrong = [one for one in kinds if one not in _EXCEPTIONS]
        if wrong or not kinds:
            raise _unparsed(
                f"A retry policy of the step {step.name!r} is for {', '.join(wrong) or 'nothing'}; "
                f"there are {', '.join(_EXCEPTIONS)}."
            )
        if policy.get("BackoffRate", 2.0) < 1:
            raise _unparsed(f"The BackoffRate of the step {step.name!r} is smaller than 1.")
        if "MaxAttempts" in policy and "ExpireAfterMin" in policy:
            raise Refused(
                f"A retry policy of the step {step.name!r} has both MaxAttempts and "
                "ExpireAfterMin. Give one of them."
            )


def _check_order(found: dict[str, Step]) -> None:
    try:
        graphlib.TopologicalSorter({one.name: one.needs for one in found.values()}).prepare()
    except graphlib.CycleError as error:
        raise Refused(
            f"The steps wait for each other in a circle: {' -> '.join(error.args[1])}."
        ) from None


# --- references -----------------------------------------------------------------------------------


def _check_reference(path: str, step: Step | None, definition: Definition) -> str:
    """Check a ``Get``; return the step that it needs, "" for none. Raises Refused."""
    of_whom = f"The step {step.name!r}" if step else "The experiment"
    try:
        kind, *rest = expressions.parts(path)
    except Unresolved as error:
        raise Refused(f"{of_whom} refers to {error}.") from None
    if kind == "Parameters" and len(rest) == 1:
        if rest[0] not in definition.parameters:
            known = ", ".join(definition.parameters) or "none"
            raise Refused(
                f"{of_whom} refers to the parameter {rest[0]!r}, which the pipeline does not "
                f"have. Its parameters: {known}."
            )
        return ""
    if kind == "Execution" and len(rest) == 1:
        of_job = step is not None and _OF_JOB.get(str(rest[0])) == step.type
        if rest[0] not in _EXECUTION and not of_job:
            raise Refused(f"{of_whom} refers to {path!r}, which no execution has.")
        return ""
    if kind != "Steps" or len(rest) < 2 or step is None:
        raise Refused(
            f"{of_whom} refers to {path!r}. A reference begins with Parameters., Execution. or "
            "Steps."
        )
    needed = definition.steps.get(str(rest[0]))
    if needed is None:
        raise Refused(
            f"{of_whom} refers to the step {rest[0]!r}, which the pipeline does not have."
        )
    _check_property(path, rest[1:], needed, of_whom)
    return needed.name


def _check_property(path: str, rest: list, needed: Step, of_whom: str) -> None:
    """Check that a step can have what a reference names."""
    if rest[0] == "PropertyFiles":
        names = [one.get("PropertyFileName") for one in needed.content.get("PropertyFiles") or ()]
        if len(rest) != 2 or rest[1] not in names:
            raise Refused(
                f"{of_whom} refers to {path!r}. The step {needed.name!r} has the property files: "
                f"{', '.join(map(str, names)) or 'none'}."
            )
        return
    if needed.type == steps.CONDITION and rest == ["Outcome"]:
        return
    if needed.type == steps.CALLBACK:
        names = [one["OutputName"] for one in needed.content.get("OutputParameters") or ()]
        if rest[0] != "OutputParameters" or len(rest) != 2 or rest[1] not in names:
            raise Refused(
                f"{of_whom} refers to {path!r}. The step {needed.name!r} has the OutputParameters: "
                f"{', '.join(names) or 'none'}."
            )
        return
    if needed.type not in steps.MADE:
        raise Refused(f"{of_whom} refers to {path!r}: a step of type {needed.type} has none.")
    made = steps.MADE[needed.type]
    shape = service_model().shape_for(made.described)
    if made.listed and rest[0] not in shape.members:
        shape = service_model().shape_for(made.listed)
    for part in rest:
        if shape.type_name == "structure" and part in shape.members:
            shape = shape.members[part]
        elif shape.type_name == "list":
            shape = shape.member
        elif shape.type_name == "map":
            shape = shape.value
        else:
            raise Refused(
                f"{of_whom} refers to {path!r}: a step of type {needed.type} has no {part!r} there."
            )


def _check_json_get(given: object, step: Step) -> None:
    if not isinstance(given, dict) or "Path" not in given:
        raise _unparsed(f"A Std:JsonGet of the step {step.name!r} has no Path.")
    if "PropertyFile" not in given and "S3Uri" not in given:
        raise _unparsed(
            f"A Std:JsonGet of the step {step.name!r} names no file: PropertyFile or S3Uri."
        )
