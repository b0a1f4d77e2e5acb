"""How the work of sections 13 and 14 is changed, for the answers in `answers_lab4.py`."""

from __future__ import annotations

import copy

from .answers import script
from .lab4 import ACCURACY, BAR, CODE, join, output_of, processing

# --- section 13 -----------------------------------------------------------------------------


def parameter(**changed):
    """Another line for some of the parameters, as the cell prints them."""
    lines = {
        "epochs": "Epochs     Integer  30",
        "batch_size": "BatchSize  Integer  32",
        "raw_data": "RawData    String   {uri}",
    }

    def change(work):
        uri = work.uri("RawData")
        text = "\n".join(line.format(uri=uri) for line in {**lines, **changed}.values())
        work.printed("13-pipeline", "epochs = Par", f"{text}\n")

    return change


def channels(changed=None, *, without=()):
    """Other addresses of channels, as the cell prints them."""

    def change(work):
        names = ("X_train", "y_train", "X_val", "y_val")
        made = {name: output_of("Preprocess", name) for name in names if name not in without}
        work.print_channels(made | (changed(work) if callable(changed) else changed or {}))

    return change


def kernel(make):
    """The notebook is open: its variables are known."""

    def change(work):
        work.variables = {"LOCAL": False, **make(work)}

    return change


def closed(name, in_cell):
    """The notebook is closed, and was not saved after the cell had run."""
    return lambda work: work.printed(name, in_cell, "")


def step(number, name, change):
    """A step of the section's pipeline with other arguments."""
    return lambda work: change(work.step(number, name)["Arguments"], work)


def evaluated(inputs=None, outputs=None, name="Evaluate"):
    """Another step for the evaluation; each is given the present ones."""

    def change(work):
        about = work.step("13.3", "Evaluate")
        given = {
            one["S3Input"]["LocalPath"]: one["S3Input"]["S3Uri"]
            for one in about["Arguments"]["ProcessingInputs"]
        }
        left = {"evaluation": (f"{CODE}/evaluation", work.place("Evaluation"))}
        given = inputs(given, work) if inputs else given
        left = outputs(left, work) if outputs else left
        about |= processing(name, given, left)

    return change


def at(folder, address):
    """Other inputs: another address at a folder; None for no input there."""

    def change(given, work):
        uri = address(work) if callable(address) else address
        given = {**given, f"{CODE}/{folder}": uri}
        return {path: one for path, one in given.items() if one is not None}

    return change


def definition(number, **changed):
    def change(work):
        pipeline = "lab4-digits" if number.startswith("13") else "lab4-digits-register"
        work.definitions[pipeline] |= changed

    return change


def execution(name, **changed):
    return lambda work: work.jobs[name].update(changed)


def failed(name, at_step, reason):
    """An execution whose step failed; those after it did not begin."""

    def change(work):
        steps = list(work.jobs[name]["steps"])
        before = steps[: steps.index(at_step)]
        told = {one: {"StepStatus": "Succeeded"} for one in before}
        told[at_step] = {"StepStatus": "Failed", "FailureReason": reason}
        work.jobs[name] |= {"status": "Failed", "steps": told}

    return change


def local(number):
    return lambda work: work.local(number)


def both(*changes):
    def change(work):
        for one in changes:
            one(work)

    return change


def without_steps(number, *names):
    def change(work):
        pipeline = "lab4-digits" if number.startswith("13") else "lab4-digits-register"
        steps = work.definitions[pipeline]["Steps"]
        steps[:] = [one for one in steps if one["Name"] not in names]

    return change


def cached(config):
    """Another CacheConfig, as the cell prints it."""
    text = f"{{'CacheConfig': {config!r}}}\n"
    return lambda work: work.printed("14-register", "cache = CacheConfig", text)


def later(**made):
    """Another execution was started after the first one."""

    def change(work):
        first = work.jobs["digits"]
        work.jobs["later"] = {**copy.deepcopy(first), **made}
        work.objects["later"] = {
            key.replace("/digits/", "/later/"): content
            for key, content in work.objects["digits"].items()
        }

    return change


def sent_later(work):
    """The pipeline was changed after its execution had started."""
    work.jobs["digits"]["definition"] = copy.deepcopy(work.definitions["lab4-digits"])
    work.definitions["lab4-digits"]["Steps"].reverse()


def hard(work):
    return work.uri("Executions/2026-05-04T10:00:00.0Z/older/DataProcessed/train/X_train")


def sdk_parameters(work):
    from sagemaker.workflow.parameters import ParameterInteger, ParameterString

    one, two = (
        ParameterInteger(default_value=number, name=name)
        for name, number in (("Epochs", 30), ("BatchSize", 32))
    )
    raw = ParameterString("RawData", f"s3://{work.bucket}/Lab4/RawData/")
    return {"epochs": one, "batch_size": two, "raw_data": raw}


def sdk_channels(kind):
    def make(work):
        from sagemaker.inputs import TrainingInput
        from sagemaker.workflow.properties import Properties

        properties = Properties("Preprocess", shape_name="DescribeProcessingJobResponse")
        outputs = properties.ProcessingOutputConfig.Outputs
        found = {}
        for name in ("y_val", "X_val", "y_train", "X_train"):
            uri = outputs[name].S3Output.S3Uri
            found[name] = uri if kind == "bare" else TrainingInput(s3_data=uri)
        return {"channels": found}

    return make


# --- inference.py, written in another way than ours ---------------------------------------------

NUMPY = """\
import numpy as np

def input_handler(data, context):
    if context.request_content_type != "application/json":
        raise ValueError("only application/json, please")
    image = np.array(json.loads(data.read().decode("utf-8")), dtype="float32")
    return json.dumps({"instances": image.reshape(1, 28, 28, 1).tolist()})


def output_handler(response, context):
    if response.status_code >= 400:
        raise ValueError(response.content.decode("utf-8"))
    predictions = np.asarray(json.loads(response.content)["predictions"])
    digit = int(predictions[0].argmax())
    answer = {"probabilities": predictions[0].tolist(), "digit": digit}
    return json.dumps(answer), context.accept_header
"""
IN_PARTS = """\
KNOWN = ("application/json",)


def input_handler(data, context):
    if context.request_content_type in KNOWN:
        rows = json.load(data)
        image = []
        for row in rows:
            image.append([[value] for value in row])
        return json.dumps(dict(signature_name="serving_default", instances=[image])).encode()
    raise ValueError("unknown")


def output_handler(response, context):
    if not response.ok:
        raise ValueError(f"the server said {response.status_code}")
    chances = response.json()["predictions"][0]
    return json.dumps({"digit": chances.index(max(chances)), "probabilities": chances}), KNOWN[0]
"""


def handlers(*pairs):
    return script("inference.py", *pairs)


# --- the decision ---------------------------------------------------------------------------


def condition(*conditions, swapped=False):
    def change(arguments, _):
        if conditions:
            arguments["Conditions"] = list(conditions)
        if swapped:
            branches = arguments["IfSteps"], arguments["ElseSteps"]
            arguments["ElseSteps"], arguments["IfSteps"] = branches

    return step("14.4", "GoodEnough", change)


def compares(kind, left=ACCURACY, right=BAR):
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def message(text):
    return step("14.4", "Refuse", lambda arguments, _: arguments.update(ErrorMessage=text))


def registered(**changed):
    """Other arguments of the step that registers; a function is given the present ones."""

    def change(arguments, work):
        for name, new in changed.items():
            arguments[name] = new(arguments[name], work) if callable(new) else new

    return step("14.3", "Register-RegisterModel", change)


def metadata(**changed):
    def new(known, _):
        found = {**known, **changed}
        return {name: value for name, value in found.items() if value is not None}

    return registered(CustomerMetadataProperties=new)


def specification(**changed):
    return registered(InferenceSpecification=lambda known, _: {**known, **changed})


def version(number, **changed):
    def change(work):
        known = work.versions[number] | changed
        work.versions[number] = {name: one for name, one in known.items() if one is not None}

    return change


def renamed(number, name, new):
    return lambda work: work.step(number, name).update(Name=new)


def statistics(**changed):
    about = {
        "ContentType": "application/json",
        "S3Uri": join(output_of("Evaluate", "evaluation"), "metrics.json"),
    }
    return registered(ModelMetrics={"ModelQuality": {"Statistics": {**about, **changed}}})


#: An execution that the bar stopped: the notebook starts it after the good one.
REFUSED = {
    "pipeline": "lab4-digits-register",
    "status": "Failed",
    "parameters": {"AccuracyBar": "0.9999"},
    "steps": {
        **{name: {"StepStatus": "Succeeded"} for name in ("Preprocess", "Train", "Evaluate")},
        "GoodEnough": {"StepStatus": "Succeeded"},
        "Refuse": {
            "StepStatus": "Failed",
            "FailureReason": "The accuracy 0.98 is below 0.9999",
        },
    },
}


def refused(work):
    work.jobs["refused"] = copy.deepcopy(REFUSED)


def challenged(work):
    """Section 16 has started the pipeline once more, for a version that stays on trial."""
    work.jobs["challenger"] = {
        **copy.deepcopy(work.jobs["good"]),
        "parameters": {"Epochs": "8", "AccuracyBar": "0.5"},
        "version": "3",
    }
    work.versions["3"] = {"ModelApprovalStatus": "PendingManualApproval"}


def broken(work):
    """The notebook starts another definition, which has no condition, before and after."""
    steps = work.definitions["lab4-digits-register"]["Steps"][:3]
    other = {
        **copy.deepcopy(work.jobs["good"]),
        "definition": {**work.definitions["lab4-digits-register"], "Steps": steps},
        "status": "Failed",
    }
    work.jobs = {"broken": other, **work.jobs, "again": copy.deepcopy(other)}
