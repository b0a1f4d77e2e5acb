"""With the emulated AWS around it, no request of a program leaves the machine.

The program runs in a made-up internet (internet.py): every packet to another address than loopback
would be seen there, and credentials of a real account lie about everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import ROLE

INTERNET = Path(__file__).with_name("internet.py")

#: A learner's ~/.aws, with each way to credentials and endpoints that botocore knows.
CONFIG = """
[default]
region = eu-west-1
[profile work]
region = eu-west-1
endpoint_url = https://work.eu-west-1.amazonaws.com
services = ours
[services ours]
s3 =
  endpoint_url = https://s3.work.example.com
[profile sso]
sso_session = company
sso_account_id = 210987654321
sso_role_name = Developer
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = eu-west-1
[profile assumed]
role_arn = arn:aws:iam::210987654321:role/Admin
source_profile = work
[profile instance]
role_arn = arn:aws:iam::210987654321:role/Admin
credential_source = Ec2InstanceMetadata
[profile program]
credential_process = touch ran-credential-process
"""
CREDENTIALS = """
[default]
aws_access_key_id = AKIAIOSFODNN7DEFAULT
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
[work]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
"""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7ENVIRON",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLE",
    "AWS_PROFILE": "work",
    "AWS_ROLE_ARN": "arn:aws:iam::210987654321:role/Admin",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/null",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1",
    "AWS_ENDPOINT_URL_STS": "https://sts.eu-west-1.amazonaws.com",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com",
}

#: What tries to reach AWS: in a learner's program, and the same in its jobs.
REACH = """
import asyncio, os, urllib.request
import boto3, botocore.utils, requests, urllib3
from botocore.config import Config

once = Config(retries={'total_max_attempts': 1}, connect_timeout=5, read_timeout=5)
METADATA = 'http://169.254.169.254/latest/meta-data/iam/security-credentials/'

def attempt(name, call):
    try:
        print('ANSWER', name, call(), flush=True)
    except Exception as error:
        print('REFUSED', name, type(error).__name__, str(error)[-200:], flush=True)

def account(profile=None, **options):
    client = boto3.Session(profile_name=profile).client('sts', config=once, **options)
    return client.get_caller_identity()['Account']

attempt('boto3', account)
attempt('pinned', lambda: account(endpoint_url='https://sts.us-east-1.amazonaws.com'))
attempt('s3', lambda: boto3.client('s3', config=once).list_buckets()['Buckets'] and 'buckets')
attempt('requests', lambda: requests.get('https://sm-pysdk-t.s3.us-east-1.amazonaws.com/x'))
attempt('urllib3', lambda: urllib3.PoolManager().request('GET', METADATA, retries=False).data)
attempt('urllib', lambda: urllib.request.urlopen(METADATA).read())
attempt('asyncio', lambda: asyncio.run(asyncio.open_connection('api.sagemaker.aws.dev', 443)))
fetcher = botocore.utils.InstanceMetadataFetcher(num_attempts=1, env={})
attempt('botocore', lambda: fetcher.retrieve_iam_role_credentials() or 1 / 0)
"""
PROFILES = """
for name in ('default', 'work', 'sso', 'assumed', 'instance', 'program'):
    attempt(f'profile-{name}', lambda: account(name))
for name in [name for name in os.environ if name.startswith('AWS_')]:
    if name not in ('AWS_CONFIG_FILE', 'AWS_ENDPOINT_URL'):
        del os.environ[name]
attempt('no-environment', account)
"""
SDK = f"""
import sagemaker
from sagemaker.local import LocalSession
from sagemaker.processing import ScriptProcessor
from sagemaker.tensorflow import TensorFlow

for session in (LocalSession(), sagemaker.Session()):
    where = 'local' if isinstance(session, LocalSession) else 'ml.m5.large'
    assert sagemaker.get_execution_role(session) == '{ROLE}'
    uri = session.upload_data('reach.py', session.default_bucket(), 'network')
    print('JOB', where, 'processing')
    processor = ScriptProcessor(
        command=['python3'], image_uri='mine:1', role='{ROLE}', instance_count=1,
        instance_type=where, sagemaker_session=session)
    processor.run('reach.py')
    print('JOB', where, 'training')
    estimator = TensorFlow(
        entry_point='reach.py', role='{ROLE}', instance_count=1, instance_type=where,
        framework_version='2.19', py_version='py312', sagemaker_session=session,
        output_path=f's3://{{session.default_bucket()}}/network')
    estimator.fit({{'train': uri}})
print('DONE')
"""
#: The server lives in the namespace, and ends with it.
LAB = """
python -m workshop exec -- "$@"
code=$?
python -c 'from workshop.emulator.client import daemon; daemon.stop()'
exit $code
"""


@pytest.fixture
def in_internet(tmp_path):
    """Run a program in the made-up internet; return its output, and what it asked for there."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip (Debian: iproute2)")
    if subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine refuses network namespaces")
    (tmp_path / "home/.aws").mkdir(parents=True)
    (tmp_path / "home/.aws/config").write_text(CONFIG)
    (tmp_path / "home/.aws/credentials").write_text(CREDENTIALS)

    def run(*command: str, **environment: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            ["unshare", "-rmn", sys.executable, INTERNET, "report.json", *command],
            cwd=tmp_path,
            env=os.environ
            | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            | {"HOME": str(tmp_path / "home"), "WORKSHOP_STATE": str(tmp_path / "state")}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout, json.loads((tmp_path / "report.json").read_text())

    return run


def results(output: str) -> dict[str, list[str]]:
    """Return what became of each attempt: name → ANSWER or REFUSED, and the rest of its line."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        word, _, rest = line.lstrip(".").partition(" ")
        if word in ("ANSWER", "REFUSED"):
            name, _, rest = rest.partition(" ")
            found.setdefault(name, []).append(f"{word} {rest}")
    return found


@pytest.mark.slow
def test_no_request_leaves_the_machine(in_internet, tmp_path):
    (tmp_path / "reach.py").write_text(REACH)
    (tmp_path / "learner.py").write_text(SDK + REACH + PROFILES)
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://proxy.example.com:3128")
    output, asked = in_internet(
        "sh", "-c", LAB, "-", "python", "learner.py", **ENVIRONMENT, **proxies
    )
    assert asked == []
    assert "DONE" in output, output
    found = results(output)
    assert set(found.pop("s3")) == {"ANSWER buckets"}
    for name in ("requests", "urllib3", "urllib", "asyncio"):
        assert all("can reach AWS" in one for one in found[name]), found[name]
    for name in ("requests", "urllib3", "urllib", "asyncio", "botocore"):
        assert len(found[name]) == 5, "in two jobs in each mode, and in the program"
        assert all(one.startswith("REFUSED") for one in found.pop(name))
    assert {answer for answers in found.values() for answer in answers} == {"ANSWER 123456789012"}
    assert len(found) == 9
    assert not (tmp_path / "ran-credential-process").exists()


def test_the_same_program_without_the_emulator_is_seen(in_internet, tmp_path):
    (tmp_path / "reach.py").write_text(REACH)
    output, asked = in_internet("python", "reach.py", **ENVIRONMENT)
    assert {
        "tcp 169.254.169.254:80",
        "name sts.eu-west-1.amazonaws.com",
        "name sts.us-east-1.amazonaws.com",
        "name s3.eu-west-1.amazonaws.com",
        "name sm-pysdk-t.s3.us-east-1.amazonaws.com",
        "name api.sagemaker.aws.dev",
    } <= set(asked)
    assert any(one.startswith("tcp") and "s3.eu-west-1.amazonaws.com" in one for one in asked)
    assert "AKIAIOSFODNN7METADATA" in results(output)["botocore"][0]


def test_the_same_program_with_the_hook_switched_off_is_seen(in_internet, tmp_path):
    """The settings of ``./lab exec`` alone are not enough."""
    (tmp_path / "reach.py").write_text(REACH)
    _, asked = in_internet(
        *("sh", "-c", LAB, "-", "env", "-u", "WORKSHOP_ENDPOINT", "python", "reach.py"),
        **ENVIRONMENT,
    )
    assert "tcp 169.254.169.254:80" in asked
    assert "name sts.us-east-1.amazonaws.com" in asked
    assert "name s3.eu-west-1.amazonaws.com" not in asked, "the settings do this much"
