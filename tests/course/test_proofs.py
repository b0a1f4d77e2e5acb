"""The course proves itself: every ladder leads up to its solution, every gap is found by its check.

Each task is taken alone: the lab is the solution, and only this task's region holds the gap, then
one rung after the other. And all are taken together: from the starter, task by task, to the
solution. The section's notebook runs each time, with real jobs, on a small part of the digits.
"""

from __future__ import annotations

import ast
import gzip
import struct
from pathlib import Path

import nbformat
import pytest

from workshop import ROOT
from workshop.course import checks, ladder, manifest

from .workbench import Workbench

pytestmark = pytest.mark.slow

LAB = next(lab for lab in manifest.labs() if lab.tasks)
SECTION_OF = {task.number: section for section in LAB.sections for task in section.tasks}
LADDERS = ladder.load(LAB)
RANKS = {checks.NOT_ATTEMPTED: 0, checks.NOT_YET: 1, checks.PASSED: 2}


def dependents(number: str) -> set[str]:
    """The tasks whose check needs the work of ``number``, directly or through others."""
    tasks = SECTION_OF[number].tasks
    found = {number}
    while more := {t.number for t in tasks if found & set(t.needs)} - found:
        found |= more
    return found


@pytest.fixture(scope="module")
def raw_data(tmp_path_factory) -> Path:
    """The first 300 training and 100 test images of the digits."""
    folder = tmp_path_factory.mktemp("raw")
    for part, count in (("train", 300), ("t10k", 100)):
        for name, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            file = f"{part}-{name}-ubyte.gz"
            content = gzip.decompress((ROOT / "data/raw" / file).read_bytes())
            counted = content[:4] + struct.pack(">I", count) + content[8:header]
            (folder / file).write_bytes(
                gzip.compress(counted + content[header : header + count * size])
            )
    return folder


@pytest.fixture(scope="module")
def bench():
    with Workbench() as workbench:
        yield workbench


@pytest.fixture(scope="module")
def run(bench, raw_data, tmp_path_factory):
    """Make a lab with some regions changed, run a section of it, check that section."""

    def run_section(section, **changes) -> tuple[dict[str, str], str]:
        folder = tmp_path_factory.mktemp("lab") / LAB.folder
        ladder.materialise(folder, lab=LAB, **changes)
        for path in folder.rglob("*"):
            if path.suffix == ".py":
                ast.parse(path.read_text())
            if path.suffix == ".ipynb":
                for cell in nbformat.read(path, 4).cells:
                    assert cell.cell_type != "code" or ast.parse(cell.source)
        result = bench.run(folder / f"{section.notebook}.ipynb", RAW_DATA=str(raw_data))
        outcomes = checks.run_section(section.number, folder)
        told = "\n".join(checks.feedback(outcome) for outcome in outcomes)
        return {one.number: one.state for one in outcomes}, f"{result}\n{told}"

    return run_section


@pytest.fixture(scope="module")
def solved(run) -> dict[str, str]:
    """The solution of all sections, in their order: each leaves in S3 what the next one needs."""
    states = {}
    for section in LAB.sections:
        found, told = run(section)
        assert set(found.values()) == {checks.PASSED}, told
        states |= found
    return states


def test_the_solution_passes_every_check(solved):
    assert solved.keys() == SECTION_OF.keys()


@pytest.mark.parametrize("number", SECTION_OF)
def test_a_ladder_climbs_to_its_solution(number, run, solved):
    """The gap is found; no rung makes it worse; what does not depend on it still passes.

    The last rung is the solution, letter for letter (below), and that passes (above).
    """
    section = SECTION_OF[number]
    found, told = run(section, open={number})
    assert found[number] in (checks.NOT_ATTEMPTED, checks.NOT_YET), told
    independent = found.keys() - dependents(number)
    assert all(found[other] == checks.PASSED for other in independent), told

    stages = [found]
    rungs = LADDERS[number]
    for place, rung in enumerate(rungs[:-1], 1):
        if rung.code is not None:
            found, told = run(section, rungs={number: place})
            assert RANKS[found[number]] >= RANKS[stages[-1][number]], told
            passed = [{n for n, s in one.items() if s == checks.PASSED} for one in (*stages, found)]
            assert passed[-1] >= passed[-2], told
            assert found[number] != checks.PASSED or "..." not in rung.code, told
            stages.append(found)


@pytest.mark.parametrize("section", LAB.sections, ids=lambda section: section.notebook)
def test_a_starter_becomes_the_solution_task_by_task(section, run, solved):
    """From all gaps open to none, each task done by its last rung: what passed stays passed."""
    order = [task.number for task in section.tasks]
    passed: set[str] = set()
    for done in range(len(order)):
        last = {number: len(LADDERS[number]) for number in order[:done]}
        found, told = run(section, open=set(order[done:]), rungs=last)
        now = {number for number, state in found.items() if state == checks.PASSED}
        assert passed <= now <= set(last), told
        assert all(found[n] == checks.NOT_ATTEMPTED for n in order[done:]), told
        passed = now
    assert passed < set(order)  # and the solution passes them all (`solved`)


def test_with_every_last_rung_the_lab_is_the_solution(tmp_path):
    last = {number: len(rungs) for number, rungs in LADDERS.items()}
    ladder.materialise(tmp_path / "climbed", lab=LAB, rungs=last)
    ladder.materialise(tmp_path / "solution", lab=LAB)
    names = {path.relative_to(tmp_path / "solution") for path in (tmp_path / "solution").rglob("*")}
    assert names == {
        path.relative_to(tmp_path / "climbed") for path in (tmp_path / "climbed").rglob("*")
    }
    for name in names:
        if (tmp_path / "solution" / name).is_file():
            climbed, solution = (tmp_path / side / name for side in ("climbed", "solution"))
            assert climbed.read_bytes() == solution.read_bytes(), name
