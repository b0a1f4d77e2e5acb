"""The scripts of Lab 3's sections 10 to 12: scikit-learn, Spark, PyTorch and XGBoost."""

import gzip
import importlib.util
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workshop

LAB = workshop.ROOT / "source" / "Lab3-Processors"
RAW = workshop.ROOT / "data" / "raw"


def run(script, *arguments):
    """Run a script as a job would, and return what it printed."""
    command = [sys.executable, str(LAB / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load_script(script):
    path = LAB / script
    spec = importlib.util.spec_from_file_location(f"lab3_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raw(name, header):
    with gzip.open(RAW / f"{name}-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def digits():
    """Return the training images, (1437, 784), and their labels."""
    return raw("train-images-idx3", 16).reshape(-1, 784), raw("train-labels-idx1", 8)


def pack(model, folder, prefix):
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(model, f"{prefix}{model.name}")
    return folder


# ------------------------------------------------------------------------------- scikit-learn


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A folder with digits.csv, as the notebook makes it: 500 digits."""
    images, labels = digits()
    folder = tmp_path_factory.mktemp("digits")
    content = pd.DataFrame(images[:500], columns=[f"pixel{n}" for n in range(784)])
    content.insert(0, "label", labels[:500])
    content.to_csv(folder / "digits.csv", index=False)
    return folder


def split(table, folder, *arguments):
    """Run the preprocessing; return {"train_features": array, ...}."""
    folders = ("--input", table, "--train", folder / "train", "--test", folder / "test")
    run("script_sklearn/preprocessing.py", *arguments, *folders)
    files = sorted(folder.glob("t*/*.csv"))
    assert [str(file.relative_to(folder)) for file in files] == [
        "test/test_features.csv",
        "test/test_labels.csv",
        "train/train_features.csv",
        "train/train_labels.csv",
    ]
    return {file.stem: pd.read_csv(file, header=None).to_numpy() for file in files}


@pytest.fixture(scope="module")
def parts(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    return folder, split(table, folder, "--train-test-split-ratio", 0.2)


@pytest.mark.parametrize(("ratio", "tests"), [("0.2", 100), ("0.5", 250)])
def test_the_ratio_is_the_share_of_the_test(table, tmp_path, ratio, tests):
    found = split(table, tmp_path, "--train-test-split-ratio", ratio)
    assert found["test_features"].shape == (tests, 49)
    assert found["test_labels"].shape == (tests, 1)
    assert found["train_features"].shape == (500 - tests, 49)
    assert found["train_labels"].shape == (500 - tests, 1)


def test_each_digit_has_its_share_in_both_parts(parts):
    train, test = (np.bincount(parts[1][f"{part}_labels"][:, 0]) for part in ("train", "test"))
    assert np.all(np.abs(test - 0.2 * (train + test)) <= 1)


def test_the_split_is_the_same_each_time(table, parts, tmp_path):
    again = split(table, tmp_path, "--train-test-split-ratio", "0.2")
    for name, array in parts[1].items():
        assert np.array_equal(again[name], array), name


def test_the_features_are_scaled_by_the_training_part_alone(parts):
    train, test = parts[1]["train_features"], parts[1]["test_features"]
    assert np.allclose(train.mean(axis=0), 0, atol=1e-3)
    assert not np.allclose(test.mean(axis=0), 0, atol=1e-2)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_model_of_scikit_learn_is_trained_and_evaluated(parts, tmp_path, prefix):
    folder, arrays = parts
    run("script_sklearn/train.py", "--train", folder / "train", "--model-dir", tmp_path)
    model = pack(tmp_path / "model.joblib", tmp_path / "model", prefix)
    places = ("--model", model, "--test", folder / "test", "--output", tmp_path / "output")
    printed = run("script_sklearn/evaluation.py", *places)
    evaluation = json.loads((tmp_path / "output/evaluation.json").read_text())
    assert evaluation["images"] == 100
    assert evaluation["accuracy"] > 0.9
    assert f"accuracy {evaluation['accuracy']:.4f}" in printed
    counts = np.array(evaluation["confusion_matrix"])
    assert np.array_equal(counts.sum(axis=1), np.bincount(arrays["test_labels"][:, 0]))
    assert np.trace(counts) == round(100 * evaluation["accuracy"])


# -------------------------------------------------------------------------------------- Spark


@pytest.mark.lab3
@pytest.mark.slow
def test_spark_makes_numbers_of_words_and_pixels(tmp_path):
    """In a session without a cluster; the cluster is the emulator's to prove."""
    images, labels = digits()
    preprocess = load_script("script_spark/preprocess.py")
    for part in range(3):
        (tmp_path / f"part-{part}.csv").write_text(
            "".join(
                f"{n},{preprocess.WORDS[labels[n]]},{' '.join(map(str, images[n]))}\n"
                for n in range(part, 100, 3)
            )
        )

    code = (
        "import json, sys; import preprocess; from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false')\n"
        "digits = spark.getOrCreate().read.csv(sys.argv[1], schema=preprocess.SCHEMA)\n"
        "table = preprocess.transform(digits)\n"
        "parts = [part.collect() for part in preprocess.split(table)]\n"
        "again = [part.collect() for part in preprocess.split(table.repartition(5))]\n"
        "print(json.dumps([table.columns, table.orderBy('image').collect(), parts, again]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=LAB / "script_spark",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    columns, rows, parts, again = json.loads(done.stdout.splitlines()[-1])

    assert columns == ["image", "label", *(f"ink{row}" for row in range(28))]
    rows = np.array(rows)
    assert np.array_equal(rows[:, 0], np.arange(100))
    assert np.array_equal(rows[:, 1], labels[:100])
    wanted = images[:100].reshape(-1, 28, 28).mean(axis=2) / 255
    assert np.allclose(rows[:, 2:], wanted)

    training, validation = parts
    assert len(training) + len(validation) == 100
    assert 10 <= len(validation) <= 30
    assert {len(row) for row in training + validation} == {29}
    assert [sorted(part) for part in again] == [sorted(part) for part in parts]


# ---------------------------------------------------------------------------- PyTorch, XGBoost


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The two outputs of the preprocessing in PyTorch."""
    folder = tmp_path_factory.mktemp("output")
    outputs = ("--train", folder / "train", "--validation", folder / "validation")
    run("script_pytorch/preprocessing.py", "--input", RAW, *outputs)
    return folder


def loaded(folder):
    return np.load(folder / "features.npy"), np.load(folder / "labels.npy")


@pytest.mark.lab3
def test_pytorch_leaves_two_parts_of_the_digits(prepared):
    images, labels = digits()
    features = images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49) / 255
    train, validation = loaded(prepared / "train"), loaded(prepared / "validation")
    assert train[0].shape == (1150, 49) and validation[0].shape == (287, 49)
    assert train[0].dtype == np.float32
    both = [np.concatenate(pair) for pair in zip(train, validation, strict=True)]

    def ordered(features, labels):
        return np.array(sorted(np.column_stack([features, labels]).round(4).tolist()))

    assert np.allclose(ordered(*both), ordered(features, labels), atol=2e-4)


@pytest.mark.lab3
def test_pytorch_splits_the_same_way_each_time(prepared, tmp_path):
    outputs = ("--train", tmp_path / "train", "--validation", tmp_path / "validation")
    run("script_pytorch/preprocessing.py", "--input", RAW, *outputs)
    for file in prepared.rglob("*.npy"):
        assert file.read_bytes() == (tmp_path / file.relative_to(prepared)).read_bytes()


@pytest.mark.lab3
@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_model_of_xgboost_is_trained_and_evaluated(prepared, tmp_path, prefix):
    channels = ("--train", prepared / "train", "--validation", prepared / "validation")
    settings = ("--max-depth", 2, "--rounds", 10)
    run("script_xgboost/train.py", *channels, *settings, "--model-dir", tmp_path)
    model = pack(tmp_path / "xgboost-model.json", tmp_path / "model", prefix)

    features, labels = loaded(prepared / "validation")
    test = tmp_path / "test"
    test.mkdir()
    np.savetxt(test / "test.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.6g")
    places = ("--model", model, "--test", test, "--output", tmp_path / "output")
    printed = run("script_xgboost/evaluation.py", *places)
    evaluation = json.loads((tmp_path / "output/evaluation.json").read_text())
    assert list(evaluation) == ["accuracy", "logloss", "mistakes", "images"]
    assert evaluation["images"] == 287
    assert evaluation["accuracy"] > 0.85
    assert evaluation["mistakes"] == round(287 * (1 - evaluation["accuracy"]))
    assert f"accuracy {evaluation['accuracy']:.4f}" in printed


@pytest.mark.lab3
def test_the_metrics_of_a_few_predictions():
    quality = load_script("script_xgboost/evaluation.py").quality
    probabilities = np.array([[0.5, 0.5, 0], [0.1, 0.9, 0], [0, 0, 1]])
    found = quality(np.array([0, 1, 1]), probabilities)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["logloss"] == pytest.approx(-(np.log(0.5) + np.log(0.9) + np.log(1e-7)) / 3)
    assert (found["mistakes"], found["images"]) == (1, 3)


def test_only_spark_knows_s3():
    for script in sorted(Path(LAB).glob("script_*/*.py")):
        if script.parent.name in ("script_sklearn", "script_pytorch", "script_xgboost"):
            text = script.read_text()
            assert "s3://" not in text and "boto3" not in text, script
