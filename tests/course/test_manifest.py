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


def test_the_real_one_names_what_is_there():
    for lab in manifest.labs():
        for section in lab.sections:
            folder = manifest.SOURCE / lab.folder
            assert (folder / f"{section.notebook}.py").is_file()
            assert (folder / section.scripts).is_dir()
