"""What a job copies between the emulated S3 and the folders of its hosts."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from workshop.emulator.containers.disk import Disk, File, LeftOut, Missing

#: Seconds between two looks at a folder that is copied while its job runs.
_INTERVAL = 0.5
#: The longest name of a file, and of an S3 key, in bytes.
_LONGEST_NAME, _LONGEST_KEY = 255, 1024


class DataError(Exception):
    """Data that a job asks for cannot be had, or kept. The message is fit for a FailureReason."""


class Store(Protocol):
    """What of ``s3.S3Store`` is needed here."""

    def has_bucket(self, bucket: str) -> bool: ...
    def keys(self, bucket: str, prefix: str = "") -> list[str]: ...
    def file(self, bucket: str, key: str) -> Path: ...
    def put(self, bucket: str, contents: Iterable[tuple[str, BinaryIO]]) -> None: ...


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key or prefix of an S3 URI. Raises DataError when it is none."""
    found = re.fullmatch(r"(?:s3|https)://([^/]+)/?(.*)", uri, re.DOTALL)
    if not found:
        raise DataError(f"{uri!r} is not an S3 URI. Expected s3://BUCKET/PREFIX.")
    return found[1], found[2]


# --- into the hosts ---------------------------------------------------------------------------


def download(
    store: Store, uri: str, folders: list[Path], *, kind: str = "S3Prefix", sharded: bool = False
) -> None:
    """Copy the objects of an input to each host's folder, or share them out among the hosts.

    With ``sharded`` each object goes to one host alone
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html).

    Raises DataError as ``objects`` does.
    """
    wanted = {path: store.file(*place) for path, place in objects(store, uri, kind).items()}
    for number, (path, source) in enumerate(wanted.items()):
        for folder in folders[number % len(folders) :][:1] if sharded else folders:
            target = folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
                raise DataError(
                    f"Data download failed: below {uri}, {path!r} is the name of an object and "
                    "of a folder. Rename one of them."
                ) from error
            except OSError as error:
                raise DataError(f"Data download failed: {path!r}: {_why(error)}.") from error


def objects(store: Store, uri: str, kind: str = "S3Prefix") -> dict[str, tuple[str, str]]:
    """Return bucket and key of the objects of an input, by their path below its folder, sorted.

    ``kind`` is the input's S3DataType: ``S3Prefix`` takes every key that starts with the prefix,
    ``ManifestFile`` what a manifest lists.

    Raises DataError when nothing is there, and for a key that is no path below the folder.
    """
    wanted = _manifest(store, uri) if kind == "ManifestFile" else _below(store, uri)
    if not wanted:
        bucket, prefix = split(uri)
        exists = "The bucket exists" if store.has_bucket(bucket) else "There is no such bucket"
        raise DataError(
            f'Data download failed: No S3 objects found under S3 URL "{uri}" given in input data '
            f"source. {exists}; no key in it starts with {prefix!r}."
        )
    for path in wanted:
        _check_path(path, uri)
    return dict(sorted(wanted.items()))


def _check_path(path: str, uri: str) -> None:
    """Raise DataError where an object's key is no path of a file below the input's folder.

    S3 takes any key; what AWS does with such a one in a job is not documented.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise DataError(
            f"Data download failed: below {uri} there is an object {path!r}. That is no path of a "
            "file below the input's folder. Rename the object."
        )
    longest = max(parts, key=lambda part: len(part.encode()))
    if len(longest.encode()) > _LONGEST_NAME:
        raise DataError(
            f"Data download failed: below {uri} there is an object whose key has a part of "
            f"{len(longest.encode())} bytes, {longest[:40]!r}…. A file's name has at most "
            f"{_LONGEST_NAME}. Rename the object."
        )


def _below(store: Store, uri: str) -> dict[str, tuple[str, str]]:
    """Return the objects of a prefix, by their path in the host.

    A prefix is the beginning of a name and not a folder: ``s3://b/data/train`` also takes
    ``data/train-old/x``, as on AWS. Its path is then counted from the prefix's last ``/``.
    """
    bucket, prefix = split(uri)
    found = {}
    for key in store.keys(bucket, prefix):
        if key.endswith("/"):  # what the S3 console makes for an empty folder
            continue
        whole_folder = prefix.endswith("/") or key[len(prefix) : len(prefix) + 1] == "/"
        start = len(prefix) if whole_folder else prefix.rfind("/") + 1
        found[key[start:].lstrip("/")] = (bucket, key)
    return found


def _manifest(store: Store, uri: str) -> dict[str, tuple[str, str]]:
    """Return the objects that a manifest lists: ``[{"prefix": "s3://b/p/"}, "x.npy", …]``."""
    try:
        first, *names = json.loads(store.file(*split(uri)).read_text())
        bucket, prefix = split(first["prefix"])
        keys = {name: prefix + name for name in names}
    except (KeyError, ValueError, TypeError, OSError, RecursionError) as error:
        raise DataError(
            f"Data download failed: {uri} is not a manifest ({error!r}). Expected JSON: a list, "
            'first {"prefix": "s3://BUCKET/PREFIX/"}, then names of objects below it.'
        ) from error
    missing = sorted(set(keys.values()) - set(store.keys(bucket, prefix)))
    if missing:
        raise DataError(
            f"Data download failed: the manifest {uri} lists s3://{bucket}/{missing[0]}, which "
            "does not exist."
        )
    return {name: (bucket, key) for name, key in keys.items()}


# --- out of the hosts -------------------------------------------------------------------------


class Upload:
    """What is copied from the hosts of one job to S3, and what of it is left out.

    Everything that can be copied is copied, whatever is wrong with the rest: no method raises for
    what a job has left. ``problem`` is the first thing that failed as a whole, "" when none did.
    """

    def __init__(
        self, store: Store, say: Callable[[str], None], late: Callable[[], bool] = lambda: False
    ) -> None:
        """Copy to ``store``. ``say`` is told, once, what is left out and what goes wrong.

        ``late`` tells when there is no more time to copy.
        """
        self._store, self._say, self._late = store, say, late
        self._left_out: dict[str, LeftOut] = {}
        self._said: set[str] = set()
        self.problem = ""

    def folder(self, disk: Disk, path: str, uri: str) -> None:
        """Copy all files below a folder of a host to S3 below ``uri``."""
        self.files(disk, path, uri, self.look(disk, path))

    def look(self, disk: Disk, path: str) -> list[File]:
        """Return the files below a folder of a host; say what else is there."""
        found = disk.look(path)
        self._note(found.left_out)
        return found.files

    def files(
        self, disk: Disk, path: str, uri: str, files: list[File], *, again: bool = False
    ) -> bool:
        """Copy certain files below a folder of a host; return whether that was possible.

        ``again`` is for a failure that is no problem yet, since it will be tried again.
        """
        with self._failing(uri, again):
            self._store.put(self._bucket(uri), self._contents(disk, path, uri, files))
            return True
        return False

    def _bucket(self, uri: str) -> str:
        bucket = split(uri)[0]
        if not self._store.has_bucket(bucket):
            raise DataError(f"there is no bucket {bucket!r}")
        return bucket

    def _contents(
        self, disk: Disk, path: str, uri: str, files: list[File]
    ) -> Iterator[tuple[str, BinaryIO]]:
        prefix = split(uri)[1].rstrip("/")
        for file in files:
            key = "/".join(filter(None, (prefix, file.path)))
            if len(key.encode()) > _LONGEST_KEY:
                words = f"{path}/{file.path[:60]}… makes an S3 key of {len(key.encode())} bytes"
                self._note([Missing(f"{words}, {_LONGEST_KEY} may be")])
                continue
            self._check_time()
            try:
                with disk.open(f"{path}/{file.path}") as opened:
                    yield key, opened
            except LeftOut as error:
                self._note([error])
            except FileNotFoundError:
                continue  # the job has removed or renamed it since

    def archive(self, disks: list[Disk], path: str, uri: str, *, if_any: bool = False) -> None:
        """Pack a folder of all hosts, merged in their order, to one ``.tar.gz`` object.

        Links are followed: the archive holds files and folders, and can be unpacked anywhere. With
        ``if_any`` nothing is made of nothing.
        """
        merged: dict[str, Disk] = {}
        empty: set[str] = set()
        for disk in disks:
            found = disk.look(path)
            self._note(found.left_out)
            merged |= dict.fromkeys((file.path for file in found.files), disk)
            empty |= set(found.empty)
        if if_any and not merged:
            return
        with self._failing(uri), tempfile.TemporaryFile() as packed:
            bucket = self._bucket(uri)
            with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
                for name in sorted(merged.keys() | empty):
                    self._check_time()
                    if name in merged:
                        self._add(archive, merged[name], path, name)
                    else:
                        archive.addfile(_folder(name))
            packed.flush()
            self._store.put(bucket, [(split(uri)[1], packed)])

    @contextlib.contextmanager
    def _failing(self, uri: str, again: bool = False) -> Iterator[None]:
        """Take what fails in the block for the problem, and say it."""
        try:
            yield
        except (DataError, OSError) as error:
            why = _why(error) if isinstance(error, OSError) else str(error)
            problem = f"Data upload failed: {uri}: {why}."
            if problem not in self._said:
                self._said.add(problem)
                self._say(problem)
            if not again:
                self.problem = self.problem or problem

    def _add(self, archive: tarfile.TarFile, disk: Disk, path: str, name: str) -> None:
        try:
            with disk.open(f"{path}/{name}") as file:
                facts = os.fstat(file.fileno())
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime = facts.st_size, int(facts.st_mtime)
                entry.mode = stat.S_IMODE(facts.st_mode)
                archive.addfile(entry, file)
        except LeftOut as error:
            self._note([error])
        except FileNotFoundError:
            return

    def _note(self, left_out: list[LeftOut]) -> None:
        for one in left_out:
            if str(one) not in self._left_out:
                self._left_out[str(one)] = one
                self._say(f"Not copied to S3: {one}.")

    def missing(self) -> str:
        """Return why the job has failed, when content is missing in S3 that should be there."""
        found = [text for text, one in self._left_out.items() if isinstance(one, Missing)]
        if not found:
            return ""
        more = f" And {len(found) - 1} more: see the log." if len(found) > 1 else ""
        return (
            f"Data upload failed: {found[0]}, so it was not copied to S3. All else was.{more} "
            "Copy the file itself, or rename it."
        )

    def _check_time(self) -> None:
        if self._late():
            raise DataError("it took longer than the job may run")


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def _why(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some room, then start the job again"
    return os.strerror(error.errno) if error.errno else str(error)


class Watch:
    """Copies what is new in a folder to S3 while a job runs, and the rest at the end.

    A file that is still being written is left for the next time: it goes out when two looks in
    a row find it the same.
    """

    def __init__(self, upload: Upload, disk: Disk, path: str, uri: str) -> None:
        """Take what is in the folder ``path`` of a host now for known, and begin to watch it."""
        self._upload, self._disk, self._path, self._uri = upload, disk, path, uri
        self._copied = self._seen = self._look()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Copy what is left, and end."""
        self._ended.set()
        self._thread.join()
        self._copy(self._look())

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            now = self._look()
            same = {path: one for path, one in now.items() if self._seen.get(path) == one}
            self._copy(same, again=True)
            self._seen = now

    def _look(self) -> dict[str, File]:
        return {file.path: file for file in self._upload.look(self._disk, self._path)}

    def _copy(self, files: dict[str, File], again: bool = False) -> None:
        new = {path: file for path, file in files.items() if self._copied.get(path) != file}
        to = (self._disk, self._path, self._uri)
        if new and self._upload.files(*to, [*new.values()], again=again):
            self._copied = self._copied | new
