"""What `./lab progress` and `workshop.progress()` show."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from IPython.utils.capture import capture_output

import workshop
from workshop.course import manifest, progress_file, progress_report

TASKS = len(manifest.tasks())


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path))
    return tmp_path


def test_nothing_is_begun(capsys):
    for task in manifest.tasks():  # ./lab check has looked at all of them
        progress_file.record_check(task.number, "not attempted")
    progress_report.show()
    assert capsys.readouterr().out.splitlines() == [
        "Not begun: sections 1 to 3 (Lab1-Unit-Testing), 4 to 7 (Lab2), 8 to 12 (Lab3-Processors), "
        "13 to 17 (Lab4-Pipelines).",
        f"0 of {TASKS} tasks passed, 0 hints opened, 0 minutes.",
        "Next: task 1.1 · Keep the version of TensorFlow, in "
        "Lab1-Unit-Testing/1-preprocessing.ipynb",
        "The states are those of the last check. ./lab check looks again.",
    ]


def test_the_sections_that_were_begun_have_a_line_for_each_task(capsys):
    progress_file.record_hint("1.3", 1)
    progress_file.record_check("1.1", "passed")
    progress_file.record_check("5.2", "not yet")
    progress_report.show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Lab1-Unit-Testing · Three jobs on your own machine"
    assert lines[1] == "  Section 1 · Preprocessing: 1 of 7 passed"
    words = [line.split("  ") for line in lines[2:5]]
    assert [[word.strip() for word in line if word] for line in words] == [
        ["1.1", "passed", "0 of 5 min", "Keep the version of TensorFlow"],
        ["1.2", "not checked", "Take the libraries along"],
        ["1.3", "not checked", "1 of 4 hints", "Tell the job where its input is"],
    ]
    assert lines[10].startswith("Lab2 · ")
    assert lines[11].startswith("  Section 5 · ") and lines[11].endswith(": 0 of 4 passed")
    assert lines[13].split()[:3] == ["5.2", "not", "yet"]
    assert lines[-4] == (
        "Not begun: sections 2, 3 (Lab1-Unit-Testing), 4, 6, 7 (Lab2), 8 to 12 (Lab3-Processors), "
        "13 to 17 (Lab4-Pipelines)."
    )
    assert lines[-2].startswith("Next: task 1.2 · Take the libraries along, in Lab1-")


def test_a_pass_stays_and_says_what_is_wrong_today(capsys, state):
    progress_file.record_check("1.5", "passed")
    found = "your file does not run: line 53: '(' was never closed"
    progress_file.record_check("1.5", "not yet", found=found)
    progress_report.show()
    lines = capsys.readouterr().out.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("    1.5 "))
    assert lines[at].split()[1] == "passed"
    assert lines[at + 1] == f"          today not: {found}"
    assert f"1 of {TASKS} tasks passed" in "\n".join(lines)

    content = json.loads((state / "progress.json").read_text())
    content["tasks"]["1.5"]["latest"]["when"] = "2026-11-20T12:00:00+00:00"
    (state / "progress.json").write_text(json.dumps(content))
    progress_report.show()
    assert f"on 2026-11-20 not: {found}" in capsys.readouterr().out


def test_in_a_notebook(in_notebook):
    progress_file.record_check("1.1", "passed")
    with capture_output() as captured:
        workshop.progress()
    (output,) = captured.outputs
    assert "    1.1   passed " in output.data["text/plain"]
    assert "workshop.check() looks again." in output.data["text/plain"]
    assert ">passed</span>" in output.data["text/html"]


def test_as_json_it_has_evidence_and_the_latest_check():
    evidence = {"jobs": ["preprocessing-1"], "files": {"script/x.py": "0" * 64}}
    progress_file.record_check("1.5", "passed", evidence=evidence)
    progress_file.record_check("1.5", "not yet", found="no main")
    report = json.loads(progress_report.as_json())
    (task,) = (task for task in report["tasks"] if task["task"] == "1.5")
    assert (task["state"], task["evidence"]) == ("passed", evidence)
    assert task["latest"].keys() == {"when", "state", "found"}
    assert (task["latest"]["state"], task["latest"]["found"]) == ("not yet", "no main")
    assert datetime.fromisoformat(task["latest"]["when"]) <= datetime.now(timezone.utc)
    (other,) = (task for task in report["tasks"] if task["task"] == "1.6")
    assert (other["evidence"], other["latest"]) == ({}, None)
