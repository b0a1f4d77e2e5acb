"""The table of contents: what is read from it, and what is refused with its line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from workshop.course import manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

KNOWN = [
    manifest.Lab("Lab0-Container-Pipeline", ""),
    manifest.Lab("Lab1-Unit-Testing", ""),
    manifest.Lab("Lab10-Other", ""),
    manifest.Lab("Lab10", ""),
]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Lab0", "Lab0-Container-Pipeline"),
        ("lab1-unit", "Lab1-Unit-Testing"),
        ("LAB1-UNIT-TESTING/", "Lab1-Unit-Testing"),
        ("lab10", "Lab10"),  # a whole name goes before a longer one
    ],
)
def test_find(name, folder):
    assert manifest.find(name, KNOWN).folder == folder


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lab7", "There is no lab 'lab7'. Did you mean Lab"),
        ("processors", "The labs are: Lab0-Container-Pipeline, Lab1-Unit-Testing"),
        ("Lab", "could be any of Lab0-Container-Pipeline, Lab1"),
        ("", "There is no lab ''"),
    ],
)
def test_find_nothing(name, told):
    with pytest.raises(WorkshopError, match=told):
        manifest.find(name, KNOWN)


def test_read(make_course):
    source = make_course(one="", two="") / "source"
    lab0, lab1 = manifest.labs(source)
    assert lab0 is manifest.LAB0
    assert [section.notebook for section in lab1.sections] == ["one", "two"]
    assert lab1.sections[1].number == 2


def test_tasks(make_course):
    source = make_course(tasks={2: ["Count", "See the sum"]}, one="", two="") / "source"
    lab = manifest.labs(source)[-1]
    assert [task.number for task in lab.tasks] == ["2.1", "2.2"]
    assert lab.sections[0].tasks == ()
    assert manifest.tasks(source) == list(lab.tasks)
    task = manifest.task("2.2", source)
    assert (task.what, task.minutes, task.read, task.needs) == ("Do 2.2.", 5, (), ())
    assert task.slug == "2.2-see-the-sum"
    assert manifest.lab_of("2.2", source) == lab
    with pytest.raises(WorkshopError, match=r"no task '3\.1'. The tasks are: 2\.1, 2\.2"):
        manifest.task("3.1", source)


#: A course whose lines are all different, but for the heads of its tables.
COURSE = '''\
format = 1

[[lab]]
folder = "Lab1-Tiny"
title = "One"

    [[lab.section]]
    number = 1
    title = "First"
    notebook = "1-first"
    scripts = "script_1"
    minutes = 20
    instances = [{ type = "ml.m5.xlarge", use = "processing job" }]

        [[lab.section.task]]
        number = "1.1"
        title = "Count"
        what = """
        minutes = 5 is no entry here, \\
        but text."""
        minutes = 5
        read = [
            "https://one.example",
            "https://two.example",
        ]

        [[lab.section.task]]
        number = "1.2"
        title = "Add"
        what = "Do 1.2."
        minutes = 6
        needs = ["1.1"]

    [[lab.section]]
    number = 2
    title = "Second"
    notebook = "2-second"
    scripts = "script_2"
    minutes = 21
    jobs = [
        { name = "two", kind = "processing", script = "count.py" },
    ]

[[lab]]
folder = "Lab2-Tiny"
title = "Two"

    [lab.packages]
    requirements = "requirements-lab2.txt"
    download_mb = 12
    disk_mb = 34
    modules = ["two"]

    [[lab.section]]
    number = 3
    title = "Third"
    notebook = "3-third"
    scripts = "script_3"
    minutes = 22
    jobs = [
        { name = "three", kind = "processing", script = "count.py" },
        { name = "trained", kind = "training" },
    ]
    images = [
        { framework = "sklearn", version = "1.2-1" },
        { framework = "spark", version = "3.5" },
    ]

        [[lab.section.task]]
        number = "3.1"
        title = "See"
        what = "Do 3.1."
        minutes = 7
'''


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text as `course.toml`."""

    def read(text: str | bytes) -> list[manifest.Lab]:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "course.toml").write_bytes(content)
        return manifest.labs(tmp_path)

    return read


def refused(read, text: str | bytes) -> list[str]:
    """Return the lines of the error, without the path that each begins with."""
    with pytest.raises(WorkshopError) as error:
        read(text)
    return [re.sub(r"^\S+/course\.toml:? ?", "", line) for line in str(error.value).split("\n")]


def test_what_is_read(read):
    _, one, two = read(COURSE)
    first, second = one.sections
    assert (first.number, second.tasks, one.packages) == (1, (), None)
    (instances,) = first.instances
    assert (instances.use, instances.at_once, instances.optional) == ("processing job", 1, False)
    assert first.tasks[0].what == "minutes = 5 is no entry here, but text."
    assert [image.framework for image in two.sections[0].images] == ["sklearn", "spark"]
    assert [job.name for job in two.sections[0].jobs] == ["three", "trained"]
    assert two.packages == manifest.Packages("requirements-lab2.txt", 12, 34, ("two",))
    with pytest.raises(AttributeError):
        first.number = 2
    assert len({one, two}) == 2  # frozen all through


def test_a_section_and_the_names_of_jobs(read, tmp_path):
    read(COURSE)
    assert manifest.section(3, tmp_path).title == "Third"
    with pytest.raises(WorkshopError, match=r"There is no section 4\. The sections are: 1, 2, 3\."):
        manifest.section(4, tmp_path)
    assert manifest.job_names(tmp_path) == {"count.py": ("two", "three")}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # the wrong type
        ('what = "Do 1.2."', "what = 12", "what is 12, expected text in quotes."),
        ('title = "Two"', "title = 2026-11-26", "title is datetime.date(2026, 11, 26), expected"),
        ("minutes = 6", 'minutes = "6"', "minutes is '6', expected a whole number."),
        ("minutes = 6", "minutes = 6.0", "minutes is 6.0, expected a whole number."),
        ("minutes = 6", "minutes = true", "minutes is True, expected a whole number."),
        ("minutes = 22", "minutes = 0", "minutes is 0, expected greater than or equal to 1."),
        ("number = 3", 'number = "3"', "number is '3', expected a whole number."),
        ('"https://two.example"', "2", "read[1] is 2, expected text in quotes."),
        ('needs = ["1.1"]', "needs = [1.1]", "needs[0] is 1.1, expected text in quotes."),
        ('needs = ["1.1"]', 'needs = "1.1"', "needs is '1.1', expected a list"),
        ('version = "3.5"', "version = 3.5", "version is 3.5, expected text in quotes."),
        ('use = "processing job"', 'use = "notebook"', "use is 'notebook', expected 'processing"),
        ('type = "ml.m5.xlarge"', 'type = "m5.xlarge"', "type is 'm5.xlarge', expected"),
        ('" }]', '", at_once = "3" }]', "at_once is '3', expected a whole number."),
        ('" }]', '", optional = 1 }]', "optional is 1, expected true or false."),
        ('kind = "training"', 'kind = "train"', "kind is 'train', expected 'processing' or"),
        ('"two", kind', "2, kind", "name is 2, expected text in quotes."),
        # a key that there is not, or that is missing
        ('needs = ["1.1"]', 'hint = ["1.1"]', "there is no key hint here."),
        ("images = [", "image = [", "there is no key image here."),
        ("images = [", "tasks = [", "there is no key tasks here."),
        ('requirements = "req', 'needs = "req', "there is no key needs here."),
        ("download_mb = 12", 'download_mb = "12"', "download_mb is '12', expected a whole number."),
        ("disk_mb = 34", "disk_mb = 0", "disk_mb is 0, expected greater than or equal to 1."),
        (
            '["two"]',
            '"two"',
            "modules is 'two', expected a list; tables of a list begin with [[ ]].",
        ),
        ("[lab.packages]", "[[lab.packages]]", "packages is [{'disk_mb': 34"),
        ('framework = "spark"', 'name = "spark"', "framework is missing."),
        # what does not go together
        ('number = "1.2"', 'number = "1.1"', "number is '1.1', expected '1.2'."),
        ('number = "3.1"', 'number = "1.1"', "number is '1.1', expected '3.1'."),
        ("number = 2", "number = 1", "section 1 is 'First' already: count through all labs."),
        ("number = 3", "number = 2", "section 2 is 'Second' already: count through all labs."),
        ('folder = "Lab2-Tiny"', 'folder = "Lab1-Tiny"', "there are two labs Lab1-Tiny."),
        ('needs = ["1.1"]', 'needs = ["1.2"]', "1.2 needs '1.2', which is no other task of the"),
        ('needs = ["1.1"]', 'needs = ["3.1"]', "1.2 needs '3.1', which is no other task of the"),
        # no TOML
        ("minutes = 6", "minutes = six", "this is not TOML: Invalid value (at line"),
        ('title = "Add"', 'number = "1.3"', "this is not TOML: Cannot overwrite a value (at line"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(read, old, new, told):
    assert COURSE.count(old) == 1
    line = COURSE.count("\n", 0, COURSE.index(old)) + 1
    found = refused(read, COURSE.replace(old, new))
    if "line" in told:
        assert found[0].startswith(f"{told} {line}, column "), found
    else:
        assert f"{line}: {told}" in "\n".join(found), found


def test_an_entry_that_is_missing_is_told_with_the_head_of_its_table(read):
    line = COURSE.count("\n", 0, COURSE.index('number = "1.2"'))
    text = COURSE.replace('what = "Do 1.2."\n', "\n")
    assert refused(read, text) == [f"{line}: what is missing."]


def test_all_faults_are_told_at_once(read):
    text = COURSE.replace("minutes = 7", "minutes = 7.5").replace('title = "One"', "title = 1")
    assert [fault.split(":")[1] for fault in refused(read, text)] == [
        " title is 1, expected text in quotes.",
        " minutes is 7.5, expected a whole number.",
    ]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("", "1: format is missing, and this workshop reads format 1."),
        ("format = 2", "1: format is 2, and this workshop reads format 1."),
        ('format = "1"', "1: format is '1', and this workshop reads format 1."),
        ("format = 2\nfuture = 1", "1: format is 2, and this workshop reads format 1."),
    ],
)
def test_another_format_is_refused_and_nothing_else_is_said(read, head, told):
    assert refused(read, COURSE.replace("format = 1", head, 1)) == [told]


def test_a_file_that_cannot_be_read(read, tmp_path):
    assert refused(read, b"format = 1\n# \xff")[0].startswith(
        "this is not TOML: 'utf-8' codec can't"
    )
    (tmp_path / "course.toml").unlink()
    assert refused(lambda _: manifest.labs(tmp_path), "") == [
        "cannot be read: No such file or directory."
    ]


def test_the_real_one_begins_with_its_format():
    content = (manifest.SOURCE / "course.toml").read_text()
    keys = re.findall(r"(?m)^[^#\n].*", content)
    assert keys[0] == f"format = {manifest.FORMAT}"


def test_a_verb_tells_the_line_and_no_traceback(tmp_path):
    """`./lab progress` in a checkout whose course.toml is wrong."""
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workshop", tmp_path / "workshop", ignore=hidden)
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "course.toml"
    path.write_text(COURSE.replace("minutes = 6", "minutes = six"))
    command = [sys.executable, "-m", "workshop", "progress"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith(f"lab: {path}: this is not TOML: Invalid value (at line ")
    path.write_text(COURSE.replace("minutes = 6", 'minutes = "6"'))
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.stderr == f"lab: {path}:31: minutes is '6', expected a whole number.\n"


def test_the_words_of_the_real_tasks():
    """They fit on a line or two, and no section begins with its longest task."""
    for lab in manifest.labs():
        for section in lab.sections:
            minutes = [task.minutes for task in section.tasks]
            assert minutes[0] <= 10 and (minutes[0] < max(minutes) or len(set(minutes)) == 1)
            for task in section.tasks:
                assert 10 <= len(task.what) <= 240
                assert task.what.endswith((".", "?"))
                assert len(task.title) <= 50
                assert task.read
                assert all(address.startswith("https://") for address in task.read)


def test_the_real_one_names_what_is_there():
    for lab in manifest.labs():
        for section in lab.sections:
            folder = manifest.SOURCE / lab.folder
            assert (folder / f"{section.notebook}.py").is_file()
            taken = {one.partition("/")[2] for one in section.finished}
            assert section.scripts in taken | {""} or (folder / section.scripts).is_dir()
            assert all((manifest.SOURCE / one).is_dir() for one in section.finished)
        if lab.packages:
            assert (ROOT / lab.packages.requirements).is_file()
            assert lab.packages.modules
