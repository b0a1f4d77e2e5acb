"""Draws a pipeline execution: its steps, which one waits for which, and how far each one is."""

import json
import re
import time

import matplotlib.pyplot as plt
from IPython.display import display

COLORS = {
    "Succeeded": "#b7e1cd",
    "Starting": "#fce8b2",
    "Executing": "#fce8b2",
    "Stopping": "#fce8b2",
    "Failed": "#f4c7c3",
    "Stopped": "#dddddd",
    "waiting": "#ffffff",
    "not run": "#ffffff",
}


def parents_of(definition):
    """Return {step: the steps that it waits for}, of a definition that is a dict.

    A step waits for those whose properties it reads, for those in its DependsOn and, in a branch
    of a condition, for the condition.
    """
    parents = {}

    def read(steps, condition):
        for step in steps:
            arguments = dict(step.get("Arguments", {}))
            branches = [arguments.pop(name, []) for name in ("IfSteps", "ElseSteps")]
            names = re.findall(r'"Steps\.([\w-]+)', json.dumps(arguments))
            parents[step["Name"]] = {*names, *step.get("DependsOn", []), *condition}
            for branch in branches:
                read(branch, [step["Name"]])

    read(definition["Steps"], [])
    return parents


def all_before(parents, name):
    """Return the steps that come before a step, near and far."""
    near = parents[name]
    return near.union(*(all_before(parents, one) for one in near))


def columns_of(parents):
    """Return {step: its column, from 0}: each one stands to the right of all that it waits for."""
    columns = {}
    while len(columns) < len(parents):
        for name, before in parents.items():
            if name not in columns and before <= columns.keys():
                columns[name] = 1 + max((columns[one] for one in before), default=-1)
    return columns


def draw(parents, states, not_begun="waiting"):
    """Return a figure.

    states: {step: (status, a line of text below it)}, for steps that began
    not_begun: the status of the others
    """
    columns = columns_of(parents)
    rows, filled = {}, {}
    for name, column in columns.items():
        rows[name] = filled.get(column, 0)
        filled[column] = rows[name] + 1
    height = max(filled.values())
    at = {
        name: (column, (height - filled[column]) / 2 + rows[name])
        for name, column in columns.items()
    }

    figure, axis = plt.subplots(figsize=(1.9 * (max(columns.values()) + 1), 0.9 * height + 0.3))
    for name, before in parents.items():
        # What is waited for by way of another step needs no arrow of its own.
        indirect = set().union(*(all_before(parents, one) for one in before))
        for one in before - indirect:
            arrow = {"arrowstyle": "->", "color": "#777777", "shrinkA": 30, "shrinkB": 32}
            axis.annotate("", at[name], at[one], arrowprops=arrow)
    for name, place in at.items():
        status, below = states.get(name, (not_begun, ""))
        box = {"boxstyle": "round,pad=0.5", "facecolor": COLORS[status], "edgecolor": "#777777"}
        text = f"{name}\n{status}\n{below}".rstrip()
        axis.text(*place, text, ha="center", va="center", fontsize=8, bbox=box)
    axis.set(xlim=(-0.5, max(columns.values()) + 0.5), ylim=(height - 0.5, -0.5))
    axis.axis("off")
    return figure


def _seconds(when):
    """Return a time of an API as seconds; local mode has seconds already, and None means now."""
    return when.timestamp() if hasattr(when, "timestamp") else when or time.time()


def states_of(steps):
    """Return what `draw` needs of the steps of an execution, as `list_steps` gives them."""
    states = {}
    for step in steps:
        begin, end = (_seconds(step.get(name)) for name in ("StartTime", "EndTime"))
        below = f"{end - begin:.0f} s"
        if "CacheHitResult" in step:
            below = "from the cache"
        elif "Condition" in step.get("Metadata", {}):
            below = str(step["Metadata"]["Condition"].get("Outcome", ""))
        states[step["StepName"]] = (step["StepStatus"], below)
    return states


def watch(pipeline, execution, every=1):
    """Draw an execution until it has ended, anew every so many seconds; return its status."""
    parents = parents_of(json.loads(pipeline.describe()["PipelineDefinition"]))
    handle = display(display_id=True)  # None where nothing can be shown
    while True:
        status = execution.describe()["PipelineExecutionStatus"]
        steps = execution.list_steps()  # in local mode it is the whole answer of the API
        steps = steps["PipelineExecutionSteps"] if isinstance(steps, dict) else steps
        runs = status in ("Executing", "Stopping")
        figure = draw(parents, states_of(steps), "waiting" if runs else "not run")
        if handle:
            handle.update(figure)
        plt.close(figure)
        if not runs:
            return status
        time.sleep(every)
