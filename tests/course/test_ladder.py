"""Ladders: what is refused, what a rung holds, and labs with some rungs applied."""

import ast

import nbformat
import pytest

from workshop.course import build, gaps, ladder, manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

from .stages import materialise, with_region
from .tiny import LADDER, SCRIPT_WITH_TASK

LABS = [lab for lab in manifest.labs() if lab.tasks]


# --- one file


def test_rungs():
    one, two, three = ladder.parse(LADDER, "1.1.md", "x = 3\n")
    assert one == ladder.Rung("Which number?", "What comes after 2?", None)
    assert (two.title, two.code) == ("The shape", "x = ...\n")
    assert three.code == "x = 3\n"
    assert three.text == "Now you see it.\n\n```python\nx = 3\n```"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("## Rung 1: Which number?", "Words", "1.1.md:1: a ladder begins with '## Rung 1: TITLE'"),
        ("## Rung 2: The shape", "", "1.1.md: 2 rungs; a ladder has at least 3"),
        ("## Rung 2: ", "## Rung 3: ", "1.1.md:5: rung 2: '## Rung 3: The shape', expected"),
        ("## Rung 2: The shape", "## Rung 2", "1.1.md:5: rung 2: '## Rung 2', expected"),
        ("{{solution}}", "x = 3", "1.1.md:11: rung 3: a line {{solution}} belongs into the last"),
        ("```\n", "```\n{{solution}}\n", "1.1.md:5: rung 2: a line {{solution}} belongs into"),
        ("{{solution}}", "so: {{solution}}", "1.1.md:11: rung 3: a line {{solution}} belongs"),
        ("{{solution}}", "{{solution}}\n{{solution}}", "1.1.md:11: rung 3: a line {{solution}}"),
        ("What comes after 2?", "```python\n1\n```", "1.1.md:1: rung 1: the first rung is a que"),
        ("```python", "```", "1.1.md:5: rung 2: the second rung shows the shape"),
        ("x = ...\n```", "x = ...\n```\n```python\ny\n```", "1.1.md:5: rung 2: a rung has at most"),
        ("x = ...\n```", "x = ...", "1.1.md:5: rung 2: a rung has at most one block"),
        ("x = ...", "x = .", "1.1.md:5: rung 2: its code does not parse"),
    ],
)
def test_refused(old, new, told):
    assert old in LADDER
    with pytest.raises(WorkshopError) as error:
        ladder.parse(LADDER.replace(old, new, 1), "1.1.md", "x = 3\n")
    assert str(error.value).startswith(told)


def test_a_task_without_hints_and_hints_without_a_task(two_tasks):
    lab, root = two_tasks
    hints = root / "source" / lab.folder / "hints"
    (hints / "1.2.md").rename(hints / "1.3.md")
    with pytest.raises(WorkshopError, match=r"hints/1\.2\.md is missing: task 1\.2 has no hints"):
        ladder.load(lab, root)
    (hints / "1.2.md").write_text(LADDER)
    with pytest.raises(WorkshopError, match=r"hints/1\.3\.md: course\.toml has no task 1\.3"):
        ladder.load(lab, root)


# --- applying rungs


def test_with_region():
    text = with_region(SCRIPT_WITH_TASK, "1.2", "x = 1\n\nx += 2\n")
    assert "    # task 1.2 begin\n    x = 1\n\n    x += 2\n    # task 1.2 end\n" in text
    assert with_region(SCRIPT_WITH_TASK, "1.1", "x") == SCRIPT_WITH_TASK
    assert with_region(text, "1.2", "x = 3\n") == SCRIPT_WITH_TASK


def test_materialise(two_tasks, tmp_path):
    lab, root = two_tasks
    goal = tmp_path / "lab"
    materialise(goal, lab=lab, root=root)
    solved = {path.relative_to(goal): path.read_bytes() for path in goal.rglob("*.*")}
    rendered = build.render(lab, root)
    assert {str(name): data for name, data in solved.items()} == {
        name: build.as_bytes(data) for name, data in rendered.items()
    }
    assert "return x" in (goal / "script_1" / "script.py").read_text()

    materialise(goal, lab=lab, root=root, open={"1.1"}, rungs={"1.2": 2})
    notebook = (goal / "1-one.ipynb").read_text()
    assert 'workshop.not_attempted(\\"1.1\\")' in notebook
    assert (goal / "script_1" / "script.py").read_text().split("\n")[1] == "    x = ..."

    last = dict.fromkeys(("1.1", "1.2"), 3)
    materialise(goal, lab=lab, root=root, rungs=last)
    assert solved == {path.relative_to(goal): path.read_bytes() for path in goal.rglob("*.*")}


@pytest.mark.parametrize(
    "wanted", [{"open": {"9.9"}}, {"rungs": {"1.1": 1}}, {"rungs": {"1.1": 4}}, {"rungs": {"9": 1}}]
)
def test_materialise_what_is_not_there(two_tasks, tmp_path, wanted):
    lab, root = two_tasks
    with pytest.raises(WorkshopError):
        materialise(tmp_path / "lab", lab=lab, root=root, **wanted)


# --- the real ladders


CASES = [(lab, task.number) for lab in LABS for task in lab.tasks]


@pytest.mark.parametrize(("lab", "number"), CASES, ids=[number for _, number in CASES])
def test_every_stage_parses(lab, number):
    """With any rung applied, the file is still Python."""
    region = gaps.regions(lab)[number]
    source = (ROOT / "source" / lab.folder / region.path).read_text()
    for rung in ladder.load(lab)[number]:
        if rung.code:
            ast.parse(with_region(source, number, rung.code))


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_all_last_rungs_are_the_solution(lab, tmp_path):
    rungs = {number: len(rungs) for number, rungs in ladder.load(lab).items()}
    materialise(tmp_path, lab=lab, rungs=rungs)
    for name, content in build.render(lab).items():
        assert (tmp_path / name).read_bytes() == build.as_bytes(content)
        if name.endswith(".ipynb"):
            nbformat.validate(content)
