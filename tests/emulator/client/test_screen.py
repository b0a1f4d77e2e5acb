"""How the errors of AWS, the SDK and jobs look in a notebook and in a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient

from workshop.emulator import state
from workshop.emulator.client import connection

#: The scripts of jobs.
SCRIPTS = {
    "fine.py": "open('/opt/ml/processing/out/a.txt', 'w').write('a')\n",
    "syntax.py": "import os\n\ndef main(:\n    pass\n",
    "name.py": "def main():\n    lode_data()\n\nif __name__ == '__main__':\n    main()\n",
    "missing.py": "open('/opt/ml/processing/in/no.gz')\n",
    "epochs.py": "import argparse\n\nparser = argparse.ArgumentParser()\n"
    "parser.add_argument('--epochs')\nparser.parse_args()\n",
}

SETTINGS = """
from workshop.emulator.client import connection

connection.connect()
import logging

logging.getLogger("sagemaker").setLevel(logging.WARNING)
import sagemaker
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.tensorflow import TensorFlow, TensorFlowProcessor

session = LocalSession()
session.config = {"local": {"local_code": True}}
role = sagemaker.get_execution_role(session)
bucket = session.default_bucket()
raw, out = f"s3://{bucket}/raw/", "/opt/ml/processing/out"
S3Uploader.upload_string_as_file_body("x", f"{raw}x.txt", sagemaker_session=session)

def process(code, instance_type="local", **given):
    processor = ScriptProcessor(
        role, "any", ["python3"], 1, instance_type, base_job_name="process",
        sagemaker_session=session if instance_type == "local" else sagemaker.Session(),
    )
    usual = {
        "inputs": [ProcessingInput(raw, "/opt/ml/processing/in")],
        "outputs": [ProcessingOutput(out, f"s3://{bucket}/out/")],
    }
    processor.run(code, **{**usual, **given})

def train(code, instance_type="local", **given):
    TensorFlow(
        entry_point=code, source_dir=".", role=role, instance_count=1, instance_type=instance_type,
        framework_version="2.19.0", py_version="py312", output_path=f"s3://{bucket}/models/",
        sagemaker_session=session if instance_type == "local" else sagemaker.Session(), **given,
    ).fit({"raw": raw})
"""


class Mistake(NamedTuple):
    """A cell with a mistake, what its box says in this order, and what its whole error holds."""

    cell: str
    box: list[str]
    whole: str


NEXT_LINE = "Next: Mend that line, save the file, and run this again."
#: The ten likeliest of the labs, most with a brother.
MISTAKES = {
    "py_version": Mistake(
        """TensorFlowProcessor(framework_version="2.19.0", py_version="py311", role=role,
    instance_type="local", instance_count=1)""",
        ["cell [", "line 1: TensorFlowProcessor(", "Next: Give py_version='py312'"],
        "in _validate_arg(",
    ),
    "swapped input": Mistake(
        'process("fine.py", inputs=[ProcessingInput("/opt/ml/processing/in", raw)])',
        ["'/opt/ml/processing/in'", "Next: source and destination are swapped"],
        "FileNotFoundError: [Errno 2]",
    ),
    "swapped output": Mistake(
        'process("fine.py", outputs=[ProcessingOutput(raw, out)])',
        ["The processing job process-", "fine.py, line 1: open(", "are swapped: of an output"],
        "RuntimeError: Failed to run: ['docker'",
    ),
    "syntax": Mistake(
        'process("syntax.py")',
        ["job process-", "syntax.py, line 3: def main(:", "SyntaxError: invalid", NEXT_LINE],
        "in _stream_output(",
    ),
    "name": Mistake(
        'process("name.py")',
        ["job process-", "name.py, line 2: lode_data()", "NameError: name 'lode", NEXT_LINE],
        "in _stream_output(",
    ),
    "name, on an instance": Mistake(
        'process("name.py", "ml.m5.large")',
        ["job process-", "name.py, line 2: lode_data()", "NameError: name 'lode", NEXT_LINE],
        "UnexpectedStatusException: Error for Processing job",
    ),
    "missing file": Mistake(
        'process("missing.py")',
        ["missing.py, line 1: open(", "FileNotFoundError:", "Next: The job has in"],
        'File "/opt/ml/processing/input/code/missing.py", line 1',
    ),
    "hyperparameter": Mistake(
        'train("epochs.py", hyperparameters={"epochz": 1})',
        ["The training job", "unrecognized arguments: --epochz", "knows no --epochz"],
        "usage: epochs.py",
    ),
    "syntax, in a training job": Mistake(
        'train("syntax.py", "ml.m5.large")',
        ["The training job", "syntax.py, line 3: def main(:", "SyntaxError:", NEXT_LINE],
        "UnexpectedStatusException: Error for Training job",
    ),
    "a text for an input": Mistake(
        'process("fine.py", inputs=[raw])',
        ["TypeError", "Next: Put each address into an object: ProcessingInput("],
        "._normalize_inputs(",
    ),
    "a text for inputs": Mistake(
        'process("fine.py", inputs=raw)',
        ["TypeError", "Next: An argument has the wrong type: inputs and outputs are lists"],
        "sagemaker/processing.py",
    ),
    "wrong key": Mistake(
        'S3Downloader.read_file(f"s3://{bucket}/no/metrics.json", session)',
        ["AWS refused GetObject: NoSuchKey", "S3Downloader.read_file(", "Next: Nothing in the"],
        "._make_api_call(",
    ),
    "no address": Mistake(
        'S3Downloader.list("DataProcessed", sagemaker_session=session)',
        ["Expecting 's3'", 'begins with s3://, as in f"s3://{bucket}/DataProcessed"'],
        "in parse_s3_url(",
    ),
    "no bucket": Mistake(
        """everything = session.boto_session.resource("s3").Bucket(bucket)
everything.objects.delete()
everything.delete()
S3Uploader.upload("fine.py", f"s3://{bucket}/code", sagemaker_session=session)""",
        ["AWS refused PutObject: NoSuchBucket", "line 4", "Next: Run the cell with the settings"],
        "S3UploadFailedError: Failed to upload",
    ),
}
RELATIVE = """
process("fine.py", outputs=[ProcessingOutput(out, "Out/"), ProcessingOutput(f"{out}/b", "B")])
"""
LEFT_BY_FAILED_JOBS = """
found = session.boto_session.resource("s3").Bucket(bucket).objects.filter(Prefix="models/")
print(sorted({item.key.rpartition("/")[2] for item in found}))
"""
WITH_A_PICTURE = 'display("a picture")\nprint("before")\nprocess("name.py")'
OWN_ERROR = "def divide(): 1 / 0\ndivide()"


def run_notebook(folder: Path) -> dict[str, list]:
    """Run all cells in one kernel; return the outputs of each."""
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
    *mistakes, last = MISTAKES
    cells = {
        "settings": SETTINGS,
        "relative": RELATIVE,
        "own error": OWN_ERROR,
        "picture": WITH_A_PICTURE,
        **{name: MISTAKES[name].cell for name in mistakes},
        "left": LEFT_BY_FAILED_JOBS,
        last: MISTAKES[last].cell,
    }
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells.values())))
    here = {"metadata": {"path": str(folder)}}
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    client = NotebookClient(notebook, allow_errors=True, kernel_name="python3", resources=here)
    client.execute(env=environment)
    return {name: cell.outputs for name, cell in zip(cells, notebook.cells, strict=True)}


def text_of(outputs: list) -> str:
    return "".join(one.text for one in outputs if one.output_type == "stream")


def check_mistake(outputs: dict[str, list], name: str) -> None:
    """It is told in twelve lines, with the whole error behind them."""
    box, error = [one for one in outputs[name] if one.output_type != "stream"]
    told, whole = box.data["text/plain"].split("\n\nThe whole error:\n")
    short, _, printed = told.partition("\n\nWhat the cell printed:\n")
    positions = [short.find(part) for part in MISTAKES[name].box]
    assert -1 not in positions and positions == sorted(positions), short
    red = "\n".join(error.traceback).splitlines()
    folds = ["What the cell printed, … lines"] * bool(printed) + ["The whole error, … lines"]
    above = text_of(outputs[name]).splitlines()
    seen = [*above, *short.splitlines(), *folds, *red]
    assert len(seen) <= 12 and all(len(line) <= 100 for line in short.splitlines()), seen
    assert all("docker" not in line for line in seen)
    # All of it is there, folded; and the cell ends in an error, as papermill and nbval expect.
    assert "Traceback (most recent call last)" in whole and MISTAKES[name].whole in whole
    assert box.data["text/html"].count("<details>") == len(folds)
    assert (
        MISTAKES[name].whole.replace("'", "&#x27;").replace('"', "&quot;")
        in (box.data["text/html"].partition("<details>")[2])
    )
    assert error.output_type == "error" and error.evalue.splitlines()[0] in whole
    assert red[0].startswith(error.ename)
    assert "troubleshooting guide" not in printed
    # What the job printed is there to read, and nowhere else.
    assert bool(printed) == (" job " in short.splitlines()[0])


def check_own_error(outputs: dict[str, list]) -> None:
    """It is shown as IPython shows one."""
    (error,) = outputs["own error"]
    assert error.ename == "ZeroDivisionError"
    assert "Traceback (most recent call last)" in "\n".join(error.traceback)


def check_picture(outputs: dict[str, list]) -> None:
    """What a cell has shown besides text stays, and so the text beside it."""
    picture, *_, box, error = outputs["picture"]
    assert picture.data["text/plain"] == "'a picture'"
    assert text_of(outputs["picture"]).startswith("before\n")
    assert "What the cell printed" not in box.data["text/plain"]
    assert error.ename == "RuntimeError"


def check_relative_destination(outputs: dict[str, list]) -> None:
    """Where such outputs go is said, once."""
    (warning,) = [line for line in text_of(outputs["relative"]).splitlines() if "Warning" in line]
    assert "'Out/', which does not begin with s3://" in warning
    assert warning.endswith('Write destination=f"s3://{bucket}/Out/". So it is with 1 more.')


def check_what_failed_jobs_left(outputs: dict[str, list]) -> None:
    """As on AWS a failed training job leaves no model."""
    assert text_of(outputs["left"]) == "['output.tar.gz']\n"


def check_records() -> None:
    """Each ends with the own error of its script: whoever looks at jobs later shows that line."""
    records = [json.loads(path.read_text()) for path in state.folder("records").iterdir()]
    last_lines = {one["error"].splitlines()[-1] for one in records if one.get("error")}
    syntax = [line for line in last_lines if line.startswith("SyntaxError: ")]
    assert syntax and all(line.endswith("(syntax.py, line 3)") for line in syntax)
    assert not [line for line in last_lines if "exited with code" in line]


@pytest.mark.slow
def test_the_likeliest_mistakes_in_a_notebook(tmp_path):
    outputs = run_notebook(tmp_path)
    for name in MISTAKES:
        check_mistake(outputs, name)
    check_own_error(outputs)
    check_picture(outputs)
    check_relative_destination(outputs)
    check_what_failed_jobs_left(outputs)
    check_records()


def run_script(folder: Path, program: str) -> str:
    """Run a program as ``./lab exec`` does; return what it wrote to stderr."""
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
    (folder / "script.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=connection.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
def test_in_a_terminal_it_is_short_and_the_whole_is_in_a_file(tmp_path):
    lines = run_script(tmp_path, f'{SETTINGS}\nprocess("name.py")\n').strip().splitlines()
    assert len(lines) <= 12 and lines[1:4] == [
        "name.py, line 2: lode_data()",
        "NameError: name 'lode_data' is not defined",
        NEXT_LINE,
    ]
    file = re.fullmatch(r"The whole error: (.+)", lines[-1])[1]
    whole = (tmp_path / file).read_text()
    assert "RuntimeError: Failed to run: ['docker'" in whole
    assert whole.rstrip().endswith("NameError: name 'lode_data' is not defined")


def test_in_a_terminal_the_learners_own_errors_are_pythons(tmp_path):
    said = run_script(tmp_path, "1 / 0\n")
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.endswith("ZeroDivisionError: division by zero\n")
