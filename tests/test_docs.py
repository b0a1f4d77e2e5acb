"""What `docs/` says is where it says, and the tests that it names exist."""

from __future__ import annotations

import ast
import re

import pytest

from workshop.paths import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


def functions_of(path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert links
    for link in links:
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_are_named_exist(page):
    named = re.findall(r"\[`(test_\w+)`\]\(([^)]+\.py)\)", page.read_text())
    assert named
    for name, file in named:
        assert name in functions_of(page.parent / file), f"{file} has no {name}"
