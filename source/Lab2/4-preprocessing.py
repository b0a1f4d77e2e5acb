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
# # 4 · Preprocessing on an instance
#
# In Lab 1 the jobs run on your own machine. That is good for trying things out: it is quick and
# costs nothing. For real data your machine is too small, too slow, or not always on. Now the same
# job runs on a **SageMaker instance**: a machine that is there for this job only.
#
# **The goal:** the six arrays in S3, as in Lab 1, but made by an instance. The script stays the
# same to the letter. In the notebook two lines change.

# %% [markdown]
# ```mermaid
# sequenceDiagram
#     participant you as this notebook
#     participant sm as SageMaker
#     participant i as instance (ml.m5.xlarge)
#     participant s3 as S3
#     you->>s3: the script, packed: sourcedir.tar.gz
#     you->>sm: CreateProcessingJob
#     sm->>i: start
#     s3->>i: inputs and script, to /opt/ml/processing/…
#     i->>i: preprocessing.py
#     i->>s3: outputs, from /opt/ml/processing/…
#     sm->>i: terminate
#     i-->>you: its log, line by line, by CloudWatch Logs
# ```
#
# The instance knows nothing of your notebook's folder, and your notebook nothing of the instance's
# disk. They meet in S3.

# %% [markdown] tags=["starter-only"]
# ## How the tasks work
#
# This section has four tasks, 4.1 to 4.4. Each one is a gap: replace the line
# `workshop.not_attempted("4.1")` by your code, then run the cell.
#
# - `workshop.check("4.1")` tells how far you are, `workshop.hint("4.1")` opens one hint. In a
#   terminal these are `./lab check 4.1` and `./lab hint 4.1`.
# - **You have done Lab 1?** Then 4.1 to 4.3 are yours already. `README.md` says what to copy, and
#   what to change in it.
# - **You have skipped Lab 1?** Nothing from it is needed. The four tasks are the same work in a
#   shorter form.

# %% [markdown]
# ## Settings
#
# `LOCAL = False` runs the job on an instance, `LOCAL = True` on this machine, as in Lab 1. Every
# notebook of this lab runs in both positions.

# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.WARNING)  # INFO: everything the SDK does

import sagemaker
from sagemaker.local import LocalSession

# %% [markdown]
# ## The toggle
#
# Code that is written for local mode begins with three lines:
#
# ```python
# from sagemaker.local import LocalSession
# sagemaker_session = LocalSession()
# sagemaker_session.config = {"local": {"local_code": True}}
# ```
#
# Comment them out, and the same code runs on an instance. We would like to go back and forth
# without editing, so we ask `LOCAL`.
#
# | | `LocalSession` | `Session` |
# |---|---|---|
# | who runs the job | this machine | an instance that SageMaker starts |
# | `instance_type` | `"local"` | `"ml.m5.xlarge"`: 4 processors, 16 GB |
# | where the script comes from | this folder (`local_code`) | S3: the SDK packs and uploads it |
# | what is told to SageMaker | nothing | everything: description, log, cost |

# %%
# task 4.1 begin
if LOCAL:
    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.m5.xlarge"
# task 4.1 end
print(f"{type(sagemaker_session).__name__}, {instance_type}")

# %%
role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"role:   {role}")
print(f"bucket: {bucket}")

# %% [markdown]
# On an instance the **role** matters. The instance has no credentials of its own: it *assumes* this
# role, and may do what the role allows. It must be a role that SageMaker may assume, with access to
# the bucket. If a real job stops with `AccessDenied`, look there first.

# %% [markdown]
# ## The raw data
#
# Four files with images and labels, for training and for the test. All of this lab is kept below
# `Lab2/` in the bucket, so Lab 1's files stay as they are.

# %%
import gzip

import matplotlib.pyplot as plt
import numpy as np

raw_folder = workshop.ROOT / RAW_DATA
raw_data = sagemaker_session.upload_data(str(raw_folder), bucket, key_prefix="Lab2/RawData")
print(raw_data)

with gzip.open(raw_folder / "train-images-idx3-ubyte.gz") as file:
    raw_images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)

plt.figure(figsize=(7, 0.7))
plt.imshow(np.hstack(raw_images[:10]), cmap="gray_r", interpolation="nearest")
plt.axis("off")
plt.show()

# %% [markdown]
# ## The processor
#
# It describes the machine and the image. The version of TensorFlow is the old pipeline's, taken
# from its `requirements.txt`. The file goes into the script's folder, so the job installs what is
# in it.

# %%
import re
import shutil

from sagemaker.tensorflow import TensorFlowProcessor

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
shutil.copy(requirements, "script_processing/requirements.txt")
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

processor = TensorFlowProcessor(
    framework_version=framework_version,
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab2-preprocessing",
    env={"PIP_QUIET": "1"},  # pip tells only what is important
)

# %% [markdown]
# It needs no `sagemaker_session`: for `"local"` it makes a local one itself, else a
# `sagemaker.Session()`.

# %% [markdown]
# ## Inputs and outputs
#
# Each `ProcessingInput` and each `ProcessingOutput` ties one place in S3 to one folder in the
# container, below `/opt/ml/processing/`. There is one input, the raw data. There are six outputs,
# because the later steps want different arrays: training reads four, evaluation the other two.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

arrays = {
    "train": ("X_train", "y_train"),
    "validation": ("X_val", "y_val"),
    "test": ("X_test", "y_test"),
}
# task 4.2 begin
inputs = [
    ProcessingInput(
        input_name="source_data",
        source=f"{raw_data}/",
        destination="/opt/ml/processing/source_data",
    )
]
outputs = [
    ProcessingOutput(
        output_name=name,
        source=f"/opt/ml/processing/{part}/{name}",
        destination=f"s3://{bucket}/Lab2/DataProcessed/{part}/{name}",
    )
    for part, names in arrays.items()
    for name in names
]
# task 4.2 end
for output in outputs:
    print(f"{output.source:40} -> {output.destination.removeprefix(f's3://{bucket}/')}")

# %% [markdown]
# ## The script
#
# `script_processing/preprocessing.py` reads `/opt/ml/processing/source_data` and writes six `.npy`
# files below `/opt/ml/processing`. No line of it is about S3 or about instances. So it is the very
# script of Lab 1.

# %% [markdown] tags=["starter-only"]
# **Task 4.3 is in this script.** The functions that read and write are there. What is missing is
# what uses them: `preprocess_data(local_folder, output)`, and a `main()` that is called when the
# file is run. A gap in a script is a line with `raise NotImplementedError`. Fill it, save the file
# and come back.

# %% tags=["starter-only"]
workshop.check("4.3")

# %% [markdown]
# ## Run it
#
# `run` waits until the job has ended (`wait=True`) and shows its log meanwhile (`logs=True`). Both
# are the defaults. With `wait=False` it returns at once: the job runs on, also when you close the
# notebook.

# %%
processor.run(
    code="preprocessing.py",
    source_dir="script_processing",
    inputs=inputs,
    outputs=outputs,
)

# %% tags=["starter-only"]
# These look at the job that you have just run.
workshop.check("4.1")
workshop.check("4.2")

# %% [markdown]
# **What just happened?** On an instance:
#
# 1. The SDK packed `script_processing/` and put it into S3 (below).
# 2. It asked SageMaker for a processing job. In an account, starting the machine takes a few
#    minutes: there is a new one for each job. Here it takes no time.
# 3. SageMaker copied the inputs to the instance and started the script there. All that the script
#    printed went to CloudWatch Logs. The lines above come from there: the SDK asks for new ones
#    every few seconds.
# 4. The six folders were copied to S3, and the instance was removed with its disk. What is not in
#    an output is gone.

# %% [markdown]
# ## What SageMaker knows about the job
#
# `describe()` asks SageMaker about the job: what was asked for, and what became of it. It still
# answers next month, from any machine. So you never have to write down how a result was made.

# %%
job = processor.latest_job.describe()
for key in ("ProcessingJobName", "ProcessingJobStatus", "ProcessingResources"):
    print(f"{key}: {job[key]}")
print("all its keys:", ", ".join(sorted(job.keys() - {"ResponseMetadata"})))

# %%
# task 4.4 begin
cluster = job["ProcessingResources"]["ClusterConfig"]
facts = {
    "status": job["ProcessingJobStatus"],
    "instance_type": cluster["InstanceType"],
    "instance_count": cluster["InstanceCount"],
    "seconds": (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds(),
}
# task 4.4 end
print(facts)

# %% tags=["starter-only"]
workshop.check("4.4")

# %% [markdown]
# Three more facts are worth a look:
#
# - **Where is my code?** The input `code` says where the SDK put the packed scripts. So the code of
#   each job stays in S3.
# - **Why did it fail?** A failed job has a `FailureReason`: the end of what the script said.
# - **What did it cost?** You pay for the seconds of an instance.

# %%
from workshop import prices

for item in job["ProcessingInputs"]:
    print(f"{item['InputName']:12} {item['S3Input']['S3Uri'].removeprefix(f's3://{bucket}/')}")
print("failure reason:", job.get("FailureReason"))

kind = "ml.m5.xlarge" if LOCAL else facts["instance_type"]  # this machine has no price
hours = facts["seconds"] * facts["instance_count"] / 3600
print(f"{hours * 3600:.0f} s of {kind}: {hours * prices.per_hour(kind):.5f} US dollars")

# %% [markdown]
# These are cents, and that is why you let SageMaker start an instance for each job: nobody forgets
# to turn it off. (The emulated job costs nothing, and its seconds are those of this machine. Prices
# are from `workshop/prices.toml`; SageMaker's page has today's.)

# %% [markdown]
# ## See the result in S3

# %% tags=["nbval-check-output"]
import io

import pandas as pd
from sagemaker.s3 import S3Downloader


def load(part, name):
    uri = f"s3://{bucket}/Lab2/DataProcessed/{part}/{name}/{name}.npy"
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
# The same arrays as in Lab 1, to the byte. Which images are for validation depends on the labels
# and on a fixed seed, and not on the machine. That is worth some care: if two machines split the
# images in two ways, no two results could be compared.

# %% tags=["key-figure"]
print(f"{len(raw_images):,} training and {len(data['y_test']):,} test images")

# %% [markdown]
# ## To take away
#
# - From local mode to an instance, two things change: the session and `instance_type`.
# - Try the job locally, until it works. Then turn the toggle.
# - SageMaker keeps a description of each job, with its code, its times and its failure.
#
# Read more:
# [processing jobs](https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job.html) ·
# [what DescribeProcessingJob answers](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html)
#
# Next: [5-training.ipynb](5-training.ipynb).
