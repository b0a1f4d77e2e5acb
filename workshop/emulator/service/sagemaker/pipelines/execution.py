"""An execution of a pipeline: which steps run, one after the other or side by side.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribePipelineExecution.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import string
import time
from collections.abc import Sequence

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker.operation import Caller
from workshop.emulator.service.sagemaker.orchestration import Orchestration
from workshop.emulator.service.sagemaker.pipelines import (
    callback,
    definition,
    expressions,
    retries,
    steps,
)
from workshop.emulator.service.sagemaker.pipelines.definition import Step
from workshop.emulator.service.sagemaker.pipelines.expressions import Unresolved
from workshop.emulator.service.sagemaker.pipelines.scope import Run, Scope
from workshop.emulator.service.sagemaker.resource import Account, Resource

FINAL = ("Succeeded", "Failed", "Stopped")
#: How many steps run side by side where nobody says (API_ParallelismConfiguration).
_PARALLEL = 50
#: The length of a step's FailureReason, and of the name of a job.
_REASON, _NAME = 1024, 63
_ENDED = "The emulated AWS ended while it ran. Retry the execution: retry_pipeline_execution."
_LETTERS = string.ascii_lowercase + string.digits


class PipelineExecution(Orchestration):
    """``steps`` are those that have begun, in this order."""

    title, resource_type = "pipeline execution", "pipeline-execution"
    name_member = arn_member = "PipelineExecutionArn"
    status_member = "PipelineExecutionStatus"
    search_name, search_shape = "PipelineExecution", "PipelineExecution"

    def __init__(
        self,
        account: Account,
        description: dict,
        tags: Sequence[dict],
        caller: Caller,
        text: str,
        values: dict[str, object],
    ) -> None:
        """``text`` is the pipeline's definition, ``values`` those of its parameters."""
        super().__init__(account, description, tags, caller)
        self.text, self.values = text, values
        self.definition = definition.parse(text, lambda _: True)  # it was looked at before
        self.steps: dict[str, Run] = {}

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @classmethod
    def name_in(cls, resource_type: str, rest: str) -> str:
        found = re.fullmatch(r"[^/]+/execution/([^/]+)", rest)
        return found[1] if found and resource_type == "pipeline" else ""

    @classmethod
    def not_found(cls, name: str) -> ApiError:
        return ApiError("ResourceNotFound", f"Pipeline execution {name!r} does not exist.")

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    @property
    def pipeline(self) -> str:
        """The ARN of its pipeline."""
        return self.description["PipelineArn"]

    # --- asked by the API -----------------------------------------------------------------

    def begin(self) -> None:
        """Begin to run: a new one."""
        self._make_experiment()
        self.start()

    def stop(self) -> None:
        """Stop what runs; nothing new begins."""
        with self.changing:
            self.change(PipelineExecutionStatus="Stopping")
            self.told.set()
        self.account.news.tell()

    def retry(self) -> None:
        """Run what has failed or was stopped again, and what comes after it."""
        with self.changing:
            self.steps = {
                name: run for name, run in self.steps.items() if run.status == "Succeeded"
            }
            self.description.pop("FailureReason", None)
            self.change(PipelineExecutionStatus="Executing")
        self.start()

    def answer(self, run: Run, status: str, outputs: dict[str, str], reason: str) -> None:
        """Take the answer to a callback step. Raises ApiError where it waits for none."""
        with self.changing:
            if run.status not in ("Executing", "Stopping"):
                raise ApiError(
                    "ConflictException",
                    f"The callback step {run.name!r} is {run.status}: its token can be answered "
                    "once, as long as the step runs.",
                )
            run.outputs = outputs
            stopped = status == "Failed" and self.told.is_set()
            self._set(run, "Stopped" if stopped else status, reason)

    def reuse(self, source: PipelineExecution) -> None:
        """Take the results of another execution for the steps that are not selected."""
        for needed in self._needed_from_source():
            found = source.steps[needed]
            self.steps[needed] = dataclasses.replace(found, reused_from=source.arn)

    def missing_from(self, source: PipelineExecution | None) -> str:
        """Return a step whose result is needed of another execution, which does not have it."""
        for needed in self._needed_from_source():
            run = source.steps.get(needed) if source else None
            if run is None or run.status != "Succeeded":
                return needed
        return ""

    def _needed_from_source(self) -> list[str]:
        selected = self._selected()
        needs = {need for name in selected for need in self.definition.steps[name].needs}
        return [name for name in self.definition.steps if name in needs - selected]

    def _selected(self) -> set[str]:
        config = self.description.get("SelectiveExecutionConfig")
        if not config:
            return set(self.definition.steps)
        return {one["StepName"] for one in config["SelectedSteps"]}

    # --- its life -------------------------------------------------------------------------

    def advance(self) -> float:
        for run in self._running():
            self._look(run)
        if self.told.is_set():
            self._stop_running()
        elif not self._failed():
            while self._begin_steps() and not self._failed():
                pass
        with self.changing:
            if not self.ended and not self._running() and not self._waiting():
                self._end()
        return max(0.0, min([2.0, *(run.again_at - time.time() for run in self._waiting())]))

    def _running(self) -> list[Run]:
        return [run for run in self.steps.values() if run.status in ("Executing", "Stopping")]

    def _waiting(self) -> list[Run]:
        """Return the steps that are tried again; none when all is to end."""
        if self.told.is_set() or self._failed():
            return []
        return [run for run in self.steps.values() if run.again_at]

    def _failed(self) -> list[Run]:
        return [run for run in self.steps.values() if run.status == "Failed" and not run.again_at]

    def _begin_steps(self) -> bool:
        """Begin the steps that can; tell whether any has ended at once."""
        limit = self.description.get("ParallelismConfiguration", {}).get(
            "MaxParallelExecutionSteps", _PARALLEL
        )
        ended = False
        for name in self.definition.steps:
            if len(self._running()) >= limit:
                break
            if self._can_begin(name):
                ended |= self._begin_step(self.definition.steps[name]).status == "Succeeded"
        return ended

    def _can_begin(self, name: str) -> bool:
        run, step = self.steps.get(name), self.definition.steps[name]
        if run is not None:
            return 0 < run.again_at <= time.time()
        done = all(
            needed in self.steps and self.steps[needed].status == "Succeeded"
            for needed in step.needs
        )
        if not done or name not in self._selected():
            return False
        return step.parent is None or self.steps[step.parent[0]].outcome is step.parent[1]

    def _begin_step(self, step: Step) -> Run:
        run = self.steps.get(step.name) or Run(step.name, started=time.time())
        run.status, run.again_at, run.reason = "Executing", 0.0, ""
        run.attempts += 1
        made = steps.MADE.get(step.type)
        name = self._name_for(step)
        scope = Scope(self, name)
        try:
            if step.type == steps.CONDITION:
                conditions = step.arguments["Conditions"]
                run.outcome = all(expressions.holds(one, scope) for one in conditions)
                self._set(run, "Succeeded")
            elif step.type == steps.FAIL:
                message = expressions.evaluate(step.arguments["ErrorMessage"], scope)
                self._set(run, "Failed", str(message))
            elif step.type == steps.CALLBACK:
                self._call(step, run, scope)
            else:
                self._make(step, run, name, expressions.evaluate(step.arguments, scope))
        except Unresolved as error:
            self._set(run, "Failed", f"ClientError: {error}.")
        except ApiError as error:
            invoked = f"sagemaker:{made.operation}" if made else "sqs:SendMessage"
            reason = f"ClientError: Failed to invoke {invoked}. Error Details: {error.message}"
            self._fail(step, run, reason, retries.exception_of(error))
        return run

    def _make(self, step: Step, run: Run, name: str, request: dict) -> None:
        """Make what a step makes, or take it from the cache."""
        made = steps.MADE[step.type]
        run.key = json.dumps({part: request.get(part) for part in made.cached_by}, sort_keys=True)
        found = self._cached(step, run.key) if step.cached_for and made.cached_by else None
        if found:
            execution, cached = found
            run.arn, run.cached_from = cached.arn, execution.arn
            self._set(run, "Succeeded")
            return
        in_group = "ModelPackageGroupName" in request  # the group counts its versions
        if not in_group:
            request[made.name_member] = name
        if made.traced and "PipelineExperimentConfig" in self.description:
            config = self.description["PipelineExperimentConfig"]
            request.setdefault(
                "ExperimentConfig", config | {"TrialComponentDisplayName": step.name}
            )
        given = {tag["Key"] for tag in request.get("Tags", ())}
        inherited = [tag for tag in self.tags if tag["Key"] not in given]
        if inherited and not in_group:  # a version has its group's
            request["Tags"] = [*request.get("Tags", ()), *inherited]
        if in_group:
            self._make_group(request["ModelPackageGroupName"])
        else:  # before it is made: whatever ends the server, the step is known
            run.arn = self.account.arn(self.caller.region, _type_of(made.arn_member), name)
            self._set(run, "Executing")
        run.arn = self.ask(made.operation, request)[made.arn_member]
        self._look(run)

    def _call(self, step: Step, run: Run, scope: Scope) -> None:
        """Send the message of a callback step; whoever gets it answers."""
        run.queue = str(expressions.evaluate(step.content["SqsQueueUrl"], scope))
        run.call = {
            "token": callback.new_token(),
            "pipelineExecutionArn": self.arn,
            "arguments": expressions.evaluate(step.arguments, scope),
        }
        self._set(run, "Executing")  # before it is sent: the answer may come at once
        callback.send(self.account.number, run.queue, run.call | {"status": "Executing"})

    def _call_off(self, run: Run) -> None:
        """Tell whoever works for a callback step that the execution stops: it ends by an answer."""
        with self.changing:
            if run.status != "Executing":
                return
            self._set(run, "Stopping")
            try:
                callback.send(self.account.number, run.queue, run.call | {"status": "Stopping"})
            except ApiError as error:
                self._set(run, "Failed", f"ClientError: {error.message}")

    def _look(self, run: Run) -> None:
        """Look at what a step has made: it may have ended."""
        if run.call:  # it ends by an answer
            return
        one = self.account.by_arn(run.arn)
        if one is None:
            self._set(run, "Failed", "ClientError: what the step had made was deleted.")
        elif one.ended:
            self._settle(run, one)

    def _settle(self, run: Run, one: Resource) -> None:
        status = one.status if one.status_member else "Completed"
        if status == "Completed":
            self._set(run, "Succeeded")
        elif status == "Stopped" and self.told.is_set():
            self._set(run, "Stopped")
        else:
            reason = one.describe().get("FailureReason") or f"The {one.title} is {status}."
            step = self.definition.steps[run.name]
            self._fail(step, run, f"ClientError: {reason}", retries.exception_in(reason))

    def _fail(self, step: Step, run: Run, reason: str, exception: str) -> None:
        """Let a step fail, or try it again later where a retry policy says so."""
        policies = step.content.get("RetryPolicies") or []
        seconds = retries.wait(policies, exception, run.attempts, time.time() - run.started)
        if seconds is not None:
            run.again_at = time.time() + seconds
        elif exception and exception not in retries.ALWAYS:
            reason += (
                f" Retry not appropriate on execution of step with PipelineExecutionArn {self.arn} "
                f"and StepId {step.name}. No retry policy is left for the exception type "
                f"{exception}."
            )
        self._set(run, "Failed", reason)

    def _stop_running(self) -> None:
        for run in self._running():
            if run.call:
                self._call_off(run)
                continue
            made = steps.MADE[self.definition.steps[run.name].type]
            one = self.account.by_arn(run.arn)
            if run.status == "Stopping" or one is None:
                continue
            self._set(run, "Stopping")
            with contextlib.suppress(ApiError):  # it has just ended
                stop = made.operation.replace("Create", "Stop")
                if self.account.door.plays(stop):
                    self.ask(stop, {made.name_member: one.name})

    def _end(self) -> None:
        """Set the final status."""
        failed = self._failed()
        if failed:
            names = ", ".join(run.name for run in failed)
            self.change(
                PipelineExecutionStatus="Failed",
                # AWS says no more than the first sentence.
                FailureReason=f"Step failure: One or multiple steps failed. ({names})",
            )
        elif self.told.is_set():
            self.change(PipelineExecutionStatus="Stopped")
        else:
            self.change(PipelineExecutionStatus="Succeeded")
        self.account.news.tell()

    def _set(self, run: Run, status: str, reason: str = "") -> None:
        with self.changing:
            if self.ended:  # the server ends
                return
            run.status = status
            if reason:
                run.reason = reason if len(reason) <= _REASON else f"{reason[: _REASON - 2]} …"
            if status in FINAL:
                run.ended = time.time()
            self.steps[run.name] = run
            self.keep()
        self.account.news.tell()

    def abandon(self, why: str) -> None:
        with self.changing:
            if self.ended:
                return
            for run in self._running():
                self._set(run, "Failed", f"ClientError: {why}")
            self.change(PipelineExecutionStatus="Failed", FailureReason=why)

    def revive(self) -> None:
        with self.changing:
            if self.ended:
                return
            for run in self._running():
                one = self.account.by_arn(run.arn)
                if one is not None and one.ended:
                    self._settle(run, one)
                else:
                    self._set(run, "Failed", f"ClientError: {_ENDED}")
            if not self._failed() and not any(map(self._can_begin, self.definition.steps)):
                self._end()
            else:
                self.change(PipelineExecutionStatus="Failed", FailureReason=_ENDED)

    def _make_group(self, name: str) -> None:
        """Make the group of a registered model where it is not there, with the pipeline's tags.

        So AWS does: its examples make none (sagemaker-pipelines-preprocess-train-evaluate-batch-
        transform.ipynb).
        """
        with contextlib.suppress(ApiError):  # it is there
            request = {"ModelPackageGroupName": name.rpartition("/")[2]}
            self.ask(
                "CreateModelPackageGroup", request | ({"Tags": self.tags} if self.tags else {})
            )

    # --- names, cache, experiment ---------------------------------------------------------

    def _name_for(self, step: Step) -> str:
        """Return the name of what a step makes, like ``pipelines-EXECUTION-STEP-RANDOM``.

        The first word is left out where there is no room for it: of a tuning job.
        """
        made = steps.MADE.get(step.type)
        chosen = step.arguments.get(made.name_member) if made else None
        end = "".join(random.choices(string.ascii_letters + string.digits, k=10))
        most = made.longest_name if made else _NAME
        first = f"pipelines-{self.name}-{step.name}"
        if isinstance(chosen, str):
            first = chosen
        elif most < _NAME:
            first = f"{self.name}-{step.name}"
        first = re.sub(r"[^a-zA-Z0-9]+", "-", first)[: most - len(end) - 1].strip("-")
        return f"{first}-{end}"

    def _cached(self, step: Step, key: str) -> tuple[PipelineExecution, Run] | None:
        """Return the newest result of this step with the same arguments, if it may be taken."""
        for other in reversed(self.account.all(PipelineExecution)):
            run = other.steps.get(step.name)
            if (
                other is not self
                and other.pipeline == self.pipeline
                and run is not None
                and (run.status, run.key) == ("Succeeded", key)
                and not run.cached_from
                and not run.reused_from
                and time.time() - run.ended <= step.cached_for
                and self.account.by_arn(run.arn) is not None
            ):
                return other, run
        return None

    def _make_experiment(self) -> None:
        """Make the experiment and the trial of the execution, where they are not there.

        https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-experiments.html
        """
        if not self.definition.experiment:
            return
        names = expressions.evaluate(self.definition.experiment, Scope(self, ""))
        for operation, members in (
            ("CreateExperiment", ("ExperimentName",)),
            ("CreateTrial", ("ExperimentName", "TrialName")),
        ):
            with contextlib.suppress(ApiError):  # it is there
                self.ask(operation, {member: names[member] for member in members})
        self.change(PipelineExperimentConfig=names)

    # --- on disk --------------------------------------------------------------------------

    def beside(self) -> dict:
        return {
            "text": self.text,
            "values": self.values,
            "region": self.caller.region,
            "directory": self.caller.directory,
            "steps": [dataclasses.asdict(run) for run in self.steps.values()],
        }

    @classmethod
    def read(cls, account: Account, kept: dict) -> PipelineExecution:
        caller = Caller(kept["region"], kept["directory"])
        one = cls(account, kept["description"], kept["tags"], caller, kept["text"], kept["values"])
        one.steps = {run["name"]: Run(**run) for run in kept["steps"]}
        return one


def _type_of(arn_member: str) -> str:
    """Return the type in an ARN, such as ``training-job`` for ``TrainingJobArn``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", arn_member.removesuffix("Arn")).lower()


def new_id() -> str:
    """Return the id of a new execution: 12 small letters and digits, as AWS's."""
    return "".join(random.choices(_LETTERS, k=12))
