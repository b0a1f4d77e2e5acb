"""Right and wrong answers of section 15, in the form of `answers.py`."""

from __future__ import annotations

import json
import time

import numpy as np

from .answers import both, job, request
from .lab4_transform import ANSWER, GROUP, IMAGES, NOTEBOOK, texts

PIXELS = (IMAGES * 255).round().astype(int)
LAST = len(IMAGES) - 1


# --- how an answer is made ------------------------------------------------------------------


def arn(text):
    return lambda work: work.arn(text)


def version(number, **changed):
    return lambda work: work.versions.update({number: changed})


def lines(made):
    """The job was given other lines; the notebook is closed."""
    return lambda work: work.lines(made)


def kernel(**variables):
    """The notebook is open, and only the cells down to the check's have run."""
    return lambda work: (work.open(**variables), work.jobs.clear())


def record(**more):
    """Return a function that writes a record as JSON; each is given the number and the image."""

    def write(number, image):
        about = {"id": lambda n, _: n, "image": lambda _, x: x.tolist(), **more}
        return json.dumps({key: make(number, image) for key, make in about.items() if make})

    return write


def output(**changed):
    def change(work):
        known = work.jobs["transform"]["request"]["output"] | changed
        left = {name: one for name, one in known.items() if one is not None}
        work.jobs["transform"]["request"]["output"] = left

    return change


def filters(**changed):
    def change(work):
        known = work.jobs["transform"]["request"]["filters"] | changed
        left = {name: one for name, one in known.items() if one is not None}
        work.jobs["transform"]["request"]["filters"] = left

    return change


def answered(make):
    """The job has written other lines."""
    return lambda work: work.answers(make())


def local(work):
    work.local()


FAILED = (
    "ClientError: bucket/Lab4/Transform/run-1/input/images.jsonl: ClientError: 400  Message: "
    "Extra data: line 2 column 1"
)
failed = job("transform", error=FAILED)
JOINED = [{"id": n, "SageMakerOutput": ANSWER} for n in range(len(IMAGES))]

# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("15.1", "newest but not approved", arn(f"{GROUP}/3")),
    ("15.1", "approved by the SDK", both(
        arn(f"{GROUP}/3"), version(3, status="Approved", reason="", changed=-10))),
    ("15.1", "approved by the SDK and no other", both(arn(f"{GROUP}/3"), version(
        3, status="Approved", reason="", changed=-10), version(1, status="Rejected"),
        version(2, status="Rejected"))),
    ("15.1", "the oldest approved", arn(f"{GROUP}/1")),
    ("15.1", "the group", arn(GROUP.replace("model-package/", "model-package-group/"))),
    ("15.1", "another group", arn(GROUP.replace("lab4-digits", "digits") + "/2")),
    ("15.1", "the number", arn("2")),
    ("15.1", "a list", kernel(approved_arn=[f"{GROUP}/2"])),
    ("15.1", "a dict", kernel(approved_arn={"ModelPackageArn": f"{GROUP}/2"})),
    ("15.1", "none", arn("None")),
    ("15.1", "a list that is printed", arn(f"['{GROUP}/2']")),
    ("15.1", "deleted", arn(f"{GROUP}/9")),
    ("15.1", "local mode", local),
    ("15.1", "not saved", lambda work: work.printed(NOTEBOOK, "print(approved_arn)", "")),

    ("15.2", "raw pixels", lines(texts(record(image=lambda n, _: PIXELS[n].tolist())))),
    ("15.2", "ids from 1", lines(texts(record(id=lambda n, _: n + 1)))),
    ("15.2", "always the same id", lines(texts(record(id=lambda *_: 0)))),
    ("15.2", "an id twice", lines(texts(record(id=lambda n, _: min(n, LAST - 1))))),
    ("15.2", "ids are texts", lines(texts(record(id=lambda n, _: str(n))))),
    ("15.2", "no id", lines(texts(record(id=None)))),
    ("15.2", "another name", lines(texts(record(image=None, pixels=lambda _, x: x.tolist())))),
    ("15.2", "the image alone", lines(texts(lambda _, image: json.dumps(image.tolist())))),
    ("15.2", "one flat list", lines(texts(record(image=lambda _, x: x.ravel().tolist())))),
    ("15.2", "with a channel", lines(texts(record(image=lambda _, x: x[..., None].tolist())))),
    ("15.2", "a text for the image", lines(texts(record(image=lambda _, x: str(x))))),
    ("15.2", "texts for the numbers", lines(texts(record(
        image=lambda _, x: x.astype(str).tolist())))),
    ("15.2", "rows of different lengths", lines(texts(record(
        image=lambda _, x: [*x.tolist()[:27], []])))),
    ("15.2", "the array as Python shows it", kernel(lines=texts(
        lambda n, x: f'{{"id": {n}, "image": {x}}}'))),
    ("15.2", "a dict as Python shows it", lines(texts(
        lambda n, x: str({"id": n, "image": x.tolist()})))),
    ("15.2", "dicts", kernel(lines=texts(lambda n, x: {"id": n, "image": x.tolist()}))),
    ("15.2", "one text", kernel(lines="\n".join(texts()))),
    ("15.2", "one text for the list", kernel(lines=json.dumps([json.loads(t) for t in texts()]))),
    ("15.2", "a generator", kernel(lines=(text for text in texts()))),
    ("15.2", "with ends of lines", kernel(lines=[f"{text}\n" for text in texts()])),
    ("15.2", "with ends of lines and closed", lines([f"{text}\n" for text in texts()])),
    ("15.2", "indented", kernel(lines=[json.dumps(json.loads(t), indent=2) for t in texts()])),
    ("15.2", "the first ten", lines(texts()[:10])),
    ("15.2", "the other way round", lines(texts(record(id=lambda n, _: LAST - n)))),
    ("15.2", "across before down", lines(texts(record(image=lambda _, x: x.T.tolist())))),
    ("15.2", "local mode and closed", local),
    ("15.2", "run since", lambda work: work.ran_at("15.2", time.time() + 60)),

    ("15.3", "several records", request("transform", strategy="MultiRecord")),
    ("15.3", "no strategy", both(request("transform", strategy=None), failed)),
    ("15.3", "no ends of lines", output(AssembleWith=None)),
    ("15.3", "put together with nothing", output(AssembleWith="None")),
    ("15.3", "no accept", output(Accept=None)),
    ("15.3", "CSV", output(Accept="text/csv")),
    ("15.3", "another place", lambda work: output(S3OutputPath=work.uri("Transform"))(work)),
    ("15.3", "over the input", lambda work: output(
        S3OutputPath=work.uri("Transform/run-1/input"))(work)),
    ("15.3", "no place", lambda work: output(
        S3OutputPath=f"s3://{work.bucket}/lab4-digits-transform-1")(work)),
    ("15.3", "two machines", request("transform", count=2)),
    ("15.3", "another model", request("transform", model="s3://any/Lab2/Training/model.tar.gz")),
    ("15.3", "local on an instance", request("transform", type="local")),
    ("15.3", "failed job", failed),
    ("15.3", "answers missing", answered(lambda: JOINED[:-2])),
    ("15.3", "no JSON", answered(lambda: [repr(one) for one in JOINED])),
    ("15.3", "several records in local mode", both(
        local, request("transform", strategy="MultiRecord"))),

    ("15.4", "no join", both(filters(JoinSource=None, OutputFilter=None), answered(
        lambda: [ANSWER] * len(IMAGES)))),
    ("15.4", "joined with nothing", filters(JoinSource="None")),
    ("15.4", "no input filter", both(filters(InputFilter=None), failed)),
    ("15.4", "the whole record", both(filters(InputFilter="$"), failed)),
    ("15.4", "the id to the model", both(filters(InputFilter="$.id"), failed)),
    ("15.4", "the first row", both(filters(InputFilter="$.image[0]"), failed)),
    ("15.4", "another name", both(filters(InputFilter="$.images"), failed)),
    ("15.4", "no dollar", both(filters(InputFilter="image"), failed)),
    ("15.4", "no output filter", filters(OutputFilter=None)),
    ("15.4", "the image too", filters(OutputFilter="$['id','image','SageMakerOutput']")),
    ("15.4", "the answer alone", filters(OutputFilter="$.SageMakerOutput")),
    ("15.4", "the id alone", filters(OutputFilter="$['id']")),
    ("15.4", "another name of the answer", both(
        filters(OutputFilter="$['id','output']"), failed)),
    ("15.4", "one after the other", both(
        filters(OutputFilter="$['id']['SageMakerOutput']"), failed)),
    ("15.4", "double quotes", both(filters(OutputFilter='$["id","SageMakerOutput"]'), failed)),
    ("15.4", "failed job", failed),
    ("15.4", "answers missing", answered(lambda: JOINED[2:])),
    ("15.4", "local mode", local),
    ("15.4", "turned but not run again", request("transform", type="local")),
]  # fmt: skip


# --- right answers that are not ours --------------------------------------------------------

RIGHT = [
    ("15.1", "in the kernel", kernel(approved_arn=f"{GROUP}/2")),
    ("15.1", "a newer one approved since", both(
        arn(f"{GROUP}/2"), version(3, changed=-10, created=-5))),
    ("15.1", "an older one that was approved later", both(
        arn(f"{GROUP}/2"), version(1, changed=10))),
    ("15.1", "a better reason written since", both(
        arn(f"{GROUP}/2"), version(2, changed=-10))),
    ("15.1", "approved without a reason", version(2, reason="")),
    ("15.1", "more is printed", arn(f"The versions:\n{GROUP}/1\n{GROUP}/2\nThe last one.")),

    ("15.2", "in the kernel", kernel(lines=texts())),
    ("15.2", "other order of keys, and spaces", lines(texts(
        lambda n, x: f'  {{"image" : {json.dumps(x.tolist())}, "id" : {n}}} '))),
    ("15.2", "rounded", lines(texts(record(image=lambda _, x: np.round(x, 6).astype(
        float).round(6).tolist())))),
    ("15.2", "no spaces", kernel(lines=texts(lambda n, x: json.dumps(
        {"id": n, "image": x.tolist()}, separators=(",", ":"))))),
    ("15.2", "a key more", lines(texts(record(split=lambda *_: "test")))),
    ("15.2", "in another order", lines(texts()[::-1])),
    ("15.2", "a tuple", kernel(lines=tuple(texts()))),
    ("15.2", "an end of line at the end", lines([*texts(), ""])),
    ("15.2", "whose job failed", failed),
    ("15.2", "run before", lambda work: work.ran_at("15.2", time.time() - 60)),
    ("15.2", "local mode and open", both(local, lambda work: work.open(
        LOCAL=True, lines=texts()))),

    ("15.3", "how many at once", request("transform", more={
        "MaxPayloadInMB": 1, "MaxConcurrentTransforms": 4})),
    ("15.3", "lines of JSON by their name", output(Accept="application/jsonlines")),
    ("15.3", "a slash at the end", lambda work: output(
        S3OutputPath=work.uri("Transform/run-1/output/"))(work)),
    ("15.3", "another machine", request("transform", type="ml.c5.xlarge")),
    ("15.3", "another version", request(
        "transform", model="s3://any/Lab4/Executions/1/Package/model.tar.gz")),
    ("15.3", "without filters", both(filters(
        InputFilter=None, JoinSource=None, OutputFilter=None), answered(
            lambda: [ANSWER] * len(IMAGES)))),
    ("15.3", "local mode", local),

    ("15.4", "the other order", filters(OutputFilter="$['SageMakerOutput','id']")),
    ("15.4", "with a dot", filters(OutputFilter="$.['id', 'SageMakerOutput']")),
    ("15.4", "a name in brackets", filters(InputFilter="$['image']")),
    ("15.4", "all rows", filters(InputFilter="$.image[*]")),
    ("15.4", "whose answers are in another order", answered(lambda: JOINED[::-1])),
    ("15.4", "on two machines", request("transform", count=2)),
]  # fmt: skip
