"""What runs in the sandbox needs nothing that a sandbox has not."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from workshop.course.checks import inside

MODULES = sorted(Path(inside.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_starts_with_python_and_numpy_alone(module):
    imported = set()
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            imported.add(node.module)
    assert imported <= {*sys.stdlib_module_names, "numpy"}
