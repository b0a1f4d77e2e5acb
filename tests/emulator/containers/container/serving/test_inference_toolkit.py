"""The images of scikit-learn, PyTorch and XGBoost with the command ``serve``: over HTTP.

What they answer is, to the last bit of the format, what the plain model gives in this process.
"""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCIKIT_LEARN = "sagemaker-scikit-learn:1.4-2-cpu-py3"
PYTORCH = "pytorch-inference:2.6.0-cpu-py312"
XGBOOST = "sagemaker-xgboost:3.0-5"

LOAD = (
    "import joblib, os\ndef model_fn(folder): return joblib.load(os.path.join(folder, 'model'))\n"
)
ROWS = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def script(tmp_path, text: str, **more: str) -> dict[str, str]:
    """Put a script into the model's archive; return what SageMaker's SDK tells of it."""
    code = tmp_path / "model/code"
    code.mkdir(parents=True, exist_ok=True)
    for name, content in {"inference.py": text, **more}.items():
        (code / name).write_text(content)
    return {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }


@pytest.fixture
def linear(tmp_path):
    """A regression that scikit-learn has learnt, saved as ``model``."""
    import joblib
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(ROWS, ROWS @ [0.1, 0.7, -0.3] + 0.2)
    (tmp_path / "model").mkdir()
    joblib.dump(model, tmp_path / "model/model")
    return model


# --- scikit-learn -----------------------------------------------------------------------------


def test_scikit_learn_predicts_as_in_a_process(serve, tmp_path, linear):
    served = serve(SCIKIT_LEARN, **script(tmp_path, LOAD))
    expected = linear.predict(ROWS)

    answer = served.ask(npy(ROWS), "application/x-npy", Accept="application/x-npy")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-npy")
    assert np.load(io.BytesIO(answer.content)).tobytes() == expected.tobytes()

    answer = served.ask(json.dumps(ROWS.tolist()), Accept="application/json")
    assert answer.json() == expected.tolist()

    text = "\n".join(",".join(str(one) for one in row) for row in ROWS)
    answer = served.ask(text, "text/csv", Accept="text/csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert [np.float32(line) for line in answer.text.split()] == expected.tolist()


def test_scikit_learn_answers_an_error_with_a_page_and_logs_it(serve, tmp_path, linear):
    served = serve(SCIKIT_LEARN, **script(tmp_path, LOAD))
    answer = served.ask("a text", "text/plain")
    assert answer.status_code == 500
    assert "<title>500 Internal Server Error</title>" in answer.text
    assert served.has_logged("Content type text/plain is not supported by this framework.")
    # One row of CSV is one dimension, there as here.
    assert served.ask("1,2,3", "text/csv").status_code == 500
    assert served.has_logged("Reshape your data")


def test_functions_of_the_script_are_called(serve, tmp_path, linear):
    served = serve(
        SCIKIT_LEARN,
        **script(
            tmp_path,
            LOAD + "from helper import half\n"
            "def input_fn(data, content_type): return [[float(one) for one in data.split()]]\n"
            "def predict_fn(data, model): return half(model.predict(data))\n"
            "def output_fn(prediction, accept): return f'{accept}: {prediction[0]!r}', 'text/mine'",
            **{"helper.py": "def half(numbers): return numbers / 2"},
        ),
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/a-default",
    )
    expected = linear.predict([[1.0, 2.0, 3.0]])[0] / 2
    answer = served.ask("1 2 3", "application/json")
    assert answer.text == f"text/a-default: {expected!r}"
    assert answer.headers["Content-Type"].startswith("text/mine")


def test_transform_fn_takes_the_place_of_the_three_others(serve, tmp_path, linear):
    both = LOAD + "def transform_fn(model, data, kind, accept): return data[::-1], kind\n"
    served = serve(SCIKIT_LEARN, **script(tmp_path, both))
    assert served.ask(b"abc", "image/png").content == b"cba"
    error = serve(
        SCIKIT_LEARN, fails=True, **script(tmp_path, both + "def input_fn(data, kind): pass")
    )
    assert "Cannot use transform_fn implementation in conjunction with input_fn" in error


def test_a_script_without_model_fn_ends_the_host(serve, tmp_path, linear):
    error = serve(SCIKIT_LEARN, fails=True, **script(tmp_path, ""))
    assert "Please provide a model_fn implementation." in error
    error = serve(SCIKIT_LEARN, fails=True, SAGEMAKER_PROGRAM="missing.py")
    assert "There is no script missing.py in /opt/ml/model/code" in error


# --- PyTorch ----------------------------------------------------------------------------------


@pytest.mark.lab3
def test_pytorch_predicts_as_in_a_process(serve, tmp_path):
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    (tmp_path / "model").mkdir()
    torch.jit.script(model).save(tmp_path / "model/model.pth")
    served = serve(PYTORCH)
    with torch.no_grad():
        expected = model(torch.from_numpy(ROWS)).numpy()

    answer = served.ask(npy(ROWS), "application/x-npy", Accept="application/x-npy")
    given = np.load(io.BytesIO(answer.content))  # the image makes a list of the tensor first
    assert given.astype(np.float32).tobytes() == expected.tobytes()
    answer = served.ask(json.dumps(ROWS.tolist()))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == expected.tolist()

    answer = served.ask("a text", "text/plain")
    assert answer.status_code == 500
    assert answer.text.startswith("Content type text/plain is not supported by this framework.")
    assert "Traceback" in answer.text


@pytest.mark.lab3
def test_pytorch_needs_a_script_or_one_torchscript_file(serve, tmp_path):
    import torch

    assert "Exactly one .pth or .pt file is required for PyTorch models: []" in serve(
        PYTORCH, fails=True
    )
    torch.save(torch.nn.Linear(1, 1).state_dict(), tmp_path / "model/model.pth")
    assert "Please ensure model is saved using torchscript" in serve(PYTORCH, fails=True)


# --- XGBoost ----------------------------------------------------------------------------------


@pytest.fixture
def boosted(tmp_path):
    import xgboost

    data = xgboost.DMatrix(ROWS, label=ROWS[:, 0] ** 2)
    model = xgboost.train({"max_depth": 3, "nthread": 1}, data, num_boost_round=5)
    (tmp_path / "model").mkdir()
    model.save_model(tmp_path / "model/xgboost-model.json")
    return model


def csv_of(rows) -> str:
    return "\n".join(",".join(str(float(one)) for one in row) for row in rows)


def libsvm_of(rows) -> str:
    return "\n".join(" ".join(f"{i}:{x}" for i, x in enumerate(row)) for row in rows.tolist())


@pytest.mark.lab3
def test_xgboost_with_a_script_predicts_as_in_a_process(serve, tmp_path, boosted):
    import xgboost

    text = (
        "import os, xgboost\n"
        "def model_fn(folder):\n"
        "    return xgboost.Booster(model_file=os.path.join(folder, 'xgboost-model.json'))\n"
    )
    served = serve(XGBOOST, **script(tmp_path, text))
    expected = boosted.predict(xgboost.DMatrix(ROWS))
    answer = served.ask(csv_of(ROWS), "text/csv", Accept="application/x-npy")
    assert np.load(io.BytesIO(answer.content)).tobytes() == expected.tobytes()
    answer = served.ask(csv_of(ROWS), "text/csv; charset=utf-8", Accept="text/csv")
    assert [np.float32(line) for line in answer.text.split()] == expected.tolist()
    labelled = "\n".join(f"0 {line}" for line in libsvm_of(ROWS).split("\n"))
    assert served.ask(labelled, "text/libsvm", Accept="text/csv").text == answer.text
    answer = served.ask(csv_of(ROWS), "application/json")
    assert answer.status_code == 500 and "application/json is not supported" in answer.text


@pytest.mark.lab3
def test_xgboost_without_a_script_is_the_built_in_algorithm(serve, boosted):
    import xgboost

    served = serve(XGBOOST)
    expected = boosted.predict(xgboost.DMatrix(ROWS)).tolist()
    answer = served.ask(csv_of(ROWS), "text/csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.text == ",".join(map(str, expected))
    assert served.ask(csv_of(ROWS), "text/csv", Accept="application/json").json() == expected
    assert served.ask(libsvm_of(ROWS), "text/libsvm").text == answer.text
    assert served.ask("x", "image/png").status_code == 415
    assert served.ask("1,2,3,4,5", "text/csv").status_code == 400
