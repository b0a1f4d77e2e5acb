"""Functions of the SDK as jobs: ``@step`` in a pipeline, and ``@remote``.

What they need of a container: ``sagemaker/remote_function/job.py`` and ``runtime_environment/``.
"""

from __future__ import annotations

import pytest

from ....conftest import script  # noqa: F401

pytestmark = pytest.mark.slow

STEPS = """
import sys
import sagemaker
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThan
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.function_step import step
from sagemaker.workflow.parameters import ParameterInteger
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession, PipelineSession

local = sys.argv[1:] == ["local"]
session = LocalPipelineSession() if local else PipelineSession()
role = sagemaker.get_execution_role(session)
options = {
    "image_uri": "763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1", "role": role,
    "instance_type": "local" if local else "ml.m5.large",
}
number = ParameterInteger("Number", default_value=3)


@step(name="One", pre_execution_commands=["echo 10 > /tmp/limit"], **options)
def one(n):
    with open("/tmp/limit") as file:
        return {"total": n * 2, "rows": [n, int(file.read())]}


@step(name="Two", **options)
def two(total, factor):
    if total * factor > 50:
        raise ValueError(f"{total} times {factor} is too much")
    return total * factor


found = one(number)
good = ConditionStep(
    "Good", conditions=[ConditionGreaterThan(left=found["total"], right=1)],
    if_steps=[two(found["total"], factor=found["rows"][1])],
    else_steps=[FailStep("No", error_message="too small")],
)
pipeline = Pipeline("Functions", parameters=[number], steps=[good], sagemaker_session=session)
pipeline.upsert(role_arn=role)
execution = pipeline.start(parameters={"Number": 1} if local else {})
try:
    if not local:
        execution.wait(delay=1, max_attempts=200)
except Exception as error:
    print(type(error).__name__)
steps = execution.list_steps()
steps = steps["PipelineExecutionSteps"] if local else steps
for one in steps:
    print(one["StepName"], one["StepStatus"], one.get("FailureReason", ""))
print(execution.result("One"))
if local:
    print(execution.result("Two"))
"""
REMOTE = """
import sagemaker
from sagemaker.remote_function import remote


@remote(
    image_uri="763104351884.dkr.ecr.us-east-1.amazonaws.com/any:1", instance_type="ml.m5.large",
    role=sagemaker.get_execution_role(),
)
def divide(left, right):
    return left / right


try:
    print(divide(1, 0))
except ZeroDivisionError as error:
    print("my own error:", error)
"""


def test_functions_pass_values_and_a_failing_one_tells_its_own_error(script):  # noqa: F811
    done = script(STEPS, {})
    lines = done.stdout.splitlines()
    assert "One Succeeded " in lines and "Good Succeeded " in lines
    # What the function raised is in /opt/ml/output/failure (remote_function/errors.py).
    reason = "AlgorithmError: ValueError('6 times 10 is too much'), exit code: 1"
    assert f"Two Failed ClientError: {reason}" in lines
    assert lines[-1] == "{'total': 6, 'rows': [3, 10]}"


def test_functions_pass_values_in_local_mode(script):  # noqa: F811
    local = STEPS.replace("import sys\n", "import sys\nsys.argv[1:] = ['local']\n", 1)
    lines = script(local, {}).stdout.splitlines()
    assert {"One Succeeded ", "Good Succeeded ", "Two Succeeded "} <= {*lines}
    assert lines[-2:] == ["{'total': 2, 'rows': [1, 10]}", "20"]


def test_a_remote_function_raises_what_it_raised_in_its_job(script):  # noqa: F811
    assert script(REMOTE, {}).stdout.splitlines()[-1] == "my own error: division by zero"
