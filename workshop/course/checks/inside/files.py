"""Where the host has things, and what is in a folder."""

import os
import shutil

PLACE = "/opt/ml/check"
MODEL, CHECKPOINTS, OUTPUT = "/opt/ml/model", "/opt/ml/checkpoints", "/opt/ml/output/data"


def empty(folder):
    for entry in os.scandir(folder):
        shutil.rmtree(entry) if entry.is_dir() else os.remove(entry)


def by_time(folder):
    """Return all files below a folder, the oldest first."""
    every = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return sorted(every, key=lambda path: os.stat(path).st_mtime_ns)
