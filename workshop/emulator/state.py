"""Where the emulator keeps everything it has to remember: one folder, for its owner alone."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from workshop.emulator import settings

#: What was set aside since this process began: a sentence for each.
notices: list[str] = []


def folder(*parts: str) -> Path:
    """Return the state folder, or a folder below it, and make it when it is missing.

    Where it is, the settings say. Other users of the machine may not look into it. Raises
    WorkshopError where the settings cannot be used.
    """
    path = settings.state()
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # it belongs to somebody else
            path.chmod(0o700)
    path = path.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def endpoint_file() -> Path:
    """Return the file that says where the server is. The server ends when it is removed."""
    return folder() / "server.json"


def life_file() -> Path:
    """Return the file that the server keeps locked while it lives; it holds its process number."""
    path = folder() / "server.life"
    path.touch()
    return path


def set_aside(path: Path, why: str) -> Path:
    """Move what cannot be used out of the way, and note it in ``notices``; return where it is."""
    place = folder("set-aside") / f"{path.name}-{time.time_ns()}"
    with contextlib.suppress(FileNotFoundError):  # another process was quicker
        path.rename(place)
        notices.append(f"{path} could not be used: {why}. It was moved to {place}.")
    return place
