"""What AWS refuses of a batch transform beyond its service model (see ``rules``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workshop.emulator.service.sagemaker.validation.mends import quoted
from workshop.emulator.service.sagemaker.validation.model import Problem, refuse
from workshop.emulator.service.sagemaker.validation.rules import World

_MOST_MB = 100
#: As a message of AWS lists them. Beside these a path has letters and digits.
_OPERATORS = "$[]*. ,:-'"


def data_type(request: dict, _world) -> Iterator[Problem]:
    """The input is a prefix or a manifest.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformS3DataSource.html
    The page does not tell the words of the error.
    """
    kind = request["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        field = "TransformInput.DataSource.S3DataSource.S3DataType"
        words = f"S3DataType {kind} is not supported for transform jobs."
        yield refuse(field, words, "give 'S3Prefix' or 'ManifestFile'.")


def payload(request: dict, _world) -> Iterator[Problem]:
    """The requests that are sent at the same time have 100 MB at most.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    The page does not tell the words of the error.
    """
    size, parallel = request.get("MaxPayloadInMB", 0), request.get("MaxConcurrentTransforms", 0)
    if size > _MOST_MB:
        words = f"Invalid MaxPayloadInMB {size}. It cannot be greater than {_MOST_MB} MB"
        yield refuse("MaxPayloadInMB", words, f"give {_MOST_MB} or less.")
    elif size * parallel > _MOST_MB:
        words = (
            f"MaxConcurrentTransforms * MaxPayloadInMB is {size * parallel}. It cannot exceed "
            f"{_MOST_MB} MB"
        )
        mend = f"with {size} MB, give MaxConcurrentTransforms {_MOST_MB // size} or less."
        yield refuse("MaxConcurrentTransforms", words, mend)


def json_paths(request: dict, _world) -> Iterator[Problem]:
    """A filter has letters, digits and some operators, and so no underscore.

    https://github.com/boto/boto3/issues/3136 (with the words of the error)
    AWS looks at the characters alone: a path that cannot be read fails the job
    (https://github.com/aws/sagemaker-python-sdk/issues/1112).
    """
    content_type = request["TransformInput"].get("ContentType", "application/json")
    operators = ", ".join(f"'{one}'" for one in _OPERATORS)
    for name in ("InputFilter", "OutputFilter"):
        path = request.get("DataProcessing", {}).get(name, "")
        found = re.search(rf"[^A-Za-z0-9{re.escape(_OPERATORS)}]", path)
        if found:
            yield refuse(
                f"DataProcessing.{name}",
                f"Invalid {name}: {quoted(path)}. Unexpected {quoted(found[0])} in JsonPath. "
                f'Supported operators for "{content_type}" are [{operators}]',
                "rename the attribute in your input, or leave it in and filter in your script.",
            )


def model_exists(request: dict, world: World | None) -> Iterator[Problem]:
    """The model exists.

    https://github.com/aws/deep-learning-containers/issues/586 (with the words of the error)
    """
    name = request["ModelName"]
    if world is not None and not world.exists("model", name):
        arn = f"arn:aws:sagemaker:{world.region}:{world.account}:model/{name}"
        words = f'Could not find model "{arn}".'
        yield refuse("ModelName", words, "CreateModel makes one.")
