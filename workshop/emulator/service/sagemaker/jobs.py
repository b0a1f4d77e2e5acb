"""The processing and training jobs of the emulated account: each one really runs, in the engine.

A job has a folder below ``.lab/sagemaker/`` with its description and its logs, which outlive the
server, and one with the disks of its instances, which is removed when the job ends.
"""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from workshop.emulator import files, state
from workshop.emulator.containers import contract, engine, images, sandbox
from workshop.emulator.containers.disk import Disk, LeftOut
from workshop.emulator.errors import WorkshopError
from workshop.emulator.service.sagemaker import operations, records, warm_pools
from workshop.emulator.service.sagemaker.experiments import Experiments
from workshop.emulator.service.sagemaker.logs import GROUPS, Metrics, Stream
from workshop.emulator.service.storage import transfer
from workshop.emulator.settings import ROLE

#: Seconds that a host has between SIGTERM and SIGKILL. AWS gives 120 (StopTrainingJob).
GRACE = 10.0
#: Seconds between the end of an interrupted spot instance and the next one.
_NEXT_INSTANCE = 1.0
#: How long a FailureReason and an ExitMessage may be, and the files that they come from, in bytes.
_REASON, _MESSAGE, _LONGEST_TEXT = 1024, 1024, 1 << 16
#: Seconds that the upload after a job may take at least.
_UPLOAD = 600.0
_BOARD, _BOARD_KEY = "TensorBoardOutputConfig", "tensorboard-output"  # (sagemaker/estimator.py)
#: What lies at a host's root and is no job's.
_SYSTEM = {*sandbox.SYSTEM, "dev", "proc", "sys", "run", "root", "var"}
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
        self.experiments = Experiments(account, region)
        _remove(state.folder("instances"))  # of a server that was killed
        for folder in sorted(state.folder("sagemaker").glob("*-*")):
            try:
                job = _load(self, folder)
                self._jobs[job.kind, job.name] = job
            except Exception as error:  # cut short, or of another version: whatever comes up
                state.set_aside(folder, f"it holds no job that can be read ({error!r})")

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

        Raises FileExistsError when the name is taken, ApiError when its experiment is missing.
        """
        job = _KINDS[kind](self, request, directory, region)
        with self._lock:
            if (kind, job.name) in self._jobs:
                raise FileExistsError(job.name)
            others = [*self._jobs.values()]
            self._jobs[kind, job.name] = job
        try:
            job.start()
        except BaseException:
            with self._lock:
                del self._jobs[kind, job.name]
            _remove(job.folder)
            raise
        any(one.gives_pool_to(job) for one in others if one.kind == kind)
        return job

    def remove(self, job: _Job) -> None:
        """Forget a job that has ended."""
        with self._lock:
            del self._jobs[job.kind, job.name]
        _remove(job.folder)

    def close(self) -> None:
        """End all that run: they have failed."""
        for job in self:
            job.abandon("the emulated AWS was ended while the job ran. Start the job again.")
        for job in self:
            job.join()


def _load(jobs: Jobs, folder: Path) -> _Job:
    """Make a job of what is kept in its folder. Raises whatever comes up when that is damaged."""
    kept = json.loads((folder / "job.json").read_text())
    name = kept["request"][f"{kept['kind'].title()}JobName"]
    if folder.name != f"{kept['kind']}-{name}":
        raise ValueError(f"it holds the {kept['kind']} job {name!r}")
    region = kept["description"][f"{kept['kind'].title()}JobArn"].split(":")[3]
    job = _KINDS[kept["kind"]](jobs, kept["request"], kept["directory"], region)
    job.description, job.tags = kept["description"], kept["tags"]
    json.dumps(job.describe(), allow_nan=False)
    for file in job.folder.glob("*.log"):
        for event in job.stream(file.stem).load():
            job.metrics.read([event["message"]], event["timestamp"] / 1000)
    if not job.ended:
        job.end("Failed", "the emulated AWS ended while the job ran. Start the job again.")
    return job


class _Job:
    """What processing and training jobs have in common."""

    kind: str
    operation: str  # that makes one

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        self._jobs, self.request, self._directory = jobs, request, directory
        self._isolated = self._asks_for_isolation()
        # An isolated host has no credentials, and nobody to show them to.
        settings = {} if self._isolated else jobs.settings
        self._settings = settings | dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region)
        self.name = request[f"{self.kind.title()}JobName"]
        self.tags = request.get("Tags", [])
        self.folder = state.folder("sagemaker") / f"{self.kind}-{self.name}"
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
        self._uploads_until = math.inf
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
        """Begin to run. Raises ApiError when the experiment it names is missing."""
        if self.request.get("ExperimentConfig"):
            region = self.arn.split(":")[3]
            self._jobs.experiments.start(self.kind, self.description, region)
        self._write()
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

    def gives_pool_to(self, other: _Job) -> bool:
        """Tell whether this job's warm pool goes to another job, and note it."""
        return False

    def join(self) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(GRACE)

    # --- its life -------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            for verb, uri in self._places():
                _check_access(self.request["RoleArn"], verb, uri)
            for sentence in operations.notes(self.operation, self.request):
                self._say(sentence)
            self._run()
        except transfer.DataError as error:
            self.end("Failed", f"ClientError: {error}")
        except WorkshopError as error:  # no program plays the image, no sandbox
            self.end("Failed", f"ClientError: {error}")
        except Exception:
            traceback.print_exc()  # to the server's log
            self.end("Failed", f"InternalServerError: {traceback.format_exc()[-900:]}")
        finally:
            _remove(self._disks)
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
        self._uploads_until = math.inf
        note = images.note(hosts[0].image)
        if note:
            self._say(note)
        try:
            return job.run(self._log)
        finally:
            limit.cancel()
            self._engine = None
            # What they left is copied in as much time again.
            self._uploads_until = time.monotonic() + max(_UPLOAD, seconds)

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

    def _log(self, host: str, output: bytes) -> None:
        # Nothing else ends a line: a form feed or a U+2028 is a part of it.
        lines = re.split(r"\r\n|\n|\r", output.decode(errors="replace"))
        now = time.time()
        self.stream(host).write(lines, now)
        for sentence in self.metrics.read(lines, now):
            self._say(sentence)
        self._jobs.news.tell()

    def _say(self, sentence: str) -> None:
        """Tell the learner something in the job's log: on the first host."""
        self.stream(self.machines[0].host).write([sentence], time.time())
        self._jobs.news.tell()

    def _new_upload(self) -> transfer.Upload:
        return transfer.Upload(
            self._jobs.store, self._say, lambda: time.monotonic() > self._uploads_until
        )

    def _end_of(self, upload: transfer.Upload, disks: list[Path], result, **more: object) -> None:
        """Set how the job ended: its script failed, data is missing in S3, it was stopped."""
        if result.exit_code and not self._stop_status:
            self.end("Failed", self._failure(result, disks), **more)
        elif upload.problem:
            self.end("Failed", f"ClientError: {upload.problem}", **more)
        elif self._stop_status:
            self.end("Stopped", **more)
        elif upload.missing():
            self.end("Failed", f"ClientError: {upload.missing()}", **more)
        else:
            self.end("Completed", **more)

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
            self.keep()
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
                self._jobs.experiments.end(self.kind, self.description, self.metrics.found)
            self._record(time.time(), (self._failed_with or reason) if status == "Failed" else "")

    def keep(self) -> None:
        """Write the job down. On a full disk it lives on, and the next change tries again."""
        try:
            self._write()
        except OSError as error:
            print(f"{self.folder} cannot be written: {error}", file=sys.stderr)

    def _write(self) -> None:
        kept = {
            "kind": self.kind,
            "request": self.request,
            "directory": self._directory,
            "description": self.description,
            "tags": self.tags,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write(self.folder / "job.json", json.dumps(kept, allow_nan=False))

    def _record(self, ended: float | None = None, error: str = "") -> None:
        if not self._directory:  # a program without our hook: nobody asks for its jobs
            return
        request = {key: value for key, value in self.request.items() if key != "Tags"}
        record = records.Record(
            self.kind, self.name, request, Path(self._directory), self._created, ended, error
        )
        try:
            records.write(record)
        except OSError as problem:  # a full disk
            print(f"{self.name} cannot be recorded: {problem}", file=sys.stderr)

    # --- what differs ---------------------------------------------------------------------

    def _resources(self) -> dict:
        raise NotImplementedError

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield the S3 URIs of the job's data: whether it will read or write, and where."""
        raise NotImplementedError

    def _asks_for_isolation(self) -> bool:
        """https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html"""
        raise NotImplementedError

    def _metric_definitions(self) -> list[dict]:
        return []

    def _last_facts(self, status: str) -> dict:
        """Members of the description that are known at the end only."""
        raise NotImplementedError

    def _make_disks(self) -> list[Path]:
        """Return an empty ``/opt/ml`` for each instance."""
        _remove(self._disks)
        disks = [self._disks / machine.host for machine in self.machines]
        for disk in disks:
            disk.mkdir(parents=True)
        return disks


class _ProcessingJob(_Job):
    kind = "processing"
    operation = "CreateProcessingJob"

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        super().__init__(jobs, request, directory, region)
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

    def _resources(self) -> dict:
        return self.request["ProcessingResources"]["ClusterConfig"]

    def _places(self) -> Iterator[tuple[str, str]]:
        for one in self._inputs:
            if "S3Input" in one:
                yield "read", one["S3Input"]["S3Uri"]
        for s3 in self._outputs:
            yield "write", s3["S3Uri"]

    def _run(self) -> None:
        disks = self._make_disks()
        for machine, disk in zip(self.machines, disks, strict=True):
            contract.write_processing_files(disk, self.description, machine, self.machines)
        for one in self._inputs:
            self._download(one, disks)
        for s3 in self._outputs:
            for disk in disks:
                _inside(disk, s3["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self._change(self.status, ProcessingStartTime=time.time())
        upload = self._new_upload()
        watches = [
            transfer.Watch(upload, Disk(disk), s3["LocalPath"], s3["S3Uri"])
            for s3 in self._outputs
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
        for s3 in self._outputs:
            for disk in disks if s3["S3UploadMode"] != "Continuous" else ():
                upload.folder(Disk(disk), s3["LocalPath"], s3["S3Uri"])
        message = _first_text(disks, "output/message")[:_MESSAGE]
        self._end_of(upload, disks, result, **({"ExitMessage": message} if message else {}))

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
            isolated=self._isolated,
        )

    def _asks_for_isolation(self) -> bool:
        return self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)

    def _last_facts(self, status: str) -> dict:
        return {"ProcessingEndTime": time.time()}


class _TrainingJob(_Job):
    kind = "training"
    operation = "CreateTrainingJob"

    def __init__(self, jobs: Jobs, request: dict, directory: str, region: str) -> None:
        super().__init__(jobs, request, directory, region)
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

    def _resources(self) -> dict:
        return self.request["ResourceConfig"]

    def _places(self) -> Iterator[tuple[str, str]]:
        for channel in self.request.get("InputDataConfig", ()):
            if "S3DataSource" in channel["DataSource"]:
                yield "read", channel["DataSource"]["S3DataSource"]["S3Uri"]
        yield "write", self.request["OutputDataConfig"]["S3OutputPath"]
        for member, place in (("CheckpointConfig", "S3Uri"), (_BOARD, "S3OutputPath")):
            if member in self.request:
                yield "write", self.request[member][place]

    def _metric_definitions(self) -> list[dict]:
        return self.request["AlgorithmSpecification"].get("MetricDefinitions", [])

    def _asks_for_isolation(self) -> bool:
        return self.request.get("EnableNetworkIsolation", False)

    def describe(self) -> dict:
        with self._changing:
            warm_pools.update(self.description, time.time())
            return super().describe()

    def keep_alive(self, period: int) -> None:
        """Set how long the warm pool is kept. Raises ApiError where there is none now."""
        with self._changing:
            warm_pools.keep_alive(self.description, period, time.time())
            self._change(self.status)

    def gives_pool_to(self, other: _Job) -> bool:
        with self._changing:
            given = warm_pools.reuse(self.description, other.request, time.time())
            if given:
                self._change(self.status)
            return given

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
        waiting = self.description["StoppingCondition"].get("MaxWaitTimeInSeconds")
        limit = threading.Timer(waiting or math.inf, self.stop, ["MaxWaitTimeExceeded"])
        limit.daemon = True
        if waiting:
            limit.start()
        upload = self._new_upload()
        try:
            while True:
                result, disks = self._run_on_instances(upload)
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
        if self._stop_status or not result.exit_code:
            self._secondary("Uploading", "Uploading generated training model")
            self._upload_model(upload, disks)
        self._upload_output(upload, disks)
        self._end_of(upload, disks, result)

    def _run_on_instances(self, upload: transfer.Upload) -> tuple[engine.Result, list[Path]]:
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
        watches = []
        # What is wrong with a checkpoint is told in the log; the job's result has nothing to do
        # with it.
        beside = self._new_upload()
        checkpoints = self.request.get("CheckpointConfig")
        if checkpoints:
            local = checkpoints.get("LocalPath") or "/opt/ml/checkpoints"
            folders = [_inside(disk, local) for disk in disks]
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
            return self._run_hosts(hosts, limit - self._ran), disks
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
            | self._settings
            | {"TRAINING_JOB_NAME": self.name, "TRAINING_JOB_ARN": self.arn},
            mounts=[*_mounts(disk), *self._board(disk)],
            isolated=self._isolated,
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
        self._change(self.status, ModelArtifacts={"S3ModelArtifacts": uri})

    def _upload_output(self, upload: transfer.Upload, disks: list[Path]) -> None:
        place = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        uri = f"{place}/{self.name}/output/output.tar.gz"
        upload.archive([Disk(disk) for disk in disks], "/opt/ml/output/data", uri, if_any=True)

    def _log(self, host: str, output: bytes) -> None:
        super()._log(host, output)
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
            self.keep()
        self._jobs.news.tell()


_KINDS: dict[str, type[_Job]] = {"processing": _ProcessingJob, "training": _TrainingJob}


def _check_access(role: str, verb: str, uri: str) -> None:
    """Raise DataError where the account's default role may not read or write ``uri``.

    It has the policy AmazonSageMakerFullAccess, which opens objects whose ARN, so bucket or key,
    has a certain word in it. Other roles may do all.
    https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol.html
    """
    name = "/".join(transfer.split(uri))
    if role.rpartition("/")[2] != ROLE or re.search("(?i)sagemaker|aws-glue", name):
        return
    what = "Data download failed" if verb == "read" else "Data upload failed"
    raise transfer.DataError(
        f"{what}: AccessDenied: the role {ROLE} may not {verb} {uri}. Its policy, "
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
    """A host has the disk as its ``/opt/ml``; where there are no mounts, what is in it."""
    parts = [(str(path), f"/opt/ml/{path.name}") for path in sorted(disk.iterdir())]
    return [(str(disk), "/opt/ml"), *parts]


def _remove(folder: Path) -> None:
    try:
        files.remove(folder)
    except OSError as error:
        print(error, file=sys.stderr)


def _first_text(disks: list[Path], name: str) -> str:
    """Return the text of the first host's file that is there and not empty."""
    for disk in disks:
        try:
            with Disk(disk).open(f"/opt/ml/{name}") as file:
                text = file.read(_LONGEST_TEXT).decode(errors="replace").strip()
        except (OSError, LeftOut):
            continue
        if text:
            return text
    return ""


def _shortened(reason: str) -> str:
    """Leave out the middle of what is too long: the error itself stands at the end."""
    if len(reason) <= _REASON:
        return reason
    return f"{reason[:200]} […] {reason[-(_REASON - 210) :]}"
