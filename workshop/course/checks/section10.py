"""The checks of 10-scikit-learn."""

from __future__ import annotations

import functools
import io

import numpy as np

from workshop.course.checks.look import Look, jobs, s3, trials
from workshop.course.checks.look.job_request import (
    PROCESSING,
    input_at,
    input_folders,
    options_of,
    output_uri,
    outputs_of,
    repository_of,
)
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

SCRIPT, EVALUATION = "preprocessing.py", "evaluation.py"
INPUT, TRAIN, TEST = f"{PROCESSING}/input", f"{PROCESSING}/train", f"{PROCESSING}/test"
MODEL, OUTPUT = f"{PROCESSING}/model", f"{PROCESSING}/evaluation"
_OPTION, _RATIO = "--train-test-split-ratio", 0.2


def _ours(record: Record) -> bool:
    """Tell whether a job is of this section: other sections have scripts of the same names."""
    return repository_of(record) == "sagemaker-scikit-learn"


# --- the first job ------------------------------------------------------------------------


@check("10.1")
def processor(look: Look) -> None:
    record = jobs.newest(look, SCRIPT, _ours)
    expected = f"{look.top}Digits/ of the bucket at {INPUT}"
    uri = input_at(record, INPUT, expected)
    if f"{INPUT}/digits.csv" not in s3.input_files(look, record):
        there = listing(item.name for item in s3.below(look, uri).values())
        raise NotYet(f"{uri} at {INPUT}, where there is {there}", expected)
    outputs = outputs_of(record)
    for name, folder in (("train_data", TRAIN), ("test_data", TEST)):
        if name not in outputs:
            has = f"; the names are {listing(outputs)}" if outputs else ""
            raise NotYet(f"no output with the name {name}{has}", f"{name}: the folder {folder}")
        if outputs[name][0] != folder:
            raise NotYet(f"the output {name} is {outputs[name][0]}", folder)
    if outputs["train_data"][1].rstrip("/") == outputs["test_data"][1].rstrip("/"):
        raise NotYet(
            f"both outputs go to {outputs['test_data'][1]}",
            "a place for each of them; without a destination, the SDK chooses one",
        )
    _judge_ratio(record)
    jobs.stands(look, record)


def _judge_ratio(record: Record) -> None:
    options = options_of(record)
    expected = f'the arguments "{_OPTION}", "{_RATIO}"'
    if _OPTION not in options:
        words = record.request["AppSpecification"].get("ContainerArguments") or ()
        raise NotYet(f"the arguments of the script are {listing(map(repr, words))}", expected)
    try:
        ratio = float(options[_OPTION])
    except ValueError:
        ratio = None
    if ratio != _RATIO:
        raise NotYet(f"{_OPTION} is {options[_OPTION]!r}", expected)


# --- the script ---------------------------------------------------------------------------

_ROWS, _SHARE, _BLOCKS = 200, 0.3, 49
_ROUNDED = 2  # so many digits more or less, where each class is split by itself


@check("10.2")
def table_split(look: Look) -> None:
    look.script(SCRIPT)
    look.at(
        f"{look.section.scripts}/{SCRIPT}, run twice as the job does: {_ROWS} made-up digits, "
        f"{_OPTION} {_SHARE}"
    )
    table, labels = _digits()
    trial = trials.run(
        look,
        "preprocessing.split_of_table",
        code=f"{INPUT}/code",
        files={f"{INPUT}/digits.csv": table},
        folders=[TRAIN, TEST],
        arguments=[_OPTION, str(_SHARE)],
    )
    tables = {}
    for part, folder in (("train", TRAIN), ("test", TEST)):
        for kind in ("features", "labels"):
            path = f"{folder}/{part}_{kind}.csv"
            if path not in trial.files:
                if trial.error:
                    raise NotYet(f"it stopped: {trial.error}", path)
                written = [one for one in trial.files if one.endswith(".csv")]
                raise NotYet(f"no {path}; it wrote {listing(written)}", path)
            tables[f"{part}_{kind}"] = _table(f"{part}_{kind}.csv", trial.files[path])
    _judge_sizes(tables)
    _judge_scaling(tables["train_features"], tables["test_features"])
    _judge_labels(tables, labels)
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")
    if not trial.report["same"]:
        raise NotYet("another split the second time", "the same split each time: random_state=SEED")


@functools.cache
def _digits() -> tuple[bytes, np.ndarray]:
    """Return digits.csv, and the labels by rank.

    The ink in the first block of the images is 0, 1, 2 and so on: it tells the rank of a digit,
    whatever its features were scaled by. There are few nines.
    """
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(_ROWS) < 8, 9, np.arange(_ROWS) % 9)
    rng.shuffle(labels)
    images = rng.integers(0, 256, (_ROWS, 7, 4, 7, 4))
    first = np.arange(_ROWS)[:, None] // 16 + (np.arange(16) < np.arange(_ROWS)[:, None] % 16)
    images[:, 0, :, 0, :] = first.reshape(-1, 4, 4)
    lines = [",".join(("label", *(f"pixel{n}" for n in range(784))))]
    for rank in rng.permutation(_ROWS):
        lines.append(",".join(map(str, (labels[rank], *images[rank].ravel()))))
    return "\n".join([*lines, ""]).encode(), labels


def _table(name: str, content: bytes) -> np.ndarray:
    try:
        return np.loadtxt(io.BytesIO(content), delimiter=",", ndmin=2)
    except ValueError as error:
        raise NotYet(
            f"{name} cannot be read: {error}", "lines of numbers, as save() writes them"
        ) from None


def _judge_sizes(tables: dict[str, np.ndarray]) -> None:
    test = round(_SHARE * _ROWS)
    for part, wanted in (("test", test), ("train", _ROWS - test)):
        features, labels = (tables[f"{part}_{kind}"] for kind in ("features", "labels"))
        if abs(len(features) - wanted) > _ROUNDED:
            raise NotYet(
                f"{len(features)} of {_ROWS} digits are in {part}_features.csv",
                f"about {wanted}: the share of the test is args.train_test_split_ratio",
            )
        if features.shape[1] != _BLOCKS:
            raise NotYet(
                f"{part}_features.csv has {features.shape[1]} columns",
                f"{_BLOCKS}: what make_features() makes of the pixels",
            )
        if labels.shape != (len(features), 1):
            raise NotYet(
                f"{part}_labels.csv has {len(labels)} lines of {labels.shape[1]} numbers",
                f"{len(features)} lines with one label each",
            )


def _judge_scaling(train: np.ndarray, test: np.ndarray) -> None:
    """The scaler has learned from the training part, and both parts went through it."""
    expected = "one scaler for both parts, which has learned from the training part alone"

    def standard(features: np.ndarray) -> bool:
        mean, spread = np.abs(features.mean(axis=0)).max(), features.std(axis=0)
        return mean < 2e-3 and np.abs(spread - 1).max() < 2e-3

    if not standard(train):
        if standard(np.concatenate([train, test])):
            raise NotYet("the scaler has learned from the test too", expected)
        mean = train.mean(axis=0)
        raise NotYet(
            f"the mean of the training features goes from {mean.min():.2f} to {mean.max():.2f}",
            f"mean 0 and spread 1: {expected}",
        )
    if standard(test):
        raise NotYet("the test has a scaler of its own: its features have mean 0 too", expected)


def _judge_labels(tables: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Each digit is in one part, with its own label, and each class has its share."""
    sizes = {part: len(tables[f"{part}_features"]) for part in ("train", "test")}
    ink = np.concatenate([tables[f"{part}_features"][:, 0] for part in sizes])
    step = np.ptp(ink) / (_ROWS - 1)
    ranks = np.rint((ink - ink.min()) / step).astype(int)
    twice = _ROWS - len(set(ranks))
    if twice:
        raise NotYet(
            f"{twice} of the {_ROWS} digits are in no part, and others are there twice",
            "each digit in one part alone",
        )
    given = np.concatenate([tables[f"{part}_labels"][:, 0] for part in sizes])
    wrong = int((given != labels[ranks]).sum())
    if wrong:
        raise NotYet(
            f"{wrong} of the {_ROWS} labels are not those of their digits",
            "the labels in the same order as the features",
        )
    for digit in range(10):
        every = int((labels == digit).sum())
        found = int((given[sizes["train"] :] == digit).sum())
        if abs(found - _SHARE * every) > 1:
            raise NotYet(
                f"{found} of the {every} digits {digit} are in the test",
                f"about {_SHARE * every:g}: each digit has its share in both parts",
            )


# --- the second job -----------------------------------------------------------------------


@check("10.3")
def evaluation(look: Look) -> None:
    split = jobs.newest(look, SCRIPT, _ours)
    record = jobs.newest(look, EVALUATION, _ours)
    files = s3.input_files(look, record)
    _judge_model(look, record)
    for name in ("test_features.csv", "test_labels.csv"):
        if f"{TEST}/{name}" not in files:
            there = [item.uri for path, item in files.items() if path.startswith(f"{TEST}/")]
            has = f"at {TEST} there is {listing(there, 2)}" if there else f"nothing at {TEST}"
            raise NotYet(has, f"{name} at {TEST}: the output test_data of the first job")
    uri, wanted = input_folders(record).get(TEST, ""), outputs_of(split)["test_data"][1]
    if uri.rstrip("/") != wanted.rstrip("/") and split.started < record.started:
        raise NotYet(
            f"{uri} at {TEST}", f"{wanted}/, which the newest job with {SCRIPT} left there"
        )
    target = output_uri(record, f"{OUTPUT}/evaluation.json")
    if target is None:
        has = listing(folder for folder, _ in outputs_of(record).values())
        raise NotYet(f"no output for {OUTPUT}; there is {has}", f"{OUTPUT}: to evaluation_uri")
    bucket = s3.split_uri(target)[0]
    expected = f"s3://{bucket}/{look.top}ScikitLearn/Evaluation/evaluation.json"
    if target != expected:
        raise NotYet(f"evaluation.json would be {target}", expected)
    jobs.stands(look, record)
    s3.made_by(look, record, target)


def _judge_model(look: Look, record: Record) -> None:
    files, place = s3.input_files(look, record), f"{MODEL}/model.tar.gz"
    if place not in files:
        there = [item.uri for path, item in files.items() if path.startswith(f"{MODEL}/")]
        has = f"at {MODEL} there is {listing(there, 2)}" if there else f"nothing at {MODEL}"
        raise NotYet(has, f"model.tar.gz at {MODEL}: estimator.model_data")
    bucket = s3.split_uri(files[place].uri)[0]
    trained = s3.below(look, f"s3://{bucket}/{look.top}ScikitLearn/Training/").values()
    models = [one for one in trained if one.name == "model.tar.gz"]
    models = [one for one in models if one.modified <= record.started]
    newest = max(models, key=lambda one: one.modified, default=None)
    if newest and files[place].modified < newest.modified:
        raise NotYet(f"{files[place].uri} at {MODEL}", f"the newest model, {newest.uri}")
