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
# # 14 · Decide, register, approve
#
# The pipeline of section 13 trains a model and tells how good it is. Then somebody has to look at
# the number, decide, copy an address into a mail, and remember next week which model is in use.
# Each of these goes wrong some day.
#
# Two of them a pipeline can do: it **decides** by a rule that you write down, and it **registers**
# what is good enough, with its metrics and its origin. One thing a person should do: **approve**
# it.
#
# **The goal:** a pipeline that stops when the model is bad, and otherwise leaves a model in the
# registry, ready to answer. Approved by you.

# %% [markdown]
# ```mermaid
# flowchart LR
#     three["Preprocess → Train → Evaluate"] -- "metrics.json" --> good{"GoodEnough?"}
#     good -- "yes" --> package["Package<br>processing job"]
#     package -- "model.tar.gz" --> register["Register"]
#     good -- "no" --> refuse["Refuse"]
#     register --> group[("registry: lab4-digits<br>version 1, 2, …")]
#     person(["you"]) -. "approve" .-> group
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 14.1 to 14.5. It needs nothing of the other sections.

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
from sagemaker.workflow.pipeline_context import LocalPipelineSession, PipelineSession

if LOCAL:
    sagemaker_session = LocalPipelineSession()
    instance_type = "local"
else:
    sagemaker_session = PipelineSession()
    instance_type = "ml.m5.xlarge"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
raw_data_uri = sagemaker_session.upload_data(
    str(workshop.ROOT / RAW_DATA), bucket, key_prefix="Lab4/RawData"
)
print(f"bucket: {bucket}")

# %% [markdown]
# ## Do not do again what is done
#
# We will start this pipeline a few times today, and most of it will be the same each time: the same
# images, the same scripts, the same number of epochs. Why train again? With **caching**, SageMaker
# looks for a step of an earlier execution with the same arguments that succeeded. It takes its
# outputs, and starts no job: nothing to wait for, nothing to pay.
#
# | changed since then | is the step taken from the cache? |
# |---|---|
# | nothing | yes |
# | the script, the image, a hyperparameter, an environment variable, the address of an input | no |
# | the address of an output, the type or the number of the instances | yes |
# | the *content* behind the address of an input | **yes**: SageMaker does not look there |
#
# The last line is a trap, and so a cached result must not be used for ever. How long may it be
# used? That is said as an [ISO 8601 duration](https://en.wikipedia.org/wiki/ISO_8601#Durations):
# `PT1H` is an hour, `P7D` are seven days.

# %%
from sagemaker.workflow.steps import CacheConfig

# task 14.1 begin
cache = CacheConfig(enable_caching=True, expire_after="P7D")
# task 14.1 end
print(cache.config)

# %% tags=["starter-only"]
workshop.check("14.1")

# %% [markdown]
# ## The three steps
#
# They are those of section 13. There they stood in a notebook. A pipeline that others use is in a
# file, as all code that matters: read `digits_pipeline.py`. It gets `cache`, and one thing more: a
# **property file**. It tells SageMaker that the output `evaluation` has a file in it that a
# pipeline may read.

# %%
from digits_pipeline import (
    QUIET,
    evaluate_step,
    machine,
    place,
    preprocess_step,
    train_step,
)
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.properties import PropertyFile

epochs = ParameterInteger("Epochs", default_value=30)
raw_data = ParameterString("RawData", default_value=raw_data_uri)
accuracy_bar = ParameterFloat("AccuracyBar", default_value=0.9)

metrics = PropertyFile(name="Metrics", output_name="evaluation", path="metrics.json")

where = (sagemaker_session, instance_type)
preprocess = preprocess_step(*where, raw_data, cache)
train = train_step(*where, preprocess, {"epochs": epochs, "batch-size": 32}, cache)
model_uri = train.properties.ModelArtifacts.S3ModelArtifacts
evaluate = evaluate_step(*where, preprocess, model_uri, metrics, cache)

# %% [markdown]
# ## A model that can answer
#
# `best_checkpoint.keras` is a file for Keras. A server does not run Keras: AWS's image for
# inference has *TensorFlow Serving*, which loads a graph and its weights. And it takes JSON and
# gives numbers, while those who ask have an image and want a digit.
#
# So a job makes a package of both. `script_package/package.py` exports the network. And
# `script_package/inference.py` is what runs before and after each prediction:
#
# ```mermaid
# flowchart LR
#     ask(["an image:<br>28 × 28 numbers"]) --> into["input_handler"]
#     into -- "instances" --> serving["TensorFlow<br>Serving"]
#     serving -- "predictions" --> out["output_handler"]
#     out --> answer(["digit: 7<br>probabilities"])
# ```

# %% [markdown] tags=["starter-only"]
# **Task 14.2 is in `script_package/inference.py`.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("14.2")

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlowModel, TensorFlowProcessor
from sagemaker.workflow.steps import ProcessingStep


def package_step(folder="script_package"):
    """The step that packs the network and inference.py, with the scripts of a folder."""
    processor = TensorFlowProcessor(
        base_job_name="lab4-package", env=QUIET, **machine(*where, folder)
    )
    arguments = processor.run(
        code="package.py",
        source_dir=folder,
        inputs=[
            ProcessingInput(
                input_name="model", source=model_uri, destination="/opt/ml/processing/model"
            )
        ],
        outputs=[
            ProcessingOutput(
                output_name="package",
                source="/opt/ml/processing/package",
                destination=place(sagemaker_session, "Package"),
            )
        ],
    )
    return ProcessingStep("Package", step_args=arguments, cache_config=cache)


package = package_step()

# %% [markdown]
# ## Into the registry
#
# A **model package group** is the history of one model: version 1, version 2, and so on. A version
# is never changed. It says where the model is and which image runs it, and it carries what a person
# needs who has to decide about it in half a year:
#
# - the **metrics**: the address of `metrics.json`,
# - **customer metadata**: what *you* want to know of it. Here the data, the epochs, the accuracy,
#   and the execution that made it. All are texts.
#
# It starts as `PendingManualApproval`: nobody has looked at it yet.
#
# (The registry is SageMaker's. Local mode has none, so there this step is left out.)

# %%
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep

GROUP = "lab4-digits"


def output(step, name):
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


accuracy = JsonGet(
    step_name="Evaluate",
    property_file=metrics,
    json_path="multiclass_classification_metrics.accuracy.value",
)
metrics_uri = Join(on="/", values=[output(evaluate, "evaluation"), "metrics.json"])


def register_step(package):
    """The step that registers what the step `package` has packed."""
    model = TensorFlowModel(
        model_data=Join(on="/", values=[output(package, "package"), "model.tar.gz"]),
        framework_version="2.19",
        role=role,
        sagemaker_session=sagemaker_session,
    )
    # task 14.3 begin
    arguments = model.register(
        model_package_group_name=GROUP,
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        approval_status="PendingManualApproval",
        model_metrics=ModelMetrics(
            model_statistics=MetricsSource(s3_uri=metrics_uri, content_type="application/json")
        ),
        customer_metadata_properties={
            "data": raw_data,
            "epochs": epochs.to_string(),
            "accuracy": accuracy.to_string(),
            "execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
        },
    )
    # task 14.3 end
    return ModelStep("Register", step_args=arguments)


if_good = [package] if LOCAL else [package, register_step(package)]

# %% [markdown]
# ## The decision
#
# A **condition** compares what is known when it is reached. `JsonGet` reads the accuracy out of the
# property file. And the bar is a parameter, so that it can be raised without touching the pipeline.
#
# What if the answer is no? Then the pipeline could just end, and be `Succeeded`, and nobody would
# notice for weeks that no model comes any more. A **fail step** makes the execution `Failed`, and
# says why in your words.

# %%
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep

# task 14.4 begin
refuse = FailStep(
    "Refuse",
    error_message=Join(on=" ", values=["The accuracy", accuracy, "is below", accuracy_bar]),
)
good_enough = ConditionStep(
    "GoodEnough",
    conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=accuracy_bar)],
    if_steps=if_good,
    else_steps=[refuse],
)
# task 14.4 end

# %% [markdown]
# ## Start it, with a slip
#
# Let us not wait for a mistake, and make one: in a copy of `package.py`, one letter of a file name
# is missing. Everything before it is right, and takes its time.

# %%
import pathlib
import shutil
import tempfile

from pictures import watch
from sagemaker.workflow.pipeline import Pipeline


def pipeline_of(last):
    """The pipeline with this as its last step."""
    return Pipeline(
        name="lab4-digits-register",
        parameters=[epochs, raw_data, accuracy_bar],
        steps=[preprocess, train, evaluate, last],
        sagemaker_session=sagemaker_session,
    )


def reasons(execution):
    """The steps that failed, and why."""
    for step in execution.list_steps():
        if step["StepStatus"] == "Failed":
            print(f"{step['StepName']}: {step['FailureReason']}")


broken = pathlib.Path(tempfile.mkdtemp(), "script_package")
if not LOCAL:
    shutil.copytree("script_package", broken)
    script = broken / "package.py"
    script.write_text(script.read_text().replace("best_checkpoint", "best_chekpoint"))

    pipeline = pipeline_of(package_step(str(broken)))
    pipeline.upsert(role_arn=role)
    execution = pipeline.start()
    print(watch(pipeline, execution))
    reasons(execution)

# %% [markdown]
# Three steps have succeeded, and their results are kept. What now? There are two ways to go on.
#
# **Retry** starts the same execution again, from the step that failed. That is right when the
# *world* was wrong: an instance was lost, a quota was full, a bucket was not yet allowed. It is no
# help here. The execution keeps its definition, and the definition names the script as it was:

# %%
if not LOCAL:
    client = sagemaker_session.sagemaker_client
    client.retry_pipeline_execution(
        PipelineExecutionArn=execution.arn,
        ClientRequestToken=sagemaker.utils.name_from_base("retry-of-it"),
    )
    print(watch(pipeline, execution))
    reasons(execution)

# %% [markdown]
# When the *code* was wrong: mend it, `upsert`, and **start** again. It is another execution, but
# not all of it runs again. Thanks to `cache` it goes on where the broken one stopped. Look at the
# picture: which steps are from the cache?

# %%
pipeline = pipeline_of(good_enough)
pipeline.upsert(role_arn=role)
execution = pipeline.start()
print(watch(pipeline, execution))

# %% tags=["starter-only"]
# These look at the pipeline, and at the execution that you have just started.
workshop.check("14.3")
workshop.check("14.4")

# %% [markdown]
# ## Raise the bar
#
# The same pipeline, and a bar that nobody can reach. All three jobs are from the cache, so the
# answer is here at once. (Local mode has no cache, and would train once more.)

# %%
if not LOCAL:
    refused = pipeline.start(parameters={"AccuracyBar": 0.9999})
    print(watch(pipeline, refused))
    reasons(refused)

# %% [markdown]
# It is `Failed`, and that is right. On AWS, EventBridge can tell whoever looks after the pipeline.

# %% [markdown]
# ## What the registry knows
#
# All versions, the newest first. `describe_model_package` tells all that was registered.

# %%
import json

import pandas as pd
from sagemaker.s3 import S3Downloader

versions = []
if not LOCAL:
    client = sagemaker_session.sagemaker_client
    listed = client.list_model_packages(
        ModelPackageGroupName=GROUP, SortBy="CreationTime", SortOrder="Descending"
    )["ModelPackageSummaryList"]
    versions = [
        client.describe_model_package(ModelPackageName=one["ModelPackageArn"]) for one in listed
    ]
pd.DataFrame(
    {
        "version": one["ModelPackageVersion"],
        "status": one["ModelApprovalStatus"],
        **one["CustomerMetadataProperties"],
    }
    for one in versions
)

# %% [markdown]
# The metrics are more than one number. They are where the registry says:

# %%
if LOCAL:
    execution_id = execution.describe()["PipelineExecutionArn"].rpartition("/")[2]
    found = S3Downloader.list(f"s3://{bucket}/Lab4/Executions/", sagemaker_session)
    ending = f"/{execution_id}/Evaluation/metrics.json"
    (metrics_at,) = (uri for uri in found if uri.endswith(ending))
else:
    newest = versions[0]
    metrics_at = newest["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
registered = json.loads(S3Downloader.read_file(metrics_at, sagemaker_session))
registered = registered["multiclass_classification_metrics"]
for name in ("accuracy", "weighted_precision", "weighted_recall"):
    print(f"{name:18} {registered[name]['value']:.4f}")

# %% [markdown]
# ## Approve it
#
# A rule can say that a model is not bad. Whether it is used is for a person to say, who has looked
# at more than one number. Who says so, and why, stays with the version: `ApprovalDescription`.
#
# On AWS an approval can start something: EventBridge tells of it, and a deployment begins. Here, in
# the next two notebooks, the approved version is the one that is used.

# %%
if not LOCAL:
    newest_arn = newest["ModelPackageArn"]
    # task 14.5 begin
    client.update_model_package(
        ModelPackageArn=newest_arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="The accuracy is well above the bar, and the worst mistakes are few.",
    )
    # task 14.5 end
    approved = client.describe_model_package(ModelPackageName=newest_arn)
    print(f"version {approved['ModelPackageVersion']}: {approved['ModelApprovalStatus']}")

# %% tags=["starter-only"]
workshop.check("14.5")

# %% tags=["key-figure"]
print(f"registered with test accuracy {registered['accuracy']['value']:.3f}")

# %% [markdown]
# ## To take away
#
# - A pipeline decides by a rule, says so in its status, and keeps the reason.
# - Retry when the world was wrong. Mend, `upsert` and start when the code was wrong; the cache
#   saves what was right.
# - The cache looks at arguments, not at data. Say how long you trust it.
# - A version in the registry is a model with its metrics and its origin. A person approves it.
#
# Read more:
# [caching](https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html) ·
# [conditions](https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html) ·
# [model registry](https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry.html)
#
# Next: [15-batch-transform.ipynb](15-batch-transform.ipynb).
