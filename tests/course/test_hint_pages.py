"""The ladders as pages: which there are, what is on them, and where their links lead."""

import re

import pytest

from workshop.course import build, hint_pages, manifest
from workshop.paths import ROOT

LABS = [lab for lab in manifest.labs() if lab.tasks]


def test_pages(two_tasks):
    lab, root = two_tasks
    pages = hint_pages.pages(lab, root)
    in_notebook, in_script = "1-one/1.1-add-numbers", "script_1/script.py/1.2-return-three"
    assert set(pages) == {
        "README.md",
        *(f"{folder}/{n}.md" for folder in (in_notebook, in_script) for n in ("README", 1, 2, 3)),
    }
    first = pages[f"{in_script}/1.md"].decode()
    assert "# Hint 1 of 3 · task 1.2 · Return three" in first
    assert "[Hint 2 of 3](2.md)" in first
    last = pages[f"{in_script}/3.md"].decode()
    assert "```python\nx = 3\n```" in last
    assert "4.md" not in last


def links(text):
    return re.findall(r"\]\(([^)#:]+)\)", text)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_the_links_of_the_real_pages(lab):
    """Each page leads to files that are there, and never to another task's hints."""
    pages = hint_pages.pages(lab)
    starter = {f"{lab.folder}/{name}" for name in build.starter(lab)}
    known = starter | {f"hints/{lab.folder}/{name}" for name in pages}
    for name, text in pages.items():
        place = ROOT / "hints" / lab.folder / name
        for link in links(text.decode()):
            goal = (place.parent / link).resolve().relative_to(ROOT).as_posix()
            assert goal in known, f"{name}: {link}"
            if name != "README.md" and goal.startswith("hints/"):
                assert (ROOT / goal).parent == place.parent
