"""The checks of 9-own-container."""

from __future__ import annotations

import json
import math

import numpy as np

from workshop.course.checks.look import Look, jobs, notebook, s3, trials
from workshop.course.checks.look.job_request import PROCESSING, options_of, outputs_of
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check

SCRIPT = "main.py"

# --- the script ---------------------------------------------------------------------------

_DEGREES, _PIXELS = 15, 2
#: Where the blobs of `inside/augmentation.py` were, in pixels.
_ACROSS, _DOWN = 7, 6


@check("9.1")
def augmentation(look: Look) -> None:
    look.script(SCRIPT)
    trials.needs(look, "torch", "PyTorch")
    look.at(f"augment in {look.section.scripts}/{SCRIPT}, on 100 copies of a made-up image")
    trial = trials.run(look, "augmentation.augment", code=f"{PROCESSING}/input/code", files={})
    report = trial.report
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", "a tensor like images")
    _judge_tensor(report)
    same, other = report["same"]
    if not same:
        raise NotYet(
            "the same seed of the generator gives other images the second time",
            "all random numbers from the generator: torch.rand(..., generator=generator)",
        )
    if other:
        raise NotYet("another seed of the generator gives the same images", "other images")
    centers = report["centers"]
    if any(one is None for of_blob in centers for one in of_blob):
        raise NotYet("an image where nothing is left", "each image turned and moved a little")
    _judge_moves(*np.array(centers))
    _judge_noise(*report["noise"])


def _judge_tensor(report: dict) -> None:
    if report["returned"] != "Tensor":
        returned = report["returned"]
        found = "nothing" if returned == "NoneType" else f"a {returned}"
        raise NotYet(f"augment returned {found}", "a tensor like images")
    if report["shape"] != [100, 28, 28]:
        raise NotYet(f"the result has the shape {tuple(report['shape'])}", "(100, 28, 28)")
    if report["type"] != "torch.float32":
        raise NotYet(f"the result is {report['type']}", "torch.float32, like images")
    least, most = report["range"]
    if not report["finite"] or least < 0 or most > 1:
        raise NotYet(
            f"the values go from {least:.2f} to {most:.2f}", "values from 0 to 1, also with noise"
        )


def _judge_noise(spread: float, between: float) -> None:
    if spread < 0.003 or between < 0.003:
        noise = "no noise" if spread < 0.003 else "the same noise in all images"
        raise NotYet(noise, "some noise, in each image another one")
    if spread > 0.15:
        raise NotYet(
            f"noise with a spread of {spread:.2f}", "some noise: one must still read the digits"
        )


def _judge_moves(middle: np.ndarray, right: np.ndarray, below: np.ndarray) -> None:
    """Each is (100, 2): where a blob is in each image, in pixels from the middle."""
    (ax, ay), (bx, by) = (right - middle).T, (below - middle).T
    mirrored = int((ax * by - ay * bx < 0).sum())
    if mirrored:
        raise NotYet(f"{mirrored} of the 100 images are mirrored", "images only turned and moved")
    size = np.hypot(ax, ay).mean() / _ACROSS, np.hypot(bx, by).mean() / _DOWN
    if not all(0.85 < one < 1.15 for one in size):
        raise NotYet(
            f"the images have {size[0]:.0%} of their width and {size[1]:.0%} of their height",
            "images only turned and moved: the same size",
        )
    angles = np.degrees(np.arctan2(ay, ax))
    _judge_numbers(angles, "turned", "degrees", _DEGREES, 1, 9)
    for moved, name in zip(middle.T, ("across", "down"), strict=True):
        _judge_numbers(moved, f"moved {name}", "pixels", _PIXELS, 0.2, 1.5)


def _judge_numbers(
    found: np.ndarray, done: str, unit: str, limit: float, off: float, least: float
) -> None:
    """Judge one of the moves: by something in each image, in both directions."""
    expected = f"by up to {limit} {unit}, in both directions"
    most = np.abs(found).max()
    if most > limit + off:
        raise NotYet(f"an image is {done} by {most:.1f} {unit}", expected)
    if most < off:
        raise NotYet(f"no image is {done}", expected)
    if np.ptp(found) < off:
        raise NotYet(
            f"all images are {done} by the same: {found.mean():.1f} {unit}",
            f"each image in another way, {expected}",
        )
    if found.min() > -off or found.max() < off:
        raise NotYet(f"all images are {done} in one direction", expected)
    if most < least:
        raise NotYet(f"of 100 images, none is {done} by more than {most:.1f} {unit}", expected)


# --- a job for each batch -----------------------------------------------------------------


@check("9.2")
def batches(look: Look) -> None:
    newest = {}
    of_batches = 0
    for record in jobs.started(look, SCRIPT):
        options = options_of(record)
        if "--input-dir" in options:
            of_batches += 1
            newest[options["--input-dir"].rstrip("/")] = record, options
    if not of_batches:
        raise NotYet(
            "it has no --input-dir, and no other job with main.py has one",
            "a job for each batch: with the arguments --input-dir=… and --output-dir=…",
        )
    bucket = s3.split_uri(next(reversed(newest)))[0]
    dataset = f"s3://{bucket}/{look.top}Dataset"
    for batch, files in _batches(look, f"{dataset}/train/").items():
        look.at(f"the newest jobs with {SCRIPT}, and {dataset}/")
        source, target = f"{dataset}/train/{batch}", f"{dataset}/preprocessed/{batch}"
        if source not in newest:
            names = ", ".join(newest)
            raise NotYet(
                f"no job for the {len(files)} images in {source}/; there are jobs with "
                f"--input-dir={names}",
                f"a job with --input-dir={source}/",
            )
        record, options = newest[source]
        look.at(f"the processing job {record.name}, for the batch {batch}")
        given = options.get("--output-dir", "")
        if given.rstrip("/") != target:
            raise NotYet(
                f"its --output-dir is {given}" if given else "it has no --output-dir",
                f"--output-dir={target}/",
            )
        places = [uri.rstrip("/") for _, uri in outputs_of(record).values()]
        if not any(f"{target}/".startswith(f"{place}/") for place in places):
            raise NotYet(
                f"its outputs go to {listing(places)}",
                f"an output of {PROCESSING}/output that goes to {dataset}/preprocessed",
            )
        jobs.ended_well(record)
        for name in files:
            s3.made_by(look, record, f"{target}/{name}")
        jobs.stands(look, record)


def _batches(look: Look, uri: str) -> dict[str, list[str]]:
    """Return the names of the images in each folder."""
    found: dict[str, list[str]] = {}
    for path in sorted(s3.below(look, uri)):
        batch, _, name = path.rpartition("/")
        found.setdefault(batch, []).append(name)
    if not found:
        raise NotYet(f"nothing below {uri}", "the images, as the notebook puts them there")
    return found


# --- does it pay? -------------------------------------------------------------------------

_PRICES = {"ml.g4dn.xlarge": 0.75, "ml.t3.medium": 0.0625}
_SECONDS = ("TRAIN", "AUGMENT", "AUGMENT_SMALL", "FETCH")


@check("9.3")
def cost(look: Look) -> None:
    where = f"{look.notebook.name}, the cells that set alone and make beside"
    look.at(where)
    code = notebook.code(look, ("alone", "beside"), (*_SECONDS, "gpu_hour", "small_hour"))
    gpu, small = _PRICES.values()
    look.at(f"{where}, with a GPU for {gpu} US dollars an hour and a small machine for {small}")
    trial = trials.run(
        look,
        "cells.cost",
        code="/opt/ml/code",
        files={
            "/opt/ml/check/cell.py": code,
            "/opt/ml/check/prices.json": json.dumps(_PRICES).encode(),
        },
    )
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", "cells that Python can run")
    train, augment, slow, fetch = (trial.report["given"][name] for name in _SECONDS)
    hour = 3600
    together = "what TRAIN and AUGMENT seconds of the GPU machine cost"
    _judge_cost("alone", trial.report["alone"], (train + augment) / hour * gpu, together, {
        train / hour * gpu: ": AUGMENT is missing",
        (train + augment) * gpu: ", as if the price were for a second",
    })  # fmt: skip
    for count, found in trial.report["beside"]:
        seconds = slow + count * fetch
        busy = train / hour * gpu
        parts = "TRAIN seconds of the GPU machine, and AUGMENT_SMALL and FETCH for each job of a "
        _judge_cost(
            f"beside({count})",
            found,
            busy + seconds / hour * small,
            f"{parts}small machine",
            {
                busy + (slow + fetch) / hour * small: ": FETCH counts once for each job",
                busy + slow / hour * small: ": FETCH is missing",
                busy + count * (slow + fetch) / hour * small: ": AUGMENT_SMALL counts once: the "
                "jobs share that work",
                busy + (augment + count * fetch) / hour * small: ": a small machine needs "
                "AUGMENT_SMALL, not AUGMENT",
                busy + seconds / hour * gpu: ", as if the small machine were one with a GPU",
                seconds / hour * small: ": the GPU machine is missing",
                (train + augment) / hour * gpu + seconds / hour * small: ": beside the small "
                "machines, the GPU machine does TRAIN alone",
                train * gpu + seconds * small: ", as if the prices were for a second",
            },
        )


def _judge_cost(
    name: str, found: object, wanted: float, parts: str, mistakes: dict[float, str]
) -> None:
    expected = f"{wanted:.4f}: {parts}"
    if not isinstance(found, float) or not math.isfinite(found):
        raise NotYet(f"{name} is {found}", expected)
    if abs(found - wanted) > 0.0001 * wanted:
        close = [why for other, why in mistakes.items() if abs(found - other) <= 0.0001 * other]
        raise NotYet(f"{name} is {found:.4f}{close[0] if close else ''}", expected)
