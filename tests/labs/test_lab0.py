"""Lab 0's pipeline: it says what to do when its bucket is not ready."""

import importlib.util

import boto3
import pytest
from moto import mock_aws

import workshop

LAB0 = workshop.ROOT / "Lab0-Container-Pipeline"
BUCKET = "ml-pipeline-digits"


@pytest.fixture
def utils():
    spec = importlib.util.spec_from_file_location("lab0_utils", LAB0 / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("s3")


def complaint(function, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        function(*arguments)
    return str(stop.value)


def test_without_a_bucket_name(utils, monkeypatch):
    monkeypatch.delenv("BUCKET_NAME", raising=False)
    assert "export BUCKET_NAME=" in complaint(utils.get_bucket_name)


def test_without_a_bucket(utils, s3, tmp_path):
    message = complaint(utils.download_data_from_s3, BUCKET, "raw_data", str(tmp_path))
    assert f"There is no bucket {BUCKET}" in message
    assert f"BUCKET_NAME={BUCKET} python utils.py upload FOLDER" in message


def test_without_raw_data(utils, s3, tmp_path):
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    message = complaint(utils.download_data_from_s3, BUCKET, "raw_data", str(tmp_path))
    assert f"no raw data in s3://{BUCKET}/raw_data/" in message
    assert "python utils.py upload FOLDER" in message


def test_a_folder_without_data_is_not_uploaded(utils, s3, tmp_path):
    assert "no .gz files" in complaint(utils.upload_data_to_s3, str(tmp_path), BUCKET, "raw_data")


def test_upload_makes_the_bucket_and_download_brings_the_same_files(utils, s3, tmp_path):
    raw = workshop.ROOT / "data" / "raw"
    for _ in range(2):  # twice does no harm
        utils.upload_data_to_s3(str(raw), BUCKET, "raw_data")
    utils.download_data_from_s3(BUCKET, "raw_data", str(tmp_path / "data"))
    names = sorted(path.name for path in raw.glob("*.gz"))
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == names
    assert all((tmp_path / "data" / n).read_bytes() == (raw / n).read_bytes() for n in names)
