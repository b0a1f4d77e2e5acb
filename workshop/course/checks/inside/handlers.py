"""The script beside a model server, inference.py, with a made-up image and made-up answers."""

import io
import json
import types

from .report import REPORT, describe, plain
from .scripts import execute

JSON = "application/json"
#: No two pixels are the same, so it shows where each one comes to.
IMAGE = [[round((28 * row + column) / 784, 4) for column in range(28)] for row in range(28)]
DIGITS = (3, 9, 0)


def both():
    """Call both handlers with what they understand, and with what they do not."""
    inference = execute("inference.py", "inference", whole=True)
    image = json.dumps(IMAGE)
    REPORT["image"] = IMAGE
    REPORT["request"] = _tried(lambda: inference.input_handler(*_sent(image)))
    for name, sent in (("no content type", _sent(image, "text/csv")), ("no JSON", _sent("{"))):
        REPORT[name] = _tried(lambda sent=sent: inference.input_handler(*sent))
    context = _sent("")[1]
    REPORT["answers"] = []
    for digit in DIGITS:
        chances = [0.875 if other == digit else 0.0125 for other in range(10)]
        response = _response(200, {"predictions": [chances]})
        answer = _tried(lambda response=response: inference.output_handler(response, context))
        REPORT["answers"].append({"digit": digit, "probabilities": chances, **answer})
    response = _response(400, {"error": "the shape is wrong"})
    REPORT["no predictions"] = _tried(lambda: inference.output_handler(response, context))


def _sent(body, content_type=JSON):
    """Return what the server gives to input_handler: something to read, and the context.

    github.com/aws/sagemaker-tensorflow-serving-container#prepost-processing
    """
    context = types.SimpleNamespace(
        request_content_type=content_type,
        accept_header=JSON,
        content_length=len(body),
        custom_attributes=None,
        method="predict",
        model_name="model",
        model_version="1",
        rest_uri="http://localhost:8501/v1/models/model:predict",
        grpc_port="8500",
    )
    return io.BytesIO(body.encode()), context


def _response(status, content):
    """Return what the server gives to output_handler: an answer as `requests` has it."""
    text = json.dumps(content)
    return types.SimpleNamespace(
        status_code=status,
        ok=status < 400,
        reason="OK" if status < 400 else "Bad Request",
        headers={"Content-Type": JSON},
        text=text,
        content=text.encode(),
        json=lambda: json.loads(text),
    )


def _tried(work):
    """Return {"returned": …} of a call, or {"error": …} with whether it is a ValueError."""
    try:
        value = work()
    except Exception as error:
        return {"error": describe(error), "is ValueError": isinstance(error, ValueError)}
    several = value if isinstance(value, (list, tuple)) else [value]
    several = [one.decode() if isinstance(one, bytes) else plain(one) for one in several]
    return {"returned": several if isinstance(value, (list, tuple)) else several[0]}
