"""The checks of 15-batch-transform."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

from workshop.course.checks import live
from workshop.course.checks.arrays import RAW_FILES, read_raw
from workshop.course.checks.look import Look, jobs, notebook, serving
from workshop.course.checks.look.job_request import instances_of
from workshop.course.checks.look.phrases import at_time, clock, kind_of, listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker import batches
from workshop.emulator.service.sagemaker.batches import BadInput
from workshop.emulator.service.sagemaker.data_processing import DataProcessing
from workshop.emulator.service.sagemaker.records import Record
from workshop.paths import ROOT

GROUP = "lab4-digits"
_JSON = "application/json"

# --- the version --------------------------------------------------------------------------


@check("15.1")
def approved(look: Look) -> None:
    notebook.on_sagemaker(look, "registry")
    found = notebook.value(look, "approved_arn", _printed_arn)
    expected = f"a text that ends in :model-package/{GROUP}/NUMBER, the ARN of a version"
    if not isinstance(found, str):
        raise NotYet(f"approved_arn is {kind_of(found)}", expected)
    if not re.search(rf":model-package/{GROUP}/\d+$", found):
        raise NotYet(f"approved_arn is {found}", expected)
    look.at(f"the versions of the group {GROUP} in the registry")
    every = serving.versions(GROUP)
    known = {one.arn: one for one in every}
    if found not in known:
        raise NotYet(
            f"no version {found.rpartition('/')[2]}; there is "
            f"{listing(f'version {one.number}' for one in every)}",
            "a version that is in the registry",
            step="run the cell of the task again, then check again",
        )
    _judge_version(known[found], every, _began(look))


def _printed_arn(text: str) -> str:
    """Return the last line that is an ARN; the last line where none is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    arns = [line for line in lines if re.fullmatch(r"arn:\S+", line)]
    return [" ", *lines, *arns][-1]


def _began(look: Look) -> float:
    """Return when the cell of the task ran last, in seconds since the epoch; 0 where not known."""
    return max((cell.began or 0 for cell in notebook.of_task(look)), default=0)


def _judge_version(chosen: serving.Version, every: list[serving.Version], began: float) -> None:
    """Make sure that a version was the newest approved one, when the cell began where known."""
    at_the_time = [
        one for one in every if one.status == serving.APPROVED and not _approved_since(one, began)
    ]
    newest = at_the_time[0] if at_the_time else None
    wanted = (
        f"version {newest.number}, the newest approved one" if newest else "an approved version"
    )
    if chosen.status != serving.APPROVED:
        raise NotYet(f"approved_arn is version {chosen.number}, which is {chosen.status}", wanted)
    if _approved_since(chosen, began) and not chosen.reason:
        raise NotYet(
            f"version {chosen.number} was not approved when the cell ran. ModelPackage did it "
            f"{at_time(chosen.changed)}: it approves each version that it is given",
            wanted,
            step=f"reject version {chosen.number}, or approve it as in 14-register; then run this "
            "notebook again",
        )
    if newest and newest.created > chosen.created:
        raise NotYet(
            f"approved_arn is version {chosen.number}; version {newest.number} is newer, and "
            "approved too",
            wanted,
        )


def _approved_since(version: serving.Version, began: float) -> bool:
    """Tell whether a version was changed after the cell began, where that is known."""
    return bool(began) and version.changed > began


# --- the lines ----------------------------------------------------------------------------

_ROUNDED = 0.001  # how much a number may differ from the pixel: less than a step of 1/255


@check("15.2")
def written(look: Look) -> None:
    variables = live.variables(look.notebook.name)
    if "lines" in variables:
        look.at(look.notebook.name)
        found = variables["lines"]
    else:
        found = _sent(look)
    images = _images(look)
    where = look.looked_at
    if not isinstance(found, list | tuple):
        raise NotYet(f"lines is {kind_of(found)}", f"a list with {len(images)} texts")
    lines = []
    for number, text in enumerate(found):
        look.at(f"{where}: lines[{number}]")
        lines.append(_record_in(text))
    look.at(where)
    if len(lines) != len(images):
        raise NotYet(f"{len(lines)} texts", f"{len(images)}: one for each of the test images")
    _judge_ids([line["id"] for line in lines])
    for line in lines:
        look.at(f"{where}: the text with the id {line['id']}")
        _judge_image(line, images)
    look.at(f"{where}: {len(lines)} texts")


def _sent(look: Look) -> list[str]:
    """Return the lines that the newest transform job was given: they are in S3."""
    record = jobs.newest_transform(look)
    if instances_of(record)[0].startswith("local"):
        raise NotYet(
            "this job ran in local mode, which gets the images without their ids",
            "a check in the open notebook, which knows lines; or a run with LOCAL = False",
            step="open the notebook, run it from the top, and check in it",
        )
    if _began(look) > record.started:
        raise NotYet(
            f"this job is of {clock(record.started)}, and the cell ran since",
            "a job with the lines as they are now",
            step="run the cells down to the one with transformer.transform, then check again",
        )
    look.at(f"the input of {look.looked_at}")
    return serving.input_lines(look, record)


def _images(look: Look) -> np.ndarray:
    """Return the test images from 0 to 1, (n, 28, 28), from where the notebook reads them."""
    folder = Path(ROOT, str(_raw_data(look)))
    try:
        raw = read_raw({name: (folder / name).read_bytes() for name in RAW_FILES})
    except OSError as error:
        raise NotYet(
            f"no raw images: {error}",
            f"RAW_DATA: a folder with {listing(RAW_FILES)}",
            looked_at=str(folder),
        ) from None
    return raw.test_images / 255


def _raw_data(look: Look) -> object:
    """Return RAW_DATA as the notebook has it."""
    variables = live.variables(look.notebook.name)
    if "RAW_DATA" in variables:
        return variables["RAW_DATA"]
    pattern = r"""(?m)^RAW_DATA\s*=\s*(["'].*["'])"""
    said = [one for cell in notebook.cells(look) for one in re.findall(pattern, cell.source)]
    return ast.literal_eval(said[-1]) if said else "data/raw"


def _record_in(text: object) -> dict:
    """Return the record that a text holds, with an id and an image."""
    example = 'a text like {"id": 0, "image": [[0.0, …], …]}'
    if not isinstance(text, str):
        raise NotYet(f"it is {kind_of(text)}", f"{example}: json.dumps makes one")
    if not text:
        raise NotYet("it is empty", f"{example}, and no end of line after it")
    try:
        line = json.loads(text)
    except ValueError:
        raise NotYet(f"it is no JSON: {_shown(text)}", example) from None
    if "\n" in text:
        raise NotYet(
            "it has an end of line in it",
            "one line: the cell below puts the ends of lines between the texts",
        )
    missing = [name for name in ("id", "image") if not isinstance(line, dict) or name not in line]
    if missing:
        raise NotYet(f"no {' and no '.join(missing)} in {_shown(text)}", example)
    if type(line["id"]) is not int:
        raise NotYet(f"id is {_shown(json.dumps(line['id']))}", "the number of the image, like 0")
    return line


def _judge_ids(ids: list[int]) -> None:
    last = len(ids) - 1
    if sorted(ids) == list(range(len(ids))):
        return
    if len(set(ids)) == 1:
        found = f"the id of each text is {ids[0]}"
    else:
        found = f"the ids go from {min(ids)} to {max(ids)}"
        twice = [str(one) for one, count in Counter(ids).items() if count > 1]
        found += f", with {listing(twice)} more than once" if twice else ""
    raise NotYet(found, f"the numbers from 0 to {last}, each of them once")


def _judge_image(line: dict, images: np.ndarray) -> None:
    wanted = images[line["id"]]
    try:
        found = np.array(line["image"])
    except ValueError:
        raise NotYet("the rows of image have different lengths", "28 rows of 28 numbers") from None
    if found.dtype.kind not in "iuf":
        raise NotYet(f"image is {_shown(json.dumps(line['image']))}", "28 rows of 28 numbers")
    if found.shape != wanted.shape:
        sizes = " × ".join(map(str, found.shape))
        shape = f"one list of {sizes} numbers" if found.ndim == 1 else f"{sizes} numbers"
        raise NotYet(
            f"image is {shape if sizes else 'a single number'}",
            "28 × 28: a list of 28 rows, each with 28 numbers",
        )
    if found.max() > 1:
        raise NotYet(
            f"the numbers go from {found.min():g} to {found.max():g}",
            "from 0 to 1: those of images, not of raw_images",
        )
    if not np.abs(found - wanted).max() <= _ROUNDED:  # NaN is neither
        others = np.abs(images - found).max(axis=(1, 2)) <= _ROUNDED
        whose = f"images[{others.argmax()}]" if others.any() else "none of images"
        raise NotYet(f"its image is {whose}", f"images[{line['id']}]: rows from top to bottom")


# --- the transformer ----------------------------------------------------------------------


@check("15.3")
def transformer(look: Look) -> None:
    record = jobs.newest_transform(look)
    local = instances_of(record)[0].startswith("local")
    where = look.looked_at
    if not (local and notebook.local(look)):
        jobs.on_instances(record)
        _judge_model(record)
    strategy = record.request.get("BatchStrategy")
    if strategy != "SingleRecord":
        raise NotYet(
            f"strategy is {strategy}" if strategy else "no strategy: then it is MultiRecord",
            "SingleRecord: inference.py reads one image in a request",
        )
    output = record.request["TransformOutput"]
    assemble, accept = output.get("AssembleWith"), output.get("Accept")
    if assemble != "Line":
        raise NotYet(
            f"assemble_with is {assemble}" if assemble else "no assemble_with",
            "Line: an end of line between the answers",
        )
    if accept not in (_JSON, "application/jsonlines"):
        raise NotYet(
            f"accept is {accept}" if accept else "no accept: the model may answer what it likes",
            f"{_JSON}: the answers are JSON",
        )
    wanted = f"{serving.input_uri(record).rpartition('/input/')[0]}/output"
    if serving.output_uri(record) != wanted:
        raise NotYet(f"the answers go to {serving.output_uri(record)}", f"{wanted}: output_uri")
    jobs.stands(look, record)
    _judge_number(look, record)
    look.at(where)


def _judge_model(record: Record) -> None:
    data = serving.model_data(record)
    of_versions = {uri for one in serving.versions(GROUP) for uri in one.data}
    if not set(data) <= of_versions:
        raise NotYet(
            f"the job has the model {listing(data)}, which no version of {GROUP} has",
            "the model of the notebook: model.transformer(…)",
        )


def _judge_number(look: Look, record: Record) -> None:
    given, answers = serving.input_lines(look, record), serving.output_lines(look, record)
    look.at(f"what {look.looked_at} has answered")
    if len(given) != len(answers):
        raise NotYet(f"{len(answers)} lines for {len(given)} images", "one line for each image")
    for number, answer in enumerate(answers):
        try:
            json.loads(answer)
        except ValueError:
            raise NotYet(
                f"line {number} is no JSON: {_shown(answer)}", "an answer in JSON"
            ) from None


# --- the filters --------------------------------------------------------------------------

#: A record, and what a model answers; made up.
_IMAGE = [[round(row + column / 100, 2) for column in range(28)] for row in range(28)]
_RECORD = {"id": 7, "image": _IMAGE}
_ANSWER = {"digit": 3, "probabilities": [0.1, 0.9]}
_JOINED = "SageMakerOutput"


@check("15.4")
def filters(look: Look) -> None:
    notebook.on_sagemaker(look, "filters")
    record = jobs.newest_transform(look)
    jobs.not_local(record)
    where = look.looked_at
    look.at(f"{where}: its filters, with a made-up record")
    about = record.request.get("DataProcessing", {})
    _judge_input(about.get("InputFilter", ""))
    _judge_output(about.get("JoinSource", "None"), about.get("OutputFilter", ""))
    look.at(where)
    jobs.stands(look, record)
    _judge_answers(look, record)
    look.at(where)


def _judge_input(path: str) -> None:
    expected = "the image alone: $.image"
    try:
        sent = json.loads(_processing(InputFilter=path).before(_made_up()).sent)
    except BadInput as error:
        raise NotYet(f"input_filter: {error}", expected) from None
    if sent == _RECORD:
        given = f"with the input_filter {path}" if path else "without an input_filter"
        raise NotYet(f"{given} the model gets the whole record", expected)
    if sent != _IMAGE:
        raise NotYet(f"with the input_filter {path} the model gets {_shown(sent)}", expected)


def _judge_output(join: str, path: str) -> None:
    expected = f"a line with id and {_JOINED}, and without image"
    if join != "Input":
        raise NotYet(
            "without a join_source there is the answer alone, and no id",
            "Input: the answer is put into the record",
        )
    try:
        processing = _processing(JoinSource=join, OutputFilter=path)
        body = processing.after([_made_up()], json.dumps(_ANSWER).encode(), _JSON)
    except BadInput as error:
        raise NotYet(f"output_filter: {error}", expected) from None
    line = json.loads(body)
    given = f"with the output_filter {path}" if path else "without an output_filter"
    if not isinstance(line, dict) or line.get("id") != _RECORD["id"]:
        raise NotYet(f"{given} a line has no id: {_shown(line)}", expected)
    if line.get(_JOINED) != _ANSWER:
        raise NotYet(f"{given} a line has no {_JOINED}: {_shown(line)}", expected)
    if "image" in line:
        raise NotYet(f"{given} a line has the 784 numbers of the image once more", expected)


def _processing(**about: str) -> DataProcessing:
    """Return what is done to the records of a job with these filters. Raises BadInput."""
    given, wanted = {"ContentType": _JSON}, {"Accept": _JSON}
    return DataProcessing(
        {"DataProcessing": about, "TransformInput": given, "TransformOutput": wanted}
    )


def _made_up() -> batches.Record:
    content = json.dumps(_RECORD).encode()
    return batches.Record(content, content)


def _judge_answers(look: Look, record: Record) -> None:
    given = [_id_in(line) for line in serving.input_lines(look, record)]
    answers = [_id_in(line) for line in serving.output_lines(look, record)]
    look.at(f"what {look.looked_at} has answered")
    known = set(answers)
    without = [one for one in given if one not in known]
    if without:
        raise NotYet(
            f"no line with the id {without[0]}; there are {len(answers)} lines",
            f"a line for each of the {len(given)} images",
        )


def _id_in(line: str) -> str:
    """Return the id in a line of JSON, as JSON; "null" where there is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return "null"
    return json.dumps(record.get("id") if isinstance(record, dict) else None)


# --- words --------------------------------------------------------------------------------


def _shown(value: object) -> str:
    """Return the beginning of a text, or of a value as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]} …"
