"""Installs what the jobs' requirements files ask for, outside of the jobs, and keeps it.

So the second job with the same file starts quickly, also without a network. What is kept is shared
by all jobs, and no job may write to it: pip runs in a host of its own, which sees nothing of the
job but the text of the file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import IO

from workshop.emulator import state

#: Where a host has the socket to ask at, and what is kept (``container/site/_job.py``).
_SOCKET, _KEPT = "/run/installer", "/opt/installed"
_LONGEST = 1 << 20  # bytes of a request
#: A text that names another file, a place or a variable: that may change while the text does not.
_PLACE = re.compile(r"(?m)^\s*[-.]|[/:$\\]|\.(whl|zip|tgz|tar)\b")

#: Runs pip with the text of a requirements file: gives its output to a function, and returns its
#: exit code and the environment that it installed into.
Pip = Callable[[str, Callable[[bytes], None]], tuple[int, Path]]


class Installer:
    """The place where the hosts of one job ask; use it in a ``with``."""

    def __init__(self, place: Path, pip: Pip) -> None:
        """``place`` is a folder for the socket, for as long as the job runs."""
        self._pip = pip
        self._settings: dict[str, str] = {}
        self._socket = place / "installer"
        self._door = socket.socket(socket.AF_UNIX)
        # The path of a checkout may be longer than an address may be (unix(7): 108 bytes).
        here = os.open(place, os.O_PATH)
        self._door.bind(f"/proc/self/fd/{here}/installer")
        os.close(here)
        self._door.listen()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Installer:
        self._threads[0].start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._door.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # the first one adds the others
            thread.join()
        self._door.close()

    def variables(self, environment: dict[str, str]) -> dict[str, str]:
        """Return what a host needs to know to ask; ``environment`` is what every host has."""
        self._settings = _of_pip(environment)
        return {"JOB_INSTALLER": _SOCKET}

    def mounts(self) -> list[tuple[str, str]]:
        """Return pairs of a path on this machine and a path in a host, for reading."""
        return [(str(self._socket), _SOCKET), (str(_kept()), _KEPT)]

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._door.accept()
            except OSError:  # the job is over
                return
            thread = threading.Thread(target=self._answer, args=[asking])
            self._threads.append(thread)
            thread.start()

    def _answer(self, asking: socket.socket) -> None:
        with asking, contextlib.suppress(OSError):  # nobody waits for the answer any more
            asking.settimeout(60)
            try:
                with asking.makefile("rb") as file:
                    request = json.loads(file.readline(_LONGEST))
                text, settings = str(request["requirements"]), request["settings"]
            except (ValueError, LookupError, TypeError):
                return  # no request
            if _PLACE.search(text) or settings != self._settings:
                _say(asking, ask_pip=True)
                return
            key = _key(text)
            with open(_kept() / f"{key}.lock", "w") as lock:
                if self._locked(lock):
                    self._install(asking, text, key)

    def _locked(self, lock: IO) -> bool:
        """Wait while another host or job installs the same; return False when this job is over."""
        while not self._over.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                self._over.wait(0.1)
        return False

    def _install(self, asking: socket.socket, text: str, key: str) -> None:
        kept = _kept() / key
        if kept.is_dir():
            _say(asking, kept=f"{_KEPT}/{key}", ask_pip=True)
            return
        code, made = self._pip(text, lambda data: _say(asking, output=data.decode("latin-1")))
        if code == 0:
            _keep(made, kept)
            _say(asking, code=0, kept=f"{_KEPT}/{key}")
        else:
            _say(asking, code=code)


def _say(asking: socket.socket, **answer: object) -> None:
    asking.sendall(json.dumps(answer).encode() + b"\n")


def _kept() -> Path:
    return state.folder("cache", "installed")


def _of_pip(environment: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith("PIP_")}


def _key(text: str) -> str:
    """Name what a file asks for on top of what this Python has."""
    base = sorted(f"{one.name} {one.version}" for one in metadata.distributions())
    return hashlib.sha256("\n".join([sys.version, text, *base]).encode()).hexdigest()[:32]


def _keep(environment: Path, kept: Path) -> None:
    """Keep the packages of an environment, and their programs.

    Code of the packages may have run in it. Raises OSError where it has put a link in the place of
    a folder: that would lead to the learner's files.
    """
    incoming, programs = environment / "kept", environment / "bin"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = environment / "lib" / version / "site-packages"
    for folder in (programs, environment / "lib", packages.parent, packages):
        if folder.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "is a link", str(folder))
    (packages / "_base.pth").unlink()
    incoming.mkdir()
    for path in programs.iterdir():
        if re.match(r"python|pip", path.name):
            path.unlink()
    programs.rename(incoming / "bin")
    packages.rename(incoming / "packages")
    incoming.rename(kept)
