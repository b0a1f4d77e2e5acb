"""The model registry: through the SDK's model.register(), and through boto3."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ...by_boto3 import BUCKET, bucket, put  # noqa: F401
from ...conftest import ROLE

pytestmark = pytest.mark.slow

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
MODEL = f"s3://{BUCKET}/registered/model.tar.gz"
INSTANCES = {
    "SupportedTransformInstanceTypes": ["ml.m5.xlarge"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.xlarge"],
}


def sagemaker():
    return daemon.client("sagemaker")


@pytest.fixture(autouse=True)
def model(bucket):  # noqa: F811
    put("registered/model.tar.gz")


def specification(uri: str = MODEL, **more) -> dict:
    return {"Containers": [{"Image": IMAGE, "ModelDataUrl": uri}]} | more


def register(group: str, **more) -> str:
    """Make the next version of a group, and the group where there is none."""
    try:
        sagemaker().create_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        assert "already exists" in str(error)
    request = {"ModelPackageGroupName": group, "InferenceSpecification": specification()} | more
    return sagemaker().create_model_package(**request)["ModelPackageArn"]


def unversioned(name: str, **more) -> str:
    request = {
        "ModelPackageName": name,
        "InferenceSpecification": specification(**INSTANCES),
    }
    return sagemaker().create_model_package(**request | more)["ModelPackageArn"]


def described(name: str) -> dict:
    return sagemaker().describe_model_package(ModelPackageName=name)


def listed(**request) -> list[str]:
    pages = sagemaker().get_paginator("list_model_packages").paginate(**request)
    return [
        one["ModelPackageArn"].partition("model-package/")[2]
        for page in pages
        for one in page["ModelPackageSummaryList"]
    ]


# --- the SDK ------------------------------------------------------------------------------


def test_a_model_is_registered_approved_and_found(script):
    """With the metrics of an evaluation.json, as AWS's pipelines do it."""
    done = script(
        f"""
import sagemaker
from sagemaker import ModelPackage
from sagemaker.metadata_properties import MetadataProperties
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics

session = sagemaker.Session()
model = Model(image_uri='{IMAGE}', model_data='{MODEL}', role='{ROLE}',
              sagemaker_session=session)
quality = MetricsSource('application/json', 's3://{BUCKET}/evaluation/evaluation.json')
def register():
    return model.register(
        content_types=['text/csv'], response_types=['text/csv'],
        inference_instances=['ml.m5.xlarge'], transform_instances=['ml.m5.xlarge'],
        model_package_group_name='Sdk-Digits', description='a first try',
        model_metrics=ModelMetrics(model_statistics=quality),
        metadata_properties=MetadataProperties(commit_id='abc', generated_by='here'),
        customer_metadata_properties={{'accuracy': '0.97'}}, skip_model_validation='All')
package = register()
print('REGISTERED', package.model_package_arn)
print('AGAIN', register().model_package_arn)
package.update_approval_status('Approved', approval_description='looks good')
package.update_customer_metadata({{'reviewer': 'me'}})
package.remove_customer_metadata_properties(['accuracy'])
package.update_source_uri('https://example.org/runs/1')
package.update_model_life_cycle(
    {{'Stage': 'Development', 'StageStatus': 'Approved', 'StageDescription': 'd'}})
package.add_inference_specification(
    name='compiled', image_uris=['{IMAGE}'])
package.update_inference_specification(image_uris=['{IMAGE}-new'])
newest = session.get_most_recently_created_approved_model_package('Sdk-Digits')
print('NEWEST', newest.model_package_arn)
""",
        {},
    )
    assert f"REGISTERED {ARN}:model-package/Sdk-Digits/1\n" in done.stdout
    assert f"AGAIN {ARN}:model-package/Sdk-Digits/2\n" in done.stdout
    assert f"NEWEST {ARN}:model-package/Sdk-Digits/1\n" in done.stdout
    assert "no effect" not in done.stdout + done.stderr
    first = described(f"{ARN}:model-package/Sdk-Digits/1")
    assert first["ModelApprovalStatus"] == "Approved"
    assert first["ApprovalDescription"] == "looks good"
    assert first["CustomerMetadataProperties"] == {"reviewer": "me"}
    assert first["SourceUri"] == "https://example.org/runs/1"
    assert first["ModelLifeCycle"]["StageStatus"] == "Approved"
    assert [one["Name"] for one in first["AdditionalInferenceSpecifications"]] == ["compiled"]
    assert first["InferenceSpecification"]["Containers"] == [{"Image": f"{IMAGE}-new"}]
    second = described(f"{ARN}:model-package/Sdk-Digits/2")
    assert second["ModelApprovalStatus"] == "PendingManualApproval"
    statistics = second["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["S3Uri"] == f"s3://{BUCKET}/evaluation/evaluation.json"
    assert second["MetadataProperties"] == {"CommitId": "abc", "GeneratedBy": "here"}
    (container,) = second["InferenceSpecification"].pop("Containers")
    assert (container["Image"], container["ModelDataUrl"]) == (IMAGE, MODEL)
    assert second["InferenceSpecification"] == INSTANCES | {
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


# --- packages -----------------------------------------------------------------------------


def test_a_version_is_described_as_aws_does():
    """A version has a number and no name (model-registry-details)."""
    answer = described(register("shown", ModelPackageDescription="d", Domain="MACHINE_LEARNING"))
    for name in ("CreationTime", "LastModifiedTime", "ResponseMetadata"):
        answer.pop(name)
    assert answer == {
        "ModelPackageGroupName": "shown",
        "ModelPackageVersion": 1,
        "ModelPackageArn": f"{ARN}:model-package/shown/1",
        "ModelPackageDescription": "d",
        "InferenceSpecification": specification(),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
        "ModelApprovalStatus": "PendingManualApproval",
        "Domain": "MACHINE_LEARNING",
    }


def test_a_package_without_a_group_has_a_name_and_no_approval():
    arn = unversioned("Alone", ModelApprovalStatus="Approved", Tags=[{"Key": "a", "Value": "1"}])
    assert arn == f"{ARN}:model-package/Alone"
    for name in ("Alone", arn):
        answer = described(name)
        assert answer["ModelPackageName"] == "Alone"
        assert not {"ModelApprovalStatus", "ModelPackageVersion"} & answer.keys()
    assert sagemaker().list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    with pytest.raises(ClientError, match=r"ValidationException.*ModelPackage already exists"):
        unversioned("Alone")
    with pytest.raises(ClientError, match="is not versioned"):
        sagemaker().update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker().delete_model_package(ModelPackageName="Alone")
    with pytest.raises(ClientError, match=f"ValidationException.*ModelPackage {arn} does not exi"):
        described("Alone")


def test_no_number_is_given_twice():
    """Not after the newest version was deleted, and not after a restart."""
    assert [register("numbers")[-2:] for _ in range(2)] == ["/1", "/2"]
    sagemaker().delete_model_package(ModelPackageName=f"{ARN}:model-package/numbers/2")
    assert register("numbers").endswith("/3")
    sagemaker().delete_model_package(ModelPackageName="numbers/3")
    daemon.stop()
    assert register("numbers").endswith("/4")
    assert listed(ModelPackageGroupName="numbers") == ["numbers/1", "numbers/4"]
    assert register("others").endswith("/1")


def test_a_client_that_asks_once_more_gets_the_same_package():
    first = register("tokens", ClientToken="once")
    assert register("tokens", ClientToken="once") == first
    assert register("tokens", ClientToken="twice") != first
    assert "ClientToken" not in described(first)


def test_the_data_of_the_model_is_looked_for_but_no_report():
    missing = {"S3DataSource": {"S3DataType": "S3Prefix", "CompressionType": "None"}}
    for uri, place in (
        (f"s3://{BUCKET}/registered/model.tar.g", "has no such object"),
        ("s3://sagemaker-nowhere/model.tar.gz", "there is no bucket 'sagemaker-nowhere'"),
    ):
        key = uri.split("/", 3)[3]
        with pytest.raises(ClientError, match=f"ValidationException.*S3 object: {key} in") as no:
            register("looked", InferenceSpecification=specification(uri))
        assert place in str(no.value)
    missing["S3DataSource"]["S3Uri"] = f"s3://{BUCKET}/nothing/"
    container = {"Image": IMAGE, "ModelDataSource": missing}
    with pytest.raises(ClientError, match="Cannot find S3 object: nothing/"):
        register("looked", InferenceSpecification={"Containers": [container]})
    missing["S3DataSource"]["S3Uri"] = f"s3://{BUCKET}/registered/"
    report = {"ContentType": "application/json", "S3Uri": "s3://sagemaker-nowhere/report.json"}
    arn = register(
        "looked",
        InferenceSpecification={"Containers": [container]},
        ModelMetrics={"ModelQuality": {"Statistics": report}},
    )
    assert arn.endswith("/1"), "what was refused took no number"
    with pytest.raises(ClientError, match="Cannot find S3 object: nowhere"):
        sagemaker().update_model_package(
            ModelPackageArn=arn, InferenceSpecification=specification(f"s3://{BUCKET}/nowhere")
        )


def test_an_update_keeps_the_limits_of_aws():
    arn = register("limits", CustomerMetadataProperties={f"k{n}": "v" for n in range(50)})
    client = sagemaker()
    with pytest.raises(ClientError, match="51 would be there, 50 may be"):
        client.update_model_package(
            ModelPackageArn=arn, CustomerMetadataProperties={"one-more": "v"}
        )
    client.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"one-more": "v"},
        CustomerMetadataPropertiesToRemove=["k0"],
    )
    added = [{"Name": f"s{n}", **specification()} for n in range(15)]
    client.update_model_package(ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=added)
    with pytest.raises(ClientError, match="16 would be there, 15 may be"):
        client.update_model_package(
            ModelPackageArn=arn,
            AdditionalInferenceSpecificationsToAdd=[{"Name": "s15", **specification()}],
        )
    taken = register("limits")
    for last in (False, True):
        call = {"ModelPackageArn": taken, "AdditionalInferenceSpecificationsToAdd": added[:1]}
        if last:
            with pytest.raises(ClientError, match=r"names must be unique: \['s0'\]"):
                client.update_model_package(**call)
        else:
            client.update_model_package(**call)


def test_a_model_card_is_kept_with_its_package():
    card = {"ModelCardContent": '{"intended_uses": {"purpose_of_model": "digits"}}'}
    arn = register("cards", ModelCard=card | {"ModelCardStatus": "Draft"})
    sagemaker().update_model_package(ModelPackageArn=arn, ModelCard={"ModelCardStatus": "Approved"})
    assert described(arn)["ModelCard"] == card | {"ModelCardStatus": "Approved"}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"SourceUri": f"{ARN}:model-package/digits/1"}, "SourceUri"),
        (
            {"SourceAlgorithmSpecification": {"SourceAlgorithms": [{"AlgorithmName": "mine"}]}},
            "SourceAlgorithmSpecification",
        ),
        ({"CertifyForMarketplace": True}, "CertifyForMarketplace"),
        ({"ManagedStorageType": "Restricted"}, "ManagedStorageType"),
    ],
)
def test_what_is_not_played_is_refused_by_name(change, member):
    with pytest.raises(ClientError, match=rf"ValidationException.*{member} is not played"):
        register("refused", **change)


# --- groups -------------------------------------------------------------------------------


def test_a_group_from_its_making_to_its_end():
    client = sagemaker()
    made = client.create_model_package_group(
        ModelPackageGroupName="Life", ModelPackageGroupDescription="of a digit"
    )
    assert made["ModelPackageGroupArn"] == f"{ARN}:model-package-group/Life"
    with pytest.raises(ClientError, match=r"ValidationException.*Group already exists: arn"):
        client.create_model_package_group(ModelPackageGroupName="Life")
    for name in ("Life", made["ModelPackageGroupArn"]):
        group = client.describe_model_package_group(ModelPackageGroupName=name)
        assert group["ModelPackageGroupStatus"] == "Completed"
        assert group["ModelPackageGroupDescription"] == "of a digit"
    package = register("Life")
    with pytest.raises(ClientError, match=r"ConflictException.*still contains Model Packages"):
        client.delete_model_package_group(ModelPackageGroupName="Life")
    client.delete_model_package(ModelPackageName=package)
    client.delete_model_package_group(ModelPackageGroupName="Life")
    with pytest.raises(ClientError, match=r"ModelPackageGroup arn.*group/Life does not exist"):
        client.describe_model_package_group(ModelPackageGroupName="Life")
    with pytest.raises(ClientError, match=r"ModelPackageGroup arn.*group/Life does not exist"):
        client.create_model_package(
            ModelPackageGroupName="Life", InferenceSpecification=specification()
        )


def test_a_version_has_the_tags_of_its_group():
    arn = register("tagged")
    group = f"{ARN}:model-package-group/tagged"
    client = sagemaker()
    client.add_tags(ResourceArn=group, Tags=[{"Key": "team", "Value": "Digits"}])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "Digits"}]
    client.delete_tags(ResourceArn=group, TagKeys=["team"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == []


def test_groups_are_listed():
    client = sagemaker()
    for name in ("row-b", "row-a"):
        client.create_model_package_group(ModelPackageGroupName=name)

    def names(**request) -> list[str]:
        answer = client.list_model_package_groups(NameContains="row-", **request)
        return [one["ModelPackageGroupName"] for one in answer["ModelPackageGroupSummaryList"]]

    assert names() == ["row-b", "row-a"]
    assert names(SortBy="Name") == ["row-a", "row-b"]
    assert names(CreationTimeAfter=time.time() + 60) == []
    assert names(CrossAccountFilterOption="CrossAccount") == []


# --- lists and search ---------------------------------------------------------------------


@pytest.fixture
def packages():
    """Versions of two groups, one of them approved, and a package without a group."""
    for group, number in (("listed-a", 3), ("listed-b", 1)):
        if not listed(ModelPackageGroupName=group):
            for _ in range(number):
                register(group)
    if "listed-alone" not in listed():
        unversioned("listed-alone")
    sagemaker().update_model_package(
        ModelPackageArn=f"{ARN}:model-package/listed-a/2", ModelApprovalStatus="Approved"
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"ModelPackageGroupName": "listed-a"}, ["listed-a/1", "listed-a/2", "listed-a/3"]),
        (
            {
                "ModelPackageGroupName": f"{ARN}:model-package-group/listed-a",
                "SortOrder": "Descending",
                "PaginationConfig": {"PageSize": 2},
            },
            ["listed-a/3", "listed-a/2", "listed-a/1"],
        ),
        ({"ModelPackageGroupName": "listed-a", "ModelApprovalStatus": "Approved"}, ["listed-a/2"]),
        ({}, ["listed-alone"]),
        ({"ModelPackageType": "Versioned", "NameContains": "listed-b"}, ["listed-b/1"]),
        (
            {"ModelPackageType": "Both", "SortBy": "Name", "SortOrder": "Descending"},
            ["listed-b/1", "listed-alone", "listed-a/3", "listed-a/2", "listed-a/1"],
        ),
        ({"ModelPackageGroupName": "listed-a", "CreationTimeAfter": 4e9}, []),
    ],
)
def test_packages_are_listed(packages, request_, expected):
    assert listed(**{"NameContains": "listed"} | request_) == expected


def test_a_version_is_listed_without_a_name(packages):
    answer = sagemaker().list_model_packages(ModelPackageType="Both", NameContains="listed")
    named = [one for one in answer["ModelPackageSummaryList"] if "ModelPackageName" in one]
    assert [one["ModelPackageName"] for one in named] == ["listed-alone"]
    assert named[0]["ModelPackageStatus"] == "Completed"


def test_many_are_described_at_once(packages):
    arns = [f"{ARN}:model-package/{name}" for name in ("listed-a/2", "listed-a/9", "listed-alone")]
    answer = sagemaker().batch_describe_model_package(ModelPackageArnList=arns)
    assert answer["ModelPackageSummaries"].keys() == {arns[0]}
    assert answer["ModelPackageSummaries"][arns[0]]["ModelApprovalStatus"] == "Approved"
    errors = answer["BatchDescribeModelPackageErrorMap"]
    assert "does not exist" in errors[arns[1]]["ErrorResponse"]
    assert "is not versioned" in errors[arns[2]]["ErrorResponse"]


@pytest.mark.parametrize(
    ("resource", "filters", "expected"),
    [
        ("ModelPackageGroup", [("ModelPackageGroupName", "listed-a")], ["listed-a"]),
        (
            "ModelPackage",
            [("ModelPackageGroupName", "listed-a"), ("ModelApprovalStatus", "Approved")],
            ["listed-a/2"],
        ),
        ("ModelPackage", [("ModelPackageVersion", "3")], ["listed-a/3"]),
        (
            "ModelPackage",
            [("InferenceSpecification.Containers.Image", IMAGE),
             ("ModelPackageName", "listed-alone")],
            ["listed-alone"],
        ),
        ("ModelPackage", [("Tags.team", "found")], ["listed-b/1"]),
    ],
)  # fmt: skip
def test_packages_are_searched(packages, resource, filters, expected):
    sagemaker().add_tags(
        ResourceArn=f"{ARN}:model-package-group/listed-b", Tags=[{"Key": "team", "Value": "found"}]
    )
    filters = [{"Name": name, "Operator": "Equals", "Value": value} for name, value in filters]
    ours = {"Name": f"{resource}Name", "Operator": "Contains", "Value": "listed"}
    answer = sagemaker().search(Resource=resource, SearchExpression={"Filters": [*filters, ours]})
    assert [one[resource][f"{resource}Name"] for one in answer["Results"]] == expected


# --- kept ---------------------------------------------------------------------------------


def test_the_registry_outlives_the_server():
    arn = register("kept", CustomerMetadataProperties={"a": "1"})
    before = described(arn)
    daemon.stop()
    after = described(arn)
    assert after | {"ResponseMetadata": 0} == before | {"ResponseMetadata": 0}
    group = sagemaker().describe_model_package_group(ModelPackageGroupName="kept")
    assert group["ModelPackageGroupArn"] == f"{ARN}:model-package-group/kept"
