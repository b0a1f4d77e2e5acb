"""What the training jobs of a tuning job have come to.

They are as ListTrainingJobsForHyperParameterTuningJob has them:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperParameterTrainingJobSummary.html
"""

from __future__ import annotations

from collections import Counter

from workshop.emulator.service.sagemaker.compute import FINAL

#: The member with the value of the objective, and with its name and type.
METRIC = "FinalHyperParameterTuningJobObjectiveMetric"
#: A better objective is better by so much: AWS's "1% or greater" (API_BestObjectiveNotImproving).
_BETTER = 0.01


def running(jobs: list[dict]) -> list[dict]:
    return [one for one in jobs if one["TrainingJobStatus"] not in FINAL]


def with_values(jobs: list[dict]) -> list[dict]:
    return [one for one in jobs if METRIC in one]


def value(one: dict) -> float:
    """Return the value of a training job that has one: the greater, the better."""
    return one[METRIC]["Value"] * (1 if one[METRIC]["Type"] == "Maximize" else -1)


def best(jobs: list[dict]) -> dict | None:
    """Return the training job with the best value, None where none has one."""
    return max(with_values(jobs), key=value, default=None)


def reaches(jobs: list[dict], target: float) -> bool:
    """Tell whether a training job is as good as the target is, or better."""
    return any(
        value(one) >= target * (1 if one[METRIC]["Type"] == "Maximize" else -1)
        for one in with_values(jobs)
    )


def not_improving(jobs: list[dict]) -> int:
    """Return how many training jobs have ended since the last one that was much better."""
    most, number = None, 0
    ended = [one for one in jobs if one["ObjectiveStatus"] != "Pending"]
    for one in sorted(ended, key=lambda one: one.get("TrainingEndTime", 0)):
        number += 1
        if METRIC in one and (most is None or value(one) > most + _BETTER * abs(most)):
            most, number = value(one), 0
    return number


def counts(jobs: list[dict]) -> dict:
    """Return the members of the description that tell of the training jobs."""
    status = Counter(one["TrainingJobStatus"] for one in jobs)
    objective = Counter(one["ObjectiveStatus"] for one in jobs)
    found = best(jobs)
    return {
        "TrainingJobStatusCounters": {
            "Completed": status["Completed"],
            "InProgress": status["InProgress"] + status["Stopping"],
            "RetryableError": 0,
            "NonRetryableError": status["Failed"],
            "Stopped": status["Stopped"],
        },
        "ObjectiveStatusCounters": {
            name: objective[name] for name in ("Succeeded", "Pending", "Failed")
        },
        "TuningJobCompletionDetails": {
            "NumberOfTrainingJobsObjectiveNotImproving": not_improving(jobs)
        },
        **({"BestTrainingJob": {**found}} if found else {}),
    }


def failure(jobs: list[dict], attempts: int, metric: str) -> str:
    """Return why a tuning job has failed: so many training jobs have, and none has not; else "".

    The words are AWS's, as people have shown them; the last line is ours.
    """
    ended = [one for one in jobs if one["TrainingJobStatus"] in FINAL]
    if len(ended) < attempts or with_values(ended):
        return ""
    last = ended[-1]
    if all(one["TrainingJobStatus"] == "Failed" for one in ended):
        return (
            f"No training job succeeded after {len(ended)} attempts. For additional details, "
            "please take a look at the training job failures by listing training jobs for the "
            f"hyperparameter tuning job.\n{last['TrainingJobName']}: {last['FailureReason']}"
        )
    return (
        f"No objective metrics found after running {len(ended)} training jobs. Please ensure that "
        "the custom algorithm is emitting the objective metric as defined by the regular "
        f"expression provided.\n{last['TrainingJobName']}: its log has no {metric!r}."
    )
