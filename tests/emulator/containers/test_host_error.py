"""Which error of a host is told, from what it wrote."""

from __future__ import annotations

import pytest

from workshop.emulator.containers import host_error

HOW = "algo-1 exited with code 1."
SYNTAX = (
    '  File "/opt/ml/code/main.py", line 3\n    def main(:\n             ^\nSyntaxError: invalid'
)
PARSER = (
    "usage: main.py [-h] [--epochs N]\n               [--rate R]\nmain.py: error: no such thing"
)
TOOLKIT = (
    "\n2026-11-27 20:00:51,599 sagemaker-training-toolkit ERROR    Reporting training FAILURE"
    '\nExitCode 1\nErrorMessage ""\nCommand "/opt/python/bin/python -- main.py"'
)


@pytest.mark.parametrize(
    ("wrote", "told"),
    [
        (SYNTAX, f"{SYNTAX} (main.py, line 3)"),
        (PARSER, PARSER),
        ("Traceback (most recent call last):\nValueError: x", None),
    ],
    ids=["no Python", "arguments", "traceback"],
)
@pytest.mark.parametrize("after", ["", TOOLKIT], ids=["alone", "toolkit"])
def test_the_scripts_own_error_is_last(tmp_path, wrote, told, after):
    log = tmp_path / "log"
    log.write_text(f"begun\n{wrote}{after}\n")
    found = host_error.of("algo-1", 1, log)
    assert found.error == f"{HOW}\n{told or wrote}"
    # What stands at the end of the output anyway is not shown again.
    assert found.unseen == (found.error if after else "")


def test_without_an_error_in_it_the_last_lines_are_told(tmp_path):
    log = tmp_path / "log"
    log.write_text("no disk\n")
    assert host_error.of("algo-1", 1, log) == host_error.Result(1, f"no disk\n{HOW}", HOW)
