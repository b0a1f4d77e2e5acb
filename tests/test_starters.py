"""The committed starters: they run until the first gap, and a job says which one is left."""

from __future__ import annotations

import shutil

import nbformat
import pytest
from course.stages import materialise

import workshop
from workshop.course import gaps, manifest, notebooks
from workshop.emulator.client import connection, daemon
from workshop.paths import ROOT

SECTIONS = [(lab, section) for lab in manifest.labs() for section in lab.sections]
IDS = [section.notebook for _, section in SECTIONS]
#: Notebooks that look for something before their first gap, and where it may lie in S3.
NEEDED = {
    3: "Training/job/output/model.tar.gz",
    6: "Lab2/Training/job/output/model.tar.gz",
    16: "Lab4/Executions/time/execution/Package/model.tar.gz",
    17: "Lab4/Executions/time/execution/DataProcessed/train/X_train/X_train.npy",
}
#: Those that look for a model: on instances in a training job, or in the registry.
MODELS = (3, 6, 16)


#: Sections whose first job comes before the first gap of the notebook: a gap in its script.
SCRIPT_FIRST = {9: "9.1"}


def run(path, monkeypatch, **parameters) -> notebooks.Failure:
    """Run a notebook that has to fail."""
    for name, value in connection.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(notebooks.Failure) as failure:
        notebooks.execute(path, parameters=parameters)
    return failure.value


@pytest.mark.slow
@pytest.mark.parametrize(("lab", "section"), SECTIONS, ids=IDS)
def test_a_starter_runs_until_its_first_gap(lab, section, tmp_path, monkeypatch):
    """It then says what to do, and nothing else."""
    parameters = {}
    if section.number in NEEDED:
        s3 = daemon.client("s3")
        s3.create_bucket(Bucket="sagemaker-us-east-1-123456789012")
        s3.put_object(Bucket="sagemaker-us-east-1-123456789012", Key=NEEDED[section.number])
        parameters = {"LOCAL": section.number in MODELS}
    folder = shutil.copytree(ROOT / lab.folder, tmp_path / lab.folder)
    failure = run(folder / f"{section.notebook}.ipynb", monkeypatch, **parameters)
    regions = gaps.regions(lab)
    if section.number in SCRIPT_FIRST:
        told = f"NotImplementedError: task {SCRIPT_FIRST[section.number]} not attempted: "
        assert told in failure.job_error
        return
    first = next(task for task in section.tasks if regions[task.number].notebook)
    told = f"task {first.number} not attempted: {first.what}"
    assert "Traceback" not in failure.error
    assert told in failure.error
    assert f'workshop.hint("{first.number}")' in failure.error
    assert f'workshop.not_attempted("{first.number}")' in failure.source


@pytest.mark.slow
def test_a_job_whose_script_has_a_gap(tmp_path, monkeypatch):
    """It fails, and the gap's sentence is its error."""
    lab = manifest.lab_of("1.6")
    materialise(tmp_path / lab.folder, lab=lab, open={"1.6"})
    failure = run(tmp_path / lab.folder / "1-preprocessing.ipynb", monkeypatch)
    told = f"NotImplementedError: task 1.6 not attempted: {manifest.task('1.6').what}"
    assert failure.job_error.endswith(told)
    assert told in failure.printed  # what the job printed is not lost


@pytest.mark.slow
def test_a_wrong_channel_is_told_with_what_is_there(tmp_path, monkeypatch):
    """It is not for another notebook to mend what is wrong in this one."""
    bucket, key = "sagemaker-us-east-1-123456789012", "DataProcessed/train/X_train/X_train.npy"
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key)
    lab = manifest.lab_of("2.1")
    path = shutil.copytree(ROOT / "final" / lab.folder, tmp_path / lab.folder) / "2-training.ipynb"
    path.write_text(path.read_text().replace("/DataProcessed/{part}/", "/DataProcesed/{part}/"))
    failure = run(path, monkeypatch)
    wrong = f"s3://{bucket}/DataProcesed/train/X_train/"
    assert f"there is nothing at {wrong}, but at s3://{bucket}/{key}" in failure.error
    assert "run 1-preprocessing" not in failure.error.splitlines()[-1]


@pytest.mark.parametrize(("lab", "section"), SECTIONS, ids=IDS)
def test_a_starter_has_its_gaps_and_checks(lab, section):
    """Each task of the section is a gap in its files, and is checked once in the notebook."""
    notebook = nbformat.read(ROOT / lab.folder / f"{section.notebook}.ipynb", as_version=4)
    sources = "\n".join(cell.source for cell in notebooks.code_cells(notebook))
    scripts = (ROOT / lab.folder / section.scripts).glob("*.py")
    files = sources + "".join(path.read_text() for path in scripts)
    for task in section.tasks:
        in_notebook = files.count(f'workshop.not_attempted("{task.number}")')
        assert in_notebook + files.count(f"task {task.number} not attempted: ") == 1
        assert sources.count(f'workshop.check("{task.number}")') == 1
    assert all(not cell.get("outputs") for cell in notebook.cells)


def test_the_sentinel():
    task = manifest.tasks()[0]
    with pytest.raises(workshop.NotAttempted) as error:
        workshop.not_attempted(task.number)
    assert str(error.value).startswith(f"task {task.number} not attempted: {task.what}\n")
