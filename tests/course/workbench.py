"""Runs a lab's notebooks as a learner would, many times over, in a fraction of a kernel's time.

One process imports the SDK and connects to the emulator. For each notebook it forks, and the child
runs the code cells in the notebook's folder, until one raises.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workshop.emulator import connection

_PROGRAM = """
import json, os, sys, traceback
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot, numpy, pandas
import sagemaker, sagemaker.local, sagemaker.tensorflow, sagemaker.processing, sagemaker.s3
import nbformat

answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    job = json.loads(line)
    if os.fork() == 0:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(job["folder"])
        names, answer = {"__name__": "__main__"}, {"cell": 0, "error": ""}
        try:
            notebook = nbformat.read(job["notebook"], 4)
            cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
            for answer["cell"], cell in enumerate(cells, 1):
                exec(compile(cell.source, f"cell {answer['cell']}", "exec"), names)
                if "parameters" in cell.metadata.get("tags", ()):
                    names.update(job["parameters"])
        except Exception as error:
            traceback.print_exc()
            answer["error"] = f"{type(error).__name__}: {error}"
        sys.stdout.flush()
        answers.write(json.dumps(answer) + "\\n")
        answers.flush()
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Result:
    """How far a notebook came: the last code cell that ran, from 1, and its error or ""."""

    cell: int
    error: str
    log: Path

    def __str__(self) -> str:
        text = self.log.read_text(errors="replace")[-3000:]
        return f"cell {self.cell}: {self.error or 'ran to the end'}\n{text}"


class Workbench:
    """Use it as a context manager."""

    def __enter__(self) -> Workbench:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=connection.environment(),
        )
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()

    def run(self, notebook: Path, **parameters: object) -> Result:
        """Run a notebook in its folder, with parameters set after its `parameters` cell."""
        log = notebook.with_suffix(".log")
        job = {
            "notebook": notebook.name,
            "folder": str(notebook.parent),
            "log": str(log),
            "parameters": parameters,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Result(answer["cell"], answer["error"], log)
