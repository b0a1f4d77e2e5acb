"""The script that turns and moves images, and adds noise."""

import numpy as np

from .report import REPORT
from .scripts import execute

IMAGES, SIDE = 100, 28
#: Where a blob is, from the middle of the image, in pixels: (across, down).
BLOBS = ((0, 0), (7, 0), (0, 6))


def augment():
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
