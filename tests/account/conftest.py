"""An account that moto plays in this process, seen with a learner's credentials."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from workshop.account import STACK, TAG_KEY, TAG_VALUE, identity

REGION = "eu-west-1"
ACCOUNT = "123456789012"
TAGS = [{"Key": TAG_KEY, "Value": TAG_VALUE}]
#: tests/conftest.py sets them.
_OF_ALL_TESTS = ("WORKSHOP_STATE", "WORKSHOP_OWNER")
#: How IAM and CloudFormation refuse what comes too often.
QUERY_THROTTLED = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded"
    "</Message></Error></ErrorResponse>"
)

# moto's CloudFormation imports all of moto's services, and one of them a package that is not here.
for name in ("", ".validation", ".validation.exceptions"):
    sys.modules.setdefault(f"openapi_spec_validator{name}", MagicMock())


@pytest.fixture(autouse=True)
def learner(monkeypatch):
    """Give this process credentials and a region, as a learner's shell has them."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "WORKSHOP_")) and name not in _OF_ALL_TESTS:
            monkeypatch.delenv(name)
    for name, text in {
        "AWS_ACCESS_KEY_ID": "AKIALEARNER",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def aws():
    """Play the account; nothing reaches AWS."""
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


@pytest.fixture
def endpoint():
    """Play the account for other processes too; return its address."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Service:
    """The account on a wire: AWS's answers to some requests may be told."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._told: list[tuple[str, int, str]] = []

    def answer(self, request: str, status: int, body: str) -> None:
        """Answer so from now on where `request`, a regex, is found in a request.

        A request is told as `POST /path?query SageMaker.ListTags` and its body.
        """
        self._told.append((request, status, body))

    def answer_as_usual(self) -> None:
        self._told.clear()

    def __call__(self, environment, start_response):
        content = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        environment["wsgi.input"] = io.BytesIO(content)
        request = (
            f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}"
            f"?{environment['QUERY_STRING']} {environment.get('HTTP_X_AMZ_TARGET', '')} "
            f"{content.decode(errors='replace')}"
        )
        for wanted, status, body in self._told:
            if re.search(wanted, request):
                start_response(f"{status} Told", [("Content-Type", "text/plain")])
                return [body.encode()]
        return self._moto(environment, start_response)


@pytest.fixture
def service(monkeypatch):
    """Play the account for this process, over the network; what it answers can be told."""
    played = Service()
    # As moto's own server has it, the account is empty at first.
    with mock_aws(config={"core": {"mock_credentials": False, "passthrough": {"urls": [".*"]}}}):
        server = make_server("127.0.0.1", 0, played, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # of the usual three: it waits in between
        yield played
        server.shutdown()
        server.server_close()


@pytest.fixture
def make_role(aws):
    """Return a function that makes a role and returns its ARN."""

    def make(name: str = "Jobs", service: str = "sagemaker.amazonaws.com") -> str:
        policy = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": [service]},
                "Action": ["sts:AssumeRole"],
            },
        }
        made = boto3.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(policy)
        )
        return made["Role"]["Arn"]

    return make


@pytest.fixture
def become(monkeypatch):
    """Return a function that gives this process the credentials of a role."""

    def become(role: str) -> None:
        got = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", got["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", got["SecretAccessKey"])
        monkeypatch.setenv("AWS_SESSION_TOKEN", got["SessionToken"])

    return become


@pytest.fixture
def make_stack(aws):
    """Return a function that makes a stack with a role and a bucket."""

    def make(name: str = STACK, tags=TAGS, bucket: str = "sagemaker-workshop-test") -> None:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        template = {
            "Resources": {
                "Bucket": {
                    "Type": "AWS::S3::Bucket",
                    "Properties": {"BucketName": bucket, "Tags": tags},
                },
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"RoleName": f"{name}-Role", "AssumeRolePolicyDocument": trust},
                },
            },
            "Outputs": {
                "RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}},
                "BucketName": {"Value": {"Ref": "Bucket"}},
            },
        }
        boto3.client("cloudformation").create_stack(
            StackName=name, TemplateBody=json.dumps(template), Tags=tags
        )

    return make


@pytest.fixture
def answers(monkeypatch):
    """Return a function that has a service answer as told, one call after the other.

    For what moto does not have. An answer is a pair of operation and response, or error code.
    """
    usual, clients = identity.client, {}
    monkeypatch.setattr(
        identity, "client", lambda session, name: clients.get(name) or usual(session, name)
    )

    def stub(service: str, *told) -> None:
        clients[service] = boto3.client(service)
        stubber = Stubber(clients[service])
        for operation, answer in told:
            if isinstance(answer, str):
                stubber.add_client_error(operation, answer, "no")
            else:
                stubber.add_response(operation, answer)
        stubber.activate()

    return stub
