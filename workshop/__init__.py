"""The workshop's own package: an emulated SageMaker, and the course that runs on it."""

from pathlib import Path

from workshop.emulator.connection import connect

#: The folder that holds the labs, `data/` and `./lab`.
ROOT = Path(__file__).resolve().parent.parent

__all__ = ["ROOT", "connect"]
