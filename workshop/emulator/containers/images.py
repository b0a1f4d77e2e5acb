"""Which program of this machine plays which container image.

An image is known by its repository name, the last part of its URI before the tag:
``763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19.0-cpu-py312`` is
``tensorflow-training``. Names and tags: SageMaker SDK, ``sagemaker/image_uri_config/*.json``.

Which of the frameworks here plays AWS's own is said here; for the learner's own, a file says it
(``settings.images``).
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

from workshop.emulator import settings
from workshop.emulator.errors import WorkshopError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Files that a real image would carry, seen by every host at this same path.
CONTAINER_FILES = Path(__file__).resolve().parent / "container"
HOOK = str(Path(__file__).resolve().parents[1] / "client" / "hook.py")


@dataclass(frozen=True)
class Framework:
    """What this machine's Python can play the images of a framework with."""

    name: str  # in the file of images, and in ``settings.ADVICE``
    title: str
    distributions: tuple[str, ...]  # one of these must be installed
    environment: dict[str, str] = field(default_factory=dict)
    #: Variables with what a person can do, by names of ``settings.ADVICE``.
    advice: dict[str, str] = field(default_factory=dict)
    #: Programs of the images, and the files that play them; these get the program's name first.
    programs: dict[str, str] = field(default_factory=dict)
    trains: bool = True  # with the training toolkit
    #: The module of ``container`` that trains where a job brings no script.
    algorithm: str = ""
    #: What plays ``serve``: a file of ``container/serving`` and its arguments.
    server: tuple[str, ...] = ()


_ALL = (
    Framework(
        "tensorflow",
        "TensorFlow",
        ("tensorflow", "tensorflow-cpu"),
        # warnings, not what the processor could also do
        environment={"TF_CPP_MIN_LOG_LEVEL": "1"},
        server=("tensorflow_serving.py",),
    ),
    Framework(
        "scikit-learn",
        "scikit-learn",
        ("scikit-learn",),
        server=("inference_toolkit.py", "scikit-learn"),
    ),
    Framework("pytorch", "PyTorch", ("torch",), server=("inference_toolkit.py", "pytorch")),
    Framework(
        "xgboost",
        "XGBoost",
        ("xgboost-cpu", "xgboost"),
        algorithm="xgboost_algorithm",
        server=("inference_toolkit.py", "xgboost"),
    ),
    Framework(
        "spark",
        "Spark",
        ("pyspark",),
        programs=dict.fromkeys(("/opt/program/submit", "smspark-submit"), "spark/submit.py"),
        advice={"JOB_JAVA_ADVICE": "java"},  # container/spark/cluster.py
        trains=False,
    ),
)
FRAMEWORKS = {framework.name: framework for framework in _ALL}

#: https://github.com/aws/deep-learning-containers/blob/master/available_images.md
AWS_IMAGES = {
    "tensorflow-training": "tensorflow",
    "tensorflow-inference": "tensorflow",
    "sagemaker-scikit-learn": "scikit-learn",
    "pytorch-training": "pytorch",
    "pytorch-inference": "pytorch",
    "sagemaker-xgboost": "xgboost",
    "sagemaker-spark-processing": "spark",
}


def known() -> dict[str, Framework]:
    """Return the frameworks that play images, by the images' repository names.

    Raises WorkshopError, which names file and line, when the file of images cannot be used.
    """
    file = settings.images()
    chosen = {**AWS_IMAGES, **(_read(file) if file else {})}
    return {repository(name): FRAMEWORKS[framework] for name, framework in chosen.items()}


def _read(file: Path) -> dict[str, str]:
    """Return the frameworks that play images, as a file of images names both."""
    try:
        text = file.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise WorkshopError(f"{file} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise WorkshopError(
            f'{file} is not TOML: {error}. Expected lines like: torchvision = "pytorch"'
        ) from error
    for name, framework in content.items():
        if not isinstance(framework, str) or framework not in FRAMEWORKS:
            raise WorkshopError(
                f"{file}, line {_line(text, name)}: {name} is to be played by {framework!r}, which "
                f"is no framework here. Known: {', '.join(FRAMEWORKS)}."
            )
    return content


def _line(text: str, name: str) -> int:
    """Return the number of the line of a TOML text that sets ``name``."""
    setting = re.search(rf"(?m)^\s*\[?[\"']?{re.escape(name)}\b", text)
    return text.count("\n", 0, setting.end()) + 1 if setting else 1


def repository(uri: str) -> str:
    """Return the repository name of an image URI."""
    return uri.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _version(uri: str) -> str:
    """Return the version in the tag of an image, such as ``1.5-1``; "" where it has none."""
    found = re.match(r"\d+(\.\d+)+(-\d+)?", uri.rpartition(":")[2])
    return found[0] if found else ""


def command(uri: str, entrypoint: list[str], arguments: list[str], path: str) -> list[str]:
    """Return the command line that plays image ``uri`` here.

    ``entrypoint`` is the container entry point a job asks for (processing jobs), empty to use the
    image's own; ``arguments`` what follows it (``["train"]`` for a training job, ``["serve"]`` for
    an endpoint); ``path`` the ``PATH`` of the host.

    Raises WorkshopError when nothing on this machine plays the image.
    """
    frameworks = known()
    framework = frameworks.get(repository(uri))
    serves = not entrypoint and arguments[:1] == ["serve"]
    if serves and not (
        framework and framework.server and not repository(uri).endswith("-training")
    ):
        raise WorkshopError(_cannot_serve(uri, framework))
    if framework and not _installed(framework):
        raise WorkshopError(
            f"The image {uri} needs {framework.title}, which is not installed here. "
            f"{settings.advice(framework.name)}"
        )
    if entrypoint:
        program = entrypoint[0]
        if framework and program in framework.programs:
            file = CONTAINER_FILES / framework.programs[program]
            return ["python", str(file), *entrypoint, *arguments]
        if shutil.which(program, path=path):
            return [*entrypoint, *arguments]
        raise WorkshopError(
            f"No program on this machine plays the image {uri}: the job's command is "
            f"{program!r}, and there is no such program here.{_has(program, uri)} Install it, or "
            "give the processor another command, or run with a real Docker engine "
            f"({settings.advice('docker')})."
        )
    if serves:
        return ["python", str(CONTAINER_FILES / "serve.py"), *framework.server]
    trains = [
        name for name, one in frameworks.items() if one.trains and not name.endswith("-inference")
    ]
    if repository(uri) in trains and arguments[:1] == ["train"]:
        without_script = [framework.algorithm, _version(uri)] if framework.algorithm else []
        return ["python", str(CONTAINER_FILES / "train.py"), *without_script]
    raise WorkshopError(
        f"No program on this machine plays the image {uri} with the command "
        f"{' '.join(arguments) or '(its own entry point)'!r}. Training jobs can use the images "
        f"{' and '.join(trains)}; processing jobs can use any image whose command is installed "
        f"here. Choose one of these,{_make_known(repository(uri))} or run with a real Docker "
        f"engine ({settings.advice('docker')})."
    )


def _cannot_serve(uri: str, framework: Framework | None) -> str:
    words = f"Nothing on this machine can serve the image {uri}. "
    if framework and framework.server:
        return f"{words}It is {framework.title}'s image for training: use the one for inference."
    known_ = " and ".join(one.title for one in FRAMEWORKS.values() if one.server)
    return (
        f"{words}Here the images of {known_} serve. Choose one of these,"
        f"{_make_known(repository(uri))} or use a real Docker engine ({settings.advice('docker')}) "
        f"or your own account ({settings.advice('account')})."
    )


def _make_known(name: str) -> str:
    file = settings.images()
    return f" or make {name} known in {file.name}," if file else ""


def _has(program: str, uri: str) -> str:
    """Say which line makes an image known whose framework has ``program``."""
    file = settings.images()
    for framework in FRAMEWORKS.values() if file else ():
        if program in framework.programs:
            return (
                f" The images of {framework.title} have it: if this is one, say so in {file.name} "
                f'({repository(uri)} = "{framework.name}").'
            )
    return ""


def note(uri: str) -> str | None:
    """Return one sentence when this machine plays the image in other versions, else None."""
    framework = known().get(repository(uri))
    tag = uri.rpartition(":")[2]
    asked, python = re.match(r"\d+(\.\d+)+", tag), re.search(r"-py(\d)(\d+)\b", tag)
    here = _installed(framework) if framework else None
    image, machine = [], []
    if asked and here and here.split(".")[:2] != asked[0].split(".")[:2]:
        image.append(f"{framework.title} {asked[0]}")
        machine.append(f"{framework.title} {here}")
    if here and python and (int(python[1]), int(python[2])) != sys.version_info[:2]:
        image.append(f"Python {python[1]}.{python[2]}")
        machine.append(f"Python {sys.version_info[0]}.{sys.version_info[1]}")
    if not image:
        return None
    return (
        f"Note: the image has {' and '.join(image)}; this machine plays it with "
        f"{' and '.join(machine)}."
    )


def _installed(framework: Framework) -> str | None:
    for name in framework.distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def environment(uri: str) -> dict[str, str]:
    """Return the environment variables that image ``uri`` itself would set."""
    framework = known().get(repository(uri))
    if not framework:
        return {}
    advice = {variable: settings.advice(about) for variable, about in framework.advice.items()}
    return framework.environment | advice


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
    (``pip/_internal/metadata/base.py``, ``BaseDistribution.local``).
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
