"""How hints are shown, and what is remembered of them."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

import workshop
from workshop.course import hints, ladder, manifest, progress_file
from workshop.emulator.errors import WorkshopError

LABS = [lab for lab in manifest.labs() if lab.tasks]
LAB_TASKS = {task.number: task for lab in LABS for task in lab.tasks}
LADDERS = {number: rungs for lab in LABS for number, rungs in ladder.load(lab).items()}
LAST = list(LAB_TASKS)[-1]


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path))
    return tmp_path


# --- one rung after the other ------------------------------------------------------------------


def test_each_call_shows_the_next_rung_and_the_last_one_stays(capsys):
    total = len(LADDERS["1.3"])
    for place in range(1, total + 1):
        assert hints.next_rung("1.3") == (place, total)
        workshop.hint("1.3")
        out = capsys.readouterr().out
        task = LAB_TASKS["1.3"]
        assert out.startswith(f"### Hint {place} of {total} · task 1.3 · {task.title}\n")
        assert f"Meant to take about {task.minutes} minutes." in out
        assert LADDERS["1.3"][place - 1].text in out
        for other, rung in enumerate(LADDERS["1.3"], 1):
            assert other == place or rung.text not in out
        assert (task.what in out) == (place == 1)
        assert ("`./lab hint 1.3`" in out) == (place < total)
        assert progress_file.opened("1.3") == tuple(range(1, place + 1))
    workshop.hint("1.3")
    out = capsys.readouterr().out
    assert out.startswith(f"### Hint {total} of {total} ·")
    assert "you have seen it before" in out and "./lab hint 1.3 --rung 1" in out
    assert progress_file.opened("1.4") == ()


def test_a_certain_rung_can_be_read_again(capsys):
    workshop.hint("1.3")
    workshop.hint("1.3")
    capsys.readouterr()
    workshop.hint("1.3", rung=1)
    assert capsys.readouterr().out.startswith("### Hint 1 of ")
    assert hints.next_rung("1.3")[0] == 3
    with pytest.raises(WorkshopError, match="give a number from 1 to"):
        workshop.hint("1.3", rung=9)


@pytest.mark.parametrize("given", ["1.3", " 1.3 ", 1.3, "task 1.3", '"1.3"'])
def test_numbers_as_people_type_them(given):
    assert hints.task_number(given) == "1.3"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("1.9", "Section 1 has the tasks 1.1, 1.2, 1.3"),
        (2, "Section 2 has the tasks 2.1, 2.2"),
        ("13.2", "Near it are"),
        ("inputs", f"The tasks go from 1.1 to {LAST}"),
        ("", f"The tasks go from 1.1 to {LAST}"),
    ],
)
def test_unknown_numbers(wrong, told, state):
    for function in (workshop.hint, workshop.not_attempted):
        with pytest.raises(WorkshopError) as error:
            function(wrong)
        assert type(error.value) is WorkshopError
        assert told in str(error.value)
    assert not (state / "progress.json").exists()


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (0, "You met it a moment ago: try this hint for a while."),
        (1, "You met it 1 minute ago: try"),
        (8, "minutes. You met it 8 minutes ago.*"),
        (300, "minutes.*"),  # there was a break
    ],
)
def test_it_tells_how_long_the_learner_has_had_the_task(monkeypatch, capsys, minutes, told):
    now = datetime.now(timezone.utc)
    known = progress_file.TaskProgress(first_seen=now - timedelta(minutes=minutes, seconds=5))
    monkeypatch.setattr(progress_file, "of", lambda number: known)
    workshop.hint("1.3")
    assert told in capsys.readouterr().out.split("\n")[2]


# --- gaps --------------------------------------------------------------------------------------


def test_a_gap_says_what_to_do_and_notes_that_the_learner_came_to_it():
    with pytest.raises(workshop.NotAttempted) as told:
        workshop.not_attempted("1.3")
    task = LAB_TASKS["1.3"]
    assert str(told.value) == (
        f"task 1.3 not attempted: {task.what}\n"
        f'Stuck for {task.minutes} minutes? workshop.hint("1.3")'
    )
    assert isinstance(told.value, WorkshopError)
    assert told.value._render_traceback_() == [str(told.value)]
    assert progress_file.of("1.3").first_seen is not None


# --- where it is shown -------------------------------------------------------------------------


def test_in_a_notebook_it_is_a_page(monkeypatch):
    import IPython
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    shell.kernel = object()  # what tells a notebook from a terminal
    try:
        assert IPython.get_ipython() is shell
        with capture_output() as captured:
            workshop.hint("1.3")
    finally:
        InteractiveShell.clear_instance()
    (page,) = captured.outputs
    assert page.data["text/markdown"].startswith("### Hint 1 of ")
    assert captured.stdout == ""


def test_on_a_terminal_it_is_rendered(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "70")
    workshop.hint("1.3")
    out = capsys.readouterr().out
    assert "\x1b[" in out and "###" not in out
    seen = re.sub(r"\x1b(\[[0-9;]*m|\]8;.*?\x1b\\)", "", out)  # colors and links
    assert max(map(len, seen.split("\n"))) <= 70


@pytest.mark.parametrize("number", LADDERS)
def test_pages_are_plain_markdown(number):
    """Nothing of a task's words becomes a format by accident (**checkpointing)."""
    text = hints.as_markdown(number)
    assert r"\*\*" in text or "**" not in LAB_TASKS[number].what


def test_stars_are_stars_where_there_is_no_markdown(capsys):
    workshop.hint("2.6")
    assert "and **checkpointing, and" in capsys.readouterr().out


def test_importing_the_package_is_quick():
    """Every Python under ./lab does it."""
    code = (
        "import sys; before = set(sys.modules); import workshop\n"
        "print(sorted(m for m in set(sys.modules) - before if m.startswith('workshop')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == (
        "['workshop', 'workshop.emulator', 'workshop.emulator.errors', 'workshop.learner', "
        "'workshop.paths']"
    )
