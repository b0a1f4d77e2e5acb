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
# # 5 · Training that survives an interruption
#
# A training may take hours, and something may end it before its time: a bug, a limit on its
# seconds, or AWS, who takes the machine back. The instance is gone then, and its disk with it. All
# that was learned is lost, unless it was kept elsewhere.
#
# **The goal:** a training job that leaves a checkpoint in S3 after each epoch, and a script that
# goes on from the newest one. We prove it: we stop a job in the middle and start another one.

# %% [markdown]
# ```mermaid
# flowchart LR
#     subgraph one["first job, stopped"]
#         first["epochs 1, 2, 3, …<br>/opt/ml/checkpoints/"]
#     end
#     subgraph two["second job"]
#         second["/opt/ml/checkpoints/<br>the missing epochs"]
#         second --> model["/opt/ml/model/<br>/opt/ml/output/data/"]
#     end
#     s3[("S3: Lab2/<br>Checkpoints/RUN/<br>checkpoint-001.keras …<br>history.json")]
#     first -- "while it runs" --> s3
#     s3 -- "before it starts" --> second
#     model --> tar[("S3: Lab2/<br>Training/JOB/…<br>model.tar.gz<br>output.tar.gz")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 5.1 to 5.4. `workshop.check("5.1")` tells how far you are,
# `workshop.hint("5.1")` opens one hint. If you have done Lab 1, then 5.1 is yours already: see
# `README.md`.

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
# ## main.py: where things are
#
# SageMaker starts `script_train/main.py`. Its hyperparameters come as arguments, and its folders as
# environment variables, which make good defaults:
#
# | folder | variable | what is there |
# |---|---|---|
# | `/opt/ml/input/data/X_train/` | `SM_CHANNEL_X_TRAIN` | what the channel `X_train` has in S3 |
# | … `y_train/`, `X_val/`, `y_val/` | `SM_CHANNEL_Y_TRAIN`, … | the same for the other channels |
# | `/opt/ml/model/` | `SM_MODEL_DIR` | the model; packed into `model.tar.gz` |
# | `/opt/ml/output/data/` | `SM_OUTPUT_DATA_DIR` | metrics; packed into `output.tar.gz` |
# | `/opt/ml/checkpoints/` | none | checkpoints; copied *while the job runs* |

# %% [markdown] tags=["starter-only"]
# **Task 5.1 is in `script_train/main.py`.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("5.1")

# %% [markdown]
# ## Checkpoints in S3
#
# `model.tar.gz` is made at the end. It is no help if there is no end. Checkpoints are: while the
# script runs, SageMaker copies what is new in a local folder to `checkpoint_s3_uri`. And **before**
# a job starts, it copies what is at `checkpoint_s3_uri` into that folder. So a new job finds what
# the old one left, and the script only has to look.
#
# **A spot instance** is one that AWS has left over at the moment, for about a third of the price.
# AWS may take it back, with two minutes' notice. Then SageMaker waits for another one, restores the
# checkpoints, and starts the script again, all in the same job. The settings:
#
# | setting | meaning |
# |---|---|
# | `checkpoint_s3_uri` | the place in S3 |
# | `checkpoint_local_path` | the folder in the container; usually `/opt/ml/checkpoints` |
# | `use_spot_instances=True` | a spot instance; in the API: `EnableManagedSpotTraining` |
# | `max_run` | seconds that the training may take, all its parts together |
# | `max_wait` | `max_run` and the waiting for instances; never less than `max_run` |
#
# Each run of this notebook has a place of its own, named by the time. Why? A job begins with *all*
# that it finds at its place. If yesterday's checkpoint of epoch 30 is there, today's job thinks
# that nothing is left to do.
#
# Local mode knows none of this, and refuses the settings.

# %%
from sagemaker.utils import name_from_base

run = name_from_base("run")  # run-2026-01-01-00-00-00-000

checkpointing = {}
if not LOCAL:
    # task 5.2 begin
    checkpointing = {
        "checkpoint_s3_uri": f"s3://{bucket}/Lab2/Checkpoints/{run}",
        "checkpoint_local_path": "/opt/ml/checkpoints",
        "use_spot_instances": True,
        "max_run": 3600,
        "max_wait": 7200,
    }
    # task 5.2 end
for name, value in checkpointing.items():
    print(f"{name:22} {value}")

# %% [markdown]
# ## training.py: what is done is not done again
#
# SageMaker brings the checkpoints back. It does not know what to do with them; that is the script's
# work. Open `script_train/training.py`. This is new since Lab 1:
#
# - `SaveCheckpoint` keeps the model *and the history so far* after each epoch. The instance may end
#   while a file is being written. So a file gets its name when it is whole.
# - `load_checkpoint` reads one checkpoint, with the history up to it. If the file is broken, it
#   says so and returns `None`: then the checkpoint before it will do.
# - `save_best` takes the best epoch from the checkpoints. In Lab 1, Keras kept the best one in
#   `model_dir`. After a restart `model_dir` is empty, and the best epoch may be an old one.
# - `train_model` looks for the newest checkpoint first.
#
# A checkpoint is a `.keras` file: the network, its weights, and the state of the optimizer. Without
# that state the optimizer would start anew, and the loss would jump.

# %% [markdown] tags=["starter-only"]
# **Task 5.3 is in `train_model` in this file.** Lab 1's code in that place would train well, from
# the first epoch on each time. Add what is new.

# %% tags=["starter-only"]
workshop.check("5.3")

# %% [markdown]
# ## The estimator
#
# The four channels are the arrays that notebook 4 left in S3. The `metric_definitions` read numbers
# out of the log. They are those of Lab 1, like all the rest. What is new is `**checkpointing`.

# %%
import re
import shutil

from sagemaker.s3 import S3Downloader
from sagemaker.tensorflow import TensorFlow

channels = {
    name: f"s3://{bucket}/Lab2/DataProcessed/{part}/{name}/"
    for part, name in (
        ("train", "X_train"),
        ("train", "y_train"),
        ("validation", "X_val"),
        ("validation", "y_val"),
    )
}
for name, uri in channels.items():
    assert S3Downloader.list(uri, sagemaker_session), f"{uri} is empty: run 4-preprocessing first"
    print(f"{name:8} {uri}")

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
shutil.copy(requirements, "script_train/requirements.txt")
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

estimator = TensorFlow(
    entry_point="main.py",
    source_dir="script_train",
    framework_version=framework_version,
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab2-training",
    hyperparameters={"epochs": 30, "batch-size": 32},
    metric_definitions=[
        {"Name": "train:loss", "Regex": r" loss=([0-9.]+)"},
        {"Name": "train:accuracy", "Regex": r" accuracy=([0-9.]+)"},
        {"Name": "validation:loss", "Regex": r" val_loss=([0-9.]+)"},
        {"Name": "validation:accuracy", "Regex": r" val_accuracy=([0-9.]+)"},
    ],
    output_path=f"s3://{bucket}/Lab2/Training/",
    model_dir=False,
    environment={"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},  # quiet logs
    container_log_level=logging.WARNING,  # INFO: the toolkit lists all paths and SM_* variables
    sagemaker_session=sagemaker_session,
    **checkpointing,
)

# %% [markdown]
# ## The first job, interrupted
#
# `wait=False`: `fit` returns at once, and the notebook is free while the job runs. We look into S3
# until the checkpoint of epoch 3 has arrived. Then we stop the job, as if something had gone wrong.
#
# (In local mode there is nothing to interrupt: one job does all the epochs.)

# %%
import time


def saved_epochs():
    """The epochs whose checkpoints are in S3, in their order."""
    uris = S3Downloader.list(f"{estimator.checkpoint_s3_uri}/", sagemaker_session)
    found = [re.search(r"/checkpoint-(\d+)\.keras$", uri) for uri in uris]
    return sorted(int(match[1]) for match in found if match)


def interrupt(job_name, after_epoch, minutes=20):
    """Stop a training job when the checkpoint of an epoch is in S3; return the newest epoch there.

    In an account, most of the minutes are for the start of the instance.
    """
    deadline = time.monotonic() + 60 * minutes
    while not saved_epochs() or saved_epochs()[-1] < after_epoch:
        job = sagemaker_session.describe_training_job(job_name)
        status = job["TrainingJobStatus"]
        if status != "InProgress":
            reason = job.get("FailureReason", "it did not fail; does the script save checkpoints?")
            raise RuntimeError(f"{job_name} is {status} before epoch {after_epoch}: {reason}")
        if time.monotonic() > deadline:
            sagemaker_session.stop_training_job(job_name)
            raise TimeoutError(f"{job_name}: no checkpoint of epoch {after_epoch} in {minutes} min")
        time.sleep(1)
    sagemaker_session.stop_training_job(job_name)
    stopped = sagemaker_session.sagemaker_client.get_waiter("training_job_completed_or_stopped")
    stopped.wait(TrainingJobName=job_name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    return saved_epochs()[-1]


# %%
interrupted_after = 0
if LOCAL:
    print("local mode: one job does it all")
else:
    estimator.fit(channels, wait=False)
    first_job = estimator.latest_training_job.name
    interrupted_after = interrupt(first_job, after_epoch=3)
    status = sagemaker_session.describe_training_job(first_job)["TrainingJobStatus"]
    print(f"\n{first_job}: {status}, {interrupted_after} of 30 epochs are in S3")

# %% [markdown]
# It is stopped, and there is no model. But its checkpoints are there.
#
# (A container gets SIGTERM, and two minutes to end. In an account our quick training may come to
# its end in that time. Then the next job finds all 30 epochs, and only has to choose the best.)

# %% [markdown]
# ## The second job
#
# The same estimator, the same place in S3. Look at the first line that the script prints.

# %%
estimator.fit(channels)

# %% tags=["starter-only"]
# This looks at the jobs that you have just run.
workshop.check("5.2")

# %% [markdown]
# ## See it in S3
#
# The model and the metrics come from the second job, the checkpoints from both.

# %%
# task 5.4 begin
model_uri = estimator.model_data
output_uri = model_uri.replace("model.tar.gz", "output.tar.gz")
checkpoints = []  # in local mode they stay in the container, and are gone with it
if not LOCAL:
    below = S3Downloader.list(f"{estimator.checkpoint_s3_uri}/", sagemaker_session)
    checkpoints = [uri for uri in below if re.search(r"/checkpoint-\d+\.keras$", uri)]
# task 5.4 end
print(model_uri)
print(output_uri)
print(f"{len(checkpoints)} checkpoints")
for uri in checkpoints:
    print(uri)

# %% tags=["starter-only"]
workshop.check("5.4")

# %% [markdown]
# ## One history
#
# Two jobs, one training: does the history have each epoch once? The script kept it beside the
# checkpoints, and the second job put its own epochs behind the epochs of the first.

# %%
import io
import json
import tarfile

packed = S3Downloader.read_bytes(output_uri, sagemaker_session)
with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
    names = {name.rpartition("/")[2]: name for name in archive.getnames()}
    history = json.load(archive.extractfile(names["history.json"]))

for metric, values in history.items():
    assert len(values) == 30, f"{metric} has {len(values)} values for 30 epochs"

# %%
import matplotlib.pyplot as plt
import numpy as np

best = int(np.argmin(history["val_loss"]))
epochs = np.arange(1, len(history["loss"]) + 1)

figure, axes = plt.subplots(1, 2, figsize=(8, 2.6))
for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
    axis.plot(epochs, history[metric], "--", label="training")
    axis.plot(epochs, history[f"val_{metric}"], label="validation")
    axis.plot(epochs[best], history[f"val_{metric}"][best], "k*", ms=9, label="best checkpoint")
    if interrupted_after:
        axis.axvline(interrupted_after + 0.5, color="crimson", ls=":", label="interrupted")
    axis.set(title=metric, xlabel="epoch")
axes[1].legend(loc="lower right", fontsize=8)
plt.show()

# %% [markdown]
# No gap, no repeat, and no jump at the dotted line: the curves go on as if nothing had happened.
#
# They are not the very same numbers that one job alone would give. The images are shuffled anew,
# and after a restart in another order. It does not matter for what is learned.

# %% [markdown]
# ## What a spot instance saves
#
# The description has two times. `TrainingTimeInSeconds` is how long the job worked, and
# `BillableTimeInSeconds` is what you pay for, counted as seconds at the full price. The saving is
# the difference.

# %%
if LOCAL:
    print("local mode: nothing is billed")
else:
    job = sagemaker_session.describe_training_job(estimator.latest_training_job.name)
    worked, billed = job["TrainingTimeInSeconds"], job["BillableTimeInSeconds"]
    print(f"spot: {job['EnableManagedSpotTraining']}")
    print(f"worked {worked} s, billed {billed} s: {1 - billed / worked:.0%} saved")

# %% [markdown]
# **Try it.** We stopped the first job by ourselves, and started the second one. With a spot
# instance, SageMaker does the second part too. On AWS nobody can order an interruption, here you
# can:
#
# 1. Run two cells again, the one that sets `run` and the one of the estimator: a new run begins,
#    with no checkpoints.
# 2. In a new cell: `estimator.fit(channels, wait=False)` and `estimator.latest_training_job.name`.
# 3. In a terminal, while it trains: `./lab interrupt` and this name.
#
# The instance is taken away: first SIGTERM, then SIGKILL. The job's secondary status becomes
# `Interrupted`, then `Starting` again: see `SecondaryStatusTransitions` in its description. And
# `estimator.logs()` shows with which epoch it went on.

# %% tags=["key-figure"]
print(f"validation accuracy {history['val_accuracy'][best]:.3f} after {len(epochs)} epochs")

# %% [markdown]
# ## To take away
#
# - `checkpoint_s3_uri` brings the files to S3 and back. To go on from them is the script's work.
# - Keep all that a restart needs beside the checkpoints: the model, the optimizer, the history.
# - Write under another name, then rename. Read with a way out.
# - Who can go on after an interruption may use spot instances, and pays about a third.
#
# Read more:
# [checkpoints](https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html) ·
# [managed spot training](https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html)
#
# Next: [6-evaluation.ipynb](6-evaluation.ipynb).
