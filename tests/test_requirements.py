"""requirements*.txt hold what requirements*.in ask for, as far as can be told without a network.

Whoever changes a .in file has uv make the .txt again; requirements.in has the command.
"""

from __future__ import annotations

import re
from importlib import metadata
from itertools import product

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workshop.course import packages
from workshop.paths import ROOT

LAB3 = pytest.param("requirements-lab3", marks=pytest.mark.lab3)

PYTHONS = ("3.10.0", "3.11.4", "3.11.5", "3.12.12")
SYSTEMS = (
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "arm64"),
)


def lines(file: str) -> list[str]:
    text = re.sub(r"(?m)(^| +)#.*", "", (ROOT / file).read_text())
    return [line for line in text.splitlines() if line]


def requirements(file: str, environment: dict[str, str] | None = None) -> list[Requirement]:
    """Return what a file asks for on a machine, which is this one if none is given."""
    found = [Requirement(line) for line in lines(file) if not line.startswith("-")]
    return [one for one in found if one.marker is None or one.marker.evaluate(environment)]


def machines() -> list[dict[str, str]]:
    common = {
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return [
        {
            "python_full_version": python,
            "python_version": python.rpartition(".")[0],
            "sys_platform": platform,
            "platform_system": system,
            "platform_machine": machine,
        }
        | common
        for python, (platform, system, machine) in product(PYTHONS, SYSTEMS)
    ]


def lacking(wanted: list[Requirement], pins: dict[str, str]) -> list[str]:
    """Return what has no pin, or one that does not fit."""
    found = [(one, pins.get(canonicalize_name(one.name))) for one in wanted]
    return [str(one) for one, pin in found if not pin or not one.specifier.contains(pin, True)]


@pytest.mark.parametrize("name", ["requirements", "requirements-lab3"])
def test_each_machine_has_one_fitting_pin_of_all_that_is_asked_for(name):
    for machine in machines():
        pins = {}
        for one in requirements(f"{name}.txt", machine):
            (specifier,) = one.specifier
            assert specifier.operator == "==" and "*" not in specifier.version, one
            assert pins.setdefault(one.name, specifier.version) == specifier.version, machine
        assert not lacking(requirements(f"{name}.in", machine), pins), machine


@pytest.mark.parametrize("name", ["requirements", LAB3])
def test_all_that_the_packages_need_is_pinned_and_nothing_else(name):
    """Follow what the installed packages of this machine ask for, extras too."""
    pins = {one.name: str(one.specifier).lstrip("=") for one in requirements(f"{name}.txt")}
    reached, todo = set(), requirements(f"{name}.in")
    while todo:
        assert not lacking(todo, pins)
        asked = {(canonicalize_name(one.name), e) for one in todo for e in ("", *one.extras)}
        todo = []
        for package, extra in asked - reached:
            for line in metadata.requires(package) or []:
                one = Requirement(line)
                if one.marker is None or one.marker.evaluate({"extra": extra}):
                    todo.append(one)
        reached |= asked
    assert {package for package, _ in reached} == set(pins)


@pytest.mark.parametrize(("platform", "asked"), [("linux", True), ("darwin", False)])
def test_only_linux_asks_pytorchs_index(monkeypatch, platform, asked):
    """PyPI's torch for macOS is without CUDA, and `--extra-index-url` cannot have a marker."""
    monkeypatch.setattr(packages.sys, "platform", platform)
    *_, file = packages._command(ROOT / "requirements-lab3.txt", copies=True)
    options = [line for line in lines(file) if line.startswith("-")]
    (index,) = (line for line in lines("requirements-lab3.in") if line.startswith("--"))
    assert options == ([index, "-r requirements-lab3.txt"] if asked else [])
    assert not [line for line in lines("requirements-lab3.txt") if line.startswith("-")]
