"""Sends every AWS request of this process to the emulator, and lets none reach AWS.

Imported at the start of each Python that has ``WORKSHOP_ENDPOINT`` in its environment: a learner's,
and a job's. It must be quick and must not need the rest of the package, which a job does not see.

``AWS_ENDPOINT_URL`` alone is not enough: the SageMaker SDK names the endpoint of STS itself
(``sagemaker/session.py``, ``get_caller_identity_arn`` and ``account_id``), and would reach the
real AWS. botocore's ``before-send`` event sees the URL of every request, whoever made it. What
does not come through botocore (the SDK's telemetry, instance metadata) is refused a connection:
every Python library that opens one does it with the ``socket`` module.
"""

from __future__ import annotations

import functools
import http.client
import json
import logging
import os
import re
import socket
import sys
import time
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import wrapt

_AWS_HOST = re.compile(
    r"(.+\.)?(amazonaws\.com(\.cn)?|aws\.dev|api\.aws)\.?|169\.254\.\d+\.\d+|fd00:ec2::.+", re.I
)
#: What begins the X-Amz-Target of a request that starts jobs.
_STARTING = (b"SageMaker.Create", b"SageMaker.StartPipelineExecution")
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-]")


def _redirect(request, **_) -> None:
    """Point ``request`` (botocore's AWSPreparedRequest) at the emulator, unless it is local."""
    endpoint = urlsplit(os.environ["WORKSHOP_ENDPOINT"])
    url = urlsplit(request.url)
    if url.hostname not in ("127.0.0.1", "localhost", "::1"):
        bucket = _BUCKET_HOST.match(url.hostname or "")
        path = f"/{bucket['bucket']}{url.path}" if bucket else url.path
        request.url = urlunsplit((endpoint.scheme, endpoint.netloc, path, url.query, ""))
    elif url.netloc != endpoint.netloc:
        return
    request.headers["X-Workshop-Token"] = _token()
    if _bytes(request.headers.get("X-Amz-Target", b"")).startswith(_STARTING):
        # The emulator keeps it with the job, or with the jobs of the execution.
        request.headers["X-Workshop-Directory"] = quote(os.getcwd())


def _token() -> str:
    """Return what the emulator asks for of code that signs with keys of its own.

    A learner's process reads it anew each time: the start after all was removed changes it.
    """
    try:
        with open(os.environ["WORKSHOP_KEYS"]) as file:
            return json.load(file)["token"]
    except (KeyError, OSError, ValueError):
        return os.environ.get("WORKSHOP_TOKEN", "")  # in a job


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _refuse_aws() -> None:
    """Refuse to look up a name of AWS, and to connect to its addresses without a name."""

    def guarded(function, host_of):
        @functools.wraps(function)
        def call(*arguments, **options):
            host = host_of(*arguments, **options)
            if isinstance(host, str) and _AWS_HOST.fullmatch(host):
                raise ConnectionRefusedError(
                    f"{host} belongs to AWS. This process is connected to the emulator, and "
                    "nothing in it can reach AWS."
                )
            return function(*arguments, **options)

        return call

    socket.getaddrinfo = guarded(socket.getaddrinfo, lambda host="", *_, **__: host)
    for name in ("connect", "connect_ex"):
        function = getattr(socket.socket, name)
        # The address of a Unix socket is a path.
        setattr(socket.socket, name, guarded(function, lambda _, to: to[0] if len(to) > 1 else ""))


class _Profiles(dict):
    """The profiles of an AWS config file; a name that is not there stands for the default one."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> dict:
        return self.get("default", {})


def _take_any_profile(configloader) -> None:
    """Let code run that names a profile of somebody else's: all have the emulator's credentials.

    botocore raises ProfileNotFound otherwise (``botocore/session.py``, ``get_scoped_config``).
    """
    load = configloader.load_config

    def load_config(filename: str) -> dict:
        content = load(filename)
        return content | {"profiles": _Profiles(content["profiles"])}

    configloader.load_config = load_config


def _drop_telemetry(telemetry) -> None:
    """Leave the SDK's functions as they are, without the decorator that reports each call.

    A report would be refused anyway, and the decorator loses Ctrl-C: a ``return`` in its
    ``finally`` drops the KeyboardInterrupt, ``fit()`` returns as if all were well, and the next
    cell runs (``sagemaker/telemetry/telemetry_logging.py``, ``_telemetry_emitter``).
    """
    telemetry._telemetry_emitter = lambda *_, **__: lambda function: function


def _keep_tracebacks(rich_traceback) -> None:
    """Keep Python's and Jupyter's own tracebacks; the SDK would replace both with rich's.

    Those go to standard output, and a notebook that stops with one holds no error output, so
    papermill and nbval cannot say what went wrong (``sagemaker_core/main/utils.py``,
    ``enable_rich_logging``).
    """
    install = rich_traceback.install

    def install_for_others(**options):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return None if caller.startswith("sagemaker_core.") else install(**options)

    rich_traceback.install = install_for_others


class _Moment(float):
    """A time, whose distance to another moment counts a thousandfold."""

    def __sub__(self, other: float) -> float:
        distance = float(self) - float(other)
        return distance * 1000 if isinstance(other, _Moment) else distance


class _ClockOfNews:
    """Stands for the ``time`` module in ``sagemaker.session``, so that nobody waits for nothing.

    There, ``logs_for_processing_job`` first looks after 10 s (``logs_for_job`` after 5), then each
    30 s, and sleeps 10 s more at the end: a job of one second takes 10, one of eleven 50. Here a
    sleep ends when a job of the emulator has news (a line of output, another status), and each
    look at the logs is a look at the status. Times are real, so a ``timeout`` that is given holds.
    """

    _seen = 0  # the number of the last news

    def time(self) -> float:
        return _Moment(time.time())

    def sleep(self, seconds: float) -> None:
        endpoint = urlsplit(os.environ["WORKSHOP_ENDPOINT"])
        connection = http.client.HTTPConnection(endpoint.hostname, endpoint.port, timeout=30)
        began = time.monotonic()
        try:
            path = f"/_workshop/news?after={self._seen}&seconds={min(seconds, 2)}"
            connection.request("GET", path, headers={"X-Workshop-Token": _token()})
            self._seen = json.load(connection.getresponse())["number"]
        except (OSError, ValueError, KeyError):
            time.sleep(min(seconds, 1))
        finally:
            connection.close()
        # News come in crowds: one look for all that comes in a tenth of a second.
        time.sleep(max(0.0, min(seconds, 0.1) - (time.monotonic() - began)))

    def __getattr__(self, name: str):
        return getattr(time, name)


def _look_when_there_is_news(session) -> None:
    session.time = _ClockOfNews()


def _show_notes(http_response, **_) -> None:
    """Print what the emulator says of a request: members that have no effect here."""
    for note in json.loads(unquote(http_response.headers.get("x-workshop-notes", "[]"))):
        print(note, file=sys.stderr, flush=True)


def _explain(http_response, parsed, **_) -> None:
    """Give the error of a HEAD request, which has no body, the message of the emulator."""
    message = http_response.headers.get("x-workshop-message")
    if message and "Error" in parsed:
        parsed["Error"]["Message"] = unquote(message)


def _show_errors_short() -> None:
    """Show an error of a script short, when it comes: what that takes is imported then."""
    as_usual = sys.excepthook

    def show(kind, error, trace) -> None:
        from workshop.emulator.client import screen

        if not screen.show_in_terminal(kind, error, trace):
            as_usual(kind, error, trace)

    sys.excepthook = show


def _tells_more_than_a_page(record: logging.LogRecord) -> bool:
    """Tell whether a line of the SDK's log is more than the name of a page on all errors.

    (``sagemaker/session.py``, ``troubleshooting``)
    """
    return "troubleshooting guide for common errors" not in str(record.msg)


_installed = False


def install() -> None:
    """Take effect now, and in every botocore session made from now on. Safe to call again."""
    global _installed
    if _installed:
        return
    _installed = True
    wrapt.register_post_import_hook(_add_handlers, "botocore.handlers")
    _refuse_aws()
    telemetry = "sagemaker.telemetry.telemetry_logging"
    wrapt.register_post_import_hook(_drop_telemetry, telemetry)
    wrapt.register_post_import_hook(_keep_tracebacks, "rich.traceback")
    wrapt.register_post_import_hook(_look_when_there_is_news, "sagemaker.session")
    # Where the SDK was imported before: no traceback for each report that is refused.
    logging.getLogger(telemetry).setLevel(logging.CRITICAL)
    logging.getLogger("sagemaker").addFilter(_tells_more_than_a_page)
    # No note at every client on where it found the settings that we made.
    for name in ("sagemaker.config", "botocore.configprovider", "botocore.credentials"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if "WORKSHOP_RECORDS" in os.environ:
        restart = "workshop.emulator.client.daemon:watch"
        wrapt.register_post_import_hook(restart, "botocore.handlers")
        local_jobs = "workshop.emulator.client.local_jobs:watch"
        wrapt.register_post_import_hook(local_jobs, "sagemaker.local.local_session")
        artifacts = "workshop.emulator.client.local_jobs:leave_no_model_behind"
        wrapt.register_post_import_hook(artifacts, "sagemaker.local.utils")
        outputs = "workshop.emulator.client.outputs:watch"
        wrapt.register_post_import_hook(outputs, "sagemaker.processing")
        wrapt.register_post_import_hook(_take_any_profile, "botocore.configloader")
        serving = "workshop.emulator.client.local_serving:watch"
        wrapt.register_post_import_hook(serving, "sagemaker.local.local_session")
        waiting = "workshop.emulator.client.local_serving:wait_for_it"
        wrapt.register_post_import_hook(waiting, "sagemaker.local.entities")
        ending = "workshop.emulator.client.local_serving:end_quietly"
        wrapt.register_post_import_hook(ending, "sagemaker.local.image")
        _show_errors_short()


def _add_handlers(handlers) -> None:
    handlers.BUILTIN_HANDLERS += [
        ("before-send", _redirect),
        ("after-call.sagemaker", _show_notes),
        # Not HeadBucket's: the SDK compares its message (sagemaker/session.py,
        # general_bucket_check_if_user_has_permission).
        ("after-call.s3.HeadObject", _explain),
    ]


if "WORKSHOP_ENDPOINT" in os.environ:
    install()
