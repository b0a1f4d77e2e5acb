"""Right and wrong answers of section 17, in the form of `answers.py`."""

from __future__ import annotations

import copy

import pandas as pd

from .answers import replaced_region, script
from .changes_lab4 import both, closed, execution, failed, kernel, local, renamed, step
from .lab4 import CODE, get
from .lab4_tuning import BEST, NAME, TOP, trial

# --- how an answer is made ------------------------------------------------------------------


def asked(**changed):
    """Another request for the tuning job."""
    return lambda work: work.jobs["tuning"]["request"].update(changed)


def objective(kind="Maximize", metric="validation:accuracy"):
    return asked(HyperParameterTuningJobObjective={"Type": kind, "MetricName": metric})


def limits(most=8, parallel=2):
    return asked(
        ResourceLimits={"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel}
    )


def searched(name, **changed):
    """Another range for a hyperparameter."""

    def change(work):
        ranges = work.jobs["tuning"]["request"]["ParameterRanges"]["ContinuousParameterRanges"]
        next(one for one in ranges if one["Name"] == name).update(changed)

    return change


def of_kind(name, kind, **about):
    """A range of another kind for a hyperparameter, or one more."""

    def change(work):
        ranges = work.jobs["tuning"]["request"]["ParameterRanges"]
        known = ranges["ContinuousParameterRanges"]
        known[:] = [one for one in known if one["Name"] != name]
        ranges[f"{kind}ParameterRanges"].append({"Name": name, **about})

    return change


def tuning_job(**changed):
    return lambda work: work.jobs["tuning"].update(changed)


def again(**changed):
    """A tuning job was started after the first one."""
    return lambda work: work.again(**changed)


def shown(table=None, best=None):
    """The cell shows another table, or another name; a function is given the table of ours."""

    def change(work):
        frame = work.table()
        work.show(table(frame) if table else frame, trial(BEST) if best is None else best)

    return change


def results(table=None, best=None):
    """The notebook is open, with another table or another name."""

    def make(work):
        frame = work.table()
        frame = table(frame) if table else frame
        return {"trials": frame, "best_job": trial(BEST) if best is None else best}

    return kernel(make)


def all_columns(work):
    """The cell shows the whole table, as pandas breaks it in a notebook."""
    with pd.option_context("display.max_columns", 20):
        text = f"the best: {trial(BEST)}\n{work.table()!r}"
    work.printed("17-tuning", "trials = tuner", text)


def values(*pairs):
    """Other values of trials: {place: value}; the cell shows them."""

    def change(work):
        for place, value in pairs:
            work.values[place] = value
        work.print()

    return change


def model(address):
    """Another address of the model that Evaluate is given."""

    def change(arguments, work):
        for one in arguments["ProcessingInputs"]:
            if one["S3Input"]["LocalPath"] == f"{CODE}/model":
                one["S3Input"]["S3Uri"] = address(work)

    return step("17.4", "Evaluate", change)


def as_training(work):
    work.step("17.4", "Tune")["Type"] = "Training"


def by_name(table):
    return table.sort_values("TrainingJobName")


# --- main.py, written in another way than ours ------------------------------------------------

KNOWN_ARGUMENTS = """\
for name, default in {"dropout": 0.4, "learning-rate": 1e-3}.items():
    parser.add_argument(f"--{name}", default=default, type=float)
args, _ = parser.parse_known_args()
keras.utils.set_random_seed(args.seed)
model = create_cnn_model(dropout=args.dropout, learning_rate=args.learning_rate)
"""
SHORT_NAMES = """\
import random
import tensorflow as tf

parser.add_argument("--learning-rate", "--learning_rate", dest="rate", type=float, default="0.001")
parser.add_argument("--dropout", type=lambda text: float(text), default=0.4)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
tf.random.set_seed(args.seed)
model = create_cnn_model(args.rate, args.dropout)
"""
RATE, DROPOUT = (
    f'"--{name}", type=float, default={default}'
    for name, default in (("learning-rate", "0.001"), ("dropout", "0.4"))
)
SEED, MADE = "keras.utils.set_random_seed(args.seed)", "create_cnn_model(args.learning_rate"
AFTER = """\
parser.add_argument("--learning-rate", type=float, default=0.001)
parser.add_argument("--dropout", type=float, default=0.4)
args = parser.parse_args()
model = create_cnn_model(args.learning_rate, args.dropout)
keras.utils.set_random_seed(args.seed)
"""


def main(*pairs):
    return script("main.py", *pairs)


# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("17.1", "learning rate ignored", main((MADE, "create_cnn_model(0.001"))),
    ("17.1", "dropout ignored", main(("rate, args.dropout)", "rate, 0.4)"))),
    ("17.1", "one dropout ignored", main((
        "layers.Dropout(dropout),\n            layers.Dense(10",
        "layers.Dropout(0.4),\n            layers.Dense(10"))),
    ("17.1", "swapped", main((
        "(args.learning_rate, args.dropout)", "(args.dropout, args.learning_rate)"))),
    ("17.1", "whole numbers", main((RATE, RATE.replace("float", "int")))),
    ("17.1", "texts", main((RATE, RATE.replace("type=float, ", "")))),
    ("17.1", "another default of the learning rate", main((RATE, RATE.replace("0.001", "0.01")))),
    ("17.1", "another default of the dropout", main((DROPOUT, DROPOUT.replace("0.4", "0.5")))),
    ("17.1", "no default", main((DROPOUT, DROPOUT.replace(", default=0.4", "")))),
    ("17.1", "names with underscores", main(("--learning-rate", "--learning_rate"))),
    ("17.1", "only one of them", main((f"parser.add_argument({DROPOUT})", ""))),
    ("17.1", "no seed", main((SEED, ""))),
    ("17.1", "another seed than that of args", main(("seed(args.seed)", "seed(42)"))),
    ("17.1", "seed set at the end", replaced_region("17.1", AFTER)),
    ("17.1", "part of the seeds", main((SEED, "import random; random.seed(args.seed)"))),
    ("17.1", "reads nothing", main(("args = parser.parse_args()", ""))),
    ("17.1", "half a line", main((f"{MADE}, args.dropout)", MADE))),

    ("17.2", "linear", searched("learning-rate", ScalingType="Linear")),
    ("17.2", "no scale", searched("learning-rate", ScalingType="Auto")),
    ("17.2", "reverse logarithmic", searched("learning-rate", ScalingType="ReverseLogarithmic")),
    ("17.2", "the scale of the other one", both(
        searched("learning-rate", ScalingType="Auto"),
        searched("dropout", ScalingType="Logarithmic"))),
    ("17.2", "the loss", objective("Minimize", "validation:loss")),
    ("17.2", "minimize", objective("Minimize")),
    ("17.2", "16 jobs", limits(most=16)),
    ("17.2", "8 at once", limits(parallel=8)),
    ("17.2", "numbers swapped", limits(most=2, parallel=8)),
    ("17.2", "random", asked(Strategy="Random")),
    ("17.2", "another range", searched("learning-rate", MinValue="0.001")),
    ("17.2", "another end", searched("dropout", MaxValue="0.9")),
    ("17.2", "ranges swapped", both(
        searched("learning-rate", MinValue="0.1", MaxValue="0.7"),
        searched("dropout", MinValue="0.0001", MaxValue="0.1"))),
    ("17.2", "whole numbers", of_kind("dropout", "Integer", MinValue="0", MaxValue="1")),
    ("17.2", "a list", of_kind("learning-rate", "Categorical", Values=['"0.001"', '"0.01"'])),
    ("17.2", "names with underscores", searched("learning-rate", Name="learning_rate")),
    ("17.2", "only one range", searched("dropout", Name="learning-rate")),
    ("17.2", "one more range", of_kind("seed", "Integer", MinValue="1", MaxValue="9")),
    ("17.2", "another name", tuning_job(name="tensorflow-training-260504-1000")),
    ("17.2", "failed", tuning_job(status="Failed", reason="ClientError: No training job succeeded "
        f"after 5 attempts.\n{trial(4)}: AlgorithmError: KeyError: 'X_train'")),
    ("17.2", "stopped", tuning_job(status="Stopped")),
    ("17.2", "being stopped", tuning_job(status="Stopping")),
    ("17.2", "a newer one is wrong", both(again(), lambda work: work.jobs["later"][
        "request"].update(Strategy="Random"))),
    ("17.2", "the cell ran since", lambda work: work.ran_later("17.2")),
    ("17.2", "the cell stopped", lambda work: work.stopped("17-tuning", "17.2",
        "ValueError", "Objective metric name not provided")),
    ("17.2", "local mode", local("17.2")),

    ("17.3", "worst first", shown(lambda table: table[::-1])),
    ("17.3", "worst first in the kernel", results(lambda table: table[::-1])),
    ("17.3", "unsorted", shown(by_name)),
    ("17.3", "the best first and the others not sorted", shown(
        lambda table: table.iloc[[0, 3, 1, 2, 4, 5, 6, 7]])),
    ("17.3", "three of them", shown(lambda table: table.head(3))),
    ("17.3", "three of them in the kernel", results(lambda table: table.head(3))),
    ("17.3", "no table", results(lambda table: "lab4-tuning")),
    ("17.3", "without the metric", results(lambda table: table.drop(
        columns="FinalObjectiveValue"))),
    ("17.3", "without the metric and closed", shown(lambda table: table.drop(
        columns="FinalObjectiveValue"))),
    ("17.3", "the analytics", results(lambda table: type("Analytics", (), {})())),
    ("17.3", "of an older tuning job", shown(lambda table: table.assign(
        FinalObjectiveValue=table["FinalObjectiveValue"] - 0.01))),
    ("17.3", "the tuning job", shown(best=NAME)),
    ("17.3", "the worst job", shown(best=trial(3))),
    ("17.3", "the first job in the kernel", results(best=trial(0))),
    ("17.3", "a dict", shown(best=str({"TrainingJobName": trial(BEST), "FinalObjectiveValue": 1}))),
    ("17.3", "a dict in the kernel", results(best={"TrainingJobName": trial(BEST)})),
    ("17.3", "the value", results(best=0.9878)),
    ("17.3", "no name", shown(best="None")),
    ("17.3", "not printed", lambda work: work.printed("17-tuning", "trials = tuner",
        repr(work.table().filter(["FinalObjectiveValue"])))),
    ("17.3", "no table shown", lambda work: work.printed("17-tuning", "trials = tuner",
        f"the best: {trial(BEST)}\n")),
    ("17.3", "one without a value first", both(values((2, None)), shown(
        lambda table: table[::-1]))),
    ("17.3", "one without a value is the best", both(values((2, None)), shown(best=trial(2)))),
    ("17.3", "not saved", closed("17-tuning", "trials = tuner")),
    ("17.3", "minimize", objective("Minimize")),
    ("17.3", "failed tuning job", tuning_job(status="Failed", reason="ClientError: …")),
    ("17.3", "local mode", local("17.3")),

    ("17.4", "another name", renamed("17.4", "Tune", "Tuning")),
    ("17.4", "a training step", as_training),
    ("17.4", "the second best", model(lambda work: work.model(TOP.replace("[0]", "[1]")))),
    ("17.4", "no prefix", model(lambda work: work.model(prefix=""))),
    ("17.4", "another prefix", model(lambda work: work.model(prefix="Lab4/Training"))),
    ("17.4", "a slash too many", model(lambda work: work.model(prefix="Lab4/Tuning/"))),
    ("17.4", "written down", model(lambda work: work.uri(
        f"Tuning/{trial(BEST)}/output/model.tar.gz"))),
    ("17.4", "model of another step", model(lambda work: get(
        "Steps.Train.ModelArtifacts.S3ModelArtifacts"))),
    ("17.4", "the name of the job", model(lambda work: get(TOP))),
    ("17.4", "failed tuning", failed("tuned", "Tune", "ClientError: No training job succeeded "
        "after 4 attempts.\nabcdefghijkl-Tune-004: AlgorithmError: KeyError: 'X_train'")),
    ("17.4", "failed", failed("tuned", "Evaluate", "ClientError: No S3 objects found under S3 URL "
        '"s3://bucket/Lab4/Tuning/x/output/model.tar.gz"')),
    ("17.4", "stopped", execution("tuned", status="Stopped")),
    ("17.4", "somebody else's with a cache", lambda work: [
        work.jobs["tuned"].update(directory=work.folder.parent / "other"),
        failed("tuned", "Tune", "ClientError: …")(work),
        work.jobs["tuned"]["steps"]["Preprocess"].update(CacheHitResult={})]),
    ("17.4", "the cell ran since", lambda work: work.ran_later("17.4")),
    ("17.4", "the cell stopped", lambda work: work.stopped("17-tuning", "17.4",
        "TypeError", "get_top_model_s3_uri() missing 1 required positional argument")),
    ("17.4", "local mode", local("17.4")),
]  # fmt: skip


# --- right answers that are not ours --------------------------------------------------------

RIGHT = [
    ("17.1", "known arguments, in another order", replaced_region("17.1", KNOWN_ARGUMENTS)),
    ("17.1", "two names for one, and three seeds", replaced_region("17.1", SHORT_NAMES)),
    ("17.1", "one more argument", main((
        "args = parser", 'parser.add_argument("--patience", type=int)\n    args = parser'))),

    ("17.2", "early stopping", asked(TrainingJobEarlyStoppingType="Auto")),
    ("17.2", "numbers written otherwise", both(
        searched("learning-rate", MinValue="1e-4", MaxValue="1e-1"),
        searched("dropout", MinValue="0.10", MaxValue="0.70", ScalingType="Linear"))),
    ("17.2", "in another order", lambda work: work.jobs["tuning"]["request"]["ParameterRanges"][
        "ContinuousParameterRanges"].reverse()),
    ("17.2", "started twice", again()),
    ("17.2", "a newer one from another folder", lambda work: work.again(
        directory=work.folder.parent / "other", request={})),
    ("17.2", "one of another name is newer", both(again(), lambda work: work.jobs["later"].update(
        name="tensorflow-training-260504-1100", request={}))),

    ("17.3", "in the kernel", results()),
    ("17.3", "numbered anew", shown(lambda table: table.reset_index(drop=True))),
    ("17.3", "sorted by two columns", results(lambda table: table.sort_values(
        ["FinalObjectiveValue", "learning-rate"], ascending=[False, True], ignore_index=True))),
    ("17.3", "two are the best", both(values((0, 0.9878)), shown(best=trial(0)))),
    ("17.3", "two are the best in the kernel", both(values((0, 0.9878)), results(
        lambda table: table[::-1].sort_values("FinalObjectiveValue", ascending=False,
                                              kind="stable"), best=trial(0)))),
    ("17.3", "all columns, in two rows of columns", all_columns),
    ("17.3", "one has no value", values((2, None))),
    ("17.3", "one has no value in the kernel", both(values((2, None)), results())),

    ("17.4", "the best training job", model(lambda work: work.model(
        "Steps.Tune.BestTrainingJob.TrainingJobName"))),
    ("17.4", "after another step, and with a cache", lambda work: work.step("17.4", "Tune").update(
        DependsOn=["Preprocess"], CacheConfig={"Enabled": True, "ExpireAfter": "P7D"})),
    ("17.4", "a step more", lambda work: work.definitions["lab4-digits-tuning"]["Steps"].append(
        {"Name": "Report", "Type": "Processing", "Arguments": {}})),
    ("17.4", "started twice", lambda work: work.jobs.update(
        later=copy.deepcopy(work.jobs["tuned"]))),
]  # fmt: skip
