"""A pipeline that makes a model and asks it for predictions, with the SageMaker SDK."""

from __future__ import annotations

import json

import pytest

PROGRAM = """
import io, json, tarfile
import sagemaker
from sagemaker import image_uris
from sagemaker.model import Model
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.transformer import Transformer
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import CacheConfig, TransformStep

session = PipelineSession()
role, bucket = sagemaker.get_execution_role(session), session.default_bucket()
with tarfile.open("model.tar.gz", "w:gz") as archive:
    archive.add("inference.py", "code/inference.py")
S3Uploader.upload("model.tar.gz", f"s3://{bucket}/sums")
S3Uploader.upload_string_as_file_body("1,2\\n3,4\\n", f"s3://{bucket}/good/rows.csv")
S3Uploader.upload_string_as_file_body("1,x\\n", f"s3://{bucket}/bad/rows.csv")
rows = ParameterString("Rows", default_value=f"s3://{bucket}/good")

model = Model(
    image_uri=image_uris.retrieve("sklearn", "us-east-1", "1.4-2", instance_type="ml.m5.large"),
    model_data=f"s3://{bucket}/sums/model.tar.gz", role=role,
    env={"SAGEMAKER_PROGRAM": "inference.py"}, sagemaker_session=session,
)
create = ModelStep("Sums", step_args=model.create(instance_type="ml.m5.large"))
transformer = Transformer(
    create.properties.ModelName, 1, "ml.m5.large", output_path=f"s3://{bucket}/predictions",
    accept="text/csv", assemble_with="Line", sagemaker_session=session,
)
predict = TransformStep("Predict", step_args=transformer.transform(
    rows, content_type="text/csv", split_type="Line", join_source="Input",
), cache_config=CacheConfig(enable_caching=True, expire_after="1d"))
pipeline = Pipeline(
    "Predictions", parameters=[rows], steps=[create, predict], sagemaker_session=session
)
pipeline.upsert(role_arn=role)
for values in ({}, {"Rows": f"s3://{bucket}/bad"}):
    execution = pipeline.start(parameters=values)
    try:
        execution.wait(delay=1)
    except Exception:
        pass
    [step] = [one for one in execution.list_steps() if one["StepName"] == "Predict"]
    print(json.dumps({
        "status": step["StepStatus"],
        "reason": step.get("FailureReason", ""),
        "job": session.sagemaker_client.describe_transform_job(TransformJobName=step[
            "Metadata"]["TransformJob"]["Arn"].rpartition("/")[2])["TransformJobStatus"],
    }))
print(S3Downloader.read_file(f"s3://{bucket}/predictions/rows.csv.out"))
"""
INFERENCE = """
def model_fn(folder): return folder
def transform_fn(model, data, content_type, accept):
    data = data if isinstance(data, str) else data.decode()
    return "\\n".join(str(sum(map(float, row.split(",")))) for row in data.split()), accept
"""


@pytest.mark.slow
def test_a_pipeline_makes_a_model_and_transforms_with_it(script):
    ran = script(PROGRAM, {"inference.py": INFERENCE})
    *_, good, bad, first, second = ran.stdout.strip().splitlines()
    good, bad = json.loads(good), json.loads(bad)
    assert good == {"status": "Succeeded", "reason": "", "job": "Completed"}
    assert (first, second) == ("1,2,3.0", "3,4,7.0")
    assert (bad["status"], bad["job"]) == ("Failed", "Failed")
    assert "AlgorithmError: See job logs for more information" in bad["reason"]
