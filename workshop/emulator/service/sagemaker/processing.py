"""Processing jobs.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from workshop.emulator.containers import contract, engine
from workshop.emulator.containers.disk import Disk
from workshop.emulator.service.sagemaker import compute
from workshop.emulator.service.sagemaker.compute import Compute, first_text, inside, mounts
from workshop.emulator.service.sagemaker.operation import Caller, Topic, describe, listing
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.validation import rules
from workshop.emulator.service.storage import transfer

#: How long an ExitMessage may be, in characters.
_MESSAGE = 1024


class ProcessingJob(Compute):
    """A processing job. Its containers end by themselves, and leave files."""

    title, label = "processing job", "processing"
    resource_type, source_type = "processing-job", "SageMakerProcessingJob"
    name_member, arn_member = "ProcessingJobName", "ProcessingJobArn"
    status_member = "ProcessingJobStatus"
    log_group = "/aws/sagemaker/ProcessingJobs"
    missing = "Could not find requested job with name: {name}"

    def __init__(self, account: Account, request: dict, caller: Caller) -> None:
        super().__init__(account, request, caller)
        inputs = [{"AppManaged": False, **one} for one in request.get("ProcessingInputs", ())]
        self.description |= {
            "ProcessingInputs": inputs,
            "Environment": request.get("Environment", {}),
            "StoppingCondition": request.get("StoppingCondition", {"MaxRuntimeInSeconds": 86400}),
        }
        outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
        #: What is copied here; the application itself manages the others (API_ProcessingOutput).
        self._outputs = [one["S3Output"] for one in outputs if not one.get("AppManaged")]
        self._inputs = [one for one in inputs if not one["AppManaged"]]

    @classmethod
    def cluster(cls, request: dict) -> dict:
        return request["ProcessingResources"]["ClusterConfig"]

    def inputs(self) -> dict[str, str | None]:
        return {
            one["InputName"]: one.get("S3Input", {}).get("S3Uri")
            for one in self.description["ProcessingInputs"]
        }

    def outputs(self) -> dict[str, str | None]:
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
        return {one["OutputName"]: one.get("S3Output", {}).get("S3Uri") for one in outputs}

    def places(self) -> Iterator[tuple[str, str]]:
        for one in self._inputs:
            if "S3Input" in one:
                yield "read", one["S3Input"]["S3Uri"]
        for s3 in self._outputs:
            yield "write", s3["S3Uri"]

    def run(self) -> None:
        disks = self.make_disks()
        for machine, disk in zip(self.machines, disks, strict=True):
            contract.write_processing_files(disk, self.description, machine, self.machines)
        for one in self._inputs:
            self._download(one, disks)
        for s3 in self._outputs:
            for disk in disks:
                inside(disk, s3["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self.change(ProcessingStartTime=time.time())
        upload = self.new_upload()
        watches = [
            transfer.Watch(upload, Disk(disk), s3["LocalPath"], s3["S3Uri"])
            for s3 in self._outputs
            if s3["S3UploadMode"] == "Continuous"
            for disk in disks
        ]
        try:
            limit = self.description["StoppingCondition"]["MaxRuntimeInSeconds"]
            hosts = [self._host(*one) for one in zip(self.machines, disks, strict=True)]
            result = self.run_hosts(hosts, limit)
        finally:
            for watch in watches:
                watch.close()
        for s3 in self._outputs:
            for disk in disks if s3["S3UploadMode"] != "Continuous" else ():
                upload.folder(Disk(disk), s3["LocalPath"], s3["S3Uri"])
        message = first_text(disks, "output/message")[:_MESSAGE]
        self.end_of(upload, disks, result, **({"ExitMessage": message} if message else {}))

    def _download(self, one: dict, disks: list[Path]) -> None:
        s3 = one.get("S3Input")
        if not s3:
            raise transfer.DataError(
                f"Input {one['InputName']!r} is a dataset definition. The emulator has S3 inputs "
                "only."
            )
        if s3.get("S3InputMode") == "Pipe":
            raise transfer.DataError(
                f"Input {one['InputName']!r} asks for Pipe mode. The emulator has File mode only."
            )
        transfer.download(
            self.account.store,
            s3["S3Uri"],
            [inside(disk, s3["LocalPath"]) for disk in disks],
            kind=s3["S3DataType"],
            sharded=s3.get("S3DataDistributionType") == "ShardedByS3Key",
        )

    def _host(self, machine: contract.Machine, disk: Path) -> engine.Host:
        app = self.request["AppSpecification"]
        return engine.Host(
            name=machine.host,
            image=app["ImageUri"],
            entrypoint=app.get("ContainerEntrypoint", ()),
            arguments=app.get("ContainerArguments", ()),
            environment=self.request.get("Environment", {}) | self.settings,
            mounts=mounts(disk),
            isolated=self.isolated,
        )

    def asks_for_isolation(self) -> bool:
        return self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)

    def last_facts(self, status: str) -> dict:
        return {"ProcessingEndTime": time.time()}


TOPIC = Topic(
    "Processing jobs",
    {
        "CreateProcessingJob": compute.create(
            ProcessingJob,
            rules=(
                rules.no_empty_arguments,
                rules.one_source,
                rules.local_paths,
                rules.unique_names,
                rules.unique_paths,
                rules.pipe_only,
                rules.instances,
                rules.unique_tags,
                rules.image_region,
                rules.unique_job(
                    "ProcessingJobName",
                    "processing-job",
                    "Job name must be unique within an AWS account and region, and a job with this "
                    "name already exists ({arn})",
                ),
                rules.role,
            ),
            refused={
                "ProcessingResources.ClusterConfig.InstancePreferences": "give one InstanceType",
                "ProcessingOutputConfig.Outputs[].FeatureStoreOutput": "give an S3Output",
            },
            without_effect={
                "NetworkConfig.VpcConfig": compute.ONE_MACHINE,
                "NetworkConfig.EnableInterContainerTrafficEncryption": compute.NOT_ENCRYPTED,
                "ProcessingOutputConfig.KmsKeyId": compute.NOT_ENCRYPTED,
                "ProcessingResources.ClusterConfig.VolumeKmsKeyId": compute.NOT_ENCRYPTED,
                "ExperimentConfig.RunName": compute.OF_THE_TRIAL,
            },
            without_effect_locally={
                "NetworkConfig.EnableNetworkIsolation": compute.NETWORK_OF_LOCAL_MODE,
                "ExperimentConfig": compute.NO_TRIAL_COMPONENT,
            },
        ),
        "DescribeProcessingJob": describe(ProcessingJob),
        "ListProcessingJobs": listing(
            ProcessingJob,
            "ProcessingJobSummaries",
            (
                *("ProcessingJobName", "ProcessingJobArn", "ProcessingJobStatus"),
                *("CreationTime", "LastModifiedTime", "ProcessingEndTime"),
                *("FailureReason", "ExitMessage"),
            ),
        ),
        "StopProcessingJob": compute.stop(ProcessingJob),
        "DeleteProcessingJob": compute.delete(ProcessingJob),
    },
    kinds=(ProcessingJob,),
)
