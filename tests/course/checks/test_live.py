"""Cells that ran and are not saved yet."""

from __future__ import annotations

from workshop.course import checks
from workshop.course.checks import live

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
    shell.run_cell("1 +", cell_id="cell-07")
    assert live.ran("3-evaluation.ipynb")["cell-07"].error.startswith("SyntaxError: ")
