"""The scripts of Lab 1 are plain programs: folders in, folders out, nothing of S3."""

import ast
import gzip
import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
import tarfile

import numpy as np
import pytest

import workshop

LAB = workshop.ROOT / "source" / "Lab1-Unit-Testing"
LAB0 = workshop.ROOT / "Lab0-Container-Pipeline"
SCRIPTS = {
    "preprocessing": LAB / "script_processing" / "preprocessing.py",
    "main": LAB / "script_train" / "main.py",
    "training": LAB / "script_train" / "training.py",
    "evaluation": LAB / "script_evaluation" / "evaluation.py",
}
ARRAYS = {
    "train": ("X_train", "y_train"),
    "validation": ("X_val", "y_val"),
    "test": ("X_test", "y_test"),
}


def run(script, *arguments, **environment):
    """Run a script as a job would, and return what it printed."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS[script]), *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"lab1_{name}", SCRIPTS[name])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_raw(folder, train=200, test=50, seed=0):
    """Write a small data set: the mean brightness of an image tells its class."""
    rng = np.random.default_rng(seed)
    for part, n in (("train", train), ("t10k", test)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = rng.integers(0, 20, size=(n, 28, 28)) + 23 * labels[:, None, None]
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">4I", 2051, n, 28, 28) + images.astype(np.uint8).tobytes())
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">2I", 2049, n) + labels.tobytes())


@pytest.fixture(scope="module")
def processed(tmp_path_factory):
    """(raw folder, output folder) of a preprocessing of 200 + 50 images."""
    raw, output = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("processing")
    write_raw(raw)
    run("preprocessing", "--source-data", raw, "--output", output)
    return raw, output


def load(output, name):
    (path,) = output.glob(f"*/{name}/{name}.npy")
    return np.load(path)


# -------------------------------------------------------------------------------- all scripts


@pytest.mark.parametrize("path", SCRIPTS.values(), ids=SCRIPTS)
def test_no_script_knows_s3(path):
    text = path.read_text()
    tree = ast.parse(text)
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"boto3", "botocore", "s3fs", "sagemaker", "utils", "workshop"}
    assert "s3://" not in text
    assert "bucket" not in text.lower()


def test_preprocessing_needs_numpy_alone():
    text = SCRIPTS["preprocessing"].read_text()
    assert set(re.findall(r"^(?:import|from) (\w+)", text, re.M)) == {
        "argparse", "gzip", "os", "numpy"
    }  # fmt: skip


def test_the_requirements_are_not_a_second_copy():
    # A cell of each notebook copies Lab 0's, so there is one place for the versions.
    assert not list(LAB.glob("*/requirements.txt"))


def test_lab0_names_the_tensorflow_version_once_for_each_machine():
    lines = (LAB0 / "requirements.txt").read_text()
    assert len(set(re.findall(r"^tensorflow\S*?==([\d.]+)", lines, re.M))) == 1


# ------------------------------------------------------------------------------ preprocessing


def test_each_array_has_a_directory_of_its_own(processed):
    _, output = processed
    expected = {f"{part}/{name}/{name}.npy" for part, names in ARRAYS.items() for name in names}
    assert {str(p.relative_to(output)) for p in output.rglob("*") if p.is_file()} == expected


def test_shapes_types_and_range(processed):
    _, output = processed
    for name, count in (("X_train", 160), ("X_val", 40), ("X_test", 50)):
        array = load(output, name)
        assert (array.shape, array.dtype) == ((count, 28, 28, 1), np.float32)
        assert array.min() >= 0
        assert array.max() <= 1
    for name, count in (("y_train", 160), ("y_val", 40), ("y_test", 50)):
        array = load(output, name)
        assert (array.shape, array.dtype) == ((count,), np.uint8)


def test_validation_has_the_same_share_of_each_class(processed):
    _, output = processed
    assert np.bincount(load(output, "y_train")).tolist() == [16] * 10
    assert np.bincount(load(output, "y_val")).tolist() == [4] * 10


def test_images_keep_their_labels(processed):
    _, output = processed
    for images, labels in ARRAYS.values():
        brightness = load(output, images).mean(axis=(1, 2, 3)) * 255
        assert np.array_equal(((brightness - 9.5) / 23).round(), load(output, labels))


def test_training_and_validation_share_no_image_and_lose_none(processed):
    raw, output = processed
    with gzip.open(raw / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(200, 784)
    both = np.concatenate([load(output, "X_train"), load(output, "X_val")]).reshape(200, 784)
    before = {image.tobytes() for image in (images / 255).astype(np.float32)}
    assert {image.tobytes() for image in both} == before


def test_the_test_images_are_the_test_file(processed):
    raw, output = processed
    with gzip.open(raw / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(50, 28, 28, 1)
    assert np.array_equal(load(output, "X_test"), (images / 255).astype(np.float32))


def test_the_same_bytes_each_time(processed, tmp_path):
    raw, output = processed
    run("preprocessing", "--source-data", raw, "--output", tmp_path)
    for path in output.rglob("*.npy"):
        assert path.read_bytes() == (tmp_path / path.relative_to(output)).read_bytes()


def test_the_files_are_what_np_save_writes(processed, tmp_path):
    _, output = processed
    for path in output.rglob("*.npy"):
        np.save(tmp_path / path.name, np.load(path))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_pieces_of_any_size_give_the_same(processed, tmp_path, monkeypatch):
    raw, output = processed
    script = load_script("preprocessing")
    monkeypatch.setattr(script, "IMAGES_AT_ONCE", 7)
    script.preprocess_data(str(raw), str(tmp_path))
    assert np.array_equal(load(tmp_path, "X_val"), load(output, "X_val"))


@pytest.mark.parametrize("labels", [150, 300])
def test_a_label_count_that_does_not_fit_is_an_error(tmp_path, labels):
    write_raw(tmp_path)  # 200 images
    with gzip.open(tmp_path / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">2I", 2049, labels) + bytes(labels))
    with pytest.raises((ValueError, IndexError), match=r"200"):
        load_script("preprocessing").preprocess_data(str(tmp_path), str(tmp_path / "out"))


def test_its_defaults_are_the_folders_of_the_job():
    script = load_script("preprocessing")
    assert script.SOURCE_DATA == "/opt/ml/processing/source_data"
    assert script.OUTPUT == "/opt/ml/processing"


# ------------------------------------------------------------------- training and evaluation


@pytest.fixture(scope="module")
def trained(processed, tmp_path_factory):
    """The folder of a training of two epochs, started as SageMaker starts it."""
    _, output = processed
    folder = tmp_path_factory.mktemp("training")
    printed = run(
        "main",
        *("--epochs", 2, "--batch-size", 16, "--checkpoint-dir", folder / "checkpoints"),
        SM_CHANNEL_X_TRAIN=str(output / "train/X_train"),
        SM_CHANNEL_Y_TRAIN=str(output / "train/y_train"),
        SM_CHANNEL_X_VAL=str(output / "validation/X_val"),
        SM_CHANNEL_Y_VAL=str(output / "validation/y_val"),
        SM_MODEL_DIR=str(folder / "model"),
        SM_OUTPUT_DATA_DIR=str(folder / "output"),
    )
    (folder / "log").write_text(printed)
    return folder


@pytest.mark.slow
def test_training_leaves_its_files_in_the_right_folders(trained):
    found = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert found == {
        "checkpoints/checkpoint-001.keras",
        "checkpoints/checkpoint-002.keras",
        "model/best_checkpoint.keras",
        "output/history.json",
        "log",
    }
    history = json.loads((trained / "output/history.json").read_text())
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert all(len(values) == 2 for values in history.values())


@pytest.mark.slow
def test_the_metric_definitions_read_what_training_prints(trained):
    notebook = (LAB / "2-training.py").read_text()
    code = re.search(r"^metric_definitions = (\[.*?^\])", notebook, re.M | re.S)[1]
    history = json.loads((trained / "output/history.json").read_text())
    log = (trained / "log").read_text()
    keys = {"train": "", "validation": "val_"}
    for metric in ast.literal_eval(code):
        part, name = metric["Name"].split(":")
        values = [float(value) for value in re.findall(metric["Regex"], log)]
        assert values == pytest.approx(history[keys[part] + name], abs=1e-4), metric


@pytest.mark.slow
def test_evaluation_writes_metrics_in_the_model_quality_layout(trained, processed, tmp_path):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(trained / "model/best_checkpoint.keras", "best_checkpoint.keras")
    output = tmp_path / "evaluation"
    _, data = processed
    run("evaluation", "--model", tmp_path, "--test-data", data / "test", "--output", output)

    metrics = json.loads((output / "metrics.json").read_text())
    assert list(metrics) == ["multiclass_classification_metrics"]
    metrics = metrics["multiclass_classification_metrics"]
    confusion = metrics.pop("confusion_matrix")
    assert set(metrics) == {
        "accuracy", "weighted_precision", "weighted_recall",
        "weighted_f0_5", "weighted_f1", "weighted_f2",
    }  # fmt: skip
    for metric in metrics.values():
        assert set(metric) == {"value", "standard_deviation"}
        assert metric["standard_deviation"] == "NaN"  # 50 images are less than 200

    digits = [str(digit) for digit in range(10)]
    assert list(confusion) == digits
    assert all(list(row) == digits for row in confusion.values())
    hits = sum(confusion[digit][digit] for digit in digits)
    assert hits / 50 == pytest.approx(metrics["accuracy"]["value"])

    probabilities = np.load(output / "probabilities.npy")
    assert probabilities.shape == (50, 10)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-5)
