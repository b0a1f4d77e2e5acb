"""Regions of source files: what is refused, and what the renderings make of them."""

import ast
import textwrap

import pytest

from workshop.course import gaps, manifest
from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

from .stages import with_region

TASK = manifest.Task("1.1", "Add two numbers", "Set total to the sum of 1 and 2.", 5)
LONG = manifest.Task("1.2", "Many words", 'Say "yes", and then ' + "very " * 40 + "much.", 5)

SCRIPT = '''\
def add():
    """Add."""
    # task 1.1 begin
    if True:

        total = 3
    # task 1.1 end
    return total
'''
SOLUTION = '''\
def add():
    """Add."""
    if True:

        total = 3
    return total
'''
STARTER = '''\
def add():
    """Add."""

    # Task 1.1 · Add two numbers
    # Set total to the sum of 1 and 2.
    raise NotImplementedError(
        "task 1.1 not attempted: Set total to the sum of 1 and 2."
    )

    return total
'''
NOTEBOOK = """\
# ---
# jupyter: {}
# ---

# %% [markdown]
# # Add

# %%
one = 1
# task 1.1 begin
total = one + 2
# task 1.1 end

# %%
# task 1.2 begin
print(total)
# task 1.2 end
"""
NOTEBOOK_STARTER = """\
# %%
one = 1

# Task 1.1 · Add two numbers
# Set total to the sum of 1 and 2.
workshop.not_attempted("1.1")

# %%
# Task 1.2 · Many words
"""


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("# task 1.1 begin\n# task 1.2 begin\n", 2, "task 1.2 begins inside task 1.1, which began"),
        ("x = 1\n# task 1.1 begin\nx\n", 2, "task 1.1 begins here and never ends"),
        ("x\n# task 1.1 end\n", 2, "task 1.1 ends here, and has not begun"),
        ("# task 1.1 begin\nx\n# task 1.2 end\n", 3, "task 1.2 ends here, but task 1.1 began"),
        ("# task 9.9 begin\nx\n# task 9.9 end\n", 1, "there is no task 9.9 in course.toml"),
        ("# task 1.1 begin\nx\n# task 1.1 end\n" * 2, 4, "a second region of task 1.1; line 1"),
        ("# task 1.1 begin\n\n# task 1.1 end\n", 1, "has no code"),
        ("# task 1.1 begin\n# x = 1\n# task 1.1 end\n", 1, "has no code"),
        ("  # task 1.1 begin\n  x\n# task 1.1 end\n", 3, "not indented like its begin"),
        ("  # task 1.1 begin\n  x\n y\n  # task 1.1 end\n", 3, "less indented than the markers"),
        # nearly a marker
        ("# task 1.1 beginn\n", 1, "looks like a marker and is none"),
        ("# task 1.1 begin \n", 1, "looks like a marker"),
        ("#task 1.1 begin\n", 1, "looks like a marker"),
        ("#  task 1.1 begin\n", 1, "looks like a marker"),
        ("# Task 1.1 begin\n", 1, "looks like a marker"),
        ("# task 1.1: begin\n", 1, "looks like a marker"),
        ("# task 1 begin\n", 1, "looks like a marker"),
        ("# task 1.1.1 begin\n", 1, "looks like a marker"),
        ("# task 1.1\n", 1, "looks like a marker"),
        ("# begin task 1.1\n", 1, "looks like a marker"),
        ("x = 1  # task 1.1 begin\n", 1, "looks like a marker"),
        # in a notebook
        ("# %%\nx\n# task 1.1 begin\nx\n# %%\nx\n# task 1.1 end\n", 3, "does not end in the cell"),
        ("# %% [markdown]\n# task 1.1 begin\n", 2, "outside a code cell"),
        ("# task 1.1 begin\nx\n# task 1.1 end\n# %%\nx\n", 1, "outside a code cell"),
        ("# %% [markdown]\n# task 1.1 beginn\n", 2, "looks like a marker"),
    ],
)
def test_refused(text, line, told):
    with pytest.raises(WorkshopError) as error:
        gaps.parse(text, "script_1/x.py", ["1.1", "1.2"])
    assert str(error.value).startswith(f"script_1/x.py:{line}: ")
    assert told in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "# a task is done\ntask = 1.1\n",
        "# %% [markdown]\n# Task 1.1 is easy. In task 1.2 begin at the top; task 1.3 ends it.\n",
        'print("task 1.1 not attempted")\n',
    ],
)
def test_not_refused(text):
    assert gaps.parse(text, "x.py") == []


def test_a_script():
    (region,) = gaps.parse(SCRIPT, "x.py")
    assert (region.first, region.last, region.indent) == (3, 7, "    ")
    assert region.code == "if True:\n\n    total = 3\n"
    assert gaps.fill(SCRIPT, "x.py", gaps.solution) == SOLUTION
    starter = gaps.fill(SCRIPT, "x.py", gaps.starter({"1.1": TASK}))
    assert starter == STARTER
    ast.parse(starter)
    assert with_region(SCRIPT, "none", "") == SCRIPT


def test_a_notebook():
    tasks = {"1.1": TASK, "1.2": LONG}
    starter = gaps.fill(NOTEBOOK, "x.py", gaps.starter(tasks))
    assert NOTEBOOK_STARTER in starter
    assert starter.endswith('workshop.not_attempted("1.2")\n')
    ast.parse(starter)
    solution = gaps.fill(NOTEBOOK, "x.py", gaps.solution)
    unmarked = [line for line in NOTEBOOK.split("\n") if not line.startswith("# task")]
    assert solution == "\n".join(unmarked)


@pytest.mark.parametrize("indent", ["", "    ", " " * 12])
def test_long_words_are_wrapped_and_nothing_is_lost(indent):
    """The error says the whole sentence, whatever quotes are in it."""
    body = textwrap.indent("# task 1.2 begin\nx\n# task 1.2 end\n", indent)
    text = f"if x:\n{body}" if indent else body
    starter = gaps.fill(text, "x.py", gaps.starter({"1.2": LONG}))
    assert max(map(len, starter.splitlines())) <= gaps.WIDTH
    (call,) = [node for node in ast.walk(ast.parse(starter)) if isinstance(node, ast.Call)]
    assert call.func.id == "NotImplementedError"
    assert call.args[0].value == f"task 1.2 not attempted: {LONG.what}"


# --- a whole lab


LABS = [lab for lab in manifest.labs() if lab.tasks]
REGION = "# task 1.1 begin\nx = 1\n# task 1.1 end\n"
TASKS = {1: ["Add two numbers"]}


def lab_with(make_course, script="", notebook="# %%\nprint()\n", tasks=TASKS):
    root = make_course(tasks=tasks, **{"1-one": notebook})
    (root / "source" / "Lab1-Tiny" / "script_1" / "script.py").write_text(script)
    return manifest.labs(root / "source")[-1], root


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "source/course.toml:16: no file of source/Lab1-Tiny/ has a region of task 1.1"),
        (
            {"script": REGION, "notebook": "# %%\n" + REGION},
            "source/Lab1-Tiny/script_1/script.py:1: a second region of task 1.1; "
            "source/Lab1-Tiny/1-one.py:2 has one",
        ),
        (
            {"script": "x = [\n    # task 1.1 begin\n    1,\n    2,\n    # task 1.1 end\n]\n"},
            "script.py:2: the region of task 1.1 is not whole statements",
        ),
        (
            {"script": "# task 1.1 begin\nif x:\n# task 1.1 end\n    pass\n"},
            "script.py:1: the region of task 1.1 is not whole statements",
        ),
        ({"script": REGION + "x =\n"}, "script.py:4: this is not Python"),
        ({"script": "# task 2.1 begin\nx\n# task 2.1 end\n"}, "script.py:1: there is no task 2.1"),
    ],
)
def test_a_lab_is_refused(make_course, files, told):
    lab, root = lab_with(make_course, **files)
    with pytest.raises(WorkshopError) as error:
        gaps.regions(lab, root)
    assert told in str(error.value)


def test_regions_of_a_lab(make_course):
    lab, root = lab_with(make_course, script=f"y = 2\n{REGION}")
    (region,) = gaps.regions(lab, root).values()
    assert str(region.path) == "script_1/script.py"
    assert region.first == 2
    assert not region.notebook


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder)
def test_the_real_labs(lab):
    """Each task has one region, in its section's notebook or scripts; both renderings parse."""
    regions = gaps.regions(lab)
    assert list(regions) == [task.number for task in lab.tasks]
    tasks = {task.number: task for task in lab.tasks}
    for section in lab.sections:
        places = {f"{section.notebook}.py", section.scripts}
        for task in section.tasks:
            assert regions[task.number].path.parts[0] in places
    for path in {region.path for region in regions.values()}:
        text = (ROOT / "source" / lab.folder / path).read_text()
        for fill in (gaps.solution, gaps.starter(tasks)):
            rendered = gaps.fill(text, path, fill)
            ast.parse(rendered)
            assert "# task " not in rendered
