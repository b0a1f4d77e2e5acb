"""What the training jobs of a tuning job have come to."""

from __future__ import annotations

import pytest

from workshop.emulator.service.sagemaker.tuning import results


def job(value: float | None, status: str = "Completed", kind: str = "Minimize", when=0) -> dict:
    one = {
        "TrainingJobName": f"job-{value}",
        "TrainingJobStatus": status,
        "TrainingEndTime": when,
        "ObjectiveStatus": "Failed" if value is None else "Succeeded",
        **({"FailureReason": "AlgorithmError: no label"} if status == "Failed" else {}),
    }
    if value is not None:
        one[results.METRIC] = {"MetricName": "m", "Type": kind, "Value": value}
    return one


def test_the_best_is_the_least_or_the_most():
    assert results.best([job(2.0), job(1.0), job(None, "Failed")])["TrainingJobName"] == "job-1.0"
    jobs = [job(2.0, kind="Maximize"), job(1.0, "Stopped", "Maximize")]
    assert results.best(jobs)["TrainingJobName"] == "job-2.0"
    assert results.best([job(None, "Failed")]) is None


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("Minimize", 1.0, True),
        ("Minimize", 0.9, False),
        ("Maximize", 1.0, True),
        ("Maximize", 1.1, False),
    ],
)
def test_a_target_is_reached(kind, target, expected):
    assert results.reaches([job(None, "Failed"), job(1.0, kind=kind)], target) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0),
        ([1.0], 0),
        ([1.0, 0.995], 1),  # less than one in a hundred
        ([1.0, 0.98], 0),
        ([1.0, None, 2.0], 2),
        ([1.0, 2.0, 0.5, 0.5], 1),
        ([-1.0, -1.005, -1.02], 0),
    ],
)
def test_jobs_that_do_not_improve_are_counted_as_they_end(values, expected):
    jobs = [job(value, when=when) for when, value in enumerate(values)]
    assert results.not_improving(jobs[::-1]) == expected


def test_the_counts_are_those_of_aws():
    running = job(None, "InProgress") | {"ObjectiveStatus": "Pending"}
    jobs = [job(1.0), job(None), job(None, "Failed"), job(3.0, "Stopped"), running]
    counts = results.counts(jobs)
    assert counts["TrainingJobStatusCounters"] == {
        "Completed": 2,
        "InProgress": 1,
        "RetryableError": 0,
        "NonRetryableError": 1,
        "Stopped": 1,
    }
    assert counts["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 1, "Failed": 2}


def test_without_any_success_it_fails_in_awss_words():
    failed = [job(None, "Failed")] * 5
    assert results.failure(failed[:4], 5, "m") == ""
    assert results.failure([*failed, job(1.0)], 5, "m") == ""
    words, last = results.failure(failed, 5, "m").split("\n")
    assert words.startswith("No training job succeeded after 5 attempts. For additional details,")
    assert last == "job-None: AlgorithmError: no label"
    words, last = results.failure([*failed[:4], job(None)], 5, "m").split("\n")
    assert words.startswith("No objective metrics found after running 5 training jobs.")
    assert last == "job-None: its log has no 'm'."
