"""Which rooms of the package may know which, and that a test lies where its module does.

Imports inside of functions and those for type checkers count too.
"""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

from workshop.paths import ROOT

PACKAGE = ROOT / "workshop"
EMULATOR = "workshop.emulator"
#: What the outer ones import, and the inner ones do not. Those of one line do not know each other.
LAYERS = (
    ("workshop.__main__", "workshop.startup"),
    ("workshop.cli",),
    ("workshop.jupyterlab", "workshop.learner", "workshop.machine"),
    ("workshop.account",),
    ("workshop.course",),
    ("workshop.pins", "workshop.prices", "workshop.variables"),
    ("workshop.terminal",),
    (EMULATOR, "workshop.paths", "workshop.place"),
)
LAYERS_OF_EMULATOR = (
    (f"{EMULATOR}.client", f"{EMULATOR}.service"),  # they meet over HTTP
    (f"{EMULATOR}.containers",),
    (f"{EMULATOR}.keys",),
    (f"{EMULATOR}.files", f"{EMULATOR}.state"),
    (f"{EMULATOR}.settings",),
    (f"{EMULATOR}.errors",),
)
LAYERS_OF_SERVICE = (
    (f"{EMULATOR}.service.server",),
    (f"{EMULATOR}.service.app",),
    (f"{EMULATOR}.service.sagemaker",),
    (f"{EMULATOR}.service.storage",),
    (f"{EMULATOR}.service.journal",),
)
#: These test a workflow or files beside the package.
OTHER_TESTS = {"labs", "seeds"}
#: So many lines are read in one go. A longer file says in its first docstring why it is one.
MOST_LINES = 500


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("workshop", cache_dir=None)


@pytest.mark.parametrize(
    "layers",
    [LAYERS, LAYERS_OF_EMULATOR, LAYERS_OF_SERVICE],
    ids=["workshop", "emulator", "service"],
)
def test_an_inner_room_knows_no_outer_one(graph, layers):
    wrong = graph.find_illegal_dependencies_for_layers([{*layer} for layer in layers])
    assert [f"{one.importer} imports {one.imported}" for one in wrong] == []


def test_every_room_has_its_layer(graph):
    inside = {f"{EMULATOR}.client", f"{EMULATOR}.service", f"{EMULATOR}.containers"}
    for top, layers in (("workshop", LAYERS), (EMULATOR, LAYERS_OF_EMULATOR)):
        named = {one for layer in layers for one in layer}
        assert graph.find_children(top) == named
    assert inside <= {one for layer in LAYERS_OF_EMULATOR for one in layer}


def circles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Return the sets of modules that import each other in a circle."""
    found: list[set[str]] = []
    reached = {one: graph.find_upstream_modules(one) for one in graph.modules}
    for one in sorted(graph.modules):
        circle = {other for other in reached[one] if one in reached[other]} | {one}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def test_no_module_imports_itself_in_a_circle(graph):
    assert circles(graph) == []


def test_a_circle_is_found(graph):
    graph = grimp.build_graph("workshop", cache_dir=None)
    graph.add_import(importer=f"{EMULATOR}.errors", imported=f"{EMULATOR}.keys")
    (circle,) = circles(graph)
    assert {f"{EMULATOR}.errors", f"{EMULATOR}.keys"} <= circle


def mirrored(test: Path) -> bool:
    """Tell whether the module of a test file, test_MODULE or test_MODULE_x, lies in its place."""
    folder = PACKAGE / test.parent
    names = {one.stem for one in folder.iterdir() if one.is_dir() or one.suffix == ".py"}
    name = test.stem.removeprefix("test_")
    return any(f"{name}_".startswith(f"{one}_") for one in {*names, folder.name})


def test_tests_lie_where_their_module_does():
    top = ROOT / "tests"
    tests = [one.relative_to(top) for one in top.rglob("test_*.py")]
    inside = [one for one in tests if len(one.parts) > 1 and one.parts[0] not in OTHER_TESTS]
    assert len(inside) > 40
    assert [str(one) for one in inside if not mirrored(one)] == []


def test_no_file_is_long():
    files = [*PACKAGE.rglob("*.py")]
    assert [str(one) for one in files if len(one.read_text().splitlines()) > MOST_LINES] == []
