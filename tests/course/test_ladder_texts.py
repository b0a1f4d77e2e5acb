"""What the real ladders say: early rungs do not tell, later ones do, in the order of the course."""

from __future__ import annotations

import ast
import re

import pytest

from workshop.course import gaps, ladder, manifest, progress_file

LABS = [lab for lab in manifest.labs() if lab.tasks]
LAB_TASKS = {task.number: task for lab in LABS for task in lab.tasks}
LADDERS = {number: rungs for lab in LABS for number, rungs in ladder.load(lab).items()}
SOLUTIONS = {n: region.code for lab in LABS for n, region in gaps.regions(lab).items()}

#: Shorter lines are in every program.
LONG_ENOUGH = 12


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
