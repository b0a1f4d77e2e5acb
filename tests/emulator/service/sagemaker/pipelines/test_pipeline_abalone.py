"""AWS's abalone example with the SageMaker SDK: from the data to the answers of an endpoint."""

from __future__ import annotations

import pytest

from .abalone import FILES, PIPELINE

pytestmark = [pytest.mark.slow, pytest.mark.lab3]

#: As in the example: as it is, with other parameters, and with a threshold that no model reaches.
RUNS = """
sm = sagemaker_session.sagemaker_client
assert len(json.loads(pipeline.definition())["Steps"]) == 4
pipeline.upsert(role_arn=role, tags=[{"Key": "team", "Value": "sea"}])

def run(**parameters):
    execution = pipeline.start(parameters=parameters)
    try:
        execution.wait(delay=1)
    except Exception as error:
        assert "Failed" in str(error)
    return execution, {one["StepName"]: one for one in execution.list_steps()}

def states(steps):
    return {name: one["StepStatus"] for name, one in reversed(steps.items())}

execution, steps = run()
assert execution.describe()["PipelineExecutionStatus"] == "Succeeded", steps
good = {"AbaloneProcess", "AbaloneTrain", "AbaloneEval", "AbaloneMSECond",
    "AbaloneRegisterModel-RegisterModel", "AbaloneCreateModel", "AbaloneTransform"}
assert states(steps) == dict.fromkeys(good, "Succeeded")

def made(step, kind):
    return step["Metadata"][kind]["Arn"].rpartition(":")[2].partition("/")[2]

prepare = sm.describe_processing_job(
    ProcessingJobName=made(steps["AbaloneProcess"], "ProcessingJob"))
train = sm.describe_training_job(TrainingJobName=made(steps["AbaloneTrain"], "TrainingJob"))
test = sm.describe_processing_job(ProcessingJobName=made(steps["AbaloneEval"], "ProcessingJob"))
model = sm.describe_model(ModelName=made(steps["AbaloneCreateModel"], "Model"))
transform = sm.describe_transform_job(
    TransformJobName=made(steps["AbaloneTransform"], "TransformJob"))
package_arn = steps["AbaloneRegisterModel-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
package = sm.describe_model_package(ModelPackageName=package_arn)

# What a step needs is what the step before it has made.
outputs = {one["OutputName"]: one["S3Output"]["S3Uri"]
    for one in prepare["ProcessingOutputConfig"]["Outputs"]}
channels = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"]
    for one in train["InputDataConfig"]}
inputs = {one["S3Input"]["LocalPath"]: one["S3Input"]["S3Uri"]
    for one in test["ProcessingInputs"]}
[container] = package["InferenceSpecification"]["Containers"]
artifacts = train["ModelArtifacts"]["S3ModelArtifacts"]
assert channels == {name: outputs[name] for name in ("train", "validation")}
assert inputs["/opt/ml/processing/test"] == outputs["test"]
assert artifacts.startswith(f"s3://{default_bucket}/AbaloneTrain/pipelines-")
assert inputs["/opt/ml/processing/model"] == artifacts
assert model["PrimaryContainer"]["ModelDataUrl"] == container["ModelDataUrl"] == artifacts
assert transform["ModelName"] == model["ModelName"]
assert transform["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == batch_data_uri
assert train["HyperParameters"]["num_round"] == "50"

# The registry knows the metrics, and the group has the pipeline's tags, as the jobs have.
metrics = package["ModelMetrics"]["ModelQuality"]["Statistics"]
assert metrics == {"ContentType": "application/json", "S3Uri": evaluation_uri}
report = json.loads(S3Downloader.read_file(metrics["S3Uri"]))["regression_metrics"]["mse"]
assert set(report) == {"value", "standard_deviation"} and 0 < report["value"] <= 6
group = sm.describe_model_package_group(ModelPackageGroupName="AbaloneModelPackageGroupName")
for arn in (train["TrainingJobArn"], test["ProcessingJobArn"], transform["TransformJobArn"],
        model["ModelArn"], group["ModelPackageGroupArn"]):
    assert {"Key": "team", "Value": "sea"} in sm.list_tags(ResourceArn=arn)["Tags"], arn

# Transform and endpoint answer what the model itself says, and evaluation.json tells of it.
import pickle, xgboost
from sagemaker import ModelPackage
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
S3Downloader.download(artifacts, "got")
tarfile.open("got/model.tar.gz").extractall("got")
booster = pickle.load(open("got/xgboost-model", "rb"))
S3Downloader.download(outputs["test"], "got")
rows = np.genfromtxt("got/test.csv", delimiter=",")
differences = rows[:, 0] - booster.predict(xgboost.DMatrix(rows[:, 1:]))
assert report["value"] == float(np.mean(differences ** 2))
expected = booster.predict(xgboost.DMatrix(np.genfromtxt("abalone-dataset-batch", delimiter=",")))
expected = [str(one) for one in expected.tolist()]
out = f"s3://{default_bucket}/AbaloneTransform/abalone-dataset-batch.out"
assert S3Downloader.read_file(out).split() == expected

assert package["ModelApprovalStatus"] == "PendingManualApproval"
sm.update_model_package(ModelPackageArn=package_arn, ModelApprovalStatus="Approved")
registered = ModelPackage(role, model_package_arn=package_arn, sagemaker_session=sagemaker_session)
registered.deploy(1, "ml.m5.xlarge", endpoint_name="abalone")
predictor = Predictor("abalone", sagemaker_session, serializer=CSVSerializer())
assert predictor.predict(batch).decode().split(",") == expected
predictor.delete_endpoint()

# Once more, with other parameters: what was prepared, trained and evaluated is in the cache.
execution, steps = run(ProcessingInstanceType="ml.c5.xlarge", ModelApprovalStatus="Approved")
assert states(steps) == dict.fromkeys(good, "Succeeded")
cached = {name for name, one in steps.items() if "CacheHitResult" in one}
assert cached == {"AbaloneProcess", "AbaloneTrain", "AbaloneEval"}
versions = sm.list_model_packages(ModelPackageGroupName="AbaloneModelPackageGroupName",
    SortBy="CreationTime", SortOrder="Ascending")["ModelPackageSummaryList"]
assert [(one["ModelPackageVersion"], one["ModelApprovalStatus"]) for one in versions] == [
    (1, "Approved"), (2, "Approved")]

execution, steps = run(MseThreshold=report["value"] / 2)
ended = execution.describe()
assert ended["PipelineExecutionStatus"] == "Failed"
assert "AbaloneMSEFail" in ended["FailureReason"]
assert steps["AbaloneMSECond"]["Metadata"]["Condition"]["Outcome"] == "False"
failed = steps["AbaloneMSEFail"]
assert failed["StepStatus"] == "Failed"
assert failed["FailureReason"] == f"Execution failed due to MSE > {report['value'] / 2}"
assert set(steps) == {"AbaloneProcess", "AbaloneTrain", "AbaloneEval", "AbaloneMSECond",
    "AbaloneMSEFail"}

for one in versions:
    sm.delete_model_package(ModelPackageName=one["ModelPackageArn"])
sm.delete_model_package_group(ModelPackageGroupName="AbaloneModelPackageGroupName")
pipeline.delete()
"""


def test_its_predictions_are_those_of_the_endpoint_and_a_bad_model_is_not_registered(script):
    script(PIPELINE + RUNS, FILES)
