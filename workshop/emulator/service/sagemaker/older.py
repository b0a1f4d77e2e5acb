"""What versions before this one kept, brought into the layout of today.

Jobs lay in ``sagemaker/KIND-NAME``, experiments in ``sagemaker/experiments/TYPE/NAME.json``
with a file of metrics beside each component.
"""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path

from workshop.emulator import files, state

#: The word for a job's kind in its old folder, the type in its ARN, the member with its name.
_JOBS = {
    "processing": ("processing-job", "ProcessingJobName"),
    "training": ("training-job", "TrainingJobName"),
}
#: The same for experiments, by their old folder, which was their type in an ARN.
_EXPERIMENTS = {
    "experiment": "ExperimentName",
    "experiment-trial": "TrialName",
    "experiment-trial-component": "TrialComponentName",
}


def move_to(place: str, format_: int) -> None:
    """Move all that older versions kept below ``sagemaker`` to ``place``, another folder.

    What cannot be read is set aside by its name. It may be cut short at any time, and be called
    again: on a full disk, what has not moved stays where it is for the next start.
    """
    top = state.folder() / "sagemaker"
    jobs, experiments = sorted(top.glob("*-*")), sorted(top.glob("experiments/*/*.json"))
    for move, found in ((_move_job, jobs), (_move_experiment, experiments)):
        for one in found:
            try:
                move(one, place, format_)
            except Exception as error:  # whatever comes up
                if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                    state.notices.append(f"{one} waits for room on the disk: free some.")
                    return
                state.set_aside(one, f"it holds nothing that can be read ({error!r})")
    pickled = top / "experiments.pickle"
    if pickled.exists():
        why = "an earlier version kept experiments in a form that can hold code"
        state.set_aside(pickled, why)
    for folder in (*top.glob("experiments/*"), top / "experiments", top):
        with contextlib.suppress(OSError):  # it is not empty, or not there
            folder.rmdir()
    if top.exists():
        state.set_aside(top, "what is left in it is of no kind that is known")


def _move_job(old: Path, place: str, format_: int) -> None:
    kept = json.loads((old / "job.json").read_text())
    resource_type, member = _JOBS[kept["kind"]]
    name = kept["request"][member]
    if old.name != f"{kept['kind']}-{name}":
        raise ValueError(f"it holds the {kept['kind']} job {name!r}")
    new = _new(place, resource_type, name)
    for log in old.glob("*.log"):
        log.replace(new / log.name)
    content = {one: kept[one] for one in ("request", "directory", "description", "tags")}
    files.write(new / "resource.json", json.dumps({"format": format_, **content}))
    files.remove(old)


def _move_experiment(file: Path, place: str, format_: int) -> None:
    kept = json.loads(file.read_text())
    if kept["format"] != 1:
        raise ValueError(f"it has format {kept['format']}, of another version of the workshop")
    name = kept["description"][_EXPERIMENTS[file.parent.name]]
    if file.stem != name:
        raise ValueError(f"it describes {name!r}")
    new = _new(place, file.parent.name, name)
    with contextlib.suppress(FileNotFoundError):
        file.with_suffix(".metrics").replace(new / "metrics")
    files.write(new / "resource.json", json.dumps(kept | {"format": format_}))
    file.unlink()


def _new(place: str, resource_type: str, name: str) -> Path:
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no name")
    return state.folder(place, resource_type, name)
