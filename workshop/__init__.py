"""The workshop's own package: an emulated SageMaker, and the course that runs on it."""

from workshop.learner import NotAttempted, check, compare, connect, hint, not_attempted, progress
from workshop.paths import ROOT

__all__ = [
    "ROOT",
    "NotAttempted",
    "check",
    "compare",
    "connect",
    "hint",
    "not_attempted",
    "progress",
]
