"""The settings file: what a place tells the emulator, and what is said when it cannot be used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.emulator import settings, state
from workshop.emulator.containers import images
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT


@pytest.fixture
def toml(tmp_path, monkeypatch):
    """Use a settings file with this text; return its path."""
    monkeypatch.delenv("WORKSHOP_STATE")

    def write(text: str) -> Path:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.toml"  # each file is read once
        file.write_text(text)
        monkeypatch.setenv("WORKSHOP_SETTINGS", str(file))
        return file

    return write


def test_the_workshops_own(monkeypatch):
    monkeypatch.delenv("WORKSHOP_STATE")
    assert settings.state() == ROOT / ".lab"
    assert settings.images() == ROOT / "images.toml"
    assert settings.name() == "lab"
    assert all("./lab" in settings.advice(about) for about in settings.ADVICE)


def test_the_state_is_all_that_must_be_there(toml, tmp_path):
    toml('state = "kept/here"')
    assert state.folder("jobs") == tmp_path / "kept/here/jobs"
    assert settings.images() is None
    assert settings.name() == "emulator"
    assert settings.instead() == []
    assert {about: settings.advice(about) for about in settings.ADVICE} == settings.ADVICE


def test_without_a_file_of_images_those_of_aws_are_known(toml):
    toml('state = "x"')
    assert images.known().keys() == images.AWS_IMAGES.keys()
    with pytest.raises(WorkshopError) as caught:
        images.command("mine:1", [], ["train"], "/bin")
    assert str(caught.value).endswith(
        "Choose one of these, or run with a real Docker engine (WORKSHOP_DOCKER=1)."
    )


def test_advice_for_one_thing_leaves_the_others_as_they_are(toml):
    toml('state = "x"\n[advice]\ndocker = "make docker"')
    assert settings.advice("docker") == "make docker"
    assert settings.advice("keys") == settings.ADVICE["keys"]


def test_each_framework_has_an_advice():
    assert images.FRAMEWORKS.keys() <= settings.ADVICE.keys()


def test_variables_come_before_the_file(toml, monkeypatch, tmp_path):
    toml('state = "x"\nimages = "y"')
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "other"))
    monkeypatch.setenv("WORKSHOP_IMAGES", "/images")
    assert (settings.state(), settings.images()) == (tmp_path / "other", Path("/images"))


INSTEAD = '[[instead]]\ntitle = "Pipelines"\npattern = "Pipe"\nadvice = "none"\n'


def test_what_to_do_instead_is_read_in_its_order(toml):
    toml(f'state = "x"\n{INSTEAD}{INSTEAD.replace("Pipe", "Tube")}')
    assert settings.instead() == [
        settings.Instead("Pipelines", "Pipe", "none"),
        settings.Instead("Tubelines", "Tube", "none"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("images = 'x'", "state is missing, expected the path of the folder where everything is"),
        ("state = 3", "state is 3, expected a text."),
        ("state = 'x'\ntop = 'y'", "top is no setting. Known: state, images, name, advice, inst"),
        ("state = 'x'\nadvice = 'y'", "advice is 'y', expected a table."),
        ("state = 'x'\n[advice]\ndoctor = 'y'", "advice.doctor is no setting. Known: keys, server"),
        ("state = 'x'\n[advice]\nkeys = 1", "advice.keys is 1, expected a text."),
        ("state = 'x'\n[instead]\n", "instead is {}, expected a list of tables."),
        ("state = 'x'\ninstead = ['y']", "entry 1 of instead is 'y', expected a table."),
        (
            f"state = 'x'\n{INSTEAD}[[instead]]\ntitle = 'y'\npattern = 'z'",
            "entry 2 of instead: advice is missing, expected a text.",
        ),
        (f"state = 'x'\n{INSTEAD}why = 1", "entry 1 of instead: why is no setting. Known: title,"),
        (
            f"state = 'x'\n{INSTEAD.replace('Pipe', 'Pipe(', 2)}",
            "entry 1 of instead: pattern is 'Pipe(', which is no regular expression: missing",
        ),
        ("state: x", " is not TOML: "),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(toml, text, words):
    file = toml(text)
    with pytest.raises(WorkshopError, match=re.escape(words)) as caught:
        state.folder()
    assert str(caught.value).startswith(str(file))


def test_a_missing_file_is_told(toml):
    file = toml("")
    file.unlink()
    with pytest.raises(WorkshopError) as caught:
        settings.state()
    assert str(caught.value) == f"{file} cannot be read: No such file or directory."


@pytest.mark.parametrize("named", ["", "/nowhere"])
def test_docker_without_a_python_says_how_to_start_it(named):
    docker = images.CONTAINER_FILES.parent / "bin" / "docker"
    environment = {"PATH": os.environ["PATH"]} | ({"WORKSHOP_SETTINGS": named} if named else {})
    done = subprocess.run([docker, "info"], env=environment, capture_output=True, text=True)
    assert done.returncode
    how = settings.ADVICE["start"] if named else "start this program with ./lab exec"
    assert done.stderr.endswith(f"WORKSHOP_PYTHON: is not set: {how}\n")


def test_a_hook_needs_no_settings():
    """Every Python of a connected program runs it, and in a job there is no settings file."""
    code = "from workshop.emulator.client import hook; import sys; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "workshop.emulator.settings" not in loaded
