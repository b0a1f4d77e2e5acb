"""Everything that talks to S3.

Put raw data into the bucket: BUCKET_NAME=my-bucket python utils.py upload FOLDER
"""

import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

RAW_DATA_PREFIX = "raw_data"


def get_bucket_name():
    bucket_name = os.environ.get("BUCKET_NAME")
    if not bucket_name:
        sys.exit("BUCKET_NAME is not set. Name the pipeline's bucket: export BUCKET_NAME=...")
    return bucket_name


def download_data_from_s3(bucket_name, remote_folder, local_folder):
    """Download every object below remote_folder into local_folder."""
    s3 = boto3.client("s3")
    os.makedirs(local_folder, exist_ok=True)
    how_to_upload = f"Put it there with: BUCKET_NAME={bucket_name} python utils.py upload FOLDER"
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket_name, Prefix=f"{remote_folder}/"
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        for key in keys:
            s3.download_file(bucket_name, key, os.path.join(local_folder, os.path.basename(key)))
    except s3.exceptions.NoSuchBucket:
        sys.exit(f"There is no bucket {bucket_name}, so there is no raw data. {how_to_upload}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"Cannot read s3://{bucket_name}/{remote_folder}/: {error}")
    if not keys:
        sys.exit(f"There is no raw data in s3://{bucket_name}/{remote_folder}/. {how_to_upload}")


def upload_file_to_s3(path, bucket_name, key):
    boto3.client("s3").upload_file(path, bucket_name, key)


def upload_data_to_s3(local_folder, bucket_name, remote_folder):
    """Upload the .gz files of local_folder; make the bucket if it is not there yet."""
    names = sorted(name for name in os.listdir(local_folder) if name.endswith(".gz"))
    if not names:
        sys.exit(f"There are no .gz files in {local_folder}.")
    s3 = boto3.client("s3")
    try:
        s3.head_bucket(Bucket=bucket_name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        region = s3.meta.region_name
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket_name, **({} if region == "us-east-1" else where))
    for name in names:
        upload_file_to_s3(os.path.join(local_folder, name), bucket_name, f"{remote_folder}/{name}")
    print(f"{len(names)} files uploaded to s3://{bucket_name}/{remote_folder}/")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "upload":
        sys.exit("usage: python utils.py upload FOLDER")
    upload_data_to_s3(sys.argv[2], get_bucket_name(), RAW_DATA_PREFIX)
