"""What a check says before there is anything to look at, and how it is asked."""

from __future__ import annotations

import hashlib

import pytest
from IPython.utils.capture import capture_output

from workshop.course import checks, hints, manifest, progress_file
from workshop.course.checks.look import jobs
from workshop.emulator import state
from workshop.emulator.errors import WorkshopError

from .conftest import RAW, ran
from .test_checks_answers import NUMBERS, SLOW, frozen

LABS = [lab for lab in manifest.labs() if lab.tasks]
EACH_LAB = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)


@EACH_LAB
def test_an_open_gap_is_not_attempted_whatever_is_there(starter_of, lab, plain, monkeypatch):
    monkeypatch.setattr(jobs, "newest", lambda *_: pytest.fail("no need to look at a job"))
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
        f"  next       hint {current} of {total}: ./lab hint 1.3",
    ]


def test_show_prints_and_remembers(starter, capsys):
    checks.show("1.3", folder=starter)
    assert capsys.readouterr().out.startswith("task 1.3 · Tell the job where its input is: not att")
    assert progress_file.of("1.3").state == checks.NOT_ATTEMPTED


def test_show_of_a_section_has_a_line_for_each_task(starter, capsys):
    outcomes = checks.show(1, folder=starter)
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


def test_show_of_several_looks_at_each_once(starter, capsys):
    outcomes = checks.show("1.2", "1.1", 1, 1.2, folder=starter)
    numbers = [outcome.number for outcome in outcomes]
    assert numbers == ["1.2", "1.1", *(f"1.{place}" for place in range(3, 8))]
    out = capsys.readouterr().out
    # What was asked for by its number is told in full.
    assert out.count("  looked at  ") == 2 and out.endswith("0 of 7 tasks passed\n")


# --- passes stay -------------------------------------------------------------------------------


def test_a_pass_is_kept_with_its_evidence(work):
    work.check("1.3")
    checks.show("1.3", folder=work.folder)
    kept = progress_file.of("1.3")
    assert kept.passed
    assert kept.evidence["jobs"] == ["preprocessing-1"]
    raw = [f"s3://{work.bucket}/RawData/{name}" for name in RAW]
    assert sorted(kept.evidence["objects"]) == sorted(raw)
    assert list(kept.evidence["files"]) == ["1-preprocessing.ipynb"]
    checks.show("1.5", folder=work.folder)
    script = (work.folder / "script_processing" / "preprocessing.py").read_bytes()
    files = progress_file.of("1.5").evidence["files"]
    digest = files["script_processing/preprocessing.py"]
    assert digest == hashlib.sha256(script).hexdigest()


def test_an_empty_bucket_and_no_job_take_no_pass_back(work, s3, capsys):
    work.check("1.3")
    checks.show("1.3", folder=work.folder)
    passed = progress_file.of("1.3").passed
    for record in state.folder("records").glob("*.json"):
        record.unlink()  # as ./lab clean does
    capsys.readouterr()
    (outcome,) = checks.show("1.3", folder=work.folder)
    assert (outcome.state, outcome.passed) == (checks.NOT_YET, True)
    lines = capsys.readouterr().out.splitlines()
    on = f"{passed.astimezone():%Y-%m-%d %H:%M}"
    task = "task 1.3 · Tell the job where its input is"
    assert lines[0] == f"{task}: passed on {on}; today: not yet"
    found = "  found      no processing job with preprocessing.py among them"
    assert found in lines
    assert lines[-1].startswith("  next       nothing, if you like: the pass stays.")
    assert progress_file.of("1.3").passed == passed


def test_after_the_last_task_of_a_section_it_says_what_is_next(starter, monkeypatch, capsys):
    monkeypatch.setattr(checks, "CHECKS", {number: lambda look: None for number in NUMBERS})
    monkeypatch.setattr(checks.gaps, "find", lambda look, number: None)
    ran(starter / "1-preprocessing.ipynb")
    checks.show(*(f"1.{place}" for place in range(1, 7)), folder=starter)
    assert "is done" not in capsys.readouterr().out
    checks.show("1.7", folder=starter)
    told = "Section 1 (Preprocessing) is done.\nNext: section 2 (Training), "
    assert f"\n{told}Lab1-Unit-Testing/2-training.ipynb\n" in capsys.readouterr().out
    checks.show("1.7", folder=starter)
    assert "is done" not in capsys.readouterr().out


def test_in_a_notebook_states_have_a_color_and_commands_are_the_notebook_s(starter, in_notebook):
    with capture_output() as captured:
        checks.show("1.3", folder=starter)
    (output,) = captured.outputs
    assert output.data["text/plain"].splitlines()[0].endswith(": not attempted")
    assert output.data["text/plain"].endswith(': workshop.hint("1.3")')
    assert ">not attempted</span>" in output.data["text/html"]


def test_show_looks_in_the_working_directory_first(starter, monkeypatch, tmp_path):
    monkeypatch.chdir(starter)
    assert checks.folder_of(manifest.lab_of("1.3")) == starter
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("workshop.course.checks.ROOT", tmp_path)
    assert checks.folder_of(manifest.lab_of("1.3")) == tmp_path / "Lab1-Unit-Testing"


@pytest.mark.parametrize("unknown", ["1.9", "99", "x"])
def test_no_such_task(unknown, starter):
    with pytest.raises(WorkshopError, match=r"There is no (task|section)"):
        checks.show(unknown, folder=starter)


def test_a_check_that_breaks_says_that_it_is_no_fault_of_the_learner(work, monkeypatch):
    monkeypatch.setitem(checks.CHECKS, "1.2", lambda look: 1 / 0)
    with pytest.raises(WorkshopError, match=r"task 1\.2 broke .* not of your work"):
        work.check("1.2")
