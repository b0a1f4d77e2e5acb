"""Runs the hosts of one job, each in its own sandbox.

Knows hosts, images and mounts; nothing of notebooks, of SageMaker's requests or of AWS.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workshop.emulator import files, state
from workshop.emulator.containers import host_error, images, outputs, sandbox
from workshop.emulator.containers.disk import Disk, Missing
from workshop.emulator.containers.host_error import Result
from workshop.emulator.containers.installer import Installer
from workshop.emulator.errors import WorkshopError

#: Seconds a host has to end by itself after SIGTERM, where nothing else is said.
GRACE = 5.0

#: Lines of the SDK's start-up script that nobody can act on (``sagemaker/processing.py``,
#: ``_generate_framework_script``).
_NOISE = re.compile(
    rb"(?m)^(AWS CLI is not installed\. Skipping CodeArtifact login\."
    rb"|CodeArtifact repository not specified\. Skipping login\."
    rb"|WARNING: Skipping typing as it is not installed\.)\r?\n"
)

#: Settings of the learner's machine that a host needs to reach a package index. What may be
#: installed is for the job to say: constraints are none of them.
_NETWORK_SETTINGS = re.compile(
    r"(?i)(PIP|UV)_(?!\w*CONSTRAINT)\w+|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)"
)


@dataclass(frozen=True)
class Host:
    """One host (container) of a job.

    ``entrypoint`` is empty where the image's own is wanted. ``mounts`` and ``inputs`` are pairs of
    a path on this machine, made when missing, and a path in the host. What the host changes in a
    mount is changed; what it changes in an input it alone sees. ``outputs`` are those mounts that
    somebody reads afterwards as plain files. Hosts of an ``isolated`` job reach each other, and
    nothing else.
    """

    name: str
    image: str
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    mounts: Sequence[tuple[str, str]] = ()
    inputs: Sequence[tuple[str, str]] = ()
    outputs: Sequence[tuple[str, str]] = ()
    directory: str = "/"
    isolated: bool = False


@dataclass(frozen=True)
class RunningJob:
    """A job that somebody runs on this checkout right now."""

    name: str
    kind: str
    started: float  # seconds since the epoch
    last_line: str  # the last line it wrote that is not empty


class Job:
    """The hosts of one job, from start to end."""

    def __init__(
        self, hosts: Sequence[Host], *, name: str = "", kind: str = "", grace: float = GRACE
    ) -> None:
        """Prepare to run ``hosts``; ``name`` and ``kind`` are for those who watch.

        ``grace`` is how many seconds a host has to end by itself once it is told to. Raises
        WorkshopError when the machine cannot run them.
        """
        self._hosts = hosts
        self._grace = grace
        self._mode, reason = _mode()
        if self._mode == sandbox.NONE:
            raise WorkshopError(f"Jobs cannot run here: {reason}")
        if self._mode == sandbox.LINKS and len(hosts) > 1:
            raise WorkshopError(
                f"The job asks for {len(hosts)} hosts, and {reason}. Use instance_count=1 here."
            )
        self._isolated = any(host.isolated for host in hosts)
        if self._mode == sandbox.LINKS and self._isolated:
            raise WorkshopError(
                f"The job asks for network isolation, and {reason}. Nothing can keep it from the "
                "network here: leave out enable_network_isolation."
            )
        _sweep()
        self._folder = state.folder("jobs") / uuid.uuid4().hex[:12]
        self._folder.mkdir()
        #: Of each host, by its name: two may use the same port.
        self.addresses = self._addresses()
        # Held while this process lives: so others see that the job does.
        self._lock = open(self._folder / "lock", "w")  # noqa: SIM115
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        about = {"name": name, "kind": kind, "started": time.time()}
        files.write(self._folder / "job.json", json.dumps(about))
        self._processes: dict[str, subprocess.Popen] = {}
        self._stopping: float | None = None
        self._over = False

    def run(self, write: Callable[[str, bytes], None]) -> Result:
        """Run all hosts to their end.

        ``write`` gets the name of a host and what it wrote, as it comes, in whole lines. When one
        host fails, the others are stopped. Nothing is left behind, whatever happens.
        """
        try:
            with contextlib.ExitStack() as stack:
                network, installer = None, None
                if self._isolated:
                    network = stack.enter_context(_loopback_alone())
                elif self._mode == sandbox.NAMESPACES:
                    installer = stack.enter_context(Installer(self._folder, self._install))
                stack.callback(self._end_hosts)
                return self._run(write, network, installer)
        finally:
            self._lock.close()
            _remove(self._folder)

    def _end_hosts(self) -> None:
        self._over = True
        for process in list(self._processes.values()):
            _end(process)

    def stop(self) -> None:
        """Send SIGTERM to all hosts, and SIGKILL after the grace. A second call kills at once.

        Any thread may call it, at any time.
        """
        if self._stopping is None:
            self._stopping = time.monotonic() + self._grace
            self._signal(signal.SIGTERM)
        else:
            self._stopping = 0.0

    def _signal(self, number: int) -> None:
        for process in list(self._processes.values()):
            if process.poll() is None:
                process.send_signal(number)

    def _run(
        self,
        write: Callable[[str, bytes], None],
        network: int | None,
        installer: Installer | None,
    ) -> Result:
        specifications = [
            self._specify(self._folder / str(index), host, network, installer)
            for index, host in enumerate(self._hosts)
        ]
        pending: dict[str, bytes] = {}
        first_failure: tuple[str, int] | None = None
        log_file = self._folder / "log"
        with selectors.DefaultSelector() as selector, open(log_file, "wb", buffering=0) as log:
            for host, specification in zip(self._hosts, specifications, strict=True):
                process = _start(specification)
                self._processes[host.name] = process
                pending[host.name] = b""
                selector.register(process.stdout, selectors.EVENT_READ, host.name)
            if self._stopping is not None:  # told so while the hosts were started
                self._signal(signal.SIGTERM)
            while selector.get_map():
                for key, _ in selector.select(timeout=0.2):
                    data = os.read(key.fd, 65536)
                    lines, pending[key.data] = _whole_lines(pending[key.data] + data, not data)
                    lines = _NOISE.sub(b"", lines)
                    if lines:
                        log.write(self.label(key.data, lines))
                        write(key.data, lines)
                    if not data:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                        code = self._processes[key.data].wait()
                        if code and first_failure is None:
                            first_failure = key.data, code
                            self.stop()
                if self._stopping is not None and time.monotonic() > self._stopping:
                    self._signal(signal.SIGUSR1)
        missing = self._settle(write)
        if first_failure is not None:
            return host_error.of(*first_failure, log_file)
        return Result(1, missing, missing) if missing else Result(0)

    def _settle(self, write: Callable[[str, bytes], None]) -> str:
        """Leave plain files in the hosts' outputs; return what of them is missing, if anything."""
        missing: list[Missing] = []
        for index, host in enumerate(self._hosts):
            disk = Disk(self._folder / str(index) / "ml", [*host.mounts, *host.inputs])
            for source, target in host.outputs:
                for one in outputs.settle(disk, Path(source), target):
                    write(host.name, f"Not copied: {one}.\n".encode())
                    missing += [one] if isinstance(one, Missing) else []
        if not missing:
            return ""
        more = f" And {len(missing) - 1} more: see above." if missing[1:] else ""
        return (
            f"{missing[0]}, so it was not copied. All else was.{more} "
            "Copy the file itself, or rename it."
        )

    def label(self, name: str, lines: bytes) -> bytes:
        """Return a host's lines as a screen shows them: where there are several, with its name."""
        if len(self._hosts) == 1:
            return lines
        return re.sub(rb"(?m)^", f"{name} | ".encode(), lines[:-1]) + b"\n"

    def _install(self, requirements: str, write: Callable[[bytes], None]) -> tuple[int, Path]:
        """Have pip install what a requirements file asks for, in a host of its own.

        Return pip's exit code and the environment it installed into; ``write`` gets its output.
        """
        place = Path(tempfile.mkdtemp(prefix="install-", dir=self._folder))
        code = place / "code"
        code.mkdir()
        (code / "requirements.txt").write_text(requirements)
        host = Host(
            name=place.name,
            image="",
            entrypoint=["python", "-m", "pip", "install", "-r", "requirements.txt"],
            mounts=[(str(code), "/opt/ml/code")],
            directory="/opt/ml/code",
        )
        process = _start(self._specify(place, host))
        self._processes[host.name] = process
        try:
            while not self._over and (data := os.read(process.stdout.fileno(), 65536)):
                write(data)
            if not self._over:
                process.wait()
        finally:
            process.stdout.close()
            _end(process)
        return process.returncode, place / "env"

    def _specify(
        self,
        place: Path,
        host: Host,
        network: int | None = None,
        installer: Installer | None = None,
    ) -> Path:
        """Make the folders of a host and write what ``sandbox.py`` needs to know."""
        for name in ("root", "ml", "tmp", "home"):
            (place / name).mkdir(parents=True)
        (place / "tmp").chmod(0o1777)
        hosts_file = place / "hosts"
        hosts_file.write_text(self._hosts_file())
        # The path of a checkout may have spaces in it; the one that the host sees must not.
        seen_as = "/opt/python"
        if self._mode == sandbox.LINKS:
            seen_as = f"{tempfile.gettempdir()}/lab-{self._folder.name}"
            os.symlink(place / "env", seen_as)
        path = images.make_python(place / "env", seen_as)
        mounts = [(source, target, None) for source, target in host.mounts]
        for number, (source, target) in enumerate(host.inputs):
            mounts.append((source, target, str(place / "changes" / str(number))))
        for source, target, _ in mounts:
            os.makedirs(source, exist_ok=True)
            if target.startswith(f"{sandbox.OPT_ML}/"):
                (place / "ml" / target.removeprefix(f"{sandbox.OPT_ML}/")).mkdir(
                    parents=True, exist_ok=True
                )
        environment = {
            "PATH": path,
            "LANG": "C.UTF-8",
            "HOSTNAME": host.name,
            "JOB_ADDRESS": self.addresses.get(host.name, "127.0.0.1"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **{key: text for key, text in os.environ.items() if _NETWORK_SETTINGS.fullmatch(key)},
        }
        if self._mode == sandbox.NAMESPACES:
            # A host's root is the learner: no file can be given to anybody else.
            environment |= {"HOME": "/root", "TAR_OPTIONS": "--no-same-owner"}
        else:
            # The toolkit waits until every host name resolves; this switches that off
            # (sagemaker_training/entry_point.py, SM_STUDIO_LOCAL_MODE).
            environment |= {
                "HOME": str(place / "home"),
                "TMPDIR": str(place / "tmp"),
                "SM_STUDIO_LOCAL_MODE": "True",
            }
        specification = {
            "name": host.name,
            "mode": self._mode,
            "root": str(place / "root"),
            "hosts_file": str(hosts_file),
            "links_lock": str(state.folder() / "links.lock"),
            "libraries": images.libraries(),
            "private": [
                (str(place / "tmp"), "/tmp"),
                (str(place / "home"), "/root"),
                (str(place / "ml"), sandbox.OPT_ML),
                (str(place / "env"), seen_as),
            ],
            "readable": [],
            # What holds others comes first.
            "mounts": sorted(mounts, key=lambda mount: os.path.normpath(mount[1])),
            "network": network,
            "command": images.command(
                host.image, list(host.entrypoint), list(host.arguments), path
            ),
            "environment": environment | images.environment(host.image) | host.environment,
            "directory": host.directory,
        }
        if installer:
            specification["environment"] |= installer.variables(environment)
            specification["readable"] += installer.mounts()
        file = place / "host.json"
        file.write_text(json.dumps(specification))
        return file

    def _addresses(self) -> dict[str, str]:
        """Give each host a loopback address of its own, where it has its own ``/etc/hosts``."""
        if self._mode == sandbox.LINKS:
            return {host.name: "127.0.0.1" for host in self._hosts}
        number = int(self._folder.name, 16)
        network = f"127.{number // 250 % 250 + 1}.{number % 250 + 1}"
        return {host.name: f"{network}.{n}" for n, host in enumerate(self._hosts, 1)}

    def _hosts_file(self) -> str:
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        lines += [f"{address} {name}" for name, address in self.addresses.items()]
        return "\n".join(lines) + "\n"


def _start(specification: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", sandbox.__file__, str(specification)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )


def _end(process: subprocess.Popen) -> None:
    """Kill a host, if it has not ended, and all that it started."""
    while process.poll() is None:
        process.send_signal(signal.SIGUSR1)  # too early, it is not heard
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)


@contextlib.contextmanager
def _loopback_alone() -> Iterator[int]:
    """Make a network for isolated hosts; yield the number of the process that holds it."""
    holder = subprocess.Popen(
        [sys.executable, "-I", "-S", sandbox.__file__, "--hold-network"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if holder.stdout.readline() != "up\n":
            raise WorkshopError(
                "The job asks for network isolation, and this machine refuses a network of its own "
                f"({holder.stderr.read().strip()}). Leave out enable_network_isolation."
            )
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


def running() -> list[RunningJob]:
    """Return the jobs that run on this checkout now, oldest first."""
    found = []
    for folder in state.folder("jobs").iterdir():
        try:
            if _abandoned(folder):
                continue
            about = json.loads((folder / "job.json").read_text())
            tail = host_error.tail(folder / "log", 4096).decode(errors="replace")
        except OSError:
            continue  # it ended just now
        lines = [line for line in tail.splitlines() if line.strip()]
        found.append(RunningJob(**about, last_line=lines[-1].strip() if lines else ""))
    return sorted(found, key=lambda job: job.started)


def _mode() -> tuple[str, str]:
    forced = os.environ.get("WORKSHOP_SANDBOX")
    return (forced, f"WORKSHOP_SANDBOX={forced} asks for that") if forced else sandbox.probe()


def _abandoned(folder: Path) -> bool:
    """Tell whether the process that made a job's folder is gone."""
    with open(folder / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _sweep() -> None:
    """Remove the folders of jobs whose process was killed."""
    for folder in state.folder("jobs").iterdir():
        try:
            if _abandoned(folder) and time.time() - folder.stat().st_mtime > 2:
                _remove(folder)
        except OSError:
            continue


def _remove(folder: Path) -> None:
    """Remove a job's folder, and the link that stands for its Python where there are no mounts."""
    Path(tempfile.gettempdir(), f"lab-{folder.name}").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        files.remove(folder)


def _whole_lines(data: bytes, ended: bool) -> tuple[bytes, bytes]:
    """Split ``data`` after its last line end; at the end of a stream all of it is whole."""
    if ended:
        return (data + b"\n" if data and not data.endswith(b"\n") else data), b""
    # A carriage return ends a line too: progress bars.
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end], data[end:]
