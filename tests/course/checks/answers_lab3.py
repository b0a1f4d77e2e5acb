"""Right and wrong answers of Lab 3, in the form of `answers.py`."""

from __future__ import annotations

import json

from .answers import CODE, at, both, edited, job, replaced_region, request, s3
from .answers_lab2 import closed, printed, value
from .conftest import targz
from .lab3 import ROWS, SKLEARN, TASKS, TRAINED, XGBOOST, event_log

# --- how an answer is made ------------------------------------------------------------------


def outputs(job, **changed):
    """Other outputs: a name and (folder below /opt/ml/processing, key in the bucket), or None."""

    def change(work):
        pairs = work.jobs[job]["request"]["outputs"]
        for name, place in changed.items():
            old = pairs.pop(name, None)
            folder, key = place or (None, None)
            if place:
                pairs[name] = f"{CODE}/{folder}", work.uri(key) if key else old[1]

    return change


def inputs(job, **changed):
    """Other keys in the bucket for a job's inputs, by the name of the folder."""

    def change(work):
        pairs = work.jobs[job]["request"]["inputs"]
        for path in list(pairs):
            name = path.rpartition("/")[2]
            if name in changed:
                pairs[path] = work.uri(changed[name])

    return change


def arguments(job, *pairs):
    """Other words on the command line."""
    return request(job, arguments=lambda words, _: [
        _replaced(word, pairs) for word in words])  # fmt: skip


def _replaced(word, pairs):
    for old, new in pairs:
        word = word.replace(old, new)
    return word


def in_gap(number, *pairs):
    """Other text in the code of a task's region, in a notebook or a script."""

    def change(work):
        from workshop.course import gaps, manifest

        region = gaps.regions(manifest.lab_of(number))[number]
        code = edited(region.code, *pairs)
        if region.notebook:
            name = region.path.stem
            old = region.code.removesuffix("\n")
            work.replace_in_notebook(name, (old, code.removesuffix("\n")))
        else:
            replaced_region(number, code)(work)

    return change


# --- boxes, written in another way than ours ---------------------------------------------------

COCO = """\
categories = []
known = {}
for name in sorted(set(box["name"] for frame in frames for box in frame["objects"])):
    known[name] = len(known) + 1
    categories.append({"name": name, "id": known[name], "supercategory": "digit"})
images = [
    {"id": number + 1, "license": 0, **{"file_name": frame["filename"]},
     "height": frame["height"], "width": frame["width"]}
    for number, frame in enumerate(frames)
]
annotations = []
for image, frame in zip(images, frames):
    for box in reversed(frame["objects"]):
        x0, y0, x1, y1 = (box[edge] for edge in ("xmin", "ymin", "xmax", "ymax"))
        bbox = [x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1]
        annotations.append({
            "id": len(annotations) + 1, "image_id": image["id"], "iscrowd": 0, "bbox": bbox,
            "area": float(bbox[2] * bbox[3]), "category_id": known[box["name"]],
        })
return {"info": {}, "images": images, "annotations": annotations, "categories": categories}
"""
BBOX = "[x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1]"


def coco(*pairs):
    return replaced_region("8.3", edited(COCO, *pairs))


# --- augmentation, written in another way than ours --------------------------------------------

AUGMENT = """\
def one(image):
    angle, right, down = (2 * torch.rand(3, generator=generator) - 1).tolist()
    angle *= 15 * 3.141592653589793 / 180
    right, down = right * 4 / image.shape[1], down * 4 / image.shape[0]
    c, s = float(np.cos(angle)), float(np.sin(angle))
    matrix = torch.tensor([[[c, -s, right], [s, c, down]]])
    grid = functional.affine_grid(matrix, (1, 1, *image.shape), align_corners=True)
    return functional.grid_sample(image[None, None], grid, align_corners=True)[0, 0]

changed = torch.stack([one(image) for image in images])
changed += torch.empty_like(changed).normal_(0, 0.08, generator=generator)
return torch.clip(changed, 0.0, 1.0)
"""


def augment(*pairs):
    return replaced_region("9.1", edited(AUGMENT, *pairs))


# --- a split, an evaluation, a transformation, written in another way than ours ----------------

SPLIT = """\
rng = np.random.default_rng(SEED)
test = []
for digit in range(10):
    where = np.flatnonzero(labels.to_numpy() == digit)
    rng.shuffle(where)
    test += where[: round(args.train_test_split_ratio * len(where))].tolist()
test = np.array(sorted(test))
train = np.setdiff1d(np.arange(len(labels)), test)
scale = make_features()
save(args.train, "train", scale.fit_transform(pixels.iloc[train]), labels.iloc[train])
save(args.test, "test", scale.transform(pixels.iloc[test]), labels.iloc[test])
"""


def split(*pairs):
    return replaced_region("10.2", edited(SPLIT, *pairs))


TRANSFORM = """\
table = digits.withColumn("pixels", F.split(F.col("pixels"), " ").cast("array<int>"))
which = F.lit(None)
for number, word in enumerate(WORDS):
    which = F.when(F.col("label") == word, number).otherwise(which)
table = table.withColumn("label", which.cast("int"))
for row in range(ROWS):
    table = table.withColumn(f"ink{row}", ink(F.col("pixels"), row))
return table.drop("pixels")
"""

XGBOOST_EVALUATION = """\
with tarfile.open(f"{args.model}/model.tar.gz") as archive:
    archive.extractall("/tmp")
model = xgboost.XGBClassifier()
model.load_model("/tmp/xgboost-model.json")
lines = np.genfromtxt(f"{args.test}/test.csv", delimiter=",")
told = quality(lines[:, 0].astype("int64"), model.predict_proba(lines[:, 1:]))
with open(f"{args.output}/evaluation.json", "w") as file:
    file.write(json.dumps(told))
"""


def xgboost(*pairs):
    return replaced_region("12.2", edited(XGBOOST_EVALUATION, *pairs))


BESIDE = "TRAIN / 3600 * gpu_hour + small_seconds / 3600 * small_hour"
SMALL = "small_seconds = AUGMENT_SMALL + jobs * FETCH"

# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("8.1", "no slash at the end", inputs("annotations", images_dir="Video/frames")),
    ("8.1", "exchanged", inputs("annotations", images_dir="Video/frames_annotations/",
                                annotations_dir="Video/frames/")),
    ("8.1", "no dependencies", request("annotations", inputs=at({
        "input/images_dir": "Video/frames/",
        "input/annotations_dir": "Video/frames_annotations/"}))),
    ("8.1", "dependencies beside the script", request("annotations", inputs=at({
        "input/images_dir": "Video/frames/", "input/annotations_dir": "Video/frames_annotations/",
        "input/code_dependencies": "Code/"}))),
    ("8.1", "no output", request("annotations", outputs={})),
    ("8.1", "a file for a folder", outputs("annotations", **{"annotation.json": (
        "output", "Annotations/annotation.json")})),

    ("8.2", "too late", in_gap("8.2", (
        'sys.path.insert(0, "/opt/ml/processing/code_dependencies")', "pass"))),
    ("8.2", "beside the script", in_gap("8.2", (
        "processing/code_dependencies", "processing/input/code/code_dependencies"))),
    ("8.2", "the file", in_gap("8.2", ('dependencies")', 'dependencies/voc.py")'))),
    ("8.2", "the folder on the desk", in_gap("8.2", (
        "/opt/ml/processing/code_dependencies", "code_dependencies"))),

    ("8.3", "the four edges", coco((BBOX, "[x0, y0, x1, y1]"))),
    ("8.3", "counted from 1", coco(("x0 - 1, y0 - 1, x1", "x0, y0, x1"))),
    ("8.3", "one pixel too small", coco(("x1 - x0 + 1, y1 - y0 + 1", "x1 - x0, y1 - y0"))),
    ("8.3", "down before across", coco((BBOX, "[y0 - 1, x0 - 1, y1 - y0 + 1, x1 - x0 + 1]"))),
    ("8.3", "ids from 0", coco(('"id": number + 1', '"id": number'))),
    ("8.3", "ids of boxes begin again", coco((
        '"id": len(annotations) + 1', '"id": frame["objects"].index(box) + 1'))),
    ("8.3", "names instead of ids", coco(("known[box[\"name\"]]", "box[\"name\"]"))),
    ("8.3", "categories as they come", coco(("sorted(set(", "dict.fromkeys("), (
        'frame["objects"])):', 'frame["objects"]):'))),
    ("8.3", "no area", coco(('"area": float(bbox[2] * bbox[3]), ', ""))),
    ("8.3", "frames without boxes left out", coco((
        "for number, frame in enumerate(frames)",
        'for number, frame in enumerate(f for f in frames if f["objects"])'))),
    ("8.3", "annotations alone", coco((
        'return {"info": {}, "images": images, "annotations": annotations, '
        '"categories": categories}', "return annotations"))),

    ("9.1", "not clamped", augment(("torch.clip(changed, 0.0, 1.0)", "changed"))),
    ("9.1", "degrees for radians", augment((" * 3.141592653589793 / 180", ""))),
    ("9.1", "pixels for shares", augment((
        "right * 4 / image.shape[1], down * 4 / image.shape[0]", "right * 2, down * 2"))),
    ("9.1", "one pixel is 1 by 28", augment(("right * 4", "right * 2"), ("down * 4", "down * 2"))),
    ("9.1", "all alike", in_gap("9.1", (
        "torch.rand(n, generator=generator)", "torch.rand(1, generator=generator).expand(n)"))),
    ("9.1", "mirrored too", augment(("[[[c, -s, right]", "[[[-c, s, right]"))),
    ("9.1", "turned to the right alone", augment((
        "angle *= 15", "angle = (angle + 1) / 2 * 15"))),
    ("9.1", "no noise", augment((
        "changed += torch.empty_like(changed).normal_(0, 0.08, generator=generator)\n", ""))),
    ("9.1", "other random numbers", augment(("normal_(0, 0.08, generator=generator)",
                                             "normal_(0, 0.08)"))),
    ("9.1", "a channel left", augment(("[0, 0]\n", "[0]\n"))),

    ("9.2", "whole set each time", both(*(request(f"batch-{n}", arguments=[]) for n in "036"))),
    ("9.2", "last batch forgotten", lambda work: work.jobs.pop("batch-6")),
    ("9.2", "one place for all", both(*(arguments(f"batch-{n}", (
        f"preprocessed/{n}/", "preprocessed/")) for n in "036"))),
    ("9.2", "among the originals", both(*(arguments(f"batch-{n}", (
        "preprocessed/", "train/")) for n in "036"))),
    ("9.2", "output to a place of the SDK's choice", request("batch-3", outputs=lambda _, work: {
        "output-1": (f"{CODE}/output", f"s3://{work.bucket}/batch-3/output/output-1")})),
    ("9.2", "no output dir", request("batch-0", arguments=lambda words, _: words[:1])),
    ("9.2", "failed job", job("batch-3", error="Traceback\nRuntimeError: no such folder")),
    ("9.2", "an image lost", lambda work: work.objects["batch-3"].pop(
        "Dataset/preprocessed/3/4.npy")),

    ("9.3", "training alone", in_gap("9.3", ("alone = (TRAIN + AUGMENT)", "alone = TRAIN"))),
    ("9.3", "fetched once", in_gap("9.3", ("jobs * FETCH", "FETCH"))),
    ("9.3", "augmented by each job", in_gap("9.3", (
        "AUGMENT_SMALL + jobs * FETCH", "jobs * (AUGMENT_SMALL + FETCH)"))),
    ("9.3", "as fast as the large one", in_gap("9.3", ("AUGMENT_SMALL", "AUGMENT"))),
    ("9.3", "price of a GPU for all", in_gap("9.3", ("small_hour", "gpu_hour"))),
    ("9.3", "no GPU", in_gap("9.3", ("TRAIN / 3600 * gpu_hour + ", ""))),
    ("9.3", "price of a second", in_gap("9.3", (" / 3600", ""))),
    ("9.3", "prints and returns nothing", in_gap("9.3", ("return TRAIN", "print(TRAIN"), (
        "* small_hour", "* small_hour)"))),
    ("9.3", "no function", in_gap("9.3", ("def beside(jobs)", "def costs(jobs)"))),

    ("10.1", "no argument", request("scikit-learn", arguments=[])),
    ("10.1", "a percentage", arguments("scikit-learn", ("0.2", "20"))),
    ("10.1", "another name", outputs("scikit-learn", test_data=None, output_2=("test", "x"))),
    ("10.1", "names exchanged", outputs("scikit-learn", train_data=("test", None),
                                        test_data=("train", None))),
    ("10.1", "one output", outputs("scikit-learn", test_data=None)),
    ("10.1", "wrong path", request("scikit-learn", inputs=at({"input/data": "Digits/"}))),
    ("10.1", "an empty folder", request("scikit-learn", inputs=at({"input": "Digit/"}))),

    ("10.2", "not stratified", in_gap("10.2", ("    stratify=labels,\n", ""))),
    ("10.2", "another split each time", in_gap("10.2", ("    random_state=SEED,\n", ""))),
    ("10.2", "scaler of all", in_gap("10.2", (".fit(train_pixels)", ".fit(pixels)"))),
    ("10.2", "two scalers", in_gap("10.2", (
        "features.transform(test_pixels)", "make_features().fit_transform(test_pixels)"))),
    ("10.2", "parts exchanged", in_gap("10.2", (
        "train_pixels, test_pixels, train_labels, test_labels =",
        "test_pixels, train_pixels, test_labels, train_labels ="))),
    ("10.2", "ratio in the script", in_gap("10.2", ("args.train_test_split_ratio", "0.2"))),
    ("10.2", "pixels", in_gap("10.2", ("features.transform(train_pixels)", "train_pixels"))),
    ("10.2", "labels mixed up", split(("labels.iloc[train])", "np.sort(labels.iloc[train]))"))),
    ("10.2", "test in the training too", split((
        "np.setdiff1d(np.arange(len(labels)), test)",
        "np.append(test, np.setdiff1d(np.arange(len(labels)), test)[: -len(test)])"))),

    ("10.3", "training data", inputs("scikit-learn-evaluation", test="ScikitLearn/x")),
    ("10.3", "tested on the training", request("scikit-learn-evaluation", inputs=lambda pairs, _: {
        path: uri.replace("test_data", "train_data") for path, uri in pairs.items()})),
    ("10.3", "no model", request("scikit-learn-evaluation", inputs=lambda pairs, _: {
        path: uri for path, uri in pairs.items() if "model" not in path})),
    ("10.3", "an older model", both(
        lambda work: setattr(work, "pause", 1.1),
        lambda work: work.objects["scikit-learn"].update({TRAINED: work.objects[""][TRAINED]}),
        s3("", **{TRAINED.replace("-1", "-0"): targz()}),
        inputs("scikit-learn-evaluation", model=TRAINED.replace("-1", "-0")))),
    ("10.3", "another place", outputs("scikit-learn-evaluation", evaluation=(
        "evaluation", "Evaluation"))),
    ("10.3", "another folder", outputs("scikit-learn-evaluation", evaluation=(
        "output", "ScikitLearn/Evaluation"))),
    ("10.3", "failed job", job("scikit-learn-evaluation", error="Traceback\nKeyError: 'x'")),

    ("11.1", "python3", request("spark", command=["python3"])),
    ("11.1", "one instance", request("spark", count=1)),
    ("11.1", "no limit", request("spark", seconds=None)),
    ("11.1", "minutes", request("spark", seconds=20)),
    ("11.1", "no mode", request("spark", environment={})),
    ("11.1", "mode as an argument", both(
        request("spark", environment={}),
        request("spark", arguments=lambda words, _: ["mode", "python", *words]))),
    ("11.1", "the log of the cluster", printed(
        "11-spark", 'command=["/opt/program/submit"]', "....26/01/01 12:00:00 WARN Truncated")),
    ("11.1", "no arguments", request("spark", arguments=[])),
    ("11.1", "output over the input", arguments("spark", ("Spark/Features", "Spark/Digits"))),

    ("11.2", "labels are texts", in_gap("11.2", ('.cast("int").alias', ".alias"))),
    ("11.2", "words cannot be cast", in_gap("11.2", (
        '.replace(numbers, subset="label")', ""))),
    ("11.2", "no names", in_gap("11.2", ('.alias(f"ink{row}")', ""))),

    ("11.3", "tasks", value(rows={"algo-1": 2, "algo-2": 2})),
    ("11.3", "rows that were read", value(rows={"algo-1": 180, "algo-2": 360})),
    ("11.3", "the last task", value(rows={"algo-1": 140, "algo-2": 33})),
    ("11.3", "by executor", value(rows={"1": 140, "0": 180})),
    ("11.3", "a sum", value(rows=320)),
    ("11.3", "not saved", closed),
    ("11.3", "no log", s3("pyspark", **{"Spark/Events/run-1/app-1": event_log([])})),

    ("12.1", "XGBoost", request("pytorch", image=XGBOOST)),
    ("12.1", "one output", outputs("pytorch", **{"output-2": None})),
    ("12.1", "both in one place", outputs("pytorch", **{
        "output-2": ("output/validation", "PyTorch/train")})),
    ("12.1", "exchanged", outputs("pytorch", **{
        "output-1": ("output/train", "PyTorch/validation"),
        "output-2": ("output/validation", "PyTorch/train")})),
    ("12.1", "wrong path", request("pytorch", inputs=at({"source_data": "RawData/"}))),
    ("12.1", "failed job", job("pytorch", error="Traceback\nOSError: no such file")),

    ("12.2", "label among the features", xgboost(("lines[:, 1:]", "lines"))),
    ("12.2", "first line for a header", xgboost((
        'delimiter=","', 'delimiter=",", skip_header=1'))),
    ("12.2", "archive not unpacked", xgboost(('    archive.extractall("/tmp")\n', "    pass\n"))),
    ("12.2", "labels from the last column", xgboost(("lines[:, 0]", "lines[:, -1]"))),
    ("12.2", "among the models", xgboost((
        '{args.output}/evaluation.json', '{args.model}/evaluation.json'))),
    ("12.2", "printed alone", xgboost(("file.write(json.dumps(told))", "print(told)"))),

    ("12.3", "waits", in_gap("12.3", ("        wait=False,\n", ""))),
    ("12.3", "no experiment", in_gap("12.3", (
        '        experiment_config={\n            "TrialName": job_name,\n'
        '            "TrialComponentDisplayName": job_name,\n        },\n', ""))),
    ("12.3", "another trial", in_gap("12.3", ('"TrialName": job_name', '"TrialName": "depth"'))),
    ("12.3", "no name of the job", in_gap("12.3", ("        job_name=job_name,\n", ""))),
    ("12.3", "always the same model", in_gap("12.3", (
        "inputs_with(artifacts_dir)", 'inputs_with("s3://bucket/first.tar.gz")'))),
    ("12.3", "texts left out", in_gap("12.3", (
        'value.get("NumberValue", value.get("StringValue"))', 'value.get("NumberValue")'))),
    ("12.3", "numbers alone", in_gap("12.3", (
        'value.get("NumberValue", value.get("StringValue"))', 'value["NumberValue"]'))),
    ("12.3", "the first component", in_gap("12.3", (
        'answer["TrialComponentSummaries"]:', 'answer["TrialComponentSummaries"][:1]:'))),
    ("12.3", "the largest value", in_gap("12.3", ('metric["Last"]', 'metric["Max"]'))),
    ("12.3", "not read back", in_gap("12.3", ("    return found\n", ""))),
    ("12.3", "job of no trial", request("xgboost", experiment=None)),
    ("12.3", "not run since", request("xgboost", experiment={"TrialName": "lab3-tree-depth-1"})),
]  # fmt: skip


# --- right answers that differ from the solution ----------------------------------------------

RIGHT = [
    ("8.1", "other things in Code", s3("", **{"Code/__pycache__/voc.cpython-311.pyc": b""})),
    ("8.1", "no slash where it does not matter", inputs(
        "annotations", annotations_dir="Video/frames_annotations", code_dependencies="Code")),
    ("8.1", "other names", request("annotations", outputs=lambda pairs, _: {
        "output-1": pairs["annotation.json"]})),
    ("8.2", "appended", in_gap("8.2", ("insert(0, ", "append("))),
    ("8.2", "put before", in_gap("8.2", (
        'sys.path.insert(0, "/opt/ml/processing/code_dependencies")',
        'sys.path[:0] = ["/opt/ml/processing/code_dependencies/"]'))),
    ("8.3", "written differently", coco()),
    ("9.1", "image by image", augment()),
    ("9.2", "its own folder alone", both(*(
        request(f"batch-{n}", inputs=at({"input": f"Dataset/train/{n}/"})) for n in "036"))),
    ("9.2", "two words", both(*(request(f"batch-{n}", arguments=lambda words, _: [
        part for word in words for part in word.split("=")]) for n in "036"))),
    ("9.3", "a lambda", in_gap("9.3", (
        'def beside(jobs):\n    """What an epoch costs, in US dollars, when this many jobs do its '
        'augmentation."""\n    small_seconds = AUGMENT_SMALL + jobs * FETCH\n'
        "    return TRAIN / 3600 * gpu_hour + small_seconds / 3600 * small_hour\n",
        "beside = lambda n: (TRAIN * gpu_hour + (AUGMENT_SMALL + n * FETCH) * small_hour) / 3600",
    ))),
    ("9.3", "in a closed notebook", closed),
    ("10.1", "one word", request("scikit-learn", arguments=["--train-test-split-ratio=0.20"])),
    ("10.1", "with a destination", outputs("scikit-learn", train_data=("train", "Split/train"),
                                           test_data=("test", "Split/test/"))),
    ("10.2", "by hand", split()),
    ("10.3", "two files for the test", request(
        "scikit-learn-evaluation", inputs=lambda pairs, work: {
            path: uri.rstrip("/") for path, uri in pairs.items()})),
    ("11.1", "an image of their own", request("spark", image=SKLEARN.replace("-scikit", "-my"))),
    ("11.1", "slashes at the end", arguments("spark", ("Spark/Features", "Spark/Features/"))),
    ("11.2", "column by column", replaced_region("11.2", TRANSFORM)),
    ("11.3", "printed", printed("11-spark", "rows = {}", "\n".join(
        f"{host:14} {count:5} rows" for host, count in ROWS.items()))),
    ("11.3", "printed as a dict", printed("11-spark", "rows = {}", json.dumps(ROWS))),
    ("11.3", "one machine has done all", both(
        s3("pyspark", **{"Spark/Events/run-1/app-1": event_log([
            ("algo-2", *task[1:]) for task in TASKS])}),
        value(rows={"algo-2": 320}))),
    ("12.1", "an older image", request("pytorch", image=lambda image, _: image.replace(
        "2.8-cpu-py312", "1.10-cpu-py38"))),
    ("12.1", "one output for both", outputs("pytorch", **{
        "output-1": ("output", "PyTorch"), "output-2": None})),
    ("12.2", "as scikit-learn would", xgboost()),
    ("12.3", "by the paginator", in_gap("12.3", (
        'answer = sagemaker_client.list_trial_components(TrialName=trial_name)\n',
        'pages = sagemaker_client.get_paginator("list_trial_components").paginate(\n'
        "        TrialName=trial_name)\n    (answer,) = pages\n"))),
    ("12.3", "another display name", in_gap("12.3", (
        'DisplayName": job_name', 'DisplayName": "evaluation"'))),
    ("12.3", "in local mode", request("xgboost", instance="local")),
]  # fmt: skip
