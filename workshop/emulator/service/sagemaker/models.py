"""Models: which image serves which archive.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
"""

from __future__ import annotations

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import compute
from workshop.emulator.service.sagemaker.data import Data, delete, make
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    describe,
    listing,
)
from workshop.emulator.service.sagemaker.registry import ModelPackage
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.validation import rules, serving

_ONE_ARCHIVE = "put all files into one model.tar.gz"
_ONE_MODEL = "make a model and an endpoint for each archive"


class Model(Data):
    """A model. Its container or containers run in the endpoints that name it."""

    title = "model"
    resource_type = "model"
    name_member, arn_member = "ModelName", "ModelArn"
    members = (
        *("PrimaryContainer", "Containers", "InferenceExecutionConfig"),
        *("ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation"),
    )
    taken = 'Cannot create already existing model "{arn}".'
    missing = 'Could not find model "{arn}".'


def resolved(account: Account, model: Model) -> dict:
    """Return a model's description with the containers of a model package in place of its name.

    Raises ApiError when there is no such package any more.
    """
    description = model.facts()
    primary, several = description.pop("PrimaryContainer", None), description.pop("Containers", ())
    found = []
    for given in [primary] if primary else several:
        for one in _containers(account, given):
            environment = {**one.get("Environment", {}), **given.get("Environment", {})}
            found.append(one | {"Environment": environment})
    kind = {"PrimaryContainer": found[0]} if len(found) == 1 else {"Containers": found}
    return description | kind


def _containers(account: Account, given: dict) -> list[dict]:
    name = given.get("ModelPackageName")
    if name is None:
        return [given]
    package = account.by_arn(name) if name.startswith("arn:") else account.find(ModelPackage, name)
    if not isinstance(package, ModelPackage):
        raise ApiError("ValidationException", f"ModelPackage {name} does not exist.")
    return package.description["InferenceSpecification"]["Containers"]


def _create(account: Account, request: dict, caller: Caller) -> dict:
    for one in [request.get("PrimaryContainer"), *request.get("Containers", ())]:
        _containers(account, one or {})
    request = {"EnableNetworkIsolation": False, **request}
    if "PrimaryContainer" in request:
        request["PrimaryContainer"] = {"Mode": "SingleModel", **request["PrimaryContainer"]}
    return {"ModelArn": make(account, Model, request, caller.region).arn}


def _of_each(members: dict[str, str]) -> dict[str, str]:
    return {
        f"{container}.{name}": why
        for container in ("PrimaryContainer", "Containers[]")
        for name, why in members.items()
    }


TOPIC = Topic(
    "Models",
    {
        "CreateModel": Operation(
            _create,
            rules=(
                serving.one_kind_of_containers,
                serving.unique_containers,
                serving.modes,
                rules.unique_tags,
                serving.model_data,
                serving.execution_role,
            ),
            refused={
                "EnableNetworkIsolation": "leave it out: nothing could reach such a host here",
                **_of_each(
                    {
                        "InferenceSpecificationName": "the package's own specification is taken",
                        "MultiModelConfig": _ONE_MODEL,
                        "AdditionalModelDataSources": _ONE_ARCHIVE,
                        "ModelDataSource.S3DataSource.ManifestS3Uri": _ONE_ARCHIVE,
                        "ModelDataSource.S3DataSource.HubAccessConfig": _ONE_ARCHIVE,
                    }
                ),
            },
            without_effect={
                "VpcConfig": compute.ONE_MACHINE,
                **_of_each(
                    {
                        "ImageConfig": "no image is pulled",
                        "ContainerMetricsConfig": "nobody collects metrics of a container",
                    }
                ),
            },
        ),
        "DescribeModel": describe(Model),
        "ListModels": listing(
            Model, "Models", ("ModelName", "ModelArn", "CreationTime"), newest_first=True
        ),
        "DeleteModel": delete(Model),
    },
    kinds=(Model,),
)
