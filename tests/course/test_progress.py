"""How a run is shown while it goes."""

import io
import time

from rich.console import Console

from workshop.course import manifest, progress
from workshop.course.step import Step
from workshop.emulator.containers.engine import RunningJob


def test_picture_on_a_terminal(tmp_path):
    """Step, cell, job and the job's newest line are all there, and fit the width."""
    lab, path = manifest.Lab("Lab1-Tiny", ""), tmp_path / "1-one.ipynb"
    step = Step(lab, path, state="running", began=time.time(), cell=3, cells=4)
    console = Console(force_terminal=True, width=60, record=True, file=io.StringIO())
    shown = progress.Progress([step], console)
    began = time.time() - 12
    shown._jobs = [
        RunningJob("train-1", "training", began, "Epoch 7: " + "x" * 200),
        RunningJob("digits/approved", "endpoint", began, "The model is loaded."),
    ]
    console.print(shown)
    text = console.export_text()
    assert "Lab1 1-one.ipynb" in text
    assert "cell 3 of 4" in text
    assert "training job train-1, 12 s" in text
    assert "endpoint digits/approved, 12 s" in text
    assert "Epoch 7" in text
    assert max(map(len, text.splitlines())) <= 60
