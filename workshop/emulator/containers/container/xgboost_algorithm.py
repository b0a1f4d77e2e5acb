"""The algorithm in XGBoost's image: what its ``train`` does with a job that brings no script.

    xgboost_algorithm.train(VERSION)

VERSION is the image's, such as ``1.5-1``. Hyperparameters, channels and errors are those of AWS's
algorithm (https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html;
https://github.com/aws/sagemaker-xgboost-container, ``algorithm_mode``). It is played on one
instance, with CSV or libsvm; what else the image can do is refused by name.
"""

import csv
import json
import pickle
import re
import sys
from pathlib import Path

_INPUT, _MODEL = Path("/opt/ml/input"), Path("/opt/ml/model/xgboost-model")
_CHECKPOINT, _KEPT_CHECKPOINTS = "xgboost-checkpoint", 5

#: Names of hyperparameters and what their values may be, as mathematics writes an interval.
_WHOLE = {
    **dict.fromkeys(("num_round", "early_stopping_rounds", "nthread", "num_parallel_tree"), "[1,]"),
    **dict.fromkeys(("max_depth", "max_leaves", "max_bin"), "[0,]"),
    **dict.fromkeys(("csv_weights", "refresh_leaf", "one_drop"), "[0,1]"),
    **{"verbosity": "[0,3]", "num_class": "[2,]", "seed": "[,]"},
}
_NUMBERS = {
    **dict.fromkeys(("gamma", "min_child_weight", "max_delta_step", "lambda", "alpha"), "[0,]"),
    **dict.fromkeys(("eta", "rate_drop", "skip_drop", "lambda_bias"), "[0,1]"),
    **{f"colsample_{part}": "(0,1]" for part in ("bytree", "bylevel", "bynode")},
    **{"subsample": "(0,1]", "sketch_eps": "(0,1)", "scale_pos_weight": "(0,]"},
    **{"base_score": "[0,]", "tweedie_variance_power": "(1,2)", "huber_slope": "(0,]"},
    "aft_loss_distribution_scale": "(0,]",
}
_CHOICES = {
    "booster": "gbtree gblinear dart",
    "tree_method": "auto exact approx hist",
    "process_type": "default update",
    "grow_policy": "depthwise lossguide",
    "sample_type": "uniform weighted",
    "normalize_type": "tree forest",
    "save_model_on_termination": "true false",
    "aft_loss_distribution": "normal logistic extreme",
    "objective": "binary:logistic binary:logitraw binary:hinge count:poisson multi:softmax "
    "multi:softprob rank:pairwise rank:ndcg rank:map reg:linear reg:squarederror reg:logistic "
    "reg:gamma reg:pseudohubererror reg:squaredlogerror reg:tweedie reg:absoluteerror survival:aft "
    "survival:cox",
}
#: XGBoost itself looks at these.
_AS_GIVEN = ("updater", "monotone_constraints", "interaction_constraints", "eval_metric")
_OBJECTIVE_METRIC = "_tuning_objective_metric"
_NOT_PLAYED = {
    **dict.fromkeys(("_kfold", "_num_cv_round"), "validate across folds in a script of yours"),
    "use_dask_gpu_training": "leave it out: no GPU is used",
}
#: XGBoost has these; the image computes more (``metrics/custom_metrics.py``).
_HIGHER_IS_BETTER = ("auc", "aucpr", "map", "ndcg", "pre")
_METRICS = (
    *(*_HIGHER_IS_BETTER, "aft-nloglik", "cox-nloglik", "error", "gamma-deviance"),
    *("gamma-nloglik", "interval-regression-accuracy", "logloss", "mae", "mape", "merror"),
    *("mlogloss", "mphe", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik"),
)


def settings(given: dict[str, str]) -> dict:
    """Return hyperparameters as XGBoost takes them, from the texts of a job.

    Exits with the image's own words (``sagemaker_algorithm_toolkit``) where it refuses one.
    """
    if "num_round" not in given:
        sys.exit("Missing required hyperparameter: num_round")
    found = {name: _value(name, text) for name, text in given.items()}
    if found.get("objective", "").startswith("multi:") and "num_class" not in found:
        sys.exit("Require input for parameter 'num_class' for multi-classification")
    metrics = found.get("eval_metric", "").split(",")
    metrics.append(found.pop(_OBJECTIVE_METRIC, "").rpartition(":")[2])
    metrics = [one.strip() for one in metrics if one.strip()]
    for one in metrics:
        if re.split("[@-]", one)[0] not in _METRICS and one not in _METRICS:
            sys.exit(
                f"Hyperparameter eval_metric: {one} is not computed here. XGBoost's own metrics "
                f"are: {', '.join(_METRICS)}. Choose one of these, or compute it in a script."
            )
    return found | ({"eval_metric": [*dict.fromkeys(metrics)]} if metrics else {})


def _value(name: str, text: str) -> object:
    if name in _NOT_PLAYED:
        sys.exit(f"Hyperparameter {name} is not played here: {_NOT_PLAYED[name]}.")
    if name in _CHOICES:
        choices = _CHOICES[name].split()
        if text not in choices:
            sys.exit(f"Hyperparameter {name}: {text} is not in {choices}")
        return text
    if name in (*_AS_GIVEN, _OBJECTIVE_METRIC):
        return text
    interval = _WHOLE.get(name) or _NUMBERS.get(name)
    if interval is None:
        sys.exit(f"Extraneous hyperparameter found: {name}. Look for a misspelled name.")
    kind = int if name in _WHOLE else float
    try:
        value = kind(text)
    except ValueError:
        sys.exit(f"Hyperparameter {name}: could not parse value {text!r}: give a number.")
    low, high = interval[1:-1].split(",")
    low_is_in, high_is_in = interval[0] == "[", interval[-1] == "]"
    if (low and not (value > float(low) or (low_is_in and value == float(low)))) or (
        high and not (value < float(high) or (high_is_in and value == float(high)))
    ):
        sys.exit(f"Hyperparameter {name}: {text} is not in {interval}")
    return value


def data(channel: str, weights: bool):
    """Return the DMatrix of a channel; the label is the first column, weights are the second.

    CSV has no header. Exits where there is no data, or none that can be read.
    """
    import xgboost

    config = json.loads((_INPUT / "config" / "inputdataconfig.json").read_text())[channel]
    if config["TrainingInputMode"] != "File":
        sys.exit(f"Channel {channel}: the algorithm is played in File mode only.")
    content_type = config.get("ContentType", "libsvm").lower().partition(";")[0].strip()
    folder = _INPUT / "data" / channel
    files = sorted(
        one for one in folder.rglob("*") if one.is_file() and not one.name.startswith((".", "_"))
    )
    if not sum(one.stat().st_size for one in files):
        kind = "training" if channel == "train" else channel
        sys.exit(f"No data in {kind} channel path {folder}")
    if content_type in ("csv", "text/csv"):
        rows = _rows(files)
        first = 2 if weights else 1
        return xgboost.DMatrix(rows[:, first:], rows[:, 0], weight=rows[:, 1] if weights else None)
    if content_type in ("libsvm", "text/libsvm", "text/x-libsvm"):
        from scipy.sparse import vstack
        from sklearn.datasets import load_svmlight_files

        try:
            read = load_svmlight_files(files, zero_based=True)
        except ValueError as error:
            sys.exit(
                f"Failed to load libsvm data with exception:\n{error}\nIs it CSV? Then give the "
                'channel its type: TrainingInput(…, content_type="text/csv").'
            )
        return xgboost.DMatrix(vstack(read[::2]), [label for part in read[1::2] for label in part])
    sys.exit(
        f"{content_type} is not an accepted ContentType here: csv, text/csv, libsvm, text/libsvm, "
        "text/x-libsvm are."
    )


def _rows(files: list[Path]):
    import numpy as np
    import pandas as pd

    tables = []
    for file in files:
        with file.open(encoding="utf-8", errors="ignore") as lines:
            first = lines.readline()
        try:
            delimiter = csv.Sniffer().sniff(first).delimiter
            tables.append(pd.read_csv(file, header=None, sep=delimiter, dtype=np.float64).values)
        except (csv.Error, ValueError) as error:
            sys.exit(
                f"Failed to load csv data with exception:\n{file.name}: {error}\nGive numbers "
                "only, the label in the first column, no line with the names of columns."
            )
    return np.concatenate(tables)


def checkpoints() -> tuple[Path | None, Path | None, int]:
    """Return the folder of checkpoints, None for none, the newest one, and how many rounds it has.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
    """
    file = _INPUT / "config" / "checkpointconfig.json"
    if not file.exists():
        return None, None, 0
    folder = Path(json.loads(file.read_text())["LocalPath"])
    numbers = [int(one.suffix[1:]) for one in folder.glob(f"{_CHECKPOINT}.*")]
    if not numbers:
        return folder, None, 0
    return folder, folder / f"{_CHECKPOINT}.{max(numbers)}", max(numbers) + 1


def train(version: str) -> None:
    """Train as the job's files in ``/opt/ml/input`` say, and write ``/opt/ml/model``."""
    import xgboost

    config = _INPUT / "config"
    channels = json.loads((config / "inputdataconfig.json").read_text())
    hosts = json.loads((config / "resourceconfig.json").read_text())["hosts"]
    found = settings(json.loads((config / "hyperparameters.json").read_text()))
    if len(hosts) > 1:
        sys.exit("The algorithm is played on one instance: set instance_count=1, or give a script.")
    for name in channels:
        if name not in ("train", "validation"):
            sys.exit(f"Extraneous channel found: '{name}'. Known: train, validation.")
    if "train" not in channels:
        sys.exit("Missing required channel: train")
    weights = found.pop("csv_weights", 0) == 1
    sets = [(data(name, weights), name) for name in ("train", "validation") if name in channels]
    print(f"Train matrix has {sets[0][0].num_row()} rows and {sets[0][0].num_col()} columns")

    folder, checkpoint, done = checkpoints()
    keeps_model = found.pop("save_model_on_termination", "false") == "true"

    class EachRound(xgboost.callback.EarlyStopping):
        """Prints the metrics, which CloudWatch keeps, writes a checkpoint, and stops early.

        One callback does it all: of several, XGBoost leaves out those that come after a stop.
        """

        def after_iteration(self, model, epoch, evals_log):
            number = done + epoch
            texts = [
                f"\t{name}-{metric}:{values[-1]:.5f}"
                for name, metrics in evals_log.items()
                for metric, values in metrics.items()
            ]
            print(f"[{number}]{''.join(texts)}", flush=True)
            if folder:
                # Seen in one piece only: it is uploaded as it appears.
                half = folder / f".{_CHECKPOINT}"
                half.write_bytes(model.save_raw("ubj"))
                half.rename(folder / f"{_CHECKPOINT}.{number}")
                old = folder / f"{_CHECKPOINT}.{number - _KEPT_CHECKPOINTS}"
                old.unlink(missing_ok=True)
            if keeps_model:
                save(model, version)
            return patience is not None and super().after_iteration(model, epoch, evals_log)

        def after_training(self, model):
            return model if patience is None else super().after_training(model)

    patience = found.pop("early_stopping_rounds", None)
    metric = found["eval_metric"][-1] if "eval_metric" in found else None
    each_round = EachRound(
        rounds=patience,
        metric_name=metric,
        data_name=sets[-1][1],
        maximize=metric.partition("@")[0] in _HIGHER_IS_BETTER if metric else None,
        save_best=True,
    )
    try:
        model = xgboost.train(
            found,
            sets[0][0],
            found.pop("num_round") - done,
            evals=sets,
            xgb_model=xgboost.Booster(model_file=checkpoint) if checkpoint else None,
            callbacks=[each_round],
            verbose_eval=False,
        )
    except xgboost.core.XGBoostError as error:
        reason = str(error).partition("\nStack trace:")[0].strip()
        sys.exit(f"XGB train call failed with exception:\n {reason}")
    save(model, version)


def save(model, version: str) -> None:
    """Write a model as the image of that version does: a pickle before 1.3, else XGBoost's own.

    https://github.com/aws/amazon-sagemaker-examples/issues/2952
    """
    pickled = tuple(map(int, re.findall(r"\d+", version)[:2])) < (1, 3)
    _MODEL.write_bytes(pickle.dumps(model) if pickled else model.save_raw("ubj"))
