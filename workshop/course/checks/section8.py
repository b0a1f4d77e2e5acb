"""The checks of 8-script-processor."""

from __future__ import annotations

import json

from workshop.course.checks.look import Look, jobs, s3, trials
from workshop.course.checks.look.job_request import PROCESSING, input_at, output_uri, outputs_of
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check

SCRIPT = "cli_parse_annotation_files.py"
IMAGES, ANNOTATIONS = f"{PROCESSING}/input/images_dir", f"{PROCESSING}/input/annotations_dir"
DEPENDENCIES = f"{PROCESSING}/code_dependencies"
OUTPUT = f"{PROCESSING}/output"


@check("8.1")
def inputs_and_outputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    for folder, key, suffix in (
        (IMAGES, "Video/frames/", ".png"),
        (ANNOTATIONS, "Video/frames_annotations/", ".xml"),
        (DEPENDENCIES, "Code/", "voc.py"),
    ):
        expected = f"{look.top}{key} of the bucket at {folder}"
        source = input_at(record, folder, expected)
        there = [item.name for item in s3.below(look, source).values()]
        if not any(name.endswith(suffix) for name in there):
            raise NotYet(f"{source} at {folder}, where there is {listing(there, 3)}", expected)
        others = [name for name in there if name.endswith(".xml")]
        if folder == IMAGES and others:
            raise NotYet(
                f"{source} at {folder}: {others[0]} and so on come along",
                f"{expected}. Mind the / at the end",
            )
    uri = output_uri(record, f"{OUTPUT}/annotation.json")
    if uri is None:
        given = outputs_of(record).values()
        has = f"; it has {listing(folder for folder, _ in given)}" if given else ""
        raise NotYet(f"no output that takes {OUTPUT} to S3{has}", f"an output for {OUTPUT}")
    wanted = f"s3://{s3.split_uri(uri)[0]}/{look.top}Annotations/annotation.json"
    if uri != wanted:
        raise NotYet(f"annotation.json would be {uri}", wanted)
    jobs.stands(look, record)


# --- the script ---------------------------------------------------------------------------


@check("8.2")
def code_dependencies(look: Look) -> None:
    look.script(SCRIPT)
    look.at(
        f"{look.section.scripts}/{SCRIPT}, started as the job does, with voc.py in {DEPENDENCIES}"
    )
    trial = _try(look, "annotations.dependencies", {})
    if trial.report["voc"] == f"{DEPENDENCIES}/voc.py":
        if trial.error:
            raise NotYet(f"it stopped: {trial.error}", "a script that comes to main()")
        return
    found = f"it stopped: {trial.error}" if trial.error else "voc was not imported"
    added = listing(trial.report["added"])
    raise NotYet(
        f"{found}; the script has put {added} on sys.path",
        f"{DEPENDENCIES} on sys.path, before voc is imported",
    )


_FRAMES = [
    {"filename": "b.png", "width": 64, "height": 48, "objects": [
        {"name": "7", "xmin": 5, "ymin": 10, "xmax": 20, "ymax": 40},
        {"name": "3", "xmin": 31, "ymin": 1, "xmax": 64, "ymax": 18}]},
    {"filename": "a.png", "width": 80, "height": 60, "objects": []},
    {"filename": "c.png", "width": 64, "height": 48, "objects": [
        {"name": "7", "xmin": 33, "ymin": 22, "xmax": 52, "ymax": 48},
        {"name": "1", "xmin": 8, "ymin": 3, "xmax": 12, "ymax": 30}]},
]  # fmt: skip
_KEYS = {
    "images": ("id", "file_name", "width", "height"),
    "categories": ("id", "name"),
    "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd"),
}


@check("8.3")
def coco(look: Look) -> None:
    look.script(SCRIPT)
    boxes = sum(len(frame["objects"]) for frame in _FRAMES)
    look.at(
        f"to_coco in {look.section.scripts}/{SCRIPT}, on {len(_FRAMES)} made-up frames with {boxes}"
        " boxes"
    )
    files = {"/opt/ml/check/frames.json": json.dumps(_FRAMES).encode()}
    trial = _try(look, "annotations.to_coco", files)
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", f"a dict with the lists {', '.join(_KEYS)}")
    found = trial.report["coco"]
    _judge_layout(found)
    _judge_ids(found)
    _judge_images(found["images"])
    _judge_categories(found["categories"])
    _judge_annotations(found)


def _try(look: Look, name: str, files: dict[str, bytes]):
    voc = look.scripts / "code_dependencies" / "voc.py"
    # In the job the script is alone: only this one file is uploaded.
    return trials.run(
        look,
        name,
        code=f"{PROCESSING}/input/code",
        files={f"{DEPENDENCIES}/voc.py": voc.read_bytes(), **files},
        without=["code_dependencies"],
    )


def _judge_layout(found: object) -> None:
    expected = f"a dict with the lists {', '.join(_KEYS)}"
    if not isinstance(found, dict):
        raise NotYet(f"to_coco returned {json.dumps(found)[:60]}", expected)
    for name, keys in _KEYS.items():
        if not isinstance(found.get(name), list):
            raise NotYet(f"no list {name}; there is {listing(found)}", expected)
        for one in found[name]:
            missing = [key for key in keys if not isinstance(one, dict) or key not in one]
            if missing:
                raise NotYet(
                    f"in {name} there is {json.dumps(one)}, without {listing(missing)}",
                    f"{listing(keys)} for each of the {name}",
                )


def _judge_ids(found: dict) -> None:
    for name in _KEYS:
        ids = [one["id"] for one in found[name]]
        if sorted(map(str, ids)) != sorted(str(n) for n in range(1, len(ids) + 1)) or any(
            not isinstance(one, int) for one in ids
        ):
            wanted = listing(map(str, range(1, len(ids) + 1)))
            raise NotYet(
                f"the ids of the {name} are {listing(map(json.dumps, ids))}",
                f"{wanted}: counted from 1, each one once",
            )


def _judge_images(images: list[dict]) -> None:
    for frame in _FRAMES:
        mine = [one for one in images if one["file_name"] == frame["filename"]]
        if len(mine) != 1:
            raise NotYet(
                f"{frame['filename']} is {len(mine)} times in images",
                "each frame once, also one without boxes",
            )
        size, wanted = ([one["width"], one["height"]] for one in (mine[0], frame))
        if size != wanted:
            raise NotYet(
                f"width and height of {frame['filename']} are {size[0]} and {size[1]}",
                f"{wanted[0]} and {wanted[1]}",
            )


def _judge_categories(categories: list[dict]) -> None:
    wanted = sorted({box["name"] for frame in _FRAMES for box in frame["objects"]})
    names = [one["name"] for one in sorted(categories, key=lambda one: one["id"])]
    if names != wanted:
        raise NotYet(
            f"the names of the categories are {listing(map(json.dumps, names))}",
            f"{listing(map(json.dumps, wanted))}: the names of all objects, each once and sorted",
        )


def _judge_annotations(found: dict) -> None:
    images = {one["file_name"]: one["id"] for one in found["images"]}
    names = {one["id"]: one["name"] for one in found["categories"]}
    for one in found["annotations"]:
        for key, known in (("image_id", images.values()), ("category_id", names)):
            if one[key] not in known:
                raise NotYet(
                    f"an annotation has the {key} {json.dumps(one[key])}",
                    f"the id of one of the {'images' if key == 'image_id' else 'categories'}: "
                    f"{listing(map(str, known))}",
                )
    for frame in _FRAMES:
        mine = [one for one in found["annotations"] if one["image_id"] == images[frame["filename"]]]
        its = [names[one["category_id"]] for one in mine]
        wanted = [box["name"] for box in frame["objects"]]
        if sorted(its) != sorted(wanted):
            raise NotYet(
                f"the boxes of {frame['filename']} are of the categories {listing(its)}",
                f"one box for each of its objects: {listing(wanted)}",
            )
        for box in frame["objects"]:
            _judge_box(box, next(one for one in mine if names[one["category_id"]] == box["name"]))


def _judge_box(box: dict, found: dict) -> None:
    left, top, right, bottom = (box[edge] for edge in ("xmin", "ymin", "xmax", "ymax"))
    x, y, width, height = left - 1, top - 1, right - left + 1, bottom - top + 1
    wanted = [x, y, width, height]
    why = {
        (left, top, right, bottom): ", which are the four edges",
        (left, top, width, height): ": x and y are still counted from 1",
        (x, y, width - 1, height - 1): ": its last column and its last row are missing",
        (left, top, width - 1, height - 1): ": x and y are still counted from 1, and its last "
        "column and its last row are missing",
        (x, y, right, bottom): ", with the edges where width and height belong",
        (y, x, height, width): ", with across and down exchanged",
    }
    told = f"the box with {', '.join(f'{key} {box[key]}' for key in box if key != 'name')}"
    bbox = found["bbox"]
    if bbox != wanted:
        close = why.get(tuple(bbox), "") if isinstance(bbox, list) else ""
        raise NotYet(f"{told} has the bbox {json.dumps(bbox)}{close}", f"{wanted}")
    if found["area"] != width * height:
        raise NotYet(f"{told} has the area {json.dumps(found['area'])}", f"{width * height}")
    if found["iscrowd"] != 0:
        raise NotYet(
            f"{told} has iscrowd {json.dumps(found['iscrowd'])}", "0: it is one object, no crowd"
        )
