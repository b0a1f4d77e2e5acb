"""What AWS refuses beyond its service model. Each rule names the AWS page or the public thread.

Only what AWS refuses at once is refused here. AWS does not look into the S3 inputs of a processing
job, nor for the bucket of an output, before the job runs: such a job fails later.

A rule takes a request that the service model has accepted, and the account (``World``), which may
be None; it yields the problems. A kind of resource lists its own, in the order in which AWS looks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Protocol

import regex

from workshop.emulator.service.sagemaker.validation.mends import SDK_INPUTS, shown
from workshop.emulator.service.sagemaker.validation.model import Problem, broken, null, refuse

_PROCESSING_PATH = "/opt/ml/processing/"
_CODE_PATH = "/opt/ml/processing/input/code"
_DAY = 24 * 60 * 60
#: What the repetitions of a metric's expression may come to: a compiled expression has them all.
_MOST_REPETITIONS = 10_000


class World(Protocol):
    """What a request may depend on."""

    account: str
    """The number of the account."""
    region: str
    """The region that the request was sent to."""

    def exists(self, resource_type: str, name: str) -> bool:
        """``resource_type`` is that of an ARN, such as ``training-job``."""

    def role_exists(self, arn: str) -> bool: ...

    def bucket_exists(self, bucket: str) -> bool: ...

    def has_objects(self, bucket: str, prefix: str) -> bool:
        """True when any key starts with ``prefix``."""


Rule = Callable[[dict, World | None], Iterator[Problem]]


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


def no_empty_arguments(request: dict, _world) -> Iterator[Problem]:
    """No word of a container's command is empty.

    https://github.com/aws/sagemaker-python-sdk/issues/3758 (with the words of the error)
    """
    field = "AppSpecification" if "AppSpecification" in request else "AlgorithmSpecification"
    for name in ("ContainerEntrypoint", "ContainerArguments"):
        for number, word in enumerate((request.get(field) or {}).get(name) or ()):
            if not word:
                yield refuse(
                    f"{field}.{name}[{number}]",
                    f"Found null or empty string in {name} at index {number}. ContainerArguments "
                    "and ContainerEntrypoint may not contain null or empty strings.",
                    "leave it out, or give a word that your script takes for nothing.",
                )


def metric_definitions(request: dict, _world) -> Iterator[Problem]:
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
            yield refuse(
                f"AlgorithmSpecification.MetricDefinitions[{number}].Regex",
                f"Invalid regular expression of the metric {one['Name']!r}: {shown(one['Regex'])}",
                f"{error}. Put the number into one group, such as 'loss: ([0-9.]+)'.",
            )


def one_source(request: dict, _world) -> Iterator[Problem]:
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
                yield refuse(f"{field}.{kinds[0]}", words, "give it, and not the other.")


def local_paths(request: dict, _world) -> Iterator[Problem]:
    """Inputs and outputs are below /opt/ml/processing/.

    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
    The pages do not tell the words of the error.
    """
    for field, place in _places(request):
        field, path = f"{field}.LocalPath", place.get("LocalPath")
        if path is None:
            yield refuse(
                field,
                f"{field} is a required parameter when AppManaged is False.",
                f"give a folder such as {_PROCESSING_PATH}data.",
            )
        elif not path.startswith(_PROCESSING_PATH) or ".." in path.split("/"):
            rest = path.removeprefix("/opt/ml").removeprefix("/processing")
            parts = [part for part in rest.split("/") if part not in ("", ".", "..")]
            like = _PROCESSING_PATH + ("/".join(parts) or "data")
            mend = f"give {like!r}, for example, and use the same path in your script."
            if path.startswith("s3://"):
                mend = _address_as_path(field, place)
            words = f"Invalid LocalPath {path!r}. It must begin with {_PROCESSING_PATH}"
            yield refuse(field, words, mend)


def _address_as_path(field: str, place: dict) -> str:
    """Say what is wrong where an address in S3 stands for a folder in the container."""
    folder = "the folder in the container"
    if "S3Output." in field:
        return (
            f"source and destination are swapped: of an output, source is {folder}, and "
            "destination the address in S3."
        )
    if not (place.get("S3Uri") or "").startswith("s3://"):
        return (
            "source and destination are swapped: of an input, source is the address in S3, and "
            f"destination {folder}."
        )
    return f"of an input, destination is {folder}, such as '{_PROCESSING_PATH}data'."


def unique_names(request: dict, _world) -> Iterator[Problem]:
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
        if name in SDK_INPUTS:
            mend += f"; {name!r} is the SDK's own input, with your script"
        words = f"Input and Output names must be globally unique: [{name}]"
        yield refuse(field, words, f"{mend}.")


def unique_paths(request: dict, _world) -> Iterator[Problem]:
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
        yield refuse(field, f"Local paths must be unique: [{path}]", f"{mend}.")


def pipe_only(request: dict, _world) -> Iterator[Problem]:
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
    return refuse(field, words, f"leave it out, or give {mode} 'Pipe'.")


def training_image(request: dict, _world) -> Iterator[Problem]:
    """A training job has an image or the name of an algorithm.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
    The page does not tell the words of the error.
    """
    if request.get("ServerlessJobConfig"):
        return
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is None:
        yield null("algorithmSpecification", "AlgorithmSpecification").problem()
    elif bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        yield refuse(
            "AlgorithmSpecification.TrainingImage",
            "You must specify either TrainingImage or AlgorithmName, and not both.",
            "give the URI of an image, and no AlgorithmName.",
        )


def instances(request: dict, _world) -> Iterator[Problem]:
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
        yield null(aws, field).problem()
        return
    used = [name for name in ("InstanceType", *others) if resources.get(name)]
    if not used:
        yield null(f"{aws}.instanceType", f"{field}.InstanceType").problem()
    elif len(used) > 1:
        words = f"{used[0]} and {used[1]} are mutually exclusive."
        yield refuse(f"{field}.{used[1]}", words, f"leave out {used[1]} or {used[0]}.")
    elif "InstancePreferences" in used and request.get("EnableManagedSpotTraining"):
        words = "InstancePreferences and EnableManagedSpotTraining are mutually exclusive."
        yield refuse(f"{field}.InstancePreferences", words, "give one InstanceType instead.")
    elif used == ["InstanceType"] and field == "ResourceConfig":
        if resources.get("InstanceCount") is None:
            yield null(f"{aws}.instanceCount", f"{field}.InstanceCount").problem()
        elif resources["InstanceCount"] < 1:
            words = "Member must have value greater than or equal to 1"
            place = (f"{aws}.instanceCount", f"{field}.InstanceCount")
            yield broken(*place, resources["InstanceCount"], words, "give 1 or more.").problem()


def unique_channels(request: dict, _world) -> Iterator[Problem]:
    """A channel's name is its folder, /opt/ml/input/data/NAME, so no two are the same.

    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    The page does not tell the words of the error.
    """
    seen: dict[str, str] = {}
    for field, channel in _channels(request):
        name = channel["ChannelName"]
        if name in (".", ".."):
            words = f"Invalid channel name {name!r}: it is no name of a folder"
            yield refuse(f"{field}.ChannelName", words, "give one such as 'train'.")
        first = seen.setdefault(name, field)
        if first != field:
            yield refuse(
                f"{field}.ChannelName",
                f"Channel names must be unique: [{name}]",
                f"{first} has the same name. Give it another.",
            )


def run_time(request: dict, _world) -> Iterator[Problem]:
    """A training job runs 28 days at most, and a spot job waits at least as long as it may run.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
    https://github.com/Kenza-AI/sagify/issues/111 (the words for a wait without spot; the pages do
    not tell the others)
    """
    condition = request.get("StoppingCondition") or {}
    run, wait = condition.get("MaxRuntimeInSeconds") or _DAY, condition.get("MaxWaitTimeInSeconds")
    if run > 28 * _DAY:
        yield refuse(
            "StoppingCondition.MaxRuntimeInSeconds",
            "Invalid MaxRuntimeInSeconds. The maximum value is 28 days",
            f"give max_run={28 * _DAY} or less.",
        )
    field = "StoppingCondition.MaxWaitTimeInSeconds"
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            yield refuse(
                field,
                "Invalid MaxWaitTimeInSeconds. It is only supported when "
                "EnableManagedSpotTraining is set to true",
                "leave out max_wait, or give use_spot_instances=True.",
            )
    elif wait is None or wait < run:
        yield refuse(
            field,
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds",
            f"give max_wait={run} or more: it holds the run itself (max_run={run}) and the waiting "
            "for an instance.",
        )


def warm_pool(request: dict, _world) -> Iterator[Problem]:
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
            yield refuse("ResourceConfig.KeepAlivePeriodInSeconds", words, mend)


def tensorboard_path(request: dict, _world) -> Iterator[Problem]:
    """TensorBoard's output is outside of SageMaker's own folders.

    https://github.com/aws/amazon-sagemaker-examples/issues/3620 (with the words of the error)
    """
    path = (request.get("TensorBoardOutputConfig") or {}).get("LocalPath") or ""
    reserved = ("/opt/ml", "/tmp", "/usr/local/nvidia")
    if path.startswith(reserved):
        yield refuse(
            "TensorBoardOutputConfig.LocalPath",
            '"LocalPath" of "TensorBoardOutputConfig" cannot start with the following reserved '
            f"path: [{', '.join(reserved)}]",
            "leave it out, or give another folder, such as '/opt/tensorboard'.",
        )


def unique_tags(request: dict, _world) -> Iterator[Problem]:
    """A tag's key is given once.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html
    The page does not tell the words of the error.
    """
    seen: set[str] = set()
    for number, tag in enumerate(request.get("Tags") or []):
        if tag["Key"] in seen:
            words = f"Tag keys must be unique per resource: [{tag['Key']}]"
            yield refuse(f"Tags[{number}].Key", words, "give each key once.")
        seen.add(tag["Key"])


def image_region(request: dict, world: World | None) -> Iterator[Problem]:
    """The image of a processing job is in the region of the job.

    https://github.com/aws/amazon-sagemaker-examples/issues/2422 (with the words of the error)
    """
    image = request["AppSpecification"]["ImageUri"]
    found = re.match(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com", image)
    if world is not None and found and found[1] != world.region:
        yield refuse(
            "AppSpecification.ImageUri",
            f"Invalid region {found[1]} in image URI {image}. "
            f"Please provide an image URI in region {world.region}.",
            f"sagemaker.image_uris.retrieve(..., region={world.region!r}) returns one.",
        )


def unique_job(member: str, resource_type: str, words: str) -> Rule:
    """Make the rule that a job's name is used once.

    ``words`` are AWS's, with ``{arn}`` or ``{name}`` in them.

    ``member`` is that of the name in the request, ``resource_type`` that of the ARN.
    """

    def rule(request: dict, world: World | None) -> Iterator[Problem]:
        """A job's name is used once in an account and region; jobs are never deleted.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
        https://github.com/SuperCowPowers/workbench/issues/384 (the words for a training job)
        """
        name = request[member]
        if world is not None and world.exists(resource_type, name):
            arn = f"arn:aws:sagemaker:{world.region}:{world.account}:{resource_type}/{name}"
            mend = "give another job_name, or only a base_job_name: the SDK adds the time to it."
            yield refuse(member, words.format(arn=arn, name=name), mend, "ResourceInUse")

    return rule


def role(request: dict, world: World | None) -> Iterator[Problem]:
    """The role exists, and SageMaker may take it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    https://github.com/awslabs/predictive-maintenance-using-machine-learning/issues/3 (the words)
    """
    arn = request.get("RoleArn")  # an update may leave it as it is
    if arn and world is not None and not world.role_exists(arn):
        yield refuse(
            "RoleArn",
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role.",
            "sagemaker.get_execution_role() returns one that exists.",
        )


def training_data(request: dict, world: World | None) -> Iterator[Problem]:
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
        yield refuse(
            f"{field}.DataSource.S3DataSource.S3Uri",
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({world.region}), that objects exist "
            f'under that S3 prefix, and that the role "{request["RoleArn"]}" has "s3:ListBucket" '
            f'permissions on bucket "{found[1]}".',
            mend,
        )
