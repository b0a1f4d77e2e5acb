"""Connects a process to the emulated SageMaker."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

from workshop.emulator import files, keys, state
from workshop.emulator.client import daemon
from workshop.emulator.containers import contract
from workshop.emulator.settings import REGION

_BIN = Path(__file__).resolve().parents[1] / "containers" / "bin"


def connect() -> None:
    """Send the AWS calls of this process to the emulator, and say so.

    Starts the emulator when it does not run. To be called in a notebook before the first session
    is made. Raises WorkshopError when the emulator does not start.
    """
    settings = environment()
    os.environ.update(settings)
    for key in os.environ.keys() - settings.keys():
        del os.environ[key]
    from workshop.emulator.client import hook, screen

    hook.install()
    screen.watch_notebook()
    print(
        "Connected to the emulated AWS on this machine: no account, no cost.\n"
        "It answers all calls to AWS, and the jobs run here."
    )


def environment() -> dict[str, str]:
    """Return the environment for a program with the emulated AWS around it.

    Starts the emulator when it does not run. Credentials and settings of a real account are
    replaced: the SDKs take what the environment says before anything else (boto3, Configuration
    guide). ``WORKSHOP_DOCKER=1`` leaves the machine's real ``docker`` in its place.
    """
    endpoint, secrets = daemon.ensure(), keys.find()
    settings = {
        key: text
        for key, text in os.environ.items()
        # Endpoints of single services, roles and tokens would come before ours.
        if not key.startswith("AWS_") or key in ("AWS_PROFILE", "AWS_CA_BUNDLE")
    }
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    first = [str(Path(sys.prefix) / "bin")]
    if os.environ.get("WORKSHOP_DOCKER") != "1":
        first.insert(0, str(_BIN))
    settings |= {
        "PATH": os.pathsep.join([*first, *(part for part in path if part not in first)]),
        "WORKSHOP_ENDPOINT": endpoint,
        "WORKSHOP_PYTHON": sys.executable,
        "WORKSHOP_FAILURES": str(state.folder("failures")),
        "WORKSHOP_RECORDS": str(state.folder("records")),
        "WORKSHOP_KEYS": str(keys.file()),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": secrets.access_key,
        "AWS_SECRET_ACCESS_KEY": secrets.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(_aws_config(secrets)),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The learner's own defaults for the SDK (roles, networks) mean a real account.
        "SAGEMAKER_USER_CONFIG_OVERRIDE": os.devnull,
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": os.devnull,
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    return settings | contract.without_proxy()


def _aws_config(secrets: keys.Keys) -> Path:
    """Write an AWS config file with the names of the learner's profiles, and nothing else of them.

    So code that names a profile runs; the credentials are the emulator's all the same.
    """
    names = {"default"}
    for variable, usual in (
        ("AWS_CONFIG_FILE", "~/.aws/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(Path(os.environ.get(variable, usual)).expanduser())
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        names |= {name.removeprefix("profile ").strip() for name in parser.sections()}
    lines = []
    for name in sorted(names):
        lines += [
            "[default]" if name == "default" else f"[profile {name}]",
            f"region = {REGION}",
            f"aws_access_key_id = {secrets.access_key}",
            f"aws_secret_access_key = {secrets.secret_key}",
            "",
        ]
    return _write("aws-config", "\n".join(lines))


def _write(name: str, text: str) -> Path:
    path = state.folder() / name
    if not path.exists() or path.read_text() != text:
        files.write(path, text)
    return path
