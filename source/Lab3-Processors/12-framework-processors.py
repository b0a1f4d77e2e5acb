# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12 · Framework processors and experiments
#
# There are processors for scikit-learn, Spark and TensorFlow. For every other framework of AWS
# there is `FrameworkProcessor`: you give it the framework's estimator, and it finds the image. We
# use it twice: to prepare data with PyTorch, and to evaluate models of XGBoost.
#
# And when there are several models, who remembers which one was made how, and how good it was?
# SageMaker does, in **experiments**.
#
# **The goal:** three models with three settings, each evaluated by a job of its own, and a table of
# all of them, read back from SageMaker.

# %% [markdown]
# ```mermaid
# flowchart LR
#     raw[("S3: Lab3/<br>RawData/")] --> prep["processing job<br>PyTorch<br>preprocessing.py"]
#     prep -- "train/<br>validation/" --> fit["3 training jobs<br>XGBoost<br>train.py"]
#     fit -- "3 × model.tar.gz" --> eval["3 processing jobs<br>XGBoost<br>evaluation.py"]
#     csv[("test.csv")] --> eval
#     eval --> json[("3 × evaluation.json")]
#     eval -. "a trial component each" .-> exp[("experiment")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 12.1 to 12.3. It needs nothing of the other sections.

# %% [markdown]
# ## Settings
#
# Here the toggle is turned by `instance_type`, as in many notebooks that one finds: a line is
# commented out, or not.

# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.WARNING)  # INFO: everything the SDK does

import sagemaker

instance_type = "ml.m5.large"
# instance_type = "local"
if LOCAL:
    instance_type = "local"

if instance_type == "local":
    from sagemaker.local import LocalSession

    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
else:
    sagemaker_session = sagemaker.Session()

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}, instance type: {instance_type}")

# %%
raw_folder = workshop.ROOT / RAW_DATA
raw_data = sagemaker_session.upload_data(str(raw_folder), bucket, key_prefix="Lab3/RawData")
print(raw_data)

# %% [markdown]
# ## Prepare the data with PyTorch
#
# `FrameworkProcessor(PyTorch, …)`: the first argument is the *class* of the estimator, not an
# object. Of it comes the image. `2.8` is the newest PyTorch image that this SDK knows; for older
# ones, like `1.10`, the Python is an older one as well (`py_version="py38"`).
#
# `script_pytorch/preprocessing.py` reads the raw digits of `/opt/ml/processing/input` as tensors
# and makes 49 features of each: the mean of each block of 4 × 4 pixels, by `avg_pool2d`. Then it
# leaves **two outputs**, for training and for validation:
#
# | folder | goes to |
# |---|---|
# | `/opt/ml/processing/output/train` | `train_uri` |
# | `/opt/ml/processing/output/validation` | `validation_uri` |
#
# This is simple arithmetic on a few images, and `ml.m5.large` does. A network that computes
# features would want a GPU: `instance_type="ml.g5.xlarge"`, and the SDK takes the image for GPUs by
# itself.
#
# No `sagemaker_session` is given. For `"local"` the processor makes one itself. The session with
# `local_code` would be refused: a framework processor packs and uploads your scripts, always.

# %%
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.pytorch import PyTorch

train_uri = f"s3://{bucket}/Lab3/PyTorch/train"
validation_uri = f"s3://{bucket}/Lab3/PyTorch/validation"

# task 12.1 begin
processor = FrameworkProcessor(
    PyTorch,
    framework_version="2.8",
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab3-pytorch",
)
processor.run(
    code="preprocessing.py",
    source_dir="script_pytorch",
    inputs=[ProcessingInput(source=f"{raw_data}/", destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(source="/opt/ml/processing/output/train", destination=train_uri),
        ProcessingOutput(source="/opt/ml/processing/output/validation", destination=validation_uri),
    ],
)
# task 12.1 end

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("12.1")

# %%
import io

import matplotlib.pyplot as plt
import numpy as np
from sagemaker.s3 import S3Downloader


def load(uri):
    return np.load(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)))


features, labels = load(f"{train_uri}/features.npy"), load(f"{train_uri}/labels.npy")

plt.figure(figsize=(7, 0.9))
for place in range(10):
    plt.subplot(1, 10, place + 1)
    plt.imshow(features[place].reshape(7, 7), cmap="gray_r", interpolation="nearest")
    plt.title(labels[place], fontsize=8)
    plt.axis("off")
plt.show()
print(f"{len(features):,} for training, {len(load(f'{validation_uri}/labels.npy'))} for validation")

# %% [markdown]
# These tensors were saved as `.npy`, and not as `.pt`: the next image has numpy, but no PyTorch.

# %% [markdown]
# ## Three models
#
# XGBoost builds one small tree of decisions after the other; each new one corrects the mistakes of
# those before. `max_depth` says how many decisions in a row a tree may make. We try 1, 2 and 4.
#
# `wait=False`: all three jobs run at the same time. (Local mode runs one after the other, and waits
# each time. So there we try two.)

# %%
from sagemaker.xgboost import XGBoost

depths = (1, 4) if LOCAL else (1, 2, 4)
settings = [{"max-depth": depth, "eta": 0.3, "rounds": 20} for depth in depths]
channels = {"train": f"{train_uri}/", "validation": f"{validation_uri}/"}

estimators = []
for hyperparameters in settings:
    estimator = XGBoost(
        entry_point="train.py",
        source_dir="script_xgboost",
        framework_version="3.0-5",
        role=role,
        instance_type=instance_type,
        instance_count=1,
        base_job_name=f"lab3-xgboost-depth-{hyperparameters['max-depth']}",
        hyperparameters=dict(hyperparameters),  # the SDK adds its own to it
        output_path=f"s3://{bucket}/Lab3/XGBoost/Training",
        container_log_level=logging.WARNING,  # INFO: the toolkit lists all paths and SM_* variables
        sagemaker_session=sagemaker_session,
    )
    estimator.fit(channels, wait=False)
    estimators.append(estimator)

if not LOCAL:  # local mode has waited, whatever wait says
    for estimator in estimators:
        estimator.latest_training_job.wait(logs=False)
for estimator in estimators:
    print(estimator.model_data.removeprefix(f"s3://{bucket}/"))

# %% [markdown]
# ## The test data
#
# `test.csv` has a line for each test image: the label, then the same 49 features, made here with
# numpy. On an instance it has to come from S3. A local job takes the file as it is.

# %%
import gzip
import tempfile
from pathlib import Path


def raw(name, header):
    with gzip.open(raw_folder / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


pixels = raw("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 7, 4, 7, 4)
test_features = pixels.mean(axis=(2, 4)).reshape(-1, 49) / 255
test_labels = raw("t10k-labels-idx1-ubyte.gz", 8)

dataset = tempfile.TemporaryDirectory()
np.savetxt(
    f"{dataset.name}/test.csv",
    np.column_stack([test_labels, test_features]),
    delimiter=",",
    fmt="%.6g",
)
data_path = sagemaker_session.upload_data(dataset.name, bucket, key_prefix="Lab3/XGBoost/dataset")
print(f"{len(test_labels)} lines: {data_path}/test.csv")

# %% [markdown]
# ## The evaluation
#
# Again a framework processor, this time with `XGBoost`. The toggle changes the folder of the script
# and the path of the test data.
#
# `script_xgboost/evaluation.py` gets two inputs, `/opt/ml/processing/model` with `model.tar.gz` and
# `/opt/ml/processing/test` with `test.csv`, and leaves `evaluation.json` in
# `/opt/ml/processing/output`.

# %%
script_eval = FrameworkProcessor(
    XGBoost,
    framework_version="3.0-5",
    role=role,
    instance_type=instance_type,
    instance_count=1,
)

source_dir = "script_xgboost"
s3_test_path = f"{data_path}/test.csv"
if instance_type == "local":
    source_dir = f"{Path.cwd()}/script_xgboost"
    s3_test_path = f"{dataset.name}/test.csv"
detect_outputpath = f"s3://{bucket}/Lab3/XGBoost/Evaluation"


def inputs_with(artifacts_dir):
    return [
        ProcessingInput(
            source=s3_test_path, input_name="test_data", destination="/opt/ml/processing/test"
        ),
        ProcessingInput(
            source=artifacts_dir, input_name="model_weight", destination="/opt/ml/processing/model"
        ),
    ]


def outputs_of(job_name):
    return [
        ProcessingOutput(
            source="/opt/ml/processing/output",
            output_name="evaluation",
            destination=f"{detect_outputpath}/{job_name}",
        )
    ]


# %% [markdown] tags=["starter-only"]
# **Task 12.2 is in this script.** `quality` is there, which makes the metrics. Fill the gap, save
# the file and come back.

# %% tags=["starter-only"]
workshop.check("12.2")

# %% [markdown]
# ## Experiment, trial, trial component
#
# | word | meaning | here |
# |---|---|---|
# | experiment | a question | how deep should the trees be? |
# | trial | one attempt to answer it | one model |
# | trial component | one step of a trial | one job, here the evaluation |
#
# Experiments and trials are made by you, in two short calls. A trial component makes itself: a job
# that is started with an `experiment_config` writes one.

# %%
from sagemaker.utils import name_from_base

sagemaker_client = sagemaker_session.boto_session.client("sagemaker")
experiment_name = "lab3-tree-depth"


def create_experiment(experiment_name):
    """Make the experiment, unless it is there."""
    try:
        sagemaker_client.create_experiment(ExperimentName=experiment_name)
    except sagemaker_client.exceptions.ClientError as error:
        if "already exists" not in str(error):
            raise


def create_trial(experiment_name):
    """Make a new trial and return its name."""
    trial_name = name_from_base(experiment_name)
    if not LOCAL:
        sagemaker_client.create_trial(TrialName=trial_name, ExperimentName=experiment_name)
    return trial_name


# %% [markdown]
# Two functions are to be written.
#
# **`evaluate(job_name, artifacts_dir)`** starts one evaluation and does **not** wait for it. Job
# and trial have the same name, so one leads to the other. The `experiment_config` is a dict:
#
# | key | value |
# |---|---|
# | `TrialName` | the trial that the job belongs to |
# | `TrialComponentDisplayName` | how its component is called in Studio |
#
# **`recorded(trial_name)`** reads back what SageMaker knows of a trial, as one flat dict like
# `{"max-depth": 2.0, "accuracy": 0.95}`. It asks for the components of the trial, then for the
# description of each. `Parameters` in it is a dict with values like `{"NumberValue": 2.0}` or
# `{"StringValue": "ml.m5.large"}`. `Metrics` is a list with entries like
# `{"MetricName": "accuracy", "Last": 0.95, …}`.


# %%
# task 12.3 begin
def evaluate(job_name, artifacts_dir):
    """Start the evaluation of a model, as a part of the trial that has the job's name."""
    script_eval.run(
        code="evaluation.py",
        source_dir=source_dir,
        inputs=inputs_with(artifacts_dir),
        outputs=outputs_of(job_name),
        job_name=job_name,
        experiment_config={
            "TrialName": job_name,
            "TrialComponentDisplayName": job_name,
        },
        wait=False,
    )


def recorded(trial_name):
    """Return the parameters and the last value of each metric, of all components of a trial."""
    found = {}
    answer = sagemaker_client.list_trial_components(TrialName=trial_name)
    for summary in answer["TrialComponentSummaries"]:
        component = sagemaker_client.describe_trial_component(
            TrialComponentName=summary["TrialComponentName"]
        )
        for name, value in component["Parameters"].items():
            found[name] = value.get("NumberValue", value.get("StringValue"))
        for metric in component["Metrics"]:
            found[metric["MetricName"]] = metric["Last"]
    return found


# task 12.3 end

# %% [markdown]
# A trial for each model, and all evaluations at the same time:

# %%
if not LOCAL:
    create_experiment(experiment_name)

trials = []
for estimator in estimators:
    artifacts_dir = estimator.model_data
    job_name = create_trial(experiment_name)
    evaluate(job_name, artifacts_dir)
    trials.append(job_name)

for job in script_eval.jobs:
    print(job.job_name, job.describe()["ProcessingJobStatus"])

# %% [markdown]
# This cell has not waited. (Local mode always does.) Now we need the results, so we wait:

# %%
if not LOCAL:
    for job in script_eval.jobs:
        job.wait(logs=False)

# %% [markdown]
# ## What SageMaker wrote down by itself
#
# Local mode knows no experiments: nobody hears of the job but you. On an instance, this is what the
# component of the first trial has:

# %%
if LOCAL:
    print("local mode: no experiment. The results are in evaluation.json, see below.")
else:
    answer = sagemaker_client.list_trial_components(TrialName=trials[0])
    component_name = answer["TrialComponentSummaries"][0]["TrialComponentName"]
    component = sagemaker_client.describe_trial_component(TrialComponentName=component_name)
    print(component_name, "is", component["Status"]["PrimaryStatus"])
    for kind in ("Parameters", "InputArtifacts", "OutputArtifacts"):
        for name, value in component[kind].items():
            shown = next(iter(value.values()))
            print(f"  {kind:16} {name:24} {str(shown).removeprefix(f's3://{bucket}/')}")
    print(f"  Metrics          {component['Metrics']}")

# %% [markdown]
# The machine, the model, the data, the code and the place of the result: all there, and nobody had
# to think of it.
#
# But no metric, and no `max-depth`. For a *training* job, SageMaker reads metrics from the log, and
# knows the hyperparameters. A *processing* job may be anything. What its numbers mean, only its
# script knows, and they are in `evaluation.json`. So we add them to the component ourselves, in two
# calls: `UpdateTrialComponent` takes parameters, `BatchPutMetrics` takes metrics.

# %%
import json
from datetime import datetime, timezone

evaluations = [
    json.loads(
        S3Downloader.read_file(f"{detect_outputpath}/{trial}/evaluation.json", sagemaker_session)
    )
    for trial in trials
]


def write_down(trial_name, parameters, metrics):
    """Add parameters and metrics, dicts of numbers, to the component of a trial."""
    answer = sagemaker_client.list_trial_components(TrialName=trial_name)
    component_name = answer["TrialComponentSummaries"][0]["TrialComponentName"]
    sagemaker_client.update_trial_component(
        TrialComponentName=component_name,
        Parameters={name: {"NumberValue": value} for name, value in parameters.items()},
    )
    now = datetime.now(timezone.utc)
    answer = sagemaker_session.boto_session.client("sagemaker-metrics").batch_put_metrics(
        TrialComponentName=component_name,
        MetricData=[
            {"MetricName": name, "Timestamp": now, "Step": 0, "Value": float(value)}
            for name, value in metrics.items()
        ],
    )
    assert not answer.get("Errors"), answer["Errors"]


if not LOCAL:
    for trial, hyperparameters, evaluation in zip(trials, settings, evaluations, strict=True):
        write_down(trial, hyperparameters, evaluation)

# %% [markdown]
# ## Read it back
#
# Imagine that a month has passed, and that you have forgotten all of it but the name of the
# experiment. SageMaker has the trials, and your `recorded` has what belongs to each of them. (In an
# account, a metric is there some seconds after it was written.)

# %%
import time

import pandas as pd


def all_trials(experiment_name):
    """Return what is recorded of each trial of an experiment, by the trial's name."""
    pages = sagemaker_client.get_paginator("list_trials").paginate(ExperimentName=experiment_name)
    names = [trial["TrialName"] for page in pages for trial in page["TrialSummaries"]]
    return {name: recorded(name) for name in names}


if LOCAL:
    table = {
        trial: hyperparameters | evaluation
        for trial, hyperparameters, evaluation in zip(trials, settings, evaluations, strict=True)
    }
else:
    deadline = time.monotonic() + 120
    table = all_trials(experiment_name)
    while not all("accuracy" in table[trial] for trial in trials) and time.monotonic() < deadline:
        time.sleep(2)
        table = all_trials(experiment_name)

columns = ["max-depth", "eta", "rounds", "accuracy", "logloss", "mistakes", "images"]
table = pd.DataFrame(table).T.reindex(columns=columns).loc[trials]
table.astype(float).round(4).convert_dtypes()

# %% tags=["starter-only"]
workshop.check("12.3")

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.4))
for axis, metric in zip(axes, ("accuracy", "logloss"), strict=True):
    axis.bar(
        range(len(table)), table[metric].astype(float), tick_label=table["max-depth"].astype(int)
    )
    axis.set(title=metric, xlabel="max-depth")
axes[0].set_ylim(0.8, 1)
plt.show()

# %% [markdown]
# Deeper trees are better here, on both counts. (Three models were compared by the test data.
# Whoever compares three hundred should choose by the validation data, and use the test once, at the
# end: the best of many is partly luck.)

# %% tags=["key-figure"]
best = table.astype(float).sort_values("accuracy").iloc[-1]
depth, accuracy = best["max-depth"], best["accuracy"]
print(f"best trial: max-depth {depth:.0f}, accuracy {accuracy:.3f}")

# %% [markdown]
# ## To take away
#
# - `FrameworkProcessor(PyTorch, …)`, `FrameworkProcessor(XGBoost, …)`: any framework that AWS has.
# - `wait=False` starts jobs side by side; `job.wait()` comes when you need the result.
# - `experiment_config` puts a job into a trial. SageMaker notes what went in and out; metrics of a
#   processing job are yours to add.
#
# Read more: [framework
# processors](https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job-frameworks.html)
# · [ExperimentConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ExperimentConfig.html)
# · [BatchPutMetrics](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_metrics_BatchPutMetrics.html)
#
# What SageMaker Processing can do, you have now done.
#
# Next: one pipeline of three jobs, in Lab 4:
# [13-pipeline.ipynb](../Lab4-Pipelines/13-pipeline.ipynb).
