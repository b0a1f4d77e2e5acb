"""The three steps of section 13, and what they leave, for the notebooks that go on from there.

session: a PipelineSession or a LocalPipelineSession
instance_type: what the jobs run on, like "ml.m5.xlarge" or "local"
cache: a CacheConfig, or None
"""

import re
import shutil

import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.functions import Join
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

import workshop

REQUIREMENTS = workshop.ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
QUIET = {"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}  # quiet logs

ARRAYS = {  # what the preprocessing makes, and for what
    "X_train": "train",
    "y_train": "train",
    "X_val": "validation",
    "y_val": "validation",
    "X_test": "test",
    "y_test": "test",
}


def place(session, *parts):
    """Return the S3 URI of a folder that each execution has for itself."""
    start, identity = ExecutionVariables.START_DATETIME, ExecutionVariables.PIPELINE_EXECUTION_ID
    top = f"s3://{session.default_bucket()}/Lab4/Executions"
    return Join(on="/", values=[top, start, identity, *parts])


def newest(session, ending):
    """Return the S3 URI of the newest object of all executions whose key ends so.

    The newest one by its time: local mode writes the start of an execution in another form.
    """
    bucket = session.boto_session.resource("s3").Bucket(session.default_bucket())
    found = [
        one for one in bucket.objects.filter(Prefix="Lab4/Executions/") if one.key.endswith(ending)
    ]
    assert found, f"No execution has left {ending}: run 13-pipeline and 14-register first"
    return f"s3://{bucket.name}/{max(found, key=lambda one: one.last_modified).key}"


def machine(session, instance_type, folder):
    """Return the settings that all jobs share; the script folder gets its requirements.txt."""
    shutil.copy(REQUIREMENTS, f"{folder}/requirements.txt")
    version = re.search(r"^tensorflow\S*?==([\d.]+)", REQUIREMENTS.read_text(), re.M)[1]
    return {
        "framework_version": version,
        "py_version": "py312",
        "role": sagemaker.get_execution_role(session),
        "instance_type": instance_type,
        "instance_count": 1,
        "sagemaker_session": session,
    }


def array(preprocess, name):
    """Return the S3 URI of an array that the step Preprocess makes."""
    return preprocess.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def preprocess_step(session, instance_type, raw_data, cache=None):
    """raw images in, six arrays out; raw_data is an S3 URI or a parameter"""
    settings = machine(session, instance_type, "script_processing")
    processor = TensorFlowProcessor(base_job_name="lab4-preprocessing", env=QUIET, **settings)
    outputs = [
        ProcessingOutput(
            output_name=name,
            source=f"/opt/ml/processing/{part}/{name}",
            destination=place(session, "DataProcessed", part, name),
        )
        for name, part in ARRAYS.items()
    ]
    arguments = processor.run(
        code="preprocessing.py",
        source_dir="script_processing",
        inputs=[ProcessingInput(source=raw_data, destination="/opt/ml/processing/source_data")],
        outputs=outputs,
    )
    return ProcessingStep("Preprocess", step_args=arguments, cache_config=cache)


def channels(preprocess):
    """Return the four channels of a training."""
    names = ("X_train", "y_train", "X_val", "y_val")
    return {name: TrainingInput(array(preprocess, name)) for name in names}


def train_step(session, instance_type, preprocess, hyperparameters, cache=None):
    """the arrays for training and validation in, model.tar.gz out"""
    estimator = TensorFlow(
        entry_point="main.py",
        source_dir="script_train",
        base_job_name="lab4-training",
        hyperparameters=hyperparameters,
        output_path=f"s3://{session.default_bucket()}/Lab4/Training/",
        model_dir=False,
        environment=QUIET,
        **machine(session, instance_type, "script_train"),
    )
    arguments = estimator.fit(channels(preprocess))
    return TrainingStep("Train", step_args=arguments, cache_config=cache)


def evaluate_step(session, instance_type, preprocess, model_uri, metrics=None, cache=None):
    """a model.tar.gz and the test images in, metrics.json out; metrics is a PropertyFile for it"""
    settings = machine(session, instance_type, "script_evaluation")
    processor = TensorFlowProcessor(base_job_name="lab4-evaluation", env=QUIET, **settings)
    inputs = {"model": model_uri}
    inputs |= {f"test/{name}": array(preprocess, name) for name in ("X_test", "y_test")}
    arguments = processor.run(
        code="evaluation.py",
        source_dir="script_evaluation",
        inputs=[
            ProcessingInput(
                input_name=folder.rpartition("/")[2],
                source=uri,
                destination=f"/opt/ml/processing/{folder}",
            )
            for folder, uri in inputs.items()
        ],
        outputs=[
            ProcessingOutput(
                output_name="evaluation",
                source="/opt/ml/processing/evaluation",
                destination=place(session, "Evaluation"),
            )
        ],
    )
    files = [metrics] if metrics else None
    return ProcessingStep("Evaluate", step_args=arguments, property_files=files, cache_config=cache)
