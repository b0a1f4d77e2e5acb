"""Every environment variable of the workshop stands in one table, with what it says."""

from __future__ import annotations

import re

from workshop.emulator import settings
from workshop.paths import ROOT
from workshop.variables import VARIABLES

#: Its name, not the end of another one (HTTP_X_WORKSHOP_TOKEN is a header).
_NAME = re.compile(r"\bWORKSHOP_[A-Z][A-Z_]*\b")
_PLACES = ("workshop", "lab", "tests", "source", "infra", "docs", "benchmarks", "README.md", ".ci")
_TEXTS = ("", ".py", ".md", ".toml", ".yaml", ".ipynb")
_TABLES = [ROOT / "workshop" / name for name in ("variables.py", "emulator/settings.py")]


def used(*places: str) -> dict[str, str]:
    """Return the variables that files at these places name, and for each one such file."""
    found: dict[str, str] = {}
    for place in places:
        for path in [ROOT / place, *(ROOT / place).rglob("*")]:
            if path.suffix in _TEXTS and path.is_file() and path not in _TABLES:
                names = _NAME.findall(path.read_text(encoding="utf-8"))
                found |= dict.fromkeys(names, str(path.relative_to(ROOT)))
    return found


def test_each_variable_is_told_of():
    strange = {name: path for name, path in used(*_PLACES).items() if name not in VARIABLES}
    assert not strange, "workshop/variables.py does not tell what these say"


def test_each_variable_that_is_told_of_is_used():
    # The settings read some themselves.
    mine = set(
        _NAME.findall((ROOT / "workshop/emulator/settings.py").read_text().partition("}")[2])
    )
    assert not VARIABLES.keys() - used(*_PLACES).keys() - mine


def test_the_emulator_knows_those_of_its_own_table_alone():
    assert used("workshop/emulator").keys() <= settings.VARIABLES.keys()
