"""`workshop.connect()`, and what `./lab exec --aws` gives to a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata, util

import pytest

import workshop
from workshop import learner
from workshop.account import connection, hook
from workshop.emulator.client import screen
from workshop.emulator.errors import WorkshopError

from .conftest import ACCOUNT, REGION


@pytest.fixture(autouse=True)
def no_hook(monkeypatch):
    """Leave botocore as it is for the tests that follow in this process."""
    monkeypatch.setattr(hook, "install", lambda: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))


def test_connect_says_where_before_all_else(make_stack, monkeypatch, capsys):
    make_stack()
    monkeypatch.setitem(os.environ, "WORKSHOP_AWS", "1")
    workshop.connect()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Connected to your own AWS account: jobs cost money."
    assert lines[1].startswith(f"account  {ACCOUNT}, you are arn:aws:sts::{ACCOUNT}:")
    assert lines[2] == f"region   {REGION}"
    role = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-workshop-Role"
    assert lines[3] == f"role     {role} (the stack sagemaker-workshop)"
    assert lines[4] == "bucket   sagemaker-workshop-test (the stack sagemaker-workshop)"
    assert "Cost Explorer" in lines[6] and "./lab clean --aws" in lines[6]
    assert os.environ["WORKSHOP_ROLE"] == role
    assert os.environ["WORKSHOP_BUCKET"] == "sagemaker-workshop-test"


def test_connect_without_a_role_says_how_to_get_one(aws, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "WORKSHOP_AWS", "1")
    workshop.connect()
    told = capsys.readouterr().out
    assert "role     none" in told
    assert "aws cloudformation deploy --template-file infra/workshop.yaml" in told
    assert f"bucket   sagemaker-{REGION}-{ACCOUNT} (the SDK's default" in told
    assert "WORKSHOP_ROLE" not in os.environ and "WORKSHOP_BUCKET" not in os.environ


def test_an_error_in_a_notebook_is_short(aws, monkeypatch, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr(screen, "get_ipython", lambda: shell, raising=False)
    connection.connect()
    capsys.readouterr()
    shell.run_cell('import boto3\nboto3.client("s3").get_object(Bucket="nobodys", Key="a")')
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "AWS refused GetObject: NoSuchBucket."
    assert "Next: Look for a misspelled name" in "\n".join(told) and len(told) <= 12


def test_an_execution_role_is_left_to_the_sdk(make_role, become, aws):
    become(make_role("StudioRole"))
    connection.connect()
    assert "WORKSHOP_ROLE" not in os.environ


def test_connect_refuses_credentials_that_do_not_work(aws, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "WORKSHOP_AWS", "1")
    monkeypatch.delitem(os.environ, "AWS_DEFAULT_REGION")
    with pytest.raises(WorkshopError, match="No AWS region is set"):
        workshop.connect()
    assert capsys.readouterr().out == ""


def test_the_emulator_comes_first(monkeypatch):
    """Where both are set, nothing may reach AWS."""
    monkeypatch.setitem(os.environ, "WORKSHOP_AWS", "1")
    monkeypatch.setitem(os.environ, "WORKSHOP_ENDPOINT", "http://127.0.0.1:1")
    assert not learner._in_own_account()


def test_checks_do_not_apply(monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "WORKSHOP_AWS", "1")
    workshop.check("1.1")
    assert "with your own account there are none" in capsys.readouterr().out


def test_the_environment_of_a_program(aws):
    settings, _ = connection.environment(stand_in=True)
    assert settings["WORKSHOP_AWS"] == "1"
    assert settings["WORKSHOP_PYTHON"] == sys.executable
    assert settings["AWS_ACCESS_KEY_ID"] == "AKIALEARNER"
    assert "AWS_ENDPOINT_URL" not in settings and "WORKSHOP_ENDPOINT" not in settings
    first, second = settings["PATH"].split(os.pathsep)[:2]
    assert (first, second) == (
        str(workshop.ROOT / "workshop/emulator/containers/bin"),
        f"{sys.prefix}/bin",
    )
    settings, _ = connection.environment(stand_in=False)
    assert settings["PATH"].startswith(f"{sys.prefix}/bin{os.pathsep}")
    assert str(workshop.ROOT / "workshop/emulator/containers/bin") not in settings["PATH"]


@pytest.mark.parametrize("verb", [["exec", "--aws", "true"], ["clean", "--aws"]])
def test_not_from_inside_the_emulated_aws(verb):
    found = lab(*verb, WORKSHOP_ENDPOINT="http://127.0.0.1:1")
    assert found.returncode == 1
    assert "Open another terminal" in found.stderr and found.stderr.count("\n") == 1


# --- the verb, with a server that plays AWS


def lab(*arguments, **settings) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-m", "workshop", *arguments],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


PROGRAM = """\
import os, sys
print(os.environ["WORKSHOP_ACCOUNT"], os.environ["AWS_SECRET_ACCESS_KEY"])
print([name for name in ("account", "emulator") if f"workshop.{name}.hook" in sys.modules])
"""


def test_exec(endpoint):
    """The program keeps the learner's credentials, and has the hook from its first line on."""
    found = lab("exec", "--aws", "--", "python", "-c", PROGRAM, AWS_ENDPOINT_URL=endpoint)
    assert found.stdout == f"{ACCOUNT} secret\n['account']\n"
    assert found.stderr.startswith(
        f"Connected to your own AWS account: jobs cost money.\naccount  {ACCOUNT}"
    )
    assert found.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not util.find_spec("pip"), reason="uv made .venv, without pip")
def test_what_is_pinned_stays(endpoint, make_wheel, tmp_path):
    make_wheel(tmp_path / "index", "sagemaker", "99.0")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}
    install = ("python", "-m", "pip", "install", "--dry-run", "-U", "sagemaker")
    found = lab("exec", "--aws", "--", *install, AWS_ENDPOINT_URL=endpoint, **offline)
    assert found.returncode == 0, found.stderr
    assert "Would install" not in found.stdout
    version = metadata.version("sagemaker")
    assert found.stderr.endswith(
        f"\nsagemaker stays at {version}: the labs are written for it (requirements.txt).\n"
    )


DEPLOY = f"""\
from sagemaker.local import LocalSession
from sagemaker.model import Model
role = "arn:aws:iam::{ACCOUNT}:role/Jobs"
Model("mine:1", "s3://b/model.tar.gz", role, sagemaker_session=LocalSession()).deploy(1, "local")
"""


@pytest.mark.slow
def test_a_local_endpoint_is_refused_where_no_docker_engine_answers(
    endpoint, monkeypatch, tmp_path
):
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", endpoint)
    settings, _ = connection.environment(stand_in=True)
    config = tmp_path / "config.yaml"  # the SDK tells AWS of each call otherwise
    quiet = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    config.write_text(json.dumps({"SchemaVersion": "1.0", "SageMaker": quiet}))
    found = subprocess.run(
        [sys.executable, "-c", DEPLOY],
        env=settings | {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(config)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # The SDK has rich show an uncaught error, in lines of 80, on standard output.
    shown = " ".join(found.stdout.split())
    _, _, reason = shown.rpartition("WorkshopError: ")
    assert reason.startswith("Nothing on this machine can serve the image mine:1. "), found
    assert reason.endswith("or your own account (./lab start --aws).")


@pytest.mark.parametrize("verb", [["exec", "--aws", "true"], ["start", "--aws"], ["run", "--aws"]])
def test_verbs_without_credentials(verb):
    found = lab(*verb, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert found.returncode == 1
    assert found.stderr.startswith("lab: No AWS credentials were found.")
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


@pytest.mark.parametrize("verb", [["doctor", "--aws"], ["clean", "--aws", "--yes"]])
def test_verbs_without_a_network(verb):
    found = lab(*verb, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert found.returncode == 1
    assert "AWS cannot be reached" in found.stdout + found.stderr
    assert "Traceback" not in found.stderr
