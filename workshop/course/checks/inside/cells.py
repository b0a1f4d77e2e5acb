"""Cells of notebooks, without an SDK."""

import json
import sys
import types

from .files import PLACE
from .report import REPORT, plain, simple
from .stand_ins import Anything, Pretend


def toggle():
    """Run a notebook's cell with LOCAL as True and as False, without an SDK."""
    sys.meta_path.insert(0, Pretend("boto3", "sagemaker", "workshop"))
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    for local in (True, False):
        names, error = {"LOCAL": local}, ""
        try:
            exec(code, names)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        session = names.get("sagemaker_session")
        REPORT[str(local)] = {
            "session": getattr(session, "__name__", plain(session)),
            "config": simple(getattr(session, "config", None)),
            "instance_type": simple(names.get("instance_type")),
            "error": error,
        }


def cost():
    """Run the cells that work out what an epoch costs; the prices are ours."""
    with open(f"{PLACE}/prices.json") as file:
        sell_for(json.load(file))
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    names = {}
    exec(code, names)
    REPORT["given"] = {name: simple(names.get(name)) for name in COSTS}
    REPORT["alone"] = number(names.get("alone"))
    REPORT["beside"] = [[jobs, number(names["beside"](jobs))] for jobs in (1, 10, 1000)]


def sell_for(known):
    """Let workshop.prices have these prices of an hour, by the type of an instance."""
    sys.modules["workshop"] = workshop = types.ModuleType("workshop")
    sys.modules["workshop.prices"] = workshop.prices = prices = types.ModuleType("prices")
    prices.per_hour, prices.DATE = (lambda kind, region="us-east-1": known[kind]), "today"


def cost_of_job():
    """Run the cell that works out what a training job costs, for a job and prices of ours."""
    with open(f"{PLACE}/job.json") as file:
        job = json.load(file)
    sell_for(job["prices"])
    names = {"LOCAL": False, "training": job["training"]}
    with open(f"{PLACE}/cell.py") as file:
        exec(compile(file.read(), "cell.py", "exec"), names)
    REPORT["cost"] = number(names.get("cost"))


COSTS = ("TRAIN", "AUGMENT", "AUGMENT_SMALL", "FETCH")


def number(value):
    """Return a number, of numpy's too, as JSON can hold it."""
    if isinstance(value, (bool, str)):
        return f"<{type(value).__name__}>"
    try:
        return float(value)
    except (TypeError, ValueError):
        return plain(value)


def experiment():
    """Call evaluate and recorded of the notebook, with an SDK that only notes what it is asked."""
    sys.meta_path.insert(0, Pretend("boto3", "sagemaker"))
    with open(f"{PLACE}/components.json") as file:
        client = Experiments(json.load(file))
    session = Anything("sagemaker_session")
    session.boto_session.client = lambda *_, **__: client
    names = {
        "LOCAL": False,
        "sagemaker_client": client,
        "sagemaker_session": session,
        "script_eval": types.SimpleNamespace(run=note_run, jobs=[]),
        "source_dir": "script_xgboost",
        "inputs_with": lambda place: [f"inputs_with({place})"],
        "outputs_of": lambda name: [f"outputs_of({name})"],
    }
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    REPORT["runs"] = []
    for step in (
        lambda: exec(code, names),
        lambda: names["evaluate"]("trial-2", "s3://bucket/model.tar.gz"),
        lambda: REPORT.update(recorded=simple(names["recorded"]("trial-2"))),
    ):
        REPORT["steps"] = REPORT.get("steps", 0) + 1
        step()


def note_run(code=None, **named):
    REPORT["runs"].append(simple({"code": code, **named}))


class Experiments:
    """Stands for the client of SageMaker: knows components of trials, and how to ask for them."""

    def __init__(self, trials):
        self._trials = trials  # {trial: {component: what DescribeTrialComponent says}}

    def list_trial_components(self, TrialName=None, **_):
        if TrialName not in self._trials:
            raise LookupError(f"there is no trial {TrialName!r}")
        about = self._trials[TrialName]
        keys = ("TrialComponentName", "DisplayName", "Status")
        return {"TrialComponentSummaries": [{k: one[k] for k in keys} for one in about.values()]}

    def describe_trial_component(self, TrialComponentName=None):
        for about in self._trials.values():
            if TrialComponentName in about:
                return about[TrialComponentName]
        raise LookupError(f"there is no trial component {TrialComponentName!r}")

    def get_paginator(self, name):
        call = getattr(self, name)
        return types.SimpleNamespace(paginate=lambda **named: [call(**named)])
