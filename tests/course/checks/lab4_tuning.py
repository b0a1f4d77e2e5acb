"""What a learner did in section 17: a tuning job, and a pipeline with another one as its step."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path

import pandas as pd

from .lab4 import ARN, CODE, Lab4Work, get, join

NAME = "lab4-tuning-260504-1000"
#: What each of the trials came to, by its place: learning rate, dropout, validation accuracy.
TRIALS = (
    (0.008242, 0.206152, 0.9861),
    (0.023127, 0.354483, 0.9408),
    (0.000148, 0.231501, 0.9233),
    (0.015842, 0.692969, 0.9094),
    (0.009595, 0.305975, 0.9721),
    (0.001688, 0.361464, 0.9686),
    (0.000332, 0.602632, 0.9129),
    (0.016108, 0.101905, 0.9878),
)
BEST = 7  # the place of the best one
TOP = "Steps.Tune.TrainingJobSummaries[0].TrainingJobName"


def trial(place: int, tuning_job: str = NAME) -> str:
    """Return the name of a trial."""
    return f"{tuning_job}-{place + 1:03}-5c1f{place:04}"


class Lab4TuningWork(Lab4Work):
    """The notebook is closed; `values` are those of the trials, None for one that has none."""

    without_jobs = ("17.1",)

    def make(self) -> None:
        self.definitions = {"lab4-digits-tuning": self._tuned()}
        self.jobs = {
            "tuning": {"status": "Completed", "request": self._request()},
            "tuned": self.execution("lab4-digits-tuning", "Preprocess", "Tune", "Evaluate"),
        }
        self.objects = {"": {}}
        self.values: list[float | None] = [value for _, _, value in TRIALS]
        self.variables: dict | None = None

    def path(self, script: str) -> Path:
        return self.folder / "script_tuning" / script

    # --- what the cells print -------------------------------------------------------------

    def print(self) -> None:
        self.show(self.table(), trial(BEST))

    def table(self) -> pd.DataFrame:
        """Return the trials as the solution has them."""
        rows = [
            {
                "learning-rate": rate,
                "dropout": dropout,
                "TrainingJobName": trial(place),
                "FinalObjectiveValue": self.values[place],
                "TrainingElapsedTimeSeconds": 11.25 + place / 64,
            }
            for place, (rate, dropout, _) in enumerate(TRIALS)
        ]
        return pd.DataFrame(rows).sort_values("FinalObjectiveValue", ascending=False)

    def show(self, table: pd.DataFrame, best: object) -> None:
        names = ["learning-rate", "dropout", "FinalObjectiveValue", "TrainingElapsedTimeSeconds"]
        text = f"the best: {best}\n{table.filter(names)!r}"
        self.printed("17-tuning", "trials = tuner", text)

    # --- the tuning job, and the pipeline -------------------------------------------------

    def _request(self) -> dict:
        return {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize",
                "MetricName": "validation:accuracy",
            },
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 8, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {
                        "Name": "learning-rate",
                        "MinValue": "0.0001",
                        "MaxValue": "0.1",
                        "ScalingType": "Logarithmic",
                    },
                    {"Name": "dropout", "MinValue": "0.1", "MaxValue": "0.7",
                     "ScalingType": "Auto"},
                ],
                "CategoricalParameterRanges": [],
                "IntegerParameterRanges": [],
            },
        }  # fmt: skip

    def _tuned(self) -> dict:
        preprocess, _, evaluate = self._steps()
        output = {"OutputDataConfig": {"S3OutputPath": self.uri("Tuning/")}}
        arguments = {"TrainingJobDefinition": output}
        for one in evaluate["Arguments"]["ProcessingInputs"]:
            if one["S3Input"]["LocalPath"] == f"{CODE}/model":
                one["S3Input"]["S3Uri"] = self.model()
        tune = {"Name": "Tune", "Type": "Tuning", "Arguments": arguments}
        return self._definition([preprocess, tune, evaluate])

    def model(self, top: str = TOP, prefix: str = "Lab4/Tuning") -> dict:
        """Return an address as `get_top_model_s3_uri` makes it."""
        prefixes = [prefix] if prefix else []
        return join("s3:/", self.bucket, *prefixes, get(top), "output/model.tar.gz")

    def step(self, number: str, name: str) -> dict:
        steps = self.definitions["lab4-digits-tuning"]["Steps"]
        return next(step for step in steps if step["Name"] == name)

    def local(self, number: str) -> None:
        self.variables, self.jobs = {"LOCAL": True}, {}

    # --- what SageMaker answers -----------------------------------------------------------

    def _job_names(self, execution: str, about: dict) -> list[str]:
        """Of a tuning job, only its trials have records."""
        if "pipeline" not in about:
            return [trial(place, about.get("name", NAME)) for place in range(len(TRIALS))]
        names = super()._job_names(execution, about)
        return [trial(0, name) if "-Tune-" in name else name for name in names]

    def list_hyper_parameter_tuning_jobs(self, **_) -> dict:
        names = [one.get("name", NAME) for one in self.jobs.values() if "pipeline" not in one]
        names.append("abcdefghijkl-Tune-mnopqrstuv")  # of the pipeline
        return {
            "HyperParameterTuningJobSummaries": [
                {"HyperParameterTuningJobName": name} for name in reversed(names)
            ]
        }

    def describe_hyper_parameter_tuning_job(self, HyperParameterTuningJobName: str) -> dict:
        every = list(self.jobs.values())
        (about,) = (
            one
            for one in every
            if "pipeline" not in one and one.get("name", NAME) == HyperParameterTuningJobName
        )
        started = self._now + every.index(about)
        return {
            "HyperParameterTuningJobName": HyperParameterTuningJobName,
            "HyperParameterTuningJobConfig": about["request"],
            "HyperParameterTuningJobStatus": "InProgress" if about.get("runs") else about["status"],
            "FailureReason": about.get("reason", ""),
            "CreationTime": datetime.datetime.fromtimestamp(started, datetime.timezone.utc),
        }

    def list_training_jobs_for_hyper_parameter_tuning_job(self, **_) -> dict:
        found = [{"TrainingJobName": trial(place)} for place in range(len(self.values))]
        for one, value in zip(found, self.values, strict=True):
            if value is not None:
                one["FinalHyperParameterTuningJobObjectiveMetric"] = {"Value": value}
        return {"TrainingJobSummaries": found}

    def list_pipeline_execution_steps(self, PipelineExecutionArn: str, **_) -> dict:
        answer = super().list_pipeline_execution_steps(PipelineExecutionArn)
        for one in answer["PipelineExecutionSteps"]:
            arn = one["Metadata"]["ProcessingJob"]["Arn"]
            if one["StepName"] == "Tune":
                name = arn.rpartition("/")[2]
                arn = f"{ARN}:hyper-parameter-tuning-job/{name}"
                one["Metadata"] = {"TuningJob": {"Arn": arn}}
        return answer

    # --- change it ------------------------------------------------------------------------

    def again(self, **changed: object) -> None:
        """Another tuning job was started after the first one."""
        first = self.jobs["tuning"]
        self.jobs["later"] = {**copy.deepcopy(first), "name": f"{NAME[:-4]}1100", **changed}

    def ran_later(self, task: str) -> None:
        """The cell of a task has run again, an hour after all jobs."""
        path = self.folder / "17-tuning.ipynb"
        content = json.loads(path.read_text())
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        for cell in content["cells"]:
            if f"task-{task}" in cell["metadata"].get("tags", ()):
                cell["metadata"]["execution"] = {"iopub.execute_input": later.isoformat()}
        path.write_text(json.dumps(content))
