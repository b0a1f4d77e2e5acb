"""What a learner did in Lab 2: jobs on instances, with checkpoints, logs and prices."""

from __future__ import annotations

import contextlib
import json
import time

from workshop.course.checks import live
from workshop.course.checks.look import jobs
from workshop.emulator.client import daemon

from .conftest import Work

HOSTS = ("algo-1", "algo-2", "algo-3")
SHARDS = [f"shard-{n:02}.npz" for n in range(12)]
#: What each host got, as SageMaker shares objects out.
SHARES = {host: SHARDS[4 * n : 4 * n + 4] for n, host in enumerate(HOSTS)}
LOG = ["Model evaluation started", "Model evaluation complete: test accuracy 0.9000"]
BILLED, WORKED = 12, 40  # seconds of the training job
COST = BILLED / 3600 * 0.23
RUN = "Checkpoints/run-1"
CHECKPOINTS = [f"{RUN}/checkpoint-{epoch:03}.keras" for epoch in range(8, 12)]
MODEL = "Training/lab2-training-1/output/model.tar.gz"
OUTPUT = "Training/lab2-training-1/output/output.tar.gz"
GROUP = "/aws/sagemaker/ProcessingJobs"


class Lab2Work(Work):
    """As in Lab 1; besides, the notebooks' kernels run, so that their variables are known."""

    top, prefix = "Lab2/", "lab2-"
    without_jobs = ("4.3", "5.1", "5.3", "6.2", "7.2")

    def make(self) -> None:
        super().make()
        self.jobs["sharding"] = self._processing("sharding")
        self.jobs["sharding"]["request"] |= {
            "script": "preprocess_shard.py",
            "inputs": {"/opt/ml/processing/shards": self.uri("Shards/")},
            "outputs": {"/opt/ml/processing/sharded": self.uri("Sharded")},
        }
        for job in self.jobs.values():
            job["request"]["instance"] = "ml.m5.xlarge"
            job["request"]["count"] = 1
        self.jobs["sharding"]["request"] |= {"count": 3, "distribution": "ShardedByS3Key"}
        self.jobs["training"]["request"] |= {
            "checkpoints": {"S3Uri": self.uri(RUN), "LocalPath": "/opt/ml/checkpoints"},
            "spot": True,
            "stopping": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        }
        self.jobs["training"]["about"] = {
            "TrainingJobStatus": "Completed",
            "TrainingTimeInSeconds": WORKED,
            "BillableTimeInSeconds": BILLED,
        }
        self.objects[""] |= {f"Shards/{name}": name.encode() for name in SHARDS}
        self.objects["training"] |= {
            **dict.fromkeys(CHECKPOINTS, b"k"),
            f"{RUN}/history.json": b"{}",
        }
        self.objects["sharding"] = {}
        self.shares(SHARES)
        #: What each stream of CloudWatch Logs holds.
        self.logs = {
            "lab2-evaluation-0/algo-1-1700000000": ["the line of another job"],
            "lab2-evaluation-1/algo-1-1700000001": LOG,
        }
        #: The variables of the kernel; None where the notebook was closed.
        self.variables: dict | None = {
            "LOCAL": False,
            "facts": {
                "status": "Completed",
                "instance_type": "ml.m5.xlarge",
                "instance_count": 1,
                "seconds": 1.5,
            },
            "model_uri": self.uri(MODEL),
            "output_uri": self.uri(OUTPUT),
            "checkpoints": [self.uri(key) for key in CHECKPOINTS],
            "log_lines": LOG,
            "cost": COST,
            "seen": SHARES,
        }

    def print(self) -> None:
        """Nothing: the kernel tells it."""

    def shares(self, shares: dict[str, list[str]]) -> None:
        """Change what each host saw."""
        self.objects["sharding"] = {
            f"Sharded/seen-{host}.json": json.dumps({"host": host, "files": files}).encode()
            for host, files in shares.items()
        }

    def connect(self, monkeypatch) -> None:
        monkeypatch.setattr(live, "variables", lambda notebook: self.variables or {})
        monkeypatch.setattr(
            jobs,
            "describe",
            lambda record: self.jobs[record.name.split("-")[1]].get("about", {}),
        )

    def check(self, number: str):
        if number == "6.3":
            self._log()
        return super().check(number)

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        jobs = list(self.jobs.items())
        return jobs[3:] if number[0] == "7" else jobs[: int(number[0]) - 3]

    def _log(self) -> None:
        client = daemon.client("logs")
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_log_group(logGroupName=GROUP)
        client.create_log_group(logGroupName=GROUP)
        now = int(time.time() * 1000)
        for stream, lines in self.logs.items():
            client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
            client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)

    def processing_request(self, name: str, about: dict) -> dict:
        request = super().processing_request(name, about)
        cluster = {"InstanceType": about["instance"], "InstanceCount": about["count"]}
        request["ProcessingResources"] = {"ClusterConfig": cluster | {"VolumeSizeInGB": 30}}
        for one in request["ProcessingInputs"]:
            own = one["S3Input"]["LocalPath"].startswith("/opt/ml/processing/input/")
            if "distribution" in about and not own:
                one["S3Input"]["S3DataDistributionType"] = about["distribution"]
        return request

    def training_request(self, name: str, about: dict) -> dict:
        request = super().training_request(name, about) | {
            "ResourceConfig": {
                "InstanceType": about["instance"],
                "InstanceCount": about["count"],
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": about["stopping"],
            "EnableManagedSpotTraining": about["spot"],
        }
        if about["checkpoints"]:
            request["CheckpointConfig"] = about["checkpoints"]
        return request
