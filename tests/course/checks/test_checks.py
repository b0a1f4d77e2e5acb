"""What a check says before there is anything to look at, and how it is asked."""

from __future__ import annotations

import json
import types

import pytest

from workshop.course import checks, hints, manifest, progress_file
from workshop.course.checks import live, look, section1
from workshop.emulator.errors import WorkshopError

from ..stages import materialise
from .test_answers import NUMBERS, SLOW, frozen

LABS = [lab for lab in manifest.labs() if lab.tasks]


EACH_LAB = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)


@pytest.fixture
def starter_of(tmp_path):
    """Return a function: a lab as a learner gets it; no job was started from it."""

    def make(lab):
        folder = tmp_path / "starters" / lab.folder
        materialise(folder, lab=lab, open={task.number for task in lab.tasks})
        return folder

    return make


@pytest.fixture
def starter(starter_of):
    return starter_of(LABS[0])


@EACH_LAB
def test_an_open_gap_is_not_attempted_whatever_is_there(starter_of, lab, plain, monkeypatch):
    monkeypatch.setattr(look.Look, "job", lambda *_: pytest.fail("no need to look at a job"))
    starter = starter_of(lab)
    for task in lab.tasks:
        outcome = checks.run(task.number, starter)
        assert outcome.state == checks.NOT_ATTEMPTED, task.number
        assert outcome.expected == task.what
        if task.number in ("1.3", "1.5"):  # in the notebook, in a script
            frozen(f"{task.number}-not-attempted", plain(checks.feedback(outcome)))


@EACH_LAB
def test_a_gap_that_is_only_deleted_is_no_pass(starter_of, lab):
    starter = starter_of(lab)
    for path in [*starter.glob("*.ipynb"), *starter.rglob("*.py")]:
        text = path.read_text().replace("raise NotImplementedError(", "str(")
        path.write_text(text.replace("workshop.not_attempted(", "str("))
    for number in (task.number for task in lab.tasks if task.number not in SLOW):
        assert checks.run(number, starter).state == checks.NOT_YET, number


@pytest.mark.parametrize("cell", ['not_attempted("1.3")', '%time\n  workshop.not_attempted("1.3")'])
def test_a_gap_is_found_in_any_cell(cell):
    assert look._has_gap(cell, "1.3")
    assert not look._has_gap(cell, "1.31")
    assert not look._has_gap(cell.replace("1.3", "1.4"), "1.3")
    assert not look._has_gap(f"# {cell.splitlines()[-1]}", "1.3")


def test_the_lines_of_a_feedback():
    outcome = checks.Outcome("1.3", checks.NOT_YET, "the job", "no input " * 14, "RawData/")
    current, total = hints.next_rung("1.3")
    assert checks.feedback(outcome).splitlines() == [
        "task 1.3 · Tell the job where its input is: not yet",
        "  looked at  the job",
        "  found      no input no input no input no input no input no input no input no input no "
        "input no",
        "             input no input no input no input no input",
        "  expected   RawData/",
        f"  next       hint {current} of {total}: ./lab hint 1.3   "
        '(in a notebook: workshop.hint("1.3"))',
    ]


def test_show_prints_and_remembers(starter, capsys):
    checks.show("1.3", starter)
    assert capsys.readouterr().out.startswith("task 1.3 · Tell the job where its input is: not att")
    assert progress_file.of("1.3").state == checks.NOT_ATTEMPTED


def test_show_of_a_section_has_a_line_for_each_task(starter, capsys):
    outcomes = checks.show(1, starter)
    assert [outcome.number for outcome in outcomes] == [n for n in NUMBERS if n.startswith("1.")]
    *lines, empty, total = capsys.readouterr().out.splitlines()
    assert all(line.endswith(": not attempted") for line in lines)
    assert (len(lines), empty, total) == (7, "", "0 of 7 tasks passed")


def test_show_of_all_looks_at_each_lab(starter_of, monkeypatch, capsys):
    for lab in LABS:
        root = starter_of(lab).parent
    monkeypatch.chdir(root)
    monkeypatch.setattr("workshop.course.checks.ROOT", root)
    assert len(checks.show()) == len(NUMBERS)
    assert capsys.readouterr().out.endswith(f"0 of {len(NUMBERS)} tasks passed\n")


def test_show_looks_in_the_working_directory_first(starter, monkeypatch, tmp_path):
    monkeypatch.chdir(starter)
    assert checks._folder(manifest.lab_of("1.3")) == starter
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("workshop.course.checks.ROOT", tmp_path)
    assert checks._folder(manifest.lab_of("1.3")) == tmp_path / "Lab1-Unit-Testing"


@pytest.mark.parametrize("unknown", ["1.9", "99", "x"])
def test_no_such_task(unknown, starter):
    with pytest.raises(WorkshopError, match=r"There is no (task|section)"):
        checks.show(unknown, starter)


def test_a_folder_without_the_notebook(tmp_path):
    outcome = checks.run("1.3", tmp_path)
    assert outcome.state == checks.NOT_YET
    assert "no notebook 1-preprocessing.ipynb" in outcome.found


def test_a_check_that_breaks_says_that_it_is_no_fault_of_the_learner(work, monkeypatch):
    monkeypatch.setitem(checks.CHECKS, "1.2", lambda look: 1 / 0)
    with pytest.raises(WorkshopError, match=r"task 1\.2 broke .* not of your work"):
        work.check("1.2")


# --- cells that are not saved ------------------------------------------------------------------


class Info:
    def __init__(self, cell_id, raw_cell):
        self.cell_id, self.raw_cell = cell_id, raw_cell


@pytest.fixture
def kernel(monkeypatch, starter):
    """Run a cell's code as JupyterLab does, in the kernel of 1-preprocessing.ipynb."""
    monkeypatch.setattr(live, "_cells", {})
    monkeypatch.setenv("JPY_SESSION_NAME", f"{starter.name}/1-preprocessing.ipynb")
    cells = json.loads((starter / "1-preprocessing.ipynb").read_text())["cells"]

    def run(gap, code):
        (cell,) = (cell for cell in cells if gap in "".join(cell["source"]))
        live._remember(Info(cell["id"], code))

    return run


GAP = 'workshop.not_attempted("1.3")'


def test_a_cell_counts_as_it_ran_last(starter, kernel):
    kernel(GAP, "inputs = []")
    outcome = checks.run("1.3", starter)
    assert (outcome.state, outcome.looked_at) == (
        checks.NOT_YET,
        f"the jobs started from {starter}",
    )
    kernel(GAP, GAP)
    assert checks.run("1.3", starter).state == checks.NOT_ATTEMPTED


def test_the_cells_of_another_notebook_do_not_count(starter, kernel, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "2-training.ipynb")
    kernel(GAP, "inputs = []")
    assert checks.run("1.3", starter).state == checks.NOT_ATTEMPTED


def test_ipython_tells_the_cell(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr(live, "_cells", {})
    monkeypatch.setattr(live, "_shell", None)
    monkeypatch.setattr(live, "get_ipython", lambda: shell, raising=False)
    live.watch()
    live.watch()
    shell.run_cell("1 + 1", cell_id="cell-07")
    shell.user_ns["__vsc_ipynb_file__"] = "/home/me/Lab1/3-evaluation.ipynb"
    assert live.sources("3-evaluation.ipynb") == {"cell-07": "1 + 1"}


def test_a_variable_is_what_the_kernel_says_or_what_its_cell_printed(work, kernel, monkeypatch):
    section = manifest.labs()[1].sections[0]
    looked = look.Look(work.folder, section)

    with monkeypatch.context() as patch:
        shell = types.SimpleNamespace(user_ns={"raw_data": "s3://live"})
        patch.setattr(live, "_shell", shell)
        assert looked.value("raw_data", str) == "s3://live"
    with pytest.raises(look.NotYet, match="does not stand in the saved notebook"):
        looked.value("raw_data", str)
    work.printed("1-preprocessing", "raw_data = sagemaker", "s3://printed\n")
    assert looked.value("raw_data", str) == "s3://printed\n"
    with pytest.raises(look.NotYet, match="no cell sets processed"):
        looked.value("processed", str)


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
    assert look.Cell(cell, None).sets("cost") == sets


# --- scripts that are tried --------------------------------------------------------------------


def _preprocessing(work, code):
    work.path("preprocessing.py").write_text(code)
    return work.check("1.5")


def test_a_script_that_does_not_end_is_stopped(work, monkeypatch):
    monkeypatch.setattr(look, "_SECONDS", 1)
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
    assert work.check("1.5").state == checks.PASSED
    with monkeypatch.context() as patch:
        patch.setattr(look, "_run_host", lambda *_: pytest.fail("tried again"))
        assert work.check("1.6").state == checks.PASSED
    work.replace("preprocessing.py", ("labels[~validation])", "labels[~validation][::-1])"))
    assert work.check("1.6").state == checks.NOT_YET


def test_a_script_that_stopped_is_tried_again(work, monkeypatch):
    work.replace("preprocessing.py", ("labels[~validation])", "1 / 0)"))
    work.check("1.6")
    assert not look._tried


def test_a_script_leaves_nothing_behind(work):
    before = {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")}
    work.check("1.5")
    assert {path: path.stat().st_mtime_ns for path in work.folder.rglob("*")} == before
    assert not list(look.state.folder("tmp").glob("tmp*"))


@pytest.mark.parametrize("number", ["9.1", "11.2", "12.2"])
def test_a_script_whose_framework_is_not_installed_is_not_tried(work, number, monkeypatch):
    monkeypatch.setattr(look.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(look, "_run_host", lambda *_: pytest.fail("tried"))
    outcome = work.check(number)
    assert outcome.state == checks.NOT_YET
    assert "is not installed here" in outcome.found
    assert outcome.expected.endswith(": ./lab setup Lab3 installs it")


def test_the_version_is_the_one_of_lab_0():
    assert section1.lab0_version() == "2.19.0"
