"""What an instance asks of a container that takes several requests at once.

The images that are played here answer one after the other, and none has /execution-parameters.
"""

from __future__ import annotations

import random
import threading
import time

import pytest

from workshop.emulator.service.sagemaker.serving import Answer, NotServed
from workshop.emulator.service.sagemaker.transform_instance import Instance
from workshop.emulator.service.storage.transfer import DataError


class Container:
    """Answers what it is asked, in upper case; 500 as often as it is told."""

    def __init__(self, parameters: bytes = b"", failures: int = 0) -> None:
        self._parameters, self._failures = parameters, failures
        self.asked: list[bytes] = []
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        pass

    def parameters(self) -> bytes:
        return self._parameters

    def ask(self, body, headers, seconds) -> Answer:
        with self._lock:
            self.asked.append(body)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            fails, self._failures = self._failures > 0, self._failures - 1
        time.sleep(random.uniform(0.001, 0.02))
        with self._lock:
            self.at_once -= 1
        return Answer(500 if fails else 200, body.upper(), "primary", "text/csv")


@pytest.fixture
def transform(tmp_path):
    """Transform texts by name with a container; return the failures and the outputs."""

    def run(container, texts: dict[str, str], stopped=None, **request):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "gone").unlink(missing_ok=True)
        lines: list[str] = []
        instance = Instance(
            container,
            {"TransformInput": {"SplitType": "Line"}, "TransformOutput": {}} | request,
            lambda place: (tmp_path / place[1]).open("rb"),
            lines.extend,
            stopped or threading.Event(),
        )
        out = tmp_path / "out"
        failures = instance.transform({name: ("b", name) for name in texts}, out)
        return failures, {one.name: one.read_text() for one in out.iterdir()}, lines

    return run


def test_several_requests_at_once_keep_the_order(transform):
    texts = {f"{n}": "".join(f"{n} {line}\n" for line in range(20)) for n in "abc"}
    container = Container()
    more = {"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 4}
    ends = {"TransformOutput": {"AssembleWith": "Line"}}
    failures, outputs, _ = transform(container, texts, **more, **ends)
    assert failures == []
    assert outputs == {f"{name}.out": text.upper() for name, text in texts.items()}
    assert container.most == 4 and len(container.asked) == 60


def test_what_a_request_leaves_open_the_container_says(transform):
    told = b'{"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}'
    container = Container(told)
    _, outputs, [line] = transform(container, {"a": "1\n" * 20})
    assert container.most == 3 and outputs == {"a.out": "1" * 20}
    assert line.endswith(
        ": MaxConcurrentTransforms=3, MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD"
    )


@pytest.mark.parametrize(("failures", "retries", "asked"), [(3, 3, 4), (1, 1, 2), (1, 0, 1)])
def test_a_request_is_tried_again(transform, failures, retries, asked):
    container = Container(failures=failures)
    client = {"ModelClientConfig": {"InvocationsMaxRetries": retries}}
    failed, outputs, _ = transform(container, {"a": "x"}, **client)
    assert len(container.asked) == asked
    assert outputs == ({"a.out": "X"} if retries else {}) and bool(failed) == (not retries)


def test_after_a_failure_nothing_more_of_the_object_is_asked(transform):
    container = Container(failures=1)
    more = {"BatchStrategy": "SingleRecord", "ModelClientConfig": {"InvocationsMaxRetries": 0}}
    [failed], outputs, _ = transform(container, {"a": "1\n" * 50, "b": "2\n"}, **more)
    assert failed.startswith("AlgorithmError: See job logs for more information\nb/a: Bad HTTP")
    assert outputs == {"b.out": "2"} and len(container.asked) < 5


def test_a_stopped_job_asks_no_more(transform):
    stopped, container = threading.Event(), Container()
    stopped.set()
    assert transform(container, {"a": "1\n"}, stopped)[0] == [] and not container.asked


def test_an_object_that_is_removed_meanwhile_fails(transform):
    [failed], outputs, lines = transform(Container(), {"a": "1\n", "gone": ""})
    assert failed.endswith("b/gone: It has been removed.") and outputs == {"a.out": "1\n"}
    assert lines[-1].endswith("b/gone: It has been removed.")


def test_what_cannot_be_written_is_named(transform):
    with pytest.raises(DataError, match=r"The output of b/a{252} cannot be written: File name too"):
        transform(Container(), {"a" * 252: "1\n"})


def test_a_container_that_does_not_start_ends_it(transform):
    container = Container()

    def start() -> None:
        raise NotServed("no model")

    container.start = start
    with pytest.raises(NotServed, match="no model"):
        transform(container, {"a": "1\n"})
