"""What a Python of `.venv` takes on at its start, by the variables that `./lab` has set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

EMULATOR, ACCOUNT = "workshop.emulator.client.hook", "workshop.account.hook"


@pytest.mark.parametrize(
    ("variables", "hooks"),
    [
        ({}, []),
        ({"WORKSHOP_ENDPOINT": "http://127.0.0.1:9"}, [EMULATOR]),
        ({"WORKSHOP_AWS": "1"}, [ACCOUNT]),
        ({"WORKSHOP_AWS": "1", "WORKSHOP_ENDPOINT": "http://127.0.0.1:9"}, [EMULATOR]),
    ],
    ids=["nothing", "emulator", "account", "both: nothing reaches AWS"],
)
def test_the_variables_choose_what_is_added_to_the_sdks(variables, hooks):
    program = f"import sys; print([one for one in {[EMULATOR, ACCOUNT]} if one in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_")} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (found.stdout, found.stderr) == (f"{hooks}\n", "")


def test_it_is_quick():
    """Every Python of the environment runs it: none of the large packages may come along."""
    program = "import workshop.startup, sys; print(*sys.modules)"
    found = subprocess.check_output(
        [sys.executable, "-c", program],
        env=os.environ | {"WORKSHOP_ENDPOINT": "http://127.0.0.1:9"},
        text=True,
    ).split()
    assert not {"boto3", "botocore", "sagemaker", "moto", "pydantic", "numpy"} & {*found}
