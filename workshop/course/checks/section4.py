"""The checks of 4-preprocessing."""

from __future__ import annotations

import ast
import re

from workshop.course.checks import section1
from workshop.course.checks.look import Look, jobs, notebook, trials
from workshop.course.checks.look.job_request import instances_of
from workshop.course.checks.look.phrases import listing
from workshop.course.checks.look.source import without_magics
from workshop.course.checks.outcome import NotYet
from workshop.course.checks.registry import check

_WANTED = {
    True: ("LocalSession()", "a LocalSession, which runs jobs on this machine", "local"),
    False: ("Session()", "a sagemaker.Session, which runs jobs on instances", "ml.m5.xlarge"),
}


@check("4.1")
def toggle(look: Look) -> None:
    source = notebook.cell(look, "sagemaker_session").source
    cell = look.looked_at
    code = "\n".join([*_imports(look), without_magics(source)])
    trial = trials.run(
        look, "cells.toggle", code="/opt/ml/code", files={"/opt/ml/check/cell.py": code.encode()}
    )
    if trial.error:
        raise NotYet(f"it stopped: {trial.error}", "a cell that Python can run")
    for local, (kind, session, instance_type) in _WANTED.items():
        look.at(f"{cell}, run with LOCAL = {local}")
        _judge_toggle(trial.report[str(local)], local, kind, session, instance_type)
    record = jobs.newest(look, section1.SCRIPT)
    job, local = look.looked_at, notebook.local(look)
    kind, _ = instances_of(record)
    look.at(f"{look.notebook.name}, and {job}")
    if local is not None and local is not kind.startswith("local"):
        raise NotYet(
            f'LOCAL is {local}, and the instance type of the job is "{kind}"',
            f'a job on "{_WANTED[local][2]}": run the notebook again from the top',
        )
    jobs.stands(look, record)


def _judge_toggle(found: dict, local: bool, kind: str, session: str, instance_type: str) -> None:
    both = {"sagemaker_session": found["session"], "instance_type": found["instance_type"]}
    missing = [name for name, value in both.items() if value is None]
    if missing:
        why = f": it stopped with {found['error']}" if len(missing) == 2 and found["error"] else ""
        raise NotYet(f"no {listing(missing)}{why}", "both sagemaker_session and instance_type set")
    if found["session"].rpartition(".")[2] != kind:
        raise NotYet(f"sagemaker_session is {found['session']}", session)
    config = found["config"] if isinstance(found["config"], dict) else {}
    if local and config.get("local", {}).get("local_code") is not True:
        raise NotYet(
            "the LocalSession has no local_code",
            'sagemaker_session.config = {"local": {"local_code": True}}',
        )
    given = str(found["instance_type"])
    if not (given == "local" if local else given.startswith("ml.")):
        raise NotYet(f'instance_type is "{given}"', f'"{instance_type}"')


def _imports(look: Look) -> list[str]:
    """Return the notebook's imports of what the cell may need."""
    found = []
    for cell in notebook.cells(look):
        try:
            nodes = ast.parse(without_magics(cell.source)).body
        except SyntaxError:
            continue
        imports = (node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
        found += [text for text in map(ast.unparse, imports) if "sagemaker" in text]
    return found


@check("4.2")
def inputs_and_outputs(look: Look) -> None:
    section1.inputs(look)
    section1.outputs(look)


@check("4.3")
def script(look: Look) -> None:
    section1.script_starts(look)
    section1.arrays(look)


@check("4.4")
def facts(look: Look) -> None:
    record = jobs.newest(look, section1.SCRIPT)
    jobs.ended_well(record)
    job = look.looked_at
    kind, count = instances_of(record)
    found = notebook.value(look, "facts", _read_facts)
    look.at(f"{look.looked_at}, and {job}")
    names = ("status", "instance_type", "instance_count", "seconds")
    if not isinstance(found, dict):
        raise NotYet(f"facts is a {type(found).__name__}", f"a dict with {', '.join(names)}")
    missing = [name for name in names if name not in found]
    if missing:
        raise NotYet(f"facts has no {', no '.join(missing)}", f"{', '.join(names)}")
    for name, wanted in zip(names, ("Completed", kind, count), strict=False):
        if found[name] != wanted:
            raise NotYet(f"{name} is {found[name]!r}", f"{wanted!r}, as the job's description says")
    lasted = record.ended - record.started
    if not isinstance(found["seconds"], (int, float)) or not 0 < found["seconds"] <= lasted + 2:
        raise NotYet(
            f"seconds is {found['seconds']!r}",
            "the seconds from ProcessingStartTime to ProcessingEndTime as a number; the whole job, "
            f"with what came before the script, lasted {lasted:.1f} s",
        )


def _read_facts(printed: str) -> dict:
    found = dict(re.findall(r"(\w+)['\"]?\s*[:=]?\s+['\"]?([\w.]+)", printed))
    return {name: _number(text) for name, text in found.items()}


def _number(text: str) -> object:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text
