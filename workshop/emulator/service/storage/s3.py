"""The objects of the emulated S3, on disk, so that they outlive the server.

Each object's content is a file of its own; an SQLite database says which file is which version of
which object, and what else S3 knows of it. A file is complete before the database names it, and the
database is written before the request that made the object is answered: whatever was answered is
there after a crash. What a request costs does not depend on how many objects there are.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import itertools
import json
import os
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from moto.s3 import models, utils

from workshop.emulator import state
from workshop.emulator.service.journal import check_database, utcnow

#: The layout of the database.
_FORMAT = 2
_FILE = re.compile(r"[0-9a-f]{32}")
#: What of a version is kept as it is, beside what has a form of its own (``_facts``).
_ATTRIBUTES = (
    *("_storage_class", "encryption", "kms_key_id", "bucket_key_enabled"),
    *("lock_mode", "lock_legal_status", "lock_until", "_version_id", "_is_versioned"),
    *("checksum_algorithm", "checksum_value", "checksum_type", "checksum_parts"),
    "website_redirect_location",
)


class S3Store:
    """Keeps the objects of moto's S3 backend of one account in ``folder``."""

    def __init__(self, folder: Path, account: str) -> None:
        """Have moto keep contents there. Raises sqlite3.DatabaseError when it is damaged."""
        self._backend = models.s3_backends[account]["aws"]
        self._account = account
        self._contents = folder / "objects"
        self._contents.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "index.sqlite", check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        check_database(self._database)
        self._prepare()
        models.FakeKey = _stored_key(self._contents)
        models.FakeBucket = _Bucket

    def _prepare(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > _FORMAT:
            raise sqlite3.DatabaseError(f"it has format {version}, of a later workshop")
        with self._database:
            if version < _FORMAT:
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS versions (bucket TEXT, key TEXT, place INTEGER, "
                    "file TEXT, facts TEXT, PRIMARY KEY (bucket, key, place)) WITHOUT ROWID"
                )
            tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
            if "objects" in tables:  # format 1: one version of each object
                self._database.execute(
                    "INSERT OR IGNORE INTO versions SELECT bucket, key, 0, file, facts FROM objects"
                )
                self._database.execute("DROP TABLE objects")
            self._database.execute(f"PRAGMA user_version = {_FORMAT}")

    def load(self) -> None:
        """Give moto what is kept; the buckets are there, where the journal has them."""
        files: set[str] = set()
        unread = 0
        rows = self._database.execute("SELECT * FROM versions ORDER BY bucket, key, place")
        versions: dict[tuple[str, str], list] = {}
        for bucket, name, _, file, text in rows:
            try:
                version = self._version(bucket, name, file, json.loads(text))
                versions.setdefault((bucket, name), []).append(version)
                files.add(file)
            except (ValueError, KeyError, TypeError, OSError) as error:
                unread += 1
                state.notices.append(f"s3://{bucket}/{name} cannot be read: {error!r}.")
        for (bucket, name), found in versions.items():
            dict.__setitem__(self._bucket(bucket).keys, name, _linked(found))
        for path in self._contents.iterdir() if not unread else ():
            if path.name not in files:  # of a request that was never answered
                path.unlink()

    def _bucket(self, name: str):
        if name not in self._backend.buckets:
            self._backend.create_bucket(name, "us-east-1")
        return self._backend.buckets[name]

    def buckets_of_format_1(self) -> list[tuple[str, str]]:
        """Return the buckets, with their regions, that an older version kept here, once."""
        try:
            with self._database:
                found = self._database.execute("SELECT name, region FROM buckets").fetchall()
                self._database.execute("DROP TABLE buckets")
        except sqlite3.OperationalError:  # there is no such table
            return []
        return found

    def _version(self, bucket: str, name: str, file: str | None, facts: dict):
        """Return moto's object for a kept version. ``file`` is None for a mark of removal."""
        modified = datetime.datetime.fromisoformat(facts["last_modified"])
        if file is None:
            marker = models.FakeDeleteMarker.__new__(models.FakeDeleteMarker)
            marker.key, marker.name, marker.last_modified = None, name, modified
            marker._version_id = facts["_version_id"]
            return marker
        if not _FILE.fullmatch(file):
            raise ValueError(f"{file!r} is no file of an object")
        key = models.FakeKey(
            name, self._contents / file, self._account, self._backend.region_name,
            bucket_name=bucket, version_id="null",
        )  # fmt: skip
        key._etag, key.last_modified = facts["etag"], modified
        key._metadata.update(facts["metadata"])
        for attribute in _ATTRIBUTES:
            if attribute in facts:
                setattr(key, attribute, facts[attribute])
        if "expiry" in facts:
            key._expiry = datetime.datetime.fromisoformat(facts["expiry"])
            key.status = facts["restore"]
        if "acl" in facts:
            key.acl = _acl(facts["acl"])
        tags = [{"Key": name, "Value": value} for name, value in facts.get("tags", {}).items()]
        if tags:
            self._backend.tagger.tag_resource(key.arn, tags)
        return key

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- writing ------------------------------------------------------------------------------

    def save(self, bucket: str = "", key: str = "") -> None:
        """Write down what has changed since the last time, and the object ``key`` anyway.

        Where that cannot be done (a full disk), these objects are again what they were before.
        """
        with self._lock:
            changed: set[tuple[str, str]] = {(bucket, key)} if key else set()
            for name, held in list(self._backend.buckets.items()):
                touched, held.keys.touched = held.keys.touched, set()
                changed |= {(name, one) for one in touched}
            gone: set[str] = set()
            try:
                with self._database:
                    for name, one in changed:
                        gone |= self._write(name, one)
            except BaseException:
                for name, one in changed:
                    gone |= self._restore(name, one)
                raise
            finally:
                for file in gone:
                    (self._contents / file).unlink(missing_ok=True)

    def _write(self, bucket: str, key: str) -> set[str]:
        """Write down the versions of an object; return the files that none of them has."""
        held = self._backend.buckets.get(bucket)
        rows = []
        for place, version in enumerate(held.keys.getlist(key, []) if held else ()):
            marker = isinstance(version, models.FakeDeleteMarker)
            facts = json.dumps(_removed(version) if marker else self._facts(version))
            rows.append((bucket, key, place, None if marker else version.file.name, facts))
        where = "FROM versions WHERE bucket = ? AND key = ?"
        before = self._database.execute(f"SELECT file {where}", [bucket, key]).fetchall()
        self._database.execute(f"DELETE {where}", [bucket, key])
        self._database.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", rows)
        # A database of somebody else's may name any file.
        ours = {file for (file,) in before if file and _FILE.fullmatch(file)}
        return ours - {row[3] for row in rows}

    def _restore(self, bucket: str, key: str) -> set[str]:
        """Give moto the versions of an object that are written down; return the other files."""
        held = self._backend.buckets.get(bucket)
        if held is None:
            return set()
        query = "SELECT file, facts FROM versions WHERE bucket = ? AND key = ? ORDER BY place"
        rows = self._database.execute(query, [bucket, key]).fetchall()
        versions = [self._version(bucket, key, file, json.loads(text)) for file, text in rows]
        now = {one.file.name for one in held.keys.getlist(key, []) if hasattr(one, "file")}
        if versions:
            dict.__setitem__(held.keys, key, _linked(versions))
        else:
            dict.pop(held.keys, key, None)
        return now - {file for file, _ in rows}

    def _facts(self, key) -> dict:
        facts = {name: getattr(key, name, None) for name in _ATTRIBUTES}
        facts = {name: value for name, value in facts.items() if value is not None}
        facts |= {
            "etag": key.etag.strip('"'),
            "metadata": dict(key._metadata),
            "last_modified": key.last_modified.isoformat(),
        }
        if key._expiry:
            facts |= {"expiry": key._expiry.isoformat(), "restore": key._status}
        tags = self._backend.tagger.get_tag_dict_for_resource(key.arn)
        if tags:
            facts["tags"] = tags
        if key.acl and repr(key.acl) != repr(models.get_canned_acl("private")):
            facts["acl"] = [
                [[[one.id, one.uri, one.display_name] for one in grant.grantees], grant.permissions]
                for grant in key.acl.grants
            ]
        return facts

    # --- for jobs -----------------------------------------------------------------------------

    def has_bucket(self, bucket: str) -> bool:
        """Tell whether there is such a bucket."""
        return bucket in self._backend.buckets

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys of a bucket's objects that start with ``prefix``, sorted."""
        held = self._backend.buckets.get(bucket)
        found = held.keys.items() if held else ()
        return sorted(
            name
            for name, key in found
            if name.startswith(prefix) and not isinstance(key, models.FakeDeleteMarker)
        )

    def file(self, bucket: str, key: str) -> Path:
        """Return the file with an object's content, to be read only. KeyError when missing."""
        return self._backend.buckets[bucket].keys[key].file

    def put(self, bucket: str, contents: Iterable[tuple[str, BinaryIO]]) -> None:
        """Make or replace objects: keys, and files to copy from. The bucket must exist."""
        try:
            for key, content in contents:
                file = self._contents / uuid.uuid4().hex
                try:
                    copy(content, file)
                except OSError:
                    file.unlink(missing_ok=True)
                    raise
                self._backend.put_object(bucket, key, file, disable_notification=True)
        finally:
            self.save()


def copy(source: BinaryIO, target: Path) -> None:
    """Copy what ``source`` holds now to a new file. Holes stay holes, where the system tells them.

    What is written to the source meanwhile is left out.
    """
    end = os.fstat(source.fileno()).st_size
    with open(target, "xb") as file:
        at = 0
        while at < end:
            start, stop = _data(source.fileno(), at, end)
            source.seek(start)
            file.seek(start)
            left = stop - start
            while left and (piece := source.read(min(left, 1 << 20))):
                file.write(piece)
                left -= len(piece)
            if left:  # it was cut short meanwhile
                break
            at = stop
        else:
            file.truncate(end)


def _data(descriptor: int, at: int, end: int) -> tuple[int, int]:
    """Return where the next data of a file begins and ends (lseek(2), SEEK_DATA)."""
    try:
        start = os.lseek(descriptor, at, os.SEEK_DATA)
        return min(start, end), min(os.lseek(descriptor, start, os.SEEK_HOLE), end)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) == 6:  # ENXIO: only a hole is left
            return end, end
        return at, end


def _linked(versions: list) -> list:
    """Tell each mark of a removal which version came before it."""
    for before, one in itertools.pairwise(versions):
        if isinstance(one, models.FakeDeleteMarker):
            one.key = before
    return versions


def _removed(marker) -> dict:
    return {"last_modified": marker.last_modified.isoformat(), "_version_id": marker.version_id}


def _acl(kept: list) -> models.FakeAcl:
    return models.FakeAcl(
        [
            models.FakeGrant([models.FakeGrantee(*grantee) for grantee in grantees], permissions)
            for grantees, permissions in kept
        ]
    )


class _Bucket(models.FakeBucket):
    """moto's bucket, whose creation has a moment that comes again, and whose keys are ours."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.creation_date = utcnow().replace(tzinfo=datetime.timezone.utc)
        self.keys = _Keys()


class _Keys(utils._VersionedKeyStore):
    """moto's objects of a bucket; ``touched`` are the keys that changed since they were saved."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: set[str] = set()

    def __setitem__(self, key: str, value: object) -> None:
        self.touched.add(key)
        super().__setitem__(key, value)

    def setlist(self, key: str, versions: list) -> None:
        self.touched.add(key)
        super().setlist(key, versions)

    def pop(self, key: str) -> None:
        self.touched.add(key)
        super().pop(key)


@functools.cache
def _stored_key(contents: Path) -> type:
    """Return moto's key class with its content in a file below ``contents``, not in memory."""

    class StoredKey(models.FakeKey):
        def __new__(cls, *_, **__):
            return object.__new__(cls)  # moto would keep each one for ever, to reset it

        @property
        def value(self) -> bytes:
            return self.file.read_bytes()

        @value.setter
        def value(self, content: bytes | str | Path) -> None:
            if isinstance(content, Path):  # there already
                self.file = content
            else:
                self.file = contents / uuid.uuid4().hex
                try:
                    self.file.write_bytes(content.encode() if isinstance(content, str) else content)
                except OSError:  # a full disk
                    self.file.unlink(missing_ok=True)
                    raise
            self.contentsize = self.file.stat().st_size

        def dispose(self, garbage: bool = False) -> None:
            super().dispose(garbage)
            if isinstance(self.name, int) and hasattr(self, "file"):  # a part of an upload
                self.file.unlink(missing_ok=True)

        @property
        def etag(self) -> str:
            if self._etag is None:
                with open(self.file, "rb") as file:
                    digest = hashlib.md5(usedforsecurity=False)
                    while piece := file.read(1 << 20):
                        digest.update(piece)
                self._etag = digest.hexdigest()
            return f'"{self._etag}"'

    return StoredKey
