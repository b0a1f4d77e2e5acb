"""What AWS refuses of models and endpoint configurations beyond its service model.

As in ``rules``: each rule names its page, and the words are AWS's where a public page has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workshop.emulator.service.sagemaker.validation.model import Problem, null, refusal
from workshop.emulator.service.sagemaker.validation.rules import World

#: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-create-config.html
_MEMORY = (1024, 2048, 3072, 4096, 5120, 6144)


def _containers(request: dict) -> Iterator[tuple[str, dict]]:
    if "PrimaryContainer" in request:
        yield "PrimaryContainer", request["PrimaryContainer"]
    for number, one in enumerate(request.get("Containers", ())):
        yield f"Containers[{number}]", one


def _variants(request: dict) -> Iterator[tuple[str, dict]]:
    for number, one in enumerate(request["ProductionVariants"]):
        yield f"ProductionVariants[{number}]", one


def one_kind_of_containers(request: dict, _world) -> Iterator[Problem]:
    """A model has one container or a list of them, each with an image or a model package.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html
    The pages do not tell the words of the error.
    """
    if ("PrimaryContainer" in request) == bool(request.get("Containers")):
        yield refusal(
            "PrimaryContainer",
            "You must specify either PrimaryContainer or Containers, and not both.",
            "give one container, or the list of a pipeline.",
        )
    for field, one in _containers(request):
        if not one.get("Image") and not one.get("ModelPackageName"):
            words = "Container must specify either Image or ModelPackageName."
            yield refusal(f"{field}.Image", words, "sagemaker.image_uris.retrieve returns a URI.")
        if one.get("ModelDataUrl") and one.get("ModelDataSource"):
            words = "ModelDataUrl and ModelDataSource are mutually exclusive."
            yield refusal(f"{field}.ModelDataSource", words, "leave out one of them.")


def unique_containers(request: dict, _world) -> Iterator[Problem]:
    """The host names in a pipeline are unique, and all containers have one or none.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html
    The page does not tell the words of the error.
    """
    names = [one.get("ContainerHostname") for one in request.get("Containers", ())]
    for number, name in enumerate(names):
        field = f"Containers[{number}].ContainerHostname"
        if name is None and any(names):
            words = "If one container has a ContainerHostname, all must have one."
            yield refusal(field, words, "give each container one, or none.")
        if name is not None and name in names[:number]:
            words = f"Container host names must be unique: [{name}]"
            yield refusal(field, words, "give it another.")


def modes(request: dict, _world) -> Iterator[Problem]:
    """One model in each container, and one container after the other: the rest is not played."""
    for field, one in _containers(request):
        if one.get("Mode") == "MultiModel":
            words = "Multi-model endpoints are not played by the workshop's emulator."
            yield refusal(f"{field}.Mode", words, "make a model and an endpoint for each archive.")
    if request.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        words = "Direct invocation of containers is not played by the workshop's emulator."
        mend = "make a model and an endpoint for each container."
        yield refusal("InferenceExecutionConfig.Mode", words, mend)


def model_data(request: dict, world: World | None) -> Iterator[Problem]:
    """The archive of a model is there.

    https://github.com/aws/sagemaker-python-sdk/issues/608 (with the words of the error)
    """
    for field, one in _containers(request) if world is not None else ():
        source = one.get("ModelDataSource", {}).get("S3DataSource", {})
        for place, uri in (
            ("ModelDataUrl", one.get("ModelDataUrl")),
            ("ModelDataSource.S3DataSource.S3Uri", source.get("S3Uri")),
        ):
            found = re.fullmatch(r"(?:s3|https)://([^/]+)/?(.*)", uri or "", re.DOTALL)
            if not found or world.has_objects(found[1], found[2]):
                continue
            mend = f"the bucket exists, but there is no key {found[2]!r} in it."
            if not world.bucket_exists(found[1]):
                mend = f"there is no bucket {found[1]!r}. Look for a misspelled name."
            yield refusal(f"{field}.{place}", f"Could not find model data at {uri}.", mend)


def execution_role(request: dict, world: World | None) -> Iterator[Problem]:
    """A model has a role, which exists.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    arn = request.get("ExecutionRoleArn")
    if arn is None:
        yield null("executionRoleArn", "ExecutionRoleArn").problem()
    elif world is not None and not world.role_exists(arn):
        yield refusal(
            "ExecutionRoleArn",
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role.",
            "sagemaker.get_execution_role() returns one that exists.",
        )


def variant_instances(request: dict, _world) -> Iterator[Problem]:
    """A variant has a model, and instances or a serverless configuration.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
    The page does not tell the words of the error.
    """
    for field, one in _variants(request):
        if not one.get("ModelName"):
            words = f"{field} must specify ModelName."
            yield refusal(f"{field}.ModelName", words, "CreateModel makes one.")
        instances = [name for name in ("InstanceType", "InitialInstanceCount") if name in one]
        if "ServerlessConfig" in one and instances:
            words = f"ServerlessConfig and {instances[0]} are mutually exclusive."
            yield refusal(f"{field}.{instances[0]}", words, "leave out one of them.")
        elif "ServerlessConfig" not in one and len(instances) < 2:
            words = f"{field} must specify InstanceType and InitialInstanceCount."
            mend = "give them, such as 'ml.m5.large' and 1, or a ServerlessConfig."
            yield refusal(f"{field}.InstanceType", words, mend)


def unique_variants(request: dict, _world) -> Iterator[Problem]:
    """The names of the variants are unique, and one of them is asked.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
    The page does not tell the words of the error.
    """
    names = [one["VariantName"] for _, one in _variants(request)]
    for number, name in enumerate(names):
        if name in names[:number]:
            words = f"Production variant names must be unique: [{name}]"
            yield refusal(f"ProductionVariants[{number}].VariantName", words, "give it another.")
    if not any(one.get("InitialVariantWeight", 1.0) for _, one in _variants(request)):
        words = "At least one production variant must have a weight greater than 0."
        yield refusal("ProductionVariants[0].InitialVariantWeight", words, "give 1, for example.")


def serverless_memory(request: dict, _world) -> Iterator[Problem]:
    """The memory of a serverless variant is one of six sizes.

    https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-create-config.html
    The page does not tell the words of the error.
    """
    for field, one in _variants(request):
        size = one.get("ServerlessConfig", {}).get("MemorySizeInMB")
        if size is not None and size not in _MEMORY:
            words = f"Invalid MemorySizeInMB {size}."
            mend = f"give one of {', '.join(map(str, _MEMORY))}."
            yield refusal(f"{field}.ServerlessConfig.MemorySizeInMB", words, mend)


def models_exist(request: dict, world: World | None) -> Iterator[Problem]:
    """The models of the variants exist.

    https://github.com/aws/sagemaker-python-sdk/issues/2112 (with the words of the error)
    """
    for field, one in _variants(request) if world is not None else ():
        name = one["ModelName"]
        if not world.exists("model", name):
            arn = f"arn:aws:sagemaker:{world.region}:{world.account}:model/{name}"
            words = f'Could not find model "{arn}".'
            yield refusal(f"{field}.ModelName", words, "CreateModel makes one.")
