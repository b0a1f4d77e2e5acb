"""Training jobs.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from workshop.emulator.containers import contract, engine, sandbox
from workshop.emulator.containers.disk import Disk
from workshop.emulator.errors import ApiError, WorkshopError
from workshop.emulator.service.sagemaker import compute, warm_pools
from workshop.emulator.service.sagemaker.compute import FINAL, Compute, inside, mounts
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    asked,
    describe,
    listing,
)
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.validation import rules
from workshop.emulator.service.storage import transfer

#: Seconds between the end of an interrupted spot instance and the next one.
_NEXT_INSTANCE = 1.0
_BOARD, _BOARD_KEY = "TensorBoardOutputConfig", "tensorboard-output"  # (sagemaker/estimator.py)
#: What lies at a host's root and is no job's.
_SYSTEM = {*sandbox.SYSTEM, "dev", "proc", "sys", "run", "root", "var"}
_OF_DEBUGGER = "Debugger and Profiler do not run here"


class TrainingJob(Compute):
    """A training job. It leaves a model, may lose its spot instance, and may keep a warm pool."""

    title, label = "training job", "training"
    resource_type, source_type = "training-job", "SageMakerTrainingJob"
    name_member, arn_member = "TrainingJobName", "TrainingJobArn"
    status_member = "TrainingJobStatus"
    search_name = search_shape = "TrainingJob"
    log_group = "/aws/sagemaker/TrainingJobs"
    missing = "Requested resource not found."

    def __init__(self, account: Account, request: dict, caller: Caller) -> None:
        super().__init__(account, request, caller)
        self.description |= {
            "HyperParameters": request.get("HyperParameters", {}),
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [],
            # Without one, a day (API_StoppingCondition.html).
            "StoppingCondition": {
                "MaxRuntimeInSeconds": 86400,
                **request.get("StoppingCondition", {}),
            },
            "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
            "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
            # AWS answers it always; sagemaker/estimator.py asks for it in attach().
            "OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]},
        }
        warm_pools.begin(self.description)
        self._interrupted = False
        self._ran = 0.0  # seconds on instances
        self._since: float | None = None  # on this one

    @classmethod
    def cluster(cls, request: dict) -> dict:
        return request["ResourceConfig"]

    def inputs(self) -> dict[str, str | None]:
        return {
            channel["ChannelName"]: channel["DataSource"].get("S3DataSource", {}).get("S3Uri")
            for channel in self.request.get("InputDataConfig", ())
        }

    def outputs(self) -> dict[str, str | None]:
        model = self.description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
        return {"SageMaker.ModelArtifact": model}

    def parameters(self) -> dict[str, str]:
        return self.description["HyperParameters"]

    def record(self) -> dict:
        # Filters call the final metrics Metrics.NAME (API_Filter).
        return super().record() | {"Metrics": self.description.get("FinalMetricDataList", [])}

    def places(self) -> Iterator[tuple[str, str]]:
        for channel in self.request.get("InputDataConfig", ()):
            if "S3DataSource" in channel["DataSource"]:
                yield "read", channel["DataSource"]["S3DataSource"]["S3Uri"]
        yield "write", self.request["OutputDataConfig"]["S3OutputPath"]
        for member, place in (("CheckpointConfig", "S3Uri"), (_BOARD, "S3OutputPath")):
            if member in self.request:
                yield "write", self.request[member][place]

    def metric_definitions(self) -> list[dict]:
        return self.request["AlgorithmSpecification"].get("MetricDefinitions", [])

    def asks_for_isolation(self) -> bool:
        return self.request.get("EnableNetworkIsolation", False)

    def facts(self) -> dict:
        with self.changing:
            warm_pools.update(self.description, time.time())
            return super().facts()

    def start(self) -> None:
        super().start()
        others = [one for one in self.account.all(TrainingJob) if one is not self]
        any(one._gives_pool_to(self) for one in others)

    def keep_alive(self, period: int) -> None:
        """Set how long the warm pool is kept. Raises ApiError where there is none now."""
        with self.changing:
            warm_pools.keep_alive(self.description, period, time.time())
            self.change()

    def _gives_pool_to(self, other: TrainingJob) -> bool:
        """Tell whether this job's warm pool goes to another job, and note it."""
        with self.changing:
            given = warm_pools.reuse(self.description, other.request, time.time())
            if given:
                self.change()
            return given

    def interrupt(self) -> None:
        """Take the spot instance away; the job goes on with the next one.

        Raises WorkshopError when it has none now.
        """
        with self.changing:
            if not self.description["EnableManagedSpotTraining"]:
                raise WorkshopError(
                    f"{self.name} does not run on a spot instance, so AWS would never interrupt "
                    "it. Give the estimator use_spot_instances=True and max_wait."
                )
            if self.description["SecondaryStatus"] != "Training":
                raise WorkshopError(
                    f"{self.name} is {self.description['SecondaryStatus']}. Only a job that is "
                    "Training can be interrupted."
                )
            self._interrupted = True
        self.tell()

    def run(self) -> None:
        waiting = self.description["StoppingCondition"].get("MaxWaitTimeInSeconds")
        limit = threading.Timer(waiting or math.inf, self.stop, ["MaxWaitTimeExceeded"])
        limit.daemon = True
        if waiting:
            limit.start()
        upload = self.new_upload()
        try:
            while True:
                result, disks = self._run_on_instances(upload)
                if not self._interrupted or self.stop_status:
                    break
                self._secondary("Interrupted", "The spot instance was taken away")
                self._interrupted = False
                self.told.clear()
                self.told.wait(_NEXT_INSTANCE)
                if self.stop_status:
                    break
        finally:
            limit.cancel()
        if self.stop_status or not result.exit_code:
            self._secondary("Uploading", "Uploading generated training model")
            self._upload_model(upload, disks)
        self._upload_output(upload, disks)
        self.end_of(upload, disks, result)

    def _run_on_instances(self, upload: transfer.Upload) -> tuple[engine.Result, list[Path]]:
        """Run once on new instances; what is in the checkpoints' place in S3 is there again."""
        store = self.account.store
        self._secondary("Starting", "Preparing the instances for training")
        disks = self.make_disks()
        for machine, disk in zip(self.machines, disks, strict=True):
            contract.write_training_files(disk, self.request, machine, self.machines)
        self._secondary("Downloading", "Downloading input data")
        self._since = time.time()
        first = self.description.get("TrainingStartTime", self._since)
        self.change(TrainingStartTime=first)
        for channel in self.request.get("InputDataConfig", ()):
            self._download(channel, disks)
        watches = []
        # What is wrong with a checkpoint is told in the log; the job's result has nothing to do
        # with it.
        beside = self.new_upload()
        checkpoints = self.request.get("CheckpointConfig")
        if checkpoints:
            local = checkpoints.get("LocalPath") or "/opt/ml/checkpoints"
            folders = [inside(disk, local) for disk in disks]
            uri = f"{checkpoints['S3Uri'].rstrip('/')}/"
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            if store.keys(*transfer.split(uri)):
                transfer.download(store, uri, folders)
            watches = [transfer.Watch(beside, Disk(one), local, uri) for one in disks]
        for disk in self._boards(disks):
            uri = f"{self.request[_BOARD]['S3OutputPath'].rstrip('/')}/{self.name}/{_BOARD_KEY}"
            watches.append(transfer.Watch(beside, Disk(disk), "/opt/ml", uri))
        self._secondary("Training", "Training image download completed. Training in progress.")
        try:
            limit = self.description["StoppingCondition"]["MaxRuntimeInSeconds"]
            hosts = [self._host(*one) for one in zip(self.machines, disks, strict=True)]
            return self.run_hosts(hosts, limit - self._ran), disks
        finally:
            for watch in watches:
                watch.close()
            self._count()

    def _download(self, channel: dict, disks: list[Path]) -> None:
        name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
        mode = (
            channel.get("InputMode") or self.request["AlgorithmSpecification"]["TrainingInputMode"]
        )
        if source is None or mode == "Pipe" or source["S3DataType"] == "AugmentedManifestFile":
            raise transfer.DataError(
                f"Channel {name!r}: the emulator copies data from S3 in File mode, by prefix or "
                "by manifest. It has no file systems, no Pipe mode and no augmented manifests."
            )
        transfer.download(
            self.account.store,
            source["S3Uri"],
            [
                disk / "input" / "data" / name
                for machine, disk in zip(self.machines, disks, strict=True)
                if machine.group in source.get("InstanceGroupNames", [machine.group])
            ],
            kind=source["S3DataType"],
            sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
        )

    def _host(self, machine: contract.Machine, disk: Path) -> engine.Host:
        algorithm = self.request["AlgorithmSpecification"]
        return engine.Host(
            name=machine.host,
            image=algorithm["TrainingImage"],
            entrypoint=algorithm.get("ContainerEntrypoint", ()),
            arguments=algorithm.get("ContainerArguments", ["train"]),
            environment=self.request.get("Environment", {})
            | self.settings
            | {"TRAINING_JOB_NAME": self.name, "TRAINING_JOB_ARN": self.arn},
            mounts=[*mounts(disk), *self._board(disk)],
            isolated=self.isolated,
        )

    def _board(self, disk: Path) -> list[tuple[str, str]]:
        """Return the mount of TensorBoard's folder, which lies where the request says.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TensorBoardOutputConfig.html
        """
        if _BOARD not in self.request:
            return []
        path = self.request[_BOARD].get("LocalPath") or "/opt/ml/output/tensorboard"
        parts = path.strip("/").split("/")
        if len(parts) < 2 or {".", "..", ""} & {*parts} or parts[0] in _SYSTEM or path[0] != "/":
            raise transfer.DataError(
                f"TensorBoardOutputConfig.LocalPath {path!r} cannot be a folder of the job. Give "
                "one such as '/opt/tensorboard'."
            )
        return [(str(disk.with_name(f"{disk.name}.tensorboard")), path)]

    def _boards(self, disks: list[Path]) -> list[Path]:
        """Return the hosts' folders for TensorBoard, made; none where it is not asked for."""
        boards = [Path(source) for disk in disks for source, _ in self._board(disk)]
        for board in boards:
            board.mkdir(exist_ok=True)
        return boards

    def _upload_model(self, upload: transfer.Upload, disks: list[Path]) -> None:
        output = self.request["OutputDataConfig"]
        uri = f"{output['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"
        if output.get("CompressionType") == "NONE":
            uri = f"{uri.removesuffix('.tar.gz')}/"
            for disk in disks:
                upload.folder(Disk(disk), "/opt/ml/model", uri)
        else:
            upload.archive([Disk(disk) for disk in disks], "/opt/ml/model", uri)
        self.change(ModelArtifacts={"S3ModelArtifacts": uri})

    def _upload_output(self, upload: transfer.Upload, disks: list[Path]) -> None:
        place = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        uri = f"{place}/{self.name}/output/output.tar.gz"
        upload.archive([Disk(disk) for disk in disks], "/opt/ml/output/data", uri, if_any=True)

    def log(self, host: str, output: bytes) -> None:
        super().log(host, output)
        if self.metrics.found:
            with self.changing:
                self.description["FinalMetricDataList"] = self.metrics.final()

    def _count(self) -> None:
        """Add the time on these instances to what is paid for."""
        if self._since is not None:
            self._ran += time.time() - self._since
            self._since = None

    def change_status(self, status: str, **more: object) -> None:
        if status == "Stopping" and self.status != "Stopping":
            self._secondary("Stopping", "Stopping the training job")
        super().change_status(status, **more)

    def last_facts(self, status: str) -> dict:
        self._count()
        messages = {
            "Completed": "Training job completed",
            "Failed": "Training job failed",
            "Stopped": "Training job stopped",
            "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
            "MaxWaitTimeExceeded": "Training job waited longer than MaxWaitTimeInSeconds",
        }
        last = (self.stop_status or status) if status == "Stopped" else status
        self._secondary(last, messages[last])
        facts = {"TrainingEndTime": time.time()}
        warm_pools.end(self.description)
        if self._ran:
            spot = self.description["EnableManagedSpotTraining"]
            facts["TrainingTimeInSeconds"] = max(1, math.ceil(self._ran))
            facts["BillableTimeInSeconds"] = max(
                1, math.ceil(self._ran * (contract.SPOT_PRICE if spot else 1.0))
            )
        return facts

    def _secondary(self, status: str, message: str) -> None:
        """Go on to the next secondary status. A job that is stopping goes no way but its own."""
        with self.changing:
            if self.ended:
                return
            now = time.time()
            transitions = self.description["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1].setdefault("EndTime", now)
            transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
            if status in (*FINAL, "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
                transitions[-1]["EndTime"] = now
            self.description["SecondaryStatus"] = status
            self.description["LastModifiedTime"] = now
            self.keep()
        self.account.news.tell()


def interrupt(account: Account, name: str) -> None:
    """Take the spot instance of a training job away.

    Raises WorkshopError when there is no such job, or when it has none now.
    """
    job = account.find(TrainingJob, name)
    if job is None:
        running = [one.name for one in account.all(TrainingJob) if not one.ended]
        raise WorkshopError(
            f"There is no training job {name!r}. Running now: {', '.join(running) or 'none'}."
        )
    job.interrupt()


def _update(account: Account, request: dict, _: Caller) -> dict:
    job = asked(account, TrainingJob, request)
    period = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
    others = [name for name in request if name not in ("TrainingJobName", "ResourceConfig")]
    if others:
        raise ApiError(
            "ValidationException",
            f"{others[0]} is not played by the workshop's emulator. Of a training job only "
            "ResourceConfig.KeepAlivePeriodInSeconds can be updated here.",
        )
    if period is not None:
        job.keep_alive(period)
    return {"TrainingJobArn": job.arn}


def _has_pool(_account: Account, job: TrainingJob, request: dict) -> bool:
    """Tell whether the warm pool of a job is as a List request wants it."""
    wanted = request.get("WarmPoolStatusEquals")
    return wanted is None or job.facts().get("WarmPoolStatus", {}).get("Status") == wanted


TOPIC = Topic(
    "Training jobs",
    {
        "CreateTrainingJob": compute.create(
            TrainingJob,
            rules=(
                rules.training_image,
                rules.no_empty_arguments,
                rules.metric_definitions,
                rules.instances,
                rules.warm_pool,
                rules.unique_channels,
                rules.pipe_only,
                rules.run_time,
                rules.tensorboard_path,
                rules.unique_tags,
                rules.unique_job(
                    "TrainingJobName",
                    "training-job",
                    "Training job names must be unique within an AWS account and region, and a "
                    "training job with this name already exists ({arn})",
                ),
                rules.role,
                rules.training_data,
            ),
            refused={
                "AlgorithmSpecification.AlgorithmName": "give a TrainingImage",
                "ResourceConfig.InstancePreferences": "give one InstanceType",
                "ServerlessJobConfig": "give an AlgorithmSpecification and a ResourceConfig",
                "ModelPackageConfig": "call model.register() when the job has ended",
            },
            without_effect={
                "AlgorithmSpecification.TrainingImageConfig": "no image is fetched",
                "InputDataConfig[].RecordWrapperType": "objects arrive as they are",
                "InputDataConfig[].ShuffleConfig": "objects arrive in the order of their keys",
                "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": (
                    "no license is asked for"
                ),
                "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub",
                "OutputDataConfig.KmsKeyId": compute.NOT_ENCRYPTED,
                "ResourceConfig.VolumeKmsKeyId": compute.NOT_ENCRYPTED,
                "ResourceConfig.TrainingPlanArn": "instances are always there",
                "ResourceConfig.InstancePlacementConfig": compute.ONE_MACHINE,
                "VpcConfig": compute.ONE_MACHINE,
                "EnableInterContainerTrafficEncryption": compute.NOT_ENCRYPTED,
                # The SDK sends an empty hook and a profiler of its own accord.
                "DebugHookConfig.CollectionConfigurations": _OF_DEBUGGER,
                "DebugHookConfig.HookParameters": _OF_DEBUGGER,
                "DebugRuleConfigurations": _OF_DEBUGGER,
                "ProfilerConfig.ProfilingParameters": _OF_DEBUGGER,
                "ProfilerConfig.ProfilingIntervalInMilliseconds": _OF_DEBUGGER,
                "ProfilerRuleConfigurations": _OF_DEBUGGER,
                "RetryStrategy": "no instance fails here",
                "RemoteDebugConfig.EnableRemoteDebug": "the job runs on this machine",
                "InfraCheckConfig.EnableInfraCheck": "the job runs on this machine",
                "SessionChainingConfig.EnableSessionTagChaining": (
                    "rights do not depend on tags here"
                ),
                "MlflowConfig": "there is no MLflow server",
                "StoppingCondition.MaxPendingTimeInSeconds": "instances are always there",
                "ExperimentConfig.RunName": compute.OF_THE_TRIAL,
            },
            without_effect_locally={
                "EnableNetworkIsolation": compute.NETWORK_OF_LOCAL_MODE,
                "TensorBoardOutputConfig": "local mode copies nothing while the job runs",
                "ExperimentConfig": compute.NO_TRIAL_COMPONENT,
            },
        ),
        "DescribeTrainingJob": describe(TrainingJob),
        "ListTrainingJobs": listing(
            TrainingJob,
            "TrainingJobSummaries",
            (
                *("TrainingJobName", "TrainingJobArn", "TrainingJobStatus"),
                *("CreationTime", "LastModifiedTime", "TrainingEndTime", "SecondaryStatus"),
                *("FailureReason", "WarmPoolStatus"),
            ),
            wanted=_has_pool,
        ),
        "UpdateTrainingJob": Operation(_update),
        "StopTrainingJob": compute.stop(TrainingJob),
        "DeleteTrainingJob": compute.delete(TrainingJob),
    },
    kinds=(TrainingJob,),
)
