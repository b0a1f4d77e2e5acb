"""A gap that is still there is found in any cell."""

from __future__ import annotations

import pytest

from workshop.course.checks.look import gaps


@pytest.mark.parametrize("cell", ['not_attempted("1.3")', '%time\n  workshop.not_attempted("1.3")'])
def test_a_gap_is_found_in_any_cell(cell):
    assert gaps.has_gap(cell, "1.3")
    assert not gaps.has_gap(cell, "1.31")
    assert not gaps.has_gap(cell.replace("1.3", "1.4"), "1.3")
    assert not gaps.has_gap(f"# {cell.splitlines()[-1]}", "1.3")
