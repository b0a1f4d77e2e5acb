"""Deployment as learners write it, with the SageMaker SDK: train, deploy, predict, delete."""

from __future__ import annotations

import pytest

from ...conftest import ROLE

pytestmark = pytest.mark.slow

START = f"""
import os, time
import numpy as np
import sagemaker
session = sagemaker.Session()
bucket = session.default_bucket()
role = {ROLE!r}
rows = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
np.save("rows.npy", rows)
def put(path):
    return session.upload_data(path, key_prefix="in-" + path.replace(".", "-"))
"""

SCIKIT_LEARN = """
import argparse, os, joblib
import numpy as np
from sklearn.linear_model import LinearRegression

if __name__ == "__main__":
    rows = np.load("/opt/ml/input/data/train/rows.npy")
    model = LinearRegression().fit(rows, rows @ [1.0, 2.0, 0.3])
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))

def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))
"""


def test_scikit_learn_from_training_to_prediction(script):
    script(
        START
        + """
from sagemaker.sklearn import SKLearn
from sagemaker.serializers import CSVSerializer
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
estimator = SKLearn("script.sk.py", framework_version="1.4-2", instance_type="ml.m5.large",
    instance_count=1, role=role, py_version="py3", source_dir="code")
estimator.fit({"train": put("rows.npy")}, logs=False)
predictor = estimator.deploy(1, "ml.m5.large")
predictions = predictor.predict(rows)
import tarfile, joblib
session.download_data("got", *estimator.model_data.removeprefix("s3://").split("/", 1))
tarfile.open("got/model.tar.gz").extractall("got")
model = joblib.load("got/model.joblib")
assert predictions.tobytes() == model.predict(rows).tobytes()
predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
assert predictor.predict(rows.tolist()) == predictions.tolist()
predictor.deserializer = CSVDeserializer()
assert [np.float32(one) for (one,) in predictor.predict(rows.tolist())] == predictions.tolist()
name = predictor.endpoint_name
predictor.delete_model()
predictor.delete_endpoint()
assert session.sagemaker_client.list_endpoints()["Endpoints"] == []
""".replace("script.sk.py", "train.py"),
        {"code/train.py": SCIKIT_LEARN, "code/requirements.txt": "numpy\n"},
    )


TENSORFLOW = """
import os
import numpy as np
from tensorflow import keras

rows = np.load("/opt/ml/input/data/train/rows.npy")
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(rows, rows[:, 0] > 0, epochs=1, verbose=0)
model.save(os.path.join(os.environ["SM_MODEL_DIR"], "best.keras"))
model.export(os.path.join(os.environ["SM_MODEL_DIR"], "1"), verbose=False)
"""


def test_tensorflow_from_training_to_prediction(script):
    script(
        START
        + """
import tarfile
from sagemaker.tensorflow import TensorFlow, TensorFlowModel
estimator = TensorFlow(entry_point="train.py", framework_version="2.19.0", py_version="py312",
    role=role, instance_type="ml.m5.large", instance_count=1)
estimator.fit({"train": put("rows.npy")}, logs=False)
predictor = estimator.deploy(1, "ml.m5.large", endpoint_name="digits")
predictions = predictor.predict({"instances": rows.tolist()})["predictions"]
session.download_data("got", *estimator.model_data.removeprefix("s3://").split("/", 1))
tarfile.open("got/model.tar.gz").extractall("got")
from tensorflow import keras
model = keras.models.load_model("got/best.keras")
assert np.array(predictions, np.float32).tobytes() == model(rows).numpy().tobytes()
assert predictor.predict(rows.tolist())["predictions"] == predictions

with_script = TensorFlowModel(estimator.model_data, role=role, framework_version="2.19",
    entry_point="inference.py")
half = with_script.deploy(1, "ml.m5.large")
assert half.predict({"instances": rows.tolist()}) == {"first": predictions[0]}
half.delete_endpoint()
predictor.delete_endpoint(delete_endpoint_config=True)
""",
        {
            "train.py": TENSORFLOW,
            "inference.py": "import json\n"
            "def input_handler(data, context): return data.read()\n"
            "def output_handler(response, context):\n"
            "    first = response.json()['predictions'][0]\n"
            "    return json.dumps({'first': first}), 'application/json'",
        },
    )


@pytest.mark.lab3
def test_pytorch_and_xgboost_models(script):
    script(
        START
        + """
import tarfile, torch, xgboost
from sagemaker.pytorch import PyTorchModel
from sagemaker.xgboost import XGBoostModel
from sagemaker.model import Model
from sagemaker.serializers import CSVSerializer
from sagemaker.deserializers import CSVDeserializer
from sagemaker.predictor import Predictor

def archive(file):
    with tarfile.open("model.tar.gz", "w:gz") as tar:
        tar.add(file)
    return session.upload_data("model.tar.gz", key_prefix=f"model-{file}")

net = torch.nn.Linear(3, 2)
torch.save(net.state_dict(), "net.pth")
model = PyTorchModel(archive("net.pth"), role, "torch_inference.py", framework_version="2.6",
    py_version="py312")
predictor = model.deploy(1, "ml.m5.large")
with torch.no_grad():
    expected = net(torch.from_numpy(rows)).numpy()
assert predictor.predict(rows).astype(np.float32).tobytes() == expected.tobytes()
predictor.delete_endpoint()

booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, label=rows[:, 0]), 3)
booster.save_model("xgboost-model.json")
uri = archive("xgboost-model.json")
expected = booster.predict(xgboost.DMatrix(rows))
model = XGBoostModel(uri, role, "xgb_inference.py", framework_version="3.0-5")
predictor = model.deploy(1, "ml.m5.large", serializer=CSVSerializer(),
    deserializer=CSVDeserializer())
given = [np.float32(one) for (one,) in predictor.predict(rows.tolist())]
assert given == expected.tolist(), given
predictor.delete_endpoint()

image = sagemaker.image_uris.retrieve("xgboost", "us-east-1", "3.0-5")
model = Model(image, uri, role, predictor_cls=Predictor)  # the algorithm in the image
predictor = model.deploy(1, "ml.m5.large", serializer=CSVSerializer())
assert predictor.predict(rows.tolist()).decode() == ",".join(map(str, expected.tolist()))
predictor.delete_endpoint()
""",
        {
            "torch_inference.py": "import os, torch\n"
            "def model_fn(folder):\n"
            "    net = torch.nn.Linear(3, 2)\n"
            "    net.load_state_dict(torch.load(os.path.join(folder, 'net.pth')))\n"
            "    return net\n",
            "xgb_inference.py": "import os, xgboost\n"
            "def model_fn(folder):\n"
            "    file = os.path.join(folder, 'xgboost-model.json')\n"
            "    return xgboost.Booster(model_file=file)\n",
        },
    )


def test_a_pipeline_of_models_a_registered_one_and_a_serverless_endpoint(script):
    script(
        START
        + """
import tarfile
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel
tarfile.open("model.tar.gz", "w:gz").close()
uri = session.upload_data("model.tar.gz", key_prefix="empty")
models = [SKLearnModel(uri, role, "double.py", framework_version="1.4-2",
    sagemaker_session=session) for _ in range(2)]
pipeline = PipelineModel(models, role, predictor_cls=Predictor, sagemaker_session=session)
predictor = pipeline.deploy(1, "ml.m5.large")
assert predictor.predict(b"21", initial_args={"ContentType": "text/plain"}) == b"84"
predictor.delete_endpoint()
package = models[0].register(["text/plain"], ["text/plain"], model_package_group_name="doubles",
    approval_status="Approved")
predictor = package.deploy(1, "ml.m5.large", endpoint_name="registered")
assert session.sagemaker_runtime_client.invoke_endpoint(EndpointName="registered",
    Body=b"5", ContentType="text/plain")["Body"].read() == b"10"
session.delete_endpoint("registered")
predictor = models[0].deploy(serverless_inference_config=ServerlessInferenceConfig())
assert isinstance(predictor.endpoint_name, str)
answer = predictor.endpoint_context if False else predictor
assert session.sagemaker_runtime_client.invoke_endpoint(EndpointName=predictor.endpoint_name,
    Body=b"4", ContentType="text/plain")["Body"].read() == b"8"
predictor.delete_endpoint()
""".replace("answer = predictor.endpoint_context if False else predictor\n", ""),
        {
            "double.py": "def model_fn(folder): return None\n"
            "def transform_fn(model, data, kind, accept):\n"
            "    return str(2 * int(data)), 'text/plain'\n"
        },
    )


def test_why_a_deployment_fails_is_the_sdks_own_error(script):
    done = script(
        START
        + """
import tarfile
from sagemaker.sklearn import SKLearnModel
tarfile.open("model.tar.gz", "w:gz").close()
uri = session.upload_data("model.tar.gz", key_prefix="empty")
SKLearnModel(uri, role, "broken.py", framework_version="1.4-2").deploy(1, "ml.m5.large")
""",
        {"broken.py": "def model_fn(folder): return open('/opt/ml/model/missing')"},
        check=False,
    )
    assert done.returncode == 1
    assert "The endpoint sagemaker-scikit-learn-" in done.stderr, done.stderr
    assert "broken.py, line 1: def model_fn(folder): return open(" in done.stderr
    assert "FileNotFoundError: [Errno 2] No such file or directory: " in done.stderr
