"""What course.toml says of jobs, instances and images is what the sources use.

tests/test_solutions.py compares it with the jobs that really ran: their kinds, how many at once.
"""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

from workshop import prices
from workshop.course import manifest, notebooks
from workshop.paths import ROOT

SECTIONS = [(lab, section) for lab in manifest.labs() for section in lab.sections]
#: The framework whose image a class of the SDK takes.
FRAMEWORKS = {
    "TensorFlow": "tensorflow",
    "TensorFlowModel": "tensorflow",
    "TensorFlowProcessor": "tensorflow",
    "SKLearn": "sklearn",
    "SKLearnProcessor": "sklearn",
    "PyTorch": "pytorch",
    "XGBoost": "xgboost",
    "PySparkProcessor": "spark",
}
#: The processors whose request does not name the script.
FRAMEWORK_PROCESSORS = ("FrameworkProcessor", "TensorFlowProcessor")


class Uses(ast.NodeVisitor):
    """Finds in a program the instance types, the images (framework, version, Python), the jobs.

    jobs: (base_job_name, or what is certain of its beginning; kind)
    """

    def __init__(self, *files: Path) -> None:
        self.types: set[str] = set()
        self.images: set[tuple[str, str, str | None]] = set()
        self.jobs: set[tuple[str, str]] = set()
        self.scripts: set[str] = set()  # what a processor runs
        self.called: set[str] = set()  # functions and classes
        for file in files:
            lab0 = ROOT / manifest.LAB0.folder / "requirements.txt"
            tensorflow = re.search(r"(?m)^tensorflow\S*?==([\d.]+)", lab0.read_text())[1]
            self._names = {"framework_version": tensorflow}  # read from that file by the notebooks
            self.visit(ast.parse(file.read_text()))

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Constant) and isinstance(node.targets[0], ast.Name):
            self._names[node.targets[0].id] = node.value.value
            if node.targets[0].id == "instance_type":
                self._add_type(node.value.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        given = {one.arg: self._text(one.value) for one in node.keywords}
        called = ast.unparse(node.func)
        self.called.add(called)
        if "base_job_name" in given:
            kind = "training" if "entry_point" in given else "processing"
            self.jobs.add((given["base_job_name"].rstrip("-"), kind))
        if called == "name_from_base" and isinstance(node.args[0], ast.Name):
            # A trial's job has the trial's name. (With a text it is the name of a folder in S3.)
            self.jobs.add((self._text(node.args[0]), "processing"))
        if called.endswith(".run") and given.get("code"):
            self.scripts.add(given["code"].rpartition("/")[2])
        if called == "FrameworkProcessor":
            called = ast.unparse(node.args[0])
        if called == "image_uris.retrieve":
            self.images.add((self._text(node.args[0]), given["version"], given.get("py_version")))
        elif "framework_version" in given:
            framework = FRAMEWORKS[called]
            self.images.add((framework, given["framework_version"], given.get("py_version")))
        elif called in FRAMEWORKS and None in given:  # **settings, which several jobs share
            self.images.add((FRAMEWORKS[called], self._names["framework_version"], "py312"))
        self._add_type(given.get("instance_type"))
        self.generic_visit(node)

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return self._text(node.values[0])
        return self._names.get(node.id) if isinstance(node, ast.Name) else None

    def _add_type(self, name: str | None) -> None:
        if name and name.startswith("ml."):
            self.types.add(name)


@pytest.mark.parametrize(("lab", "section"), SECTIONS, ids=[one.notebook for _, one in SECTIONS])
def test_a_section_names_the_instances_and_images_of_its_sources(lab, section):
    folder = manifest.SOURCE / lab.folder
    files = [name for name in section.files if name.endswith(".py")]
    uses = Uses(folder / f"{section.notebook}.py", *(folder / name for name in files))
    assert {one.type for one in section.instances} == uses.types
    named = {(one.framework, one.version, one.py_version) for one in section.images}
    assert named == uses.images
    assert uses.types, "a section without a job?"


@pytest.mark.parametrize(("lab", "section"), SECTIONS, ids=[one.notebook for _, one in SECTIONS])
def test_a_section_names_the_jobs_of_its_notebook(lab, section):
    folder = manifest.SOURCE / lab.folder
    files = [folder / name for name in section.files if name.endswith(".py")]
    notebook, both = (Uses(folder / f"{section.notebook}.py", *more) for more in ((), files))
    names = {(job.name, job.kind) for job in section.jobs}
    assert notebook.jobs <= names <= both.jobs
    named = {job.script for job in section.jobs} - {""}
    assert bool(named) == bool(both.called.intersection(FRAMEWORK_PROCESSORS))
    assert named <= both.scripts
    of_lab = {(job.name, job.kind) for one in lab.sections for job in one.jobs}
    for name, kind in both.jobs:
        assert any(name.startswith(one) and kind == other for one, other in of_lab)


def test_a_section_leads_to_the_next_one():
    for (lab, section), (next_lab, following) in itertools.pairwise(SECTIONS):
        start = "" if next_lab is lab else f"../{next_lab.folder}/"
        link = f"{start}{following.notebook}.ipynb"
        for folder in (ROOT / lab.folder, ROOT / "final" / lab.folder):
            last = notebooks.read(folder / f"{section.notebook}.ipynb").cells[-1].source
            assert f"[{following.notebook}.ipynb]({link})" in last.partition("\nNext: ")[2]
            assert (folder / link).is_file()


def test_the_table_of_prices_has_each_instance_type_of_the_labs():
    for region in prices.regions():
        for _, section in SECTIONS:
            for one in section.instances:
                assert prices.per_hour(one.type, region) > 0
