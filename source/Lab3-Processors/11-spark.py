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
# # 11 · Spark: one table, several machines
#
# pandas wants the whole table in the memory of one machine. In section 7 you cut the data in pieces
# yourself, and each machine worked alone. Spark does both for you: you describe *what* to do with a
# table, and it shares the lines out, also when they have to be sorted, joined or counted together.
#
# **The goal:** a Spark script on two machines, started in two ways, and the proof that both of them
# worked.

# %% [markdown]
# ```mermaid
# flowchart TB
#     parts[("S3: Lab3/Spark/Digits/<br>part-0.csv … part-7.csv")]
#     subgraph job["one processing job"]
#         driver["algo-1: preprocess.py<br>(the driver)"]
#         e1["algo-1: executor"]
#         e2["algo-2: executor"]
#         driver -. "tasks" .-> e1
#         driver -. "tasks" .-> e2
#     end
#     parts --> e1
#     parts --> e2
#     out[("S3: Lab3/Spark/Features/<br>train/ · validation/")]
#     e1 --> out
#     e2 --> out
#     driver -. "event log" .-> log[("S3: Lab3/Spark/Events/")]
# ```
#
# Your script runs once, on the first machine: it is the **driver**. It makes tasks, small pieces of
# the work, and sends them to the **executors**. These read and write S3 by themselves. So there is
# no `ProcessingInput` here, and nothing is copied to `/opt/ml/processing` but the script.

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 11.1 to 11.3. It needs nothing of the other sections.

# %% [markdown]
# ## Settings
#
# `SPARK_IMAGE` is for your own account, see below.

# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"
SPARK_IMAGE = ""

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
    instance_type = "ml.r5.xlarge"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}")

# %% [markdown]
# `ml.r5.xlarge` has 32 GB of memory, twice as much as `ml.m5.xlarge`. What Spark keeps in memory,
# it need not read twice.

# %% [markdown]
# ## A table in eight parts
#
# Large tables come as many files below one prefix. Spark reads all of them as one table. Ours has a
# line for each digit: its number, its label as a word, and its 784 pixels in one text.

# %%
import gzip
import tempfile
from pathlib import Path

import numpy as np

PARTS = 8
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

raw_folder = workshop.ROOT / RAW_DATA
with gzip.open(raw_folder / "train-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
with gzip.open(raw_folder / "train-labels-idx1-ubyte.gz") as file:
    labels = np.frombuffer(file.read(), np.uint8, offset=8)

lines = [
    f"{number},{WORDS[label]},{' '.join(map(str, pixels))}\n"
    for number, (label, pixels) in enumerate(zip(labels, images.tolist(), strict=True))
]
input_prefix = "Lab3/Spark/Digits"
with tempfile.TemporaryDirectory() as folder:
    for part in range(PARTS):
        Path(f"{folder}/part-{part}.csv").write_text("".join(lines[part::PARTS]))
    sagemaker_session.upload_data(folder, bucket, key_prefix=input_prefix)
print(f"{len(lines):,} lines in {PARTS} parts: s3://{bucket}/{input_prefix}/")
print(lines[0][:70], "…")

# %% [markdown]
# ## The script
#
# `script_spark/preprocess.py` makes numbers of all this: the label from 0 to 9, and 28 features,
# the ink in each row of the image. It never touches a line itself. `spark.read.csv` reads nothing
# yet; `transform` and `split` only describe columns. With `write`, Spark looks at the whole
# description, makes a plan, and sends the tasks out.
#
# So there is no loop over lines. You say how *a column* comes from other columns, with the
# functions of `pyspark.sql.functions`:
#
# | function | what it makes |
# |---|---|
# | `F.col("label")` | a column, by its name |
# | `F.split("pixels", " ")` | an array of texts, of a text with spaces |
# | `.cast("array<int>")`, `.cast("int")` | another type |
# | `.alias("ink0")` | a name for a new column |
# | `table.replace({"one": "1", …}, subset="label")` | a table with other values in one column |
# | `table.withColumn("pixels", …)` | a table with this column new |
# | `table.select("image", …)` | a table with these columns, and no others |

# %% [markdown] tags=["starter-only"]
# **Task 11.2 is in this script**, in `transform`. The function `ink` is there. Fill the gap, save
# the file and come back.

# %% tags=["starter-only"]
workshop.check("11.2")

# %% [markdown]
# ## First way: a ScriptProcessor and a program that starts Spark
#
# A cluster has to be started before the script: a master, workers, then the script in it. An image
# for Spark has a program for this, and it becomes the `command` of a `ScriptProcessor`. In many
# examples, and in images that teams have built themselves, it is `/opt/program/submit`. Each of the
# two machines runs it. The first one becomes the master.
#
# | argument | why |
# |---|---|
# | `command=["/opt/program/submit"]` | instead of `["python3"]` |
# | `instance_count=2` | two machines, one cluster |
# | `max_runtime_in_seconds=1200` | a cluster that hangs costs twice; without a limit, for a day |
# | `env={"mode": "python"}` | the program starts Python scripts and JAR files; this says which |
#
# **The image.** On this machine, AWS's image is played by pyspark, and it has this program. In your
# account AWS's image lacks it. There, build your own from the two lines of
# `script_spark/container/Dockerfile`, and set `SPARK_IMAGE` to its URI.

# %%
from sagemaker import image_uris

region = sagemaker_session.boto_region_name
image_uri = SPARK_IMAGE or image_uris.retrieve("spark", region, version="3.5")
print(image_uri)

# %% [markdown]
# The script gets its places in S3 by arguments, names and values in turn, so it is bound to no
# bucket. `logs=False`: a cluster says a lot, and we look at the result only.

# %%
from sagemaker.processing import ProcessingOutput, ScriptProcessor

input_preprocessed_prefix = "Lab3/Spark/Features"
arguments = [
    "s3_input_bucket",
    bucket,
    "s3_input_key_prefix",
    input_prefix,
    "s3_output_bucket",
    bucket,
    "s3_output_key_prefix",
    input_preprocessed_prefix,
]

# task 11.1 begin
spark_processor = ScriptProcessor(
    base_job_name="spark-preprocessor",
    image_uri=image_uri,
    command=["/opt/program/submit"],
    role=role,
    instance_count=2,
    instance_type=instance_type,
    max_runtime_in_seconds=1200,
    env={"mode": "python"},
    sagemaker_session=sagemaker_session,
)
spark_processor.run(code="script_spark/preprocess.py", arguments=arguments, logs=False)
# task 11.1 end

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("11.1")

# %% [markdown]
# What did it leave in S3?

# %%
from sagemaker.s3 import S3Downloader

features_uri = f"s3://{bucket}/{input_preprocessed_prefix}"
for uri in S3Downloader.list(f"{features_uri}/", sagemaker_session):
    print(uri.removeprefix(f"{features_uri}/"))

# %% [markdown]
# Spark writes a *folder* of parts, each one by the task that made it, and at the very end an empty
# `_SUCCESS`: who reads the folder knows then that nothing is missing.

# %% tags=["nbval-check-output"]
import io

import pandas as pd


def table(part):
    uris = S3Downloader.list(f"{features_uri}/{part}/", sagemaker_session)
    parts = [S3Downloader.read_bytes(uri, sagemaker_session) for uri in uris if "/part-" in uri]
    return pd.concat([pd.read_csv(io.BytesIO(data), header=None) for data in parts if data])


training, validation = table("train"), table("validation")
print(f"training: {training.shape}, validation: {validation.shape}")

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True, width_ratios=(1, 2))
axes[0].imshow(images[4].reshape(28, 28), cmap="gray_r", interpolation="nearest", aspect="auto")
axes[0].set(title=f"a {WORDS[labels[4]]}", xticks=[], ylabel="row")
mean = training.groupby(0).mean().loc[[0, 1, 7]]
for (digit, values), style in zip(mean.iterrows(), ("-", "--", ":"), strict=True):
    axes[1].plot(values, np.arange(28), style, label=WORDS[digit])
axes[1].set(title="mean ink in each row", xlabel="ink")
axes[1].legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Second way: PySparkProcessor
#
# AWS's own Spark image has a program with another name, `smspark-submit`. `PySparkProcessor` knows
# it, chooses the image, and has more to offer: other Python files (`submit_py_files`), JARs,
# settings of Spark (`configuration`). And it keeps the **event log**: what the cluster did, task by
# task.
#
# The script and its arguments stay the same.
#
# The event log is copied to S3 *while the job runs*. Local mode refuses that, so there we ask Spark
# for the log ourselves, and copy it at the end.

# %%
from sagemaker.spark.processing import PySparkProcessor
from sagemaker.utils import name_from_base

events_uri = f"s3://{bucket}/Lab3/Spark/Events/{name_from_base('run')}"
if LOCAL:
    folder = "/opt/ml/processing/spark-events"
    properties = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{folder}"}
    event_log = {
        "configuration": [{"Classification": "spark-defaults", "Properties": properties}],
        "outputs": [ProcessingOutput(source=folder, destination=events_uri)],
    }
else:
    event_log = {"spark_event_logs_s3_uri": events_uri}

pyspark_processor = PySparkProcessor(
    base_job_name="lab3-pyspark",
    framework_version="3.5",
    role=role,
    instance_count=2,
    instance_type=instance_type,
    max_runtime_in_seconds=1200,
    sagemaker_session=sagemaker_session,
)
pyspark_processor.run(
    submit_app="script_spark/preprocess.py", arguments=arguments, logs=False, **event_log
)

# %% [markdown]
# ## Did both machines work?
#
# You pay for two. A table that comes in one file which cannot be cut gives one task, and then the
# second machine does nothing, and no error tells you. The event log does.
#
# It is a text, and each line is an event, in JSON. One kind says that a task has ended:
#
# ```json
# {"Event": "SparkListenerTaskEnd",
#  "Task Info": {"Executor ID": "0", "Host": "algo-2", "…": "…"},
#  "Task Metrics": {"Output Metrics": {"Bytes Written": 79135, "Records Written": 287}, "…": "…"}}
# ```

# %%
import json

(log,) = S3Downloader.list(f"{events_uri}/", sagemaker_session)
events = [json.loads(line) for line in S3Downloader.read_file(log, sagemaker_session).splitlines()]
print(f"{len(events)} events")

# task 11.3 begin
rows = {}
for event in events:
    if event["Event"] == "SparkListenerTaskEnd":
        host = event["Task Info"]["Host"]
        written = event["Task Metrics"]["Output Metrics"]["Records Written"]
        rows[host] = rows.get(host, 0) + written
# task 11.3 end
for host in sorted(rows):
    print(f"{host:14} {rows[host]:5} rows")

# %% tags=["starter-only"]
workshop.check("11.3")

# %%
tasks = [event for event in events if event["Event"] == "SparkListenerTaskEnd"]
began = min(task["Task Info"]["Launch Time"] for task in tasks)
hosts = sorted(rows)

plt.figure(figsize=(7, 1.2))
for task in tasks:
    info = task["Task Info"]
    start, end = (info[name] / 1000 - began / 1000 for name in ("Launch Time", "Finish Time"))
    plt.barh(hosts.index(info["Host"]), end - start, left=start, edgecolor="white", height=0.6)
plt.yticks(range(len(hosts)), [f"{host[:6]}: {rows[host]} rows" for host in hosts])
plt.xlabel("seconds; each block is a task")
plt.show()

# %% [markdown]
# Which task goes where is decided while they run: the machine that is free takes the next one. So
# the numbers differ a little each time. Their sum does not.

# %% tags=["key-figure"]
print(f"{sum(rows.values()):,} rows, written by {len(rows)} machines")

# %% [markdown]
# ## To take away
#
# - A Spark job is a processing job whose `command` starts a cluster. Your script describes columns.
# - Spark reads and writes S3 by itself. Its arguments are places in S3.
# - `PySparkProcessor` for AWS's image, `ScriptProcessor` for your own.
# - More machines help only if there are enough tasks. The event log shows it.
#
# When not? Our 1,437 lines took some seconds, and nearly all of them were for starting the cluster.
# For a table that fits into memory, section 10 is the better way.
#
# Read more: [Spark processing
# jobs](https://docs.aws.amazon.com/sagemaker/latest/dg/use-spark-processing-container.html)
# · [PySparkProcessor](https://sagemaker.readthedocs.io/en/v2.199.0/amazon_sagemaker_processing.html#data-processing-with-spark)
# · [column functions](https://spark.apache.org/docs/3.5.1/api/python/reference/pyspark.sql/functions.html)
#
# Next: [12-framework-processors.ipynb](12-framework-processors.ipynb).
