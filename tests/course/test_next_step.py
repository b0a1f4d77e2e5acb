"""What comes after a section."""

from __future__ import annotations

import pytest

from workshop.course import manifest, next_step, progress_file


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path))


def passed(*numbers):
    for task in (task for number in numbers for task in manifest.section(number).tasks):
        progress_file.record_check(task.number, "passed")


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ((1,), "Section 1 (Preprocessing) is done.\nNext: section 2 (Training), "
               "Lab1-Unit-Testing/2-training.ipynb"),
        ((3, 4), "is done.\nNext: section 5 ("),  # 4 was done before
        ((3,), ", Lab2/4-preprocessing.ipynb"),
        ((17,), "is done.\nNext: section 1 (Preprocessing), "),  # it was left out
        (range(1, 18), "is done. That was the last one: all tasks of the workshop are passed."),
    ],
)  # fmt: skip
def test_the_next_section_that_is_not_done(done, told):
    passed(*done)
    assert told in next_step.after(manifest.section(done[0]))


def test_a_section_is_done_with_its_last_task():
    section = manifest.section(8)
    for task in section.tasks:
        assert not next_step.is_done(section)
        progress_file.record_check(task.number, "passed")
    assert next_step.is_done(section)
