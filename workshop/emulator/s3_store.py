"""What the emulated S3 holds, on disk, so that it outlives the server.

Each object's content is a file of its own; an SQLite database says which file is which object.
A file is complete before the database names it, and the database is written before the request
that made the object is answered: whatever was answered is there after a crash.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
import threading
import uuid
from pathlib import Path

from moto.s3 import models


class S3Store:
    """Keeps the buckets of moto's S3 backend of one account in ``folder``."""

    def __init__(self, folder: Path, account: str) -> None:
        """Fill moto's backend from ``folder``, and keep new objects there from now on."""
        self._backend = models.s3_backends[account]["aws"]
        self._account = account
        self._contents = folder / "objects"
        self._contents.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "index.sqlite", check_same_thread=False)
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, region TEXT);
            CREATE TABLE IF NOT EXISTS objects
                (bucket TEXT, key TEXT, file TEXT, facts TEXT, PRIMARY KEY (bucket, key));
            """
        )
        models.FakeKey = _stored_key(self._contents)
        self._load()

    def save(self, bucket: str) -> None:
        """Write down how ``bucket`` differs from what the disk holds. No such bucket is fine."""
        with self._lock, self._database:
            held = self._backend.buckets.get(bucket)
            known = dict(
                self._database.execute("SELECT key, file FROM objects WHERE bucket = ?", [bucket])
            )
            if held is None:
                self._database.execute("DELETE FROM buckets WHERE name = ?", [bucket])
            else:
                self._database.execute(
                    "INSERT OR IGNORE INTO buckets VALUES (?, ?)", [bucket, held.region_name]
                )
            objects = dict(held.keys.items()) if held else {}
            now = {
                name: key.file.name
                for name, key in objects.items()
                if isinstance(key, models.FakeKey)
            }
            for name in known.keys() - now.keys():
                self._database.execute(
                    "DELETE FROM objects WHERE bucket = ? AND key = ?", [bucket, name]
                )
            for name, file in now.items():
                if known.get(name) != file:
                    self._database.execute(
                        "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
                        [bucket, name, file, json.dumps(_facts(objects[name]))],
                    )
        for file in set(known.values()) - set(now.values()):
            (self._contents / file).unlink(missing_ok=True)

    def has_bucket(self, bucket: str) -> bool:
        """Tell whether there is such a bucket."""
        return bucket in self._backend.buckets

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys of a bucket's objects that start with ``prefix``, sorted."""
        held = self._backend.buckets.get(bucket)
        names = [name for name, _ in held.keys.items()] if held else []
        return sorted(name for name in names if name.startswith(prefix))

    def file(self, bucket: str, key: str) -> Path:
        """Return the file with an object's content, to be read only. KeyError when missing."""
        return self._backend.buckets[bucket].keys[key].file

    def put(self, bucket: str, contents: dict[str, Path | bytes]) -> None:
        """Make or replace objects: keys, and files to copy or bytes. The bucket must exist."""
        for key, content in contents.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            self._backend.put_object(bucket, key, data, disable_notification=True)
        self.save(bucket)

    def _load(self) -> None:
        for name, region in self._database.execute("SELECT name, region FROM buckets"):
            self._backend.create_bucket(name, region)
        files = set()
        for bucket, name, file, facts in self._database.execute("SELECT * FROM objects"):
            files.add(file)
            key = models.FakeKey(
                name, self._contents / file, self._account, self._backend.region_name,
                bucket_name=bucket, version_id="null",
            )  # fmt: skip
            facts = json.loads(facts)
            key._etag = facts["etag"]
            key._metadata.update(facts["metadata"])
            key.last_modified = datetime.datetime.fromisoformat(facts["last_modified"])
            self._backend.buckets[bucket].keys[name] = key
        for path in self._contents.iterdir():
            if path.name not in files:  # of a request that was never answered
                path.unlink()


def _facts(key) -> dict:
    return {
        "etag": key.etag.strip('"'),
        "metadata": dict(key._metadata),
        "last_modified": key.last_modified.isoformat(),
    }


def _stored_key(contents: Path) -> type:
    """Return moto's key class with its content in a file below ``contents``, not in memory."""

    class StoredKey(models.FakeKey):
        @property
        def value(self) -> bytes:
            return self.file.read_bytes()

        @value.setter
        def value(self, content: bytes | str | Path) -> None:
            if isinstance(content, Path):  # there since an earlier server
                self.file = content
            else:
                self.file = contents / uuid.uuid4().hex
                self.file.write_bytes(content.encode() if isinstance(content, str) else content)
            self.contentsize = self.file.stat().st_size

    return StoredKey
