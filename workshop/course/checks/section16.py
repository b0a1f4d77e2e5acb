"""The checks of 16-endpoint."""

from __future__ import annotations

import math
import re
from datetime import datetime

import numpy as np
import urllib3
from botocore.exceptions import ClientError

from workshop.course.checks import live
from workshop.course.checks.look import Look, endpoints, notebook, pipelines, serving
from workshop.course.checks.look.phrases import kind_of, last_line, listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

GROUP = "lab4-digits"
_PREFIX = "lab4-digits-"
_INSTANCE = "ml.m5.large"
_APPROVED, _CHALLENGER = "approved", "challenger"
_ANEW = (
    "mend the cell, and run the notebook from the cell that sets endpoint_name on: the old name is "
    "taken until that endpoint is deleted"
)


# --- the endpoint -------------------------------------------------------------------------


@check("16.1")
def deployed(look: Look) -> None:
    if notebook.local(look):
        _deployed_locally(look)
        return
    record = endpoints.newest(look, _PREFIX)
    wanted = live.variables(look.notebook.name).get("endpoint_name", f"{_PREFIX}…")
    made_up = not record.name.startswith(_PREFIX) or _named_by_cell(look, record)
    if made_up or wanted not in (record.name, f"{_PREFIX}…"):
        who = ", which deploy made up" if made_up else ""
        raise NotYet(f"its name is {record.name}{who}", f"{wanted}: endpoint_name", step=_ANEW)
    first = endpoints.configurations(record)[0]
    if first["FailureReason"]:
        reason = last_line(first["FailureReason"])[:300]
        raise NotYet(f"it failed: {reason}", "an endpoint that answers")
    for variant in first["ProductionVariants"]:
        _judge_machines(variant, step=_ANEW)
    _judge_version(look, record)
    if endpoints.status(record) == "Creating":
        raise NotYet(
            "it is being created",
            "an endpoint that answers",
            step="check again when the cell has ended",
        )
    endpoints.stands(look, record.started, "this endpoint")


def _named_by_cell(look: Look, record: Record) -> bool:
    """Tell whether the endpoint got its name while the cell ran: `deploy` makes one up.

    The name ends with the time in UTC (sagemaker/utils.py, `sagemaker_timestamp`).
    """
    cells = notebook.of_task(look)
    began = max((cell.began or math.inf for cell in cells), default=math.inf)
    try:
        made = datetime.strptime(record.name[-23:] + "000+0000", "%Y-%m-%d-%H-%M-%S-%f%z")
    except ValueError:
        return False
    return made.timestamp() > began and not any(cell.sets("endpoint_name") for cell in cells)


def _deployed_locally(look: Look) -> None:
    """Local mode tells of its endpoints in the notebook's kernel alone."""
    variables = live.variables(look.notebook.name)
    look.at(f"{look.notebook.name}, endpoint_name")
    if "endpoint_name" not in variables:
        raise NotYet(
            "the endpoint ran in local mode: SageMaker knows nothing of it",
            "a check in the open notebook, which knows it; or a run with LOCAL = False",
            step="open the notebook, run it from the top, and check in it",
        )
    name = variables["endpoint_name"]
    try:
        about = variables["sagemaker_session"].sagemaker_client.describe_endpoint(EndpointName=name)
    except ClientError:
        raise NotYet(f"no endpoint {name} in local mode", f"{name}: endpoint_name") from None
    for variant in about["ProductionVariants"]:
        _judge_machines(variant, "local", step=_ANEW)


def _judge_machines(variant: dict, wanted: str = _INSTANCE, step: str = "") -> None:
    kind, count = variant.get("InstanceType"), variant.get("InitialInstanceCount")
    name = variant["VariantName"]
    whose = name if name in (_APPROVED, _CHALLENGER) else "it"
    if kind is None:
        raise NotYet(f"{whose} has no machine of its own", f"one {wanted}", step=step)
    if kind != wanted:
        raise NotYet(f"{whose} runs on {kind}", f"{wanted}: instance_type", step=step)
    if count != 1:
        raise NotYet(f"{whose} has {count} machines", "one machine", step=step)


#: Seconds from the moment when `deploy` approves a version until it asks for the endpoint.
_DEPLOYS = 10


def _judge_version(look: Look, record: Record) -> None:
    """Make sure that the endpoint runs the newest version that was approved when it was made.

    `ModelPackage` approves what it is given (sagemaker/model.py, `_create_sagemaker_model`).
    """
    variant = endpoints.configurations(record)[0]["ProductionVariants"][0]
    data = serving.data_of(variant["Model"])
    before = record.started - _DEPLOYS
    every = [one for one in serving.versions(GROUP) if one.created <= record.started]
    approved = [one for one in every if one.status == serving.APPROVED and one.changed < before]
    wanted, step = "an approved version", "approve one in 14-register, then run this notebook again"
    if approved:
        wanted, step = f"version {approved[0].number}, the newest approved one", _ANEW
    mine = [one for one in every if set(data) == set(one.data)]
    if not mine:
        raise NotYet(
            f"its model is {listing(data)}, which is no version of {GROUP}", wanted, step=step
        )
    right = [one for one in mine if one in approved or _was_approved(one, before)]
    if not right:
        status = f"which is {mine[0].status}"
        if mine[0].status == serving.APPROVED:
            status = "which nobody had approved: deploy approves what it is given"
        raise NotYet(f"it runs version {mine[0].number}, {status}", wanted, step=step)
    if approved and approved[0].number > right[0].number:
        raise NotYet(f"it runs version {right[0].number}", wanted, step=_ANEW)


def _was_approved(version: serving.Version, before: float) -> bool:
    """Tell whether a version that was changed since may have been approved before."""
    by_hand = version.status != serving.APPROVED or bool(version.reason)
    return by_hand and version.changed >= before


# --- an answer ----------------------------------------------------------------------------

_ANSWER = 'a dict like {"digit": 7, "probabilities": [...]}'


@check("16.2")
def answered(look: Look) -> None:
    record = None if notebook.local(look) else endpoints.newest(look, _PREFIX)
    endpoints.asked_for(look, record)
    found = notebook.value(look, "answer", _printed_answer)
    variables = live.variables(look.notebook.name)
    if "answer" not in variables:
        if found is None:
            raise NotYet(
                "the cell has not printed what the image is",
                "a line like: it is a 7, with probability 0.993",
            )
        return
    look.at(f"{look.notebook.name}, predictor and answer")
    predictor = variables.get("predictor")
    if not callable(getattr(predictor, "predict", None)):
        raise NotYet(f"predictor is {kind_of(predictor)}", "a Predictor of endpoint_name")
    asks, wanted = getattr(predictor, "endpoint_name", None), variables.get("endpoint_name")
    if isinstance(asks, str) and asks != wanted:
        raise NotYet(f"predictor asks the endpoint {asks}", f"{wanted}: endpoint_name")
    _judge_answer("answer", found)
    if "image" in variables:
        _ask_again(record, predictor, found, np.asarray(variables["image"]).tolist())


def _printed_answer(text: str) -> dict | None:
    """Return what the cell prints of an answer; a probability that is the largest of ten."""
    said = re.search(r"it is a (\d), with probability (\d\.\d+)", text)
    if said is None or not 0.1 <= float(said[2]) <= 1:
        return None
    return {"digit": int(said[1]), "probability": float(said[2])}


def _judge_answer(what: str, found: object) -> None:
    if isinstance(found, bytes | str):
        raise NotYet(f"{what} is {kind_of(found)}", f"{_ANSWER}: the deserializer reads the JSON")
    try:
        digit, chances = found["digit"], np.asarray(found["probabilities"], float)
    except (TypeError, ValueError, KeyError, IndexError):
        digit, chances = None, np.empty(0)
    if chances.shape != (10,):
        raise NotYet(f"{what} is {str(found)[:60]}", f"{_ANSWER}, as the endpoint says it")
    if chances.argmax() != digit:
        raise NotYet(
            f"{what} says {digit}, and its largest probability is that of {chances.argmax()}",
            "the answer as the endpoint says it",
        )


def _ask_again(record: Record | None, predictor: object, answer: dict, image: list) -> None:
    """Make sure that predictor and answer say what the endpoint says now, where it is there."""
    said = endpoints.answers(record, image) if record else []
    if record and not said:
        return
    call = "predictor.predict(image.tolist())"
    try:
        with pipelines.quiet_sdk():
            now = predictor.predict(image)
    except urllib3.exceptions.HTTPError:
        return  # that of local mode was deleted
    except Exception as error:  # whatever comes up
        raise NotYet(
            f"{call} stops: {type(error).__name__}: {last_line(str(error))[:200]}",
            "a predictor that sends JSON: the serializer makes it of lists",
        ) from None
    _judge_answer(call, now)
    said = said or [now]
    for what, one in (("answer", answer), (call, now)):
        if not any(_same(one, other) for other in said):
            raise NotYet(
                f"{what} is {_words(one)}; for image the endpoint says {_words(said[0])}",
                "what the endpoint says to image",
                step="run the cell again, then check again",
            )


def _same(one: dict, other: object) -> bool:
    return isinstance(other, dict) and bool(
        np.allclose(one["probabilities"], other.get("probabilities", math.nan), atol=1e-3)
    )


def _words(answer: dict) -> str:
    return f"a {answer['digit']}, with probability {max(answer['probabilities']):.3f}"


# --- its time -----------------------------------------------------------------------------

_REQUESTS = 200
#: No answer over HTTP takes fewer milliseconds; and none of local mode, where the SDK calls docker
#: before each request (sagemaker/local/utils.py, `get_docker_host`).
_FASTEST, _FASTEST_LOCALLY = 0.1, 5


@check("16.3")
def measured(look: Look) -> None:
    record = None if notebook.local(look) else endpoints.newest(look, _PREFIX)
    most = endpoints.asked_for(look, record)
    fastest = _FASTEST if record else _FASTEST_LOCALLY
    found = notebook.value(look, "milliseconds", _printed_times)
    variables = live.variables(look.notebook.name)
    look.at(f"{look.notebook.name}, milliseconds, p50 and p99")
    if "milliseconds" in variables:
        times = _times(found)
        _judge_count(len(times))
        _judge_each(times)
        _judge_unit(float(np.median(times)), float(times.sum()), fastest, most)
        p50, p99 = (_number(name, variables.get(name)) for name in ("p50", "p99"))
        _judge_order(p50, p99)
        _judge_percentile("p50", p50, times, 0.5)
        _judge_percentile("p99", p99, times, 0.99)
        return
    if found is None:
        raise NotYet(
            "the cell has not printed how fast it is",
            "a line like: 200 requests: p50 3.10 ms, p99 7.25 ms",
        )
    count, p50, p99 = found
    _judge_count(int(count))
    _judge_order(p50, p99)
    _judge_unit(p50, count / 2 * p50, fastest, most)


def _printed_times(text: str) -> tuple[float, ...] | None:
    """Return count, p50 and p99 as the cell prints them."""
    said = re.search(r"(\d+) requests: p50 (\S+) ms, p99 (\S+) ms", text)
    return tuple(map(float, said.groups())) if said else None


def _times(found: object) -> np.ndarray:
    try:
        times = np.asarray(found, float)
    except (TypeError, ValueError):
        times = np.empty((0, 0))
    if times.ndim != 1:
        raise NotYet(f"milliseconds is {kind_of(found)}: {str(found)[:60]}", "a list of numbers")
    return times


def _number(name: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise NotYet(f"{name} is {kind_of(value)}", "a number of milliseconds") from None


def _judge_count(count: int) -> None:
    if count < _REQUESTS:
        raise NotYet(f"{count} requests", f"{_REQUESTS}: for the p99 there must be many")


def _judge_each(times: np.ndarray) -> None:
    if times.min() == times.max():
        raise NotYet(
            f"all {len(times)} times are the same: {times[0]:.4g}",
            "a time for each request: a look at the clock before it and after it",
        )
    if times.min() <= 0:
        raise NotYet(
            f"one of the times is {times.min():.4g}",
            "what the clock says after the request, minus what it said before",
        )
    if (np.diff(times) >= 0).all() and np.median(times) > _REQUESTS / 10 * times[0]:
        raise NotYet(
            f"the times grow from {times[0]:.4g} to {times[-1]:.4g}: each has those before in it",
            "the time of each request alone: start is set before each of them",
        )


def _judge_unit(typical: float, total: float, fastest: float, most: float) -> None:
    """most: how many milliseconds there were for all requests."""
    if typical < fastest:
        raise NotYet(
            f"half of the times are {typical:.2g} or less: no answer takes less than {fastest} ms",
            "milliseconds: a second has 1000",
        )
    if total > most:
        raise NotYet(
            f"as milliseconds, the times add up to {total / 1000:.0f} s, and there were "
            f"{most / 1000:.0f} s for them",
            "the time of each request alone, in milliseconds",
        )


def _judge_order(p50: float, p99: float) -> None:
    if p50 > p99:
        raise NotYet(
            f"p50 is {p50:.4g}, and p99 is {p99:.4g}",
            "p50 is the smaller one: half of the times do not exceed it",
        )


def _judge_percentile(name: str, found: float, times: np.ndarray, part: float) -> None:
    """Every way to count a percentile is right: they are between two neighbors of the order.

    https://numpy.org/doc/stable/reference/generated/numpy.percentile.html (its methods)
    """
    ordered, n = np.sort(times), len(times)
    low = ordered[math.floor(n * part - 1)]
    high = ordered[min(math.ceil((n + 1) * part - 1), n - 1)]
    if low * 0.999 <= found <= high * 1.001:
        return
    others = {
        "is the mean": times.mean(),
        "is the longest of all": times.max(),
        f"{part:g} of 100 times do not exceed": np.percentile(times, part),
    }
    near = [name for name, value in others.items() if math.isclose(found, value, rel_tol=1e-4)]
    why = f", which {near[0]}" if near else ""
    raise NotYet(
        f"{name} is {found:.4g}{why}",
        f"{np.percentile(times, 100 * part):.4g}: {100 * part:g} of 100 times do not exceed it",
    )


# --- two variants -------------------------------------------------------------------------

_SHARE = 0.9


@check("16.4")
def two_variants(look: Look) -> None:
    notebook.on_sagemaker(look, "second variant")
    record = endpoints.newest(look, _PREFIX)
    first, *later = endpoints.configurations(record)
    if not later:
        updating = endpoints.status(record) == "Updating"
        raise NotYet(
            "it is being updated" if updating else "it had one configuration, that of 16.1",
            "a second configuration, with variants",
            step="check again when the cell has ended" if updating else "run the cell of the task",
        )
    config = later[-1]
    look.at(f"the configuration {config['EndpointConfigName']} of {look.looked_at}")
    if config["FailureReason"]:
        reason = last_line(config["FailureReason"])[:300]
        raise NotYet(f"the update failed: {reason}", "an endpoint that runs both variants")
    found = {one["VariantName"]: one for one in config["ProductionVariants"]}
    if set(found) != {_APPROVED, _CHALLENGER}:
        raise NotYet(
            f"the variants are {listing(found)}", f"two of them: {_APPROVED} and {_CHALLENGER}"
        )
    old = first["ProductionVariants"][0]
    _judge_models(look, found, old["ModelName"])
    for one in found.values():
        _judge_machines(one)
    _judge_weights(*(found[name]["InitialVariantWeight"] for name in (_APPROVED, _CHALLENGER)))
    endpoints.stands(look, config["Time"], "this configuration")


def _judge_models(look: Look, found: dict[str, dict], approved: str) -> None:
    models = {name: found[name]["ModelName"] for name in (_APPROVED, _CHALLENGER)}
    if models[_CHALLENGER] == models[_APPROVED]:
        raise NotYet(
            f"both variants have the model {models[_APPROVED]}",
            f"approved_model for {_APPROVED}, challenger_model for {_CHALLENGER}",
        )
    new = live.variables(look.notebook.name).get("challenger_model", models[_CHALLENGER])
    if models[_APPROVED] != approved:
        swapped = models[_CHALLENGER] == approved
        raise NotYet(
            f"{_APPROVED} has the model {models[_APPROVED]}"
            + (f", and {_CHALLENGER} has that of 16.1" if swapped else ""),
            f"{approved}: approved_model",
        )
    if models[_CHALLENGER] != new:
        raise NotYet(
            f"{_CHALLENGER} has the model {models[_CHALLENGER]}", f"{new}: challenger_model"
        )


def _judge_weights(approved: float, challenger: float) -> None:
    total = approved + challenger
    if not total or abs(approved / total - _SHARE) > 0.001:
        share = f"{approved / total:.0%}" if total else "none"
        raise NotYet(
            f"the weights are {approved:g} and {challenger:g}: approved gets {share} of the "
            "requests",
            "nine of ten: a weight of 9, and a weight of 1",
        )


# --- the end ------------------------------------------------------------------------------


@check("16.5")
def deleted(look: Look) -> None:
    notebook.on_sagemaker(look, "endpoint configurations")
    record = endpoints.newest(look, _PREFIX)
    look.at(f"what was made for {look.looked_at}")
    left = [*endpoints.left(record), *endpoints.others(look, record)]
    if left:
        raise NotYet(
            f"still there: {listing(left)}",
            "no endpoint, no configuration and no model of this notebook",
        )
    if len(endpoints.configurations(record)) < 2:
        raise NotYet(
            "it had one configuration when it was deleted, that of 16.1",
            "the second one of 16.4 before, and both deleted",
            step="run the notebook from the cell that sets endpoint_name on",
        )
