"""What S3 holds, and which job wrote it."""

from __future__ import annotations

import contextlib
import posixpath
import re
from dataclasses import dataclass

from botocore.exceptions import ClientError, ParamValidationError

from workshop.course.checks.look.job_request import input_folders
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import at_time, listing
from workshop.course.checks.outcome import NotYet
from workshop.emulator.service.sagemaker.records import Record

#: What boto3 raises for an address where there is nothing, or that can be none.
_NOTHING_THERE = (ClientError, ParamValidationError)


@dataclass(frozen=True)
class S3Object:
    """An object in S3; `modified` in seconds since the epoch, which S3 tells in whole seconds."""

    uri: str
    modified: float
    size: int

    @property
    def name(self) -> str:
        return posixpath.basename(self.uri)


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 address; both empty when it is none."""
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri)
    return (match[1], match[2]) if match else ("", "")


def below(look: Look, uri: str) -> dict[str, S3Object]:
    """Return the objects whose address begins with `uri`: {path below it: object}."""
    bucket, prefix = split_uri(uri)
    found: dict[str, S3Object] = {}
    if not bucket:
        return found
    pages = look.s3_client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    with contextlib.suppress(*_NOTHING_THERE):
        for item in (item for page in pages for item in page.get("Contents", ())):
            key = item["Key"]
            relative = key[len(prefix) :].lstrip("/") or posixpath.basename(key)
            if not key.endswith("/"):
                modified = item["LastModified"].timestamp()
                # The object of that very name comes first, before what is in a folder like it.
                one = S3Object(f"s3://{bucket}/{key}", modified, item["Size"])
                found.setdefault(relative, one)
                look.saw_object(one.uri)
    return found


def read(look: Look, uri: str) -> bytes | None:
    """Return the content of an object, None when there is none."""
    bucket, key = split_uri(uri)
    with contextlib.suppress(*_NOTHING_THERE):
        return look.s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return None


def input_files(look: Look, record: Record) -> dict[str, S3Object]:
    """Return what a processing job found: {path in the container: object}."""
    return {
        f"{folder}/{relative}": item
        for folder, uri in input_folders(record).items()
        for relative, item in below(look, uri).items()
    }


def made_by(look: Look, record: Record, uri: str) -> None:
    """Make sure that an object is there, and no older than the job that should make it."""
    bucket, key = split_uri(uri)
    item = None
    with contextlib.suppress(*_NOTHING_THERE):
        head = look.s3_client.head_object(Bucket=bucket, Key=key)
        item = S3Object(uri, head["LastModified"].timestamp(), head["ContentLength"])
        look.saw_object(uri)
    if item is None:
        folder = uri.rpartition("/")[0] + "/"
        there = listing(below(look, folder))
        raise NotYet(f"no {posixpath.basename(uri)} in {folder}; there is {there}", uri)
    if item.modified < int(record.started):
        raise NotYet(
            f"{uri} is older than this job: it was written {at_time(item.modified)}",
            f"{item.name} as this job wrote it; did the job write it?",
        )
