"""Requests are refused as AWS does it, and those beside them accepted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workshop.emulator.service.sagemaker import operations, validation
from workshop.emulator.service.sagemaker.validation import rules, shapes

from ....job_requests import (
    BASES,
    BUCKET,
    GONE,
    KEYS,
    ROLE,
    ROWS,
    TAKEN,
    changed,
    judge_accepted,
    judge_refused,
    processing_input,
    table,
)


class FakeWorld:
    account, region = "123456789012", "us-east-1"

    def exists(self, resource_type, name):
        return name == TAKEN

    def role_exists(self, arn):
        return arn == ROLE

    def bucket_exists(self, bucket):
        return bucket == BUCKET

    def has_objects(self, bucket, prefix):
        return bucket == BUCKET and any(key.startswith(prefix) for key in KEYS)


WORLD = FakeWorld()

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@every_row
def test_aws_refuses(row):
    judge_refused(row, changed(row.operation, row.refused), WORLD)


@every_row
def test_aws_accepts_its_neighbor(row):
    judge_accepted(row, changed(row.operation, row.accepted), WORLD)


def test_the_table_is_the_specification(capsys):
    with capsys.disabled():
        print(f"\n{table()}")
    assert len({row.id for row in ROWS}) == len(ROWS) >= 40
    assert {row.source for row in ROWS if not row.source.startswith("https://")} == {"botocore"}


@pytest.mark.parametrize("operation", BASES)
def test_a_valid_request_is_accepted(operation):
    assert operations.check(operation, BASES[operation], WORLD) is None
    assert operations.check(operation, BASES[operation], None) is None


def test_each_page_is_named_at_its_rule():
    source = Path(rules.__file__).read_text()
    pages = {row.source for row in ROWS if row.source != "botocore"}
    assert {page for page in pages if page not in source} == set()


def test_aws_words_for_one_error_and_for_several():
    one = operations.check("DescribeTrainingJob", {"TrainingJobName": "a_b"}, WORLD)
    assert one.message.splitlines() == [
        "1 validation error detected: Value 'a_b' at 'trainingJobName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        "TrainingJobName: use letters, digits and hyphens, and begin and end with a letter or a "
        "digit, such as 'a-b'.",
    ]
    two = operations.check("ListTrainingJobs", {"MaxResults": 0, "SortOrder": "Up"}, WORLD)
    assert two.message.splitlines() == [
        "2 validation errors detected: Value '0' at 'maxResults' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1; Value 'Up' at 'sortOrder' failed to "
        "satisfy constraint: Member must satisfy enum value set: [Ascending, Descending]",
        "MaxResults: give a number from 1 to 100.",
        "SortOrder: give one of Ascending, Descending.",
    ]


def test_aws_counts_the_members_of_a_list_from_one():
    request = changed("CreateTrainingJob", {"InputDataConfig.1.ChannelName": "a/b"})
    problem = operations.check("CreateTrainingJob", request, WORLD)
    assert "at 'inputDataConfig.2.member.channelName'" in problem.message
    assert problem.field == "InputDataConfig[1].ChannelName"


MENDS = {
    "processing-name-underscore": "such as 'my-job'.",
    "processing-instance-type-misspelled": "did you mean 'ml.m5.xlarge'?",
    "processing-instance-type-without-ml": "give 'ml.m5.xlarge'.",
    "processing-instance-type-local": "needs sagemaker_session=LocalSession()",
    "processing-instance-type-of-training": "is there for training jobs only",
    "processing-name-length": "it has 64 characters; at most 63 are allowed.",
    "processing-name-empty": "it has 0 characters; give at least 1.",
    "argument-length": "ContainerArguments[1]: it has 257 characters; at most 256 are allowed.",
    "role-name": "sagemaker.get_execution_role() returns it.",
    "input-on-this-machine": "S3Uploader.upload()",
    "input-path-outside": "give '/opt/ml/processing/input/data', for example",
    "input-path-climbs": "give '/opt/ml/processing/model', for example",
    "path-of-the-script": "in this one the SDK puts your script",
    "name-of-the-script": "'code' is the SDK's own input",
    "wait-shorter-than-run": "give max_wait=3600 or more",
    "hyperparameter-number": "give text, in quotes, not 3.",
    "unknown-member": "did you mean Environment?",
    "channel-without-object": "no key in it starts with 'data/tarin/'",
    "channel-of-no-bucket": "there is no bucket 'sagemaker-nowhere'",
}


@pytest.mark.parametrize("row_id", MENDS)
def test_the_message_says_how_to_mend_it(row_id):
    (row,) = (row for row in ROWS if row.id == row_id)
    problem = operations.check(row.operation, changed(row.operation, row.refused), WORLD)
    assert MENDS[row_id] in problem.message


@pytest.mark.parametrize("own", [(), ("code",), ("code", "entrypoint")], ids=len)
def test_eleven_inputs_say_which_are_the_sdks(own):
    mine = [f"mine-{number}" for number in range(11 - len(own))]
    inputs = [processing_input(name) for name in (*mine, *own)]
    request = changed("CreateProcessingJob", {"ProcessingInputs": inputs})
    message = operations.check("CreateProcessingJob", request, WORLD).message
    assert "it has 11 inputs; 10 are allowed" in message
    assert ("The SDK uses" in message) == bool(own)
    if own:
        assert f"so {10 - len(own)} are yours" in message
        assert all(repr(name) in message for name in own)


def test_what_fails_later_on_aws_is_not_refused():
    for path, value in (
        ("ProcessingInputs.0.S3Input.S3Uri", "s3://sagemaker-nowhere/data"),
        ("ProcessingOutputConfig.Outputs.0.S3Output.S3Uri", "s3://sagemaker-nowhere/data"),
    ):
        request = changed("CreateProcessingJob", {path: value})
        assert operations.check("CreateProcessingJob", request, WORLD) is None
    output = {"OutputDataConfig.S3OutputPath": "s3://sagemaker-nowhere/models"}
    assert (
        operations.check("CreateTrainingJob", changed("CreateTrainingJob", output), WORLD) is None
    )


def test_a_broken_request_is_never_more_than_a_problem():
    for operation, base in BASES.items():
        for name in base:
            for value in (None, 1, True, "a", [], {}, [None], [1], [{}], {"a": None}):
                broken = base | {name: value}
                problem = operations.check(operation, broken, WORLD)
                assert problem is None or problem.message


def test_all_patterns_of_these_operations_are_understood():
    patterns = set()

    def visit(shape):
        patterns.add(shape.metadata.get("pattern", ""))
        parts = [getattr(shape, name, None) for name in ("member", "key", "value")]
        for part in (*getattr(shape, "members", {}).values(), *parts):
            if part is not None:
                visit(part)

    for operation in BASES:
        visit(shapes.service_model().operation_model(operation).input_shape)
    assert len(patterns) > 20
    assert [one for one in patterns if shapes._compiled(one) is None] == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("[a-z]", "ab", False),
        ("^[a-z]+$", "ab", True),
        (r"\d+", "١٢", False),
        (r"[\p{L}\p{Z}\p{N}_]*", "Größe 1", True),
        (r"[\p{L}\p{Z}\p{N}_]*", "a\tb", False),
        (r"[\u0020-\uD7FF\uD800\uDC00-\uDBFF\uDFFF]*", "a😀", True),
        (r"[a-z]++\d", "ab1", True),
        (r"\p{Unheard}", "anything", True),
    ],
)
def test_patterns_are_javas_and_hold_for_the_whole_text(pattern, text, expected):
    assert shapes.matches(pattern, text) is expected


# --- local mode -----------------------------------------------------------------------------------


def local(operation: str, changes: dict) -> list[str]:
    """Return the warnings for a request as local mode gets it."""
    processing = "Processing" in operation
    resources = "ProcessingResources.ClusterConfig" if processing else "ResourceConfig"
    request = changed(operation, {f"{resources}.InstanceType": "local", **changes})
    return warnings(operation, request)


def warnings(operation: str, request: dict) -> list[str]:
    return validation.warnings(operation, request, operations.PLAYED[operation].rules)


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ("CreateProcessingJob", {}),
        ("CreateProcessingJob", {"ProcessingInputs.0.S3Input.S3Uri": "file:///home/me/data"}),
        ("CreateProcessingJob", {"AppSpecification.ImageUri": "my-image"}),
        ("CreateProcessingJob", {"ProcessingJobName": TAKEN}),
        ("CreateTrainingJob", {}),
        ("CreateTrainingJob", {"OutputDataConfig.S3OutputPath": ""}),
        ("CreateTrainingJob", {"ResourceConfig.InstanceType": "local_gpu"}),
        ("CreateTrainingJob", {"InputDataConfig": None, "Environment": None}),
        (
            "CreateTrainingJob",
            {"InputDataConfig.0.DataSource": {"FileDataSource": {"FileUri": "file:///home/me"}}},
        ),
    ],
)
def test_what_is_legal_only_locally_gives_no_warning(operation, changes):
    assert local(operation, changes) == []


def test_local_mode_warns_of_all_that_aws_would_refuse():
    name, path = local(
        "CreateProcessingJob",
        {"ProcessingJobName": "my_job", "ProcessingInputs.0.S3Input.LocalPath": "/data"},
    )
    assert name.startswith('AWS would refuse this job: ProcessingJobName is "my_job": use letters')
    assert path.startswith("AWS would refuse this job: Invalid LocalPath '/data'.")
    assert "\n" not in name + path
    (wait,) = local("CreateTrainingJob", {"StoppingCondition.MaxWaitTimeInSeconds": 60})
    assert "It is only supported when EnableManagedSpotTraining is set to true" in wait


@every_row
def test_local_mode_warns_as_aws_refuses(row):
    if not row.operation.startswith("Create"):
        return
    refused = changed(row.operation, row.refused)
    seen = operations.check(row.operation, refused, None) is not None
    assert bool(warnings(row.operation, refused)) == (seen and not row.id.endswith("type-local"))
    assert warnings(row.operation, changed(row.operation, row.accepted)) == []


def test_a_local_request_without_a_role_gives_a_warning():
    (warning,) = local("CreateTrainingJob", {"RoleArn": GONE})
    assert warning == "AWS would refuse this job: RoleArn is not given: it is required."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"ProcessingOutputConfig.Outputs.0.S3Output.LocalPath": "s3://bucket/out/"},
            "source and destination are swapped: of an output, source is the folder",
        ),
        (
            {
                "ProcessingInputs.0.S3Input.LocalPath": "s3://bucket/in/",
                "ProcessingInputs.0.S3Input.S3Uri": "file:///opt/ml/processing/in",
            },
            "of an input, destination is the folder",
        ),
        (
            {"ProcessingInputs.0.S3Input.LocalPath": "s3://bucket/in/"},
            "of an input, destination is the folder",
        ),
        (
            {"ProcessingOutputConfig.Outputs.0.S3Output.S3UploadMode": "EndOfjob"},
            "S3UploadMode is \"EndOfjob\": give 'EndOfJob'.",
        ),
    ],
)
def test_what_is_swapped_or_unknown_is_named_in_one_sentence(changes, told):
    (warning,) = local("CreateProcessingJob", changes)
    assert told in warning
    assert "/opt/ml/processing/s3:" not in warning and "\n" not in warning


def test_a_swapped_input_is_named():
    changes = {
        "ProcessingInputs.0.S3Input.LocalPath": "s3://bucket/in/",
        "ProcessingInputs.0.S3Input.S3Uri": "https://opt/ml/processing/in",
    }
    refused = operations.check("CreateProcessingJob", changed("CreateProcessingJob", changes), None)
    assert "source and destination are swapped: of an input" in refused.message


def test_importing_takes_neither_boto3_nor_botocore():
    module = "workshop.emulator.service.sagemaker.validation"
    code = f"import sys, {module}; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
