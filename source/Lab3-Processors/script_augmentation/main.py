"""Processing job: images in, the same images a little changed out. It needs PyTorch, and no more.

    python3 main.py [--input-dir DIR] [--output-dir DIR] [--seed N]

Each image is a .npy file (rows, columns) uint8. It keeps its name, and its place below the folder.
A DIR may also be an S3 address: see `folder_of`.
"""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

INPUT = "/opt/ml/processing/input"
OUTPUT = "/opt/ml/processing/output"
JOB_CONFIG = "/opt/ml/config/processingjobconfig.json"  # SageMaker writes it for each job


def augment(images, generator):
    """Return the images, each one changed a little, and each one in another way.

    images: (n, rows, columns) float32 from 0 to 1; the result has the same shape, type and range
    generator: torch.Generator, where all the random numbers come from

    Each image is turned by up to 15 degrees, moved by up to two pixels both ways, and gets some
    noise.
    """
    # task 9.1 begin
    n, rows, columns = images.shape

    def up_to(limit):  # for each image a number from -limit to limit
        return limit * (2 * torch.rand(n, generator=generator) - 1)

    angle = torch.deg2rad(up_to(15))
    # From -1 to 1 is the whole image: a pixel is 2 / columns.
    across, down = up_to(2) * 2 / columns, up_to(2) * 2 / rows
    first = torch.stack([angle.cos(), -angle.sin(), across], dim=1)
    second = torch.stack([angle.sin(), angle.cos(), down], dim=1)
    grid = functional.affine_grid(
        torch.stack([first, second], dim=1), (n, 1, rows, columns), align_corners=False
    )
    moved = functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]
    noise = 0.05 * torch.randn(images.shape, generator=generator)
    return (moved + noise).clamp(0, 1)
    # task 9.1 end


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input-dir", default=INPUT)
    parser.add_argument("--output-dir", default=OUTPUT)
    parser.add_argument("--seed", type=int, default=0, help="another one for each epoch")
    args = parser.parse_args()

    inputs, outputs = arrows()
    input_dir = folder_of(args.input_dir, inputs)
    output_dir = folder_of(args.output_dir, outputs)
    if input_dir is None:
        known = ", ".join(address for address, _ in inputs) or "none at all"
        parser.error(f"{args.input_dir} is in no input of this job. Its inputs: {known}.")

    done = augment_folder(input_dir, output_dir or Path(OUTPUT), args.seed)
    print(f"{len(done)} images of {args.input_dir} augmented")
    if output_dir is None:
        upload(done, Path(OUTPUT), args.output_dir)


def augment_folder(input_dir, output_dir, seed):
    """Augment all images below a folder, those of one directory at a time; return the new files.

    The random numbers depend on the seed and on the names of the files: whether an image comes
    with its own batch or with the whole set, the same becomes of it.
    """
    paths = sorted(input_dir.rglob("*.npy"))
    if not paths:
        raise FileNotFoundError(f"There is no .npy file below {input_dir}.")
    done = []
    for directory in sorted({path.parent for path in paths}):
        batch = [path for path in paths if path.parent == directory]
        images = torch.from_numpy(np.stack([np.load(path) for path in batch]))
        names = " ".join(path.name for path in batch)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {names}".encode()))
        changed = augment(images / 255, generator)
        changed = (255 * changed).round().to(torch.uint8).numpy()
        for path, image in zip(batch, changed, strict=True):
            target = output_dir / path.relative_to(input_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, image)
            done.append(target)
    return done


# --- S3 addresses as arguments -------------------------------------------------------------------


def arrows():
    """Return what SageMaker copies for this job: two lists of (S3 address, folder)."""
    if not Path(JOB_CONFIG).exists():  # not in a job
        return [], []
    config = json.loads(Path(JOB_CONFIG).read_text())
    outputs = config.get("ProcessingOutputConfig", {}).get("Outputs", [])
    inputs = [one.get("S3Input") for one in config.get("ProcessingInputs", [])]
    outputs = [one.get("S3Output") for one in outputs]
    return tuple(
        [(one["S3Uri"].rstrip("/"), one["LocalPath"]) for one in side if one]
        for side in (inputs, outputs)
    )


def folder_of(place, known):
    """Return the folder of this container that a place means; None when there is none.

    place: a folder, or an S3 address
    known: (S3 address, folder) of all that SageMaker copies

    What is below an S3 address is below its folder: when SageMaker copies s3://b/train to
    /opt/ml/processing/input, then s3://b/train/32/ is /opt/ml/processing/input/32.
    """
    if not place.startswith("s3://"):
        return Path(place)
    for address, folder in known:
        if f"{place.rstrip('/')}/".startswith(f"{address}/"):
            return Path(folder) / place[len(address) :].strip("/")
    return None


def upload(paths, folder, address):
    """Copy files to an S3 address ourselves: no output of this job goes there."""
    import boto3  # the container needs it for this alone

    bucket, _, prefix = address.removeprefix("s3://").rstrip("/").partition("/")
    s3 = boto3.client("s3")
    for path in paths:
        key = "/".join(part for part in (prefix, path.relative_to(folder).as_posix()) if part)
        s3.upload_file(str(path), bucket, key)
    print(f"{len(paths)} images copied to {address} by this script")


if __name__ == "__main__":
    main()
