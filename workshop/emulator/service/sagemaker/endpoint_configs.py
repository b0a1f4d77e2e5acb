"""Endpoint configurations: which models answer behind an endpoint, and on which instances.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
"""

from __future__ import annotations

from workshop.emulator.service.sagemaker import compute
from workshop.emulator.service.sagemaker.data import Data, delete, make
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    describe,
    listing,
)
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.validation import rules, serving

_ONE_HOST = "one host answers for all instances of a variant"
_THIS_MACHINE = "the host is this machine's"


class EndpointConfig(Data):
    """An endpoint configuration. Endpoints copy it: what is deleted later, they do not miss."""

    title = "endpoint configuration"
    resource_type = "endpoint-config"
    name_member, arn_member = "EndpointConfigName", "EndpointConfigArn"
    members = ("ProductionVariants", "DataCaptureConfig", "KmsKeyId", "VpcConfig")
    taken = 'Cannot create already existing endpoint configuration "{arn}".'
    missing = 'Could not find endpoint configuration "{arn}".'


def _create(account: Account, request: dict, caller: Caller) -> dict:
    variants = [{"InitialVariantWeight": 1.0, **one} for one in request["ProductionVariants"]]
    request = request | {"ProductionVariants": variants}
    if "DataCaptureConfig" in request:
        request["DataCaptureConfig"] = {"EnableCapture": True, **request["DataCaptureConfig"]}
    one = make(account, EndpointConfig, request, caller.region)
    return {"EndpointConfigArn": one.arn}


TOPIC = Topic(
    "Endpoint configurations",
    {
        "CreateEndpointConfig": Operation(
            _create,
            rules=(
                serving.variant_instances,
                serving.unique_variants,
                serving.serverless_memory,
                rules.unique_tags,
                serving.models_exist,
            ),
            refused={
                "AsyncInferenceConfig": "call the endpoint, and wait for its answer",
                "ExplainerConfig": "explain the model in a processing job",
                "ShadowProductionVariants": "give a second variant, and call it by its name",
                "ExecutionRoleArn": "give each variant a ModelName: here are no components",
                "EnableNetworkIsolation": "leave it out: nothing could reach such a host here",
                "MetricsConfig": "measure the time of your calls",
                "CrossRegionTrafficConfig": "leave it out: there is one region",
                "ProductionVariants[].AcceleratorType": "leave it out, as AWS ended it",
                "ProductionVariants[].InstancePools": "give one InstanceType",
                "ProductionVariants[].ManagedInstanceScaling": "give InitialInstanceCount",
            },
            without_effect={
                "KmsKeyId": compute.NOT_ENCRYPTED,
                "DataCaptureConfig.KmsKeyId": compute.NOT_ENCRYPTED,
                "VpcConfig": compute.ONE_MACHINE,
                "ProductionVariants[].RoutingConfig": _ONE_HOST,
                "ProductionVariants[].ServerlessConfig.ProvisionedConcurrency": _ONE_HOST,
                "ProductionVariants[].CoreDumpConfig": "a host leaves no core dump",
                "ProductionVariants[].VolumeSizeInGB": _THIS_MACHINE,
                "ProductionVariants[].EnableSSMAccess": _THIS_MACHINE,
                "ProductionVariants[].InferenceAmiVersion": _THIS_MACHINE,
                "ProductionVariants[].CapacityReservationConfig": _THIS_MACHINE,
                "ProductionVariants[].ModelDataDownloadTimeoutInSeconds": "S3 is this machine's",
            },
        ),
        "DescribeEndpointConfig": describe(EndpointConfig),
        "ListEndpointConfigs": listing(
            EndpointConfig,
            "EndpointConfigs",
            ("EndpointConfigName", "EndpointConfigArn", "CreationTime"),
            newest_first=True,
        ),
        "DeleteEndpointConfig": delete(EndpointConfig),
    },
    kinds=(EndpointConfig,),
)
