"""Numbers as people type them, and what is said to a wrong one."""

from __future__ import annotations

import pytest

from workshop.course import task_numbers
from workshop.emulator.errors import WorkshopError


@pytest.mark.parametrize("given", ["1.3", " 1.3 ", 1.3, "task 1.3", '"1.3"'])
def test_a_task(given):
    assert task_numbers.task(given) == "1.3"


def test_a_section_is_all_its_tasks():
    assert task_numbers.tasks(8) == ["8.1", "8.2", "8.3"]
    assert task_numbers.tasks("8.2") == ["8.2"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("1.9", "There is no task '1.9'. Section 1 has the tasks 1.1, 1.2, 1.3"),
        (2, "There is no task '2'. Section 2 has the tasks 2.1, 2.2"),
        ("13", "There is no task '13'. Did you mean 1.3?"),
        ("1,3", "Did you mean 1.3?"),
        ("1-3", "Did you mean 1.3?"),
        ("123", "Did you mean 12.3?"),
        ("12", "Did you mean 1.2? Section 12 has the tasks 12.1, "),
        ("99.9", "The sections are 1 to 3 (Lab1-Unit-Testing), 4 to 7 (Lab2), 8 to 12 (Lab3-"),
        ("inputs", "The sections are 1 to 3"),
        ("", "The sections are 1 to 3"),
    ],
)
def test_a_wrong_number_is_told_what_is_meant(wrong, told):
    with pytest.raises(WorkshopError) as error:
        task_numbers.task(wrong)
    assert told in str(error.value)
    assert len(str(error.value)) < 200


def test_a_wrong_section():
    with pytest.raises(WorkshopError, match=r"^There is no section '24'\. Did you mean 2\.4\?$"):
        task_numbers.tasks("24")
