"""What AWS refuses of a tuning job, one row each, with the nearest request it accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.validation import rules, tuning_rules

from ....job_requests import (
    BASES,
    BUCKET,
    GONE,
    ROLE,
    TAKEN,
    Row,
    altered,
    judge_accepted,
    judge_refused,
)
from .test_validation import WORLD

OPERATION = "CreateHyperParameterTuningJob"
METRICS = [{"Name": "loss", "Regex": "loss=(.+)"}]
DEFINITION = {
    "AlgorithmSpecification": BASES["CreateTrainingJob"]["AlgorithmSpecification"]
    | {"MetricDefinitions": METRICS},
    "StaticHyperParameters": {"epochs": "3"},
    **{
        name: BASES["CreateTrainingJob"][name]
        for name in (
            *("RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig"),
            "StoppingCondition",
        )
    },
}
OBJECTIVE = {"Type": "Minimize", "MetricName": "loss"}
RANGES = {
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}],
    "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}],
    "CategoricalParameterRanges": [{"Name": "booster", "Values": ["a", "b"]}],
}
BASE = {
    "HyperParameterTuningJobName": "tuning",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": OBJECTIVE,
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": RANGES,
    },
    "TrainingJobDefinition": DEFINITION,
}
#: The same with two algorithms.
SEVERAL = {
    "TrainingJobDefinition": GONE,
    "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective": GONE,
    "HyperParameterTuningJobConfig.ParameterRanges": GONE,
    "TrainingJobDefinitions": [
        DEFINITION
        | {"DefinitionName": name, "TuningObjective": OBJECTIVE, "HyperParameterRanges": RANGES}
        for name in ("one", "two")
    ],
}
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg/"
_CONFIG, _T = "HyperParameterTuningJobConfig", "TrainingJobDefinition"
_LIMITS, _R = f"{_CONFIG}.ResourceLimits", f"{_CONFIG}.ParameterRanges"
_MOST = f"{_LIMITS}.MaxNumberOfTrainingJobs"
_RATE, _DEPTH = f"{_R}.ContinuousParameterRanges.0", f"{_R}.IntegerParameterRanges.0"
_BOOSTER = f"{_R}.CategoricalParameterRanges.0"
_GRID = {
    f"{_CONFIG}.Strategy": "Grid",
    f"{_R}.IntegerParameterRanges": [],
    f"{_R}.ContinuousParameterRanges": [],
}
_HYPERBAND = {f"{_CONFIG}.Strategy": "Hyperband"}
_RESOURCES = f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig"


def row(id, source, field, words, refused, accepted, code="ValidationException") -> Row:
    return Row(id, source, OPERATION, refused, accepted, field, words, code)


ROWS = [
    row(
        "no-definition",
        f"{_API}CreateHyperParameterTuningJob.html",
        _T,
        "either TrainingJobDefinition or TrainingJobDefinitions, and not both",
        {_T: GONE},
        SEVERAL,
    ),
    row(
        "both-definitions",
        f"{_API}CreateHyperParameterTuningJob.html",
        _T,
        "either TrainingJobDefinition or TrainingJobDefinitions, and not both",
        SEVERAL | {_T: DEFINITION},
        SEVERAL,
    ),
    row(
        "objective-without-metric",
        "https://github.com/aws/sagemaker-python-sdk/issues/3932",
        f"{_T}.AlgorithmSpecification.MetricDefinitions",
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in",
        {f"{_CONFIG}.HyperParameterTuningJobObjective.MetricName": "los"},
        {f"{_T}.AlgorithmSpecification.MetricDefinitions": [*METRICS, *METRICS]},
    ),
    row(
        "no-objective",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_CONFIG}.HyperParameterTuningJobObjective",
        "Member must not be null",
        {f"{_CONFIG}.HyperParameterTuningJobObjective": GONE},
        {f"{_CONFIG}.HyperParameterTuningJobObjective.Type": "Maximize"},
    ),
    row(
        "definition-without-name",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        "TrainingJobDefinitions[1].DefinitionName",
        "Member must not be null",
        SEVERAL | {"TrainingJobDefinitions.1.DefinitionName": GONE},
        SEVERAL | {"TrainingJobDefinitions.1.DefinitionName": "three"},
    ),
    row(
        "definitions-with-one-name",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        "TrainingJobDefinitions[1].DefinitionName",
        "Definition names must be unique: [one]",
        SEVERAL | {"TrainingJobDefinitions.1.DefinitionName": "one"},
        SEVERAL,
    ),
    row(
        "objectives-of-two-types",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        "TrainingJobDefinitions",
        "must have the same type",
        SEVERAL | {"TrainingJobDefinitions.1.TuningObjective": OBJECTIVE | {"Type": "Maximize"}},
        SEVERAL | {"TrainingJobDefinitions.1.TuningObjective": {**OBJECTIVE}},
    ),
    row(
        "range-of-words",
        f"{_API}ContinuousParameterRange.html",
        f"{_R}.ContinuousParameterRanges[0].MinValue",
        "Invalid MinValue 'low' of the hyperparameter 'rate'",
        {f"{_RATE}.MinValue": "low"},
        {f"{_RATE}.MinValue": "1e-3"},
    ),
    row(
        "range-without-end",
        f"{_API}ContinuousParameterRange.html",
        f"{_R}.ContinuousParameterRanges[0].MaxValue",
        "Invalid MaxValue 'inf'",
        {f"{_RATE}.MaxValue": "inf"},
        {f"{_RATE}.MaxValue": "1e9"},
    ),
    row(
        "integer-with-a-point",
        f"{_API}ContinuousParameterRange.html",
        f"{_R}.IntegerParameterRanges[0].MaxValue",
        "Invalid MaxValue '9.5' of the hyperparameter 'depth'",
        {f"{_DEPTH}.MaxValue": "9.5"},
        {f"{_DEPTH}.MaxValue": "10"},
    ),
    row(
        "range-upside-down",
        f"{_API}ContinuousParameterRange.html",
        f"{_R}.ContinuousParameterRanges[0].MinValue",
        "is greater than MaxValue",
        {f"{_RATE}.MinValue": "0.91"},
        {f"{_RATE}.MinValue": "0.9"},
    ),
    row(
        "logarithm-of-zero",
        f"{_GUIDE}automatic-model-tuning-define-ranges.html",
        f"{_R}.ContinuousParameterRanges[0].ScalingType",
        "Logarithmic scaling works only for ranges that have only values greater than 0",
        {f"{_RATE}.ScalingType": "Logarithmic", f"{_RATE}.MinValue": "0"},
        {f"{_RATE}.ScalingType": "Logarithmic", f"{_RATE}.MinValue": "0.001"},
    ),
    row(
        "reverse-logarithm-of-integers",
        f"{_GUIDE}automatic-model-tuning-define-ranges.html",
        f"{_R}.IntegerParameterRanges[0].ScalingType",
        "ReverseLogarithmic scaling is not supported for integer hyperparameter ranges",
        {f"{_DEPTH}.ScalingType": "ReverseLogarithmic"},
        {f"{_DEPTH}.ScalingType": "Logarithmic"},
    ),
    row(
        "reverse-logarithm-of-one",
        f"{_GUIDE}automatic-model-tuning-define-ranges.html",
        f"{_R}.ContinuousParameterRanges[0].ScalingType",
        "entirely within the range 0<=x<1.0",
        {f"{_RATE}.ScalingType": "ReverseLogarithmic", f"{_RATE}.MaxValue": "1"},
        {f"{_RATE}.ScalingType": "ReverseLogarithmic", f"{_RATE}.MaxValue": "0.99"},
    ),
    row(
        "scaling-misspelled",
        "botocore",
        f"{_R}.ContinuousParameterRanges[0].ScalingType",
        "Member must satisfy enum value set",
        {f"{_RATE}.ScalingType": "Log"},
        {f"{_RATE}.ScalingType": "Auto"},
    ),
    row(
        "static-and-tunable",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_R}.ContinuousParameterRanges[0].Name",
        "'epochs' is both static and tunable",
        {f"{_RATE}.Name": "epochs"},
        {f"{_RATE}.Name": "epoch"},
    ),
    row(
        "two-ranges",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_R}.ContinuousParameterRanges[0].Name",
        "'depth' has two ranges",
        {f"{_RATE}.Name": "depth"},
        {f"{_RATE}.Name": "Depth"},
    ),
    row(
        "too-many-values",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        _R,
        "31 hyperparameters are searched, the limit is 30",
        {f"{_BOOSTER}.Values": [str(n) for n in range(29)]},
        {f"{_BOOSTER}.Values": [str(n) for n in range(28)]},
    ),
    row(
        "nothing-to-search",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        _R,
        "needs at least one hyperparameter range",
        {_R: {}},
        {f"{_R}.IntegerParameterRanges": []},
    ),
    row(
        "too-many-metrics",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        f"{_T}.AlgorithmSpecification.MetricDefinitions",
        "21 metrics are defined, the limit is 20",
        {f"{_T}.AlgorithmSpecification.MetricDefinitions": METRICS * 21},
        {f"{_T}.AlgorithmSpecification.MetricDefinitions": METRICS * 20},
    ),
    row(
        "grid-of-numbers",
        f"{_GUIDE}automatic-model-tuning-how-it-works.html",
        f"{_R}.IntegerParameterRanges[0]",
        "Only categorical parameters are supported when using the Grid strategy",
        {f"{_CONFIG}.Strategy": "Grid"},
        _GRID | {_MOST: GONE},
    ),
    row(
        "grid-with-another-number",
        f"{_GUIDE}automatic-model-tuning-how-it-works.html",
        _MOST,
        "must be equal to the total number of distinct categorical combinations, [2]",
        _GRID | {_MOST: 3},
        _GRID | {_MOST: 2},
    ),
    row(
        "too-few-combinations",
        "https://github.com/aws/amazon-sagemaker-operator-for-k8s/issues/123",
        _MOST,
        "The total number of hyperparameter combinations for the provided ranges [18.0] must be "
        "equal or greater than the value of MaxNumberOfJobs, [19]. Provide additional ranges.",
        {f"{_R}.ContinuousParameterRanges": [], _MOST: 19},
        {f"{_R}.ContinuousParameterRanges": [], _MOST: 18},
    ),
    row(
        "no-number-of-jobs",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        _MOST,
        "Member must not be null",
        {_MOST: GONE},
        {_MOST: 1},
    ),
    row(
        "too-many-jobs",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        _MOST,
        "[751], is greater than the limit, [750]",
        {f"{_CONFIG}.Strategy": "Bayesian", _MOST: 751},
        {_MOST: 751},
        "ResourceLimitExceeded",
    ),
    row(
        "too-many-at-once",
        f"{_GUIDE}automatic-model-tuning-limits.html",
        f"{_LIMITS}.MaxParallelTrainingJobs",
        "At most 100 training jobs",
        {f"{_LIMITS}.MaxParallelTrainingJobs": 101},
        {f"{_LIMITS}.MaxParallelTrainingJobs": 100},
    ),
    row(
        "too-short",
        "botocore",
        f"{_LIMITS}.MaxRuntimeInSeconds",
        "Member must have value greater than or equal to 120",
        {f"{_LIMITS}.MaxRuntimeInSeconds": 119},
        {f"{_LIMITS}.MaxRuntimeInSeconds": 120},
    ),
    row(
        "resources-of-another-strategy",
        f"{_API}HyperParameterTuningJobConfig.html",
        f"{_CONFIG}.StrategyConfig",
        "StrategyConfig should be provided only if Hyperband is selected",
        {_RESOURCES: {"MaxResource": 9}},
        _HYPERBAND | {_RESOURCES: {"MaxResource": 9}},
    ),
    row(
        "hyperband-with-early-stopping",
        f"{_API}HyperParameterTuningJobConfig.html",
        f"{_CONFIG}.TrainingJobEarlyStoppingType",
        "TrainingJobEarlyStoppingType must be Off to use Hyperband",
        _HYPERBAND | {f"{_CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
        _HYPERBAND | {f"{_CONFIG}.TrainingJobEarlyStoppingType": "Off"},
    ),
    row(
        "hyperband-without-resources",
        f"{_API}HyperbandStrategyConfig.html",
        f"{_RESOURCES}.MaxResource",
        "Unable to infer MaxResource",
        _HYPERBAND | {f"{_T}.StaticHyperParameters": {"steps": "3"}},
        _HYPERBAND | {f"{_T}.StaticHyperParameters": {"n-epochs": '"3"'}},
    ),
    row(
        "hyperband-upside-down",
        f"{_API}HyperbandStrategyConfig.html",
        f"{_RESOURCES}.MaxResource",
        "Invalid MinResource and MaxResource of Hyperband: 4, 3",
        _HYPERBAND | {_RESOURCES: {"MinResource": 4}},
        _HYPERBAND | {_RESOURCES: {"MinResource": 3}},
    ),
    row(
        "warm-start-of-two-algorithms",
        f"{_GUIDE}multiple-algorithm-hpo-create-tuning-jobs.html",
        "WarmStartConfig",
        "Warm start is available only when tuning a single algorithm",
        SEVERAL
        | {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}],
                "WarmStartType": "TransferLearning",
            }
        },
        SEVERAL,
    ),
    row(
        "early-stopping-of-two-algorithms",
        f"{_GUIDE}multiple-algorithm-hpo-create-tuning-jobs.html",
        f"{_CONFIG}.TrainingJobEarlyStoppingType",
        "Early stopping is available only when tuning a single algorithm",
        SEVERAL | {f"{_CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
        {f"{_CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
    ),
    row(
        "resources-twice",
        f"{_API}HyperParameterTuningResourceConfig.html",
        f"{_T}.HyperParameterTuningResourceConfig",
        "ResourceConfig and HyperParameterTuningResourceConfig are mutually exclusive",
        {f"{_T}.HyperParameterTuningResourceConfig": DEFINITION["ResourceConfig"]},
        {
            f"{_T}.HyperParameterTuningResourceConfig": DEFINITION["ResourceConfig"],
            f"{_T}.ResourceConfig": GONE,
        },
    ),
    row(
        "one-kind-of-instances-and-several",
        f"{_API}HyperParameterTuningResourceConfig.html",
        f"{_T}.HyperParameterTuningResourceConfig.InstanceConfigs",
        "InstanceType and InstanceConfigs are mutually exclusive",
        {
            f"{_T}.HyperParameterTuningResourceConfig": DEFINITION["ResourceConfig"]
            | {"InstanceConfigs": [DEFINITION["ResourceConfig"]]},
            f"{_T}.ResourceConfig": GONE,
        },
        {
            f"{_T}.HyperParameterTuningResourceConfig": {
                "InstanceConfigs": [DEFINITION["ResourceConfig"]] * 2
            },
            f"{_T}.ResourceConfig": GONE,
        },
    ),
    row(
        "no-instances",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_T}.ResourceConfig",
        "Value null at 'resourceConfig' failed to satisfy constraint: Member must not be null",
        {f"{_T}.ResourceConfig": GONE},
        {},
    ),
    row(
        "name-length",
        "botocore",
        "HyperParameterTuningJobName",
        "Member must have length less than or equal to 32",
        {"HyperParameterTuningJobName": "a" * 33},
        {"HyperParameterTuningJobName": "a" * 32},
    ),
    row(
        "name-taken",
        "https://github.com/aws/amazon-sagemaker-examples/pull/3353",
        "HyperParameterTuningJobName",
        f"A hyperparameter tuning job with the name, {TAKEN}, already exists. Choose a different",
        {"HyperParameterTuningJobName": TAKEN},
        {"HyperParameterTuningJobName": f"{TAKEN}-2"},
        "ResourceInUse",
    ),
    row(
        "a-training-job-that-is-none",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_T}.StoppingCondition.MaxWaitTimeInSeconds",
        "It is only supported when EnableManagedSpotTraining is set to true",
        {f"{_T}.StoppingCondition.MaxWaitTimeInSeconds": 3600},
        {
            f"{_T}.StoppingCondition.MaxWaitTimeInSeconds": 3600,
            f"{_T}.EnableManagedSpotTraining": True,
        },
    ),
    row(
        "a-role-that-is-not-there",
        f"{_API}HyperParameterTrainingJobDefinition.html",
        f"{_T}.RoleArn",
        "Could not assume role arn:aws:iam::123456789012:role/Nobody.",
        {f"{_T}.RoleArn": "arn:aws:iam::123456789012:role/Nobody"},
        {f"{_T}.RoleArn": ROLE},
    ),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@every_row
def test_aws_refuses(row):
    judge_refused(row, altered(BASE, row.refused), WORLD)


@every_row
def test_aws_accepts_its_neighbor(row):
    judge_accepted(row, altered(BASE, row.accepted), WORLD)


def test_missing_data_is_not_looked_for():
    """Its training jobs look for it."""
    channel = f"{_T}.InputDataConfig.0.DataSource.S3DataSource.S3Uri"
    request = altered(BASE, {channel: f"s3://{BUCKET}/nowhere/"})
    assert operations.check(OPERATION, request, WORLD) is None


def test_each_page_is_named_at_its_rule():
    source = Path(tuning_rules.__file__).read_text() + Path(rules.__file__).read_text()
    others = {"https://github.com/aws/amazon-sagemaker-examples/pull/3353", "botocore"}
    assert {row.source for row in ROWS if row.source not in source} <= others
