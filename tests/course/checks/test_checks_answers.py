"""Right answers pass, whatever they look like; wrong ones are caught, and the words are frozen.

After a change of the words: UPDATE_GOLDEN=1 ./lab test tests/course/checks, then read the diff.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from workshop.course import checks, manifest

from . import (
    answers,
    answers_lab2,
    answers_lab3,
    answers_lab4,
    answers_lab4_endpoint,
    answers_lab4_transform,
    answers_lab4_tuning,
)

ANSWERS = (
    answers,
    answers_lab2,
    answers_lab3,
    answers_lab4,
    answers_lab4_transform,
    answers_lab4_endpoint,
    answers_lab4_tuning,
)
WRONG = [row for module in ANSWERS for row in module.WRONG]
RIGHT = [row for module in ANSWERS for row in module.RIGHT]
GOLDEN = Path(__file__).parent / "golden"
#: Their checks try a script with its framework.
SLOW = ("2.4", "3.3", "5.3", "9.1", "10.2", "11.2", "12.2", "17.1")
#: Those whose framework is one of Lab 3's packages.
LAB3 = ("9.1", "11.2", "12.2")
NUMBERS = [task.number for task in manifest.tasks()]


def rows(table):
    """Name each row, and mark what starts TensorFlow, PyTorch, XGBoost or Spark."""
    return [
        pytest.param(number, name, change, id=_file(number, name), marks=_slow(number, name))
        for number, name, change in table
    ]


def _slow(number, name=""):
    if number not in SLOW or name == "half a line":
        return []
    return [pytest.mark.slow, *([pytest.mark.lab3] if number in LAB3 else [])]


def _file(number, name):
    return "-".join([number, *re.findall(r"[a-z0-9]+", name.casefold())])


def frozen(name: str, text: str) -> None:
    """Compare with a golden file; write it when UPDATE_GOLDEN is set."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.exists(), f"{path} is missing: UPDATE_GOLDEN=1 ./lab test tests/course/checks"
    assert text == path.read_text()


# --- the table --------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "name", "change"), rows(WRONG))
def test_a_wrong_answer_is_caught(work, plain, number, name, change):
    change(work)
    outcome = work.check(number)
    assert outcome.state == checks.NOT_YET
    frozen(_file(number, name), plain(checks.feedback(outcome)))


@pytest.mark.parametrize(("number", "name", "change"), rows(RIGHT))
def test_a_right_answer_that_is_not_ours_passes(work, number, name, change):
    change(work)
    outcome = work.check(number)
    assert outcome.state == checks.PASSED, checks.feedback(outcome)


@pytest.mark.parametrize("number", [pytest.param(n, marks=_slow(n)) for n in NUMBERS])
def test_the_solution_passes(work, plain, number):
    outcome = work.check(number)
    frozen(f"{number}-passed", plain(checks.feedback(outcome)))
    assert outcome.state == checks.PASSED


def test_each_task_has_a_check_and_two_wrong_answers():
    assert list(checks.CHECKS) == NUMBERS
    wrong = [number for number, _, _ in WRONG]
    assert {number for number in NUMBERS if wrong.count(number) < 2} == set()


# --- not vacuous ------------------------------------------------------------------------------

WITH_JOBS = [
    *("1.1", "1.3", "1.4", "1.7", "2.1", "2.5", "2.6", "2.7", "3.1", "3.2", "3.5"),
    *("4.1", "4.2", "4.4", "5.2", "5.4", "6.1", "6.3", "6.4", "7.1", "7.3"),
    *("8.1", "9.2", "10.1", "10.3", "11.1", "11.3", "12.1", "12.3"),
    *("13.3", "13.4", "14.3", "14.4", "14.5", "15.2", "15.3", "15.4"),
    *("16.1", "16.2", "16.3", "16.4", "16.5"),
    *("17.2", "17.3", "17.4"),
]
NEEDS_S3 = [
    *("1.3", "1.7", "2.1", "2.7", "3.1", "3.2", "3.5", "4.2", "5.4", "6.1", "7.1", "7.3"),
    *("8.1", "9.2", "10.1", "10.3", "11.3", "12.1", "12.3", "13.1", "13.4"),
    *("15.2", "15.3", "15.4"),
]
JOB_OF = {
    **{"1": "preprocessing", "2": "training", "3": "evaluation"},
    **{"4": "preprocessing", "5": "training", "6": "evaluation", "7": "sharding"},
    **{"9": "batch-3", "10": "scikit-learn-evaluation", "11": "pyspark"},
    **{"12.1": "pytorch", "12.3": "xgboost"},
    **{"13": "digits", "14": "good"},  # executions
    **{"15": "transform", "16": "endpoint"},
    **{"17.2": "tuning", "17.3": "tuning", "17.4": "tuned"},
}
#: The price of a training that somebody did in another folder is right too.
ANYBODYS = "6.4"
RESULTS = ["1.7", "2.7", "3.5", "5.4", "7.3", "9.2", "10.3", "11.3", "12.1", "12.3"]
RESULTS += ["15.3", "15.4"]
ENDED = [*RESULTS, "4.4", "6.3", "13.4", "14.3", "14.4", "14.5"]
ENDED += ["16.1", "17.2", "17.3", "17.4"]
VACUOUS = [
    *((number, "no job") for number in WITH_JOBS),
    *((number, "the job of somebody else") for number in WITH_JOBS if number != ANYBODYS),
    *((number, "an empty bucket") for number in NEEDS_S3),
    *((number, "the outputs of yesterday") for number in RESULTS),
    *((number, "a job that has not ended") for number in ENDED),
]


def job_of(number):
    return JOB_OF.get(number) or JOB_OF[number.partition(".")[0]]


def _vacuous(work, number, name):
    if name == "no job":
        work.jobs.clear()
    elif name == "the job of somebody else":
        for about in work.jobs.values():
            about["directory"] = work.folder.parent / "other" / work.folder.name
    elif name == "an empty bucket":
        for objects in work.objects.values():
            objects.clear()
    elif name == "the outputs of yesterday":
        work.jobs[job_of(number)]["started"] = (
            time.time() + 3600
        )  # as if they had been there before
    else:
        work.jobs[job_of(number)]["runs"] = True


@pytest.mark.parametrize(("number", "name"), VACUOUS)
def test_nothing_done_does_not_pass(work, plain, number, name):
    _vacuous(work, number, name)
    outcome = work.check(number)
    assert outcome.state == checks.NOT_YET
    frozen(_file(number, name), plain(checks.feedback(outcome)))


def test_no_golden_file_is_left_over():
    known = {_file(number, name) for number, name, _ in WRONG}
    known |= {_file(number, name) for number, name in VACUOUS}
    known |= {f"{number}-passed" for number in NUMBERS} | {"1.3-not-attempted", "1.5-not-attempted"}
    assert {path.stem for path in GOLDEN.glob("*.txt")} <= known
