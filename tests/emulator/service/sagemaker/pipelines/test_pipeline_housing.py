"""AWS's example "train, register and deploy a pipeline model" with the SageMaker SDK.

Two containers are one model: a scaler of scikit-learn, and a network of TensorFlow behind it.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

COLUMNS = """
COLUMNS = ["longitude", "latitude", "age", "rooms", "bedrooms", "population", "households",
    "income"]
LABEL = "value"
"""

SCALE = (
    COLUMNS
    + """
import io, json, os, tarfile
import joblib
import numpy as np
import pandas as pd

def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))

def input_fn(body, content_type):
    assert content_type == "text/csv", content_type
    table = pd.read_csv(io.StringIO(body), header=None)
    table.columns = COLUMNS if len(table.columns) == len(COLUMNS) else [*COLUMNS, LABEL]
    return table

def predict_fn(table, scaler):
    return scaler.transform(table[COLUMNS])

def output_fn(scaled, accept):
    assert accept == "application/json", accept
    return json.dumps({"instances": scaled.tolist()}), accept

if __name__ == "__main__":
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    place = "/opt/ml/processing"
    table = pd.read_csv(f"{place}/input/raw_data_all.csv")
    parts = train_test_split(table, test_size=0.33, random_state=0)
    scaler = StandardScaler().fit(parts[0][COLUMNS])
    for name, part in zip(("train", "test"), parts):
        part = part.reset_index(drop=True)
        scaled = pd.DataFrame(scaler.transform(part[COLUMNS]), columns=COLUMNS)
        scaled.assign(value=part[LABEL]).to_csv(f"{place}/{name}/{name}.csv", index=False)
    joblib.dump(scaler, "model.joblib")
    with tarfile.open(f"{place}/scaler_model/model.tar.gz", "w:gz") as archive:
        archive.add("model.joblib")
"""
)

TRAIN = (
    COLUMNS
    + """
import argparse, os
import pandas as pd
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
parser.add_argument("--test", default=os.environ.get("SM_CHANNEL_TEST"))
parser.add_argument("--sm-model-dir", default=os.environ.get("SM_MODEL_DIR"))
args, _ = parser.parse_known_args()
tables = [pd.read_csv(f"{folder}/{name}.csv")
    for name, folder in (("train", args.train), ("test", args.test))]
(x, y), validation = [(one[COLUMNS].to_numpy(), one[LABEL].to_numpy()) for one in tables]

tf.keras.utils.set_random_seed(0)
inputs = tf.keras.Input((8,))
hidden = tf.keras.layers.Dense(8, activation="tanh")(inputs)
model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(hidden))
model.compile(tf.keras.optimizers.SGD(0.1), "mse")
model.fit(x, y, batch_size=64, epochs=args.epochs, validation_data=validation, verbose=2)
model.export(f"{args.sm_model_dir}/1")
"""
)

EVALUATE = (
    COLUMNS
    + """
import json, tarfile
from pathlib import Path
import numpy as np
import pandas as pd
import tensorflow as tf

with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    archive.extractall("model")
test = pd.read_csv("/opt/ml/processing/test/test.csv")
values = tf.constant(test[COLUMNS].to_numpy(), tf.float32)
model = tf.saved_model.load("model/1")
predicted = model.serve(values).numpy()[:, 0]
error = {"value": float(np.mean((predicted - test[LABEL]) ** 2)), "standard_deviation": "NaN"}
folder = Path("/opt/ml/processing/evaluation")
folder.mkdir(parents=True, exist_ok=True)
(folder / "evaluation.json").write_text(json.dumps({"regression_metrics": {"mse": error}}))
"""
)

FILES = {"code/preprocess.py": SCALE, "code/train.py": TRAIN, "code/evaluate.py": EVALUATE}

PROGRAM = (
    COLUMNS
    + """
import io, json, os, tarfile, time
import boto3
import joblib
import numpy as np
import pandas as pd
import sagemaker
import tensorflow as tf
from sagemaker import ModelPackage, PipelineModel
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.predictor import Predictor
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.tensorflow import TensorFlow
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.functions import JsonGet
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

sm = boto3.client("sagemaker")
role = sagemaker.get_execution_role()
sagemaker_session = sagemaker.Session()
bucket, region = sagemaker_session.default_bucket(), boto3.Session().region_name
group, prefix = "PipelineModelPackageGroup", "pipeline-model-example"

# As many columns as the houses of California have, and a value that depends on them.
rng = np.random.default_rng(0)
table = pd.DataFrame(rng.normal(5, 2, (300, 8)).round(3), columns=COLUMNS)
table[LABEL] = (table["income"] / 20 + table["age"] / 40).round(4)
os.makedirs("data/raw")
table.to_csv("data/raw/raw_data_all.csv", index=False)
raw = sagemaker_session.upload_data("data/raw/", key_prefix=f"{prefix}/data/raw")

input_data = ParameterString("InputData", default_value=raw)
approval = ParameterString("ModelApprovalStatus", default_value="Approved")
count = ParameterInteger("ProcessingInstanceCount", default_value=1)
processing_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.large")
training_type = ParameterString("TrainingInstanceType", default_value="ml.m5.xlarge")
epochs = ParameterString("TrainingEpochs", default_value="4")
threshold = ParameterFloat("AccuracyMseThreshold", default_value=0.75)

step_process = ProcessingStep(
    name="PreprocessData",
    processor=SKLearnProcessor(
        framework_version="1.0-1", instance_type=processing_type, instance_count=count,
        base_job_name="sklearn-housing-data-process", role=role,
    ),
    inputs=[ProcessingInput(source=input_data, destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name=name, source=f"/opt/ml/processing/{name}")
        for name in ("scaler_model", "train", "test")
    ],
    code="code/preprocess.py",
)

def prepared(name):
    return step_process.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

step_train = TrainingStep(
    name="TrainTensorflowModel",
    estimator=TensorFlow(
        source_dir="code", entry_point="train.py", instance_type=training_type, instance_count=1,
        framework_version="2.4.1", py_version="py37", role=role,
        base_job_name="tensorflow-train-model", output_path=f"s3://{bucket}/{prefix}/model/",
        hyperparameters={"epochs": epochs},
    ),
    inputs={
        name: TrainingInput(s3_data=prepared(name), content_type="text/csv")
        for name in ("train", "test")
    },
)
trained = step_train.properties.ModelArtifacts.S3ModelArtifacts

def image(scope):
    return sagemaker.image_uris.retrieve(
        framework="tensorflow", region=region, version="2.4.1", image_scope=scope,
        py_version="py37", instance_type="ml.m5.xlarge",
    )

report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
step_evaluate = ProcessingStep(
    name="EvaluateModelPerformance",
    processor=ScriptProcessor(
        role=role, image_uri=image("training"), command=["python3"], instance_count=1,
        instance_type="ml.m5.xlarge",
    ),
    inputs=[
        ProcessingInput(source=trained, destination="/opt/ml/processing/model"),
        ProcessingInput(source=prepared("test"), destination="/opt/ml/processing/test"),
    ],
    outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    code="code/evaluate.py",
    property_files=[report],
)

def place(step):
    return step.arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]

scaler = SKLearnModel(
    model_data=f"{place(step_process)}/model.tar.gz", role=role,
    sagemaker_session=sagemaker_session, entry_point="code/preprocess.py",
    framework_version="1.0-1",
)
network = Model(
    image_uri=image("inference"), model_data=trained, sagemaker_session=sagemaker_session, role=role
)
step_register = RegisterModel(
    name="PipelineModel",
    model=PipelineModel(models=[scaler, network], role=role, sagemaker_session=sagemaker_session),
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=["ml.m5.large", "ml.m5.xlarge"],
    transform_instances=["ml.m5.xlarge"],
    model_package_group_name=group,
    model_metrics=ModelMetrics(model_statistics=MetricsSource(
        s3_uri=f"{place(step_evaluate)}/evaluation.json", content_type="application/json")),
    approval_status=approval,
)
step_condition = ConditionStep(
    name="MSE-Lower-Than-Threshold-Condition",
    conditions=[ConditionLessThanOrEqualTo(
        left=JsonGet(step_name=step_evaluate.name, property_file=report,
            json_path="regression_metrics.mse.value"),
        right=threshold,
    )],
    if_steps=[step_register],
    else_steps=[],
)
pipeline = Pipeline(
    name="TrainingPipelineForModel",
    parameters=[processing_type, count, training_type, input_data, approval, epochs, threshold],
    steps=[step_process, step_train, step_evaluate, step_condition],
)
pipeline.upsert(role_arn=role)
execution = pipeline.start()
try:
    execution.wait(delay=1)
finally:
    print(execution.list_steps())
steps = {one["StepName"]: one["StepStatus"] for one in execution.list_steps()}
assert set(steps.values()) == {"Succeeded"}
assert len(steps) == 6, steps  # the SDK packs the scaler's script into its archive in a step

approved = sm.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved",
    SortBy="CreationTime", MaxResults=100)["ModelPackageSummaryList"]
arn = approved[0]["ModelPackageArn"]
containers = sm.describe_model_package(ModelPackageName=arn)["InferenceSpecification"]["Containers"]
assert [one["Image"].rpartition("/")[2].partition(":")[0] for one in containers] == [
    "sagemaker-scikit-learn", "tensorflow-inference"]

endpoint = "DEMO-endpoint-" + time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
model = ModelPackage(role=role, model_package_arn=arn, sagemaker_session=sagemaker_session)
model.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge", endpoint_name=endpoint)
predictor = Predictor(endpoint_name=endpoint)
rows = table[COLUMNS].iloc[:10]
answer = predictor.predict(rows.to_csv(header=False, index=False),
    initial_args={"ContentType": "text/csv"})
predictions = json.loads(answer)["predictions"]

# What the two models say in this process, one behind the other.
for number, container in enumerate(containers):
    packed = io.BytesIO(S3Downloader.read_bytes(container["ModelDataUrl"]))
    tarfile.open(fileobj=packed).extractall(f"got/{number}")
scaled = joblib.load("got/0/model.joblib").transform(rows)
network = tf.saved_model.load("got/1/1")
expected = network.serve(tf.constant(scaled, tf.float32)).numpy()
assert np.array_equal(np.float32(predictions), expected), (predictions, expected)

predictor.delete_endpoint()
for one in sm.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]:
    sm.delete_model_package(ModelPackageName=one["ModelPackageArn"])
sm.delete_model_package_group(ModelPackageGroupName=group)
pipeline.delete()
"""
)


def test_two_containers_are_trained_registered_and_deployed_as_one_model(script):
    script(PROGRAM, FILES)
