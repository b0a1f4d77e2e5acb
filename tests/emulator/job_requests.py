"""What AWS refuses in the requests for jobs, one row each, with the nearest request it accepts.

The rows are the specification of ``workshop.emulator.service.sagemaker.validation``. They take for
granted what is in ``ROLE``, ``BUCKET``, ``KEYS`` and ``TAKEN``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workshop.emulator.service.sagemaker import operations

from .conftest import ROLE

BUCKET = "sagemaker-us-east-1-123456789012"
#: All that is in the bucket.
KEYS = ["data/train/x.npy", "data/train/y.npy", "data/validation/x.npy"]
#: The name of a processing job and of a training job that exist.
TAKEN = "taken-already"

_IMAGE = "763104351884.dkr.ecr.{}.amazonaws.com/tensorflow-training:2.19.0-cpu-py312"


def processing_input(name: str, path: str | None = None, **s3) -> dict:
    source = {
        "S3Uri": f"s3://{BUCKET}/data/train/",
        "LocalPath": path or f"/opt/ml/processing/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": source | s3}


def processing_output(name: str, path: str | None = None) -> dict:
    target = {
        "S3Uri": f"s3://{BUCKET}/prepared/{name}",
        "LocalPath": path or f"/opt/ml/processing/{name}",
        "S3UploadMode": "EndOfJob",
    }
    return {"OutputName": name, "S3Output": target}


def channel(name: str, prefix: str = "data/train/", bucket: str = BUCKET) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{prefix}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


BASES = {
    "CreateProcessingJob": {
        "ProcessingJobName": "job",
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": _IMAGE.format("us-east-1"),
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/process.py"],
        },
        "ProcessingInputs": [
            processing_input("raw"),
            processing_input("code", "/opt/ml/processing/input/code"),
        ],
        "ProcessingOutputConfig": {"Outputs": [processing_output("train")]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            }
        },
    },
    "CreateTrainingJob": {
        "TrainingJobName": "job",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": _IMAGE.format("us-east-1"),
            "TrainingInputMode": "File",
        },
        "InputDataConfig": [channel("train"), channel("validation", "data/validation/")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "HyperParameters": {"epochs": "3"},
    },
    "DescribeProcessingJob": {"ProcessingJobName": "job"},
    "DescribeTrainingJob": {"TrainingJobName": "job"},
    "StopProcessingJob": {"ProcessingJobName": "job"},
    "StopTrainingJob": {"TrainingJobName": "job"},
    "ListProcessingJobs": {},
    "ListTrainingJobs": {},
}

#: A change that takes a member away.
GONE = object()


def changed(operation: str, changes: dict[str, Any]) -> dict:
    """Return the valid request of an operation with changes."""
    return altered(BASES[operation], changes)


def altered(request: dict, changes: dict[str, Any]) -> dict:
    """Return a request with changes: path, such as ``Tags`` or ``A.0.B``, to value."""
    request = copy.deepcopy(request)
    for path, value in changes.items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place = request
        for part in parents:
            place = place.setdefault(part, {}) if isinstance(part, str) else place[part]
        if value is GONE:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return request


@dataclass(frozen=True)
class Row:
    id: str
    source: str
    """``botocore``'s service model, or the page that a rule written by hand comes from."""
    operation: str
    refused: dict[str, Any]
    """The change that makes the valid request invalid."""
    accepted: dict[str, Any]
    """The nearest change that leaves it valid."""
    field: str
    """What the message names."""
    words: str
    """A part of AWS's message."""
    code: str = "ValidationException"


def judge_refused(row: Row, request: dict, world: object) -> None:
    """A request that a row changes is refused: with AWS's words, what to do, and unchanged."""
    before = copy.deepcopy(request)
    problem = operations.check(row.operation, request, world)
    assert problem is not None
    assert (problem.code, problem.field) == (row.code, row.field)
    words, mend = problem.message.split("\n", 1)
    assert row.words in words, problem.message
    assert mend.startswith(f"{row.field}: ")
    assert request == before


def judge_accepted(row: Row, request: dict, world: object) -> None:
    """Its neighbor is not."""
    problem = operations.check(row.operation, request, world)
    assert problem is None, problem.message


ROWS: list[Row] = []
_BOTOCORE = "botocore"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg/"
_ISSUES = "https://github.com/aws/sagemaker-python-sdk/issues/"
_EXAMPLES = "https://github.com/aws/amazon-sagemaker-examples/issues/"


def _row(id, source, operation, field, words, refused, accepted, code="ValidationException"):
    ROWS.append(Row(id, source, operation, refused, accepted, field, words, code))


def _limit(id, operation, field, limit, make: Callable[[int], Any], path=None, what="length"):
    """A row for a largest size: ``limit`` passes, one more does not."""
    path = path or field
    words = f"Member must have {what} less than or equal to {limit}"
    _row(id, _BOTOCORE, operation, field, words, {path: make(limit + 1)}, {path: make(limit)})


def _least(id, operation, field, limit):
    """A row for a smallest number."""
    words = f"Member must have value greater than or equal to {limit}"
    _row(id, _BOTOCORE, operation, field, words, {field: limit - 1}, {field: limit})


def _number(size: int) -> int:
    return size


def _text(size: int) -> str:
    return "a" * size


def _texts(size: int) -> list[str]:
    return ["a"] * size


def _map(size: int) -> dict[str, str]:
    return {f"KEY_{number}": "a" for number in range(size)}


# --- processing jobs: the service model ----------------------------------------------------------

_P = "CreateProcessingJob"
_PATTERN = "Member must satisfy regular expression pattern: "
_ENUM = "Member must satisfy enum value set: ["
_NULL = "Member must not be null"
_NAME = "ProcessingJobName"
_CLUSTER = "ProcessingResources.ClusterConfig"
_INPUT = "ProcessingInputs.0.S3Input"
_OUTPUT = "ProcessingOutputConfig.Outputs"

_limit("processing-name-length", _P, _NAME, 63, _text)
for _id, _bad, _good in (
    ("underscore", "my_job", "my-job"),
    ("last-hyphen", "my-job-", "my-job-1"),
    ("space", "my job", "myjob"),
    ("empty", "", "a"),
):
    _row(f"processing-name-{_id}", _BOTOCORE, _P, _NAME, _PATTERN, {_NAME: _bad}, {_NAME: _good})
_row("processing-name-missing", _BOTOCORE, _P, _NAME, _NULL, {_NAME: GONE}, {_NAME: "a"})
_limit(
    "processing-inputs",
    _P,
    "ProcessingInputs",
    10,
    lambda size: [processing_input(f"input-{number}") for number in range(size)],
)
_limit(
    "processing-outputs",
    _P,
    _OUTPUT,
    10,
    lambda size: [processing_output(f"output-{number}") for number in range(size)],
)
_limit("arguments", _P, "AppSpecification.ContainerArguments", 100, _texts)
_limit(
    "argument-length",
    _P,
    "AppSpecification.ContainerArguments[1]",
    256,
    lambda size: ["--short", "a" * size],
    "AppSpecification.ContainerArguments",
)
_row(
    "entrypoint-empty",
    _BOTOCORE,
    _P,
    "AppSpecification.ContainerEntrypoint",
    "Member must have length greater than or equal to 1",
    {"AppSpecification.ContainerEntrypoint": []},
    {"AppSpecification.ContainerEntrypoint": ["python3"]},
)
_limit("image-length", _P, "AppSpecification.ImageUri", 255, _text)
_limit("processing-environment", _P, "Environment", 100, _map)
_limit("processing-environment-value", _P, "Environment.URL", 256, _text)
_row(
    "processing-environment-key",
    _BOTOCORE,
    _P,
    "Environment.1ST",
    "Map keys must satisfy constraint: [",
    {"Environment": {"1ST": "a"}},
    {"Environment": {"FIRST_1": "a"}},
)
_row(
    "processing-environment-number",
    _BOTOCORE,
    _P,
    "Environment.EPOCHS",
    "NUMBER_VALUE can not be converted to a String",
    {"Environment": {"EPOCHS": 3}},
    {"Environment": {"EPOCHS": "3"}},
    "SerializationException",
)
for _id, _bad in (
    ("misspelled", "ml.m5.xlarg"),
    ("without-ml", "m5.xlarge"),
    ("local", "local"),
    ("of-training", "ml.trn1.2xlarge"),
):
    _row(
        f"processing-instance-type-{_id}",
        _BOTOCORE,
        _P,
        f"{_CLUSTER}.InstanceType",
        _ENUM,
        {f"{_CLUSTER}.InstanceType": _bad},
        {f"{_CLUSTER}.InstanceType": "ml.m5.2xlarge"},
    )
_least("processing-no-instance", _P, f"{_CLUSTER}.InstanceCount", 1)
_limit("processing-instances", _P, f"{_CLUSTER}.InstanceCount", 100, _number, what="value")
_row(
    "processing-instances-text",
    _BOTOCORE,
    _P,
    f"{_CLUSTER}.InstanceCount",
    "STRING_VALUE can not be converted to an Integer",
    {f"{_CLUSTER}.InstanceCount": "2"},
    {f"{_CLUSTER}.InstanceCount": 2},
    "SerializationException",
)
_least("no-volume", _P, f"{_CLUSTER}.VolumeSizeInGB", 1)
_limit("volume", _P, f"{_CLUSTER}.VolumeSizeInGB", 16384, _number, what="value")
_least("processing-no-time", _P, "StoppingCondition.MaxRuntimeInSeconds", 1)
_limit(
    "processing-time",
    _P,
    "StoppingCondition.MaxRuntimeInSeconds",
    777600,
    _number,
    what="value",
)
_row(
    "role-name",
    _BOTOCORE,
    _P,
    "RoleArn",
    "2 validation errors detected: ",
    {"RoleArn": "SageMakerRole"},
    {"RoleArn": ROLE},
)
_row(
    "role-of-a-user",
    _BOTOCORE,
    _P,
    "RoleArn",
    _PATTERN,
    {"RoleArn": "arn:aws:iam::123456789012:user/somebody"},
    {"RoleArn": ROLE},
)
_row("role-missing", _BOTOCORE, _P, "RoleArn", _NULL, {"RoleArn": GONE}, {"RoleArn": ROLE})
_row(
    "input-on-this-machine",
    _BOTOCORE,
    _P,
    "ProcessingInputs[0].S3Input.S3Uri",
    _PATTERN,
    {f"{_INPUT}.S3Uri": "/home/me/data"},
    {f"{_INPUT}.S3Uri": "s3://bucket"},
)
_limit(
    "input-uri-length",
    _P,
    "ProcessingInputs[0].S3Input.S3Uri",
    1024,
    lambda size: "s3://b/".ljust(size, "a"),
    f"{_INPUT}.S3Uri",
)
for _member, _bad, _good in (
    ("S3DataType", "S3Object", "ManifestFile"),
    ("S3InputMode", "FastFile", "Pipe"),
    ("S3DataDistributionType", "ShardedByKey", "ShardedByS3Key"),
):
    _row(
        f"input-{_member}",
        _BOTOCORE,
        _P,
        f"ProcessingInputs[0].S3Input.{_member}",
        _ENUM,
        {f"{_INPUT}.{_member}": _bad},
        {f"{_INPUT}.{_member}": _good},
    )
_row(
    "output-S3UploadMode",
    _BOTOCORE,
    _P,
    "ProcessingOutputConfig.Outputs[0].S3Output.S3UploadMode",
    _ENUM,
    {f"{_OUTPUT}.0.S3Output.S3UploadMode": "AtEnd"},
    {f"{_OUTPUT}.0.S3Output.S3UploadMode": "Continuous"},
)
_limit(
    "local-path-length",
    _P,
    "ProcessingInputs[0].S3Input.LocalPath",
    256,
    lambda size: "/opt/ml/processing/".ljust(size, "a"),
    f"{_INPUT}.LocalPath",
)
_limit(
    "tags",
    _P,
    "Tags",
    50,
    lambda size: [{"Key": f"key-{number}", "Value": ""} for number in range(size)],
)
_limit("tag-key", _P, "Tags[0].Key", 128, lambda size: [{"Key": "a" * size, "Value": ""}], "Tags")
_row(
    "tag-key-pattern",
    _BOTOCORE,
    _P,
    "Tags[0].Key",
    _PATTERN,
    {"Tags": [{"Key": "cost#center", "Value": ""}]},
    {"Tags": [{"Key": "Köstenstelle 1", "Value": ""}]},
)
_limit("experiment-name", _P, "ExperimentConfig.ExperimentName", 120, _text)
_limit(
    "security-groups",
    _P,
    "NetworkConfig.VpcConfig.SecurityGroupIds",
    5,
    lambda size: {"SecurityGroupIds": ["sg-1"] * size, "Subnets": ["subnet-1"]},
    "NetworkConfig.VpcConfig",
)
_row(
    "unknown-member",
    _BOTOCORE,
    _P,
    "Environments",
    'Unknown parameter in input: "Environments", must be one of: ',
    {"Environments": {}},
    {"Environment": {}},
)
_row(
    "inputs-not-a-list",
    _BOTOCORE,
    _P,
    "ProcessingInputs",
    "Start of structure or map found where not expected.",
    {"ProcessingInputs": processing_input("raw")},
    {"ProcessingInputs": [processing_input("raw")]},
    "SerializationException",
)

# --- processing jobs: by hand --------------------------------------------------------------------

for _id, _bad in (
    ("outside", "/opt/ml/input/data"),
    ("relative", "data"),
    ("itself", "/opt/ml/processing"),
    ("like", "/opt/ml/processing-data"),
    ("climbs", "/opt/ml/processing/../model"),
):
    _row(
        f"input-path-{_id}",
        f"{_GUIDE}byoc-input-and-output.html",
        _P,
        "ProcessingInputs[0].S3Input.LocalPath",
        "It must begin with /opt/ml/processing/",
        {f"{_INPUT}.LocalPath": _bad},
        {f"{_INPUT}.LocalPath": "/opt/ml/processing/data"},
    )
_row(
    "output-path-outside",
    f"{_GUIDE}byoc-input-and-output.html",
    _P,
    "ProcessingOutputConfig.Outputs[0].S3Output.LocalPath",
    "It must begin with /opt/ml/processing/",
    {f"{_OUTPUT}.0.S3Output.LocalPath": "/opt/ml/output"},
    {f"{_OUTPUT}.0.S3Output.LocalPath": "/opt/ml/processing/output"},
)
_row(
    "input-path-missing",
    f"{_API}ProcessingS3Input.html",
    _P,
    "ProcessingInputs[0].S3Input.LocalPath",
    "is a required parameter when AppManaged is False",
    {f"{_INPUT}.LocalPath": GONE},
    {f"{_INPUT}.LocalPath": GONE, "ProcessingInputs.0.AppManaged": True},
)
_row(
    "input-name-twice",
    f"{_ISSUES}3484",
    _P,
    "ProcessingInputs[1].InputName",
    "Input and Output names must be globally unique: [raw]",
    {"ProcessingInputs.1.InputName": "raw"},
    {"ProcessingInputs.1.InputName": "Raw"},
)
_row(
    "name-of-input-and-output",
    f"{_ISSUES}3484",
    _P,
    "ProcessingOutputConfig.Outputs[0].OutputName",
    "Input and Output names must be globally unique: [raw]",
    {f"{_OUTPUT}.0.OutputName": "raw"},
    {f"{_OUTPUT}.0.OutputName": "raw-2"},
)
_row(
    "name-of-the-script",
    f"{_ISSUES}3484",
    _P,
    "ProcessingInputs[1].InputName",
    "Input and Output names must be globally unique: [code]",
    {"ProcessingInputs.0.InputName": "code"},
    {"ProcessingInputs.0.InputName": "my-code"},
)
_row(
    "input-path-twice",
    f"{_ISSUES}4939",
    _P,
    "ProcessingInputs[2].S3Input.LocalPath",
    "Local paths must be unique: [/opt/ml/processing/raw]",
    {
        "ProcessingInputs": [
            processing_input("raw"),
            processing_input("code"),
            processing_input("labels", "/opt/ml/processing/raw/"),
        ]
    },
    {
        "ProcessingInputs": [
            processing_input("raw"),
            processing_input("code"),
            processing_input("labels", "/opt/ml/processing/raw/labels"),
        ]
    },
)
_row(
    "path-of-input-and-output",
    f"{_ISSUES}1950",
    _P,
    "ProcessingOutputConfig.Outputs[0].S3Output.LocalPath",
    "Local paths must be unique: [/opt/ml/processing/raw]",
    {f"{_OUTPUT}.0.S3Output.LocalPath": "/opt/ml/processing/raw"},
    {f"{_OUTPUT}.0.S3Output.LocalPath": "/opt/ml/processing/raw-2"},
)
_row(
    "path-of-the-script",
    f"{_ISSUES}4939",
    _P,
    "ProcessingInputs[1].S3Input.LocalPath",
    "Local paths must be unique: [/opt/ml/processing/input/code]",
    {f"{_INPUT}.LocalPath": "/opt/ml/processing/input/code/"},
    {f"{_INPUT}.LocalPath": "/opt/ml/processing/input"},
)
_row(
    "input-without-source",
    f"{_API}ProcessingInput.html",
    _P,
    "ProcessingInputs[0].S3Input",
    "must specify exactly one of either S3Input or DatasetDefinition",
    {"ProcessingInputs.0": {"InputName": "raw"}},
    {"ProcessingInputs.0": processing_input("raw")},
)
_row(
    "output-without-target",
    f"{_API}ProcessingOutput.html",
    _P,
    "ProcessingOutputConfig.Outputs[0].S3Output",
    "must specify exactly one of either S3Output or FeatureStoreOutput",
    {f"{_OUTPUT}.0": {"OutputName": "train"}},
    {f"{_OUTPUT}.0": processing_output("train")},
)
_row(
    "processing-gzip",
    f"{_API}ProcessingS3Input.html",
    _P,
    "ProcessingInputs[0].S3Input.S3CompressionType",
    "It can only be used with S3InputMode Pipe",
    {f"{_INPUT}.S3CompressionType": "Gzip"},
    {f"{_INPUT}.S3CompressionType": "Gzip", f"{_INPUT}.S3InputMode": "Pipe"},
)
_row(
    "processing-instance-type-missing",
    f"{_API}ProcessingClusterConfig.html",
    _P,
    f"{_CLUSTER}.InstanceType",
    _NULL,
    {f"{_CLUSTER}.InstanceType": GONE},
    {
        f"{_CLUSTER}.InstanceType": GONE,
        f"{_CLUSTER}.InstancePreferences": [{"InstanceType": "ml.m5.xlarge"}],
    },
)
_row(
    "processing-instance-type-and-preferences",
    f"{_API}ProcessingClusterConfig.html",
    _P,
    f"{_CLUSTER}.InstancePreferences",
    "are mutually exclusive",
    {f"{_CLUSTER}.InstancePreferences": [{"InstanceType": "ml.m5.xlarge"}]},
    {f"{_CLUSTER}.InstanceCount": GONE},
)
_row(
    "image-of-another-region",
    f"{_EXAMPLES}2422",
    _P,
    "AppSpecification.ImageUri",
    "Please provide an image URI in region us-east-1.",
    {"AppSpecification.ImageUri": _IMAGE.format("us-west-2")},
    {"AppSpecification.ImageUri": "my-image:1"},
)
_row(
    "processing-name-taken",
    f"{_API}CreateProcessingJob.html",
    _P,
    _NAME,
    "Job name must be unique within an AWS account and region, and a job with this name already "
    f"exists (arn:aws:sagemaker:us-east-1:123456789012:processing-job/{TAKEN})",
    {_NAME: TAKEN},
    {_NAME: f"{TAKEN}-2"},
    "ResourceInUse",
)
_row(
    "processing-role-unknown",
    f"{_GUIDE}sagemaker-roles.html",
    _P,
    "RoleArn",
    "Please ensure that the role exists",
    {"RoleArn": "arn:aws:iam::123456789012:role/Nobody"},
    {"RoleArn": ROLE},
)

# --- training jobs: the service model ------------------------------------------------------------

_T = "CreateTrainingJob"
_CHANNEL = "InputDataConfig.0"
_ALGORITHM = "AlgorithmSpecification"

_limit("training-name-length", _T, "TrainingJobName", 63, _text)
_row(
    "training-name-dot",
    _BOTOCORE,
    _T,
    "TrainingJobName",
    _PATTERN,
    {"TrainingJobName": "lab2.training"},
    {"TrainingJobName": "lab2-training"},
)
_limit(
    "channels",
    _T,
    "InputDataConfig",
    20,
    lambda size: [channel(f"channel-{number}") for number in range(size)],
)
_limit("channel-name", _T, "InputDataConfig[0].ChannelName", 64, _text, f"{_CHANNEL}.ChannelName")
_row(
    "channel-name-pattern",
    _BOTOCORE,
    _T,
    "InputDataConfig[0].ChannelName",
    _PATTERN,
    {f"{_CHANNEL}.ChannelName": "train/images"},
    {f"{_CHANNEL}.ChannelName": "train_images"},
)
_limit("hyperparameters", _T, "HyperParameters", 100, _map)
_limit("hyperparameter-value", _T, "HyperParameters.layers", 2500, _text)
_row(
    "hyperparameter-of-two-lines",
    _BOTOCORE,
    _T,
    "HyperParameters.note",
    "Map value must satisfy constraint: [",
    {"HyperParameters": {"note": "first\nsecond"}},
    {"HyperParameters": {"note": "first second"}},
)
_row(
    "hyperparameter-number",
    _BOTOCORE,
    _T,
    "HyperParameters.epochs",
    "NUMBER_VALUE can not be converted to a String",
    {"HyperParameters": {"epochs": 3}},
    {"HyperParameters": {"epochs": "3"}},
    "SerializationException",
)
_limit(
    "metrics",
    _T,
    f"{_ALGORITHM}.MetricDefinitions",
    40,
    lambda size: [{"Name": f"metric-{number}", "Regex": "a=(.*)"} for number in range(size)],
)
_limit(
    "metric-regex",
    _T,
    f"{_ALGORITHM}.MetricDefinitions[0].Regex",
    500,
    lambda size: [{"Name": "loss", "Regex": "a" * size}],
    f"{_ALGORITHM}.MetricDefinitions",
)
_row(
    "input-mode",
    _BOTOCORE,
    _T,
    f"{_ALGORITHM}.TrainingInputMode",
    _ENUM,
    {f"{_ALGORITHM}.TrainingInputMode": "Stream"},
    {f"{_ALGORITHM}.TrainingInputMode": "FastFile"},
)
_limit("training-environment-value", _T, "Environment.URL", 512, _text)
_row(
    "training-instance-type",
    _BOTOCORE,
    _T,
    "ResourceConfig.InstanceType",
    _ENUM,
    {"ResourceConfig.InstanceType": "ml.p3.2xlarg"},
    {"ResourceConfig.InstanceType": "ml.trn1.2xlarge"},
)
_limit("warm-pool", _T, "ResourceConfig.KeepAlivePeriodInSeconds", 21600, _number, what="value")
_limit("retries", _T, "RetryStrategy.MaximumRetryAttempts", 30, _number, what="value")
_least("pending-time", _T, "StoppingCondition.MaxPendingTimeInSeconds", 1800)
_least("training-no-time", _T, "StoppingCondition.MaxRuntimeInSeconds", 1)
_row(
    "training-output-missing",
    _BOTOCORE,
    _T,
    "OutputDataConfig.S3OutputPath",
    _NULL,
    {"OutputDataConfig": {}},
    {"OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}"}},
)
_row(
    "checkpoints-without-uri",
    _BOTOCORE,
    _T,
    "CheckpointConfig.S3Uri",
    _NULL,
    {"CheckpointConfig": {"LocalPath": "/opt/ml/checkpoints"}},
    {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints"}},
)

# --- training jobs: by hand ----------------------------------------------------------------------

_row(
    "no-image",
    f"{_API}AlgorithmSpecification.html",
    _T,
    f"{_ALGORITHM}.TrainingImage",
    "You must specify either TrainingImage or AlgorithmName",
    {f"{_ALGORITHM}.TrainingImage": GONE},
    {f"{_ALGORITHM}.TrainingImage": GONE, f"{_ALGORITHM}.AlgorithmName": "my-algorithm"},
)
_row(
    "image-and-algorithm",
    f"{_API}AlgorithmSpecification.html",
    _T,
    f"{_ALGORITHM}.TrainingImage",
    "and not both",
    {f"{_ALGORITHM}.AlgorithmName": "my-algorithm"},
    {f"{_ALGORITHM}.TrainingImage": "my-image:1"},
)
_row(
    "no-instances-at-all",
    f"{_API}ResourceConfig.html",
    _T,
    "ResourceConfig",
    _NULL,
    {"ResourceConfig": GONE},
    {"StoppingCondition": GONE},
)
_row(
    "training-no-instance",
    f"{_API}ResourceConfig.html",
    _T,
    "ResourceConfig.InstanceCount",
    "Member must have value greater than or equal to 1",
    {"ResourceConfig.InstanceCount": 0},
    {"ResourceConfig.InstanceCount": 1},
)
_row(
    "preferences-on-spot",
    f"{_API}ResourceConfig.html",
    _T,
    "ResourceConfig.InstancePreferences",
    "mutually exclusive",
    {
        "ResourceConfig": {"InstancePreferences": [{"InstanceType": "ml.m5.xlarge"}]},
        "EnableManagedSpotTraining": True,
        "StoppingCondition.MaxWaitTimeInSeconds": 3600,
    },
    {"ResourceConfig": {"InstancePreferences": [{"InstanceType": "ml.m5.xlarge"}]}},
)
_row(
    "channel-twice",
    f"{_GUIDE}your-algorithms-training-algo-running-container.html",
    _T,
    "InputDataConfig[1].ChannelName",
    "Channel names must be unique: [train]",
    {"InputDataConfig.1.ChannelName": "train"},
    {"InputDataConfig.1.ChannelName": "train2"},
)
_WAIT = "StoppingCondition.MaxWaitTimeInSeconds"
_row(
    "wait-without-spot",
    "https://github.com/Kenza-AI/sagify/issues/111",
    _T,
    _WAIT,
    "It is only supported when EnableManagedSpotTraining is set to true",
    {_WAIT: 3600},
    {_WAIT: 3600, "EnableManagedSpotTraining": True},
)
_row(
    "wait-shorter-than-run",
    f"{_API}StoppingCondition.html",
    _T,
    _WAIT,
    "be greater than or equal to MaxRuntimeInSeconds",
    {_WAIT: 3599, "EnableManagedSpotTraining": True},
    {_WAIT: 3600, "EnableManagedSpotTraining": True},
)
_row(
    "spot-without-wait",
    f"{_GUIDE}model-managed-spot-training.html",
    _T,
    _WAIT,
    "It must be present",
    {"EnableManagedSpotTraining": True},
    {"EnableManagedSpotTraining": False},
)
_row(
    "training-time",
    f"{_API}StoppingCondition.html",
    _T,
    "StoppingCondition.MaxRuntimeInSeconds",
    "The maximum value is 28 days",
    {"StoppingCondition.MaxRuntimeInSeconds": 28 * 24 * 3600 + 1},
    {"StoppingCondition.MaxRuntimeInSeconds": 28 * 24 * 3600},
)
_row(
    "training-gzip",
    f"{_API}Channel.html",
    _T,
    "InputDataConfig[0].CompressionType",
    "It can only be used with InputMode Pipe",
    {f"{_CHANNEL}.CompressionType": "Gzip"},
    {f"{_CHANNEL}.CompressionType": "Gzip", f"{_CHANNEL}.InputMode": "Pipe"},
)
_row(
    "augmented-manifest",
    f"{_API}S3DataSource.html",
    _T,
    "InputDataConfig[0].DataSource.S3DataSource.S3DataType",
    "It can only be used with InputMode Pipe",
    {f"{_CHANNEL}.DataSource.S3DataSource.S3DataType": "AugmentedManifestFile"},
    {f"{_CHANNEL}.DataSource.S3DataSource.S3DataType": "ManifestFile"},
)
_row(
    "tensorboard-path",
    f"{_EXAMPLES}3620",
    _T,
    "TensorBoardOutputConfig.LocalPath",
    "cannot start with the following reserved path: [/opt/ml, /tmp, /usr/local/nvidia]",
    {
        "TensorBoardOutputConfig.S3OutputPath": f"s3://{BUCKET}/tb",
        "TensorBoardOutputConfig.LocalPath": "/opt/ml/output/tensorboard",
    },
    {
        "TensorBoardOutputConfig.S3OutputPath": f"s3://{BUCKET}/tb",
        "TensorBoardOutputConfig.LocalPath": "/opt/tensorboard",
    },
)
_row(
    "tag-twice",
    f"{_API}Tag.html",
    _T,
    "Tags[1].Key",
    "Tag keys must be unique per resource: [team]",
    {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]},
    {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "Team", "Value": "b"}]},
)
_row(
    "training-name-taken",
    "https://github.com/SuperCowPowers/workbench/issues/384",
    _T,
    "TrainingJobName",
    "Training job names must be unique within an AWS account and region, and a training job with "
    f"this name already exists (arn:aws:sagemaker:us-east-1:123456789012:training-job/{TAKEN})",
    {"TrainingJobName": TAKEN},
    {"TrainingJobName": f"{TAKEN}-2"},
    "ResourceInUse",
)
_row(
    "training-role-unknown",
    f"{_GUIDE}sagemaker-roles.html",
    _T,
    "RoleArn",
    "Could not assume role arn:aws:iam::123456789012:role/Nobody.",
    {"RoleArn": "arn:aws:iam::123456789012:role/Nobody"},
    {"RoleArn": ROLE},
)
_row(
    "channel-without-object",
    f"{_EXAMPLES}2267",
    _T,
    "InputDataConfig[0].DataSource.S3DataSource.S3Uri",
    f'No S3 objects found under S3 URL "s3://{BUCKET}/data/tarin/" given in input data source.',
    {_CHANNEL: channel("train", "data/tarin/")},
    {_CHANNEL: channel("train", "data/tra")},
)
_row(
    "channel-of-no-bucket",
    f"{_EXAMPLES}2267",
    _T,
    "InputDataConfig[0].DataSource.S3DataSource.S3Uri",
    'No S3 objects found under S3 URL "s3://sagemaker-nowhere/data/train/"',
    {_CHANNEL: channel("train", bucket="sagemaker-nowhere")},
    {_CHANNEL: channel("train", "")},
)

# --- the other operations: the service model -----------------------------------------------------

for _operation in (
    "DescribeProcessingJob",
    "DescribeTrainingJob",
    "StopProcessingJob",
    "StopTrainingJob",
):
    _member = "ProcessingJobName" if "Processing" in _operation else "TrainingJobName"
    _bad, _good = {_member: "my_job"}, {_member: "my-job"}
    _row(f"{_operation}-name", _BOTOCORE, _operation, _member, _PATTERN, _bad, _good)
for _operation in ("ListProcessingJobs", "ListTrainingJobs"):
    _least(f"{_operation}-none", _operation, "MaxResults", 1)
    _limit(f"{_operation}-many", _operation, "MaxResults", 100, _number, what="value")
    for _member, _bad, _good in (
        ("StatusEquals", "Done", "Completed"),
        ("SortBy", "EndTime", "CreationTime"),
        ("SortOrder", "Up", "Ascending"),
    ):
        _change = ({_member: _bad}, {_member: _good})
        _row(f"{_operation}-{_member}", _BOTOCORE, _operation, _member, _ENUM, *_change)
_row(
    "ListTrainingJobs-NameContains",
    _BOTOCORE,
    "ListTrainingJobs",
    "NameContains",
    _PATTERN,
    {"NameContains": "lab_2"},
    {"NameContains": "lab-2"},
)


def table() -> str:
    """Return the rows as lines to read."""
    columns = ("id", "operation", "code", "field", "source")
    lines = [columns, *(tuple(getattr(row, name) for name in columns) for row in ROWS)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
