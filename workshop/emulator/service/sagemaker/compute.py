"""Compute: hosts that run and end. What processing jobs, training jobs and their like share.

Each job really runs, in the engine. Its folder holds its description and its logs, which outlive
the server; the disks of its instances are removed when it ends.
"""

from __future__ import annotations

import math
import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from workshop.emulator import state
from workshop.emulator.containers import contract, engine, images
from workshop.emulator.containers.disk import Disk, LeftOut
from workshop.emulator.errors import ApiError, WorkshopError
from workshop.emulator.service.sagemaker import access, experiments, quotas, records
from workshop.emulator.service.sagemaker.logs import Metrics, Stream
from workshop.emulator.service.sagemaker.operation import Caller, Operation, asked
from workshop.emulator.service.sagemaker.resource import Account, Resource, remove
from workshop.emulator.service.storage import transfer

#: Seconds that a host has between SIGTERM and SIGKILL. AWS gives 120 (StopTrainingJob).
GRACE = 10.0
#: How long a FailureReason and an ExitMessage may be, and the files that they come from, in bytes.
_REASON, _LONGEST_TEXT = 1024, 1 << 16
#: Seconds that the upload after a job may take at least.
_UPLOAD = 600.0
FINAL = ("Completed", "Failed", "Stopped")

# Why members of a request have no effect here.
NOT_ENCRYPTED = "nothing is encrypted on this machine"
ONE_MACHINE = "all hosts are on this machine, and have its network"
OF_THE_TRIAL = "the trial component belongs to the trial alone"
NETWORK_OF_LOCAL_MODE = "local mode gives the job this machine's network"
NO_TRIAL_COMPONENT = "local mode records no trial component"


class Compute(Resource):
    """A job. A kind of jobs says what it is called, what it asks for, and how it runs (``run``)."""

    #: The word before "job" in a record and for those who watch, such as ``training``.
    label: str
    #: Its log group in CloudWatch, which is the namespace of its metrics too.
    #: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
    log_group: str
    #: What its trial component says that it comes from (API_TrialComponentSource).
    source_type: str
    #: What AWS says of a name that no job has, with ``{name}`` for it. The API reference says
    #: ResourceNotFound; AWS answers this.
    missing: str
    works = True

    def __init__(self, account: Account, request: dict, caller: Caller) -> None:
        """Prepare to run what boto3's ``create_…_job`` asks for.

        Region and working directory are the caller's.
        """
        self.request, self._directory = request, caller.directory
        now = time.time()
        name = request[self.name_member]
        description = {key: value for key, value in request.items() if key != "Tags"} | {
            self.arn_member: account.arn(caller.region, self.resource_type, name),
            self.status_member: "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        super().__init__(account, description, request.get("Tags", ()))
        self.changing = threading.RLock()
        self._created = now
        # An isolated host has no credentials, and nobody to show them to.
        self.isolated = self.asks_for_isolation()
        settings = {} if self.isolated else account.settings
        regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), caller.region)
        #: Sentences for its log, before it runs.
        self.notes: list[str] = []
        #: Variables of each host.
        self.settings = settings | regions
        self.machines = contract.machines(self.cluster(request))
        self._disks = state.folder("instances") / f"{self.resource_type}-{name}"
        definitions = self.metric_definitions()
        self.metrics = Metrics(account.number, account.region, self.log_group, name, definitions)
        self._streams: dict[str, Stream] = {}
        self._engine: engine.Job | None = None
        self._uploads_until = math.inf
        self.told = threading.Event()  # to stop, or to give its spot instance back
        self.stop_status = ""  # how it ends when it is stopped
        self._failed_with = ""  # the whole error of its script
        self._thread = threading.Thread(target=self._live, daemon=True)

    # --- asked by the API -----------------------------------------------------------------

    @classmethod
    def not_found(cls, name: str) -> ApiError:
        words = f"{cls.missing.format(name=name)} There is no {cls.title} {name!r}."
        return ApiError("ValidationException", words)

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    def start(self) -> None:
        """Begin to run. Raises ApiError when the experiment it names is missing."""
        if self.request.get("ExperimentConfig"):
            experiments.start(self)
        self._record()
        self.account.news.tell(running=1)
        self._thread.start()

    def stop(self, status: str = "Stopped") -> None:
        """Ask the job to stop; ``status`` is how it ends then. Nothing when it has ended."""
        with self.changing:
            if self.ended or self.stop_status:
                return
            self.stop_status = status
            self.change_status("Stopping")
        self.tell()

    def revive(self) -> None:
        if not self.ended:
            self.end("Failed", "the emulated AWS ended while the job ran. Start the job again.")

    def abandon(self, why: str) -> None:
        """Kill the job at once: it has failed."""
        with self.changing:
            if self.ended:
                return
            self.end("Failed", why)
            self.tell()
            self.tell()  # the second time it kills

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(GRACE)

    # --- its life -------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            for verb, uri in self.places():
                access.check(self.role(), verb, uri)
            for sentence in self.notes:
                self.say(sentence)
            self.run()
        except transfer.DataError as error:
            self.end("Failed", f"ClientError: {error}")
        except WorkshopError as error:  # no program plays the image, no sandbox
            self.end("Failed", f"ClientError: {error}")
        except Exception:
            traceback.print_exc()  # to the server's log
            self.end("Failed", f"InternalServerError: {traceback.format_exc()[-900:]}")
        finally:
            remove(self._disks)
            self.account.news.tell(running=-1)

    def run_hosts(self, hosts: list[engine.Host], seconds: float) -> engine.Result:
        """Run the containers until they end, are stopped, or have run for ``seconds``."""
        job = engine.Job(hosts, name=self.name, kind=self.label, grace=GRACE)
        with self.changing:
            self._engine = job
            if self.told.is_set():
                job.stop()
        limit = threading.Timer(max(0.0, seconds), self.stop, ["MaxRuntimeExceeded"])
        limit.daemon = True
        limit.start()
        self._uploads_until = math.inf
        note = images.note(hosts[0].image)
        if note:
            self.say(note)
        try:
            return job.run(self.log)
        finally:
            limit.cancel()
            self._engine = None
            # What they left is copied in as much time again.
            self._uploads_until = time.monotonic() + max(_UPLOAD, seconds)

    def stream(self, host: str) -> Stream:
        """Return the log stream of a host, made when it is first asked for."""
        if host not in self._streams:
            self._streams[host] = Stream(
                self.account.number,
                self.account.region,
                self.log_group,
                f"{self.name}/{self.stream_name(host)}",
                self.folder / f"{host}.log",
            )
        return self._streams[host]

    def log(self, host: str, output: bytes) -> None:
        # Nothing else ends a line: a form feed or a U+2028 is a part of it.
        lines = re.split(r"\r\n|\n|\r", output.decode(errors="replace"))
        now = time.time()
        self.stream(host).write(lines, now)
        for sentence in self.metrics.read(lines, now):
            self.say(sentence)
        self.account.news.tell()

    def say(self, sentence: str) -> None:
        """Tell the learner something in the job's log: on the first host."""
        self.stream(self.machines[0].host).write([sentence], time.time())
        self.account.news.tell()

    def new_upload(self) -> transfer.Upload:
        """Return what copies to S3, as long as the job may take."""
        return transfer.Upload(
            self.account.store, self.say, lambda: time.monotonic() > self._uploads_until
        )

    def end_of(
        self,
        upload: transfer.Upload,
        disks: list[Path],
        result: engine.Result,
        **more: object,
    ) -> None:
        """Set how the job ended: its script failed, data is missing in S3, it was stopped."""
        if result.exit_code and not self.stop_status:
            self.end("Failed", self._failure(result, disks), **more)
        elif upload.problem:
            self.end("Failed", f"ClientError: {upload.problem}", **more)
        elif self.stop_status:
            self.end("Stopped", **more)
        elif upload.missing():
            self.end("Failed", f"ClientError: {upload.missing()}", **more)
        else:
            self.end("Completed", **more)

    def tell(self) -> None:
        with self.changing:
            self.told.set()
            if self._engine:
                self._engine.stop()

    def _failure(self, result: engine.Result, disks: list[Path]) -> str:
        """Return the FailureReason: what the container left, else the error in its output."""
        self._failed_with = result.error
        told = first_text(disks, "output/failure")
        if not told:
            return shortened(f"AlgorithmError: {result.error}")
        # The frameworks' images have the toolkit read the script's error (capture_error), and it
        # then breaks lines where a print writes in pieces. Here it leaves the output alone.
        told = told.replace('ErrorMessage ""', f'ErrorMessage "{result.error}"')
        code = f", exit code: {result.exit_code}"
        if len(told) + len(code) > _REASON - 100:  # the error comes before the toolkit's command
            told = told.partition('\nCommand "')[0]
        return shortened(f"AlgorithmError: {told}{code}")

    def change_status(self, status: str, **more: object) -> None:
        """Set the status and other members of the description, and keep it."""
        with self.changing:
            self.change(**{self.status_member: status}, **more)
        self.account.news.tell()

    def end(self, status: str, reason: str = "", **more: object) -> None:
        """Set the final status, once."""
        with self.changing:
            if self.ended:
                return
            if reason:
                more["FailureReason"] = shortened(reason)
            self.change_status(status, **more, **self.last_facts(status))
            if self.request.get("ExperimentConfig"):
                experiments.end(self, self.metrics.found)
            self._record(time.time(), (self._failed_with or reason) if status == "Failed" else "")

    def beside(self) -> dict:
        return {"request": self.request, "directory": self._directory}

    @classmethod
    def read(cls, account: Account, kept: dict) -> Compute:
        region = kept["description"][cls.arn_member].split(":")[3]
        job = cls(account, kept["request"], Caller(region, kept["directory"]))
        job.description, job.tags = kept["description"], kept["tags"]
        return job

    def load(self) -> None:
        for file in self.folder.glob("*.log"):
            for event in self.stream(file.stem).load():
                self.metrics.read([event["message"]], event["timestamp"] / 1000)

    def _record(self, ended: float | None = None, error: str = "") -> None:
        if not self._directory:  # a program without our hook: nobody asks for its jobs
            return
        request = {key: value for key, value in self.request.items() if key != "Tags"}
        request |= self.looked_up()
        record = records.Record(
            self.label, self.name, request, Path(self._directory), self._created, ended, error
        )
        records.write(record)

    # --- what differs ---------------------------------------------------------------------

    def stream_name(self, host: str) -> str:
        """Return how CloudWatch calls the log stream of a host, after the name of the job."""
        return f"{host}-{int(self.description['CreationTime'])}"

    @classmethod
    def cluster(cls, request: dict) -> dict:
        """Return the part of a request that says on which instances it runs."""
        raise NotImplementedError

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield the S3 URIs of the job's data: whether it will read or write, and where."""
        raise NotImplementedError

    def role(self) -> str:
        """Return the ARN of the role that reads and writes its data."""
        return self.request["RoleArn"]

    def inputs(self) -> dict[str, str | None]:
        """Return the S3 URIs that its trial component calls inputs, by their names."""
        raise NotImplementedError

    def outputs(self) -> dict[str, str | None]:
        """Return the S3 URIs that its trial component calls outputs, once it has ended."""
        raise NotImplementedError

    def parameters(self) -> dict[str, str]:
        """Return what its trial component calls parameters, beside the instances."""
        return {}

    def asks_for_isolation(self) -> bool:
        """https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html"""
        return False

    def metric_definitions(self) -> list[dict]:
        """Return what is looked for in the output of its hosts (API_MetricDefinition)."""
        return []

    def run(self) -> None:
        """Do the job, and call ``end`` or ``end_of``."""
        raise NotImplementedError

    def looked_up(self) -> dict:
        """Return what its record has beside the request: what this names, and may be deleted."""
        return {}

    def last_facts(self, status: str) -> dict:
        """Return the members of the description that are known at the end only."""
        raise NotImplementedError

    # --- for those who run it -------------------------------------------------------------

    def make_disks(self) -> list[Path]:
        """Return an empty ``/opt/ml`` for each instance."""
        remove(self._disks)
        disks = [self._disks / machine.host for machine in self.machines]
        for disk in disks:
            disk.mkdir(parents=True)
        return disks


# --- operations -----------------------------------------------------------------------------------


def create(kind: type[Compute], **looked_at: object) -> Operation:
    """Make the operation that starts a job; ``looked_at`` are members of ``Operation``."""

    def answer(account: Account, request: dict, caller: Caller) -> dict:
        with account.lock:  # nobody takes the instances meanwhile
            check_quota(account, kind, kind.cluster(request))
            job = kind(account, request, caller)
            job.notes = operation.notes(request)
            account.add(job)
        try:
            job.start()
        except BaseException:
            account.remove(job)
            raise
        return {kind.arn_member: job.arn}

    operation = Operation(answer, **looked_at)
    return operation


def stop(kind: type[Compute]) -> Operation:
    """Make the operation that stops a job."""

    def answer(account: Account, request: dict, _: Caller) -> dict:
        job = asked(account, kind, request)
        if job.ended:
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the {kind.title} is in status {job.status}.",
            )
        job.stop()
        return {}

    return Operation(answer)


def delete(kind: type[Compute]) -> Operation:
    """Make the operation that deletes a job that has ended."""

    def answer(account: Account, request: dict, _: Caller) -> dict:
        job = asked(account, kind, request)
        if not job.ended:
            raise ApiError(
                "ResourceInUse",
                f"The {kind.title} {job.name} is in status {job.status}. Stop it first.",
            )
        account.remove(job)
        return {}

    return Operation(answer)


def check_quota(account: Account, kind: type[Compute], resources: dict, times: int = 1) -> None:
    """Raise ApiError where the account has not as many instances left.

    ``resources`` are those of one job (``cluster``), of which there will be ``times``.
    """
    wanted: dict[str, int] = {}  # not the machines themselves: there may be a billion
    for group in resources.get("InstanceGroups") or [resources]:
        count = group.get("InstanceCount", 1) * times
        wanted[group["InstanceType"]] = wanted.get(group["InstanceType"], 0) + count
    running = [job for job in account.all(kind) if not job.ended]
    used = Counter(machine.instance_type for job in running for machine in job.machines)
    quotas.check(kind.title, wanted, used, "wait for other jobs to end")


# --- disks ----------------------------------------------------------------------------------------


def inside(disk: Path, path: str) -> Path:
    """Return where a container's path below ``/opt/ml`` lies on an instance's disk."""
    inside = Path(path)
    if ".." in inside.parts or not inside.is_relative_to("/opt/ml"):
        raise transfer.DataError(f"{path!r} is not a path below /opt/ml.")
    return disk / inside.relative_to("/opt/ml")


def mounts(disk: Path) -> list[tuple[str, str]]:
    """A host has the disk as its ``/opt/ml``; where there are no mounts, what is in it."""
    parts = [(str(path), f"/opt/ml/{path.name}") for path in sorted(disk.iterdir())]
    return [(str(disk), "/opt/ml"), *parts]


def first_text(disks: list[Path], name: str) -> str:
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


def shortened(reason: str) -> str:
    """Leave out the middle of what is too long: the error itself stands at the end."""
    if len(reason) <= _REASON:
        return reason
    return f"{reason[:200]} […] {reason[-(_REASON - 210) :]}"
