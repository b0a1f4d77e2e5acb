"""The ladders themselves, and how they are shown."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

import workshop
from workshop.course import gaps, hints, ladder, manifest, progress_file
from workshop.emulator.errors import WorkshopError

LABS = [lab for lab in manifest.labs() if lab.tasks]
LAB_TASKS = {task.number: task for lab in LABS for task in lab.tasks}
LADDERS = {number: rungs for lab in LABS for number, rungs in ladder.load(lab).items()}
SOLUTIONS = {n: region.code for lab in LABS for n, region in gaps.regions(lab).items()}
LAST = list(LAB_TASKS)[-1]

#: Shorter lines are in every program.
LONG_ENOUGH = 12


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path))
    return tmp_path


# --- the ladders -------------------------------------------------------------------------------


def bare(line: str) -> str:
    """Return a line without spaces, comment and the comma at its end."""
    return re.sub(r"\s+", "", re.sub(r"(^|\s)#\s.*", "", line)).rstrip(",")


def telling(code: str) -> set[str]:
    """Return the lines of a solution that tell it, and what is behind a `name =` in them.

    Not those that only open a bracket, `inputs = [` or `ProcessingInput(`: they say what is called,
    and that is what the second rung is for. Nor imports and `def main():`.
    """
    lines = {bare(line) for line in code.splitlines()}
    values = {line.partition("=")[2] for line in lines if re.match(r"\w+=[^=]", line)}
    lines |= {value for value in values if not value.isidentifier()}
    return {
        line
        for line in lines
        if len(line) >= LONG_ENOUGH
        and not re.fullmatch(r"(\w+=)?([\w.]+)?[(\[{]", line)
        and not re.match(r"import\w|from\w|def\w+\(\):$", line)
    }


def leaks(number: str, text: str) -> list[str]:
    """Return the lines that tell a line of the solution which the task itself does not tell."""
    given = bare(LAB_TASKS[number].what)
    secret = {line for line in telling(SOLUTIONS[number]) if line not in given}
    return [line for line in text.splitlines() if any(one in bare(line) for one in secret)]


@pytest.mark.parametrize("number", LADDERS)
def test_early_rungs_do_not_tell_the_solution(number):
    for place, rung in enumerate(LADDERS[number][:-1], 1):
        assert leaks(number, rung.text) == [], f"rung {place} of {number}"


@pytest.mark.parametrize("number", LADDERS)
def test_the_measure_sees_the_last_rung(number):
    """Where the last rung leaks nothing, the test before this one would be blind."""
    assert leaks(number, LADDERS[number][-1].text)
    renamed = re.sub(r"(?m)^(\s*)(\w+) =", r"\1my_\2 =", SOLUTIONS[number])
    assert leaks(number, renamed)


@pytest.mark.parametrize("number", LADDERS)
def test_a_ladder_asks_then_shows_the_shape_then_tells(number):
    rungs = LADDERS[number]
    assert len(rungs) >= 3
    first, second, last = rungs[0], rungs[1], rungs[-1]
    assert "?" in first.text and "```" not in first.text
    assert "..." in second.code
    assert last.code == SOLUTIONS[number]
    assert len(last.text.split("```")[0].split()) >= 25, "the last rung explains why"
    assert len({rung.title for rung in rungs}) == len(rungs)
    for rung in rungs[1:-1]:
        if rung.code:
            ast.parse(rung.code)
            assert "..." in rung.code, f"{number}, {rung.title}: no hole"


@pytest.mark.parametrize("number", LADDERS)
def test_shapes_assign_what_the_code_behind_them_needs(number):
    """`inputs`, `outputs`, `history`: the cells below the gap use these names."""
    what = LAB_TASKS[number].what
    named = re.findall(r"(?:Make|Set|and|returns in) ([a-z_]+)\b", what)
    for name in assigned(SOLUTIONS[number]) & set(named):
        for rung in LADDERS[number][1:]:
            assert rung.code is None or name in assigned(rung.code), f"{rung.title}: {name}"


def assigned(code: str) -> set[str]:
    """Return the names that a block binds at its own level."""
    found = set()
    for statement in ast.parse(code).body:
        for target in getattr(statement, "targets", ()):
            found |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    return found


def test_hints_of_one_task_name_no_task_that_comes_later():
    for number, rungs in LADDERS.items():
        text = " ".join(f"{rung.title} {rung.text}" for rung in rungs[:-1])
        for other in re.findall(r"\btask (\d\.\d)\b", text):
            assert progress_file.order(other) <= progress_file.order(number) or other == "2.5"


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
