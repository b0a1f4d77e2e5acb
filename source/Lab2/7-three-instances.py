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
# # 7 · Bonus: preprocessing on three instances
#
# 1,437 images are prepared in a second. A hundred million are not. If each image can be prepared
# alone, then three machines need a third of the time.
#
# **The goal:** one job on three instances. Each one gets its own part of the input, and no two of
# them overwrite each other's output.

# %% [markdown]
# ```mermaid
# flowchart LR
#     shards[("S3: Lab2/Shards/<br>shard-00.npz …<br>shard-11.npz")]
#     subgraph job["one processing job"]
#         a["algo-1<br>/opt/ml/processing/shards/"]
#         b["algo-2<br>/opt/ml/processing/shards/"]
#         c["algo-3<br>/opt/ml/processing/shards/"]
#     end
#     shards -- "4 objects" --> a
#     shards -- "4 objects" --> b
#     shards -- "4 objects" --> c
#     out[("S3: Lab2/Sharded/<br>part-HOST.npz<br>seen-HOST.json")]
#     a --> out
#     b --> out
#     c --> out
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 7.1 to 7.3. It needs nothing of the other sections.

# %% [markdown]
# ## Settings

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
# ## Twelve shards
#
# SageMaker shares out *objects*: it does not look into a file, and cannot cut one in two. The raw
# images are one file, so we cut it into twelve: the **shards**. Twelve for three machines is fine.
# With four shards, one machine would have two of them, and the others would wait for it.

# %%
import gzip
import tempfile
from pathlib import Path

import numpy as np

SHARDS = 12

raw_folder = workshop.ROOT / RAW_DATA
with gzip.open(raw_folder / "train-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
with gzip.open(raw_folder / "train-labels-idx1-ubyte.gz") as file:
    labels = np.frombuffer(file.read(), np.uint8, offset=8)

with tempfile.TemporaryDirectory() as folder:
    for n in range(SHARDS):
        name = Path(folder) / f"shard-{n:02}.npz"
        np.savez(name, images=images[n::SHARDS], labels=labels[n::SHARDS])
    shards = sagemaker_session.upload_data(folder, bucket, key_prefix="Lab2/Shards")
print(f"{len(images):,} images in {SHARDS} shards: {shards}/")

# %% [markdown]
# ## Share the input out
#
# With more than one instance, who gets what? `s3_data_distribution_type` of a `ProcessingInput`
# says it:
#
# | value | each instance gets |
# |---|---|
# | `"FullyReplicated"` (the default) | all objects |
# | `"ShardedByS3Key"` | its share of the objects, and no object goes to two |
#
# Local mode has one host and knows the first way only. There this notebook uses it, and one host
# sees all.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

instance_count = 1 if LOCAL else 3
if LOCAL:
    inputs = [
        ProcessingInput(
            input_name="shards", source=f"{shards}/", destination="/opt/ml/processing/shards"
        )
    ]
else:
    # task 7.1 begin
    inputs = [
        ProcessingInput(
            input_name="shards",
            source=f"{shards}/",
            destination="/opt/ml/processing/shards",
            s3_data_distribution_type="ShardedByS3Key",
        )
    ]
    # task 7.1 end
for one in inputs:
    print(f"{one.source} -> {one.destination}, {one.s3_data_distribution_type}")

# %% [markdown]
# ## The script
#
# All three instances run the same `script_sharding/preprocess_shard.py`. Each one scales the images
# of the shards that it finds, and saves what it made. And here is the trap: all of them copy
# `/opt/ml/processing/sharded` to the *same* place in S3. If each one saved a `part.npz`, the last
# one would win, and two thirds of the work would be lost without any error.
#
# So the name of the host has to be in the names of the files. SageMaker tells each host who it is,
# in `/opt/ml/config/resourceconfig.json`:
#
# ```json
# {"current_host": "algo-2", "hosts": ["algo-1", "algo-2", "algo-3"]}
# ```

# %% [markdown] tags=["starter-only"]
# **Task 7.2 is in this script.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("7.2")

# %% [markdown]
# ## Run it
#
# What an earlier run has left in S3 is removed first: it would be mixed with what this one makes.

# %%
import re

from sagemaker.tensorflow import TensorFlowProcessor

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

processor = TensorFlowProcessor(
    framework_version=framework_version,
    py_version="py312",
    role=role,
    instance_type=instance_type,
    instance_count=instance_count,
    base_job_name="lab2-sharding",
)
sharded = f"s3://{bucket}/Lab2/Sharded"
objects = sagemaker_session.boto_session.resource("s3").Bucket(bucket).objects
objects.filter(Prefix="Lab2/Sharded/").delete()

processor.run(
    code="preprocess_shard.py",
    source_dir="script_sharding",
    inputs=inputs,
    outputs=[
        ProcessingOutput(
            output_name="sharded", source="/opt/ml/processing/sharded", destination=sharded
        )
    ],
)

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("7.1")

# %% [markdown]
# The lines of the three hosts come as they are printed, mixed. While the job runs, each host has a
# color of its own.

# %% [markdown]
# ## What each host saw
#
# Beside its images, each host left a `seen-HOST.json`:
#
# ```json
# {"host": "algo-2", "files": ["shard-01.npz", …], "images": 479}
# ```

# %%
import json

from sagemaker.s3 import S3Downloader

# task 7.3 begin
seen = {}
for uri in S3Downloader.list(f"{sharded}/", sagemaker_session):
    if uri.endswith(".json"):
        report = json.loads(S3Downloader.read_file(uri, sagemaker_session))
        seen[report["host"]] = sorted(report["files"])
# task 7.3 end
for host, files in sorted(seen.items()):
    print(f"{host}: {', '.join(files)}")

# %% tags=["starter-only"]
workshop.check("7.3")

# %%
import matplotlib.pyplot as plt

hosts = sorted(seen)
names = [f"shard-{n:02}.npz" for n in range(SHARDS)]
grid = np.array([[name in seen[host] for name in names] for host in hosts])

plt.figure(figsize=(7, 0.35 * len(hosts) + 0.6))
plt.pcolormesh(grid, cmap="Blues", vmax=1.5, edgecolors="white", linewidth=2)
for row, column in np.argwhere(grid):
    plt.text(column + 0.5, row + 0.5, "x", ha="center", va="center", color="white")
plt.xticks(np.arange(SHARDS) + 0.5, range(SHARDS))
plt.yticks(np.arange(len(hosts)) + 0.5, hosts)
plt.gca().invert_yaxis()
plt.tick_params(length=0)
plt.box(False)
plt.xlabel("shard")
plt.show()

# %% [markdown]
# In each column there is one cross: each shard was read once. Which host gets which shard is up to
# SageMaker. Do the parts hold all the images?

# %% tags=["nbval-check-output"]
import io

parts = [
    np.load(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)))
    for uri in S3Downloader.list(f"{sharded}/", sagemaker_session)
    if uri.endswith(".npz")
]
counts = sum(np.bincount(part["labels"], minlength=10) for part in parts)
assert np.array_equal(counts, np.bincount(labels, minlength=10)), "images are missing, or twice"
print(f"{counts.sum():,} of {len(labels):,} images, each one once")

# %% tags=["key-figure"]
print(f"shards: {SHARDS}, hosts: {len(hosts)}, reads: {grid.sum()}")

# %% [markdown]
# **What if** the input were `FullyReplicated`? Then each of the three hosts would get all twelve
# shards: 36 crosses. The job would take as long as with one host, cost three times as much, and
# leave each image three times. And nothing would fail: you would see it in `seen`, or on the bill.
# Sometimes it is right, though: for a model or a list of words that each host needs in whole.

# %% [markdown]
# ## To take away
#
# - `ShardedByS3Key` shares out objects, so make enough of them, of about the same size.
# - All hosts write to the same place in S3: put the host's name into the file names.
# - What needs *all* the data (the mean of all images, a split) does not fit here: it is a step of
#   its own, before or after.
#
# Read more:
# [S3DataDistributionType](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html)
# · [resourceconfig.json](https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html)
#
# Next: more processors, in Lab 3. `./lab setup Lab3` installs what it needs; then open
# [8-script-processor.ipynb](../Lab3-Processors/8-script-processor.ipynb).
