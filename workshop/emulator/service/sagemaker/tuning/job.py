"""A tuning job's life: it makes training jobs, and learns from the values that they end with.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Sequence

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import compute
from workshop.emulator.service.sagemaker.operation import Caller
from workshop.emulator.service.sagemaker.orchestration import Orchestration
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.training import TrainingJob
from workshop.emulator.service.sagemaker.tuning import results, search
from workshop.emulator.service.sagemaker.tuning.search import Choice, Search
from workshop.emulator.service.sagemaker.validation import tuning_rules

#: Seconds between two looks at the training jobs where nothing is new, and where all is.
_LOOK, _PAUSE = 1.0, 0.05
#: Training jobs that may fail before a tuning job without any success does.
_ATTEMPTS = 5
#: Training jobs that a tuning step knows (TuningStep.get_top_model_s3_uri).
_STORED = 50
#: Members of a definition that a request for a training job has too.
_SAME = (
    *("RoleArn", "InputDataConfig", "OutputDataConfig", "StoppingCondition"),
    *("AlgorithmSpecification", "VpcConfig", "EnableNetworkIsolation", "EnableManagedSpotTraining"),
    *("EnableInterContainerTrafficEncryption", "CheckpointConfig", "RetryStrategy", "Environment"),
)


class TuningJob(Orchestration):
    """A tuning job. ``jobs`` are its training jobs, as ListTrainingJobsFor… has them."""

    title, resource_type = "hyperparameter tuning job", "hyper-parameter-tuning-job"
    name_member, arn_member = "HyperParameterTuningJobName", "HyperParameterTuningJobArn"
    status_member = "HyperParameterTuningJobStatus"
    search_name = search_shape = "HyperParameterTuningJob"

    def __init__(
        self, account: Account, description: dict, tags: Sequence[dict], caller: Caller
    ) -> None:
        super().__init__(account, description, tags, caller)
        self.jobs: list[dict] = []
        self._ending: tuple[str, str] | None = None  # status and reason, once it is known
        self._choices: dict[str, tuple[Search, Choice]] = {}  # by the names of training jobs
        self._searches: dict[str, Search] = {}  # by the names of definitions
        self._next: tuple[dict, Choice] | None = None  # what waits for an instance

    # --- asked by the API -----------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.status in compute.FINAL

    def stop(self) -> None:
        """Stop its training jobs, and then itself."""
        with self.changing:
            if not self.ended:
                self._ending = ("Stopped", "")
                self.change(**{self.status_member: "Stopping"})
        self.account.news.tell()

    def revive(self) -> None:
        if not self.ended:
            for one in results.running(self.jobs):
                self._take_over(one)
            self._end("Failed", "the emulated AWS ended while the job ran. Start the job again.")

    def abandon(self, why: str) -> None:
        with self.changing:
            if self.ended:
                return
            for one in results.running(self.jobs):
                job = self.account.find(TrainingJob, one["TrainingJobName"])
                if job:
                    job.abandon(why)
                self._take_over(one)
            self._end("Failed", why)

    def facts(self) -> dict:
        config = self._config
        more = {name: config[name] for name in ("Strategy", "ResourceLimits")}
        return super().facts() | more

    def describe(self) -> dict:
        with self.changing:
            until = self.description.get("HyperParameterTuningEndTime", time.time())
            seconds = int(until - self.description["CreationTime"])
            return super().facts() | {"ConsumedResources": {"RuntimeInSeconds": seconds}}

    def properties(self) -> dict:
        """Of a tuning step, also its training jobs, the best first.

        sagemaker/workflow/steps.py, TuningStep.get_top_model_s3_uri
        """
        with self.changing:
            best = sorted(results.with_values(self.jobs), key=results.value, reverse=True)
            return self.describe() | {"TrainingJobSummaries": best[:_STORED]}

    def beside(self) -> dict:
        return {"jobs": self.jobs, "directory": self.caller.directory}

    @classmethod
    def read(cls, account: Account, kept: dict) -> TuningJob:
        region = kept["description"][cls.arn_member].split(":")[3]
        caller = Caller(region, kept["directory"])
        job = cls(account, kept["description"], kept["tags"], caller)
        job.jobs = kept["jobs"]
        return job

    # --- its life -------------------------------------------------------------------------

    def advance(self) -> float:
        with self.changing:
            if not self._searches:
                self._prepare()
            self._step()
        time.sleep(_PAUSE)  # news come in crowds
        return _LOOK

    @property
    def _config(self) -> dict:
        return self.description["HyperParameterTuningJobConfig"]

    def _prepare(self) -> None:
        """Begin the searches, with what the parents know."""
        for definition in definitions(self.description):
            begun = Search(
                search.ranges(definition["HyperParameterRanges"]),
                self._config["Strategy"],
                maximize=definition["TuningObjective"]["Type"] == "Maximize",
                seed=self._config.get("RandomSeed"),
                resources=tuning_rules.resources(self._config, definition) or (1, 1),
            )
            self._searches[definition["DefinitionName"]] = begun
            for one in self._of_parents():
                begun.learn(one["TunedHyperParameters"], one[results.METRIC]["Value"])

    def _step(self) -> None:
        """Look at the training jobs, and do what follows from it."""
        if self.ended:  # meanwhile
            return
        for one in results.running(self.jobs):
            self._take_over(one)
            if one["ObjectiveStatus"] == "Pending":
                self._stop_early(one)
        self._ending = self._ending or self._criterion()
        if not self._ending:
            self._launch()
        running = results.running(self.jobs)
        if not self._ending and not running and not self._next:
            self._ending = self._failure(1) or ("Completed", "")
        if not self._ending:
            self._keep_counts()
        elif running:
            for one in running:
                self._stop(one)
            self._keep_counts()
        else:
            self._end(*self._ending)

    def _launch(self) -> None:
        """Make as many training jobs as there may be at once."""
        limits = self._config["ResourceLimits"]
        most = limits.get("MaxNumberOfTrainingJobs")
        while len(results.running(self.jobs)) < limits["MaxParallelTrainingJobs"] and (
            most is None or len(self.jobs) < most
        ):
            self._next = self._next or self._choose()
            if self._next is None or not self._create(*self._next):
                return
            self._next = None

    def _choose(self) -> tuple[dict, Choice] | None:
        """Return what to try next: of several definitions, each in its turn."""
        in_turn = sorted(
            definitions(self.description),
            key=lambda one: self._searches[one["DefinitionName"]].asked,
        )
        for definition in in_turn:
            choice = self._searches[definition["DefinitionName"]].ask()
            if choice:
                return definition, choice
        return None

    def _create(self, definition: dict, choice: Choice) -> bool:
        """Make a training job; tell whether there was room for it."""
        name = f"{self.name}-{len(self.jobs) + 1:03}-{uuid.uuid4().hex[:8]}"
        request = training_request(definition, name, choice.values)
        if self.tags:
            request["Tags"] = self.tags
        try:
            made = self.ask("CreateTrainingJob", request)
        except ApiError as error:
            if error.code == "ResourceLimitExceeded" and self._others_run():
                return False  # when one of them has ended
            self._ending = ("Failed", f"ClientError: {error.message}")
            return False
        self.account.find(TrainingJob, name).change(TuningJobArn=self.arn)
        name_of_definition = definition["DefinitionName"]
        named = {"TrainingJobDefinitionName": name_of_definition} if name_of_definition else {}
        self.jobs.append(
            {
                **named,
                "TrainingJobName": name,
                "TrainingJobArn": made["TrainingJobArn"],
                "CreationTime": time.time(),
                "TrainingJobStatus": "InProgress",
                "TunedHyperParameters": choice.values,
                "ObjectiveStatus": "Pending",
            }
        )
        self._choices[name] = (self._searches[name_of_definition], choice)
        self.keep()
        return True

    def _others_run(self) -> bool:
        return any(not one.ended for one in self.account.all(TrainingJob))

    def _take_over(self, one: dict) -> None:
        """Note how a training job is, and when it has ended what it came to."""
        job = self.account.find(TrainingJob, one["TrainingJobName"])
        if job is None:  # the learner has removed it
            one |= {"TrainingJobStatus": "Stopped", "ObjectiveStatus": "Failed"}
            return
        facts = job.facts()
        for member in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "FailureReason"):
            if member in facts:
                one[member] = facts[member]
        one["TrainingJobStatus"] = facts["TrainingJobStatus"]
        if facts["TrainingJobStatus"] not in compute.FINAL:
            return
        objective, value = self._objective(one), None
        for metric in facts.get("FinalMetricDataList", ()):
            if metric["MetricName"] == objective["MetricName"]:
                value = metric["Value"]
        one["ObjectiveStatus"] = "Failed"
        if value is not None and one["TrainingJobStatus"] != "Failed":
            one["ObjectiveStatus"] = "Succeeded"
            one[results.METRIC] = objective | {"Value": value}
        if one["TrainingJobName"] in self._choices:
            of_its, choice = self._choices[one["TrainingJobName"]]
            of_its.tell(choice, one.get(results.METRIC, {}).get("Value"))

    def _objective(self, one: dict) -> dict:
        name = one.get("TrainingJobDefinitionName", "")
        (found,) = [
            definition["TuningObjective"]
            for definition in definitions(self.description)
            if definition["DefinitionName"] == name
        ]
        return found

    def _stop_early(self, one: dict) -> None:
        """Stop a training job that will not be the best one."""
        of_its, choice = self._choices[one["TrainingJobName"]]
        values = self._values(one)
        early = self._config["TrainingJobEarlyStoppingType"] == "Auto"
        others = [
            self._values(other) for other in self.jobs if other["TrainingJobStatus"] == "Completed"
        ]
        maximize = self._objective(one)["Type"] == "Maximize"
        if of_its.wants_stopped(choice, values) or (
            early and search.worse_than_others(values, others, maximize)
        ):
            self._stop(one)

    def _values(self, one: dict) -> list[float]:
        """Return all values of the objective that a training job has written so far."""
        job = self.account.find(TrainingJob, one["TrainingJobName"])
        metric = self._objective(one)["MetricName"]
        return [value for _, value in [*job.metrics.found.get(metric, ())]] if job else []

    def _stop(self, one: dict) -> None:
        if one["TrainingJobStatus"] == "InProgress":
            request = {"TrainingJobName": one["TrainingJobName"]}
            with contextlib.suppress(ApiError):  # it has ended meanwhile
                self.ask("StopTrainingJob", request)

    # --- when it ends ---------------------------------------------------------------------

    def _criterion(self) -> tuple[str, str] | None:
        """Return how the job ends when a criterion says that it does."""
        limit = self._config["ResourceLimits"].get("MaxRuntimeInSeconds")
        if limit and time.time() - self.description["CreationTime"] > limit:
            return "Completed", ""
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        patience = criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        )
        if patience and results.not_improving(self.jobs) >= patience:
            return "Completed", ""
        target = criteria.get("TargetObjectiveMetricValue")
        if target is not None and results.reaches(self.jobs, target):
            return "Completed", ""
        return self._failure(_ATTEMPTS)

    def _failure(self, attempts: int) -> tuple[str, str] | None:
        metric = next(definitions(self.description))["TuningObjective"]["MetricName"]
        reason = results.failure(self.jobs, attempts, metric)
        return ("Failed", f"ClientError: {reason}") if reason else None

    def _keep_counts(self) -> None:
        facts = self._counts()
        if facts != {name: self.description.get(name) for name in facts}:
            self.change(**facts)
            self.account.news.tell()

    def _counts(self) -> dict:
        """Return the members of the description that tell of the training jobs."""
        facts = results.counts(self.jobs)
        warm = self.description.get("WarmStartConfig", {}).get("WarmStartType")
        overall = results.best([*self._of_parents(), *self._own()])
        if overall and warm == "IdenticalDataAndAlgorithm":
            facts["OverallBestTrainingJob"] = overall
        return facts

    def _own(self) -> list[dict]:
        """Return its training jobs, with its name."""
        return [one | {"TuningJobName": self.name} for one in self.jobs]

    def _of_parents(self) -> list[dict]:
        """Return the training jobs of the parents that came to a value."""
        parents = self.description.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs")
        found = []
        for parent in parents or ():
            job = self.account.find(TuningJob, parent["HyperParameterTuningJobName"])
            found += results.with_values(job._own()) if job else []
        return found

    def _end(self, status: str, reason: str = "") -> None:
        with self.changing:
            if self.ended:
                return
            more = {"FailureReason": compute.shortened(reason)} if reason else {}
            self.change(
                **self._counts(),
                **{self.status_member: status, "HyperParameterTuningEndTime": time.time()},
                **more,
            )
        self.account.news.tell()


def definitions(request: dict) -> Iterator[dict]:
    """Yield the training job definitions of a tuning job, all in the form of those of a list."""
    yield from request.get("TrainingJobDefinitions", ())
    if "TrainingJobDefinition" in request:
        config = request["HyperParameterTuningJobConfig"]
        yield {
            "DefinitionName": "",
            **request["TrainingJobDefinition"],
            "TuningObjective": config["HyperParameterTuningJobObjective"],
            "HyperParameterRanges": config["ParameterRanges"],
        }


def training_request(definition: dict, name: str, tuned: dict[str, str]) -> dict:
    """Return the request for a training job of a definition."""
    request = {member: definition[member] for member in _SAME if member in definition}
    resources = tuning_rules.instances(definition)
    if resources:
        request["ResourceConfig"] = resources
    hyperparameters = definition.get("StaticHyperParameters", {}) | tuned
    return request | {"TrainingJobName": name, "HyperParameters": hyperparameters}
