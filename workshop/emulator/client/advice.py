"""The likely next step after a common error: one table, and how to look into it.

The errors are those of boto3, of the SageMaker SDK, and of the scripts of jobs. The SDK's and AWS's
own words stay beside ours. Sources: ``sagemaker/image_uris.py``, ``sagemaker/processing.py``,
``sagemaker/s3_utils.py``, ``sagemaker/inputs.py``, ``botocore/exceptions.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Advice(NamedTuple):
    """What to do after an error whose name and text match two expressions."""

    name: str  # of the exception's class, or AWS's error code; "" is any
    text: str
    step: str | Callable[[re.Match], str]  # {1} and {name} are groups of the text's expression


def _python(match: re.Match) -> str:
    return (
        f"Give py_version={match[2].split(', ')[0]!r}: the images of this version have {match[2]}, "
        f"and none has {match[1]}. Nothing is to be upgraded."
    )


def _framework(match: re.Match) -> str:
    versions = match[3].split(", ")
    return (
        f"Give a version of {match[1]} that the SDK knows: the newest are "
        f"{', '.join(versions[-4:])}. Nothing is to be upgraded."
    )


_BUCKET = (
    "Run the cell with the settings again: default_bucket() makes your bucket. What was in it is "
    "gone: run the cells and jobs that made it, too."
)
_URI = 'An address in S3 begins with s3://, as in f"s3://{{bucket}}/{uri}".'
_SWAPPED = (
    "source and destination are swapped: source is the address in S3, destination the folder in "
    "the container."
)

#: Of a request that was refused, or that the SDK did not even send. The first that fits counts.
REQUESTS = (
    Advice("", r"Unsupported Python version: (\S+)\. .*Python version\(s\): (.+)\.", _python),
    Advice("", r"Unsupported (\S+) version: (\S+)\. .*\1 version\(s\): (.+)\.", _framework),
    Advice("NoSuchBucket", r"'sagemaker-[\w-]+-\d{12}'", _BUCKET),
    Advice(
        "NoSuchBucket",
        "",
        "Look for a misspelled name: default_bucket() returns yours. After the emulated AWS was "
        "cleaned, run the cell with the settings again: it makes the bucket.",
    ),
    Advice(
        "NoSuchKey|404",
        "",
        "Nothing in the bucket has this very name. See what is there: "
        'S3Downloader.list(f"s3://{{bucket}}/", sagemaker_session).',
    ),
    Advice(
        "AccessDenied(Exception)?|403",
        "",
        "Look at the bucket's name (a bucket of somebody else answers so, too), then at what the "
        "role may do.",
    ),
    Advice(
        "ResourceLimitExceeded",
        "",
        "Give a smaller instance_count or another instance_type, or wait until other jobs have "
        "ended. A real account can ask AWS for a higher quota.",
    ),
    Advice(
        "ResourceInUse|BucketAlready.*",
        "",
        "Give another name; with base_job_name alone the SDK adds the time, so it is always new.",
    ),
    Advice(
        "WaiterError",
        "One or multiple steps failed",
        "Each of these steps says why: look at FailureReason in execution.list_steps().",
    ),
    Advice(
        "",
        "Your inputs must be provided as ProcessingInput",
        "Put each address into an object: ProcessingInput(source=..., "
        'destination="/opt/ml/processing/...").',
    ),
    Advice(
        "",
        "Your outputs must be provided as ProcessingOutput",
        'Put each address into an object: ProcessingOutput(source="/opt/ml/processing/...", '
        'destination="s3://...").',
    ),
    Advice(
        "TypeError|AttributeError",
        r"can only concatenate .*list|'(str|dict|ProcessingInput|ProcessingOutput)' object (has no "
        "attribute|is not iterable)",
        "An argument has the wrong type: inputs and outputs are lists, as in "
        "inputs=[ProcessingInput(...)].",
    ),
    Advice("ValueError", r"Expecting 's3' scheme, got: +in (?P<uri>[^/\s]\S*?)\.?$", _URI),
    Advice("ValueError", r"URI input (?P<uri>\S+) must be a valid S3 or FILE URI", _URI),
    Advice("FileNotFoundError", r"'/opt/ml/", _SWAPPED),
    Advice(
        "FileNotFoundError|ValueError",
        r"(?:No such file or directory: '|code )(?P<uri>[^/'\s]\S*?)(?:'| wasn't found)",
        "There is no {uri} in this folder. Is the name right? An address in S3 begins with s3://.",
    ),
    Advice(
        "RuntimeError",
        "does not currently support 'local code' mode",
        "Leave sagemaker_session out: from instance_type the processor knows where to run.",
    ),
    Advice(
        "ParamValidationError",
        r'Invalid bucket name "(\{\w*\})"',
        'The f before the quotes is missing, so {1} is no name yet: write f"s3://{1}/...".',
    ),
    Advice(
        "ParamValidationError|InvalidBucketName",
        "[Bb]ucket name",
        "Give the bucket's name alone, without s3:// and without a key: 3 to 63 small letters, "
        "digits and hyphens.",
    ),
    Advice(
        "ParamValidationError",
        r'Unknown parameter in input: "(\w+)"',
        "There is no argument {1}: look for a misspelled name in the list of those that exist.",
    ),
    Advice(
        "ParamValidationError",
        r"(?:Invalid type for|Missing required) parameter (?:in input: )?\"?([\w.\[\]]+)",
        "Look at {1} in your call: it is missing, or has the wrong type.",
    ),
    Advice(
        "ValidationException",
        "Requested resource not found",
        "Look for a misspelled name. SageMaker knows no job that ran in local mode.",
    ),
)

#: Of a job that failed: the text is the last line of its script's error.
JOBS = (
    Advice(
        "",
        r"No such file or directory: '/opt/ml/",
        "The job has in /opt/ml only what its inputs bring: compare this path with the destination "
        "of each input, or with the name of each channel.",
    ),
    Advice(
        "",
        r"No such file or directory: '[^/]",
        "In a job a relative path leads nowhere: give the path below /opt/ml.",
    ),
    Advice(
        "",
        r"unrecognized arguments: (--[\w-]+)",
        "The script knows no {1}: compare it with each add_argument(...) of the script, and with "
        "your hyperparameters or arguments.",
    ),
    Advice(
        "",
        r"No module named '([\w]+)",
        "If {1} is a package, name it in a requirements.txt beside the script; if it is a file of "
        "yours, put it into source_dir.",
    ),
    Advice("", "task .* not attempted", "Fill that gap, save the file, and run this again."),
    Advice("", r"^\w*(Error|Exception)\b", "Mend that line, save the file, and run this again."),
)


def next_step(table: tuple[Advice, ...], names: set[str], text: str) -> str:
    """Return what to do after an error, "" when the table knows nothing of it.

    ``names`` are its class's and AWS's code for it; ``text`` is all that it says.
    """
    for name, pattern, step in table:
        match = re.search(pattern, text)
        if match and (not name or any(re.fullmatch(name, one) for one in names)):
            if callable(step):
                return step(match)
            return step.format(match[0], *match.groups(), **match.groupdict())
    return ""
