"""The checks of 2-training."""

from __future__ import annotations

import io
import json
import logging
import re
import tarfile

import numpy as np

from workshop.course.checks import live
from workshop.course.checks.arrays import npy
from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.course.checks.section1 import same_image

CHANNELS = ("X_train", "y_train", "X_val", "y_val")
BEST = "best_checkpoint.keras"
#: Where the scripts find and leave things while they are tried: not where a job has them.
DESK = "/opt/ml/desk"
FOLDERS = {
    **{f"SM_CHANNEL_{name.upper()}": f"{DESK}/{name}" for name in CHANNELS},
    "SM_MODEL_DIR": f"{DESK}/model",
    "SM_OUTPUT_DATA_DIR": f"{DESK}/output",
}
CHECKPOINTS = "/opt/ml/checkpoints"


@check("2.1")
def channels(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    sources = {}
    for one in record.request.get("InputDataConfig", ()):
        source = one["DataSource"]
        uri = source.get("S3DataSource", {}).get("S3Uri") or source["FileDataSource"]["FileUri"]
        sources[str(one["ChannelName"])] = str(uri)
    # SageMaker makes SM_CHANNEL_X_TRAIN of X_train and of x_train.
    by_variable = {name.upper(): uri for name, uri in sources.items()}
    missing = [name for name in CHANNELS if name.upper() not in by_variable]
    if missing:
        raise NotYet(
            f"no channel {listing(missing)}; the channels are {listing(sources)}",
            f"four channels: {', '.join(CHANNELS)}",
        )
    for name in CHANNELS:
        uri = by_variable[name.upper()]
        below = s3.below(look, uri)
        if f"{name}.npy" not in below:
            raise NotYet(
                f"the channel {name} is {uri}, and below it is {listing(below, 3)}",
                f"the folder in S3 that holds {name}.npy",
            )
    jobs.stands(look, record)


# --- main.py ------------------------------------------------------------------------------


def try_main(look: Look, name: str) -> trials.Trial:
    """Let a function of `inside` try main.py, which finds tiny arrays."""
    look.script("main.py")
    files = {}
    for n, channel in enumerate(CHANNELS):
        shape = (10 - n // 2, 28, 28, 1) if channel.startswith("X") else (10 - n // 2,)
        array = np.full(shape, n, "float32" if channel.startswith("X") else "uint8")
        files[f"{DESK}/{channel}/{channel}.npy"] = npy(array)
    return trials.run(look, name, code="/opt/ml/code", files=files, environment=FOLDERS)


@check("2.2")
def arguments(look: Look) -> None:
    trial = try_main(look, "training.main")
    look.at(
        f"{look.section.scripts}/main.py, started with no arguments and with SM_* variables that "
        f"point below {DESK}"
    )
    given = trial.report.get("arguments")
    if not isinstance(given, dict):
        found = trial.error or "it reads no arguments with argparse"
        raise NotYet(found, "an argument for each folder, with a default")
    for option, name in trial.report["options"].items():
        variable = _channel_of(option)
        if variable and given[name] != FOLDERS[variable]:
            raise NotYet(
                f"{option} is {_shown(given[name])}", f"{FOLDERS[variable]}, from {variable}"
            )
    for variable, folder in FOLDERS.items():
        if folder not in given.values():
            raise NotYet(
                f"no argument has the folder of {variable}; there is {_all(given)}",
                f"an argument with {variable} as its default, here {folder}",
            )
    folders = [str(value).rstrip("/") for value in given.values()]
    if CHECKPOINTS not in folders:
        raise NotYet(
            f"no argument for the checkpoints; there is {_all(given)}",
            f"an argument with the default {CHECKPOINTS}",
        )


def _channel_of(option: str) -> str | None:
    variable = f"SM_CHANNEL_{option.lstrip('-').replace('-', '_').upper()}"
    return variable if variable in FOLDERS else None


def _shown(value: object) -> str:
    return "empty" if value is None else str(value)


def _all(given: dict) -> str:
    """Return the arguments that are no numbers."""
    folders = {name: value for name, value in given.items() if not isinstance(value, (int, float))}
    return listing((f"{name} {_shown(value)}" for name, value in folders.items()), 20)


@check("2.3")
def training_starts(look: Look) -> None:
    trial = try_main(look, "training.main")
    look.at(f"{look.section.scripts}/main.py, on four tiny arrays, and what train_model is given")
    given = trial.report.get("training")
    expected = f"a call of train_model with {', '.join(CHANNELS)}"
    if given is None:
        if trial.error:
            raise NotYet(f"it stopped: {trial.error}", expected)
        raise NotYet("it ended without a call of train_model", expected)
    arrays = {name: value for name, value in given.items() if isinstance(value, dict)}
    found = [
        value["array"] or f"an array of shape {tuple(value['shape'])}" for value in arrays.values()
    ]
    if found != list(CHANNELS):
        raise NotYet(
            f"train_model was given the arrays {', '.join(found) or 'none at all'}",
            f"{', '.join(CHANNELS)}, in this order",
        )
    if "model" in given and given["model"] != "<Anything>":
        raise NotYet("train_model was not given the network", "the network: create_cnn_model()")
    for name in CHANNELS:
        if name in given and name in arrays and arrays[name]["array"] != name:
            raise NotYet(f"{name} was {arrays[name]['array']}", f"{name} as {name}")
    wanted = {
        "model_dir": FOLDERS["SM_MODEL_DIR"],
        "output_dir": FOLDERS["SM_OUTPUT_DATA_DIR"],
        "checkpoint_dir": CHECKPOINTS,
    }
    for name, folder in wanted.items():
        if name in given and str(given[name]).rstrip("/") != folder:
            raise NotYet(f"{name} was {_shown(given[name])}", f"{name} as {folder}")
    for name in ("epochs", "batch_size"):
        if name in given and not isinstance(given[name], int):
            raise NotYet(
                f"{name} was {given[name]!r}", f"{name} as a whole number, from the arguments"
            )
        asked = (trial.report.get("arguments") or {}).get(name)
        if name in given and isinstance(asked, int) and given[name] != asked:
            raise NotYet(f"{name} was {given[name]}", f"{asked}, the argument of this name")
    if trial.error:
        raise NotYet(
            f"after the training it stopped: {trial.error}",
            "what train_model returns, kept in history",
        )


# --- training.py --------------------------------------------------------------------------


@check("2.4")
def checkpoints(look: Look) -> None:
    look.script("training.py")
    look.at(
        f"train_model in {look.section.scripts}/training.py, with a tiny network for 4 epochs, of "
        "which the second has the smallest validation loss"
    )
    trial = trials.run(
        look,
        "training.train",
        code="/opt/ml/code",
        files={},
        folders=["/opt/ml/model", CHECKPOINTS, "/opt/ml/output/data"],
        without=["main.py"],
    )
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", "training that runs to its end")
    saved = trial.report["saved"]
    best = f"/opt/ml/model/{BEST}"
    if best not in saved:
        there = [path for path in saved if path.startswith("/opt/ml/model/")]
        raise NotYet(f"no {BEST} in model_dir; there is {listing(there)}", f"model_dir/{BEST}")
    if saved[best] != 2:
        which = f"the network after epoch {saved[best]}" if saved[best] else "no whole network"
        raise NotYet(
            f"{BEST} holds {which}",
            "the network after epoch 2, which has the smallest validation loss",
        )
    of_epochs = {path: n for path, n in saved.items() if path.startswith(f"{CHECKPOINTS}/")}
    if not {1, 2, 3, 4} <= set(of_epochs.values()):
        names = listing(path.rpartition("/")[2] for path in sorted(of_epochs))
        raise NotYet(
            f"after 4 epochs checkpoint_dir holds {names}",
            "a checkpoint of each epoch, under a name of its own: a .keras file each",
        )
    _judge_history(trial)
    judge_fit(trial.report["fitted"], trial.report["epochs"])


def judge_fit(fitted: dict, epochs: int) -> None:
    """The parameters reach model.fit, and each epoch leaves a line with its metrics in the log."""
    for name, wanted in fitted["given"].items():
        if fitted["fit"].get(name) != wanted:
            raise NotYet(
                f"model.fit got {name} {_shown(fitted['fit'].get(name))}",
                f"{name} {wanted}, as train_model was given it",
            )
    names = ("accuracy", "loss", "val_accuracy", "val_loss")
    lines = [line for line in fitted["printed"] if all(f" {name}=" in line for name in names)]
    if len(lines) < epochs:
        raise NotYet(
            f"{len(lines)} of {epochs} epochs printed their metrics",
            "a line for each epoch, from which task 2.5 reads the metrics: MetricsLog() among the "
            "callbacks",
        )


def _judge_history(trial: trials.Trial) -> None:
    place = "/opt/ml/output/data/history.json"
    if place not in trial.files:
        others = [path for path in trial.files if path.endswith("history.json")]
        raise NotYet(
            f"no history.json in output_dir; there is {listing(others)}", "output_dir/history.json"
        )
    try:
        history = json.loads(trial.files[place])
    except ValueError as error:
        raise NotYet(f"history.json is no JSON: {error}", "the history as JSON") from None
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    if not isinstance(history, dict) or not all(
        isinstance(history.get(name), list) and len(history[name]) == 4 for name in names
    ):
        has = listing(history) if isinstance(history, dict) else "no metrics"
        raise NotYet(f"history.json has {has}", f"{', '.join(names)}, with a value for each epoch")
    if not isinstance(trial.report["returned"], list) or not set(names) <= set(
        trial.report["returned"]
    ):
        raise NotYet(
            f"train_model returned {_shown(trial.report['returned'])}",
            "the history: a dict with a list of values for each metric",
        )


# --- the job ------------------------------------------------------------------------------

_LINE = "epoch 3/30 accuracy=0.8087 loss=0.6131 val_accuracy=0.9303 val_loss=0.2338"
_VALUES = {
    "train:loss": "0.6131",
    "train:accuracy": "0.8087",
    "validation:loss": "0.2338",
    "validation:accuracy": "0.9303",
}


def _definitions(record) -> dict[str, str]:
    definitions = record.request["AlgorithmSpecification"].get("MetricDefinitions", ())
    try:
        return {one["Name"]: one["Regex"] for one in definitions}
    except (TypeError, KeyError):  # local mode asks nobody
        raise NotYet(
            f"its metric definitions are {str(definitions)[:60]!r}",
            'a list of dicts, each with "Name" and "Regex"',
        ) from None


@check("2.5")
def metrics(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    job = look.looked_at
    definitions = _definitions(record)
    if not definitions:
        raise NotYet(
            "it was sent without metric definitions",
            f"metric definitions for {', '.join(_VALUES)}",
        )
    look.at(f'{job}, and its metric definitions on the line "{_LINE}"')
    missing = [name for name in _VALUES if name not in definitions]
    if missing:
        raise NotYet(
            f"no metric {listing(missing)}; the names are {listing(definitions)}",
            f"the names {', '.join(_VALUES)}",
        )
    for name, value in _VALUES.items():
        regex = definitions[name]
        expected = f"{name} finds {value} and nothing else"
        try:
            matches = list(re.finditer(regex, _LINE))
            found = [match[1] for match in matches]
        except re.error as error:
            raise NotYet(f"{regex!r} is no regular expression: {error}", expected) from None
        except IndexError:
            raise NotYet(
                f"{regex!r} has no group",
                f"( ) around what is the number, so that {expected}",
            ) from None
        if found != [value]:
            raise NotYet(f"{name} with {regex!r} finds {listing(map(str, found))}", expected)
    jobs.stands(look, record)


@check("2.6")
def estimator(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    request = record.request
    same_image(request["AlgorithmSpecification"]["TrainingImage"], "job")
    given = {name: _decoded(value) for name, value in request.get("HyperParameters", {}).items()}
    program = given.get("sagemaker_program")
    if program != "main.py":
        raise NotYet(
            f"the job starts {program}", "main.py, which finds the folders and calls the rest"
        )
    output = _output_path(request)
    if s3.split_uri(output)[1].partition("/")[0] != "Training":
        where = output or "a place of the SDK's own choice"
        raise NotYet(f"the job leaves its output below {where}", "Training/ in the bucket")
    if "model_dir" in given:
        raise NotYet(
            f"main.py gets --model_dir {given['model_dir']}",
            "model_dir=False: the model is saved to /opt/ml/model, and SageMaker takes it to S3",
        )
    own = [name for name in given if not name.startswith("sagemaker_")]
    for name in ("epochs", "batch-size"):
        if name not in [one.replace("_", "-") for one in own]:
            raise NotYet(
                f"no hyperparameter {name}; there is {listing(own)}", "epochs and batch-size"
            )
    if not _definitions(record):
        raise NotYet("it was sent without metric definitions", "metric_definitions, from task 2.5")
    job = look.looked_at
    known = _options(look)
    look.at(job)
    unknown = [
        name for name in given if not name.startswith("sagemaker_") and not _knows(known, name)
    ]
    if unknown:
        raise NotYet(
            f"main.py has no argument for the hyperparameter {listing(unknown)}",
            "names that main.py reads with argparse: epochs and batch-size",
        )
    _judge_noise(request, given)
    jobs.stands(look, record)


_QUIET = {"PIP_QUIET": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def _judge_noise(request: dict, given: dict[str, object]) -> None:
    """What nobody can act on stays out of the job's log: the toolkit, pip and TensorFlow are quiet.

    The toolkit takes its level from a hyperparameter (``sagemaker/estimator.py``,
    ``container_log_level``).
    """
    environment = request.get("Environment") or {}
    loud = [name for name in _QUIET if str(environment.get(name, "0")) in ("", "0")]
    if loud:
        settings = ", ".join(f'"{name}": "{value}"' for name, value in _QUIET.items())
        raise NotYet(f"a noisy log: the environment has no {listing(loud)}", f"{{{settings}}}")
    level = given.get("sagemaker_container_log_level")
    if not isinstance(level, int) or level < logging.WARNING:
        raise NotYet(
            "a noisy log: the toolkit in the container lists all its settings",
            "container_log_level=logging.WARNING",
        )


def _options(look: Look) -> list[str]:
    """Return the options of main.py; none when it does not come so far as to read them."""
    try:
        return list(try_main(look, "training.main").report.get("options", ()))
    except NotYet:
        return []


def _knows(options: list[str], name: str) -> bool:
    """Tell whether argparse would take `--name`, which may be the begin of an option."""
    return not options or any(option.startswith(f"--{name}") for option in options)


def _output_path(request: dict) -> str:
    return request.get("OutputDataConfig", {}).get("S3OutputPath") or ""


def _decoded(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


@check("2.7")
def artifacts(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    jobs.ended_well(record)
    job = look.looked_at
    top = _output_path(record.request).rstrip("/")
    if not s3.split_uri(top)[0]:
        raise NotYet(
            "the job had no output_path in S3", "its files below Training/, as in task 2.6"
        )
    uris = [f"{top}/{record.name}/output/{name}.tar.gz" for name in ("model", "output")]
    for uri, wanted in zip(uris, (BEST, "history.json"), strict=True):
        look.at(f"{uri}, and {job}")
        s3.made_by(look, record, uri)
        names = _packed(s3.read(look, uri) or b"")
        if wanted not in [name.rpartition("/")[2] for name in names]:
            raise NotYet(f"it holds {listing(names)}", f"{wanted} in it, as in task 2.4")
    look.at(f"{look.notebook.name}, the files in S3, and {job}")
    pattern = r"^\s*output_uri\s*[=,:]"
    cells = [cell for cell in notebook.cells(look) if re.search(pattern, cell.source, re.M)]
    if not cells:
        raise NotYet(
            "model.tar.gz and output.tar.gz are in S3, but no cell sets output_uri",
            "a cell that sets model_uri and output_uri",
        )
    _judge_addresses(cells[-1], uris, live.variables(look.notebook.name))


def _judge_addresses(cell: notebook.Cell, uris: list[str], variables: dict[str, object]) -> None:
    names = ("model_uri", "output_uri")
    if variables.keys() >= set(names):
        for name, uri in zip(names, uris, strict=True):
            if variables[name] != uri:
                raise NotYet(f"{name} is {variables[name]}", uri)
        return
    if not cell.printed:
        raise NotYet(
            "what output_uri is does not stand in the saved notebook",
            "the cell run, and the notebook saved after it; or the check in the notebook",
        )
    printed = [word for word in cell.printed.split() if word.startswith("s3://")]
    if [word for word in printed if word in uris][:2] != uris:
        raise NotYet(
            f"the cell printed {listing(printed, 2)}",
            f"{' and then '.join(uris)}: what the two names are",
        )


def _packed(content: bytes) -> list[str]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return [member.name for member in archive.getmembers() if member.isfile()]
    except tarfile.TarError:
        return []
