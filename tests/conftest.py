"""Every test works with an emulated AWS of its own, away from what a learner has in `.lab`."""

from __future__ import annotations

import os
import signal

import pytest

# A shell starts what runs in its background with Ctrl-C ignored, and programs inherit that; the
# tests of Ctrl-C need it as it usually is.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: a slip shows at once, and not after the jobs."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory):
    """Keep the state in a temporary folder, forget real accounts, end the server at the end."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("AWS_", "WORKSHOP_", "SAGEMAKER_")) and name != "AWS_CA_BUNDLE":
            del os.environ[name]
    folder = tmp_path_factory.mktemp("state")
    os.environ["WORKSHOP_STATE"] = str(folder)
    yield folder
    from workshop.emulator import server

    server.stop()
    os.environ.clear()
    os.environ.update(before)
