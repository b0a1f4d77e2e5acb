"""What the cells of this notebook did when they ran last, which may not be saved yet.

JupyterLab saves a notebook every two minutes. A learner who fills a gap, runs the cell and asks
for a check must not hear that the gap is still there.
"""

from __future__ import annotations

import os
import posixpath
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

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

_now: Ran | None = None
_stop_listening: Callable[[], None]


def _begins(info) -> None:
    """Note the cell, and from now on what it prints."""
    global _now, _stop_listening
    # JupyterLab and VS Code tell the id (ipykernel/kernelbase.py, "cellId"); others may not.
    identity = getattr(info, "cell_id", None) or info.raw_cell
    before = _cells.get(identity)
    same = before is not None and before.source == info.raw_cell
    now = time.time()
    _now = Ran(info.raw_cell, now, before.since if same else now)
    _cells[identity] = _now
    _stop_listening = _listen(sys.stdout)


def _ended(result) -> None:
    """Note how it ended, and the value that is shown below it."""
    global _now
    if _now is None:
        return
    _stop_listening()
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        _now.error = f"{type(error).__name__}: {error}"
    elif result.result is not None:
        _print(repr(result.result))
    _now = None


def _displayed(message: dict) -> dict:
    if message.get("msg_type") == "display_data":
        _print(str(message["content"]["data"].get("text/plain", "")))
    return message


def _listen(stream) -> Callable[[], None]:
    """Note what is written to a stream while a cell runs; return what ends that."""
    write = stream.write

    def tell(text):
        _print(text)
        return write(text)

    stream.write = tell
    return lambda: setattr(stream, "write", write)


def _print(text: str) -> None:
    if _now is not None and len(_now.printed) < _MOST:
        _now.printed += text
