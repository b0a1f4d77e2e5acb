"""The types of a pipeline's steps: what each of them makes.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
"""

from __future__ import annotations

from dataclasses import dataclass

CONDITION, FAIL = "Condition", "Fail"


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
    "Callback": "do in a processing step what waits for somebody else",
    "Lambda": "do in a processing step what the function does",
    "EMR": "use a processing step with the Spark image",
    "EMRServerless": "use a processing step with the Spark image",
    "QualityCheck": "compare the statistics in a processing step",
    "ClarifyCheck": "look for bias in a processing step",
    "AutoML": "use a tuning step",
    "NotebookJob": "run the notebook in a processing step",
}
TYPES = {*MADE, CONDITION, FAIL}
