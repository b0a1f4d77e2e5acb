"""Right and wrong answers of Lab 2, in the form of `answers.py`."""

from __future__ import annotations

import json
import textwrap
from datetime import timedelta

from .answers import (
    CODE,
    EVALUATE,
    MAIN,
    PREPROCESS,
    at,
    both,
    edited,
    job,
    notebook,
    replaced_region,
    request,
    s3,
    script,
    without,
)
from .conftest import targz
from .lab2 import BILLED, CHECKPOINTS, COST, LOG, MODEL, OUTPUT, RUN, SHARDS, SHARES, WORKED

# --- how an answer is made ------------------------------------------------------------------


def value(**changed):
    """Other variables in the notebook's kernel; a function is given the present one."""

    def change(work):
        for name, new in changed.items():
            work.variables[name] = new(work.variables[name], work) if callable(new) else new

    return change


def printed(name, in_cell, text):
    """The notebook is closed; a cell of it printed something."""

    def change(work):
        work.variables = None
        work.printed(name, in_cell, text(work) if callable(text) else text)

    return change


def closed(work):
    """The notebook is closed, and was not saved after it ran."""
    work.variables = None


def fact(**changed):
    return value(facts=lambda facts, _: {**facts, **changed})


def another_training(work):
    """Another lab has trained a network after this one, for more money."""
    (first, preprocessing), (second, training), *later = work.jobs.items()
    other = {**training, "about": {**training["about"], "BillableTimeInSeconds": 10 * BILLED}}
    work.jobs = {first: preprocessing, second: training, "other": other, **dict(later)}
    work.objects["other"] = {}


def preprocess(*pairs):
    body = textwrap.indent(edited(PREPROCESS, *pairs), "    ")
    return replaced_region("4.3", f"def preprocess_data(local_folder, output):\n{body}\n{MAIN}")


# --- training that goes on, written in another way than ours -----------------------------------

RESUME = """\
import glob
import pathlib

def number(path):
    return int(os.path.basename(path).removeprefix("epoch-").removesuffix(".keras"))

done, log = 0, {}
for path in sorted(glob.glob(f"{checkpoint_dir}/epoch-*.keras"), key=number, reverse=True):
    try:
        model = keras.models.load_model(path)
    except Exception:
        continue
    done = number(path)
    with open(f"{checkpoint_dir}/log.json") as file:
        log = {name: values[:done] for name, values in json.load(file).items()}
    break

def keep(epoch, logs):
    for name, value in logs.items():
        log.setdefault(name, []).append(value)
    with open(f"{checkpoint_dir}/log.json", "w") as file:
        json.dump(log, file)
    model.save(f"{checkpoint_dir}/epoch-{epoch + 1}.keras")
    if min(log["val_loss"]) == log["val_loss"][-1]:
        shutil.copy(f"{checkpoint_dir}/epoch-{epoch + 1}.keras", f"{checkpoint_dir}/best")

model.fit(
    X_train,
    y_train,
    validation_data=(X_val, y_val),
    initial_epoch=done,
    epochs=epochs,
    batch_size=batch_size,
    verbose=0,
    callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=keep), MetricsLog()],
)
with open(f"{output_dir}/history.json", "w") as file:
    json.dump(log, file)
shutil.copy(f"{checkpoint_dir}/best", f"{model_dir}/{BEST_CHECKPOINT}")
return log
"""
KEEPS_BEST = (
    "MetricsLog()]",
    "MetricsLog(), keras.callbacks.ModelCheckpoint(f'{model_dir}/{BEST_CHECKPOINT}', "
    "monitor='val_loss', save_best_only=True)]",
)
COPIES_BEST = 'shutil.copy(f"{checkpoint_dir}/best", f"{model_dir}/{BEST_CHECKPOINT}")\n'
AN_EPOCH_AT_A_TIME = (
    "    initial_epoch=done,\n    epochs=epochs,\n",
    "    initial_epoch=epoch,\n    epochs=epoch + 1,\n",
)


def resume(*pairs):
    return replaced_region("5.3", edited(RESUME, *pairs))


def epoch_by_epoch():
    """fit in a loop, one epoch each time."""
    head, _, rest = edited(RESUME, AN_EPOCH_AT_A_TIME).partition("model.fit(")
    fit, _, tail = rest.partition("\n)\n")
    body = "\n".join(f"    {line}" for line in f"model.fit({fit}\n)".splitlines())
    return replaced_region("5.3", f"{head}for epoch in range(done, epochs):\n{body}\n{tail}")


# --- evaluation, and the shards ----------------------------------------------------------------

EVALUATION = EVALUATE.replace(
    "load_best_checkpoint(args.model)",
    'keras.models.load_model(Path(args.model) / "best_checkpoint.keras")',
)
UNPACK = """\
with tarfile.open(f"{args.model}/model.tar.gz") as archive:
    archive.extractall(args.model)
"""


def evaluate(*pairs):
    return replaced_region("6.2", edited(UNPACK + EVALUATION, *pairs))


SHARD = """\
me = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
np.savez(f"{args.output}/part-{me}.npz", labels=labels, images=images)
about = {"images": int(len(images)), "host": me, "files": sorted(names)}
open(f"{args.output}/seen-{me}.json", "w").write(json.dumps(about, indent=1))
"""


def shard(*pairs):
    return replaced_region("7.2", edited(SHARD, *pairs))


FACTS = {
    "status": "Completed",
    "instance_type": "ml.m5.xlarge",
    "instance_count": 1,
    "seconds": 1.5,
}
LOCAL_SESSION = (
    "sagemaker_session = LocalSession()\n"
    '    sagemaker_session.config = {"local": {"local_code": True}}\n'
)


# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("4.1", "the other way round", notebook("4-preprocessing", ("if LOCAL:", "if not LOCAL:"))),
    ("4.1", "no local code", notebook("4-preprocessing", (
        '    sagemaker_session.config = {"local": {"local_code": True}}\n', ""))),
    ("4.1", "always local", notebook("4-preprocessing", (
        "sagemaker_session = sagemaker.Session()", "sagemaker_session = LocalSession()"))),
    ("4.1", "no instance type for the instance", notebook("4-preprocessing", (
        '    instance_type = "ml.m5.xlarge"\n', ""))),
    ("4.1", "local on an instance", notebook("4-preprocessing", (
        'instance_type = "ml.m5.xlarge"', 'instance_type = "local"'))),
    ("4.1", "session forgotten", notebook("4-preprocessing", (
        "sagemaker_session = sagemaker.Session()", "sagemaker.Session()"))),
    ("4.1", "turned but not run again", request("preprocessing", instance="local")),

    ("4.2", "Lab 1's folder", request("preprocessing", outputs=lambda pairs, _: {
        path: uri.replace("Lab2/", "") for path, uri in pairs.items()})),
    ("4.2", "labels forgotten", request("preprocessing", outputs=without(
        f"{CODE}/train/y_train", f"{CODE}/validation/y_val", f"{CODE}/test/y_test"))),
    ("4.2", "wrong path", request("preprocessing", inputs=at({"input": "RawData/"}))),
    ("4.2", "empty folder", request("preprocessing", inputs=at({"source_data": "Raw/"}))),

    ("4.3", "no guard", script("preprocessing.py", (
        'if __name__ == "__main__":\n    main()', ""))),
    ("4.3", "another folder", script("preprocessing.py", (
        "default=SOURCE_DATA", 'default="/opt/ml/input/data"'))),
    ("4.3", "values 0-255", preprocess(('.astype("float32") / 255', ""))),
    ("4.3", "images in both", preprocess(("[:cut]", ""))),

    ("4.4", "status of the response", fact(status=200)),
    ("4.4", "no seconds", value(facts=lambda facts, _: {
        name: facts[name] for name in ("status", "instance_type", "instance_count")})),
    ("4.4", "a timedelta", fact(seconds=timedelta(seconds=1.5))),
    ("4.4", "milliseconds", fact(seconds=1500.0)),
    ("4.4", "the toggle's other type", fact(instance_type="local")),
    ("4.4", "a list", value(facts=list(FACTS.values()))),
    ("4.4", "failed job", job("preprocessing", error="Traceback\nOSError: no such file")),
    ("4.4", "not saved", closed),
    ("4.4", "another job's facts printed", printed("4-preprocessing", "facts = {",
        str({**FACTS, "instance_count": 2}))),

    ("5.1", "wrong variable", script("main.py", ("SM_CHANNEL_Y_VAL", "SM_CHANNEL_Y_VALIDATION"))),
    ("5.1", "no checkpoints", script("main.py", (
        '    parser.add_argument("--checkpoint-dir", default="/opt/ml/checkpoints")\n', ""),
        ("checkpoint_dir=args.checkpoint_dir", 'checkpoint_dir="checkpoints"'))),
    ("5.1", "checkpoints among the models", script("main.py", (
        "checkpoint_dir=args.checkpoint_dir", "checkpoint_dir=args.model_dir"))),
    ("5.1", "validates with training images", script("main.py", (
        'args.x_val, "X_val.npy"', 'args.x_train, "X_train.npy"'))),

    ("5.2", "local mode", request("training", instance="local")),
    ("5.2", "no checkpoints", request("training", checkpoints={})),
    ("5.2", "another folder in the container", request("training", checkpoints=lambda pairs, _: {
        **pairs, "LocalPath": "/opt/ml/model"})),
    ("5.2", "one place for all runs", request("training", checkpoints=lambda pairs, work: {
        **pairs, "S3Uri": work.uri("Checkpoints/")})),
    ("5.2", "the bucket's name for each run", request("training", checkpoints=lambda pairs, work: {
        **pairs, "S3Uri": work.uri(f"Checkpoints/{work.bucket}")})),
    ("5.2", "among the models", request("training", checkpoints=lambda pairs, work: {
        **pairs, "S3Uri": work.uri("Training/checkpoints/")})),
    ("5.2", "no spot", request("training", spot=False)),
    ("5.2", "no max wait", request("training", stopping={"MaxRuntimeInSeconds": 3600})),
    ("5.2", "max wait too small", request("training", stopping={
        "MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 3600})),

    ("5.3", "starts again", script("training.py", (
        "for epoch in range(epochs, 0, -1):", "for epoch in ():"))),
    ("5.3", "all epochs once more", script("training.py", (
        "        epochs=epochs,\n", "        epochs=done + epochs,\n"))),
    ("5.3", "no initial epoch", resume(("    initial_epoch=done,\n", ""),
                                       ("epochs=epochs", "epochs=epochs - done"))),
    ("5.3", "last in the alphabet", resume(("key=number, ", ""))),
    ("5.3", "newest by its time", resume(("key=number", "key=os.path.getmtime"))),
    ("5.3", "history of the last part", resume((
        'log = {name: values[:done] for name, values in json.load(file).items()}', "log = {}"))),
    ("5.3", "history not cut", resume(("values[:done]", "values"))),
    ("5.3", "best of the last part", resume(KEEPS_BEST, (COPIES_BEST, ""))),
    ("5.3", "half-written checkpoint", resume(("    except Exception:\n        continue\n",
                                              "    finally:\n        pass\n"))),
    ("5.3", "no first checkpoint to load", resume((
        'done, log = 0, {}\n',
        'done, log = 0, {}\nkeras.models.load_model(f"{checkpoint_dir}/epoch-1.keras")\n'))),

    ("5.4", "keys", value(checkpoints=lambda uris, work: [
        uri.removeprefix(f"s3://{work.bucket}/") for uri in uris])),
    ("5.4", "empty list", value(checkpoints=[])),
    ("5.4", "the newest alone", value(checkpoints=lambda uris, _: uris[-1:])),
    ("5.4", "another run's too", value(checkpoints=lambda uris, work: [
        *uris, work.uri("Checkpoints/run-0/checkpoint-001.keras")])),
    ("5.4", "history too", value(checkpoints=lambda uris, work: [
        *uris, work.uri(f"{RUN}/history.json")])),
    ("5.4", "the model twice", value(output_uri=lambda _, work: work.variables["model_uri"])),
    ("5.4", "the first job's model", value(model_uri=lambda uri, _: uri.replace("-1/", "-0/"))),
    ("5.4", "no checkpoint in S3", lambda work: [
        work.objects["training"].pop(key) for key in CHECKPOINTS]),
    ("5.4", "not saved", closed),

    ("6.1", "validation instead of test", request("evaluation", inputs=lambda pairs, work: {
        **pairs, f"{CODE}/test/X_test": work.uri("DataProcessed/validation/X_val/")})),
    ("6.1", "output.tar.gz", request("evaluation", inputs=lambda pairs, work: {
        **pairs, f"{CODE}/model": work.uri(OUTPUT)})),
    ("6.1", "an older model", both(
        lambda work: setattr(work, "pause", 1.1),
        s3("", **{MODEL.replace("-1", "-0"): targz()}),
        request("evaluation", inputs=lambda pairs, work: {
            **pairs, f"{CODE}/model": work.uri(MODEL.replace("-1", "-0"))}))),
    ("6.1", "Lab 1's folder", request("evaluation", outputs=lambda pairs, work: {
        f"{CODE}/evaluation": f"s3://{work.bucket}/Evaluation"})),
    ("6.1", "no output", request("evaluation", outputs={})),

    ("6.2", "first checkpoint of the archive", evaluate((
        '"best_checkpoint.keras"', "sorted(os.listdir(args.model))[1]"))),
    ("6.2", "archive not unpacked", evaluate((UNPACK, ""))),
    ("6.2", "no probabilities", evaluate((
        'np.save(Path(args.output) / "probabilities.npy", chances)', ""))),
    ("6.2", "the least likely class", evaluate(("np.argmax", "np.argmin"))),
    ("6.2", "metrics among the models", evaluate((
        '(Path(args.output) / "metrics.json")', '(Path(args.model) / "metrics.json")'))),

    ("6.3", "events", value(log_lines=[{"message": line} for line in LOG])),
    ("6.3", "one text", value(log_lines="\n".join(LOG))),
    ("6.3", "lines of all jobs", value(log_lines=["the line of another job", *LOG])),
    ("6.3", "the last line alone", value(log_lines=LOG[-1:])),
    ("6.3", "newest first", value(log_lines=LOG[::-1])),
    ("6.3", "local mode", request("evaluation", instance="local")),
    ("6.3", "not run", both(closed, notebook("6-evaluation", ("log_lines = ", "log_lines  = ")))),

    ("6.4", "seconds that it worked", value(cost=COST * WORKED / BILLED)),
    ("6.4", "price of a second", value(cost=COST * 3600)),
    ("6.4", "price of a minute", value(cost=COST * 60)),
    ("6.4", "cents", value(cost=COST * 100)),
    ("6.4", "discount twice", value(cost=COST * 0.3)),
    ("6.4", "a text", value(cost=f"{COST:.5f} US dollars")),
    ("6.4", "not saved", closed),
    ("6.4", "divided by the instances", notebook("6-evaluation", (
        'hours * resources["InstanceCount"]', 'hours / resources["InstanceCount"]'))),
    ("6.4", "an hour of another length", notebook("6-evaluation", (
        '"BillableTimeInSeconds"] / 3600', '"BillableTimeInSeconds"] / 3601'))),

    ("7.1", "fully replicated", request("sharding", distribution="FullyReplicated")),
    ("7.1", "said nothing", lambda work: work.jobs["sharding"]["request"].pop("distribution")),
    ("7.1", "wrong path", request("sharding", inputs=at({"input": "Shards/"}))),
    ("7.1", "no input", request("sharding", inputs={})),
    ("7.1", "raw data", request("sharding", inputs=at({"shards": "RawData/"}))),
    ("7.1", "one instance", request("sharding", count=1)),
    ("7.1", "local mode", request("sharding", instance="local")),

    ("7.2", "one name for all", shard(("part-{me}", "part"), ("seen-{me}", "seen"))),
    ("7.2", "always the first host", shard(('["current_host"]', '["hosts"][0]'))),
    ("7.2", "name of the machine", shard((
        'json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]',
        '__import__("socket").gethostname()'))),
    ("7.2", "paths instead of names", shard((
        "sorted(names)", "[os.path.join(args.shards, name) for name in names]"))),
    ("7.2", "no labels", shard(("labels=labels, ", ""))),
    ("7.2", "images alone", shard(("labels=labels", "labels=labels[::-1]"))),
    ("7.2", "no count", shard(('"images": int(len(images)), ', ""))),
    ("7.2", "no report", shard(('open(f"{args.output}/seen', 'open(f"{args.shards}/seen'))),

    ("7.3", "numbers", value(seen={host: len(files) for host, files in SHARES.items()})),
    ("7.3", "one host", value(seen={"algo-1": SHARES["algo-1"]})),
    ("7.3", "all files for each", value(seen=dict.fromkeys(SHARES, SHARDS))),
    ("7.3", "not sorted", value(seen={h: files[::-1] for h, files in SHARES.items()})),
    ("7.3", "files of the parts too", value(seen={**SHARES, "part-algo-1": []})),
    ("7.3", "a shard that nobody saw", lambda work: work.shares(
        {**SHARES, "algo-3": SHARES["algo-3"][:-1]})),
    ("7.3", "all hosts saw all", both(
        lambda work: work.shares(dict.fromkeys(SHARES, SHARDS)),
        value(seen=dict.fromkeys(SHARES, SHARDS)))),
    ("7.3", "a host without a report", lambda work: work.objects["sharding"].pop(
        "Sharded/seen-algo-2.json")),
    ("7.3", "not saved", closed),
]  # fmt: skip


# --- right answers that differ from the solution ----------------------------------------------

RIGHT = [
    ("4.1", "both at once", notebook("4-preprocessing", (
        "if LOCAL:\n    " + LOCAL_SESSION + '    instance_type = "local"\nelse:\n'
        '    sagemaker_session = sagemaker.Session()\n    instance_type = "ml.m5.xlarge"\n',
        'instance_type = "local" if LOCAL else "ml.m5.large"\n'
        "sagemaker_session = sagemaker.LocalSession() if LOCAL else sagemaker.session.Session()\n"
        'if LOCAL:\n    sagemaker_session.config = {"local": {"local_code": True}}\n'))),
    ("4.1", "turned to local and run", both(
        request("preprocessing", instance="local"), value(LOCAL=True))),
    ("4.1", "in a closed notebook", closed),
    ("4.2", "an output a part", request("preprocessing", outputs=at(
        {part: f"DataProcessed/{part}/" for part in ("train", "validation", "test")}))),
    ("4.3", "np.save", preprocess()),
    ("4.4", "seconds rounded, one more fact", fact(seconds=2, name="lab2-preprocessing-1")),
    ("4.4", "printed as a dict", printed("4-preprocessing", "facts = {", f"{FACTS}\n")),
    ("4.4", "printed as a table", printed("4-preprocessing", "facts = {", "\n".join(
        f"{name:16} {fact}" for name, fact in FACTS.items()))),
    ("5.1", "other names", script("main.py", ('"--x-train"', '"--images"'),
                                  ("args.x_train", "args.images"))),
    ("5.2", "slash at the end", request("training", checkpoints=lambda pairs, _: {
        "S3Uri": f"{pairs['S3Uri']}/"})),
    ("5.2", "waits as long as it runs", request("training", stopping={
        "MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600})),
    ("5.3", "numbers in the names", resume()),
    ("5.3", "epoch by epoch", epoch_by_epoch()),
    ("5.3", "the newest two alone", resume((
        '    if min(log["val_loss"])', "    if epoch > 1:\n"
        '        pathlib.Path(checkpoint_dir, f"epoch-{epoch - 1}.keras").unlink(missing_ok=True)\n'
        '    if min(log["val_loss"])'))),
    ("5.4", "in any order", value(checkpoints=lambda uris, _: uris[::-1])),
    ("5.4", "printed", printed("5-training", "output_uri =", lambda work: "\n".join(
        [work.uri(MODEL), work.uri(OUTPUT), "4 checkpoints", *map(work.uri, CHECKPOINTS)]))),
    ("5.4", "half-written file left", s3("training", **{f"{RUN}/incoming.keras": b"k"})),
    ("6.1", "one input for both arrays", request("evaluation", inputs=at(
        {"model": MODEL, "test": "DataProcessed/test/"}))),
    ("6.2", "extractall", evaluate()),
    ("6.3", "with the ends of lines", value(log_lines=[f"{line}\n" for line in LOG])),
    ("6.3", "printed", printed("6-evaluation", "log_lines = [event", "\n".join(LOG) + "\n")),
    ("6.4", "rounded", value(cost=round(COST, 6))),
    ("6.4", "another lab has trained since then", another_training),
    ("6.4", "printed", printed("6-evaluation", "cost = ", f"{COST}\n")),
    ("7.1", "no slash at the end", request("sharding", inputs=at({"shards": "Shards"}))),
    ("7.2", "written shortly", shard()),
    ("7.3", "tuples", value(seen={host: tuple(files) for host, files in SHARES.items()})),
    ("7.3", "printed", printed("7-three-instances", "seen = {}", "\n".join(
        f"{host}: {', '.join(files)}" for host, files in SHARES.items()))),
    ("7.3", "printed as a dict", printed("7-three-instances", "seen = {}", json.dumps(SHARES))),
]  # fmt: skip
