"""What the checks of 1-preprocessing take from Lab 0."""

from __future__ import annotations

from workshop.course.checks import section1


def test_the_version_is_the_one_of_lab_0():
    assert section1.lab0_version() == "2.19.0"
