"""Runs a lab's notebooks as a learner would, many times over, in a fraction of a kernel's time.

One process imports the SDK. Each kernel is a fork of it, which runs the code cells in the
notebook's folder until one raises, and saves what they printed in the notebook. Then the learner
changes something, and goes on at that cell. So what comes before it runs once.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workshop.emulator.client import connection

_PROGRAM = """
import ast, json, os, sys, traceback
from datetime import datetime, timezone
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot, numpy, pandas
import sagemaker, sagemaker.local, sagemaker.tensorflow, sagemaker.processing, sagemaker.s3
import nbformat
from nbformat.v4 import new_code_cell, new_output

answers = os.fdopen(os.dup(1), "w")


def execute(source, name, names):
    # As IPython does it: the value of a last expression is shown.
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    value = eval(compile(ast.Expression(last.value), name, "eval"), names) if last else None
    if value is not None:
        print(repr(value))


class Kernel:
    def __init__(self, path, parameters):
        self.path, self.parameters = path, parameters
        self.names, self.ran = {"__name__": "__main__"}, []

    def inject(self, cells):
        # As papermill does it.
        text = "\\n".join(f"{name} = {value!r}" for name, value in self.parameters.items())
        tags = [cell.metadata.get("tags", ()) for cell in cells]
        places = [place for place, of_cell in enumerate(tags) if "parameters" in of_cell]
        if text and places:
            cells.insert(places[0] + 1, new_code_cell(text))

    def run(self, until=None):
        notebook = nbformat.read(self.path, 4)
        self.inject(notebook.cells)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell, (source, outputs) in zip(cells, self.ran):
            assert cell.source == source, "a cell was changed that ran already"
            cell.outputs, cell.execution_count = outputs, len(self.ran)
        error, arrived = "", False
        with open(self.path.replace(".ipynb", ".log"), "a+") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            for cell in cells[len(self.ran):]:
                log.seek(0, 2)
                before, began = log.tell(), datetime.now(timezone.utc).isoformat()
                try:
                    execute(cell.source, f"cell {len(self.ran) + 1}", self.names)
                except Exception as raised:
                    traceback.print_exc()
                    error = f"{type(raised).__name__}: {raised}"
                    end = new_output("error", ename=type(raised).__name__, evalue=str(raised))
                sys.stdout.flush()
                log.seek(before)
                cell.outputs = [new_output("stream", name="stdout", text=log.read())]
                cell.execution_count = len(self.ran) + 1
                cell.metadata["execution"] = {"iopub.execute_input": began}
                if error:
                    cell.outputs.append(end)
                    break
                self.ran.append((cell.source, cell.outputs))
                # A tag, then a text: the first cell with that text, from the one with the tag on.
                arrived = arrived or until and until[0] in cell.metadata.get("tags", ())
                if arrived and until[1] in cell.source:
                    break
        nbformat.write(notebook, self.path)
        return {"cell": len(self.ran) + bool(error), "error": error}


def answer(**what):
    answers.write(json.dumps(what) + "\\n")
    answers.flush()


# Each order is answered once, before the next one comes: so none is in the buffer at a fork.
kernel = None
for line in iter(sys.stdin.readline, ""):
    order = json.loads(line)
    if order["do"] == "start":
        if os.fork():
            os.wait()
            answer(ended=True)
        else:
            os.chdir(order["folder"])
            kernel = Kernel(order["notebook"], order["parameters"])
            answer(started=True)
    elif order["do"] == "run":
        answer(**kernel.run(order["until"]))
    elif order["do"] == "end":
        os._exit(0)
    elif os.fork():  # try
        os.wait()
    else:
        answer(**kernel.run(order["until"]))
        os._exit(0)
"""


#: A tag and a text: the first cell with the text, from the one with the tag on.
Until = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """How far a notebook came: the last code cell that ran, from 1, and its error or ""."""

    cell: int
    error: str
    log: Path

    def __str__(self) -> str:
        text = self.log.read_text(errors="replace")[-3000:]
        return f"cell {self.cell}: {self.error or 'ran to the end'}\n{text}"


class Kernel:
    """A kernel of one notebook, at the cell where it stopped."""

    def __init__(self, workbench: Workbench, notebook: Path) -> None:
        self._workbench, self._notebook = workbench, notebook

    def run(self, until: Until | None = None) -> Result:
        """Run the notebook as it is saved now, from that cell on, to its end or to a cell."""
        return self._ask("run", until)

    def try_out(self, until: Until | None = None) -> Result:
        """The same in a copy of the kernel: this one stays at its cell."""
        return self._ask("try", until)

    def _ask(self, what: str, until: Until | None) -> Result:
        answer = self._workbench.ask(do=what, until=until)
        return Result(answer["cell"], answer["error"], self._notebook.with_suffix(".log"))


class Workbench:
    """Use it as a context manager. One kernel can be open at a time."""

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

    @contextlib.contextmanager
    def kernel(self, notebook: Path, **parameters: object) -> Iterator[Kernel]:
        """Start a kernel in the notebook's folder; a cell with the parameters is put into it."""
        folder, name = str(notebook.parent), notebook.name
        self.ask(do="start", folder=folder, notebook=name, parameters=parameters)
        try:
            yield Kernel(self, notebook)
        finally:
            self.ask(do="end")

    def ask(self, **order: object) -> dict:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
