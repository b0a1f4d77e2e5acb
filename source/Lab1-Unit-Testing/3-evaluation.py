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
# # 3 · Evaluation as a SageMaker job
#
# The old `evaluation.py` was the center of everything: it downloaded, prepared, trained, and at
# the end it evaluated. Now the other steps have their own jobs. What is left for `evaluation.py`
# is what its name says.
#
# **The goal:** a processing job that takes the trained model and the test data, and leaves the
# metrics in S3. You know processing jobs from notebook 1. One thing is new: an input that another
# *job* has made, `model.tar.gz`.

# %% [markdown]
# ```mermaid
# flowchart LR
#     tar[("S3: Training/JOB/…<br>model.tar.gz")] --> model
#     x[("S3: DataProcessed/<br>test/X_test/")] --> X_test
#     y[("S3: DataProcessed/<br>test/y_test/")] --> y_test
#     subgraph job["processing job"]
#         model["/opt/ml/processing/<br>model/"] --> script["evaluation.py"]
#         X_test["/opt/ml/processing/<br>test/X_test/"] --> script
#         y_test["/opt/ml/processing/<br>test/y_test/"] --> script
#         script --> out["/opt/ml/processing/<br>evaluation/"]
#     end
#     out --> result[("S3: Evaluation/<br>metrics.json<br>probabilities.npy")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 3.1 to 3.5. You know how they work.

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
# ## Find the model
#
# This notebook does not know the name of the training job. That is as it should be: the steps meet
# in S3, not in a variable. We take the newest `model.tar.gz` below `Training/`.

# %%
objects = sagemaker_session.boto_session.resource("s3").Bucket(bucket).objects
models = [item for item in objects.filter(Prefix="Training/") if item.key.endswith("/model.tar.gz")]
assert models, f"There is no model in s3://{bucket}/Training/: run 2-training first"

# task 3.1 begin
newest = max(models, key=lambda item: item.last_modified)
model_uri = f"s3://{bucket}/{newest.key}"
# task 3.1 end
print(f"{model_uri}  ({newest.size / 1e6:.1f} MB)")

# %% [markdown]
# ## Inputs
#
# Three inputs: the model and two arrays. Only the *test* data is here. The network has never seen
# these images, and no decision was made with them. So they tell how good it will be on new images.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput

# task 3.2 begin
inputs = [
    ProcessingInput(input_name="model", source=model_uri, destination="/opt/ml/processing/model"),
    ProcessingInput(
        input_name="X_test",
        source=f"s3://{bucket}/DataProcessed/test/X_test/",
        destination="/opt/ml/processing/test/X_test",
    ),
    ProcessingInput(
        input_name="y_test",
        source=f"s3://{bucket}/DataProcessed/test/y_test/",
        destination="/opt/ml/processing/test/y_test",
    ),
]
# task 3.2 end

# %% [markdown]
# ## The script
#
# Open `script_evaluation/evaluation.py`. This script changed most:
#
# | Lab 0 | now |
# |---|---|
# | imports `preprocessing` and `training` and runs them | they are gone: each is a job |
# | downloads and uploads with `utils.py` | gone: inputs and outputs do that |
# | has the model in memory | unpacks `model.tar.gz`; `load_model` of `best_checkpoint.keras` |
# | `metrics_file_path = "output/metrics.json"` | `/opt/ml/processing/evaluation/metrics.json` |
#
# `load_model` needs no code of ours: a `.keras` file holds the network and its weights.
#
# The metrics have the layout of SageMaker's
# [model quality reports](https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html).
# The model registry and Model Monitor can read it, so we need not invent a layout.

# %% [markdown] tags=["starter-only"]
# **Tasks 3.3 and 3.4 are in this script.** Fill both gaps, save the file and come back.

# %% tags=["starter-only"]
workshop.check("3.3")
workshop.check("3.4")

# %% [markdown]
# ## The output
#
# One folder is enough: the script writes both of its files there.

# %%
# task 3.5 begin
outputs = [
    ProcessingOutput(
        output_name="evaluation",
        source="/opt/ml/processing/evaluation",
        destination=f"s3://{bucket}/Evaluation",
    )
]
# task 3.5 end

# %% [markdown]
# ## The processor
#
# It is the one of notebook 1 under another name: the same image, the same `requirements.txt`.

# %%
import re
import shutil

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
    base_job_name="evaluation",
    env={"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},  # quiet logs
)

# %% [markdown]
# ## Run it

# %%
processor.run(
    code="evaluation.py",
    source_dir="script_evaluation",
    inputs=inputs,
    outputs=outputs,
)

# %% tags=["starter-only"]
# These look at the job that you have just run.
workshop.check("3.1")
workshop.check("3.2")
workshop.check("3.5")

# %% [markdown]
# **What just happened?**
#
# 1. `model.tar.gz` was copied to `/opt/ml/processing/model/`, as it is. (A training job's model is
#    packed, and a processing job does not unpack its inputs: the script does.)
# 2. The script loaded the best checkpoint and let it read the test images.
# 3. What it wrote to `/opt/ml/processing/evaluation/` was copied to `Evaluation/`.

# %%
import io
import json

import numpy as np
from sagemaker.s3 import S3Downloader


def load(uri):
    return np.load(io.BytesIO(S3Downloader.read_bytes(uri, sagemaker_session)))


evaluation = f"s3://{bucket}/Evaluation"
for uri in S3Downloader.list(f"{evaluation}/", sagemaker_session):
    print(uri)
metrics = json.loads(S3Downloader.read_file(f"{evaluation}/metrics.json", sagemaker_session))
metrics = metrics["multiclass_classification_metrics"]

# %% [markdown]
# ## How good is it?

# %%
import pandas as pd

pd.DataFrame(
    {name: value for name, value in metrics.items() if name != "confusion_matrix"}
).T.astype(float).round(4)

# %% [markdown]
# The standard deviation says how far to trust a number. With few test images, a difference of one
# standard deviation between two models means nothing.
#
# The **confusion matrix** says more than the accuracy: which classes does it mistake for which?
# Rows are the truth, columns are the predictions. Everything beside the diagonal is a mistake.

# %%
import matplotlib.pyplot as plt

confusion = pd.DataFrame(metrics["confusion_matrix"]).T.to_numpy()
share = confusion / confusion.sum(axis=1, keepdims=True).clip(1)

plt.figure(figsize=(4.6, 4.6))
plt.imshow(share, cmap="Blues", vmax=1)
for (row, column), count in np.ndenumerate(confusion):
    if count:
        style = {"color": "white" if share[row, column] > 0.5 else "black", "fontsize": 8}
        if row != column:
            style = {"color": "crimson", "weight": "bold"}
        plt.text(column, row, count, ha="center", va="center", **style)
plt.xticks(range(10))
plt.yticks(range(10))
plt.xlabel("predicted")
plt.ylabel("true")
plt.show()

# %% [markdown]
# ## The ten worst
#
# Numbers do not tell *why*. Look at the images where the network gave the smallest probability to
# the true class. Would you have read them right?

# %%
images = load(f"s3://{bucket}/DataProcessed/test/X_test/X_test.npy")
labels = load(f"s3://{bucket}/DataProcessed/test/y_test/y_test.npy")
probabilities = load(f"{evaluation}/probabilities.npy")

predicted = probabilities.argmax(axis=1)
of_true_class = probabilities[np.arange(len(labels)), labels]
worst = np.argsort(of_true_class)[:10]

plt.figure(figsize=(7, 3.6))
for place, i in enumerate(worst, start=1):
    plt.subplot(2, 5, place)
    plt.imshow(images[i, ..., 0], cmap="gray_r", interpolation="nearest")
    verdict = "right" if predicted[i] == labels[i] else "MISTAKE"
    sure = f"{probabilities[i].max():.0%} sure"
    plt.title(f"{verdict}\ntrue {labels[i]}, read as {predicted[i]}\n{sure}", fontsize=8)
    plt.axis("off")
plt.tight_layout()
plt.show()
print(f"{np.sum(predicted != labels)} mistakes in {len(labels):,} images")

# %% tags=["key-figure"]
print(f"test accuracy {metrics['accuracy']['value']:.3f}")

# %% [markdown]
# ## To take away
#
# You have taken the container apart. Compare it with Lab 0:
#
# | | one container | three jobs |
# |---|---|---|
# | another network on the same data | everything runs again | only training and evaluation |
# | a GPU for the training | preprocessing waits on it too | each job has its own machine |
# | a step fails | start again from the beginning | start again from that step |
# | what the steps pass on | is in memory, then gone | is in S3, and stays |
# | S3 code in the scripts | everywhere | none |
#
# Read more: two larger pipelines of this kind, from AWS's examples:
# [train, register, deploy](https://github.com/aws/amazon-sagemaker-examples/blob/main/sagemaker-pipelines/tabular/train-register-deploy-pipeline-model/train%20register%20and%20deploy%20a%20pipeline%20model.ipynb)
# ·
# [preprocess, train, evaluate, batch transform](https://github.com/aws/amazon-sagemaker-examples/blob/89c54681b7e0f83ce137b34b879388cf5960af93/sagemaker-pipelines/tabular/abalone_build_train_deploy/sagemaker-pipelines-preprocess-train-evaluate-batch-transform.ipynb)
#
# Next: the same three jobs on instances, in Lab 2:
# [4-preprocessing.ipynb](../Lab2/4-preprocessing.ipynb).
