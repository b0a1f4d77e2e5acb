"""The checks of 7-three-instances."""

from __future__ import annotations

import io
import json
import re

import numpy as np

from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.job_request import PROCESSING, input_at, output_uri
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check
from workshop.emulator.service.sagemaker.records import Record

SCRIPT = "preprocess_shard.py"
SHARDS, SHARDED = f"{PROCESSING}/shards", f"{PROCESSING}/sharded"
_INSTANCES = 3


@check("7.1")
def inputs(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    jobs.on_instances(record, _INSTANCES)
    uri = input_at(record, SHARDS, f"{look.top}Shards/ of the bucket at {SHARDS}")
    there = [item.name for item in s3.below(look, uri).values()]
    if not any(name.endswith(".npz") for name in there):
        raise NotYet(
            f"{uri} at {SHARDS}, where there is {listing(there, 3)}",
            f"{look.top}Shards/ of the bucket",
        )
    (source,) = (
        one["S3Input"]
        for one in record.request["ProcessingInputs"]
        if one["S3Input"]["LocalPath"].rstrip("/") == SHARDS
    )
    how = source.get("S3DataDistributionType", "FullyReplicated")
    if how != "ShardedByS3Key":
        raise NotYet(
            f"the shards are {how}: each of the {_INSTANCES} instances gets all {len(there)}",
            "ShardedByS3Key: each object goes to one instance only",
        )
    jobs.stands(look, record)


# --- the script ---------------------------------------------------------------------------

_HOST, _FILES = "algo-2", ("shard-01.npz", "shard-04.npz", "shard-07.npz")
_IMAGES = 4  # in each shard


@check("7.2")
def file_names(look: Look) -> None:
    look.script(SCRIPT)
    look.at(
        f"{look.section.scripts}/{SCRIPT}, run as the job does on {_HOST}, the second of three "
        f"hosts, with {len(_FILES)} shards of {_IMAGES} images"
    )
    config = {"current_host": _HOST, "hosts": ["algo-1", "algo-2", "algo-3"]}
    trial = trials.run(
        look,
        "preprocessing.shard",
        code=f"{PROCESSING}/input/code",
        files={f"{SHARDS}/{name}": _shard(n) for n, name in enumerate(_FILES)}
        | {"/opt/ml/config/resourceconfig.json": json.dumps(config).encode()},
        folders=[SHARDED],
    )
    names = f"part-{_HOST}.npz", f"seen-{_HOST}.json"
    expected = f"{names[0]} and {names[1]} in {SHARDED}"
    missing = [name for name in names if f"{SHARDED}/{name}" not in trial.files]
    if missing:
        if trial.error:
            raise NotYet(f"it stopped: {trial.error}", expected)
        written = [path for path in trial.files if path.endswith((".npz", ".json", ".npy"))]
        raise NotYet(f"no {' and no '.join(missing)}; it wrote {listing(written)}", expected)
    part, seen = (trial.files[f"{SHARDED}/{name}"] for name in names)
    _judge_part(part, names[0])
    _judge_seen(seen, names[1])
    if trial.error:
        raise NotYet(f"at the end it stopped: {trial.error}", "a script that runs to its end")


def _shard(n: int) -> bytes:
    content = io.BytesIO()
    images = np.full((_IMAGES, 28, 28), 51 * (n + 1), np.uint8)
    np.savez(content, images=images, labels=np.full(_IMAGES, n, np.uint8))
    return content.getvalue()


def _judge_part(content: bytes, name: str) -> None:
    total = _IMAGES * len(_FILES)
    expected = f"images (n, 28, 28, 1) and labels (n,) of all {total} images"
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as part:
            arrays = {key: part[key] for key in part.files}
    except Exception:
        raise NotYet(f"a {name} that cannot be read", expected) from None
    if not {"images", "labels"} <= arrays.keys():
        raise NotYet(f"{name} holds {listing(arrays)}", expected)
    images, labels = arrays["images"], arrays["labels"]
    if images.shape != (total, 28, 28, 1) or labels.shape != (total,):
        shapes = f"images {images.shape} and labels {labels.shape}"
        raise NotYet(f"{name} holds {shapes}", expected)
    if not np.allclose(images[:, 0, 0, 0], 0.2 * (labels + 1.0), atol=1e-3):
        raise NotYet(
            f"the images in {name} are not the raw ones divided by 255, each with its label",
            "images and labels as the script has made them, in the same order",
        )


def _judge_seen(content: bytes, name: str) -> None:
    wanted = {"host": _HOST, "files": list(_FILES), "images": _IMAGES * len(_FILES)}
    try:
        found = json.loads(content)
    except ValueError as error:
        raise NotYet(f"{name} is no JSON: {error}", json.dumps(wanted)) from None
    if not isinstance(found, dict) or any(found.get(key) != wanted[key] for key in wanted):
        raise NotYet(f"{name} holds {json.dumps(found)}", json.dumps(wanted))


# --- the result ---------------------------------------------------------------------------


@check("7.3")
def seen(look: Look) -> None:
    record = jobs.newest(look, SCRIPT)
    jobs.on_instances(record, _INSTANCES)
    jobs.ended_well(record)
    job, wanted = look.looked_at, _told(look, record)
    found = notebook.value(look, "seen", _read_seen)
    look.at(f"{look.looked_at}, and what {job} left in S3")
    if not isinstance(found, dict):
        raise NotYet(f"seen is a {type(found).__name__}", "a dict: the files of each host")
    for host, files in wanted.items():
        if host not in found:
            raise NotYet(f"seen has no {host}; it has {listing(map(str, found))}", _shown(wanted))
        its = found[host]
        if not isinstance(its, (list, tuple)) or list(its) != files:
            its = listing(map(str, its), 20) if isinstance(its, (list, tuple)) else repr(its)
            raise NotYet(f"{host}: {its}", f"{host}: {listing(files, 20)}")
    if len(found) > len(wanted):
        others = [str(host) for host in found if host not in wanted]
        raise NotYet(f"seen has {listing(others)} too", _shown(wanted))


def _told(look: Look, record: Record) -> dict[str, list[str]]:
    """Return what the hosts say they saw, which must be each shard once."""
    shards = sorted(item.name for item in s3.input_files(look, record).values())
    top = (output_uri(record, f"{SHARDED}/x") or "").removesuffix("x")
    if s3.split_uri(top)[1] != f"{look.top}Sharded/":
        raise NotYet(f"the job leaves its files at {top or 'no place'}", f"{look.top}Sharded/")
    told = {}
    for host in (f"algo-{n}" for n in range(1, _INSTANCES + 1)):
        uri = f"{top}seen-{host}.json"
        s3.made_by(look, record, uri)
        told[host] = sorted(json.loads(s3.read(look, uri) or b"{}").get("files", ()))
    every = sorted(name for files in told.values() for name in files)
    if every != shards:
        raise NotYet(
            f"the hosts saw {len(every)} files, of {len(shards)} in S3: {_shown(told)}",
            "each shard seen by one host: see tasks 7.1 and 7.2",
        )
    return told


def _shown(told: dict[str, list[str]]) -> str:
    return "; ".join(f"{host}: {listing(files, 20)}" for host, files in told.items())


def _read_seen(printed: str) -> dict[str, list[str]]:
    """Find what stands behind the name of each host."""
    parts = re.split(r"(algo-\d+)", printed)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {host: re.findall(r"[\w.-]+\.npz", text) for host, text in pairs}
