"""Connects a process to the learner's own account: it says so, and changes nothing of AWS's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from workshop import prices
from workshop.account import TAG_KEY, TAG_VALUE, identity
from workshop.emulator import state

#: The `docker` that runs jobs where no Docker engine answers.
_STAND_IN = Path(__file__).resolve().parents[1] / "emulator" / "containers" / "bin"


def connect() -> None:
    """Say which account, region, role and bucket this process works with.

    In a notebook, errors of AWS, the SDK and jobs are shown short from now on. To be called before
    the first session is made. Raises WorkshopError, with what to do, when the credentials do not
    work.
    """
    account = identity.find()
    os.environ.update(_settings(account))
    from workshop.account import hook
    from workshop.emulator.client import screen

    hook.install()
    screen.watch_notebook()
    print(describe(account))


def environment(*, stand_in: bool) -> tuple[dict[str, str], identity.Account]:
    """Return the environment for a program that works with the learner's own account.

    `stand_in` puts the workshop's own `docker` first, for local mode where no Docker engine
    answers. Raises WorkshopError as `identity.find` does.
    """
    account = identity.find()
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    first = [*([str(_STAND_IN)] if stand_in else []), str(Path(sys.prefix) / "bin")]
    settings = {
        "PATH": os.pathsep.join([*first, *(part for part in path if part not in first)]),
        "WORKSHOP_PYTHON": sys.executable,
        "WORKSHOP_FAILURES": str(state.folder("failures")),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    return dict(os.environ) | settings | _settings(account), account


def describe(account: identity.Account) -> str:
    """Return what a learner should know before anything is made, a short line for each."""
    role = f"{account.role} ({account.role_from})" if account.role else identity.NO_ROLE
    return (
        "Connected to your own AWS account: jobs cost money.\n"
        f"account  {account.number}, you are {account.caller}\n"
        f"region   {account.region}\n"
        f"role     {role}\n"
        f"bucket   {account.bucket} ({account.bucket_from})\n"
        f"What a job may cost, and an endpoint by the hour, is said before it starts (prices of "
        f"{prices.DATE}). What it did cost:\n"
        f"Billing, Cost Explorer, tag {TAG_KEY}={TAG_VALUE}. See and remove what was made: "
        "./lab clean --aws"
    )


def _settings(account: identity.Account) -> dict[str, str]:
    """Return what `hook` reads. What the SDK finds by itself is left to it."""
    settings = {
        "WORKSHOP_AWS": "1",
        "WORKSHOP_ACCOUNT": account.number,
        "WORKSHOP_REGION": account.region,
        "WORKSHOP_RECORDS": str(state.folder("records")),
    }
    if account.role and account.role_from != "you":
        settings["WORKSHOP_ROLE"] = account.role
    if account.bucket_from != identity.SDK_DEFAULT:
        settings["WORKSHOP_BUCKET"] = account.bucket
    return settings
