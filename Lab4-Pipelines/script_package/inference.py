"""Runs beside TensorFlow Serving: before and after each prediction.

github.com/aws/sagemaker-tensorflow-serving-container#prepost-processing
"""

import json

# --- A request is one image: 28 rows of 28 numbers from 0 to 1.
#     An answer is {"digit": 7, "probabilities": [...]}, with ten probabilities.


# Task 14.2 · Take an image, answer a digit
# Write input_handler, which makes of an image in JSON a request with instances, and
# output_handler, which makes of predictions a digit and its probabilities. What is not
# understood raises a ValueError.
raise NotImplementedError(
    "task 14.2 not attempted: Write input_handler, which makes of an image in JSON a "
    "request with instances, and output_handler, which makes of predictions a digit "
    "and its probabilities. What is not understood raises a ValueError."
)
