"""What would change from machine to machine, and from build to build."""

import re
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from workshop.course import notebooks
from workshop.paths import ROOT

#: Where `build` executes a lab: .../build-xxxxxxxx/LAB
_EXECUTED = rf"(/private)?{re.escape(tempfile.gettempdir())}/build-\w{{8}}/[^/\s]+/?"

#: Texts that are different each time, and what stands for them.
MASKS = (
    (_EXECUTED, ""),
    (r"\b20\d\d-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}\b", "2026-01-01-00-00-00-000"),  # job names
    (r"\b20\d\d-\d\d-\d\d([ T])\d\d:\d\d:\d\d([.,]\d+)?", r"2026-01-01\g<1>00:00:00"),
    # what a pipeline's executions, their jobs, and the trials of a tuning are called
    (r"\bpipelines-[a-z0-9]{12}-(\w+)-\w{10}\b", r"pipelines-xxxxxxxxxxxx-\1-xxxxxxxxxx"),
    (r"(T00:00:00Z/)[a-z0-9]{12}/", r"\1xxxxxxxxxxxx/"),
    (r"-\d{6}-\d{4}-(\d{3})-[0-9a-f]{8}\b", r"-260101-0000-\1-xxxxxxxx"),
    (r"\balgo-(\d+)-[a-z0-9]{5}\b", r"algo-\1-xxxxx"),  # host names
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"/tmp/tmp\w{8}\b", "/tmp/tmpxxxxxxxx"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
    (r"\b\d+(s|ms|us) \d+(s|ms|us)/step\b", "1s 1ms/step"),  # Keras' clock
    (r" at 0x[0-9a-f]{6,}>", ">"),
)


def mask_texts(notebook: NotebookNode) -> None:
    """Replace paths of this machine, times and random names in all texts."""
    for cell in notebooks.code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _mask(output.text)
            for kind, content in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = _mask(content)


def _mask(text: str) -> str:
    places = {f"{ROOT}/": "", str(ROOT): ".", f"{Path.home()}/": "~/"}
    for place, instead in sorted(places.items(), key=lambda item: -len(item[0])):
        text = text.replace(place, instead)
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text
