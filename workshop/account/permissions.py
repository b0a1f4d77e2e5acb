"""What the labs ask of IAM: of the learner, and of the role that pipelines run with.

IAM tells by SimulatePrincipalPolicy what its policies say, and does nothing.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from workshop.account import identity
from workshop.account.identity import Account

#: What a learner asks of SageMaker, by the kind of resource, as it stands in an ARN.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
ACTIONS: Mapping[str, Sequence[str]] = {
    "processing-job": ("CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob"),
    "training-job": ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags"),
    "hyper-parameter-tuning-job": (
        "CreateHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
    ),
    "transform-job": ("CreateTransformJob", "DescribeTransformJob", "StopTransformJob"),
    "model": ("CreateModel", "DescribeModel", "DeleteModel"),
    "model-package": (
        *("CreateModelPackage", "DescribeModelPackage"),
        *("UpdateModelPackage", "DeleteModelPackage"),
    ),
    "model-package-group": (
        *("CreateModelPackageGroup", "DescribeModelPackageGroup", "DeleteModelPackageGroup"),
    ),
    "endpoint-config": (
        *("CreateEndpointConfig", "DescribeEndpointConfig", "DeleteEndpointConfig"),
    ),
    "endpoint": (
        *("CreateEndpoint", "DescribeEndpoint", "UpdateEndpoint", "DeleteEndpoint"),
        *("UpdateEndpointWeightsAndCapacities", "InvokeEndpoint"),
    ),
    "pipeline": (
        *("CreatePipeline", "DescribePipeline", "UpdatePipeline", "DeletePipeline"),
        *("StartPipelineExecution", "StopPipelineExecution", "RetryPipelineExecution"),
        *("DescribePipelineExecution", "DescribePipelineDefinitionForExecution"),
        *("ListPipelineExecutions", "ListPipelineExecutionSteps"),
        "ListPipelineParametersForExecution",
    ),
}
#: What of it a pipeline asks with its role, for its steps.
#: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html
OF_PIPELINES: Mapping[str, Sequence[str]] = {
    kind: [one for one in ACTIONS[kind] if not one.startswith(("Update", "Delete"))]
    for kind in ACTIONS
    if not kind.startswith(("endpoint", "pipeline"))
}


def missing(
    session, account: Account, who: str, actions: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """Return what somebody may not do: the kind of resource, and IAM's name of the action.

    `who` is the ARN of a user or of a role. Raises what botocore does where IAM may not be asked.
    """
    iam = identity.client(session, "iam")
    place = f"arn:{who.split(':')[1]}:sagemaker:{account.region}:{account.number}"
    found = []
    for kind, names in actions.items():
        asked = [f"sagemaker:{name}" for name in names]
        found += [(kind, one) for one in _denied(iam, who, asked, f"{place}:{kind}/workshop")]
    return found + [("role", one) for one in _denied(iam, who, ["iam:PassRole"], account.role)]


def _denied(iam, who: str, actions: Iterable[str], resource: str) -> Iterator[str]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=who,
        ActionNames=[*actions],
        ResourceArns=[resource],
        ContextEntries=[
            {
                "ContextKeyName": "iam:PassedToService",
                "ContextKeyType": "string",
                "ContextKeyValues": [identity.SERVICE],
            }
        ],
    )
    for page in pages:
        for result in page["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield result["EvalActionName"]
