"""The learner's code beside ours."""

from __future__ import annotations

import json

import pytest
from IPython.utils.capture import capture_output

import workshop
from workshop.course import build, compare, gaps, ladder, manifest, progress_file
from workshop.course.checks import live

LABS = [lab for lab in manifest.labs() if lab.tasks]
LAB = manifest.lab_of("1.3")
REGIONS = {number: one for lab in LABS for number, one in gaps.regions(lab).items()}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()


@pytest.fixture
def starter_of(tmp_path):
    """Return a function: a lab as a learner gets it."""

    def make(lab):
        for name, content in build.starter(lab).items():
            path = tmp_path / "lab" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(build.as_bytes(content))
        return tmp_path / "lab"

    return make


@pytest.fixture
def starter(starter_of):
    return starter_of(LAB)


def fill(folder, number, code, *, keep_words=True):
    """Put code into a gap as a learner does: in the place of the line, or of comment and line."""
    region = REGIONS[number]
    gap = gaps.gap(manifest.task(number), region)
    words = "".join(f"{line}\n" for line in gap.splitlines() if line.startswith("#"))
    old = "\n".join(gaps.indented(gap.strip("\n"), region.indent))
    filled = (words if keep_words else "") + code
    new = "\n".join(gaps.indented(filled.strip("\n"), region.indent))
    path = folder / region.path
    if not region.notebook:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return
    path = path.with_suffix(".ipynb")
    content = json.loads(path.read_text())
    (cell,) = (one for one in content["cells"] if old in "".join(one["source"]))
    cell["source"] = "".join(cell["source"]).replace(old, new)
    path.write_text(json.dumps(content))


# --- which code ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
@pytest.mark.parametrize("keep_words", [True, False])
def test_the_code_of_each_gap_is_found(starter_of, lab, keep_words):
    folder = starter_of(lab)
    numbers = [task.number for task in lab.tasks]
    own = "first = 1\n\nif first:\n    second = [first]\n"
    for number in numbers:
        fill(folder, number, own, keep_words=keep_words)
    for number in numbers:
        pair = compare.pair(number, folder)
        if number in ("1.5", "1.6") and not keep_words:  # nothing tells where one of them ends
            assert pair.about.startswith("Tasks 1.6 and 1.5 stand one after the other")
            assert pair.ours == "\n".join(REGIONS[one].code for one in ("1.6", "1.5"))
            assert pair.yours.count("second = [first]") == 2
        else:
            assert pair == compare.Pair(own, REGIONS[number].code)


def test_lines_that_were_added_elsewhere_do_not_matter(starter):
    fill(starter, "1.6", "pass\n")
    script = starter / REGIONS["1.6"].path
    script.write_text("import this\n" + script.read_text() + "\n# my notes\n")
    assert compare.pair("1.6", starter) == compare.Pair("pass\n", REGIONS["1.6"].code)


def test_where_the_code_around_is_another_the_function_is_shown(starter):
    script = starter / REGIONS["1.6"].path
    text = script.read_text()
    begin = text.index("def preprocess_data(")
    end = text.index("\n\n\n", begin)
    script.write_text(f"{text[:begin]}def preprocess_data(a, b):\n    return b\n{text[end:]}")
    pair = compare.pair("1.6", starter)
    assert pair.about.endswith("this is the whole function preprocess_data.")
    assert pair.yours == "def preprocess_data(a, b):\n    return b\n"
    assert pair.ours.startswith("def preprocess_data(") and "choose_validation" in pair.ours
    script.write_text("print(1)\n")
    pair = compare.pair("1.6", starter)
    assert pair.about.endswith(f"this is the whole file {REGIONS['1.6'].path}.")
    assert pair.yours == "print(1)\n"


def test_where_the_cell_or_the_file_is_gone_ours_is_shown(starter):
    path = starter / "1-preprocessing.ipynb"
    content = json.loads(path.read_text())
    content["cells"] = content["cells"][:3]
    path.write_text(json.dumps(content))
    pair = compare.pair("1.3", starter)
    assert (pair.yours, pair.ours) == ("", REGIONS["1.3"].code)
    assert f"is not in {path}" in pair.about
    (starter / REGIONS["1.6"].path).unlink()
    assert compare.pair("1.6", starter).about.startswith("The file is not in ")


def test_a_cell_counts_as_it_ran_last(starter, monkeypatch):
    fill(starter, "1.3", "inputs = []\n")
    cells = json.loads((starter / "1-preprocessing.ipynb").read_text())["cells"]
    (cell,) = (one for one in cells if "inputs = []" in "".join(one["source"]))
    monkeypatch.setenv("JPY_SESSION_NAME", "1-preprocessing.ipynb")
    monkeypatch.setattr(live, "_cells", {cell["id"]: live.Ran("inputs = [1]", 0.0, 0.0)})
    assert compare.pair("1.3", starter).yours == "inputs = [1]\n"


# --- what is shown ------------------------------------------------------------------------------


def test_after_a_pass_it_is_a_diff_with_the_last_hint_s_words(starter, monkeypatch, capsys):
    monkeypatch.chdir(starter)
    fill(starter, "1.3", 'inputs = [\n    ProcessingInput(raw_data + "/", input_name="x"),\n]\n')
    progress_file.record_check("1.3", "passed")
    workshop.compare("1.3")
    out = capsys.readouterr().out
    last = ladder.load(LAB)["1.3"][-1]
    assert last.words in out and last.code not in out
    assert out.startswith("### Task 1.3 · Tell the job where its input is: your code and ours\n")
    lines = out.splitlines()
    begin, end = lines.index("````diff"), lines.index("````")
    assert lines[begin + 1 : end] == [
        " inputs = [",
        '-    ProcessingInput(raw_data + "/", input_name="x"),',
        "+    ProcessingInput(",
        '+        input_name="source_data",',
        '+        source=f"{raw_data}/",',
        '+        destination="/opt/ml/processing/source_data",',
        "+    )",
        " ]",
    ]
    assert progress_file.opened("1.3") == ()


def test_the_same_code_is_no_diff(starter, monkeypatch, capsys):
    monkeypatch.chdir(starter)
    fill(starter, "1.3", REGIONS["1.3"].code)
    progress_file.record_check("1.3", "passed")
    workshop.compare("1.3")
    out = capsys.readouterr().out
    assert "Yours is the same as ours" in out and "```diff" not in out


def test_before_a_pass_it_has_to_be_asked_twice(starter, monkeypatch, capsys):
    monkeypatch.chdir(starter)
    progress_file.record_check("1.3", "not yet")
    workshop.compare("1.3")
    out = capsys.readouterr().out
    assert "To see it, ask again: ./lab compare 1.3" in out and "ProcessingInput" not in out
    assert progress_file.opened("1.3") == ()
    workshop.compare("1.3")
    out = capsys.readouterr().out
    assert "The gap is still open" in out and f"````python\n{REGIONS['1.3'].code}````" in out
    assert progress_file.opened("1.3") == (len(ladder.load(LAB)["1.3"]),)


def test_in_a_notebook_it_is_a_page(starter, monkeypatch, in_notebook):
    monkeypatch.chdir(starter)
    with capture_output() as captured:
        workshop.compare("1.3")
        workshop.compare("1.3")
    assert 'ask again: workshop.compare("1.3")' in captured.stdout
    (page,) = captured.outputs
    assert "````python\n" in page.data["text/markdown"]
