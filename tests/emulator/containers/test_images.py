"""Which program plays which image: images.toml, and what a job is told when none does."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from workshop.emulator.containers import images
from workshop.emulator.errors import WorkshopError

from ..conftest import ROLE

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
PATH = "/usr/bin:/bin"


@pytest.fixture
def toml(tmp_path, monkeypatch):
    """Use an images.toml with this text; return its path."""

    def write(text: str) -> str:
        file = tmp_path / "images.toml"
        file.write_text(text)
        monkeypatch.setenv("WORKSHOP_IMAGES", str(file))
        return str(file)

    return write


@pytest.fixture
def installed(monkeypatch):
    """Take these for the installed distributions, with their versions."""

    def install(**versions: str) -> None:
        def version(name: str) -> str:
            if name.replace("-", "_") not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name.replace("-", "_")]

        monkeypatch.setattr(images.metadata, "version", version)

    return install


def refusal(*arguments) -> str:
    with pytest.raises(WorkshopError) as caught:
        images.command(*arguments)
    return str(caught.value)


@pytest.mark.slow
def test_the_images_that_the_sdk_chooses_are_known():
    from sagemaker import image_uris

    asked = {"region": "us-east-1", "instance_type": "ml.m5.xlarge"}
    versions = [
        ("TensorFlow", {"framework": "tensorflow", "version": "2.19", "image_scope": "training"}),
        ("PyTorch", {"framework": "pytorch", "version": "1.10", "image_scope": "training"}),
        ("PyTorch", {"framework": "pytorch", "version": "2.6.0", "image_scope": "inference"}),
        ("XGBoost", {"framework": "xgboost", "version": "1.3-1"}),
        ("scikit-learn", {"framework": "sklearn", "version": "0.20.0"}),
        ("Spark", {"framework": "spark", "version": "3.5"}),
    ]
    for title, options in versions:
        python = {"py_version": "py38" if options["version"] == "1.10" else "py312"}
        needs = options["framework"] in ("tensorflow", "pytorch")
        uri = image_uris.retrieve(**asked, **options, **(python if needs else {}))
        assert images.known()[images.repository(uri)].title == title, uri


def test_one_line_makes_a_learners_own_image_known(toml, installed):
    toml('my-image = "spark"\n"team/other:1" = "pytorch"')
    installed(pyspark="3.5.9", torch="2.13.0")
    command = images.command(f"{ECR}/my-image:latest", ["/opt/program/submit", "a.py"], ["b"], PATH)
    assert command[0] == "python" and command[1].endswith("/container/spark/submit.py")
    assert command[2:] == ["/opt/program/submit", "a.py", "b"]
    train = images.command(f"{ECR}/other:2", [], ["train"], PATH)
    assert train[1].endswith("/container/train.py")


def test_any_image_can_run_a_program_of_this_machine(toml):
    toml("")
    assert images.command("any", ["sh", "-c"], ["true"], PATH) == ["sh", "-c", "true"]


def test_an_unknown_framework_is_told_with_file_and_line(toml):
    file = toml('# mine\n\ntorchvision = "pytorch"\nmy-image = "pytorhc"\n')
    expected = (
        f"{file}, line 4: my-image is to be played by 'pytorhc', which is no framework here. "
        "Known: tensorflow, scikit-learn, pytorch, xgboost, spark."
    )
    assert refusal("any", ["sh"], [], PATH) == expected


def test_a_table_is_no_framework(toml):
    file = toml('[images]\ntorchvision = "pytorch"\n')
    assert refusal("any", ["sh"], [], PATH).startswith(f"{file}, line 1: images is to be played by")


def test_a_file_that_is_not_toml_is_told_with_its_line(toml):
    file = toml("torchvision = pytorch\n")
    told = refusal("any", ["sh"], [], PATH)
    assert told.startswith(f"{file} is not TOML: ") and "line 1" in told
    assert told.endswith('Expected lines like: torchvision = "pytorch"')


def test_a_missing_file_is_told(toml, tmp_path):
    toml("")
    (tmp_path / "images.toml").unlink()
    assert refusal("any", ["sh"], [], PATH).endswith("cannot be read: No such file or directory.")


def test_a_framework_that_is_not_installed_is_told_with_the_command_that_installs_it(installed):
    installed()
    uri = f"{ECR}/pytorch-training:2.8.0-cpu-py312"
    assert refusal(uri, [], ["train"], PATH) == (
        f"The image {uri} needs PyTorch, which is not installed here. "
        "Run ./lab setup Lab3: it installs it."
    )


def test_a_program_of_images_that_this_is_not_is_told_with_the_line_that_makes_it_one():
    told = refusal(f"{ECR}/my-spark:1", ["/opt/program/submit"], [], PATH)
    assert "'/opt/program/submit', and there is no such program here." in told
    assert (
        "The images of Spark have it: if this is one, say so in images.toml "
        '(my-spark = "spark").' in told
    )


def test_an_image_for_training_or_an_unknown_one_serves_nothing(toml):
    toml('served = "scikit-learn"')
    assert images.command(f"{ECR}/served:1", [], ["serve"], PATH)[-1] == "scikit-learn"
    told = refusal(f"{ECR}/tensorflow-training:2.19.0-cpu-py312", [], ["serve"], PATH)
    assert told.endswith("It is TensorFlow's image for training: use the one for inference.")
    told = refusal(f"{ECR}/mine:1", [], ["serve"], PATH)
    assert told.startswith(f"Nothing on this machine can serve the image {ECR}/mine:1. ")
    assert "TensorFlow and scikit-learn and PyTorch and XGBoost serve" in told
    assert "or make mine known in images.toml," in told


def test_spark_trains_nothing(installed):
    installed(pyspark="3.5.9")
    told = refusal(f"{ECR}/sagemaker-spark-processing:3.5", [], ["train"], PATH)
    assert "pytorch-training" in told and "spark-processing and" not in told


@pytest.mark.parametrize(
    ("image", "note"),
    [
        (
            "pytorch-training:1.10.2-cpu-py38",
            "PyTorch 1.10.2 and Python 3.8; this machine plays it with",
        ),
        ("sagemaker-xgboost:1.3-1", "XGBoost 1.3; this machine plays it with XGBoost 3.0.5."),
        (
            "sagemaker-spark-processing:3.1-cpu-py37-v1.0",
            "Spark 3.1 and Python 3.7; this machine plays it with",
        ),
        ("sagemaker-spark-processing:3.5-cpu-py312-v1.0", None),
        ("sagemaker-spark-processing:3.5-cpu-py39-v1.0", "Python 3.9; this machine plays it with"),
        ("sagemaker-xgboost:3.0-5", None),
        ("sagemaker-xgboost:3.0-5-cpu-py3", None),
        ("torchvision:latest", None),
        ("unknown:1.0", None),
    ],
)
def test_another_version_is_noted(installed, monkeypatch, image, note):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    installed(torch="2.13.0+cpu", xgboost_cpu="3.0.5", pyspark="3.5.9")
    found = images.note(f"{ECR}/{image}")
    assert found is None if note is None else note in found


# --- the frameworks of Lab 3 really play their images -------------------------------------------

TRAIN = """
import argparse, os, FRAMEWORK
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
args, _ = parser.parse_known_args()
print("TRAINED", FRAMEWORK.__name__, args.epochs, os.listdir(args.train))
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("m")
"""

EVALUATION = """
import os, FRAMEWORK
print("EVALUATED", FRAMEWORK.__name__, os.listdir("/opt/ml/processing/model"))
open("/opt/ml/processing/output/evaluation.json", "w").write("{}")
"""

PROGRAM = f"""
import sagemaker
from sagemaker.local import LocalSession
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput
from sagemaker.pytorch import PyTorch
from sagemaker.xgboost import XGBoost

session = LocalSession() if 'TYPE' == 'local' else sagemaker.Session()
here = dict(role='{ROLE}', instance_count=1, instance_type='TYPE')
bucket = session.default_bucket()
data = session.upload_data('data', bucket, 'frameworks')
estimator = ESTIMATOR(entry_point='train.py', source_dir='code', hyperparameters=dict(epochs=2),
                      framework_version='VERSION', sagemaker_session=session, **here)
estimator.fit({{'train': data}})
processor = FrameworkProcessor(ESTIMATOR, framework_version='VERSION', **here)
processor.run(
    code='evaluation.py', source_dir='code',
    inputs=[ProcessingInput(source=estimator.model_data,
                            destination='/opt/ml/processing/model')],
    outputs=[ProcessingOutput(source='/opt/ml/processing/output', output_name='evaluation',
                              destination=f's3://{{bucket}}/TYPE')])
import boto3
listed = boto3.client('s3').list_objects_v2(Bucket=bucket, Prefix='TYPE')
print('WRITTEN', [one['Key'] for one in listed['Contents']])
"""


@pytest.mark.lab3
@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "estimator", "version", "where"),
    [
        ("torch", "PyTorch", "2.8', py_version='py312", "ml.m5.large"),
        ("xgboost", "XGBoost", "1.3-1", "local"),
    ],
)
def test_it_trains_and_processes(script, framework, estimator, version, where):
    program = PROGRAM
    for word, text in {"ESTIMATOR": estimator, "VERSION": version, "TYPE": where}.items():
        program = program.replace(word, text)
    files = {"code/train.py": TRAIN, "code/evaluation.py": EVALUATION, "data/a.csv": "1"}
    files = {name: text.replace("FRAMEWORK", framework) for name, text in files.items()}
    done = script(program, files)
    output = done.stdout + done.stderr
    assert f"TRAINED {framework} 2 ['a.csv']" in output
    assert f"EVALUATED {framework} ['model.tar.gz']" in output
    assert f"WRITTEN ['{where}/evaluation.json']" in output
    assert f"this machine plays it with {estimator} " in output


@pytest.mark.slow
def test_an_image_without_an_algorithm_wants_a_script(compose):
    done = compose({"algo-1-test": {"image": "sagemaker-scikit-learn:1.2-1", "command": "train"}})
    assert done.returncode == 1
    assert "there is no algorithm in the image: give the estimator an entry_point." in done.stdout
