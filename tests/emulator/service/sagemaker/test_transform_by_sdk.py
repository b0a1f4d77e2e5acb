"""Batch transforms as learners write them, with the SageMaker SDK."""

from __future__ import annotations

import pytest

from .test_endpoints_by_sdk import SCIKIT_LEARN, START

pytestmark = pytest.mark.slow

TRAIN = (
    START
    + """
from sagemaker.sklearn import SKLearn, SKLearnModel
from sagemaker.s3 import S3Downloader, S3Uploader
estimator = SKLearn("train.py", framework_version="1.4-2", instance_type="ml.m5.large",
    instance_count=1, role=role, py_version="py3", source_dir="code")
estimator.fit({"train": put("rows.npy")}, logs=False)
np.savetxt("rows.csv", rows, delimiter=",", fmt="%s")
where = f"s3://{bucket}/rows/rows.csv"
S3Uploader.upload_string_as_file_body(open("rows.csv").read(), where)
"""
)
#: The image makes of one line of a CSV an array without rows.
ONE_ROW = """
def predict_fn(data, model):
    return model.predict(np.atleast_2d(data))
"""
FILES = {"code/train.py": SCIKIT_LEARN + ONE_ROW, "code/requirements.txt": "numpy\n"}


def test_its_predictions_are_those_of_the_endpoint_and_of_the_model_itself(script):
    script(
        TRAIN
        + """
from sagemaker.serializers import CSVSerializer
import tarfile, joblib
S3Downloader.download(estimator.model_data, "got")
tarfile.open("got/model.tar.gz").extractall("got")
table = np.genfromtxt("rows.csv", dtype=np.float32, delimiter=",")  # as the image reads it
model = joblib.load("got/model.joblib")
plain = model.predict(table)
one_by_one = np.concatenate([model.predict(row[None]) for row in table])  # it may round otherwise

predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer())
by_endpoint = predictor.predict(open("rows.csv").read())
predictor.delete_endpoint()
assert by_endpoint.tobytes() == plain.tobytes()

for strategy, expected in (("SingleRecord", one_by_one), ("MultiRecord", plain)):
    transformer = estimator.transformer(1, "ml.m5.large", strategy=strategy,
        assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/{strategy}")
    transformer.transform(where, content_type="text/csv", split_type="Line", logs=False)
    lines = S3Downloader.read_file(f"{transformer.output_path}/rows.csv.out").splitlines()
    assert lines == [str(one) for one in expected]
""",
        FILES,
    )


def test_a_model_is_asked_without_an_estimator_and_its_log_is_shown(script):
    ran = script(
        TRAIN
        + """
model = SKLearnModel(model_data=estimator.model_data, role=role, entry_point="code/train.py",
    framework_version="1.4-2", py_version="py3")
transformer = model.transformer(2, "ml.m5.large", accept="text/csv", assemble_with="Line",
    max_payload=1, max_concurrent_transforms=2, env={"OWN": "1"}, tags=[{"Key": "a", "Value": "b"}])
with_number = "".join(f"{number},{line}" for number, line in enumerate(open("rows.csv")))
S3Uploader.upload_string_as_file_body(with_number, f"s3://{bucket}/numbered/rows.csv")
transformer.transform(f"s3://{bucket}/numbered", content_type="text/csv", split_type="Line",
    input_filter="$[1:]", join_source="Input", output_filter="$[0,-1]",
    model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1})
assert transformer.output_path == f"s3://{bucket}/{transformer.latest_transform_job.name}"
lines = S3Downloader.read_file(f"{transformer.output_path}/rows.csv.out").splitlines()
assert [line.split(",")[0] for line in lines] == [str(number) for number in range(8)]
attached = transformer.attach(transformer.latest_transform_job.name)
assert (attached.max_payload, attached.accept) == (1, "text/csv")
transformer.delete_model()
""",
        FILES,
    )
    assert "MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in ran.stdout


def test_wait_raises_with_the_reason(script):
    script(
        TRAIN
        + """
from sagemaker.exceptions import UnexpectedStatusException
transformer = estimator.transformer(1, "ml.m5.large")
S3Uploader.upload_string_as_file_body("1,a,b", where)
transformer.transform(where, content_type="text/other", wait=False)
try:
    transformer.wait(logs=False)
    raise SystemExit("it should have failed")
except UnexpectedStatusException as error:
    assert "AlgorithmError: See job logs for more information" in str(error), error
    assert error.actual_status == "Failed"
""",
        FILES,
    )
