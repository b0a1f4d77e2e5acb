"""Batch transforms, through boto3: what is asked of a model, what comes out, and how it ends."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records

from ...conftest import until
from ...serving_by_boto3 import (
    BUCKET,
    bucket,  # noqa: F401
    container,
    hosts,
    model,
    new_name,
    objects,
    sagemaker,
)

pytestmark = pytest.mark.slow

#: Tells what it was asked: each request is a line of the output.
TELLS = """
import json
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode("latin-1")
    return json.dumps([data, content_type, accept]) + "\\n", "application/jsonlines"
"""
#: Adds up the numbers in each row of a CSV.
SUMS = """
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode()
    rows = [map(float, line.split(",")) for line in data.split()]
    return "".join(f"{sum(row)}\\n" for row in rows), accept
"""


def put(prefix: str, **files: bytes | str) -> str:
    """Put objects below a prefix, ``_`` for ``/`` in their names; return its URI."""
    for name, content in files.items():
        key = f"{prefix}/{name.replace('_', '/')}"
        daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return f"s3://{BUCKET}/{prefix}/"


def transform(script: str | dict, uri: str, given=None, wanted=None, count: int = 1, **more) -> str:
    """Create a transform job; return its name, which is its output's prefix."""
    name = new_name("transform")
    more.setdefault("ModelName", None)
    kind = (given or {}).pop("S3DataType", "S3Prefix")
    request = {
        "TransformJobName": name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}},
            "ContentType": "text/csv",
        }
        | (given or {}),
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/{name}", "Accept": "text/csv"}
        | (wanted or {}),
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": count},
        **more,
        "ModelName": more["ModelName"] or model(container(script)),
    }
    sagemaker().create_transform_job(**request)
    return name


def described(name: str) -> dict:
    return sagemaker().describe_transform_job(TransformJobName=name)


def ended(name: str) -> dict:
    running = ("InProgress", "Stopping")
    assert until(lambda: described(name)["TransformJobStatus"] not in running, 60), described(name)
    return described(name)


def output(name: str) -> dict[str, str]:
    """Return the output of a job that ends well: text by path."""
    found = ended(name)
    assert found["TransformJobStatus"] == "Completed", found["FailureReason"]
    start = len(name) + 1
    return {key[start:]: text.decode() for key, text in objects(f"{name}/").items()}


def asked(name: str, path: str = "a.csv.out") -> list[str]:
    """Return the bodies that TELLS was asked with for an object."""
    return [json.loads(line)[0] for line in output(name)[path].splitlines()]


def log(name: str) -> dict[str, list[str]]:
    client, group = daemon.client("logs"), "/aws/sagemaker/TransformJobs"
    found = client.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    return {
        one["logStreamName"].removeprefix(f"{name}/"): [
            event["message"]
            for event in client.get_log_events(
                logGroupName=group, logStreamName=one["logStreamName"], startFromHead=True
            )["events"]
        ]
        for one in found["logStreams"]
    }


def data_log(name: str) -> list[str]:
    """Return the lines of the data log, without their times."""
    [lines] = [lines for stream, lines in log(name).items() if stream.endswith("/data-log")]
    return [line.partition(":[sagemaker logs]: ")[2] for line in lines]


# --- what goes in, what comes out -------------------------------------------------------------


def test_each_object_has_an_output_at_the_same_path():
    uri = put("whole", **{"a.csv": "1,2\n3,4\n", "deep_b.csv": "5\n", "empty.csv": ""})
    name = transform(SUMS, uri, {"SplitType": "Line"}, {"AssembleWith": "Line"})
    assert output(name) == {
        "a.csv.out": "3.0\n7.0\n",
        "deep/b.csv.out": "5.0\n",
        "empty.csv.out": "",
    }
    found = described(name)
    assert found["TransformJobArn"].endswith(f":123456789012:transform-job/{name}")
    assert found["CreationTime"] <= found["TransformStartTime"] <= found["TransformEndTime"]
    assert found["TransformInput"]["SplitType"] == "Line"
    assert not hosts()


@pytest.mark.parametrize(
    ("given", "more", "bodies"),
    [
        ({}, {}, ["1\n2\n3\n"]),  # the whole object
        ({"SplitType": "Line"}, {}, ["1\n2\n3\n"]),
        ({"SplitType": "Line"}, {"BatchStrategy": "SingleRecord"}, ["1", "2", "3"]),
        ({"SplitType": "Line"}, {"MaxPayloadInMB": 0}, ["1\n2\n3\n"]),
    ],
)
def test_records_are_sent_as_the_strategy_says(given, more, bodies):
    uri = put("strategy", **{"a.csv": "1\n2\n3\n"})
    assert asked(transform(TELLS, uri, given, **more)) == bodies


def test_a_request_has_as_many_records_as_the_payload_takes():
    row = "x" * 600_000
    uri = put("payload", **{"a.csv": f"{row}\n" * 3})
    name = transform(TELLS, uri, {"SplitType": "Line"}, MaxPayloadInMB=1)
    assert asked(name) == [f"{row}\n"] * 3
    name = transform(TELLS, uri, {"SplitType": "Line"}, MaxPayloadInMB=2)
    assert asked(name) == [f"{row}\n" * 3]
    assert data_log(name) == [
        "MaxConcurrentTransforms=1, MaxPayloadInMB=2, BatchStrategy=MULTI_RECORD"
    ]


def test_the_type_of_the_data_and_of_the_answer_are_told():
    uri = put("types", **{"a": b"x"})
    name = transform(TELLS, uri, {"ContentType": "a/b"}, {"Accept": "c/d"})
    assert output(name) == {"a.out": '["x", "a/b", "c/d"]\n'}


def test_compressed_objects_are_unpacked():
    uri = put("packed", **{"a.csv.gz": gzip.compress(b"1\n2\n")})
    assert output(transform(SUMS, uri, {"CompressionType": "Gzip"})) == {
        "a.csv.gz.out": "1.0\n2.0\n"
    }


def test_a_prefix_is_the_beginning_of_a_key_and_a_manifest_names_objects():
    put("named", **{"a.csv": "1\n", "b_c.csv": "2\n", "not-this.csv": "3\n"})
    top = f"s3://{BUCKET}/named"
    assert output(transform(SUMS, f"{top}/a.csv")) == {"a.csv.out": "1.0\n"}
    manifest = json.dumps([{"prefix": f"{top}/"}, "a.csv", "b/c.csv"])
    daemon.client("s3").put_object(Bucket=BUCKET, Key="a.manifest", Body=manifest)
    listed = {"S3DataType": "ManifestFile"}
    assert output(transform(SUMS, f"s3://{BUCKET}/a.manifest", listed)) == {
        "a.csv.out": "1.0\n",
        "b/c.csv.out": "2.0\n",
    }


def test_instances_share_the_objects():
    tells = "import uuid\nOWN = uuid.uuid4().hex\n" + TELLS.replace("[data,", "[OWN,")
    uri = put("shared", **{f"{n}.csv": "1\n" for n in range(5)})
    found = output(transform(tells, uri, count=2))
    by_instance: dict[str, list[str]] = {}
    for path, line in found.items():
        by_instance.setdefault(json.loads(line)[0], []).append(path[0])
    assert sorted(by_instance.values()) == [["0", "2", "4"], ["1", "3"]]


def test_variables_are_the_models_the_jobs_and_sagemakers():
    tells = TELLS.replace("[data,", "[dict(__import__('os').environ),")
    uri = put("variables", **{"a.csv": "1"})
    chosen = {"MaxPayloadInMB": 3, "MaxConcurrentTransforms": 2, "BatchStrategy": "SingleRecord"}
    name = transform(tells, uri, Environment={"OWN": "1", "SAGEMAKER_PROGRAM": "inference.py"})
    variables = json.loads(output(name)["a.csv.out"])[0]
    assert (variables["OWN"], variables["SAGEMAKER_BATCH"]) == ("1", "true")
    assert "SAGEMAKER_MAX_PAYLOAD_IN_MB" not in variables
    variables = json.loads(output(transform(tells, uri, **chosen))["a.csv.out"])[0]
    assert variables["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "3"
    assert variables["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "2"
    assert variables["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"


# --- filters and joins ------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_the_columns_of_a_csv_are_filtered_and_joined(strategy):
    """The guide's own example: an ID that the model must not see."""
    uri = put("joined", **{"a.csv": '7,1,2\n"8, or 9",3,4\n'})
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    lines = {"SplitType": "Line"}, {"AssembleWith": "Line"}
    name = transform(SUMS, uri, *lines, DataProcessing=processing, BatchStrategy=strategy)
    assert output(name) == {"a.csv.out": '7,3.0\n"8, or 9",7.0\n'}


def test_the_attributes_of_json_lines_are_filtered_and_joined():
    uri = put("json", **{"a.jsonl": '{"id": 1, "features": [1, 2]}\n{"id": 2, "features": [3]}\n'})
    kind = "application/jsonlines"
    sums = """
import json
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode()
    rows = [json.loads(line) for line in data.splitlines()]
    return "".join(json.dumps({"sum": sum(row)}) + "\\n" for row in rows), accept
"""
    given, wanted = {"ContentType": kind, "SplitType": "Line"}, {"Accept": kind}
    processing = {"InputFilter": "$.features", "JoinSource": "Input"}
    name = transform(sums, uri, dict(given), wanted, DataProcessing=processing)
    assert output(name) == {
        "a.jsonl.out": '{"id":1,"features":[1,2],"SageMakerOutput":{"sum":3}}\n'
        '{"id":2,"features":[3],"SageMakerOutput":{"sum":3}}\n'
    }
    processing["OutputFilter"] = "$['id','SageMakerOutput']"
    wanted["AssembleWith"] = "Line"
    name = transform(sums, uri, dict(given), wanted, DataProcessing=processing)
    assert output(name) == {
        "a.jsonl.out": '{"id":1,"SageMakerOutput":{"sum":3}}\n'
        '{"id":2,"SageMakerOutput":{"sum":3}}\n'
    }


def test_a_filter_that_cannot_be_read_fails_the_job():
    uri = put("unread", **{"a.csv": "1,2\n"})
    name = transform(SUMS, uri, DataProcessing={"OutputFilter": "$[0:2,246:]"})
    assert ended(name)["TransformJobStatus"] == "Failed"
    assert data_log(name)[-1] == (
        f"{BUCKET}/unread/a.csv: Invalid JsonPath: $[0:2,246:]: only single range filters of "
        "format (eg: [1:5]) are supported. Format [0:2,246:] is not supported"
    )


# --- how it ends ------------------------------------------------------------------------------


def test_a_record_that_fails_fails_the_job_and_its_object_alone():
    uri = put("bad", **{"a.csv": "1\n2\n", "b.csv": "1\nx\n3\n", "c.csv": "3\n"})
    name = transform(SUMS, uri, {"SplitType": "Line"}, BatchStrategy="SingleRecord")
    found = ended(name)
    assert found["TransformJobStatus"] == "Failed"
    reason, told = found["FailureReason"].split("\n", 1)
    assert reason == "AlgorithmError: See job logs for more information"
    assert told.startswith(f"{BUCKET}/bad/b.csv: Bad HTTP status received from algorithm: 500 Mes")
    assert objects(f"{name}/") == {
        f"{name}/a.csv.out": b"1.0\n2.0\n",
        f"{name}/c.csv.out": b"3.0\n",
    }
    lines = data_log(name)
    assert lines[0] == "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD"
    assert lines[1:4] == [
        f"{BUCKET}/bad/b.csv: Bad HTTP status received from algorithm: 500",
        f"{BUCKET}/bad/b.csv: ",
        f"{BUCKET}/bad/b.csv: Message:",
    ]
    [own] = [lines for stream, lines in log(name).items() if not stream.endswith("/data-log")]
    assert sum(line.startswith("ValueError: could not convert") for line in own) == 4  # 3 retries
    assert not hosts()


def test_what_the_model_calls_the_clients_error_is_not_tried_again():
    script = """
from werkzeug.wrappers import Response
def model_fn(folder): return folder
def input_fn(data, content_type): return data
def predict_fn(data, model): return data
def output_fn(answer, accept):
    print("asked")
    return Response("no such digit", 400)
"""
    name = transform(script, put("client", **{"a.csv": "1\n"}))
    assert ended(name)["FailureReason"].startswith("ClientError: See job logs for more information")
    assert data_log(name)[1] == f"{BUCKET}/client/a.csv: ClientError: 400"
    assert [line for lines in log(name).values() for line in lines].count("asked") == 1


def test_an_answer_that_takes_too_long_fails_the_job():
    script = SUMS.replace("rows =", "__import__('time').sleep(5); rows =")
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    name = transform(script, put("late", **{"a.csv": "1\n"}), ModelClientConfig=client)
    assert ended(name)["FailureReason"].startswith("AlgorithmError: See job logs")
    assert data_log(name)[1] == f"{BUCKET}/late/a.csv: Unable to get response from algorithm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uri": f"s3://{BUCKET}/nothing/"}, "ClientError: Data download failed: No S3 objects"),
        ({"wanted": {"S3OutputPath": "s3://sagemaker-missing/x"}}, "there is no bucket 'sagemaker"),
        ({"wanted": {"S3OutputPath": "s3://closed/x"}}, "AccessDenied: the role"),
        ({"script": "raise ValueError('no model')"}, "AlgorithmError: Model container failed to"),
        ({"given": {"CompressionType": "Gzip"}}, "a.csv: It cannot be unpacked: Not a gzipped"),
        ({"given": {"SplitType": "RecordIO"}}, "It is no RecordIO"),
    ],
)
def test_it_fails_with_the_reason(change, words):
    uri = put("reasons", **{"a.csv": "1,2,3\n4,5,6\n"})
    name = transform(**{"script": SUMS, "uri": uri, **change})
    found = ended(name)
    assert found["TransformJobStatus"] == "Failed"
    assert words in found["FailureReason"]
    assert not objects(f"{name}/") and not hosts()


def test_a_record_larger_than_the_payload_fails_the_job():
    uri = put("large", **{"a.csv": "x" * (1 << 20) + "y"})
    name = transform(TELLS, uri, MaxPayloadInMB=1)
    assert "1048577 bytes: more than MaxPayloadInMB=1" in ended(name)["FailureReason"]


def test_a_job_that_is_stopped_leaves_no_output():
    script = SUMS.replace("rows =", "__import__('time').sleep(float(data) - 1); rows =")
    name = transform(script, put("stopped", **{"a.csv": "1\n", "b.csv": "600\n"}))
    assert until(lambda: hosts() and "TransformStartTime" in described(name))
    began = time.monotonic()
    sagemaker().stop_transform_job(TransformJobName=name)
    assert ended(name)["TransformJobStatus"] == "Stopped"
    assert time.monotonic() - began < 10
    assert not objects(f"{name}/") and not hosts()
    with pytest.raises(ClientError, match="because the transform job is in status Stopped"):
        sagemaker().stop_transform_job(TransformJobName=name)


# --- as all jobs have it ----------------------------------------------------------------------


def test_jobs_are_listed_tagged_and_leave_a_trial_component():
    client, uri = sagemaker(), put("listed", **{"a.csv": "1\n"})
    experiment = new_name("experiment")
    client.create_experiment(ExperimentName=experiment)
    client.create_trial(TrialName=experiment, ExperimentName=experiment)
    config = {"ExperimentName": experiment, "TrialName": experiment}
    tags = [{"Key": "team", "Value": "a"}]
    first = transform(SUMS, uri, ExperimentConfig=config, Tags=tags)
    second = transform(SUMS, uri)
    output(first), output(second)
    listed = client.list_transform_jobs(StatusEquals="Completed", MaxResults=2)
    names = [one["TransformJobName"] for one in listed["TransformJobSummaries"]]
    assert names == [second, first]
    assert client.list_tags(ResourceArn=described(first)["TransformJobArn"])["Tags"] == tags
    component = client.describe_trial_component(TrialComponentName=f"{first}-aws-transform-job")
    assert component["Status"]["PrimaryStatus"] == "Completed"
    assert component["Source"]["SourceType"] == "SageMakerTransformJob"
    assert component["OutputArtifacts"]["SageMaker.TransformOutput"]["Value"].endswith(first)


def test_a_pipeline_of_containers_hands_each_answer_on():
    tells, uri = container(TELLS), put("chained", **{"a.csv": "1,2\n"})
    name = transform("", uri, wanted={"Accept": "x/y"}, ModelName=model(container(SUMS), tells))
    assert output(name) == {"a.csv.out": '["3.0\\n", "x/y", "x/y"]\n'}
    ends = {stream.partition("/")[2] for stream in log(name)}
    assert ends - {""} == {"container-1", "container-2", "data-log"}


def test_a_job_does_not_need_its_model_any_more_once_it_runs():
    used = model(container(SUMS.replace("rows =", "__import__('time').sleep(1); rows =")))
    name = transform("", put("deleted", **{"a.csv": "1\n"}), ModelName=used)
    sagemaker().delete_model(ModelName=used)
    assert output(name) == {"a.csv.out": "1.0\n"}


def test_its_record_has_the_model_which_may_be_deleted(script, tmp_path):
    used, data = model(container(SUMS)), put("recorded", **{"a.csv": "1,2\n"})
    program = f"""
import boto3
client = boto3.client('sagemaker')
client.create_transform_job(
    TransformJobName='recorded-transform', ModelName='{used}',
    TransformInput={{'DataSource': {{'S3DataSource': {{
        'S3DataType': 'S3Prefix', 'S3Uri': '{data}'}}}}, 'ContentType': 'text/csv'}},
    TransformOutput={{'S3OutputPath': 's3://{BUCKET}/recorded', 'Accept': 'text/csv'}},
    TransformResources={{'InstanceType': 'ml.m5.large', 'InstanceCount': 1}})
client.delete_model(ModelName='{used}')
"""
    script(program, {})
    assert until(lambda: all(one.ended for one in records.jobs(tmp_path)))
    (record,) = records.jobs(tmp_path)
    assert (record.kind, record.error) == ("transform", "")
    named = record.request["Model"]
    assert named["ModelName"] == record.request["ModelName"] == used
    assert named["PrimaryContainer"]["ModelDataUrl"].endswith("/model.tar.gz")


def test_a_registered_model_transforms_as_long_as_it_is_registered():
    client, group = sagemaker(), new_name("group")
    client.create_model_package_group(ModelPackageGroupName=group)
    package = client.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={
            "Containers": [container(SUMS)],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
        },
    )["ModelPackageArn"]
    registered = {"ModelName": model({"ModelPackageName": package})}
    uri = put("registered", **{"a.csv": "1,2\n"})
    assert output(transform("", uri, **registered)) == {"a.csv.out": "3.0\n"}
    client.delete_model_package(ModelPackageName=package)
    before = client.list_transform_jobs()["TransformJobSummaries"]
    with pytest.raises(ClientError, match=f"ModelPackage {package} does not exist"):
        transform("", uri, **registered)
    assert client.list_transform_jobs()["TransformJobSummaries"] == before


def test_a_job_that_runs_when_the_server_ends_has_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.client("s3").create_bucket(Bucket=BUCKET)
    script = SUMS.replace("rows =", "__import__('time').sleep(600); rows =")
    name = transform(script, put("ends", **{"a.csv": "1\n"}))
    done = transform(SUMS, put("done", **{"a.csv": "1\n"}))
    output(done)
    assert until(lambda: hosts())
    daemon.stop()
    assert not hosts()
    assert "the emulated AWS was ended while the job ran" in described(name)["FailureReason"]
    assert described(done)["TransformJobStatus"] == "Completed"
    assert data_log(done)  # logs are kept
    daemon.stop()


def test_what_is_not_played_is_refused_by_name():
    uri = put("refused", **{"a.csv": "1\n"})
    with pytest.raises(ClientError, match="DataCaptureConfig is not played"):
        transform(SUMS, uri, DataCaptureConfig={"DestinationS3Uri": uri})
    with pytest.raises(ClientError, match="S3DataType AugmentedManifestFile is not supported"):
        transform(SUMS, uri, {"S3DataType": "AugmentedManifestFile"})
    with pytest.raises(ClientError, match=r"There is no transform job 'none'\."):
        described("none")
    with pytest.raises(
        ClientError, match=r"ml\.m5\.large for transform job usage' is 20 Instances"
    ):
        transform(SUMS, uri, count=21)
