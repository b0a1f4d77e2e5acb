"""The checks of 12-framework-processors."""

from __future__ import annotations

import json

from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.job_request import (
    PROCESSING,
    input_at,
    output_uri,
    outputs_of,
    repository_of,
)
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

PREPROCESSING, EVALUATION = "preprocessing.py", "evaluation.py"
INPUT, OUTPUT = f"{PROCESSING}/input", f"{PROCESSING}/output"
MODEL, TEST = f"{PROCESSING}/model", f"{PROCESSING}/test"
_RAW = "train-images-idx3-ubyte.gz"


def _ours(record: Record) -> bool:
    """Tell whether a job is of this section: another one has scripts of the same names."""
    return repository_of(record) != "sagemaker-scikit-learn"


# --- PyTorch ------------------------------------------------------------------------------


@check("12.1")
def processor(look: Look) -> None:
    record = jobs.newest(look, PREPROCESSING, _ours)
    repository = repository_of(record)
    if not repository.startswith("pytorch-"):
        raise NotYet(
            f"it uses the image {repository}", "an image with PyTorch: FrameworkProcessor(PyTorch)"
        )
    expected = f"{look.top}RawData/ of the bucket at {INPUT}"
    uri = input_at(record, INPUT, expected)
    if f"{INPUT}/{_RAW}" not in s3.input_files(look, record):
        there = listing((item.name for item in s3.below(look, uri).values()), 3)
        raise NotYet(f"{uri} at {INPUT}, where there is {there}", expected)
    uris = [_uri(look, record, part) for part in ("train", "validation")]
    jobs.stands(look, record)
    for uri in uris:
        s3.made_by(look, record, uri)


def _uri(look: Look, record: Record, part: str) -> str:
    """Return where a part of the features goes, which must be where it is looked for."""
    folder = f"{OUTPUT}/{part}"
    uri = output_uri(record, f"{folder}/features.npy")
    if uri is None:
        has = listing(place for place, _ in outputs_of(record).values())
        raise NotYet(f"no output for {folder}; there is {has}", f"{folder}: to {part}_uri")
    expected = f"s3://{s3.split_uri(uri)[0]}/{look.top}PyTorch/{part}/features.npy"
    if uri != expected:
        raise NotYet(f"the features for {part} would be {uri}", f"{expected}: {part}_uri")
    return uri


# --- XGBoost ------------------------------------------------------------------------------


@check("12.2")
def evaluation(look: Look) -> None:
    look.script(EVALUATION)
    trials.needs(look, "xgboost", "XGBoost")
    look.at(
        f"{look.section.scripts}/{EVALUATION}, run as the job does, with a small model and 40 "
        "made-up digits"
    )
    trial = trials.run(
        look,
        "evaluation.of_xgboost",
        code=f"{INPUT}/code",
        files={},
        folders=[MODEL, TEST, OUTPUT],
        without=["train.py"],
    )
    expected = f"{OUTPUT}/evaluation.json"
    if expected not in trial.files:
        if trial.error:
            raise NotYet(f"it stopped: {trial.error}", expected)
        written = [one for one in trial.files if one.endswith(".json")]
        raise NotYet(f"no evaluation.json in {OUTPUT}; it wrote {listing(written)}", expected)
    wanted = trial.report["wanted"]
    layout = f"what quality() returns, as JSON: {listing(wanted)}"
    try:
        found = json.loads(trial.files[expected])
    except ValueError as error:
        raise NotYet(f"evaluation.json cannot be read: {error}", layout) from None
    if not isinstance(found, dict) or not wanted.keys() <= found.keys():
        raise NotYet(f"evaluation.json holds {json.dumps(found)[:80]}", layout)
    right = wanted["images"] - wanted["mistakes"]
    for name in ("images", "mistakes", "accuracy", "logloss"):
        if not isinstance(found[name], (int, float)) or abs(found[name] - wanted[name]) > 1e-3:
            raise NotYet(
                f"{name} is {json.dumps(found[name])}",
                f"{wanted[name]:g}: test.csv has {wanted['images']} lines, and the model is right "
                f"about {right} of them",
            )
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")


# --- experiments --------------------------------------------------------------------------


_OTHERS = {"Max": 0.99, "Min": 0.01, "Avg": 0.5, "Count": 3}


def _component(name: str, parameters: dict, **metrics: float) -> dict:
    """Return what DescribeTrialComponent says; the last value of a metric is none of the others."""
    return {
        "TrialComponentName": name,
        "DisplayName": name,
        "Status": {"PrimaryStatus": "Completed"},
        "Parameters": parameters,
        "InputArtifacts": {},
        "OutputArtifacts": {},
        "Metrics": [
            {"MetricName": metric, "Last": last, **_OTHERS} for metric, last in metrics.items()
        ],
    }


_JOB, _MODEL = "trial-2", "s3://bucket/model.tar.gz"
_TRIALS = {
    "trial-1": {"one": _component("one", {"max-depth": {"NumberValue": 7.0}}, accuracy=0.25)},
    _JOB: {
        "two": _component("two", {
            "max-depth": {"NumberValue": 2.0},
            "SageMaker.InstanceType": {"StringValue": "ml.m5.large"},
        }, accuracy=0.75, logloss=0.125),
        "three": _component("three", {"rounds": {"NumberValue": 20.0}}, mistakes=10.0),
    },
}  # fmt: skip
_RECORDED = {
    "max-depth": 2.0,
    "SageMaker.InstanceType": "ml.m5.large",
    "accuracy": 0.75,
    "logloss": 0.125,
    "rounds": 20.0,
    "mistakes": 10.0,
}


@check("12.3")
def experiment(look: Look) -> None:
    where = f"{look.notebook.name}, the cells that make evaluate and recorded"
    look.at(where)
    trial = trials.run(
        look,
        "cells.experiment",
        code="/opt/ml/code",
        files={
            "/opt/ml/check/cell.py": notebook.code(look, ("evaluate", "recorded")),
            "/opt/ml/check/components.json": json.dumps(_TRIALS).encode(),
        },
    )
    steps = trial.report.get("steps", 0)
    if trial.error and steps < 2:
        raise NotYet(f"they stopped: {trial.error}", "cells that Python can run")
    look.at(f'{where}: evaluate("{_JOB}", "{_MODEL}")')
    if trial.error and steps < 3:
        raise NotYet(f"it stopped: {trial.error}", "a call of script_eval.run")
    _judge_run(trial.report["runs"])
    look.at(f'{where}: recorded("{_JOB}"), with a trial of two components')
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", _shown(_RECORDED))
    _judge_recorded(trial.report["recorded"])
    record = jobs.newest(look, EVALUATION, _ours)
    config = record.request.get("ExperimentConfig") or {}
    if config.get("TrialName") != record.name:
        has = f"the trial {config['TrialName']}" if config.get("TrialName") else "no trial"
        raise NotYet(f"it belongs to {has}", f"the trial {record.name}: run the cell that makes it")
    jobs.stands(look, record)
    uri = output_uri(record, f"{OUTPUT}/evaluation.json")
    s3.made_by(
        look, record, uri or f"s3:///{look.top}XGBoost/Evaluation/{record.name}/evaluation.json"
    )


def _judge_run(runs: list[dict]) -> None:
    if len(runs) != 1:
        raise NotYet(f"it called script_eval.run {len(runs)} times", "one call")
    run = runs[0]
    if run.get("wait", True) is not False:
        has = "with wait=True" if "wait" in run else "without wait, so it waits for the job"
        raise NotYet(f"it called script_eval.run {has}", "wait=False: the jobs run side by side")
    if run.get("job_name") != _JOB:
        raise NotYet(f"the job's name is {run.get('job_name')!r}", f"{_JOB!r}, as it was given")
    config = run.get("experiment_config")
    expected = 'a dict with "TrialName" and "TrialComponentDisplayName"'
    if not isinstance(config, dict):
        raise NotYet(f"the experiment_config is {config!r}", expected)
    for key in ("TrialName", "TrialComponentDisplayName"):
        if key not in config:
            raise NotYet(f"the experiment_config has no {key}; it has {listing(config)}", expected)
    if config["TrialName"] != _JOB:
        raise NotYet(f"the TrialName is {config['TrialName']!r}", f"{_JOB!r}: the job's name")
    others = [key for key in config if key not in (
        "TrialName", "TrialComponentDisplayName", "ExperimentName", "RunName")]  # fmt: skip
    if others:
        raise NotYet(f"the experiment_config has {listing(others)}", expected)
    for name, part in (("inputs", _MODEL), ("outputs", _JOB)):
        if part not in json.dumps(run.get(name)):
            wanted = "inputs_with(artifacts_dir)" if name == "inputs" else "outputs_of(job_name)"
            raise NotYet(f"in its {name} there is no {part}", wanted)


def _judge_recorded(found: object) -> None:
    expected = _shown(_RECORDED)
    if not isinstance(found, dict):
        raise NotYet(f"it returned {json.dumps(found)[:80]}", expected)
    for name, wanted in _RECORDED.items():
        if name not in found:
            raise NotYet(f"there is no {name} in {_shown(found)}", expected)
        if found[name] != wanted:
            which = [key for key, other in _OTHERS.items() if found[name] == other]
            why = f", which is its {which[0]}" if which else ""
            raise NotYet(f"{name} is {json.dumps(found[name])}{why}", f"{json.dumps(wanted)}")


def _shown(values: dict) -> str:
    return json.dumps(values)
