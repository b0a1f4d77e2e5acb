"""Shows how a run goes: a live picture on a terminal, lines everywhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from workshop import terminal
from workshop.course.step import Step
from workshop.emulator.containers import engine

MARKS = {"waiting": "·", "running": " ", "done": "✓", "FAILED": "✗", "interrupted": "✗"}


class Progress:
    """Shows `steps` while it is open; call `changed` when the state of one has changed."""

    def __init__(self, steps: Sequence[Step], console: Console) -> None:
        self._steps = steps
        self._console = console
        self._began = time.time()
        self._spinner = Spinner("dots")
        self._jobs: list[engine.RunningJob] = []
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._live = None
        if console.is_terminal:
            self._live = Live(self, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        self._watcher.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._watcher.join()
        if self._live:
            self._live.stop()

    def changed(self, step: Step) -> None:
        if self._live:
            return
        if step.state == "running":
            cells = f" ({step.cells} code cells)" if step.cells else ""
            self._print(f"{step.title}: started{cells}")
        else:
            figure = f": {step.figure}" if step.figure else ""
            self._print(f"{step.title}: {step.state} after {step.seconds:.0f} s{figure}")

    def _watch(self) -> None:
        """Follow the jobs; without a terminal, say when one starts and ends."""
        while not self._ended.wait(0.25):
            jobs = [job for job in engine.running() if job.started >= self._began]
            before, self._jobs = self._jobs, jobs
            if self._live:
                continue
            for job in jobs:
                if job.name not in {other.name for other in before}:
                    self._print(f"  {_title(job)}: started")
            for job in before:
                if job.name not in {other.name for other in jobs}:
                    seconds = time.time() - job.started
                    self._print(f"  {_title(job)}: ended after {seconds:.0f} s")

    def _print(self, line: str) -> None:
        self._console.print(line)
        self._console.file.flush()

    def __rich__(self) -> Group:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for column in ({"width": 1}, {"no_wrap": True}, {"justify": "right", "no_wrap": True}, {}):
            table.add_column(**column)
        for step in self._steps:
            running = step.state == "running"
            seconds = time.time() - step.began if running else step.seconds
            doing = step.figure
            if running:
                doing = f"cell {step.cell} of {step.cells}" if step.cells else step.last_line
            table.add_row(
                self._spinner if running else Text(MARKS[step.state]),
                Text(step.title, terminal.STYLES.get(step.state, "dim")),
                f"{seconds:.0f} s" if step.began else "",
                Text(doing, no_wrap=True, overflow="ellipsis"),
            )
        return Group(table, *(part for job in self._jobs for part in self._job(job)))

    def _job(self, job: engine.RunningJob) -> tuple[Text, Text]:
        seconds = time.time() - job.started
        about = f"   {_title(job)}, {seconds:.0f} s"
        return (
            Text(about, no_wrap=True, overflow="ellipsis"),
            Text(f"   {job.last_line}", style="dim", no_wrap=True, overflow="ellipsis"),
        )


def _title(job: engine.RunningJob) -> str:
    """Name a job, or the variant of an endpoint, which is no job."""
    return f"{job.kind} {job.name}" if job.kind == "endpoint" else f"{job.kind} job {job.name}"
