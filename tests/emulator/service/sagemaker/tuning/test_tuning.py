"""Hyperparameter tuning jobs: through the SDK's HyperparameterTuner, and through boto3."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import signal
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ....by_boto3 import BUCKET, bucket, described, ended, train  # noqa: F401
from ....conftest import ROLE, until

pytestmark = pytest.mark.slow

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
_numbers = itertools.count(1)
#: Says how good its hyperparameters are.
PROGRAM = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument('-x', type=float)
x = parser.parse_known_args()[0].x
print('loss=%r' % (x - 0.3) ** 2, flush=True)
"""
CHOICE = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.1", "0.2", "0.3", "0.4"]}]}
LINE = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
METRIC = "FinalHyperParameterTuningJobObjectiveMetric"


def sagemaker():
    return daemon.client("sagemaker")


def definition(program: str = PROGRAM, **more) -> dict:
    """A definition has no entry point: the image's own program runs the script."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("program.py")
        entry.size = len(program.encode())
        archive.addfile(entry, io.BytesIO(program.encode()))
    key = f"tuning/{os.getpid()}-{next(_numbers)}/sourcedir.tar.gz"
    daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue())
    return {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.+)"}],
        },
        "StaticHyperParameters": {
            "sagemaker_program": '"program.py"',
            "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/{key}"),
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/tuned/"},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    } | more


def tune(program=PROGRAM, ranges=CHOICE, *, jobs=3, parallel=2, request=None, **config) -> str:
    """Create a tuning job; return its name."""
    name = (request or {}).get("HyperParameterTuningJobName", f"tuned-{next(_numbers)}")
    sagemaker().create_hyper_parameter_tuning_job(
        **{
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": jobs,
                    "MaxParallelTrainingJobs": parallel,
                },
                "ParameterRanges": ranges,
                "RandomSeed": 1,
            }
            | config,
            "TrainingJobDefinition": definition(program),
        }
        | (request or {})
    )
    return name


def tuning(name: str) -> dict:
    return sagemaker().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def finished(name: str) -> dict:
    """Wait until a tuning job has ended; return its description."""
    final = ("Completed", "Failed", "Stopped")
    assert until(lambda: tuning(name)["HyperParameterTuningJobStatus"] in final, 90), tuning(name)
    return tuning(name)


def jobs_of(name: str, **request) -> list[dict]:
    pages = sagemaker().get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    pages = pages.paginate(HyperParameterTuningJobName=name, **request)
    return [one for page in pages for one in page["TrainingJobSummaries"]]


# --- the SDK ------------------------------------------------------------------------------


def test_a_tuner_from_fit_to_the_best_estimator(script):
    done = script(
        f"""
import sagemaker
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

estimator = SKLearn('train.py', source_dir='code', framework_version='1.2-1', role='{ROLE}',
                    instance_type='ml.m5.large', hyperparameters={{'epochs': 2}})
tuner = HyperparameterTuner(
    estimator, 'loss', {{'rate': ContinuousParameter(0.01, 1, 'Logarithmic'),
                        'depth': IntegerParameter(1, 3)}},
    metric_definitions=[{{'Name': 'loss', 'Regex': 'loss=(.+)'}}], objective_type='Minimize',
    strategy='Bayesian', max_jobs=4, max_parallel_jobs=2, base_tuning_job_name='sdk',
    random_seed=3, tags=[{{'Key': 'team', 'Value': 'digits'}}])
tuner.fit()
name = tuner.latest_tuning_job.name
print('NAME', name)
print('STATUS', tuner.describe()['HyperParameterTuningJobStatus'])
table = tuner.analytics().dataframe()
best = table.sort_values('FinalObjectiveValue').iloc[0]
print('BEST', best.TrainingJobName == tuner.best_training_job(), len(table))
print('RANGES', sorted(tuner.analytics().tuning_ranges))
attached = HyperparameterTuner.attach(name)
print('ATTACHED', attached.best_training_job() == tuner.best_training_job())
estimator = tuner.best_estimator()
print('MODEL', estimator.model_data)
print('GIVEN', sorted(estimator.hyperparameters()))
""",
        {
            "code/train.py": """
import argparse, os
parser = argparse.ArgumentParser()
for name, kind in (('rate', float), ('depth', int), ('epochs', int)):
    parser.add_argument('--' + name, type=kind)
given = parser.parse_args()
open(os.path.join(os.environ['SM_MODEL_DIR'], 'model'), 'w').write(str(given))
print('loss=%r' % ((given.rate - 0.3) ** 2 + given.depth))
"""
        },
    )
    out = done.stdout
    name = re.search(r"NAME (\S+)", out)[1]
    best = tuning(name)["BestTrainingJob"]["TrainingJobName"]
    assert "STATUS Completed\n" in out and "BEST True 4\n" in out
    assert "RANGES ['depth', 'rate']\n" in out and "ATTACHED True\n" in out
    assert re.fullmatch(rf"{name}-00\d-[0-9a-f]{{8}}", best)
    assert f"/{best}/output/model.tar.gz" in out
    given = re.search(r"GIVEN (.+)", out)[1]
    assert "'depth'" in given and "'epochs'" in given and "'rate'" in given
    for number, one in enumerate(jobs_of(name), 1):
        assert one["TrainingJobName"].startswith(f"{name}-{number:03}-")
        job = sagemaker().describe_training_job(TrainingJobName=one["TrainingJobName"])
        assert job["TuningJobArn"] == f"{ARN}:hyper-parameter-tuning-job/{name}"
        assert job["HyperParameters"]["_tuning_objective_metric"] == "loss"
        assert job["HyperParameters"].items() >= one["TunedHyperParameters"].items()
        tags = sagemaker().list_tags(ResourceArn=one["TrainingJobArn"])["Tags"]
        assert {"Key": "team", "Value": "digits"} in tags


def test_a_step_of_a_pipeline_tunes_and_the_next_one_has_the_best_model(script):
    done = script(
        f"""
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingInput, ScriptProcessor
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import CategoricalParameter, HyperparameterTuner
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import ProcessingStep, TuningStep

session = PipelineSession()
estimator = SKLearn('train.py', source_dir='code', framework_version='1.2-1', role='{ROLE}',
                    instance_type='ml.m5.large', sagemaker_session=session,
                    output_path='s3://{BUCKET}/tuned')
tuner = HyperparameterTuner(
    estimator, 'loss', {{'rate': CategoricalParameter(['0.1', '0.3', '0.5'])}},
    metric_definitions=[{{'Name': 'loss', 'Regex': 'loss=(.+)'}}], objective_type='Minimize',
    strategy='Grid', max_jobs=3, max_parallel_jobs=3)
tuned = TuningStep(name='Tune', step_args=tuner.fit())
processor = ScriptProcessor(
    command=['python3'], image_uri='mine:1', role='{ROLE}', instance_count=1,
    instance_type='ml.m5.large', sagemaker_session=session)
model = tuned.get_top_model_s3_uri(top_k=0, s3_bucket='{BUCKET}', prefix='tuned')
looked = ProcessingStep(name='Look', step_args=processor.run(
    'look.py', inputs=[ProcessingInput(model, '/opt/ml/processing/model')]))
pipeline = Pipeline(name='tunes', steps=[tuned, looked], sagemaker_session=session)
pipeline.upsert('{ROLE}')
execution = pipeline.start()
execution.wait(delay=1)
for step in execution.list_steps():
    print('STEP', step['StepName'], step['StepStatus'], sorted(step['Metadata']))
""",
        {
            "code/train.py": """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument('--rate', type=float)
rate = parser.parse_args().rate
open(os.path.join(os.environ['SM_MODEL_DIR'], 'model'), 'w').write(f'rate {rate}')
print('loss=%r' % (rate - 0.3) ** 2)
""",
            "look.py": """
import tarfile
with tarfile.open('/opt/ml/processing/model/model.tar.gz') as archive:
    assert archive.extractfile('model').read() == b'rate 0.3'
""",
        },
    )
    assert "STEP Tune Succeeded ['TuningJob']\n" in done.stdout, done.stdout + done.stderr
    assert "STEP Look Succeeded ['ProcessingJob']\n" in done.stdout


# --- its life -----------------------------------------------------------------------------


def test_a_grid_is_tried_to_its_end():
    """The number of training jobs is that of the combinations."""
    limits = {"MaxParallelTrainingJobs": 4}
    name = tune(Strategy="Grid", ResourceLimits=limits)
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Completed", done.get("FailureReason")
    assert done["HyperParameterTuningJobConfig"]["ResourceLimits"] == limits | {
        "MaxNumberOfTrainingJobs": 4
    }
    tried = [one["TunedHyperParameters"]["x"] for one in jobs_of(name)]
    assert tried == ["0.1", "0.2", "0.3", "0.4"]
    assert done["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.3"}
    assert done["BestTrainingJob"][METRIC] == {
        "Type": "Minimize",
        "MetricName": "loss",
        "Value": 0.0,
    }
    assert done["BestTrainingJob"]["ObjectiveStatus"] == "Succeeded"
    assert done["TrainingJobStatusCounters"] == {
        "Completed": 4,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert done["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert done["ConsumedResources"]["RuntimeInSeconds"] < 60
    assert "OverallBestTrainingJob" not in done


WAIT = PROGRAM + "time.sleep(60)\n"


def test_no_more_run_at_once_than_there_may():
    name = tune(WAIT, jobs=4, parallel=2)
    assert until(lambda: tuning(name)["TrainingJobStatusCounters"]["InProgress"] == 2)
    found = tuning(name)
    assert found["HyperParameterTuningJobStatus"] == "InProgress"
    assert found["ObjectiveStatusCounters"]["Pending"] == 2
    assert "BestTrainingJob" not in found
    with pytest.raises(ClientError, match=r"ResourceInUse.*Stop it first"):
        sagemaker().delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert until(lambda: metrics(jobs_of(name)) == 2, 30)
    sagemaker().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Stopped"
    assert done["TrainingJobStatusCounters"]["Stopped"] == 2
    assert [described(one["TrainingJobName"])["TrainingJobStatus"] for one in jobs_of(name)] == [
        "Stopped",
        "Stopped",
    ]
    with pytest.raises(ClientError, match=r"ValidationException.*is in status Stopped"):
        sagemaker().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    trained = jobs_of(name)[0]["TrainingJobName"]
    sagemaker().delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        tuning(name)
    assert described(trained)["TrainingJobStatus"] == "Stopped", "training jobs stay"


def metrics(jobs: list[dict]) -> int:
    """How many of the training jobs have written a metric."""
    return sum("FinalMetricDataList" in described(one["TrainingJobName"]) for one in jobs)


def test_a_training_job_that_gets_worse_is_stopped_early():
    """Three have ended; the fourth is worse than the median of them at each epoch."""
    program = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument('-x', type=float)
x = parser.parse_known_args()[0].x
for epoch in range(600 if x == 0.4 else 2):
    print('loss=%r' % x, flush=True)
    time.sleep(0.1)
"""
    limits = {"MaxParallelTrainingJobs": 1}
    name = tune(
        program, Strategy="Grid", ResourceLimits=limits, TrainingJobEarlyStoppingType="Auto"
    )
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Completed", done.get("FailureReason")
    assert [one["TrainingJobStatus"] for one in jobs_of(name)] == [*["Completed"] * 3, "Stopped"]
    assert done["ObjectiveStatusCounters"]["Succeeded"] == 4
    assert done["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.1"}


def test_hyperband_ends_what_is_behind():
    program = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument('-x', type=float)
x = parser.parse_known_args()[0].x
for epoch in range(9):
    print('loss=%r' % (x + 1 / (epoch + 1)), flush=True)
    time.sleep(0.2)
"""
    config = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    name = tune(program, LINE, Strategy="Hyperband", StrategyConfig=config, jobs=7, parallel=2)
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Completed", done.get("FailureReason")
    counts = done["TrainingJobStatusCounters"]
    assert counts["Stopped"] >= 1 and counts["Completed"] >= 1
    assert counts["Stopped"] + counts["Completed"] == 7


# --- when it ends -------------------------------------------------------------------------


def test_without_any_success_it_fails_with_the_reason_of_the_last():
    name = tune("raise ValueError('no such label: 11')", LINE, jobs=9, parallel=2)
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Failed"
    words, _, last = done["FailureReason"].partition("\n")
    assert re.search(r"ClientError: No training job succeeded after [56] attempts\.", words)
    assert "ValueError: no such label: 11" in last
    assert 5 <= done["TrainingJobStatusCounters"]["NonRetryableError"] <= 7


def test_without_a_value_it_fails_and_names_the_metric():
    name = tune("print('los=1')", jobs=2)
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Failed"
    assert "No objective metrics found after running 2 training jobs." in done["FailureReason"]
    assert done["FailureReason"].endswith("its log has no 'loss'.")
    assert done["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 2}
    assert jobs_of(name, SortBy="FinalObjectiveMetricValue") == []


def test_what_a_training_job_is_refused_for_fails_the_tuning_job():
    """AWS looks for its data when it starts."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/nowhere/"}
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    name = tune(request={"TrainingJobDefinition": definition(InputDataConfig=channels)})
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Failed"
    assert done["FailureReason"].startswith('ClientError: No S3 objects found under S3 URL "s3://')


@pytest.mark.parametrize(
    ("criteria", "ended"),
    [
        ({"TargetObjectiveMetricValue": 0.02}, 2),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 4),
    ],
)
def test_it_ends_when_a_criterion_is_met(criteria, ended):
    """The values are 0.04, 0.01, … and, in the second case, all the same."""
    program = PROGRAM if "TargetObjectiveMetricValue" in criteria else "print('loss=1')"
    values = [str(n / 10) for n in range(1, 9)]
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": values}]}
    name = tune(
        program,
        ranges,
        Strategy="Grid",
        ResourceLimits={"MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria=criteria,
    )
    done = finished(name)
    assert done["HyperParameterTuningJobStatus"] == "Completed", done.get("FailureReason")
    assert len(jobs_of(name)) == ended
    details = done["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == (0 if ended == 2 else 3)


# --- more than one ------------------------------------------------------------------------


def test_a_warm_start_knows_the_best_of_its_parents():
    parent = tune(Strategy="Grid", ResourceLimits={"MaxParallelTrainingJobs": 4})
    best = finished(parent)["BestTrainingJob"]
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    worse = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.8", "MaxValue": "1"}]}
    name = tune(ranges=worse, jobs=1, Strategy="Bayesian", request={"WarmStartConfig": warm})
    done = finished(name)
    assert done["BestTrainingJob"]["TrainingJobName"].startswith(name)
    overall = done["OverallBestTrainingJob"]
    assert (overall["TrainingJobName"], overall["TuningJobName"]) == (
        best["TrainingJobName"],
        parent,
    )


def test_parents_have_ended_and_look_for_the_same():
    def warm(parent: str, **config) -> dict:
        parents = [{"HyperParameterTuningJobName": parent}]
        warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "TransferLearning"}
        return config | {"request": {"WarmStartConfig": warm}}

    with pytest.raises(ClientError, match=r"ValidationException.*'nobody' does not exist"):
        tune(**warm("nobody"))
    parent = tune(WAIT, jobs=1)
    with pytest.raises(ClientError, match=rf"ValidationException.*'{parent}' is InProgress"):
        tune(**warm(parent))
    sagemaker().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent)
    finished(parent)
    objective = {"Type": "Maximize", "MetricName": "loss"}
    with pytest.raises(ClientError, match=r"ValidationException.*is another"):
        tune(**warm(parent, HyperParameterTuningJobObjective=objective))


def test_two_algorithms_take_turns():
    objective = {"Type": "Minimize", "MetricName": "loss"}
    ranges = {"one": CHOICE, "two": LINE}
    several = [
        definition(DefinitionName=name, TuningObjective=objective, HyperParameterRanges=one)
        for name, one in ranges.items()
    ]
    name = f"tuned-{next(_numbers)}"
    sagemaker().create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        },
        TrainingJobDefinitions=several,
    )
    assert finished(name)["HyperParameterTuningJobStatus"] == "Completed"
    used = [one["TrainingJobDefinitionName"] for one in jobs_of(name)]
    assert used == ["one", "two", "one", "two"]


def test_the_instances_of_all_that_run_at_once_are_there():
    other = train("import time; time.sleep(60)", hosts=19)
    with pytest.raises(ClientError, match=r"ResourceLimitExceeded.*request delta of 2 Instances"):
        tune(jobs=2, parallel=2)
    assert finished(tune(jobs=2, parallel=1))["TrainingJobStatusCounters"]["Completed"] == 2
    sagemaker().stop_training_job(TrainingJobName=other)
    ended(other)


def test_instances_that_others_use_are_waited_for():
    """Of two that are created at once, either of which would fit alone."""
    daemon.stop()  # a server that starts takes a moment to begin its first search
    large = definition()
    large["ResourceConfig"] |= {"InstanceCount": 11}
    client, names = sagemaker(), [f"tuned-{next(_numbers)}" for _ in range(2)]
    requests = [
        {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
                "ParameterRanges": CHOICE,
            },
            "TrainingJobDefinition": large,
        }
        for name in names
    ]
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(lambda one: client.create_hyper_parameter_tuning_job(**one), requests))
    done = [finished(name) for name in names]
    assert [one["HyperParameterTuningJobStatus"] for one in done] == ["Completed"] * 2
    ((before,), (after,)) = sorted((jobs_of(name) for name in names), key=began)
    assert after["TrainingStartTime"] >= before["TrainingEndTime"]


def began(jobs: list[dict]):
    return jobs[0]["TrainingStartTime"]


# --- lists, search, the end of the server -------------------------------------------------


def test_lists_and_search():
    name = tune(
        request={"HyperParameterTuningJobName": "listed-b", "Tags": [{"Key": "a", "Value": "1"}]}
    )
    other = tune("raise SystemExit(1)", jobs=1, request={"HyperParameterTuningJobName": "listed-a"})
    finished(name), finished(other)

    def listed(**request) -> list[str]:
        answer = sagemaker().list_hyper_parameter_tuning_jobs(NameContains="listed", **request)
        assert all(
            one["Strategy"] == "Random" for one in answer["HyperParameterTuningJobSummaries"]
        )
        return [
            one["HyperParameterTuningJobName"] for one in answer["HyperParameterTuningJobSummaries"]
        ]

    assert listed() == [other, name]
    assert listed(SortBy="CreationTime") == [name, other]
    assert listed(StatusEquals="Failed") == [other]
    values = [one[METRIC]["Value"] for one in jobs_of(name, SortBy="FinalObjectiveMetricValue")]
    assert values == sorted(values) and len(values) == 3
    assert len(jobs_of(name, StatusEquals="Completed", PaginationConfig={"PageSize": 2})) == 3
    expression = {
        "Filters": [
            {"Name": "HyperParameterTuningJobStatus", "Value": "Completed"},
            {"Name": "Tags.a", "Value": "1"},
        ]
    }
    answer = sagemaker().search(
        Resource="HyperParameterTuningJob", SearchExpression=expression, SortBy="CreationTime"
    )
    (found,) = answer["Results"]
    assert found["HyperParameterTuningJob"]["HyperParameterTuningJobName"] == name
    expression = {"Filters": [{"Name": "TuningJobArn", "Operator": "Contains", "Value": name}]}
    answer = sagemaker().search(Resource="TrainingJob", SearchExpression=expression)
    assert len(answer["Results"]) == 3


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_tuning_job_that_runs_when_the_server_ends_has_failed(how):
    done = tune(Strategy="Grid", ResourceLimits={"MaxParallelTrainingJobs": 4})
    before = finished(done)
    running = tune(WAIT, jobs=4, parallel=1)
    assert until(lambda: metrics(jobs_of(running)) == 1, 30)
    if how == "killed":
        os.kill(daemon.status()["pid"], signal.SIGKILL)
        assert until(lambda: not daemon.status())
    daemon.stop()
    failed = tuning(running)
    assert failed["HyperParameterTuningJobStatus"] == "Failed"
    assert re.match(r"the emulated AWS (was )?ended while the job ran", failed["FailureReason"])
    assert failed["TrainingJobStatusCounters"]["InProgress"] == 0
    assert len(jobs_of(running)) == 1
    assert tuning(done) | {"ResponseMetadata": 0} == before | {"ResponseMetadata": 0}
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": running}],
        "WarmStartType": "TransferLearning",
    }
    assert finished(tune(jobs=1, request={"WarmStartConfig": warm}))["BestTrainingJob"]


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"Autotune": {"Mode": "Enabled"}}, "Autotune"),
        (
            {"TuningJobCompletionCriteria": {"ConvergenceDetected": {
                "CompleteOnConvergence": "Enabled"}}},
            "ConvergenceDetected",
        ),
        (
            {"ParameterRanges": {"AutoParameters": [{"Name": "x", "ValueHint": "1"}]}},
            "AutoParameters",
        ),
    ],
)  # fmt: skip
def test_what_is_not_played_is_refused_by_name(change, member):
    call = {"request": change} if member == "Autotune" else change
    with pytest.raises(ClientError, match=rf"ValidationException.*{member} is not played"):
        tune(**call)
