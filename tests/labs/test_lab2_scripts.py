"""The scripts of Lab 2: Lab 1's work is worth the same here, and a training survives its end."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

import workshop

LAB = workshop.ROOT / "source" / "Lab2"
LAB1 = workshop.ROOT / "source" / "Lab1-Unit-Testing"
RAW = workshop.ROOT / "data" / "raw"
SCRIPTS = sorted(LAB.glob("script_*/*.py"))
ARRAYS = ("train/X_train", "train/y_train", "validation/X_val", "validation/y_val")
TEST_ARRAYS = ("test/X_test", "test/y_test")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras and numpy


def start(script, *arguments, **environment):
    """Start a script as a job would."""
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        text=True,
        stdout=subprocess.PIPE,
    )


def run(script, *arguments, **environment):
    """Run a script to its end, and return what it printed."""
    process = start(script, *arguments, **environment)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    return printed


def load_script(path):
    spec = importlib.util.spec_from_file_location(f"lab2_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def processed(tmp_path_factory):
    """The output of Lab 2's preprocessing of the digits."""
    output = tmp_path_factory.mktemp("processing")
    script = LAB / "script_processing" / "preprocessing.py"
    run(script, "--source-data", RAW, "--output", output)
    return output


@pytest.fixture(scope="module")
def few(processed, tmp_path_factory):
    """The first 100 images and labels of each array, in the same folders."""
    folder = tmp_path_factory.mktemp("few")
    for place in (*ARRAYS, *TEST_ARRAYS):
        (folder / place).mkdir(parents=True)
        name = f"{place}/{place.rpartition('/')[2]}.npy"
        np.save(folder / name, np.load(processed / name)[:100])
    return folder


# ------------------------------------------------------------------------- Lab 1 and Lab 2


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_knows_s3(path):
    text = path.read_text()
    modules = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.M))
    assert not modules & {"boto3", "botocore", "s3fs", "sagemaker", "utils", "workshop"}
    assert "s3://" not in text
    assert "bucket" not in text.lower()


def test_the_arrays_are_those_of_lab1_to_the_byte(processed, tmp_path):
    lab1 = LAB1 / "script_processing" / "preprocessing.py"
    run(lab1, "--source-data", RAW, "--output", tmp_path)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.npy")}
    assert files == {path.relative_to(processed) for path in processed.rglob("*.npy")}
    assert len(files) == 6
    for name in files:
        assert (processed / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_the_metric_definitions_are_those_of_lab1():
    found = []
    for notebook in (LAB1 / "2-training.py", LAB / "5-training.py"):
        code = re.search(
            r"^ *\"?metric_definitions\"? ?= ?(\[.*?^ *\])", notebook.read_text(), re.M | re.S
        )
        found.append(ast.literal_eval(code[1].strip()))
    assert found[0] == found[1]


def test_the_network_is_that_of_lab1():
    def network(lab):
        tree = ast.parse((lab / "script_train" / "training.py").read_text())
        named = {node.name: node for node in tree.body if hasattr(node, "name")}
        return [ast.unparse(named[name]) for name in ("MetricsLog", "create_cnn_model")]

    assert network(LAB) == network(LAB1)


# ------------------------------------------------------- training that goes on (train_model)

FOLDERS = ("model_dir", "checkpoint_dir", "output_dir")


@pytest.fixture(scope="module")
def training():
    return load_script(LAB / "script_train" / "training.py")


@pytest.fixture
def train(training, few, tmp_path):
    """Train up to an epoch as a new job does: only checkpoint_dir is what it was."""
    arrays = [np.load(few / place / f"{place.rpartition('/')[2]}.npy") for place in ARRAYS]

    def train_to(epochs):
        for name in ("model_dir", "output_dir"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        folders = {name: str(tmp_path / name) for name in FOLDERS}
        model = training.create_cnn_model()
        return training.train_model(model, *arrays, **folders, epochs=epochs, batch_size=50)

    return train_to


def whole(history, epochs):
    """Tell whether a history has each epoch once."""
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    return sorted(history) == names and all(len(values) == epochs for values in history.values())


def best_epoch(history):
    return 1 + int(np.argmin(history["val_loss"]))


@pytest.mark.slow
def test_a_training_goes_on_where_it_stopped(train, tmp_path, capsys):
    first = train(2)
    assert whole(first, 2)
    capsys.readouterr()
    both = train(4)
    printed = capsys.readouterr().out
    assert whole(both, 4)
    assert {name: values[:2] for name, values in both.items()} == first
    assert re.findall(r"^epoch (\d+)/4 ", printed, re.M) == ["3", "4"]
    assert json.loads((tmp_path / "output_dir/history.json").read_text()) == both
    saved = sorted(path.name for path in (tmp_path / "checkpoint_dir").iterdir())
    assert saved == [*(f"checkpoint-00{n}.keras" for n in range(1, 5)), "history.json"]


@pytest.mark.slow
def test_it_goes_on_with_the_state_of_the_optimizer(train, training, tmp_path):
    train(2)
    model, _ = training.load_checkpoint(str(tmp_path / "checkpoint_dir"), 2)
    assert int(model.optimizer.iterations) == 2 * 2  # epochs x batches


@pytest.mark.slow
@pytest.mark.parametrize("best", [1, 3])
def test_the_best_checkpoint_may_be_older_than_the_interruption(train, tmp_path, best):
    train(2)
    place = tmp_path / "checkpoint_dir/history.json"
    history = json.loads(place.read_text())
    history["val_loss"] = [0.0 if best == 1 else 99.0, 99.0]
    place.write_text(json.dumps(history))
    assert best_epoch(train(3)) == best
    kept = (tmp_path / "model_dir/best_checkpoint.keras").read_bytes()
    assert kept == (tmp_path / f"checkpoint_dir/checkpoint-00{best}.keras").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "nonsense", "half"])
def test_a_broken_checkpoint_does_not_count(train, tmp_path, capsys, content):
    before = train(3)
    newest = tmp_path / "checkpoint_dir/checkpoint-003.keras"
    content = newest.read_bytes()[: newest.stat().st_size // 2] if content is None else content
    newest.write_bytes(content)
    capsys.readouterr()
    history = train(4)
    printed = capsys.readouterr().out
    assert whole(history, 4)
    assert history["loss"][:2] == before["loss"][:2]
    assert "checkpoint-003.keras is of no use" in printed
    assert "the checkpoint of epoch 2 is loaded" in printed
    assert re.findall(r"^epoch (\d+)/4 ", printed, re.M) == ["3", "4"]


@pytest.mark.slow
def test_a_checkpoint_without_its_metrics_does_not_count(train, tmp_path, capsys):
    """The history came to S3 before the interruption, but not in its newest state."""
    train(3)
    place = tmp_path / "checkpoint_dir/history.json"
    history = json.loads(place.read_text())
    place.write_text(json.dumps({name: values[:1] for name, values in history.items()}))
    capsys.readouterr()
    assert whole(train(3), 3)
    assert "the checkpoint of epoch 1 is loaded" in capsys.readouterr().out


@pytest.mark.slow
def test_checkpoints_without_a_history_do_not_count(train, tmp_path):
    train(2)
    (tmp_path / "checkpoint_dir/history.json").write_text('{"loss": [0.')
    assert whole(train(2), 2)


@pytest.mark.slow
def test_when_all_is_done_nothing_is_trained(train, tmp_path, capsys):
    before = train(2)
    capsys.readouterr()
    assert train(2) == before
    assert "epoch 3/" not in capsys.readouterr().out
    kept = (tmp_path / "model_dir/best_checkpoint.keras").read_bytes()
    best = tmp_path / f"checkpoint_dir/checkpoint-00{best_epoch(before)}.keras"
    assert kept == best.read_bytes()


# --------------------------------------------------------------- training as SageMaker starts it


@pytest.mark.slow
@pytest.mark.parametrize("lab", [LAB, LAB1], ids=["own", "copied"])
def test_a_killed_training_goes_on(few, tmp_path, lab):
    """Also with the main.py of Lab 1, which one may copy."""
    shutil.copy(LAB / "script_train" / "training.py", tmp_path)
    main = shutil.copy(lab / "script_train" / "main.py", tmp_path)
    variables = {f"SM_CHANNEL_{p.rpartition('/')[2].upper()}": str(few / p) for p in ARRAYS}
    checkpoints = tmp_path / "checkpoints"
    arguments = ("--epochs", 40, "--batch-size", 50, "--checkpoint-dir", checkpoints)

    lost = dict.fromkeys(("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"), str(tmp_path / "lost"))
    first = start(main, *arguments, **variables, **lost)
    deadline = time.monotonic() + 120
    while not (checkpoints / "checkpoint-003.keras").exists():
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    first.kill()
    first.communicate()

    folders = {"SM_MODEL_DIR": "model", "SM_OUTPUT_DATA_DIR": "output"}
    folders = {name: str(tmp_path / folder) for name, folder in folders.items()}
    printed = run(main, *arguments, **variables, **folders)
    done = int(re.search(r"^the checkpoint of epoch (\d+) is loaded", printed, re.M)[1])
    assert 3 <= done < 40
    trained = [int(epoch) for epoch in re.findall(r"^epoch (\d+)/40 ", printed, re.M)]
    assert trained == list(range(done + 1, 41))
    history = json.loads((tmp_path / "output/history.json").read_text())
    assert whole(history, 40)
    assert f"best epoch {best_epoch(history)}: " in printed
    kept = (tmp_path / "model/best_checkpoint.keras").read_bytes()
    assert kept == (checkpoints / f"checkpoint-{best_epoch(history):03}.keras").read_bytes()
    assert not list(checkpoints.glob("incoming*"))


@pytest.mark.slow
def test_the_evaluation_is_that_of_lab1(training, few, tmp_path):
    training.create_cnn_model().save(tmp_path / "best_checkpoint.keras")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "best_checkpoint.keras", "./best_checkpoint.keras")
    for lab in (LAB, LAB1):
        script = lab / "script_evaluation" / "evaluation.py"
        output = tmp_path / lab.name
        run(script, "--model", tmp_path, "--test-data", few / "test", "--output", output)
    for name in ("metrics.json", "probabilities.npy"):
        assert (tmp_path / LAB.name / name).read_bytes() == (
            tmp_path / LAB1.name / name
        ).read_bytes()


# ------------------------------------------------------------------------------------ sharding


def test_three_hosts_leave_parts_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(60, 28, 28), dtype=np.uint8)
    labels = np.arange(60, dtype=np.uint8)
    names = [f"shard-{n:02}.npz" for n in range(12)]
    hosts = ["algo-1", "algo-2", "algo-3"]
    output = tmp_path / "sharded"
    for number, host in enumerate(hosts):
        folder = tmp_path / host
        folder.mkdir()
        for n in range(number, 12, 3):
            np.savez(folder / names[n], images=images[n::12], labels=labels[n::12])
        config = tmp_path / "resourceconfig.json"
        config.write_text(json.dumps({"current_host": host, "hosts": hosts}))
        script = LAB / "script_sharding" / "preprocess_shard.py"
        run(script, "--shards", folder, "--output", output, "--resource-config", config)

    reports = [json.loads((output / f"seen-{host}.json").read_text()) for host in hosts]
    assert [report["host"] for report in reports] == hosts
    assert sorted(name for report in reports for name in report["files"]) == names
    assert [report["images"] for report in reports] == [20, 20, 20]
    parts = [np.load(output / f"part-{host}.npz") for host in hosts]
    for part in parts:
        assert part["images"].dtype == np.float32
        wanted = np.divide(images[part["labels"]], 255, dtype=np.float32)[..., np.newaxis]
        assert np.array_equal(part["images"], wanted)
    assert sorted(np.concatenate([part["labels"] for part in parts])) == list(range(60))
