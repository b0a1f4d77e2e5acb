"""Scripts that are tried: what they may do, and what is said of them."""

from __future__ import annotations

import pytest

from workshop.course import checks
from workshop.course.checks.look import trials


def _preprocessing(work, code):
    work.path("preprocessing.py").write_text(code)
    return work.check("1.5")


def test_a_script_that_does_not_end_is_stopped(work, monkeypatch):
    monkeypatch.setattr(trials, "_SECONDS", 1)
    outcome = _preprocessing(work, "while True:\n    pass\n")
    assert outcome.state == checks.NOT_YET
    assert outcome.found == "the script had not ended after 1 seconds"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import sys\nsys.exit(3)", "the script ended with exit status 3"),
        ("import os\nos._exit(3)", "the script exited with code 3."),
        ("import workshop", "preprocessing.py, line 1: ModuleNotFoundError: No module named 'work"),
        (
            "import boto3\nboto3.client('s3').list_buckets()",
            "preprocessing.py, line 2: EndpointConn",
        ),
    ],
)
def test_a_script_that_stops(work, code, found):
    outcome = _preprocessing(work, code)
    assert outcome.state == checks.NOT_YET
    assert outcome.found.startswith(found)


def test_the_work_of_two_tasks_in_one_script_is_told_apart(work):
    work.replace("preprocessing.py", ("labels[~validation])", "1 / 0)"))
    assert work.check("1.5").state == checks.PASSED
    assert work.check("1.6").found.endswith("ZeroDivisionError: division by zero")


def test_a_script_is_not_tried_twice_until_it_changes(work, monkeypatch):
    assert work.check("1.5").state == work.check("1.6").state == checks.PASSED
    with monkeypatch.context() as patch:
        patch.setattr(trials, "_run_host", lambda *_: pytest.fail("tried again"))
        assert work.check("1.5").state == work.check("1.6").state == checks.PASSED
    work.replace("preprocessing.py", ("labels[~validation])", "labels[~validation][::-1])"))
    assert work.check("1.6").state == checks.NOT_YET


def test_a_script_that_stopped_is_tried_again(work, monkeypatch):
    work.replace("preprocessing.py", ("labels[~validation])", "1 / 0)"))
    work.check("1.6")
    assert not trials._tried


def test_a_script_leaves_nothing_behind(work):
    before = {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")}
    work.check("1.5")
    assert {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")} == before
    assert not list(trials.state.folder("tmp").glob("tmp*"))


@pytest.mark.parametrize("number", ["9.1", "11.2", "12.2"])
def test_a_script_whose_framework_is_not_installed_is_not_tried(work, number, monkeypatch):
    monkeypatch.setattr(trials.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(trials, "_run_host", lambda *_: pytest.fail("tried"))
    outcome = work.check(number)
    assert outcome.state == checks.NOT_YET
    assert "is not installed here" in outcome.found
    assert outcome.expected.endswith(": ./lab setup Lab3 installs it")
