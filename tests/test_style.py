"""The code keeps to the style that pyproject.toml sets."""

import subprocess
import sys

import pytest

from workshop.paths import ROOT


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", str(ROOT)]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_bash_scripts_parse():
    for script in ("lab", ".ci/run"):
        subprocess.run(["bash", "-n", ROOT / script], check=True)
