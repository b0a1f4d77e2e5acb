"""Serves a model of scikit-learn, PyTorch or XGBoost as AWS's images do.

The script's functions are found, checked and called by AWS's own toolkit (``sagemaker_inference``
from PyPI). What the images put around it is here: their default functions and their errors.

https://github.com/aws/sagemaker-scikit-learn-container (``serving.py``)
https://github.com/aws/sagemaker-pytorch-inference-toolkit
(``default_pytorch_inference_handler.py``)
https://github.com/aws/sagemaker-xgboost-container (``handler_service.py`` for a script,
``algorithm_mode/handler_service.py`` without one)
"""

import contextlib
import csv
import io
import json
import os
import pickle
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from _http import run
from sagemaker_inference import content_types, decoder, encoder, errors
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer
from werkzeug.exceptions import InternalServerError
from werkzeug.wrappers import Request, Response

MODEL = "/opt/ml/model"
LIBSVM = ("text/libsvm", "text/x-libsvm")


class ScikitLearn(DefaultInferenceHandler):
    """The defaults of scikit-learn's image: no ``model_fn``."""

    def default_input_fn(self, input_data, content_type):
        if content_type == content_types.CSV:
            # One row becomes a list of numbers, as in the image: predict() asks for reshape(1, -1).
            rows = list(csv.reader(io.StringIO(input_data), strict=True))
            return np.array(rows).squeeze().astype(np.float64).astype(np.float32)
        array = decoder.decode(input_data, content_type)
        return array.astype(np.float32) if content_type in content_types.UTF8_TYPES else array

    def default_predict_fn(self, data, model):
        return model.predict(data)

    def default_output_fn(self, prediction, accept):
        return encoder.encode(prediction, accept), accept


class ScikitLearnTransformer(Transformer):
    """Its image serves with Flask, which answers each error with a page and logs the error."""

    @staticmethod
    def handle_error(context, inference_exception, trace):
        print(trace, file=sys.stderr, flush=True)
        context.set_response_status(500)
        context.set_response_content_type(0, "text/html")
        return [InternalServerError().get_response().get_data()]


class PyTorch(DefaultInferenceHandler):
    """The defaults of PyTorch's image: a TorchScript model, tensors in and out."""

    def default_model_fn(self, model_dir):
        import torch

        file = Path(model_dir, "model.pt")
        if not file.exists():
            files = [one for one in Path(model_dir).iterdir() if one.suffix in (".pt", ".pth")]
            if len(files) != 1:
                names = [one.name for one in files]
                raise ValueError(
                    f"Exactly one .pth or .pt file is required for PyTorch models: {names}"
                )
            file = files[0]
        try:
            return torch.jit.load(file, map_location="cpu")
        except RuntimeError as error:
            words = "Please ensure model is saved using torchscript, or give a model_fn."
            raise ValueError(f"Failed to load {file}. {words}") from error

    def default_input_fn(self, input_data, content_type):
        import torch

        array = decoder.decode(input_data, content_type)
        is_text = content_type in content_types.UTF8_TYPES
        return torch.FloatTensor(array) if is_text else torch.from_numpy(array)

    def default_predict_fn(self, data, model):
        import torch

        with torch.no_grad():
            model.eval()
            return model(data)

    def default_output_fn(self, prediction, accept):
        import torch

        if isinstance(prediction, torch.Tensor):
            prediction = prediction.detach().cpu().numpy().tolist()
        return super().default_output_fn(prediction, accept)


class XGBoost(DefaultInferenceHandler):
    """The defaults of XGBoost's image for a script: no ``model_fn``, a DMatrix in."""

    def default_input_fn(self, input_data, content_type):
        return dmatrix(input_data, (content_type or "").partition(";")[0].strip())

    def default_predict_fn(self, data, model):
        return model.predict(data, validate_features=False)

    def default_output_fn(self, prediction, accept):
        return encoder.encode(prediction, accept), accept


class XGBoostAlgorithm(XGBoost):
    """What the image does without a script: any model that XGBoost has saved or pickled."""

    def default_model_fn(self, model_dir):
        import xgboost

        files = sorted(one for one in Path(model_dir).iterdir() if one.is_file())
        files = [one for one in files if not one.name.startswith(".")]
        if not files:
            raise ValueError(f"Unable to load model: {model_dir} holds no file")
        with contextlib.suppress(Exception), open(files[0], "rb") as file:  # no pickle
            return pickle.load(file)
        return xgboost.Booster(model_file=files[0])

    def default_input_fn(self, input_data, content_type):
        kind = content_type.lower().partition(";")[0].strip()
        if not input_data:
            raise errors.GenericInferenceToolkitError(204, "No content")
        try:
            return sparse(input_data) if kind in LIBSVM else dmatrix(input_data, kind)
        except Exception as error:
            raise errors.GenericInferenceToolkitError(415, str(error)) from error

    def default_predict_fn(self, data, model):
        try:
            return super().default_predict_fn(data, model)
        except Exception as error:
            words = f"Unable to evaluate payload provided: {error}"
            raise errors.GenericInferenceToolkitError(400, words) from error

    def default_output_fn(self, prediction, accept):
        if accept in (content_types.CSV, "csv"):
            batch = "SAGEMAKER_BATCH" in os.environ
            texts = map(str, prediction.tolist())
            return "\n".join(texts) + "\n" if batch else ",".join(texts), content_types.CSV
        if accept in (content_types.JSON, "json"):
            return encoder.encode(prediction, content_types.JSON), content_types.JSON
        words = f"{accept} is not an accepted Accept type: text/csv and application/json are."
        raise errors.GenericInferenceToolkitError(415, words)


def dmatrix(data: str | bytes, content_type: str):
    """Return the rows of a request as a DMatrix.

    Raises UnsupportedFormatError for another content type, as recordio-protobuf: it needs a library
    of the image that PyPI does not have.
    """
    import xgboost

    if content_type == content_types.CSV:
        text = data.decode() if isinstance(data, bytes) else data
        rows = [[one or "nan" for one in line.split(",")] for line in text.strip().split("\n")]
        return xgboost.DMatrix(np.array(rows, np.float64))
    if content_type in LIBSVM:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            return xgboost.DMatrix(f"{file.name}?format=libsvm")
    raise errors.UnsupportedFormatError(content_type)


def sparse(data: bytes):
    """Return rows of ``COLUMN:VALUE COLUMN:VALUE …``, with a label before them or without."""
    import xgboost
    from scipy.sparse import csr_matrix

    entries = [
        (number, *entry.split(":"))
        for number, line in enumerate(data.decode().strip().split("\n"))
        for entry in line.split()
        if ":" in entry
    ]
    rows, columns, values = zip(*entries, strict=True)
    places = np.array(rows), np.array(columns, np.int64)
    return xgboost.DMatrix(csr_matrix((np.array(values, np.float64), places)))


class Context:
    """What the toolkit asks of a request, and what it says of the answer (MMS's ``Context``)."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.system_properties = {"model_dir": MODEL}
        self._headers = headers
        self.request_processor = [self]
        self.content_type: str | None = None
        self.status = 200

    def get_request_properties(self) -> dict[str, str]:
        return self._headers

    def get_request_header(self, _index: int, name: str) -> str | None:
        return self._headers.get(name)

    def set_response_content_type(self, _index: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, code: int, phrase: str = "", _index: int = 0) -> None:
        self.status = code


KINDS = {
    "scikit-learn": (ScikitLearnTransformer, ScikitLearn),
    "pytorch": (Transformer, PyTorch),
    "xgboost": (Transformer, XGBoost),
}


def main() -> None:
    transformer_of, handlers = KINDS[sys.argv[1]]
    default_type = content_types.JSON
    if handlers is XGBoost and "SAGEMAKER_PROGRAM" not in os.environ:
        handlers, default_type = XGBoostAlgorithm, content_types.CSV
        os.environ.setdefault("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", content_types.CSV)
    sys.path.pop(0)  # this folder: its modules are none of the script's
    transformer = transformer_of(handlers())
    transformer.validate_and_initialize(MODEL, Context({}))
    # The images have workers that take one request after the other: a script need not expect two.
    one_at_a_time = threading.Lock()

    def answer(request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/invocations"):
            return Response(status=404)
        headers = {"Content-Type": default_type} | dict(request.headers)
        context = Context(headers)
        with one_at_a_time:
            body = transformer.transform([{"body": request.get_data()}], context)[0]
        if context.status >= 400 and context.content_type is None:
            print(body, file=sys.stderr, flush=True)
        if isinstance(body, Response):  # a script of scikit-learn's image may return Flask's
            return body
        if not isinstance(body, str | bytes | bytearray):
            body = json.dumps(body, default=lambda one: one.tolist())
        return Response(body, context.status, content_type=context.content_type or "text/plain")

    run(answer)


if __name__ == "__main__":
    main()
