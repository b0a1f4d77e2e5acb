"""Finds the error of a host that failed in what it wrote."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """How a job ended: the exit code of the first host that failed, else 0, and its error.

    ``error`` is one sentence with the last traceback that the host wrote, or with its last lines.
    ``unseen`` is what of it does not stand at the end of the output anyway.
    """

    exit_code: int
    error: str = ""
    unseen: str = ""


_TRACEBACK = "Traceback (most recent call last):"
_CHAINS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
#: How much of the output stands for the error of a host that wrote no traceback.
_LAST_LINES = 10
#: Where an error without a traceback begins: of a script that Python cannot read, and of argparse.
_WITHOUT_TRACEBACK = re.compile(
    r'(?m)^  File "(?P<file>[^"\n]+)", line (?P<line>\d+)\n(?:    .*\n)*(?:\w+Error: .*)'
    r"|^usage: .*\n(?: .*\n)*\S+: error: .*"
)
#: What others write after the error: the training toolkit, and Python itself with ``-v``.
_AFTERWARDS = re.compile(
    r"(?m)^(\d{4}-\d\d-\d\d [\d:,]+ sagemaker-training-toolkit "
    r"|# (clear|destroy|cleanup|restore)\b)"
)


def of(host: str, code: int, log: Path) -> Result:
    """Return how a host ended, with the error in its output: the script's own line comes last.

    What others write after it is cut.
    """
    text = tail(log, 1 << 20).decode(errors="replace").rstrip()
    own = re.findall(rf"(?m)^{re.escape(host)} \| (.*)$", text)
    if own:  # one of several hosts: what the others wrote may stand between its lines
        text = "\n".join(own)
    how = f"{host} exited with code {code}."
    if code > 128:
        try:
            how = f"{host} was ended by signal {code - 128} ({signal.Signals(code - 128).name})."
        except ValueError:
            pass
        if code == 128 + signal.SIGKILL:
            how += " A machine does that when it has no memory left."
    start = text.rfind(_TRACEBACK)
    if start < 0 and (found := [*_WITHOUT_TRACEBACK.finditer(text)]):
        last = found[-1]
        place = ""
        if last["file"]:  # as Python itself says it in one line
            place = f" ({os.path.basename(last['file'])}, line {last['line']})"
        error = f"{how}\n{last[0]}{place}"
        return Result(code, error, unseen=error if last.end() < len(text) else "")
    if start < 0:
        lines = [line for line in text.splitlines() if not _AFTERWARDS.match(line)]
        last = "\n".join(lines[-_LAST_LINES:]).strip()
        error = f"{last}\n{how}".strip()
        return Result(code, error, unseen=how if text.endswith(last) else error)
    while text[:start].rstrip().endswith(_CHAINS) and text.rfind(_TRACEBACK, 0, start) >= 0:
        start = text.rfind(_TRACEBACK, 0, start)
    afterwards = _AFTERWARDS.search(text, start)
    end = afterwards.start() if afterwards else len(text)
    error = f"{how}\n{text[start:end].rstrip()}"
    return Result(code, error, unseen=error if afterwards else "")


def tail(path: Path, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read()
