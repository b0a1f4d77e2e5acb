"""The script that turns annotations of frames into COCO's format."""

import json
import os
import sys

from .files import PLACE
from .report import REPORT, plain, simple
from .scripts import execute

DEPENDENCIES = "/opt/ml/processing/code_dependencies"


def dependencies():
    """Run all that comes before main()."""
    before = set(sys.path)
    try:
        execute("cli_parse_annotation_files.py", "__main__", main=lambda: None)
    finally:
        REPORT["added"] = [plain(path) for path in sys.path[1:] if path not in before]
        voc = getattr(sys.modules.get("voc"), "__file__", None)
        REPORT["voc"] = voc and os.path.realpath(voc)


def to_coco():
    """Call to_coco alone."""
    sys.path.insert(1, DEPENDENCIES)
    script = execute("cli_parse_annotation_files.py", "cli_parse_annotation_files")
    with open(f"{PLACE}/frames.json") as file:
        REPORT["coco"] = simple(script.to_coco(json.load(file)))
