"""The emulated AWS as a WSGI application: who may ask, and who answers.

SageMaker's API is ours (``sagemaker_api``), the other services are moto's. S3 is written to disk
before a write is answered.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import re
import sqlite3
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from moto.moto_server import werkzeug_app
from werkzeug.wrappers import Response

from workshop.emulator import keys, state
from workshop.emulator.containers import contract
from workshop.emulator.errors import ApiError, WorkshopError
from workshop.emulator.service.journal import Journal, at, body, operation, put_body, wsgi
from workshop.emulator.service.sagemaker import operations, runtime, training
from workshop.emulator.service.sagemaker.api import SageMakerApi
from workshop.emulator.service.sagemaker.operation import Caller
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.storage.s3 import S3Store
from workshop.emulator.settings import ACCOUNT, INTERRUPT, LOCAL, NEWS, REGION, ROLE, STATUS, advice

#: The header with the token (``keys.Keys``), which the hook adds to each request.
_TOKEN = "HTTP_X_WORKSHOP_TOKEN"

#: Services that speak XML to paths.
_XML = ("s3", "cloudfront", "route53")
_JSON_1_1 = "application/x-amz-json-1.1"

#: Key, region and service in a signature: ``KEY/20261120/us-east-2/logs/aws4_request``.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
_CREDENTIAL = re.compile(r"([^/,\s=]+)/\d{8}/([a-z0-9-]+)/([a-zA-Z0-9-]+)/aws4_request")
#: Version 2, which S3 takes too: ``AWS KEY:SIGNATURE``.
_VERSION_2 = re.compile(r"AWS ([^:\s]+):")
#: S3 stays out: a bucket of another region must say so (CreateBucket, LocationConstraint).
_SIGNED_REGION = re.compile(r"(?<=/\d{8}/)[a-z0-9-]+(?=/(?!s3/))")

#: The longest key of an object, and the largest that is put at once, in bytes.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY, _LARGEST_OBJECT = 1024, 5 << 30

_Kept = TypeVar("_Kept")


class Refused(Exception):
    """A request that is answered with an error of AWS's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Application:
    """Answers all requests. One object serves many threads."""

    def __init__(self, endpoint: str, secrets: keys.Keys) -> None:
        """Load what earlier servers kept. ``endpoint`` is this one's URL.

        What cannot be read is set aside.
        """
        self._keys, self._endpoint = secrets, endpoint
        port = endpoint.rpartition(":")[2]
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        werkzeug_app.RegexConverter = _any_character(werkzeug_app.RegexConverter)
        self._moto = {
            service: werkzeug_app.create_backend_app(name)
            for service, (name, _) in operations.SERVICES.items()
        }
        self.used = time.monotonic()  # when somebody last asked
        self._journal = _opened(state.folder("account"), Journal)
        with at(keys.file().stat().st_mtime, secrets.access_key):  # the same one each time
            _make_role(secrets)
        self._store = _opened(state.folder("s3"), lambda folder: S3Store(folder, ACCOUNT))
        self._journal.replay(self._send)
        for bucket, region in self._store.buckets_of_format_1():
            self._journal.answer("s3", _new_bucket(bucket, region), self._send)
        self._store.load()
        settings = contract.aws_settings(endpoint, REGION) | {
            "AWS_ACCESS_KEY_ID": secrets.access_key,
            "AWS_SECRET_ACCESS_KEY": secrets.secret_key,
            "WORKSHOP_TOKEN": secrets.token,
        }
        self.account = Account(ACCOUNT, REGION, operations.KINDS, self._store, settings)
        self._sagemaker = SageMakerApi(self.account)

    def __call__(self, environment: dict, start_response: Callable):
        """Answer a request. What goes wrong in here is an error of AWS's form, and a log line."""
        service = "s3"
        try:
            access_key, service = _signed(environment)
            response = self._answer(environment, access_key, service)
        except Refused as error:
            response = failure(environment, service, error.status, error.code, error.message)
        except NotImplementedError:  # moto's
            words = "A header or a path that you gave implies functionality that is not implemented"
            response = failure(environment, service, 501, "NotImplemented", words)
        except Exception as error:
            traceback.print_exc()
            full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)
            response = _broken(environment, service, "The disk is full." if full else "")
        is_page = response.mimetype == "text/html" and b"<html" in response.get_data()[:200].lower()
        if response.status_code >= 400 and is_page:
            # Flask's page for a path or a method that moto does not know.
            status, words = response.status_code, f"There is no such operation: {response.status}."
            response = failure(environment, service, status, "InvalidRequest", words)
        for name, _ in list(response.headers):
            if name.lower().startswith("access-control-"):
                del response.headers[name]  # no page of a browser may read an answer
        return response(environment, start_response)

    def close(self) -> None:
        """End the jobs that run, and close what is kept. No request is answered any more."""
        self.account.close()
        self._journal.close()
        self._store.close()

    # --- who may ask --------------------------------------------------------------------------

    def _answer(self, environment: dict, access_key: str, service: str) -> Response:
        if environment.get("HTTP_HOST") not in self._hosts:
            raise Refused(403, "AccessDenied", f"The emulated AWS is {self._endpoint}.")
        token = environment.get(_TOKEN, "")
        has_token = hmac.compare_digest(token.encode(), self._keys.token.encode())
        path = environment["PATH_INFO"]
        if path.startswith("/_workshop/"):
            if not has_token:
                raise Refused(403, "AccessDenied", "Access Denied")
            return self._own(environment, path)
        if not has_token:
            self._check(access_key, environment, service)
        self.used = time.monotonic()
        if not access_key:  # an unsigned client, as for AWS's public buckets
            scope = f"{self._keys.access_key}/20200101/{REGION}/{service}/aws4_request"
            environment["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={scope}"
        if service not in {*operations.SERVICES, "sagemaker"}:
            raise Refused(
                400, "UnsupportedOperation", _not_played(f"The service {service!r}", service)
            )
        if service != "s3" and environment["REQUEST_METHOD"] not in ("POST", "PUT"):
            raise Refused(405, "MethodNotAllowed", "Requests to this service are POST requests.")
        # Whatever region a client is in, it finds the same jobs, logs, metrics and experiments.
        signature = environment.get("HTTP_AUTHORIZATION", "")
        signed = _SIGNED_REGION.search(signature)
        region = signed[0] if signed else REGION
        environment["HTTP_AUTHORIZATION"] = _SIGNED_REGION.sub(REGION, signature)
        if service == "sagemaker":
            return self._of_sagemaker(environment, path, region)
        if service == "s3":
            return self._of_s3(environment, path)
        name = operation(environment)
        if name in operations.CONSTANT:
            raise Refused(400, "UnsupportedOperation", _not_played(name, name))
        if name == "FilterLogEvents":
            from workshop.emulator.service.sagemaker.logs import with_stream_names

            put_body(environment, with_stream_names(body(environment), ACCOUNT, REGION))
        return self._journal.answer(service, environment, self._send)

    def _check(self, access_key: str, environment: dict, service: str) -> None:
        """Raise Refused for a key that is none of this account's, with AWS's own words.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html
        https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        """
        if access_key and (
            hmac.compare_digest(access_key.encode(), self._keys.access_key.encode())
            or _issued(access_key)
        ):
            return
        ours = f"This is the workshop's emulated AWS: {advice('keys')}"
        if service == "s3" and access_key:
            words = "The AWS Access Key Id you provided does not exist in our records."
            raise Refused(403, "InvalidAccessKeyId", f"{words}\n{ours}")
        if service == "s3":
            raise Refused(403, "AccessDenied", "Access Denied")
        if not access_key:
            raise Refused(403, "MissingAuthenticationToken", "Missing Authentication Token")
        words = f"The security token included in the request is invalid.\n{ours}"
        if _protocol(environment, service) == "query":
            raise Refused(403, "InvalidClientTokenId", words)
        raise Refused(400, "UnrecognizedClientException", words)

    # --- who answers --------------------------------------------------------------------------

    def _own(self, environment: dict, path: str) -> Response:
        """Answer those who have the token: ``client``."""
        if path == STATUS:
            about = {"endpoint": self._endpoint, "pid": os.getpid(), "state": str(state.folder())}
            return _json(200, about | {"notices": state.notices})
        if path == NEWS:  # while the SDK waits for a job
            asked = parse_qs(environment.get("QUERY_STRING", ""))
            try:
                after, seconds = int(asked["after"][0]), float(asked["seconds"][0])
            except (KeyError, ValueError):
                raise Refused(400, "ValidationException", "after and seconds are numbers") from None
            number = self.account.news.wait(after, max(0.0, min(seconds, 60.0)))
            return _json(200, {"number": number})
        if path.startswith(INTERRUPT):
            if environment["REQUEST_METHOD"] != "POST":
                raise Refused(405, "MethodNotAllowed", "This is a POST request.")
            try:
                training.interrupt(self.account, path.removeprefix(INTERRUPT))
                return _json(200, {"problem": ""})
            except WorkshopError as error:
                return _json(200, {"problem": str(error)})
        if path.removeprefix(LOCAL) in operations.PLAYED:
            if environment["REQUEST_METHOD"] != "POST":
                raise Refused(405, "MethodNotAllowed", "This is a POST request.")
            try:
                request = json.loads(body(environment))
            except (ValueError, RecursionError):
                raise Refused(400, "ValidationException", "The body is JSON.") from None
            warnings = operations.local_warnings(path.removeprefix(LOCAL), request)
            return _json(200, {"warnings": warnings})
        raise Refused(404, "NotFound", path)

    def _of_sagemaker(self, environment: dict, path: str, region: str) -> Response:
        target = environment.get("HTTP_X_AMZ_TARGET", "")
        name = target.removeprefix("SageMaker.") if path == "/" else _runtime_operation(path)
        if name == "InvokeEndpoint" and path != "/":
            return self._of_runtime(name, environment, path, region)
        directory = unquote(environment.get("HTTP_X_WORKSHOP_DIRECTORY", ""))
        status, answer, notes = self._sagemaker.answer(name, body(environment), region, directory)
        response = _json(status, answer)
        if "__type" in answer:
            response.headers["x-amzn-errortype"] = answer["__type"]
        if notes:  # for the hook, which shows them
            response.headers["x-workshop-notes"] = quote(json.dumps(notes))
        return response

    def _of_runtime(self, name: str, environment: dict, path: str, region: str) -> Response:
        try:
            request = runtime.request_of(name, environment, path, body(environment))
            answer = self._sagemaker.call(name, request, Caller(region, ""))
            return runtime.response_of(name, answer)
        except ApiError as error:
            return runtime.failure_of(error)

    def _of_s3(self, environment: dict, path: str) -> Response:
        try:
            bucket, _, key = path.encode("latin-1").decode().lstrip("/").partition("/")
        except UnicodeDecodeError:
            raise Refused(400, "InvalidURI", "The key of an object is UTF-8.") from None
        if len(key.encode()) > _LONGEST_KEY:
            words = (
                f"Your key is too long: it has {len(key.encode())} bytes, {_LONGEST_KEY} may be."
            )
            raise Refused(400, "KeyTooLongError", words)
        if int(environment.get("CONTENT_LENGTH") or 0) > _LARGEST_OBJECT:
            words = "Your proposed upload exceeds the maximum allowed object size"
            raise Refused(400, "EntityTooLarge", words)
        response = self._journal.answer("s3", environment, self._send)
        if environment["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
            part = "uploadId=" in environment.get("QUERY_STRING", "")
            self._store.save(bucket, "" if part else key)
        if response.status_code == 404 and bucket and not self._store.has_bucket(bucket):
            words = (
                f"The specified bucket does not exist. The emulated S3 holds only what was put "
                f"there, and there is no bucket {bucket!r}: get the data from where it comes from, "
                "and upload it to a bucket of your own."
            )
            if environment["REQUEST_METHOD"] == "HEAD":
                response.headers["x-workshop-message"] = quote(words)  # for the hook: no body
            else:
                return failure(environment, "s3", 404, "NoSuchBucket", words)
        return response

    def _send(self, environment: dict) -> Response:
        """Have moto answer. A response that is whole, so that nothing fails after this."""
        service = environment.get("workshop.service") or _signed(environment)[1]
        return Response.from_app(self._moto[service], environment, buffered=True)


# --- what a request says of itself ------------------------------------------------------------


def _signed(environment: dict) -> tuple[str, str]:
    """Return the access key in the signature, "" where there is none, and the service."""
    header = environment.get("HTTP_AUTHORIZATION", "")
    query = parse_qs(environment.get("QUERY_STRING", ""))
    for text in (header, *query.get("X-Amz-Credential", ())):
        found = _CREDENTIAL.search(text)
        if found:
            return found[1], found[3]
    version_2 = _VERSION_2.match(header)
    if version_2:
        return version_2[1], "s3"
    if "AWSAccessKeyId" in query:
        return query["AWSAccessKeyId"][0], "s3"
    target = environment.get("HTTP_X_AMZ_TARGET", "")
    for prefix, service in (
        ("SageMaker.", "sagemaker"),
        ("Logs_", "logs"),
        ("AmazonEC2Con", "ecr"),
    ):
        if target.startswith(prefix):
            return "", service
    if target or "HTTP_SMITHY_PROTOCOL" in environment:
        return "", target.partition(".")[0] or "monitoring"
    # https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
    is_query = _protocol(environment, "") == "query" and operation(environment)
    return "", "sts" if is_query else "s3"


def _protocol(environment: dict, service: str) -> str:
    """Return how the client reads an error (https://smithy.io/2.0/aws/protocols/index.html)."""
    if "HTTP_SMITHY_PROTOCOL" in environment:
        return "cbor"
    if environment.get("HTTP_X_AMZ_TARGET"):
        return "json"
    if environment.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return "xml" if service in _XML else "json"


def _runtime_operation(path: str) -> str:
    """Return the operation of SageMaker's other endpoints, which have paths, by the path."""
    if path == "/BatchPutMetrics":
        return "BatchPutMetrics"
    if path.startswith("/endpoints/"):
        kinds = {"async-invocations": "Async", "invocations-response-stream": "WithResponseStream"}
        return f"InvokeEndpoint{kinds.get(path.rpartition('/')[2], '')}"
    return path.strip("/").partition("/")[0] or "?"


def _issued(access_key: str) -> bool:
    """Tell whether the account itself gave this key away (AssumeRole, CreateAccessKey)."""
    from moto.iam.models import iam_backends

    return any(access_key in account["aws"].access_keys for account in list(iam_backends.values()))


# --- answers ----------------------------------------------------------------------------------


def failure(environment: dict, service: str, status: int, code: str, message: str) -> Response:
    """Return an error as the clients of ``service`` read it."""
    if environment["REQUEST_METHOD"] == "HEAD":
        return Response(status=status)
    protocol = _protocol(environment, service)
    if protocol == "cbor":
        content = b"\xa2" + b"".join(map(_cbor, ("__type", code, "message", message)))
        headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
        return Response(content, status, headers)
    if protocol == "json":
        response = _json(status, {"__type": code, "message": message})
        response.headers["x-amzn-errortype"] = code
        return response
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "query":
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
    else:
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}</Error>'
    return Response(text, status, content_type="application/xml")


def _cbor(text: str) -> bytes:
    """Encode a text (https://www.rfc-editor.org/rfc/rfc8949.html, major type 3)."""
    content = text.encode()
    return b"\x79" + len(content).to_bytes(2, "big") + content


def _json(status: int, content: dict) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, content_type=_JSON_1_1)


def _broken(environment: dict, service: str, why: str = "") -> Response:
    code = "InternalError" if service == "s3" else "InternalFailure"
    words = f"The emulated AWS failed to answer this. {why or 'Its log says why: server.log.'}"
    return failure(environment, service, 500, code, words)


def _not_played(what: str, name: str) -> str:
    has = ", ".join(title for _, title in operations.SERVICES.values())
    return (
        f"{what} is not played by the workshop's emulator. It has SageMaker's jobs, and {has}. "
        f"Instead: {operations.instead(name)}."
    )


# --- the account ------------------------------------------------------------------------------


def _any_character(converter: type) -> type:
    """Return the class with which moto tells bucket and key in a path, for keys with line ends."""

    class AnyCharacter(converter):
        def __init__(self, url_map: object, *patterns: str) -> None:
            super().__init__(url_map, *patterns)
            self.regex = f"(?s:{self.regex})"

    return AnyCharacter


def _opened(folder: Path, open_: Callable[[Path], _Kept]) -> _Kept:
    """Open what is kept in a folder; set it aside where it is damaged, and begin anew."""
    try:
        return open_(folder)
    except sqlite3.DatabaseError as error:
        state.set_aside(folder, str(error))
        folder.mkdir()
        return open_(folder)


def _make_role(secrets: keys.Keys) -> None:
    """Make the learner's role, and keys that `get_caller_identity` knows as that role's."""
    from moto.iam.models import AccessKey, iam_backends
    from moto.sts.models import AssumedRole, sts_backends

    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam_backends[ACCOUNT]["aws"].create_role(
        role_name=ROLE,
        assume_role_policy_document=json.dumps(trust),
        path="/service-role/",
        permissions_boundary=None,
        description="The execution role of the emulated account",
        tags=[],
        max_session_duration="3600",
    )
    key = AccessKey(user_name=None, prefix="ASIA", account_id=ACCOUNT)
    key.access_key_id, key.secret_access_key = secrets.access_key, secrets.secret_key
    sts_backends[ACCOUNT]["aws"].assumed_roles.append(
        AssumedRole(ACCOUNT, REGION, key, "SageMaker", role.arn, "", 3600, "")
    )


def _new_bucket(name: str, region: str) -> dict:
    """Return the request that makes a bucket."""
    content = b""
    if region != "us-east-1":
        where = f"<LocationConstraint>{region}</LocationConstraint>"
        content = f"<CreateBucketConfiguration>{where}</CreateBucketConfiguration>".encode()
    return wsgi("s3", {"REQUEST_METHOD": "PUT", "PATH_INFO": f"/{name}"}, content)
