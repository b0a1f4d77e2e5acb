"""What versions before this one kept, brought into the layout of today.

Jobs lay in ``sagemaker/KIND-NAME``, experiments in ``sagemaker/experiments/TYPE/NAME.json``
with a file of metrics beside each component.
"""

from __future__ import annotations

import contextlib
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
    again.
    """
    top = state.folder() / "sagemaker"
    if not top.exists():
        return
    for one in sorted(top.glob("*-*")):
        try:
            _move_job(one, place, format_)
        except Exception as error:  # whatever comes up
            state.set_aside(one, f"it holds no job that can be read ({error!r})")
    for file in sorted(top.glob("experiments/*/*.json")):
        try:
            _move_experiment(file, place, format_)
        except Exception as error:
            state.set_aside(file, repr(error))
    pickled = top / "experiments.pickle"
    if pickled.exists():
        why = "an earlier version kept experiments in a form that can hold code"
        state.set_aside(pickled, why)
    files.remove(top)


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
