"""The processing and training jobs of the emulated account: each one really runs, in the engine.

A job has a folder below ``.lab/sagemaker/`` with its description and its logs, which outlive the
server, and one with the disks of its instances, which is removed when the job ends.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from workshop.emulator import (
    contract,
    engine,
    experiments,
    images,
    records,
    server,
    state,
    transfer,
)
from workshop.emulator.errors import WorkshopError
from workshop.emulator.job_logs import GROUPS, Metrics, Stream

#: Seconds that a host has between SIGTERM and SIGKILL. AWS gives 120 (StopTrainingJob).
GRACE = 10.0
#: Seconds between the end of an interrupted spot instance and the next one.
_NEXT_INSTANCE = 1.0
#: What of the on-demand price a spot instance costs: a usual figure, not a promise.
SPOT_PRICE = 0.3
#: How long a FailureReason and an ExitMessage may be.
_REASON, _MESSAGE = 1024, 1024
_FINAL = ("Completed", "Failed", "Stopped")


class News:
    """Wakes those who wait for a job to write a line or to change its status."""

    def __init__(self) -> None:
        self._number = self._running = 0
        self._changed = threading.Condition()

    def tell(self, running: int = 0) -> None:
        """There are news; ``running`` is 1 when a job began, -1 when one ended."""
        with self._changed:
            self._number += 1
            self._running += running
            self._changed.notify_all()

    def wait(self, after: int, seconds: float) -> int:
        """Return the number of the last news, once it is another one than ``after``.

        Returns at the latest after ``seconds``, and at once when no job runs.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number != after or not self._running, seconds)
            return self._number


class Jobs:
    """All jobs of the account. Every method may be called from any thread."""

    def __init__(
        self, store: transfer.Store, settings: dict[str, str], account: str, region: str
    ) -> None:
        """Load the jobs of earlier servers; those that were running have failed.

        ``settings`` are the variables with which a host finds the emulator.
        """
        self.store, self.settings, self.account, self.region = store, settings, account, region
        self._jobs: dict[tuple[str, str], _Job] = {}
        self._lock = threading.Lock()
        self.news = News()
        experiments.load(account, region)
        shutil.rmtree(state.folder("instances"), ignore_errors=True)  # of a server that was killed
        for file in sorted(state.folder("sagemaker").glob("*/job.json")):
            try:
                job = _load(self, json.loads(file.read_text()))
            except (KeyError, ValueError):  # of another version of the workshop
                print(f"{file} cannot be read: the job is forgotten", file=sys.stderr)
                continue
            self._jobs[job.kind, job.name] = job

    def __iter__(self) -> Iterator[_Job]:
        with self._lock:
            return iter(list(self._jobs.values()))

    def find(self, kind: str, name: str) -> _Job | None:
        """Return a job; ``kind`` is "processing" or "training"."""
        with self._lock:
            return self._jobs.get((kind, name))

    def create(self, kind: str, request: dict, directory: str, region: str) -> _Job:
        """Start a job as boto3's ``create_KIND_job`` asks for it.

        ``directory`` and ``region`` are the caller's. Logs, metrics and experiments of all regions
        are one: those of ``Jobs.region``.

        Raises FileExistsError when the name is taken, LookupError when its experiment is missing.
        """
        job = _KINDS[kind](self, request, directory, region)
        with self._lock:
            if (kind, job.name) in self._jobs:
                raise FileExistsError(job.name)
            self._jobs[kind, job.name] = job
        try:
            job.start()
        except BaseException:
            with self._lock:
                del self._jobs[kind, job.name]
            raise
        return job

    def remove(self, job: _Job) -> None:
        """Forget a job that has ended."""
        with self._lock:
            del self._jobs[job.kind, job.name]
        shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """End all that run: they have failed."""
        for job in self:
            job.abandon("the emulated AWS was ended while the job ran. Start the job again.")
        for job in self:
            job.join()


def _load(jobs: Jobs, kept: dict) -> _Job:
    region = kept["description"][f"{kept['kind'].title()}JobArn"].split(":")[3]
    job = _KINDS[kept["kind"]](jobs, kept["request"], kept["directory"], region)
    job.description, job.tags = kept["description"], kept["tags"]
    for file in job.folder.glob("*.log"):
        for event in job.stream(file.stem).load():
            job.metrics.read([event["message"]], event["timestamp"] / 1000)
    if not job.ended:
        job.end("Failed", "the emulated AWS ended while the job ran. Start the job again.")
    return job


class _Job:
    """What processing and training jobs have in common."""

    kind: str

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        self._jobs, self.request, self._directory = jobs, request, directory
        self._settings = jobs.settings | dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region)
        self.name = request[f"{self.kind.title()}JobName"]
        self.tags = request.get("Tags", [])
        self.folder = state.folder("sagemaker", f"{self.kind}-{self.name}")
        self.arn = f"arn:aws:sagemaker:{region}:{jobs.account}:{self.kind}-job/{self.name}"
        now = time.time()
        self._created = now
        self.description = {key: value for key, value in request.items() if key != "Tags"} | {
            f"{self.kind.title()}JobArn": self.arn,
            f"{self.kind.title()}JobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        self.machines = contract.machines(self._resources())
        self._disks = state.folder("instances") / f"{self.kind}-{self.name}"
        self.metrics = Metrics(jobs.account, jobs.region, self.name, self._metric_definitions())
        self._streams: dict[str, Stream] = {}
        self._engine: engine.Job | None = None
        self._told = threading.Event()  # to stop, or to give its spot instance back
        self._stop_status = ""  # how it ends when it is stopped
        self._failed_with = ""  # the whole error of its script
        self._changing = threading.RLock()
        self._thread = threading.Thread(target=self._live, daemon=True)

    # --- asked by the API -----------------------------------------------------------------

    @property
    def status(self) -> str:
        return self.description[f"{self.kind.title()}JobStatus"]

    @property
    def ended(self) -> bool:
        return self.status in _FINAL

    def describe(self) -> dict:
        """Return what the Describe API answers."""
        with self._changing:
            return json.loads(json.dumps(self.description))

    def start(self) -> None:
        """Begin to run. Raises LookupError when the experiment it names is missing."""
        if self.request.get("ExperimentConfig"):
            experiments.start(self._jobs.account, self._jobs.region, self.kind, self.description)
        self._keep()
        self._record()
        self._jobs.news.tell(running=1)
        self._thread.start()

    def stop(self, status: str = "Stopped") -> None:
        """Ask the job to stop; ``status`` is how it ends then. Nothing when it has ended."""
        with self._changing:
            if self.ended or self._stop_status:
                return
            self._stop_status = status
            self._change("Stopping")
        self._tell()

    def abandon(self, why: str) -> None:
        """Kill the job at once: it has failed."""
        with self._changing:
            if self.ended:
                return
            self.end("Failed", why)
            self._tell()
            self._tell()  # the second time it kills

    def join(self) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(GRACE)

    # --- its life -------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            for verb, uri in self._places():
                _check_access(self.request["RoleArn"], verb, uri)
            self._run()
        except transfer.DataError as error:
            self.end("Failed", f"ClientError: {error}")
        except WorkshopError as error:  # no program plays the image, no sandbox
            self.end("Failed", f"ClientError: {error}")
        except Exception:
            traceback.print_exc()  # to the server's log
            self.end("Failed", f"InternalServerError: {traceback.format_exc()[-900:]}")
        finally:
            shutil.rmtree(self._disks, ignore_errors=True)
            self._jobs.news.tell(running=-1)

    def _run(self) -> None:
        raise NotImplementedError

    def _run_hosts(self, hosts: list[engine.Host], seconds: float) -> engine.Result:
        """Run the containers until they end, are stopped, or have run for ``seconds``."""
        job = engine.Job(hosts, name=self.name, kind=self.kind, grace=GRACE)
        with self._changing:
            self._engine = job
            if self._told.is_set():
                job.stop()
        limit = threading.Timer(max(0.0, seconds), self.stop, ["MaxRuntimeExceeded"])
        limit.daemon = True
        limit.start()
        streams = {machine.host: self.stream(machine.host) for machine in self.machines}
        note = images.note(hosts[0].image)
        if note:
            streams[hosts[0].name].write([note], time.time())
        try:
            return job.run(lambda output: self._log(streams, output))
        finally:
            limit.cancel()
            self._engine = None

    def stream(self, host: str) -> Stream:
        """Return the log stream of a host, made when it is first asked for."""
        if host not in self._streams:
            self._streams[host] = Stream(
                self._jobs.account,
                self._jobs.region,
                GROUPS[self.kind],
                f"{self.name}/{host}-{int(self.description['CreationTime'])}",
                self.folder / f"{host}.log",
            )
        return self._streams[host]

    def _log(self, streams: dict[str, Stream], output: bytes) -> None:
        lines: dict[str, list[str]] = {}
        for line in output.decode(errors="replace").splitlines():
            host = self.machines[0].host
            if len(streams) > 1:  # the engine names the host
                host, _, line = line.partition(" | ")
            lines.setdefault(host, []).append(line)
        now = time.time()
        for host, own in lines.items():
            if host in streams:
                streams[host].write(own, now)
                self.metrics.read(own, now)
        self._jobs.news.tell()

    def _tell(self) -> None:
        with self._changing:
            self._told.set()
            if self._engine:
                self._engine.stop()

    def _failure(self, result: engine.Result, disks: list[Path]) -> str:
        """Return the FailureReason: what the container left, else the error in its output."""
        self._failed_with = result.error
        told = _first_text(disks, "output/failure")
        if not told:
            return _shortened(f"AlgorithmError: {result.error}")
        # The frameworks' images have the toolkit read the script's error (capture_error), and it
        # then breaks lines where a print writes in pieces. Here it leaves the output alone.
        told = told.replace('ErrorMessage ""', f'ErrorMessage "{result.error}"')
        code = f", exit code: {result.exit_code}"
        if len(told) + len(code) > _REASON - 100:  # the error comes before the toolkit's command
            told = told.partition('\nCommand "')[0]
        return _shortened(f"AlgorithmError: {told}{code}")

    def _change(self, status: str, **more: object) -> None:
        """Set the status and other members of the description, and keep it."""
        with self._changing:
            self.description[f"{self.kind.title()}JobStatus"] = status
            self.description |= more
            self.description["LastModifiedTime"] = time.time()
            self._keep()
        self._jobs.news.tell()

    def end(self, status: str, reason: str = "", **more: object) -> None:
        """Set the final status, once."""
        with self._changing:
            if self.ended:
                return
            if reason:
                more["FailureReason"] = _shortened(reason)
            self._change(status, **more, **self._last_facts(status))
            if self.request.get("ExperimentConfig"):
                experiments.end(
                    self._jobs.account,
                    self._jobs.region,
                    self.kind,
                    self.description,
                    self.metrics.found,
                )
            self._record(time.time(), (self._failed_with or reason) if status == "Failed" else "")

    def _keep(self) -> None:
        kept = {
            "kind": self.kind,
            "request": self.request,
            "directory": self._directory,
            "description": self.description,
            "tags": self.tags,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        incoming = self.folder / "job.incoming"
        incoming.write_text(json.dumps(kept))
        incoming.replace(self.folder / "job.json")

    def _record(self, ended: float | None = None, error: str = "") -> None:
        if not self._directory:  # a program without our hook: nobody asks for its jobs
            return
        request = {key: value for key, value in self.request.items() if key != "Tags"}
        records.write(
            records.Record(
                self.kind, self.name, request, Path(self._directory), self._created, ended, error
            )
        )

    # --- what differs ---------------------------------------------------------------------

    def _resources(self) -> dict:
        raise NotImplementedError

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield the S3 URIs of the job's data: whether it will read or write, and where."""
        raise NotImplementedError

    def _metric_definitions(self) -> list[dict]:
        return []

    def _last_facts(self, status: str) -> dict:
        """Members of the description that are known at the end only."""
        raise NotImplementedError

    def _make_disks(self) -> list[Path]:
        """Return an empty ``/opt/ml`` for each instance."""
        shutil.rmtree(self._disks, ignore_errors=True)
        disks = [self._disks / machine.host for machine in self.machines]
        for disk in disks:
            disk.mkdir(parents=True)
        return disks


class _ProcessingJob(_Job):
    kind = "processing"

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        super().__init__(jobs, request, directory, region)
        inputs = [{"AppManaged": False, **one} for one in request.get("ProcessingInputs", ())]
        self.description |= {
            "ProcessingInputs": inputs,
            "Environment": request.get("Environment", {}),
            "StoppingCondition": request.get("StoppingCondition", {"MaxRuntimeInSeconds": 86400}),
        }

    def _resources(self) -> dict:
        return self.request["ProcessingResources"]["ClusterConfig"]

    def _places(self) -> Iterator[tuple[str, str]]:
        for one in self.request.get("ProcessingInputs", ()):
            if "S3Input" in one:
                yield "read", one["S3Input"]["S3Uri"]
        for one in self.request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
            if "S3Output" in one:
                yield "write", one["S3Output"]["S3Uri"]

    def _run(self) -> None:
        disks = self._make_disks()
        for machine, disk in zip(self.machines, disks, strict=True):
            contract.write_processing_files(disk, self.description, machine, self.machines)
        for one in self.request.get("ProcessingInputs", ()):
            self._download(one, disks)
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        for one in outputs:
            if "S3Output" not in one:
                raise transfer.DataError(
                    f"Output {one['OutputName']!r} goes to a feature group. The emulator has S3 "
                    "outputs only."
                )
            for disk in disks:
                _inside(disk, one["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self._change(self.status, ProcessingStartTime=time.time())
        watches = [
            transfer.Watch(self._jobs.store, _inside(disk, s3["LocalPath"]), s3["S3Uri"])
            for s3 in (one["S3Output"] for one in outputs)
            if s3["S3UploadMode"] == "Continuous"
            for disk in disks
        ]
        try:
            limit = self.description["StoppingCondition"]["MaxRuntimeInSeconds"]
            hosts = [self._host(*one) for one in zip(self.machines, disks, strict=True)]
            result = self._run_hosts(hosts, limit)
        finally:
            for watch in watches:
                watch.close()
        for s3 in (one["S3Output"] for one in outputs):
            if s3["S3UploadMode"] != "Continuous":
                for disk in disks:
                    transfer.upload(self._jobs.store, _inside(disk, s3["LocalPath"]), s3["S3Uri"])
        message = _first_text(disks, "output/message")[:_MESSAGE]
        more = {"ExitMessage": message} if message else {}
        if self._stop_status:
            self.end("Stopped", **more)
        elif result.exit_code:
            self.end("Failed", self._failure(result, disks), **more)
        else:
            self.end("Completed", **more)

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
            self._jobs.store,
            s3["S3Uri"],
            [_inside(disk, s3["LocalPath"]) for disk in disks],
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
            environment=self.request.get("Environment", {}) | self._settings,
            mounts=_mounts(disk),
        )

    def _last_facts(self, status: str) -> dict:
        return {"ProcessingEndTime": time.time()}


class _TrainingJob(_Job):
    kind = "training"

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        super().__init__(jobs, request, directory, region)
        self.description |= {
            "HyperParameters": request.get("HyperParameters", {}),
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [],
            "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        }
        self._interrupted = False
        self._ran = 0.0  # seconds on instances
        self._since: float | None = None  # on this one

    def _resources(self) -> dict:
        return self.request["ResourceConfig"]

    def _places(self) -> Iterator[tuple[str, str]]:
        for channel in self.request.get("InputDataConfig", ()):
            if "S3DataSource" in channel["DataSource"]:
                yield "read", channel["DataSource"]["S3DataSource"]["S3Uri"]
        yield "write", self.request["OutputDataConfig"]["S3OutputPath"]
        if "CheckpointConfig" in self.request:
            yield "write", self.request["CheckpointConfig"]["S3Uri"]

    def _metric_definitions(self) -> list[dict]:
        return self.request["AlgorithmSpecification"].get("MetricDefinitions", [])

    def interrupt(self) -> None:
        """Take the spot instance away; the job goes on with the next one.

        Raises WorkshopError when it has none now.
        """
        with self._changing:
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
        self._tell()

    def _run(self) -> None:
        waiting = self.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        limit = threading.Timer(waiting or math.inf, self.stop, ["MaxWaitTimeExceeded"])
        limit.daemon = True
        if waiting:
            limit.start()
        try:
            while True:
                result, disks = self._run_on_instances()
                if not self._interrupted or self._stop_status:
                    break
                self._secondary("Interrupted", "The spot instance was taken away")
                self._interrupted = False
                self._told.clear()
                self._told.wait(_NEXT_INSTANCE)
                if self._stop_status:
                    break
        finally:
            limit.cancel()
        failed = result.exit_code and not self._stop_status
        if not failed:
            self._secondary("Uploading", "Uploading generated training model")
            self._upload_model(disks)
        self._upload_output(disks)
        if self._stop_status:
            self.end("Stopped")
        elif failed:
            self.end("Failed", self._failure(result, disks))
        else:
            self.end("Completed")

    def _run_on_instances(self) -> tuple[engine.Result, list[Path]]:
        """Run once on new instances; what is in the checkpoints' place in S3 is there again."""
        store = self._jobs.store
        self._secondary("Starting", "Preparing the instances for training")
        disks = self._make_disks()
        for machine, disk in zip(self.machines, disks, strict=True):
            contract.write_training_files(disk, self.request, machine, self.machines)
        self._secondary("Downloading", "Downloading input data")
        self._since = time.time()
        self._change(self.status, TrainingStartTime=self.description.get(
            "TrainingStartTime", self._since
        ))  # fmt: skip
        for channel in self.request.get("InputDataConfig", ()):
            self._download(channel, disks)
        checkpoints = self.request.get("CheckpointConfig")
        watches = []
        if checkpoints:
            local = checkpoints.get("LocalPath") or "/opt/ml/checkpoints"
            folders = [_inside(disk, local) for disk in disks]
            uri = f"{checkpoints['S3Uri'].rstrip('/')}/"
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            if store.keys(*transfer.split(uri)):
                transfer.download(store, uri, folders)
            watches = [transfer.Watch(store, folder, uri) for folder in folders]
        self._secondary("Training", "Training image download completed. Training in progress.")
        try:
            left = self.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400) - self._ran
            hosts = [self._host(*one) for one in zip(self.machines, disks, strict=True)]
            return self._run_hosts(hosts, left), disks
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
            self._jobs.store,
            source["S3Uri"],
            [disk / "input" / "data" / name for disk in disks],
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
            | self._settings
            | {"TRAINING_JOB_NAME": self.name, "TRAINING_JOB_ARN": self.arn},
            mounts=_mounts(disk),
        )

    def _upload_model(self, disks: list[Path]) -> None:
        output = self.request["OutputDataConfig"]
        place = f"{output['S3OutputPath'].rstrip('/')}/{self.name}/output"
        folders = [disk / "model" for disk in disks]
        if output.get("CompressionType") == "NONE":
            uri = f"{place}/model/"
            for folder in folders:
                transfer.upload(self._jobs.store, folder, uri)
        else:
            uri = f"{place}/model.tar.gz"
            self._put(uri, transfer.pack(folders))
        self._change(self.status, ModelArtifacts={"S3ModelArtifacts": uri})

    def _upload_output(self, disks: list[Path]) -> None:
        folders = [disk / "output" / "data" for disk in disks]
        if any(path.is_file() for folder in folders for path in folder.rglob("*")):
            place = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
            self._put(f"{place}/{self.name}/output/output.tar.gz", transfer.pack(folders))

    def _put(self, uri: str, content: bytes) -> None:
        bucket, key = transfer.split(uri)
        if not self._jobs.store.has_bucket(bucket):
            raise transfer.DataError(f"Data upload failed: there is no bucket {bucket!r} ({uri}).")
        self._jobs.store.put(bucket, {key: content})

    def _log(self, streams: dict[str, Stream], output: bytes) -> None:
        super()._log(streams, output)
        if self.metrics.found:
            with self._changing:
                self.description["FinalMetricDataList"] = self.metrics.final()

    def _count(self) -> None:
        """Add the time on these instances to what is paid for."""
        if self._since is not None:
            self._ran += time.time() - self._since
            self._since = None

    def _change(self, status: str, **more: object) -> None:
        if status == "Stopping" and self.status != "Stopping":
            self._secondary("Stopping", "Stopping the training job")
        super()._change(status, **more)

    def _last_facts(self, status: str) -> dict:
        self._count()
        messages = {
            "Completed": "Training job completed",
            "Failed": "Training job failed",
            "Stopped": "Training job stopped",
            "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
            "MaxWaitTimeExceeded": "Training job waited longer than MaxWaitTimeInSeconds",
        }
        last = (self._stop_status or status) if status == "Stopped" else status
        self._secondary(last, messages[last])
        facts = {"TrainingEndTime": time.time()}
        if self._ran:
            spot = self.description["EnableManagedSpotTraining"]
            facts["TrainingTimeInSeconds"] = max(1, math.ceil(self._ran))
            facts["BillableTimeInSeconds"] = max(
                1, math.ceil(self._ran * (SPOT_PRICE if spot else 1.0))
            )
        return facts

    def _secondary(self, status: str, message: str) -> None:
        """Go on to the next secondary status. A job that is stopping goes no way but its own."""
        with self._changing:
            if self.ended:
                return
            now = time.time()
            transitions = self.description["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1].setdefault("EndTime", now)
            transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
            if status in (*_FINAL, "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
                transitions[-1]["EndTime"] = now
            self.description["SecondaryStatus"] = status
            self.description["LastModifiedTime"] = now
            self._keep()
        self._jobs.news.tell()


_KINDS: dict[str, type[_Job]] = {"processing": _ProcessingJob, "training": _TrainingJob}


def _check_access(role: str, verb: str, uri: str) -> None:
    """Raise DataError where the account's default role may not read or write ``uri``.

    It has the policy AmazonSageMakerFullAccess, which opens objects whose ARN, so bucket or key,
    has a certain word in it. Other roles may do all.
    https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol.html
    """
    name = "/".join(transfer.split(uri))
    if role.rpartition("/")[2] != server.ROLE or re.search("(?i)sagemaker|aws-glue", name):
        return
    what = "Data download failed" if verb == "read" else "Data upload failed"
    raise transfer.DataError(
        f"{what}: AccessDenied: the role {server.ROLE} may not {verb} {uri}. Its policy, "
        'AmazonSageMakerFullAccess, opens only what has "sagemaker" in its name. Use such a '
        "bucket, as the session's default_bucket(), or give the job a role that may use this one."
    )


def _inside(disk: Path, path: str) -> Path:
    """Return where a container's path below ``/opt/ml`` lies on an instance's disk."""
    inside = Path(path)
    if ".." in inside.parts or not inside.is_relative_to("/opt/ml"):
        raise transfer.DataError(f"{path!r} is not a path below /opt/ml.")
    return disk / inside.relative_to("/opt/ml")


def _mounts(disk: Path) -> list[tuple[str, str]]:
    return [(str(path), f"/opt/ml/{path.name}") for path in sorted(disk.iterdir())]


def _first_text(disks: list[Path], name: str) -> str:
    """Return the text of the first host's file that is there and not empty."""
    for disk in disks:
        try:
            text = (disk / name).read_text(errors="replace").strip()
        except OSError:
            continue
        if text:
            return text
    return ""


def _shortened(reason: str) -> str:
    """Leave out the middle of what is too long: the error itself stands at the end."""
    if len(reason) <= _REASON:
        return reason
    return f"{reason[:200]} […] {reason[-(_REASON - 210) :]}"
