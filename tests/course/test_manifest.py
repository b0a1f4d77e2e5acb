import pytest

from workshop.course import manifest
from workshop.emulator.errors import WorkshopError

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


@pytest.mark.parametrize("text", ["[[lab]", "[[lab]]\ntitle = 'no folder'", "x = 1"])
def test_read_nonsense(tmp_path, text):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(WorkshopError, match="is not a table of contents"):
        manifest.labs(tmp_path)


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


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('number = "1.2"', 'number = "1.3"', r"task 2 of section 1 has number '1\.3', expected"),
        ('what = "Do 1.2."', "", "is not a table of contents.*what"),
        ("minutes = 5", 'minutes = 5\nhint = "x"', "is not a table of contents.*hint"),
        ("minutes = 5", 'minutes = 5\nneeds = ["9.9"]', r"task 1\.1 needs '9\.9', which is no"),
        ("minutes = 5", 'minutes = 5\nneeds = ["1.1"]', r"task 1\.1 needs '1\.1', which is no"),
    ],
)
def test_tasks_that_cannot_be(make_course, old, new, told):
    source = make_course(tasks={1: ["One", "Two"]}, one="") / "source"
    path = source / "course.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WorkshopError, match=told):
        manifest.labs(source)


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
            assert (folder / section.scripts).is_dir()
