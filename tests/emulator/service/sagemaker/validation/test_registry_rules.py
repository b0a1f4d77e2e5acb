"""What AWS refuses of a model package, one row each, with the nearest request it accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.emulator.service.sagemaker.validation import registry_rules

from ....job_requests import BUCKET, GONE, Row, altered, judge_accepted, judge_refused

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CONTAINER = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/trained/output/model.tar.gz"}
INSTANCES = {
    "SupportedTransformInstanceTypes": ["ml.m5.xlarge"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.xlarge"],
}
ADDITIONAL = {"Name": "small", "Containers": [{**CONTAINER}]}
BASES = {
    "CreateModelPackageGroup": {"ModelPackageGroupName": "digits"},
    "CreateModelPackage": {
        "ModelPackageGroupName": "digits",
        "InferenceSpecification": {"Containers": [CONTAINER], **INSTANCES},
        "AdditionalInferenceSpecifications": [ADDITIONAL],
    },
    "UpdateModelPackage": {
        "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/digits/1",
    },
    "DescribeModelPackage": {"ModelPackageName": "digits"},
    "ListModelPackages": {},
    "BatchDescribeModelPackage": {
        "ModelPackageArnList": [
            "arn:aws:sagemaker:us-east-1:123456789012:model-package/digits/1",
        ]
    },
}
_C, _U = "CreateModelPackage", "UpdateModelPackage"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
_SOURCE = "InferenceSpecification.Containers.0"
_UNVERSIONED = {"ModelPackageGroupName": GONE, "ModelPackageName": "digits"}
_DATA = {"S3Uri": f"s3://{BUCKET}/a", "S3DataType": "S3Object", "CompressionType": "Gzip"}

ROWS = [
    Row(
        "two-names",
        "https://github.com/getmoto/moto/pull/7165",
        _C,
        {"ModelPackageName": "digits"},
        {},
        "ModelPackageName",
        "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot",
    ),
    Row(
        "no-name",
        "https://github.com/getmoto/moto/pull/7165",
        _C,
        {"ModelPackageGroupName": GONE},
        _UNVERSIONED,
        "ModelPackageGroupName",
        "Missing ARN",
    ),
    Row(
        "tags-of-a-version",
        f"{_API}CreateModelPackage.html",
        _C,
        {"Tags": [{"Key": "team", "Value": "a"}]},
        {"Tags": [{"Key": "team", "Value": "a"}], **_UNVERSIONED},
        "Tags",
        "Tags cannot be specified for a versioned ModelPackage",
    ),
    Row(
        "no-specification",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-version.html",
        _C,
        {"InferenceSpecification": GONE},
        {"AdditionalInferenceSpecifications": GONE},
        "InferenceSpecification",
        "must be specified",
    ),
    Row(
        "unversioned-without-transform-instances",
        f"{_API}InferenceSpecification.html",
        _C,
        {"InferenceSpecification.SupportedTransformInstanceTypes": GONE, **_UNVERSIONED},
        {"InferenceSpecification.SupportedTransformInstanceTypes": GONE},
        "InferenceSpecification.SupportedTransformInstanceTypes",
        "is required for a ModelPackage that is not versioned",
    ),
    Row(
        "unversioned-without-endpoint-instances",
        f"{_API}InferenceSpecification.html",
        _C,
        {"InferenceSpecification.SupportedRealtimeInferenceInstanceTypes": [], **_UNVERSIONED},
        {"InferenceSpecification.SupportedRealtimeInferenceInstanceTypes": []},
        "InferenceSpecification.SupportedRealtimeInferenceInstanceTypes",
        "is required for a ModelPackage that is not versioned",
    ),
    Row(
        "unversioned-with-environment",
        f"{_API}ModelPackageContainerDefinition.html",
        _C,
        {f"{_SOURCE}.Environment": {"A": "1"}, **_UNVERSIONED},
        {f"{_SOURCE}.Environment": {"A": "1"}},
        "InferenceSpecification.Containers[0].Environment",
        "Environment variable map cannot be specified when using non-versioned ModelPackages",
    ),
    Row(
        "unversioned-with-a-data-source",
        f"{_API}ModelPackageContainerDefinition.html",
        _C,
        {f"{_SOURCE}.ModelDataSource": {"S3DataSource": _DATA}, **_UNVERSIONED},
        {f"{_SOURCE}.ModelDataSource": {"S3DataSource": _DATA}},
        "InferenceSpecification.Containers[0].ModelDataSource",
        "ModelDataSource cannot be specified when using non-versioned ModelPackages",
    ),
    Row(
        "additional-data",
        "https://github.com/boto/boto3/issues/4510",
        _C,
        {f"{_SOURCE}.AdditionalS3DataSource": {"S3DataType": "S3Object", "S3Uri": "s3://b/a"}},
        {
            "AdditionalInferenceSpecifications.0.Containers.0.AdditionalS3DataSource": {
                "S3DataType": "S3Object",
                "S3Uri": "s3://b/a",
            }
        },
        "InferenceSpecification.Containers[0].AdditionalS3DataSource",
        "AdditionalS3DataSource is not allowed in InferenceSpecification",
    ),
    Row(
        "one-name-for-two-specifications",
        f"{_API}AdditionalInferenceSpecificationDefinition.html",
        _C,
        {"AdditionalInferenceSpecifications": [ADDITIONAL, ADDITIONAL]},
        {"AdditionalInferenceSpecifications": [ADDITIONAL, ADDITIONAL | {"Name": "large"}]},
        "AdditionalInferenceSpecifications[1].Name",
        "must be unique: small",
    ),
    Row(
        "a-card-that-is-no-json",
        f"{_API}ModelPackageModelCard.html",
        _C,
        {"ModelCard": {"ModelCardContent": "{'a': 1}", "ModelCardStatus": "Draft"}},
        {"ModelCard": {"ModelCardContent": '{"a": 1}', "ModelCardStatus": "Draft"}},
        "ModelCard.ModelCardContent",
        "is not a valid JSON object",
    ),
    Row(
        "one-name-for-two-added-specifications",
        f"{_API}AdditionalInferenceSpecificationDefinition.html",
        _U,
        {"AdditionalInferenceSpecificationsToAdd": [ADDITIONAL, ADDITIONAL]},
        {"AdditionalInferenceSpecificationsToAdd": [ADDITIONAL]},
        "AdditionalInferenceSpecificationsToAdd[1].Name",
        "must be unique: small",
    ),
    Row(
        "two-sources",
        f"{_API}UpdateModelPackage.html",
        _U,
        {"SourceUri": "s3://b/a", "InferenceSpecification": {"Containers": [CONTAINER]}},
        {"SourceUri": "s3://b/a"},
        "SourceUri",
        "cannot be specified together",
    ),
    Row(
        "approval-misspelled",
        "botocore",
        _U,
        {"ModelApprovalStatus": "approved"},
        {"ModelApprovalStatus": "Approved"},
        "ModelApprovalStatus",
        "Member must satisfy enum value set: [Approved, Rejected, PendingManualApproval]",
    ),
    Row(
        "arn-of-a-group",
        "botocore",
        _U,
        {"ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/digits"},
        {"ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/digits/12"},
        "ModelPackageArn",
        "Member must satisfy regular expression pattern",
    ),
    Row(
        "group-name-underscore",
        "botocore",
        "CreateModelPackageGroup",
        {"ModelPackageGroupName": "my_digits"},
        {"ModelPackageGroupName": "my-digits"},
        "ModelPackageGroupName",
        "Member must satisfy regular expression pattern",
    ),
    Row(
        "group-tag-twice",
        f"{_API}Tag.html",
        "CreateModelPackageGroup",
        {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]},
        {"Tags": [{"Key": "team", "Value": "a"}]},
        "Tags[1].Key",
        "Tag keys must be unique per resource: [team]",
    ),
    Row(
        "version-that-is-no-number",
        "botocore",
        "DescribeModelPackage",
        {"ModelPackageName": "digits/newest"},
        {"ModelPackageName": "digits/2"},
        "ModelPackageName",
        "Member must satisfy regular expression pattern",
    ),
    Row(
        "package-type",
        "botocore",
        "ListModelPackages",
        {"ModelPackageType": "VERSIONED"},
        {"ModelPackageType": "Versioned"},
        "ModelPackageType",
        "Member must satisfy enum value set: [Versioned, Unversioned, Both]",
    ),
    Row(
        "no-package-of-a-batch",
        "botocore",
        "BatchDescribeModelPackage",
        {"ModelPackageArnList": []},
        {},
        "ModelPackageArnList",
        "Member must have length greater than or equal to 1",
    ),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@every_row
def test_aws_refuses(row):
    judge_refused(row, altered(BASES[row.operation], row.refused), None)


@every_row
def test_aws_accepts_its_neighbor(row):
    judge_accepted(row, altered(BASES[row.operation], row.accepted), None)


def test_each_page_is_named_at_its_rule():
    source = Path(registry_rules.__file__).read_text()
    pages = {row.source for row in ROWS if row.id != "group-tag-twice"} - {"botocore"}
    assert {page for page in pages if page not in source} == set()
