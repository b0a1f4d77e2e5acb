"""What a learner did in sections 13 and 14: pipelines, their executions, and the registry.

SageMaker's answers are made up; the definitions are as the SDK sends them, without what no check
looks at.
"""

from __future__ import annotations

import copy
import datetime
import json
import time
from types import SimpleNamespace

from workshop.course.checks import live
from workshop.course.checks.look import pipelines
from workshop.emulator import state

from .conftest import RAW, Work

CODE = "/opt/ml/processing"
PLACES = {
    "X_train": "train",
    "y_train": "train",
    "X_val": "validation",
    "y_val": "validation",
    "X_test": "test",
    "y_test": "test",
}
ACCURACY = {
    "Std:JsonGet": {
        "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Metrics"},
        "Path": "multiclass_classification_metrics.accuracy.value",
    }
}
BAR = {"Get": "Parameters.AccuracyBar"}
MODEL = "Steps.Train.ModelArtifacts.S3ModelArtifacts"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def get(path: str) -> dict:
    return {"Get": path}


def join(*values: object, on: str = "/") -> dict:
    return {"Std:Join": {"On": on, "Values": list(values)}}


def output_of(step: str, name: str) -> dict:
    return get(f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri")


def processing(name: str, inputs: dict, outputs: dict) -> dict:
    """A step; inputs: {folder: address}, outputs: {name: (folder, address)}."""
    arguments = {
        "ProcessingInputs": [
            {"InputName": f"input-{n}", "S3Input": {"S3Uri": uri, "LocalPath": folder}}
            for n, (folder, uri) in enumerate(inputs.items(), 1)
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {"OutputName": output, "S3Output": {"S3Uri": uri, "LocalPath": folder}}
                for output, (folder, uri) in outputs.items()
            ]
        },
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments}


class Lab4Work(Work):
    """By default the notebooks are closed: the checks read what the cells printed."""

    top = "Lab4/"
    without_jobs = ("14.1", "14.2")

    def make(self) -> None:
        """Set what SageMaker knows. `jobs` are the executions, in the order of their start."""
        self.definitions = {
            "lab4-digits": self._digits(),
            "lab4-digits-register": self._register(),
        }
        before = ("Preprocess", "Train", "Evaluate")
        good = (*before, "GoodEnough", "Package", "Register-RegisterModel")
        self.jobs = {
            "digits": self.execution("lab4-digits", *before, Epochs="12"),
            "good": self.execution("lab4-digits-register", *good),
        }
        self.versions = {
            "1": self._version("Approved", ApprovalDescription="It was the first one."),
            "2": self._version("Approved", ApprovalDescription="It is well above the bar."),
        }
        self.objects = {
            "": {f"RawData/{name}": content for name, content in RAW.items()},
            "digits": {"Executions/2026-05-04T10:00:00.0Z/digits/Evaluation/metrics.json": b"{}"},
        }
        self.variables: dict | None = None

    def execution(self, pipeline: str, *steps: str, **parameters: str) -> dict:
        """Return an execution all of whose steps succeeded."""
        return {
            "pipeline": pipeline,
            "status": "Succeeded",
            "parameters": parameters,
            "steps": {name: {"StepStatus": "Succeeded"} for name in steps},
        }

    def print(self) -> None:
        self.printed("13-pipeline", "epochs = Par", (
            "Epochs     Integer  30\nBatchSize  Integer  32\n"
            f"RawData    String   {self.uri('RawData')}\n"))  # fmt: skip
        self.print_channels({name: output_of("Preprocess", name) for name in list(PLACES)[:4]})
        self.printed(
            "14-register",
            "cache = CacheConfig",
            "{'CacheConfig': {'Enabled': True, 'ExpireAfter': 'P7D'}}\n",
        )

    def print_channels(self, channels: dict) -> None:
        lines = "".join(f"{name} {address}\n" for name, address in channels.items())
        self.printed("13-pipeline", "for name, channel in channels", lines)

    # --- definitions ----------------------------------------------------------------------

    def place(self, *parts: str) -> dict:
        """Return the address of a folder that each execution has for itself."""
        run = join(
            f"s3://{self.bucket}/Lab4/Executions",
            get("Execution.StartDateTime"),
            get("Execution.PipelineExecutionId"),
        )
        return join(run, *parts)

    def _steps(self) -> list[dict]:
        preprocess = processing("Preprocess", {f"{CODE}/source_data": get("Parameters.RawData")}, {
            name: (f"{CODE}/{part}/{name}", self.place("DataProcessed", part, name))
            for name, part in PLACES.items()
        })  # fmt: skip
        train = {"Name": "Train", "Type": "Training", "Arguments": {}}
        inputs = {f"{CODE}/model": get(MODEL)} | {
            f"{CODE}/test/{name}": output_of("Preprocess", name) for name in ("X_test", "y_test")
        }
        own = f"s3://{self.bucket}/lab4-digits/code/5c1f"
        inputs |= {
            f"{CODE}/input/code/": f"{own}/sourcedir.tar.gz",
            f"{CODE}/input/entrypoint": f"{own}/runproc.sh",
        }
        evaluate = processing(
            "Evaluate",
            inputs,
            {"evaluation": (f"{CODE}/evaluation", self.place("Evaluation"))},
        )
        return [preprocess, train, evaluate]

    def _definition(self, steps: list[dict], *parameters: tuple) -> dict:
        return {
            "Version": "2020-12-01",
            "Parameters": [
                {"Name": name, "Type": kind, "DefaultValue": default}
                for name, kind, default in parameters
            ],
            "PipelineExperimentConfig": {
                "ExperimentName": get("Execution.PipelineName"),
                "TrialName": get("Execution.PipelineExecutionId"),
            },
            "Steps": steps,
        }

    def _digits(self) -> dict:
        return self._definition(
            self._steps(),
            ("Epochs", "Integer", 30),
            ("BatchSize", "Integer", 32),
            ("RawData", "String", self.uri("RawData")),
        )

    def _register(self) -> dict:
        package = processing(
            "Package",
            {f"{CODE}/model": get(MODEL)},
            {"package": (f"{CODE}/package", self.place("Package"))},
        )
        register = {
            "ModelPackageGroupName": "lab4-digits",
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": join(output_of("Evaluate", "evaluation"), "metrics.json"),
                    }
                },
                "Bias": {},
                "Explainability": {},
            },
            "CustomerMetadataProperties": {
                "data": get("Parameters.RawData"),
                "epochs": join(get("Parameters.Epochs"), on=""),
                "accuracy": join(ACCURACY, on=""),
                "execution": get("Execution.PipelineExecutionId"),
            },
            "InferenceSpecification": {
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
                "SupportedTransformInstanceTypes": ["ml.m5.large"],
            },
            "ModelApprovalStatus": "PendingManualApproval",
        }
        decide = {
            "Conditions": [
                {"Type": "GreaterThanOrEqualTo", "LeftValue": ACCURACY, "RightValue": BAR}
            ],
            "IfSteps": [
                package,
                {"Name": "Register-RegisterModel", "Type": "RegisterModel", "Arguments": register},
            ],
            "ElseSteps": [
                {
                    "Name": "Refuse",
                    "Type": "Fail",
                    "Arguments": {
                        "ErrorMessage": join("The accuracy", ACCURACY, "is below", BAR, on=" ")
                    },
                }
            ],
        }
        last = {"Name": "GoodEnough", "Type": "Condition", "Arguments": decide}
        return self._definition(
            [*self._steps(), last],
            ("Epochs", "Integer", 30),
            ("RawData", "String", self.uri("RawData")),
            ("AccuracyBar", "Float", 0.9),
        )

    def step(self, number: str, name: str) -> dict:
        """Return a step of a section's definition, to change it."""
        pipeline = "lab4-digits" if number.startswith("13") else "lab4-digits-register"
        steps = pipelines.steps_of(self.definitions[pipeline])
        return next(step for step in steps if step["Name"] == name)

    def _version(self, status: str, **more: str) -> dict:
        return {"ModelApprovalStatus": status, **more}

    # --- what SageMaker answers -----------------------------------------------------------

    def connect(self, monkeypatch) -> None:
        monkeypatch.setattr(live, "variables", lambda notebook: self.variables or {})
        monkeypatch.setattr(
            pipelines, "ask", lambda operation, **request: getattr(self, operation)(**request)
        )

    def check(self, number: str):
        self._now = time.time()
        return super().check(number)

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        return list(self.jobs.items())

    def _put(self, job: str) -> None:
        if job in self.objects:
            super()._put(job)

    def _record(self, name: str, job: dict, started: float) -> None:
        """Keep a record of each job of an execution."""
        execution = name.removesuffix("-1")
        for step in job["steps"]:
            record = {
                "kind": "processing",
                "name": _job(execution, step),
                "request": {},
                "directory": str(job.get("directory", self.folder)),
                "started": started,
            }
            place = state.folder("records") / f"{_job(execution, step)}.json"
            place.write_text(json.dumps(record))

    def list_pipelines(self, **_) -> dict:
        names = {about["pipeline"] for about in self.jobs.values()}
        return {"PipelineSummaries": [{"PipelineName": name} for name in sorted(names)]}

    def describe_pipeline(self, PipelineName: str) -> dict:
        return {"PipelineDefinition": json.dumps(self.definitions[PipelineName])}

    def list_pipeline_executions(self, PipelineName: str, **_) -> dict:
        names = [name for name, job in self.jobs.items() if job["pipeline"] == PipelineName]
        summaries = [{"PipelineExecutionArn": _arn(name)} for name in reversed(names)]
        return {"PipelineExecutionSummaries": summaries}

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict:
        about = self._about(PipelineExecutionArn)
        started = self._now + list(self.jobs.values()).index(about)
        return {
            "PipelineExecutionStatus": "Executing" if about.get("runs") else about["status"],
            "CreationTime": datetime.datetime.fromtimestamp(started, datetime.timezone.utc),
        }

    def list_pipeline_execution_steps(self, PipelineExecutionArn: str, **_) -> dict:
        name, about = PipelineExecutionArn.rpartition("/")[2], self._about(PipelineExecutionArn)
        known = list(about["steps"].items())
        steps = []
        for step, told in known[:2] if about.get("runs") else known:
            metadata = {"ProcessingJob": {"Arn": f"{ARN}:processing-job/{_job(name, step)}"}}
            if step.startswith("Register"):
                version = about.get("version", "2")
                metadata = {"RegisterModel": {"Arn": f"{ARN}:model-package/lab4-digits/{version}"}}
            steps.append({"StepName": step, "Metadata": metadata, **told})
        return {"PipelineExecutionSteps": steps}

    def list_pipeline_parameters_for_execution(self, PipelineExecutionArn: str, **_) -> dict:
        parameters = self._about(PipelineExecutionArn)["parameters"]
        pairs = [{"Name": name, "Value": value} for name, value in parameters.items()]
        return {"PipelineParameters": pairs}

    def describe_pipeline_definition_for_execution(self, PipelineExecutionArn: str) -> dict:
        about = self._about(PipelineExecutionArn)
        definition = about.get("definition", self.definitions[about["pipeline"]])
        return {"PipelineDefinition": json.dumps(definition)}

    def describe_model_package(self, ModelPackageName: str) -> dict:
        return self.versions.get(ModelPackageName.rpartition("/")[2], {})

    def list_model_packages(self, **_) -> dict:
        return {
            "ModelPackageSummaryList": [
                {"ModelPackageVersion": int(number)}
                for number, about in self.versions.items()
                if about["ModelApprovalStatus"] == "Approved"
            ]
        }

    def _about(self, arn: str) -> dict:
        return self.jobs[arn.rpartition("/")[2]]

    # --- local mode -----------------------------------------------------------------------

    def local(self, number: str) -> None:
        """The notebook is open, and its pipeline ran in local mode."""
        name = "digits" if number.startswith("13") else "good"
        about = self.jobs[name]
        definition = copy.deepcopy(self.definitions[about["pipeline"]])
        for step in definition["Steps"]:
            branch = step["Arguments"].get("IfSteps", [])
            branch[:] = [one for one in branch if one["Type"] != "RegisterModel"]
        steps = [{"StepName": step, **told} for step, told in about["steps"].items()]
        execution = SimpleNamespace(
            describe=lambda: {
                "PipelineExecutionArn": name,
                "PipelineExecutionStatus": about["status"],
                "CreationTime": time.time(),
            },
            pipeline_parameters={one: int(text) for one, text in about["parameters"].items()},
            list_steps=lambda: {"PipelineExecutionSteps": steps},
        )
        self.variables = {
            "LOCAL": True,
            "pipeline": SimpleNamespace(
                name=about["pipeline"], definition=lambda: json.dumps(definition)
            ),
            "execution": execution,
        }
        self.objects[""] |= self.objects.pop("digits")
        self.jobs = {}


def _job(execution: str, step: str) -> str:
    return f"pipelines-{execution}-{step}-1"


def _arn(execution: str) -> str:
    return f"{ARN}:pipeline/any/execution/{execution}"
