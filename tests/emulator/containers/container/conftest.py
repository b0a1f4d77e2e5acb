"""Starts a host that serves, with the engine, and asks it over HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
import requests

from workshop.emulator.containers import engine

from ...conftest import until

ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@dataclass
class Served:
    """A host that serves: where it is, and what it has written."""

    url: str
    output: list[bytes] = field(default_factory=list)

    @property
    def log(self) -> str:
        return b"".join(self.output).decode()

    def has_logged(self, text: str) -> bool:
        """Tell whether a text is in its log, which may come after its answer."""
        return until(lambda: text in self.log, 10)

    def ask(self, body, content_type="application/json", **headers) -> requests.Response:
        """Send an invocation; underscores in the names of headers stand for hyphens."""
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        headers |= {"Content-Type": content_type} if content_type else {}
        return requests.post(f"{self.url}/invocations", data=body, headers=headers, timeout=30)


@pytest.fixture
def serve(tmp_path):
    """Serve what is in ``tmp_path / "model"`` with an image; return the host once it answers.

    Where ``fails`` is given, the host ends instead, and its error is returned.
    """
    running = []

    def start(image: str, fails=False, **environment) -> Served | str:
        (tmp_path / "model").mkdir(exist_ok=True)
        host = engine.Host(
            name="algo-1",
            image=f"{ACCOUNT}/{image}",
            arguments=["serve"],
            environment=environment,
            inputs=[(str(tmp_path / "model"), "/opt/ml/model")],
        )
        job = engine.Job([host], name="served", kind="endpoint", grace=1)
        port = environment.get("SAGEMAKER_BIND_TO_PORT", "8080")
        served = Served(f"http://{job.addresses['algo-1']}:{port}")
        ended = []
        thread = threading.Thread(
            target=lambda: ended.append(job.run(lambda _, lines: served.output.append(lines)))
        )
        thread.start()
        running.append((job, thread))
        if fails:
            thread.join(60)
            assert ended[0].exit_code, served.log
            return ended[0].error
        assert until(lambda: _pings(served.url) or ended, 60), served.log
        assert not ended, served.log
        return served

    yield start
    for job, thread in running:
        job.stop()
        thread.join(20)


def _pings(url: str) -> bool:
    try:
        return requests.get(f"{url}/ping", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False
