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
# # 13 · One pipeline of three jobs
#
# In Lab 2 the order of the three jobs is in your head. Notebook 4 has to run before 5, and 5 before
# 6. Each one looks up in S3 what the one before it left. Who else could run them? And who will know
# in half a year which model came from which data?
#
# A **pipeline** is the three jobs and their order, kept by SageMaker. Anybody who may start it can
# start it: by a click, by one line of code, by the clock. The scripts are those of Lab 2. Not a
# letter of them changes.
#
# **The goal:** a pipeline `lab4-digits` that goes from the raw images to the test accuracy. It has
# parameters, and each of its executions keeps its files apart from all the others.

# %% [markdown]
# ```mermaid
# flowchart LR
#     raw[("S3: Lab4/<br>RawData/")] --> pre
#     subgraph pipeline["pipeline lab4-digits"]
#         pre["Preprocess<br>processing job"] -- "X_train, y_train<br>X_val, y_val" --> train
#         train["Train<br>training job"]
#         train -- "model.tar.gz" --> eval["Evaluate<br>processing job"]
#         pre -- "X_test, y_test" --> eval
#     end
#     eval --> out[("S3: Lab4/Executions/<br>TIME/ID/Evaluation/<br>metrics.json")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 13.1 to 13.4. It needs nothing of the other labs.

# %% [markdown]
# ## Settings
#
# A pipeline needs a session of its own kind. With it, `run` and `fit` start nothing. They only say
# what would be started, and that becomes a step.

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
print(f"bucket: {bucket}")

# %% [markdown]
# ## Parameters
#
# Whoever starts a pipeline should not have to change its code. What may be different from one
# execution to the next is a **parameter**: it has a name, a type and a default.
#
# Here these are the number of epochs, the size of a batch, and the place of the raw data in S3. The
# last one matters most: next month's images are elsewhere, and the pipeline is the same.

# %%
raw_data_uri = sagemaker_session.upload_data(
    str(workshop.ROOT / RAW_DATA), bucket, key_prefix="Lab4/RawData"
)

# %%
from sagemaker.workflow.parameters import ParameterInteger, ParameterString

# task 13.1 begin
epochs = ParameterInteger("Epochs", default_value=30)
batch_size = ParameterInteger("BatchSize", default_value=32)
raw_data = ParameterString("RawData", default_value=raw_data_uri)
# task 13.1 end
for parameter in (epochs, batch_size, raw_data):
    print(f"{parameter.name:10} {parameter.parameter_type.value:8} {parameter.default_value}")

# %% tags=["starter-only"]
workshop.check("13.1")

# %% [markdown]
# A parameter is no number and no text yet. `f"{raw_data}/train"` is refused, and `epochs + 1` too:
# the value is known when somebody starts the pipeline, not now. It is a place that SageMaker fills.

# %% [markdown]
# ## A place for each execution
#
# In Lab 2 a second run wrote over the files of the first. Here each execution has a place of its
# own: when it was started, and its id. Both are known when it starts, and not before. So SageMaker
# puts the text together: `Join` is for a pipeline what `"/".join` is for Python.

# %%
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.functions import Join

run_uri = Join(
    on="/",
    values=[
        f"s3://{bucket}/Lab4/Executions",
        ExecutionVariables.START_DATETIME,
        ExecutionVariables.PIPELINE_EXECUTION_ID,
    ],
)

# %% [markdown]
# ## The first step: Preprocess
#
# It is notebook 4 again. Only two things are new: the input is a parameter, and the outputs are
# below `run_uri`. Look at the end: `run` gives arguments for a step, and no job is started.

# %%
import re
import shutil

from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

requirements = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
for folder in ("script_processing", "script_train", "script_evaluation"):
    shutil.copy(requirements, f"{folder}/requirements.txt")
framework_version = re.search(r"^tensorflow\S*?==([\d.]+)", requirements.read_text(), re.M)[1]

quiet = {"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}  # quiet logs
common = {
    "framework_version": framework_version,
    "py_version": "py312",
    "role": role,
    "instance_type": instance_type,
    "instance_count": 1,
    "sagemaker_session": sagemaker_session,
}

preprocess = ProcessingStep(
    name="Preprocess",
    step_args=TensorFlowProcessor(base_job_name="lab4-preprocessing", env=quiet, **common).run(
        code="preprocessing.py",
        source_dir="script_processing",
        inputs=[ProcessingInput(source=raw_data, destination="/opt/ml/processing/source_data")],
        outputs=[
            ProcessingOutput(
                output_name=name,
                source=f"/opt/ml/processing/{part}/{name}",
                destination=Join(on="/", values=[run_uri, "DataProcessed", part, name]),
            )
            for part, name in (
                ("train", "X_train"),
                ("train", "y_train"),
                ("validation", "X_val"),
                ("validation", "y_val"),
                ("test", "X_test"),
                ("test", "y_test"),
            )
        ],
    ),
)

# %% [markdown]
# ## The second step: Train
#
# Where are the training images? In Lab 2 you wrote the address down a second time. One letter
# wrong, and the training reads the images of last week. In a pipeline you do not write it down at
# all: you ask the step that makes them.
#
# `preprocess.properties` is what `describe` will say of the job, once it has run. All that
# [DescribeProcessingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html)
# answers is there, with the same names. A list of outputs is asked by the name of the output:
#
# ```python
# preprocess.properties.ProcessingOutputConfig.Outputs["y_test"].S3Output.S3Uri
# ```
#
# And that is all it needs to get the order right: who reads from `Preprocess` waits for it.

# %%
from sagemaker.inputs import TrainingInput

outputs = preprocess.properties.ProcessingOutputConfig.Outputs

# task 13.2 begin
channels = {
    name: TrainingInput(outputs[name].S3Output.S3Uri)
    for name in ("X_train", "y_train", "X_val", "y_val")
}
# task 13.2 end
for name, channel in channels.items():
    uri = getattr(channel, "config", {}).get("DataSource", {}).get("S3DataSource", {}).get("S3Uri")
    print(name, getattr(uri, "expr", uri or channel))

# %% tags=["starter-only"]
workshop.check("13.2")

# %% [markdown]
# The checkpoints are below `run_uri` too. An execution that fails can be *retried*, and it keeps
# its id. So a retried training finds the checkpoints of its first try, and goes on from there: what
# you built in section 5 is at work here.

# %%
checkpointing = {}
if not LOCAL:  # local mode has no checkpoints in S3
    checkpointing = {
        "checkpoint_s3_uri": Join(on="/", values=[run_uri, "Checkpoints"]),
        "checkpoint_local_path": "/opt/ml/checkpoints",
        "use_spot_instances": True,
        "max_run": 3600,
        "max_wait": 7200,
    }

train = TrainingStep(
    name="Train",
    step_args=TensorFlow(
        entry_point="main.py",
        source_dir="script_train",
        base_job_name="lab4-training",
        hyperparameters={"epochs": epochs, "batch-size": batch_size},
        metric_definitions=[
            {"Name": "train:loss", "Regex": r" loss=([0-9.]+)"},
            {"Name": "validation:loss", "Regex": r" val_loss=([0-9.]+)"},
            {"Name": "validation:accuracy", "Regex": r" val_accuracy=([0-9.]+)"},
        ],
        output_path=f"s3://{bucket}/Lab4/Training/",
        model_dir=False,
        environment=quiet,
        **checkpointing,
        **common,
    ).fit(channels),
)

# %% [markdown]
# ## The third step: Evaluate
#
# It reads from both steps: the model from `Train`, the test images from `Preprocess`. What a
# training job leaves is in `train.properties.ModelArtifacts`, as in
# [DescribeTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html).

# %%
evaluation_uri = Join(on="/", values=[run_uri, "Evaluation"])
evaluator = TensorFlowProcessor(base_job_name="lab4-evaluation", env=quiet, **common)

# task 13.3 begin
evaluate = ProcessingStep(
    name="Evaluate",
    step_args=evaluator.run(
        code="evaluation.py",
        source_dir="script_evaluation",
        inputs=[
            ProcessingInput(
                input_name="model",
                source=train.properties.ModelArtifacts.S3ModelArtifacts,
                destination="/opt/ml/processing/model",
            ),
            ProcessingInput(
                input_name="X_test",
                source=outputs["X_test"].S3Output.S3Uri,
                destination="/opt/ml/processing/test/X_test",
            ),
            ProcessingInput(
                input_name="y_test",
                source=outputs["y_test"].S3Output.S3Uri,
                destination="/opt/ml/processing/test/y_test",
            ),
        ],
        outputs=[
            ProcessingOutput(
                output_name="evaluation",
                source="/opt/ml/processing/evaluation",
                destination=evaluation_uri,
            )
        ],
    ),
)
# task 13.3 end

# %% [markdown]
# ## The pipeline
#
# A pipeline is its name, its parameters and its steps. `upsert` sends it to SageMaker, which looks
# at all of it before it says yes: a step that reads from a step that is not there is refused now,
# not in an hour. The name of the role says who will start the jobs.
#
# `pipeline_experiment_config` notes each execution in an experiment, as in section 12. So the
# metrics of all executions can be compared later. (The names here are those that the SDK takes by
# itself. They are written down so that you see them.)
#
# To start it costs one line, and says what is different this time.

# %%
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_experiment_config import PipelineExperimentConfig

in_experiment = PipelineExperimentConfig(
    ExecutionVariables.PIPELINE_NAME, ExecutionVariables.PIPELINE_EXECUTION_ID
)

# task 13.4 begin
pipeline = Pipeline(
    name="lab4-digits",
    parameters=[epochs, batch_size, raw_data],
    steps=[preprocess, train, evaluate],
    pipeline_experiment_config=in_experiment,
    sagemaker_session=sagemaker_session,
)
pipeline.upsert(role_arn=role)
execution = pipeline.start(parameters={"Epochs": 12})
# task 13.4 end

# %%
from pictures import watch

status = watch(pipeline, execution)
print(status)

# %% tags=["starter-only"]
# These look at the pipeline, and at the execution that you have just started.
workshop.check("13.3")
workshop.check("13.4")

# %% [markdown]
# ## Where everything is
#
# Each step names the job that it started. From there on all is as in Lab 2: a description, a log in
# CloudWatch, a cost. And the files of this execution lie together, apart from all the others.

# %%
from sagemaker.s3 import S3Downloader

steps = execution.list_steps()
steps = steps["PipelineExecutionSteps"] if LOCAL else steps
for step in sorted(steps, key=lambda step: step["StartTime"]):
    (job,) = step["Metadata"].values()
    print(f"{step['StepName']:11} {step['StepStatus']:10} {job['Arn'].rpartition('/')[2]}")

# %%
found = S3Downloader.list(f"s3://{bucket}/Lab4/Executions/", sagemaker_session)
execution_id = execution.describe()["PipelineExecutionArn"].rpartition("/")[2]
of_this_execution = [uri for uri in found if f"/{execution_id}/" in uri]
for uri in of_this_execution:
    if "/Checkpoints/" not in uri:
        print(uri.removeprefix(f"s3://{bucket}/"))

# %% [markdown]
# ## How good is it?

# %%
import json

(metrics_uri,) = (uri for uri in of_this_execution if uri.endswith("/Evaluation/metrics.json"))
metrics = json.loads(S3Downloader.read_file(metrics_uri, sagemaker_session))
accuracy = metrics["multiclass_classification_metrics"]["accuracy"]["value"]

# %% tags=["key-figure"]
print(f"test accuracy {accuracy:.3f} after 12 epochs")

# %% [markdown]
# ## What SageMaker knows of it
#
# A pipeline is a text: the **definition**. It is what `upsert` has sent. You find the parameters in
# it, and each address that you did not write down: `{"Get": "Steps.Preprocess. …"}`.

# %%
definition = json.loads(pipeline.describe()["PipelineDefinition"])
(train_step,) = (step for step in definition["Steps"] if step["Name"] == "Train")
print(json.dumps(definition["Parameters"], indent=1))
print(json.dumps(train_step["Arguments"]["InputDataConfig"][0], indent=1))

# %% [markdown]
# The definition names the scripts too, by an address with a checksum in it: the scripts as they
# were at `upsert`. Change a script, and the pipeline does not notice. It runs the new one after the
# next `upsert`.
#
# **Try it.** Start the pipeline once more, from a terminal, without this notebook:
#
# ```bash
# ./lab exec -- python -c "import boto3; \
#   boto3.client('sagemaker').start_pipeline_execution(PipelineName='lab4-digits')"
# ```
#
# | | here | on AWS |
# |---|---|---|
# | what a pipeline costs | nothing | nothing: only its jobs cost |
# | the start of an instance | at once | one to four minutes, for each job |
# | the graph while it runs | the picture above | also in Studio, under *Pipelines* |
# | who starts it | you | you, a schedule, an event: EventBridge |

# %% [markdown]
# ## To take away
#
# - A step says what a job needs. Who reads from a step waits for it.
# - What changes from run to run is a parameter. What is known at the start is an execution
#   variable.
# - Addresses are not written down twice: properties carry them from step to step.
# - The scripts know nothing of the pipeline, as they knew nothing of S3.
#
# Read more: [pipelines](https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-overview.html) ·
# [types of
# steps](https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html) · [local
# mode of pipelines](https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-local-mode.html)
#
# Next: [14-register.ipynb](14-register.ipynb).
