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
# # 10 · scikit-learn: split, train, evaluate
#
# Your data fits into one table, and your code is a scikit-learn script. You want neither an image
# of your own nor a list of libraries, only: run this. That is what `SKLearnProcessor` is for. AWS
# has the image, with scikit-learn, pandas and numpy in it; you bring one file.
#
# **The goal:** a processing job that splits a table of digits, a model that is trained on one part,
# and a second processing job that tries it on the other.

# %% [markdown]
# ```mermaid
# flowchart LR
#     csv[("S3: Lab3/Digits/<br>digits.csv")] --> pre
#     subgraph one["processing job"]
#         pre["preprocessing.py<br>--train-test-split-ratio 0.2"]
#     end
#     pre --> train[("output train_data")]
#     pre --> test[("output test_data")]
#     train --> fit
#     subgraph two["training job"]
#         fit["train.py"]
#     end
#     fit --> model[("model.tar.gz")]
#     model --> eval
#     test --> eval
#     subgraph three["processing job"]
#         eval["evaluation.py"]
#     end
#     eval --> json[("S3: Lab3/<br>ScikitLearn/<br>Evaluation/<br>evaluation.json")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 10.1 to 10.3. It needs nothing of the other sections.

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
# ## One table of digits
#
# All 1,797 digits, each one a line: the label, and 784 pixels from 0 (paper) to 255 (ink). What is
# for training and what for the test is not decided yet.

# %%
import gzip
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

raw_folder = workshop.ROOT / RAW_DATA


def read(name, header):
    with gzip.open(raw_folder / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


images = np.concatenate(
    [read(f"{part}-images-idx3-ubyte.gz", 16) for part in ("train", "t10k")]
).reshape(-1, 784)
labels = np.concatenate([read(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k")])

digits = pd.DataFrame(images, columns=[f"pixel{n}" for n in range(784)])
digits.insert(0, "label", labels)
with tempfile.TemporaryDirectory() as folder:
    digits.to_csv(f"{folder}/digits.csv", index=False)
    input_data = sagemaker_session.upload_data(folder, bucket, key_prefix="Lab3/Digits")
print(f"{len(digits):,} lines: {input_data}/digits.csv")
digits.iloc[:4, [0, *range(205, 211)]]

# %% [markdown]
# ## The processor
#
# `framework_version` chooses the image. `1.4-2` is the newest scikit-learn image that this SDK
# knows. Many examples still say `0.20.0`, which works as well; it is from 2018.
#
# The session is the one of above. Without it the processor makes one of its own, a `LocalSession`
# for `"local"`.

# %%
from sagemaker.sklearn.processing import SKLearnProcessor

sklearn_processor = SKLearnProcessor(
    framework_version="1.4-2",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab3-scikit-learn",
    sagemaker_session=sagemaker_session,
)
print(sklearn_processor.image_uri)

# %% [markdown]
# ## The script
#
# `script_sklearn/preprocessing.py` reads the table and makes 49 features of the 784 pixels: the ink
# in each block of 4 × 4. Then it scales them, so that each feature has mean 0 and spread 1.
#
# How much is for the test should not be written into the script. So it is an argument:
# `--train-test-split-ratio`. Three rules make the split a fair one:
#
# - **Each digit has its share in both parts.** By chance alone, the test could get few nines.
# - **The same split each time.** Otherwise you compare two models on two different tests.
# - **The scaler learns from the training part alone.** If it has seen the test images, something of
#   them is in the model, and the test is too kind.

# %% [markdown] tags=["starter-only"]
# **Task 10.2 is in this script.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("10.2")

# %% [markdown]
# ## Run it
#
# `run` gets everything that belongs to *this* job:
#
# - `code`: the script. It is a single file, so there is no `source_dir`.
# - `inputs`: the table goes to `/opt/ml/processing/input`.
# - `outputs`: two folders, `/opt/ml/processing/train` and `/opt/ml/processing/test`. They get
#   **names**, `train_data` and `test_data`, and **no destination**: then SageMaker's SDK chooses
#   the place in S3.
# - `arguments`: the command line of the script, as a list of texts.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

# task 10.1 begin
sklearn_processor.run(
    code="script_sklearn/preprocessing.py",
    inputs=[
        ProcessingInput(
            input_name="digits", source=f"{input_data}/", destination="/opt/ml/processing/input"
        )
    ],
    outputs=[
        ProcessingOutput(output_name="train_data", source="/opt/ml/processing/train"),
        ProcessingOutput(output_name="test_data", source="/opt/ml/processing/test"),
    ],
    arguments=["--train-test-split-ratio", "0.2"],
)
# task 10.1 end

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("10.1")

# %% [markdown]
# ## Where did the output go?
#
# You gave no destination, so ask the job. A processor keeps its jobs in a list; `jobs[-1]` is the
# newest one, and `describe()` tells all that is known of it.

# %%
preprocessing_job_description = sklearn_processor.jobs[-1].describe()

job = preprocessing_job_description
program = job["AppSpecification"]
cluster = job["ProcessingResources"]["ClusterConfig"]
print(job["ProcessingJobName"], "is", job["ProcessingJobStatus"])
print("machines: ", cluster["InstanceCount"], "x", cluster["InstanceType"])
print("image:    ", program["ImageUri"])
print("runs:     ", *program["ContainerEntrypoint"])
print("arguments:", *program["ContainerArguments"])
in_bucket = f"s3://{bucket}/"
for one in job["ProcessingInputs"]:
    print(one["InputName"], "from", one["S3Input"]["S3Uri"].removeprefix(in_bucket))
    print("    to", one["S3Input"]["LocalPath"])
for one in job["ProcessingOutputConfig"]["Outputs"]:
    print(one["OutputName"], "from", one["S3Output"]["LocalPath"])
    print("    to", one["S3Output"]["S3Uri"].removeprefix(in_bucket))

# %% [markdown]
# | in the description | what it tells |
# |---|---|
# | `AppSpecification` | image, entry point and arguments: the command line is all three |
# | `ProcessingInputs` | your inputs, and one more, `code`: there the SDK put the script |
# | `ProcessingOutputConfig` | each output with its place in S3: `JOB/output/NAME` in the bucket |
# | `ProcessingResources` | the machines |
# | `StoppingCondition` | after how many seconds the job is stopped, however far it is |
#
# The name of the job is in the place of its outputs. So no run overwrites another one's data, and
# the description is what leads you there. We find the outputs by their names. Do not rely on their
# order.

# %%
outputs = {
    one["OutputName"]: one["S3Output"]["S3Uri"]
    for one in preprocessing_job_description["ProcessingOutputConfig"]["Outputs"]
}
for name, uri in outputs.items():
    print(f"{name:10}  {uri}")

# %% [markdown]
# This is what the model will see of the digits:

# %%
import io

from sagemaker.s3 import S3Downloader


def table(uri):
    return pd.read_csv(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)), header=None)


features = table(f"{outputs['train_data']}/train_features.csv").to_numpy()
train_labels = table(f"{outputs['train_data']}/train_labels.csv")[0].to_numpy()
test_labels = table(f"{outputs['test_data']}/test_labels.csv")[0].to_numpy()

plt.figure(figsize=(8, 1.2))
for place, digit in enumerate(range(10), start=1):
    plt.subplot(1, 10, place)
    of_this_digit = features[train_labels == digit]
    plt.imshow(of_this_digit.mean(axis=0).reshape(7, 7), cmap="RdBu", vmin=-1.5, vmax=1.5)
    plt.title(digit, fontsize=9)
    plt.axis("off")
plt.show()

# %% [markdown]
# The mean of each digit: blue blocks have more ink than those of all digits together, red ones have
# less. And are all digits there in both parts, with their shares?

# %% tags=["nbval-check-output"]
pd.DataFrame(
    {"train": np.bincount(train_labels), "test": np.bincount(test_labels)},
    index=pd.Index(range(10), name="digit"),
).T

# %% [markdown]
# ## Train a model
#
# Nothing new here: an estimator, this time scikit-learn's, with the same image as the processor.
# Its one channel is the output `train_data`.

# %%
from sagemaker.sklearn import SKLearn

estimator = SKLearn(
    entry_point="train.py",
    source_dir="script_sklearn",
    framework_version="1.4-2",
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab3-scikit-learn-training",
    hyperparameters={"penalty": 2.0},
    output_path=f"s3://{bucket}/Lab3/ScikitLearn/Training",
    container_log_level=logging.WARNING,  # INFO: the toolkit lists all paths and SM_* variables
    sagemaker_session=sagemaker_session,
)
estimator.fit({"train": f"{outputs['train_data']}/"})
print(estimator.model_data)

# %% [markdown]
# ## Evaluate it, in a second processing job
#
# Why a job, when two lines here would do? Because it uses the test data where they are, with the
# libraries that the model was made with, and leaves a result that anybody can look up later.
#
# The **same processor** runs it: a processor is the description of a machine and an image, and not
# a job. `script_sklearn/evaluation.py` is ready. It wants
#
# | what | where |
# |---|---|
# | `model.tar.gz` | `/opt/ml/processing/model` |
# | `test_features.csv` and `test_labels.csv` | `/opt/ml/processing/test` |
#
# and leaves `evaluation.json` in `/opt/ml/processing/evaluation`. This output gets a destination,
# `evaluation_uri`: there one always finds the newest evaluation.

# %%
evaluation_uri = f"s3://{bucket}/Lab3/ScikitLearn/Evaluation"

# task 10.3 begin
sklearn_processor.run(
    code="script_sklearn/evaluation.py",
    inputs=[
        ProcessingInput(
            input_name="model",
            source=estimator.model_data,
            destination="/opt/ml/processing/model",
        ),
        ProcessingInput(
            input_name="test_data",
            source=f"{outputs['test_data']}/",
            destination="/opt/ml/processing/test",
        ),
    ],
    outputs=[
        ProcessingOutput(
            output_name="evaluation",
            source="/opt/ml/processing/evaluation",
            destination=evaluation_uri,
        )
    ],
)
# task 10.3 end

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("10.3")

# %%
import json

evaluation = json.loads(
    S3Downloader.read_file(f"{evaluation_uri}/evaluation.json", sagemaker_session)
)
counts = np.array(evaluation["confusion_matrix"])

figure, axis = plt.subplots(figsize=(3.4, 3.4))
axis.imshow(np.sqrt(counts), cmap="Blues")
for true, read_as in np.argwhere(counts):
    color = "white" if true == read_as else "crimson"
    axis.text(read_as, true, counts[true, read_as], ha="center", va="center", color=color)
axis.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="true digit")
plt.show()

# %% tags=["key-figure"]
print(f"test accuracy {evaluation['accuracy']:.3f} on {evaluation['images']} digits")

# %% [markdown]
# ## To take away
#
# - One file, one image of AWS: `SKLearnProcessor` is the shortest way to a processing job.
# - Outputs without a destination go to `JOB/output/NAME`; `jobs[-1].describe()` tells where.
# - What differs from run to run is an argument. The rest of the command line is the image's.
# - Split first, fit then.
#
# Read more:
# [SKLearnProcessor](https://sagemaker.readthedocs.io/en/v2.199.0/frameworks/sklearn/sagemaker.sklearn.html#sagemaker.sklearn.processing.SKLearnProcessor)
# · [scikit-learn processing jobs](https://docs.aws.amazon.com/sagemaker/latest/dg/use-scikit-learn-processing-container.html)
#
# Next: [11-spark.ipynb](11-spark.ipynb), for tables that fit on no single machine.
