"""The checks of 3-evaluation."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable

import numpy as np

from workshop.course.checks.arrays import npy
from workshop.course.checks.look import Look, jobs, s3, trials
from workshop.course.checks.look.job_request import (
    PROCESSING,
    input_folders,
    output_uri,
    outputs_of,
)
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

SCRIPT = "evaluation.py"
MODEL = f"{PROCESSING}/model"
OUTPUT = f"{PROCESSING}/evaluation"
#: What nothing of the evaluation needs: other steps, and S3.
_OTHERS = ("preprocessing", "training", "utils", "boto3", "botocore", "s3fs", "sagemaker")


@check("3.1")
def newest_model(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    models = [item for item in s3.input_files(look, record).values() if item.name == "model.tar.gz"]
    if not models:
        raise NotYet(
            f"no model.tar.gz among its inputs; {_has(look, record)}",
            f"the newest model.tar.gz below {look.top}Training/",
        )
    bucket = s3.split_uri(models[0].uri)[0]
    # The job may be older than the newest training of today.
    every = [
        item
        for item in s3.below(look, f"s3://{bucket}/{look.top}Training/").values()
        if item.name == "model.tar.gz" and item.modified <= record.started
    ]
    newest = max(every, key=lambda item: item.modified, default=None)
    if newest and models[0].modified < newest.modified:
        raise NotYet(f"it had {models[0].uri}", f"the newest model at that time, {newest.uri}")
    jobs.stands(look, record)


def _has(look: Look, record: Record) -> str:
    """Say which inputs a job has."""
    has = []
    for path, uri in input_folders(record).items():
        empty = "" if s3.below(look, uri) else ", where there is nothing,"
        has.append(f"{uri}{empty} at {path}")
    return f"it has {listing(has)}" if has else "it has no inputs"


@check("3.2")
def inputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    files, has = s3.input_files(look, record), _has(look, record)
    if f"{MODEL}/model.tar.gz" not in files:
        raise NotYet(f"no model.tar.gz at {MODEL}; {has}", f"the model at {MODEL}")
    for name in ("X_test", "y_test"):
        _judge_array(name, f"{PROCESSING}/test/{name}", files, has)
    others = [item.name for item in files.values() if item.name in ("X_train.npy", "X_val.npy")]
    if others:
        raise NotYet(
            f"it also got {listing(others)}", "only test images: the network knows the others"
        )
    jobs.stands(look, record)


def _judge_array(name: str, folder: str, files: dict[str, s3.S3Object], has: str) -> None:
    if f"{folder}/{name}.npy" in files:
        return
    there = [item.uri for path, item in files.items() if path.startswith(f"{folder}/")]
    found = f"at {folder} there is {listing(there)}" if there else f"nothing at {folder}; {has}"
    raise NotYet(found, f"{name}.npy at {folder}")


# --- the script ---------------------------------------------------------------------------


@check("3.3")
def best_checkpoint(look: Look) -> None:
    look.script(SCRIPT)
    look.at(
        f"load_best_checkpoint in {look.section.scripts}/{SCRIPT}, on a model.tar.gz with "
        "checkpoint-001.keras, best_checkpoint.keras and checkpoint-003.keras"
    )
    trial = trials.run(
        look,
        "evaluation.load_checkpoint",
        code=f"{PROCESSING}/input/code",
        files={},
        folders=[MODEL],
    )
    expected = "the Keras model in best_checkpoint.keras"
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", expected)
    if "epoch" not in trial.report:
        returned = trial.report["returned"]
        raise NotYet(f"it returned {'nothing' if returned == 'NoneType' else returned}", expected)
    if trial.report["epoch"] != 2:
        other = {1: "checkpoint-001.keras", 3: "checkpoint-003.keras"}.get(trial.report["epoch"])
        raise NotYet(f"it returned the model in {other}" if other else "another model", expected)


_RIGHT, _IMAGES = 30, 40


def _classes() -> tuple[np.ndarray, np.ndarray]:
    """Return the true classes of the images, and those that the model predicts."""
    labels = np.arange(_IMAGES) % 10
    return labels, np.where(np.arange(_IMAGES) < _RIGHT, labels, (labels + 1) % 10)


def _test_data(model: bytes) -> dict[str, bytes]:
    """Return 40 images whose first pixel tells what `inside` will let the model say."""
    labels, predicted = _classes()
    images = np.zeros((_IMAGES, 28, 28, 1), "float32")
    images[:, 0, 0, 0] = predicted / 10
    files = {f"{MODEL}/model.tar.gz": model}
    for name, array in (("X_test", images), ("y_test", labels.astype("uint8"))):
        files[f"{PROCESSING}/test/{name}/{name}.npy"] = npy(array)
    return files


@check("3.4")
def evaluation(look: Look) -> None:
    judge_evaluation(look, "evaluation.whole", b"", _judge_model)


def judge_evaluation(
    look: Look, name: str, model: bytes, judge_model: Callable[[trials.Trial], None]
) -> None:
    """Try the script.

    name: of a function in `inside`; model: the content of model.tar.gz
    judge_model: raises NotYet when another model was used than the best one
    """
    path = look.script(SCRIPT)
    look.at(f"{look.section.scripts}/{SCRIPT}, run as the job does, on {_IMAGES} made-up images")
    left = sorted(_imported(path.read_text()) & set(_OTHERS))
    if left:
        raise NotYet(
            f"it still imports {listing(left)}",
            "nothing of preprocessing, training and S3: the job's inputs and outputs do that",
        )
    code = f"{PROCESSING}/input/code"
    trial = trials.run(look, name, code=code, files=_test_data(model), folders=[OUTPUT])
    expected = f"{OUTPUT}/metrics.json"
    if expected not in trial.files:
        if trial.error:
            raise NotYet(f"it stopped: {trial.error}", expected)
        written = [one for one in trial.files if one.endswith((".json", ".npy"))]
        raise NotYet(f"no metrics.json in {OUTPUT}; it wrote {listing(written)}", expected)
    judge_model(trial)
    accuracy = _accuracy(trial.files[expected])
    _judge_confusion(trial.files[expected])
    if abs(accuracy - _RIGHT / _IMAGES) > 1e-6:
        raise NotYet(
            f"the accuracy in metrics.json is {accuracy:g}",
            f"{_RIGHT / _IMAGES}: the model is right about {_RIGHT} of the {_IMAGES} images",
        )
    _judge_probabilities(trial)
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")


def _judge_model(trial: trials.Trial) -> None:
    if MODEL not in [one.rstrip("/") for one in trial.report.get("model", ())]:
        given = listing(trial.report.get("model", ()))
        raise NotYet(f"load_best_checkpoint was given {given}", MODEL)


def _imported(text: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def _accuracy(content: bytes) -> float:
    layout = '{"multiclass_classification_metrics": {"accuracy": {"value": …}, …}}'
    try:
        metrics = json.loads(content)["multiclass_classification_metrics"]
        return float(metrics["accuracy"]["value"])
    except (ValueError, KeyError, TypeError):
        raise NotYet(
            "metrics.json has another layout", f"what model_quality returns: {layout}"
        ) from None


def _judge_confusion(content: bytes) -> None:
    """The rows of the confusion matrix are the truth: accuracy alone is the same both ways."""
    matrix = json.loads(content)["multiclass_classification_metrics"].get("confusion_matrix")
    if not isinstance(matrix, dict):
        raise NotYet("metrics.json has no confusion_matrix", "all that model_quality returns")
    truth, predicted = (str(classes[_RIGHT]) for classes in _classes())
    if not matrix.get(truth, {}).get(predicted):
        raise NotYet(
            f"in the confusion_matrix, no image of class {truth} is read as {predicted}"
            + (", but the other way round" if matrix.get(predicted, {}).get(truth) else ""),
            "model_quality with the true labels first, then the predicted ones",
        )


def _judge_probabilities(trial: trials.Trial) -> None:
    place = f"{OUTPUT}/probabilities.npy"
    expected = f"probabilities.npy of shape ({_IMAGES}, 10): what the model predicts"
    if place not in trial.files:
        raise NotYet(f"no probabilities.npy in {OUTPUT}", expected)
    try:
        shape = np.load(io.BytesIO(trial.files[place]), allow_pickle=False).shape
    except (ValueError, OSError, EOFError):
        raise NotYet("a probabilities.npy that cannot be read", expected) from None
    if shape != (_IMAGES, 10):
        raise NotYet(f"probabilities.npy has the shape {shape}", expected)


# --- the result ---------------------------------------------------------------------------


@check("3.5")
def outputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    job = look.looked_at
    uri = metrics_uri(look, record)
    jobs.ended_well(record)
    look.at(f"{uri}, and {job}")
    s3.made_by(look, record, uri)
    accuracy = _accuracy(s3.read(look, uri) or b"")
    if not 0 <= accuracy <= 1:
        raise NotYet(f"its accuracy is {accuracy:g}", "an accuracy from 0 to 1")
    jobs.stands(look, record)


def metrics_uri(look: Look, record: Record) -> str:
    """Return where a job takes metrics.json, which must be Evaluation/."""
    uri = output_uri(record, f"{OUTPUT}/metrics.json")
    if uri is None:
        given = outputs_of(record).values()
        has = f"; it has one for {listing(folder for folder, _ in given)}" if given else ""
        raise NotYet(f"no output takes {OUTPUT} to S3{has}", f"an output for {OUTPUT}")
    bucket = s3.split_uri(uri)[0]
    expected = f"s3://{bucket}/{look.top}Evaluation/metrics.json"
    if uri != expected:
        raise NotYet(f"metrics.json would be {uri}", expected)
    return uri
