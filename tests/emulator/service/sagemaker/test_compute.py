"""Jobs of the emulated account, through the door of boto3: SageMaker's API, S3, CloudWatch Logs."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from workshop.emulator import keys as secrets
from workshop.emulator import state
from workshop.emulator.client import connection, daemon
from workshop.emulator.containers import engine
from workshop.emulator.errors import WorkshopError
from workshop.emulator.service.sagemaker import records
from workshop.emulator.settings import REGION

from ... import job_requests
from ...by_boto3 import (
    BUCKET,
    IMAGE,
    bucket,  # noqa: F401
    channel,
    datapoints,
    described,
    ended,
    given,
    keys,
    log,
    own_server,  # noqa: F401
    process,
    put,
    status,
    taken,
    train,
    unpacked,
)
from ...conftest import ROLE, until

pytestmark = pytest.mark.slow

# --- what goes in -----------------------------------------------------------------------------

LIST = """
import os, json
top = '/opt/ml/processing/in'
print(json.dumps(sorted(os.path.relpath(os.path.join(a, f), top)
    for a, _, names in os.walk(top) for f in names)))
"""


def seen(name: str) -> dict[str, list[str]]:
    assert ended(name)["ProcessingJobStatus"] == "Completed", described(name)
    return {host: json.loads(lines[-1]) for host, lines in log(name).items()}


def test_each_host_gets_all_objects_of_a_prefix():
    put("whole/a.txt", "whole/deep/b.txt", "whole/empty-folder/")
    name = process(LIST, inputs=[given(f"s3://{BUCKET}/whole/")], hosts=2)
    assert seen(name) == {"algo-1": ["a.txt", "deep/b.txt"], "algo-2": ["a.txt", "deep/b.txt"]}


def test_sharded_input_gives_each_object_to_one_host():
    put(*(f"shards/{n:02}.txt" for n in range(7)))
    share = given(f"s3://{BUCKET}/shards/", S3DataDistributionType="ShardedByS3Key")
    shares = list(seen(process(LIST, inputs=[share], hosts=3)).values())
    assert sorted(itertools.chain(*shares)) == [f"{n:02}.txt" for n in range(7)]
    assert sorted(map(len, shares)) == [2, 2, 3]


def test_a_prefix_is_the_beginning_of_a_name():
    """So one without a slash at its end may take more than is meant, as on AWS."""
    put("pre/train/a.txt", "pre/train-old/b.txt", "pre/one.csv")
    assert seen(process(LIST, inputs=[given(f"s3://{BUCKET}/pre/train")])) == {
        "algo-1": ["a.txt", "train-old/b.txt"]
    }
    assert seen(process(LIST, inputs=[given(f"s3://{BUCKET}/pre/one.csv")])) == {
        "algo-1": ["one.csv"]
    }


def test_a_manifest_names_the_objects():
    put("m/a.txt", "m/b/c.txt", "m/not-this.txt")
    manifest = [{"prefix": f"s3://{BUCKET}/m/"}, "a.txt", "b/c.txt"]
    daemon.client("s3").put_object(Bucket=BUCKET, Key="the.manifest", Body=json.dumps(manifest))
    one = given(f"s3://{BUCKET}/the.manifest", S3DataType="ManifestFile")
    assert seen(process(LIST, inputs=[one])) == {"algo-1": ["a.txt", "b/c.txt"]}

    manifest.append("missing.txt")
    daemon.client("s3").put_object(Bucket=BUCKET, Key="the.manifest", Body=json.dumps(manifest))
    failed = ended(process(LIST, inputs=[one]))
    assert f"lists s3://{BUCKET}/m/missing.txt, which does not exist" in failed["FailureReason"]


def test_an_input_with_no_object_fails_the_job():
    failed = ended(process(LIST, inputs=[given(f"s3://{BUCKET}/nothing-here/")]))
    assert failed["ProcessingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("ClientError: Data download failed: No S3 objects")
    assert f's3://{BUCKET}/nothing-here/"' in failed["FailureReason"]


# --- what a container finds -------------------------------------------------------------------

CONFIGURATION = """
import glob, json, os
print(json.dumps({f: json.load(open(f)) for f in glob.glob('/opt/ml/**/*.json', recursive=True)}))
print(json.dumps(dict(os.environ)))
"""

RESOURCES = {
    "current_host": "algo-2",
    "current_instance_type": "ml.m5.xlarge",
    "current_group_name": "homogeneousCluster",
    "hosts": ["algo-1", "algo-2"],
    "instance_groups": [
        {
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.m5.xlarge",
            "hosts": ["algo-1", "algo-2"],
        }
    ],
    "network_interface_name": "eth0",
}


def test_the_files_and_variables_of_a_processing_container():
    put("conf/a.txt")
    name = process(
        CONFIGURATION,
        inputs=[given(f"s3://{BUCKET}/conf/")],
        outputs=[taken("conf-out")],
        hosts=2,
        Environment={"MODE": "python"},
    )
    ended(name)
    files, environment = map(json.loads, log(name)["algo-2"])
    assert files["/opt/ml/config/resourceconfig.json"] == RESOURCES
    job = files["/opt/ml/config/processingjobconfig.json"]
    assert job["ProcessingJobName"] == name
    assert job["ProcessingJobArn"].endswith(f":processing-job/{name}")
    assert job["ProcessingInputs"][1]["S3Input"]["LocalPath"] == "/opt/ml/processing/in"
    assert job["ProcessingOutputConfig"]["Outputs"][0]["OutputName"] == "out"
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
    assert job["AppSpecification"]["ImageUri"] == IMAGE
    assert job["Environment"] == {"MODE": "python"} and job["RoleArn"] == ROLE
    assert environment["MODE"] == "python" and environment["AWS_REGION"] == REGION
    assert environment["AWS_ENDPOINT_URL"] == daemon.ensure()


def test_the_files_and_variables_of_a_training_container():
    put("conf/a.txt")
    name = train(
        CONFIGURATION,
        hosts=2,
        HyperParameters={"epochs": "3"},
        Environment={"MODE": "python"},
        channels=[channel("train", f"s3://{BUCKET}/conf/", ContentType="x/y")],
    )
    ended(name)
    files, environment = map(json.loads, log(name)["algo-2"])
    config = "/opt/ml/input/config"
    assert files[f"{config}/resourceconfig.json"] == RESOURCES
    assert files[f"{config}/hyperparameters.json"] == {"epochs": "3"}
    channels = files[f"{config}/inputdataconfig.json"]
    assert channels.keys() == {"code", "train"}
    assert channels["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "x/y",
    }
    assert environment["TRAINING_JOB_NAME"] == name and environment["MODE"] == "python"
    assert environment["S3_ENDPOINT_URL"] == daemon.ensure()


# --- what comes out ---------------------------------------------------------------------------


def test_outputs_of_all_hosts_come_together():
    program = """
import os
os.makedirs('/opt/ml/processing/out/deep')
open('/opt/ml/processing/out/deep/' + os.environ['HOSTNAME'], 'w').write('mine')
open('/opt/ml/processing/private', 'w').write(os.environ['HOSTNAME'])
assert os.listdir('/opt/ml/processing/out/deep') == [os.environ['HOSTNAME']]
"""
    name = process(program, outputs=[taken("together")], hosts=2)
    assert ended(name)["ProcessingJobStatus"] == "Completed", described(name)
    assert keys("together") == ["together/deep/algo-1", "together/deep/algo-2"]


def test_continuous_upload_is_there_before_the_job_ends():
    program = """
import time
for name in ('now', 'end'):
    open(f'/opt/ml/processing/{name}/file', 'w').write(name)
time.sleep(60)
"""
    now = taken("while/now", "/opt/ml/processing/now", "Continuous")
    name = process(program, outputs=[now, taken("while/end", "/opt/ml/processing/end")])
    assert until(lambda: keys("while/"))
    assert keys("while/") == ["while/now/file"]
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    ended(name)
    assert keys("while/") == ["while/end/file", "while/now/file"]


def test_model_and_output_are_packed_as_on_aws():
    program = """
import os
from pathlib import Path
host = os.environ['HOSTNAME']
for name, text in {f'model/{host}.bin': host, 'model/deep/w': 'w',
                   f'output/data/{host}.json': '{}'}.items():
    path = Path('/opt/ml', name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
"""
    name = train(program, hosts=2)
    model = ended(name)["ModelArtifacts"]["S3ModelArtifacts"]
    assert model == f"s3://{BUCKET}/trained/{name}/output/model.tar.gz"
    assert unpacked(f"trained/{name}/output/model.tar.gz") == {
        "algo-1.bin": b"algo-1", "algo-2.bin": b"algo-2", "deep/w": b"w",
    }  # fmt: skip
    assert unpacked(f"trained/{name}/output/output.tar.gz") == {
        "algo-1.json": b"{}", "algo-2.json": b"{}",
    }  # fmt: skip


def test_a_model_that_is_not_to_be_packed():
    output = {"S3OutputPath": f"s3://{BUCKET}/plain", "CompressionType": "NONE"}
    name = train("open('/opt/ml/model/w', 'w').write('w')", OutputDataConfig=output)
    place = ended(name)["ModelArtifacts"]["S3ModelArtifacts"]
    assert place == f"s3://{BUCKET}/plain/{name}/output/model/"
    assert keys("plain/") == [f"plain/{name}/output/model/w"]


# --- its life ---------------------------------------------------------------------------------


def test_a_training_job_goes_through_its_secondary_statuses():
    found = ended(train("import time; time.sleep(1.2); print('done')"))
    transitions = found["SecondaryStatusTransitions"]
    assert [one["Status"] for one in transitions] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Completed"
    times = [found["CreationTime"]]
    times += [one[edge] for one in transitions for edge in ("StartTime", "EndTime")]
    assert times == sorted(times)
    took = (found["TrainingEndTime"] - found["TrainingStartTime"]).total_seconds()
    assert 1.2 <= took <= found["TrainingTimeInSeconds"] + 0.2
    assert found["BillableTimeInSeconds"] == found["TrainingTimeInSeconds"] >= 2


def test_logs_arrive_while_the_job_runs():
    name = process("import time; print('first'); time.sleep(60)")
    assert until(lambda: log(name).get("algo-1")) == ["first"]
    assert status(name) == "InProgress"
    (job,) = [job for job in engine.running() if job.name == name]
    assert (job.kind, job.last_line) == ("processing", "first")
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    assert ended(name)["ProcessingJobStatus"] == "Stopped"


def test_the_log_of_one_job_is_found_by_the_beginning_of_its_stream():
    names = [process("print('one')"), process("print('two')\nprint('three')")]
    for name in names:
        ended(name)

    def found(prefix: str) -> list[str]:
        group = "/aws/sagemaker/ProcessingJobs"
        pages = (
            daemon.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=group, logStreamNamePrefix=prefix)
        )
        return [event["message"] for page in pages for event in page["events"]]

    assert [found(f"{name}/") for name in names] == [["one"], ["two", "three"]]
    assert found("nobody/") == []


def test_metrics_are_read_out_of_the_logs():
    program = "for n in range(3): print(f'epoch {n} val_loss={1 / (n + 1):.3f} loss=nothing')"
    name = train(
        program,
        metrics=[
            {"Name": "validation:loss", "Regex": r"val_loss=([0-9.]+)"},
            {"Name": "train:loss", "Regex": r" loss=(\S+)"},
        ],
    )
    (final,) = ended(name)["FinalMetricDataList"]
    assert (final["MetricName"], round(final["Value"], 3)) == ("validation:loss", 0.333)
    assert max(one["Maximum"] for one in datapoints(name, "validation:loss")) == 1.0


def test_the_failure_reason_is_the_error_of_the_script():
    failed = ended(process("def read(): raise ValueError('13 labels')\nread()"))
    reason = failed["FailureReason"]
    assert reason.startswith("AlgorithmError: algo-1 exited with code 1.\nTraceback (most recent")
    assert reason.endswith("ValueError: 13 labels")


def test_the_failure_reason_is_what_the_container_left():
    program = "open('/opt/ml/output/failure', 'w').write('the data is bad')\nraise SystemExit(3)"
    assert ended(train(program))["FailureReason"] == (
        "AlgorithmError: the data is bad, exit code: 3"
    )


def test_a_long_failure_reason_keeps_its_end():
    failed = ended(process("raise ValueError('x' * 5000 + ' the end')"))
    assert len(failed["FailureReason"]) <= 1024
    assert failed["FailureReason"].endswith("x the end")


def test_the_exit_message_of_a_processing_job():
    program = "open('/opt/ml/output/message', 'w').write('7 rows left out' + ' ' * 2000 + '!')"
    assert ended(process(program))["ExitMessage"].startswith("7 rows left out")


def test_one_failing_host_ends_the_others():
    program = """
import os, time
if os.environ['HOSTNAME'] == 'algo-2': raise SystemExit('no disk')
time.sleep(60)
"""
    failed = ended(process(program, hosts=2))
    assert failed["FailureReason"] == "AlgorithmError: no disk\nalgo-2 exited with code 1."


def test_an_image_that_nothing_plays():
    specification = {"ImageUri": IMAGE, "ContainerEntrypoint": ["/opt/program/submit"]}
    failed = ended(process("", AppSpecification=specification))
    assert "No program on this machine plays the image" in failed["FailureReason"]
    assert "/opt/program/submit" in failed["FailureReason"]


# --- its end before the end -------------------------------------------------------------------

PATIENT = """
import signal, sys, time
def leave(*_):
    open('/opt/ml/{folder}/partial', 'w').write('half')
    time.sleep(0.5)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('ready', flush=True)
time.sleep(60)
"""


def test_stop_sends_sigterm_and_keeps_what_there_is():
    name = process(PATIENT.format(folder="processing/out"), outputs=[taken("stopped")])
    assert until(lambda: log(name).get("algo-1"))
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)  # once more does no harm
    assert ended(name)["ProcessingJobStatus"] == "Stopped"
    assert keys("stopped/") == ["stopped/partial"]
    with pytest.raises(ClientError, match="rejected because the processing job is in status Stop"):
        daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)


def test_stop_kills_what_does_not_end():
    name = train("import signal, time; signal.signal(15, 1); print(1); time.sleep(99)")
    assert until(lambda: log(name).get("algo-1"))
    daemon.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert described(name)["SecondaryStatus"] == status(name) == "Stopping"
    assert ended(name)["TrainingJobStatus"] == "Stopped"
    transitions = [one["Status"] for one in described(name)["SecondaryStatusTransitions"]]
    assert transitions == [
        "Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped",
    ]  # fmt: skip


def test_the_time_limit_stops_a_job():
    program = PATIENT.format(folder="model")
    name = train(program, limits={"MaxRuntimeInSeconds": 3})
    found = ended(name)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == (
        "Stopped", "MaxRuntimeExceeded",
    )  # fmt: skip
    assert unpacked(f"trained/{name}/output/model.tar.gz") == {"partial": b"half"}
    late = process("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert ended(late)["ProcessingJobStatus"] == "Stopped"


# --- checkpoints and spot instances -----------------------------------------------------------

#: Counts on from the newest checkpoint, one a fifth of a second.
COUNT = """
import os, time
folder = '/opt/ml/checkpoints'
last = max((int(name) for name in os.listdir(folder)), default=0)
for n in range(last + 1, 100):
    open(f'{folder}/{n:03}', 'w').write(str(n))
    print('epoch', n, flush=True)
    time.sleep(0.2)
    if n == 12: break
"""


def spot(place: str, max_wait: int = 600) -> dict:
    return {
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/{place}"},
        "limits": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": max_wait},
    }


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint():
    name = train(COUNT, **spot("checkpoints/one"))
    assert until(lambda: "checkpoints/one/003" in keys("checkpoints/one"))  # while it runs
    daemon.interrupt(name)
    found = ended(name)
    assert found["TrainingJobStatus"] == "Completed", found
    assert [one["Status"] for one in found["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    epochs = [line for line in log(name)["algo-1"] if line.startswith("epoch")]
    assert epochs == [f"epoch {n}" for n in range(1, 13)]
    assert len(keys("checkpoints/one/")) == 12
    assert found["BillableTimeInSeconds"] < found["TrainingTimeInSeconds"]


def test_a_new_job_begins_with_the_checkpoints_that_are_there():
    put("checkpoints/two/007")
    found = ended(train(COUNT, **spot("checkpoints/two/")))
    lines = log(found["TrainingJobName"])["algo-1"]
    assert lines[0] == "epoch 8"


def test_only_a_spot_job_that_trains_can_be_interrupted():
    name = train("import time; time.sleep(60)")
    with pytest.raises(WorkshopError, match="does not run on a spot instance"):
        daemon.interrupt(name)
    with pytest.raises(WorkshopError, match=f"no training job 'x/y'.* {name}"):
        daemon.interrupt("x/y")
    daemon.client("sagemaker").stop_training_job(TrainingJobName=name)
    ended(name)


def test_a_spot_job_waits_no_longer_than_max_wait():
    limits = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    name = train("import time; time.sleep(60)", **(spot("checkpoints/3") | {"limits": limits}))
    found = ended(name)
    assert found["TrainingJobStatus"] == "Stopped"
    assert found["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


# --- experiments ------------------------------------------------------------------------------


def train_in_a_trial() -> str:
    """Run a training job, with two values of its loss, as part of the trial digits-1."""
    client = daemon.client("sagemaker")
    client.create_experiment(ExperimentName="digits")
    client.create_trial(TrialName="digits-1", ExperimentName="digits")
    name = train(
        "print('loss=0.5'); print('loss=0.25')",
        metrics=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        HyperParameters={"epochs": "3"},
        ExperimentConfig={"TrialName": "digits-1", "TrialComponentDisplayName": "Training"},
    )
    ended(name)
    return name


def test_a_job_of_an_experiment_leaves_a_trial_component():
    name, client = train_in_a_trial(), daemon.client("sagemaker")
    (summary,) = client.list_trial_components(TrialName="digits-1")["TrialComponentSummaries"]
    component = client.describe_trial_component(TrialComponentName=summary["TrialComponentName"])
    assert component["DisplayName"] == "Training"
    assert component["Source"]["SourceArn"].endswith(f"training-job/{name}")
    assert component["Status"]["PrimaryStatus"] == "Completed"
    assert component["Parameters"]["epochs"] == {"StringValue": "3"}
    assert component["Metrics"][0]["MetricName"] == "loss"
    assert component["Metrics"][0]["Last"] == 0.25
    assert "SageMaker.ModelArtifact" in component["OutputArtifacts"]


def test_a_trial_must_be_there():
    with pytest.raises(ClientError, match="There is no trial 'nowhere'") as refused:
        process("", ExperimentConfig={"TrialName": "nowhere"})
    assert refused.value.response["Error"]["Code"] == "ResourceNotFound"


# --- what is refused --------------------------------------------------------------------------


def post(operation: str, request: dict) -> tuple[int, dict]:
    """Send a request as it is: boto3 would refuse some of these itself."""
    token = {"X-Workshop-Token": secrets.find().token}
    asked = urllib.request.Request(
        daemon.ensure(),
        data=json.dumps(request).encode(),
        headers={"X-Amz-Target": f"SageMaker.{operation}"} | token,
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_each_invalid_request_is_refused_with_the_code_of_aws():
    """The table of ``job_requests``, at the server's door; nothing of it starts a job."""
    daemon.client("s3").create_bucket(Bucket=job_requests.BUCKET)
    for key in job_requests.KEYS:
        daemon.client("s3").put_object(Bucket=job_requests.BUCKET, Key=key, Body=b"")
    process("", ProcessingJobName=job_requests.TAKEN)
    train("", TrainingJobName=job_requests.TAKEN)
    for row in job_requests.ROWS:
        status, answer = post(row.operation, job_requests.changed(row.operation, row.refused))
        assert (status, answer["__type"]) == (400, row.code), (row.id, answer)
        assert f"\n{row.field}: " in answer["message"], (row.id, answer)
    assert not [job for job in engine.running() if job.name == "job"]


def test_boto3_shows_the_error_of_aws():
    taken = process("")
    with pytest.raises(daemon.client("sagemaker").exceptions.ResourceInUse, match="must be unique"):
        process("", ProcessingJobName=taken)
    with pytest.raises(ClientError, match=r"ValidationException.*'ml.m5.huge'.*ml.m5."):
        train("", ResourceConfig={
            "InstanceType": "ml.m5.huge", "InstanceCount": 1, "VolumeSizeInGB": 1,
        })  # fmt: skip


# --- all jobs ---------------------------------------------------------------------------------


def test_jobs_are_listed_and_filtered():
    names = [process("print(1)"), process("raise SystemExit(1)"), process("print(3)")]
    for name in names:
        ended(name)
    client, common = daemon.client("sagemaker"), {"SortBy": "CreationTime", "MaxResults": 1}

    def listed(**options) -> list[str]:
        pages = client.get_paginator("list_processing_jobs").paginate(**options)
        return [
            one["ProcessingJobName"] for page in pages for one in page["ProcessingJobSummaries"]
        ]

    newest = client.list_processing_jobs(SortOrder="Descending", **common)
    assert newest["ProcessingJobSummaries"][0]["ProcessingJobName"] == names[2]
    assert listed(PaginationConfig={"PageSize": 1})[-3:] == names
    assert listed(CreationTimeAfter=time.time() + 60) == []
    assert listed(NameContains=names[1].upper()) == [names[1]]
    assert names[1] in listed(StatusEquals="Failed") and names[0] not in listed(
        StatusEquals="Failed"
    )


def test_an_unknown_job_is_named():
    with pytest.raises(ClientError, match="There is no training job 'training-x'") as refused:
        described("training-x")
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_has_tags():
    client = daemon.client("sagemaker")
    name = process("", Tags=[{"Key": "team", "Value": "digits"}])
    arn = ended(name)["ProcessingJobArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "course", "Value": "1"}])
    client.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "course", "Value": "1"}]


def test_a_job_that_has_ended_can_be_deleted():
    name = process("import time; time.sleep(60)")
    with pytest.raises(ClientError, match="Stop it first"):
        daemon.client("sagemaker").delete_processing_job(ProcessingJobName=name)
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    ended(name)
    daemon.client("sagemaker").delete_processing_job(ProcessingJobName=name)
    with pytest.raises(ClientError, match="There is no processing job"):
        described(name)


def test_no_more_instances_than_a_machine_can_play():
    with pytest.raises(ClientError, match=r"service limit 'ml.m5.xlarge for processing job") as no:
        process("", hosts=21)
    assert no.value.response["Error"]["Code"] == "ResourceLimitExceeded"


# --- what outlives what -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_job_that_runs_when_the_server_ends_has_failed(own_server, how):  # noqa: F811
    done = process("print('well done')")
    ended(done)
    name = process("import time; print('working'); time.sleep(99)")
    assert until(lambda: log(name).get("algo-1"))
    if how == "killed":
        os.kill(daemon.status()["pid"], signal.SIGKILL)
        assert until(lambda: daemon.status() is None)
    else:
        daemon.stop()
    assert until(lambda: not engine.running())
    failed = described(name)
    assert failed["ProcessingJobStatus"] == "Failed"
    assert "the emulated AWS" in failed["FailureReason"]
    assert "Start the job again" in failed["FailureReason"]
    assert (log(name), log(done)) == ({"algo-1": ["working"]}, {"algo-1": ["well done"]})
    assert status(done) == "Completed"
    assert list(state.folder("instances").iterdir()) == []


def test_experiments_and_metrics_outlive_the_server(own_server):  # noqa: F811
    name, client = train_in_a_trial(), daemon.client("sagemaker")
    own = f"{name}-aws-training-job"
    daemon.client("sagemaker-metrics").batch_put_metrics(
        TrialComponentName=own,
        MetricData=[{"MetricName": "f1", "Timestamp": time.time(), "Step": 0, "Value": 0.75}],
    )
    before = client.describe_trial_component(TrialComponentName=own)
    assert {one["MetricName"]: one["Last"] for one in before["Metrics"]} == {
        "loss": 0.25,
        "f1": 0.75,
    }
    daemon.stop()

    client = daemon.client("sagemaker")
    after = client.describe_trial_component(TrialComponentName=own)
    before.pop("ResponseMetadata"), after.pop("ResponseMetadata")
    assert after == before
    listed = client.list_trial_components(TrialName="digits-1")["TrialComponentSummaries"]
    assert [one["TrialComponentName"] for one in listed] == [own]
    assert client.describe_trial(TrialName="digits-1")["ExperimentName"] == "digits"
    assert sum(point["SampleCount"] for point in datapoints(name, "loss")) == 2


def test_what_another_version_kept_does_not_stop_the_server(own_server):  # noqa: F811
    ended(process("print('well done')"))
    daemon.stop()
    for text in ("{}", "{"):
        (state.folder("sagemaker", f"processing-{text}") / "job.json").write_text(text)
    (state.folder("sagemaker") / "experiments.pickle").write_bytes(b"cmoto\nGone\n.")
    client = daemon.client("sagemaker")
    assert len(client.list_processing_jobs()["ProcessingJobSummaries"]) == 1
    assert client.list_trials()["TrialSummaries"] == []


def test_a_job_is_recorded_for_those_who_look_at_a_folder(script, tmp_path):
    """Its program may be gone: the emulator writes the record."""
    program = f"""
import boto3
for name, code in (('recorded-well', 'print(1)'), ('recorded-ill', 'raise ValueError(13)')):
    boto3.client('sagemaker').create_processing_job(
        ProcessingJobName=name, RoleArn='{ROLE}',
        ProcessingResources={{'ClusterConfig': {{
            'InstanceCount': 1, 'InstanceType': 'ml.m5.large', 'VolumeSizeInGB': 30}}}},
        AppSpecification={{
            'ImageUri': 'any:1', 'ContainerEntrypoint': ['python3', '-c', code]}})
"""
    script(program, {})
    assert until(lambda: all(one.ended for one in records.jobs(tmp_path)))
    well, ill = records.jobs(tmp_path)
    assert (well.kind, well.name, well.error) == ("processing", "recorded-well", "")
    assert well.request["AppSpecification"]["ImageUri"] == "any:1"
    assert ill.error.endswith("ValueError: 13")
    assert connection.environment()["WORKSHOP_RECORDS"] == str(state.folder("records"))
