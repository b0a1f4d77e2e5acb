"""What a job copies between the emulated S3 and the folders of its hosts."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
import threading
from pathlib import Path
from typing import Protocol

#: Seconds between two looks at a folder that is copied while its job runs.
_INTERVAL = 0.5


class DataError(Exception):
    """Data that a job asks for cannot be had. The message is fit for a FailureReason."""


class Store(Protocol):
    """What of ``s3_store.S3Store`` is needed here."""

    def has_bucket(self, bucket: str) -> bool: ...
    def keys(self, bucket: str, prefix: str = "") -> list[str]: ...
    def file(self, bucket: str, key: str) -> Path: ...
    def put(self, bucket: str, contents: dict[str, Path | bytes]) -> None: ...


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

    ``kind`` is the input's S3DataType: ``S3Prefix`` takes every key that starts with the prefix,
    ``ManifestFile`` what a manifest lists. With ``sharded`` each object goes to one host alone
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html).

    Raises DataError when nothing is there.
    """
    wanted = _manifest(store, uri) if kind == "ManifestFile" else _below(store, uri)
    if not wanted:
        bucket, prefix = split(uri)
        exists = "The bucket exists" if store.has_bucket(bucket) else "There is no such bucket"
        raise DataError(
            f'Data download failed: No S3 objects found under S3 URL "{uri}" given in input data '
            f"source. {exists}; no key in it starts with {prefix!r}."
        )
    for number, (path, source) in enumerate(sorted(wanted.items())):
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


def _below(store: Store, uri: str) -> dict[str, Path]:
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
        found[key[start:].lstrip("/")] = store.file(bucket, key)
    return found


def _manifest(store: Store, uri: str) -> dict[str, Path]:
    """Return the objects that a manifest lists: ``[{"prefix": "s3://b/p/"}, "x.npy", …]``."""
    try:
        first, *names = json.loads(store.file(*split(uri)).read_text())
        bucket, prefix = split(first["prefix"])
        keys = {name: prefix + name for name in names}
    except (KeyError, ValueError, TypeError) as error:
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
    return {name: store.file(bucket, key) for name, key in keys.items()}


# --- out of the hosts -------------------------------------------------------------------------


def upload(store: Store, folder: Path, uri: str) -> None:
    """Copy all files below ``folder`` to S3 below ``uri``."""
    _put(store, uri, {path: folder / path for path in _signatures(folder)})


def pack(folders: list[Path]) -> bytes:
    """Return a ``.tar.gz`` of what is in the folders, merged in their order."""
    merged = {path: folder / path for folder in folders for path in _signatures(folder)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
        for path, source in sorted(merged.items()):
            archive.add(source, path)
    return packed.getvalue()


class Watch:
    """Copies what is new in a folder to S3 while a job runs, and the rest at the end.

    A file that is still being written is left for the next time: it goes out when two looks in
    a row find it the same.
    """

    def __init__(self, store: Store, folder: Path, uri: str) -> None:
        """Take what is in ``folder`` now for known, and begin to watch it."""
        self._store, self._folder, self._uri = store, folder, uri
        self._copied = self._seen = _signatures(folder)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Copy what is left, and end."""
        self._ended.set()
        self._thread.join()
        self._copy(_signatures(self._folder))

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            now = _signatures(self._folder)
            self._copy({path: one for path, one in now.items() if self._seen.get(path) == one})
            self._seen = now

    def _copy(self, signatures: dict[str, tuple]) -> None:
        new = {path: one for path, one in signatures.items() if self._copied.get(path) != one}
        _put(self._store, self._uri, {path: self._folder / path for path in new})
        self._copied = self._copied | new


def _put(store: Store, uri: str, files: dict[str, Path]) -> None:
    bucket, prefix = split(uri)
    if not store.has_bucket(bucket):
        raise DataError(f"Data upload failed: there is no bucket {bucket!r} (for {uri}).")
    contents = {}
    for path, source in files.items():
        try:
            contents["/".join(filter(None, (prefix.rstrip("/"), path)))] = source.read_bytes()
        except FileNotFoundError:
            continue  # the job has removed or renamed it since
    if contents:
        store.put(bucket, contents)


def _signatures(folder: Path) -> dict[str, tuple]:
    """Return size and time of each file below a folder, by its path there."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            try:
                facts = path.stat()
            except FileNotFoundError:  # removed just now, or a broken link
                continue
            found[path.relative_to(folder).as_posix()] = (facts.st_size, facts.st_mtime_ns)
    return found
