"""Right and wrong answers: what a learner may well do instead of what the solution does.

These are Lab 1's; Lab 2's are in `answers_lab2.py`. One row an answer: the task, a name, and how
it is made of the solution.
"""

from __future__ import annotations

import json

import numpy as np

from workshop.course.checks import arrays

from .conftest import split, targz

CODE = "/opt/ml/processing"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


# --- how an answer is made ------------------------------------------------------------------


def script(name, *pairs):
    """Other text in a script."""
    return lambda work: work.replace(name, *pairs)


def notebook(name, *pairs):
    """Other text in the cells of a notebook."""
    return lambda work: work.replace_in_notebook(name, *pairs)


def request(job, **changed):
    """Another request; a function is given the present value and the work."""

    def change(work):
        about = work.jobs[job]["request"]
        for name, new in changed.items():
            about[name] = new(about[name], work) if callable(new) else new

    return change


def without(*names):
    return lambda pairs, work: {k: v for k, v in pairs.items() if k not in names}


def at(pairs):
    """Only these: {path below /opt/ml/processing: key in the bucket}."""
    return lambda _, work: {f"{CODE}/{path}": work.uri(key) for path, key in pairs.items()}


def job(name, **changed):
    return lambda work: work.jobs[name].update(changed)


def s3(job, **changed):
    """Other objects, written by a job."""
    return lambda work: work.objects[job].update(changed)


def in_s3(**changed):
    """Other arrays in S3, after the preprocessing."""
    return lambda work: work.arrays(**changed)


def both(*changes):
    return lambda work: [change(work) for change in changes]


def replaced_region(number, code):
    """Other code in the place of a task's whole region, in a script."""

    def change(work):
        from workshop.course import gaps, manifest

        region = gaps.regions(manifest.lab_of(number))[number]
        path = work.folder / region.path
        text = path.read_text()
        old = "\n".join(gaps.indented(region.code, region.indent))
        assert old in text
        path.write_text(text.replace(old, "\n".join(gaps.indented(code, region.indent))))

    return change


# --- preprocessing as one would write it with np.save ----------------------------------------

PREPROCESS = """\
import pathlib

def everything(part):
    images = np.concatenate(list(read_images(f"{local_folder}/{part}-images-idx3-ubyte.gz")))
    return images, read_labels(f"{local_folder}/{part}-labels-idx1-ubyte.gz")

pictures, classes = everything("train")
pictures = pictures.astype("float32") / 255
order = np.random.default_rng(7).permutation(len(pictures))
pictures, classes = pictures[order], classes[order]
cut = int(len(pictures) * 0.8)
test_pictures, test_classes = everything("t10k")
test_pictures = test_pictures.astype("float32") / 255
for where, data in {
    "train/X_train": pictures[:cut],
    "train/y_train": classes[:cut],
    "validation/X_val": pictures[cut:],
    "validation/y_val": classes[cut:],
    "test/X_test": test_pictures,
    "test/y_test": test_classes,
}.items():
    folder = pathlib.Path(output, where)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{folder.name}.npy", data)
"""


def edited(text, *pairs):
    """Return text with each old part, which must be there, replaced by a new one."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def preprocess(*pairs):
    return replaced_region("1.6", edited(PREPROCESS, *pairs))


MAIN = """\
if __name__ == "__main__":
    preprocess_data("/opt/ml/processing/source_data", "/opt/ml/processing")
"""
EXTRACT_ALL = """\
with tarfile.open(f"{model_dir}/model.tar.gz") as archive:
    archive.extractall(model_dir)
return keras.models.load_model(f"{model_dir}/best_checkpoint.keras")
"""
EVALUATE = """\
from pathlib import Path

pictures = np.load(Path(args.test_data) / "X_test" / "X_test.npy")
truth = np.load(Path(args.test_data) / "y_test" / "y_test.npy")
chances = load_best_checkpoint(args.model).predict(pictures)
report = model_quality(truth, np.argmax(chances, axis=1))
(Path(args.output) / "metrics.json").write_text(json.dumps(report))
np.save(Path(args.output) / "probabilities.npy", chances)
"""


def evaluate(*pairs):
    return replaced_region("3.4", edited(EVALUATE, *pairs))


FOLDERS = {name: place.rpartition("/")[0] for name, place in arrays.PLACES.items()}
SOLUTION = split()
LEAK = np.concatenate([SOLUTION["X_train"], SOLUTION["X_test"]])
LEAK_LABELS = np.concatenate([SOLUTION["y_train"], SOLUTION["y_test"]])
MODEL = "Training/training-1/output/model.tar.gz"
OUTPUT = "Training/training-1/output/output.tar.gz"


# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("1.1", "another version", request("preprocessing", image=lambda image, _: image.replace(
        "2.19.0-cpu-py312", "2.16.2-cpu-py310"))),
    ("1.1", "image of scikit-learn", request("preprocessing", image=SKLEARN)),

    ("1.2", "beside the notebook", lambda work: (work.folder / "script_processing" /
        "requirements.txt").rename(work.folder / "requirements.txt")),
    ("1.2", "another file", lambda work: (work.folder / "script_processing" /
        "requirements.txt").write_text("numpy\n")),

    ("1.3", "wrong path", request("preprocessing", inputs=at({"input": "RawData/"}))),
    ("1.3", "no input", request("preprocessing", inputs={})),
    ("1.3", "empty folder", request("preprocessing", inputs=at({"source_data": "Raw/"}))),
    ("1.3", "no f before the string", request("preprocessing", inputs={
        f"{CODE}/source_data": "s3://{bucket}/RawData/"})),
    ("1.3", "source and destination swapped", request("preprocessing", inputs=lambda _, work: {
        work.uri("RawData/"): f"{CODE}/source_data"})),
    ("1.3", "the cell stopped, the job is older", lambda work: work.stopped(
        "1-preprocessing", "1.3", "NameError", "name 'raw_dat' is not defined")),
    ("1.3", "the SDK refused, the job is older", lambda work: work.stopped(
        "1-preprocessing", "processor.run(", "ValueError", "Your inputs must be provided as …")),
    ("1.3", "not run", lambda work: work.forget("1-preprocessing")),
    ("1.3", "what AWS would refuse", job("preprocessing", refused="AWS would refuse this job: "
        "1 validation error detected: …")),
    ("1.3", "one file of four", request("preprocessing", inputs=at(
        {"source_data": "RawData/train-images-idx3-ubyte.gz"}))),

    ("1.4", "missing validation", request("preprocessing", outputs=without(
        f"{CODE}/validation/X_val", f"{CODE}/validation/y_val"))),
    ("1.4", "all in one folder", request("preprocessing", outputs=at(
        dict.fromkeys(FOLDERS.values(), "DataProcessed")))),
    ("1.4", "swapped parts", request("preprocessing", outputs=at(
        {"train": "DataProcessed/validation", "validation": "DataProcessed/train",
         "test": "DataProcessed/test"}))),
    ("1.4", "source in another place", request("preprocessing", outputs=at(
        {f"output/{folder}": f"DataProcessed/{folder}" for folder in FOLDERS.values()}))),

    ("1.4", "source and destination swapped", request("preprocessing", outputs=lambda _, work: {
        work.uri(f"DataProcessed/{folder}"): f"{CODE}/{folder}" for folder in FOLDERS.values()})),
    ("1.4", "a relative destination", request("preprocessing", outputs=lambda _, work: {
        f"{CODE}/{folder}": f"s3://{work.bucket}/preprocessing-1/output/output-{n}"
        for n, folder in enumerate(FOLDERS.values(), 1)})),
    ("1.4", "continuous upload, which local mode refuses", job("preprocessing",
        error="RuntimeError: UploadMode: Continuous is not currently supported in Local Mode.")),

    ("1.5", "started by an import too", script("preprocessing.py", (
        'if __name__ == "__main__":\n    main()', "main()"))),
    ("1.5", "no guard", script("preprocessing.py", ('if __name__ == "__main__":\n    main()', ""))),
    ("1.5", "misspelled guard", script("preprocessing.py", ('"__main__"', '"main"'))),
    ("1.5", "folder of Lab 0", script("preprocessing.py", (
        'default=SOURCE_DATA', 'default="data"'))),
    ("1.5", "another output folder", script("preprocessing.py", (
        'default=OUTPUT', 'default="/opt/ml/processing/output"'))),

    ("1.6", "swapped labels", preprocess(("classes[:cut]", "np.sort(classes[:cut])"))),
    ("1.6", "shuffled images alone", preprocess((
        "classes = pictures[order], classes[order]", "classes = pictures[order], classes"))),
    ("1.6", "the first images as they come", preprocess((
        "pictures, classes = pictures[order], classes[order]\n", ""))),
    ("1.6", "missing validation split", preprocess((
        '    "validation/X_val": pictures[cut:],\n    "validation/y_val": classes[cut:],\n', ""))),
    ("1.6", "values 0-255", preprocess(('pictures.astype("float32") / 255\norder',
                                        'pictures.astype("float32")\norder'))),
    ("1.6", "whole numbers", preprocess(('pictures = pictures.astype("float32") / 255\n', ""))),
    ("1.6", "test images in training", preprocess(
        ("pictures[:cut],", "np.concatenate([pictures[:cut], test_pictures]),"),
        ("classes[:cut],", "np.concatenate([classes[:cut], test_classes]),"))),
    ("1.6", "validation is the test file", preprocess(
        ('X_val": pictures[cut:]', 'X_val": test_pictures'),
        ('y_val": classes[cut:]', 'y_val": test_classes'),
        ("[:cut]", ""))),
    ("1.6", "images in both", preprocess(("[:cut]", ""))),
    ("1.6", "not the folder that is given", preprocess((
        "local_folder", "SOURCE_DATA"))),
    ("1.6", "not the output that is given", preprocess((
        "pathlib.Path(output, where)", "pathlib.Path(OUTPUT, where)"))),
    ("1.6", "images lost", preprocess(("0.8)", "0.8) - 100"), ("[cut:]", "[cut + 100:]"))),
    ("1.6", "tiny validation split", preprocess(("0.8", "0.99"))),
    ("1.6", "no channel", preprocess(("data)", "data[..., 0] if data.ndim == 4 else data)"))),
    ("1.6", "one folder for all", preprocess((
        "folder = pathlib.Path(output, where)", "folder = pathlib.Path(output, where).parent"))),
    ("1.6", "labels as one-hot rows", preprocess((
        "data)", "np.eye(10)[data] if data.ndim == 1 else data)"))),

    ("1.7", "raw data listed", lambda work: work.listed(*(
        f"RawData/{name}" for name in arrays.RAW_FILES))),
    ("1.7", "nothing listed", lambda work: work.listed()),
    ("1.7", "the cell stopped", lambda work: work.stopped(
        "1-preprocessing", "1.7", "ParamValidationError", "Invalid bucket name 'DataProcessed'")),
    ("1.7", "five of six listed", lambda work: work.listed(*(
        f"DataProcessed/{place}" for name, place in arrays.PLACES.items() if name != "y_val"))),
    ("1.7", "failed job", job("preprocessing", error="algo-1 exited with code 1.\n"
        "Traceback (most recent call last):\n  …\nFileNotFoundError: no such file: data")),
    ("1.7", "labels of other images", in_s3(y_val=SOLUTION["y_val"][::-1])),
    ("1.7", "test images in training", in_s3(X_train=LEAK, y_train=LEAK_LABELS)),

    ("2.1", "wrong channel name", request("training", channels=lambda pairs, _: {
        "train" if name == "X_train" else name: uri for name, uri in pairs.items()})),
    ("2.1", "no channels for validation", request("training", channels=without("X_val", "y_val"))),
    ("2.1", "images and labels swapped", request("training", channels=lambda pairs, _: {
        **pairs, "X_train": pairs["y_train"], "y_train": pairs["X_train"]})),
    ("2.1", "empty folder", request("training", channels=lambda pairs, work: {
        **pairs, "X_val": work.uri("DataProcessed/val/X_val/")})),

    ("2.2", "wrong variable", script("main.py", ("SM_CHANNEL_X_TRAIN", "SM_CHANNEL_XTRAIN"))),
    ("2.2", "swapped channels", script("main.py", (
        '"--y-val", default=env("SM_CHANNEL_Y_VAL")',
        '"--y-val", default=env("SM_CHANNEL_Y_TRAIN")'))),
    ("2.2", "folder written out", script("main.py", (
        'env("SM_MODEL_DIR", "/opt/ml/model")', '"/opt/ml/model"'))),
    ("2.2", "SM_OUTPUT_DIR", script("main.py", ("SM_OUTPUT_DATA_DIR", "SM_OUTPUT_DIR"))),
    ("2.2", "no checkpoints", script("main.py", (
        '    parser.add_argument("--checkpoint-dir", default="/opt/ml/checkpoints")\n', ""))),
    ("2.2", "arguments without defaults", script("main.py", (
        '"--x-train", default=env("SM_CHANNEL_X_TRAIN")', '"--x-train", required=True'))),

    ("2.3", "validates with training images", script("main.py", (
        'args.x_val, "X_val.npy"', 'args.x_train, "X_train.npy"'))),
    ("2.3", "arguments in another order", script("main.py", (
        "        y_train,\n        X_val,\n", "        X_val,\n        y_train,\n"))),
    ("2.3", "wrong file name", script("main.py", ('"y_val.npy"', '"y_validation.npy"'))),
    ("2.3", "model and output swapped", script("main.py", (
        "model_dir=args.model_dir", "model_dir=args.output_dir"))),
    ("2.3", "epochs and batch size swapped", script("main.py", (
        "epochs=args.epochs", "epochs=args.batch_size"), (
        "batch_size=args.batch_size", "batch_size=args.epochs"))),
    ("2.3", "history not kept", script("main.py", ("history = train_model(", "train_model("))),

    ("2.4", "best by the training loss", script("training.py", (
        '"val_loss", save', '"loss", save'))),
    ("2.4", "one checkpoint over and over", script("training.py", (
        "checkpoint-{epoch:03d}.keras", "checkpoint.keras"))),
    ("2.4", "history among the models", script("training.py", (
        'output_dir, "history.json"', 'model_dir, "history.json"'))),
    ("2.4", "no line for an epoch", script("training.py", ("            MetricsLog(),\n", ""))),
    ("2.4", "another batch size", script("training.py", (
        "batch_size=batch_size", "batch_size=32"))),
    ("2.4", "half a line", script("training.py", ("= model.fit(", "= model.fit(("))),

    ("2.5", "finds val_loss too", request("training", metrics=lambda pairs, _: {
        **pairs, "train:loss": "loss=([0-9.]+)"})),
    ("2.5", "no group", request("training", metrics=lambda pairs, _: {
        **pairs, "train:accuracy": " accuracy=[0-9.]+"})),
    ("2.5", "finds nothing", request("training", metrics=lambda pairs, _: {
        **pairs, "validation:loss": "val_loss: ([0-9.]+)"})),
    ("2.5", "other names", request("training", metrics=lambda pairs, _: {
        name.partition(":")[2]: regex for name, regex in pairs.items()})),
    ("2.5", "no definitions", request("training", metrics={})),
    ("2.5", "open bracket", request("training", metrics=lambda pairs, _: {
        **pairs, "train:loss": " loss=([0-9.]+"})),

    ("2.6", "definitions that are a text", request("training", metrics="train:loss")),
    ("2.6", "model_dir left", request("training", hyperparameters=lambda pairs, work: {
        **pairs, "model_dir": f'"{work.uri("Training/training-1/model")}"'})),
    ("2.6", "starts training.py", request("training", hyperparameters=lambda pairs, _: {
        **pairs, "sagemaker_program": '"training.py"'})),
    ("2.6", "no output path", request("training", output=lambda _, work: work.uri(""))),
    ("2.6", "another version", request("training", image=lambda image, _: image.replace(
        "2.19.0-cpu-py312", "2.16.2-cpu-py310"))),
    ("2.6", "TensorFlow is loud", request("training", environment=without("TF_CPP_MIN_LOG_LEVEL"))),
    ("2.6", "the toolkit is loud", request("training", hyperparameters=without(
        "sagemaker_container_log_level"))),
    ("2.6", "no hyperparameters", request("training", hyperparameters=without(
        "epochs", "batch-size"))),
    ("2.6", "no batch size", request("training", hyperparameters=without("batch-size"))),
    ("2.6", "unknown hyperparameter", request("training", hyperparameters=lambda pairs, _: {
        **pairs, "learning-rate": "0.1"})),

    ("2.7", "no cell for it", notebook("2-training", ("output_uri = ", "elsewhere = "))),
    ("2.7", "the model twice", lambda work: work.printed("2-training", "output_uri =",
        f"{work.uri(MODEL)}\n{work.uri(MODEL)}\n")),
    ("2.7", "exchanged", lambda work: work.printed("2-training", "output_uri =",
        f"{work.uri(OUTPUT)}\n{work.uri(MODEL)}\n")),
    ("2.7", "an address where nothing is", lambda work: work.stopped(
        "2-training", "2.7", "NoSuchBucket", "The specified bucket does not exist")),
    ("2.7", "printed nothing", lambda work: work.printed("2-training", "output_uri =", "")),
    ("2.7", "another job's files printed", lambda work: work.printed("2-training", "output_uri =",
        f"{work.uri(MODEL.replace('-1', '-0'))}\n{work.uri(OUTPUT.replace('-1', '-0'))}\n")),
    ("2.7", "model without the best checkpoint", s3("training", **{
        MODEL: targz(**{"checkpoint-030.keras": b"m"})})),
    ("2.7", "metrics in the wrong place", s3("training", **{
        MODEL: targz(**{"best_checkpoint.keras": b"m", "history.json": b"{}"}), OUTPUT: targz()})),

    ("3.1", "output.tar.gz", request("evaluation", inputs=lambda pairs, work: {
        **pairs, f"{CODE}/model": work.uri(OUTPUT)})),
    ("3.1", "an older model", both(
        lambda work: setattr(work, "pause", 1.1),
        s3("", **{MODEL.replace("-1", "-0"): targz()}),
        request("evaluation", inputs=lambda pairs, work: {
            **pairs, f"{CODE}/model": work.uri(MODEL.replace("-1", "-0"))}))),
    ("3.1", "no model", request("evaluation", inputs=without(f"{CODE}/model"))),

    ("3.2", "wrong path", request("evaluation", inputs=lambda pairs, work: {
        **without(f"{CODE}/model")(pairs, work), f"{CODE}/input": work.uri(MODEL)})),
    ("3.2", "validation instead of test", request("evaluation", inputs=lambda pairs, work: {
        **pairs, f"{CODE}/test/X_test": work.uri("DataProcessed/validation/X_val/")})),
    ("3.2", "no labels", request("evaluation", inputs=without(f"{CODE}/test/y_test"))),
    ("3.2", "all the data", request("evaluation", inputs=lambda pairs, work: {
        **pairs, f"{CODE}/data": work.uri("DataProcessed/")})),

    ("3.3", "first checkpoint of the archive", replaced_region("3.3", EXTRACT_ALL.replace(
        "(model_dir)\n", "(model_dir)\n    first = archive.getnames()[0]\n").replace(
        "best_checkpoint.keras", "{first}"))),
    ("3.3", "nothing returned", replaced_region("3.3", EXTRACT_ALL.replace("return ", "model = "))),

    ("3.4", "truth and prediction swapped", evaluate((
        "model_quality(truth, np.argmax(chances, axis=1))",
        "model_quality(np.argmax(chances, axis=1), truth)"))),
    ("3.4", "metrics where Lab 0 had them", evaluate((
        '(Path(args.output) / "metrics.json")',
        'Path("output").mkdir()\nPath("output/metrics.json")'))),
    ("3.4", "still imports utils", script("evaluation.py", (
        "import numpy as np\n", "import numpy as np\nimport utils\n"))),
    ("3.4", "chances instead of classes", evaluate(("np.argmax(chances, axis=1)", "chances"))),
    ("3.4", "the least likely class", evaluate(("np.argmax", "np.argmin"))),
    ("3.4", "no probabilities", evaluate((
        'np.save(Path(args.output) / "probabilities.npy", chances)', ""))),
    ("3.4", "classes saved as probabilities", evaluate((
        '"probabilities.npy", chances', '"probabilities.npy", chances.argmax(axis=1)'))),
    ("3.4", "another layout", evaluate(("json.dumps(report)", "json.dumps({'accuracy': 0.75})"))),

    ("3.5", "no output", request("evaluation", outputs={})),
    ("3.5", "wrong folder in the container", request("evaluation", outputs=at(
        {"output": "Evaluation"}))),
    ("3.5", "metrics in the wrong place", request("evaluation", outputs=at(
        {"evaluation": "DataProcessed/evaluation"}))),
    ("3.5", "failed job", job("evaluation", error="Traceback\nKeyError: 'best_checkpoint.keras'")),
    ("3.5", "not what the model quality report is", s3("evaluation", **{
        "Evaluation/metrics.json": json.dumps({"accuracy": 0.9}).encode()})),
]  # fmt: skip


# --- right answers that differ from the solution ----------------------------------------------

RIGHT = [
    ("1.2", "with a line of one's own", lambda work: (work.folder / "script_processing" /
        "requirements.txt").open("a").write("\ntqdm\n")),
    ("1.3", "no slash at the end", request("preprocessing", inputs=at({"source_data": "RawData"}))),
    ("1.3", "one more input", request("preprocessing", inputs=at(
        {"source_data": "RawData/", "more": "RawData/"}))),
    ("1.4", "an output a part", request("preprocessing", outputs=at(
        {part: f"DataProcessed/{part}/" for part in arrays.ARRAYS}))),
    ("1.5", "no main, paths written out", replaced_region("1.5", MAIN)),
    ("1.5", "paths with a slash", script("preprocessing.py", (
        'default=OUTPUT', 'default="/opt/ml/processing/"'))),
    ("1.6", "np.save", preprocess()),
    ("1.6", "another share", preprocess(("0.8", "0.7"))),
    ("1.6", "float64 and int64", preprocess(
        ('astype("float32")', 'astype("float64")'),
        ("classes[:cut]", 'classes[:cut].astype("int64")'))),
    ("1.6", "folders that are there already", preprocess((
        "    folder.mkdir(parents=True, exist_ok=True)\n", ""))),
    ("1.7", "keys of the AWS CLI", lambda work: work.printed(
        "1-preprocessing", '{bucket}/DataProcessed/"', "\n".join(
            f"2026-11-20 12:01:02  128 DataProcessed/{place}"
            for place in arrays.PLACES.values()))),
    ("1.7", "another split", in_s3(**split(0.3))),
    ("2.1", "small letters", request("training", channels=lambda pairs, _: {
        name.lower(): uri for name, uri in pairs.items()})),
    ("2.1", "the file itself", request("training", channels=lambda pairs, _: {
        name: f"{uri}{name}.npy" for name, uri in pairs.items()})),
    ("2.2", "other names", script("main.py",
        ('"--x-train"', '"--images"'), ('"--model-dir"', '"--model_dir"'))),
    ("2.3", "all by name", script("main.py",
        ("        X_train,\n        y_train,\n        X_val,\n        y_val,\n",
         "        y_val=y_val,\n        X_val=X_val,\n"
         "        y_train=y_train,\n        X_train=X_train,\n"))),
    ("2.3", "other variables", script("main.py",
        ("X_train = np", "pictures = np"), ("len(X_train)", "len(pictures)"),
        ("        X_train,\n", "        pictures,\n"))),
    ("2.4", "other names, mode given", script("training.py",
        ("checkpoint-{epoch:03d}.keras", "{epoch}-{val_loss:.2f}.keras"),
        ('"val_loss", save', '"val_loss", mode="min", save'))),
    ("2.5", "other expressions", request("training", metrics=lambda pairs, _: {
        "train:loss": r"(?<!val_)loss=(\S+)", "train:accuracy": r"\baccuracy=(\d+\.\d+)",
        "validation:loss": r"val_loss=(.*)$", "validation:accuracy": r"val_accuracy=(\S+)",
        "more": "epoch (.*)/"})),
    ("2.6", "more hyperparameters, no slash", request("training",
        output=lambda _, work: work.uri("Training"),
        hyperparameters=lambda pairs, _: {**pairs, "seed": "7"})),
    ("2.7", "with words of one's own", lambda work: work.printed("2-training", "output_uri =",
        f"the model: {work.uri(MODEL)}\nthe rest: {work.uri(OUTPUT)}\n")),
    ("3.2", "one input for both arrays", request("evaluation", inputs=at(
        {"model": MODEL, "test": "DataProcessed/test/"}))),
    ("3.3", "extractall", replaced_region("3.3", EXTRACT_ALL)),
    ("3.4", "pathlib", evaluate()),
    ("3.5", "slash at the end", request("evaluation", outputs=at({"evaluation": "Evaluation/"}))),
    ("3.5", "what an earlier answer left is there too", s3("evaluation", **{
        "Evaluation/metrics.json/metrics.json": b"{}",
        "Evaluation/metrics.json/probabilities.npy": b""})),
]  # fmt: skip
