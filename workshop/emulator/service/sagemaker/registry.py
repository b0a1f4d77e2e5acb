"""The model registry: groups, the versions in them, and model packages without a group.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-models.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from workshop.emulator import state
from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker.data import Data, make
from workshop.emulator.service.sagemaker.operation import Caller, Operation, Topic, listing
from workshop.emulator.service.sagemaker.resource import Account, Resource
from workshop.emulator.service.sagemaker.validation import registry_rules, rules
from workshop.emulator.service.storage import transfer

_Kind = TypeVar("_Kind", bound=Data)
#: How many a package may have (API_UpdateModelPackage).
_MOST_PROPERTIES, _MOST_SPECIFICATIONS = 50, 15


class ModelPackageGroup(Data):
    """``newest`` is the number that its newest version got: none is given twice."""

    title, resource_type = "model package group", "model-package-group"
    name_member, arn_member = "ModelPackageGroupName", "ModelPackageGroupArn"
    status_member = "ModelPackageGroupStatus"
    search_name = search_shape = "ModelPackageGroup"
    members = ("ModelPackageGroupDescription", "ModelPackageGroupStatus")
    # The code and "already exists" are what the SDK looks for (sagemaker/session.py,
    # _create_resource).
    taken = "Model Package Group already exists: {arn}"

    def __init__(self, account: Account, description: dict, tags: Sequence[dict] = ()) -> None:
        super().__init__(account, description, tags)
        self.newest = 0

    def beside(self) -> dict:
        return {"newest": self.newest}

    @classmethod
    def read(cls, account: Account, kept: dict) -> ModelPackageGroup:
        group = super().read(account, kept)
        group.newest = kept["newest"]
        return group

    def versions(self) -> list[ModelPackage]:
        packages = self.account.all(ModelPackage)
        return [one for one in packages if one.description.get(self.name_member) == self.name]

    def next_version(self) -> int:
        """Return the number of the next version, once."""
        there = [one.description["ModelPackageVersion"] for one in self.versions()]
        self.newest = max(self.newest, *there, 0) + 1
        self.keep()
        return self.newest


class ModelPackage(Data):
    """A package; as a version it is called ``GROUP/NUMBER``, as Search has it."""

    title, resource_type = "model package", "model-package"
    name_member, arn_member = "ModelPackageName", "ModelPackageArn"
    status_member = "ModelPackageStatus"
    search_name = search_shape = "ModelPackage"
    members = (
        *("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageDescription"),
        *("ModelPackageRegistrationType", "InferenceSpecification", "ModelPackageStatus"),
        *("ModelPackageStatusDetails", "CertifyForMarketplace", "ModelApprovalStatus"),
        *("MetadataProperties", "ModelMetrics", "Domain", "Task", "SamplePayloadUrl"),
        *("CustomerMetadataProperties", "DriftCheckBaselines", "SkipModelValidation"),
        *("AdditionalInferenceSpecifications", "SecurityConfig", "ModelCard", "ModelLifeCycle"),
        "ClientToken",
    )
    # sagemaker/session.py, create_model_package_from_algorithm, looks for the first words.
    taken = "ModelPackage already exists: {arn}"

    @property
    def versioned(self) -> bool:
        return "ModelPackageVersion" in self.description

    @property
    def folder(self) -> Path:
        return state.folder("resources", self.resource_type) / self.name.replace("/", ".")

    def describe(self) -> dict:
        """A version has no name of its own.

        https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html
        """
        hidden = {"ClientToken", *(["ModelPackageName"] if self.versioned else ())}
        return {name: value for name, value in self.facts().items() if name not in hidden}

    def record(self) -> dict:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackage.html"""
        return self.facts() | {"Tags": self.tagged().tags}

    def tagged(self) -> Resource:
        """A version "uses the tags associated with the model group" (API_CreateModelPackage)."""
        group = self.description.get("ModelPackageGroupName", "")
        return self.account.find(ModelPackageGroup, group) or self


def _found(account: Account, kind: type[_Kind], name: str, caller: Caller) -> _Kind:
    """Return what has a name or an ARN. Raises ApiError, in AWS's words, when there is none."""
    by_arn = name.startswith("arn:")
    one = account.by_arn(name) if by_arn else account.find(kind, name)
    if not isinstance(one, kind):
        arn = name if by_arn else account.arn(caller.region, kind.resource_type, name)
        raise ApiError("ValidationException", f"{kind.search_shape} {arn} does not exist.")
    return one


# --- groups ---------------------------------------------------------------------------------------


def _create_group(account: Account, request: dict, caller: Caller) -> dict:
    request = request | {"ModelPackageGroupStatus": "Completed"}
    return {"ModelPackageGroupArn": make(account, ModelPackageGroup, request, caller.region).arn}


def _describe_group(account: Account, request: dict, caller: Caller) -> dict:
    return _found(account, ModelPackageGroup, request["ModelPackageGroupName"], caller).describe()


def _delete_group(account: Account, request: dict, caller: Caller) -> dict:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-delete-model-group.html"""
    with account.lock:
        group = _found(account, ModelPackageGroup, request["ModelPackageGroupName"], caller)
        versions = group.versions()
        if versions:
            raise ApiError(
                "ConflictException",
                f"Model Package Group {group.arn} cannot be deleted because it still contains "
                f"Model Packages.\nModelPackageGroupName: it has {len(versions)}. Delete them "
                "first, each by its ModelPackageArn, with delete_model_package.",
            )
        account.remove(group)
    return {}


def _wanted_group(_account: Account, _one: Resource, request: dict) -> bool:
    """Nobody shares a group with this account."""
    return request.get("CrossAccountFilterOption") != "CrossAccount"


# --- packages -------------------------------------------------------------------------------------


def _create(account: Account, request: dict, caller: Caller) -> dict:
    with account.lock:
        token = request.get("ClientToken")
        for one in account.all(ModelPackage) if token else ():
            if one.description.get("ClientToken") == token:  # the client asks once more
                return {"ModelPackageArn": one.arn}
        members = request | {
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
        }
        group = request.get("ModelPackageGroupName")
        group = group and _found(account, ModelPackageGroup, group, caller)
        _check_data(account, request)
        if group:
            version = group.next_version()
            members |= {
                "ModelPackageName": f"{group.name}/{version}",
                "ModelPackageGroupName": group.name,
                "ModelPackageVersion": version,
            }
            members.setdefault("ModelApprovalStatus", "PendingManualApproval")
        else:  # "does not apply to unversioned models"; the SDK sends it all the same
            members.pop("ModelApprovalStatus", None)
        return {"ModelPackageArn": make(account, ModelPackage, members, caller.region).arn}


def _check_data(account: Account, request: dict) -> None:
    """Raise ApiError where the data of a model is missing in S3.

    AWS looks for it at once; for reports of metrics it does not look. The words are those of
    CreateModelPackage as people have shown them.
    """
    for field, uri, prefix in _data(request):
        bucket, key = transfer.split(uri)
        found = account.store.keys(bucket, key)
        if found if prefix else key in found:
            continue
        if account.store.has_bucket(bucket):
            mend = (
                "the bucket exists, but it has no such object. After fit() the address of an "
                "estimator's model is its model_data."
            )
        else:
            mend = f"there is no bucket {bucket!r}. Look for a misspelled name."
        raise ApiError(
            "ValidationException",
            f"Cannot find S3 object: {key} in bucket {bucket}. Please check if your S3 object "
            f"exists and has proper permissions for SageMaker.\n{field}: {mend}",
        )


def _data(request: dict) -> Iterator[tuple[str, str, bool]]:
    """Yield the places of models' data: member of the request, URI, whether it is a prefix."""
    for field, container in registry_rules.containers(request):
        uri = container.get("ModelDataUrl", "")
        if uri.startswith("s3://"):
            yield f"{field}.ModelDataUrl", uri, False
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        if source and source["S3Uri"].startswith("s3://"):
            place = f"{field}.ModelDataSource.S3DataSource.S3Uri"
            yield place, source["S3Uri"], source["S3DataType"] == "S3Prefix"


def _describe(account: Account, request: dict, caller: Caller) -> dict:
    return _found(account, ModelPackage, request["ModelPackageName"], caller).describe()


def _describe_batch(account: Account, request: dict, caller: Caller) -> dict:
    found, errors = {}, {}
    for arn in request["ModelPackageArnList"]:
        try:
            found[arn] = _version(account, arn, caller).describe()
        except ApiError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}


def _version(account: Account, arn: str, caller: Caller) -> ModelPackage:
    """Return a package that is a version. Raises ApiError when there is none."""
    one = _found(account, ModelPackage, arn, caller)
    if not one.versioned:
        words = f"ModelPackage {arn} is not versioned: it belongs to no model package group."
        raise ApiError("ValidationException", words)
    return one


def _update(account: Account, request: dict, caller: Caller) -> dict:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html

    The page tells the limits, not the words of the errors.
    """
    with account.lock:
        one = _version(account, request["ModelPackageArn"], caller)
        _check_data(account, request)
        kept = one.description
        new = {name: request[name] for name in _UPDATED if name in request}
        if "ModelCard" in request:  # the status alone can be set, or the content
            new["ModelCard"] = kept.get("ModelCard", {}) | request["ModelCard"]
        new |= _properties(kept, request) | _specifications(kept, request)
        one.change(**new)
        return {"ModelPackageArn": one.arn}


#: Members that an update sets.
_UPDATED = (
    *("ModelApprovalStatus", "ApprovalDescription", "ModelPackageRegistrationType"),
    *("InferenceSpecification", "SourceUri", "ModelLifeCycle"),
)


def _properties(kept: dict, request: dict) -> dict:
    """Return the member with the properties of the customer, as an update leaves it."""
    member = "CustomerMetadataProperties"
    merged = kept.get(member, {}) | request.get(member, {})
    gone = request.get(f"{member}ToRemove", ())
    left = {name: value for name, value in merged.items() if name not in gone}
    if len(left) > _MOST_PROPERTIES:
        words = f"{member}: {len(left)} would be there, {_MOST_PROPERTIES} may be."
        raise ApiError("ValidationException", f"{words} Remove some with {member}ToRemove.")
    return {member: left} if left or member in kept else {}


def _specifications(kept: dict, request: dict) -> dict:
    """Return the member with the additional specifications, as an update leaves it."""
    member = "AdditionalInferenceSpecifications"
    added = request.get(f"{member}ToAdd", [])
    specifications = kept.get(member, []) + added
    names = [one["Name"] for one in specifications]
    if len(names) > _MOST_SPECIFICATIONS:
        words = f"{member}: {len(names)} would be there, {_MOST_SPECIFICATIONS} may be."
        raise ApiError("ValidationException", words)
    taken = [name for name in {*names} if names.count(name) > 1]
    if taken:
        words = f"{member}: names must be unique: {sorted(taken)}. Give another name."
        raise ApiError("ValidationException", words)
    return {member: specifications} if added else {}


def _delete(account: Account, request: dict, caller: Caller) -> dict:
    with account.lock:
        account.remove(_found(account, ModelPackage, request["ModelPackageName"], caller))
    return {}


def _wanted(_account: Account, one: ModelPackage, request: dict) -> bool:
    """Without a type, these are the versions of a group or, without a group, the unversioned."""
    group, approval = request.get("ModelPackageGroupName"), request.get("ModelApprovalStatus")
    usual = "Versioned" if group else "Unversioned"
    own = "Versioned" if one.versioned else "Unversioned"
    if request.get("ModelPackageType", usual) not in (own, "Both"):
        return False
    if group and one.description.get("ModelPackageGroupName") != group.rpartition("/")[2]:
        return False
    return approval is None or one.description.get("ModelApprovalStatus") == approval


_LISTED = listing(
    ModelPackage,
    "ModelPackageSummaryList",
    (
        *("ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn"),
        *("ModelPackageDescription", "CreationTime", "ModelPackageStatus", "ModelApprovalStatus"),
        *("ModelLifeCycle", "ModelPackageRegistrationType"),
    ),
    wanted=_wanted,
)


def _list(account: Account, request: dict, caller: Caller) -> dict:
    """A version has no name here either.

    https://github.com/aws/sagemaker-python-sdk/issues/5606
    """
    answer = _LISTED.answer(account, request, caller)
    for one in answer["ModelPackageSummaryList"]:
        if "ModelPackageVersion" in one:
            del one["ModelPackageName"]
    return answer


_NO_MARKETPLACE = "nothing is sold here; leave it out"
_NO_STORAGE = "models lie in your bucket; leave it out"
TOPIC = Topic(
    "Model registry",
    {
        "CreateModelPackageGroup": Operation(
            _create_group,
            rules=(rules.unique_tags,),
            refused={"ManagedConfiguration": _NO_STORAGE},
        ),
        "DescribeModelPackageGroup": Operation(_describe_group),
        "ListModelPackageGroups": listing(
            ModelPackageGroup,
            "ModelPackageGroupSummaryList",
            (
                *("ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription"),
                *("CreationTime", "ModelPackageGroupStatus"),
            ),
            wanted=_wanted_group,
        ),
        "DeleteModelPackageGroup": Operation(_delete_group),
        "CreateModelPackage": Operation(
            _create,
            rules=(
                registry_rules.one_name,
                registry_rules.tags_of_the_group,
                registry_rules.inference_specification,
                registry_rules.unversioned,
                registry_rules.no_additional_data,
                registry_rules.unique_specifications,
                registry_rules.model_card,
                rules.unique_tags,
            ),
            refused={
                "SourceUri": "give an InferenceSpecification, as model.register() does",
                "SourceAlgorithmSpecification": "give an InferenceSpecification",
                "ValidationSpecification": "leave it out, and try the model in a job of your own",
                "CertifyForMarketplace": _NO_MARKETPLACE,
                "InferenceSpecification.Containers[].ProductId": _NO_MARKETPLACE,
                "ManagedStorageType": _NO_STORAGE,
            },
            without_effect={"SecurityConfig": "nothing is encrypted on this machine"},
        ),
        "DescribeModelPackage": Operation(
            _describe, refused={"IncludedData": "leave it out: no key hides a model card here"}
        ),
        "ListModelPackages": Operation(_list),
        "UpdateModelPackage": Operation(
            _update,
            rules=(
                registry_rules.one_source,
                registry_rules.no_additional_data,
                registry_rules.unique_specifications,
                registry_rules.model_card,
            ),
        ),
        "DeleteModelPackage": Operation(_delete),
        "BatchDescribeModelPackage": Operation(_describe_batch),
    },
    kinds=(ModelPackageGroup, ModelPackage),
)
