"""A step of a run: what `run.py` does one after the other, and `progress.py` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workshop.course import manifest


@dataclass
class Step:
    """One notebook, or the scripts of a lab without notebooks (shown by the last one's name)."""

    lab: manifest.Lab
    path: Path
    state: str = "waiting"  # then running; at the end: done, FAILED, interrupted, not run
    began: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    cell: int = 0
    cells: int = 0  # 0 for a script
    last_line: str = ""  # of a script
    figure: str = ""

    @property
    def title(self) -> str:
        return f"{self.lab.folder.split('-')[0]} {self.path.name}"
