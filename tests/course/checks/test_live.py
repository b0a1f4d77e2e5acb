"""Cells that ran and are not saved yet."""

from __future__ import annotations

import json

import pytest
from jupyter_client import KernelManager

from workshop.course import checks
from workshop.course.checks import live
from workshop.emulator.client import connection

from .conftest import Info, Result

GAP = 'workshop.not_attempted("1.3")'


def test_a_cell_counts_as_it_ran_last(starter, kernel):
    kernel(GAP, "inputs = []")
    outcome = checks.run("1.3", starter)
    assert (outcome.state, outcome.looked_at) == (
        checks.NOT_YET,
        f"the jobs started from {starter}",
    )
    kernel(GAP, GAP)
    assert checks.run("1.3", starter).state == checks.NOT_ATTEMPTED


def test_the_cells_of_another_notebook_do_not_count(starter, kernel, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "2-training.ipynb")
    kernel(GAP, "inputs = []")
    assert checks.run("1.3", starter).state == checks.NOT_ATTEMPTED


def test_ipython_tells_the_cell(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr(live, "_cells", {})
    monkeypatch.setattr(live, "_shell", None)
    monkeypatch.setattr(live, "get_ipython", lambda: shell, raising=False)
    live.watch()
    live.watch()
    shell.user_ns["__vsc_ipynb_file__"] = "/home/me/Lab1/3-evaluation.ipynb"
    shell.run_cell("print('one')\n1 + 1", cell_id="cell-07")
    ran = live.ran("3-evaluation.ipynb")["cell-07"]
    assert (ran.source, ran.error) == ("print('one')\n1 + 1", "")
    assert ran.printed.startswith("one\n") and ran.printed.endswith("2")
    since = ran.since
    shell.run_cell("print('one')\n1 + 1", cell_id="cell-07")
    assert live.ran("3-evaluation.ipynb")["cell-07"].since == since
    shell.run_cell("missing", cell_id="cell-07")
    ran = live.ran("3-evaluation.ipynb")["cell-07"]
    assert ran.error == "NameError: name 'missing' is not defined"
    assert ran.since > since
    shell.run_cell("get_ipython().run_cell('print(2)')\nprint(3)", cell_id="cell-08")
    outer = live.ran("3-evaluation.ipynb")["cell-08"].printed
    assert (outer.count("2\n"), outer.count("3\n")) == (1, 1)
    shell.run_cell("print(4)", cell_id="cell-09")
    assert live.ran("3-evaluation.ipynb")["cell-09"].printed == "4\n"
    shell.run_cell("1 +", cell_id="cell-07")
    assert live.ran("3-evaluation.ipynb")["cell-07"].error.startswith("SyntaxError: ")


@pytest.mark.slow
def test_a_kernel_tells_what_its_cells_did(starter):
    """As JupyterLab runs them: with their ids, and a cell that asks for a check."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(
        cwd=str(starter),
        env=connection.environment() | {"JPY_SESSION_NAME": "Lab1/1-preprocessing.ipynb"},
    )
    client = manager.blocking_client()
    client.start_channels()

    def run(code, cell="cell-99"):
        """Run a cell; return what it printed."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        message = client.session.msg(
            "execute_request", {**content, "allow_stdin": False}, metadata={"cellId": cell}
        )
        client.shell_channel.send(message)
        printed = ""
        while True:
            answer = client.get_iopub_msg(timeout=60)
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if answer["msg_type"] == "stream":
                printed += answer["content"]["text"]
            if answer["msg_type"] == "display_data":
                printed += answer["content"]["data"]["text/plain"]
            if answer["content"].get("execution_state") == "idle":
                return printed

    try:
        client.wait_for_ready(timeout=60)
        cells = json.loads((starter / "1-preprocessing.ipynb").read_text())["cells"]
        (gap,) = (one["id"] for one in cells if GAP in "".join(one["source"]))
        run("import workshop\nworkshop.connect()", "cell-00")
        run("inputs = missing", gap)
        assert "the cell stopped: NameError: name 'missing' is not" in run('workshop.check("1.3")')
        run("inputs = []", gap)
        assert "no processing job with preprocessing.py" in run('workshop.check("1.3")')
        (last,) = (one["id"] for one in cells if '("1.7")' in "".join(one["source"])
                   and "not_attempted" in "".join(one["source"]))  # fmt: skip
        run("print('a')\ndisplay('b')\n!echo c\n'd'", last)
        told = run("from workshop.course.checks import live\nprint(live.ran('1-preprocessing.ipynb'"
                   f")['{last}'].printed)")  # fmt: skip
        assert all(letter in told for letter in "abcd")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_cell_with_an_id_that_is_not_the_notebooks_is_known_by_its_source(starter, kernel):
    path = starter / "1-preprocessing.ipynb"
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if GAP in "".join(cell["source"]):
            cell["source"] = "inputs = missing"  # saved, and then run
    path.write_text(json.dumps(content))
    live._begins(Info("vscode-notebook-cell:/home/me#W1", "inputs = missing"))
    result = Result()
    result.error_in_exec = NameError("name 'missing' is not defined")
    live._ended(result)
    outcome = checks.run("1.3", starter)
    assert outcome.found == "the cell stopped: NameError: name 'missing' is not defined"


def test_a_job_does_not_prove_a_cell_that_was_changed_after_it(work, monkeypatch):
    monkeypatch.setattr(live, "_cells", {})
    monkeypatch.setenv("JPY_SESSION_NAME", "Lab1-Unit-Testing/1-preprocessing.ipynb")
    cells = json.loads((work.folder / "1-preprocessing.ipynb").read_text())["cells"]
    (identity,) = (c["id"] for c in cells if "task-1.3" in c["metadata"].get("tags", ()))

    def run(code):
        live._begins(Info(identity, code))
        live._ended(Result())

    run("inputs = [ProcessingInput(…)]")
    assert work.check("1.3").state == checks.PASSED
    run("inputs = [ProcessingInput(…)]")  # once more, as it was
    assert checks.run("1.3", work.folder).state == checks.PASSED
    run("inputs = []")
    outcome = checks.run("1.3", work.folder)
    assert outcome.state == checks.NOT_YET
    assert "the cell was changed since" in outcome.found
