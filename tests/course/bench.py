"""Labs with some regions changed: a section of one runs with real jobs, and is checked."""

from __future__ import annotations

import ast
import gzip
import struct
from pathlib import Path

import nbformat

from workshop.course import checks, manifest
from workshop.emulator.client import daemon
from workshop.paths import ROOT

from .stages import materialise
from .workbench import Result, Until, Workbench

#: The sections that need what others have left in S3.
NEEDS = {2: (1,), 3: (1, 2), 5: (4,), 6: (4, 5), 15: (14,), 16: (14,), 17: (13,)}


def section_of(lab: manifest.Lab, number: str) -> manifest.Section:
    """Return the section of a task."""
    return next(
        section for section in lab.sections if number in [task.number for task in section.tasks]
    )


def few_digits(folder: Path) -> None:
    """Write the raw files of the first 300 training and 100 test images of the digits."""
    for part, count in (("train", 300), ("t10k", 100)):
        for name, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            file = f"{part}-{name}-ubyte.gz"
            content = gzip.decompress((ROOT / "data/raw" / file).read_bytes())
            counted = content[:4] + struct.pack(">I", count) + content[8:header]
            (folder / file).write_bytes(
                gzip.compress(counted + content[header : header + count * size])
            )


def delete_endpoints() -> None:
    """Let no endpoint run any more, and the names of their configurations be free again."""
    client = daemon.client("sagemaker")
    names = [one["EndpointName"] for one in client.list_endpoints()["Endpoints"]]
    for name in names:
        client.delete_endpoint(EndpointName=name)
    for name in names:
        client.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    for one in client.list_endpoint_configs()["EndpointConfigs"]:
        client.delete_endpoint_config(EndpointConfigName=one["EndpointConfigName"])


class Bench:
    """Makes labs with some regions changed, runs a section of them, and checks that section."""

    def __init__(self, workbench: Workbench, raw_data: Path, folders) -> None:
        self._workbench, self._raw_data, self._folders = workbench, raw_data, folders
        self._solved: set[int] = set()  # sections that ended with the solution

    def open(self, lab: manifest.Lab, section: manifest.Section, **parameters) -> Attempt:
        folder = self._folders.mktemp("lab") / lab.folder
        notebook = folder / f"{section.notebook}.ipynb"
        folder.mkdir()
        parameters["RAW_DATA"] = str(self._raw_data)
        kernel = self._workbench.kernel(notebook, **parameters)
        return Attempt(lab, section, folder, kernel)

    def prepare(self, lab: manifest.Lab, section: manifest.Section) -> None:
        """Let S3 hold what the section needs: run the solution of the others where it is not."""
        for other in lab.sections:
            if other.number in NEEDS.get(section.number, ()) and other.number not in self._solved:
                with self.open(lab, other) as attempt:
                    attempt.solve()
                self._solved.add(other.number)
        self._solved.discard(section.number)


class Attempt:
    """A learner at one section of a lab, in a folder and a kernel of their own."""

    def __init__(self, lab, section, folder, kernel) -> None:
        self._lab, self._section, self._kernel = lab, section, kernel
        self.folder = folder

    def __enter__(self) -> Attempt:
        self._running = self._kernel.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._kernel.__exit__(*error)
        delete_endpoints()  # one that is left runs on, into the next tests

    def solve(self) -> None:
        """Run the solution to its end; nobody checks it."""
        self._write({})
        result = self._running.run()
        assert not result.error, result

    def run(self, **changes) -> tuple[dict[str, str], str]:
        """Change regions, go on where the notebook stopped; return the states, what was told."""
        self._write(changes)
        return self._check(self._running.run())

    def try_out(self, **changes) -> tuple[dict[str, str], str]:
        """The same, and the next one begins at the same cell again."""
        self._write(changes)
        return self._check(self._running.try_out())

    def only(self, number: str, code: str | None, until: Until) -> None:
        """Run the region of a task with other code, None for the gap, up to a cell.

        The next one begins at the same cell again, but for what follows the gap.
        """
        self._write({"open": {number}} if code is None else {"codes": {number: code}})
        if code is None:
            self._running.run(until)
        else:
            self._running.try_out(until)

    def _write(self, changes: dict) -> None:
        materialise(self.folder, lab=self._lab, **changes)
        for path in self.folder.rglob("*"):
            if path.suffix == ".py":
                ast.parse(path.read_text())
            if path.suffix == ".ipynb":
                for cell in nbformat.read(path, 4).cells:
                    assert cell.cell_type != "code" or ast.parse(cell.source)

    def _check(self, result: Result) -> tuple[dict[str, str], str]:
        outcomes = checks.run_section(self._section.number, self.folder)
        told = "\n".join(checks.feedback(outcome) for outcome in outcomes)
        return {one.number: one.state for one in outcomes}, f"{result}\n{told}"
