"""What outlives the server, and that nothing in its folder keeps the next one from starting."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import threading
import time

import pytest

from workshop.emulator import files, keys, state
from workshop.emulator.client import connection, daemon
from workshop.emulator.containers import engine
from workshop.emulator.service.sagemaker import records

from ..by_boto3 import BUCKET, ended, log, process, train
from ..conftest import ROLE, until

pytestmark = pytest.mark.slow


ARN = "arn:aws:sagemaker:us-east-1:123456789012"


@pytest.fixture(autouse=True)
def own_server(tmp_path, monkeypatch):
    """A state folder of the test's own, with a bucket in it."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    daemon.client("s3").create_bucket(Bucket=BUCKET)
    yield tmp_path / "state"
    daemon.stop()


# --- what is kept -----------------------------------------------------------------------------

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
        ],
    }
)


def put(s3, **more):
    return s3.put_object(Bucket=BUCKET, Key="k", Body=b"1", **more)


def versions(s3):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    put(s3), put(s3)
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.put_object(Bucket=BUCKET, Key="other", Body=b"2")


def remade(s3):
    """A bucket that is made again has nothing of the one before."""
    s3.create_bucket(Bucket="sagemaker-remade")
    s3.put_bucket_tagging(
        Bucket="sagemaker-remade", Tagging={"TagSet": [{"Key": "old", "Value": "1"}]}
    )
    s3.delete_bucket(Bucket="sagemaker-remade")
    s3.create_bucket(Bucket="sagemaker-remade")
    s3.create_bucket(Bucket="sagemaker-remade")  # once more: AWS says yes, nothing changes
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(
        Bucket="sagemaker-remade", ServerSideEncryptionConfiguration={"Rules": [encryption]}
    )
    s3.delete_bucket_encryption(Bucket="sagemaker-remade")


def role(iam):
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=POLICY, Path="/team/")
    iam.put_role_policy(RoleName="mine", PolicyName="p", PolicyDocument=POLICY)
    policy = iam.create_policy(PolicyName="attached", PolicyDocument=POLICY)["Policy"]
    iam.attach_role_policy(RoleName="mine", PolicyArn=policy["Arn"])


def logged(logs):
    logs.create_log_group(logGroupName="mine")
    logs.create_log_stream(logGroupName="mine", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "said"}
    logs.put_log_events(logGroupName="mine", logStreamName="s", logEvents=[event])


def component(sagemaker):
    sagemaker.create_trial_component(
        TrialComponentName="kept",
        Parameters={"lr": {"NumberValue": 0.1}},
        Tags=[{"Key": "a", "Value": "1"}],
    )


COMPONENT_ARN = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/kept"
TAGS = {"TagSet": [{"Key": "team", "Value": "digits"}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
LIFECYCLE = {"Rules": [{"ID": "r", "Prefix": "", "Status": "Enabled", "Expiration": {"Days": 3}}]}

#: What a learner makes, and the request that shows it: its answer is the same after a restart.
KEPT = {
    "buckets": ("s3", lambda s3: None, lambda s3: s3.list_buckets()),
    "bucket-tags": (
        "s3",
        lambda s3: s3.put_bucket_tagging(Bucket=BUCKET, Tagging=TAGS),
        lambda s3: s3.get_bucket_tagging(Bucket=BUCKET),
    ),
    "versioning": ("s3", versions, lambda s3: s3.get_bucket_versioning(Bucket=BUCKET)),
    "versions": ("s3", versions, lambda s3: s3.list_object_versions(Bucket=BUCKET)),
    "encryption": (
        "s3",
        lambda s3: s3.put_bucket_encryption(
            Bucket=BUCKET, ServerSideEncryptionConfiguration=ENCRYPTION
        ),
        lambda s3: s3.get_bucket_encryption(Bucket=BUCKET),
    ),
    "policy": (
        "s3",
        lambda s3: s3.put_bucket_policy(Bucket=BUCKET, Policy=POLICY),
        lambda s3: s3.get_bucket_policy(Bucket=BUCKET),
    ),
    "lifecycle": (
        "s3",
        lambda s3: s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET, LifecycleConfiguration=LIFECYCLE
        ),
        lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=BUCKET),
    ),
    "access-list": (
        "s3",
        lambda s3: s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read"),
        lambda s3: s3.get_bucket_acl(Bucket=BUCKET),
    ),
    "region": (
        "s3",
        lambda s3: s3.create_bucket(
            Bucket="sagemaker-west", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        ),
        lambda s3: s3.get_bucket_location(Bucket="sagemaker-west"),
    ),
    "a-bucket-made-again": ("s3", remade, lambda s3: s3.get_bucket_acl(Bucket="sagemaker-remade")),
    "object-tags": (
        "s3",
        lambda s3: put(s3, Tagging="team=digits&course=1"),
        lambda s3: s3.get_object_tagging(Bucket=BUCKET, Key="k"),
    ),
    "object-tags-set-later": (
        "s3",
        lambda s3: (put(s3), s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging=TAGS)),
        lambda s3: s3.get_object_tagging(Bucket=BUCKET, Key="k"),
    ),
    "object-access-list": (
        "s3",
        lambda s3: (put(s3), s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="public-read")),
        lambda s3: s3.get_object_acl(Bucket=BUCKET, Key="k"),
    ),
    "what-an-object-is": (
        "s3",
        lambda s3: put(
            s3,
            StorageClass="STANDARD_IA",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId="key-1",
            ContentType="text/csv",
            CacheControl="no-store",
            Metadata={"who": "me"},
            ChecksumAlgorithm="SHA256",
        ),
        lambda s3: s3.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED"),
    ),
    "a-copied-object": (
        "s3",
        lambda s3: (
            put(s3, Tagging="a=1"),
            s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/k"),
        ),
        lambda s3: s3.get_object_tagging(Bucket=BUCKET, Key="copy"),
    ),
    "the-learners-role": (
        "iam",
        lambda iam: None,
        lambda iam: iam.get_role(RoleName=ROLE.rpartition("/")[2]),
    ),
    "role": ("iam", role, lambda iam: iam.get_role(RoleName="mine")),
    "role-policies": (
        "iam",
        lambda iam: None,
        lambda iam: iam.list_attached_role_policies(RoleName="mine"),
    ),
    "user": (
        "iam",
        lambda iam: (iam.create_user(UserName="u"), iam.create_access_key(UserName="u")),
        lambda iam: iam.list_access_keys(UserName="u"),
    ),
    "repository": (
        "ecr",
        lambda ecr: ecr.create_repository(repositoryName="mine"),
        lambda ecr: ecr.describe_repositories(),
    ),
    "log-group": (
        "logs",
        logged,
        lambda logs: logs.get_log_events(logGroupName="mine", logStreamName="s"),
    ),
    "metric": (
        "cloudwatch",
        lambda cw: cw.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}]),
        lambda cw: cw.get_metric_statistics(
            Namespace="n",
            MetricName="m",
            StartTime=0,
            EndTime=4e9,
            Period=60,
            Statistics=["Sum"],
        ),
    ),
    "queue": (
        "sqs",
        lambda sqs: sqs.create_queue(QueueName="mine", Attributes={"VisibilityTimeout": "5"}),
        lambda sqs: sqs.get_queue_attributes(
            QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/mine",
            AttributeNames=["QueueArn", "VisibilityTimeout", "CreatedTimestamp"],
        ),
    ),
    "trial-component": (
        "sagemaker",
        component,
        lambda sm: sm.describe_trial_component(TrialComponentName="kept"),
    ),
    "tags-of-a-component": (
        "sagemaker",
        lambda sm: sm.add_tags(ResourceArn=COMPONENT_ARN, Tags=[{"Key": "b", "Value": "2"}]),
        lambda sm: sm.list_tags(ResourceArn=COMPONENT_ARN),
    ),
}


def test_what_a_learner_made_is_the_same_after_a_restart(monkeypatch):
    """One restart for all of them; each in a bucket of its own."""
    before = {}
    for name, (service, make, _) in KEPT.items():
        monkeypatch.setitem(globals(), "BUCKET", f"sagemaker-{name}")
        if service == "s3":
            daemon.client("s3").create_bucket(Bucket=f"sagemaker-{name}")
        make(daemon.client(service))
    for name, (service, _, look) in KEPT.items():
        monkeypatch.setitem(globals(), "BUCKET", f"sagemaker-{name}")
        before[name] = look(daemon.client(service))
    daemon.stop()
    for name, (service, _, look) in KEPT.items():
        monkeypatch.setitem(globals(), "BUCKET", f"sagemaker-{name}")
        after = look(daemon.client(service))
        for answer in (after, before[name]):
            answer.pop("ResponseMetadata")
            for event in answer.get("events", ()):
                event.pop("ingestionTime")
        assert after == before[name], name


def test_the_messages_of_a_queue_end_with_the_server_and_whoever_waits_holds_nobody_up():
    queue = daemon.client("sqs").create_queue(QueueName="mine")["QueueUrl"]
    daemon.client("sqs").send_message(QueueUrl=queue, MessageBody="1")
    daemon.stop()
    found = {}

    def receive() -> None:
        found.update(daemon.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=15))

    began = time.monotonic()
    waiting = threading.Thread(target=receive)
    waiting.start()
    time.sleep(0.5)
    daemon.client("ecr").create_repository(repositoryName="mine")
    assert waiting.is_alive() and time.monotonic() - began < 10
    daemon.client("sqs").send_message(QueueUrl=queue, MessageBody="2")
    waiting.join()
    assert [one["Body"] for one in found["Messages"]] == ["2"]


def test_the_tags_of_a_job_outlive_the_server():
    name = process("")
    arn = ended(name)["ProcessingJobArn"]
    daemon.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    daemon.stop()
    assert daemon.client("sagemaker").list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "a", "Value": "1"}
    ]


def test_an_old_log_is_still_there(own_server):
    """CloudWatch takes no event that is older than 14 days; these came in time."""
    name = process("print('said')")
    ended(name)
    daemon.stop()
    file = own_server / "resources" / "processing-job" / name / "algo-1.log"
    event = json.loads(file.read_text())
    file.write_text(json.dumps(event | {"timestamp": event["timestamp"] - 30 * 86_400_000}) + "\n")
    assert log(name) == {"algo-1": ["said"]}


def test_what_the_version_before_kept_is_read(own_server):
    """Its index had one version of each object, and a table of buckets."""
    daemon.stop()
    (own_server / "s3" / "index.sqlite").unlink()
    for left in own_server.glob("s3/index.sqlite-*"):
        left.unlink()
    (own_server / "s3/objects" / ("0" * 32)).write_bytes(b"content")
    with sqlite3.connect(own_server / "s3/index.sqlite") as database:
        database.executescript(
            """
            CREATE TABLE buckets (name TEXT PRIMARY KEY, region TEXT);
            CREATE TABLE objects
                (bucket TEXT, key TEXT, file TEXT, facts TEXT, PRIMARY KEY (bucket, key));
            """
        )
        facts = {
            "etag": "9a0364b9e99bb480dd25e1f0284c8555",
            "metadata": {"content-type": "text/plain", "x-amz-meta-who": "me"},
            "last_modified": "2026-01-02T03:04:05.678901",
        }
        database.execute("INSERT INTO buckets VALUES ('sagemaker-old', 'eu-west-1')")
        row = ("sagemaker-old", "a/b", "0" * 32, json.dumps(facts))
        database.execute("INSERT INTO objects VALUES (?, ?, ?, ?)", row)
    database.close()
    for _ in range(2):  # and once more from what this version makes of it
        s3 = daemon.client("s3")
        found = s3.get_object(Bucket="sagemaker-old", Key="a/b")
        assert (found["Body"].read(), found["Metadata"]) == (b"content", {"who": "me"})
        location = s3.get_bucket_location(Bucket="sagemaker-old")["LocationConstraint"]
        assert location == "eu-west-1"
        daemon.stop()


def test_jobs_and_experiments_of_the_version_before_are_read(own_server):
    """It had a folder ``KIND-NAME`` for each job, and a file for each experiment."""
    sagemaker = daemon.client("sagemaker")
    sagemaker.create_experiment(ExperimentName="digits", Tags=[{"Key": "a", "Value": "1"}])
    sagemaker.create_trial(TrialName="digits-1", ExperimentName="digits")
    config = {"ExperimentConfig": {"TrialName": "digits-1"}}
    trained = train("print('loss=0.5')", metrics=[{"Name": "l", "Regex": "=(.+)"}], **config)
    processed, cut = process("print('said')"), process("print('cut')")
    component = f"{trained}-aws-training-job"

    def looked_at() -> list[dict]:
        client = daemon.client("sagemaker")
        found = [
            ended(trained),
            ended(processed),
            client.describe_experiment(ExperimentName="digits"),
            client.describe_trial(TrialName="digits-1"),
            client.describe_trial_component(TrialComponentName=component),
            client.list_trial_components(TrialName="digits-1"),
            client.list_tags(ResourceArn=f"{ARN}:experiment/digits"),
        ]
        for one in found:
            one.pop("ResponseMetadata")
        return [*found, log(trained), log(processed)]

    ended(cut)
    before = looked_at()
    assert before[4]["Metrics"][0]["Last"] == 0.5
    daemon.stop()
    new, old = own_server / "resources", own_server / "sagemaker"
    for name, kind in ((trained, "training"), (processed, "processing"), (cut, "processing")):
        folder = old / f"{kind}-{name}"
        folder.parent.mkdir(exist_ok=True)
        (new / f"{kind}-job" / name).rename(folder)
        kept = json.loads((folder / "resource.json").read_text())
        (folder / "resource.json").unlink()
        (folder / "job.json").write_text(json.dumps({"kind": kind, **kept}))
    (old / f"processing-{cut}" / "job.json").write_text("{")
    (old / "notes.txt").write_text("mine")
    for kind in ("experiment", "experiment-trial", "experiment-trial-component"):
        (old / "experiments" / kind).mkdir(parents=True)
        for folder in (new / kind).iterdir():
            file = old / "experiments" / kind / f"{folder.name}.json"
            (folder / "resource.json").rename(file)
            kept = {"components": [], **json.loads(file.read_text())}
            file.write_text(json.dumps(kept))
            if (folder / "metrics").exists():
                (folder / "metrics").rename(file.with_suffix(".metrics"))
    files.remove(new)
    for _ in range(2):  # and once more from what this version makes of it
        assert looked_at() == before
        assert not old.exists()
        damaged, unknown = sorted((own_server / "set-aside").iterdir())
        assert damaged.name.startswith(f"processing-{cut}-")
        assert (unknown / "notes.txt").read_text() == "mine"
        daemon.stop()


# --- what is damaged --------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named_and_set_aside(own_server, capfd):
    """Whatever it is: the server starts, and what is whole is there."""
    daemon.client("s3").put_object(Bucket=BUCKET, Key="whole", Body=b"1")
    good, cut = process("print('good')"), process("print('cut')")
    values = train("print('loss=0.5')", metrics=[{"Name": "loss", "Regex": "loss=(.+)"}])
    for name in (good, cut, values):
        ended(name)
    daemon.client("sagemaker").create_experiment(ExperimentName="whole")
    daemon.client("sagemaker").create_experiment(ExperimentName="broken")
    daemon.stop()
    jobs = own_server / "resources" / "processing-job"
    file = jobs / cut / "resource.json"
    file.write_text(file.read_text()[:100])
    for number, text in enumerate(
        ("", "{", "[]", "{}", '{"format": 1}', '{"format": 7, "request": {}}', "\0" * 99)
    ):
        (jobs / f"bad-{number}").mkdir()
        (jobs / f"bad-{number}" / "resource.json").write_text(text)
    (jobs / "empty").mkdir()
    kept = json.loads((jobs / good / "resource.json").read_text())
    kept["request"]["ProcessingJobName"] = "../../escaped"
    kept["description"]["ProcessingJobName"] = "../../escaped"
    (jobs / "moved-job").mkdir()
    (jobs / "moved-job" / "resource.json").write_text(json.dumps(kept))
    lines = jobs / good / "algo-1.log"
    lines.write_bytes(b"\xff\xfe\n[]\n{}\n" + lines.read_bytes() + b'{"timestamp": 1, "mess')
    experiments = own_server / "resources" / "experiment"
    (experiments / "broken" / "resource.json").write_text("{")
    (experiments / "moved").mkdir()
    (experiments / "moved" / "resource.json").write_text(
        (experiments / "whole" / "resource.json").read_text()
    )
    (own_server / "server.json").write_text("{")
    (own_server / "keys.json").write_text('{"token": 1}')

    sagemaker = daemon.client("sagemaker")
    listed = sagemaker.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    assert [one["ProcessingJobName"] for one in listed] == [good]
    assert log(good)["algo-1"] == ["good"]
    assert [one["ExperimentName"] for one in sagemaker.list_experiments()["ExperimentSummaries"]] \
        == ["whole"]  # fmt: skip
    assert daemon.client("s3").get_object(Bucket=BUCKET, Key="whole")["Body"].read() == b"1"
    said = capfd.readouterr().err
    for name in (f"processing-job/{cut}", "processing-job/bad-3", "processing-job/empty", "broken"):
        assert name in said, said
    assert "it has format 7, of another version" in said
    assert "3 lines cannot be read" in said
    aside = {path.name.rpartition("-")[0] for path in (own_server / "set-aside").iterdir()}
    assert {cut, "moved-job", "broken", "moved"} <= aside
    assert not list(own_server.parent.rglob("escaped"))


@pytest.mark.parametrize("name", ["s3/index.sqlite", "account/requests.sqlite"])
@pytest.mark.parametrize("damage", ["other", "cut", "middle"])
def test_a_damaged_database_is_set_aside(own_server, capfd, name, damage):
    s3 = daemon.client("s3")
    for number in range(300):
        s3.put_object(Bucket=BUCKET, Key=f"{number}", Body=b"content", Metadata={"a": "x" * 300})
    for number in range(100):
        daemon.client("iam").create_user(UserName=f"u{number}")
    daemon.stop()
    for left in own_server.glob(f"{name}-*"):
        left.unlink()
    file = own_server / name
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes(
        {
            "other": b"not a database " * 1000,
            "cut": data[: middle + 100],
            "middle": data[:middle] + os.urandom(len(data) - middle),
        }[damage]
    )
    daemon.client("s3").list_buckets()
    daemon.client("s3").create_bucket(Bucket="sagemaker-afterwards")
    said = capfd.readouterr().err
    folder = name.partition("/")[0]
    assert f"{own_server / folder} could not be used" in said
    assert list((own_server / "set-aside").glob(f"{folder}-*/*.sqlite")), "it is kept"


def test_objects_keep_their_buckets_when_the_account_is_lost(own_server):
    daemon.client("s3").put_object(Bucket=BUCKET, Key="k", Body=b"1")
    daemon.stop()
    for file in (own_server / "account").iterdir():
        file.write_bytes(b"not a database " * 1000)
    assert daemon.client("s3").get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"1"


class _Code:
    def __reduce__(self):
        return os.system, ("touch ran-from-a-pickle",)


def test_no_file_in_the_state_folder_is_code(own_server, capfd):
    """A state folder of somebody else's, or a key that was written into it, must run nothing."""
    daemon.stop()
    (state.folder("sagemaker") / "experiments.pickle").write_bytes(pickle.dumps(_Code()))
    assert daemon.client("sagemaker").list_experiments()["ExperimentSummaries"] == []
    assert not list(own_server.parent.rglob("ran-from-a-pickle"))
    assert not os.path.exists("/ran-from-a-pickle")
    assert "experiments.pickle could not be used" in capfd.readouterr().err


@pytest.mark.parametrize("file", ["../../../secret", "ABSOLUTE", "..", "x" * 32])
def test_an_index_of_somebody_elses_reads_and_removes_nothing_outside(own_server, file):
    secret = own_server.parent / "secret"
    secret.write_text("SECRET")
    file = str(secret) if file == "ABSOLUTE" else file
    s3 = daemon.client("s3")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    daemon.stop()
    with sqlite3.connect(own_server / "s3/index.sqlite") as database:
        database.execute("UPDATE versions SET file = ?", [file])
    database.close()
    s3 = daemon.client("s3")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=BUCKET, Key="k")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"2")
    s3.delete_object(Bucket=BUCKET, Key="k")
    assert secret.read_text() == "SECRET"


def test_odd_files_in_the_other_folders_stop_nothing(own_server):
    """Those of running jobs, of records and of failures, which other programs write too."""
    for folder, name in (("jobs", "x"), ("jobs", "y"), ("records", "x.json"), ("failures", "x")):
        state.folder(folder)
        path = own_server / folder / name
        if folder == "jobs":
            path.mkdir()
            (path / "job.json").write_text("{" if name == "x" else "[]")
        else:
            path.write_text("{")
    (own_server / "records" / "old.json").write_text('{"directory": "/", "of": "another version"}')
    assert engine.running() == []
    assert records.jobs() == []
    assert connection.environment()["WORKSHOP_KEYS"] == str(keys.file())
    assert ended(process(""))["ProcessingJobStatus"] == "Completed"


def test_metrics_of_earlier_versions_do_not_stop_the_start(own_server):
    """Jobs that were made before a metric was looked at as closely as today."""
    name = train(
        "print('loss=nan'); print('b=2')", metrics=[{"Name": "loss", "Regex": "loss=(.+)"}]
    )
    ended(name)
    daemon.stop()
    file = own_server / "resources" / "training-job" / name / "resource.json"
    kept = json.loads(file.read_text())
    kept["request"]["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "optional", "Regex": "a=(.)|b=(.)"},
        {"Name": "broken", "Regex": "loss=("},
        {"Name": "slow", "Regex": "(a|aa)+$"},
    ]
    file.write_text(json.dumps(kept))
    client = daemon.client("sagemaker")
    assert client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed"


def test_every_request_after_a_failure_is_answered(own_server):
    """A bucket whose log group or role is gone, in the middle of things."""
    name = process("import time; print('a', flush=True); time.sleep(2); print('b')")
    assert until(lambda: log(name).get("algo-1"))
    daemon.client("logs").delete_log_group(logGroupName="/aws/sagemaker/ProcessingJobs")
    daemon.client("iam").delete_role(RoleName=ROLE.rpartition("/")[2])
    assert ended(name)["ProcessingJobStatus"] == "Completed"
    assert log(name)["algo-1"] == ["b"]
