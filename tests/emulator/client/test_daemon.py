"""The emulated AWS: one server for a checkout, which keeps what S3 holds."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from workshop.emulator import keys, settings, state
from workshop.emulator.client import connection, daemon
from workshop.emulator.errors import WorkshopError


@pytest.fixture
def own_server(tmp_path, monkeypatch):
    """A state folder, and so a server, of this test's own."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    yield tmp_path / "state"
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.stop()


def contents(bucket: str) -> dict[str, bytes]:
    client = daemon.client("s3")
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
        for one in listed
    }


def test_a_second_caller_finds_the_same_server(own_server):
    first = daemon.ensure()
    code = "from workshop.emulator.client import daemon; print(daemon.ensure())"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert second.stdout.strip() == first


def test_two_callers_at_once_start_one_server(own_server):
    code = (
        "from workshop.emulator.client import daemon; "
        "print(daemon.ensure(), daemon.status()['pid'])"
    )
    callers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)
    ]
    assert len({caller.communicate()[0] for caller in callers}) == 1


def test_a_server_of_another_state_folder_is_not_taken_for_ours(own_server, tmp_path, monkeypatch):
    ours = daemon.ensure()
    other = tmp_path / "other"
    other.mkdir()
    (other / "server.json").write_text(json.dumps({"endpoint": ours}))
    monkeypatch.setenv("WORKSHOP_STATE", str(other))
    assert daemon.status() is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_objects_survive_the_end_of_the_server(own_server, how):
    client = daemon.client("s3")
    client.create_bucket(Bucket="sagemaker-test")
    client.put_object(Bucket="sagemaker-test", Key="a/b.txt", Body=b"one")
    client.put_object(Bucket="sagemaker-test", Key="a/b.txt", Body=b"two", Metadata={"who": "me"})
    client.put_object(Bucket="sagemaker-test", Key="a", Body=b"not a folder")
    client.put_object(Bucket="sagemaker-test", Key="gone", Body=b"x")
    client.delete_object(Bucket="sagemaker-test", Key="gone")
    large = os.urandom(20 << 20)
    path = own_server / "large"
    path.write_bytes(large)
    client.upload_file(str(path), "sagemaker-test", "large.npy")  # in parts
    before = client.head_object(Bucket="sagemaker-test", Key="a/b.txt")
    endpoint, process = daemon.ensure(), daemon.status()["pid"]

    os.kill(process, how)
    while daemon.status():
        time.sleep(0.05)

    assert contents("sagemaker-test") == {
        "a": b"not a folder",
        "a/b.txt": b"two",
        "large.npy": large,
    }
    after = daemon.client("s3").head_object(Bucket="sagemaker-test", Key="a/b.txt")
    for name in ("ETag", "ContentLength", "LastModified", "Metadata"):
        assert after[name] == before[name]
    assert daemon.ensure() == endpoint, "open notebooks know the old port"


def test_a_deleted_object_leaves_no_file(own_server):
    client = daemon.client("s3")
    client.create_bucket(Bucket="sagemaker-test")
    for content in (b"one", b"two"):
        client.put_object(Bucket="sagemaker-test", Key="a", Body=content)
    assert len(list((own_server / "s3/objects").iterdir())) == 1
    large = own_server / "large"
    large.write_bytes(os.urandom(20 << 20))
    for _ in range(2):
        client.upload_file(str(large), "sagemaker-test", "large")  # in parts
    assert len(list((own_server / "s3/objects").iterdir())) == 2
    client.delete_object(Bucket="sagemaker-test", Key="large")
    client.delete_objects(Bucket="sagemaker-test", Delete={"Objects": [{"Key": "a"}]})
    assert list((own_server / "s3/objects").iterdir()) == []
    client.delete_bucket(Bucket="sagemaker-test")
    daemon.stop()
    assert daemon.client("s3").list_buckets()["Buckets"] == []


def test_a_server_that_cannot_start_says_why(own_server):
    own_server.mkdir()
    (own_server / "s3").write_text("no folder")
    with pytest.raises(WorkshopError, match=r"(?s)did not start.*FileExistsError.*/s3'"):
        daemon.ensure()


def test_a_server_that_lives_out_of_reach_is_named(own_server, monkeypatch):
    """In another container with the same folder: its address leads nowhere here."""
    monkeypatch.setattr(daemon, "_STARTING_SECONDS", 1)
    with open(state.folder() / "server.life", "w") as life:
        fcntl.flock(life, fcntl.LOCK_EX)
        with pytest.raises(WorkshopError, match="runs already, and does not answer here"):
            daemon.ensure()


def test_a_server_that_hangs_is_ended(own_server):
    daemon.ensure()
    process = daemon.status()["pid"]
    os.kill(process, signal.SIGSTOP)
    daemon.stop()
    assert not daemon._alive()
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == "zombie"


def test_a_server_whose_address_is_lost_is_ended(own_server):
    daemon.ensure()
    (own_server / "server.json").write_text("{")
    daemon.stop()
    assert not daemon._alive()


def test_a_server_that_cannot_be_ended_is_named(own_server):
    """Its number is another process's here, and that one must live on."""
    with open(state.folder() / "server.life", "w") as life:
        fcntl.flock(life, fcntl.LOCK_EX)
        life.write(str(os.getpid()))
        life.flush()
        with pytest.raises(WorkshopError, match="cannot be ended from here"):
            daemon.stop()


# --- what surrounds a program -------------------------------------------------------------


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=connection.environment() | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_learner_is_the_execution_role():
    arn = run("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
    assert arn == f"arn:aws:sts::123456789012:assumed-role/{settings.ROLE}/SageMaker"


def test_an_endpoint_of_aws_named_in_code_is_the_emulators():
    """As the SDK does it for STS, and scripts for another region."""
    account = run(
        "import boto3\n"
        "url = 'https://sts.eu-west-1.amazonaws.com'\n"
        "client = boto3.client('sts', region_name='eu-west-1', endpoint_url=url)\n"
        "print(client.get_caller_identity()['Account'])"
    )
    assert account == settings.ACCOUNT


def test_a_bucket_in_the_host_name_is_found():
    key = run(
        "import boto3\n"
        "s3 = boto3.client('s3')\n"
        "s3.create_bucket(Bucket='sagemaker-hosted')\n"
        "s3.put_object(Bucket='sagemaker-hosted', Key='a', Body=b'1')\n"
        "real = boto3.client('s3', endpoint_url='https://s3.us-east-1.amazonaws.com')\n"
        "print(real.list_objects_v2(Bucket='sagemaker-hosted')['Contents'][0]['Key'])"
    )
    assert key == "a"


def test_what_does_not_come_through_boto3_is_refused_by_name():
    message = run(
        "import requests\n"
        "try: requests.get('https://sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com/telemetry')\n"
        "except requests.ConnectionError as error: print(error)",
        HTTPS_PROXY="http://127.0.0.1:9",
    )
    assert "belongs to AWS" in message


def test_the_learners_own_account_is_out_of_reach(tmp_path, monkeypatch):
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[profile work]\nregion = eu-west-1\nsso_start_url = https://x\n")
    credentials.write_text("[work]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n")
    for name, text in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_PROFILE": "work",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/real",
    }.items():
        monkeypatch.setenv(name, text)
    answer = run(
        "import boto3\n"
        "for session in (boto3.Session(), boto3.Session(profile_name='work')):\n"
        "    print(session.get_credentials().access_key, session.region_name)\n"
        "    print(session.client('s3').meta.endpoint_url)"
    ).split()
    assert answer == [keys.find().access_key, "us-east-1", daemon.ensure()] * 2


def test_a_server_that_ended_meanwhile_is_started_again(own_server):
    buckets = run(
        "import boto3\n"
        "from workshop.emulator.client import daemon\n"
        "s3 = boto3.client('s3')\n"
        "s3.create_bucket(Bucket='sagemaker-kept')\n"
        "daemon.stop()\n"
        "print(s3.list_buckets()['Buckets'][0]['Name'])"
    )
    assert buckets == "sagemaker-kept"


def test_the_state_is_one_folder(own_server):
    daemon.ensure()
    assert state.folder() == own_server
    assert {"server.json", "s3"} <= {path.name for path in own_server.iterdir()}
