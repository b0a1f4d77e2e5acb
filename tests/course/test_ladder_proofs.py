"""The course proves itself: every ladder leads up to its solution, every gap is found by its check.

Each task is taken alone: the lab is the solution, and only this task's region holds the gap, then
one rung after the other. And all are taken together: from the starter, task by task, to the
solution. The section's notebook runs each time, with real jobs, on a small part of the digits. As a
learner's does, it goes on at the cell where it stopped: what comes before it has not changed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workshop.course import checks, ladder, manifest

from .bench import section_of
from .stages import materialise

LABS = [lab for lab in manifest.labs() if lab.tasks]
RANKS = {checks.NOT_ATTEMPTED: 0, checks.NOT_YET: 1, checks.PASSED: 2}


def _each(things: Callable[[manifest.Lab], list], name: Callable[[object], str]) -> list:
    """Return (lab, thing) for all labs."""
    return [pytest.param(lab, thing, id=name(thing)) for lab in LABS for thing in things(lab)]


def _numbers(section: manifest.Section) -> list[str]:
    return [task.number for task in section.tasks]


def dependents(section: manifest.Section, number: str) -> set[str]:
    """The tasks whose check needs the work of ``number``, directly or through others."""
    found = {number}
    while more := {t.number for t in section.tasks if found & set(t.needs)} - found:
        found |= more
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("lab", "task"), _each(lambda lab: lab.tasks, lambda task: task.number))
def test_a_ladder_climbs_to_its_solution(lab, task, bench):
    """The gap is found; no rung makes it worse; what does not depend on it still passes.

    The last rung is the solution, letter for letter, and that passes (both below).
    """
    number, section = task.number, section_of(lab, task.number)
    bench.prepare(lab, section)
    with bench.open(lab, section) as attempt:
        found, told = attempt.run(open={number})
        assert found[number] in (checks.NOT_ATTEMPTED, checks.NOT_YET), told
        independent = found.keys() - dependents(section, number)
        assert all(found[other] == checks.PASSED for other in independent), told

        for place, rung in enumerate(ladder.load(lab)[number][:-1], 1):
            if rung.code is not None:
                before = found
                found, told = attempt.try_out(rungs={number: place})
                assert RANKS[found[number]] >= RANKS[before[number]], told
                passed = [
                    {n for n, s in one.items() if s == checks.PASSED} for one in (before, found)
                ]
                assert passed[0] <= passed[1], told
                assert found[number] != checks.PASSED or "..." not in rung.code, told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lab", "section"), _each(lambda lab: lab.sections, lambda section: section.notebook)
)
def test_a_starter_becomes_the_solution_task_by_task(lab, section, bench):
    """From all gaps open to none, each task done by its last rung: what passed stays passed.

    At the end that is the solution (below), and all of it passes.
    """
    bench.prepare(lab, section)
    order, ladders = _numbers(section), ladder.load(lab)
    passed: set[str] = set()
    with bench.open(lab, section) as attempt:
        for done in range(len(order) + 1):
            last = {number: len(ladders[number]) for number in order[:done]}
            found, told = attempt.run(open=set(order[done:]), rungs=last)
            now = {number for number, state in found.items() if state == checks.PASSED}
            assert passed <= now <= set(last), told
            assert all(found[n] == checks.NOT_ATTEMPTED for n in order[done:]), told
            passed = now
    assert passed == set(order), told


@pytest.mark.slow
def test_the_toggle_may_be_turned_to_local(bench):
    """What the checks of a job on an instance see is the same for a local one."""
    lab = manifest.lab_of("4.1")
    with bench.open(lab, section_of(lab, "4.1"), LOCAL=True) as attempt:
        found, told = attempt.run()
    assert set(found.values()) == {checks.PASSED}, told


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_with_every_last_rung_the_lab_is_the_solution(lab, tmp_path):
    last = {number: len(rungs) for number, rungs in ladder.load(lab).items()}
    materialise(tmp_path / "climbed", lab=lab, rungs=last)
    materialise(tmp_path / "solution", lab=lab)
    names = {path.relative_to(tmp_path / "solution") for path in (tmp_path / "solution").rglob("*")}
    assert names == {
        path.relative_to(tmp_path / "climbed") for path in (tmp_path / "climbed").rglob("*")
    }
    for name in names:
        if (tmp_path / "solution" / name).is_file():
            climbed, solution = (tmp_path / side / name for side in ("climbed", "solution"))
            assert climbed.read_bytes() == solution.read_bytes(), name
