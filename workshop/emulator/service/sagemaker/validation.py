"""Refuses a request for a job as AWS does: same error code, same words, and how to mend it.

Two sources. Limits, patterns, enums, types and required members come from botocore's service
model, which is AWS's own description of the API. What the model does not say is written by hand:
each of these rules names the AWS page or the public thread it comes from.

Only what AWS refuses at once is refused here. AWS does not look into the S3 inputs of a
processing job, nor for the bucket of an output, before the job runs: such a job fails later.
"""

from __future__ import annotations

import datetime
import difflib
import functools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import regex

from workshop.emulator.service.sagemaker import times

_PROCESSING_PATH = "/opt/ml/processing/"
_CODE_PATH = "/opt/ml/processing/input/code"
#: Names of the inputs that ScriptProcessor and FrameworkProcessor add (sagemaker/processing.py).
_SDK_INPUTS = ("code", "entrypoint")
_DAY = 24 * 60 * 60
#: What the repetitions of a metric's expression may come to: a compiled expression has them all.
_MOST_REPETITIONS = 10_000
_SOME_URI = "s3://bucket/prefix/"


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a request."""

    code: str
    """AWS's error code, such as ``ValidationException`` or ``ResourceInUse``."""
    message: str
    """AWS's own words; in the next line what to do."""
    field: str
    """Path in the request, such as ``ProcessingInputs[0].S3Input.LocalPath``."""


class World(Protocol):
    """What a request may depend on."""

    region: str
    """The region that the request was sent to."""

    def job_exists(self, kind: str, name: str) -> bool:
        """``kind`` is ``processing`` or ``training``."""

    def role_exists(self, arn: str) -> bool: ...

    def bucket_exists(self, bucket: str) -> bool: ...

    def has_objects(self, bucket: str, prefix: str) -> bool:
        """True when any key starts with ``prefix``."""


def check(operation: str, request: dict, world: World | None) -> Problem | None:
    """Return why AWS would refuse a request, or None when it would accept it.

    ``operation`` is one of the SageMaker API, such as ``CreateProcessingJob``; ``request`` has
    the keys and types of its JSON. Without ``world`` only what the request itself shows is looked
    at. Of an operation that is not in ``RULES`` the service model alone is checked. Raises
    botocore's OperationNotFoundError when there is no such operation.
    """
    found = list(_model_violations(operation, request))
    for kind in ("type", "unknown"):
        for violation in found:
            if violation.kind == kind:
                return violation.problem()
    if found:
        count = f"{len(found)} validation error{'s' * (len(found) > 1)} detected: "
        words = count + "; ".join(violation.words for violation in found)
        mends = "\n".join(dict.fromkeys(violation.mend for violation in found))
        return Problem("ValidationException", f"{words}\n{mends}", found[0].field)
    return next(_rule_problems(operation, request, world), None)


def warnings(kind: str, request: dict) -> list[str]:
    """Return what AWS would refuse in a request that the SDK's local mode was given.

    ``kind`` is ``processing`` or ``training``; ``request`` the arguments of
    ``LocalSagemakerClient.create_processing_job`` or ``create_training_job``. What is legal in
    local mode alone (instance type ``local``, ``file://`` URIs, no output path) gives no warning.
    """
    operation = f"Create{kind.title()}Job"
    request = _as_on_aws(request)
    found = list(_model_violations(operation, request))
    problems = [violation.problem() for violation in found]
    if all(violation.kind == "constraint" for violation in found):
        problems += _rule_problems(operation, request, None)
    return [
        "AWS would refuse this job: " + problem.message.replace("\n", " ") for problem in problems
    ]


def _as_on_aws(value: Any, key: str = "") -> Any:
    """Return a copy of a local request in which all that is legal only locally is replaced."""
    if isinstance(value, dict):
        if "FileDataSource" in value:  # a file:// channel (sagemaker/local/local_session.py)
            return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": _SOME_URI}}
        return {name: _as_on_aws(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_on_aws(member) for member in value]
    if key == "InstanceType" and value in ("local", "local_gpu"):
        return "ml.m5.xlarge"
    # An estimator with local code has no output path (sagemaker/estimator.py).
    if key in ("S3Uri", "S3OutputPath") and (value == "" or str(value).startswith("file:")):
        return _SOME_URI
    return value


# --- what botocore's service model says ----------------------------------------------------------


@dataclass(frozen=True)
class _Violation:
    kind: str  # "type", "unknown", "null" or "constraint"
    words: str
    mend: str
    field: str

    def problem(self) -> Problem:
        code, words = "ValidationException", self.words
        if self.kind == "type":
            code = "SerializationException"
        elif self.kind != "unknown":
            words = f"1 validation error detected: {words}"
        return Problem(code, f"{words}\n{self.mend}", self.field)


@functools.cache
def _model(service: str = "sagemaker"):
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def members(shape: str) -> set[str]:
    """Return the names of the members of a structure of the API, such as ``TrainingJob``."""
    return set(_model().shape_for(shape).members)


def _model_violations(operation: str, request: dict) -> Iterator[_Violation]:
    model = _model("sagemaker-metrics" if operation == "BatchPutMetrics" else "sagemaker")
    return _violations(model.operation_model(operation).input_shape, request, "", "")


def _violations(shape, value: Any, aws: str, field: str) -> Iterator[_Violation]:
    """Look at a value and all in it; ``aws`` is its path in AWS's words, ``field`` in boto3's."""
    wrong = _type_error(shape, value)
    if wrong:
        words, expected = wrong
        mend = f"{field or 'The request'}: give {expected}, not {_quoted(value)}."
        yield _Violation("type", words, mend, field)
        return
    for words, mend in _broken_constraints(shape, value):
        yield _violation(aws, field, value, words, mend)
    if shape.type_name == "structure":
        yield from _member_violations(shape, value, aws, field)
    elif shape.type_name == "list":
        yield from _list_violations(shape, value, aws, field)
    elif shape.type_name == "map":
        yield from _map_violations(shape, value, aws, field)


def _member_violations(shape, value: dict, aws: str, field: str) -> Iterator[_Violation]:
    for name, member in shape.members.items():
        below = (_joined(aws, name[0].lower() + name[1:]), _joined(field, name))
        if value.get(name) is not None:
            yield from _violations(member, value[name], *below)
        elif name in shape.required_members:
            yield _null(*below)
    for name in value.keys() - shape.members.keys():
        allowed = ", ".join(shape.members)
        close = difflib.get_close_matches(name, shape.members, 1)
        meant = f"did you mean {close[0]}?" if close else "remove it."
        # AWS's servers pass over it; these are the words of its clients (botocore/validate.py).
        words = f'Unknown parameter in input: "{name}", must be one of: {allowed}'
        yield _Violation("unknown", words, f"{_joined(field, name)}: {meant}", _joined(field, name))


def _list_violations(shape, value: list, aws: str, field: str) -> Iterator[_Violation]:
    simple = shape.member.type_name not in ("structure", "list", "map")
    for number, member in enumerate(value):
        place = f"{field}[{number}]"
        for violation in _violations(shape.member, member, f"{aws}.{number + 1}.member", place):
            if simple and violation.kind == "constraint":
                words = f"Member must satisfy constraint: [{', '.join(_constraints(shape.member))}]"
                yield _violation(aws, place, value, words, violation.mend.split(": ", 1)[1])
            else:
                yield violation


def _map_violations(shape, value: dict, aws: str, field: str) -> Iterator[_Violation]:
    for name, member in value.items():
        place = _joined(field, name)
        pair = {name: member}
        for side, part, start in (
            (shape.key, name, "Map keys must"),
            (shape.value, member, "Map value must"),
        ):
            for violation in _violations(side, part, "", place):
                if violation.kind == "constraint":
                    words = f"{start} satisfy constraint: [{', '.join(_constraints(side))}]"
                    yield _violation(aws, place, pair, words, violation.mend.split(": ", 1)[1])
                else:
                    yield violation


def _violation(aws: str, field: str, value: Any, words: str, mend: str) -> _Violation:
    words = f"Value '{_shown(value)}' at '{aws}' failed to satisfy constraint: {words}"
    return _Violation("constraint", words, f"{field}: {mend}", field)


def _null(aws: str, field: str) -> _Violation:
    words = f"Value null at '{aws}' failed to satisfy constraint: Member must not be null"
    return _Violation("null", words, f"{field}: it is required.", field)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# JSON's kinds of values, as AWS's parser calls them, and what the API calls its types.
_JSON = ((bool, "{}_VALUE"), (str, "STRING_VALUE"), (int | float, "NUMBER_VALUE"))
_TYPES = {
    "string": (str, "a String", "text, in quotes"),
    "integer": (int, "an Integer", "a whole number"),
    "long": (int, "a Long", "a whole number"),
    "float": (int | float, "a Float", "a number"),
    "double": (int | float, "a Double", "a number"),
    "boolean": (bool, "a Boolean", "true or false"),
    "list": (list | tuple, "", "a list"),
    "map": (dict, "", "a map of names to values"),
    "structure": (dict, "", "a structure"),
}


def _type_error(shape, value: Any) -> tuple[str, str] | None:
    """Return what AWS's JSON parser says to a value of the wrong type, and what it wants."""
    if shape.type_name == "timestamp":
        if isinstance(value, datetime.datetime):  # boto3's, where nothing was sent yet
            return None
        try:
            times.seconds(value)
            return None
        except ValueError:
            words = f"Unable to parse timestamp: {_shown(value)}"
            return words, "seconds since 1970, or a time such as 2026-11-20T13:41:00Z"
    right, name, expected = _TYPES[shape.type_name]
    if isinstance(value, right) and (right is bool or not isinstance(value, bool)):
        bits = {"integer": 31, "long": 63}.get(shape.type_name)
        if bits is None or -(2**bits) <= value < 2**bits:
            return None
    if isinstance(value, list | tuple):
        return "Start of list found where not expected.", expected
    if isinstance(value, dict):
        return "Start of structure or map found where not expected.", expected
    if not name:
        return ("Expected list or null" if shape.type_name == "list" else "Expected null"), expected
    token = next((text for kind, text in _JSON if isinstance(value, kind)), "VALUE")
    return f"{token.format(str(value).upper())} can not be converted to {name}", expected


def _constraints(shape) -> list[str]:
    """Return all constraints of a shape in AWS's words."""
    limits = shape.metadata
    what = "length" if shape.type_name in ("string", "list", "map") else "value"
    words = []
    if "max" in limits:
        words.append(f"Member must have {what} less than or equal to {limits['max']}")
    if "min" in limits:
        words.append(f"Member must have {what} greater than or equal to {limits['min']}")
    if "pattern" in limits:
        words.append(f"Member must satisfy regular expression pattern: {limits['pattern']}")
    return words


def _broken_constraints(shape, value: Any) -> Iterator[tuple[str, str]]:
    """Give for each constraint that a value breaks AWS's words and how to mend it."""
    limits = shape.metadata
    sized = shape.type_name in ("string", "list", "map")
    if sized or shape.type_name in ("integer", "long", "float", "double"):
        what, size = ("length", len(value)) if sized else ("value", value)
        if size > limits.get("max", size):
            words = f"Member must have {what} less than or equal to {limits['max']}"
            yield words, _size_mend(shape, value)
        if size < limits.get("min", size):
            words = f"Member must have {what} greater than or equal to {limits['min']}"
            yield words, _size_mend(shape, value)
    if shape.type_name != "string":
        return
    if shape.enum and value not in shape.enum:
        yield (
            f"Member must satisfy enum value set: [{_few(shape.enum, value)}]",
            _enum_mend(shape, value),
        )
    pattern = limits.get("pattern")
    if pattern and not matches(pattern, value):
        words = f"Member must satisfy regular expression pattern: {pattern}"
        yield words, _pattern_mend(shape, value)


# --- patterns ------------------------------------------------------------------------------------

_SPACES = " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: Java's classes as the inside of a Python class. ``\w`` and ``\d`` are a little wider than
#: letters and numbers; AWS asks for them only together.
_JAVA_CLASSES = {"L": r"\w", "N": r"\d", "Z": _SPACES, "Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z"}


def matches(pattern: str, text: str) -> bool:
    """Whether a whole text matches a pattern of the service model, which are Java's.

    A pattern that Python cannot express matches everything.
    """
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(text) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    # Java writes a character above \uFFFF as two.
    python = re.sub(r"\\u(D[89AB]..)\\u(D[C-F]..)", _above_ffff, pattern)
    python = re.sub(r"\\p\{(\w+)\}", lambda found: _JAVA_CLASSES.get(found[1], found[0]), python)
    flags = 0 if "\\p{" in pattern else re.ASCII
    # Python 3.10 has no possessive repetition, such as a*+.
    for candidate in (python, re.sub(r"(?<!\\)([*+?}])\+", r"\1", python)):
        try:
            return re.compile(candidate, flags)
        except (re.error, OverflowError):
            continue
    return None


def _above_ffff(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
    return f"\\U{0x10000 + (high << 10) + low:08X}"


# --- how to mend it ------------------------------------------------------------------------------


def _size_mend(shape, value: Any) -> str:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if shape.type_name not in ("string", "list", "map"):
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        return f"give a number {limits}."
    if shape.name == "ProcessingInputs":
        return _inputs_mend(value)
    if shape.name == "RoleArn":
        return _ROLE_MEND
    unit = {"string": "characters", "list": "members", "map": "entries"}[shape.type_name]
    has = f"it has {len(value)} {unit}; "
    if len(value) < least:
        return f"{has}give at least {least}."
    has += f"at most {most} are allowed."
    if shape.name in _JOB_NAMES:
        return f"{has} Give a shorter job_name, or base_job_name: the SDK adds the time to it."
    if shape.name.endswith(("EnvironmentValue", "HyperParameterValue")):
        return f"{has} Write it into a file in S3, and give that as an input."
    return has


def _inputs_mend(inputs: list) -> str:
    own = [name for name in _SDK_INPUTS if any(_name(entry) == name for entry in inputs)]
    words = f"it has {len(inputs)} inputs; 10 are allowed"
    if own:
        names = " and ".join(repr(name) for name in own)
        words += f". The SDK uses {len(own)} of them itself ({names}), so {10 - len(own)} are yours"
    return f"{words}. Put files below one S3 prefix and give it as one input, or give a manifest."


def _name(entry: Any) -> Any:
    return entry.get("InputName") if isinstance(entry, dict) else None


_JOB_NAMES = ("ProcessingJobName", "TrainingJobName")
_ROLE_MEND = (
    "give the whole ARN of a role, such as arn:aws:iam::123456789012:role/service-role/NAME. "
    "sagemaker.get_execution_role() returns it."
)


def _enum_mend(shape, value: str) -> str:
    if shape.name in ("ProcessingInstanceType", "TrainingInstanceType"):
        return _instance_mend(shape, value)
    close = difflib.get_close_matches(value, shape.enum, 1)
    return f"give {close[0]!r}." if close else f"give one of {_few(shape.enum, value)}."


def _instance_mend(shape, value: str) -> str:
    if value in ("local", "local_gpu"):
        return (
            f"{value!r} runs a job on your own machine, and needs sagemaker_session=LocalSession()."
            " With sagemaker.Session() give an instance type such as 'ml.m5.xlarge'."
        )
    if f"ml.{value}" in shape.enum:
        return f"instance types of SageMaker begin with 'ml.': give 'ml.{value}'."
    if value in _model().shape_for("TrainingInstanceType").enum:
        return f"{value!r} is there for training jobs only. Give one such as 'ml.m5.xlarge'."
    close = difflib.get_close_matches(value, shape.enum, 1)
    return f"did you mean {close[0]!r}?" if close else "give one such as 'ml.m5.xlarge'."


def _few(enum: list[str], value: str) -> str:
    """Return the values of an enum, or only those like ``value`` when there are many."""
    if len(enum) <= 10:
        return ", ".join(enum)
    some = difflib.get_close_matches(value, enum, 5) or enum[:5]
    return f"{', '.join(some)}, and {len(enum) - len(some)} more"


def _pattern_mend(shape, value: str) -> str:
    name = shape.name
    if name in (*_JOB_NAMES, "ExperimentEntityName"):
        most = shape.metadata["max"]
        if len(value) > most:
            return _size_mend(shape, value)
        like = re.sub(r"[^a-zA-Z0-9]+", "-", value)[:most].strip("-") or "my-job"
        return (
            "use letters, digits and hyphens, and begin and end with a letter or a digit, "
            f"such as {like!r}."
        )
    if name == "RoleArn":
        return _ROLE_MEND
    if name == "S3Uri":
        mend = "give an S3 URI, such as s3://BUCKET/PREFIX/."
        if value.startswith(("file:", "/", "./", "../")):
            mend += (
                " A path on your machine works only with a LocalSession; "
                "sagemaker.s3.S3Uploader.upload() copies it to S3."
            )
        return mend
    if name.endswith("EnvironmentKey"):
        return "use letters, digits and underscores, and begin with no digit."
    if name == "ChannelName":
        return "use letters, digits, '.', '-' and '_'."
    if name.startswith("HyperParameter"):
        return "write it in one line."
    return "change it so that all of it matches the pattern."


def _shown(value: Any) -> str:
    """Return a value as AWS writes it into a message, but short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}={_shown(part)}" for key, part in value.items()) + "}"
    elif isinstance(value, list | tuple):
        if any(isinstance(part, dict | list) for part in value):
            return f"[{len(value)} members]"
        text = "[" + ", ".join(_shown(part) for part in value) + "]"
    else:
        text = str(value).replace("\n", "\\n")
    return text if len(text) <= 100 else f"{text[:97]}..."


def _quoted(value: Any) -> str:
    return _shown(json.dumps(value, default=str))


# --- what AWS refuses beyond its model -----------------------------------------------------------


def _rule_problems(operation: str, request: dict, world: World | None) -> Iterator[Problem]:
    for rule in RULES.get(operation, ()):
        yield from rule(request, world)


def _refuse(field: str, words: str, mend: str, code: str = "ValidationException") -> Problem:
    return Problem(code, f"{words}\n{field}: {mend}", field)


def _inputs(request: dict) -> Iterator[tuple[str, dict]]:
    for number, entry in enumerate(request.get("ProcessingInputs") or []):
        yield f"ProcessingInputs[{number}]", entry


def _outputs(request: dict) -> Iterator[tuple[str, dict]]:
    outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    for number, entry in enumerate(outputs):
        yield f"ProcessingOutputConfig.Outputs[{number}]", entry


def _channels(request: dict) -> Iterator[tuple[str, dict]]:
    for number, entry in enumerate(request.get("InputDataConfig") or []):
        yield f"InputDataConfig[{number}]", entry


def _places(request: dict) -> Iterator[tuple[str, dict]]:
    """Give the parts of a processing request that say where in the container data is."""
    for (field, entry), kinds in [
        *((place, ("S3Input", "DatasetDefinition")) for place in _inputs(request)),
        *((place, ("S3Output",)) for place in _outputs(request)),
    ]:
        for kind in kinds:
            if entry.get(kind) is not None and not entry.get("AppManaged"):
                yield f"{field}.{kind}", entry[kind]


def _no_empty_arguments(request: dict, _world) -> Iterator[Problem]:
    """No word of a container's command is empty.

    https://github.com/aws/sagemaker-python-sdk/issues/3758 (with the words of the error)
    """
    field = "AppSpecification" if "AppSpecification" in request else "AlgorithmSpecification"
    for name in ("ContainerEntrypoint", "ContainerArguments"):
        for number, word in enumerate((request.get(field) or {}).get(name) or ()):
            if not word:
                yield _refuse(
                    f"{field}.{name}[{number}]",
                    f"Found null or empty string in {name} at index {number}. ContainerArguments "
                    "and ContainerEntrypoint may not contain null or empty strings.",
                    "leave it out, or give a word that your script takes for nothing.",
                )


def _metric_definitions(request: dict, _world) -> Iterator[Problem]:
    """The regular expression of a metric is one.

    https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
    The page does not tell the words of the error. Python's expressions are tried here.
    """
    algorithm = request.get("AlgorithmSpecification") or {}
    for number, one in enumerate(algorithm.get("MetricDefinitions") or ()):
        counts = re.findall(r"\{(?:\d*,)?(\d+)\}", one["Regex"])
        try:
            if math.prod(int(count) for count in counts) > _MOST_REPETITIONS:
                raise ValueError("its repetitions, such as {99}, are too many")
            regex.compile(one["Regex"])
        except (regex.error, ValueError, OverflowError, RecursionError) as error:
            yield _refuse(
                f"AlgorithmSpecification.MetricDefinitions[{number}].Regex",
                f"Invalid regular expression of the metric {one['Name']!r}: {_shown(one['Regex'])}",
                f"{error}. Put the number into one group, such as 'loss: ([0-9.]+)'.",
            )


def _one_source(request: dict, _world) -> Iterator[Problem]:
    """Data comes from one place and goes to one place.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingInput.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingOutput.html
    The pages do not tell the words of the error.
    """
    for places, kinds in (
        (_inputs(request), ("S3Input", "DatasetDefinition")),
        (_outputs(request), ("S3Output", "FeatureStoreOutput")),
    ):
        for field, entry in places:
            if sum(entry.get(kind) is not None for kind in kinds) != 1:
                words = f"{field} must specify exactly one of either {kinds[0]} or {kinds[1]}."
                yield _refuse(f"{field}.{kinds[0]}", words, "give it, and not the other.")


def _local_paths(request: dict, _world) -> Iterator[Problem]:
    """Inputs and outputs are below /opt/ml/processing/.

    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
    The pages do not tell the words of the error.
    """
    for field, place in _places(request):
        field, path = f"{field}.LocalPath", place.get("LocalPath")
        if path is None:
            yield _refuse(
                field,
                f"{field} is a required parameter when AppManaged is False.",
                f"give a folder such as {_PROCESSING_PATH}data.",
            )
        elif not path.startswith(_PROCESSING_PATH) or ".." in path.split("/"):
            rest = path.removeprefix("/opt/ml").removeprefix("/processing")
            parts = [part for part in rest.split("/") if part not in ("", ".", "..")]
            like = _PROCESSING_PATH + ("/".join(parts) or "data")
            yield _refuse(
                field,
                f"Invalid LocalPath {path!r}. It must begin with {_PROCESSING_PATH}",
                f"give {like!r}, for example, and use the same path in your script.",
            )


def _unique_names(request: dict, _world) -> Iterator[Problem]:
    """No two inputs or outputs have the same name.

    https://github.com/aws/sagemaker-python-sdk/issues/3484 (with the words of the error)
    """
    seen: dict[str, str] = {}
    for field, name in [
        *((f"{field}.InputName", entry["InputName"]) for field, entry in _inputs(request)),
        *((f"{field}.OutputName", entry["OutputName"]) for field, entry in _outputs(request)),
    ]:
        first = seen.setdefault(name, field)
        if first == field:
            continue
        mend = f"{first} has the same name. Give it another"
        if name in _SDK_INPUTS:
            mend += f"; {name!r} is the SDK's own input, with your script"
        words = f"Input and Output names must be globally unique: [{name}]"
        yield _refuse(field, words, f"{mend}.")


def _unique_paths(request: dict, _world) -> Iterator[Problem]:
    """No two inputs or outputs have the same folder in the container.

    https://github.com/aws/sagemaker-python-sdk/issues/4939 (inputs; AWS's message is empty there)
    https://github.com/aws/sagemaker-python-sdk/issues/1950 (an input and an output)
    """
    seen: dict[str, str] = {}
    for field, place in _places(request):
        field, path = f"{field}.LocalPath", place.get("LocalPath")
        if path is None:
            continue
        path = re.sub("/+", "/", path).rstrip("/")
        first = seen.setdefault(path, field)
        if first == field:
            continue
        mend = f"{first} has the same folder. Give each input and each output one of its own"
        if path == _CODE_PATH:
            mend += "; in this one the SDK puts your script"
        yield _refuse(field, f"Local paths must be unique: [{path}]", f"{mend}.")


def _pipe_only(request: dict, _world) -> Iterator[Problem]:
    """Data is decompressed, and augmented manifests are read, only in Pipe mode.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    The pages do not tell the words of the error.
    """
    for field, entry in _inputs(request):
        source = entry.get("S3Input") or {}
        if source.get("S3CompressionType") == "Gzip" and source.get("S3InputMode") != "Pipe":
            yield _not_pipe(f"{field}.S3Input.S3CompressionType", "Gzip", "S3InputMode")
    general = (request.get("AlgorithmSpecification") or {}).get("TrainingInputMode")
    for field, channel in _channels(request):
        if (channel.get("InputMode") or general) == "Pipe":
            continue
        if channel.get("CompressionType") == "Gzip":
            yield _not_pipe(f"{field}.CompressionType", "Gzip", "InputMode")
        source = channel["DataSource"].get("S3DataSource") or {}
        if source.get("S3DataType") == "AugmentedManifestFile":
            place = f"{field}.DataSource.S3DataSource.S3DataType"
            yield _not_pipe(place, "AugmentedManifestFile", "InputMode")


def _not_pipe(field: str, value: str, mode: str) -> Problem:
    words = f"Invalid {field.rsplit('.', 1)[1]} {value}. It can only be used with {mode} Pipe"
    return _refuse(field, words, f"leave it out, or give {mode} 'Pipe'.")


def _training_image(request: dict, _world) -> Iterator[Problem]:
    """A training job has an image or the name of an algorithm.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
    The page does not tell the words of the error.
    """
    if request.get("ServerlessJobConfig"):
        return
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is None:
        yield _null("algorithmSpecification", "AlgorithmSpecification").problem()
    elif bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        yield _refuse(
            "AlgorithmSpecification.TrainingImage",
            "You must specify either TrainingImage or AlgorithmName, and not both.",
            "give the URI of an image, and no AlgorithmName.",
        )


def _instances(request: dict, _world) -> Iterator[Problem]:
    """A job says on what it runs, once.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
    The model requires none of the ways to say it, because there are several.
    """
    if request.get("ServerlessJobConfig"):
        return
    field, others = "ResourceConfig", ("InstancePreferences", "InstanceGroups")
    resources = request.get(field)
    if "ProcessingResources" in request:
        field, others = "ProcessingResources.ClusterConfig", ("InstancePreferences",)
        resources = request["ProcessingResources"]["ClusterConfig"]
    aws = ".".join(part[0].lower() + part[1:] for part in field.split("."))
    if resources is None:
        yield _null(aws, field).problem()
        return
    used = [name for name in ("InstanceType", *others) if resources.get(name)]
    if not used:
        yield _null(f"{aws}.instanceType", f"{field}.InstanceType").problem()
    elif len(used) > 1:
        words = f"{used[0]} and {used[1]} are mutually exclusive."
        yield _refuse(f"{field}.{used[1]}", words, f"leave out {used[1]} or {used[0]}.")
    elif "InstancePreferences" in used and request.get("EnableManagedSpotTraining"):
        words = "InstancePreferences and EnableManagedSpotTraining are mutually exclusive."
        yield _refuse(f"{field}.InstancePreferences", words, "give one InstanceType instead.")
    elif used == ["InstanceType"] and field == "ResourceConfig":
        if resources.get("InstanceCount") is None:
            yield _null(f"{aws}.instanceCount", f"{field}.InstanceCount").problem()
        elif resources["InstanceCount"] < 1:
            words = "Member must have value greater than or equal to 1"
            place = (f"{aws}.instanceCount", f"{field}.InstanceCount")
            yield _violation(*place, resources["InstanceCount"], words, "give 1 or more.").problem()


def _unique_channels(request: dict, _world) -> Iterator[Problem]:
    """A channel's name is its folder, /opt/ml/input/data/NAME, so no two are the same.

    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    The page does not tell the words of the error.
    """
    seen: dict[str, str] = {}
    for field, channel in _channels(request):
        name = channel["ChannelName"]
        if name in (".", ".."):
            words = f"Invalid channel name {name!r}: it is no name of a folder"
            yield _refuse(f"{field}.ChannelName", words, "give one such as 'train'.")
        first = seen.setdefault(name, field)
        if first != field:
            yield _refuse(
                f"{field}.ChannelName",
                f"Channel names must be unique: [{name}]",
                f"{first} has the same name. Give it another.",
            )


def _run_time(request: dict, _world) -> Iterator[Problem]:
    """A training job runs 28 days at most, and a spot job waits at least as long as it may run.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
    https://github.com/Kenza-AI/sagify/issues/111 (the words for a wait without spot; the pages do
    not tell the others)
    """
    condition = request.get("StoppingCondition") or {}
    run, wait = condition.get("MaxRuntimeInSeconds") or _DAY, condition.get("MaxWaitTimeInSeconds")
    if run > 28 * _DAY:
        yield _refuse(
            "StoppingCondition.MaxRuntimeInSeconds",
            "Invalid MaxRuntimeInSeconds. The maximum value is 28 days",
            f"give max_run={28 * _DAY} or less.",
        )
    field = "StoppingCondition.MaxWaitTimeInSeconds"
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            yield _refuse(
                field,
                "Invalid MaxWaitTimeInSeconds. It is only supported when "
                "EnableManagedSpotTraining is set to true",
                "leave out max_wait, or give use_spot_instances=True.",
            )
    elif wait is None or wait < run:
        yield _refuse(
            field,
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds",
            f"give max_wait={run} or more: it holds the run itself (max_run={run}) and the waiting "
            "for an instance.",
        )


def _warm_pool(request: dict, _world) -> Iterator[Problem]:
    """Spot instances and heterogeneous clusters are not kept in a warm pool.

    https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
    The page does not tell the words of the error.
    """
    resources = request.get("ResourceConfig") or {}
    if not resources.get("KeepAlivePeriodInSeconds"):
        return
    for name, given in (
        ("EnableManagedSpotTraining", request.get("EnableManagedSpotTraining")),
        ("InstanceGroups", resources.get("InstanceGroups")),
    ):
        if given:
            words = f"KeepAlivePeriodInSeconds and {name} are mutually exclusive."
            mend = f"leave it out, or leave out {name}."
            yield _refuse("ResourceConfig.KeepAlivePeriodInSeconds", words, mend)


def _tensorboard_path(request: dict, _world) -> Iterator[Problem]:
    """TensorBoard's output is outside of SageMaker's own folders.

    https://github.com/aws/amazon-sagemaker-examples/issues/3620 (with the words of the error)
    """
    path = (request.get("TensorBoardOutputConfig") or {}).get("LocalPath") or ""
    reserved = ("/opt/ml", "/tmp", "/usr/local/nvidia")
    if path.startswith(reserved):
        yield _refuse(
            "TensorBoardOutputConfig.LocalPath",
            '"LocalPath" of "TensorBoardOutputConfig" cannot start with the following reserved '
            f"path: [{', '.join(reserved)}]",
            "leave it out, or give another folder, such as '/opt/tensorboard'.",
        )


def _unique_tags(request: dict, _world) -> Iterator[Problem]:
    """A tag's key is given once.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html
    The page does not tell the words of the error.
    """
    seen: set[str] = set()
    for number, tag in enumerate(request.get("Tags") or []):
        if tag["Key"] in seen:
            words = f"Tag keys must be unique per resource: [{tag['Key']}]"
            yield _refuse(f"Tags[{number}].Key", words, "give each key once.")
        seen.add(tag["Key"])


def _image_region(request: dict, world: World | None) -> Iterator[Problem]:
    """The image of a processing job is in the region of the job.

    https://github.com/aws/amazon-sagemaker-examples/issues/2422 (with the words of the error)
    """
    image = request["AppSpecification"]["ImageUri"]
    found = re.match(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com", image)
    if world is not None and found and found[1] != world.region:
        yield _refuse(
            "AppSpecification.ImageUri",
            f"Invalid region {found[1]} in image URI {image}. "
            f"Please provide an image URI in region {world.region}.",
            f"sagemaker.image_uris.retrieve(..., region={world.region!r}) returns one.",
        )


def _unique_job(kind: str, words: str):
    def rule(request: dict, world: World | None) -> Iterator[Problem]:
        """A job's name is used once in an account and region; jobs are never deleted.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
        https://github.com/SuperCowPowers/workbench/issues/384 (the words for a training job)
        """
        field = f"{kind.title()}JobName"
        name = request[field]
        if world is not None and world.job_exists(kind, name):
            account = request["RoleArn"].split(":")[4]
            arn = f"arn:aws:sagemaker:{world.region}:{account}:{kind}-job/{name}"
            mend = "give another job_name, or only a base_job_name: the SDK adds the time to it."
            yield _refuse(field, words.format(arn=arn), mend, "ResourceInUse")

    return rule


def _role(request: dict, world: World | None) -> Iterator[Problem]:
    """The role exists, and SageMaker may take it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    https://github.com/awslabs/predictive-maintenance-using-machine-learning/issues/3 (the words)
    """
    arn = request["RoleArn"]
    if world is not None and not world.role_exists(arn):
        yield _refuse(
            "RoleArn",
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role.",
            "sagemaker.get_execution_role() returns one that exists.",
        )


def _training_data(request: dict, world: World | None) -> Iterator[Problem]:
    """Each channel of a training job has at least one object.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    https://github.com/aws/amazon-sagemaker-examples/issues/2267 (with the words of the error)
    """
    for field, channel in _channels(request) if world is not None else ():
        uri = (channel["DataSource"].get("S3DataSource") or {}).get("S3Uri") or ""
        found = re.fullmatch(r"s3://([^/]+)/?(.*)", uri, re.DOTALL)
        if not found or world.has_objects(found[1], found[2]):
            continue
        if not world.bucket_exists(found[1]):
            mend = f"there is no bucket {found[1]!r}. Look for a misspelled name."
        else:
            mend = (
                f"the bucket exists, but no key in it starts with {found[2]!r}. Did the job that "
                "makes this data end well, and does its output go there?"
            )
        yield _refuse(
            f"{field}.DataSource.S3DataSource.S3Uri",
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({world.region}), that objects exist "
            f'under that S3 prefix, and that the role "{request["RoleArn"]}" has "s3:ListBucket" '
            f'permissions on bucket "{found[1]}".',
            mend,
        )


#: What is checked by hand, in this order; of several problems AWS tells the first.
RULES = {
    "CreateProcessingJob": (
        _no_empty_arguments,
        _one_source,
        _local_paths,
        _unique_names,
        _unique_paths,
        _pipe_only,
        _instances,
        _unique_tags,
        _image_region,
        _unique_job(
            "processing",
            "Job name must be unique within an AWS account and region, and a job with this name "
            "already exists ({arn})",
        ),
        _role,
    ),
    "CreateTrainingJob": (
        _training_image,
        _no_empty_arguments,
        _metric_definitions,
        _instances,
        _warm_pool,
        _unique_channels,
        _pipe_only,
        _run_time,
        _tensorboard_path,
        _unique_tags,
        _unique_job(
            "training",
            "Training job names must be unique within an AWS account and region, and a training "
            "job with this name already exists ({arn})",
        ),
        _role,
        _training_data,
    ),
}
