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
# # 6 · Evaluation, logs and cost
#
# The third job: a trained model and the test data in, metrics out. It is like the preprocessing,
# with another script.
#
# **The goal:** the test accuracy, in S3. And two things that you will need on the day when a job
# does not do what it should, or when somebody asks for the bill: reading a job's **log**, and
# working out what a job **costs**.

# %% [markdown]
# ```mermaid
# flowchart LR
#     list["list_training_jobs"] -. "which one?" .-> tar
#     tar[("S3: Lab2/Training/JOB/…<br>model.tar.gz")] --> model
#     x[("S3: Lab2/DataProcessed/<br>test/X_test/ · y_test/")] --> data
#     subgraph job["processing job"]
#         model["/opt/ml/processing/<br>model/"] --> script["evaluation.py"]
#         data["/opt/ml/processing/test/<br>X_test/ · y_test/"] --> script
#         script --> out["/opt/ml/processing/<br>evaluation/"]
#     end
#     out --> result[("S3: Lab2/Evaluation/<br>metrics.json<br>probabilities.npy")]
#     script -. "all it prints" .-> logs[("CloudWatch Logs")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 6.1 to 6.4. If you have done Lab 1, then 6.1 and 6.2 are yours
# already: see `README.md`.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
LOCAL = False

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.WARNING)  # INFO: everything the SDK does

import sagemaker
from sagemaker.local import LocalSession

if LOCAL:
    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.m5.xlarge"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}")

# %% [markdown]
# ## Find the model
#
# SageMaker knows all training jobs, so we ask it: which is the newest one of ours that completed?
# (The one that we stopped is not `Completed`.) Its description has the address of the model.
#
# Local mode tells SageMaker nothing. So there we take the newest `model.tar.gz` in S3, as in Lab 1.

# %%
training = None
if LOCAL:
    objects = sagemaker_session.boto_session.resource("s3").Bucket(bucket).objects
    models = [o for o in objects.filter(Prefix="Lab2/Training/") if o.key.endswith("/model.tar.gz")]
    assert models, f"There is no model in s3://{bucket}/Lab2/Training/: run 5-training first"
    newest = max(models, key=lambda item: item.last_modified)
    model_uri = f"s3://{bucket}/{newest.key}"
else:
    sagemaker_client = sagemaker_session.sagemaker_client
    jobs = sagemaker_client.list_training_jobs(
        NameContains="lab2-training-",
        StatusEquals="Completed",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["TrainingJobSummaries"]
    assert jobs, "No job lab2-training-... has completed: run 5-training first"
    training = sagemaker_session.describe_training_job(jobs[0]["TrainingJobName"])
    model_uri = training["ModelArtifacts"]["S3ModelArtifacts"]
print(model_uri)

# %% [markdown]
# ## Inputs and output
#
# In: the model, and the two *test* arrays. The network has never seen these images, and no decision
# was made with them. Out: one folder.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

# task 6.1 begin
inputs = [
    ProcessingInput(input_name="model", source=model_uri, destination="/opt/ml/processing/model"),
    ProcessingInput(
        input_name="X_test",
        source=f"s3://{bucket}/Lab2/DataProcessed/test/X_test/",
        destination="/opt/ml/processing/test/X_test",
    ),
    ProcessingInput(
        input_name="y_test",
        source=f"s3://{bucket}/Lab2/DataProcessed/test/y_test/",
        destination="/opt/ml/processing/test/y_test",
    ),
]
outputs = [
    ProcessingOutput(
        output_name="evaluation",
        source="/opt/ml/processing/evaluation",
        destination=f"s3://{bucket}/Lab2/Evaluation",
    )
]
# task 6.1 end
for arrow in inputs:
    print(f"{arrow.source.removeprefix(f's3://{bucket}/')} -> {arrow.destination}")
for arrow in outputs:
    print(f"{arrow.source} -> {arrow.destination.removeprefix(f's3://{bucket}/')}")

# %% [markdown]
# ## The script
#
# `script_evaluation/evaluation.py` unpacks `model.tar.gz`, loads `best_checkpoint.keras`, lets it
# read the test images, and saves two files: `metrics.json`, in the layout of SageMaker's
# [model quality reports](https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html),
# and `probabilities.npy`.

# %% [markdown] tags=["starter-only"]
# **Task 6.2 is in this script.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("6.2")

# %%
import re
import shutil
import time

from sagemaker.tensorflow import TensorFlowProcessor

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
shutil.copy(requirements, "script_evaluation/requirements.txt")
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

processor = TensorFlowProcessor(
    framework_version=framework_version,
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab2-evaluation",
    env={"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},  # quiet logs
)

# %% [markdown]
# ## Run it
#
# This time without `logs`: the job's output does not come here. We fetch it ourselves, below. (In
# local mode it comes all the same.)

# %%
started = time.monotonic()
processor.run(
    code="evaluation.py",
    source_dir="script_evaluation",
    inputs=inputs,
    outputs=outputs,
    logs=False,
)
seconds_here = time.monotonic() - started

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("6.1")

# %% [markdown]
# ## How good is it?

# %%
import io
import json

import numpy as np
import pandas as pd
from sagemaker.s3 import S3Downloader


def load(uri):
    return np.load(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)))


evaluation = f"s3://{bucket}/Lab2/Evaluation"
metrics = json.loads(S3Downloader.read_file(f"{evaluation}/metrics.json", sagemaker_session))
metrics = metrics["multiclass_classification_metrics"]
pd.DataFrame(
    {name: value for name, value in metrics.items() if name != "confusion_matrix"}
).T.astype(float).round(4)

# %% [markdown]
# Numbers do not tell *why*. These are the ten images where the network gave the smallest
# probability to the true class. Would you have read them right?

# %%
import matplotlib.pyplot as plt

images = load(f"s3://{bucket}/Lab2/DataProcessed/test/X_test/X_test.npy")
labels = load(f"s3://{bucket}/Lab2/DataProcessed/test/y_test/y_test.npy")
probabilities = load(f"{evaluation}/probabilities.npy")

predicted = probabilities.argmax(axis=1)
worst = np.argsort(probabilities[np.arange(len(labels)), labels])[:10]

plt.figure(figsize=(8, 1.3))
for place, i in enumerate(worst, start=1):
    plt.subplot(1, 10, place)
    plt.imshow(images[i, ..., 0], cmap="gray_r", interpolation="nearest")
    verdict = "right" if predicted[i] == labels[i] else "MISTAKE"
    plt.title(f"{verdict}\ntrue {labels[i]}\nread {predicted[i]}", fontsize=8)
    plt.axis("off")
plt.show()
print(f"{np.sum(predicted != labels)} mistakes in {len(labels):,} images")

# %% tags=["key-figure"]
print(f"test accuracy {metrics['accuracy']['value']:.3f}")

# %% [markdown]
# ## Read the log
#
# Nobody sits at an instance. All that a script prints there, also its last traceback, is kept in
# **CloudWatch Logs**, long after the instance is gone:
#
# | | for this job |
# |---|---|
# | a *log group* for each kind of job | `/aws/sagemaker/ProcessingJobs` (or `…/TrainingJobs`) |
# | a *log stream* for each instance of a job | `JOB/algo-1-…` |
# | an *event* for each line | a time in milliseconds, and a message |
#
# The name of a stream begins with the name of its job. So first ask for the streams of the job,
# then for their events. A long answer comes in pages: a *paginator* fetches one after the other.
#
# In local mode a job prints to the notebook, and CloudWatch Logs hears nothing of it. So there is
# no log to read.

# %%
job_name = processor.latest_job.job_name
logs = sagemaker_session.boto_session.client("logs")
log_group = "/aws/sagemaker/ProcessingJobs"

log_lines = []
if not LOCAL:
    # task 6.3 begin
    found = logs.describe_log_streams(logGroupName=log_group, logStreamNamePrefix=f"{job_name}/")
    streams = [stream["logStreamName"] for stream in found["logStreams"]]
    paginator = logs.get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=log_group, logStreamNames=streams)
    log_lines = [event["message"] for page in pages for event in page["events"]]
    # task 6.3 end
for line in log_lines:
    print(line)

# %% tags=["starter-only"]
workshop.check("6.3")

# %% [markdown]
# The first lines are those of the SDK's start script, which installs `requirements.txt`. The rest
# is what our script printed.
#
# It is text, so you can search it. Add `filterPattern="ERROR"` to the paginator, and AWS searches
# for you: useful when the log has a million lines. (In an account, the last lines of a job may
# arrive some seconds after its end. If one is missing, run the cell again.)

# %% [markdown]
# ## What did the training cost?
#
# A price is for one instance and one hour. So you need three numbers. The description of the
# training job has two of them:
#
# - `BillableTimeInSeconds`: the seconds that you pay for. With a spot instance they are fewer than
#   `TrainingTimeInSeconds`, so the discount is in them already.
# - `ResourceConfig`, with `InstanceCount` and `InstanceType`.
#
# The third is the price of an hour: `prices.per_hour("ml.m5.xlarge")`, in US dollars, from a small
# table in `workshop/prices.toml`.

# %%
from workshop import prices

if LOCAL:  # nothing is billed, so we ask: what would this evaluation's seconds cost?
    training = {
        "BillableTimeInSeconds": round(seconds_here),
        "TrainingTimeInSeconds": round(seconds_here),
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    }
resources = training["ResourceConfig"]

# task 6.4 begin
hours = training["BillableTimeInSeconds"] / 3600
cost = hours * resources["InstanceCount"] * prices.per_hour(resources["InstanceType"])
# task 6.4 end
print(cost)

# %% tags=["starter-only"]
workshop.check("6.4")

# %%
worked, billed = training["TrainingTimeInSeconds"], training["BillableTimeInSeconds"]
per_hour = prices.per_hour(resources["InstanceType"])
print(f"{resources['InstanceCount']} x {resources['InstanceType']}, prices of {prices.DATE}")
print(f"worked {worked} s, billed {billed} s: {cost:.5f} US dollars")
if worked > billed:
    print(f"the spot instance saved {1 - billed / worked:.0%}")
print(f"the same machine, forgotten for a month: {30 * 24 * per_hour:.2f} US dollars")

# %% [markdown]
# A job cannot be forgotten: it ends, and so does the bill.
#
# The seconds are those of this machine, and the prices those of us-east-1. In an account some
# seconds are added for the container and the copying, some cents for storage and logs.

# %% [markdown]
# ## To take away
#
# - `list_training_jobs` and `describe` replace the notes that you would have to keep.
# - The log of a job is in CloudWatch Logs: group, stream, event.
# - cost = billed seconds × instances × price of an hour / 3600.
#
# Read more:
# [logs of SageMaker jobs](https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html)
# · [prices](https://aws.amazon.com/sagemaker/pricing/)
#
# Next: [7-three-instances.ipynb](7-three-instances.ipynb), a bonus.
