"""What of SageMaker's API is played, refused, and said to have no effect."""

from __future__ import annotations

import re
import time

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.validation import shapes

from ...by_boto3 import (
    BUCKET,
    IMAGE,
    bucket,  # noqa: F401
    channel,
    datapoints,
    described,
    ended,
    keys,
    log,
    process,
    put,
    taken,
    train,
)
from ...conftest import ROLE, until

pytestmark = pytest.mark.slow


def sagemaker():
    return daemon.client("sagemaker")


# --- refused ------------------------------------------------------------------------------


def test_every_other_operation_is_refused_by_name():
    """Of the whole API: none is answered as if it had been done."""
    from .test_compute import post

    every = set(shapes.service_model().operation_names) | {"BatchPutMetrics"}
    assert set(operations.PLAYED) <= every
    for name in sorted(every):
        if name in operations.PLAYED:
            continue
        status, answer = post(name, {})
        assert (status, answer["__type"]) == (400, "UnsupportedOperation"), name
        assert answer["message"].startswith(f"{name} is not played by the workshop's emulator")
        assert f"API_{name}.html" in answer["message"]


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: sagemaker().create_model(ModelName="m", ExecutionRoleArn=ROLE), "model.tar.gz"),
        (lambda: sagemaker().describe_endpoint(EndpointName="e"), "model.tar.gz"),
        (lambda: sagemaker().list_transform_jobs(), "in a processing job"),
        (lambda: sagemaker().list_hyper_parameter_tuning_jobs(), "training job for each choice"),
        (lambda: sagemaker().list_model_cards(), "ModelCard of a model package"),
        (lambda: sagemaker().list_domains(), "./lab start"),
        (
            lambda: daemon.client("sagemaker-runtime").invoke_endpoint(
                EndpointName="e", Body=b"\xff\x00"
            ),
            "runtime_InvokeEndpoint",
        ),
    ],
)
def test_a_refusal_says_what_to_do_instead(call, advice):
    with pytest.raises(ClientError, match="is not played by the workshop's emulator") as refused:
        call()
    assert advice in str(refused.value)


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"ModelPackageConfig": {"ModelPackageGroupArn": f"{ROLE}"}}, "ModelPackageConfig"),
        (
            {"ResourceConfig": {"InstancePreferences": [{"InstanceType": "ml.m5.large",
                                                         "InstanceCount": 1}],
                                "VolumeSizeInGB": 1}},
            "InstancePreferences",
        ),
    ],
)  # fmt: skip
def test_members_that_would_do_something_else_are_refused(change, member):
    if member == "ModelPackageConfig":
        arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/g"
        change = {member: {"ModelPackageGroupArn": arn}}
    with pytest.raises(ClientError, match=rf"ValidationException.*{member} is not played"):
        train("", **change)


@pytest.mark.parametrize(
    "words", [{"ContainerArguments": ["--x", ""]}, {"ContainerEntrypoint": [""]}]
)
def test_an_empty_word_of_a_command_is_refused(words):
    specification = {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]} | words
    with pytest.raises(ClientError, match="Found null or empty string in Container"):
        process("", AppSpecification=specification)
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File"} | words
    with pytest.raises(ClientError, match="may not contain null or empty strings"):
        train("", AlgorithmSpecification=algorithm)


# --- said ---------------------------------------------------------------------------------


def test_a_member_without_effect_is_said_on_the_jobs_log_and_in_the_answer():
    collections = [{"CollectionName": "losses"}]
    debugger = {"S3OutputPath": f"s3://{BUCKET}/debug", "CollectionConfigurations": collections}
    retries = {"MaximumRetryAttempts": 2}
    name = train("print('trained')", DebugHookConfig=debugger, RetryStrategy=retries)
    assert ended(name)["TrainingJobStatus"] == "Completed"
    told = [line for line in log(name)["algo-1"] if line.startswith("Note: ")]
    assert told == [
        "Note: DebugHookConfig.CollectionConfigurations has no effect here: Debugger and Profiler "
        "do not run here.",
        "Note: RetryStrategy has no effect here: no instance fails here.",
    ]


def test_what_the_sdk_sends_of_its_own_accord_is_not_said(script):
    done = script(
        """
import sagemaker
from sagemaker.tensorflow import TensorFlow
TensorFlow(entry_point='t.py', source_dir='code', role=sagemaker.get_execution_role(),
           instance_count=1, instance_type='ml.m5.large', framework_version='2.19',
           py_version='py312').fit()
""",
        {"code/t.py": "print('trained')"},
    )
    assert "trained" in done.stdout and "no effect" not in done.stdout + done.stderr


def test_it_is_said_on_the_learners_screen(script):
    """Also where the log is not watched, and in local mode, where there is no other place."""
    done = script(
        f"""
import sagemaker
from sagemaker.local import LocalSession
from sagemaker.network import NetworkConfig
from sagemaker.processing import ScriptProcessor
network = NetworkConfig(security_group_ids=['sg-1'], subnets=['subnet-1'])
for session, where in ((sagemaker.Session(), 'ml.m5.large'), (LocalSession(), 'local')):
    ScriptProcessor(command=['python3'], image_uri='mine:1', role='{ROLE}', instance_count=1,
                    instance_type=where, sagemaker_session=session, network_config=network,
                    ).run('p.py', wait=where == 'local')
""",
        {"p.py": "print('processed')"},
    )
    assert done.stderr.count("Note: NetworkConfig.VpcConfig has no effect here") == 2


def test_isolation_is_not_pretended_in_local_mode(script):
    done = script(
        f"""
from sagemaker.local import LocalSession
from sagemaker.network import NetworkConfig
from sagemaker.processing import ScriptProcessor
ScriptProcessor(command=['python3'], image_uri='mine:1', role='{ROLE}', instance_count=1,
                instance_type='local', sagemaker_session=LocalSession(),
                network_config=NetworkConfig(enable_network_isolation=True)).run('p.py')
""",
        {"p.py": "print('processed')"},
    )
    assert "EnableNetworkIsolation has no effect here: local mode" in done.stderr


# --- network isolation --------------------------------------------------------------------

LOOK_OUT = """
import json, os, socket, sys, urllib.request
def reaches(where):
    try:
        socket.create_connection(where, timeout=3).close()
        return True
    except OSError:
        return False
port = int(open('/opt/ml/{data}/port').read())
print(json.dumps({{'emulator': reaches(('127.0.0.1', port)), 'internet': reaches(('192.0.2.1', 80)),
    'variables': sorted(n for n in os.environ if n.startswith(('AWS_', 'WORKSHOP_')))}}))
with socket.create_server(('127.0.0.1', 0)) as server:
    assert reaches(server.getsockname()), 'no loopback'
open('/opt/ml/{out}/result', 'w').write('travels')
"""


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_an_isolated_job_has_neither_network_nor_credentials(kind):
    """Its inputs and outputs travel all the same, and checkpoints while it runs."""
    import json

    port = daemon.ensure().rpartition(":")[2]
    daemon.client("s3").put_object(Bucket=BUCKET, Key="isolated/port", Body=port.encode())
    if kind == "processing":
        from ...by_boto3 import given

        name = process(
            LOOK_OUT.format(data="processing/in", out="processing/out"),
            inputs=[given(f"s3://{BUCKET}/isolated/")],
            outputs=[taken("isolated-out", mode="Continuous")],
            NetworkConfig={"EnableNetworkIsolation": True},
        )
        assert ended(name)["ProcessingJobStatus"] == "Completed", log(name)
        assert keys("isolated-out") == ["isolated-out/result"]
    else:
        name = train(
            LOOK_OUT.format(data="input/data/in", out="checkpoints"),
            channels=[channel("in", f"s3://{BUCKET}/isolated/")],
            EnableNetworkIsolation=True,
            CheckpointConfig={"S3Uri": f"s3://{BUCKET}/isolated-checkpoints"},
        )
        assert ended(name)["TrainingJobStatus"] == "Completed", log(name)
        assert keys("isolated-checkpoints") == ["isolated-checkpoints/result"]
        assert described(name)["EnableNetworkIsolation"] is True
    seen = json.loads(log(name)["algo-1"][0])
    assert seen == {
        "emulator": False,
        "internet": False,
        "variables": ["AWS_DEFAULT_REGION", "AWS_REGION"],
    }


def test_isolated_hosts_reach_each_other():
    program = """
import os, socket, time
if os.environ['HOSTNAME'] == 'algo-1':
    with socket.create_server((socket.gethostbyname('algo-1'), 5000)) as server:
        server.settimeout(20)
        print(server.accept()[0].recv(9))
else:
    for _ in range(100):
        try:
            socket.create_connection(('algo-1', 5000), timeout=5).sendall(b'met')
            break
        except OSError:
            time.sleep(0.1)
"""
    name = train(program, hosts=2, EnableNetworkIsolation=True)
    assert ended(name)["TrainingJobStatus"] == "Completed", log(name)
    assert log(name)["algo-1"] == ["b'met'"]


# --- TensorBoard --------------------------------------------------------------------------


@pytest.mark.parametrize("local", [None, "/opt/tensorboard"])
def test_tensorboards_files_are_copied_while_the_job_runs(local):
    place = local or "/opt/ml/output/tensorboard"
    program = f"""
import time
open('{place}/events.1', 'w').write('one')
time.sleep(60)
"""
    board = {"S3OutputPath": f"s3://{BUCKET}/boards"} | ({"LocalPath": local} if local else {})
    name = train(program, TensorBoardOutputConfig=board)
    key = f"boards/{name}/tensorboard-output/events.1"
    assert until(lambda: key in keys("boards/"))
    assert described(name)["TrainingJobStatus"] == "InProgress"
    sagemaker().stop_training_job(TrainingJobName=name)
    ended(name)


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/lib", "/opt/../etc"])
def test_tensorboard_writes_into_no_folder_of_the_system(path):
    board = {"S3OutputPath": f"s3://{BUCKET}/boards", "LocalPath": path}
    failed = ended(train("print(1)", TensorBoardOutputConfig=board))
    assert failed["TrainingJobStatus"] == "Failed"
    assert "TensorBoardOutputConfig.LocalPath" in failed["FailureReason"]


# --- what the application manages ---------------------------------------------------------


def test_data_that_the_application_manages_is_left_to_it():
    """AppManaged: no folder is named, nothing is copied (API_ProcessingOutput)."""
    put("managed/a.txt")
    data = {"S3Uri": f"s3://{BUCKET}/managed/", "S3DataType": "S3Prefix"}
    out = {"S3Uri": f"s3://{BUCKET}/managed-out/", "S3UploadMode": "EndOfJob"}
    name = process(
        "import os; print(os.listdir('/opt/ml/processing'))",
        inputs=[{"InputName": "in", "AppManaged": True, "S3Input": data}],
        outputs=[{"OutputName": "out", "AppManaged": True, "S3Output": out}],
    )
    assert ended(name)["ProcessingJobStatus"] == "Completed", described(name)
    assert log(name)["algo-1"] == ["['input']"]
    with pytest.raises(ClientError, match="LocalPath is a required parameter when AppManaged"):
        process("", outputs=[{"OutputName": "out", "S3Output": out}])


def test_a_channel_goes_to_the_instance_groups_that_it_names():
    put("groups/a.txt")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/groups/"}
    source["InstanceGroupNames"] = ["readers"]
    groups = [
        {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": 1}
        for name in ("readers", "others")
    ]
    name = train(
        "import os; print(os.path.exists('/opt/ml/input/data/in/a.txt'))",
        channels=[{"ChannelName": "in", "DataSource": {"S3DataSource": source}}],
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
    )
    assert ended(name)["TrainingJobStatus"] == "Completed"
    assert log(name) == {"algo-1": ["True"], "algo-2": ["False"]}


# --- metrics ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "output", "value"),
    [
        (r"loss=(\S+)", "loss=nan", None),
        (r"loss=(\S+)", "loss=inf", None),
        (r"loss=(\S+)", "loss=-Infinity", None),
        (r"loss=(\S+)", "loss=1e400", None),
        (r"loss=(\S+)", "loss=1e300", None),
        (r"loss=(\S+)", "loss=3.0e-05", 3e-05),
        (r"a=(\d+)|b=(\d+)", "b=5", 5.0),
        (r"a=(\d+)|b=(\d+)", "a=7", 7.0),
        (r"loss=[0-9.]+", "loss=0.5", None),
        (r"(a|aa)+$", "a" * 60 + "b", None),
    ],
)
def test_no_text_of_a_metric_breaks_the_job(expression, output, value):
    name = train(f"print({output!r})", metrics=[{"Name": "m", "Regex": expression}])
    found = ended(name)
    assert found["TrainingJobStatus"] == "Completed", found
    final = found.get("FinalMetricDataList", [])
    assert [round(one["Value"], 9) for one in final] == ([] if value is None else [value])
    assert bool(datapoints(name, "m")) == (value is not None)
    slow = [line for line in log(name)["algo-1"] if "takes too long" in line]
    assert len(slow) == (expression == r"(a|aa)+$")


@pytest.mark.parametrize("expression", ["loss=([0-9.]+", "*", "((x{99}){99}){99}"])
def test_an_expression_that_is_none_is_refused(expression):
    metrics = [{"Name": "good", "Regex": "a=(.)"}, {"Name": "bad", "Regex": expression}]
    with pytest.raises(ClientError, match=r"ValidationException.*the metric 'bad'"):
        train("", metrics=metrics)


# --- search -------------------------------------------------------------------------------


MEMBERS = {
    "TrainingJob": ("TrainingJob", "TrainingJobName"),
    "Experiment": ("Experiment", "ExperimentName"),
    "ExperimentTrial": ("Trial", "TrialName"),
    "ExperimentTrialComponent": ("TrialComponent", "TrialComponentName"),
}


def found(resource: str, *filters: tuple, **request) -> list[str]:
    """Search by (name, operator, value); return the names of what is found."""
    expression = [
        {"Name": name, "Operator": operator} | ({} if value is None else {"Value": value})
        for name, operator, value in filters
    ]
    if expression:
        request["SearchExpression"] = {"Filters": expression}
    record, name = MEMBERS[resource]
    pages = sagemaker().get_paginator("search").paginate(Resource=resource, **request)
    return [one[record][name] for page in pages for one in page["Results"]]


@pytest.fixture(scope="module")
def trained():
    """Three jobs of a team: two with a metric, in a trial; one that fails."""
    client = sagemaker()
    daemon.client("s3").create_bucket(Bucket=BUCKET)
    client.create_experiment(ExperimentName="searched")
    client.create_trial(TrialName="searched-1", ExperimentName="searched")
    jobs = []
    for number, loss in enumerate((0.5, 0.25)):
        jobs.append(
            train(
                f"print('loss={loss}')",
                TrainingJobName=f"training-searched-{number}",
                metrics=[{"Name": "loss", "Regex": "loss=(.+)"}],
                HyperParameters={"lr": str(10**-number), "my.dotted": "x"},
                Tags=[{"Key": "team", "Value": "Digits"}],
                ExperimentConfig={"TrialName": "searched-1"},
            )
        )
    jobs.append(train("raise SystemExit(1)", TrainingJobName="training-searched-2"))
    for job in jobs:
        ended(job)
    return jobs


OURS = ("TrainingJobName", "Contains", "SEARCHED")


@pytest.mark.parametrize(
    ("filter_", "numbers"),
    [
        (("TrainingJobName", "Equals", "training-searched-1"), [1]),
        (("TrainingJobName", "In", "training-searched-1, training-searched-2"), [1, 2]),
        (("TrainingJobStatus", "Equals", "Failed"), [2]),
        (("TrainingJobStatus", "NotEquals", "Failed"), [0, 1]),
        (("Metrics.loss", "LessThan", "0.3"), [1]),
        (("Metrics.loss", "GreaterThanOrEqualTo", "0.25"), [0, 1]),
        (("Metrics.loss", "NotExists", None), [2]),
        (("HyperParameters.lr", "LessThan", "0.5"), [1]),
        (("HyperParameters.lr", "Equals", "0"), [1]),
        (("HyperParameters.my.dotted", "Exists", None), [0, 1]),
        (("Tags.team", "Equals", "digits"), [0, 1]),
        (("Tags.nobody", "Exists", None), []),
        (("ResourceConfig.InstanceType", "Equals", "ml.m5.xlarge"), [0, 1, 2]),
        (("CreationTime", "GreaterThan", "2026-01-01T00:00:00Z"), [0, 1, 2]),
        (("CreationTime", "LessThan", "2026-01-01T00:00:00Z"), []),
        (("InputDataConfig.ChannelName", "Equals", "code"), [0, 1, 2]),
    ],
)
def test_training_jobs_are_found(trained, filter_, numbers):
    assert sorted(found("TrainingJob", OURS, filter_)) == [trained[n] for n in numbers]


def test_results_are_sorted_and_come_in_pages(trained):
    newest = found("TrainingJob", OURS, SortBy="CreationTime", PaginationConfig={"PageSize": 1})
    assert newest == trained[::-1]
    best = found("TrainingJob", OURS, SortBy="Metrics.loss", SortOrder="Ascending")
    assert best == [trained[1], trained[0], trained[2]]


def test_expressions_within_expressions(trained):
    filters = [{"Name": "TrainingJobName", "Value": name} for name in trained[:2]]
    nested = {
        "NestedPropertyName": "InputDataConfig",
        "Filters": [{"Name": "InputDataConfig.ChannelName", "Value": "code"}],
    }
    either = {"Filters": filters, "Operator": "Or"}
    expression = {"SubExpressions": [either], "NestedFilters": [nested]}
    answer = sagemaker().search(Resource="TrainingJob", SearchExpression=expression)
    assert len(answer["Results"]) == 2


def test_trial_components_are_found_by_their_trial_and_their_values(trained):
    of_the_trial = ("Parents.TrialName", "Equals", "searched-1")
    components = [f"{name}-aws-training-job" for name in trained]
    resource = "ExperimentTrialComponent"
    assert sorted(found(resource, of_the_trial)) == components[:2]
    assert found(resource, of_the_trial, ("Metrics.loss.min", "LessThan", "0.3")) == [components[1]]
    assert found(resource, of_the_trial, ("Parameters.lr", "Equals", "1")) == [components[0]]
    assert found(resource, ("Source.SourceArn", "Contains", f"/{trained[0]}")) == [components[0]]
    assert found("ExperimentTrial", ("ExperimentName", "Equals", "searched")) == ["searched-1"]
    assert found("Experiment", ("ExperimentName", "Equals", "searched")) == ["searched"]


def test_an_unknown_property_is_named(trained):
    with pytest.raises(ClientError, match=r"Unknown property name: TrainingJobNam\. Did you"):
        found("TrainingJob", ("TrainingJobNam", "Equals", "x"))


def test_what_is_not_searched_is_refused():
    with pytest.raises(ClientError, match="Search for Model is not played"):
        sagemaker().search(Resource="Model")


# --- experiments --------------------------------------------------------------------------


def test_an_experiment_from_its_making_to_its_end():
    client = sagemaker()
    made = client.create_experiment(ExperimentName="life", Tags=[{"Key": "a", "Value": "1"}])
    with pytest.raises(ClientError, match="Resource name must be unique"):
        client.create_experiment(ExperimentName="life")
    client.update_experiment(ExperimentName="life", Description="of a digit")
    assert client.describe_experiment(ExperimentName="life")["Description"] == "of a digit"
    client.add_tags(ResourceArn=made["ExperimentArn"], Tags=[{"Key": "b", "Value": "2"}])
    tags = client.list_tags(ResourceArn=made["ExperimentArn"])["Tags"]
    assert [tag["Key"] for tag in tags] == ["a", "b"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.create_trial(TrialName="life-1", ExperimentName="nowhere")
    client.create_trial(TrialName="life-1", ExperimentName="life")
    client.create_trial_component(
        TrialComponentName="life-c", Parameters={"lr": {"NumberValue": 0.1}}, StartTime=time.time()
    )
    client.associate_trial_component(TrialComponentName="life-c", TrialName="life-1")
    client.update_trial_component(
        TrialComponentName="life-c",
        Parameters={"depth": {"NumberValue": 3.0}},
        ParametersToRemove=["lr"],
        Status={"PrimaryStatus": "Completed"},
    )
    component = client.describe_trial_component(TrialComponentName="life-c")
    assert component["Parameters"] == {"depth": {"NumberValue": 3.0}}
    for delete in (
        lambda: client.delete_experiment(ExperimentName="life"),
        lambda: client.delete_trial(TrialName="life-1"),
        lambda: client.delete_trial_component(TrialComponentName="life-c"),
    ):
        with pytest.raises(ClientError, match="belongs together with"):
            delete()
    client.disassociate_trial_component(TrialComponentName="life-c", TrialName="life-1")
    client.delete_trial_component(TrialComponentName="life-c")
    client.delete_trial(TrialName="life-1")
    client.delete_experiment(ExperimentName="life")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.describe_experiment(ExperimentName="life")


def test_lists_of_experiments_are_filtered_and_come_in_pages():
    client = sagemaker()
    for number in range(12):
        client.create_experiment(ExperimentName=f"many-{number:02}")
    pages = client.get_paginator("list_experiments").paginate(SortBy="Name", SortOrder="Ascending")
    sizes, listed = zip(
        *(
            (len(page["ExperimentSummaries"]), one["ExperimentName"])
            for page in pages
            for one in page["ExperimentSummaries"]
        ),
        strict=True,
    )
    assert max(sizes) == 10, "AWS answers ten at once"
    assert [name for name in listed if name.startswith("many-")] == [
        f"many-{number:02}" for number in range(12)
    ]
    later = client.list_experiments(CreatedAfter=time.time() + 60)
    assert later["ExperimentSummaries"] == []


# --- warm pools, attach -------------------------------------------------------------------


def warm(period: int = 60, **more) -> str:
    resources = {
        "InstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": period,
    }
    name = train("print(1)", ResourceConfig=resources, **more)
    ended(name)
    return name


def pool(name: str) -> dict:
    return described(name)["WarmPoolStatus"]


def test_a_warm_pool_goes_to_the_next_job_that_fits():
    first = warm(Environment={"A": "1"})
    assert pool(first)["Status"] == "Available"
    other = train("print(1)", hosts=2)  # needs other instances
    assert pool(first)["Status"] == "Available"
    second = warm()
    assert (pool(first)["Status"], pool(first)["ReusedByJob"]) == ("Reused", second)
    listed = sagemaker().list_training_jobs(WarmPoolStatusEquals="Available", MaxResults=100)
    assert [one["TrainingJobName"] for one in listed["TrainingJobSummaries"]] == [second]
    sagemaker().update_training_job(
        TrainingJobName=second, ResourceConfig={"KeepAlivePeriodInSeconds": 0}
    )
    assert pool(second)["Status"] == "Terminated"
    assert "WarmPoolStatus" not in ended(other)


def test_a_warm_pool_ends_by_itself():
    name = warm(period=1)
    assert until(lambda: pool(name)["Status"] == "Terminated", 5)
    assert pool(name)["ResourceRetainedBillableTimeInSeconds"] == 1
    with pytest.raises(ClientError, match="is Terminated: only one that is Available"):
        sagemaker().update_training_job(
            TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 9}
        )


def test_what_cannot_be_kept_warm_is_refused():
    with pytest.raises(ClientError, match="EnableManagedSpotTraining are mutually exclusive"):
        warm(
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        )


def test_a_job_can_be_attached_to(script):
    done = script(
        """
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.sklearn import SKLearn
job = SKLearn(entry_point='t.py', source_dir='code', framework_version='1.2-1',
              instance_type='ml.m5.large', role=sagemaker.get_execution_role())
job.fit(logs=False)
name = job.latest_training_job.name
for kind in (SKLearn, Estimator):
    print('ATTACHED', kind.attach(name).model_data == job.model_data)
""",
        {"code/t.py": "open('/opt/ml/model/m', 'w').write('m')"},
    )
    assert done.stdout.count("ATTACHED True") == 2


# --- a bucket of AWS's samples ------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        "sagemaker.Session().download_data('.', 'sagemaker-sample-files', 'datasets')",
        "boto3.client('s3').download_file('sagemaker-sample-files', 'datasets/a.csv', 'a.csv')",
        "boto3.client('s3').get_object(Bucket='sagemaker-sample-files', Key='a.csv')",
    ],
)
def test_a_bucket_of_awss_samples_is_said_not_to_be_here(script, call):
    done = script(
        "import boto3, sagemaker, botocore.exceptions\n"
        f"try: {call}\n"
        "except botocore.exceptions.ClientError as error: print('SAID', error)\n",
        {},
    )
    said = done.stdout.partition("SAID ")[2]
    assert re.match(r"An error occurred \((404|NoSuchBucket)\)", said), done.stdout
    assert "The emulated S3 holds only what was put there" in said
    assert "'sagemaker-sample-files'" in said
