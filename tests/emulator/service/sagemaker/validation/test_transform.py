"""What AWS refuses of a batch transform, one row each, with the nearest request it accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.validation import transform

from ....job_requests import BUCKET, GONE, TAKEN, Row, altered, judge_accepted, judge_refused

BASE = {
    "TransformJobName": "job",
    "ModelName": "digits",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/"}},
        "ContentType": "application/jsonlines",
        "SplitType": "Line",
    },
    "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/predictions", "AssembleWith": "Line"},
    "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    "DataProcessing": {"InputFilter": "$.features", "JoinSource": "Input"},
}
_C = "CreateTransformJob"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
_BOTOCORE = "botocore"
_SOURCE = "TransformInput.DataSource.S3DataSource"
_ENUM = "Member must satisfy enum value set: ["
_PATTERN = "Member must satisfy regular expression pattern"
_NULL = "Member must not be null"
_UNDERSCORE = "https://github.com/boto/boto3/issues/3136"


def _row(id, source, field, words, bad, good, path=None, **more) -> Row:
    path = path or field
    return Row(id, source, _C, {path: bad} | more, {path: good} | more, field, words)


ROWS = [
    *(
        _row(f"name-{id_}", _BOTOCORE, "TransformJobName", _PATTERN, bad, good)
        for id_, bad, good in (
            ("underscore", "my_job", "my-job"),
            ("last-hyphen", "job-", "job-1"),
            ("empty", "", "a"),
        )
    ),
    *(
        _row(f"no-{field.rpartition('.')[2]}", _BOTOCORE, field, _NULL, GONE, good)
        for field, good in (
            ("TransformJobName", "a"),
            ("ModelName", "m"),
            ("TransformInput.DataSource", BASE["TransformInput"]["DataSource"]),
            (f"{_SOURCE}.S3Uri", "s3://b/a"),
            (f"{_SOURCE}.S3DataType", "ManifestFile"),
            ("TransformOutput.S3OutputPath", "s3://b/a"),
            ("TransformResources.InstanceType", "ml.m5.large"),
            ("TransformResources.InstanceCount", 2),
        )
    ),
    *(
        _row(f"enum-{field.rpartition('.')[2]}", _BOTOCORE, field, _ENUM, bad, good)
        for field, bad, good in (
            ("BatchStrategy", "MULTI_RECORD", "MultiRecord"),
            ("TransformInput.SplitType", "line", "RecordIO"),
            ("TransformInput.CompressionType", "gzip", "Gzip"),
            ("TransformOutput.AssembleWith", "Lines", "None"),
            ("DataProcessing.JoinSource", "input", "None"),
            ("TransformResources.InstanceType", "local", "ml.m5.large"),
            (f"{_SOURCE}.S3DataType", "S3Object", "ManifestFile"),
        )
    ),
    *(
        _row(f"least-{field}", _BOTOCORE, field, "greater than or equal to", low - 1, low)
        for field, low in (
            ("MaxConcurrentTransforms", 0),
            ("MaxPayloadInMB", 0),
            ("TransformResources.InstanceCount", 1),
            ("ModelClientConfig.InvocationsTimeoutInSeconds", 1),
            ("ModelClientConfig.InvocationsMaxRetries", 0),
        )
    ),
    *(
        _row(f"most-{field}", _BOTOCORE, field, "less than or equal to", make(size + 1), make(size))
        for field, size, make in (
            ("ModelClientConfig.InvocationsTimeoutInSeconds", 3600, int),
            ("ModelClientConfig.InvocationsMaxRetries", 3, int),
            ("DataProcessing.OutputFilter", 63, lambda size: "$." + "a" * (size - 2)),
            ("Environment", 16, lambda size: {f"KEY_{n}": "" for n in range(size)}),
            ("TransformInput.ContentType", 256, lambda size: "a" * size),
        )
    ),
    _row("output-here", _BOTOCORE, "TransformOutput.S3OutputPath", _PATTERN, "out", "s3://b/out"),
    _row(
        "augmented-manifest",
        f"{_API}TransformS3DataSource.html",
        f"{_SOURCE}.S3DataType",
        "S3DataType AugmentedManifestFile is not supported",
        "AugmentedManifestFile",
        "ManifestFile",
    ),
    _row(
        "payload",
        f"{_API}CreateTransformJob.html",
        "MaxPayloadInMB",
        "It cannot be greater than 100 MB",
        101,
        100,
    ),
    _row(
        "payloads-at-once",
        f"{_API}CreateTransformJob.html",
        "MaxConcurrentTransforms",
        "MaxConcurrentTransforms * MaxPayloadInMB is 102. It cannot exceed 100 MB",
        17,
        16,
        MaxPayloadInMB=6,
    ),
    _row(
        "underscore-in-the-output-filter",
        _UNDERSCORE,
        "DataProcessing.OutputFilter",
        "Invalid OutputFilter: \"$['account_id','SageMakerOutput']\". "
        'Unexpected "_" in JsonPath. Supported operators for "application/jsonlines" are '
        "['$', '[', ']', '*', '.', ' ', ',', ':', '-', ''']",
        "$['account_id','SageMakerOutput']",
        "$['accountid','SageMakerOutput']",
    ),
    _row(
        "expression-in-the-input-filter",
        _UNDERSCORE,
        "DataProcessing.InputFilter",
        'Unexpected "?" in JsonPath',
        "$[?(@.a)]",
        "$[0:2,5:]",  # which fails the job
    ),
    _row(
        "tag-twice",
        f"{_API}Tag.html",
        "Tags[1].Key",
        "Tag keys must be unique per resource: [a]",
        [{"Key": "a", "Value": ""}] * 2,
        [{"Key": "a", "Value": ""}],
        "Tags",
    ),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@every_row
def test_aws_refuses(row):
    judge_refused(row, altered(BASE, row.refused), None)


@every_row
def test_aws_accepts_its_neighbor(row):
    judge_accepted(row, altered(BASE, row.accepted), None)


class World:
    account, region = "123456789012", "us-east-1"

    def exists(self, resource_type, name):
        return (resource_type, name) in {("transform-job", TAKEN), ("model", "digits")}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"TransformJobName": TAKEN}, "ResourceInUse", f"(arn:aws:sagemaker:us-east-1:12345678901"
         f"2:transform-job/{TAKEN})"),
        ({"ModelName": "mine"}, "ValidationException", 'Could not find model "arn:aws:sagemaker:us'
         '-east-1:123456789012:model/mine".'),
    ],
)  # fmt: skip
def test_what_the_account_has_counts(changes, code, words):
    assert operations.check(_C, BASE, World()) is None
    problem = operations.check(_C, altered(BASE, changes), World())
    assert problem.code == code and words in problem.message


def test_each_page_is_named_at_its_rule():
    source = Path(transform.__file__).read_text()
    pages = {row.source for row in ROWS if row.id != "tag-twice"} - {_BOTOCORE}
    assert {page for page in pages if page not in source} == set()
