"""What was asked of a job: its request, as it reached SageMaker, says it; nothing else is read."""

from __future__ import annotations

import posixpath

from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.emulator.containers import images
from workshop.emulator.service.sagemaker.records import Record

PROCESSING = "/opt/ml/processing"
#: Below these the SDK puts the script itself: they are no inputs of the learner's.
_SDKS_OWN = (f"{PROCESSING}/input/code", f"{PROCESSING}/input/entrypoint")


def instances_of(record: Record) -> tuple[str, int]:
    """Return the type and the number of a job's instances; the type is "local" in local mode."""
    request = record.request
    about = request.get("ResourceConfig") or request.get("TransformResources")
    about = about or request.get("ProcessingResources", {}).get("ClusterConfig", {})
    return about.get("InstanceType", "local"), about.get("InstanceCount", 1)


def repository_of(record: Record) -> str:
    """Return the name of a processing job's image, without registry and tag."""
    return images.repository(record.request["AppSpecification"]["ImageUri"])


def options_of(record: Record) -> dict[str, str]:
    """Return the options on a processing job's command line: {"--name": value}."""
    words = record.request.get("AppSpecification", {}).get("ContainerArguments") or ()
    found: dict[str, str] = {}
    name = ""
    for word in map(str, words):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = value
            name = "" if equals else name
        elif name:
            found[name], name = word, ""
    return found


def input_folders(record: Record) -> dict[str, str]:
    """Return the inputs of a processing job: {folder in the container: S3 address}."""
    return {path: uri for path, uri in _inputs(record) if path not in _SDKS_OWN}


def judge_directions(record: Record) -> None:
    """Make sure that a processing job's inputs come out of S3, and its outputs go there."""
    ends = [("input", *pair) for pair in _inputs(record)]
    ends += [("output", *pair) for pair in outputs_of(record).values()]
    for kind, path, uri in ends:
        ways = ("S3", "the container") if kind == "input" else ("the container", "S3")
        expected = f"source: a place in {ways[0]}, destination: a place in {ways[1]}"
        if path.startswith("s3:/") and not uri.startswith("s3://"):
            raise NotYet(f"source and destination of an {kind} are swapped", expected)
        if not uri.startswith("s3://"):
            where = "source" if kind == "input" else "destination"
            raise NotYet(
                f"the {where} of an {kind} is {uri!r}",
                'an address in S3, which begins with "s3://"',
            )
        if "{" in uri:
            raise NotYet(
                f"an {kind} has the address {uri!r}: the f before the quotes is missing",
                f'an address with the name of the bucket in it, as in f"{uri}"',
            )
        if not path.startswith("/"):
            where = "destination" if kind == "input" else "source"
            raise NotYet(
                f"the {where} of an {kind} is {path!r}",
                f'a folder in the container, which begins with "{PROCESSING}/"',
            )


def input_at(record: Record, folder: str, expected: str) -> str:
    """Return the S3 address of a processing job's input at a folder, which must be there."""
    folders = input_folders(record)
    if folder not in folders:
        has = f" at {folder}; it has {listing(folders)}" if folders else " at all"
        raise NotYet(f"no input{has}", expected)
    return folders[folder]


def script_sources(record: Record) -> list[str]:
    """Return the S3 addresses from which a processing job has its script and what starts it."""
    return [uri for path, uri in _inputs(record) if path in _SDKS_OWN]


def _inputs(record: Record) -> list[tuple[str, str]]:
    inputs = record.request.get("ProcessingInputs", ())
    return [_place(one["S3Input"]) for one in inputs if one.get("S3Input")]


def outputs_of(record: Record) -> dict[str, tuple[str, str]]:
    """Return the outputs of a processing job: {name: (folder in the container, S3 address)}."""
    outputs = record.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    with_place = (one for one in outputs if one.get("S3Output"))
    return {str(one["OutputName"]): _place(one["S3Output"]) for one in with_place}


def output_uri(record: Record, path: str) -> str | None:
    """Return where a processing job's file goes in S3; None when no output takes it."""
    pairs = dict(outputs_of(record).values())
    for folder in sorted(pairs, key=len, reverse=True):
        if path.startswith(f"{folder}/"):
            return f"{pairs[folder].rstrip('/')}{path[len(folder) :]}"
    return None


def _place(about: dict) -> tuple[str, str]:
    """Return the folder in the container and the S3 address; in local mode they may be anything."""
    return posixpath.normpath(str(about.get("LocalPath", ""))), str(about.get("S3Uri", ""))
