"""What programs have changed in the emulated account beside S3's objects and SageMaker: roles,
repositories, log groups, metrics, the settings of buckets. moto keeps all that in memory.

Each request that changed something is kept with its moment and its source of random numbers, and
sent again when a server starts: so names, IDs, keys and times are what they were.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import io
import json
import random
import re
import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import moto.core.utils
from moto.moto_api._internal import mock_random

#: Operations that change nothing, by the beginning of their names.
_READS = re.compile(
    r"(Get|List|Describe|Filter|Test|BatchGet|BatchCheck|Simulate|Generate|StartQuery|StopQuery)"
    r"(?!SessionToken|FederationToken)"  # STS makes keys there
)


class _Now(threading.local):
    """The moment and the random numbers of the request that this thread answers."""

    moment: float | None = None
    draws: random.Random | None = None


_now = _Now()


def utcnow() -> datetime.datetime:
    """Return the time of the request that is answered, without a time zone as moto has it."""
    moment = time.time() if _now.moment is None else _now.moment
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).replace(tzinfo=None)


def _take_over() -> None:
    """Have moto ask here for time and random numbers, also where it has the names already."""
    usual = moto.core.utils.utcnow
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is usual:
            module.utcnow = utcnow
    for name in ("random", "getrandbits"):
        setattr(mock_random, name, _drawn(name, getattr(mock_random, name)))


def _drawn(name: str, usual: Callable) -> Callable:
    return lambda *bits: (getattr(_now.draws, name) if _now.draws else usual)(*bits)


class Journal:
    """The requests that an account was changed by, in an SQLite database in ``folder``."""

    def __init__(self, folder: Path) -> None:
        """Open it, with moto's models imported. Raises sqlite3.DatabaseError when it is damaged."""
        _take_over()
        self._database = sqlite3.connect(folder / "requests.sqlite", check_same_thread=False)
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS requests (
                id INTEGER PRIMARY KEY, service TEXT, subject TEXT, setting TEXT,
                moment REAL, seed TEXT, request TEXT);
            """
        )
        check_database(self._database)
        self._lock = threading.RLock()

    def answer(self, service: str, environment: dict, send: Callable[[dict], object]):
        """Have moto answer a request, and keep it when it has changed something.

        ``environment`` is the request as WSGI has it, ``send`` returns a response with a
        ``status_code``.
        """
        changes = _changes(service, environment)
        if changes is None:
            return send(environment)
        what = (service, *changes)
        moment, seed = time.time(), secrets.token_hex(16)
        row = (*what, moment, seed, json.dumps(_kept(environment)))
        done = False
        with self._lock:
            with self._database:  # before anything is done: on a full disk nothing is
                insert = "INSERT INTO requests VALUES (NULL, ?, ?, ?, ?, ?, ?)"
                number = self._database.execute(insert, row).lastrowid
            try:
                with at(moment, seed):
                    response = send(environment)
                done = 200 <= response.status_code < 300
            finally:
                with contextlib.suppress(sqlite3.OperationalError), self._database:
                    self._settle(number, what, environment["REQUEST_METHOD"], done)
        return response

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def replay(self, send: Callable[[dict], object]) -> None:
        """Send all that was kept, in its order."""
        rows = self._database.execute(
            "SELECT id, service, moment, seed, request FROM requests ORDER BY id"
        ).fetchall()
        for number, service, moment, seed, text in rows:
            try:
                with at(moment, seed):
                    request = json.loads(text)
                    content = base64.b64decode(request["body"])
                    send(wsgi(service, request["environment"], content))
            except Exception as error:  # of another version of moto
                print(f"request {number} cannot be sent again: {error!r}", file=sys.stderr)

    def _settle(self, number: int, what: tuple[str, str, str], method: str, done: bool) -> None:
        """Remove what need not be sent again: a request that failed, and older ones like it.

        Of each setting of a bucket the last one counts, and nothing of a bucket that is gone.
        """
        service, subject, setting = what
        run = self._database.execute
        older = "FROM requests WHERE service = 's3' AND subject = ? AND id < ?"
        if done and service != "s3":
            return
        if done and method == "DELETE" and not setting:
            run(f"DELETE {older}", [subject, number])
        elif done:
            like_it = [subject, number, setting]
            made = run(f"SELECT 1 {older} AND setting = ?", like_it).fetchone()
            if made and not setting:
                done = False  # a bucket that is made once more stays as it is
            else:
                run(f"DELETE {older} AND setting = ?", like_it)
        if not done or method == "DELETE":
            run("DELETE FROM requests WHERE id = ?", [number])


@contextlib.contextmanager
def at(moment: float, seed: str) -> Iterator[None]:
    """Have moto take ``moment`` (seconds since the epoch) for now, and draw from ``seed``."""
    _now.moment, _now.draws = moment, random.Random(seed)
    try:
        yield
    finally:
        _now.moment = _now.draws = None


def _changes(service: str, environment: dict) -> tuple[str, str] | None:
    """Return what a request may change: a bucket and its setting, or two empty texts; else None."""
    method = environment["REQUEST_METHOD"]
    if service == "s3":
        bucket, _, key = environment["PATH_INFO"].lstrip("/").partition("/")
        if method not in ("PUT", "DELETE") or not bucket or key:
            return None
        query = parse_qsl(environment.get("QUERY_STRING", ""), keep_blank_values=True)
        names = (f"{name}={text}" for name, text in query if not name.startswith("X-Amz-"))
        return bucket, "&".join(sorted(names))
    name = operation(environment)
    if service == "sqs" and "Message" in name:
        # Messages end with the server. Whoever waits for one must not hold up the others.
        return None
    return None if _READS.match(name) else ("", "")


def operation(environment: dict) -> str:
    """Return the name of the operation that a request asks for, "" where it does not say.

    It stands in a header (JSON), in the path (CBOR) or in the body (query), which stays to be read.
    https://smithy.io/2.0/aws/protocols/index.html
    """
    target = environment.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2]
    if "HTTP_SMITHY_PROTOCOL" in environment:
        return environment["PATH_INFO"].rpartition("/")[2]
    form = dict(parse_qsl(body(environment).decode(errors="replace")))
    return form.get("Action", "")


def body(environment: dict) -> bytes:
    """Return the body of a request, which stays to be read."""
    content = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
    put_body(environment, content)
    return content


def put_body(environment: dict, content: bytes) -> None:
    """Give a request another body."""
    environment |= {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}


def wsgi(service: str, members: dict, content: bytes) -> dict:
    """Return a request of ours to moto, as WSGI has it."""
    environment = {
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "QUERY_STRING": "",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "workshop.service": service,
        **members,
    }
    put_body(environment, content)
    return environment


def check_database(database: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError where a database is damaged."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _kept(environment: dict) -> dict:
    names = re.compile(
        "REQUEST_METHOD|PATH_INFO|QUERY_STRING|CONTENT_TYPE|"
        "HTTP_(AUTHORIZATION|CONTENT_ENCODING|CONTENT_MD5|X_AMZ_.*|SMITHY.*)"
    )
    kept = {name: text for name, text in environment.items() if names.fullmatch(name)}
    return {"environment": kept, "body": base64.b64encode(body(environment)).decode()}
