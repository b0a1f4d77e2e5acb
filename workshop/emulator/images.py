"""Which program of this machine plays which container image.

An image is known by its repository name, the last part of its URI before the tag:
``763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19.0-cpu-py312`` is
``tensorflow-training``. Names and tags: SageMaker SDK, ``sagemaker/image_uri_config/*.json``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from workshop.emulator.errors import WorkshopError

#: Files that a real image would carry, seen by every host at this same path.
CONTAINER_FILES = Path(__file__).resolve().parent / "container"
HOOK = str(Path(__file__).resolve().parent / "hook.py")


@dataclass(frozen=True)
class Image:
    """An image that this machine's Python can play for training and for processing jobs."""

    framework: str
    distributions: tuple[str, ...]  # one of these must be installed
    environment: dict[str, str] = field(default_factory=dict)


KNOWN = {
    "tensorflow-training": Image(
        "TensorFlow",
        ("tensorflow", "tensorflow-cpu"),
        {"TF_CPP_MIN_LOG_LEVEL": "1"},  # warnings, not what the processor could also do
    ),
    "sagemaker-scikit-learn": Image("scikit-learn", ("scikit-learn",)),
}


def repository(uri: str) -> str:
    """Return the repository name of an image URI."""
    return uri.rpartition("/")[2].partition("@")[0].partition(":")[0]


def command(uri: str, entrypoint: list[str], arguments: list[str], path: str) -> list[str]:
    """Return the command line that plays image ``uri`` here.

    ``entrypoint`` is the container entry point a job asks for (processing jobs), empty to use the
    image's own; ``arguments`` what follows it (``["train"]`` for a training job); ``path`` the
    ``PATH`` of the host.

    Raises WorkshopError when nothing on this machine plays the image.
    """
    image = KNOWN.get(repository(uri))
    if image and not _installed(image):
        raise WorkshopError(
            f"The image {uri} needs {image.framework}, which is not installed here. "
            "Run ./lab doctor to see what is missing."
        )
    if entrypoint:
        program = entrypoint[0]
        if shutil.which(program, path=path):
            return [*entrypoint, *arguments]
        raise WorkshopError(
            f"No program on this machine plays the image {uri}: the job's command is "
            f"{program!r}, and there is no such program here. Install it, or give the processor "
            f"another command, or run with a real Docker engine (./lab start --docker)."
        )
    if image and arguments[:1] == ["train"]:
        return ["python", str(CONTAINER_FILES / "train.py")]
    raise WorkshopError(
        f"No program on this machine plays the image {uri} with the command "
        f"{' '.join(arguments) or '(its own entry point)'!r}. Training jobs can use the images "
        f"{' and '.join(KNOWN)}; processing jobs can use any image whose command is installed "
        "here. Choose one of these, or run with a real Docker engine (./lab start --docker)."
    )


def note(uri: str) -> str | None:
    """Return one sentence when this machine plays the image in another version, else None."""
    image = KNOWN.get(repository(uri))
    asked = re.match(r"\d+(\.\d+)+", uri.rpartition(":")[2])
    here = _installed(image) if image else None
    if not (asked and here) or here.split(".")[:2] == asked[0].split(".")[:2]:
        return None
    return (
        f"Note: the image has {image.framework} {asked[0]}; this machine plays it with "
        f"{image.framework} {here}."
    )


def _installed(image: Image) -> str | None:
    for name in image.distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def environment(uri: str) -> dict[str, str]:
    """Return the environment variables that image ``uri`` itself would set."""
    image = KNOWN.get(repository(uri))
    return dict(image.environment) if image else {}


def libraries() -> list[str]:
    """Paths outside the system that a host must see, so that this Python runs in it."""
    wanted = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)]
    wanted += [os.path.dirname(os.path.realpath(sys.executable)), str(CONTAINER_FILES), HOOK]
    found: list[str] = []
    for path in sorted({os.path.abspath(path) for path in wanted}):
        if path.startswith(("/usr/", "/opt/", "/nix/")) or path in (
            "/usr",
            "/",
            "/bin",
            "/usr/bin",
        ):
            continue
        if not any(path.startswith(outer + "/") for outer in found):
            found.append(path)
    return found


def make_python(folder: Path, seen_as: str) -> str:
    """Make a virtual environment for one job in ``folder``; return the ``PATH`` to use with it.

    The host sees it at the path ``seen_as``, which must be free of spaces: the training toolkit
    cuts the path of its Python at them (``sagemaker_training/modules.py``).

    It sees all that this Python sees, and what a job installs lands in ``folder`` alone: to pip,
    packages that come from a path file are outside the environment, so it never changes them
    (pip, ``pip/_internal/metadata/base.py``, ``BaseDistribution.local``).
    """
    binaries = folder / "bin"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for path in (binaries, packages):
        path.mkdir(parents=True)
    base = Path(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )
    for name in ("python", "python3", version):
        (binaries / name).symlink_to(base)
    for name in ("pip", "pip3"):
        (binaries / name).write_text(f'#!/bin/sh\nexec {seen_as}/bin/python -m pip "$@"\n')
        (binaries / name).chmod(0o755)
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "_base.pth").write_text(
        "\n".join([*sorted(ours), str(CONTAINER_FILES / "site"), "import _job", ""])
    )
    return ":".join(
        [
            f"{seen_as}/bin",
            os.path.join(sys.prefix, "bin"),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    )
