"""TensorFlow's image with the command ``serve``: over HTTP, as AWS's proxy and TensorFlow Serving.

What it answers is, to the last bit of the format, what the plain Keras model gives here.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import requests

pytestmark = pytest.mark.slow

IMAGE = "tensorflow-inference:2.19.0-cpu"
JSON = "application/json"
ROWS = np.random.default_rng(1).normal(size=(5, 4, 4, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def keras():
    """The module; it takes seconds to import, and not where this file is only collected."""
    from tensorflow import keras

    keras.utils.set_random_seed(0)
    return keras


@pytest.fixture(scope="module")
def model(keras):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3, "softmax")]
    )


def test_keras_predicts_as_in_a_process(serve, tmp_path, model):
    """A model that is saved as ``/opt/ml/model/1`` is called ``model``."""
    model.export(tmp_path / "model/1", verbose=False)
    served = serve(IMAGE)
    expected = model(ROWS).numpy()

    answer = served.ask(json.dumps({"instances": ROWS.tolist()}), Accept=JSON)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)
    assert np.array(answer.json()["predictions"], np.float32).tobytes() == expected.tobytes()
    answer = served.ask(json.dumps({"inputs": ROWS.tolist()}))
    assert np.array(answer.json()["outputs"], np.float32).tobytes() == expected.tobytes()
    # The proxy makes instances of plain lists, and of JSON lines.
    plain = served.ask(json.dumps(ROWS.tolist()))
    lines = served.ask("\n".join(json.dumps(row) for row in ROWS.tolist()), "application/jsonlines")
    assert plain.json() == lines.json() == {"predictions": answer.json()["outputs"]}

    # What is TensorFlow Serving's own lies on the same port.
    status = requests.get(f"{served.url}/v1/models/model", timeout=9).json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    body = json.dumps({"instances": ROWS.tolist(), "signature_name": "serve"})
    for path in ("model", "model/versions/1"):
        answer = requests.post(f"{served.url}/v1/models/{path}:predict", data=body, timeout=9)
        assert answer.json() == plain.json()

    for body, kind, custom, status, words in (
        ('{"examples": []}', JSON, "", 400, "Missing 'inputs' or 'instances' key"),
        ('{"inputs": 1, "instances": [1]}', JSON, "", 400, "both 'inputs' and 'instances'"),
        ("{", JSON, "", 400, "JSON Parse error"),
        ('{"instances": [[1.0]]}', JSON, "", 400, "has shape (1, 1)"),
        ('{"instances": ["a"]}', JSON, "", 400, "to float32"),
        ('{"instances": [1], "signature_name": "no"}', JSON, "", 400, 'name: "no" not found'),
        (b"\x89PNG", "image/png", "", 415, "Unsupported Media Type: image/png"),
        ("[]", JSON, "tfs-model-name=no", 404, "Servable not found for request: Latest(no)"),
        ("[]", JSON, "tfs-model-version=7", 404, "Servable not found for request: Specific"),
        ("[]", JSON, "tfs-method=classify", 400, "classify is not played"),
    ):
        answer = served.ask(body, kind, X_Amzn_SageMaker_Custom_Attributes=custom)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]
    assert requests.get(f"{served.url}/elsewhere", timeout=9).status_code == 404


def test_several_models_versions_inputs_and_outputs(serve, tmp_path, keras):
    import tensorflow as tf

    class Adder(tf.Module):
        def __init__(self, amount):
            super().__init__()
            self.amount = tf.Variable(amount)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.float32, "x"),
                tf.TensorSpec([None], tf.string, "name"),
            ]
        )
        def add(self, x, name):
            return {"sum": x + self.amount, "name_bytes": name}

    for name, version, amount in (("first", 1, 1.0), ("first", 12, 2.5), ("second", 3, 0.1)):
        module = Adder(amount)
        tf.saved_model.save(module, str(tmp_path / f"model/{name}/{version}"), module.add)
    served = serve(IMAGE, SAGEMAKER_TFS_DEFAULT_MODEL_NAME="first", SAGEMAKER_BIND_TO_PORT="8099")
    rows = [{"x": 1, "name": "a"}, {"x": 0.5, "name": {"b64": "/w=="}}]

    def ask(body, custom=""):
        return served.ask(json.dumps(body), X_Amzn_SageMaker_Custom_Attributes=custom).json()

    assert ask({"instances": rows}) == {
        "predictions": [
            {"name_bytes": {"b64": "YQ=="}, "sum": 3.5},
            {"name_bytes": {"b64": "/w=="}, "sum": 3.0},
        ]
    }
    columns = {"inputs": {"x": [1], "name": ["a"]}}
    assert ask(columns, "tfs-model-name=first,tfs-model-version=1")["outputs"]["sum"] == [2.0]
    assert ask(columns, "tfs-model-name=second")["outputs"]["sum"] == [1.1]
    assert "give names: name, x" in ask({"inputs": [1]})["error"]


def test_numbers_in_csv_are_instances(serve, tmp_path, keras):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.export(tmp_path / "model/lines/1", verbose=False)
    served = serve(IMAGE)
    answer = served.ask("1,2\n3.5,-4e-1\n", "text/csv", Accept="application/jsonlines")
    assert answer.headers["Content-Type"] == "application/jsonlines"
    expected = model(np.array([[1, 2], [3.5, -0.4]], np.float32)).numpy()
    assert np.array(answer.json()["predictions"], np.float32).tobytes() == expected.tobytes()


HANDLERS = """
import json
from helper import STRETCH
def input_handler(data, context):
    assert context.request_content_type == "text/mine"
    numbers = [float(one) for one in data.read().split()]
    return json.dumps({"instances": [[one * STRETCH for one in numbers]]})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    return response.content, context.accept_header
"""
HANDLER = """
import requests
def handler(data, context):
    return requests.post(context.rest_uri, data=data.read()).content, context.custom_attributes
"""


def test_inference_py_comes_before_the_model(serve, tmp_path, keras):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.export(tmp_path / "model/1", verbose=False)
    code = tmp_path / "model/code"
    code.mkdir()
    (code / "helper.py").write_text("STRETCH = 2")
    (code / "inference.py").write_text(HANDLERS)
    expected = model(np.array([[2.0, 5.0]], np.float32)).numpy().tolist()

    served = serve(IMAGE)
    answer = served.ask("1 2.5", "text/mine", Accept="application/json;x=1")
    assert answer.headers["Content-Type"] == "application/json;x=1"
    assert np.array(answer.json()["predictions"], np.float32).tolist() == expected
    answer = served.ask("1 2 3", "text/mine")
    assert answer.status_code == 500 and "has shape (1, 3)" in answer.json()["error"]

    (code / "inference.py").write_text(HANDLER)
    body = json.dumps({"instances": [[2.0, 5.0]]})
    answer = serve(IMAGE).ask(body, X_Amzn_SageMaker_Custom_Attributes="text/told")
    assert answer.headers["Content-Type"].startswith("text/told")
    assert np.array(answer.json()["predictions"], np.float32).tolist() == expected

    (code / "inference.py").write_text("def input_handler(data, context): pass")
    assert "Handlers are not implemented correctly" in serve(IMAGE, fails=True)


def test_without_a_saved_model_the_host_ends_and_says_what_to_do(serve, tmp_path, model):
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model/best.keras")
    error = serve(IMAGE, fails=True)
    assert "no SavedModel bundles found! /opt/ml/model holds: best.keras." in error
    assert "model.export('/opt/ml/model/1')" in error
