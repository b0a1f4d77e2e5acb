"""Tells an error of AWS, of the SDK or of a job in a few lines, from what Python has of it."""

from __future__ import annotations

import os
import re
import site
import sysconfig
import textwrap
import traceback
from dataclasses import dataclass

from botocore.exceptions import ClientError

from workshop.emulator.client import advice
from workshop.emulator.errors import WorkshopError

_OTHERS = ("sagemaker", "sagemaker_core", "botocore", "boto3", "s3transfer")
#: So wide is a line of the box.
_WIDTH = 100
#: What the SDK says of a failed job (``sagemaker/session.py``, ``_check_job_status``).
_FAILED = re.compile(
    r"Error for (?P<kind>[\w ]+?) job (?P<name>\S+): (?P<status>\w+)\.(?: Reason: (?P<reason>.*?))?"
    r"(?:\. Check troubleshooting guide for common errors: \S+)?",
    re.DOTALL,
)
_HOSTING = re.compile(
    r"Error hosting endpoint (?P<name>\S+): (?P<status>\w+)\. Reason: (?P<reason>.*?)"
    r"\. Try changing the instance type .*",
    re.DOTALL,
)
#: What the title tells already (``botocore/exceptions.py``, ``ClientError``).
_CALLING = re.compile(r"An error occurred \(\w+\) when calling the \w+ operation: ")
#: How the training toolkit tells the error of a script.
_TOOLKIT = re.compile(r'ErrorMessage "(.*)"\nCommand ', re.DOTALL)


@dataclass(frozen=True)
class Explained:
    """An error in a few lines."""

    title: str  # what failed
    where: str  # the file, the number of the line, and the line itself; "" when not known
    error: str
    step: str  # what to do next, or ""
    raised: str  # the learner's line that raised it, as in ``where``
    job_error: str  # all that the job's script said of its error, or ""

    def parts(self) -> list[list[str]]:
        """Return the box: its parts in the lines of a terminal, 11 at most."""
        step = f"Next: {self.step}" if self.step else ""
        parts = ((self.title, 2), (self.where, 2), (self.error, 3), (step, 4))
        return [_wrapped(part, most) for part, most in parts if part]

    def text(self) -> str:
        return "\n".join(line for part in self.parts() for line in part)


def remember(error: BaseException, kind: str, name: str, warnings: list[str]) -> str:
    """Note at an error of the SDK's local mode which job failed; return the job's own error.

    ``warnings`` are what AWS would refuse in the job: likely why it failed.

    The SDK raises ``RuntimeError: Failed to run: ['docker', 'compose', …]``
    (``sagemaker/local/image.py``, ``_stream_output``). The docker stand-in leaves the error of
    the last failed job of this process in a file; "" where a real Docker ran the job.
    """
    text = ""
    if is_new(error):
        try:
            file = f"{os.environ['WORKSHOP_FAILURES']}/{os.getpid()}"
            with open(file, errors="replace") as content:
                text = content.read()
        except OSError:
            pass
        error._workshop_job = (kind, name, text, warnings)
    return text


def is_new(error: BaseException | None) -> bool:
    """Tell whether an error is that of a failed local job, and not remembered yet."""
    return (
        isinstance(error, RuntimeError)
        and str(error).startswith("Failed to run: ['docker'")
        and not hasattr(error, "_workshop_job")
    )


def explain(error: BaseException | None, cell=lambda filename: filename) -> Explained | None:
    """Return an error in a few lines; None for one that AWS, the SDK and jobs did not cause.

    ``cell`` returns how to call the file of a learner's line.
    """
    if not isinstance(error, Exception) or isinstance(error, WorkshopError):
        return None
    raised = _raised(error, cell)
    if is_new(error):  # no record is kept of the learner's jobs with their own account
        remember(error, "local", "", [])
    if hasattr(error, "_workshop_job"):
        kind, name, told, warnings = error._workshop_job
        return _of_job(f"{kind} job {name}".strip(), told or str(error), raised, *warnings[:1])
    if not _is_by_others(error):
        return None
    hosting = _HOSTING.fullmatch(str(error))
    failed = hosting or _FAILED.fullmatch(str(error))
    if failed and type(error).__name__ == "UnexpectedStatusException":
        reason = failed["reason"] or failed["status"]
        told = _TOOLKIT.search(reason)
        told = told[1] if told else reason.removeprefix("AlgorithmError: ")
        what = "endpoint" if hosting else f"{failed['kind'].lower()} job"
        return _of_job(f"{what} {failed['name']}", told, raised)
    return _of_request(error, raised)


def _of_request(error: Exception, raised: str) -> Explained:
    chain = _chain(error)
    refused = next((one for one in chain if isinstance(one, ClientError)), None)
    names = {type(one).__name__ for one in chain}
    title = f"The call did not work: {type(error).__name__}."
    if refused is not None:
        code = refused.response.get("Error", {}).get("Code", "")
        names.add(code)
        title = f"AWS refused {refused.operation_name}: {code}."
    # A waiter of boto3 has the answer that ended it, and it says why.
    text = (getattr(error, "last_response", None) or {}).get("FailureReason") or str(error)
    step = advice.next_step(advice.REQUESTS, names, text)
    text = _CALLING.sub("", text)
    told, _, mend = text.rpartition("\n")
    if refused is not None and told and not step:  # the emulator's own advice is the last line
        text, step = told, mend
    return Explained(title, raised, " ".join(text.split()), step, raised, "")


def _of_job(what: str, told: str, raised: str, warning: str = "") -> Explained:
    where, error = script_error(told)
    step = warning or advice.next_step(advice.JOBS, set(), error)
    place = raised.partition(":")[0]
    title = f"The {what} failed{f' ({place})' if place else ''}."
    return Explained(title, where, error, step, raised, told)


_FRAME = re.compile(r'(?m)^ *File "([^"\n]+)", line (\d+)(?:, in .*)?\n(?: {2,}(\S.*))?')
_ERROR = re.compile(r"(?m)^(?!Traceback|Command )[A-Za-z_][\w.]*(?:: .*)?$")
_PARSER = re.compile(r"(?m)^\S+: error: .*$")


def script_error(told: str) -> tuple[str, str]:
    """Return where a job's script failed, "" when not known, and with which error.

    ``told`` is what the script said: its last traceback, or its last lines.
    """
    frames = list(_FRAME.finditer(told))
    if frames:
        own = [one for one in frames if one[1].startswith("/opt/ml/")] or frames
        where = f"{os.path.basename(own[-1][1])}, line {own[-1][2]}"
        where += f": {own[-1][3]}" if own[-1][3] else ""
        errors = list(_ERROR.finditer(told, frames[-1].end()))
        if errors:
            return where, errors[0][0]
    parsers = list(_PARSER.finditer(told))
    if parsers:
        return "", parsers[-1][0]
    return "", " ".join(told.splitlines()[-3:])


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and all(one is not other for other in found):
        found.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return found


_LIBRARIES = tuple({*site.getsitepackages(), *map(sysconfig.get_path, ("stdlib", "purelib"))})
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _is_by_others(error: BaseException) -> bool:
    """Tell whether an error came out of boto3 or the SDK."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").partition(".")[0] in _OTHERS:
            return True
    return False


def _raised(error: BaseException, cell) -> str:
    """Return the innermost line of a learner's own code in an error's traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*_LIBRARIES, _PACKAGE, "<frozen")):
            return f"{cell(frame.filename)}, line {frame.lineno}: {(frame.line or '').strip()}"
    return ""


def _wrapped(text: str, most: int) -> list[str]:
    """Return a text in at most so many lines; a longer one is cut."""
    return textwrap.wrap(
        text,
        _WIDTH,
        max_lines=most,
        placeholder=" …",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
