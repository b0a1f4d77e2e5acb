"""No slip of the pen passes: solutions with one thing changed, and what their checks say.

Each mutant (`mutants.py`) of a script is given to its check as it is. One of a notebook's cell
runs, in a kernel that has come to this cell, with real jobs where the check looks at a job; before
it, the solution has run, so that an old job, and what it left, is there. A mutant that passes is
right too, for a reason that stands in `survivors.py`; or the check is wrong.

A sample is tried here: a few of each script's task, and of one task of each notebook. All of them:

    ./lab test tests/course/test_checks_mutants.py --all-mutants -n 2
"""

from __future__ import annotations

import ast
import difflib
import itertools
import random
from pathlib import Path

import pytest

from workshop.course import checks, gaps, manifest
from workshop.emulator import state
from workshop.emulator.client import daemon
from workshop.emulator.service.sagemaker import records

from .bench import delete_endpoints, section_of
from .checks.test_checks_answers import LAB3, NUMBERS
from .mutants import Mutant, mutants
from .stages import materialise
from .survivors import RIGHT

#: How many of a task are tried when not all are, and which ones.
FEW, SEED = 2, 7
#: The first section that needs Lab 3's packages.
LAB3_BEGINS = 8
REGIONS = {
    number: region
    for lab in manifest.labs()
    if lab.tasks
    for number, region in gaps.regions(lab).items()
}
IN_NOTEBOOKS = [number for number in NUMBERS if REGIONS[number].notebook]
IN_SCRIPTS = [number for number in NUMBERS if not REGIONS[number].notebook]
#: What the cell says that starts the job which the check looks at; "" is the task's own cell.
JOB = {
    **dict.fromkeys(("1.1", "1.3", "1.4", "3.1", "3.2", "3.5"), "processor.run("),
    **dict.fromkeys(("2.1", "2.5", "2.6", "5.2"), "estimator.fit("),
    **dict.fromkeys(("4.1", "4.2", "6.1", "7.1", "8.1"), ".run("),
    "12.3": "job.wait(logs=False)",
    **dict.fromkeys(("13.3", "13.4"), "watch(pipeline, execution)"),
    **dict.fromkeys(("14.3", "14.4"), "pipeline_of(good_enough)"),
    **dict.fromkeys(("15.2", "15.3", "15.4"), "transformer.transform("),
}


def is_right(number: str, mutant: Mutant) -> bool:
    """Tell whether somebody said why a mutant is right too; of two changes, of each of them."""
    return all(
        any(number in tasks and all(part in change for part in parts) for tasks, parts, _ in RIGHT)
        for change in mutant.change.split("; ")
    )


def chosen(number: str, config: pytest.Config) -> list[Mutant]:
    found = mutants(REGIONS[number].code, number)
    if config.getoption("--all-mutants"):
        return found
    return random.Random(f"{SEED} {number}").sample(found, FEW)


def judge(number: str, folder: Path, mutant: Mutant) -> str:
    """Return what is wrong: a mutant passed that nobody calls right."""
    outcome = checks.run(number, folder)
    if outcome.state != checks.PASSED or is_right(number, mutant):
        return ""
    before = ast.unparse(ast.parse(REGIONS[number].code)).splitlines()
    changed = difflib.unified_diff(before, mutant.code.splitlines(), n=0, lineterm="")
    return "\n".join([mutant.change, *list(changed)[3:]])


def told(number: str, passed: list[str], tried: int) -> str:
    return f"task {number}: {len(passed)} of {tried} mutants passed\n\n" + "\n\n".join(passed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take all tasks of scripts; of those of notebooks one a section, where not all are asked."""
    if "script" in metafunc.fixturenames:
        metafunc.parametrize("script", [marked(n, n in LAB3) for n in IN_SCRIPTS])
    if "cell" in metafunc.fixturenames:
        every = IN_NOTEBOOKS
        if not metafunc.config.getoption("--all-mutants"):
            chance = random.Random(SEED)
            every = [chance.choice(list(some)) for _, some in itertools.groupby(every, _section)]
        metafunc.parametrize("cell", [marked(n, _section(n) >= LAB3_BEGINS) for n in every])


def _section(number: str) -> int:
    return int(number.partition(".")[0])


def marked(number: str, lab3: bool):
    return pytest.param(number, marks=[pytest.mark.slow, *([pytest.mark.lab3] if lab3 else [])])


def test_no_mutant_of_a_script_passes(script, request, tmp_path):
    number = script
    lab = manifest.lab_of(number)
    tried = chosen(number, request.config)
    passed = []
    for mutant in tried:
        materialise(tmp_path, lab=lab, codes={number: mutant.code})
        passed.append(judge(number, tmp_path, mutant))
    passed = [one for one in passed if one]
    assert not passed, told(number, passed, len(tried))


def test_no_mutant_of_a_cell_passes(cell, request, bench):
    number = cell
    lab, until = manifest.lab_of(number), (f"{gaps.TASK_TAG}{number}", JOB.get(number, ""))
    section = section_of(lab, number)
    tried = chosen(number, request.config)
    passed = []
    bench.prepare(lab, section)
    if number == "3.1":
        put_a_second_model()
    if number == "15.1":
        put_more_versions()
    with bench.open(lab, section) as attempt:
        attempt.only(number, None, until)
        before = Before(attempt.folder)
        attempt.only(number, REGIONS[number].code, until)
        outcome = checks.run(number, attempt.folder)
        assert outcome.state == checks.PASSED, checks.feedback(outcome)
        before.note_jobs()
        for mutant in tried:
            if number in ("16.1", "16.5"):
                delete_endpoints()
            if number == "16.5":
                put_back_endpoint()
            attempt.only(number, mutant.code, until)
            passed.append(judge(number, attempt.folder, mutant))
            before.restore()
    passed = [one for one in passed if one]
    assert not passed, told(number, passed, len(tried))


def put_a_second_model() -> None:
    """Let there be a newer model beside the one of the training: a copy of it."""
    client = daemon.client("s3")
    (bucket,) = (one["Name"] for one in client.list_buckets()["Buckets"])
    found = client.list_objects_v2(Bucket=bucket, Prefix="Training/")["Contents"]
    key = next(one["Key"] for one in found if one["Key"].endswith("/model.tar.gz"))
    client.copy_object(
        Bucket=bucket,
        Key="Training/a-second-one/output/model.tar.gz",
        CopySource={"Bucket": bucket, "Key": key},
    )


def put_more_versions() -> None:
    """Let there be a newer version beside those approved, and one that nobody has looked at."""
    client = daemon.client("sagemaker")
    group = {"ModelPackageGroupName": "lab4-digits"}
    known = client.list_model_packages(**group)["ModelPackageSummaryList"]
    about = client.describe_model_package(ModelPackageName=known[0]["ModelPackageArn"])
    for status in ("Approved", "PendingManualApproval"):
        client.create_model_package(
            **group,
            ModelApprovalStatus=status,
            InferenceSpecification=about["InferenceSpecification"],
        )


def put_back_endpoint() -> None:
    """Let the endpoint that was deleted, its configurations and their models be there again."""
    client, record = daemon.client("sagemaker"), records.endpoints()[-1]
    there = {one["ModelName"] for one in client.list_models(MaxResults=100)["Models"]}
    for config in record.request["Configurations"]:
        variants = [dict(one) for one in config["ProductionVariants"]]
        for model in (one.pop("Model") for one in variants):
            if model["ModelName"] not in there:
                there.add(model["ModelName"])
                container = model["PrimaryContainer"]
                wanted = ("Image", "ModelDataUrl", "Environment")
                client.create_model(
                    ModelName=model["ModelName"],
                    ExecutionRoleArn=model["ExecutionRoleArn"],
                    PrimaryContainer={name: container[name] for name in wanted},
                )
        client.create_endpoint_config(
            EndpointConfigName=config["EndpointConfigName"], ProductionVariants=variants
        )
    first = record.request["Configurations"][0]["EndpointConfigName"]
    client.create_endpoint(EndpointName=record.name, EndpointConfigName=first)
    client.get_waiter("endpoint_in_service").wait(
        EndpointName=record.name, WaiterConfig={"Delay": 1}
    )


class Before:
    """What there was before a mutant ran: files, jobs, objects in S3. All else is taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, set(folder.rglob("*"))

    def note_jobs(self) -> None:
        """Keep the jobs and the objects that are there now."""
        self._records = set(state.folder("records").iterdir())
        self._objects = set(self._all())
        self._remove_files()

    def restore(self) -> None:
        for record in set(state.folder("records").iterdir()) - self._records:
            record.unlink()
        for bucket, key in set(self._all()) - self._objects:
            if not key.startswith("Lab4/"):  # each execution has its own; the cache counts on them
                daemon.client("s3").delete_object(Bucket=bucket, Key=key)
        self._remove_files()

    def _remove_files(self) -> None:
        for path in set(self._folder.rglob("*")) - self._files:
            if path.is_file():
                path.unlink()

    def _all(self):
        client = daemon.client("s3")
        for bucket in client.list_buckets()["Buckets"]:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
            for item in (item for page in pages for item in page.get("Contents", ())):
                yield bucket["Name"], item["Key"]


@pytest.mark.parametrize("number", NUMBERS)
def test_there_are_enough_mutants_and_each_is_python(number):
    found = mutants(REGIONS[number].code, number)
    assert len({mutant.code for mutant in found}) >= 25
    for mutant in found:
        ast.parse(mutant.code)
    assert found == mutants.__wrapped__(REGIONS[number].code, number)  # made anew


def test_each_survivor_is_one_of_the_mutants():
    for tasks, change, why in RIGHT:
        of_tasks = [mutant for n in tasks for mutant in mutants(REGIONS[n].code, n)]
        assert any(all(part in one.change for part in change) for one in of_tasks), change
        assert why
