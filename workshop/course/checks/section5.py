"""The checks of 5-training."""

from __future__ import annotations

import re

from workshop.course.checks import section2
from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.course.checks.section2 import BEST, CHECKPOINTS
from workshop.emulator.service.sagemaker.records import Record

_TRAINING = "training.py"


@check("5.1")
def main(look: Look) -> None:
    section2.arguments(look)
    section2.training_starts(look)


# --- the request --------------------------------------------------------------------------


@check("5.2")
def checkpointing(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    jobs.on_instances(record)
    uri = _checkpoint_uri(look, record)
    config, stop = record.request["CheckpointConfig"], record.request.get("StoppingCondition", {})
    # Where none is given, SageMaker takes /opt/ml/checkpoints.
    path = config.get("LocalPath", CHECKPOINTS).rstrip("/")
    if path != CHECKPOINTS:
        raise NotYet(
            f"the checkpoints are looked for in {path}",
            f"{CHECKPOINTS}, where main.py leaves them: checkpoint_local_path",
        )
    bucket, key = s3.split_uri(uri)
    top, _, folder = key.rstrip("/").rpartition("Checkpoints/")
    # What is made anew for each run has a number in it: a time, most likely.
    if top != look.top or not re.search(r"\d", folder.replace(bucket, "")):
        raise NotYet(
            f"the checkpoints go to {uri}",
            f"a folder of this run's own below s3://{bucket}/{look.top}Checkpoints/: a job that "
            "finds the checkpoints of another run goes on from those",
        )
    if not record.request.get("EnableManagedSpotTraining"):
        raise NotYet("the job asks for no spot instance", "use_spot_instances=True")
    run, wait = stop.get("MaxRuntimeInSeconds", 0), stop.get("MaxWaitTimeInSeconds")
    if wait is None:
        raise NotYet("the job has no max_wait", "max_wait: how long a spot job may take with waits")
    if wait < run:
        raise NotYet(
            f"max_wait is {wait} and max_run is {run}",
            "a max_wait that is not smaller than max_run: it counts the waiting too",
        )
    jobs.stands(look, record)


def _checkpoint_uri(look: Look, record: Record) -> str:
    uri = record.request.get("CheckpointConfig", {}).get("S3Uri")
    if not uri:
        raise NotYet(
            "the job has no place in S3 for its checkpoints",
            f"a checkpoint_s3_uri below {look.top}Checkpoints/ in the bucket",
        )
    return uri


# --- training.py --------------------------------------------------------------------------


@check("5.3")
def resume(look: Look) -> None:
    look.script(_TRAINING)
    where = f"train_model in {look.section.scripts}/{_TRAINING}, with a tiny network for 12 epochs"
    look.at(f"{where}, killed after epoch 3 and, started again, after epoch 10")
    trial = trials.run(
        look,
        "resuming.resume",
        code="/opt/ml/code",
        files={},
        folders=["/opt/ml/model", CHECKPOINTS, "/opt/ml/output/data"],
        without=["main.py"],
    )
    lives = trial.report.get("lives", [])
    if not lives:
        raise NotYet(f"it stopped: {trial.error}", "training that runs to its end")
    last, kills = trial.report["epochs"], trial.report["kills"]
    _judge_first_life(lives[0], kills[0])
    for life, begin, end in zip(lives[1:], kills, (kills[1], last), strict=False):
        _judge_life(life, begin, end)
    _judge_end(lives[2], trial.report["losses"])
    section2.judge_fit(lives[2]["fitted"], last - kills[1])
    look.at(f"{where}, started again when all epochs are done")
    _judge_stop(lives[3], "a script that has nothing left to train, and ends well")
    _judge_end(lives[3], trial.report["losses"])
    if len(lives) > 4:
        look.at(f"{where}, killed after epoch 3, with a half-written {trial.report['half']}")
        _judge_stop(lives[4], "training from the newest checkpoint that can be read")
        _judge_end(lives[4], trial.report["losses"])
    look.at(f"{where}, killed in several ways and started again")


def _judge_stop(life: dict, expected: str) -> None:
    if "error" in life:
        raise NotYet(f"it stopped: {life['error']}", expected)


def _judge_first_life(life: dict, kill: int) -> None:
    _judge_stop(life, "training from epoch 1, since there is no checkpoint yet")
    if life["began"] != list(range(1, kill + 1)):
        raise NotYet(
            f"with no checkpoint it trained {_epochs(life['began'])}",
            "training from epoch 1, since there is no checkpoint yet",
        )
    if "returned" in life:
        raise NotYet("train_model ended when it was killed", "model.fit, called with all epochs")
    if not life["names"]:
        raise NotYet(
            f"after epoch {kill} checkpoint_dir is empty", "a checkpoint there after each epoch"
        )


def _judge_life(life: dict, done: int, end: int) -> None:
    """After `done` epochs it was killed: now it must begin with the next one."""
    began = life["began"]
    expected = f"epoch {done + 1} next: the checkpoint of epoch {done} is the newest one"
    _judge_stop(life, expected)
    if not began:
        raise NotYet(f"killed after epoch {done}, it trained nothing", expected)
    first = began[0]
    if first == 1:
        raise NotYet(f"killed after epoch {done}, it began with epoch 1 again", expected)
    if first != done + 1:
        why = ""
        if first == 2:
            why = ". The times of the files say nothing: SageMaker has just copied them"
        elif done >= 10 > first - 1:
            why = f'. As text, "{first - 1}" comes after "{done}": compare numbers'
        raise NotYet(
            f"killed after epoch {done}, it loaded the checkpoint of epoch {first - 1}",
            f"{expected}{why}",
        )
    if began != list(range(first, end + 1)):
        more = [epoch for epoch in began if epoch > end]
        if more:
            raise NotYet(
                f"from epoch {first} it went on to epoch {began[-1]}: {len(began)} more",
                f"{end} epochs in all, so {end - done} more",
            )
        raise NotYet(f"it trained {_epochs(began)}", f"{_epochs(list(range(first, end + 1)))}")


def _judge_end(life: dict, losses: list[float]) -> None:
    """All epochs are done: the history has each once, and the best of all is kept."""
    last = len(losses)
    for where, history in (
        ("history.json in output_dir", life["history"]),
        ("what train_model returned", life.get("returned")),
    ):
        _judge_history(where, history, losses)
    best = losses.index(min(losses)) + 1
    expected = f"the network after epoch {best}, which has the smallest validation loss of all"
    if life["best"] is None:
        raise NotYet(f"no {BEST} in model_dir", f"model_dir/{BEST}: {expected}")
    if life["best"] != best:
        raise NotYet(
            f"{BEST} holds the network after epoch {life['best']}",
            f"{expected} {last}: the epochs before an interruption count too",
        )


def _judge_history(where: str, history: object, losses: list[float]) -> None:
    last = len(losses)
    expected = f"a dict with a list of {last} values for each metric, one for each epoch"
    names = ("accuracy", "loss", "val_accuracy", "val_loss")
    if not isinstance(history, dict) or not all(isinstance(history.get(n), list) for n in names):
        raise NotYet(f"{where} is no history", expected)
    found = [_epoch_of(value, losses) for value in history["val_loss"]]
    if found != list(range(1, last + 1)):
        raise NotYet(
            f"{where} has {len(found)} values of val_loss, those of {_epochs(found)}",
            f"{last} values: each epoch once, also those before an interruption",
        )
    short = [name for name in names if len(history[name]) != last]
    if short:
        raise NotYet(f"{where} has {len(history[short[0]])} values of {short[0]}", expected)


def _epoch_of(value: object, losses: list[float]) -> int:
    """Return the epoch with this validation loss; 0 when there is none."""
    if not isinstance(value, (int, float)):
        return 0
    distances = [abs(value - loss) for loss in losses]
    return distances.index(min(distances)) + 1 if min(distances) < 1e-3 else 0


def _epochs(numbers: list[int]) -> str:
    """Return "epochs 1 to 3 and 1 to 9": each row of numbers that follow each other."""
    rows: list[list[int]] = []
    for number in numbers:
        if rows and number == rows[-1][-1] + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    words = [f"{row[0]} to {row[-1]}" if len(row) > 1 else str(row[0]) for row in rows]
    return f"the epochs {listing(words)}" if words else "no epoch"


# --- the result ---------------------------------------------------------------------------


@check("5.4")
def artifacts(look: Look) -> None:
    record = jobs.newest(look, "main.py")
    jobs.on_instances(record)
    section2.artifacts(look)
    uri = _checkpoint_uri(look, record)
    look.at(uri)
    there = [item.uri for item in s3.below(look, uri).values()]
    # What was being written when a job was stopped is no checkpoint: it has no number.
    models = [one for one in there if re.search(r"\d[^/]*\.(keras|h5|hdf5)$", one)]
    if not models:
        raise NotYet(f"no checkpoint; there is {listing(there)}", "a checkpoint of each epoch")
    # The same cell prints the addresses of the model and the metrics.
    pattern = rf"{re.escape(uri.rstrip('/'))}/[^\s'\",\]]+"
    found = notebook.value(look, "checkpoints", lambda printed: re.findall(pattern, printed))
    found = list(map(str, found)) if isinstance(found, (list, tuple, set)) else []
    look.at(f"{look.looked_at}, and {uri}")
    missing = [one for one in models if one not in found]
    if missing:
        raise NotYet(
            f"{len(models) - len(missing)} of {len(models)} checkpoints; not {missing[0]}",
            f"the addresses of all {len(models)} checkpoints, which begin with s3://",
        )
    strange = [one for one in found if one.startswith("s3://") and one not in models]
    if strange:
        raise NotYet(
            f"{strange[0]}, which is no checkpoint of this job",
            f"the {len(models)} checkpoints below {uri}, and nothing else",
        )
