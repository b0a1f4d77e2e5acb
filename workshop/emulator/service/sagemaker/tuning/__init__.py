"""Hyperparameter tuning jobs: the operations.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import compute, paging, training, validation
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    asked,
    describe,
    listing,
)
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.training import TrainingJob
from workshop.emulator.service.sagemaker.tuning import results, search
from workshop.emulator.service.sagemaker.tuning.job import (
    TuningJob,
    definitions,
    training_request,
)
from workshop.emulator.service.sagemaker.validation import rules, tuning_rules
from workshop.emulator.service.sagemaker.validation.model import Problem
from workshop.emulator.service.sagemaker.validation.rules import World

#: AWS names the metric for the algorithm; the training toolkit knows the name
#: (sagemaker_training/params.py).
_OBJECTIVE = "_tuning_objective_metric"
_TRAINING = training.TOPIC.operations["CreateTrainingJob"]


def _as_training_jobs(request: dict, world: World | None) -> Iterator[Problem]:
    """What AWS refuses in a training job, it refuses in its definition.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobDefinition.html
    """
    for field, definition in tuning_rules.definitions(request):
        trained = training_request(definition, "name", {})
        problem = validation.check("CreateTrainingJob", trained, None, _TRAINING.rules)
        problem = problem or next(rules.role(definition, world), None)
        if problem:
            message = problem.message.replace(f"\n{problem.field}:", f"\n{field}.{problem.field}:")
            yield Problem(problem.code, message, f"{field}.{problem.field}")


def _create(account: Account, request: dict, caller: Caller) -> dict:
    _check_parents(account, request)
    parallel = request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
    for _, definition in tuning_rules.definitions(request):
        compute.check_quota(account, TrainingJob, tuning_rules.instances(definition), parallel)
    description, now = _complete(request), time.time()
    name = request["HyperParameterTuningJobName"]
    description |= {
        "HyperParameterTuningJobArn": account.arn(caller.region, TuningJob.resource_type, name),
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    job = TuningJob(account, description, request.get("Tags", ()), caller)
    job.description |= results.counts(job.jobs)
    account.add(job)
    job.start()
    return {"HyperParameterTuningJobArn": job.arn}


def _complete(request: dict) -> dict:
    """Return a request as Describe answers it: with what AWS adds."""
    description = json.loads(json.dumps({one: request[one] for one in request if one != "Tags"}))
    config = description["HyperParameterTuningJobConfig"]
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    single = description.get("TrainingJobDefinition")
    if single:
        _add_empty(config.setdefault("ParameterRanges", {}))
        metric = config["HyperParameterTuningJobObjective"]["MetricName"]
        single.setdefault("StaticHyperParameters", {})[_OBJECTIVE] = metric
    for one in description.get("TrainingJobDefinitions", ()):
        _add_empty(one.setdefault("HyperParameterRanges", {}))
        metric = one["TuningObjective"]["MetricName"]
        one.setdefault("StaticHyperParameters", {})[_OBJECTIVE] = metric
    for _, one in tuning_rules.definitions(description):
        # sagemaker/tuner.py sends HyperParameterTuningResourceConfig, and attach reads this.
        one.setdefault("ResourceConfig", tuning_rules.instances(one))
    if config["Strategy"] == "Grid":
        config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = int(
            sum(
                search.combinations(search.ranges(one["HyperParameterRanges"]))
                for one in definitions(description)
            )
        )
    return description


def _add_empty(ranges: dict) -> None:
    """sagemaker/tuner.py, attach, reads all three lists."""
    for kind in ("Integer", "Continuous", "Categorical"):
        ranges.setdefault(f"{kind}ParameterRanges", [])


def _check_parents(account: Account, request: dict) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html

    The page does not tell the words of the errors.
    """
    field = "WarmStartConfig.ParentHyperParameterTuningJobs"
    objective = request["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    parents = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    for number, parent in enumerate(parents):
        name = parent.get("HyperParameterTuningJobName", "")
        job = account.find(TuningJob, name)
        if job is None:
            words = f"The parent hyperparameter tuning job {name!r} does not exist."
            mend = "give the name of one that has ended."
        elif not job.ended:
            words = f"The parent hyperparameter tuning job {name!r} is {job.status}."
            mend = "wait until it has ended, or stop it."
        elif job.description["HyperParameterTuningJobConfig"].get(
            "HyperParameterTuningJobObjective"
        ) != objective:  # fmt: skip
            words = f"The objective of the parent hyperparameter tuning job {name!r} is another."
            mend = "give the same objective metric and type."
        else:
            continue
        raise ApiError("ValidationException", f"{words}\n{field}[{number}]: {mend}")


def _stop(account: Account, request: dict, _: Caller) -> dict:
    job = asked(account, TuningJob, request)
    if job.ended:  # sagemaker/session.py, stop_tuning_job, passes over this code
        words = f"The request was rejected because the {job.title} is in status {job.status}."
        raise ApiError("ValidationException", words)
    job.stop()
    return {}


def _delete(account: Account, request: dict, _: Caller) -> dict:
    """Its training jobs stay (API_DeleteHyperParameterTuningJob)."""
    job = asked(account, TuningJob, request)
    if not job.ended:
        words = f"The {job.title} {job.name} is in status {job.status}. Stop it first."
        raise ApiError("ResourceInUse", words)
    account.remove(job)
    return {}


_LISTED = listing(
    TuningJob,
    "HyperParameterTuningJobSummaries",
    (
        *("HyperParameterTuningJobName", "HyperParameterTuningJobArn", "CreationTime"),
        *("HyperParameterTuningJobStatus", "HyperParameterTuningEndTime", "LastModifiedTime"),
        *("TrainingJobStatusCounters", "ObjectiveStatusCounters", "Strategy", "ResourceLimits"),
    ),
)


def _list(account: Account, request: dict, caller: Caller) -> dict:
    """ "The default is Name" (API_ListHyperParameterTuningJobs)."""
    return _LISTED.answer(account, {"SortBy": "Name"} | request, caller)


def _list_training_jobs(account: Account, request: dict, _: Caller) -> dict:
    job = asked(account, TuningJob, request)
    with job.changing:
        found = json.loads(json.dumps(job.jobs))
    wanted, by = request.get("StatusEquals"), request.get("SortBy", "Name")
    found = [one for one in found if wanted in (None, one["TrainingJobStatus"])]
    keys = {
        "Name": lambda one: one["TrainingJobName"],
        "CreationTime": lambda one: one["CreationTime"],
        "Status": lambda one: one["TrainingJobStatus"],
        "FinalObjectiveMetricValue": lambda one: one[results.METRIC]["Value"],
    }
    if by == "FinalObjectiveMetricValue":  # "are not listed" without one
        found = [one for one in found if results.METRIC in one]
    found.sort(key=keys[by], reverse=request.get("SortOrder") == "Descending")
    part, more = paging.page(found, request)
    return {"TrainingJobSummaries": part, **more}


_NO_AUTOTUNE = "give the ranges and limits themselves"
_OF_A_DEFINITION = {
    "AlgorithmSpecification.AlgorithmName": "give a TrainingImage",
    "ResourceConfig.InstancePreferences": "give one InstanceType",
}
TOPIC = Topic(
    "Hyperparameter tuning jobs",
    {
        "CreateHyperParameterTuningJob": Operation(
            _create,
            rules=(
                tuning_rules.one_kind_of_definition,
                tuning_rules.one_kind_of_resources,
                tuning_rules.objectives,
                tuning_rules.ranges_are_numbers,
                tuning_rules.scaling,
                tuning_rules.unique_hyperparameters,
                tuning_rules.number_of_hyperparameters,
                tuning_rules.grid,
                tuning_rules.number_of_jobs,
                tuning_rules.hyperband,
                tuning_rules.several_algorithms,
                rules.unique_tags,
                _as_training_jobs,
                # https://github.com/aws/amazon-sagemaker-examples/pull/3353 (the words)
                rules.unique_job(
                    "HyperParameterTuningJobName",
                    "hyper-parameter-tuning-job",
                    "A hyperparameter tuning job with the name, {name}, already exists. Choose a "
                    "different name.",
                ),
            ),
            refused={
                "Autotune": _NO_AUTOTUNE,
                "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": _NO_AUTOTUNE,
                "TrainingJobDefinitions[].HyperParameterRanges.AutoParameters": _NO_AUTOTUNE,
                "HyperParameterTuningJobConfig.TuningJobCompletionCriteria.ConvergenceDetected": (
                    "give BestObjectiveNotImproving: how AWS detects it is not public"
                ),
                **{
                    f"{place}.{member}": advice
                    for place in ("TrainingJobDefinition", "TrainingJobDefinitions[]")
                    for member, advice in _OF_A_DEFINITION.items()
                },
            },
        ),
        "DescribeHyperParameterTuningJob": describe(TuningJob),
        "ListHyperParameterTuningJobs": Operation(_list),
        "StopHyperParameterTuningJob": Operation(_stop),
        "DeleteHyperParameterTuningJob": Operation(_delete),
        "ListTrainingJobsForHyperParameterTuningJob": Operation(_list_training_jobs),
    },
    kinds=(TuningJob,),
)
