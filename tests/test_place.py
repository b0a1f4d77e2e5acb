"""What a command is called where the learner is."""

from __future__ import annotations

import pytest

from workshop.place import command

CALLS = [
    (("check",), {}, "./lab check", "workshop.check()"),
    (("check", "1.1", "1.2"), {}, "./lab check 1.1 1.2", 'workshop.check("1.1", "1.2")'),
    (("hint", "1.3"), {"rung": 1}, "./lab hint 1.3 --rung 1", 'workshop.hint("1.3", rung=1)'),
    (("reset", "1"), {}, "./lab reset 1", "./lab reset 1"),  # only a terminal has it
]


@pytest.mark.parametrize(("given", "options", "told", "_"), CALLS)
def test_in_a_terminal(given, options, told, _):
    assert command(*given, **options) == told


@pytest.mark.parametrize(("given", "options", "_", "told"), CALLS)
def test_in_a_notebook(in_notebook, given, options, _, told):
    assert command(*given, **options) == told
