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
# # 1 · Preprocessing as a SageMaker job
#
# The old pipeline (`Lab0-Container-Pipeline/`) does everything in one container. Its `main()`
# downloads the raw data and calls
#
# ```python
# X_train, X_val, y_train, y_val, X_test, y_test = preprocess_data(local_folder)
# ```
#
# The six arrays live in the memory of that container. When it stops, they are gone. A colleague
# who wants to train on them must prepare them again.
#
# **The goal:** preprocessing becomes a job of its own. It leaves the six arrays in S3, where each
# later step can get them.
#
# We use a **SageMaker Processing** job. It works like this: you name a script, a container image
# and a machine. SageMaker starts the machine, copies your input from S3 into the container, runs
# the script, copies the output to S3, and stops the machine.

# %% [markdown]
# ```mermaid
# flowchart LR
#     subgraph before["S3"]
#         raw[("RawData/")]
#     end
#     subgraph job["processing job"]
#         source["/opt/ml/processing/<br>source_data/"] --> script["preprocessing.py"]
#         script --> train["/opt/ml/processing/train/<br>X_train/ · y_train/"]
#         script --> val["/opt/ml/processing/validation/<br>X_val/ · y_val/"]
#         script --> test["/opt/ml/processing/test/<br>X_test/ · y_test/"]
#     end
#     subgraph after["S3"]
#         out[("DataProcessed/")]
#     end
#     raw -- "1 ProcessingInput" --> source
#     train -- "2 ProcessingOutputs" --> out
#     val -- "2" --> out
#     test -- "2" --> out
# ```
#
# The script only sees folders. SageMaker does the copying at both ends.

# %% [markdown] tags=["starter-only"]
# ## How the tasks work
#
# This section has seven tasks, 1.1 to 1.7. Each one is a gap in the code: a comment says what to
# do, and the line below it, `workshop.not_attempted("1.1")`, stands where your code belongs.
# Replace that line, then run the cell.
#
# - Is it right? `workshop.check("1.1")` tells what it looked at, and what it found there. Where a
#   check looks at a job, it has to wait until the job has run.
#   A pass stays, whatever you change later.
# - Stuck? Each task says how long to try. Then open one hint: `workshop.hint("1.1")`. The next call
#   shows the next hint.
# - Passed? `workshop.compare("1.1")` shows your code beside ours, and why ours is like that.
# - How far am I? `workshop.progress()`.
#
# In a terminal these are `./lab check 1.1`, `./lab hint 1.1`, `./lab compare 1.1` and
# `./lab progress`.

# %% [markdown]
# ## Settings
#
# `LOCAL = True` runs the job on this machine. `LOCAL = False` runs the same job on a SageMaker
# instance. Nothing else changes.

# %% tags=["parameters"]
LOCAL = True
RAW_DATA = "data/raw"

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
# - The **role** says what the job may do in your account, for example read from the bucket.
# - The **bucket** is the place where one step leaves its files for the next one.

# %% [markdown]
# ## Look at the raw data
#
# Look at your data before you run anything on it. The raw data are four files: images and
# labels, for training and for the test.

# %% tags=["nbval-check-output"]
import gzip

import matplotlib.pyplot as plt
import numpy as np

raw_folder = workshop.ROOT / RAW_DATA


def read_raw(part):
    """Images (n, 28, 28) and labels (n,) of "train" or "t10k", as unsigned bytes."""
    with gzip.open(raw_folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(raw_folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels


raw_images, raw_labels = read_raw("train")
raw_test_images, raw_test_labels = read_raw("t10k")
print(f"{len(raw_images):,} images for training, {len(raw_test_images):,} for the test")


# %%
def show_classes(images, labels, rows=4):
    """A sheet with one column for each class and a few of its images."""
    empty = np.zeros((rows, 28, 28), images.dtype)
    columns = [np.concatenate([images[labels == c][:rows], empty])[:rows] for c in range(10)]
    plt.figure(figsize=(7, 0.7 * rows))
    sheet = np.hstack([np.vstack(column) for column in columns])
    plt.imshow(sheet, cmap="gray_r", interpolation="nearest")
    plt.xticks(range(14, 280, 28), range(10))
    plt.gca().xaxis.tick_top()
    plt.tick_params(length=0)
    plt.yticks([])
    plt.box(False)
    plt.show()


show_classes(raw_images, raw_labels)

# %% [markdown]
# Are there about as many images of each class? If one class were rare, a network could ignore it
# and still look good.

# %%
plt.figure(figsize=(7, 2.2))
for offset, labels, name in ((-0.2, raw_labels, "training"), (0.2, raw_test_labels, "test")):
    counts = np.bincount(labels, minlength=10)
    plt.bar(np.arange(10) + offset, counts, 0.4, label=f"{name} file")
plt.xticks(range(10))
plt.xlabel("class")
plt.ylabel("images")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %% [markdown]
# ## Put the raw data into S3
#
# In the old pipeline the raw data was in S3 already. Here we upload it once, to `RawData/`.

# %%
raw_data = sagemaker_session.upload_data(str(raw_folder), bucket, key_prefix="RawData")
raw_data

# %% [markdown]
# ## The processor
#
# A *processor* describes the machine and the image of a job. There are ready images for
# scikit-learn, Spark, TensorFlow, PyTorch and more. Our script needs only numpy, so the
# scikit-learn image would do as well. We take TensorFlow's, because the evaluation will need it
# and then all steps share one image.
#
# **Which version?** The one that the old pipeline uses. Then a result that differs is not caused
# by another version. It is written in `requirements.txt`:

# %%
import re

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
# task 1.1 begin
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]
py_version = "py312"  # the Python of AWS's image with that version
# task 1.1 end
print(f"TensorFlow {framework_version}, {py_version}")

# %% [markdown]
# The old libraries should be there too. If a `requirements.txt` lies beside the script, the job
# installs it first. Preprocessing needs nothing from it today; it is a good habit all the same.

# %%
import shutil

# task 1.2 begin
shutil.copy(requirements, "script_processing/requirements.txt")
# task 1.2 end

# %% tags=["starter-only"]
workshop.check("1.2")

# %%
from sagemaker.tensorflow import TensorFlowProcessor

processor = TensorFlowProcessor(
    framework_version=framework_version,
    py_version=py_version,
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="preprocessing",
    env={"PIP_QUIET": "1"},  # pip tells only what is important
)

# %% [markdown]
# We give no `sagemaker_session` to this processor: from `instance_type` it knows itself where to
# run. (A session with `local_code` is refused by it; the estimator of the next notebook takes
# one.)

# %% [markdown]
# ## Inputs and outputs
#
# This is the heart of the matter. Each `ProcessingInput` and each `ProcessingOutput` ties one
# place in S3 to one folder in the container. In the container all folders are below
# `/opt/ml/processing/`.
#
# There is one input: the raw data. It is a folder in S3, and the address of a folder ends in `/`.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

# task 1.3 begin
inputs = [
    ProcessingInput(
        input_name="source_data",
        source=f"{raw_data}/",
        destination="/opt/ml/processing/source_data",
    )
]
# task 1.3 end

# %% [markdown]
# There are six outputs, one for each array. Why not one big one? Because the next steps want
# different things: training reads four arrays, evaluation reads the other two. Each array has a
# folder of its own, so each step can take just what it needs.

# %%
arrays = {
    "train": ("X_train", "y_train"),
    "validation": ("X_val", "y_val"),
    "test": ("X_test", "y_test"),
}
# task 1.4 begin
outputs = [
    ProcessingOutput(
        output_name=name,
        source=f"/opt/ml/processing/{part}/{name}",
        destination=f"s3://{bucket}/DataProcessed/{part}/{name}",
    )
    for part, names in arrays.items()
    for name in names
]
# task 1.4 end
for output in outputs:
    print(f"{output.source:40} -> {output.destination.removeprefix(f's3://{bucket}/')}")

# %% [markdown]
# ## The script
#
# Open `script_processing/preprocessing.py`. What changed since Lab 0:
#
# | Lab 0 | now | why |
# |---|---|---|
# | downloads from S3 | reads `/opt/ml/processing/source_data` | SageMaker put the input there |
# | returns six arrays | writes six `.npy` files | the next step is another machine |
# | called by `evaluation.py` | has its own `main()` | the job starts this file |
# | all images at once | a thousand images at a time | a tenth of the memory, four times as fast |
#
# The files are what `np.save` writes. For a small data set, `np.save(path, X_train)` is all you
# need.

# %% [markdown] tags=["starter-only"]
# **Tasks 1.5 and 1.6 are in this script.** Open it in the editor, fill both gaps, save the file
# and come back. In a script, a gap is a line with `raise NotImplementedError`.

# %% tags=["starter-only"]
workshop.check("1.5")
workshop.check("1.6")

# %% [markdown]
# ## Run it

# %%
processor.run(
    code="preprocessing.py",
    source_dir="script_processing",
    inputs=inputs,
    outputs=outputs,
)

# %% tags=["starter-only"]
# These look at the job that you have just run.
workshop.check("1.1")
workshop.check("1.3")
workshop.check("1.4")

# %% [markdown]
# **What just happened?**
#
# 1. The SDK packed `script_processing/` and put it into S3.
# 2. A container started. `RawData/` was copied to `/opt/ml/processing/source_data`, the script to
#    `/opt/ml/processing/input/code`.
# 3. `requirements.txt` was installed: the first two lines above come from the start script that
#    does this. Then `preprocessing.py` ran and told what it wrote.
# 4. The six folders were copied to `DataProcessed/`, and the container was removed.

# %% [markdown]
# ## See the result in S3
#
# Are all six arrays there?

# %% tags=["nbval-check-output"]
from sagemaker.s3 import S3Downloader

# task 1.7 begin
for uri in S3Downloader.list(f"s3://{bucket}/DataProcessed/", sagemaker_session):
    print(uri)
# task 1.7 end

# %% tags=["starter-only"]
workshop.check("1.7")

# %% [markdown]
# And is the right thing in them? Trust, but look.

# %% tags=["nbval-check-output"]
import io

import pandas as pd


def load(part, name):
    uri = f"s3://{bucket}/DataProcessed/{part}/{name}/{name}.npy"
    return np.load(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)))


data = {name: load(part, name) for part, names in arrays.items() for name in names}

pd.DataFrame(
    {
        name: {
            "shape": array.shape,
            "type": array.dtype,
            "smallest": array.min(),
            "largest": array.max(),
        }
        for name, array in data.items()
    }
).T

# %% [markdown]
# The images are `float32` from 0 to 1 now, with a fourth dimension: one channel, since they are
# gray. The labels are still one byte each.
#
# The split must be fair: each part should hold the same share of each class.

# %%
plt.figure(figsize=(7, 2.2))
for offset, name in ((-0.27, "y_train"), (0, "y_val"), (0.27, "y_test")):
    share = np.bincount(data[name], minlength=10) / len(data[name])
    plt.bar(np.arange(10) + offset, 100 * share, 0.27, label=name)
plt.xticks(range(10))
plt.xlabel("class")
plt.ylabel("share in %")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %% [markdown]
# And the pictures still belong to their labels:

# %%
show_classes(data["X_val"][..., 0], data["y_val"], rows=2)

# %% tags=["key-figure"]
print(f"{len(raw_images):,} training and {len(data['y_test']):,} test images")

# %% [markdown]
# ## To take away
#
# - A processing job is: script + image + machine + inputs + outputs.
# - The script knows folders below `/opt/ml/processing/`, and nothing of S3. So you can also run it
#   by hand, in a terminal (*File*, *New*, *Terminal*):
#
#   ```bash
#   python script_processing/preprocessing.py --source-data ../data/raw --output /tmp/arrays
#   ```
#
# - Data that a later step needs goes to S3, each thing in a folder of its own.
#
# Read more:
# [processing jobs](https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job.html) ·
# [the TensorFlow processor](https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job-frameworks-tensorflow.html)
#
# Next: [2-training.ipynb](2-training.ipynb).
