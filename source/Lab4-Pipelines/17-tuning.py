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
# # 17 · Tuning: let SageMaker look for the numbers
#
# A learning rate of 0.001, a dropout of 0.4: why these? Somebody tried them once, and they were not
# bad. There may be better ones. But to try means: start a job, wait, write down, think, start the
# next one.
#
# A **tuning job** does that. It starts training jobs with numbers out of ranges that you give,
# reads a metric out of their logs, and chooses the next numbers by what it has seen.
#
# **The goal:** eight trials, and the best of them. Then the search as a step of a pipeline: its
# model is compared with the one in the registry.

# %% [markdown]
# ```mermaid
# flowchart LR
#     ranges["ranges:<br>learning-rate, dropout"] --> choose
#     subgraph tuning["tuning job"]
#         choose["choose the<br>next numbers"] -- "two numbers" --> trial["training job"]
#         trial -- "validation:accuracy" --> choose
#     end
#     trial --> best["the best job:<br>model.tar.gz"]
#     best --> evaluate["Evaluate"]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 17.1 to 17.4. It needs the arrays that section 13 or 14 leaves:
# `./lab run Lab4` leaves them, if yours are not ready.

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
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.m5.xlarge"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}")

# %% [markdown]
# ## The script takes the numbers
#
# `script_tuning/main.py` is the training of Lab 2 without its checkpoints: a trial is short. What
# we look for has to come from outside, as a hyperparameter. And the script has to print the metric,
# since the log is where the tuning job reads it.
#
# One argument has another name than in Lab 2: `--model_dir`. On AWS, TensorFlow's image gives it to
# every trial of a tuning job, also where the estimator says `model_dir=False`: then it is
# `None/JOB/model`, which is no use. So the estimator names the folder that SageMaker packs,
# `/opt/ml/model`.

# %% [markdown] tags=["starter-only"]
# **Task 17.1 is in `script_tuning/main.py`.** Fill the gap, save the file and come back.

# %% tags=["starter-only"]
workshop.check("17.1")

# %%
from digits_pipeline import QUIET, machine, newest
from sagemaker.tensorflow import TensorFlow

data = newest(sagemaker_session, "/X_train.npy").partition("/train/")[0]
channels = {
    "X_train": f"{data}/train/X_train",
    "y_train": f"{data}/train/y_train",
    "X_val": f"{data}/validation/X_val",
    "y_val": f"{data}/validation/y_val",
}

definitions = [
    {"Name": "validation:loss", "Regex": r" val_loss=([0-9.]+)"},
    {"Name": "validation:accuracy", "Regex": r" val_accuracy=([0-9.]+)"},
]


def estimator(session):
    """What each trial is: an estimator, without the numbers that are looked for."""
    return TensorFlow(
        entry_point="main.py",
        source_dir="script_tuning",
        base_job_name="lab4-tuning",
        hyperparameters={"epochs": 8, "batch-size": 32},
        metric_definitions=definitions,
        output_path=f"s3://{bucket}/Lab4/Tuning/",
        model_dir="/opt/ml/model",
        environment=QUIET,
        **machine(session, instance_type, "script_tuning"),
    )


# %% [markdown]
# ## Where to look
#
# | range | for | here |
# |---|---|---|
# | `ContinuousParameter` | any number between two | both |
# | `IntegerParameter` | a whole number between two | |
# | `CategoricalParameter` | one of a list | |
#
# **The scale matters.** A learning rate may be 0.0001 or 0.1. On a *linear* scale, nine of ten
# trials would be above 0.01, where this network learns little. On a *logarithmic* one, each power
# of ten gets as many trials as the next.
#
# | strategy | how it chooses | |
# |---|---|---|
# | `Bayesian` | by what the trials so far have shown | few trials, a few at the same time |
# | `Random` | by chance | as many at the same time as you like |
# | `Grid` | all combinations of lists | few categories |
# | `Hyperband` | many short trials, the good ones go on | long trainings |
#
# Eight trials, two at the same time: the more run at once, the less a Bayesian search has seen when
# it chooses. The SDK ends the name of the job with the minute, so wait a moment before you run the
# cell a second time. (Local mode knows no tuning jobs. There we run one trial, to see that the
# script works.)

# %%
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

if LOCAL:
    trial = estimator(sagemaker_session)
    trial.set_hyperparameters(**{"learning-rate": 0.003, "dropout": 0.3})
    trial.fit(channels, logs="None")
else:
    # task 17.2 begin
    tuner = HyperparameterTuner(
        estimator(sagemaker_session),
        objective_metric_name="validation:accuracy",
        objective_type="Maximize",
        metric_definitions=definitions,
        hyperparameter_ranges={
            "learning-rate": ContinuousParameter(1e-4, 1e-1, scaling_type="Logarithmic"),
            "dropout": ContinuousParameter(0.1, 0.7),
        },
        strategy="Bayesian",
        max_jobs=8,
        max_parallel_jobs=2,
        base_tuning_job_name="lab4-tuning",
    )
    # task 17.2 end
    tuner.fit(channels, wait=False)
    tuner.wait()

# %% tags=["starter-only"]
# This looks at the tuning job that you have just run.
workshop.check("17.2")

# %% [markdown]
# ## What it found
#
# `analytics().dataframe()` has a row for each trial: its numbers, its metric, its seconds.

# %%
import pandas as pd

trials, best_job = pd.DataFrame(), None
if not LOCAL:
    # task 17.3 begin
    trials = tuner.analytics().dataframe()
    trials = trials.sort_values("FinalObjectiveValue", ascending=False)
    best_job = tuner.best_training_job()
    # task 17.3 end
    print(f"the best: {best_job}")
trials.filter(["learning-rate", "dropout", "FinalObjectiveValue", "TrainingElapsedTimeSeconds"])

# %% tags=["starter-only"]
workshop.check("17.3")

# %%
import matplotlib.pyplot as plt

if not LOCAL:
    order = trials.sort_values("TrainingStartTime").reset_index(drop=True)
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3))
    shown = axes[0].scatter(
        order["learning-rate"],
        order["dropout"],
        c=order["FinalObjectiveValue"],
        s=130,
        cmap="viridis",
        edgecolors="gray",
    )
    middle = (order["FinalObjectiveValue"].min() + order["FinalObjectiveValue"].max()) / 2
    for number, row in order.iterrows():
        place = (row["learning-rate"], row["dropout"])
        color = "white" if row["FinalObjectiveValue"] < middle else "black"
        axes[0].annotate(number + 1, place, ha="center", va="center", color=color)
    axes[0].set(xscale="log", xlabel="learning-rate", ylabel="dropout", title="where it looked")
    figure.colorbar(shown, label="validation accuracy")
    values = order["FinalObjectiveValue"]
    axes[1].plot(values.index + 1, values, "o", label="trial")
    axes[1].step(values.index + 1, values.cummax(), where="post", label="the best so far")
    axes[1].set(xlabel="trial", title="validation accuracy")
    axes[1].legend()
    plt.tight_layout()
    plt.show()

# %% [markdown]
# ## In a pipeline
#
# Next month there are new images, and the best numbers may be others. So the search belongs in the
# pipeline: a **TuningStep** in the place of the training step. `get_top_model_s3_uri` is the
# model of the best trial. It is a place to be filled in, as all addresses in a pipeline.
#
# Four trials are enough to see it work. `Evaluate` is the step of section 13, and does not know
# that its model has been chosen.

# %%
from digits_pipeline import array, evaluate_step, preprocess_step
from pictures import watch
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import CacheConfig, TuningStep

if not LOCAL:
    session = PipelineSession()
    raw_data_uri = session.upload_data(
        str(workshop.ROOT / RAW_DATA), bucket, key_prefix="Lab4/RawData"
    )
    cache = CacheConfig(enable_caching=True, expire_after="P7D")
    preprocess = preprocess_step(session, instance_type, raw_data_uri, cache)
    arguments = HyperparameterTuner(
        estimator(session),
        objective_metric_name="validation:accuracy",
        metric_definitions=definitions,
        hyperparameter_ranges={
            "learning-rate": ContinuousParameter(3e-4, 1e-2, scaling_type="Logarithmic"),
            "dropout": ContinuousParameter(0.1, 0.5),
        },
        max_jobs=4,
        max_parallel_jobs=2,
    ).fit({name: array(preprocess, name) for name in channels})

    # task 17.4 begin
    tune = TuningStep("Tune", step_args=arguments)
    best_uri = tune.get_top_model_s3_uri(0, bucket, prefix="Lab4/Tuning")
    # task 17.4 end
    evaluate = evaluate_step(session, instance_type, preprocess, best_uri)
    pipeline = Pipeline(
        "lab4-digits-tuning", steps=[preprocess, tune, evaluate], sagemaker_session=session
    )
    pipeline.upsert(role_arn=role)
    execution = pipeline.start()
    print(watch(pipeline, execution))

# %% tags=["starter-only"]
# This looks at the pipeline, and at the execution that you have just started.
workshop.check("17.4")

# %% [markdown]
# ## Is it better?
#
# The best trial of the pipeline was chosen by the *validation* images. So it looks better on them
# than it is: of many dice, the highest shows more than the mean. Only the test images, which chose
# nothing, can tell.

# %%
import json

from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.s3 import S3Downloader
from sagemaker.tensorflow import TensorFlowProcessor


def test_accuracy(uri):
    text = S3Downloader.read_file(uri, sagemaker_session)
    return json.loads(text)["multiclass_classification_metrics"]["accuracy"]["value"]


if LOCAL:  # no search, no registry: the test accuracy of the one trial, by the script of Lab 2
    settings = machine(sagemaker_session, instance_type, "script_evaluation")
    processor = TensorFlowProcessor(base_job_name="lab4-evaluation", env=QUIET, **settings)
    inputs = {"model": trial.model_data}
    inputs |= {f"test/{name}": f"{data}/test/{name}" for name in ("X_test", "y_test")}
    evaluation_uri = f"s3://{bucket}/Lab4/Tuning/Evaluation"
    processor.run(
        code="evaluation.py",
        source_dir="script_evaluation",
        inputs=[
            ProcessingInput(source=uri, destination=f"/opt/ml/processing/{folder}")
            for folder, uri in inputs.items()
        ],
        outputs=[
            ProcessingOutput(source="/opt/ml/processing/evaluation", destination=evaluation_uri)
        ],
        logs=False,
    )
    tuned = test_accuracy(f"{evaluation_uri}/metrics.json")
else:
    found = S3Downloader.list(f"s3://{bucket}/Lab4/Executions/", sagemaker_session)
    execution_id = execution.arn.rpartition("/")[2]
    (tuned_uri,) = (
        uri
        for uri in found
        if f"/{execution_id}/Evaluation/" in uri and uri.endswith("metrics.json")
    )
    tuned = test_accuracy(tuned_uri)
    print(f"tuned,     8 epochs:   test accuracy {tuned:.4f}")
    client = sagemaker_session.sagemaker_client
    versions = client.list_model_packages(
        ModelPackageGroupName="lab4-digits",
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    for version in versions[:1]:
        about = client.describe_model_package(ModelPackageName=version["ModelPackageArn"])
        epochs = about["CustomerMetadataProperties"]["epochs"]
        accuracy = test_accuracy(about["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
        print(f"approved, {epochs:2} epochs:   test accuracy {accuracy:.4f}")

# %% tags=["key-figure"]
print(f"test accuracy {tuned:.3f}")

# %% [markdown]
# ## What it costs
#
# Eight trials cost what eight trainings cost, and the search nothing. A limit is the best
# protection: `max_jobs`, and `max_run` in the estimator. With `early_stopping_type="Auto"`, a trial
# that falls behind is ended early.
#
# | | here | on AWS |
# |---|---|---|
# | who chooses | [Optuna](https://optuna.org), a library | SageMaker's own search |
# | two trials at once | share this machine | have a machine each |
# | the quota | as many instances as `max_parallel_jobs` | the same |
#
# ## To take away
#
# - What is looked for is a hyperparameter, and what is wanted is a line in the log.
# - Learning rates live on a logarithmic scale.
# - On the validation set, the best of many looks better than it is. The test set decides.
# - A tuning step stands where a training step stood.
#
# Read more: [tuning](https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning.html) ·
# [how it
# works](https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html)
