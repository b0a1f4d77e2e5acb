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
# # 15 · Predictions for a whole folder
#
# A model is approved. Now it should work: there is a bucket with images, and each one needs a
# digit. No one waits for a single answer. So no server has to stand there day and night. A **batch
# transform** starts one, sends it all the images, keeps the answers, and ends it.
#
# **The goal:** the test images, read by the approved model, with the same result as the evaluation
# to the last image.

# %% [markdown]
# ```mermaid
# flowchart LR
#     group[("registry:<br>approved version")] -. "model.tar.gz, image" .-> server
#     input[("S3: Lab4/Transform/<br>RUN/input/<br>images.jsonl")] -- "a line" --> filter
#     filter["input_filter<br>$.image"]
#     subgraph job["transform job"]
#         filter -- "one image" --> server["the model,<br>inference.py"]
#         server -- "digit, probabilities" --> join["join_source<br>output_filter"]
#     end
#     join -- "a line" --> output[("S3: Lab4/Transform/<br>RUN/output/<br>images.jsonl.out")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 15.1 to 15.4. It needs the approved version that section 14 leaves:
# `./lab run Lab4` makes one, if yours is not ready.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.ERROR)  # INFO: everything the SDK does

import sagemaker
from sagemaker.local import LocalSession

if LOCAL:
    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.m5.large"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}")

# %% [markdown]
# ## Which model?
#
# Not "the newest file in S3", and no address in a mail. We ask the registry for the newest version
# that somebody has *approved*.
#
# (Local mode has no registry. There we take the newest package that a pipeline has left.)

# %%
GROUP = "lab4-digits"

approved_arn = None
if not LOCAL:
    client = sagemaker_session.sagemaker_client
    # task 15.1 begin
    versions = client.list_model_packages(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    assert versions, f"No version of {GROUP} is approved: run 14-register first"
    approved_arn = versions[0]["ModelPackageArn"]
    # task 15.1 end
print(approved_arn)

# %% tags=["starter-only"]
workshop.check("15.1")

# %% [markdown]
# ## The input: one image, one line
#
# A transform job takes objects from S3, cuts them into records, and sends each record to the model.
# Text is easiest: one JSON object on each line. Our images are numbers, so we write them down:
#
# ```
# {"id": 0, "image": [[0.0, 0.0, …], …]}
# ```
#
# The `id` is for us. The model never sees it; it comes back beside the answer. So we do not have to
# rely on the order.

# %%
import gzip
import json

import numpy as np

raw_folder = workshop.ROOT / RAW_DATA
with gzip.open(raw_folder / "t10k-images-idx3-ubyte.gz") as file:
    raw_images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
with gzip.open(raw_folder / "t10k-labels-idx1-ubyte.gz") as file:
    labels = np.frombuffer(file.read(), np.uint8, offset=8)
images = np.divide(raw_images, 255, dtype=np.float32)  # as the preprocessing does it

# %%
# task 15.2 begin
lines = [json.dumps({"id": i, "image": image.tolist()}) for i, image in enumerate(images)]
# task 15.2 end
print(f"{len(lines)} lines; the first one: {lines[0][:60]}…")

# %% tags=["starter-only"]
workshop.check("15.2")

# %%
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.utils import name_from_base

run = name_from_base("run")
input_uri = f"s3://{bucket}/Lab4/Transform/{run}/input"
output_uri = f"s3://{bucket}/Lab4/Transform/{run}/output"

# Local mode knows no filters: there a line is the image alone, and only the order tells which one.
# And it asks Docker something before each request. 50 images are enough for a first try.
sent = [json.dumps(json.loads(line)["image"]) for line in lines[:50]] if LOCAL else lines
S3Uploader.upload_string_as_file_body(
    "\n".join(sent), f"{input_uri}/images.jsonl", sagemaker_session=sagemaker_session
)

# %% [markdown]
# ## The model
#
# A version in the registry knows its image, its files and its content types. So there is nothing to
# say here but which version. Be careful with it: `ModelPackage` *approves* the version that it is
# given, without a question, if nobody has.

# %%
from digits_pipeline import newest
from sagemaker import ModelPackage
from sagemaker.tensorflow import TensorFlowModel

if LOCAL:
    model = TensorFlowModel(
        newest(sagemaker_session, "/Package/model.tar.gz"),
        role=role,
        framework_version="2.19",
        sagemaker_session=sagemaker_session,
    )
else:
    model = ModelPackage(
        role=role, model_package_arn=approved_arn, sagemaker_session=sagemaker_session
    )

# %% [markdown]
# ## The transformer
#
# | argument | what it says |
# |---|---|
# | `strategy="SingleRecord"` | one record in a request; `MultiRecord`: as many as fit |
# | `assemble_with="Line"` | the answers are put together with an end of line between them |
# | `accept` | what we want the answers to be |
# | `max_concurrent_transforms` | how many requests run at the same time |
#
# Our `inference.py` reads one image in a request, so it is `SingleRecord`.

# %%
# task 15.3 begin
transformer = model.transformer(
    instance_count=1,
    instance_type=instance_type,
    strategy="SingleRecord",
    assemble_with="Line",
    accept="application/json",
    output_path=output_uri,
)
# task 15.3 end

# %% [markdown]
# ## The filters
#
# A record has an `id` and an image. The model wants the image alone, and in the end we want both,
# the `id` and the answer, but not the 784 numbers once more. Three arguments do this:
#
# | argument | here | what it does |
# |---|---|---|
# | `input_filter` | `$.image` | the part of the record that the model gets |
# | `join_source` | `Input` | the answer is put into the record, as `SageMakerOutput` |
# | `output_filter` | `$['id','SageMakerOutput']` | the parts of that which are written |
#
# A filter is a
# [JSONPath](https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html).
# `$` is the whole record.

# %%
filters = {}
if not LOCAL:
    # task 15.4 begin
    filters = {
        "input_filter": "$.image",
        "join_source": "Input",
        "output_filter": "$['id','SageMakerOutput']",
    }
    # task 15.4 end
transformer.transform(
    f"{input_uri}/images.jsonl",
    content_type="application/json",
    split_type="Line",
    logs=False,
    **filters,
)

# %% tags=["starter-only"]
# These look at the job that you have just run.
workshop.check("15.3")
workshop.check("15.4")

# %% [markdown]
# ## The answers
#
# For each object of the input there is one with the answers, called like it, with `.out` at the
# end. (Local mode puts it into a folder with the name of the job.)

# %%
(answer_uri,) = S3Downloader.list(output_uri, sagemaker_session)
answer_file = S3Downloader.read_file(answer_uri, sagemaker_session)
answers = [json.loads(line) for line in answer_file.splitlines() if line]
if LOCAL:
    answers = [{"id": i, "SageMakerOutput": answer} for i, answer in enumerate(answers)]
    labels = labels[: len(answers)]
print(json.dumps(answers[0])[:90] + "…")

predicted = np.zeros(len(labels), int)
for answer in answers:
    predicted[answer["id"]] = answer["SageMakerOutput"]["digit"]

# %% [markdown]
# ## Is it the same model?
#
# The registry has the metrics of this version, and with them a confusion matrix. Section 6 made one
# too, with its own model. If the batch transform is right, then its matrix is that of the registry,
# to the last image. That of section 6 is a little different: another training.

# %%
from sklearn.metrics import confusion_matrix


def matrix_of(uri):
    """The confusion matrix of a metrics.json, (10, 10); None if the file is not there."""
    if uri is None or uri not in S3Downloader.list(uri, sagemaker_session):
        return None
    text = S3Downloader.read_file(uri, sagemaker_session)
    counts = json.loads(text)["multiclass_classification_metrics"]["confusion_matrix"]
    return np.array([[counts[str(t)][str(p)] for p in range(10)] for t in range(10)])


registered_uri = None
if not LOCAL:
    about = client.describe_model_package(ModelPackageName=approved_arn)
    registered_uri = about["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]

matrices = {
    "batch transform": confusion_matrix(labels, predicted, labels=range(10)),
    "registry": matrix_of(registered_uri),
    "section 6": matrix_of(f"s3://{bucket}/Lab2/Evaluation/metrics.json"),
}
matrices = {name: matrix for name, matrix in matrices.items() if matrix is not None}

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, len(matrices), figsize=(3 * len(matrices), 3), squeeze=False)
for axis, (name, matrix) in zip(axes[0], matrices.items(), strict=True):
    axis.imshow(np.log1p(matrix), cmap="Blues")
    for (true, read), count in np.ndenumerate(matrix):
        if count:
            color = "white" if true == read else "crimson"
            axis.text(read, true, count, ha="center", va="center", fontsize=6, color=color)
    axis.set(title=f"{name}: {matrix.trace() / matrix.sum():.3f}", xlabel="read as", ylabel="is")
    axis.set(xticks=range(10), yticks=range(10))
plt.tight_layout()
plt.show()

if "registry" in matrices:
    assert np.array_equal(matrices["batch transform"], matrices["registry"])
    print("The batch transform and the evaluation agree on every image.")

# %% tags=["key-figure"]
print(f"batch transform: accuracy {np.mean(predicted == labels):.3f}")

# %% [markdown]
# ## What it costs
#
# A transform job costs like a training job: seconds, times instances, times the price of an hour.
# It ends by itself. What stays is a *model*, which is only an entry and costs nothing. We delete it
# all the same: in a year there would be hundreds.

# %%
if not LOCAL:
    job = client.describe_transform_job(TransformJobName=transformer.latest_transform_job.name)
    seconds = (job["TransformEndTime"] - job["TransformStartTime"]).total_seconds()
    print(f"{seconds:.0f} s on {job['TransformResources']['InstanceType']}")
transformer.delete_model()

# %% [markdown]
# | | here | on AWS |
# |---|---|---|
# | the start of the instance | at once | a few minutes |
# | several instances | share the objects out, on one machine | share the objects out |
# | a record that fails | the job is `Failed`, and its log names the object | the same |
# | 10,000 images in one object | one after the other, or a few at the same time | the same |
#
# ## To take away
#
# - For many inputs without hurry: batch transform. No server is left over.
# - `input_filter` is what the model gets, `join_source` and `output_filter` are what you get.
# - Ask the registry for the model, and check that it does what was registered.
#
# Read more:
# [batch transform](https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html) ·
# [filters](https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html)
#
# Next: [16-endpoint.ipynb](16-endpoint.ipynb).
