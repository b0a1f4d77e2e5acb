"""Text 001: an image of one's own, and a job with it for a whole set and for each batch.

The text takes a role with all permissions for granted, which may use a bucket named `dataset`.
"""

from __future__ import annotations

import pytest

from workshop.paths import ROOT

from .conftest import PREPARED, positions

pytestmark = pytest.mark.slow

DOCKERFILE = ROOT / "source" / "Lab3-Processors" / "container" / "Dockerfile"

#: Build the image.
BLOCK_1 = """
export IMAGE_NAME="torchvision"

cd container
docker build -t $IMAGE_NAME .
"""

#: Or take the one of PyTorch.
BLOCK_2 = """
docker pull pytorch/pytorch:latest
"""

#: Put it into ECR.
BLOCK_3 = """
aws ecr get-login-password --region $AWS_REGION | docker login --username AWS --password-stdin \
    $AWS_ACCOUNT_ID.dkr.ecr.$AWS_REGION.amazonaws.com
aws ecr create-repository --repository-name $IMAGE_NAME
docker tag $IMAGE_NAME:latest $AWS_ACCOUNT_ID.dkr.ecr.$AWS_REGION.amazonaws.com/$IMAGE_NAME:latest
docker push $AWS_ACCOUNT_ID.dkr.ecr.$AWS_REGION.amazonaws.com/$IMAGE_NAME:latest
"""

#: One job for all images.
BLOCK_4 = """
from sagemaker.processing import ScriptProcessor, ProcessingInput, ProcessingOutput


script_processor = ScriptProcessor(
    command=["python3"],
    image_uri=f"{ACCOUNT_ID}.dkr.ecr.{AWS_REGION}.amazonaws.com/torchvision:latest",
    role=ARN,
    instance_count=1,
    instance_type="ml.t3.medium"
)

script_processor.run(
    code="main.py",
    inputs=[ProcessingInput(source="s3://dataset/train/", destination="/opt/ml/processing/input")],
    outputs=[ProcessingOutput(source="/opt/ml/processing/output")])
"""

#: One job for each batch.
BLOCK_5 = """
from sagemaker.processing import ScriptProcessor, ProcessingInput, ProcessingOutput

BATCH_SIZE = 128
script_processor = ScriptProcessor(
    command=["python3"],
    image_uri=f"{ACCOUNT_ID}.dkr.ecr.{AWS_REGION}.amazonaws.com/torchvision:latest",
    role=ARN,
    instance_count=1,
    instance_type="ml.t3.medium"
)


for index in range(0, len(input_paths), BATCH_SIZE):
    batch = input_paths[index : index + BATCH_SIZE]

    input_dir = f"s3://dataset/train/{index}/"
    output_dir = f"s3://dataset/preprocessed/{index}/"


    script_processor.run(
        code="main.py",
        inputs=[
            ProcessingInput(source="s3://dataset/train/", destination="/opt/ml/processing/input")],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output")],
        arguments=[f"--input-dir={input_dir}", f"--output-dir={output_dir}"]
    )
"""

PROGRAM = f"""{PREPARED}
import os
ACCOUNT_ID = '123456789012'
AWS_REGION = os.environ['AWS_REGION']
trust = '{{"Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole"}}]}}'
iam = boto3.client('iam')
name = f'AllPermissions-{{os.getpid()}}'
ARN = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)['Role']['Arn']
# The block counts the paths. Three of the images are enough for the jobs.
input_paths = [f's3://dataset/train/{{n // 128 * 128}}/{{n}}.jpg' for n in range(130)]
put('dataset', 'train/0/0.jpg', 'train/0/1.jpg', 'train/128/128.jpg')
{BLOCK_4}
print('JOB', script_processor.jobs[-1].describe()['ProcessingJobStatus'])
{BLOCK_5}
print('JOBS', len(script_processor.jobs))
print('BATCHES', keys('dataset', 'preprocessed/'))
"""

#: The name of an image is its content here; what is flipped is read from right to left.
MAIN = """
import argparse, os, pathlib
import boto3, torch

parser = argparse.ArgumentParser()
parser.add_argument("--input-dir", default="s3://dataset/train/")
parser.add_argument("--output-dir")
args = parser.parse_args()

inside = args.input_dir.removeprefix("s3://dataset/train/")
paths = sorted(pathlib.Path("/opt/ml/processing/input", inside).rglob("*.jpg"))
images = [torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in paths]
flipped = [bytes(image.flip(0).tolist()) for image in images]
print("FLIPPED", inside or "all", len(flipped), flipped[-1].decode())
pathlib.Path("/opt/ml/processing/output/flipped").write_bytes(b"".join(flipped))
if args.output_dir:
    bucket, _, prefix = args.output_dir.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}flipped", Body=b"".join(flipped))
"""


@pytest.mark.lab3
@positions
def test_block_4_a_job_for_all_images(printed, position):
    done = printed("001", PROGRAM, {"program/main.py": MAIN}, position)
    assert done.lines("FLIPPED")[0] == "all 3 gpj.821/821/niart"
    assert done.line("JOB") == "Completed"


@pytest.mark.lab3
@positions
def test_block_5_a_job_for_each_batch(printed, position):
    done = printed("001", PROGRAM, {"program/main.py": MAIN}, position)
    assert done.lines("FLIPPED")[1:] == [
        "0/ 2 gpj.1/0/niart",
        "128/ 1 gpj.821/821/niart",
    ]
    assert done.line("JOBS") == "2"
    assert done.line("BATCHES") == "['preprocessed/0/flipped', 'preprocessed/128/flipped']"


# --- the commands in a shell ----------------------------------------------------------------------

#: Plays `aws ecr`, as far as it is needed.
AWS = """#!/usr/bin/env python
import base64, json, sys
import boto3

_, service, operation, *words = sys.argv
options = dict(zip(words[::2], words[1::2]))
ecr = boto3.client(service, region_name=options.pop("--region", None))
if operation == "get-login-password":
    data = ecr.get_authorization_token()["authorizationData"]
    print(base64.b64decode(data[0]["authorizationToken"]).decode().partition(":")[2])
    sys.exit()
given = {"repositoryName": options["--repository-name"]}
found = getattr(ecr, operation.replace("-", "_"))(**given)
print(json.dumps(found, default=str))
"""

#: Plays `docker`: remembers the images, and puts an image into ECR when it is pushed.
DOCKER = """#!/usr/bin/env python
import json, pathlib, sys
import boto3

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
file = pathlib.Path(__file__).with_name("docker.json")
known = json.loads(file.read_text()) if file.exists() else []
match sys.argv[1:]:
    case ["build", *_, "-t", name, "."]:
        assert "FROM" in pathlib.Path("Dockerfile").read_text()
        known.append(f"{name}:latest")
    case ["pull", name]:
        known.append(name)
    case ["login", "--username", "AWS", "--password-stdin", registry]:
        assert sys.stdin.read().strip(), "no password"
        known.append(registry)
    case ["tag", name, more]:
        assert name in known
        known.append(more)
    case ["push", name]:
        registry, _, image = name.partition("/")
        assert registry in known and name in known
        image, _, tag = image.partition(":")
        boto3.client("ecr", region_name=registry.split(".")[3]).put_image(
            repositoryName=image, imageTag=tag, imageManifest=json.dumps({"mediaType": MANIFEST}))
    case words:
        sys.exit(f"docker: not played here: {words}")
file.write_text(json.dumps(known))
print("DOCKER", *sys.argv[1:])
"""

SHELL = f"""
chmod +x ../bin/aws ../bin/docker
export PATH=$PWD/../bin:$PATH AWS_ACCOUNT_ID=123456789012
{BLOCK_1}
{BLOCK_2}
{BLOCK_3}
echo "IN ECR" $(aws ecr list-images --repository-name $IMAGE_NAME)
"""

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def shell(once):
    files = {
        "bin/aws": AWS,
        "bin/docker": DOCKER,
        "program/container/Dockerfile": DOCKERFILE.read_text(),
        "program/program.sh": SHELL,
    }
    return once("001-shell", ["bash", "-eu", "-o", "pipefail", "program.sh"], files)


def test_block_1_the_image_is_built(shell):
    assert "build -t torchvision ." in shell.lines("DOCKER")


def test_block_2_the_image_of_pytorch_is_pulled(shell):
    assert "pull pytorch/pytorch:latest" in shell.lines("DOCKER")


def test_block_3_the_image_is_pushed(shell):
    assert shell.lines("DOCKER")[2:] == [
        f"login --username AWS --password-stdin {REGISTRY}",
        f"tag torchvision:latest {REGISTRY}/torchvision:latest",
        f"push {REGISTRY}/torchvision:latest",
    ]
    assert '"imageTag": "latest"' in shell.line("IN ECR")
