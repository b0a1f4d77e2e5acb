"""What the cells of this notebook did when they ran last, which may not be saved yet.

JupyterLab saves a notebook every two minutes. A learner who fills a gap, runs the cell and asks
for a check must not hear that the gap is still there.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable
from dataclasses import dataclass

from workshop.emulator.client import streams

_MOST = 1_000_000  # characters of a cell's output that are kept

_cells: dict[str, Ran] = {}
_shell = None


@dataclass
class Ran:
    """One run of a cell, which began at `began`.

    `since` is when the cell ran first with this source; both in seconds since the epoch.
    """

    source: str
    began: float
    since: float
    printed: str = ""
    error: str = ""  # "NameError: …"; empty while it runs, and when it ended well


def watch() -> None:
    """Remember the cells that run from now on. Does nothing outside IPython; safe to call again."""
    global _shell
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    if _shell is not shell:
        _shell = shell
        shell.events.register("pre_run_cell", _begins)
        shell.events.register("post_run_cell", _ended)
        if hasattr(shell.display_pub, "register_hook"):  # ipykernel's, in ipykernel/zmqshell.py
            shell.display_pub.register_hook(_displayed)


def ran(notebook: str) -> dict[str, Ran]:
    """Return the last run of each cell, by the cell's id; nothing in another notebook's kernel.

    notebook: the file's name, like "1-preprocessing.ipynb"
    """
    return dict(_cells) if _is_here(notebook) else {}


def variables(notebook: str) -> dict[str, object]:
    """Return what the notebook's cells have set; nothing in another notebook's kernel."""
    return dict(_shell.user_ns) if _shell is not None and _is_here(notebook) else {}


def _is_here(notebook: str) -> bool:
    # Set by Jupyter Server (services/sessions/sessionmanager.py) and by VS Code.
    path = os.environ.get("JPY_SESSION_NAME", "")
    if _shell is not None:
        path = _shell.user_ns.get("__vsc_ipynb_file__", path)
    return posixpath.basename(path) == notebook


# --- a cell runs --------------------------------------------------------------------------

#: The cells that run now, each with what ends the listening to it: one may run another (%run).
_running: list[tuple[Ran, Callable[[], None]]] = []


def _begins(info) -> None:
    """Note the cell, and from now on what it prints."""
    # JupyterLab and VS Code tell the id (ipykernel/kernelbase.py, "cellId"); others may not.
    identity = getattr(info, "cell_id", None) or info.raw_cell
    before = _cells.get(identity)
    same = before is not None and before.source == info.raw_cell
    now = time.time()
    ran = Ran(info.raw_cell, now, before.since if same else now)
    _cells[identity] = ran
    _running.append((ran, streams.listen(lambda name, text: name == "stdout" and _add(ran, text))))


def _ended(result) -> None:
    """Note how it ended, and the value that is shown below it."""
    if not _running:  # it is the cell with `workshop.connect()`
        return
    ran, stop_listening = _running.pop()
    stop_listening()
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        ran.error = f"{type(error).__name__}: {error}"
    elif result.result is not None:
        _add(ran, repr(result.result))


def _displayed(message: dict) -> dict:
    if _running and message.get("msg_type") == "display_data":
        _add(_running[-1][0], str(message["content"]["data"].get("text/plain", "")))
    return message


def _add(ran: Ran, text: str) -> None:
    if len(ran.printed) < _MOST:
        ran.printed += text
