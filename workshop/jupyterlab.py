"""JupyterLab as a learner wants it. Its settings, and what it has none for, are in `jupyter/`."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable

from workshop.paths import ROOT

SETTINGS = ROOT / "workshop" / "jupyter"

# What JupyterLab's server says in the terminal, and nobody can act on.
_NOISE = re.compile(
    r"The websocket_ping_timeout \(|"  # jupyter_server has milliseconds where tornado has seconds
    r"/\.~\S+ doesn't exist$"  # the file browser looked while a file was being saved
)


def command() -> list[str]:
    """Return the program and its arguments: all that names a folder; the rest is in files."""
    shell = ["bash", "--rcfile", str(SETTINGS / "bashrc")]
    line = [
        sys.executable,
        *("-m", "jupyterlab"),
        f"--ServerApp.root_dir={ROOT}",
        f"--ServerApp.terminado_settings={{'shell_command': {shell}}}",
        f"--LabApp.extra_labextensions_path={SETTINGS / 'labextensions'}",
        "--LabApp.default_url=/lab/tree/README.md",
        "-y",  # Ctrl-C ends it without a question
        "--log-level=WARN",
    ]
    if os.geteuid() == 0:  # containers, some Studio images
        line.append("--allow-root")
    return line


def environment(connected: dict[str, str]) -> dict[str, str]:
    """Return what it needs beside the variables that connect it to an AWS."""
    others = connected.get("JUPYTER_CONFIG_PATH")
    paths = [str(SETTINGS), *([others] if others else [])]
    return connected | {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(paths),
        # The kernel called python3 is the one of .venv, whatever else is installed.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PATH": os.pathsep.join([str(ROOT), connected["PATH"]]),  # `lab`, in its terminals
    }


def trust_notebooks() -> None:
    """Sign the workshop's notebooks: JupyterLab warns of what was made on another machine."""
    from nbformat import read
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in (*ROOT.glob("Lab*/*.ipynb"), *ROOT.glob("final/*/*.ipynb")):
        with contextlib.suppress(Exception):  # what a learner made of it may be no notebook
            notary.sign(read(path, as_version=4))


def keep_language(model: dict, **_) -> None:
    """Before a notebook is saved: drop what JupyterLab notes of the kernel when it opens one.

    So a notebook that is saved as it was stays the same, byte for byte, under any Python
    (``jupyter_server/services/contents/manager.py``, ``pre_save_hook`` and ``hide_globs``).
    """
    if model["type"] == "notebook" and model.get("content"):
        language = model["content"].get("metadata", {}).get("language_info")
        if language and "name" in language:
            model["content"]["metadata"]["language_info"] = {"name": language["name"]}


def drop_noise() -> Callable[[logging.LogRecord], bool]:
    """Return a filter for the server's log: it keeps what somebody can act on."""
    return lambda record: not _NOISE.search(record.getMessage())
