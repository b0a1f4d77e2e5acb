"""A course of a few lines, to try the tools on."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.course import manifest

from .bench import Bench, few_digits
from .tiny import LADDER, SCRIPT_WITH_TASK, WITH_TASK
from .workbench import Workbench

TABLE_OF_CONTENTS = """
format = 1

[[lab]]
folder = "Lab1-Tiny"
title = "A tiny lab"
"""
SECTION = """
    [[lab.section]]
    number = {number}
    title = "Section {number}"
    notebook = "{name}"
    scripts = "script_{number}"
    minutes = 1
"""
TASK = """
        [[lab.section.task]]
        number = "{number}"
        title = "{title}"
        what = "Do {number}."
        minutes = 5
"""


@pytest.fixture
def make_course(tmp_path: Path):
    """Return a function that writes `source/` of a course with these notebooks.

    tasks: {number of a section: titles of its tasks}
    """

    def make(tasks: dict[int, list[str]] | None = None, **notebooks: str) -> Path:
        lab = tmp_path / "source" / "Lab1-Tiny"
        lab.mkdir(parents=True)
        contents = TABLE_OF_CONTENTS
        for number, (name, text) in enumerate(notebooks.items(), 1):
            folder = lab / f"script_{number}"
            folder.mkdir()
            (folder / "script.py").write_text(f"print({number})\n")
            (lab / f"{name}.py").write_text(text)
            contents += SECTION.format(number=number, name=name)
            for place, title in enumerate((tasks or {}).get(number, ()), 1):
                contents += TASK.format(number=f"{number}.{place}", title=title)
                (lab / "hints").mkdir(exist_ok=True)
                (lab / "hints" / f"{number}.{place}.md").write_text(LADDER)
        (lab / "README.md").write_text("# A tiny lab\n")
        (tmp_path / "source" / "course.toml").write_text(contents)
        return tmp_path

    return make


@pytest.fixture
def two_tasks(make_course):
    """(lab, root) of a lab with the tasks 1.1, in a notebook, and 1.2, in a script."""
    root = make_course(tasks={1: ["Add numbers", "Return three"]}, **{"1-one": WITH_TASK})
    (root / "source" / "Lab1-Tiny" / "script_1" / "script.py").write_text(SCRIPT_WITH_TASK)
    return manifest.labs(root / "source")[-1], root


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench where real jobs run, on few digits."""
    raw_data = tmp_path_factory.mktemp("raw")
    few_digits(raw_data)
    with Workbench() as workbench:
        yield Bench(workbench, raw_data, tmp_path_factory)
