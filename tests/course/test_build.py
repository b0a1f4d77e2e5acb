import json
import os
import random
import re
import shutil

import nbformat
import pytest
from nbformat.v4 import new_output

from workshop.course import build, reset
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

from .tiny import ONE, SCRIPT_WITH_TASK, TWO, WITH_TASK


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


# --- render and compare


def lab_of(root):
    return build.manifest.labs(root / "source")[-1]


def write_unexecuted(root):
    """Write what `build` would, as if the notebooks had been executed and printed nothing."""
    lab = lab_of(root)
    starter, hints, solution = build._rendered(lab, root)
    for name, code in build._code_digests(lab, solution).items():
        build.drop_traces_of_execution(solution[name])
        build._sealed(solution[name], code)
    for folder, files in (("", starter), ("hints", hints), ("final", solution)):
        build._make_equal(root / folder / lab.folder, files)


@pytest.fixture
def course(make_course):
    """Return the root of a course with two tasks, all of it written."""
    tasks = {1: ["Add numbers", "Return three"]}
    root = make_course(tasks=tasks, **{"1-one": WITH_TASK, "2-two": TWO})
    (root / "source" / "Lab1-Tiny" / "script_1" / "script.py").write_text(SCRIPT_WITH_TASK)
    write_unexecuted(root)
    return root


def test_render_is_the_same_every_time(make_course):
    root = make_course(**{"1-one": ONE, "2-two": TWO})
    lab = lab_of(root)
    once, again = build.render(lab, root), build.render(lab, root)
    assert once == again
    names = {"1-one.ipynb", "2-two.ipynb", "script_1/script.py", "script_2/script.py"}
    assert set(once) == names
    assert set(build.starter(lab, root)) == {*names, "README.md"}
    notebook = once["1-one.ipynb"]
    assert [cell.id for cell in notebook.cells] == ["cell-01", "cell-02", "cell-03", "cell-04"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "jupytext" not in notebook.metadata
    assert notebook.cells[3].metadata == {"tags": ["key-figure", "nbval-check-output"]}
    assert notebook.cells[2].metadata == {}


def test_starter_and_solution(course):
    """Each has its own cells and regions; nothing tells of the other one."""
    starter, _, solution = build._rendered(lab_of(course), course)
    sources = [cell.source for cell in starter["1-one.ipynb"].cells]
    gap = '# Task 1.1 · Add numbers\n# Do 1.1.\nworkshop.not_attempted("1.1")'
    assert sources == ["# One", "Go on.", gap, 'print("accuracy 0.987654")']
    sources = [cell.source for cell in solution["1-one.ipynb"].cells]
    assert sources == ["# One", 'print("solved")', "three = 1 + 2", 'print("accuracy 0.987654")']
    for notebook in (starter["1-one.ipynb"], solution["1-one.ipynb"]):
        nbformat.validate(notebook)
        tags = {tag for cell in notebook.cells for tag in cell.metadata.get("tags", ())}
        assert not tags & {"starter-only", "solution-only"}
    assert b"task 1.2 not attempted: Do 1.2." in starter["script_1/script.py"]
    assert solution["script_1/script.py"] == b"def f():\n    x = 3\n    return x\n"


@pytest.fixture
def second_lab(course):
    """A lab whose one section has no scripts of its own, and uses those of the first lab."""
    source = course / "source"
    (source / "Lab2-Tiny").mkdir()
    (source / "Lab2-Tiny" / "3-three.py").write_text(TWO)
    with open(source / "course.toml", "a") as contents:
        contents.write(
            '[[lab]]\nfolder = "Lab2-Tiny"\ntitle = "A second lab"\n'
            "[[lab.section]]\nnumber = 3\n"
            'title = "Three"\nnotebook = "3-three"\nminutes = 1\n'
            'finished = ["Lab1-Tiny/script_1"]\n'
        )
    return course


def test_scripts_of_another_lab_come_finished(second_lab):
    lab = lab_of(second_lab)
    starter, _, solution = build._rendered(lab, second_lab)
    assert starter["script_1/script.py"] == b"def f():\n    x = 3\n    return x\n"
    assert starter.keys() == solution.keys() == {"3-three.ipynb", "script_1/script.py"}
    # They are a part of what was executed.
    before = build._code_digests(lab, solution)
    solution["script_1/script.py"] += b"pass\n"
    assert build._code_digests(lab, solution) != before


def test_a_reset_brings_them_back(second_lab):
    folder = second_lab / "Lab2-Tiny"
    write_unexecuted(second_lab)
    (folder / "script_1" / "script.py").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    done = reset.reset(3, second_lab)
    assert done.changed == ("script_1/script.py",)
    assert (folder / "script_1" / "script.py").read_text().startswith("def f():")
    assert (done.kept / "script_1" / "script.py").read_text() == "mine"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_notebook_that_is_missing(make_course):
    root = make_course(**{"1-one": ONE})
    (root / "source" / "Lab1-Tiny" / "1-one.py").unlink()
    with pytest.raises(WorkshopError, match=r"1-one\.py"):
        build.check(root)


def test_check(course):
    """Each kind of difference is found and named."""
    assert build.check(course) == []

    final, hints, lab = (course / name / "Lab1-Tiny" for name in ("final", "hints", ""))
    (final / "script_1" / "script.py").write_text("print('changed by hand')\n")
    (final / "notes.txt").touch()
    (final / "script_1" / "__pycache__").mkdir()
    (final / "script_1" / "__pycache__" / "script.pyc").touch()
    (final / "script_1" / "requirements.txt").touch()  # copied by a notebook
    text = (final / "1-one.ipynb").read_text()
    (final / "1-one.ipynb").write_text(text.replace("accuracy", "error"))
    (final / "2-two.ipynb").write_text("{}")
    (lab / "README.md").unlink()
    text = (lab / "1-one.ipynb").read_text()
    (lab / "1-one.ipynb").write_text(text.replace("Do 1.1", "Do it"))
    (hints / "1-one" / "1.1-add-numbers" / "2.md").write_text("Another hint")
    (course / "hints" / "Lab9").mkdir()
    (course / "hints" / "Lab9" / "1.md").touch()
    assert set(build.check(course)) == {
        "Lab1-Tiny/1-one.ipynb: cell 3 has another source than in source/",
        "Lab1-Tiny/README.md: missing",
        "hints/Lab1-Tiny/1-one/1.1-add-numbers/2.md: not the same as in source/",
        "hints/Lab9/1.md: nothing in source/ gives this file",
        "final/Lab1-Tiny/1-one.ipynb: cell 4 has another source than in source/",
        "final/Lab1-Tiny/2-two.ipynb: cannot be read as a notebook",
        "final/Lab1-Tiny/notes.txt: nothing in source/ gives this file",
        "final/Lab1-Tiny/script_1/script.py: not the same as in source/",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda nb: nb.cells.pop(), "has 3 cells, source/ gives 4"),
        (lambda nb: nb.cells[0].update(source="# Two"), "cell 1 has another source"),
        (lambda nb: nb.cells[1].metadata.update(tags=[]), "cell 2 has another metadata"),
        (lambda nb: nb.cells[1].update(cell_type="raw"), "cell 2 has another cell type"),
        (lambda nb: nb.metadata.update(papermill={}), "metadata"),
        (lambda nb: nb.cells[1].update(execution_count=None), "code cell 1 is not executed"),
        (lambda nb: nb.cells[1].outputs.append(printed("x")), "an output is not what was printed"),
        (lambda nb: nb.metadata.pop("workshop"), "was not executed with the code"),
        (lambda nb: nb.metadata.workshop.update(code="0"), "was not executed with the code"),
        (lambda nb: nb.metadata.workshop.update(outputs="0"), "an output is not what was printed"),
        (lambda nb: nb.metadata.workshop.update(more="0"), "not the same as in source/"),
    ],
)
def test_check_of_a_notebook(make_course, change, told):
    root = make_course(**{"1-one": ONE})
    write_unexecuted(root)
    path = root / "final" / "Lab1-Tiny" / "1-one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    build._write(path, notebook)
    (difference,) = build.check(root)
    assert told in difference


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("1-one.py", "1 + 2", "2 + 1", {"hints/.*/3.md", "final/.*/1-one", "final/.*/2-two"}),
        ("1-one.py", "# One", "# Two", {"Lab1-Tiny/1-one", "final/.*/1-one"}),
        ("1-one.py", "Go on.", "Go.", {"Lab1-Tiny/1-one"}),
        (
            "script_1/script.py",
            "x = 3",
            "x = 4",
            {"hints/.*/3.md", "final/.*/script.py", "final/.*/1-one", "final/.*/2-two"},
        ),
        ("hints/1.1.md", "after 2", "after 3", {"hints/.*/1.md"}),
        ("README.md", "A tiny", "A", {"Lab1-Tiny/README"}),
        ("../course.toml", "Do 1.2", "Make 1.2", {"Lab1-Tiny/script", "hints/.*/README"}),
    ],
)
def test_source_without_a_build(course, file, old, new, named):
    """A change of the source is noticed in each file that it reaches, and in no other."""
    path = course / "source" / "Lab1-Tiny" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = build.check(course)
    for pattern in named:
        assert any(re.match(pattern, line) for line in found), (pattern, found)
    assert len(found) == len(named)


def test_nothing_is_written_when_the_source_is_refused(course):
    source = course / "source" / "Lab1-Tiny"
    (source / "1-one.py").write_text("# %%\n# task 1.1 begin\n")
    (course / "Lab1-Tiny" / "1-one.ipynb").write_text("mine")
    with pytest.raises(WorkshopError, match=r"1-one\.py:2: task 1\.1 begins here and never ends"):
        build.build(course)
    assert (course / "Lab1-Tiny" / "1-one.ipynb").read_text() == "mine"


def test_build_executes_nothing_that_is_up_to_date(course, monkeypatch, capsys, own_state):
    """Words may change; a learner's files are kept aside; what is equal is not touched."""
    monkeypatch.setattr(build, "_execute", lambda *_: pytest.fail("executed"))
    source, lab = course / "source" / "Lab1-Tiny", course / "Lab1-Tiny"
    text = (source / "1-one.py").read_text()
    (source / "1-one.py").write_text(text.replace("# One", "# First"))
    (lab / "script_1" / "script.py").write_text("mine")
    (lab / "notes" / "mine").mkdir(parents=True)
    (lab / "notes" / "mine" / "1.md").write_text("mine too")
    (course / "hints" / "old.md").touch()
    untouched = course / "final" / "Lab1-Tiny" / "2-two.ipynb"
    os.utime(untouched, (0, 0))

    build.build(course)
    assert build.check(course) == ["hints/old.md: nothing in source/ gives this file"]
    assert "# First" in (course / "final" / "Lab1-Tiny" / "1-one.ipynb").read_text()
    assert not (lab / "notes").exists()
    assert untouched.stat().st_mtime == 0
    (aside,) = (own_state / "kept").glob("*/Lab1-Tiny")
    assert (aside / "script_1" / "script.py").read_text() == "mine"
    assert (aside / "notes" / "mine" / "1.md").read_text() == "mine too"
    told = capsys.readouterr().out
    assert "Lab1-Tiny/: replaced 3 files; kept in " in told
    assert os.path.relpath(aside) in told or str(aside) in told
    shutil.rmtree(own_state / "kept")


def test_only_what_is_stale_is_executed(course, monkeypatch, capsys):
    """A notebook needs what those before it leave; these keep their outputs all the same."""
    executed = []

    def execute(path, console):
        executed.append(path.name)
        notebook = nbformat.read(path, as_version=4)
        build.notebooks.code_cells(notebook)[0].outputs = [printed("new\n")]
        return notebook

    monkeypatch.setattr(build, "_execute", execute)
    monkeypatch.setattr(build.daemon, "ensure", lambda: "")
    two = course / "source" / "Lab1-Tiny" / "2-two.py"
    two.write_text(two.read_text().replace("1 + 1", "1 + 3"))
    build.build(course)
    assert executed == ["1-one.ipynb", "2-two.ipynb"]
    assert "1-one.ipynb: executing (2-two.ipynb needs what it leaves" in capsys.readouterr().out
    assert build.check(course) == []
    final = course / "final" / "Lab1-Tiny"
    assert "new" not in (final / "1-one.ipynb").read_text()
    assert "new" in (final / "2-two.ipynb").read_text()

    executed.clear()
    one = course / "source" / "Lab1-Tiny" / "1-one.py"
    one.write_text(one.read_text() + "\n# %%\nprint()\n")
    build.build(course)
    assert executed == ["1-one.ipynb", "2-two.ipynb"]
    assert "new" in (final / "1-one.ipynb").read_text()


@pytest.mark.slow
def test_build(make_course):
    """What is built passes the check, holds nothing of this machine, and is the same again."""
    root = make_course(**{"1-one": ONE, "2-two": TWO})
    build.build(root)
    assert build.check(root) == []
    path = root / "final" / "Lab1-Tiny" / "1-one.ipynb"
    first = path.read_text()
    assert "accuracy 0.987654" in first
    for machine in ("noise\\n", "papermill", "/tmp", "/build-", str(ROOT)):
        assert machine not in first
    path.unlink()
    build.build(root)
    assert path.read_text() == first


@pytest.mark.slow
def test_a_failing_notebook_leaves_everything_alone(make_course):
    root = make_course(**{"1-one": ONE, "2-two": TWO})
    write_unexecuted(root)
    source = root / "source" / "Lab1-Tiny"
    (source / "2-two.py").write_text("# %%\nprint('before')\n1 / 0\n")
    (source / "README.md").write_text("# Another\n")
    paths = [path for path in root.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in paths}
    with pytest.raises(WorkshopError, match=r"(?s)2-two.ipynb failed in code cell 1.*ZeroDivision"):
        build.build(root)
    assert {path: path.read_bytes() for path in before} == before


# --- the committed files


def test_the_committed_files_are_what_source_gives():
    assert build.check() == []


@pytest.mark.parametrize("seed", range(3))
def test_one_character_in_each_generated_file(tmp_path, seed):
    """Whichever character is another one, the check names the file."""
    labs = [lab.folder for lab in build.manifest.labs() if lab.sections]
    (tmp_path / "source").symlink_to(ROOT / "source")
    places = random.Random(seed)
    changed = set()
    for folder in (*labs, "hints", "final"):
        for path in build._files(ROOT / folder):
            name = path.relative_to(ROOT).as_posix()
            text = path.read_text()
            at = places.randrange(len(text))
            other = "x" if text[at] != "x" else "y"
            copy = tmp_path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text[:at] + other + text[at + 1 :])
            changed.add(name)
    assert len(changed) > 80
    assert {line.partition(": ")[0] for line in build.check(tmp_path)} == changed


def test_one_character_of_an_output(tmp_path):
    """The digest notices it, in a text and in a picture."""
    for lab in (lab for lab in build.manifest.labs() if lab.sections):
        codes = build._code_digests(lab, build.render(lab))
        for name, code in codes.items():
            content = json.loads((ROOT / "final" / lab.folder / name).read_text())
            outputs = [o for cell in content["cells"] for o in cell.get("outputs", ())]
            picture = next(o for o in outputs if "image/png" in o.get("data", {}))["data"]
            text = next(o for o in outputs if o.get("text"))["text"]
            for holder, key in ((picture, "image/png"), (text, 0)):
                before = holder[key]
                holder[key] = before[:5] + ("x" if before[5] != "x" else "y") + before[6:]
                path = tmp_path / name
                path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
                why = build._difference(build.render(lab)[name], path, code)
                assert why == "an output is not what was printed when it was executed"
                holder[key] = before
