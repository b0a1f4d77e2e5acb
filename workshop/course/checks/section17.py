"""The checks of 17-tuning."""

from __future__ import annotations

import itertools
import math
import re
import textwrap

from workshop.course.checks import section2
from workshop.course.checks.look import Look, notebook, pipelines, tuning
from workshop.course.checks.look.job_request import PROCESSING, input_at
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

PIPELINE, TUNING = "lab4-digits-tuning", "lab4-tuning"
_METRIC = "validation:accuracy"
_TUNED = ("learning-rate", "dropout")


# --- main.py ------------------------------------------------------------------------------

_DEFAULTS = {"learning-rate": 0.001, "dropout": 0.4}


@check("17.1")
def numbers(look: Look) -> None:
    trial = section2.try_main(look, "tuning.main")
    where = f"{look.section.scripts}/main.py"
    look.at(where)
    if "runs" not in trial.report:
        raise NotYet(f"it stopped: {trial.error}", "a script that comes to model.fit")
    given, runs = trial.report["given"], trial.report["runs"]
    words = " ".join(f"--{name} {value}" for name, value in given.items())
    look.at(f"{where}, started with {words}")
    _judge_options(runs["given"])
    fit = _fit(runs["given"])
    _judge_network(fit, given, "as it was given")
    for name in ("epochs", "batch-size"):
        if fit[name] != given[name]:
            raise NotYet(f"model.fit is given {name} {fit[name]}", f"{given[name]}")
    look.at(f"{where}, started with no arguments")
    for name, value in _DEFAULTS.items():
        if runs["nothing"].get("read", {}).get(f"--{name}") is None:
            raise NotYet(f"--{name} has no default", f"{value}")
    _judge_network(_fit(runs["nothing"]), _DEFAULTS, "the default")
    look.at(f"{where}, started twice with --seed {given['seed']}")
    again, other = _fit(runs["again"]), _fit(runs["another seed"])
    if fit["network"] != again["network"]:
        raise NotYet(
            "the two networks begin with different weights",
            "the same weights: the seed is set before the network is made",
        )
    if fit["chance"] != again["chance"]:
        raise NotYet(
            "the two trainings have other random numbers",
            "the same ones: keras.utils.set_random_seed sets all that there are",
        )
    if fit["network"] == other["network"]:
        look.at(f"{where}, started with two different seeds")
        raise NotYet("the two networks begin with the same weights", "the seed of args")
    look.at(f"{where}, started with {words}, and with no arguments")


def _judge_options(run: dict) -> None:
    """The two are there by the names that a job has for them, and are read as numbers."""
    options = run.get("options")
    if options is None:
        found = f"it stopped: {run['error']}" if "error" in run else "it reads no arguments"
        raise NotYet(found, "args = parser.parse_args()")
    for name in _TUNED:
        if f"--{name}" not in options:
            raise NotYet(
                f"no argument --{name}; there is {listing(options, 10)}",
                f"--{name}: a job has the name of the hyperparameter, with two hyphens before it",
            )
        value = run.get("read", {}).get(f"--{name}")
        if isinstance(value, str):
            raise NotYet(f"--{name} is read as a text: {value!r}", "a number: type=float")


def _fit(run: dict) -> dict:
    """Return what is known of a run's model.fit, which it must have come to."""
    expected = "a script that comes to model.fit with these numbers"
    if "error" in run:
        raise NotYet(f"it stopped: {run['error']}", expected)
    if "fit" not in run:
        raise NotYet("it ended without model.fit", expected)
    return run["fit"]


def _judge_network(fit: dict, wanted: dict, why: str) -> None:
    rate, dropout = (wanted[name] for name in _TUNED)
    if not _near(fit["learning-rate"], rate):
        swapped = ", which is the dropout" if _near(fit["learning-rate"], dropout) else ""
        raise NotYet(
            f"the learning rate of model is {fit['learning-rate']:g}{swapped}", f"{rate}, {why}"
        )
    rates = fit["dropout"]
    if not rates or not all(_near(one, dropout) for one in rates):
        raise NotYet(
            f"the Dropout layers of model have {listing(f'{one:g}' for one in rates)}",
            f"{dropout} for each, {why}",
        )


def _near(one: float, two: float) -> bool:
    return abs(one - two) < 1e-6


# --- the tuning job -----------------------------------------------------------------------

_LIMITS = {
    "MaxNumberOfTrainingJobs": ("max_jobs", 8, "trials in all"),
    "MaxParallelTrainingJobs": ("max_parallel_jobs", 2, "at the same time"),
}
_RANGES = {"learning-rate": (0.0001, 0.1), "dropout": (0.1, 0.7)}
_SCALES = {
    "Auto": "SageMaker chooses one itself",
    "Linear": "nine of ten trials are above 0.01",
    "ReverseLogarithmic": "it is for numbers that come close to 1",
}


@check("17.2")
def tuner(look: Look) -> None:
    notebook.on_sagemaker(look, "tuning jobs")
    about = tuning.newest(look, TUNING)
    config = about["HyperParameterTuningJobConfig"]
    _judge_objective(about)
    for member, (argument, wanted, words) in _LIMITS.items():
        found = config["ResourceLimits"].get(member)
        if found != wanted:
            raise NotYet(f"{argument} is {found}", f"{wanted} {words}")
    if config["Strategy"] != "Bayesian":
        raise NotYet(f"the strategy is {config['Strategy']}", "Bayesian: it learns from each trial")
    _judge_ranges(config["ParameterRanges"])
    tuning.stands(look, about)


def _judge_objective(about: dict, step: str = "") -> None:
    objective = about["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    if objective["MetricName"] != _METRIC:
        raise NotYet(f"it looks for the best {objective['MetricName']}", _METRIC, step=step)
    if objective["Type"] != "Maximize":
        raise NotYet(f"it looks for the smallest {_METRIC}", "the largest: Maximize", step=step)


def _judge_ranges(ranges: dict) -> None:
    kinds = {
        one["Name"]: (kind.removesuffix("Ranges"), one)
        for kind, some in ranges.items()
        for one in some
    }
    for name in _RANGES:
        if name not in kinds:
            raise NotYet(
                f"no range for {name}; there is {listing(kinds)}",
                f"{name}: as main.py reads it, without the two hyphens",
            )
    others = [name for name in kinds if name not in _RANGES]
    if others:
        raise NotYet(f"a range for {listing(others)} too", f"{listing(_RANGES)}, and no more")
    for name, limits in _RANGES.items():
        kind, one = kinds[name]
        if kind != "ContinuousParameter":
            raise NotYet(
                f"{name} is looked for with {kind}",
                "with ContinuousParameter: any number between two",
            )
        found = float(one["MinValue"]), float(one["MaxValue"])
        if not all(map(_near, found, limits)):
            raise NotYet(
                f"{name} is looked for between {found[0]:g} and {found[1]:g}",
                f"between {limits[0]} and {limits[1]}",
            )
    scale = kinds["learning-rate"][1].get("ScalingType", "Auto")
    if scale != "Logarithmic":
        raise NotYet(
            f"the scale of learning-rate is {scale}: {_SCALES[scale]}",
            "Logarithmic: each power of ten gets as many trials as the next",
        )


# --- what it found ------------------------------------------------------------------------

_VALUE = "FinalObjectiveValue"
_OF_TRIAL = "FinalHyperParameterTuningJobObjectiveMetric"


@check("17.3")
def results(look: Look) -> None:
    notebook.on_sagemaker(look, "tuning jobs")
    about = tuning.newest(look, TUNING)
    job = look.looked_at
    _judge_objective(about, step="first task 17.2, then this one")
    tuning.ended_well(about)
    found = {one["TrainingJobName"]: one.get(_OF_TRIAL, {}).get("Value") for one in
             tuning.trials(about)}  # fmt: skip
    values = sorted((value for value in found.values() if value is not None), reverse=True)
    table = notebook.value(look, "trials", _printed_values)
    look.at(f"{look.notebook.name}, trials, and {job}")
    _judge_table(table, values, len(found))
    best = notebook.value(look, "best_job", _printed_best)
    look.at(f"{look.notebook.name}, best_job, and {job}")
    _judge_best(best, found, about["HyperParameterTuningJobName"])
    look.at(f"{look.notebook.name}, trials and best_job, and {job}")


def _printed_values(text: str) -> dict[str, list[float]]:
    """Return the column with the metric as the cell shows it; nothing where it shows none.

    pandas lets the numbers of a column end where its name ends.
    """
    lines = text.splitlines()
    head = next((at for at, line in enumerate(lines) if _VALUE in line.split()), None)
    if head is None:
        return {}
    end = lines[head].index(_VALUE) + len(_VALUE)
    rows = itertools.takewhile(str.strip, (line[:end] for line in lines[head + 1 :]))
    return {_VALUE: [float(row.split()[-1]) for row in rows]}


def _judge_table(table: object, values: list[float], count: int) -> None:
    """values: those of the tuning job, the best first; count: how many trials it has."""
    if not isinstance(table, dict) and not hasattr(table, "columns"):
        raise NotYet(f"trials is of the type {type(table).__name__}", "the table of the trials")
    if _VALUE not in table:
        raise NotYet(f"a table without the column {_VALUE}", "the table with all its columns")
    found = [float(value) for value in table[_VALUE]]
    if len(found) != count:
        raise NotYet(f"trials has {len(found)} rows", f"{count}, one for each trial")
    present = [value for value in found if not math.isnan(value)]
    best_first = sorted(present, reverse=True)
    if len(present) != len(values) or not all(map(_near, best_first, values)):
        raise NotYet(
            "trials has other values than this tuning job: the best one is "
            f"{_shown(max(present, default=math.nan))}",
            f"those of the newest tuning job, whose best one is {values[0]:g}",
            step="run the cell again, then check again",
        )
    if found[: len(present)] == best_first:
        return
    if not _near(found[0], values[0]):
        raise NotYet(
            f"the first row has {_shown(found[0])}", f"{values[0]:g}: the best trial first"
        )
    raise NotYet(
        f"the rows are not in order: {listing(map(_shown, found), 8)}",
        "the best first, the worst last",
    )


def _shown(value: float) -> str:
    return f"{value:g}" if not math.isnan(value) else "no value"


def _printed_best(text: str) -> str:
    printed = re.search(r"(?m)^the best: (.*)$", text)
    if printed is None:
        raise NotYet(
            "the cell does not show best_job",
            'the line that begins with "the best:"; or the check in the notebook',
        )
    return printed[1].strip()


def _judge_best(best: object, found: dict[str, float | None], tuning_job: str) -> None:
    values = [value for value in found.values() if value is not None]
    names = [name for name, value in found.items() if value == max(values)]
    expected = f"{names[0]}, with {max(values):g}: the name of the best training job"
    if not isinstance(best, str) or best not in found:
        is_it = isinstance(best, str) and best == tuning_job
        what = "the tuning job itself" if is_it else "no trial of this tuning job"
        text = textwrap.shorten(str(best), 60, placeholder=" …")
        raise NotYet(f"best_job is {text}, which is {what}", expected)
    if best not in names:
        value = found[best]
        shown = "no value" if value is None else f"{value:g}"
        raise NotYet(f"best_job is {best}, with {shown}", expected)


# --- in a pipeline ------------------------------------------------------------------------

_MODEL = f"{PROCESSING}/model"


@check("17.4")
def in_pipeline(look: Look) -> None:
    notebook.on_sagemaker(look, "tuning jobs")
    execution = next(pipelines.executions(look, PIPELINE))
    step = pipelines.step_called(execution.definition, "Tune", "Tuning")
    output = pipelines.comes_to(step["Arguments"]["TrainingJobDefinition"]["OutputDataConfig"])
    top = output["S3OutputPath"].rstrip("/")
    best = f"{top}/Steps.Tune.TrainingJobSummaries[0].TrainingJobName/output/model.tar.gz"
    step = pipelines.step_called(execution.definition, "Evaluate", "Processing")
    request = pipelines.comes_to(step["Arguments"])
    record = Record("processing", "Evaluate", request, look.folder, execution.started)
    _judge_model(input_at(record, _MODEL, f"best_uri at {_MODEL}"), best)
    pipelines.stands(look, execution, own=True)
    pipelines.ended_well(execution)


def _judge_model(uri: str, best: str) -> None:
    """best: where the model of the best trial is; of a tuning job, SageMaker knows it twice."""
    if uri in (best, best.replace("TrainingJobSummaries[0]", "BestTrainingJob")):
        return
    if uri.startswith("s3://") and "Steps." not in uri:
        raise NotYet(
            f"the address of the model is written down: {uri}",
            f"{best}: which trial is the best one is another thing in each execution",
        )
    place = re.search(r"TrainingJobSummaries\[(-?\d+)\]", uri)
    if place and place[1] != "0":
        raise NotYet(
            f"Evaluate is given the model of number {place[1]} of the trials",
            "number 0: the best one, since they are counted from 0",
        )
    raise NotYet(f"Evaluate is given the model at {uri}", f"{best}: below the trials' output_path")
