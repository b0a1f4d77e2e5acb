"""Files in S3 for Spark: a small server that speaks WebHDFS to Hadoop and S3 to AWS.

pyspark has no S3 client of its own, but one for WebHDFS. Each bucket is a folder here::

    s3a://BUCKET/KEY  ->  webhdfs://HOST:PORT/BUCKET/KEY     (fs.viewfs.mounttable.BUCKET)

Folders are, as in S3, the beginnings of keys; those that Hadoop makes and leaves empty are known
here alone, and nothing of them comes into the bucket.

The protocol: https://hadoop.apache.org/docs/r3.3.4/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
The client: ``org.apache.hadoop.hdfs.web.WebHdfsFileSystem``.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError

_PREFIX = "/webhdfs/v1/"
#: Files up to this size, in bytes, are held in memory while they are written.
_IN_MEMORY = 8 << 20


class Refusal(Exception):
    """An answer that Hadoop's client turns into a Java exception of that name."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        package = "java.io" if name in ("FileNotFoundException", "IOException") else _HADOOP[name]
        error = {"exception": name, "javaClassName": f"{package}.{name}", "message": message}
        self.status, self.body = status, {"RemoteException": error}


_HADOOP = {
    "FileAlreadyExistsException": "org.apache.hadoop.fs",
    "PathIsNotEmptyDirectoryException": "org.apache.hadoop.fs",
    "AccessControlException": "org.apache.hadoop.security",
    "UnsupportedOperationException": "java.lang",
}


class Files:
    """Buckets seen as folders of files. A path is ``BUCKET/KEY``, without a slash at its ends."""

    def __init__(self, s3) -> None:
        """``s3`` is boto3's client."""
        self._s3 = s3
        self._folders: set[str] = set()  # made, and perhaps empty
        self._lock = threading.Lock()

    def status(self, path: str) -> dict | None:
        """Return WebHDFS's FileStatus of a path, None where nothing is."""
        bucket, _, key = path.partition("/")
        with self._lock:
            if path in self._folders:
                return _folder("")
        if key:
            try:
                head = self._s3.head_object(Bucket=bucket, Key=key)
                return _file("", head["ContentLength"], head["LastModified"])
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise  # not allowed, for example
        is_there = self._first(bucket, f"{key}/") if key else self._has(bucket)
        return _folder("") if is_there else None

    def list(self, path: str) -> list[dict]:
        """Return the FileStatus of all that is in a folder, or of a file."""
        status = self.status(path)
        if status is None:
            raise Refusal(404, "FileNotFoundException", f"There is no s3://{path}.")
        if status["type"] == "FILE":
            return [status]
        bucket, _, key = path.partition("/")
        prefix = f"{key}/" if key else ""
        found = {}
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
            for one in page.get("CommonPrefixes", ()):
                name = one["Prefix"][len(prefix) : -1]
                found[name] = _folder(name)
            for one in page.get("Contents", ()):
                name = one["Key"][len(prefix) :]
                if name:  # not the object that stands for an empty folder
                    found[name] = _file(name, one["Size"], one["LastModified"])
        with self._lock:
            inside = [one[len(path) + 1 :] for one in self._folders if one.startswith(f"{path}/")]
        for name in inside:
            if "/" not in name:
                found.setdefault(name, _folder(name))
        return [found[name] for name in sorted(found)]

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        status = self.status(path)
        if status is None or status["type"] != "FILE":
            raise Refusal(404, "FileNotFoundException", f"There is no file s3://{path}.")
        return status["length"]

    def open(self, path: str, offset: int, length: int | None):
        """Return a stream of a file's bytes, and their number."""
        bucket, _, key = path.partition("/")
        size = self.size(path)
        end = size if length is None else min(offset + length, size)
        if offset >= end:
            return None, 0
        answer = self._s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{end - 1}")
        return answer["Body"], end - offset

    def may_create(self, path: str, overwrite: bool) -> None:
        """Refuse a file where something is."""
        status = self.status(path)
        if status and (status["type"] == "DIRECTORY" or not overwrite):
            raise Refusal(403, "FileAlreadyExistsException", f"s3://{path} exists.")

    def create(self, path: str, content) -> None:
        """Make or replace a file, from a file object."""
        bucket, _, key = path.partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=content)
        self.make_folder(path.rpartition("/")[0])

    def make_folder(self, path: str) -> None:
        """Make a folder, and those that it is in."""
        parts = path.split("/")
        with self._lock:
            self._folders.update("/".join(parts[:n]) for n in range(1, len(parts) + 1))

    def rename(self, source: str, target: str) -> bool:
        """Move a file, or a folder with all in it; into ``target`` where that is a folder."""
        status = self.status(source)
        there = self.status(target)
        if there and there["type"] == "DIRECTORY":
            target = f"{target}/{source.rpartition('/')[2]}"
            there = self.status(target)
        if status is None or there:
            return False
        from_bucket, _, _ = source.partition("/")
        to_bucket, _, to_key = target.partition("/")
        start = len(source)
        for path in self._below(source) if status["type"] == "DIRECTORY" else [source]:
            copied = {"Bucket": from_bucket, "Key": path.partition("/")[2]}
            self._s3.copy_object(Bucket=to_bucket, Key=to_key + path[start:], CopySource=copied)
        with self._lock:
            moved = [one for one in self._folders if f"{one}/".startswith(f"{source}/")]
        for one in moved:
            self.make_folder(target + one[start:])
        self.make_folder(target.rpartition("/")[0])
        self.delete(source, recursive=True)
        return True

    def delete(self, path: str, recursive: bool) -> bool:
        """Remove a file, or a folder with all in it."""
        bucket, _, key = path.partition("/")
        status = self.status(path)
        if status is None:
            return False
        if status["type"] == "FILE":
            self._s3.delete_object(Bucket=bucket, Key=key)
            return True
        if not recursive and self.list(path):
            message = f"s3://{path} is not empty."
            raise Refusal(403, "PathIsNotEmptyDirectoryException", message)
        keys = [one.partition("/")[2] for one in self._below(path)]
        for start in range(0, len(keys), 1000):  # DeleteObjects takes so many
            some = [{"Key": one} for one in keys[start : start + 1000]]
            self._s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        with self._lock:
            gone = {one for one in self._folders if f"{one}/".startswith(f"{path}/")}
            self._folders -= gone
        return True

    def _below(self, path: str) -> list[str]:
        bucket, _, key = path.partition("/")
        pages = self._s3.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=f"{key}/" if key else "")
        return [f"{bucket}/{one['Key']}" for page in found for one in page.get("Contents", ())]

    def _first(self, bucket: str, prefix: str) -> bool:
        try:
            answer = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except self._s3.exceptions.NoSuchBucket:
            return False
        return bool(answer.get("Contents"))

    def _has(self, bucket: str) -> bool:
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError:
            return False
        return True


def _folder(name: str) -> dict:
    return _status(name, "DIRECTORY", 0, 0, "755")


def _file(name: str, size: int, modified) -> dict:
    return _status(name, "FILE", size, int(modified.timestamp() * 1000), "644")


def _status(name: str, kind: str, size: int, modified: int, permission: str) -> dict:
    return {
        "pathSuffix": name,
        "type": kind,
        "length": size,
        "modificationTime": modified,
        "accessTime": modified,
        "blockSize": 32 << 20,  # as S3A counts it, fs.s3a.block.size
        "permission": permission,
        "owner": "root",
        "group": "root",
        "replication": 1 if kind == "FILE" else 0,
        "fileId": 0,
        "childrenNum": 0,
    }


def serve(s3, host: str) -> ThreadingHTTPServer:
    """Start the server at a free port of ``host``; ``server_port`` says which."""
    handler = type("_Handler", (_Requests,), {"files": Files(s3)})
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Requests(BaseHTTPRequestHandler):
    files: Files
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_) -> None:
        pass

    def _handle(self) -> None:
        url = urlsplit(self.path)
        given = {name.lower(): values[0] for name, values in parse_qs(url.query).items()}
        path = unquote(url.path).removeprefix(_PREFIX).strip("/")
        try:
            self._answer(given.get("op", "").upper(), path, given)
        except Refusal as refusal:
            self._json(refusal.body, refusal.status)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            denied = code in ("AccessDenied", "403", "Forbidden")
            name = "AccessControlException" if denied else "IOException"
            self._json(Refusal(403, name, f"s3://{path}: {error}").body, 403)
        except (BrokenPipeError, ConnectionResetError):  # it has read what it wanted
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = _handle

    def _answer(self, operation: str, path: str, given: dict[str, str]) -> None:
        files = self.files
        match operation:
            case "GETFILESTATUS":
                status = files.status(path)
                if status is None:
                    raise Refusal(404, "FileNotFoundException", f"There is no s3://{path}.")
                self._json({"FileStatus": status})
            case "LISTSTATUS":
                self._json({"FileStatuses": {"FileStatus": files.list(path)}})
            case "GET_BLOCK_LOCATIONS":
                self._json({"LocatedBlocks": _blocks(files.size(path))})
            case "OPEN" | "CREATE" if "data" not in given:
                # The client moves the content once it is told where.
                if operation == "CREATE":
                    files.may_create(path, given.get("overwrite") == "true")
                self.send_response(307)
                self.send_header("Location", f"http://{self.headers['Host']}{self.path}&data=true")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "OPEN":
                length = int(given["length"]) if "length" in given else None
                self._send(*files.open(path, int(given.get("offset", 0)), length))
            case "CREATE":
                with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
                    self._receive(content)
                    content.seek(0)
                    files.create(path, content)
                self._json(None, 201)
            case "MKDIRS":
                files.make_folder(path)
                self._json({"boolean": True})
            case "RENAME":
                target = given["destination"].strip("/")
                self._json({"boolean": files.rename(path, target)})
            case "DELETE":
                done = files.delete(path, given.get("recursive") == "true")
                self._json({"boolean": done})
            case "GETHOMEDIRECTORY":
                self._json({"Path": "/"})
            case "SETPERMISSION" | "SETOWNER" | "SETTIMES" | "CHECKACCESS":
                self._json(None)
            case _:
                message = f"{operation} of s3://{path}: files in S3 have no such operation."
                raise Refusal(400, "UnsupportedOperationException", message)

    def _json(self, content: dict | None, status: int = 200) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _send(self, stream, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if stream:
            with contextlib.closing(stream):
                shutil.copyfileobj(stream, self.wfile, 1 << 16)
        self.wfile.flush()

    def _receive(self, target) -> None:
        """Write the request's body to ``target``: in chunks, as Java sends it, or with a length."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            target.write(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            target.write(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass


def _blocks(size: int) -> dict:
    """Return the LocatedBlocks of a file: one, that is nowhere nearer than elsewhere."""
    block = {"blockPoolId": "s3", "blockId": 0, "numBytes": size, "generationStamp": 0}
    located = {
        "block": block,
        "startOffset": 0,
        "isCorrupt": False,
        "locations": [],
        "cachedLocations": [],
        "storageTypes": [],
    }
    return {
        "fileLength": size,
        "isUnderConstruction": False,
        "isLastBlockComplete": True,
        "locatedBlocks": [located] if size else [],
    }
