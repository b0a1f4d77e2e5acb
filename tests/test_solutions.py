"""The committed solutions run in both positions of the toggle, and print what was committed."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from papermill.parameterize import parameterize_notebook

from workshop.account import doctor
from workshop.course import build, manifest, notebooks, run
from workshop.emulator import settings
from workshop.emulator.client import connection, daemon
from workshop.emulator.containers import engine
from workshop.emulator.service.sagemaker import records
from workshop.paths import ROOT

LABS = [lab for lab in manifest.labs() if lab.sections]
#: What a cell that is compared may print differently: [(regex, replacement), …].
PATTERNS = re.findall(
    r"(?m)^regex: (.*)\nreplace: (.*)$", (ROOT / "tests" / "nbval.cfg").read_text()
)


@pytest.fixture
def course(tmp_path):
    """Make a folder where runs/ may be written, with the real labs in it."""
    requirements = [lab.packages.requirements for lab in LABS if lab.packages]
    for name in ("source", "final", manifest.LAB0.folder, *requirements):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def accuracy(told: str, step: str) -> float:
    """Return the test accuracy that the summary shows for a step."""
    (line,) = re.findall(rf"(?m)^{step}  +done +\d+  +.*$", told)
    return float(re.search(r"test accuracy (\d\.\d+)", line)[1])


@pytest.mark.slow
def test_run(course, capsys):
    """`./lab run` ends well; both labs make the same arrays, and networks that are as good."""
    told = run_and_compare(LABS[:2], course, capsys)
    for step in ("Lab1 3-evaluation.ipynb", "Lab2 6-evaluation.ipynb"):
        assert accuracy(told, step) >= 0.97
    for folder in ("RawData", "DataProcessed", "Training", "Evaluation", "Lab2"):
        assert re.search(rf"s3://sagemaker-\S+/{folder}/ ", told)
    arrays = arrays_in_s3("DataProcessed/")
    assert len(arrays) == 6
    assert arrays_in_s3("Lab2/DataProcessed/") == arrays


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS[2:], ids=lambda lab: lab.folder)
def test_run_of_another_lab(lab, course, capsys):
    run_and_compare([lab], course, capsys)


def run_and_compare(labs: list[manifest.Lab], course: Path, capsys) -> str:
    """Run labs: each cell prints what was committed. Return what `./lab run` tells."""
    assert run.run([lab.folder for lab in labs], root=course) == 0, capsys.readouterr().out
    told = capsys.readouterr()
    assert told.err == ""
    assert engine.running() == []
    for lab in labs:
        (copy,) = (course / "runs").glob(f"*/{lab.folder}")
        assert used_on_instances(copy) == (NOTHING if lab == LABS[0] else named_in_contents(lab))
        for section in lab.sections:
            name = f"{section.notebook}.ipynb"
            notebook = notebooks.read(copy / name)
            assert notebooks.key_figure(notebook)
            for change in build.OUTPUT_PASSES:
                change(notebook)
            committed = cells_of_ours(notebooks.read(ROOT / "final" / lab.folder / name))
            for new, old in zip(cells_of_ours(notebook), committed, strict=True):
                assert printed(new) == printed(old), f"{name}: {new.source}"
    return told.out


#: Instances at once, by the name of AWS's quota for them, and the URIs of images.
Uses = tuple[dict[str, int], set[str]]
NOTHING: Uses = ({}, set())


def used_on_instances(folder: Path) -> Uses:
    """Return what the jobs and endpoints used that a lab's notebooks sent to SageMaker."""
    running: dict[str, list[tuple[float, int]]] = {}
    images = set()
    for job in records.jobs(folder):
        if job.kind == "processing":
            cluster = job.request["ProcessingResources"]["ClusterConfig"]
            use, image = "processing", job.request["AppSpecification"]["ImageUri"]
        elif job.kind == "transform":
            cluster, use = job.request["TransformResources"], "transform"
            image = job.request.get("Model", {}).get("PrimaryContainer", {}).get("Image")
        else:
            cluster = job.request["ResourceConfig"]
            use = "spot training" if job.request.get("EnableManagedSpotTraining") else "training"
            image = job.request["AlgorithmSpecification"]["TrainingImage"]
        if cluster["InstanceType"].startswith("ml."):
            changes = running.setdefault(f"{cluster['InstanceType']} for {use} job usage", [])
            count = cluster["InstanceCount"]
            changes += [(job.started, count), (job.ended, -count)]
            images.add(image)
    at_once = {
        name: max(itertools.accumulate(change for _, change in sorted(changes)))
        for name, changes in running.items()
    }
    for endpoint in records.endpoints(folder):
        counts = []
        for configuration in endpoint.request["Configurations"]:
            variants = configuration["ProductionVariants"]
            images |= {one["Model"]["PrimaryContainer"]["Image"] for one in variants}
            counts.append(sum(one["InitialInstanceCount"] for one in variants))
            (kind,) = {one["InstanceType"] for one in variants}
        # An update starts the new instances beside the old ones.
        at_once[f"{kind} for endpoint usage"] = max(
            before + after for before, after in itertools.pairwise([0, *counts])
        )
    # Section 9 has an image of the learner's own.
    return at_once, {uri for uri in images if not uri.endswith("/torchvision:latest")}


def named_in_contents(lab: manifest.Lab) -> Uses:
    """Return what course.toml says that a lab uses, where it is not in local mode."""
    from sagemaker import image_uris

    at_once = {
        quota.name: max(one.at_once for _, one in quota.uses) for quota in doctor.quotas([lab])
    }
    uris = set()
    for image, sections in doctor.images([lab]).items():
        given = {key: value for key, value in asdict(image).items() if value is not None}
        kind = sections[0].instances[0].type
        uris.add(image_uris.retrieve(**given, region=settings.REGION, instance_type=kind))
    return at_once, uris


def cells_of_ours(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells that papermill did not put there."""
    injected = notebooks.tagged(notebook, "injected-parameters")
    return [cell for cell in notebooks.code_cells(notebook) if cell not in injected]


def printed(cell: nbformat.NotebookNode) -> set[str]:
    """Return the lines that a cell printed, without what varies.

    Cells whose output is not to be compared have their words compared all the same: numbers, dots
    of the SDK, and the order in which hosts print are different each time. A table has the names of
    its columns compared: its rows are what ran before, too.
    """
    compared = "nbval-check-output" in cell.metadata.get("tags", ())
    varies = PATTERNS if compared else [(r"[\W\d_]+", " ")]
    lines = set()
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text") or data.get("text/plain", "")
        if 'class="dataframe"' in data.get("text/html", ""):
            header, _, _ = data["text/html"].partition("</thead>")
            text = "\n".join(re.findall("<th>(.+)</th>", header))
        text = re.sub(r"Note: the image has .*\n?", "", text)  # of this machine's Python, too
        for pattern, instead in varies:
            text = "\n".join(re.sub(pattern, instead, line) for line in text.splitlines())
        lines |= {line.strip() for line in text.splitlines()}
    return lines - {""}


def arrays_in_s3(prefix: str) -> dict[str, bytes]:
    s3, bucket = daemon.client("s3"), "sagemaker-us-east-1-123456789012"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    return {
        one["Key"].removeprefix(prefix): s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
        for one in listed
    }


@pytest.mark.slow
def test_run_lab0(course, capsys):
    """The pipeline before it was taken apart is as good."""
    assert run.run(["Lab0"], root=course) == 0, capsys.readouterr().out
    assert accuracy(capsys.readouterr().out, "Lab0 evaluation.py") >= 0.97


def nbval(folder: Path, *files: str) -> subprocess.CompletedProcess:
    """Run notebooks again, and compare the cells that are tagged for it."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-sanitize-with"),
            *(ROOT / "tests" / "nbval.cfg", "--rootdir", folder, "-p", "no:cacheprovider", "-q"),
            *files,
        ],
        cwd=folder,
        env={
            **connection.environment(),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "IPYTHONDIR": str(folder / ".ipython"),
            "PYTEST_ADDOPTS": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_the_other_position_of_the_toggle(lab, tmp_path):
    """Lab 1 runs on instances too, the others in local mode; what nbval compares is the same."""
    copy = shutil.copytree(ROOT / "final" / lab.folder, tmp_path / lab.folder)
    names = [f"{section.notebook}.ipynb" for section in lab.sections]
    for name in names:
        notebook = papermill.iorw.load_notebook_node(str(copy / name))
        (cell,) = notebooks.tagged(notebook, "parameters")
        other = {"LOCAL": "LOCAL = True" not in cell.source}
        nbformat.write(parameterize_notebook(notebook, other), copy / name)
    found = nbval(copy, *names)
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
    assert used_on_instances(copy) == (named_in_contents(lab) if lab == LABS[0] else NOTHING)


@pytest.mark.slow
def test_another_output_is_noticed(tmp_path):
    """The comparison can fail, and forgives only what nbval.cfg says."""
    tag = {"tags": ["nbval-check-output"]}
    committed = {
        "forgiven": "test accuracy 0.989\njob-2026-11-20-13-21-49-101\n",
        "noticed": "test accuracy 0.789\n",
        "counted": "1,438 training images\n",
    }
    printed = "test accuracy 0.971\njob-2027-01-01-00-00-00-000\n"
    printed = {"forgiven": printed, "noticed": printed, "counted": "1,437 training images\n"}
    cells = [
        new_code_cell(
            f"print({printed[name]!r}, end='')",
            metadata=tag,
            execution_count=1,
            outputs=[new_output("stream", text=text)],
        )
        for name, text in committed.items()
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "one.ipynb")
    found = nbval(tmp_path, "one.ipynb")
    assert found.returncode == 1
    failed = re.findall(r"(?m)^FAILED one.ipynb::Cell (\d)", found.stdout)
    assert failed == ["1", "2"], found.stdout


def test_each_notebook_has_something_to_compare():
    """nbval compares tagged cells only, so each notebook must have one that prints."""
    for lab in LABS:
        for section in lab.sections:
            path = ROOT / "final" / lab.folder / f"{section.notebook}.ipynb"
            notebook = notebooks.read(path)
            checked = notebooks.tagged(notebook, "nbval-check-output")
            assert checked, path
            assert all(cell.outputs for cell in checked), path


def test_committed_outputs_are_of_no_machine():
    for path in (ROOT / "final").rglob("*.ipynb"):
        text = path.read_text()
        for trace in (str(ROOT), os.path.expanduser("~/"), "/tmp/build-", "papermill"):
            assert trace not in text, f"{path}: {trace}"
