"""Section 8's job as a plain program: for people who work in an IDE, and not in a notebook.

    ./lab exec -- python Lab3-Processors/run_processing.py
    ./lab exec --aws -- python Lab3-Processors/run_processing.py --profile NAME --region us-east-2

No notebook instance is needed for a job, and none is paid for: this computer asks for the job, and
an instance that SageMaker starts does it. What it takes is credentials (a profile of the AWS CLI)
and a role that SageMaker may assume. The second line uses your own account.
"""

import argparse
import os
import tempfile
from pathlib import Path

import boto3
import sagemaker
from make_frames import make_frames
from sagemaker import image_uris
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader

import workshop

HERE = Path(__file__).resolve().parent

parser = argparse.ArgumentParser()
parser.add_argument("--profile", help="a profile of the AWS CLI; else the usual credentials")
parser.add_argument("--region", default=boto3.Session().region_name or "us-east-1")
parser.add_argument("--role", help="ARN of the role of the job; else the one that the SDK finds")
parser.add_argument("--raw-data", default=workshop.ROOT / "data" / "raw")
args = parser.parse_args()

# The session: who asks, and where. The client asks for the job in its region. The rest of the
# session uploads the script in its own one, so both get the same.
if args.profile:
    os.environ["AWS_PROFILE"] = args.profile
sm_client = boto3.client("sagemaker", region_name=args.region)
sm_session = sagemaker.Session(
    boto_session=boto3.Session(region_name=args.region), sagemaker_client=sm_client
)
role = args.role or sagemaker.get_execution_role(sm_session)
bucket = sm_session.default_bucket()  # its name begins with "sagemaker"
lab = f"s3://{bucket}/Lab3"

# The input, in S3
with tempfile.TemporaryDirectory() as folder:
    make_frames(args.raw_data, folder)
    sm_session.upload_data(folder, bucket, key_prefix="Lab3/Video")
sm_session.upload_data(
    str(HERE / "script_annotations" / "code_dependencies"), bucket, key_prefix="Lab3/Code"
)

script_processor = ScriptProcessor(
    command=["python3", "-v"],
    image_uri=image_uris.retrieve("sklearn", args.region, version="1.2-1"),
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    base_job_name="lab3-annotations-program",
    sagemaker_session=sm_session,
)
inputs = [
    ProcessingInput(
        input_name="images_dir",
        source=f"{lab}/Video/frames/",
        destination="/opt/ml/processing/input/images_dir",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
    ProcessingInput(
        input_name="annotations_dir",
        source=f"{lab}/Video/frames_annotations/",
        destination="/opt/ml/processing/input/annotations_dir",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
    ProcessingInput(
        input_name="code_dependencies",
        source=f"{lab}/Code/",
        destination="/opt/ml/processing/code_dependencies",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
]
outputs = [
    ProcessingOutput(
        output_name="annotation.json",
        source="/opt/ml/processing/output",
        destination=f"{lab}/Annotations",
    )
]
script_processor.run(
    code=str(HERE / "script_annotations" / "cli_parse_annotation_files.py"),
    inputs=inputs,
    outputs=outputs,
    arguments=[
        "--images_dir",
        "/opt/ml/processing/input/images_dir",
        "--annotations_dir",
        "/opt/ml/processing/input/annotations_dir",
        "--annotation_out",
        "/opt/ml/processing/output/annotation.json",
    ],
    logs=False,  # python3 -v writes thousands of lines; they are in CloudWatch Logs
)

print(f"\n{script_processor.latest_job.job_name}")
for uri in S3Downloader.list(f"{lab}/Annotations", sm_session):
    print(uri)
