"""Versions in the model registry, and what a transform job was given and has answered."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from workshop.course.checks.look import pipelines, s3
from workshop.course.checks.look.job_request import instances_of
from workshop.course.checks.look.lab import Look
from workshop.course.checks.outcome import NotYet
from workshop.emulator.service.sagemaker.records import Record

APPROVED = "Approved"


@dataclass(frozen=True)
class Version:
    """A version of a model. Times in seconds since the epoch; `reason` is of its approval.

    `changed` is when it was changed last: approved, for one.
    """

    number: int
    arn: str
    status: str
    reason: str
    created: float
    changed: float
    data: tuple[str, ...]  # the S3 addresses of its models


def versions(group: str) -> list[Version]:
    """Return the versions of a group that are in the registry, the newest first; 100 at most."""
    listed = pipelines.ask(
        "list_model_packages",
        ModelPackageGroupName=group,
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=100,
    )
    arns = [one["ModelPackageArn"] for one in listed.get("ModelPackageSummaryList", ())]
    return [_version(arn) for arn in arns]


def _version(arn: str) -> Version:
    about = pipelines.ask("describe_model_package", ModelPackageName=arn)
    created = about["CreationTime"].timestamp()
    return Version(
        about["ModelPackageVersion"],
        arn,
        about["ModelApprovalStatus"],
        (about.get("ApprovalDescription") or "").strip(),
        created,
        about["LastModifiedTime"].timestamp() if "LastModifiedTime" in about else created,
        tuple(_data(about["InferenceSpecification"]["Containers"])),
    )


# --- transform jobs -------------------------------------------------------------------------


def model_data(record: Record) -> list[str]:
    """Return the S3 addresses of a transform job's models; none of local mode."""
    return data_of(record.request.get("Model", {}))


def data_of(model: dict) -> list[str]:
    """Return the S3 addresses of a model's archives, as DescribeModel tells of it."""
    containers = model.get("Containers") or [model.get("PrimaryContainer", {})]
    return _data(containers)


def _data(containers: list[dict]) -> list[str]:
    return [one["ModelDataUrl"] for one in containers if "ModelDataUrl" in one]


def input_uri(record: Record) -> str:
    return record.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]


def output_uri(record: Record) -> str:
    return str(record.request["TransformOutput"]["S3OutputPath"]).rstrip("/")


def input_lines(look: Look, record: Record) -> list[str]:
    """Return the lines that a transform job was given, each of which is a record."""
    content = s3.read(look, input_uri(record))
    if content is None:
        raise NotYet(
            f"no {input_uri(record)} any more",
            "the lines that this job was given",
            step="run the notebook again from the top, then check again",
        )
    return _lines(content)


def output_lines(look: Look, record: Record) -> list[str]:
    """Return the lines that a transform job has written for its object.

    Those of local mode are in a folder with the job's name (sagemaker/local/utils.py,
    `move_to_destination`).
    """
    folder = output_uri(record)
    if instances_of(record)[0].startswith("local"):
        folder += f"/{record.name}"
    uri = f"{folder}/{posixpath.basename(input_uri(record))}.out"
    s3.made_by(look, record, uri)
    return _lines(s3.read(look, uri) or b"")


def _lines(content: bytes) -> list[str]:
    return content.decode(errors="replace").removesuffix("\n").split("\n")
