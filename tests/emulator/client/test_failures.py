"""What is told of an error in a few lines."""

from __future__ import annotations

import os

import boto3
import pytest
from botocore.exceptions import ParamValidationError

from workshop.emulator.client import failures
from workshop.emulator.errors import WorkshopError

TENSORFLOW = """\
algo-1 exited with code 1.
Traceback (most recent call last):
  File "/opt/ml/code/main.py", line 40, in <module>
    main()
  File "/opt/ml/code/training.py", line 12, in train
    model.fit(X, y)
  File "/usr/lib/python3/site-packages/keras/utils.py", line 122, in handler
    raise e from None
ValueError: Input 0 of layer "dense" is not right: expected 1, found 2.
Arguments received: x"""
AT_IMPORT = """\
Traceback (most recent call last):
  File "/opt/ml/code/main.py", line 1, in <module>
    import training
  File "/opt/ml/code/training.py", line 7
    def f(:
          ^
SyntaxError: invalid syntax"""


@pytest.mark.parametrize(
    ("told", "where", "error"),
    [
        (
            TENSORFLOW,
            "training.py, line 12: model.fit(X, y)",
            'ValueError: Input 0 of layer "dense" is not right: expected 1, found 2.',
        ),
        (AT_IMPORT, "training.py, line 7: def f(:", "SyntaxError: invalid syntax"),
        (
            "usage: main.py [-h]\nmain.py: error: no such thing",
            "",
            "main.py: error: no such thing",
        ),
        ("no disk\nalgo-2 exited with code 1.", "", "no disk algo-2 exited with code 1."),
    ],
)
def test_where_a_script_failed(told, where, error):
    assert failures.script_error(told) == (where, error)


@pytest.mark.parametrize("error", [ValueError("own"), WorkshopError("ours"), KeyboardInterrupt()])
def test_other_errors_are_not_explained(error):
    try:
        raise error
    except BaseException as raised:
        assert failures.explain(raised) is None


def test_an_own_error_after_one_of_aws_is_the_learners():
    try:
        try:
            boto3.client("s3", region_name="us-east-1").get_object(Bucket="mine", Kee="a")
        except ParamValidationError:
            undefined  # noqa: B018
    except NameError as raised:
        assert failures.explain(raised) is None


def test_no_box_is_longer_than_eleven_lines():
    long = "word " * 500
    box = failures.Explained(long, long, long, long, "", "")
    lines = box.text().splitlines()
    assert len(lines) == 11 and max(map(len, lines)) <= 100


def test_without_the_stand_ins_error_docker_is_named(monkeypatch):
    """WORKSHOP_DOCKER=1: a real Docker ran the job, and its output is all there is."""
    monkeypatch.setenv("WORKSHOP_FAILURES", "/nowhere")
    error = RuntimeError("Failed to run: ['docker', 'compose'], exited with code: 1")
    assert failures.remember(error, "training", "mine", []) == ""
    explained = failures.explain(error)
    assert explained.title == "The training job mine failed."
    assert explained.error.startswith("Failed to run: ['docker', 'compose']")


def test_a_local_job_that_nobody_recorded_is_told_by_its_own_error(monkeypatch, tmp_path):
    """With the learner's own account."""
    monkeypatch.setenv("WORKSHOP_FAILURES", str(tmp_path))
    own = "File \"/opt/ml/code/a.py\", line 2, in f\n    g()\nNameError: name 'g' is not defined\n"
    (tmp_path / str(os.getpid())).write_text(f"Traceback (most recent call last):\n  {own}")
    explained = failures.explain(RuntimeError("Failed to run: ['docker', 'compose'], exited"))
    assert explained.title == "The local job failed."
    assert explained.where == "a.py, line 2: g()"
    assert explained.error == "NameError: name 'g' is not defined"
