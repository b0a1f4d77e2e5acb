"""The ``train`` command of the training images: the real SageMaker training toolkit.

One thing is changed. The toolkit imports TensorFlow in its own process, for seconds, only to
learn the names of TensorFlow's exceptions (``sagemaker_training/process.py``,
``get_tensorflow_exception_classes``). Here they are read from TensorFlow's source file.
"""

import ast
import importlib.util
from pathlib import Path

from sagemaker_training import process, trainer


def tensorflow_exception_classes() -> list[str]:
    """Return the names of TensorFlow's exception classes without importing TensorFlow."""
    tensorflow = importlib.util.find_spec("tensorflow")
    if tensorflow is None:
        return [process.DEFAULT_ERROR_CLASS]
    source = Path(tensorflow.origin).parent / "python/framework/errors_impl.py"
    tree = ast.parse(source.read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return [*names, "XlaRuntimeError"]


if __name__ == "__main__":
    process.get_tensorflow_exception_classes = tensorflow_exception_classes
    trainer.train()
