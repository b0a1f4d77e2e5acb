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
from workshop.paths import ROOT

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
        assert f"Time to try before a hint: {task.minutes} minutes." in out
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


@pytest.mark.parametrize("call", [workshop.hint, workshop.not_attempted, workshop.compare])
def test_unknown_numbers(call, state):
    with pytest.raises(WorkshopError) as error:
        call("1.9")
    assert type(error.value) is WorkshopError
    assert "Section 1 has the tasks 1.1, 1.2, 1.3" in str(error.value)
    assert not (state / "progress.json").exists()


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (0, "You met this task a moment ago: try this hint for a while."),
        (1, "You met this task 1 minute ago: try"),
        (8, "minutes. You met this task 8 minutes ago.*"),
        (300, "minutes.*"),  # there was a break
    ],
)
def test_it_tells_how_long_the_learner_has_had_the_task(monkeypatch, capsys, minutes, told):
    now = datetime.now(timezone.utc)
    known = progress_file.TaskProgress(first_seen=now - timedelta(minutes=minutes, seconds=5))
    monkeypatch.setattr(progress_file, "of", lambda number: known)
    workshop.hint("1.3")
    assert told in capsys.readouterr().out.split("\n")[2]
    workshop.hint("1.3", rung=len(LADDERS["1.3"]))  # there is nothing left to try
    assert "for a while" not in capsys.readouterr().out


# --- gaps --------------------------------------------------------------------------------------


def test_a_gap_says_what_to_do_and_notes_that_the_learner_came_to_it():
    with pytest.raises(workshop.NotAttempted) as told:
        workshop.not_attempted("1.3")
    task = LAB_TASKS["1.3"]
    assert str(told.value) == (
        f"task 1.3 not attempted: {task.what}\nStuck for {task.minutes} minutes? ./lab hint 1.3"
    )
    assert isinstance(told.value, WorkshopError)
    assert told.value._render_traceback_() == [str(told.value)]
    assert progress_file.of("1.3").first_seen is not None


def test_there_is_one_time_to_try_that_of_the_task():
    pages = [ROOT / "README.md", *(ROOT / "source").glob("Lab*/*.md")]
    pages += (ROOT / "source").glob("Lab*/*.py")
    told = re.compile(r'Stuck for (\S+) minutes\? workshop\.hint\("([\d.]+)"\)')
    for page in pages:
        text = page.read_text()
        assert text.count("Stuck for") == len(told.findall(text)), page
        for minutes, number in told.findall(text):
            assert minutes == str(LAB_TASKS[number].minutes), page
        other = re.search(r"[Tt]ry (by yourself )?for \d+|minutes of trying", text)
        assert not other, f"{page}: {other}"


# --- where it is shown -------------------------------------------------------------------------


def test_in_a_notebook_it_is_a_page_and_names_what_a_notebook_has(in_notebook):
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        for _ in (*LADDERS["1.3"], "once more"):
            workshop.hint("1.3")
    assert captured.stdout == ""
    first, *_, last, again = (page.data["text/markdown"] for page in captured.outputs)
    assert first.startswith("### Hint 1 of ")
    assert '`workshop.hint("1.3")` shows the next hint' in first
    assert 'then `workshop.check("1.3")`' in last
    assert '`workshop.hint("1.3", rung=1)`' in again
    assert "./lab" not in first + last + again
    with pytest.raises(workshop.NotAttempted, match=r'minutes\? workshop\.hint\("1\.3"\)'):
        workshop.not_attempted("1.3")


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
    assert "metric_definitions, **checkpointing, output" in capsys.readouterr().out


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
