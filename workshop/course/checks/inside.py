"""Runs in a job's sandbox: tries a learner's script and reports what it did.

`python inside.py NAME` calls the function of that name below. The working directory holds the
scripts. Needs numpy; only `train`, `resume` and `load_checkpoint` start TensorFlow, for all others
it is replaced by something that takes every call. What Lab 3 needs beyond the others, its own
functions import.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import inspect
import json
import os
import re
import shutil
import signal
import sys
import traceback
import types

import numpy as np

PLACE = "/opt/ml/check"
MODEL, CHECKPOINTS, OUTPUT = "/opt/ml/model", "/opt/ml/checkpoints", "/opt/ml/output/data"
TENSORFLOW = ("keras", "tensorflow")
REPORT = {}
MOST = 400  # characters of an error
ARGUMENTS = sys.argv[2:]


# --- 1-preprocessing ----------------------------------------------------------------------


def preprocessing():
    """Run the script as the job does."""
    execute("preprocessing.py", "__main__")


def preprocessing_paths():
    """Run the script with another preprocess_data, which notes what it was given."""
    REPORT["calls"] = []

    def preprocess_data(*arguments, **named):
        REPORT["calls"].append([str(given) for given in (*arguments, *named.values())])

    execute("preprocessing.py", "__main__", preprocess_data=preprocess_data)


def preprocess_data():
    """Call preprocess_data alone."""
    function = execute("preprocessing.py", "preprocessing").preprocess_data
    places = ["/opt/ml/processing/source_data", "/opt/ml/processing"]
    function(*places[: len(inspect.signature(function).parameters)])


# --- 2-training ---------------------------------------------------------------------------


def main():
    """Run main.py with another train_model, which notes what it was given."""
    REPORT["arguments"] = None
    record_arguments()
    sys.meta_path.insert(0, Pretend(*TENSORFLOW))
    sys.modules["training"] = training = types.ModuleType("training")
    training.create_cnn_model = Anything("create_cnn_model()")
    training.train_model = like("training.py", "train_model", note_training)
    execute("main.py", "__main__")


def record_arguments():
    """Let argparse note what the script reads, with nothing on the command line."""

    def parse_known_args(self, args=None, namespace=None):
        REPORT["options"] = {
            option: action.dest for action in self._actions for option in action.option_strings
        }
        REPORT["arguments"] = "could not be read"
        parsed, rest = original(self, [], namespace)
        REPORT["arguments"] = {name: plain(value) for name, value in vars(parsed).items()}
        return parsed, rest

    original = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = parse_known_args


def note_training(given):
    """Note what train_model was given; return a history for it."""
    arrays = {}
    for folder, _, names in os.walk("/opt/ml/desk"):
        for name in names:
            if name.endswith(".npy"):
                arrays[name.removesuffix(".npy")] = np.load(os.path.join(folder, name))

    def describe(value):
        if not isinstance(value, np.ndarray):
            return plain(value)
        same = [name for name, array in arrays.items() if np.array_equal(array, value)]
        return {"array": same[0] if same else "", "shape": list(value.shape)}

    REPORT["training"] = {name: describe(value) for name, value in given.items()}
    epochs = given.get("epochs")
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return dict.fromkeys(names, [0.5] * (epochs if isinstance(epochs, int) else 30))


# What the network says of the classes 1, 2 and 3 after each epoch. Training has class 3 alone,
# validation 6 images of class 1 and 4 of class 2. So the validation loss is smallest after the
# second epoch, the validation accuracy is highest after the third, training is best at the last.
EPOCHS = [(0.10, 0.20, 0.05), (0.30, 0.35, 0.10), (0.40, 0.10, 0.20), (0.20, 0.10, 0.40)]


def biases():
    chances = [[(1 - sum(three)) / 7, *three, *[(1 - sum(three)) / 7] * 6] for three in EPOCHS]
    return np.log(np.array(chances, "float32"))


def small_model(keras, bias):
    layer = keras.layers.Dense(10, activation="softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), layer])
    layer.bias.assign(bias)
    return model


def which_epoch(keras, path):
    """Return the epoch, from 1, that a saved model is of; None when it cannot be told."""
    try:
        bias = np.asarray(keras.models.load_model(path).layers[-1].bias)
        distances = np.abs(biases() - bias).max(axis=1)
        return int(distances.argmin()) + 1 if distances.min() < 1e-3 else None
    except Exception:
        return None


def train():
    """Call train_model with a small network whose quality in each epoch is known."""
    training = execute("training.py", "training")
    from tensorflow import keras

    class KnownEpochs(keras.callbacks.Callback):
        done = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[-1].bias.assign(biases()[KnownEpochs.done % len(EPOCHS)])
            KnownEpochs.done += 1

    fit_with(keras, KnownEpochs())
    returned = train_small(keras, training, small_model(keras, biases()[0]), len(EPOCHS))
    REPORT["returned"] = sorted(returned) if isinstance(returned, dict) else plain(returned)
    REPORT["epochs"] = KnownEpochs.done
    REPORT["saved"] = {
        os.path.join(folder, name): which_epoch(keras, os.path.join(folder, name))
        for top in (MODEL, CHECKPOINTS, "/opt/ml/output")
        for folder, _, names in os.walk(top)
        for name in names
        if name.endswith((".keras", ".h5", ".hdf5"))
    }


def fit_with(keras, callback):
    """Let every fit have one more callback, before all others."""
    fit = keras.Sequential.fit

    def fit_and_more(self, *arguments, callbacks=None, **named):
        return fit(self, *arguments, callbacks=[callback, *(callbacks or ())], **named)

    keras.Sequential.fit = fit_and_more


def train_small(keras, training, model, epochs):
    """Call train_model with a small network that learns nothing, on 10 images; return its answer.

    Training has class 3 alone, validation 6 images of class 1 and 4 of class 2.
    """
    model.compile(
        keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    given = {
        "model": model,
        "X_train": np.zeros((10, 28, 28, 1), "float32"),
        "y_train": np.full(10, 3, "uint8"),
        "X_val": np.zeros((10, 28, 28, 1), "float32"),
        "y_val": np.array([1] * 6 + [2] * 4, "uint8"),
        "model_dir": MODEL,
        "checkpoint_dir": CHECKPOINTS,
        "output_dir": OUTPUT,
        "epochs": epochs,
        "batch_size": 5,
    }
    names = list(inspect.signature(training.train_model).parameters)
    if set(names) <= set(given):
        return training.train_model(**{name: given[name] for name in names})
    return training.train_model(*list(given.values())[: len(names)])


# --- 3-evaluation -------------------------------------------------------------------------


def load_checkpoint():
    """Call load_best_checkpoint on a model.tar.gz with more than one checkpoint."""
    import tarfile

    evaluation = execute("evaluation.py", "evaluation")
    from tensorflow import keras

    folder = "/opt/ml/processing/model"
    with tarfile.open(f"{folder}/model.tar.gz", "w:gz") as archive:
        for name, bias in (
            ("checkpoint-001.keras", biases()[0]),
            ("best_checkpoint.keras", biases()[1]),
            ("checkpoint-003.keras", biases()[2]),
        ):
            small_model(keras, bias).save(f"{PLACE}/{name}")
            archive.add(f"{PLACE}/{name}", name)
            os.remove(f"{PLACE}/{name}")
    model = evaluation.load_best_checkpoint(folder)
    REPORT["returned"] = type(model).__name__
    if isinstance(model, keras.Model):
        keras.models.save_model(model, f"{PLACE}/returned.keras")
        REPORT["epoch"] = which_epoch(keras, f"{PLACE}/returned.keras")


class FirstPixel:
    """Stands for a model: the first pixel of an image, times ten, is the class it predicts."""

    def predict(self, images, *_, **__):
        first = np.asarray(images)[:, 0, 0, 0]
        return np.eye(10, dtype="float32")[np.rint(first * 10).astype(int)]

    predict_on_batch = __call__ = predict


def evaluation():
    """Run evaluation.py with a model that answers with the first pixel of an image."""

    def load(*given, **named):
        REPORT["model"] = [str(path) for path in (*given, *named.values())]
        return FirstPixel()

    KNOWN["load_model"] = load
    sys.meta_path.insert(0, Pretend(*TENSORFLOW))
    execute("evaluation.py", "__main__", load_best_checkpoint=load)


# --- 4-preprocessing ----------------------------------------------------------------------


def toggle():
    """Run a notebook's cell with LOCAL as True and as False, without an SDK."""
    sys.meta_path.insert(0, Pretend("boto3", "sagemaker", "workshop"))
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    for local in (True, False):
        names, error = {"LOCAL": local}, ""
        try:
            exec(code, names)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        session = names.get("sagemaker_session")
        REPORT[str(local)] = {
            "session": getattr(session, "__name__", plain(session)),
            "config": simple(getattr(session, "config", None)),
            "instance_type": simple(names.get("instance_type")),
            "error": error,
        }


# --- 5-training ---------------------------------------------------------------------------

LAST = 12
#: The machine is taken away after these epochs; then the script starts anew.
KILLS = (3, 10)
_MOST = 40  # no right script trains so many epochs


def bias_after(epochs):
    """Return the network's bias after some epochs: it alone tells how often it was trained.

    The validation loss is smallest after epoch 2, before the first interruption.
    """
    one, two = (0.45, 0.3) if epochs == 2 else (0.1 + 0.002 * epochs, 0.1 + 0.002 * epochs)
    three = 0.05 + 0.01 * epochs
    rest = (1 - one - two - three) / 7
    return np.log(np.array([rest, one, two, three, *[rest] * 6], "float32"))


def epochs_of(model):
    """Return how many epochs a network was trained; None when it is no network of ours."""
    bias = np.asarray(getattr(model.layers[-1], "bias", 0))
    distances = [np.abs(bias_after(n) - bias).max() for n in range(_MOST + 1)]
    return int(np.argmin(distances)) if min(distances) < 1e-3 else None


def resume():
    """Train in several lives: two are ended by force, one is whole, one comes when all is done.

    The last one finds the checkpoints of the first, and the newest of them is half written.
    """
    training = execute("training.py", "training")  # imports TensorFlow, once for all lives
    # Of the validation images 6 are of class 1 and 4 of class 2.
    losses = [-float(np.dot(bias_after(n)[1:3], (0.6, 0.4))) for n in range(1, LAST + 1)]
    REPORT.update(epochs=LAST, kills=KILLS, losses=losses, lives=[])
    for done, kill in zip((0, *KILLS, LAST), (*KILLS, None, None), strict=True):
        new_machine()
        REPORT["lives"].append(life := live(training, kill))
        if "error" in life or life["began"][:1] not in ([done + 1], []):
            return
        if kill == KILLS[0]:
            shutil.copytree(CHECKPOINTS, f"{PLACE}/first")
    empty(CHECKPOINTS)
    shutil.copytree(f"{PLACE}/first", CHECKPOINTS, dirs_exist_ok=True)
    models = [path for path in by_time(CHECKPOINTS) if path.endswith((".keras", ".h5", ".hdf5"))]
    if models:
        REPORT["half"] = os.path.basename(models[-1])
        os.truncate(models[-1], os.path.getsize(models[-1]) // 2)
        new_machine()
        REPORT["lives"].append(live(training, None))


def new_machine():
    """Leave the checkpoints alone. They were just copied, so their times say nothing."""
    empty(MODEL)
    empty(OUTPUT)
    for time, path in enumerate(reversed(by_time(CHECKPOINTS)), 1_700_000_000):
        os.utime(path, (time, time))


def empty(folder):
    for entry in os.scandir(folder):
        shutil.rmtree(entry) if entry.is_dir() else os.remove(entry)


def by_time(folder):
    """Return all files below a folder, the oldest first."""
    every = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return sorted(every, key=lambda path: os.stat(path).st_mtime_ns)


def live(training, kill):
    """Call train_model in a process of its own, which is killed after some epoch, or is not."""
    place = f"{PLACE}/life.json"
    child = os.fork()
    if child == 0:
        told = {"began": []}

        def tell():
            with open(place, "w") as file:
                json.dump(told, file)

        try:
            train_on(training, kill, told, tell)
        except BaseException as error:
            told["error"] = describe(error)
        tell()
        os._exit(0)
    os.waitpid(child, 0)
    with open(place) as file:
        told = json.load(file)
    os.remove(place)
    told["names"] = [os.path.basename(path) for path in by_time(CHECKPOINTS)]
    try:
        with open(f"{OUTPUT}/history.json") as file:
            told["history"] = json.load(file)
    except (OSError, ValueError):
        told["history"] = None
    return told


def train_on(training, kill, told, tell):
    """Call train_model with a network whose bias counts its epochs, and note them."""
    from tensorflow import keras

    class Count(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            done = epochs_of(self.model)
            if done is None:
                raise ValueError("fit was called on another network than the one given")
            if done == kill:
                tell()
                os.kill(os.getpid(), signal.SIGKILL)
            if done == _MOST:
                raise RuntimeError(f"it trains more than {_MOST} epochs")
            told["began"].append(done + 1)
            self.model.layers[-1].bias.assign(bias_after(done + 1))

    fit_with(keras, Count())
    returned = train_small(keras, training, small_model(keras, bias_after(0)), LAST)
    told["returned"] = simple(returned)
    best = f"{MODEL}/best_checkpoint.keras"
    told["best"] = epochs_of(keras.models.load_model(best)) if os.path.exists(best) else None


# --- 6-evaluation -------------------------------------------------------------------------


def evaluation_of_archive():
    """Run evaluation.py with a model that answers with the first pixel of an image."""

    def load(path, *_, **__):
        with open(path, "rb") as file:
            REPORT["loaded"] = file.read().decode()
        return FirstPixel()

    KNOWN["load_model"] = load
    sys.meta_path.insert(0, Pretend(*TENSORFLOW))
    execute("evaluation.py", "__main__")


# --- 7-three-instances --------------------------------------------------------------------


def sharding():
    """Run the script as one of several hosts does."""
    execute("preprocess_shard.py", "__main__")


# --- 8-script-processor -------------------------------------------------------------------

DEPENDENCIES = "/opt/ml/processing/code_dependencies"


def code_dependencies():
    """Run all that comes before main()."""
    before = set(sys.path)
    try:
        execute("cli_parse_annotation_files.py", "__main__", main=lambda: None)
    finally:
        REPORT["added"] = [plain(path) for path in sys.path[1:] if path not in before]
        voc = getattr(sys.modules.get("voc"), "__file__", None)
        REPORT["voc"] = voc and os.path.realpath(voc)


def annotations():
    """Call to_coco alone."""
    sys.path.insert(1, DEPENDENCIES)
    script = execute("cli_parse_annotation_files.py", "cli_parse_annotation_files")
    with open(f"{PLACE}/frames.json") as file:
        REPORT["coco"] = simple(script.to_coco(json.load(file)))


# --- 9-own-container ----------------------------------------------------------------------

IMAGES, SIDE = 100, 28
#: Where a blob is, from the middle of the image, in pixels: (across, down).
BLOBS = ((0, 0), (7, 0), (0, 6))


def augmentation():
    """Call augment on copies of a gray image, then of the same with a blob in one of three places.

    The random numbers are the same each time. So the difference is the blob, without the noise, and
    three places tell how an image was moved.
    """
    import torch

    augment = execute("main.py", "main").augment

    def changed(image, seed=1):
        torch.manual_seed(len(REPORT))  # this is none of the generator's business
        images = torch.from_numpy(image.astype("float32")).repeat(IMAGES, 1, 1)
        return augment(images, torch.Generator().manual_seed(seed))

    stripes = np.zeros((SIDE, SIDE))
    stripes[:, ::2] = 1
    result = changed(stripes)
    REPORT["returned"] = type(result).__name__
    if not isinstance(result, torch.Tensor):
        return
    REPORT["type"], REPORT["shape"] = str(result.dtype), list(result.shape)
    if result.shape != (IMAGES, SIDE, SIDE):
        return
    REPORT["finite"] = bool(torch.isfinite(result).all())
    REPORT["range"] = [float(result.min()), float(result.max())]
    again = [torch.equal(result, changed(stripes, seed)) for seed in (1, 2)]
    REPORT["same"] = again
    gray = np.full((SIDE, SIDE), 0.5)
    flat = changed(gray).detach().double().numpy()
    middle = flat[:, 8:-8, 8:-8]
    REPORT["noise"] = [float(middle.std()), float(np.ptp(middle, axis=0).max())]
    REPORT["centers"] = [
        [center(one) for one in changed(gray + blob_at(*place)).detach().double().numpy() - flat]
        for place in BLOBS
    ]


def blob_at(across, down):
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    middle = (SIDE - 1) / 2
    squares = (x - middle - across) ** 2 + (y - middle - down) ** 2
    return 0.3 * np.exp(-squares / (2 * 1.8**2))


def center(image):
    """Return where the blob is, as in BLOBS; None when it is gone."""
    weights = np.where(image > 0.03, image, 0)
    y, x = np.indices(image.shape) - (SIDE - 1) / 2
    total = weights.sum()
    return [float((weights * axis).sum() / total) for axis in (x, y)] if total > 1 else None


def cost():
    """Run the cells that work out what an epoch costs; the prices are ours."""
    with open(f"{PLACE}/prices.json") as file:
        known = json.load(file)
    sys.modules["workshop"] = workshop = types.ModuleType("workshop")
    sys.modules["workshop.prices"] = workshop.prices = prices = types.ModuleType("prices")
    prices.per_hour, prices.DATE = (lambda kind, region="us-east-1": known[kind]), "today"
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    names = {}
    exec(code, names)
    REPORT["given"] = {name: simple(names.get(name)) for name in COSTS}
    REPORT["alone"] = number(names.get("alone"))
    REPORT["beside"] = [[jobs, number(names["beside"](jobs))] for jobs in (1, 10, 1000)]


COSTS = ("TRAIN", "AUGMENT", "AUGMENT_SMALL", "FETCH")


def number(value):
    """Return a number, of numpy's too, as JSON can hold it."""
    if isinstance(value, (bool, str)):
        return f"<{type(value).__name__}>"
    try:
        return float(value)
    except (TypeError, ValueError):
        return plain(value)


# --- 10-scikit-learn ----------------------------------------------------------------------


def table_split():
    """Run the script as the job does, twice."""
    made = []
    for _ in range(2):
        execute("preprocessing.py", "__main__")
        made.append({})
        for part in ("train", "test"):
            for path in by_time(f"/opt/ml/processing/{part}"):
                with open(path, "rb") as file:
                    made[-1][path] = file.read()
    REPORT["same"] = made[0] == made[1]


# --- 11-spark -----------------------------------------------------------------------------


def transformation():
    """Call transform in a Spark of one process, as small as it can be."""
    sys.path.insert(1, os.environ["SPARK_FILES"])
    import cluster

    os.environ.update(cluster.environment("localhost"))
    script = execute("preprocess.py", "preprocess")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    for name, value in cluster.DEFAULTS.items():
        builder = builder.config(name, value)
    spark = builder.config("spark.sql.codegen.factoryMode", "NO_CODEGEN").getOrCreate()
    digits = spark.read.csv(f"{PLACE}/digits.csv", schema=script.SCHEMA)
    table = script.transform(digits)
    REPORT["columns"] = simple(getattr(table, "dtypes", None))
    REPORT["returned"] = type(table).__name__
    if REPORT["columns"] and callable(getattr(table, "collect", None)):
        REPORT["rows"] = simple([list(row) for row in table.collect()])


# --- 12-framework-processors --------------------------------------------------------------

MODEL_INPUT, TEST_INPUT = "/opt/ml/processing/model", "/opt/ml/processing/test"
RIGHT = 30


def xgboost_evaluation():
    """Run evaluation.py with a small model that is right about some of the digits."""
    import tarfile

    import xgboost

    rng = np.random.default_rng(0)
    labels = np.arange(40) % 10
    # Few digits, which test.csv keeps all.
    features = rng.uniform(0, 0.2, (40, 49)).round(3) + (np.arange(49) == labels[:, None])
    settings = {"objective": "multi:softprob", "num_class": 10, "max_depth": 2, "nthread": 1}
    learned = xgboost.DMatrix(features, label=labels)
    model = xgboost.train(settings | {"min_child_weight": 0}, learned, num_boost_round=3)
    model.save_model(f"{PLACE}/xgboost-model.json")
    with tarfile.open(f"{MODEL_INPUT}/model.tar.gz", "w:gz") as archive:
        archive.add(f"{PLACE}/xgboost-model.json", "xgboost-model.json")
    truth = np.where(np.arange(40) < RIGHT, labels, (labels + 1) % 10)
    table = np.column_stack([truth, features])
    np.savetxt(f"{TEST_INPUT}/test.csv", table, delimiter=",", fmt="%.6g")
    chances = model.predict(xgboost.DMatrix(features))
    REPORT["wanted"] = {
        "accuracy": float((chances.argmax(axis=1) == truth).mean()),
        "logloss": float(-np.log(chances[np.arange(40), truth]).mean()),
        "mistakes": int((chances.argmax(axis=1) != truth).sum()),
        "images": 40,
    }
    execute("evaluation.py", "__main__")


def experiment():
    """Call evaluate and recorded of the notebook, with an SDK that only notes what it is asked."""
    sys.meta_path.insert(0, Pretend("boto3", "sagemaker"))
    with open(f"{PLACE}/components.json") as file:
        client = Experiments(json.load(file))
    session = Anything("sagemaker_session")
    session.boto_session.client = lambda *_, **__: client
    names = {
        "LOCAL": False,
        "sagemaker_client": client,
        "sagemaker_session": session,
        "script_eval": types.SimpleNamespace(run=note_run, jobs=[]),
        "source_dir": "script_xgboost",
        "inputs_with": lambda place: [f"inputs_with({place})"],
        "outputs_of": lambda name: [f"outputs_of({name})"],
    }
    with open(f"{PLACE}/cell.py") as file:
        code = compile(file.read(), "cell.py", "exec")
    REPORT["runs"] = []
    for step in (
        lambda: exec(code, names),
        lambda: names["evaluate"]("trial-2", "s3://bucket/model.tar.gz"),
        lambda: REPORT.update(recorded=simple(names["recorded"]("trial-2"))),
    ):
        REPORT["steps"] = REPORT.get("steps", 0) + 1
        step()


def note_run(code=None, **named):
    REPORT["runs"].append(simple({"code": code, **named}))


class Experiments:
    """Stands for the client of SageMaker: knows components of trials, and how to ask for them."""

    def __init__(self, trials):
        self._trials = trials  # {trial: {component: what DescribeTrialComponent says}}

    def list_trial_components(self, TrialName=None, **_):
        if TrialName not in self._trials:
            raise LookupError(f"there is no trial {TrialName!r}")
        about = self._trials[TrialName]
        keys = ("TrialComponentName", "DisplayName", "Status")
        return {"TrialComponentSummaries": [{k: one[k] for k in keys} for one in about.values()]}

    def describe_trial_component(self, TrialComponentName=None):
        for about in self._trials.values():
            if TrialComponentName in about:
                return about[TrialComponentName]
        raise LookupError(f"there is no trial component {TrialComponentName!r}")

    def get_paginator(self, name):
        call = getattr(self, name)
        return types.SimpleNamespace(paginate=lambda **named: [call(**named)])


# --- tools --------------------------------------------------------------------------------


def execute(path, name, **replaced):
    """Execute a script as module `name`, with some of its functions replaced."""
    with open(path) as file:
        tree = ast.parse(file.read(), path)
    body = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in replaced:
            node = ast.parse(f"{node.name} = __replaced__[{node.name!r}]", path).body[0]
        # One function is tried alone: without another task's gap at the top level, and without
        # what starts the script, which may be half done.
        if name == "__main__" or not isinstance(node, (ast.Raise, ast.If, ast.Expr)):
            body.append(node)
    tree.body = body
    module = types.ModuleType(name)
    module.__file__ = os.path.abspath(path)
    module.__replaced__ = replaced
    sys.modules[name] = module
    sys.argv = [path, *ARGUMENTS]
    sys.path[0] = os.getcwd()
    exec(compile(tree, path, "exec"), module.__dict__)
    return module


def like(path, name, note):
    """Return a function with the parameters of another one, which is not executed."""
    try:
        with open(path) as file:
            nodes = ast.parse(file.read()).body
        (node,) = (n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name)
    except (OSError, SyntaxError, ValueError):
        return lambda *given, **named: note({**dict(enumerate(given)), **named})
    parameters = node.args
    for parameter in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs):
        parameter.annotation = None
    code = f"def {name}({ast.unparse(parameters)}): return __note__(dict(locals()))"
    place = {"__note__": note}
    exec(code, place)
    return place[name]


def plain(value):
    if value is None or isinstance(value, (str, int, float)):
        return value
    return f"<{type(value).__name__}>"


def simple(value):
    """Return what JSON can hold of a value."""
    return json.loads(json.dumps(value, default=plain))


KNOWN = {}


class Anything(types.ModuleType):
    """Stands for a module, class, function or value: what is asked of it is another of its kind.

    The names in KNOWN are what they are there.
    """

    def __init__(self, name, *_, **__):
        super().__init__(str(name))
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in KNOWN:
            return KNOWN[name]
        setattr(self, name, Anything(f"{self.__name__}.{name}"))
        return self.__dict__[name]

    def __call__(self, *_, **__):
        return Anything(f"{self.__name__}()")


class Pretend(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports packages as Anything, in no time."""

    def __init__(self, *packages):
        self._packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Anything(spec.name)

    def exec_module(self, module):
        pass


class BadArguments(Exception):
    """What argparse prints before it ends the program."""


def bad_arguments(self, message):
    raise BadArguments(message)


def describe(error):
    """Return an exception in one line, with the line of the learner's script."""
    here = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".py")]
    here = [f for f in here if os.path.dirname(f.filename) in ("", os.getcwd())]
    where = f"{os.path.basename(here[-1].filename)}, line {here[-1].lineno}: " if here else ""
    text = " ".join(str(error).split())
    if "Stack trace: [bt]" in text:  # XGBoost's errors, with the time, and the file in C++
        text = re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", text.partition(" Stack trace: [bt]")[0])
    if len(text) > MOST:
        text = f"{text[:MOST]} …"
    if isinstance(error, NotImplementedError) and " not attempted" in text:
        return text
    if isinstance(error, BadArguments):
        return f"{sys.argv[0]}: error: {text}"
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"


if __name__ == "__main__":
    argparse.ArgumentParser.error = bad_arguments
    function = globals()[sys.argv[1]]
    try:
        function()
    except SystemExit as error:
        if error.code:
            REPORT["error"] = f"the script ended with exit status {error.code}"
    except BaseException as error:
        REPORT["error"] = describe(error)
    with open(f"{PLACE}/report.json", "w") as file:
        json.dump(REPORT, file)
