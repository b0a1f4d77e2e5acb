"""The types of a pipeline's steps: what each of them makes.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
"""

from __future__ import annotations

from dataclasses import dataclass

CONDITION, FAIL, CALLBACK = "Condition", "Fail", "Callback"


@dataclass(frozen=True)
class Made:
    """A type of step that makes a resource, and waits until it has ended."""

    operation: str
    """Which makes it."""
    name_member: str
    """The member of the request with the resource's name."""
    described: str
    """The shape of its properties: what Describe answers."""
    cached_by: tuple[str, ...] = ()
    """The arguments that count for caching; none: the step is never taken from the cache.
    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html"""
    arn_member: str = ""
    """The member of the answer with its ARN."""
    metadata: str = ""
    """The member of a step's metadata (API_PipelineExecutionStepMetadata)."""
    traced: bool = False
    """Whether it belongs to the pipeline's experiment."""
    longest_name: int = 63
    """How many characters a name has at most."""
    listed: str = ""
    """The shape of further properties: what a List operation answers."""


MADE = {
    "Processing": Made(
        "CreateProcessingJob",
        "ProcessingJobName",
        "DescribeProcessingJobResponse",
        ("AppSpecification", "Environment", "ProcessingInputs"),
        "ProcessingJobArn",
        "ProcessingJob",
        traced=True,
    ),
    "Training": Made(
        "CreateTrainingJob",
        "TrainingJobName",
        "DescribeTrainingJobResponse",
        (
            "AlgorithmSpecification",
            "CheckpointConfig",
            "DebugHookConfig",
            "DebugRuleConfigurations",
            "Environment",
            "HyperParameters",
            "InputDataConfig",
        ),
        "TrainingJobArn",
        "TrainingJob",
        traced=True,
    ),
    "Tuning": Made(
        "CreateHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "DescribeHyperParameterTuningJobResponse",
        ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
        "HyperParameterTuningJobArn",
        "TuningJob",
        longest_name=32,
        listed="ListTrainingJobsForHyperParameterTuningJobResponse",
    ),
    "Transform": Made(
        "CreateTransformJob",
        "TransformJobName",
        "DescribeTransformJobResponse",
        ("DataProcessing", "Environment", "ModelName", "TransformInput"),
        "TransformJobArn",
        "TransformJob",
        traced=True,
    ),
    "Model": Made("CreateModel", "ModelName", "DescribeModelOutput", (), "ModelArn", "Model"),
    "RegisterModel": Made(
        "CreateModelPackage",
        "ModelPackageName",
        "DescribeModelPackageOutput",
        (),
        "ModelPackageArn",
        "RegisterModel",
    ),
}
#: What is refused when a pipeline is made, and what to do instead.
REFUSED = {
    "Lambda": "do in a processing step, or in a function with @step, what the function does",
    "EMR": "use a processing step with the Spark image",
    "EMRServerless": "use a processing step with the Spark image",
    "QualityCheck": "compare the statistics in a processing step",
    "ClarifyCheck": "look for bias in a processing step",
    "AutoML": "use a tuning step",
    "NotebookJob": "run the notebook in a processing step",
    "EndpointConfig": "deploy the model when the execution has ended",
    "Endpoint": "deploy the model when the execution has ended",
    "InferenceComponent": "deploy the model when the execution has ended",
    "Lineage": "the trial component of a job names its inputs and outputs",
}
#: The program of a NotebookJob, which the SDK writes as a training step (``sagemaker/workflow/
#: notebook_job_step.py``).
NOTEBOOK = ["amazon_sagemaker_scheduler"]
TYPES = {*MADE, CONDITION, FAIL, CALLBACK}
