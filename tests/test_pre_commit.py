"""The hooks of `.pre-commit-config.yaml`, without pre-commit: their own commands, in a copy.

pre-commit stops a commit when a hook fails, and when it changes a file.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from workshop.course import manifest
from workshop.paths import ROOT

CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = {hook["id"]: hook for repo in CONFIG["repos"] for hook in repo["hooks"]}
STARTER = "Lab1-Unit-Testing/2-training.ipynb"

#: The checkout's own `.venv` and `./lab` would set up another one in a copy.
PROGRAMS = {
    ".venv/bin/python": [sys.executable],
    "./lab": [sys.executable, "-m", "workshop"],
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Copy what a fresh clone has."""
    unwanted = shutil.ignore_patterns(".git", ".venv", ".lab", "runs", "__pycache__", ".*_cache")
    return shutil.copytree(ROOT, tmp_path / "checkout", ignore=unwanted, symlinks=True)


def stopped(hook: str, checkout: Path, file: str) -> str:
    """Return why a hook stops a commit of this file, or ""."""
    settings = HOOKS[hook]
    assert re.search(settings.get("files", ""), file)
    program, *arguments = shlex.split(settings["entry"])
    names = [file] if settings.get("pass_filenames", True) else []
    before = (checkout / file).read_bytes()
    done = subprocess.run(
        [*PROGRAMS[program], *arguments, *names],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        return done.stdout
    return "" if (checkout / file).read_bytes() == before else "changed"


def run_in_jupyter(path: Path) -> None:
    """Leave in a notebook what running it leaves."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info = {"name": "python", "version": "3.11.7"}
    notebook.metadata.widgets = {}
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata.editable = True
        if cell.cell_type == "code":
            cell.metadata.execution = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
            cell.execution_count = number
            cell.outputs = [
                nbformat.v4.new_output("stream", text="hello\n"),
                nbformat.v4.new_output("error", ename="NameError", evalue="x", traceback=["x"]),
            ]
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_a_starter_that_was_run_is_put_right(checkout):
    run_in_jupyter(checkout / STARTER)
    assert stopped("scrub-starters", checkout, STARTER) == "changed"
    assert (checkout / STARTER).read_bytes() == (ROOT / STARTER).read_bytes()
    assert not stopped("scrub-starters", checkout, STARTER)


def test_starters_are_scrubbed_and_no_other_notebooks():
    starters = [
        f"{lab.folder}/{section.notebook}.ipynb"
        for lab in manifest.labs()
        for section in lab.sections
    ]
    for name in starters:
        assert (ROOT / name).is_file()
        assert re.search(HOOKS["scrub-starters"]["files"], name)
        assert not re.search(HOOKS["scrub-starters"]["files"], f"final/{name}")


@pytest.mark.parametrize(
    ("hook", "line"),
    [("ruff-check", "import os"), ("ruff-format", "NUMBERS = [1,2]")],
)
def test_ruff_stops_what_is_not_in_style(checkout, hook, line):
    file = "workshop/prices.py"
    assert not stopped(hook, checkout, file)
    with open(checkout / file, "a") as module:
        module.write(f"\n\n{line}\n")
    assert stopped(hook, checkout, file)


def test_ruff_leaves_alone_what_is_generated(checkout):
    file = "Lab2/script.py"
    (checkout / file).write_text("import os\nNUMBERS = [1,2]\n")
    assert not stopped("ruff-check", checkout, file)
    assert not stopped("ruff-format", checkout, file)


@pytest.mark.slow
def test_what_differs_from_source_is_stopped(checkout):
    file = checkout / STARTER
    file.write_text(file.read_text().replace("## ", "### ", 1))
    printed = stopped("build-check", checkout, STARTER)
    assert re.search(rf"{STARTER}: cell \d+ has another source", printed), printed
