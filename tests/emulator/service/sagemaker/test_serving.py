"""Hosts that stay and answer, without an endpoint: as a batch transform uses them."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
import requests

from workshop.emulator.service.sagemaker import serving

from ...serving_by_boto3 import ECHO, IMAGE, hosts

pytestmark = pytest.mark.slow


class Folder:
    """As much of S3 as a hosting needs: the files below a folder."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        files = (one for one in (self._top / bucket).rglob("*") if one.is_file())
        found = (str(one.relative_to(self._top / bucket)) for one in files)
        return [key for key in found if key.startswith(prefix)]

    def file(self, bucket: str, key: str) -> Path:
        return self._top / bucket / key


@pytest.fixture
def hosting(tmp_path):
    """Make the hosting of a script; it ends with the test."""
    made = []

    def make(script: str, **environment: str) -> serving.Hosting:
        code = tmp_path / "bucket/model/code"
        code.mkdir(parents=True)
        (code / "inference.py").write_text(script)
        source = {"S3Uri": "s3://bucket/model/", "CompressionType": "None"}
        container = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}}
        model = {"PrimaryContainer": container, "ExecutionRoleArn": "r"}
        one = serving.Hosting(Folder(tmp_path), model, "test", lambda *_: None, environment)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def test_it_starts_when_it_is_asked_and_ends_when_it_is_closed(hosting):
    one = hosting(ECHO)
    assert not hosts()
    answer = one.ask(b"\xff", {"Content-Type": "a/b"})
    assert (answer.status, answer.body, answer.content_type) == (200, b"\xff", "a/b")
    assert answer.container == "primary"
    assert one.parameters() == b""  # none of these images tells any
    one.close()
    assert not hosts()
    with pytest.raises(serving.NotServed):
        one.ask(b"", {})


def test_a_script_that_never_answers_is_given_up(hosting):
    one = hosting("import time; time.sleep(1000)")
    began = time.monotonic()
    with pytest.raises(serving.NotServed, match=r"with 200 within 1 s \(AWS waits 8 minutes\)"):
        one.start(seconds=1)
    assert time.monotonic() - began < 8
    assert not hosts()


def test_an_answer_that_takes_too_long_is_that_of_a_proxy(hosting):
    one = hosting(ECHO.replace("return data", "import time; time.sleep(5); return data"))
    one.start()
    answer = one.ask(b"", {}, seconds=0.5)
    assert (answer.status, answer.body[:26]) == (504, b"Your invocation timed out ")


def test_another_program_may_have_the_port():
    with socket.create_server(("127.250.250.250", 8080)):
        assert serving._port("127.250.250.250") not in (0, 8080)
    assert serving._port("127.250.250.250") == 8080


def test_nobody_else_is_answered(hosting):
    one = hosting(ECHO)
    one.start()
    [(address, port)] = one._ports.values()
    for path in ("/ping", "/v1/models/model"):
        assert requests.get(f"http://{address}:{port}{path}", timeout=9).status_code == 403
    assert requests.post(f"http://{address}:{port}/invocations", b"x", timeout=9).status_code == 403


def test_variables_of_a_transform_are_the_scripts(hosting):
    script = "import os, json\n" + ECHO.replace(
        "return data", "return json.dumps(dict(os.environ))"
    )
    answer = hosting(script, SAGEMAKER_BATCH="true").ask(b"", {"Content-Type": "a/b"})
    assert json.loads(answer.body)["SAGEMAKER_BATCH"] == "true"
