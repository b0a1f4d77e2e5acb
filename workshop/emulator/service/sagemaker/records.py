"""What jobs were asked for on this checkout, and how they ended: one small JSON file each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from workshop.emulator import files, state


@dataclass(frozen=True)
class Record:
    """One job. Times are seconds since the epoch; ``ended`` is None while it runs.

    ``request`` is what the SDK sent, as boto3's ``create_processing_job`` and its like
    take it. That of a transform job on instances has ``Model`` too, as the model was
    described: it may be deleted once the job runs. ``directory`` is the working directory it was
    sent from; ``error`` is empty when the job ended well; ``refused`` is why AWS would refuse a job
    that the SDK's local mode took.
    """

    kind: str  # "processing", "training" or "transform": the label of a kind of jobs
    name: str
    request: dict
    directory: Path
    started: float
    ended: float | None = None
    error: str = ""
    refused: str = ""


def jobs(directory: Path | None = None) -> list[Record]:
    """Return the jobs sent from ``directory`` (from anywhere when None), oldest first."""
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
    """Keep a record, or the newer form of one that is kept. A reader sees the one or the other."""
    file = state.folder("records") / f"{record.name}-{int(record.started * 1e9)}.json"
    files.write(file, json.dumps(asdict(record), default=str))
