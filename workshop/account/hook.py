"""What is added to the SDKs where a learner's own account is used.

Imported at the start of each Python that has ``WORKSHOP_AWS`` in its environment
(``workshop.startup``); so it must be quick. Requests go where they would go without it. It

1. tags what is made (``TAG_KEY``), so that ``./lab clean --aws`` finds it, and nothing else;
2. prints the price of a job, or of an hour of an endpoint, before it starts;
3. lets ``sagemaker.get_execution_role()`` and ``default_bucket()`` find the role and the bucket
   of the workshop's stack, named by ``WORKSHOP_ROLE`` and ``WORKSHOP_BUCKET``;
4. has local endpoints fail at once where the stand-in for Docker cannot serve them
   (``workshop.emulator.client.local_serving``).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import wrapt

from workshop.account import TAG_KEY, TAG_VALUE

_CONFIG = "HyperParameterTuningJobConfig"
_JOBS = {
    "CreateProcessingJob": "Processing",
    "CreateTrainingJob": "Training",
    "CreateTransformJob": "Transform",
}


def _add_tag(params: dict, model, **_) -> None:
    """Tag what a request makes; SageMaker says ``Tags`` where ECR says ``tags``."""
    if not model.name.startswith("Create"):
        return
    if params.get("ModelPackageGroupName") and model.name == "CreateModelPackage":
        return  # AWS refuses tags here: a version has those of its group
    for member in ("Tags", "tags"):
        if member in model.input_shape.members:
            tags = params.get(member) or []
            if all(tag["Key"] != TAG_KEY for tag in tags):
                params[member] = [*tags, {"Key": TAG_KEY, "Value": TAG_VALUE}]


def _say_price(params: dict, model, context: dict, **_) -> None:
    from workshop import prices

    kind = _JOBS[model.name]
    records = os.environ.get("WORKSHOP_RECORDS")
    try:
        price = prices.estimate(params, context["client_region"], records and Path(records))
    except (KeyError, TypeError):
        return  # the request is incomplete: botocore says what is missing
    print(f"{kind} job {params[f'{kind}JobName']} will cost {price}", flush=True)


def _say_price_of_endpoint(params: dict, context: dict, **_) -> None:
    """Say what an endpoint will cost: its configuration, which AWS has, tells on what it runs."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from workshop import prices

    name, config = params.get("EndpointName"), params.get("EndpointConfigName")
    if not (name and config):
        return  # the request is incomplete: botocore says what is missing
    region = context["client_region"]
    try:
        sagemaker = boto3.Session().client("sagemaker", region_name=region)
        found = sagemaker.describe_endpoint_config(EndpointConfigName=config)
        price = prices.of_endpoint(found["ProductionVariants"], region)
    except (BotoCoreError, ClientError) as error:
        price = f"an amount that is not known here, until it is deleted: {error}"
    print(f"Endpoint {name} will cost {price}", flush=True)


def _say_that_steps_cost(params: dict, **_) -> None:
    if "PipelineName" in params:
        name = params["PipelineName"]
        words = "AWS starts them, so their price is not said here"
        print(f"The jobs of pipeline {name} will cost money: {words}", flush=True)


def _say_price_of_tuning(params: dict, context: dict, **_) -> None:
    """Say the price of all training jobs; those of several definitions take turns."""
    from workshop import prices

    records = os.environ.get("WORKSHOP_RECORDS")
    try:
        name, config = params["HyperParameterTuningJobName"], params[_CONFIG]
        several = params.get("TrainingJobDefinitions") or [params["TrainingJobDefinition"]]
        most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs") or _combinations(config)
        for definition in several:
            resources = definition.get("HyperParameterTuningResourceConfig", {})
            resources = (
                definition.get("ResourceConfig")
                or (resources.get("InstanceConfigs") or [resources])[0]
            )
            request = definition | {"TrainingJobName": name, "ResourceConfig": resources}
            times = math.ceil(most / len(several))
            price = prices.estimate(
                request, context["client_region"], records and Path(records), times
            )
            print(f"Tuning job {name} will cost {price}", flush=True)
    except (KeyError, TypeError):
        return  # the request is incomplete: botocore says what is missing


def _combinations(config: dict) -> int:
    """Return how many training jobs a grid has."""
    ranges = config["ParameterRanges"].get("CategoricalParameterRanges", ())
    return math.prod(len(one["Values"]) for one in ranges)


def _remember_time(parsed: dict, model, **_) -> None:
    """Keep how long a job was billed for, for the estimate of the next one like it."""
    from workshop import prices

    if parsed.get("TrainingJobStatus") == "Completed":
        name, seconds = parsed["TrainingJobName"], parsed.get("TrainingTimeInSeconds")
    elif parsed.get("ProcessingJobStatus") == "Completed":
        name = parsed["ProcessingJobName"]
        seconds = _seconds(parsed, "ProcessingStartTime", "ProcessingEndTime")
    elif parsed.get("TransformJobStatus") == "Completed":
        name = parsed["TransformJobName"]
        seconds = _seconds(parsed, "TransformStartTime", "TransformEndTime")
    else:
        return
    records = os.environ.get("WORKSHOP_RECORDS")
    if records and seconds:
        prices.remember(name, seconds, Path(records))


def _seconds(parsed: dict, began: str, ended: str) -> float | None:
    if parsed.get(began) and parsed.get(ended):
        return (parsed[ended] - parsed[began]).total_seconds()
    return None


def _find_role_and_bucket(session_module) -> None:
    """Wrap the two functions of ``sagemaker/session.py`` that ask who is calling."""

    def role(wrapped, session, arguments, options):
        arn = os.environ.get("WORKSHOP_ROLE")
        if arn:
            sts = session.boto_session.client("sts", region_name=session.boto_region_name)
            if sts.get_caller_identity()["Account"] == arn.split(":")[4]:
                return arn
        return wrapped(*arguments, **options)

    def bucket(wrapped, _, arguments, options):
        usual = wrapped(*arguments, **options)
        # A session of another account or region has a bucket of its own.
        ours = f"sagemaker-{os.environ.get('WORKSHOP_REGION')}-{os.environ.get('WORKSHOP_ACCOUNT')}"
        return os.environ.get("WORKSHOP_BUCKET", usual) if usual == ours else usual

    wrapt.wrap_function_wrapper(session_module, "Session.get_caller_identity_arn", role)
    wrapt.wrap_function_wrapper(session_module, "generate_default_sagemaker_bucket_name", bucket)


_installed = False


def install() -> None:
    """Take effect in every botocore session made from now on. Safe to call again."""
    global _installed
    if _installed:
        return
    _installed = True
    wrapt.register_post_import_hook(_add_handlers, "botocore.handlers")
    wrapt.register_post_import_hook(_find_role_and_bucket, "sagemaker.session")
    serving = "workshop.emulator.client.local_serving:watch"
    wrapt.register_post_import_hook(serving, "sagemaker.local.local_session")
    waiting = "workshop.emulator.client.local_serving:wait_for_it"
    wrapt.register_post_import_hook(waiting, "sagemaker.local.entities")
    ending = "workshop.emulator.client.local_serving:end_quietly"
    wrapt.register_post_import_hook(ending, "sagemaker.local.image")


def _add_handlers(handlers) -> None:
    handlers.BUILTIN_HANDLERS += [
        ("before-parameter-build.sagemaker", _add_tag),
        ("before-parameter-build.ecr.CreateRepository", _add_tag),
        *((f"before-parameter-build.sagemaker.{name}", _say_price) for name in _JOBS),
        ("before-parameter-build.sagemaker.CreateHyperParameterTuningJob", _say_price_of_tuning),
        ("before-parameter-build.sagemaker.CreateEndpoint", _say_price_of_endpoint),
        ("before-parameter-build.sagemaker.UpdateEndpoint", _say_price_of_endpoint),
        ("before-parameter-build.sagemaker.StartPipelineExecution", _say_that_steps_cost),
        ("after-call.sagemaker.DescribeTrainingJob", _remember_time),
        ("after-call.sagemaker.DescribeProcessingJob", _remember_time),
        ("after-call.sagemaker.DescribeTransformJob", _remember_time),
    ]


if "WORKSHOP_AWS" in os.environ:
    install()
