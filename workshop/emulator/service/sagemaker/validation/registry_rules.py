"""What AWS refuses in the requests of the model registry, beyond its service model."""

from __future__ import annotations

import json
from collections.abc import Iterator

from workshop.emulator.service.sagemaker.validation.model import Problem, refusal

_SPECIFICATION = "InferenceSpecification"
_ADDITIONAL = ("AdditionalInferenceSpecifications", "AdditionalInferenceSpecificationsToAdd")


def containers(request: dict) -> Iterator[tuple[str, dict]]:
    """Yield all containers of a package: their place in the request, and what they are."""
    specifications = [(_SPECIFICATION, request.get(_SPECIFICATION) or {})]
    for member in _ADDITIONAL:
        for number, one in enumerate(request.get(member) or ()):
            specifications.append((f"{member}[{number}]", one))
    for field, one in specifications:
        for number, container in enumerate(one.get("Containers") or ()):
            yield f"{field}.Containers[{number}]", container


def one_name(request: dict, _world) -> Iterator[Problem]:
    """A package is the next version in a group, or has a name of its own.

    https://github.com/getmoto/moto/pull/7165 (with the words of both errors)
    """
    name, group = request.get("ModelPackageName"), request.get("ModelPackageGroupName")
    if name and group:
        yield refusal(
            "ModelPackageName",
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot "
            "determine which one to use.",
            "leave it out: a version of a group gets its number.",
        )
    elif not name and not group:
        mend = "give one, and the package is its next version."
        yield refusal("ModelPackageGroupName", "Missing ARN", mend)


def tags_of_the_group(request: dict, _world) -> Iterator[Problem]:
    """A version has the tags of its group.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
    The page does not tell the words of the error.
    """
    if request.get("ModelPackageGroupName") and request.get("Tags"):
        yield refusal(
            "Tags",
            "Tags cannot be specified for a versioned ModelPackage. It uses the tags of its "
            "ModelPackageGroup.",
            "leave them out, and give them to create_model_package_group or add_tags.",
        )


def inference_specification(request: dict, _world) -> Iterator[Problem]:
    """A package says where the model and the code that serves it are.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-version.html
    The page does not tell the words of the error. A package can be made of other sources too
    (which are not played).
    """
    others = ("SourceAlgorithmSpecification", "SourceUri")
    if not any(request.get(name) for name in (_SPECIFICATION, *others)):
        yield refusal(
            _SPECIFICATION,
            "One of InferenceSpecification, SourceAlgorithmSpecification and SourceUri must be "
            "specified.",
            "give the image that serves the model, and the address of model.tar.gz.",
        )


def unversioned(request: dict, _world) -> Iterator[Problem]:
    """A package without a group names its instance types, has no environment and one archive.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceSpecification.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackageContainerDefinition.html
    sagemaker/session.py, get_create_model_package_request, knows of the data source. The words
    for an environment are AWS's; the pages do not tell the others.
    """
    if request.get("ModelPackageGroupName"):
        return
    specification = request.get(_SPECIFICATION) or {}
    for kind in ("Transform", "RealtimeInference"):
        member = f"Supported{kind}InstanceTypes"
        if specification and not specification.get(member):
            field = f"{_SPECIFICATION}.{member}"
            words = f"{member} is required for a ModelPackage that is not versioned."
            yield refusal(field, words, "give one such as ['ml.m5.xlarge'].")
    for field, container in containers(request):
        if container.get("Environment"):
            yield refusal(
                f"{field}.Environment",
                "1 validation errors detected:Environment variable map cannot be specified when "
                "using non-versioned ModelPackages",
                "leave it out, or give a ModelPackageGroupName instead of a name.",
            )
        if container.get("ModelDataSource"):
            yield refusal(
                f"{field}.ModelDataSource",
                "ModelDataSource cannot be specified when using non-versioned ModelPackages",
                "give a ModelDataUrl, or a ModelPackageGroupName instead of a name.",
            )


def no_additional_data(request: dict, _world) -> Iterator[Problem]:
    """The model of the package itself has no further data beside it.

    https://github.com/boto/boto3/issues/4510 (with the words of the error)
    """
    for field, container in containers(request):
        if field.startswith(f"{_SPECIFICATION}.") and container.get("AdditionalS3DataSource"):
            yield refusal(
                f"{field}.AdditionalS3DataSource",
                "AdditionalS3DataSource is not allowed in InferenceSpecification",
                "leave it out, or put the data into model.tar.gz.",
            )


def unique_specifications(request: dict, _world) -> Iterator[Problem]:
    """The name of an additional specification is given once.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AdditionalInferenceSpecificationDefinition.html
    The page does not tell the words of the error.
    """
    for member in _ADDITIONAL:
        seen: set[str] = set()
        for number, one in enumerate(request.get(member) or ()):
            if one["Name"] in seen:
                words = (
                    f"Names of additional inference specifications must be unique: {one['Name']}"
                )
                yield refusal(f"{member}[{number}].Name", words, "give it another name.")
            seen.add(one["Name"])


def model_card(request: dict, _world) -> Iterator[Problem]:
    """The content of a model card is JSON.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackageModelCard.html
    The page does not tell the words of the error.
    """
    content = (request.get("ModelCard") or {}).get("ModelCardContent")
    try:
        found = {} if content is None else json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        words = "The content of the model card is not a valid JSON object."
        yield refusal("ModelCard.ModelCardContent", words, "give json.dumps(a dict).")


def one_source(request: dict, _world) -> Iterator[Problem]:
    """An update sets the source of a package or its specification.

    sagemaker/session.py, create_model_package_from_containers, knows of it:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html
    does not, nor the words of the error.
    """
    if request.get("SourceUri") and request.get(_SPECIFICATION):
        words = f"SourceUri and {_SPECIFICATION} cannot be specified together."
        yield refusal("SourceUri", words, "update one of them after the other.")
