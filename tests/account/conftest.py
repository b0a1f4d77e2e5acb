"""An account that moto plays in this process, seen with a learner's credentials."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
import uuid
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from workshop.account import STACK, TAG_KEY, TAG_VALUE, clean, identity

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


class Account:
    """Makes things in the account, and tells which are there."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.sagemaker = boto3.client("sagemaker")
        self.ecr = boto3.client("ecr")
        self.cloudformation = boto3.client("cloudformation")

    def add_tags(self, arn: str, tags: list[dict]) -> None:
        """Tag what moto makes without tags; in the words of SageMaker's AddTags."""
        if tags:
            self.sagemaker.add_tags(ResourceArn=arn, Tags=tags)

    def bucket(self, name: str, tags: list[dict], objects: int = 0) -> None:
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        if tags:
            self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        for number in range(objects):
            self.s3.put_object(Bucket=name, Key=f"Lab2/{number}", Body=b"x" * 1000)

    def experiment(self, name: str, tags: list[dict]) -> None:
        """Make an experiment with a trial and a component of it."""
        create = self.sagemaker
        self.add_tags(create.create_experiment(ExperimentName=name)["ExperimentArn"], tags)
        trial = create.create_trial(ExperimentName=name, TrialName=f"{name}-trial")
        self.add_tags(trial["TrialArn"], tags)
        part = create.create_trial_component(TrialComponentName=f"{name}-part")
        self.add_tags(part["TrialComponentArn"], tags)
        create.associate_trial_component(
            TrialName=f"{name}-trial", TrialComponentName=f"{name}-part"
        )

    def repository(self, name: str, tags: list[dict]) -> None:
        self.ecr.create_repository(repositoryName=name, tags=tags)

    def model(self, name: str, tags: list[dict]) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/R"
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, Tags=tags)

    def training_job(self, name: str, tags: list[dict]) -> None:
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingInputMode": "File", "TrainingImage": "image"},
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/R",
            OutputDataConfig={"S3OutputPath": "s3://sagemaker-x/"},
            ResourceConfig={
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Tags=tags,
        )

    def endpoint(self, name: str, tags: list[dict], kind="ml.m5.xlarge", count=1) -> None:
        """Make an endpoint with a model and a configuration, which have names of their own."""
        self.model(f"{name}-model", tags)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": f"{name}-model",
            "InstanceType": kind,
            "InitialInstanceCount": count,
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=f"{name}-config", ProductionVariants=[variant], Tags=tags
        )
        self.sagemaker.create_endpoint(
            EndpointName=name, EndpointConfigName=f"{name}-config", Tags=tags
        )

    def pipeline(self, name: str, tags: list[dict], executions: int = 1) -> None:
        self.sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []}),
            ClientRequestToken="x" * 32,
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/R",
            Tags=tags,
        )
        for _ in range(executions):
            token = uuid.uuid4().hex
            self.sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken=token)

    def group(self, name: str, tags: list[dict], versions: int = 2) -> None:
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name, Tags=tags)
        for _ in range(versions):
            self.sagemaker.create_model_package(ModelPackageGroupName=name)

    def tuning_job(self, name: str, tags: list[dict]) -> None:
        limits = {"ResourceLimits": {"MaxParallelTrainingJobs": 1}, "Strategy": "Random"}
        self.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=limits, Tags=tags
        )

    def transform_job(self, name: str, tags: list[dict]) -> None:
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://sagemaker-x/"}}
        self.sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName="any",
            TransformInput={"DataSource": source},
            TransformOutput={"S3OutputPath": "s3://sagemaker-x/out/"},
            TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
            Tags=tags,
        )

    def names(self) -> set[str]:
        """Return the names of all there is."""
        ask = self.sagemaker
        found = [one["Name"] for one in self.s3.list_buckets()["Buckets"]]
        found += [one["ExperimentName"] for one in ask.list_experiments()["ExperimentSummaries"]]
        found += [one["TrialName"] for one in ask.list_trials()["TrialSummaries"]]
        parts = ask.list_trial_components()["TrialComponentSummaries"]
        found += [one["TrialComponentName"] for one in parts]
        found += [one["ModelName"] for one in ask.list_models()["Models"]]
        jobs = ask.list_training_jobs()["TrainingJobSummaries"]
        found += [one["TrainingJobName"] for one in jobs]
        found += [one["EndpointName"] for one in ask.list_endpoints()["Endpoints"]]
        configs = ask.list_endpoint_configs()["EndpointConfigs"]
        found += [one["EndpointConfigName"] for one in configs]
        found += [one["PipelineName"] for one in ask.list_pipelines()["PipelineSummaries"]]
        groups = ask.list_model_package_groups()["ModelPackageGroupSummaryList"]
        found += [one["ModelPackageGroupName"] for one in groups]
        tuning = ask.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        found += [one["HyperParameterTuningJobName"] for one in tuning]
        found += [one["repositoryName"] for one in self.ecr.describe_repositories()["repositories"]]
        stacks = self.cloudformation.describe_stacks()["Stacks"]
        return {*found, *(stack["StackName"] for stack in stacks)}


@pytest.fixture
def account(aws, monkeypatch):
    """An account; moto's index of tags does not know repositories, and AWS's does."""
    made = Account()
    look = clean._look

    def look_at_repositories_too(services):
        usual = services["resourcegroupstaggingapi"].get_paginator("get_resources")

        class Paginator:
            def paginate(self, TagFilters):
                for page in usual.paginate(TagFilters=TagFilters):
                    for one in page["ResourceTagMappingList"]:  # moto has some ARNs in a tuple
                        one["ResourceARN"] = one["ResourceARN"].strip("(',)")
                    yield page
                repositories = made.ecr.describe_repositories()["repositories"]
                arns = [one["repositoryArn"] for one in repositories]
                yield {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]}

        monkeypatch.setattr(
            services["resourcegroupstaggingapi"], "get_paginator", lambda name: Paginator()
        )
        return look(services)

    monkeypatch.setattr(clean, "_look", look_at_repositories_too)
    return made
