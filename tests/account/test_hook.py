"""Tags, prices, role and bucket in a process that uses the learner's own account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from unittest.mock import MagicMock

import boto3
import botocore.handlers
import pytest
from botocore.exceptions import ParamValidationError

from workshop import prices
from workshop.account import hook

from .conftest import ACCOUNT, REGION, TAGS

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Jobs"
TRAINING = {
    "TrainingJobName": "lab2-training-2026-11-20-15-48-05-123",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://sagemaker-x/"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
PROCESSING = {
    "ProcessingJobName": "lab2-preprocessing",
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    },
    "AppSpecification": {"ImageUri": "image"},
    "RoleArn": ROLE,
}

TRANSFORM = {
    "TransformJobName": "lab4-transform",
    "ModelName": "digits",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://sagemaker-x/"}}
    },
    "TransformOutput": {"S3OutputPath": "s3://sagemaker-x/out/"},
    "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
}


@pytest.fixture
def hooked(aws, monkeypatch, tmp_path):
    """Sessions made from here on have the hook's handlers; those of other tests do not."""
    monkeypatch.setattr(
        botocore.handlers, "BUILTIN_HANDLERS", list(botocore.handlers.BUILTIN_HANDLERS)
    )
    hook._add_handlers(botocore.handlers)
    monkeypatch.setenv("WORKSHOP_RECORDS", str(tmp_path))
    return boto3.Session()


def tags(client, arn: str) -> list[dict]:
    return client.list_tags(ResourceArn=arn)["Tags"]


def sent(client) -> list[dict]:
    """Return a list that the client's requests are added to, as they are sent."""
    requests: list[dict] = []
    client.meta.events.register(
        "before-call", lambda params, **_: requests.append(json.loads(params["body"]))
    )
    return requests


def test_jobs_are_tagged_and_priced_before_they_start(hooked, capsys):
    client = hooked.client("sagemaker")
    seen = []
    client.meta.events.register(
        "before-send", lambda **_: seen.append(capsys.readouterr().out), unique_id="first"
    )
    arn = client.create_training_job(**TRAINING)["TrainingJobArn"]
    assert tags(client, arn) == TAGS
    assert seen[0] == (
        "Training job lab2-training-2026-11-20-15-48-05-123 will cost about $0.02: "
        "1 × ml.m5.xlarge at $0.257 an hour, 5 min (an assumption), plus about 3 min to start, "
        "which are free. At most $0.26, if it runs to its limit of 60 min.\n"
    )
    seen.clear()
    arn = client.create_processing_job(**PROCESSING)["ProcessingJobArn"]
    assert tags(client, arn) == TAGS
    assert seen[0].startswith("Processing job lab2-preprocessing will cost about $0.02: 2 × ml.m5.")
    seen.clear()
    arn = client.create_transform_job(**TRANSFORM)["TransformJobArn"]
    assert tags(client, arn) == TAGS
    assert seen[0].startswith("Transform job lab4-transform will cost about $0.02: 1 × ml.m5.xlar")
    assert seen[0].endswith("It has no limit of time: what it costs grows until it ends.\n")


def make_configuration(client, name: str, *variants: tuple[str, str, int]) -> None:
    client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": variant,
                "ModelName": "digits",
                "InstanceType": kind,
                "InitialInstanceCount": count,
            }
            for variant, kind, count in variants
        ],
    )


def test_what_an_endpoint_costs_is_said_before_it_starts(hooked, capsys):
    """Also when it gets another configuration, made by whomever."""
    client = hooked.client("sagemaker")
    client.create_model(ModelName="digits", ExecutionRoleArn=ROLE)
    make_configuration(client, "one", ("AllTraffic", "ml.m5.xlarge", 1))
    make_configuration(client, "two", ("A", "ml.m5.large", 2), ("B", "ml.c5.xlarge", 1))
    assert capsys.readouterr().out == ""
    seen = []
    client.meta.events.register(
        "before-send.sagemaker.CreateEndpoint",
        lambda **_: seen.append(capsys.readouterr().out),
        unique_id="first",
    )
    arn = client.create_endpoint(EndpointName="digits", EndpointConfigName="one")["EndpointArn"]
    assert tags(client, arn) == TAGS
    assert seen == [
        "Endpoint digits will cost $0.257 an hour, $6.17 a day, until it is deleted: AllTraffic "
        "1 × ml.m5.xlarge at $0.257\n"
    ]
    client.meta.events.register(  # which moto does not have
        "before-call.sagemaker.UpdateEndpoint", lambda **_: (MagicMock(status_code=200), {})
    )
    client.update_endpoint(EndpointName="digits", EndpointConfigName="two")
    assert capsys.readouterr().out == (
        "Endpoint digits will cost $0.486 an hour, $11.66 a day, until it is deleted: A 2 × "
        "ml.m5.large at $0.128, B 1 × ml.c5.xlarge at $0.230\n"
    )


def test_an_endpoint_whose_configuration_cannot_be_read(hooked, capsys):
    """AWS says what is wrong with it; the price is said to be unknown."""
    client = hooked.client("sagemaker")
    with pytest.raises(client.exceptions.ClientError, match="Could not find"):
        client.create_endpoint(EndpointName="digits", EndpointConfigName="gone")
    told = capsys.readouterr().out
    assert told.startswith("Endpoint digits will cost an amount that is not known here, until it")
    assert "DescribeEndpointConfig" in told


def test_that_a_pipeline_starts_jobs_which_cost_is_said(hooked, capsys):
    client = hooked.client("sagemaker")
    arn = client.create_pipeline(
        PipelineName="digits",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []}),
        ClientRequestToken="x" * 32,
        RoleArn=ROLE,
    )["PipelineArn"]
    assert tags(client, arn) == TAGS
    client.start_pipeline_execution(PipelineName="digits", ClientRequestToken="y" * 32)
    assert capsys.readouterr().out == (
        "The jobs of pipeline digits will cost money: AWS starts them, so their price is not said "
        "here\n"
    )


def test_an_unknown_type_is_said_to_be_unknown(hooked, capsys):
    client = hooked.client("sagemaker", region_name="ap-south-1")
    resources = TRAINING["ResourceConfig"] | {"InstanceType": "ml.p5.48xlarge"}
    client.create_training_job(**TRAINING | {"ResourceConfig": resources})
    assert "will cost an amount that is not known here" in capsys.readouterr().out


def test_a_tuning_job_is_priced_as_all_its_training_jobs(hooked, capsys):
    """Also where the SDK tells the instances in its own member, and a grid no number."""
    definition = {
        name: TRAINING[name]
        for name in ("RoleArn", "OutputDataConfig", "StoppingCondition", "AlgorithmSpecification")
    }
    values = [{"Name": name, "Values": ["a", "b"]} for name in ("one", "two")]
    request = {
        "HyperParameterTuningJobName": "lab4-tuning",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"CategoricalParameterRanges": values},
        },
        "TrainingJobDefinition": definition
        | {"HyperParameterTuningResourceConfig": TRAINING["ResourceConfig"]},
    }
    client = hooked.client("sagemaker")
    client.create_hyper_parameter_tuning_job(**request)
    told = capsys.readouterr().out
    assert told.startswith("Tuning job lab4-tuning will cost about $0.09: 4 jobs, each 1 × ml.m5.x")
    request["HyperParameterTuningJobName"] = "lab4-tuning-2"
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 1
    client.create_hyper_parameter_tuning_job(**request)
    assert "will cost about $0.02: 1 × ml.m5.xlarge" in capsys.readouterr().out


def test_a_version_of_a_model_gets_no_tag_of_its_own(hooked):
    """AWS refuses one: a version has those of its group."""
    client = hooked.client("sagemaker")
    requests = sent(client)
    client.create_model_package_group(ModelPackageGroupName="digits")
    client.create_model_package(ModelPackageGroupName="digits")
    client.create_model_package(ModelPackageName="alone")
    assert [request.get("Tags") for request in requests] == [TAGS, None, TAGS]


def test_own_tags_stay(hooked):
    client = hooked.client("sagemaker")
    requests = sent(client)
    own = [{"Key": "team", "Value": "blue"}]
    client.create_experiment(ExperimentName="e", Tags=own)
    client.create_trial(ExperimentName="e", TrialName="t")
    other = [{"Key": "workshop", "Value": "of my own"}]
    client.create_trial_component(TrialComponentName="c", Tags=other)
    assert [request["Tags"] for request in requests] == [own + TAGS, TAGS, other]
    assert own == [{"Key": "team", "Value": "blue"}]


def test_repositories_are_tagged_and_buckets_are_not(hooked):
    ecr = hooked.client("ecr")
    arn = ecr.create_repository(repositoryName="labs/own")["repository"]["repositoryArn"]
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == TAGS
    s3 = hooked.client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="sagemaker-any", CreateBucketConfiguration=where)
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket="sagemaker-any")


def test_reading_is_left_alone(hooked):
    assert hooked.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_an_incomplete_request_is_for_botocore_to_refuse(hooked, capsys):
    with pytest.raises(ParamValidationError, match="RoleArn"):
        hooked.client("sagemaker").create_training_job(TrainingJobName="x")
    assert capsys.readouterr().out == ""


def test_the_next_estimate_knows_how_long_the_job_took(hooked, tmp_path):
    client = hooked.client("sagemaker")
    began = datetime(2026, 11, 20, 15, 0)
    jobs = {
        "ProcessingJob": {
            "ProcessingStartTime": began,
            "ProcessingEndTime": began + timedelta(seconds=70),
        },
        "TrainingJob": {"TrainingTimeInSeconds": 200},
        "TransformJob": {
            "TransformStartTime": began,
            "TransformEndTime": began + timedelta(seconds=240),
        },
    }
    requests = {"ProcessingJob": PROCESSING, "TrainingJob": TRAINING, "TransformJob": TRANSFORM}
    for state in ("InProgress", "Completed"):
        for kind, times in jobs.items():
            told = times | {f"{kind}Status": state, f"{kind}Name": requests[kind][f"{kind}Name"]}
            model = client.meta.service_model.operation_model(f"Describe{kind}")
            event = f"after-call.sagemaker.{model.name}"
            client.meta.events.emit(event, http_response=None, parsed=told, model=model, context={})
        known = [prices.estimate(one, records=tmp_path) for one in requests.values()]
        assert all(("last time" in one) == (state == "Completed") for one in known)
    assert "1 min (as lab2-preprocessing took there" in known[0]
    assert "3 min (as lab2-training took there" in known[1]
    assert "4 min (as lab4-transform took there" in known[2]


SCRIPT = """\
import json
import sys
from unittest.mock import MagicMock

from moto import mock_aws

with mock_aws(config={"core": {"mock_credentials": False}}):
    import boto3
    import sagemaker

    session = sagemaker.Session()
    found = {"role": sagemaker.get_execution_role(), "bucket": session.default_bucket()}
    other = sagemaker.Session(boto3.Session(region_name="us-east-2"))
    found["bucket elsewhere"] = other.default_bucket()
    made = boto3.client("s3").list_buckets()["Buckets"]
    found["buckets"] = sorted(bucket["Name"] for bucket in made)

    from sagemaker.processing import ScriptProcessor

    open("script.py", "w").close()
    processor = ScriptProcessor(
        role=found["role"], image_uri="image", command=["python3"], instance_count=1,
        instance_type="ml.m5.xlarge", base_job_name="lab2-preprocessing",
    )
    processor.run("script.py", wait=False)
    arn = processor.latest_job.describe()["ProcessingJobArn"]
    found["tags"] = boto3.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    print(json.dumps(found))
"""


@pytest.mark.slow
def test_unmodified_sdk_code_of_a_user(tmp_path):
    """A user is no role; the stack's role and bucket are found all the same, by plain scripts."""
    settings = {
        "WORKSHOP_AWS": "1",
        "WORKSHOP_ACCOUNT": ACCOUNT,
        "WORKSHOP_REGION": REGION,
        "WORKSHOP_ROLE": ROLE,
        "WORKSHOP_BUCKET": "sagemaker-workshop-test",
        "WORKSHOP_RECORDS": str(tmp_path),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT],
        env=os.environ | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    price, found = done.stdout.splitlines()[-2:]
    assert price.startswith("Processing job lab2-preprocessing-2")
    assert "will cost about $0.02: 1 × ml.m5.xlarge at $0.257 an hour" in price
    found = json.loads(found)
    assert found == {
        "role": ROLE,
        "bucket": "sagemaker-workshop-test",
        "bucket elsewhere": f"sagemaker-us-east-2-{ACCOUNT}",
        "buckets": [f"sagemaker-us-east-2-{ACCOUNT}", "sagemaker-workshop-test"],
        "tags": TAGS,
    }
