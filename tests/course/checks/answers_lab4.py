"""Right and wrong answers of sections 13 and 14, in the form of `answers.py`."""

from __future__ import annotations

from types import SimpleNamespace

from .answers import replaced_region
from .changes_lab4 import (
    IN_PARTS,
    NUMPY,
    at,
    both,
    broken,
    cached,
    challenged,
    channels,
    closed,
    compares,
    condition,
    definition,
    evaluated,
    execution,
    failed,
    handlers,
    hard,
    kernel,
    later,
    local,
    message,
    metadata,
    parameter,
    refused,
    registered,
    renamed,
    sdk_channels,
    sdk_parameters,
    sent_later,
    specification,
    statistics,
    step,
    version,
    without_steps,
)
from .lab4 import ACCURACY, BAR, CODE, get, join, output_of

# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("13.1", "another name", parameter(epochs="epochs     Integer  30")),
    ("13.1", "names exchanged", parameter(
        epochs="BatchSize  Integer  32", batch_size="Epochs     Integer  30")),
    ("13.1", "a text", parameter(epochs="Epochs     String   30")),
    ("13.1", "a float", parameter(epochs="Epochs     Float    30.0")),
    ("13.1", "another default", parameter(batch_size="BatchSize  Integer  30")),
    ("13.1", "no default", parameter(epochs="Epochs     Integer  None")),
    ("13.1", "the bucket", parameter(raw_data="RawData    String   s3://another/Lab4")),
    ("13.1", "a default as a text", lambda work: work.stopped("13-pipeline", "13.1", "TypeError",
        "Default value specified in Parameter Epochs is 30 which is <class 'str'> and does not "
        "match ParameterTypeEnum.INTEGER.")),
    ("13.1", "numbers", kernel(lambda _: {"epochs": 30})),
    ("13.1", "not saved", closed("13-pipeline", "epochs = Par")),

    ("13.2", "written down", channels(lambda work: {"X_train": hard(work)})),
    ("13.2", "another output", channels({"y_val": output_of("Preprocess", "y_train")})),
    ("13.2", "images for labels", channels({
        "X_train": output_of("Preprocess", "y_train"),
        "y_train": output_of("Preprocess", "X_train")})),
    ("13.2", "without the labels", channels(without=("y_train", "y_val"))),
    ("13.2", "the test too", channels({"X_test": output_of("Preprocess", "X_test")})),
    ("13.2", "the folder in the container", channels({"X_val": get(
        "Steps.Preprocess.ProcessingOutputConfig.Outputs['X_val'].S3Output.LocalPath")})),
    ("13.2", "another step", channels({"X_train": output_of("Preprocessing", "X_train")})),
    ("13.2", "a list", kernel(lambda _: {"channels": ["X_train"]})),
    ("13.2", "not saved", closed("13-pipeline", "for name, channel in channels")),

    ("13.3", "model of another execution", evaluated(at("model", lambda work: work.uri(
        "Training/pipelines-older-Train-1/output/model.tar.gz")))),
    ("13.3", "output.tar.gz", evaluated(at("model", get(
        "Steps.Train.OutputDataConfig.S3OutputPath")))),
    ("13.3", "no model", evaluated(at("model", None))),
    ("13.3", "validation for test", evaluated(at("test/X_test", output_of("Preprocess", "X_val")))),
    ("13.3", "labels forgotten", evaluated(at("test/y_test", None))),
    ("13.3", "wrong path", evaluated(lambda given, _: {
        path.replace("/test/", "/"): uri for path, uri in given.items()})),
    ("13.3", "output elsewhere", evaluated(outputs=lambda _, work: {"evaluation": (
        f"{CODE}/evaluation", work.uri("Evaluation"))})),
    ("13.3", "output of all executions", evaluated(outputs=lambda _, work: {"evaluation": (
        f"{CODE}/evaluation", work.place())})),
    ("13.3", "another name of the output", evaluated(outputs=lambda left, _: {
        "output-1": left["evaluation"]})),
    ("13.3", "another folder of the output", evaluated(outputs=lambda _, work: {"evaluation": (
        f"{CODE}/output", work.place("Evaluation"))})),
    ("13.3", "no output", evaluated(outputs=lambda *_: {})),
    ("13.3", "another name of the step", evaluated(name="Evaluation")),
    ("13.3", "local mode and closed", both(local("13.3"), lambda work: work.variables.pop(
        "pipeline"))),
    ("13.3", "the cells below stopped", lambda work: work.stopped("13-pipeline", "13.4",
        "ClientError", "An error occurred (ValidationException) when calling CreatePipeline")),

    ("13.4", "30 epochs", execution("digits", parameters={"Epochs": "30"})),
    ("13.4", "a default of 12 elsewhere", execution("digits", parameters={"BatchSize": "12"})),
    ("13.4", "no experiment", definition("13.4", PipelineExperimentConfig=None)),
    ("13.4", "experiment exchanged", definition("13.4", PipelineExperimentConfig={
        "ExperimentName": get("Execution.PipelineExecutionId"),
        "TrialName": get("Execution.PipelineName")})),
    ("13.4", "another name", lambda work: work.jobs["digits"].update(pipeline="digits")),
    ("13.4", "no evaluation", without_steps("13.4", "Evaluate")),
    ("13.4", "a parameter forgotten", lambda work: work.definitions["lab4-digits"][
        "Parameters"].pop()),
    ("13.4", "failed execution", failed("digits", "Train",
        "ClientError: AlgorithmError: algo-1 exited with code 1.\nTraceback …\n"
        "FileNotFoundError: no such file: X_train.npy")),
    ("13.4", "stopped", execution("digits", status="Stopped")),
    ("13.4", "no metrics", lambda work: work.objects.pop("digits")),
    ("13.4", "started before it was sent", sent_later),
    ("13.4", "failed in local mode", both(
        failed("digits", "Evaluate", "RuntimeError: no model"), local("13.4"))),

    ("14.1", "seven weeks", cached({"Enabled": True, "ExpireAfter": "P7W"})),
    ("14.1", "seven hours", cached({"Enabled": True, "ExpireAfter": "PT7H"})),
    ("14.1", "seven months", cached({"Enabled": True, "ExpireAfter": "P7M"})),
    ("14.1", "not enabled", cached({"Enabled": False, "ExpireAfter": "P7D"})),
    ("14.1", "no end", cached({"Enabled": True})),
    ("14.1", "no duration", cached({"Enabled": True, "ExpireAfter": "7 days"})),
    ("14.1", "a day", kernel(lambda _: {"cache": SimpleNamespace(config={
        "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}})})),
    ("14.1", "not saved", closed("14-register", "cache = CacheConfig")),

    ("14.2", "image as it came", handlers((
        "[[[pixel] for pixel in row] for row in image]", "image"))),
    ("14.2", "no list of images", handlers(('{"instances": [pixels]}', '{"instances": pixels}'))),
    ("14.2", "another member", handlers(('"instances"', '"inputs"'))),
    ("14.2", "a dict", handlers((
        'return json.dumps({"instances": [pixels]})', 'return {"instances": [pixels]}'))),
    ("14.2", "across before down", handlers(("for row in image]", "for row in zip(*image)]"))),
    ("14.2", "divided by 255", handlers(("[[[pixel]", "[[[pixel / 255]"))),
    ("14.2", "takes everything", handlers((
        'context.request_content_type != "application/json"', "False"))),
    ("14.2", "another error", handlers(("raise ValueError(f", "raise TypeError(f"))),
    ("14.2", "no content type returned", handlers((', "application/json"\n', "\n"))),
    ("14.2", "the content type is text", handlers((
        'probabilities}), "application/json"', 'probabilities}), "text/plain"'))),
    ("14.2", "the least likely digit", handlers(("digit = max(", "digit = min("))),
    ("14.2", "nine digits", handlers(("range(10)", "range(9)"))),
    ("14.2", "digit as a text", handlers(('{"digit": digit', '{"digit": str(digit)'))),
    ("14.2", "the largest probability alone", handlers((
        '"probabilities": probabilities', '"probabilities": max(probabilities)'))),
    ("14.2", "error of the server not told", handlers((
        "response.status_code != 200", "False"))),
    ("14.2", "numpy numbers", both(replaced_region("14.2", NUMPY), handlers((
        "int(predictions[0].argmax())", "predictions[0].argmax()")))),
    ("14.2", "stops when it is imported", handlers((
        "def input_handler", "raise RuntimeError('end')\n\n\ndef input_handler"))),
    ("14.2", "no output handler", handlers(("def output_handler", "def answer_handler"))),

    ("14.3", "no metrics", registered(ModelMetrics={
        "ModelQuality": {}, "Bias": {}, "Explainability": {}})),
    ("14.3", "metrics as constraints", registered(ModelMetrics={"ModelQuality": {"Constraints": {
        "ContentType": "application/json", "S3Uri": "s3://bucket/metrics.json"}}})),
    ("14.3", "the folder of the metrics", statistics(S3Uri=output_of("Evaluate", "evaluation"))),
    ("14.3", "metrics are text", statistics(ContentType="text/csv")),
    ("14.3", "approved at once", registered(ModelApprovalStatus="Approved")),
    ("14.3", "another group", registered(ModelPackageGroupName="lab4")),
    ("14.3", "no metadata", registered(CustomerMetadataProperties=None)),
    ("14.3", "no epochs", metadata(epochs=None)),
    ("14.3", "literally 30", metadata(epochs="30")),
    ("14.3", "the name of the parameter", metadata(epochs="epochs")),
    ("14.3", "numbers", metadata(epochs=get("Parameters.Epochs"))),
    ("14.3", "the bar for the accuracy", metadata(accuracy=join(BAR, on=""))),
    ("14.3", "an address that is written down", metadata(data="s3://bucket/Lab4/RawData")),
    ("14.3", "the name of the pipeline", metadata(execution=get("Execution.PipelineName"))),
    ("14.3", "CSV", specification(SupportedContentTypes=["text/csv"])),
    ("14.3", "another instance", specification(SupportedTransformInstanceTypes=["ml.m5.xlarge"])),
    ("14.3", "registered by nobody", step("14.3", "GoodEnough", lambda arguments, _:
        arguments.update(IfSteps=arguments["IfSteps"][:1]))),
    ("14.3", "failed step", failed("good", "Register-RegisterModel",
        "ClientError: Failed to invoke sagemaker:CreateModelPackage. Error Details: …")),
    ("14.3", "local mode", local("14.3")),

    ("14.4", "if and else swapped", condition(swapped=True)),
    ("14.4", "greater", condition(compares("GreaterThan"))),
    ("14.4", "at most", condition(compares("LessThanOrEqualTo"))),
    ("14.4", "operands swapped", condition(compares(
        "GreaterThanOrEqualTo", left=BAR, right=ACCURACY))),
    ("14.4", "a bar that is written down", condition(compares("GreaterThanOrEqualTo", right=0.9))),
    ("14.4", "a text", condition(compares("GreaterThanOrEqualTo", left=join(ACCURACY, on="")))),
    ("14.4", "nothing else", step("14.4", "GoodEnough", lambda arguments, _:
        arguments.update(ElseSteps=[]))),
    ("14.4", "the package alone", step("14.4", "GoodEnough", lambda arguments, _:
        arguments.update(IfSteps=arguments["IfSteps"][:1]))),
    ("14.4", "a message without numbers", message("The accuracy is below the bar")),
    ("14.4", "a message without the bar", message(join("It is", ACCURACY, on=" "))),
    ("14.4", "a message without the accuracy", message(join("It is below", BAR, on=" "))),
    ("14.4", "another path", condition(compares("GreaterThanOrEqualTo", left={"Std:JsonGet": {
        "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Metrics"}, "Path": "accuracy"}}))),
    ("14.4", "another name", renamed("14.4", "GoodEnough", "Good")),
    ("14.4", "another name of the fail step", renamed("14.4", "Refuse", "Fail")),
    ("14.4", "never came to it", failed("good", "Train", "ClientError: AlgorithmError: …")),
    ("14.4", "no condition", lambda work: work.definitions["lab4-digits-register"][
        "Steps"].pop()),

    ("14.5", "not approved", version(
        "2", ModelApprovalStatus="PendingManualApproval", ApprovalDescription=None)),
    ("14.5", "rejected", version("2", ModelApprovalStatus="Rejected")),
    ("14.5", "without a reason", version("2", ApprovalDescription=None)),
    ("14.5", "an empty reason", version("2", ApprovalDescription=" ")),
    ("14.5", "an older version", both(
        version("2", ModelApprovalStatus="PendingManualApproval"),
        version("1", ApprovalDescription="It is well above the bar."))),
    ("14.5", "deleted", lambda work: work.versions.update({"2": {}})),
    ("14.5", "local mode", local("14.5")),
]  # fmt: skip


# --- right answers that are not ours --------------------------------------------------------

RIGHT = [
    ("13.1", "in the kernel, with names for the arguments", kernel(sdk_parameters)),
    ("13.1", "an address with a slash", lambda work: parameter(
        raw_data=f"RawData String {work.uri('RawData/')}")(work)),
    ("13.1", "local mode", both(kernel(sdk_parameters), lambda work: work.variables.update(
        LOCAL=True))),

    ("13.2", "in the kernel, in another order", kernel(sdk_channels("s3_data"))),
    ("13.2", "bare properties", kernel(sdk_channels("bare"))),
    ("13.2", "joined", channels({"X_val": join(output_of("Preprocess", "X_val"), "")})),

    ("13.3", "inputs in another order", evaluated(
        lambda given, _: dict(reversed(list(given.items()))))),
    ("13.3", "another way to join", evaluated(outputs=lambda _, work: {"evaluation": (
        f"{CODE}/evaluation", join(
            f"s3://{work.bucket}", "Lab4", "Executions", get("Execution.StartDateTime"),
            get("Execution.PipelineExecutionId"), "Evaluation/"))})),
    ("13.3", "folders with a slash", evaluated(lambda given, _: {
        f"{path}/": uri for path, uri in given.items()})),
    ("13.3", "local mode", local("13.3")),
    ("13.3", "whose execution failed later", failed("digits", "Evaluate", "OSError: no disk")),

    ("13.4", "started again from a terminal", later(parameters={"Epochs": "30"})),
    ("13.4", "started twice", later()),
    ("13.4", "a step more", lambda work: work.definitions["lab4-digits"]["Steps"].append(
        {"Name": "Report", "Type": "Processing", "Arguments": {}})),
    ("13.4", "local mode", local("13.4")),
    ("13.4", "all from the cache", lambda work: [
        one.update(CacheHitResult={}) for one in work.jobs["digits"]["steps"].values()]),

    ("14.1", "a week", cached({"Enabled": True, "ExpireAfter": "P1W"})),
    ("14.1", "168 hours", cached({"Enabled": True, "ExpireAfter": "PT168H"})),
    ("14.1", "AWS's own writing", cached({"Enabled": True, "ExpireAfter": "7d"})),
    ("14.1", "in the kernel", kernel(lambda _: {"cache": SimpleNamespace(config={
        "CacheConfig": {"Enabled": True, "ExpireAfter": "P7D"}})})),

    ("14.2", "with numpy", replaced_region("14.2", NUMPY)),
    ("14.2", "in parts", replaced_region("14.2", IN_PARTS)),
    ("14.2", "rounded", handlers(('"probabilities": probabilities',
        '"probabilities": [round(one, 6) for one in probabilities]'))),

    ("14.3", "more metadata, and more types", both(
        metadata(bar=join(BAR, on="")),
        specification(SupportedContentTypes=["text/csv", "application/json"]))),
    ("14.3", "the ARN of the execution", metadata(execution=get("Execution.PipelineExecutionArn"))),
    ("14.3", "the bar was raised since", refused),
    ("14.3", "started once more with the slip", broken),

    ("14.4", "the other order of operands", condition(compares(
        "LessThanOrEqualTo", left=BAR, right=ACCURACY))),
    ("14.4", "not less", condition({"Type": "Not", "Expression": compares("LessThan")})),
    ("14.4", "less, and the branches swapped", condition(compares("LessThan"), swapped=True)),
    ("14.4", "greater or equal", condition({"Type": "Or", "Conditions": [
        compares("GreaterThan"), compares("Equals")]})),
    ("14.4", "another message", message(join(BAR, ">", ACCURACY, "!", on=""))),
    ("14.4", "the bar was raised since", refused),
    ("14.4", "local mode", local("14.4")),
    ("14.4", "registering failed", failed("good", "Register-RegisterModel", "ClientError: …")),

    ("14.5", "another reason", version("2", ApprovalDescription="ok, seen by two of us")),
    ("14.5", "the bar was raised since", refused),
    ("14.5", "a challenger since", challenged),
    ("14.5", "the older one pending", version("1", ModelApprovalStatus="PendingManualApproval")),
]  # fmt: skip
