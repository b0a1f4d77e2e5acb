"""What of SageMaker's API is played, and what is said of the rest."""

from __future__ import annotations

import re

from workshop.emulator import settings
from workshop.emulator.service.sagemaker import (
    endpoint_configs,
    endpoints,
    experiments,
    models,
    processing,
    registry,
    tags,
    training,
    transform,
    tuning,
    validation,
)
from workshop.emulator.service.sagemaker.operation import Operation, Topic, reference
from workshop.emulator.service.sagemaker.pipelines import pipeline
from workshop.emulator.service.sagemaker.validation.rules import World

#: All that is played: the operations and the kinds of resources of each of these files.
TOPICS: tuple[Topic, ...] = (
    processing.TOPIC,
    training.TOPIC,
    tuning.TOPIC,
    experiments.TOPIC,
    models.TOPIC,
    endpoint_configs.TOPIC,
    endpoints.TOPIC,
    transform.TOPIC,
    registry.TOPIC,
    pipeline.TOPIC,
    tags.TOPIC,
)

PLAYED: dict[str, Operation] = {
    name: operation for topic in TOPICS for name, operation in topic.operations.items()
}
KINDS = [kind for topic in TOPICS for kind in topic.kinds]

#: Services beside SageMaker that moto plays truly, since they only keep what they are told: the
#: name in a signature, moto's name, and the title.
SERVICES = {
    "s3": ("s3", "S3"),
    "iam": ("iam", "IAM"),
    "sts": ("sts", "STS"),
    "ecr": ("ecr", "ECR"),
    "logs": ("logs", "CloudWatch Logs"),
    "monitoring": ("cloudwatch", "CloudWatch"),
    "sqs": ("sqs", "SQS"),
}
#: Operations of these that moto would answer with a constant.
CONSTANT = ("GetSessionToken", "GetFederationToken")


def instead(operation: str) -> str:
    """Return what a learner can do where an operation is refused."""
    for one in settings.instead():
        if re.search(one.pattern, operation):
            return one.advice
    return "use your own AWS account"


def refusal(operation: str) -> str:
    """Return the message with which an operation is refused that is not played."""
    return (
        f"{operation} is not played by the workshop's emulator, and nothing was done. Instead: "
        f"{instead(operation)}. With your own AWS account it works: {reference(operation)}"
    )


def check(operation: str, request: dict, world: World | None) -> validation.Problem | None:
    """Return why AWS would refuse a request, or None (``validation.check``)."""
    return validation.check(operation, request, world, PLAYED[operation].rules)


def local_warnings(operation: str, request: dict) -> list[str]:
    """Return what a learner should know of a request that the SDK's local mode answers.

    That is what AWS would refuse, and what has no effect: in local mode the SDK checks nothing.
    """
    played = PLAYED[operation]
    warnings = validation.warnings(operation, request, played.rules)
    return [*warnings, *played.notes(request, local=True)]
