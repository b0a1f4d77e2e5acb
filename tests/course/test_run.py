"""`./lab run`, on a course of a few lines: what it shows, what it leaves, how it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from workshop.course import build, manifest, notebooks, run
from workshop.course.step import Step
from workshop.emulator.client import daemon
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

from .tiny import ONE, TWO

JOB_FAILS = """\
# %%
before = 1

# %%
print("\\n".join(f"line {n}" for n in range(1, 101)))
print("algo-1-abcde | Traceback (most recent call last):")
print('algo-1-abcde |   File "/opt/ml/code/main.py", line 3, in <module>')
print("algo-1-abcde |     int('x')")
print("algo-1-abcde | ValueError: invalid literal for int()")
print("algo-1-abcde exited with code 1")
raise RuntimeError("Failed to run: ['docker', 'compose'], Process exited with code: 1")
"""

SLEEPS = """\
# %%
import subprocess
print(subprocess.run(["sleep", "300"]))
"""


def write_final(root: Path) -> Path:
    """Write `final/` without executing."""
    for lab in manifest.labs(root / "source")[1:]:
        for name, content in build.render(lab, root).items():
            build._write(root / "final" / lab.folder / name, content)
    return root


def only_run(root: Path) -> Path:
    (folder,) = (root / "runs").iterdir()
    return folder


@pytest.mark.slow
def test_run(make_course, capsys, tmp_path):
    """Two notebooks, in order, with other data: lines, key figures, copies in runs/."""
    root = write_final(make_course(**{"1-one": ONE, "2-two": TWO}))
    data = tmp_path / "my data"
    shutil.copytree(ROOT / "data" / "raw", data)

    assert run.run(["lab1"], data, root=root) == 0

    told = capsys.readouterr()
    assert told.err == ""
    assert "\x1b" not in told.out
    lines = told.out.splitlines()
    assert lines[0] == "Lab1 1-one.ipynb: started (3 code cells)"
    assert re.fullmatch(r"Lab1 1-one.ipynb: done after \d+ s: accuracy 0.987654", lines[1])
    assert lines[2].startswith("Lab1 2-two.ipynb: started")
    table = lines.index("Step              State  Seconds  Key figure")
    assert re.fullmatch(r"Lab1 1-one.ipynb  done   \d+ +accuracy 0.987654", lines[table + 1])
    assert re.fullmatch(r"Lab1 2-two.ipynb  done   \d+ +3 files", lines[table + 2])
    assert str(only_run(root)) in told.out

    lab = only_run(root) / "Lab1-Tiny"
    assert (lab / "script_2" / "script.py").is_file()
    executed = nbformat.read(lab / "1-one.ipynb", as_version=4)
    assert any(f"here: {lab} {data}" in notebooks.printed_by(c) for c in executed.cells)
    committed = nbformat.read(root / "final" / "Lab1-Tiny" / "1-one.ipynb", as_version=4)
    assert all(not cell.outputs for cell in notebooks.code_cells(committed))


LOCAL_BY_ITSELF = """\
# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"

# %% tags=["key-figure"]
import os
print("LOCAL is", LOCAL, os.environ["WHERE"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("aws", [False, True])
def test_each_notebook_has_its_own_local(make_course, capsys, monkeypatch, aws):
    """With an account all run on SageMaker, and the emulated S3 has nothing to show."""
    monkeypatch.setenv("WHERE", "here")
    by_itself = LOCAL_BY_ITSELF.replace("False", "True")
    root = write_final(make_course(**{"1-one": LOCAL_BY_ITSELF, "2-two": by_itself}))
    if aws:
        monkeypatch.setattr(run.connection, "environment", lambda: pytest.fail("the emulator"))
        monkeypatch.setattr(run, "_written", lambda began: pytest.fail("the emulated S3"))
    assert run.run(["lab1"], aws=aws, root=root) == 0
    told = capsys.readouterr().out
    assert "1-one.ipynb: done" in told
    found = re.findall(r"done +\d+ +LOCAL is (\w+) here", told)
    assert found == (["False", "False"] if aws else ["False", "True"])


LEAVES_AN_ENDPOINT = """\
# %%
import io, tarfile
from workshop.emulator.client import daemon
from workshop.emulator.settings import ACCOUNT, ROLE

script = b"def model_fn(folder): return folder"
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as tar:
    entry = tarfile.TarInfo("code/inference.py")
    entry.size = len(script)
    tar.addfile(entry, io.BytesIO(script))
s3, sagemaker = daemon.client("s3"), daemon.client("sagemaker")
s3.create_bucket(Bucket="sagemaker-left")
s3.put_object(Bucket="sagemaker-left", Key="model.tar.gz", Body=packed.getvalue())
image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
container = {
    "Image": image,
    "ModelDataUrl": "s3://sagemaker-left/model.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
}
role = f"arn:aws:iam::{ACCOUNT}:role/service-role/{ROLE}"
sagemaker.create_model(ModelName="left", ExecutionRoleArn=role, PrimaryContainer=container)
variant = {"VariantName": "AllTraffic", "ModelName": "left"}
variant |= {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
sagemaker.create_endpoint_config(EndpointConfigName="left", ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName="left", EndpointConfigName="left")
sagemaker.get_waiter("endpoint_in_service").wait(
    EndpointName="left", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
)
"""


@pytest.mark.slow
def test_an_endpoint_that_a_notebook_leaves_is_told(make_course, capsys):
    """Here it costs nothing; on AWS it would, by the hour."""
    root = write_final(make_course(**{"1-one": LEAVES_AN_ENDPOINT, "2-two": TWO}))
    try:
        assert run.run(["lab1"], root=root) == 0
    finally:
        daemon.client("sagemaker").delete_endpoint(EndpointName="left")
    told = capsys.readouterr().out
    assert told.endswith(
        "Endpoints that are still in service: left. On AWS each costs money by the hour, until it "
        "is deleted.\n"
    )
    assert "left" not in run._endpoints()


def test_a_lab_without_jobs_does_not_run_in_an_account(make_course):
    root = write_final(make_course(**{"1-one": ONE}))
    with pytest.raises(WorkshopError, match="starts no job on SageMaker"):
        run.run(["lab0"], aws=True, root=root)
    assert not (root / "runs").exists()


@pytest.mark.slow
def test_failure(make_course, capsys):
    """The job's own error is the last thing on the screen, once; what follows is not run."""
    root = write_final(make_course(**{"1-one": ONE, "2-fails": JOB_FAILS, "3-two": TWO}))
    assert run.run(["Lab1"], root=root) == 1
    out = capsys.readouterr().out
    assert re.search(r"Lab1 1-one.ipynb +done ", out)
    assert re.search(r"Lab1 2-fails.ipynb +FAILED ", out)
    assert re.search(r"Lab1 3-two.ipynb +not run +- +-", out)
    end = out[out.index("Lab1 2-fails.ipynb failed in code cell 2 of 2.") :]
    assert "\nline 100\n" in end and "\nline 1\n" not in end
    assert "RuntimeError: Failed to run: ['docker', 'compose']" in end
    assert out.endswith(
        "Traceback (most recent call last):\n"
        '  File "/opt/ml/code/main.py", line 3, in <module>\n'
        "    int('x')\n"
        "ValueError: invalid literal for int()\n"
    )
    assert end.count("ValueError: invalid literal") == 1
    # The notebook in runs/ has it all.
    executed = nbformat.read(only_run(root) / "Lab1-Tiny" / "2-fails.ipynb", as_version=4)
    assert "line 1\n" in "".join(notebooks.printed_by(cell) for cell in executed.cells)


@pytest.mark.slow
def test_scripts(make_course, capsys):
    """Lab0 has no notebook: its scripts run, with the emulated AWS around them."""
    root = make_course()
    folder = root / "Lab0-Container-Pipeline"
    folder.mkdir()
    (folder / "utils.py").write_text("import sys\nprint('upload', *sys.argv[1:])\n")
    evaluation = folder / "evaluation.py"
    evaluation.write_text(
        "import os\nprint(os.environ['AWS_ENDPOINT_URL'])\n"
        "print(os.environ['BUCKET_NAME'])\nprint('accuracy 0.9')\n"
    )
    assert run.run(["lab0"], root=root) == 0
    assert re.search(r"Lab0 evaluation.py +done +\d+ +accuracy 0.9\n", capsys.readouterr().out)
    log = only_run(root) / folder.name / "output.log"
    data = ROOT / "data" / "raw"
    expected = ["upload", "upload", str(data), daemon.ensure(), "ml-pipeline-digits"]
    assert log.read_text().split()[1:5] == expected[1:]

    evaluation.write_text("print('almost')\nraise ValueError('no luck')\n")
    assert run.run(["lab0"], root=root) == 1
    assert capsys.readouterr().out.endswith("ValueError: no luck\n")


@pytest.mark.slow
def test_ctrl_c_ends_everything(make_course):
    """The kernel and what it started are gone, and no step is shown as done."""
    root = write_final(make_course(**{"1-sleeps": SLEEPS}))
    daemon.ensure()
    code = (
        "import sys\nfrom pathlib import Path\nfrom workshop.course import run\n"
        "run.run(['lab1'], root=Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watched = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while not (sleep := [p for p in watched.children(recursive=True) if p.name() == "sleep"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    below = watched.children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "done" not in out
    assert "Lab1 1-sleeps.ipynb: interrupted after " in out
    _, alive = psutil.wait_procs([*below, *sleep], timeout=15)
    assert not alive
    assert daemon.status()


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_unfit_data_is_refused_before_anything_starts(make_course, tmp_path, name):
    root = write_final(make_course(**{"1-one": ONE}))
    data = tmp_path / "data"
    shutil.copytree(ROOT / "data" / "raw", data)
    (data / name).unlink()
    with pytest.raises(WorkshopError, match=name):
        run.run(["Lab1"], data, root=root)
    assert not (root / "runs").exists()


def test_two_runs_in_one_second(tmp_path):
    assert len({run._new_folder(tmp_path) for _ in range(3)}) == 3


# --- texts


def failure(**more):
    texts = {"cell": 2, "source": "", "printed": "", "error": "", "where": "", "job_error": ""}
    return notebooks.Failure(**{**texts, **more})


@pytest.fixture
def step(tmp_path):
    lab = manifest.Lab("Lab1-Tiny", "")
    return Step(lab, tmp_path / "1-one.ipynb", state="running", began=time.time(), cells=4)


def test_failure_of_a_cell_without_a_job(step):
    where = "Cell In[2], line 1\n----> 1 1 / 0"
    text = run._failure_text(step, failure(where=where, error="ZeroDivisionError: division"))
    assert text.endswith(
        f"--- where it failed\n{where}\n\n--- the error\nZeroDivisionError: division"
    )


def test_failure_with_the_error_of_the_job(step):
    """What `workshop.connect()` adds to the SDK's exception goes before what was printed."""
    job = "algo-1 exited with code 1.\nTraceback (most recent call last):\nValueError: boom"
    text = run._failure_text(
        step,
        failure(
            printed=f"Epoch 1\n{job}\n",
            where="Cell In[2], line 1",
            error="RuntimeError: Failed\nto run",
            job_error=job,
        ),
    )
    assert text.endswith(job)
    assert text.count("ValueError: boom") == 1
    assert "Epoch 1" in text
    assert "Cell In" not in text
