"""What of SageMaker's API is played, what is refused, and what is accepted without an effect.

``docs/operations.md`` is made from this file (``./lab build``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_REFERENCE = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_{}.html"

#: The operations that are played, by what they are about.
PLAYED = {
    "Processing jobs": (
        "CreateProcessingJob",
        "DescribeProcessingJob",
        "ListProcessingJobs",
        "StopProcessingJob",
        "DeleteProcessingJob",
    ),
    "Training jobs": (
        "CreateTrainingJob",
        "DescribeTrainingJob",
        "ListTrainingJobs",
        "UpdateTrainingJob",
        "StopTrainingJob",
        "DeleteTrainingJob",
    ),
    "Experiments": (
        "CreateExperiment",
        "DescribeExperiment",
        "ListExperiments",
        "UpdateExperiment",
        "DeleteExperiment",
        "CreateTrial",
        "DescribeTrial",
        "ListTrials",
        "UpdateTrial",
        "DeleteTrial",
        "CreateTrialComponent",
        "DescribeTrialComponent",
        "ListTrialComponents",
        "UpdateTrialComponent",
        "DeleteTrialComponent",
        "AssociateTrialComponent",
        "DisassociateTrialComponent",
        "BatchPutMetrics",
    ),
    "Tags and search": ("AddTags", "ListTags", "DeleteTags", "Search"),
}

#: Services beside SageMaker that moto plays truly, since they only keep what they are told: the
#: name in a signature, moto's name, and the title.
SERVICES = {
    "s3": ("s3", "S3"),
    "iam": ("iam", "IAM"),
    "sts": ("sts", "STS"),
    "ecr": ("ecr", "ECR"),
    "logs": ("logs", "CloudWatch Logs"),
    "monitoring": ("cloudwatch", "CloudWatch"),
}
#: Operations of these that moto would answer with a constant.
CONSTANT = ("GetSessionToken", "GetFederationToken")

#: What to do instead of an operation that is refused: what it is about, a pattern of its name, the
#: advice.
INSTEAD = (
    (
        "Batch transform",
        "TransformJob",
        "run the model over the files in a processing job, as section 6 does",
    ),
    (
        "Models and endpoints",
        "Endpoint|Inference|^(Create|Describe|Delete|List)Models?$|ModelMetadata",
        "load model.tar.gz in the notebook or in a processing job, and call the model there",
    ),
    (
        "Pipelines",
        "Pipeline",
        "start one job after the other from one program, as section 7 does",
    ),
    (
        "Hyperparameter tuning",
        "HyperParameterTuning",
        "start a training job for each choice, and compare their FinalMetricDataList",
    ),
    (
        "Model registry",
        "ModelPackage|ModelCard|Algorithm",
        "keep the address of model.tar.gz and its metrics in a trial component, as section 12 does",
    ),
    (
        "Notebooks and Studio",
        "Notebook|Domain|UserProfile|Space|App|Studio|CodeRepositor",
        "./lab start opens JupyterLab on this machine",
    ),
    (
        "Lineage",
        "Artifact|Action|Context|Association|Lineage",
        "the trial component of a job names its inputs and outputs",
    ),
    ("MLflow", "Mlflow", "log to a trial component, as section 12 does"),
    ("Feature store", "Feature", "keep the features as files in S3"),
    (
        "Monitoring, Clarify",
        "Monitoring|JobDefinition",
        "compare the data in a processing job of your own",
    ),
    ("AutoML", "AutoML|CandidatesFor", "start training jobs of your own, compare their metrics"),
)

#: Members of a request that are accepted and have no effect here, with the reason. A member that
#: is false, empty or "None" is not told of. ``[]`` stands for each member of a list.
_OF_DEBUGGER = "Debugger and Profiler do not run here"
_NOT_ENCRYPTED = "nothing is encrypted on this machine"
_ONE_MACHINE = "all hosts are on this machine, and have its network"
WITHOUT_EFFECT = {
    "CreateProcessingJob": {
        "NetworkConfig.VpcConfig": _ONE_MACHINE,
        "NetworkConfig.EnableInterContainerTrafficEncryption": _NOT_ENCRYPTED,
        "ProcessingOutputConfig.KmsKeyId": _NOT_ENCRYPTED,
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId": _NOT_ENCRYPTED,
        "ExperimentConfig.RunName": "the trial component belongs to the trial alone",
    },
    "CreateTrainingJob": {
        "AlgorithmSpecification.TrainingImageConfig": "no image is fetched",
        "InputDataConfig[].RecordWrapperType": "objects arrive as they are",
        "InputDataConfig[].ShuffleConfig": "objects arrive in the order of their keys",
        "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": "no license is asked for",
        "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub",
        "OutputDataConfig.KmsKeyId": _NOT_ENCRYPTED,
        "ResourceConfig.VolumeKmsKeyId": _NOT_ENCRYPTED,
        "ResourceConfig.TrainingPlanArn": "instances are always there",
        "ResourceConfig.InstancePlacementConfig": _ONE_MACHINE,
        "VpcConfig": _ONE_MACHINE,
        "EnableInterContainerTrafficEncryption": _NOT_ENCRYPTED,
        # The SDK sends an empty hook and a profiler of its own accord.
        "DebugHookConfig.CollectionConfigurations": _OF_DEBUGGER,
        "DebugHookConfig.HookParameters": _OF_DEBUGGER,
        "DebugRuleConfigurations": _OF_DEBUGGER,
        "ProfilerConfig.ProfilingParameters": _OF_DEBUGGER,
        "ProfilerConfig.ProfilingIntervalInMilliseconds": _OF_DEBUGGER,
        "ProfilerRuleConfigurations": _OF_DEBUGGER,
        "RetryStrategy": "no instance fails here",
        "RemoteDebugConfig.EnableRemoteDebug": "the job runs on this machine",
        "InfraCheckConfig.EnableInfraCheck": "the job runs on this machine",
        "SessionChainingConfig.EnableSessionTagChaining": "rights do not depend on tags here",
        "MlflowConfig": "there is no MLflow server",
        "StoppingCondition.MaxPendingTimeInSeconds": "instances are always there",
        "ExperimentConfig.RunName": "the trial component belongs to the trial alone",
    },
}
#: The same for the SDK's local mode, which passes over more of a request.
WITHOUT_EFFECT_LOCALLY = {
    "CreateProcessingJob": {
        "NetworkConfig.EnableNetworkIsolation": "local mode gives the job this machine's network",
        "ExperimentConfig": "local mode records no trial component",
    },
    "CreateTrainingJob": {
        "EnableNetworkIsolation": "local mode gives the job this machine's network",
        "TensorBoardOutputConfig": "local mode copies nothing while the job runs",
        "ExperimentConfig": "local mode records no trial component",
    },
}
#: Members of a request that are refused, with what to do instead.
REFUSED = {
    "CreateProcessingJob": {
        "ProcessingResources.ClusterConfig.InstancePreferences": "give one InstanceType",
        "ProcessingOutputConfig.Outputs[].FeatureStoreOutput": "give an S3Output",
    },
    "CreateTrainingJob": {
        "AlgorithmSpecification.AlgorithmName": "give a TrainingImage",
        "ResourceConfig.InstancePreferences": "give one InstanceType",
        "ServerlessJobConfig": "give an AlgorithmSpecification and a ResourceConfig",
        "ModelPackageConfig": "register the model in an account of yours",
    },
}


def is_played(operation: str) -> bool:
    """Tell whether the emulator has an operation of SageMaker's API."""
    return any(operation in names for names in PLAYED.values())


def reference(operation: str) -> str:
    """Return the address of an operation's page in AWS's API reference."""
    if operation == "InvokeEndpoint":
        operation = f"runtime_{operation}"
    if operation == "BatchPutMetrics":
        operation = f"metrics_{operation}"
    return _REFERENCE.format(operation)


def instead(operation: str) -> str:
    """Return what a learner can do where an operation is refused."""
    for _, pattern, advice in INSTEAD:
        if re.search(pattern, operation):
            return advice
    return "use your own AWS account"


def refusal(operation: str) -> str:
    """Return the message with which an operation is refused that is not played."""
    return (
        f"{operation} is not played by the workshop's emulator, and nothing was done. Instead: "
        f"{instead(operation)}. With your own AWS account it works: {reference(operation)}"
    )


def notes(operation: str, request: dict, *, local: bool = False) -> list[str]:
    """Return a sentence for each member of a request that has no effect here.

    ``local`` is for the requests that the SDK's local mode answers.
    """
    told = dict(WITHOUT_EFFECT.get(operation, {}))
    if local:
        told |= WITHOUT_EFFECT_LOCALLY.get(operation, {})
    return [
        f"Note: {path.replace('[]', '')} has no effect here: {why}."
        for path, why in told.items()
        if any(value and value != "None" for value in _values(request, path))
    ]


def refused_member(operation: str, request: dict) -> tuple[str, str] | None:
    """Return message and path of the first member that is refused, else None."""
    for path, advice in REFUSED.get(operation, {}).items():
        if any(_values(request, path)):
            place = path.replace("[]", "")
            return (
                f"{place} is not played by the workshop's emulator.\n{place}: {advice}, or use "
                "your own AWS account.",
                place,
            )
    return None


def _values(value: object, path: str) -> Iterator[object]:
    """Yield what stands at a path of a request; it has been checked, so its types are right."""
    name, _, rest = path.partition(".")
    if not isinstance(value, dict) or value.get(name.removesuffix("[]")) is None:
        return
    found = value[name.removesuffix("[]")]
    for one in found if name.endswith("[]") else [found]:
        if rest:
            yield from _values(one, rest)
        else:
            yield one


_TESTS = (
    ("service/sagemaker/test_operations", "test_every_other_operation_is_refused_by_name"),
    ("service/sagemaker/test_operations", "test_members_that_would_do_something_else_are_refused"),
    (
        "service/sagemaker/test_operations",
        "test_a_member_without_effect_is_said_on_the_jobs_log_and_in_the_answer",
    ),
    ("service/sagemaker/test_operations", "test_what_the_sdk_sends_of_its_own_accord_is_not_said"),
    ("service/sagemaker/test_operations", "test_it_is_said_on_the_learners_screen"),
    ("service/test_app", "test_a_service_that_is_not_played_is_refused_by_name"),
    ("service/test_journal", "test_what_a_learner_made_is_the_same_after_a_restart"),
)


def document() -> str:
    """Return the page ``docs/operations.md``."""
    lines = [
        "# What is played, what is refused, what is said",
        "",
        f"<!-- Made from {__name__}: ./lab build writes it. -->",
        "",
        "The emulator answers a request only when it does what the answer says. Everything else",
        "is refused, with the error `UnsupportedOperation` and what to do instead. A member of a",
        "request that is accepted and has no effect here is said once: on the job's log and on",
        "your screen.",
        "",
        "## Played: SageMaker",
        "",
    ]
    for title, names in PLAYED.items():
        listed = ", ".join(f"[{name}]({reference(name)})" for name in names)
        lines += [f"**{title}**: {listed}", ""]
    lines += [
        "`Search` finds training jobs, experiments, trials and trial components.",
        "`UpdateTrainingJob` sets how long a warm pool is kept.",
        "",
        "## Played: other services",
        "",
        f"{', '.join(title for _, title in SERVICES.values())}. They keep what they are told, over",
        "restarts too. All other services of AWS are refused, and so are",
        f"{' and '.join(f'`{name}`' for name in CONSTANT)} of STS.",
        "",
        "## Refused",
        "",
        "| what | instead |",
        "|---|---|",
        *(f"| {title} | {advice} |" for title, _, advice in INSTEAD),
        "| all other operations of SageMaker | use your own AWS account |",
        "",
        "These members of a request are refused too:",
        "",
        *_table(REFUSED, "instead"),
        "",
        "## Said",
        "",
        "Accepted, without an effect in the emulator and in local mode:",
        "",
        *_table(WITHOUT_EFFECT, "because"),
        "",
        "In local mode also:",
        "",
        *_table(WITHOUT_EFFECT_LOCALLY, "because"),
        "",
        "Tests:",
        *(f"[`{name}`](../tests/emulator/{file}.py)," for file, name in _TESTS[:-1]),
        *(f"[`{name}`](../tests/emulator/{file}.py)." for file, name in _TESTS[-1:]),
        "",
    ]
    return "\n".join(lines)


def _table(members: dict[str, dict[str, str]], why: str) -> list[str]:
    rows = [
        f"| `{operation}` | `{path}` | {reason} |"
        for operation, paths in members.items()
        for path, reason in paths.items()
    ]
    return [f"| operation | member | {why} |", "|---|---|---|", *rows]
