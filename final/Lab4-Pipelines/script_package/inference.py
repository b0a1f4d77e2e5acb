"""Runs beside TensorFlow Serving: before and after each prediction.

github.com/aws/sagemaker-tensorflow-serving-container#prepost-processing
"""

import json

# --- A request is one image: 28 rows of 28 numbers from 0 to 1.
#     An answer is {"digit": 7, "probabilities": [...]}, with ten probabilities.


def input_handler(data, context):
    """Return a request for TensorFlow Serving: {"instances": [...]}, as JSON.

    data: what was sent, to be read like a file; context.request_content_type says what it is
    """
    if context.request_content_type != "application/json":
        raise ValueError(f"{context.request_content_type} is not understood: send application/json")
    image = json.loads(data.read())
    pixels = [[[pixel] for pixel in row] for row in image]  # the network wants (28, 28, 1)
    return json.dumps({"instances": [pixels]})


def output_handler(response, context):
    """Return the answer, and its content type.

    response: what TensorFlow Serving answers, with status_code, json() and text
    """
    if response.status_code != 200:
        raise ValueError(response.text)
    (probabilities,) = response.json()["predictions"]
    digit = max(range(10), key=lambda one: probabilities[one])
    return json.dumps({"digit": digit, "probabilities": probabilities}), "application/json"


