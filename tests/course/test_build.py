import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from workshop import ROOT
from workshop.course import build
from workshop.emulator.errors import WorkshopError

from .tiny import ONE, TWO


def with_outputs(*outputs):
    return new_notebook(cells=[new_code_cell("x", outputs=list(outputs))])


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def all_text(notebook):
    return [output.text for output in notebook.cells[0].outputs]


# --- the passes over outputs, one by one


def test_stderr_is_dropped_and_what_is_cut_by_chance_is_joined():
    notebook = with_outputs(printed("a\n"), printed("warning", "stderr"), printed("b\n"))
    build.drop_stderr(notebook)
    build.join_streams(notebook)
    assert all_text(notebook) == ["a\nb\n"]


def test_overwritten_lines_and_colors_are_settled():
    notebook = with_outputs(printed("10%\r50%\rdone\n\x1b[31mred\x1b[0m\r\nend"))
    build.settle_text(notebook)
    assert all_text(notebook) == ["done\nred\nend"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"{ROOT}/data/raw\n", "data/raw\n"),
        (f"in {ROOT}\n", "in .\n"),
        ("tensorflow-training-2027-11-20-13-03-20-123", "tensorflow-training-" + "{job}"),
        ("2027-11-20 13:03:20,123 INFO", "2026-01-01 00:00:00 INFO"),
        ("2027-11-20T13:03:20.123Z", "2026-01-01T00:00:00Z"),
        ("algo-1-x7k2p | hello", "algo-1-xxxxx | hello"),
        ("http://127.0.0.1:43215", "http://127.0.0.1:PORT"),
        ("/tmp/tmpab12cd_9/model", "/tmp/tmpxxxxxxxx/model"),
        ("45/45 - 2s 31ms/step - loss: 0.5", "45/45 - 1s 1ms/step - loss: 0.5"),
        ("<object at 0x7f3c2a1b>", "<object>"),
        ("1,437 images, 0.986 accuracy", "1,437 images, 0.986 accuracy"),
        ("sagemaker-us-east-1-123456789012", "sagemaker-us-east-1-123456789012"),
    ],
)
def test_masks(text, masked):
    notebook = with_outputs(printed(text))
    build.mask_texts(notebook)
    assert all_text(notebook) == [masked.format(job="2026-01-01-00-00-00-000")]


# --- render and compare


def write_unexecuted(root):
    """Write what `build` would, as if the notebooks had been executed."""
    lab = build.manifest.labs(root / "source")[-1]
    for name, content in build.render(lab, root).items():
        if isinstance(content, nbformat.NotebookNode):
            build.drop_traces_of_execution(content)
        build._write(root / "final" / lab.folder / name, content)


def test_render_is_the_same_every_time(make_course):
    root = make_course(**{"1-one": ONE, "2-two": TWO})
    lab = build.manifest.labs(root / "source")[-1]
    once, again = build.render(lab, root), build.render(lab, root)
    assert once == again
    assert set(once) == {
        "1-one.ipynb",
        "2-two.ipynb",
        "README.md",
        "script_1/script.py",
        "script_2/script.py",
    }
    notebook = once["1-one.ipynb"]
    assert [cell.id for cell in notebook.cells] == ["cell-01", "cell-02", "cell-03", "cell-04"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "jupytext" not in notebook.metadata
    assert notebook.cells[3].metadata == {"tags": ["key-figure", "nbval-check-output"]}
    assert notebook.cells[2].metadata == {}


def test_a_notebook_that_is_missing(make_course):
    root = make_course(**{"1-one": ONE})
    (root / "source" / "Lab1-Tiny" / "1-one.py").unlink()
    with pytest.raises(WorkshopError, match=r"1-one\.py"):
        build.check(root)


def test_check(make_course):
    """Each kind of difference is found and named."""
    root = make_course(**{"1-one": ONE, "2-two": TWO})
    write_unexecuted(root)
    assert build.check(root) == []

    final = root / "final" / "Lab1-Tiny"
    (final / "script_1" / "script.py").write_text("print('changed by hand')\n")
    (final / "README.md").unlink()
    (final / "notes.txt").touch()
    (final / "script_1" / "__pycache__").mkdir()
    (final / "script_1" / "__pycache__" / "script.pyc").touch()
    text = (final / "1-one.ipynb").read_text()
    (final / "1-one.ipynb").write_text(text.replace("accuracy", "error"))
    (final / "2-two.ipynb").write_text("{}")
    assert set(build.check(root)) == {
        "final/Lab1-Tiny/1-one.ipynb: cell 4 has another source than in source/",
        "final/Lab1-Tiny/2-two.ipynb: cannot be read as a notebook",
        "final/Lab1-Tiny/README.md: missing",
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
        (lambda nb: nb.cells[1].update(execution_count=None), "is not executed"),
    ],
)
def test_check_of_a_notebook(make_course, change, told):
    root = make_course(**{"1-one": ONE})
    write_unexecuted(root)
    path = root / "final" / "Lab1-Tiny" / "1-one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    path.write_text(nbformat.writes(notebook))
    (difference,) = build.check(root)
    assert told in difference


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
    build.build(root)
    assert path.read_text() == first


@pytest.mark.slow
def test_a_failing_notebook_leaves_final_alone(make_course):
    root = make_course(**{"1-one": ONE, "2-two": "# %%\nprint('before')\n1 / 0\n"})
    write_unexecuted(root)
    before = (root / "final" / "Lab1-Tiny" / "1-one.ipynb").read_bytes()
    with pytest.raises(WorkshopError, match=r"(?s)2-two.ipynb failed in code cell 1.*ZeroDivision"):
        build.build(root)
    assert (root / "final" / "Lab1-Tiny" / "1-one.ipynb").read_bytes() == before


def test_the_committed_solutions_are_what_source_gives():
    assert build.check() == []
