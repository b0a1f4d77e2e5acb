"""Where the emulator keeps everything it has to remember: one folder."""

from __future__ import annotations

import os
from pathlib import Path


def folder(*parts: str) -> Path:
    """Return the state folder, or a folder below it, and make it when it is missing.

    It is ``.lab`` in the checkout, or what the environment variable ``WORKSHOP_STATE`` names.
    """
    top = os.environ.get("WORKSHOP_STATE")
    path = Path(top) if top else Path(__file__).resolve().parents[2] / ".lab"
    path = path.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
