"""The cells of a notebook, and what they set."""

from __future__ import annotations

import types

import pytest

from workshop.course import checks, manifest
from workshop.course.checks import live
from workshop.course.checks.look import Look, notebook
from workshop.course.checks.outcome import NotYet


def test_a_folder_without_the_notebook(tmp_path):
    outcome = checks.run("1.3", tmp_path)
    assert outcome.state == checks.NOT_YET
    assert "no notebook 1-preprocessing.ipynb" in outcome.found


def test_a_variable_is_what_the_kernel_says_or_what_its_cell_printed(work, kernel, monkeypatch):
    section = manifest.labs()[1].sections[0]
    looked = Look(work.folder, section)

    with monkeypatch.context() as patch:
        shell = types.SimpleNamespace(user_ns={"raw_data": "s3://live"})
        patch.setattr(live, "_shell", shell)
        assert notebook.value(looked, "raw_data", str) == "s3://live"
    with pytest.raises(NotYet, match="does not stand in the saved notebook"):
        notebook.value(looked, "raw_data", str)
    work.printed("1-preprocessing", "raw_data = sagemaker", "s3://printed\n")
    assert notebook.value(looked, "raw_data", str) == "s3://printed\n"
    with pytest.raises(NotYet, match="no cell sets processed"):
        notebook.value(looked, "processed", str)


@pytest.mark.parametrize(
    ("cell", "sets"),
    [
        ("cost = 1", True),
        ("if True:\n    hours, cost = 1, 2", True),
        ("%time\ncost: float = 1", True),
        ("for cost in costs:\n    pass", True),
        ("cost = (", True),
        ("def cost(jobs):\n    return 1", True),
        ("def cost(jobs", True),
        ("print(cost)", False),
        ("# cost = 1", False),
        ("f(cost=1)", False),
        ("costs = 1", False),
    ],
)
def test_a_cell_sets_a_variable(cell, sets):
    assert notebook.Cell(cell, None).sets("cost") == sets
