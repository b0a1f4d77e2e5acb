"""The ``docker`` that the SageMaker SDK finds: it runs a compose file in the engine.

The SDK's local mode needs these commands (``sagemaker/local/image.py`` and ``utils.py``)::

    docker compose version
    docker images -q IMAGE
    docker compose -f FILE up --build --abort-on-container-exit
    docker info, docker context inspect

The compose file is the contract: one service per host, with ``image``, ``entrypoint`` or
``command``, ``environment`` and ``volumes``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import select
import shlex
import shutil
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from workshop.emulator import keys, settings, state
from workshop.emulator.containers import contract, engine, images, sandbox
from workshop.emulator.errors import WorkshopError

#: Where a training job leaves what the SDK takes.
_OUTPUTS = ("/opt/ml/model/", "/opt/ml/output/")
# The SDK looks for "v2" in this line.
_VERSION = "Docker Compose version v2.40.0-workshop"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["compose", "version", *_]:
            print(_VERSION)
        case ["images", "-q", image]:
            # Anything but an empty answer means: it is here, so no login and no pull.
            print(hashlib.sha256(image.encode()).hexdigest()[:12])
        case ["compose", "-f", file, "up", *options] if "--detach" not in options:
            return _up(Path(file).absolute())
        case ["info"]:
            print("Server: the workshop's stand-in for Docker")
        case ["context", "inspect"]:
            print(json.dumps([{"Endpoints": {"docker": {"Host": "unix:///var/run/docker.sock"}}}]))
        case ["--version"] | ["version"]:
            print("Docker version 28.0.0-workshop, the workshop's stand-in for Docker")
        case _:
            print(
                f"docker {shlex.join(arguments)}: this is the workshop's stand-in for Docker. It "
                "runs processing and training jobs of the SageMaker SDK and nothing else. For "
                f"real containers install Docker and use {settings.advice('docker')}.",
                file=sys.stderr,
            )
            return 1
    return 0


# --- docker compose up --------------------------------------------------------------------


def _up(file: Path) -> int:
    output = _Output()
    failure = _kept_for_caller("failures")
    failure.unlink(missing_ok=True)
    sdk = os.getppid()
    clean_up = None
    serves = stopped = False
    try:
        services = _services(file)
        serves = any(_serves(one) for one in services.values())
        clean_up = _Leftovers(file, services, sdk)
        hosts = [_host(name, service, file.parent) for name, service in services.items()]
        for note in sorted({note for host in hosts if (note := images.note(host.image))}):
            if _is_news(note):
                output.write(f"{note}\n".encode())
        kind, name = _about(hosts[0])
        job = engine.Job(hosts, name=name, kind=kind)

        def stop(*_) -> None:
            nonlocal stopped
            stopped = True
            output.hurry()
            job.stop()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)
        sandbox.die_with_parent(signal.SIGTERM)
        result = job.run(lambda host, lines: output.write(job.label(host, lines)))
    except WorkshopError as error:
        result = engine.Result(1, str(error), unseen=str(error))
    except OSError as error:
        text = f"The job could not run: {error}"
        result = engine.Result(1, text, unseen=text)
    finally:
        if clean_up:
            clean_up.later()
    if serves and stopped:
        return 130  # its end, which the SDK takes for success
    if result.exit_code:
        failure.write_text(result.error)
        if result.unseen:
            with contextlib.suppress(BrokenPipeError):
                output.write(f"\n{result.unseen}\n".encode())
    # The SDK takes 130 for success.
    return 1 if result.exit_code == 130 else result.exit_code


def _services(file: Path) -> dict[str, dict]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(file.read_text(), Loader=loader)
        services = content["services"]
        if not services or not all(isinstance(one.get("image"), str) for one in services.values()):
            raise KeyError("image")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise WorkshopError(
            f"{file}: expected a compose file with services that name an image ({error})."
        ) from error
    return services


def _host(name: str, service: dict, top: Path) -> engine.Host:
    """Return what a service of the compose file in ``top`` describes.

    Folders that the SDK has not made for the job are the learner's scripts and data: a job changes
    none of them. Its outputs it writes (``sagemaker/local/image.py``, ``_prepare_*_volumes``).
    """
    environment = service.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(entry.partition("=")[::2] for entry in environment)
    mounts, inputs, outputs = [], [], []
    if _serves(service):
        # The SDK asks at this machine's own address, and at the port that the file gives away.
        published = str(next(iter(service.get("ports") or ()), 8080)).partition(":")[0]
        environment |= {"JOB_ADDRESS": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": published}
    for volume in service.get("volumes") or ():
        source, target, *_ = volume.split(":")
        source_path = Path(os.path.normpath(source))
        beside = _made_beside(top, source_path)
        # The outputs of a processing job lie together in one folder that the SDK made.
        is_output = f"{target}/".startswith(_OUTPUTS) or (beside and beside != source_path)
        is_output = is_output and not _serves(service)  # it has its model there, for reading
        if is_output:
            outputs.append((source, target))
        written = is_output or (beside and not _serves(service)) or source_path.is_relative_to(top)
        (mounts if written else inputs).append((source, target))
    return engine.Host(
        name=name,
        image=service["image"],
        entrypoint=_words(service.get("entrypoint")),
        arguments=_words(service.get("command")),
        environment=environment | _emulator_for_host(),
        mounts=mounts,
        inputs=inputs,
        outputs=outputs,
    )


def _serves(service: dict) -> bool:
    return not service.get("entrypoint") and _words(service.get("command"))[:1] == ["serve"]


def _words(command: str | list | None) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else [str(w) for w in command or ()]


def _emulator_for_host() -> dict[str, str]:
    """AWS settings that the SDK does not hand to a container, where the emulator is used."""
    endpoint = os.environ.get("HOST_ENDPOINT")
    if not endpoint:
        return {}
    region = os.environ.get("AWS_REGION", "us-east-1")
    token = {"WORKSHOP_TOKEN": keys.find().token}  # for scripts that sign with keys of their own
    return contract.aws_settings(endpoint, region) | token


def _about(host: engine.Host) -> tuple[str, str]:
    """Return kind and name of a SageMaker job, from what the SDK gives to its first host."""
    if list(host.arguments[:1]) == ["serve"]:
        return "endpoint", ""
    if not host.entrypoint:
        return "training", host.environment.get("TRAINING_JOB_NAME", "")
    for source, target in host.mounts:
        if target == "/opt/ml/config":
            try:
                content = json.loads(Path(source, "processingjobconfig.json").read_text())
                return "processing", content["ProcessingJobName"]
            except (OSError, ValueError, KeyError):
                break
    return "processing", ""


def _kept_for_caller(kind: str) -> Path:
    """Where the error of the last failed job, or the notes told, of our caller's process are."""
    folder = state.folder(kind)
    for path in folder.iterdir():
        if not _alive(int(path.name)):
            path.unlink(missing_ok=True)
    return folder / str(os.getppid())


def _is_news(note: str) -> bool:
    """Tell whether a note is new to the process that called us, and keep that it is told."""
    file = _kept_for_caller("told")
    told = file.read_text().splitlines() if file.exists() else []
    if note in told:
        return False
    file.write_text("\n".join([*told, note]))
    return True


# --- output -------------------------------------------------------------------------------


class _Output:
    """Standard output, written so that the SDK shows every line of it.

    The SDK reads a line, then asks whether this process has ended, and if so reads no further
    (``sagemaker/local/image.py``, ``_stream_output``). So the last line of each write goes out
    only when all before it has been taken from the pipe, and no write returns before that line
    has been taken too: there is never more than one line the SDK has taken but not yet shown.
    """

    def __init__(self) -> None:
        self._is_pipe = not os.isatty(1) and Path("/dev/fd/1").is_fifo()
        self._deadline = math.inf

    def hurry(self) -> None:
        """Wait no longer for a reader who may have stopped reading: the job is being stopped."""
        self._deadline = min(self._deadline, time.monotonic() + 1)

    def write(self, lines: bytes) -> None:
        end = lines.rstrip(b"\r\n").rfind(b"\n") + 1
        for part in (lines[:end], lines[end:]):
            while part and self._wait_until(self._has_room):
                # So much fits into a pipe that has room (pipe(7), PIPE_BUF).
                part = part[os.write(1, part[: select.PIPE_BUF]) :]
            self._wait_until(self._is_taken)

    def _has_room(self) -> bool:
        return bool(self._poll(select.POLLOUT))

    def _is_taken(self) -> bool:
        return struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, b"\0" * 4))[0] == 0

    def _wait_until(self, condition: Callable[[], bool]) -> bool:
        pause = 0.00002
        while self._is_pipe and not condition():
            if self._poll(0) & select.POLLERR:
                raise BrokenPipeError("the program that started the job reads no more")
            if time.monotonic() > self._deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.005)
        return True

    @staticmethod
    def _poll(events: int) -> int:
        poll = select.poll()
        poll.register(1, events)
        return sum(found for _, found in poll.poll(0))


# --- what the SDK leaves behind -----------------------------------------------------------


class _Leftovers:
    """The SDK's temporary folders of one job, removed once the SDK is done with them.

    The SDK makes a folder for the compose file and one for each S3 input, and removes neither.
    It is done when it removes the folder of the first host (``_cleanup``), or ends. A compose
    file of anybody else has no such folders beside it, and nothing of it is removed.
    """

    def __init__(self, file: Path, services: dict[str, dict], sdk: int) -> None:
        top = file.parent
        serves = any(_serves(one) for one in services.values())
        self._top, self._sdk = top, sdk
        # Of an endpoint the SDK removes all of its own folder (``stop_serving``), after its model.
        self._gone = top if serves else top / next(iter(services))
        made_by_sdk = (
            file.name == "docker-compose.yaml"
            and _is_temporary(top)
            and (serves or (top / "shared").is_dir())
            and all((top / host).is_dir() for host in services)
        )
        self._folders = [top, *_downloads(top, services)] if made_by_sdk else []

    def later(self) -> None:
        """Leave a process behind that waits for the SDK, removes the folders and ends."""
        if not self._folders or os.fork():
            return
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        while self._gone.exists() and _alive(self._sdk):
            time.sleep(0.05)
        # An estimator without an output_path has its model.tar.gz there, for good.
        artifacts = self._top / "compressed_artifacts"
        for folder in filter(Path.exists, self._folders):
            keeps = folder == self._top and artifacts.exists()
            for path in folder.iterdir() if keeps else [folder]:
                if path.is_file():
                    path.unlink()
                elif path != artifacts:
                    shutil.rmtree(path, ignore_errors=True)
        os._exit(0)


def _is_temporary(path: Path) -> bool:
    """Tell whether ``path`` has a name that Python's ``tempfile.mkdtemp`` gives."""
    return re.fullmatch(r"tmp\w{8}", path.name) is not None


def _downloads(top: Path, services: dict[str, dict]) -> list[Path]:
    """Return the folders that the SDK downloaded S3 inputs into: siblings of ``top``."""
    sources = {Path(volume.split(":")[0]) for one in services.values() for volume in one["volumes"]}
    return [path for path in sources if path == _made_beside(top, path)]


def _made_beside(top: Path, path: Path) -> Path | None:
    """Return the folder beside ``top`` that holds ``path``, if the SDK made it for this job.

    A learner's own folder may look the same. It was there before the job; the SDK's are made
    after ``shared``, or after the folder of an endpoint's only host. Both are empty and so keep the
    time when the SDK made them.
    """
    try:
        folder = top.parent / path.relative_to(top.parent).parts[0]
        empty = top / "shared"
        if not empty.exists():
            empty = next(one for one in top.iterdir() if one.is_dir())
        made = empty.stat().st_ctime_ns
        if folder != top and _is_temporary(folder) and folder.stat().st_ctime_ns >= made:
            return folder
    except (ValueError, IndexError, FileNotFoundError, StopIteration):
        pass
    return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(1)
