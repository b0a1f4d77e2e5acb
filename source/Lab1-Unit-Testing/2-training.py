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
# # 2 · Training as a SageMaker job
#
# In the old pipeline `evaluation.py` makes the network and calls
#
# ```python
# train_model(model, X_train, y_train, X_val, y_val, output_dir, bucket_name)
# ```
#
# `train_model` uploads a checkpoint to S3 after each epoch, and the best one at the end. So the
# code that learns and the code that copies files are one. You cannot test the first without the
# second.
#
# **The goal:** training becomes a job of its own, and the copying is SageMaker's work. For this
# there is a special kind of job, the **training job**. It knows what every training has: input
# data, hyperparameters, metrics, checkpoints, a model.

# %% [markdown]
# ```mermaid
# flowchart LR
#     data[("S3: DataProcessed/<br>X_train/ · y_train/<br>X_val/ · y_val/")]
#     subgraph job["training job"]
#         channels["/opt/ml/input/data/<br>X_train/ · y_train/<br>X_val/ · y_val/"]
#         channels --> main["main.py<br>training.py"]
#         main --> model["/opt/ml/model/"]
#         main --> output["/opt/ml/output/data/"]
#         main --> checkpoints["/opt/ml/checkpoints/"]
#     end
#     data -- "4 channels" --> channels
#     model --> tar[("S3: Training/JOB/…<br>model.tar.gz")]
#     output --> otar[("S3: Training/JOB/…<br>output.tar.gz")]
#     checkpoints -. "on an instance" .-> ck[("S3: Training/<br>checkpoints/")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 2.1 to 2.7. They work as before: `workshop.check("2.1")` tells how
# far you are, `workshop.hint("2.1")` opens one hint.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
LOCAL = True

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
# `local_code` means: take my scripts from this folder, without an upload. Change a line in
# `script_train/`, run the job again, and it is used.

# %% [markdown]
# ## Input channels
#
# A **channel** is a name for a place in S3. SageMaker copies what is there into
# `/opt/ml/input/data/NAME/` and tells the script about it in an environment variable. We have four
# arrays, so we make four channels:
#
# | channel | in the container | environment variable |
# |---|---|---|
# | `X_train` | `/opt/ml/input/data/X_train/` | `SM_CHANNEL_X_TRAIN` |
# | `y_train` | `/opt/ml/input/data/y_train/` | `SM_CHANNEL_Y_TRAIN` |
# | `X_val` | `/opt/ml/input/data/X_val/` | `SM_CHANNEL_X_VAL` |
# | `y_val` | `/opt/ml/input/data/y_val/` | `SM_CHANNEL_Y_VAL` |

# %%
from sagemaker.s3 import S3Downloader

# task 2.1 begin
channels = {
    name: f"s3://{bucket}/DataProcessed/{part}/{name}/"
    for part, name in (
        ("train", "X_train"),
        ("train", "y_train"),
        ("validation", "X_val"),
        ("validation", "y_val"),
    )
}
# task 2.1 end
arrays = S3Downloader.list(f"s3://{bucket}/DataProcessed/", sagemaker_session)
assert arrays, f"s3://{bucket}/DataProcessed/ is empty: run 1-preprocessing first"
for name, uri in channels.items():
    found = [array for array in arrays if array.startswith(uri)]
    assert found, f"{name}: there is nothing at {uri}, but at {', '.join(arrays)}"
    print(f"{name:8} {uri}")

# %% [markdown]
# ## The scripts
#
# Open `script_train/`. There are two files now:
#
# - **`main.py`** is what SageMaker starts. It finds out where things are and calls the rest. All
#   its settings are arguments of `argparse`, and the defaults of all folders come from SageMaker's
#   variables. A channel called `photos`, for example, would be read like this:
#
#   ```python
#   parser.add_argument("--photos", default=os.environ.get("SM_CHANNEL_PHOTOS"))
#   ```
#
#   So it runs in a job with no arguments at all, and on your desk with a few.
# - **`training.py`** has the network and `train_model`. All that was about S3 is gone. It saves
#   files into folders, and each folder has a meaning:
#
# | folder | what goes there | what SageMaker does with it |
# |---|---|---|
# | `/opt/ml/model` (`SM_MODEL_DIR`) | the best checkpoint | packs it into `model.tar.gz` |
# | `/opt/ml/output/data` (`SM_OUTPUT_DATA_DIR`) | the metrics | packs it into `output.tar.gz` |
# | `/opt/ml/checkpoints` | a checkpoint of each epoch | copies it *while the job runs* |
#
# Checkpoints are `.keras` files: one file with the network, its weights and the state of the
# optimizer. (Older TensorFlow code saves `.h5` weights. Such a file holds the weights alone, so it
# can only be loaded into the same network, built by the same code.)

# %% [markdown] tags=["starter-only"]
# **Tasks 2.2 and 2.3 are in `script_train/main.py`, task 2.4 is in `script_train/training.py`.**
# Fill the gaps, save the files and come back.

# %% tags=["starter-only"]
workshop.check("2.2")
workshop.check("2.3")
workshop.check("2.4")

# %%
import shutil

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
shutil.copy(requirements, "script_train/requirements.txt")

# %% [markdown]
# ## Metrics
#
# The script prints one line for each epoch. On AWS all output goes to CloudWatch Logs, and
# SageMaker can read numbers out of it. You only say where they are, with regular expressions. Then
# there are graphs of them in the console, and you can compare jobs.
#
# A regular expression that matches nothing gives no error, only an empty graph. So try them first,
# on a line as the script prints it:

# %%
import re

# task 2.5 begin
metric_definitions = [
    {"Name": "train:loss", "Regex": r" loss=([0-9.]+)"},
    {"Name": "train:accuracy", "Regex": r" accuracy=([0-9.]+)"},
    {"Name": "validation:loss", "Regex": r" val_loss=([0-9.]+)"},
    {"Name": "validation:accuracy", "Regex": r" val_accuracy=([0-9.]+)"},
]
# task 2.5 end

line = "epoch 3/30 accuracy=0.8087 loss=0.6131 val_accuracy=0.9303 val_loss=0.2338"
for metric in metric_definitions:
    found = re.search(metric["Regex"], line)
    print(f"{metric['Name']:20} {found[1] if found else 'matches nothing'}")

# %% [markdown]
# Compare the numbers with the line. `val_loss` ends in `loss`: an expression that is not careful
# finds the one where it should find the other.

# %% [markdown]
# ## The estimator
#
# An *estimator* is for training what a processor is for processing: it describes the job.
#
# - `hyperparameters` become the arguments of `main.py`: `--epochs 30 --batch-size 32`.
# - `model_dir=False`: TensorFlow's estimator would else pass an S3 address of its own as
#   `--model_dir`. Our model goes to `/opt/ml/model`.
# - `checkpoint_s3_uri` is where the checkpoints go while the job runs. Local mode has no such
#   copying and refuses the setting, so we give it only for an instance. In Lab 2 it will let a job
#   go on where an interrupted one stopped.

# %%
from sagemaker.tensorflow import TensorFlow

framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

checkpointing = {}
if not LOCAL:
    checkpointing = {
        "checkpoint_s3_uri": f"s3://{bucket}/Training/checkpoints/",
        "checkpoint_local_path": "/opt/ml/checkpoints",
    }

# task 2.6 begin
estimator = TensorFlow(
    entry_point="main.py",
    source_dir="script_train",
    framework_version=framework_version,
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="training",
    hyperparameters={"epochs": 30, "batch-size": 32},
    metric_definitions=metric_definitions,
    output_path=f"s3://{bucket}/Training/",
    model_dir=False,
    environment={"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},  # quiet logs
    container_log_level=logging.WARNING,  # INFO: the toolkit lists all paths and SM_* variables
    sagemaker_session=sagemaker_session,
    **checkpointing,
)
# task 2.6 end

# %% [markdown]
# ## Run it

# %%
estimator.fit(channels)

# %% tags=["starter-only"]
# These look at the job that you have just run.
workshop.check("2.1")
workshop.check("2.5")
workshop.check("2.6")

# %% [markdown]
# **What just happened?**
#
# 1. The four arrays were copied to `/opt/ml/input/data/`.
# 2. The *training toolkit* in the image read the hyperparameters, set the `SM_*` variables and
#    started `python main.py --batch-size 32 --epochs 30`.
# 3. The script trained and saved its files. It ended with exit status 0, and that alone says that a
#    job succeeded.
# 4. `/opt/ml/model` became `model.tar.gz`, and `/opt/ml/output/data` became `output.tar.gz`.
#
# Both are in S3 now. Each job has a folder with its own name, so nothing is overwritten:

# %%
# task 2.7 begin
model_uri = estimator.model_data
output_uri = model_uri.replace("model.tar.gz", "output.tar.gz")
# task 2.7 end
for uri in (model_uri, output_uri):
    assert S3Downloader.list(uri, sagemaker_session), f"there is nothing at {uri}"
    print(uri)

# %% tags=["starter-only"]
workshop.check("2.7")

# %% [markdown]
# ## How did it learn?
#
# `output.tar.gz` holds `history.json`, with the metrics of each epoch.

# %%
import io
import json
import tarfile

packed = S3Downloader.read_bytes(output_uri, sagemaker_session)
with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
    names = {name.rpartition("/")[2]: name for name in archive.getnames()}
    history = json.load(archive.extractfile(names["history.json"]))

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
    axis.set(title=metric, xlabel="epoch")
axes[1].legend(loc="lower right", fontsize=8)
plt.show()

# %% [markdown]
# How to read this:
#
# - Both losses fall: the network learns. If the validation loss rose again while the training loss
#   fell, the network would learn the images by heart.
# - Here validation looks *better* than training. That is no mistake: while it trains, the network
#   sees moved images and part of it is switched off (dropout), so its task is harder.
# - The star is the epoch with the smallest validation loss. Its checkpoint is in `model.tar.gz`.

# %% tags=["key-figure"]
print(f"validation accuracy {history['val_accuracy'][best]:.3f}")

# %% [markdown]
# ## To take away
#
# - A training job is: script + image + machine + channels + hyperparameters.
# - Read `SM_*` variables through the defaults of `argparse`. Then the script runs anywhere.
# - Save into the right folder, and SageMaker does the rest. No S3 code in the script.
#
# Read more:
# [where training jobs read and write](https://docs.aws.amazon.com/sagemaker/latest/dg/model-train-storage.html)
#
# Next: [3-evaluation.ipynb](3-evaluation.ipynb).
