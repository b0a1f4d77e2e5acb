"""The ``train`` command of the training images: the real SageMaker training toolkit.

    train.py [ALGORITHM VERSION]

ALGORITHM is the module with the algorithm in the image, for jobs that bring no script, VERSION that
of the image.

Two things are changed. The toolkit imports TensorFlow in its own process, for seconds, only to
learn the names of TensorFlow's exceptions (``sagemaker_training/process.py``,
``get_tensorflow_exception_classes``). Here they are read from TensorFlow's source file. And its
one C module, which it imports always and calls with MPI alone, may be missing: the toolkit can be
installed on machines without a C compiler too.
"""

import ast
import importlib
import importlib.util
import json
import os
import sys
import types
from pathlib import Path

if importlib.util.find_spec("gethostname") is None:
    sys.modules["gethostname"] = types.ModuleType("gethostname")

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


def has_script() -> bool:
    """Tell whether the job brings a script (``sagemaker_training/params.py``)."""
    file = Path("/opt/ml/input/config/hyperparameters.json")
    given = json.loads(file.read_text()) if file.exists() else {}
    return "sagemaker_program" in given or "SAGEMAKER_PROGRAM" in os.environ


if __name__ == "__main__":
    if not has_script():
        if not sys.argv[1:]:
            sys.exit(
                "The job has no script, and there is no algorithm in the image: give the estimator "
                "an entry_point."
            )
        algorithm, version = sys.argv[1:]
        importlib.import_module(algorithm).train(version)
        sys.exit()
    process.get_tensorflow_exception_classes = tensorflow_exception_classes
    trainer.train()
