"""Runs at the start of every Python of a job (a line in the job's ``_base.pth``).

1. AWS requests of the job go to the emulator, as the learner's do.
2. ``pip install -r requirements.txt`` is quick the second time, also without a network: what was
   installed for the same file is kept, outside of the jobs.
"""

import os
import sys
from pathlib import Path


def _send_aws_to_emulator() -> None:
    if "WORKSHOP_ENDPOINT" not in os.environ:
        return
    import importlib.util

    hook = Path(__file__).resolve().parents[3] / "client" / "hook.py"
    spec = importlib.util.spec_from_file_location("_emulator_hook", hook)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _requirements_file() -> str | None:
    """Return the file of a plain ``python -m pip install -r FILE``, else None."""
    arguments = sys.orig_argv
    if arguments[1:5] == ["-m", "pip", "install", "-r"] and len(arguments) == 6:
        return arguments[5]
    return None


def _ask_installer(requirements: str) -> None:
    """Let the installer outside of the job do it (``workshop/emulator/containers/installer.py``).

    Where it did, this process ends. Where it cannot, or has kept what the file asks for, pip goes
    on: as in a job without it, or to say that all is there.
    """
    import json
    import socket

    request = {
        "requirements": Path(requirements).read_text(encoding="utf-8"),
        "settings": {name: text for name, text in os.environ.items() if name.startswith("PIP_")},
    }
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(os.environ["JOB_INSTALLER"])
        door.sendall(json.dumps(request).encode() + b"\n")
        answers = map(json.loads, door.makefile("rb"))
        answer = next(answers, {"ask_pip": True})
        while "output" in answer:
            sys.stdout.buffer.write(answer["output"].encode("latin-1"))
            sys.stdout.buffer.flush()
            answer = next(answers, {"ask_pip": True})
    if "kept" in answer:
        _use(Path(answer["kept"]))
    if "ask_pip" not in answer:
        os._exit(answer["code"])


def _use(kept: Path) -> None:
    """Show the job's Python what is kept."""
    packages = next(Path(path) for path in sys.path if path.startswith(sys.prefix))
    # Before the base packages, whose versions it may replace.
    (packages / "_above_base.pth").write_text(f"{kept / 'packages'}\n")
    sys.path.insert(sys.path.index(str(packages)) + 1, str(kept / "packages"))
    for program in (kept / "bin").iterdir():
        own = Path(sys.prefix, "bin", program.name)
        if not own.exists():
            own.symlink_to(program)


_send_aws_to_emulator()
if _requirements_file() and "JOB_INSTALLER" in os.environ:
    try:
        _ask_installer(_requirements_file())
    except (OSError, ValueError):
        pass  # no such file, or no text: pip says so
