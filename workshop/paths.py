"""Where things are."""

from __future__ import annotations

from pathlib import Path

#: The folder that holds the labs, `data/` and `./lab`.
ROOT = Path(__file__).resolve().parent.parent
