"""Executes a notebook with papermill, in a kernel of this Python, and says how it went."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.emulator import state
from workshop.emulator.client.streams import settled

if TYPE_CHECKING:
    import nbformat

#: Seconds that a stopped notebook's programs have to end by themselves.
GRACE = 8.0


@dataclass
class Failure(Exception):
    """A cell raised. All texts are without colors."""

    cell: int  # counted from 1, among the code cells
    source: str
    printed: str  # all that the cell printed, its jobs' output with it
    error: str  # the exception's name and text
    where: str  # the notebook's own lines that raised it
    job_error: str  # how the job behind it failed, with its script's traceback; or ""


def execute(
    notebook: Path,
    *,
    parameters: dict | None = None,
    on_cell: Callable[[int], None] = lambda number: None,
) -> nbformat.NotebookNode:
    """Execute `notebook` where it lies and save it with its outputs.

    `on_cell` is told the number of each code cell, from 1, when it begins. Raises Failure when a
    cell raises. When this process is interrupted, everything below the kernel ends first.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    begun = 0

    def cell_begins(number: int) -> None:
        nonlocal begun
        begun = number
        on_cell(number)

    _register()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # "python3" is the kernel of this very Python
    try:
        return execute_notebook(
            notebook,
            notebook,
            parameters=parameters,
            engine_name="workshop",
            progress_bar=False,
            folder=notebook.parent,
            on_cell=cell_begins,
        )
    except PapermillExecutionError as error:
        raise _failure(notebook, error) from None
    except DeadKernelError:
        error = (
            "The notebook's kernel ended before its time. Is there enough memory? ./lab doctor "
            f"tells; what the kernel said last is in {state.folder() / 'kernel.log'}."
        )
        raise Failure(begun, "", "", error, "", "") from None


def read(notebook: Path) -> nbformat.NotebookNode:
    import nbformat  # takes most of a second, which an unknown lab's name need not wait for

    return nbformat.read(notebook, as_version=4)


def parameter_names(notebook: nbformat.NotebookNode) -> set[str]:
    """Return the names that the cell with the tag `parameters` sets."""
    source = "\n".join(cell.source for cell in tagged(notebook, "parameters"))
    return set(re.findall(r"(?m)^(\w+)\s*(?::[^=\n]+)?=", source))


def key_figure(notebook: nbformat.NotebookNode) -> str:
    """Return what the cell with the tag `key-figure` printed, in one line."""
    printed = "".join(printed_by(cell, "stdout") for cell in tagged(notebook, "key-figure"))
    return " ".join(printed.split())


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed_by(cell: nbformat.NotebookNode, *streams: str) -> str:
    """Return the text a cell wrote to its streams, as a terminal would show it at the end."""
    text = "".join(
        output.text
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name in (streams or ("stdout", "stderr"))
    )
    return settled(text)


def _failure(path: Path, error) -> Failure:
    notebook = read(path)
    cell = next(c for c in code_cells(notebook) if c.metadata.papermill.exception)
    parts = [settled(part).rstrip() for part in error.traceback]
    # After `workshop.connect()` an error of AWS or a job is told in parts before the error output
    # (workshop/emulator/client/screen.py).
    told = [
        output.metadata.get("workshop_error") for output in cell.outputs if "metadata" in output
    ]
    in_parts = next(filter(None, reversed(told)), None)
    printed = printed_by(cell)
    if in_parts:
        printed = in_parts["printed"] or printed
        where, job_error = [in_parts["where"]], in_parts["job_error"]
        said = parts[-1] if job_error else f"{error.ename}: {error.evalue}"
    else:
        where = [part for part in parts if re.match(r"(Cell In|Input In|File <ipython)", part)]
        said, job_error = parts[-1] if parts else error.ename, ""
    return Failure(
        cell=code_cells(notebook).index(cell) + 1,
        source=cell.source,
        printed=printed,
        error=said,
        where="\n".join(where),
        job_error=job_error.strip(),
    )


def _register() -> None:
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, papermill_engines

    class Client(PapermillNotebookClient):
        def papermill_execute_cells(self) -> None:
            try:
                super().papermill_execute_cells()
            except BaseException:
                # The cell will still answer, and nobody listens: asyncio would complain at the end.
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)
                end_below(self.km.provisioner.pid)
                raise

    class WorkshopEngine(Engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, *, folder, on_cell, **_) -> None:
            numbers = {id(cell): n for n, cell in enumerate(code_cells(nb_man.nb), 1)}
            cell_start = nb_man.cell_start

            def start(cell, *args, **kwargs):
                if id(cell) in numbers:
                    on_cell(numbers[id(cell)])
                cell_start(cell, *args, **kwargs)

            nb_man.cell_start = start
            client = Client(nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=120)
            # A learner's own IPython start-up files stay out of it.
            environment = os.environ | {"IPYTHONDIR": str(state.folder("ipython"))}
            # What the kernel itself says is for whoever looks after the workshop.
            with open(state.folder() / "kernel.log", "ab") as log:
                client.execute(cwd=str(folder), env=environment, stderr=log)

    papermill_engines.register("workshop", WorkshopEngine)


def end_below(pid: int) -> None:
    """End a process and everything below it: with Ctrl-C first, then by force."""
    import contextlib
    import signal

    import psutil

    try:
        top = psutil.Process(pid)
        below = top.children(recursive=True)
        # The kernel leads a process group: the SDK and the job's programs hear it too.
        os.killpg(pid, signal.SIGINT)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C does not wait
        deadline = time.monotonic() + GRACE
        while any(map(_runs, below)) and time.monotonic() < deadline:
            time.sleep(0.05)
    with contextlib.suppress(psutil.NoSuchProcess):
        below += top.children(recursive=True)
    for process in (*below, top):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _runs(process) -> bool:
    """Tell whether a process (psutil.Process) still does something; a zombie does not."""
    import psutil

    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
