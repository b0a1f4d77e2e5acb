"""The checks of 1-preprocessing."""

from __future__ import annotations

import re

from workshop.course.checks.arrays import (
    PLACES,
    RAW_FILES,
    Raw,
    judge,
    load,
    made_up,
    read_raw,
)
from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.job_request import PROCESSING, input_at, output_uri
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.paths import ROOT

REQUIREMENTS = ROOT / "Lab0-Container-Pipeline" / "requirements.txt"
SOURCE = f"{PROCESSING}/source_data"
SCRIPT = "preprocessing.py"
_GUARD = 'a call that stands below if __name__ == "__main__":'


def lab0_version() -> str:
    """Return the version of TensorFlow in the old pipeline."""
    return re.search(r"^tensorflow\S*?==([\d.]+)", REQUIREMENTS.read_text(), re.M)[1]


def same_image(image: str, job: str) -> None:
    """Make sure that an image is TensorFlow's in the version of the old pipeline."""
    repository, _, tag = image.rpartition("/")[2].partition(":")
    wanted = f"{lab0_version()}-cpu-py312"
    if repository != "tensorflow-training":
        raise NotYet(
            f"the {job} uses the image {repository}:{tag}",
            f"an image with TensorFlow: tensorflow-training:{wanted}",
        )
    if tag != wanted:
        raise NotYet(
            f"the {job} uses the image {repository}:{tag}",
            f"{repository}:{wanted}, with the version in Lab 0's requirements.txt",
        )


@check("1.1")
def version(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    same_image(record.request["AppSpecification"]["ImageUri"], "job")
    jobs.stands(look, record)


@check("1.2")
def requirements(look: Look) -> None:
    path = look.scripts / "requirements.txt"
    look.at(f"{look.section.scripts}/requirements.txt")
    expected = "a copy of Lab 0's requirements.txt"
    if not path.is_file():
        elsewhere = look.folder / "requirements.txt"
        also = "; there is one beside the notebook" if elsewhere.exists() else ""
        raise NotYet(f"no such file{also}", f"{expected}, beside the script")
    look.saw_file(look.looked_at, path.read_bytes())
    lines, wanted = (_lines(file.read_text(errors="replace")) for file in (path, REQUIREMENTS))
    missing = [line for line in wanted if line not in lines]
    if missing:
        raise NotYet(f"a file without the line {missing[0]!r}", expected)


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@check("1.3")
def inputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    expected = f"{look.top}RawData/ of the bucket at {SOURCE}"
    uri = input_at(record, SOURCE, expected)
    there = s3.input_files(look, record)
    missing = [name for name in RAW_FILES if f"{SOURCE}/{name}" not in there]
    if missing:
        below = [path.removeprefix(f"{SOURCE}/") for path in there if path.startswith(SOURCE)]
        raise NotYet(
            f"{uri} at {SOURCE}, which holds {listing(below)}",
            f"{expected}, with {', '.join(RAW_FILES)}",
        )
    jobs.stands(look, record)


@check("1.4")
def outputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    lost, astray = [], []
    for name, place in PLACES.items():
        uri = output_uri(record, f"{PROCESSING}/{place}")
        if uri is None:
            lost.append(name)
        elif s3.split_uri(uri)[1] != f"{look.top}DataProcessed/{place}":
            astray.append((name, uri))
    if lost:
        name = lost[0]
        folder = f"{PROCESSING}/{PLACES[name].rpartition('/')[0]}"
        raise NotYet(
            f"no output that takes {listing(lost)} to S3",
            f"an output for the folder of each array, like {folder}",
        )
    if astray:
        name, uri = astray[0]
        if f"/{record.name}/output/" in uri:  # sagemaker/processing.py, _normalize_outputs
            raise NotYet(
                f"the destination of {name} is no address in S3, so the SDK chose {uri}",
                f's3://…/{look.top}DataProcessed/…: an address that begins with "s3://"',
            )
        more = f", and {len(astray) - 1} more elsewhere" if len(astray) > 1 else ""
        bucket = s3.split_uri(uri)[0]
        raise NotYet(
            f"{name} would be {uri}{more}", f"s3://{bucket}/{look.top}DataProcessed/{PLACES[name]}"
        )
    jobs.stands(look, record)


# --- the script ---------------------------------------------------------------------------


def _try(look: Look, name: str) -> trials.Trial:
    """Let the script work on small made-up raw files."""
    return trials.run(
        look,
        name,
        code=f"{PROCESSING}/input/code",
        files={f"{SOURCE}/{file}": content for file, content in made_up().items()},
        # As in a job: the folder of each output is there.
        folders=[f"{PROCESSING}/{place.rpartition('/')[0]}" for place in PLACES.values()],
    )


def _arrays(trial: trials.Trial) -> dict[str, bytes]:
    return {
        name: trial.files[f"{PROCESSING}/{place}"]
        for name, place in PLACES.items()
        if f"{PROCESSING}/{place}" in trial.files
    }


@check("1.5")
def script_starts(look: Look) -> None:
    path = look.script(SCRIPT)
    look.at(f"{look.section.scripts}/{SCRIPT}, run as the job does: python {SCRIPT}")
    whole = _try(look, "preprocessing.whole")
    if len(_arrays(whole)) == len(PLACES):
        if whole.error:
            raise NotYet(f"at the end it stopped: {whole.error}", "a script that runs to its end")
        _judge_import(look)
        return
    trial = _try(look, "preprocessing.paths")
    given = [[_plain(path) for path in call] for call in trial.report.get("calls", ())]
    expected = f"one call of preprocess_data with {SOURCE} and {PROCESSING}"
    if not given and trial.error:
        raise NotYet(trial.error, expected)
    if not given:
        guard = "__main__" in path.read_text()
        why = "" if guard else ': there is no if __name__ == "__main__"'
        raise NotYet(f"it ended without a call of preprocess_data{why}", expected)
    for paths in given:
        if paths[:1] != [SOURCE] or paths[1:] not in ([], [PROCESSING]):
            raise NotYet(f"preprocess_data was called with {' and '.join(paths)}", expected)
    if len(given) > 1:
        raise NotYet(f"preprocess_data was called {len(given)} times", expected)
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")
    _judge_import(look)


def _judge_import(look: Look) -> None:
    trial = _try(look, "preprocessing.imported")
    if trial.error:
        raise NotYet(f"when it is only imported, it stops: {trial.error}", _GUARD)
    if trial.report["calls"]:
        raise NotYet("it calls preprocess_data when it is only imported, as a test does", _GUARD)


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


@check("1.6")
def arrays(look: Look) -> None:
    look.script(SCRIPT)
    look.at(f"preprocess_data in {look.section.scripts}/{SCRIPT}, on small made-up raw files")
    trial = _try(look, "preprocessing.whole")
    made = _arrays(trial)
    if len(made) < len(PLACES):  # main() may not be there yet: call the function alone
        trial = _try(look, "preprocessing.alone")
        made = _arrays(trial)
    if len(made) < len(PLACES):
        missing = [name for name in PLACES if name not in made]
        others = [path for path in trial.files if path.endswith(".npy")]
        others = [
            path for path in others if path.removeprefix(f"{PROCESSING}/") not in PLACES.values()
        ]
        if trial.error:
            found = f"it stopped: {trial.error}"
        else:
            found = f"no {listing(missing)}"
            found += f"; it wrote {listing(others, 2)}" if others else ""
        raise NotYet(found, f"{PROCESSING}/{PLACES[missing[0]]} and so on: six files")
    judge({name: load(name, content) for name, content in made.items()}, read_raw(made_up()))
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")
    _judge_folders(look)


def _judge_folders(look: Look) -> None:
    """Make sure that preprocess_data works in the folders that it is given, if it is given any."""
    trial = _try(look, "preprocessing.moved")
    places = trial.report.get("places", ())
    place = f"{look.looked_at}, called with {' and '.join(places)}"
    expected = "a function that reads and writes in the folders that it is given"
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", expected, looked_at=place)
    if len(places) == 2:
        made = [path for path in trial.files if path.startswith(f"{places[1]}/")]
        missing = [name for name, place in PLACES.items() if f"{places[1]}/{place}" not in made]
        if missing:
            raise NotYet(f"no {listing(missing)} below {places[1]}", expected, looked_at=place)


# --- the result ---------------------------------------------------------------------------


@check("1.7")
def result(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    jobs.ended_well(record)
    job = look.looked_at
    look.at(f"DataProcessed/ in S3, and {job}")
    uris = {name: output_uri(record, f"{PROCESSING}/{p}") for name, p in PLACES.items()}
    bucket = next((s3.split_uri(uri)[0] for uri in uris.values() if uri), "")
    found = {}
    for name, place in PLACES.items():
        uri = f"s3://{bucket}/DataProcessed/{place}"
        s3.made_by(look, record, uri)
        found[name] = load(name, s3.read(look, uri) or b"")
    judge(found, _raw(look, s3.input_files(look, record)))
    look.at(f"{look.notebook.name}, DataProcessed/ in S3, and {job}")
    printed = "\n".join(cell.printed or "" for cell in notebook.of_task(look))
    missing = [name for name, place in PLACES.items() if f"DataProcessed/{place}" not in printed]
    if missing:
        raise NotYet(
            "all six arrays are in S3, but the cell printed nothing of "
            f"{'them' if len(missing) == len(PLACES) else listing(missing)}",
            f"the address of each array below s3://{bucket}/DataProcessed/, printed by the cell",
        )


def _raw(look: Look, files: dict[str, s3.S3Object]) -> Raw:
    """Return the raw data that a job had as its input."""
    contents = {}
    for name in RAW_FILES:
        item = files.get(f"{SOURCE}/{name}")
        content = s3.read(look, item.uri) if item else None
        if content is None:
            raise NotYet(f"no {name} at {SOURCE}", f"the raw files at {SOURCE}, as in task 1.3")
        contents[name] = content
    return read_raw(contents)
