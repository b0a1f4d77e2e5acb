"""What AWS refuses in the requests for tuning jobs, beyond its service model.

What it refuses in their training jobs is looked at in ``tuning``. The pages do not tell the words
of an error where nothing else is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from workshop.emulator.service.sagemaker.validation.model import Problem, null, refuse

_CONFIG = "HyperParameterTuningJobConfig"
_NUMBERS = {"Integer": int, "Continuous": float}
#: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
_MOST_HYPERPARAMETERS, _MOST_METRICS, _MOST_PARALLEL = 30, 20, 100
_MOST_JOBS = {"Random": 10_000}
_USUAL_MOST_JOBS = 750
#: Where Hyperband looks for its resources (API_HyperbandStrategyConfig).
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_MOST_EPOCHS = 20_000


def definitions(request: dict) -> Iterator[tuple[str, dict]]:
    """Yield the training job definitions of a request: place and value."""
    if request.get("TrainingJobDefinition"):
        yield "TrainingJobDefinition", request["TrainingJobDefinition"]
    for number, one in enumerate(request.get("TrainingJobDefinitions") or ()):
        yield f"TrainingJobDefinitions[{number}]", one


def instances(definition: dict) -> dict:
    """Return the ResourceConfig of a definition's training jobs; {} where none is given.

    Of several kinds of instances it is the first, which is always there:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningResourceConfig.html
    """
    given = definition.get("HyperParameterTuningResourceConfig") or {}
    (first, *_) = given.get("InstanceConfigs") or [{}]
    members = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    of_tuning = {name: value for name, value in (given | first).items() if name in members}
    return definition.get("ResourceConfig") or of_tuning


def one_kind_of_resources(request: dict, _world) -> Iterator[Problem]:
    """The instances are told once.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningResourceConfig.html
    """
    for field, definition in definitions(request):
        place = f"{field}.HyperParameterTuningResourceConfig"
        given = definition.get("HyperParameterTuningResourceConfig")
        if given and definition.get("ResourceConfig"):
            words = "ResourceConfig and HyperParameterTuningResourceConfig are mutually exclusive."
            yield refuse(place, words, "leave it out.")
        elif given and given.get("InstanceConfigs") and given.get("InstanceType"):
            words = "InstanceType and InstanceConfigs are mutually exclusive."
            yield refuse(f"{place}.InstanceConfigs", words, "leave out the one or the other.")


def _searched(request: dict) -> Iterator[tuple[str, dict, dict]]:
    """Yield the ranges of a request: place, value and the definition that they belong to."""
    for field, definition in definitions(request):
        if field == "TrainingJobDefinition":
            yield f"{_CONFIG}.ParameterRanges", request[_CONFIG].get("ParameterRanges"), definition
        else:
            place = f"{field}.HyperParameterRanges"
            yield place, definition.get("HyperParameterRanges"), definition


def _each(request: dict) -> Iterator[tuple[str, str, dict, dict]]:
    """Yield each range: place, kind, value, definition."""
    for place, ranges, definition in _searched(request):
        for kind in ("Integer", "Continuous", "Categorical"):
            for number, one in enumerate((ranges or {}).get(f"{kind}ParameterRanges") or ()):
                yield f"{place}.{kind}ParameterRanges[{number}]", kind, one, definition


def one_kind_of_definition(request: dict, _world) -> Iterator[Problem]:
    """A job has one definition, or a list of them.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
    """
    single, several = (request.get(f"TrainingJobDefinition{end}") for end in ("", "s"))
    if bool(single) == bool(several):
        yield refuse(
            "TrainingJobDefinition",
            "You must specify either TrainingJobDefinition or TrainingJobDefinitions, and not "
            "both.",
            "give it, and no TrainingJobDefinitions.",
        )


def objectives(request: dict, _world) -> Iterator[Problem]:
    """The objective is a metric that the training job's definition knows.

    https://github.com/aws/sagemaker-python-sdk/issues/3932 (with the words of the error)
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobDefinition.html
    """
    names: set[str] = set()
    types: set[str] = set()
    for field, definition in definitions(request):
        place, objective = f"{field}.TuningObjective", definition.get("TuningObjective")
        if field == "TrainingJobDefinition":
            place = f"{_CONFIG}.HyperParameterTuningJobObjective"
            objective = request[_CONFIG].get("HyperParameterTuningJobObjective")
        elif not definition.get("DefinitionName"):
            yield null(f"{field}.definitionName", f"{field}.DefinitionName").problem()
        elif definition["DefinitionName"] in names:
            words = f"Definition names must be unique: [{definition['DefinitionName']}]"
            yield refuse(f"{field}.DefinitionName", words, "give it another name.")
        names.add(definition.get("DefinitionName") or "")
        if not objective:
            yield null(place[0].lower() + place[1:], place).problem()
            continue
        types.add(objective["Type"])
        metrics = definition["AlgorithmSpecification"].get("MetricDefinitions") or ()
        if objective["MetricName"] not in [one["Name"] for one in metrics]:
            yield refuse(
                f"{field}.AlgorithmSpecification.MetricDefinitions",
                "A metric is required for this hyperparameter tuning job objective. Provide a "
                "metric in the metric definitions.",
                "give the tuner metric_definitions with one called "
                f"{objective['MetricName']!r}, and a Regex that finds it in the log.",
            )
    if len(types) > 1:
        words = "All objectives of a hyperparameter tuning job must have the same type."
        yield refuse("TrainingJobDefinitions", words, "Maximize or Minimize all of them.")


def ranges_are_numbers(request: dict, _world) -> Iterator[Problem]:
    """The limits of a range are numbers, the least and the most.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContinuousParameterRange.html
    """
    for place, kind, one, _ in _each(request):
        if kind == "Categorical":
            continue
        for member in ("MinValue", "MaxValue"):
            if math.isnan(_number(kind, one[member])):
                a_number = "an integer" if kind == "Integer" else "a number"
                words = f"Invalid {member} {one[member]!r} of the hyperparameter {one['Name']!r}"
                yield refuse(f"{place}.{member}", words, f"give {a_number}, as text.")
        least, most = (_number(kind, one[member]) for member in ("MinValue", "MaxValue"))
        if least > most:
            words = f"MinValue of the hyperparameter {one['Name']!r} is greater than MaxValue"
            yield refuse(f"{place}.MinValue", words, "swap the two.")


def _number(kind: str, text: str) -> float:
    """Return the limit of a range, nan where it is no number or a monster."""
    try:
        number = _NUMBERS[kind](text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) and abs(number) < 2**63 else math.nan


def scaling(request: dict, _world) -> Iterator[Problem]:
    """A logarithm needs a range that has one.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
    """
    for place, kind, one, _ in _each(request):
        kind_of_scale = one.get("ScalingType")
        if kind_of_scale == "Logarithmic" and _number(kind, one["MinValue"]) <= 0:
            words = "Logarithmic scaling works only for ranges that have only values greater than 0"
            yield refuse(f"{place}.ScalingType", words, "give a MinValue above 0, or 'Linear'.")
        if kind_of_scale != "ReverseLogarithmic":
            continue
        if kind == "Integer":
            words = "ReverseLogarithmic scaling is not supported for integer hyperparameter ranges"
            yield refuse(f"{place}.ScalingType", words, "give 'Linear' or 'Logarithmic'.")
        elif _number(kind, one["MinValue"]) < 0 or _number(kind, one["MaxValue"]) >= 1:
            words = (
                "ReverseLogarithmic scaling works only for ranges that are entirely within the "
                "range 0<=x<1.0"
            )
            yield refuse(f"{place}.ScalingType", words, "give such a range, or 'Linear'.")


def unique_hyperparameters(request: dict, _world) -> Iterator[Problem]:
    """A hyperparameter is searched once, or static.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobDefinition.html
    """
    seen: set[tuple[int, str]] = set()
    for place, _, one, definition in _each(request):
        name = one["Name"]
        if name in (definition.get("StaticHyperParameters") or {}):
            words = f"The hyperparameter {name!r} is both static and tunable"
            yield refuse(f"{place}.Name", words, "take it out of the StaticHyperParameters.")
        if (id(definition), name) in seen:
            words = f"The hyperparameter {name!r} has two ranges"
            yield refuse(f"{place}.Name", words, "give one.")
        seen.add((id(definition), name))


def number_of_hyperparameters(request: dict, _world) -> Iterator[Problem]:
    """At most 30 hyperparameters are searched, each category counts; at least one is.

    So there is a limit for the metrics.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
    """
    for field, definition in definitions(request):
        metrics = definition["AlgorithmSpecification"].get("MetricDefinitions") or ()
        if len(metrics) > _MOST_METRICS:
            place = f"{field}.AlgorithmSpecification.MetricDefinitions"
            words = f"{len(metrics)} metrics are defined, the limit is {_MOST_METRICS}"
            yield refuse(place, words, "leave some out.")
    for place, ranges, definition in _searched(request):
        if (ranges or {}).get("AutoParameters"):
            continue  # they are not played, and refused by their name
        number = 0
        for _, kind, one, owner in _each(request):
            if owner is definition:
                number += len(one["Values"]) if kind == "Categorical" else 1
        if not number:
            words = "A hyperparameter tuning job needs at least one hyperparameter range."
            yield refuse(place, words, "give one.")
        elif number > _MOST_HYPERPARAMETERS:
            words = f"{number} hyperparameters are searched, the limit is {_MOST_HYPERPARAMETERS}"
            mend = "search fewer; every value of a category counts."
            yield refuse(place, words, mend)


def _combinations(request: dict) -> float:
    """Return how many combinations there are to try."""
    numbers = []
    for _, ranges, definition in _searched(request):
        number = math.inf if (ranges or {}).get("AutoParameters") else 1.0
        for _, kind, one, owner in _each(request):
            if owner is not definition:
                continue
            if kind == "Categorical":
                number *= len({*one["Values"]})
            elif one["MinValue"] != one["MaxValue"]:
                least, most = (_number(kind, one[member]) for member in ("MinValue", "MaxValue"))
                number *= most - least + 1 if kind == "Integer" else math.inf
        numbers.append(number)
    return sum(numbers)


def grid(request: dict, _world) -> Iterator[Problem]:
    """Grid search tries all combinations of categories.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
    """
    if request[_CONFIG]["Strategy"] != "Grid":
        return
    for place, kind, _, _ in _each(request):
        if kind != "Categorical":
            words = "Only categorical parameters are supported when using the Grid strategy"
            yield refuse(place, words, "give CategoricalParameter([…]), or another strategy.")
            return
    given, right = request[_CONFIG]["ResourceLimits"].get("MaxNumberOfTrainingJobs"), int(
        _combinations(request)
    )  # fmt: skip
    if given not in (None, right):
        yield refuse(
            f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs",
            "MaxNumberOfTrainingJobs must be equal to the total number of distinct categorical "
            f"combinations, [{right}], when using the Grid strategy",
            f"leave out max_jobs, or give {right}.",
        )


def number_of_jobs(request: dict, _world) -> Iterator[Problem]:
    """There are as many training jobs as there are combinations at most.

    https://github.com/aws/amazon-sagemaker-operator-for-k8s/issues/123 (with the words)
    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
    """
    config = request[_CONFIG]
    limits, field = config["ResourceLimits"], f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs"
    if limits["MaxParallelTrainingJobs"] > _MOST_PARALLEL:
        place = f"{_CONFIG}.ResourceLimits.MaxParallelTrainingJobs"
        words = f"At most {_MOST_PARALLEL} training jobs of a tuning job run in parallel"
        yield refuse(place, words, f"give {_MOST_PARALLEL} or fewer.")
    most, there = _MOST_JOBS.get(config["Strategy"], _USUAL_MOST_JOBS), _combinations(request)
    number = limits.get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        number = there
    if number is None:
        aws = "hyperParameterTuningJobConfig.resourceLimits.maxNumberOfTrainingJobs"
        yield null(aws, field).problem()
    elif number > most:
        words = f"The number of training jobs, [{number:.0f}], is greater than the limit, [{most}]"
        yield refuse(field, words, "give fewer.", "ResourceLimitExceeded")
    elif there < number:
        yield refuse(
            field,
            "You don't have enough combinations of hyperparameter ranges. The total number of "
            f"hyperparameter combinations for the provided ranges [{there}] must be equal or "
            f"greater than the value of MaxNumberOfJobs, [{number}]. Provide additional ranges.",
            f"give max_jobs={there:.0f} or less, or wider ranges.",
        )


def resources(config: dict, definition: dict) -> tuple[int, int] | None:
    """Return the least and the most resources of a job in Hyperband, None where none are said.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperbandStrategyConfig.html
    """
    given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    most = given.get("MaxResource")
    static = definition.get("StaticHyperParameters") or {}
    for name in _EPOCHS if most is None else ():
        text = static.get(name, "").strip('"')
        if text.isascii() and text.isdigit() and int(text):
            most = int(text)
            break
    return None if most is None else (given.get("MinResource", 1), most)


def hyperband(request: dict, _world) -> Iterator[Problem]:
    """Hyperband has its own configuration, and its own way to stop early.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTuningJobConfig.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperbandStrategyConfig.html
    """
    config, place = request[_CONFIG], f"{_CONFIG}.StrategyConfig"
    if config["Strategy"] != "Hyperband":
        if config.get("StrategyConfig"):
            words = "StrategyConfig should be provided only if Hyperband is selected as Strategy"
            yield refuse(place, words, "leave it out, or give strategy='Hyperband'.")
        return
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        words = "TrainingJobEarlyStoppingType must be Off to use Hyperband"
        yield refuse(f"{_CONFIG}.TrainingJobEarlyStoppingType", words, "leave it out.")
    for _, definition in definitions(request):
        found, place = resources(config, definition), f"{place}.HyperbandStrategyConfig.MaxResource"
        if found is None:
            words = "Unable to infer MaxResource for Hyperband."
            mend = "give it, or a static hyperparameter 'epochs'."
            yield refuse(place, words, mend)
        elif found[0] > found[1] or found[1] > _MOST_EPOCHS:
            words = f"Invalid MinResource and MaxResource of Hyperband: {found[0]}, {found[1]}"
            mend = f"give a MaxResource from MinResource to {_MOST_EPOCHS}."
            yield refuse(place, words, mend)
        return


def several_algorithms(request: dict, _world) -> Iterator[Problem]:
    """Warm start and early stopping are there for one algorithm only.

    https://docs.aws.amazon.com/sagemaker/latest/dg/multiple-algorithm-hpo-create-tuning-jobs.html
    """
    if not request.get("TrainingJobDefinitions"):
        return
    words = "{} is available only when tuning a single algorithm"
    if request.get("WarmStartConfig"):
        yield refuse("WarmStartConfig", words.format("Warm start"), "leave it out.")
    if request[_CONFIG].get("TrainingJobEarlyStoppingType") == "Auto":
        field = f"{_CONFIG}.TrainingJobEarlyStoppingType"
        yield refuse(field, words.format("Early stopping"), "leave it out.")
