"""The scripts that make arrays, or tables, of the raw data."""

import inspect
import os
import shutil

from .files import by_time
from .report import REPORT
from .scripts import execute, like


def whole():
    """Run the script as the job does."""
    execute("preprocessing.py", "__main__")


def paths():
    """Run the script with another preprocess_data, which notes what it was given."""
    REPORT["calls"] = []

    def note(given):
        REPORT["calls"].append([str(one) for one in given.values()])

    preprocess_data = like("preprocessing.py", "preprocess_data", note)
    execute("preprocessing.py", "__main__", preprocess_data=preprocess_data)


def imported():
    """Import the script, as a test does, with another preprocess_data, which notes its calls."""
    REPORT["calls"] = 0

    def preprocess_data(*_, **__):
        REPORT["calls"] += 1

    execute("preprocessing.py", "preprocessing", whole=True, preprocess_data=preprocess_data)


def alone():
    """Call preprocess_data alone."""
    function = execute("preprocessing.py", "preprocessing").preprocess_data
    places = ["/opt/ml/processing/source_data", "/opt/ml/processing"]
    function(*places[: len(inspect.signature(function).parameters)])


def moved():
    """Call preprocess_data with other folders than the job's, where it takes folders."""
    function = execute("preprocessing.py", "preprocessing").preprocess_data
    moved = "/opt/ml/processing/moved"
    places = [f"{moved}/source_data", moved]
    places = places[: len(inspect.signature(function).parameters)]
    REPORT["places"] = places
    if places:
        for folder in set(os.listdir("/opt/ml/processing")) - {"input"}:
            shutil.move(f"/opt/ml/processing/{folder}", f"{moved}/{folder}")
        function(*places)


def shard():
    """Run the script as one of several hosts does."""
    execute("preprocess_shard.py", "__main__")


def split_of_table():
    """Run the script as the job does, twice."""
    made = []
    for _ in range(2):
        execute("preprocessing.py", "__main__")
        made.append({})
        for part in ("train", "test"):
            for path in by_time(f"/opt/ml/processing/{part}"):
                with open(path, "rb") as file:
                    made[-1][path] = file.read()
    REPORT["same"] = made[0] == made[1]
