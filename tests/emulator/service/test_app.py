"""Who may ask the emulated AWS, and in which form it answers: at its port, as anybody can."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import stat
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from workshop.emulator import keys, settings, state
from workshop.emulator.client import connection, daemon

from ..conftest import ROLE, until

EVIL = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
JOB = {
    "ProcessingJobName": "from-a-web-page",
    "RoleArn": ROLE,
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    },
    "AppSpecification": {"ImageUri": "any:1", "ContainerEntrypoint": ["true"]},
}


def ask(method: str, path: str, headers: dict | None = None, body: str | bytes = "", host=None):
    """Send a request with nothing added to it; return status, headers and text of the answer."""
    address = urlsplit(daemon.ensure())
    connected = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connected.putrequest(method, path, skip_host=True)
    headers = {"Host": host or address.netloc, "Content-Length": str(len(body))} | (headers or {})
    for name, text in headers.items():
        connected.putheader(name, text)
    connected.endheaders(body.encode() if isinstance(body, str) else body)
    answer = connected.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")


def token() -> dict[str, str]:
    return {"X-Workshop-Token": keys.find().token}


def of_a_stranger(service: str):
    """A client that found the port, and has keys of its own."""
    return boto3.client(
        service,
        endpoint_url=daemon.ensure(),
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        config=Config(retries={"total_max_attempts": 1}),
    )


# --- a web page ---------------------------------------------------------------------------


def test_a_web_page_starts_no_job():
    target = EVIL | {"X-Amz-Target": "SageMaker.CreateProcessingJob"}
    status, headers, text = ask("POST", "/", target, json.dumps(JOB))
    assert (status, json.loads(text)["__type"]) == (403, "MissingAuthenticationToken")
    assert not [name for name in headers if name.lower().startswith("access-control")]
    jobs = daemon.client("sagemaker").list_processing_jobs(NameContains="from-a-web-page")
    assert jobs["ProcessingJobSummaries"] == []


def test_no_answer_can_be_read_by_a_web_page():
    """Neither a preflight nor an answer to the learner's own request has a CORS header."""
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="sagemaker-cors")
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket="sagemaker-cors", CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(Bucket="sagemaker-cors", Key="a", Body=b"1")
    preflight = EVIL | {"Access-Control-Request-Method": "PUT"}
    for method, headers in (("OPTIONS", preflight), ("GET", EVIL), ("GET", EVIL | token())):
        for path in ("/", "/sagemaker-cors", "/sagemaker-cors/a"):
            found = ask(method, path, headers)[1]
            assert not [name for name in found if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "served"),
    [("", True), ("localhost", True), ("evil.example", False), ("127.0.0.1.nip.io", False)],
)
def test_only_the_servers_own_names_are_answered(host, served):
    """A page of a name that was made to point here (DNS rebinding) has that name in its Host."""
    port = urlsplit(daemon.ensure()).port
    status, _, text = ask("GET", "/", token(), host=f"{host or '127.0.0.1'}:{port}")
    assert status == (200 if served else 403)
    assert served or "<Code>AccessDenied</Code>" in text


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto-api/", "/moto-api/data.json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_motos_own_api_is_not_there(method, path):
    """It would empty the account. With the token it is the name of a bucket like any other."""
    assert ask(method, path)[0] == 403
    status, _, text = ask(method, path, token())
    assert status >= 400 and "<Error>" in text
    roles = daemon.client("iam").list_roles()["Roles"]
    assert settings.ROLE in {role["RoleName"] for role in roles}


def test_the_metadata_of_an_instance_is_not_there():
    path = "/latest/meta-data/iam/security-credentials/"
    assert ask("GET", path)[0] == 403
    assert "AccessKeyId" not in ask("GET", path, token())[2]


def test_a_get_changes_nothing():
    path = "/_workshop/interrupt/training-x"
    assert ask("GET", path, token())[0] == 405
    assert "no training job" in ask("POST", path, token())[2]
    assert ask("GET", "/_workshop/local/CreateProcessingJob", token())[0] == 405
    name = "Action=CreateRole&Version=2010-05-08&RoleName=by-get&AssumeRolePolicyDocument={}"
    scope = f"{keys.find().access_key}/20260101/us-east-1/iam/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
    assert ask("GET", f"/?{name}", signed)[0] == 405
    with pytest.raises(ClientError, match="NoSuchEntity"):
        daemon.client("iam").get_role(RoleName="by-get")


# --- somebody without the secrets ---------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sagemaker", "list_processing_jobs", "UnrecognizedClientException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException"),
        ("ecr", "describe_repositories", "UnrecognizedClientException"),
        ("cloudwatch", "list_metrics", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
def test_a_strange_key_gets_the_error_of_aws(service, operation, code):
    with pytest.raises(ClientError) as refused:
        getattr(of_a_stranger(service), operation)()
    assert refused.value.response["Error"]["Code"] == code
    assert "./lab exec" in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize("path", ["/_workshop/status", "/_workshop/news?after=0&seconds=0"])
def test_the_servers_own_pages_need_the_token(path):
    assert ask("GET", path)[0] == 403
    assert ask("GET", path, {"X-Workshop-Token": "wrong"})[0] == 403
    assert ask("GET", path, token())[0] == 200


def test_what_is_said_of_a_request_of_local_mode_needs_the_token():
    path, body = "/_workshop/local/CreateProcessingJob", json.dumps(JOB)
    assert ask("POST", path, body=body)[0] == 403
    status, _, text = ask("POST", path, token(), body)
    assert (status, json.loads(text)) == (200, {"warnings": []})
    _, _, text = ask("POST", path, token(), "[1]")
    assert json.loads(text)["warnings"][0].startswith("AWS would refuse this job: ")


def test_an_anonymous_request_gets_the_error_of_s3():
    status, _, text = ask("GET", "/sagemaker-any/key")
    assert status == 403 and "<Code>AccessDenied</Code>" in text


def test_a_presigned_address_works_for_whoever_has_it_and_no_other_does():
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="sagemaker-presigned")
    s3.put_object(Bucket="sagemaker-presigned", Key="a", Body=b"content")
    place = {"Bucket": "sagemaker-presigned", "Key": "a"}
    ours = s3.generate_presigned_url("get_object", Params=place)
    with urllib.request.urlopen(ours) as answer:
        assert answer.read() == b"content"
    theirs = of_a_stranger("s3").generate_presigned_url("get_object", Params=place)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(theirs)


def test_a_role_that_was_assumed_gives_keys_that_are_served():
    given = daemon.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    sts = session.client("sts", endpoint_url=daemon.ensure(), region_name="us-east-1")
    assert sts.get_caller_identity()["Arn"].endswith(f"assumed-role/{settings.ROLE}/me")


def test_keys_that_everybody_knows_are_not_given_away():
    with pytest.raises(ClientError, match="GetSessionToken is not played"):
        daemon.client("sts").get_session_token()


# --- another user of the machine ----------------------------------------------------------


def test_the_state_folder_is_for_its_owner_alone():
    daemon.ensure()
    connection.environment()
    assert stat.S_IMODE(state.folder().stat().st_mode) == 0o700
    for name in ("keys.json", "server.json", "aws-config"):
        assert stat.S_IMODE((state.folder() / name).stat().st_mode) == 0o600, name


def test_a_folder_that_others_could_read_is_closed(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    keys.find()
    keys.file().chmod(0o644)
    keys.find()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE(keys.file().stat().st_mode) == 0o600


def test_each_state_folder_has_secrets_of_its_own(tmp_path, monkeypatch):
    here = keys.find()
    assert keys.find() == here
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "other"))
    there = keys.find()
    assert {*vars(here).values()}.isdisjoint(vars(there).values())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_user_can_neither_list_the_jobs_nor_read_the_secrets():
    code = (
        "import urllib.request, sys\n"
        "try: open(sys.argv[2]); print('READ')\n"
        "except PermissionError: print('closed')\n"
        "asked = urllib.request.Request(sys.argv[1], b'{}',\n"
        "    {'X-Amz-Target': 'SageMaker.ListProcessingJobs'})\n"
        "try: print(urllib.request.urlopen(asked).read())\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    python = shutil.which("python3", path="/usr/bin:/bin") or pytest.skip("no Python for all")
    done = subprocess.run(
        [python, "-I", "-c", code, daemon.ensure(), str(keys.file())],
        user=65534,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["closed", "403"], done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
@pytest.mark.slow
def test_a_port_that_another_user_took_is_shown_nothing(tmp_path, monkeypatch):
    """The emulator ends when it is idle; whoever takes its port then must not get keys or data."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    port = urlsplit(daemon.ensure()).port
    daemon.stop()
    code = (
        "import socket, sys\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print('ready', flush=True)\n"
        "while True: print(server.accept()[0].recv(9999), flush=True)\n"
    )
    python = shutil.which("python3", path="/usr/bin:/bin") or pytest.skip("no Python for all")
    command = [python, "-I", "-c", code, str(port)]
    thief = subprocess.Popen(command, user=65534, cwd="/", stdout=subprocess.PIPE)
    try:
        assert thief.stdout.readline() == b"ready\n"
        assert urlsplit(daemon.ensure()).port != port
        program = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'])"
        old = {"WORKSHOP_ENDPOINT": f"http://127.0.0.1:{port}"}
        old["AWS_ENDPOINT_URL"] = old["WORKSHOP_ENDPOINT"]
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=connection.environment() | old,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "[]\n", done.stderr
    finally:
        thief.kill()
        daemon.stop()
    assert thief.stdout.read() == b""


# --- the learner's own programs -----------------------------------------------------------


def run(*command: str, hooked: bool = True) -> str:
    """Run a program with the environment of ``./lab exec``; without the hook: not our Python."""
    environment = connection.environment()
    if not hooked:
        del environment["WORKSHOP_ENDPOINT"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "client",
    [
        "boto3.client('s3', aws_access_key_id='AKIAMINE', aws_secret_access_key='mine')",
        "boto3.Session(profile_name='work').client('s3')",
        "boto3.client('s3', config=botocore.config.Config(signature_version=botocore.UNSIGNED))",
    ],
)
def test_code_with_keys_of_its_own_goes_on_working(client):
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="sagemaker-own-keys")
    s3.put_object(Bucket="sagemaker-own-keys", Key="a", Body=b"content")
    code = f"import boto3, botocore, botocore.config; s3 = {client}\n"
    code += "print(s3.get_object(Bucket='sagemaker-own-keys', Key='a')['Body'].read().decode())"
    assert run(sys.executable, "-c", code) == "content"


def test_a_program_without_the_hook_is_served_by_its_keys():
    """Such as the AWS CLI: the settings in its environment are enough."""
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    assert run(sys.executable, "-c", code, hooked=False) == settings.ACCOUNT


def test_curl_is_served_by_its_keys():
    curl = shutil.which("curl") or pytest.skip("needs curl")
    daemon.client("s3").create_bucket(Bucket="sagemaker-curl")
    script = (
        f'{curl} -s --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS'
        '_KEY" "$AWS_ENDPOINT_URL/"'
    )
    assert "<Name>sagemaker-curl</Name>" in run("sh", "-c", script, hooked=False)


@pytest.mark.slow
def test_open_notebooks_go_on_when_the_secrets_are_new(tmp_path, monkeypatch):
    """After ``./lab clean``: the keys in their environment are none any more."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    code = (
        "import boto3, shutil, os\n"
        "from workshop.emulator.client import daemon\n"
        "s3 = boto3.client('s3')\n"
        "s3.create_bucket(Bucket='sagemaker-old')\n"
        "daemon.stop()\n"
        "shutil.rmtree(os.environ['WORKSHOP_STATE'])\n"
        "print(s3.list_buckets()['Buckets'])\n"
    )
    assert run(sys.executable, "-c", code) == "[]"
    daemon.stop()


@pytest.mark.slow
def test_a_server_whose_secrets_are_gone_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.ensure()
    keys.file().write_text("{")
    before = keys.find()
    assert "could not be used" in state.notices.pop()
    assert until(lambda: not daemon._alive())
    assert daemon.client("s3").list_buckets()["Buckets"] == []
    assert keys.find() == before
    daemon.stop()


# --- the form of an answer ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/", {"X-Amz-Target": "SageMaker.CreateTrainingJob"}, "[1]"),
        ("POST", "/", {"X-Amz-Target": "SageMaker.CreateTrainingJob"}, b"\xff\xfe"),
        ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, '{"MaxResults": NaN}'),
        ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, '{"MaxResults": 1e400}'),
        ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, "[" * 100_000),
        ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, '{"CreationTimeAfter":"x"}'),
        ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, '{"NextToken":"-1"}'),
        ("POST", "/", {"X-Amz-Target": "SageMaker.NoSuchOperation"}, "{}"),
        ("POST", "/", {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}, "["),
        ("POST", "/", {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}, "[]"),
        ("POST", "/no/such/path", {"X-Amz-Target": "Logs_20140328.PutLogEvents"}, "{}"),
        ("PUT", "/BatchPutMetrics", {}, "{"),
        ("POST", "/_workshop/nothing", {}, ""),
        ("GET", "/_workshop/news?after=x", {}, ""),
        ("POST", "/_workshop/local/CreateProcessingJob", {}, "{"),
        ("POST", "/_workshop/local/CreateProcessingJob", {}, "[" * 100_000),
        ("POST", "/_workshop/local/CreateModel", {}, "{}"),
        ("PUT", "/sagemaker-form/%ff", {}, ""),
        ("PUT", "/sagemaker-form/" + "a" * 1025, {}, ""),
        ("POST", "/sagemaker-form?delete", {}, "<no xml"),
        ("PUT", "/sagemaker-form?tagging", {}, "<no xml"),
        ("PATCH", "/sagemaker-form/a", {}, ""),
        ("GET", "/sagemaker-form?max-keys=x", {}, ""),
        ("GET", "/sagemaker-form/?list-type=2&continuation-token=x", {}, ""),
        ("GET", "/sagemaker-form/a?partNumber=x", {}, ""),
        ("GET", "/sagemaker-form/a?versionId=x", {"Range": "bytes=x"}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_told_in_the_form_of_aws(method, path, headers, body):
    daemon.client("s3").create_bucket(Bucket="sagemaker-form")
    scopes = {"Logs": "logs", "Sage": "sagemaker"}
    service = scopes.get(headers.get("X-Amz-Target", "")[:4], "s3")
    service = "sagemaker" if path == "/BatchPutMetrics" else service
    scope = f"{keys.find().access_key}/20260101/us-east-1/{service}/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
    status, answered, text = ask(method, path, headers | signed | token(), body)
    assert "<html" not in text.lower() and "Traceback" not in text
    if status >= 400:
        assert "<Code>" in text or "__type" in json.loads(text), (status, answered, text)


def test_a_line_that_is_no_request_gets_no_page():
    address = urlsplit(daemon.ensure())
    import socket

    with socket.create_connection((address.hostname, address.port), timeout=10) as connected:
        connected.sendall(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        answer = connected.recv(9999)
    assert b"<html" not in answer.lower() and b"<Code>BadRequest</Code>" in answer


@pytest.mark.parametrize(
    "call",
    [
        "boto3.client('stepfunctions').list_state_machines()",
        "boto3.client('ec2').describe_instances()",
        "boto3.client('cloudfront').list_distributions()",
        "boto3.client('bedrock-runtime').invoke_model(modelId='m', body=b'{}')",
        "boto3.client('athena').list_work_groups()",
    ],
)
def test_a_service_that_is_not_played_is_refused_by_name(call):
    answer = refused(call)
    assert "UnsupportedOperation" in answer and "is not played by the workshop" in answer


def test_a_refused_function_of_lambda_is_told_what_to_do_instead():
    answer = refused("boto3.client('lambda').list_functions()")
    assert "Instead: do in a processing step, or in a function with @step, what the" in answer


def refused(call: str) -> str:
    code = (
        "import boto3, botocore.exceptions\n"
        f"try: {call}\n"
        "except botocore.exceptions.ClientError as error: print(error)\n"
    )
    return run(sys.executable, "-c", code)
