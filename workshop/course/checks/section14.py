"""The checks of 14-register."""

from __future__ import annotations

import ast
import json

from workshop.course.checks.look import Look, notebook, pipelines, trials
from workshop.course.checks.look.phrases import last_line, listing
from workshop.course.checks.look.pipelines import Execution, Scope
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.course.checks.section13 import output_of
from workshop.emulator.service.sagemaker.pipelines import definition as definitions
from workshop.emulator.service.sagemaker.pipelines import expressions

PIPELINE, GROUP = "lab4-digits-register", "lab4-digits"
_SCRIPT = "inference.py"
_WEEK = 7 * 24 * 3600
_JSON, _INSTANCE = "application/json", "ml.m5.large"


# --- the cache ----------------------------------------------------------------------------


@check("14.1")
def cache(look: Look) -> None:
    value = notebook.value(look, "cache", _printed_config)
    config = getattr(value, "config", value)
    config = config.get("CacheConfig") if isinstance(config, dict) else None
    if not isinstance(config, dict):
        raise NotYet(f"cache is {value!r}", "a CacheConfig")
    if config.get("Enabled") is not True:
        raise NotYet(
            f"enable_caching is {config.get('Enabled')}", "enable_caching=True: without it, no "
            "step is taken from the cache"
        )  # fmt: skip
    after = config.get("ExpireAfter")
    if not after:
        raise NotYet("the cache has no expire_after", "seven days, as an ISO 8601 duration")
    seconds = definitions.duration(str(after))
    if not seconds:
        raise NotYet(f"expire_after is {after!r}", "a duration as in ISO 8601, like PT1H")
    if seconds != _WEEK:
        raise NotYet(f"expire_after is {after!r}: {_time(seconds)}", "seven days")


def _printed_config(text: str) -> object:
    try:
        return ast.literal_eval(text.strip().splitlines()[-1])
    except (SyntaxError, ValueError):
        return text.strip()


def _time(seconds: float) -> str:
    days = seconds / 86400
    return f"{days:g} days" if days > 1 else f"{seconds / 3600:g} hours"


# --- inference.py -------------------------------------------------------------------------


@check("14.2")
def handlers(look: Look) -> None:
    look.script(_SCRIPT)
    where = f"{look.section.scripts}/{_SCRIPT}"
    look.at(f"{where}, with a made-up image and made-up predictions")
    trial = trials.run(look, "handlers.both", code="/opt/ml/code", files={}, without=["package.py"])
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", "input_handler and output_handler")
    look.at(f"{where}: input_handler, with an image of 28 rows of 28 numbers")
    _judge_request(trial.report["request"], trial.report["image"])
    look.at(f"{where}: output_handler, with predictions of one image")
    for answer in trial.report["answers"]:
        _judge_answer(answer)
    for name, place, what in (
        ("no content type", "input_handler, with text/csv", "what is not application/json"),
        ("no JSON", 'input_handler, with the text "{"', "what is no JSON"),
        ("no predictions", "output_handler, with the status 400", "an answer that is none"),
    ):
        look.at(f"{where}: {place}")
        tried = trial.report[name]
        if "error" not in tried:
            raise NotYet(f"it returned {_shown(tried['returned'])}", f"a ValueError for {what}")
        if not tried["is ValueError"]:
            raise NotYet(f"it raised {tried['error']}", f"a ValueError for {what}")
    look.at(f"{where}: both handlers, with what they understand and with what they do not")


def _judge_request(tried: dict, image: list) -> None:
    expected = 'JSON as a text, with "instances": a list with one image of 28 × 28 × 1 numbers'
    content = _json(tried, expected)
    if not isinstance(content, dict) or "instances" not in content:
        raise NotYet(f"it returned {_shown(content)}", expected)
    found = content["instances"]
    shape = _shape(found)
    if shape != [1, 28, 28, 1]:
        words = " × ".join(map(str, shape)) or "a single value"
        raise NotYet(f"the instances are {words}", "1 × 28 × 28 × 1: one image, with its channel")
    wrong = [
        (row, column)
        for row in range(28)
        for column in range(28)
        if not _near(found[0][row][column][0], image[row][column])
    ]
    if wrong:
        row, column = wrong[0]
        raise NotYet(
            f"the pixel in row {row}, column {column} is {found[0][row][column][0]}",
            f"{image[row][column]}, as it was sent",
        )


def _judge_answer(answer: dict) -> None:
    expected = 'two things: JSON like {"digit": 7, "probabilities": [...]}, and "application/json"'
    returned = answer.get("returned")
    if "error" not in answer and (not isinstance(returned, list) or len(returned) != 2):
        raise NotYet(f"it returned {_shown(returned)}", expected)
    content = _json({**answer, "returned": returned and returned[0]}, expected)
    if returned[1] != _JSON:
        raise NotYet(f"the content type is {returned[1]!r}", f"{_JSON!r}")
    if not isinstance(content, dict) or not {"digit", "probabilities"} <= content.keys():
        raise NotYet(f"it returned {_shown(content)}", expected)
    digit, chances = content["digit"], content["probabilities"]
    if isinstance(digit, bool) or digit != answer["digit"]:
        raise NotYet(
            f"digit is {_shown(digit)}",
            f"{answer['digit']}: its probability is the largest, {max(answer['probabilities'])}",
        )
    if _shape(chances) != [10] or not all(map(_near, chances, answer["probabilities"])):
        raise NotYet(f"probabilities is {_shown(chances)}", f"{answer['probabilities']}")


def _json(tried: dict, expected: str) -> object:
    """Return what a handler's text says."""
    if "error" in tried:
        raise NotYet(f"it stopped: {tried['error']}", expected)
    try:
        return json.loads(tried["returned"])
    except (TypeError, ValueError):
        raise NotYet(
            f"it returned {_shown(tried['returned'])}, which is no JSON", expected
        ) from None


def _shape(value: object) -> list[int]:
    """Return the lengths of a list of lists; none where they differ on a level."""
    if not isinstance(value, list):
        return []
    inner = [_shape(one) for one in value]
    return [len(value), *(inner[0] if inner and all(one == inner[0] for one in inner) else [])]


def _near(one: object, two: float) -> bool:
    return isinstance(one, (int, float)) and abs(one - two) < 1e-4


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]} …"


# --- the executions -----------------------------------------------------------------------


def _with_decision(look: Look) -> list[Execution]:
    """Return the executions with the newest definition that has a condition, the newest first.

    Before it, the notebook starts one that ends before the decision.
    """
    found: list[Execution] = []
    looked_at, others = "", None
    for one in pipelines.executions(look, PIPELINE):
        kinds = [step["Type"] for step in pipelines.steps_of(one.definition)]
        if "Condition" in kinds and (not found or one.definition == found[0].definition):
            looked_at = looked_at or look.looked_at
            found.append(one)
        others = others or one
    if not found:
        assert others is not None  # `executions` says itself that there is none
        steps = listing(step["Name"] for step in pipelines.steps_of(others.definition))
        raise NotYet(
            f"no execution with a condition; the steps of the newest one are {steps}",
            "an execution of the pipeline with good_enough as its last step",
            step="run the cells down to the one with pipeline_of(good_enough), then check again",
        )
    look.at(looked_at)
    return found


def _came_to(look: Look, executions: list[Execution], name: str) -> dict:
    """Return how the newest step of a name ended that succeeded; raises NotYet where none did."""
    for one in executions:
        if one.step(name).get("StepStatus") == "Succeeded":
            look.at(f"the execution {one.name} of the pipeline {PIPELINE}")
            return one.step(name)
    for one in executions:
        failed = one.step(name)
        if failed.get("StepStatus") == "Failed":
            reason = last_line(failed.get("FailureReason", ""))
            raise NotYet(f"{name} failed: {reason[:300]}", f"a step {name} that succeeds")
    newest = executions[0]
    if newest.status == "Executing":
        pipelines.ended_well(newest)
    raise NotYet(
        f"no execution came to the step {name}; the newest one is {newest.status}"
        f"{pipelines.why_failed(newest)}",
        f"an execution that comes to {name}",
        step="run the cells down to the one that starts the pipeline, then check again",
    )


# --- into the registry --------------------------------------------------------------------

_EPOCHS, _ACCURACY, _DATA = 7, 0.8125, "s3://another-bucket/RawData"
_MADE_UP = Scope(_ACCURACY, Epochs=_EPOCHS, RawData=_DATA)
#: What each entry of the metadata comes to.
_METADATA = {
    "data": (_DATA,),
    "epochs": (str(_EPOCHS),),
    "accuracy": (str(_ACCURACY),),
    "execution": ("Execution.PipelineExecutionId", "Execution.PipelineExecutionArn"),
}


@check("14.3")
def register(look: Look) -> None:
    notebook.on_sagemaker(look, "registry")
    executions = _with_decision(look)
    step = _register_step(executions[0])
    request = pipelines.comes_to(step["Arguments"], _MADE_UP)
    where = f"the step {step['Name']} in {look.looked_at}"
    look.at(where)
    if request.get("ModelPackageGroupName") != GROUP:
        raise NotYet(f"the group is {request.get('ModelPackageGroupName')}", f"{GROUP}: GROUP")
    if request.get("ModelApprovalStatus") != "PendingManualApproval":
        raise NotYet(
            f"a version begins as {request.get('ModelApprovalStatus')}",
            "PendingManualApproval: nobody has looked at it yet",
        )
    _judge_specification(request["InferenceSpecification"])
    _judge_metrics(request.get("ModelMetrics") or {})
    _judge_metadata(request.get("CustomerMetadataProperties") or {})
    pipelines.stands(look, executions[0])
    _came_to(look, executions, step["Name"])
    look.at(where)


def _register_step(execution: Execution) -> dict:
    steps = pipelines.steps_of(execution.definition)
    found = [step for step in steps if step["Type"] == "RegisterModel"]
    if not found:
        raise NotYet(
            f"no step registers a model; there is {listing(step['Name'] for step in steps)}",
            "the steps if_good among those of the condition",
        )
    return found[0]


def _judge_specification(about: dict) -> None:
    for member, wanted, argument in (
        ("SupportedContentTypes", _JSON, "content_types"),
        ("SupportedResponseMIMETypes", _JSON, "response_types"),
        ("SupportedRealtimeInferenceInstanceTypes", _INSTANCE, "inference_instances"),
        ("SupportedTransformInstanceTypes", _INSTANCE, "transform_instances"),
    ):
        found = about.get(member) or []
        if wanted not in found:
            raise NotYet(f"{argument}: {listing(found)}", wanted)


def _judge_metrics(metrics: dict) -> None:
    expected = f"{output_of('Evaluate', 'evaluation')}/metrics.json"
    filled = [f"{name}.{part}" for name, parts in metrics.items() for part in parts or ()]
    about = (metrics.get("ModelQuality") or {}).get("Statistics")
    if not about:
        raise NotYet(
            f"no statistics of the model's quality; there is {listing(filled)}",
            "model_metrics with model_statistics: metrics_uri",
        )
    if str(about.get("S3Uri", "")).rstrip("/") != expected:
        raise NotYet(f"the statistics are at {about.get('S3Uri')}", f"{expected}: metrics_uri")
    if about.get("ContentType") != _JSON:
        raise NotYet(f"the statistics are {about.get('ContentType')}", _JSON)


def _judge_metadata(metadata: dict) -> None:
    missing = [name for name in _METADATA if name not in metadata]
    if missing:
        raise NotYet(
            f"the customer metadata has no {', no '.join(missing)}; there is {listing(metadata)}",
            f"{listing(_METADATA)}",
        )
    for name, wanted in _METADATA.items():
        found = metadata[name]
        if not isinstance(found, str):
            raise NotYet(f"{name} is a number", f"a text, as all metadata: {name}.to_string()")
        if found not in wanted:
            where = f"with Epochs {_EPOCHS}, RawData {_DATA} and an accuracy of {_ACCURACY}, "
            raise NotYet(
                f"{where}{name} is {found!r}", f"{wanted[0]!r}: what is true of the execution"
            )


# --- the decision -------------------------------------------------------------------------

#: An accuracy, a bar, and whether the accuracy is good enough.
_CASES = (
    (0.9375, 0.875, True),
    (0.8125, 0.875, False),
    (0.875, 0.875, True),
    (0.9375, 0.96875, False),
    (0.5, 0.25, True),
)


@check("14.4")
def decide(look: Look) -> None:
    executions = _with_decision(look)
    step = pipelines.step_called(executions[0].definition, "GoodEnough", "Condition")
    where = f"the step GoodEnough in {look.looked_at}"
    local = bool(notebook.local(look))
    for accuracy, bar, good in _CASES:
        look.at(f"{where}, for an accuracy of {accuracy} and a bar of {bar}")
        scope = Scope(accuracy, AccuracyBar=bar)
        _judge_branch(_next_steps(step["Arguments"], scope), good, local)
    look.at(f"the step Refuse in {where.partition(' in ')[2]}")
    _judge_message(executions[0])
    look.at(where)
    pipelines.stands(look, executions[0])
    _came_to(look, executions, "GoodEnough")
    look.at(f"{where}, for {len(_CASES)} pairs of an accuracy and a bar")


def _next_steps(arguments: dict, scope: Scope) -> list[dict]:
    """Return the steps that come after a condition."""
    try:
        holds = all(expressions.holds(one, scope) for one in arguments["Conditions"])
    except expressions.Unresolved as error:
        raise NotYet(str(error), "a comparison of accuracy and accuracy_bar") from None
    return list(pipelines.all_steps(arguments.get("IfSteps" if holds else "ElseSteps") or []))


def _judge_branch(steps: list[dict], good: bool, local: bool) -> None:
    names = [step["Name"] for step in steps]
    kinds = [step["Type"] for step in steps]
    found = f"what comes next is {listing(names)}"
    if good:
        wanted = "Package" if local else "Package and Register"
        registers = local or "RegisterModel" in kinds
        if "Package" not in names or not registers or "Fail" in kinds:
            raise NotYet(found, f"{wanted}, which are if_good: the accuracy is at least the bar")
    elif kinds != ["Fail"]:
        raise NotYet(found, "the FailStep Refuse alone: the accuracy is below the bar")


def _judge_message(execution: Execution) -> None:
    step = pipelines.step_called(execution.definition, "Refuse", "Fail")
    accuracy, bar, _ = _CASES[1]
    scope = Scope(accuracy, AccuracyBar=bar)
    message = str(pipelines.comes_to(step["Arguments"].get("ErrorMessage", ""), scope))
    for what, number in (("accuracy", accuracy), ("bar", bar)):
        if str(number) not in message:
            raise NotYet(
                f"with an accuracy of {accuracy} and a bar of {bar} it says {message!r}",
                f"a message with the {what} in it, {number}: join the texts and the numbers",
            )


# --- the approval -------------------------------------------------------------------------


@check("14.5")
def approve(look: Look) -> None:
    notebook.on_sagemaker(look, "registry")
    executions = _with_decision(look)
    # Section 16 starts the pipeline too, with other parameters, and its version stays on trial.
    plain = [one for one in executions if not pipelines.own_parameters(one)]
    step = _came_to(look, plain or executions, _register_step(executions[0])["Name"])
    arn = step["Metadata"]["RegisterModel"]["Arn"]
    number = arn.rpartition("/")[2]
    look.at(f"version {number} of the group {GROUP} in the registry")
    about = pipelines.ask("describe_model_package", ModelPackageName=arn)
    if not about:
        raise NotYet(
            "it is no longer there",
            "the version that the pipeline has registered",
            step="run the cell that starts the pipeline again, then approve the new version",
        )
    if about["ModelApprovalStatus"] != "Approved":
        listed = pipelines.ask(
            "list_model_packages", ModelPackageGroupName=GROUP, ModelApprovalStatus="Approved"
        )
        others = [
            str(one["ModelPackageVersion"]) for one in listed.get("ModelPackageSummaryList", ())
        ]
        also = f"; approved is version {listing(others)}" if others else ""
        raise NotYet(
            f"it is {about['ModelApprovalStatus']}{also}",
            f"version {number}, the newest one, Approved: newest_arn",
        )
    if not str(about.get("ApprovalDescription") or "").strip():
        raise NotYet("it is approved without a reason", "ApprovalDescription: a sentence with it")
