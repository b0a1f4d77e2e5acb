"""What was asked for on this checkout, and how it ended: one small JSON file each."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from workshop.emulator import files, state

ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Record:
    """One job, or one endpoint. Times are seconds since the epoch; ``ended`` is None while it runs.

    ``request`` is what the SDK sent, as boto3's ``create_processing_job`` and its like
    take it. That of a transform job on instances has ``Model`` too, as the model was
    described: it may be deleted once the job runs. That of an endpoint is what ``endpoint_record``
    says. ``directory`` is the working directory it was sent from; ``error`` is empty when it ended
    well; ``refused`` is why AWS would refuse a job that the SDK's local mode took.
    """

    kind: str  # the label of a kind of jobs, like "processing"; or ENDPOINT
    name: str
    request: dict
    directory: Path
    started: float
    ended: float | None = None
    error: str = ""
    refused: str = ""


def jobs(directory: Path | None = None) -> list[Record]:
    """Return the jobs sent from ``directory`` (from anywhere when None), oldest first."""
    return [record for record in _all(directory) if record.kind != ENDPOINT]


def endpoints(directory: Path | None = None) -> list[Record]:
    """Return the endpoints created from ``directory`` (from anywhere when None), oldest first."""
    return [record for record in _all(directory) if record.kind == ENDPOINT]


def _all(directory: Path | None) -> list[Record]:
    found = []
    for file in state.folder("records").glob("*.json"):
        try:
            content = json.loads(file.read_text())
            found.append(Record(**content | {"directory": Path(content["directory"])}))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # removed just now, or of another version
    if directory is not None:
        found = [record for record in found if record.directory == directory.resolve()]
    return sorted(found, key=lambda record: record.started)


def write(record: Record) -> None:
    """Keep a record, or the newer form of one that is kept. A reader sees the one or the other.

    A full disk is told in the server's log, and ends nothing of what is recorded.
    """
    file = state.folder("records") / f"{record.name}-{int(record.started * 1e9)}.json"
    try:
        files.write(file, json.dumps(asdict(record), default=str))
    except OSError as problem:
        print(f"{record.name} cannot be recorded: {problem}", file=sys.stderr)
