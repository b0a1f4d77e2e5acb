"""What is refused when a pipeline is made, and the nearest that is taken."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from workshop.emulator.client import daemon

from ....by_boto3 import IMAGE, bucket  # noqa: F401
from ....conftest import ROLE
from .by_definition import accuracy, at_least, condition, create, fail, process_step, start


def pair(**second) -> list[dict]:
    """Two steps, of which the second refers to the first."""
    output = {"Get": "Steps.One.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    return [process_step("One", "1"), process_step("Two", output) | second]


def changed(path: str, value: object, step: dict | None = None) -> dict:
    """A step, with another value somewhere in it."""
    step = step or process_step("One", "1")
    *parents, last = path.split(".")
    place = step
    for name in parents:
        place = place[name]
    place[last] = value
    return step


def referring(path: str) -> dict:
    return process_step("Two", {"Get": path})


def callback(name: str, *outputs: dict) -> dict:
    return {
        "Name": name,
        "Type": "Callback",
        "SqsQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/none",
        "OutputParameters": [*outputs],
    }


TEXT = {"OutputName": "a", "OutputType": "String"}
NUMBER = {"Name": "N", "Type": "Integer", "DefaultValue": 1}
#: What is wrong: the steps (or a whole definition), and words of the answer.
REFUSED = {
    "no step": ([], "has no steps"),
    "an unknown type": ([changed("Type", "Procesing")], "step 'One' has the Type 'Procesing'"),
    "no queue": ([{"Name": "One", "Type": "Callback"}], "has no SqsQueueUrl"),
    "a queue of a job": (
        [changed("SqsQueueUrl", "q")],
        "Cannot parse the step 'One', unknown property 'SqsQueueUrl'",
    ),
    "an output of an unknown type": (
        [callback("One", {"OutputName": "a", "OutputType": "Int"})],
        "the OutputName 'a' and the OutputType 'Int'; there are String, Integer",
    ),
    "two outputs of a name": (
        [callback("One", TEXT, TEXT)],
        "The step 'One' has two outputs called 'a'",
    ),
    "an output that is not declared": (
        [callback("One", TEXT), referring("Steps.One.OutputParameters['b']")],
        "The step 'One' has the OutputParameters: a",
    ),
    "another property of a callback": (
        [callback("One", TEXT), referring("Steps.One.SqsQueueUrl")],
        "The step 'One' has the OutputParameters: a",
    ),
    "a callback that waits for itself": (
        [callback("One", TEXT) | {"Arguments": {"x": {"Get": "Steps.One.OutputParameters['a']"}}}],
        "in a circle: One -> One",
    ),
    "a bad name": ([changed("Name", "One Two")], "A step has the Name 'One Two'"),
    "two of a name": ([process_step("One"), process_step("One")], "two steps called 'One'"),
    "an unknown property": ([changed("DependOn", [])], "unknown property 'DependOn'"),
    "an unknown argument": (
        [changed("Arguments.ProcessingInput", [])],
        "Unknown Argument member 'ProcessingInput' in the step 'One'",
    ),
    "no list": (
        [changed("Arguments.ProcessingInputs", {"a": 1})],
        "Step 'One', ProcessingInputs: Expecting start of Json Array",
    ),
    "no object": (
        [changed("Arguments.ProcessingResources", ["a"])],
        "Step 'One', ProcessingResources: Expecting start of Json Object",
    ),
    "no step to depend on": ([changed("DependsOn", ["Zero"])], "'One' depends on 'Zero'"),
    "a circle": (
        [changed("DependsOn", ["Two"]), *pair()[1:]],
        "in a circle: ",
    ),
    "itself": ([changed("DependsOn", ["One"])], "in a circle: One -> One"),
    "an unknown parameter": ([referring("Parameters.M")], "parameter 'M', which the pipeline"),
    "an unknown variable": ([referring("Execution.Id")], "'Execution.Id', which no execution has"),
    "an unknown step": ([referring("Steps.Zero.RoleArn")], "step 'Zero', which the pipeline"),
    "an unknown root": ([referring("Step.One.Name")], "begins with Parameters., Execution."),
    "an unknown property of a step": (
        [process_step("One"), referring("Steps.One.ProcesingJobName")],
        "a step of type Processing has no 'ProcesingJobName' there",
    ),
    "a model of a processing step": (
        [process_step("One"), referring("Steps.One.ModelArtifacts.S3ModelArtifacts")],
        "has no 'ModelArtifacts' there",
    ),
    "an unknown property file": (
        [process_step("One"), process_step("Two", {"Get": "Steps.One.PropertyFiles.F"})],
        "The step 'One' has the property files: E",
    ),
    "a property of a condition": (
        [condition("One", [at_least(1, 2)], []), referring("Steps.One.Metrics")],
        "a step of type Condition has none",
    ),
    "an unknown condition": (
        [condition("One", [{"Type": "Greater", "LeftValue": 1, "RightValue": 2}], [])],
        "a condition of the Type 'Greater'",
    ),
    "half a condition": (
        [condition("One", [{"Type": "Equals", "LeftValue": 1}], [])],
        "A condition Equals of the step 'One' has no RightValue",
    ),
    "half a condition in another": (
        [condition("One", [{"Type": "Not", "Condition": {"Type": "In", "Values": [1]}}], [])],
        "A condition In of the step 'One' has no QueryValue",
    ),
    "no condition": ([condition("One", [], [])], "'One' has no Conditions"),
    "a fault in a branch": (
        [condition("One", [at_least(1, 2)], [changed("Type", "Procesing") | {"Name": "Two"}])],
        "step 'Two' has the Type 'Procesing'",
    ),
    "the name of a step in a branch": (
        [process_step("Two"), condition("One", [at_least(1, 2)], [process_step("Two")])],
        "two steps called 'Two'",
    ),
    "no message": ([changed("Arguments", {}, fail("One"))], "has no ErrorMessage"),
    "no time": (
        [changed("CacheConfig", {"Enabled": True, "ExpireAfter": "a day"})],
        "its ExpireAfter is 'a day'",
    ),
    "an unknown exception": (
        [changed("RetryPolicies", [{"ExceptionType": ["SageMaker.ERROR"]}])],
        "is for SageMaker.ERROR; there are Step.SERVICE_FAULT",
    ),
    "two ends of the retries": (
        [changed("RetryPolicies", [
            {"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2, "ExpireAfterMin": 5}])],
        "has both MaxAttempts and ExpireAfterMin",
    ),
    "a JsonGet without a path": (
        [process_step("One"), process_step("Two", {"Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.One.PropertyFiles.E"}}})],
        "A Std:JsonGet of the step 'Two' has no Path",
    ),
    "a JsonGet without a file": (
        [process_step("Two", {"Std:JsonGet": {"Path": "a"}})],
        "A Std:JsonGet of the step 'Two' names no file",
    ),
    "another version": ({"Version": "2021-01-01"}, "The Version is '2021-01-01'"),
    "steps that are no list": ({"Steps": {"One": 1}}, "Steps: Expecting start of Json Array"),
    "a parameter of an unknown type": (
        {"Parameters": [NUMBER | {"Type": "Int"}]}, "'N' has the Type 'Int'",
    ),
    "two parameters of a name": ({"Parameters": [NUMBER, NUMBER]}, "two parameters called 'N'"),
    "a default of another type": (
        {"Parameters": [NUMBER | {"DefaultValue": "1"}]},
        "'N' is of type Integer, and its DefaultValue is '1'",
    ),
    "a default that is none of the values": (
        {"Parameters": [
            {"Name": "S", "Type": "String", "DefaultValue": "c", "EnumValues": ["a", "b"]}]},
        "none of its EnumValues: a, b",
    ),
    "an experiment of nothing": (
        {"PipelineExperimentConfig": {"ExperimentName": {"Get": "Parameters.E"}}},
        "The experiment refers to the parameter 'E'",
    ),
}  # fmt: skip
TAKEN = {
    "a reference": pair(),
    "an order": pair(DependsOn=["One"]),
    "conditions in conditions": [
        process_step("One", "1"),
        condition(
            "Two",
            [
                {"Type": "Or", "Conditions": [at_least(accuracy("One"), 0.5), at_least(1, 2)]},
                {"Type": "Not", "Condition": {"Type": "In", "QueryValue": 1, "Values": [2]}},
            ],
            [condition("Three", [at_least(1, 2)], [process_step("Four")], [fail("Five")])],
        ),
        process_step("Six", {"Get": "Steps.Four.ProcessingJobName"}),
    ],
    "a cache for minutes": [changed("CacheConfig", {"Enabled": True, "ExpireAfter": "T16m"})],
    "a cache for days": [changed("CacheConfig", {"Enabled": True, "ExpireAfter": "30dT5h"})],
    "a cache that is off": [changed("CacheConfig", {"Enabled": False})],
    "an output of a callback": [
        callback("One", TEXT),
        referring("Steps.One.OutputParameters['a']"),
    ],
    "a list by number": [
        process_step("One"),
        referring("Steps.One.ProcessingOutputConfig.Outputs[0].OutputName"),
    ],
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_name_of_the_step(name):
    given, words = REFUSED[name]
    steps = given if isinstance(given, list) else [process_step("One", "1")]
    with pytest.raises(ClientError) as refused:
        create(*steps, definition={} if isinstance(given, list) else given)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert words in str(refused.value)


@pytest.mark.parametrize("name", TAKEN)
def test_it_is_taken(name):
    assert create(*TAKEN[name])


#: Types of steps that are not played, and words of what to do instead.
INSTEAD = {
    "Lambda": "do in a processing step, or in a function with @step, what the function does",
    "EMR": "use a processing step with the Spark image",
    "EMRServerless": "use a processing step with the Spark image",
    "QualityCheck": "compare the statistics in a processing step",
    "ClarifyCheck": "look for bias in a processing step",
    "AutoML": "use a tuning step",
    "Endpoint": "deploy the model when the execution has ended",
    "EndpointConfig": "deploy the model when the execution has ended",
    "InferenceComponent": "deploy the model when the execution has ended",
    "Lineage": "the trial component of a job names its inputs and outputs",
}


@pytest.mark.parametrize("kind", INSTEAD)
def test_a_step_that_is_not_played_is_refused_with_what_to_do_instead(kind):
    with pytest.raises(ClientError) as refused:
        create(changed("Type", kind))
    assert (
        f"The step 'One' is of type {kind}, which is not played by the workshop's emulator. "
        f"Instead: {INSTEAD[kind]}, or use your own AWS account."
    ) in str(refused.value)


def test_a_notebook_job_which_is_a_training_step_is_refused_too():
    """So the SDK's NotebookJobStep writes it."""
    program = {"TrainingImage": IMAGE, "ContainerEntrypoint": ["amazon_sagemaker_scheduler"]}
    step = {
        "Name": "One",
        "Type": "Training",
        "Arguments": {"AlgorithmSpecification": {"TrainingInputMode": "File", **program}},
    }
    with pytest.raises(ClientError, match=r"type NotebookJob, .* run the notebook"):
        create(step)


def test_an_update_is_looked_at_as_well():
    pipeline, sagemaker = create(process_step("One")), daemon.client("sagemaker")
    text = sagemaker.describe_pipeline(PipelineName=pipeline)["PipelineDefinition"]
    with pytest.raises(ClientError, match="It is no JSON"):
        sagemaker.update_pipeline(PipelineName=pipeline, PipelineDefinition=text[:-1])
    kept = sagemaker.describe_pipeline(PipelineName=pipeline)["PipelineDefinition"]
    assert json.loads(kept) == json.loads(text)


def test_a_definition_may_lie_in_s3():
    sagemaker, s3 = daemon.client("sagemaker"), daemon.client("s3")
    text = sagemaker.describe_pipeline(PipelineName=create(fail("One")))["PipelineDefinition"]
    place = {"Bucket": "sagemaker-jobs", "ObjectKey": "pipelines/one.json"}
    request = {
        "PipelineName": "from-s3",
        "PipelineDefinitionS3Location": place,
        "RoleArn": ROLE,
    }
    with pytest.raises(ClientError, match=r"s3://sagemaker-jobs/pipelines/one\.json cannot be"):
        sagemaker.create_pipeline(**request)
    s3.put_object(Bucket=place["Bucket"], Key=place["ObjectKey"], Body=text)
    sagemaker.create_pipeline(**request)
    assert sagemaker.describe_pipeline(PipelineName="from-s3")["PipelineDefinition"] == text
    with pytest.raises(ClientError, match="Exactly one of PipelineDefinition"):
        sagemaker.create_pipeline(**request, PipelineDefinition=text)


PARAMETERS = [
    {"Name": "S", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
    {"Name": "I", "Type": "Integer", "DefaultValue": 3},
    {"Name": "F", "Type": "Float"},
    {"Name": "B", "Type": "Boolean", "DefaultValue": False},
]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "'F' has no default value, and the execution gives none"),
        ({"F": "1", "I": "1.5"}, "'I' is of type Integer; '1.5' is none"),
        ({"F": "one"}, "'F' is of type Float; 'one' is none"),
        ({"F": "1", "B": "yes"}, "'B' is of type Boolean; 'yes' is none"),
        ({"F": "1", "S": "c"}, "'S' cannot be 'c'. It may be a, b"),
        ({"F": "1", "X": "c"}, "no parameter 'X'. Its parameters: S, I, F, B"),
    ],
)
def test_values_of_parameters_that_do_not_fit(values, words):
    pipeline = create(fail("One"), parameters=PARAMETERS)
    with pytest.raises(ClientError) as refused:
        start(pipeline, values=values)
    assert words in str(refused.value)


def test_values_of_parameters_are_told():
    arn = start(create(fail("One"), parameters=PARAMETERS), values={"F": "1", "B": "true"})
    answer = daemon.client("sagemaker").list_pipeline_parameters_for_execution(
        PipelineExecutionArn=arn
    )
    found = {one["Name"]: one["Value"] for one in answer["PipelineParameters"]}
    assert found == {"S": "a", "I": "3", "F": "1.0", "B": "true"}
