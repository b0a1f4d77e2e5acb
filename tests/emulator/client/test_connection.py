"""The emulator in notebooks: connecting, a job that fails, one that is interrupted, two at once."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workshop.emulator import settings

from ..conftest import processes_with, until

pytestmark = pytest.mark.slow

CONNECT = """
import workshop
workshop.connect()
import sagemaker
from sagemaker.local import LocalSession
sagemaker_session = LocalSession()
sagemaker_session.config = {"local": {"local_code": True}}
role = sagemaker.get_execution_role(sagemaker_session)
"""

PROCESS = """
from sagemaker.processing import ScriptProcessor, ProcessingOutput
open("process.py", "w").write(SCRIPT)
ScriptProcessor(command=["python3"], image_uri="any", role=role, instance_count=1,
    instance_type="local").run(code="process.py", arguments=["one"])
"""


def notebook(*cells: str, folder) -> NotebookClient:
    """A notebook in a plain Jupyter, without ./lab around it."""
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return NotebookClient(
        content, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, timeout=120
    )


def printed(client: NotebookClient, cell: int) -> str:
    outputs = client.nb.cells[cell].get("outputs", ())
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_connect_says_where_calls_go_and_the_learner_is_the_role(tmp_path):
    client = notebook(CONNECT, "print(role)", folder=tmp_path)
    client.execute()
    assert printed(client, 0) == (
        "Connected to the emulated AWS on this machine: no account, no cost.\n"
        "It answers all calls to AWS, and the jobs run here.\n"
    )
    assert printed(client, 1).strip().endswith(f"role/service-role/{settings.ROLE}")


def test_an_emulator_that_does_not_start_is_one_message_without_a_traceback(tmp_path, monkeypatch):
    broken = tmp_path / "state"
    broken.mkdir()
    (broken / "s3").write_text("no folder")
    monkeypatch.setenv("WORKSHOP_STATE", str(broken))
    client = notebook("import workshop; workshop.connect()", folder=tmp_path)
    with pytest.raises(CellExecutionError):
        client.execute()
    (error,) = client.nb.cells[0].outputs
    assert error.traceback[0].startswith("The emulated AWS did not start.")
    assert "Cell In[1]" not in "".join(error.traceback)


def test_the_error_of_a_failed_job_is_last_on_the_screen(tmp_path):
    script = "SCRIPT = 'def load():\\n    raise ValueError(\"13 labels\")\\nload()\\n'"
    client = notebook(CONNECT, script, PROCESS, folder=tmp_path)
    with pytest.raises(CellExecutionError):
        client.execute()
    box, error = client.nb.cells[2].outputs
    assert error.ename == "RuntimeError" and "docker" not in "".join(error.traceback)
    told, _, whole = box.data["text/plain"].partition("\n\nThe whole error:\n")
    short, _, printed = told.partition("\n\nWhat the cell printed:\n")
    assert "\nValueError: 13 labels\n" in short and "in load" in printed
    assert "_stream_output" in whole and "in load" in whole
    assert whole.rstrip().endswith("ValueError: 13 labels")


def test_an_interrupted_cell_ends_with_its_job_and_the_next_does_not_run(tmp_path):
    mark = f"mark-{os.getpid()}-{time.time_ns()}"
    script = f"SCRIPT = 'import time; print(\"{mark}\", flush=True); time.sleep(97)'"
    client = notebook(
        CONNECT, script, PROCESS.replace('"one"', f'"{mark}"'), "print('next')", folder=tmp_path
    )
    errors = []

    def execute():
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            client.execute()
        except CellExecutionError as error:
            errors.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    assert until(lambda: processes_with(mark), seconds=60)
    time.sleep(0.3)
    asyncio.run(client.km.interrupt_kernel())
    thread.join(60)
    assert errors and errors[0].ename == "KeyboardInterrupt"
    assert printed(client, 3) == ""
    assert until(lambda: not processes_with(mark)), processes_with(mark)


def test_two_notebooks_run_jobs_at_the_same_time(tmp_path):
    script = (
        'SCRIPT = \'import os, time; open("/opt/ml/mine", "w").write(str(MINE)); time.sleep(5);'
        ' print("mine", open("/opt/ml/mine").read(), time.time())\'.replace("MINE", "{}")'
    )
    clients = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        number = str(len(clients) + 1)
        cells = (CONNECT, script.format(number), PROCESS)
        clients.append(notebook(*cells, folder=tmp_path / name))

    async def both():
        await asyncio.gather(*(client.async_execute() for client in clients))

    asyncio.run(both())
    seen = [printed(client, 2).split() for client in clients]
    numbers = [words[words.index("mine") + 1] for words in seen]
    ends = [float(words[words.index("mine") + 2]) for words in seen]
    assert numbers == ["1", "2"]
    assert abs(ends[0] - ends[1]) < 5, "they ran side by side"
