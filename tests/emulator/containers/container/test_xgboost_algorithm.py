"""The algorithm of XGBoost's image: jobs of its ``train`` that bring no script."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from workshop.emulator.containers import engine, images

from .conftest import ACCOUNT

ROWS = np.random.default_rng(1).normal(size=(60, 4)).round(4)
TABLE = np.column_stack([ROWS[:, 0] * 3 + 9, ROWS])


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.syspath_prepend(images.CONTAINER_FILES)
    import xgboost_algorithm

    return xgboost_algorithm.settings


def test_hyperparameters_are_texts_in_a_job_and_numbers_in_xgboost(settings):
    given = {
        "num_round": "50",
        "eta": "0.2",
        "objective": "reg:linear",
        "eval_metric": "rmse,error@0.7",
        "_tuning_objective_metric": "validation:mae",
    }
    assert settings(given) == {
        "num_round": 50,
        "eta": 0.2,
        "objective": "reg:linear",
        "eval_metric": ["rmse", "error@0.7", "mae"],
    }


@pytest.mark.parametrize(
    ("refused", "accepted", "words"),
    [
        ({"num_round": None}, {}, "Missing required hyperparameter: num_round"),
        ({"num_round": "0"}, {"num_round": "1"}, "Hyperparameter num_round: 0 is not in [1,]"),
        ({"num_round": "1.5"}, {}, "Hyperparameter num_round: could not parse value '1.5'"),
        ({"max_dept": "5"}, {"max_depth": "5"}, "Extraneous hyperparameter found: max_dept"),
        ({"eta": "1.1"}, {"eta": "1"}, "Hyperparameter eta: 1.1 is not in [0,1]"),
        ({"subsample": "0"}, {"subsample": "0.1"}, "Hyperparameter subsample: 0 is not in (0,1]"),
        ({"booster": "tree"}, {"booster": "dart"}, "booster: tree is not in ['gbtree', "),
        ({"objective": "multi:softmax"}, {"objective": "rank:map"}, "parameter 'num_class'"),
        ({"eval_metric": "f1"}, {"eval_metric": "auc"}, "eval_metric: f1 is not computed here"),
        ({"_kfold": "5"}, {}, "Hyperparameter _kfold is not played here"),
    ],
)
def test_what_the_image_refuses(settings, refused, accepted, words):
    def told(changes):
        given = {"num_round": "5"} | changes
        settings({name: text for name, text in given.items() if text is not None})

    told(accepted)
    with pytest.raises(SystemExit) as caught:
        told(refused)
    assert words in caught.value.code


@pytest.fixture
def train(tmp_path):
    """Run a job; return why it failed, and what it wrote. Its data lies below ``data/CHANNEL``."""

    def run(hyperparameters: dict, version="3.0-5", types=(), **more) -> tuple[str, str]:
        data = tmp_path / "data"
        channels = {
            one.name: {"TrainingInputMode": "File", "ContentType": "text/csv"}
            for one in data.iterdir()
        } | dict(types)
        config = tmp_path / "config"
        config.mkdir(exist_ok=True)
        for name, content in {
            "hyperparameters": hyperparameters,
            "inputdataconfig": channels,
            "resourceconfig": {"hosts": ["algo-1"]},
            **more,
        }.items():
            (config / f"{name}.json").write_text(json.dumps(content))
        mounts = [("model", "model"), ("checkpoints", "checkpoints")]
        inputs = [("config", "input/config"), ("data", "input/data")]
        host = engine.Host(
            name="algo-1",
            image=f"{ACCOUNT}/sagemaker-xgboost:{version}",
            arguments=["train"],
            mounts=[(str(tmp_path / here), f"/opt/ml/{there}") for here, there in mounts],
            inputs=[(str(tmp_path / here), f"/opt/ml/{there}") for here, there in inputs],
        )
        output: list[bytes] = []
        result = engine.Job([host]).run(lambda _, lines: output.append(lines))
        return result.error, b"".join(output).decode()

    return run


def write(folder: Path, table, **options) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "rows.csv", table, delimiter=",", **options)


HYPERPARAMETERS = {"num_round": "6", "max_depth": "3", "nthread": "1", "seed": "3"}


def expected(rounds: int = 6):
    import xgboost

    options = {"max_depth": 3, "nthread": 1, "seed": 3}
    return xgboost.train(options, xgboost.DMatrix(ROWS, TABLE[:, 0]), rounds).predict(
        xgboost.DMatrix(ROWS)
    )


@pytest.mark.slow
@pytest.mark.lab3
def test_its_model_is_xgboosts_own(train, tmp_path):
    """A pickle before version 1.3; with CSV and with libsvm; metrics in the log, round by round."""
    import xgboost

    write(tmp_path / "data/train", TABLE[:40])
    np.savetxt(tmp_path / "data/train/more.csv", TABLE[40:], delimiter=",")
    write(tmp_path / "data/validation", TABLE[:10])
    error, log = train(HYPERPARAMETERS)
    assert not error, log
    rows = [line.split("\t") for line in log.splitlines() if line.startswith("[")]
    assert [row[0] for row in rows] == [f"[{number}]" for number in range(6)]
    assert [one.partition(":")[0] for one in rows[0][1:]] == ["train-rmse", "validation-rmse"]
    data = xgboost.DMatrix(ROWS)
    model = xgboost.Booster(model_file=tmp_path / "model/xgboost-model")
    order = np.concatenate([TABLE[40:], TABLE[:40]])  # more.csv comes before rows.csv
    own = xgboost.train(
        {"max_depth": 3, "nthread": 1, "seed": 3}, xgboost.DMatrix(order[:, 1:], order[:, 0]), 6
    )
    assert model.predict(data).tobytes() == own.predict(data).tobytes()

    (tmp_path / "data/train/more.csv").unlink()
    lines = [
        f"{label} {' '.join(f'{i}:{x}' for i, x in enumerate(row))}"
        for label, *row in TABLE.tolist()
    ]
    (tmp_path / "data/train/rows.csv").write_text("\n".join(lines))
    (tmp_path / "data/validation/rows.csv").write_text("\n".join(lines[:10]))
    libsvm = {
        name: {"TrainingInputMode": "File"} for name in ("train", "validation")
    }  # the default
    error, log = train(HYPERPARAMETERS, version="1.0-1-cpu-py3", types=libsvm)
    assert not error, log
    model = pickle.loads((tmp_path / "model/xgboost-model").read_bytes())
    assert model.predict(data).tobytes() == expected().tobytes()


@pytest.mark.slow
@pytest.mark.lab3
def test_it_goes_on_from_its_checkpoint_and_stops_early(train, tmp_path):
    import xgboost

    write(tmp_path / "data/train", TABLE)
    checkpoints = {"checkpointconfig": {"LocalPath": "/opt/ml/checkpoints"}}
    error, log = train(HYPERPARAMETERS, **checkpoints)
    assert not error, log
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [f"xgboost-checkpoint.{number}" for number in range(1, 6)]
    error, log = train(HYPERPARAMETERS | {"num_round": "8"}, **checkpoints)
    assert not error and "[5]" not in log and "[6]\ttrain-rmse" in log and "[7]\t" in log, log
    model = xgboost.Booster(model_file=tmp_path / "model/xgboost-model")
    assert model.predict(xgboost.DMatrix(ROWS)).tobytes() == expected(8).tobytes()

    (tmp_path / "config/checkpointconfig.json").unlink()
    write(tmp_path / "data/validation", TABLE * [-1, 1, 1, 1, 1])  # it gets worse and worse
    patient = {"num_round": "100", "early_stopping_rounds": "3", "eval_metric": "mae,rmse"}
    error, log = train(HYPERPARAMETERS | patient)
    assert not error and "[3]\ttrain-mae:" in log and "[4]" not in log, log
    model = xgboost.Booster(model_file=tmp_path / "model/xgboost-model")
    assert model.num_boosted_rounds() == 1  # the best


@pytest.mark.slow
@pytest.mark.lab3
def test_what_is_no_data_for_it_is_named(train, tmp_path):
    write(tmp_path / "data/train", TABLE, header="label,a,b,c,d", comments="")
    assert "no line with the names of columns" in train(HYPERPARAMETERS)[0]
    write(tmp_path / "data/train", TABLE)
    no_type = {"train": {"TrainingInputMode": "File"}}
    assert 'content_type="text/csv"' in train(HYPERPARAMETERS, types=no_type)[0]
    parquet = {"train": {"TrainingInputMode": "File", "ContentType": "application/x-parquet"}}
    assert "x-parquet is not an accepted ContentType" in train(HYPERPARAMETERS, types=parquet)[0]
    labels = {"objective": "binary:logistic"}
    assert "XGB train call failed with exception" in train(HYPERPARAMETERS | labels)[0]
    two = {"resourceconfig": {"hosts": ["algo-1", "algo-2"]}}
    assert "on one instance" in train(HYPERPARAMETERS, **two)[0]
    (tmp_path / "data/train/rows.csv").write_text("")
    error = train(HYPERPARAMETERS)[0]
    assert "No data in training channel path /opt/ml/input/data/train" in error
    (tmp_path / "data/train").rename(tmp_path / "data/test")
    assert "Extraneous channel found: 'test'" in train(HYPERPARAMETERS)[0]
