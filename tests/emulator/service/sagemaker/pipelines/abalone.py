"""The pipeline that AWS teaches pipelines with, in words of this repository: the age of abalones.

https://github.com/aws/amazon-sagemaker-examples, ``sagemaker-pipelines/tabular/
abalone_build_train_deploy/sagemaker-pipelines-preprocess-train-evaluate-batch-transform.ipynb``:
the same classes of the SDK, steps, parameters and calls. The data is made, and has its shape: a sex
of three letters, seven measures, and the rings.
"""

PREPARE = """
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PLACE = "/opt/ml/processing"
table = pd.read_csv(f"{PLACE}/input/abalone-dataset.csv", header=None)
rings, features = table[8].to_numpy(), table.drop(columns=8)
numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
letters = make_pipeline(
    SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore")
)
prepared = ColumnTransformer([("numbers", numbers, list(range(1, 8))), ("letters", letters, [0])])
rows = np.column_stack([rings, prepared.fit_transform(features)])
np.random.default_rng(0).shuffle(rows)
ends = [int(0.7 * len(rows)), int(0.85 * len(rows))]
for name, part in zip(("train", "validation", "test"), np.split(rows, ends)):
    pd.DataFrame(part).to_csv(f"{PLACE}/{name}/{name}.csv", header=False, index=False)
"""

EVALUATE = """
import json
import pickle
import tarfile
from pathlib import Path
import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import mean_squared_error

with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    archive.extractall()
model = pickle.loads(Path("xgboost-model").read_bytes())
test = pd.read_csv("/opt/ml/processing/test/test.csv", header=None).to_numpy()
rings, predicted = test[:, 0], model.predict(xgboost.DMatrix(test[:, 1:]))
error = {
    "value": mean_squared_error(rings, predicted),
    "standard_deviation": float(np.std(rings - predicted)),
}
folder = Path("/opt/ml/processing/evaluation")
folder.mkdir(parents=True, exist_ok=True)
(folder / "evaluation.json").write_text(json.dumps({"regression_metrics": {"mse": error}}))
"""

FILES = {"abalone/preprocessing.py": PREPARE, "abalone/evaluation.py": EVALUATE}

DATA = """
import json, tarfile, time
import boto3
import numpy as np
import sagemaker

rng = np.random.default_rng(0)
ages = rng.integers(3, 20, 300)
rows = [
    ",".join([rng.choice(["M", "F", "I"]), *(f"{age / 30 + one:.4f}" for one in noises), str(age)])
    for age, noises in zip(ages, rng.normal(0, 0.05, (300, 7)))
]
open("abalone-dataset.csv", "w").write("\\n".join(rows) + "\\n")
# Ready for the model: ten numbers, and no label.
batch = "".join(",".join(f"{one:.4f}" for one in row) + "\\n" for row in rng.normal(size=(20, 10)))
open("abalone-dataset-batch", "w").write(batch)
"""

PIPELINE = (
    DATA
    + """
from sagemaker.estimator import Estimator
from sagemaker.inputs import CreateModelInput, TrainingInput, TransformInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.transformer import Transformer
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import (
    CacheConfig, CreateModelStep, ProcessingStep, TrainingStep, TransformStep,
)

sagemaker_session = sagemaker.session.Session()
region = sagemaker_session.boto_region_name
role = sagemaker.get_execution_role()
default_bucket = sagemaker_session.default_bucket()
base_uri = f"s3://{default_bucket}/abalone"
input_data_uri = S3Uploader.upload("abalone-dataset.csv", base_uri)
batch_data_uri = S3Uploader.upload("abalone-dataset-batch", base_uri)

processing_instance_count = ParameterInteger("ProcessingInstanceCount", default_value=1)
processing_instance_type = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
instance_type = ParameterString("TrainingInstanceType", default_value="ml.m5.xlarge")
model_approval_status = ParameterString(
    "ModelApprovalStatus", default_value="PendingManualApproval"
)
input_data = ParameterString("InputData", default_value=input_data_uri)
batch_data = ParameterString("BatchData", default_value=batch_data_uri)
mse_threshold = ParameterFloat("MseThreshold", default_value=6.0)
cache_config = CacheConfig(enable_caching=True, expire_after="P1D")

step_process = ProcessingStep(
    name="AbaloneProcess",
    processor=SKLearnProcessor(
        framework_version="0.23-1",
        instance_type=processing_instance_type,
        instance_count=processing_instance_count,
        base_job_name="sklearn-abalone-process",
        role=role,
    ),
    inputs=[ProcessingInput(source=input_data, destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name=name, source=f"/opt/ml/processing/{name}")
        for name in ("train", "validation", "test")
    ],
    code="abalone/preprocessing.py",
    cache_config=cache_config,
)

def prepared(name):
    return step_process.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

image_uri = sagemaker.image_uris.retrieve(
    framework="xgboost", region=region, version="1.0-1", py_version="py3",
    instance_type=instance_type,
)
xgb_train = Estimator(
    image_uri=image_uri,
    instance_type=instance_type,
    instance_count=1,
    output_path=f"s3://{default_bucket}/AbaloneTrain",
    role=role,
)
xgb_train.set_hyperparameters(
    objective="reg:linear", num_round=50, max_depth=5, eta=0.2, gamma=4, min_child_weight=6,
    subsample=0.7,
)
step_train = TrainingStep(
    name="AbaloneTrain",
    estimator=xgb_train,
    inputs={
        name: TrainingInput(s3_data=prepared(name), content_type="text/csv")
        for name in ("train", "validation")
    },
    cache_config=cache_config,
)
trained = step_train.properties.ModelArtifacts.S3ModelArtifacts

evaluation_report = PropertyFile(
    name="EvaluationReport", output_name="evaluation", path="evaluation.json"
)
step_eval = ProcessingStep(
    name="AbaloneEval",
    processor=ScriptProcessor(
        image_uri=image_uri,
        command=["python3"],
        instance_type=processing_instance_type,
        instance_count=1,
        base_job_name="script-abalone-eval",
        role=role,
    ),
    inputs=[
        ProcessingInput(source=trained, destination="/opt/ml/processing/model"),
        ProcessingInput(source=prepared("test"), destination="/opt/ml/processing/test"),
    ],
    outputs=[
        ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation"),
    ],
    code="abalone/evaluation.py",
    property_files=[evaluation_report],
    cache_config=cache_config,
)
[evaluation] = step_eval.arguments["ProcessingOutputConfig"]["Outputs"]
evaluation_uri = f"{evaluation['S3Output']['S3Uri']}/evaluation.json"

step_create_model = CreateModelStep(
    name="AbaloneCreateModel",
    model=Model(
        image_uri=image_uri, model_data=trained, sagemaker_session=sagemaker_session, role=role
    ),
    inputs=CreateModelInput(instance_type="ml.m5.large", accelerator_type="ml.eia1.medium"),
)
step_transform = TransformStep(
    name="AbaloneTransform",
    transformer=Transformer(
        model_name=step_create_model.properties.ModelName,
        instance_type="ml.m5.xlarge",
        instance_count=1,
        output_path=f"s3://{default_bucket}/AbaloneTransform",
    ),
    inputs=TransformInput(data=batch_data),
)
step_register = RegisterModel(
    name="AbaloneRegisterModel",
    estimator=xgb_train,
    model_data=trained,
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=["ml.t2.medium", "ml.m5.xlarge"],
    transform_instances=["ml.m5.xlarge"],
    model_package_group_name="AbaloneModelPackageGroupName",
    approval_status=model_approval_status,
    model_metrics=ModelMetrics(
        model_statistics=MetricsSource(s3_uri=evaluation_uri, content_type="application/json")
    ),
)
step_fail = FailStep(
    name="AbaloneMSEFail",
    error_message=Join(on=" ", values=["Execution failed due to MSE >", mse_threshold]),
)
step_cond = ConditionStep(
    name="AbaloneMSECond",
    conditions=[
        ConditionLessThanOrEqualTo(
            left=JsonGet(
                step_name=step_eval.name,
                property_file=evaluation_report,
                json_path="regression_metrics.mse.value",
            ),
            right=mse_threshold,
        )
    ],
    if_steps=[step_register, step_create_model, step_transform],
    else_steps=[step_fail],
)
pipeline = Pipeline(
    name="AbalonePipeline",
    parameters=[
        processing_instance_type, processing_instance_count, instance_type, model_approval_status,
        input_data, batch_data, mse_threshold,
    ],
    steps=[step_process, step_train, step_eval, step_cond],
)
"""
)
