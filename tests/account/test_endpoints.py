"""What is told of endpoints that somebody left in the account, at the end of `./lab run --aws`."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from workshop import cli
from workshop.account import endpoints
from workshop.course import run

from .conftest import TAGS, Account


@pytest.mark.parametrize("end", [lambda: 0, lambda: 1, lambda: _interrupt()])
def test_the_end_of_a_run_tells_them(service, monkeypatch, end):
    """However it ends."""
    made = Account()
    made.endpoint("digits", TAGS)
    made.endpoint("theirs", [])
    monkeypatch.setattr(run, "run", lambda *_, **__: end())
    monkeypatch.setattr(cli, "_own_account", dict)  # it is this process's already
    output = CliRunner().invoke(cli.app, ["run", "Lab2", "--aws"]).output
    (line,) = [line for line in output.splitlines() if "COSTS MONEY" in line]
    assert re.fullmatch(
        r"COSTS MONEY NOW: endpoint digits costs \$0\.257 an hour, \$6\.17 a day, until it is "
        r"deleted: AllTraffic 1 × ml\.m5\.xlarge at \$0\.257; it has been there since "
        r"[\d-]+ [\d:]+ UTC\. \./lab clean --aws deletes it\.",
        line,
    )


def _interrupt() -> int:
    raise KeyboardInterrupt


def test_nothing_is_told_of_what_is_gone(service, capsys):
    """The index of tags is late: it still knows what is gone."""
    Account().endpoint("digits", TAGS)
    body = '{"__type": "ValidationException", "message": "Could not find endpoint."}'
    service.answer("DescribeEndpoint ", 400, body)
    endpoints.tell()
    assert capsys.readouterr().out == ""


def test_where_aws_does_not_answer_that_is_said(service, capsys):
    service.answer("GetResources", 400, '{"__type": "AccessDeniedException", "message": "no"}')
    endpoints.tell()
    assert capsys.readouterr().out.startswith("Whether an endpoint is left is not known: An error")
