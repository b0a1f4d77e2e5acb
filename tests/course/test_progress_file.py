"""The file that remembers what the learner did."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from workshop.course import progress_file


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path))
    return tmp_path


def test_nothing_is_known_at_first(state):
    assert progress_file.summary() == {}
    assert progress_file.opened("1.3") == ()
    assert progress_file.of("1.3") == progress_file.TaskProgress()
    assert not (state / "progress.json").exists()


def test_hints_and_checks(state):
    progress_file.record_seen("1.3")
    progress_file.record_hint("1.3", 1)
    progress_file.record_hint("1.3", 2)
    progress_file.record_hint("1.3", 1)
    progress_file.record_check("1.3", "not yet")
    progress_file.record_check("1.3", "passed")
    progress_file.record_check("1.3", "passed")  # once more: no attempt
    task = progress_file.of("1.3")
    assert (task.state, task.attempts, task.hints, task.minutes) == ("passed", 2, (1, 2), 0)
    assert task.first_seen is not None and task.passed is not None


def test_a_pass_stays_with_its_evidence():
    progress_file.record_check("1.3", "passed", evidence={"jobs": ["preprocessing-1"]})
    before = progress_file.of("1.3")
    assert (before.state, before.evidence, before.latest) == (
        "passed",
        {"jobs": ["preprocessing-1"]},
        None,
    )
    progress_file.record_check("1.3", "not yet", found="no input")
    after = progress_file.of("1.3")
    assert (after.latest.state, after.latest.found) == ("not yet", "no input")
    assert dataclasses.replace(after, latest=None) == before
    progress_file.record_check("1.3", "passed", evidence={"jobs": ["preprocessing-2"]})
    assert progress_file.of("1.3") == before


def test_a_reset_takes_a_pass_back():
    for result in ("not yet", "passed", "not yet"):
        progress_file.record_check("1.3", result)
    progress_file.record_hint("1.3", 2)
    progress_file.record_reset("1.3")
    task = progress_file.of("1.3")
    assert (task.state, task.passed, task.evidence, task.latest) == (
        "not attempted",
        None,
        {},
        None,
    )
    assert (task.attempts, task.hints, task.first_seen) == (2, (2,), None)


def test_a_file_of_an_older_workshop_keeps_its_passes(state):
    """There, a later check changed the state; and there was no evidence."""
    passed = "2026-11-20T14:11:40+00:00"
    old = {"first_seen": passed, "attempts": 2, "state": "not yet", "passed": passed, "hints": {}}
    (state / "progress.json").write_text(json.dumps({"format": 1, "tasks": {"1.3": old}}))
    task = progress_file.of("1.3")
    assert (task.state, task.passed.isoformat(), task.evidence) == ("passed", passed, {})


def test_what_a_newer_workshop_wrote_is_kept(state):
    newer = {"format": 1, "class": "b", "tasks": {"1.3": {"stars": 5}, "1.4": {"stars": 3}}}
    (state / "progress.json").write_text(json.dumps(newer))
    progress_file.record_check("1.3", "passed")
    content = json.loads((state / "progress.json").read_text())
    assert (content["class"], content["tasks"]["1.3"]["stars"]) == ("b", 5)
    assert content["tasks"]["1.4"]["stars"] == 3


def test_a_look_at_an_untouched_task_does_not_start_its_clock():
    progress_file.record_check("3.1", "not attempted")
    task = progress_file.of("3.1")
    assert (task.state, task.attempts, task.first_seen) == ("not attempted", 0, None)


def test_minutes_are_those_from_first_sight_to_the_first_pass(state):
    progress_file.record_seen("1.1")
    content = json.loads((state / "progress.json").read_text())
    seen = progress_file.of("1.1").first_seen - timedelta(minutes=12, seconds=10)
    content["tasks"]["1.1"]["first_seen"] = seen.isoformat()
    (state / "progress.json").write_text(json.dumps(content))
    assert progress_file.of("1.1").minutes is None
    progress_file.record_check("1.1", "passed")
    assert progress_file.of("1.1").minutes == 12


def test_the_order_is_that_of_the_course():
    for number in ("2.1", "1.10", "1.2"):
        progress_file.record_hint(number, 1)
    assert list(progress_file.summary()) == ["1.2", "1.10", "2.1"]


def test_an_unknown_state_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="not 'maybe'"):
        progress_file.record_check("1.1", "maybe")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b'{"format": 1, "tasks": {"1.1": {"hints": {"1": "2026-11-',  # cut off
        b"\xff\xfe",
        b"[]",
        b'{"tasks": {}}',
        b'{"format": 99, "tasks": {}}',
        b'{"format": 1, "tasks": {"one": {}}}',
        b'{"format": 1, "tasks": {"1.1": null}}',
        b'{"format": 1, "tasks": {"1.1": {"state": "nearly"}}}',
        b'{"format": 1, "tasks": {"1.1": {"hints": {"1": "yesterday"}}}}',
        b'{"format": 1, "tasks": {"1.1": {"attempts": "some"}}}',
        b'{"format": 1, "tasks": {"1.1": {"evidence": 1}}}',
        b'{"format": 1, "tasks": {"1.1": {"latest": {"when": "today"}}}}',
        b'{"format": 1, "tasks": {"1.1": {"compare": "yesterday"}}}',
    ],
)
def test_a_damaged_file_is_kept_aside(state, capsys, damaged):
    (state / "progress.json").write_bytes(damaged)
    progress_file.record_hint("1.1", 1)
    said = capsys.readouterr().err
    (aside,) = state.glob("progress-damaged-*.json")
    assert aside.read_bytes() == damaged
    assert said.startswith("workshop: your progress could not be read") and aside.name in said
    assert progress_file.opened("1.1") == (1,)
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_written_stops_nobody(state, capsys, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    progress_file.record_hint("1.1", 1)
    assert "could not be saved" in capsys.readouterr().err
    assert not list(state.glob("progress.json*"))


def test_an_interrupted_write_leaves_the_old_file(state, monkeypatch):
    progress_file.record_hint("1.1", 1)
    before = (state / "progress.json").read_bytes()

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        progress_file.record_hint("1.1", 2)
    assert (state / "progress.json").read_bytes() == before
    assert sorted(path.name for path in state.iterdir()) == ["progress.json", "progress.lock"]


def test_processes_that_write_at_the_same_time_lose_nothing():
    """Two notebooks and a terminal: each writes thirty hints of its own task."""
    code = (
        "import sys\nfrom workshop.course import progress_file\n"
        "for rung in range(1, 31): progress_file.record_hint(sys.argv[1], rung)"
    )
    numbers = ("1.1", "1.2", "2.1")
    writers = [subprocess.Popen([sys.executable, "-c", code, number]) for number in numbers]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    for number in numbers:
        assert progress_file.opened(number) == tuple(range(1, 31))
