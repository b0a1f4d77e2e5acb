"""The ``/opt/ml`` of one host, read as its container sees it, whatever the job has put there.

A job may make links, pipes and names of any kind, and change them while they are read. So each path
is looked up one folder at a time, and nothing is followed by the system (openat(2), O_NOFOLLOW):
links are resolved here, and lead nowhere but into this folder.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

#: Where the folder is in the container.
_ROOT = ["opt", "ml"]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # to open a pipe must not wait for a writer
#: How many links are followed for one path (path_resolution(7)).
_LINKS = 40
#: How many folders may lie in one another.
_DEEPEST = 100


class LeftOut(Exception):
    """Something below a folder that is no content, such as a pipe. The message says what."""


class Missing(LeftOut):
    """Something whose content would be missing in S3: a link out of ``/opt/ml``, a name that is
    none there. The message says what."""


@dataclass(frozen=True)
class File:
    """A file below a folder: its path there, and what changes when it is written to."""

    path: str
    signature: tuple[int, int, int]  # size, time in nanoseconds, inode


@dataclass(frozen=True)
class Found:
    """What is below a folder."""

    files: list[File] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)  # folders with nothing in them
    left_out: list[LeftOut] = field(default_factory=list)


class Disk:
    """A folder of this machine that a container has as its ``/opt/ml``."""

    def __init__(self, folder: Path, mounts: Iterable[tuple[str, str]] = ()) -> None:
        """Read ``folder``; ``mounts`` are others, and where in the container they are mounted."""
        self._folder = folder
        self._mounts = {tuple(target.strip("/").split("/")): path for path, target in mounts}

    def look(self, path: str) -> Found:
        """Return all below a folder of the container (``/opt/ml/…``). Where none is: nothing."""
        found = Found()
        try:
            self._walk(path.strip("/"), "", found, ())
        except LeftOut as error:
            found.left_out.append(error)
        except FileNotFoundError:
            pass
        return found

    def _walk(self, top: str, below: str, found: Found, above: tuple[tuple[int, int], ...]) -> None:
        """Look at the folder ``below`` the folder ``top``; ``above`` are those that hold it."""
        with self._lookup(f"{top}/{below}") as (folder, name, facts):
            if name != ".":  # a file where a folder was expected
                return
            if (facts.st_dev, facts.st_ino) in above:
                raise LeftOut(f"{_shown(f'{top}/{below}')} is a link to a folder that it is in")
            above += ((facts.st_dev, facts.st_ino),)
            names = sorted(os.listdir(folder))
        if not names and below:
            found.empty.append(below)
        if below.count("/") > _DEEPEST:
            raise Missing(f"{_shown(f'{top}/{below}')[:80]}… lies too deep, {_DEEPEST} folders")
        for name in names:
            path = f"{below}/{name}" if below else name
            try:
                self._take(top, path, found, above)
            except LeftOut as error:
                found.left_out.append(error)
            except FileNotFoundError:  # the job has removed or renamed it since
                continue

    def _take(self, top: str, path: str, found: Found, above: tuple) -> None:
        whole = f"{top}/{path}"
        try:
            path.encode()
        except UnicodeEncodeError:
            raise Missing(f"{_shown(whole)} has a name that is not UTF-8") from None
        with self._lookup(whole) as (_, name, facts):
            pass
        if name == ".":
            self._walk(top, path, found, above)
        elif stat.S_ISREG(facts.st_mode):
            found.files.append(File(path, (facts.st_size, facts.st_mtime_ns, facts.st_ino)))
        else:
            raise LeftOut(f"{_shown(whole)} is {_kind(facts)}")

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file of the container to read it.

        Raises LeftOut when it is no file by now, FileNotFoundError when it is gone.
        """
        with self._lookup(path.strip("/")) as (folder, name, facts):
            if not stat.S_ISREG(facts.st_mode):
                raise LeftOut(f"{_shown(path)} is {_kind(facts)}")
            with open(_opened(folder, name, _FILE), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # exchanged just now
                    raise LeftOut(f"{_shown(path)} is {_kind(os.fstat(file.fileno()))}")
                yield file

    @contextlib.contextmanager
    def _lookup(self, path: str) -> Iterator[tuple[int, str, os.stat_result]]:
        """Yield what a path of the container leads to: an open folder, a name there, its facts.

        For a folder it is the folder itself, and the name ``.``.
        """
        left = [name for name in reversed(path.split("/")) if name not in ("", ".")]
        held = [os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)]
        where = [*_ROOT]  # the last of them is open
        outside = 2  # how many folders above /opt/ml we are
        target, links = "", 0
        try:
            while left:
                name = left.pop()
                if outside:  # only the way back is ours
                    if name == "..":
                        outside = min(outside + 1, 2)
                    elif name == _ROOT[-outside]:
                        outside -= 1
                    else:
                        break
                    continue
                if name == "..":
                    if len(held) == 1:
                        outside = 1
                    else:
                        os.close(held.pop())
                        where.pop()
                    continue
                mount = self._mounts.get((*where, name))
                if mount is not None:
                    held.append(os.open(mount, os.O_RDONLY | os.O_DIRECTORY))
                    where.append(name)
                    continue
                facts = os.stat(name, dir_fd=held[-1], follow_symlinks=False)
                if stat.S_ISLNK(facts.st_mode):
                    target, links = os.readlink(name, dir_fd=held[-1]), links + 1
                    if links > _LINKS:
                        raise LeftOut(f"{_shown(path)} is a link that leads in a circle")
                    if target.startswith("/"):
                        while len(held) > 1:
                            os.close(held.pop())
                        where = [*_ROOT]
                        outside = 2
                    left += [one for one in reversed(target.split("/")) if one not in ("", ".")]
                elif stat.S_ISDIR(facts.st_mode):
                    held.append(_opened(held[-1], name, _FOLDER))
                    where.append(name)
                elif left:
                    raise FileNotFoundError(_shown(path))
                else:
                    yield held[-1], name, facts
                    return
            if outside:
                raise Missing(
                    f"{_shown(path)} is a link to {_shown(target)}, which is outside of /opt/ml"
                )
            yield held[-1], ".", os.fstat(held[-1])
        except FileNotFoundError:
            if not links:
                raise
            words = f"{_shown(path)} is a link to {_shown(target)}, which is not there"
            raise LeftOut(words) from None
        finally:
            for descriptor in held:
                os.close(descriptor)


def _opened(folder: int, name: str, how: int) -> int:
    """Open a file or folder. What its owner may not read is made readable: it is the job's own."""
    try:
        try:
            return os.open(name, how, dir_fd=folder)
        except PermissionError:
            # By a descriptor of the thing itself: its name may be a link to elsewhere by now.
            thing = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
            try:
                mode = stat.S_IMODE(os.fstat(thing).st_mode)
                os.chmod(f"/proc/self/fd/{thing}", mode | 0o500)
            finally:
                os.close(thing)
            return os.open(name, how, dir_fd=folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise LeftOut(f"{_shown(name)} cannot be read: {error.strerror}") from error


def _kind(facts: os.stat_result) -> str:
    for test, kind in (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(facts.st_mode):
            return kind
    return "no file"


def _shown(path: str) -> str:
    """Return a path as one can read it, with ``\\xe9`` for bytes that are no UTF-8."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return text if "/" not in text or text.startswith(("/", ".")) else f"/{text}"
