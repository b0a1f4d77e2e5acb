"""`./lab reset`: the starter comes back, and nothing of the learner's is lost."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from workshop.course import build, manifest, progress_file, reset
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

LAB = "Lab1-Unit-Testing"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A checkout with the sources, and the starter as it should be."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "source", root / "source")
    lab = manifest.find(LAB, manifest.labs())
    starter = {name: build.as_bytes(data) for name, data in build.starter(lab, root).items()}
    return root, starter


@pytest.fixture
def learner(course, tmp_path, monkeypatch):
    """The same with a fresh starter folder: (root, the lab's folder, the starter's files)."""
    root, starter = course
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(build, "starter", lambda lab, root: starter)  # it takes a second
    folder = root / LAB
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in starter.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return root, folder, starter


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_nothing_differs(learner, tmp_path):
    root, folder, _ = learner
    (folder / "script_processing" / "__pycache__").mkdir()
    (folder / "script_processing" / "__pycache__" / "x.pyc").touch()  # nobody's work
    done = reset.reset(1, root)
    assert (done.changed, done.kept) == ((), None)
    assert not (tmp_path / "state" / "kept").exists()


def test_the_section_comes_back_and_the_work_is_kept(learner):
    root, folder, starter = learner
    (folder / "1-preprocessing.ipynb").write_text("my notebook")
    (folder / "script_processing" / "preprocessing.py").write_text("my script")
    (folder / "script_processing" / "notes" / "deep").mkdir(parents=True)
    (folder / "script_processing" / "notes" / "deep" / "mine.txt").write_text("my notes")
    (folder / "2-training.ipynb").write_text("of another section")
    (folder / "mine.ipynb").write_text("of no section")
    done = reset.reset("1", root)
    assert done.changed == (
        "1-preprocessing.ipynb",
        "script_processing/notes/deep/mine.txt",
        "script_processing/preprocessing.py",
    )
    assert files(done.kept) == {
        "1-preprocessing.ipynb": b"my notebook",
        "script_processing/notes/deep/mine.txt": b"my notes",
        "script_processing/preprocessing.py": b"my script",
    }
    assert files(folder) == starter | {
        "2-training.ipynb": b"of another section",
        "mine.ipynb": b"of no section",
    }
    assert not (folder / "script_processing" / "notes").exists()
    # The way back that it prints.
    shutil.copytree(done.kept, folder, dirs_exist_ok=True)
    assert (folder / "script_processing" / "preprocessing.py").read_text() == "my script"


def test_it_tells_what_was_done_and_the_way_back(learner, capsys, monkeypatch):
    root, folder, _ = learner
    monkeypatch.chdir(root)
    reset.show(1, root)
    assert capsys.readouterr().out == (
        "Nothing to do: section 1 (Preprocessing) is as it was at the beginning.\n"
    )
    (folder / "script_processing" / "preprocessing.py").write_text("my script")
    reset.show(1, root)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Section 1 (Preprocessing) is as it was at the beginning:",
        f"  {LAB}/script_processing/preprocessing.py",
    ]
    assert lines[2].startswith("Your work is kept in ")
    command = lines[3].removeprefix("To have it again: ")
    subprocess.run(command, shell=True, check=True)
    assert (folder / "script_processing" / "preprocessing.py").read_text() == "my script"


def test_two_resets_in_the_same_second_keep_both(learner):
    root, folder, _ = learner
    kept = []
    for text in ("first", "second"):
        (folder / "3-evaluation.ipynb").write_text(text)
        kept.append(reset.reset(3, root).kept)
    assert [(path / "3-evaluation.ipynb").read_text() for path in kept] == ["first", "second"]


def test_what_was_removed_comes_back(learner):
    root, folder, starter = learner
    shutil.rmtree(folder)
    done = reset.reset(2, root)
    assert done.kept is None
    assert (
        set(files(folder))
        == set(done.changed)
        == {name for name in starter if name.startswith(("2-training", "script_train/"))}
    )


def test_a_link_is_replaced_and_what_it_shows_is_not_touched(learner, tmp_path):
    root, folder, starter = learner
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("precious")
    script = folder / "script_processing" / "preprocessing.py"
    script.unlink()
    script.symlink_to(elsewhere)
    done = reset.reset(1, root)
    assert elsewhere.read_text() == "precious"
    assert script.read_bytes() == starter["script_processing/preprocessing.py"]
    assert not script.is_symlink()
    assert (done.kept / "script_processing" / "preprocessing.py").is_symlink()


def test_nothing_is_changed_when_the_work_cannot_be_kept(learner, monkeypatch):
    root, folder, _ = learner
    (folder / "1-preprocessing.ipynb").write_text("my notebook")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reset.shutil, "copy2", full)
    with pytest.raises(WorkshopError, match=r"No space left.* Nothing of yours is lost"):
        reset.reset(1, root)
    assert (folder / "1-preprocessing.ipynb").read_text() == "my notebook"


def test_it_takes_the_passes_of_the_section_back_and_says_so(learner, capsys):
    root, folder, _ = learner
    progress_file.record_hint("1.2", 1)
    progress_file.record_check("1.2", "passed")
    progress_file.record_check("1.3", "not yet")
    progress_file.record_check("2.1", "passed")
    (folder / "1-preprocessing.ipynb").write_text("my notebook")
    reset.show(1, root)
    assert capsys.readouterr().out.startswith("Passed no more: 1.2.\nSection 1 (Preprocessing) is")
    task = progress_file.of("1.2")
    assert (task.state, task.hints, task.passed) == ("not attempted", (1,), None)
    assert progress_file.of("1.3").state == "not attempted"
    assert progress_file.of("1.1").state == "not checked"
    assert progress_file.of("2.1").passed


def test_it_takes_passes_back_where_no_file_differs(learner, capsys):
    root, _, _ = learner
    progress_file.record_check("1.2", "passed")
    reset.show(1, root)
    assert progress_file.of("1.2").passed is None
    assert capsys.readouterr().out == (
        "Passed no more: 1.2.\n"
        "No file differs: section 1 (Preprocessing) is as it was at the beginning.\n"
    )


@pytest.mark.parametrize("wrong", ["99", "1.2", "", "Lab1"])
def test_unknown_sections(learner, wrong):
    root, _, _ = learner
    with pytest.raises(WorkshopError) as told:
        reset.reset(wrong, root)
    assert f"no section {wrong!r}" in str(told.value)
    assert "1 (Preprocessing), 2 (Training), 3 (Evaluation), 4 (" in str(told.value)
