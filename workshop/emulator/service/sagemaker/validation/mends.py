"""How to mend a value that AWS's service model does not allow: the second line of a message."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any

from workshop.emulator.service.sagemaker.validation.shapes import service_model

#: Names of the inputs that ScriptProcessor and FrameworkProcessor add (sagemaker/processing.py).
SDK_INPUTS = ("code", "entrypoint")


def size_mend(shape, value: Any) -> str:
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
    if shape.name.endswith("JobName"):
        return f"{has} Give a shorter job_name, or base_job_name: the SDK adds the time to it."
    if shape.name.endswith(("EnvironmentValue", "HyperParameterValue")):
        return f"{has} Write it into a file in S3, and give that as an input."
    return has


def _inputs_mend(inputs: list) -> str:
    own = [name for name in SDK_INPUTS if any(_name(entry) == name for entry in inputs)]
    words = f"it has {len(inputs)} inputs; 10 are allowed"
    if own:
        names = " and ".join(repr(name) for name in own)
        words += f". The SDK uses {len(own)} of them itself ({names}), so {10 - len(own)} are yours"
    return f"{words}. Put files below one S3 prefix and give it as one input, or give a manifest."


def _name(entry: Any) -> Any:
    return entry.get("InputName") if isinstance(entry, dict) else None


_ROLE_MEND = (
    "give the whole ARN of a role, such as arn:aws:iam::123456789012:role/service-role/NAME. "
    "sagemaker.get_execution_role() returns it."
)


def enum_mend(shape, value: str) -> str:
    if shape.name.endswith("InstanceType"):
        return _instance_mend(shape, value)
    close = difflib.get_close_matches(value, shape.enum, 1)
    return f"give {close[0]!r}." if close else f"give one of {few(shape.enum, value)}."


def _instance_mend(shape, value: str) -> str:
    if value in ("local", "local_gpu"):
        return (
            f"{value!r} runs a job on your own machine, and needs sagemaker_session=LocalSession()."
            " With sagemaker.Session() give an instance type such as 'ml.m5.xlarge'."
        )
    if f"ml.{value}" in shape.enum:
        return f"instance types of SageMaker begin with 'ml.': give 'ml.{value}'."
    if value in service_model().shape_for("TrainingInstanceType").enum:
        return f"{value!r} is there for training jobs only. Give one such as 'ml.m5.xlarge'."
    close = difflib.get_close_matches(value, shape.enum, 1)
    return f"did you mean {close[0]!r}?" if close else "give one such as 'ml.m5.xlarge'."


def few(enum: list[str], value: str) -> str:
    """Return the values of an enum, or only those like ``value`` when there are many."""
    if len(enum) <= 10:
        return ", ".join(enum)
    some = difflib.get_close_matches(value, enum, 5) or enum[:5]
    return f"{', '.join(some)}, and {len(enum) - len(some)} more"


def pattern_mend(shape, value: str) -> str:
    name = shape.name
    if name.endswith(("JobName", "ExperimentEntityName")):
        most = shape.metadata["max"]
        if len(value) > most:
            return size_mend(shape, value)
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


def shown(value: Any) -> str:
    """Return a value as AWS writes it into a message, but short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}={shown(part)}" for key, part in value.items()) + "}"
    elif isinstance(value, list | tuple):
        if any(isinstance(part, dict | list) for part in value):
            return f"[{len(value)} members]"
        text = "[" + ", ".join(shown(part) for part in value) + "]"
    else:
        text = str(value).replace("\n", "\\n")
    return text if len(text) <= 100 else f"{text[:97]}..."


def quoted(value: Any) -> str:
    return shown(json.dumps(value, default=str))
