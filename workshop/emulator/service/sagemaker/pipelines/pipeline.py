"""Pipelines, and the operations on them and on their executions.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import paging
from workshop.emulator.service.sagemaker.operation import Caller, Operation, Topic
from workshop.emulator.service.sagemaker.pipelines import definition, expressions, steps
from workshop.emulator.service.sagemaker.pipelines.definition import Refused
from workshop.emulator.service.sagemaker.pipelines.execution import PipelineExecution, new_id
from workshop.emulator.service.sagemaker.pipelines.scope import Run
from workshop.emulator.service.sagemaker.resource import Account, Resource
from workshop.emulator.service.sagemaker.validation.model import Problem
from workshop.emulator.service.sagemaker.validation.rules import World, role
from workshop.emulator.service.storage import transfer

_SUMMARY = (
    "PipelineArn",
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "CreationTime",
    "LastModifiedTime",
)
_SETTABLE = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


class Pipeline(Resource):
    """Its definition is a member of the description."""

    title, resource_type = "pipeline", "pipeline"
    name_member, arn_member = "PipelineName", "PipelineArn"
    search_name = search_shape = "Pipeline"

    @classmethod
    def name_in(cls, resource_type: str, rest: str) -> str:
        return rest if resource_type == "pipeline" and "/" not in rest else ""

    @classmethod
    def not_found(cls, name: str) -> ApiError:
        return ApiError("ResourceNotFound", f"Pipeline {name!r} does not exist.")


# --- pipelines ------------------------------------------------------------------------------------


def _create(account: Account, request: dict, caller: Caller) -> dict:
    name, now = request["PipelineName"], time.time()
    description = {
        "PipelineName": name,
        "PipelineArn": account.arn(caller.region, "pipeline", name),
        "PipelineDisplayName": name,
        "PipelineDefinition": _definition(account, request),
        "PipelineStatus": "Active",
        "CreationTime": now,
        "LastModifiedTime": now,
        **{member: request[member] for member in _SETTABLE if member in request},
    }
    with account.lock:
        if account.find(Pipeline, name):
            raise ApiError(  # sagemaker/workflow/pipeline.py, upsert, looks for "already exists"
                "ValidationException",
                "Pipeline names must be unique within an AWS account and region. Pipeline with "
                f"name ({name}) already exists.",
            )
        account.add(Pipeline(account, description, request.get("Tags", ())))
    return {"PipelineArn": description["PipelineArn"]}


def _definition(account: Account, request: dict) -> str:
    """Return the definition that a request gives, once it was looked at. Raises ApiError."""
    text = request.get("PipelineDefinition")
    if "PipelineDefinitionS3Location" in request:
        place = request["PipelineDefinitionS3Location"]
        uri = f"s3://{place['Bucket']}/{place['ObjectKey']}"
        try:
            text = account.store.file(place["Bucket"], place["ObjectKey"]).read_text()
        except (OSError, KeyError, ValueError, transfer.DataError) as error:
            raise ApiError("ValidationException", f"{uri} cannot be read: {error}") from None
    try:
        definition.parse(text or "", account.door.plays)
    except Refused as error:
        raise ApiError("ValidationException", str(error)) from None
    return text


def _update(account: Account, request: dict, _: Caller) -> dict:
    pipeline = _pipeline(account, request)
    changed = {member: request[member] for member in _SETTABLE if member in request}
    if request.keys() & {"PipelineDefinition", "PipelineDefinitionS3Location"}:
        changed["PipelineDefinition"] = _definition(account, request)
    pipeline.change(**changed)
    return {"PipelineArn": pipeline.arn}


def _delete(account: Account, request: dict, _: Caller) -> dict:
    pipeline = _pipeline(account, request)
    with account.lock:
        executions = _executions(account, pipeline)
        running = next((one for one in executions if not one.ended), None)
        if running:
            raise ApiError(
                "ConflictException",
                f"The execution {running.arn} runs. Stop it before you delete the pipeline.",
            )
        for one in executions:
            account.remove(one)
        account.remove(pipeline)
    return {"PipelineArn": pipeline.arn}


def _describe(account: Account, request: dict, _: Caller) -> dict:
    return _pipeline(account, request).describe()


def _list(account: Account, request: dict, _: Caller) -> dict:
    found = []
    for pipeline in account.all(Pipeline):
        facts = pipeline.facts()
        if facts["PipelineName"].startswith(
            request.get("PipelineNamePrefix", "")
        ) and paging.in_time(facts, request, "Created", "CreationTime"):
            summary = {name: facts[name] for name in _SUMMARY if name in facts}
            if "LastRunTime" in facts:
                summary["LastExecutionTime"] = facts["LastRunTime"]
            found.append(summary)
    by = {"Name": "PipelineName"}.get(request.get("SortBy", ""), "CreationTime")
    found.sort(key=lambda one: one[by], reverse=request.get("SortOrder") != "Ascending")
    part, more = paging.page(found, request)
    return {"PipelineSummaries": part, **more}


def _pipeline(account: Account, request: dict) -> Pipeline:
    """Return the pipeline that a request names, by its name or its ARN."""
    name = request["PipelineName"]
    found = account.find(Pipeline, name.rpartition("/")[2])
    if found is None:
        raise Pipeline.not_found(name)
    return found


def _executions(account: Account, pipeline: Pipeline) -> list[PipelineExecution]:
    return [one for one in account.all(PipelineExecution) if one.pipeline == pipeline.arn]


# --- executions -----------------------------------------------------------------------------------


def _start(account: Account, request: dict, caller: Caller) -> dict:
    pipeline, now, identity = _pipeline(account, request), time.time(), new_id()
    text = pipeline.description["PipelineDefinition"]
    try:
        values = definition.given_values(
            definition.parse(text, account.door.plays), request.get("PipelineParameters", [])
        )
    except Refused as error:
        raise ApiError("ValidationException", str(error)) from None
    description = {
        "PipelineArn": pipeline.arn,
        "PipelineExecutionArn": f"{pipeline.arn}/execution/{identity}",
        "PipelineExecutionDisplayName": f"execution-{int(now * 1000)}",
        "PipelineExecutionStatus": "Executing",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    members = ("PipelineExecutionDisplayName", "PipelineExecutionDescription")
    members += ("ParallelismConfiguration", "SelectiveExecutionConfig")
    if "ParallelismConfiguration" in pipeline.description:
        description["ParallelismConfiguration"] = pipeline.description["ParallelismConfiguration"]
    description |= {member: request[member] for member in members if member in request}
    execution = PipelineExecution(account, description, pipeline.tags, caller, text, values)
    if "SelectiveExecutionConfig" in request:
        _select(account, execution, request["SelectiveExecutionConfig"])
    account.add(execution)
    pipeline.change(LastRunTime=now)
    execution.begin()
    return {"PipelineExecutionArn": execution.arn}


def _select(account: Account, execution: PipelineExecution, config: dict) -> None:
    """Take what is needed of the steps that are not selected from another execution.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-selective-ex.html
    """
    known = execution.definition.steps
    unknown = [one["StepName"] for one in config["SelectedSteps"] if one["StepName"] not in known]
    if unknown:
        raise ApiError(
            "ValidationException",
            f"There is no step {unknown[0]!r} to select. The steps: {', '.join(known)}.",
        )
    source = None
    if "SourcePipelineExecutionArn" in config:
        source = _execution(account, config["SourcePipelineExecutionArn"])
        if source.pipeline != execution.pipeline or source.status not in ("Succeeded", "Failed"):
            raise ApiError(
                "ValidationException",
                f"{source.arn} is no execution of this pipeline that succeeded or failed.",
            )
    missing = execution.missing_from(source)
    if missing:
        raise ApiError(
            "ValidationException",
            f"The selected steps need the result of the step {missing!r}. Select it too, or give a "
            "SourcePipelineExecutionArn in which it succeeded.",
        )
    if source:
        execution.reuse(source)


def _stop(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request["PipelineExecutionArn"])
    with execution.changing:
        if execution.status != "Executing":
            raise ApiError(
                "ConflictException",
                f"The execution {execution.arn} is {execution.status}: only one that is Executing "
                "can be stopped.",
            )
        execution.stop()
    return {"PipelineExecutionArn": execution.arn}


def _retry(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request["PipelineExecutionArn"])
    with execution.changing:
        if execution.status not in ("Failed", "Stopped"):
            raise ApiError(
                "ConflictException",
                f"The execution {execution.arn} is {execution.status}: only one that is Failed or "
                "Stopped can be retried.",
            )
        if "ParallelismConfiguration" in request:
            execution.change(ParallelismConfiguration=request["ParallelismConfiguration"])
        execution.retry()
    return {"PipelineExecutionArn": execution.arn}


def _step_succeeded(account: Account, request: dict, _: Caller) -> dict:
    execution, run = _called(account, request["CallbackToken"])
    outputs = {one["Name"]: one["Value"] for one in request.get("OutputParameters", ())}
    execution.answer(run, "Succeeded", outputs, "")
    return {"PipelineExecutionArn": execution.arn}


def _step_failed(account: Account, request: dict, _: Caller) -> dict:
    execution, run = _called(account, request["CallbackToken"])
    reason = request.get("FailureReason") or "The answer to the callback gave no FailureReason."
    execution.answer(run, "Failed", {}, reason)
    return {"PipelineExecutionArn": execution.arn}


def _called(account: Account, token: str) -> tuple[PipelineExecution, Run]:
    """Return the callback step with a token. Raises ApiError when there is none."""
    for execution in account.all(PipelineExecution):
        for run in list(execution.steps.values()):
            if run.call.get("token") == token and not run.reused_from:
                return execution, run
    raise ApiError(
        "ResourceNotFound",
        f"No callback step has the token {token!r}. Take it from the newest message in the queue: "
        "a step that is retried has another one.",
    )


def _update_execution(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request["PipelineExecutionArn"])
    execution.change(**{name: request[name] for name in request if name != execution.arn_member})
    return {"PipelineExecutionArn": execution.arn}


def _describe_execution(account: Account, request: dict, _: Caller) -> dict:
    return _execution(account, request["PipelineExecutionArn"]).describe()


def _describe_definition(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request["PipelineExecutionArn"])
    return {
        "PipelineDefinition": execution.text,
        "CreationTime": execution.description["CreationTime"],
    }


def _list_executions(account: Account, request: dict, _: Caller) -> dict:
    found = []
    for one in _executions(account, _pipeline(account, request)):
        facts = one.facts()
        if paging.in_time(facts, request, "Created", "CreationTime"):
            summary = {
                "PipelineExecutionArn": one.arn,
                "StartTime": facts["CreationTime"],
                "PipelineExecutionStatus": facts["PipelineExecutionStatus"],
            }
            for member, name in (
                ("PipelineExecutionDescription", "PipelineExecutionDescription"),
                ("PipelineExecutionDisplayName", "PipelineExecutionDisplayName"),
                ("FailureReason", "PipelineExecutionFailureReason"),
            ):
                if member in facts:
                    summary[name] = facts[member]
            found.append(summary)
    by = "PipelineExecutionArn" if request.get("SortBy") == "PipelineExecutionArn" else "StartTime"
    found.sort(key=lambda one: one[by], reverse=request.get("SortOrder") != "Ascending")
    part, more = paging.page(found, request)
    return {"PipelineExecutionSummaries": part, **more}


def _list_steps(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request.get("PipelineExecutionArn", ""))
    with execution.changing:
        found = [_step(execution, run) for run in execution.steps.values()]
    if request.get("SortOrder") != "Ascending":
        found.reverse()
    part, more = paging.page(found, request)
    return {"PipelineExecutionSteps": part, **more}


def _step(execution: PipelineExecution, run: Run) -> dict:
    """Return what ListPipelineExecutionSteps says of a step (API_PipelineExecutionStep)."""
    step = execution.definition.steps[run.name]
    told = {
        "StepName": run.name,
        "StepDisplayName": step.content.get("DisplayName"),
        "StepDescription": step.content.get("Description"),
        "StepStatus": "Executing" if run.again_at else run.status,
        "StartTime": run.started,
        "EndTime": run.ended if not run.again_at else None,
        "FailureReason": run.reason,
        "AttemptCount": run.attempts,
        "Metadata": _metadata(step, run),
    }
    if run.cached_from:
        told["CacheHitResult"] = {"SourcePipelineExecutionArn": run.cached_from}
    if run.reused_from:
        told["SelectiveExecutionResult"] = {"SourcePipelineExecutionArn": run.reused_from}
    return {name: value for name, value in told.items() if value}


def _metadata(step: definition.Step, run: Run) -> dict:
    if step.type == steps.CONDITION and run.outcome is not None:
        return {"Condition": {"Outcome": str(run.outcome)}}
    if step.type == steps.FAIL:
        return {"Fail": {"ErrorMessage": run.reason}}
    if step.type == steps.CALLBACK:
        outputs = [{"Name": name, "Value": value} for name, value in run.outputs.items()]
        told = {"CallbackToken": run.call.get("token"), "SqsQueueUrl": run.queue}
        return {"Callback": {k: v for k, v in told.items() if v} | {"OutputParameters": outputs}}
    return {steps.MADE[step.type].metadata: {"Arn": run.arn}} if run.arn else {}


def _list_parameters(account: Account, request: dict, _: Caller) -> dict:
    execution = _execution(account, request["PipelineExecutionArn"])
    found = [
        {"Name": name, "Value": expressions.text(value)} for name, value in execution.values.items()
    ]
    part, more = paging.page(found, request)
    return {"PipelineParameters": part, **more}


def _execution(account: Account, arn: str) -> PipelineExecution:
    found = account.by_arn(arn)
    if not isinstance(found, PipelineExecution):
        raise PipelineExecution.not_found(arn)
    return found


def _one_definition(request: dict, _: World | None) -> Iterator[Problem]:
    """A pipeline is made of a definition: here, or in S3 (API_CreatePipeline)."""
    given = request.keys() & {"PipelineDefinition", "PipelineDefinitionS3Location"}
    if len(given) != 1:
        words = "Exactly one of PipelineDefinition and PipelineDefinitionS3Location must be given."
        mend = "PipelineDefinition: give the JSON of the pipeline, as pipeline.definition() does"
        yield Problem("ValidationException", f"{words}\n{mend}", "PipelineDefinition")


_VERSIONS = {
    "PipelineVersionId": "a pipeline has its newest version alone",
    "PipelineVersionAlias": "a pipeline has its newest version alone",
    "PipelineVersionAliases": "a pipeline has its newest version alone",
    "MlflowExperimentName": "log to the trial component of a job",
}
_FROM_S3 = {"PipelineDefinitionS3Location.VersionId": "the newest version is taken"}

TOPIC = Topic(
    "Pipelines",
    {
        "CreatePipeline": Operation(
            _create, rules=(_one_definition, role), refused=_VERSIONS, without_effect=_FROM_S3
        ),
        "UpdatePipeline": Operation(
            _update, rules=(role,), refused=_VERSIONS, without_effect=_FROM_S3
        ),
        "DescribePipeline": Operation(_describe, refused=_VERSIONS),
        "DeletePipeline": Operation(_delete),
        "ListPipelines": Operation(_list),
        "StartPipelineExecution": Operation(_start, rules=(role,), refused=_VERSIONS),
        "StopPipelineExecution": Operation(_stop),
        "RetryPipelineExecution": Operation(_retry),
        "SendPipelineExecutionStepSuccess": Operation(_step_succeeded),
        "SendPipelineExecutionStepFailure": Operation(_step_failed),
        "UpdatePipelineExecution": Operation(_update_execution),
        "DescribePipelineExecution": Operation(_describe_execution),
        "DescribePipelineDefinitionForExecution": Operation(_describe_definition),
        "ListPipelineExecutions": Operation(_list_executions, refused=_VERSIONS),
        "ListPipelineExecutionSteps": Operation(_list_steps),
        "ListPipelineParametersForExecution": Operation(_list_parameters),
    },
    kinds=(Pipeline, PipelineExecution),
)
