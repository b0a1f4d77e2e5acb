"""What a check can look at: jobs and their logs, S3, scripts on a tiny input, the notebook."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import posixpath
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from workshop.course import manifest
from workshop.course.checks import live
from workshop.course.checks.registry import NotYet
from workshop.emulator import state
from workshop.emulator.client import daemon
from workshop.emulator.containers import engine, images
from workshop.emulator.service.sagemaker import records
from workshop.emulator.settings import REGION

PROCESSING = "/opt/ml/processing"
#: Below these the SDK puts the script itself: they are no inputs of the learner's.
_SDKS_OWN = (f"{PROCESSING}/input/code", f"{PROCESSING}/input/entrypoint")
_RUN_CELL = {"processing": "processor.run", "training": "estimator.fit"}
_SECONDS = 120

Which = Callable[[records.Record], bool]


@dataclass(frozen=True)
class S3Object:
    """An object in S3; `modified` in seconds since the epoch, which S3 tells in whole seconds."""

    uri: str
    modified: float
    size: int

    @property
    def name(self) -> str:
        return posixpath.basename(self.uri)


@dataclass(frozen=True)
class Cell:
    """A code cell; `printed` is None where the file does not tell what this source printed."""

    source: str
    printed: str | None

    def sets(self, name: str) -> bool:
        """Tell whether it assigns a variable, or makes a function."""
        try:
            nodes = list(ast.walk(ast.parse(without_magics(self.source))))
        except SyntaxError:
            return re.search(rf"^\s*(def\s+)?{name}\s*[=(]", self.source, re.M) is not None
        if any(isinstance(node, ast.FunctionDef) and node.name == name for node in nodes):
            return True
        stored = (node for node in nodes if isinstance(node, ast.Name) and node.id == name)
        return any(isinstance(node.ctx, ast.Store) for node in stored)


@dataclass(frozen=True)
class Trial:
    """What a script did: what `inside.py` reported, and all files below /opt/ml by their path."""

    report: dict
    files: dict[str, bytes] = field(repr=False)

    @property
    def error(self) -> str:
        return self.report.get("error", "")


class Look:
    """One lab's folder, as the checks of one section see it."""

    def __init__(self, folder: Path, section: manifest.Section) -> None:
        self.folder, self.section = Path(folder).resolve(), section
        self.looked_at = ""

    def at(self, what: str) -> None:
        """Say what is looked at now; it stands in the feedback."""
        self.looked_at = what

    # --- the learner's files --------------------------------------------------------------

    @property
    def top(self) -> str:
        """The lab's folder in the bucket, like "Lab2/". The first lab's is the bucket itself."""
        labs = [lab for lab in manifest.labs() if lab.tasks]
        folders = (lab.folder for lab in labs[1:] if self.section in lab.sections)
        return "".join(f"{folder.partition('-')[0]}/" for folder in folders)

    @property
    def notebook(self) -> Path:
        return self.folder / f"{self.section.notebook}.ipynb"

    @property
    def scripts(self) -> Path:
        return self.folder / self.section.scripts

    def script(self, name: str) -> Path:
        """Return the path of a script, once Python can read it."""
        path = self.scripts / name
        self.at(f"{self.section.scripts}/{name}")
        try:
            ast.parse(path.read_text())
        except OSError:
            raise NotYet(
                f"no file {name} in {self.scripts}", "the script of this section"
            ) from None
        except (SyntaxError, ValueError) as error:
            where = f"line {error.lineno}: " if getattr(error, "lineno", None) else ""
            raise NotYet(f"{where}{error.args[0]}", "a script that Python can read") from None
        return path

    def gap(self, number: str) -> tuple[str, str] | None:
        """Return (where, what) of a gap that is still as it was, or None."""
        for cell in self.cells():
            if _has_gap(cell.source, number):
                where = f"{self.notebook.name}, as it was saved {_at(_modified(self.notebook))}"
                return where, f'workshop.not_attempted("{number}") still stands in a cell'
        for path in sorted(self.scripts.glob("*.py")):
            if _has_gap(path.read_text(errors="replace"), number):
                where = (
                    f"{self.section.scripts}/{path.name}, as it was saved {_at(_modified(path))}"
                )
                return where, f'raise NotImplementedError("task {number} …") still stands there'
        return None

    def cells(self) -> list[Cell]:
        """Return the code cells; those that ran in this kernel as they were then."""
        try:
            content = json.loads(self.notebook.read_text())
            cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        except (OSError, ValueError, KeyError, TypeError):
            raise NotYet(
                f"no notebook {self.notebook.name} in {self.folder} that can be read",
                "the notebook of this section; ./lab check looks for it in the folder where it "
                "is started, then in the workshop's own",
                looked_at=str(self.folder),
            ) from None
        ran = live.sources(self.notebook.name)
        found = []
        for cell in cells:
            saved = "".join(cell["source"])
            source = ran.get(cell.get("id"), saved)
            outputs = cell.get("outputs", ()) if source == saved else ()
            found.append(Cell(source, "\n".join(map(_output_text, outputs)) if outputs else None))
        return found

    def cell(self, name: str) -> Cell:
        """Return the last cell that sets a variable, which is named by the task."""
        self.at(f"{self.notebook.name}, the cell that sets {name}")
        cells = [cell for cell in self.cells() if cell.sets(name)]
        if not cells:
            raise NotYet(f"no cell sets {name}", f"a cell that sets {name}")
        return cells[-1]

    def code(self, wanted: Iterable[str], others: Iterable[str] = ()) -> bytes:
        """Return the code of all cells that set one of these names; the wanted ones must be set."""
        cells = self.cells()
        for name in wanted:
            if not any(cell.sets(name) for cell in cells):
                raise NotYet(f"no cell makes {name}", f"a cell that makes {name}")
        names = [*wanted, *others]
        code = [without_magics(c.source) for c in cells if any(map(c.sets, names))]
        return "\n\n".join(code).encode()

    def value(self, name: str, read: Callable[[str], object]) -> object:
        """Return what a variable is: in the notebook's kernel, or as its cell printed it.

        read: makes a value of what the cell printed
        """
        cell = self.cell(name)
        variables = live.variables(self.notebook.name)
        if name in variables:
            return variables[name]
        if cell.printed is None:
            raise NotYet(
                f"what {name} is does not stand in the saved notebook",
                "the cell run, and the notebook saved after it; or the check in the notebook",
            )
        return read(cell.printed)

    # --- jobs -----------------------------------------------------------------------------

    def job(self, script: str, which: Which = lambda record: True) -> records.Record:
        """Return the newest job that this folder started with a script.

        which: tells whether it may be this one, where sections have scripts of the same name
        """
        kind = "training" if script == "main.py" else "processing"
        return self.jobs(script, which, kind)[-1]

    def jobs(
        self, script: str, which: Which = lambda record: True, kind: str = "processing"
    ) -> list[records.Record]:
        """Return all jobs that this folder started with a script, oldest first: one at least."""
        every = [record for record in records.jobs() if record.kind == kind]
        every = [record for record in every if self._ran(record, script) and which(record)]
        ours = [record for record in every if record.directory == self.folder]
        if ours:
            self.at(f"the {kind} job {ours[-1].name} of {_clock(ours[-1].started)}")
            return ours
        found = f"no {kind} job with {script} was started from this folder yet"
        if every:
            found += f"; the last one was started from {every[-1].directory}"
        raise NotYet(
            found,
            f"a job to look at: run the cell with {_RUN_CELL[kind]}",
            looked_at=f"the jobs started from {self.folder}",
        )

    def on_instances(self, record: records.Record, count: int = 1) -> None:
        """Make sure that a job was not asked of local mode, and how many instances it was."""
        kind, instances = instances_of(record)
        if kind.startswith("local"):
            raise NotYet(
                f'it ran in local mode: its instance type is "{kind}"',
                "a job of SageMaker's: set LOCAL = False and run the notebook again from the top",
            )
        if instances != count:
            words = (f"{n} instance{'s' if n > 1 else ''}" for n in (instances, count))
            raise NotYet(f"it ran on {next(words)}", next(words))

    def ended_well(self, record: records.Record) -> None:
        if record.ended is None:
            raise NotYet("it has not ended", "a job that has ended well; look again when it has")
        if record.error:
            raise NotYet(
                f"it failed: {last_line(record.error)}",
                f"a job that ends well; then run the cell with {_RUN_CELL[record.kind]} again",
            )

    def input_folders(self, record: records.Record) -> dict[str, str]:
        """Return the inputs of a processing job: {folder in the container: S3 address}."""
        inputs = record.request.get("ProcessingInputs", ())
        pairs = {_clean(one["S3Input"]["LocalPath"]): one["S3Input"]["S3Uri"] for one in inputs}
        return {path: uri for path, uri in pairs.items() if path not in _SDKS_OWN}

    def input_files(self, record: records.Record) -> dict[str, S3Object]:
        """Return what a processing job found: {path in the container: object}."""
        return {
            f"{folder}/{relative}": item
            for folder, uri in self.input_folders(record).items()
            for relative, item in self.below(uri).items()
        }

    def output_uri(self, record: records.Record, path: str) -> str | None:
        """Return where a processing job's file goes in S3; None when no output takes it."""
        pairs = dict(outputs_of(record).values())
        for folder in sorted(pairs, key=len, reverse=True):
            if path.startswith(f"{folder}/"):
                return f"{pairs[folder].rstrip('/')}{path[len(folder) :]}"
        return None

    def _ran(self, record: records.Record, script: str) -> bool:
        """Tell whether a job ran a script; every training job ran main.py."""
        if record.kind == "training":
            return True
        for one in record.request.get("ProcessingInputs", ()):
            uri = one["S3Input"]["S3Uri"]
            if _clean(one["S3Input"]["LocalPath"]) not in _SDKS_OWN:
                continue
            if uri.endswith(".py"):
                return posixpath.basename(uri) == script
            if uri.endswith("runproc.sh"):  # FrameworkProcessor: it names the script
                named = re.findall(r"^python (\S+\.py)", (self.read(uri) or b"").decode(), re.M)
                if named:
                    return named[-1] == script
        # What the SDK had put there is gone from S3.
        return record.name.startswith(self._job_names.get(script, ()))

    @functools.cached_property
    def _job_names(self) -> dict[str, tuple[str, ...]]:
        return manifest.job_names()

    def completed_training(self, name: str) -> records.Record:
        """Return the newest training job on an instance that completed, from any folder.

        name: what the job's name contains; other labs train too
        """
        self.at(f"the training jobs {name}... that completed")
        every = [one for one in records.jobs() if one.kind == "training" and name in one.name]
        for record in reversed(every):
            on_instance = not instances_of(record)[0].startswith("local")
            if on_instance and self.describe(record).get("TrainingJobStatus") == "Completed":
                self.at(f"the training job {record.name} of {_clock(record.started)}")
                return record
        raise NotYet(
            "no training job on an instance has completed",
            "a training job: run the notebook of the training with LOCAL = False",
        )

    def describe(self, record: records.Record) -> dict:
        """Return what SageMaker says of a job; nothing when it does not know it."""
        client = daemon.client("sagemaker")
        try:
            if record.kind == "training":
                return client.describe_training_job(TrainingJobName=record.name)
            return client.describe_processing_job(ProcessingJobName=record.name)
        except client.exceptions.ClientError:
            return {}

    def log_lines(self, record: records.Record) -> list[str]:
        """Return the lines that a job's hosts wrote, from CloudWatch Logs."""
        client = daemon.client("logs")
        group = f"/aws/sagemaker/{record.kind.capitalize()}Jobs"
        asked = {"logGroupName": group, "logStreamNamePrefix": f"{record.name}/"}
        try:
            streams = client.describe_log_streams(**asked)["logStreams"]
        except client.exceptions.ResourceNotFoundException:
            return []
        names = [stream["logStreamName"] for stream in streams]
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, logStreamNames=names
        )
        return [event["message"] for page in pages for event in page["events"]] if names else []

    def needs(self, module: str, title: str) -> None:
        """Make sure that this Python has a package that only this lab needs."""
        if importlib.util.find_spec(module) is None:
            labs = (lab.folder for lab in manifest.labs() if self.section in lab.sections)
            short = "".join(labs).partition("-")[0]
            raise NotYet(
                f"{title} is not installed here, and the script cannot be tried without it",
                f"{title}: ./lab setup {short} installs it",
            )

    # --- S3 -------------------------------------------------------------------------------

    @functools.cached_property
    def _s3(self):
        return daemon.client("s3")

    def below(self, uri: str) -> dict[str, S3Object]:
        """Return the objects whose address begins with `uri`: {path below it: object}."""
        bucket, prefix = split_uri(uri)
        found: dict[str, S3Object] = {}
        if not bucket:
            return found
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for item in (item for page in pages for item in page.get("Contents", ())):
                key = item["Key"]
                relative = key[len(prefix) :].lstrip("/") or posixpath.basename(key)
                if not key.endswith("/"):
                    modified = item["LastModified"].timestamp()
                    found[relative] = S3Object(f"s3://{bucket}/{key}", modified, item["Size"])
        except self._s3.exceptions.NoSuchBucket:
            pass
        return found

    def read(self, uri: str) -> bytes | None:
        """Return the content of an object, None when there is none."""
        bucket, key = split_uri(uri)
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (self._s3.exceptions.NoSuchKey, self._s3.exceptions.NoSuchBucket):
            return None

    def made_by(self, record: records.Record, uri: str) -> None:
        """Make sure that an object is there, and no older than the job that should make it."""
        item = next((one for one in self.below(uri).values() if one.uri == uri), None)
        if item is None:
            folder = uri.rpartition("/")[0] + "/"
            there = listing(self.below(folder))
            raise NotYet(f"no {posixpath.basename(uri)} in {folder}; there is {there}", uri)
        if item.modified < int(record.started):
            raise NotYet(
                f"{uri} is older than this job: it was written {_at(item.modified)}",
                f"{item.name} as this job wrote it; did the job write it?",
            )

    # --- scripts --------------------------------------------------------------------------

    def trial(
        self,
        name: str,
        *,
        code: str,
        files: dict[str, bytes],
        folders: Iterable[str] = (),
        arguments: Iterable[str] = (),
        environment: dict[str, str] | None = None,
        without: Iterable[str] = (),
    ) -> Trial:
        """Let `inside.py` try the scripts of this section, in the sandbox that jobs run in.

        name: of the function in `inside.py`
        code: the folder in the host where the scripts are, and which the host starts in
        files, folders: what else the host finds, by its path below /opt/ml
        arguments: the script's command line
        without: scripts that it does not find, since they are not tried

        What went well is remembered by this process: the same scripts do the same again.
        """
        hidden = ["__pycache__", ".*", "requirements.txt", *without]
        command = [name, *arguments]
        key = _fingerprint(self.scripts, hidden, command, files, environment or {})
        if key in _tried:
            return _tried[key]
        with tempfile.TemporaryDirectory(dir=state.folder("tmp")) as place:
            top = Path(place).resolve()
            ignored = shutil.ignore_patterns(*hidden)
            shutil.copytree(self.scripts, _inside(top, code), ignore=ignored)
            for path in folders:
                _inside(top, path).mkdir(parents=True, exist_ok=True)
            source = Path(__file__).with_name("inside.py").read_bytes()
            for path, content in {**files, "/opt/ml/check/inside.py": source}.items():
                _inside(top, path).parent.mkdir(parents=True, exist_ok=True)
                _inside(top, path).write_bytes(content)
            before = _times(top)
            error = _run_host(top, command, code, environment or {})
            try:
                report = json.loads(_inside(top, "/opt/ml/check/report.json").read_text())
            except (OSError, ValueError):
                report = {"error": error or "the script ended before it was done"}
            written = {
                f"/opt/ml/{path.relative_to(top)}": path.read_bytes()
                for path, when in _times(top).items()
                if before.get(path) != when and path.parent != top / "check"
            }
        trial = Trial(report, written)
        if not trial.error:
            _tried[key] = trial
            if len(_tried) > _MOST:
                del _tried[next(iter(_tried))]
        return trial


_tried: dict[bytes, Trial] = {}
_MOST = 20


def _fingerprint(scripts: Path, hidden: list[str], *others: object) -> bytes:
    content = hashlib.sha256(repr(others).encode())
    for path in sorted(scripts.rglob("*")):
        parts = path.relative_to(scripts).parts
        if path.is_file() and not any(fnmatch(part, one) for part in parts for one in hidden):
            content.update(f"\0{'/'.join(parts)}\0".encode() + path.read_bytes())
    return content.digest()


def _run_host(top: Path, command: list[str], code: str, environment: dict[str, str]) -> str:
    """Run `inside.py` in a host; return what went wrong, if it did."""
    nowhere = "http://127.0.0.1:9"  # a script that still asks S3 hears at once that it cannot
    host = engine.Host(
        name="check",
        image="check",
        entrypoint=["python", "/opt/ml/check/inside.py", *command],
        environment={
            "AWS_ENDPOINT_URL": nowhere,
            "WORKSHOP_ENDPOINT": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "check",
            "AWS_SECRET_ACCESS_KEY": "check",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        mounts=[(str(path), f"/opt/ml/{path.name}") for path in sorted(top.iterdir())],
        directory=code,
    )
    job = engine.Job([host], name=f"check-{command[0]}", kind="check")
    late = threading.Timer(_SECONDS, job.stop)
    late.start()
    started = time.monotonic()
    try:
        result = job.run(lambda host, lines: None)
    finally:
        late.cancel()
    if time.monotonic() - started >= _SECONDS:
        return f"the script had not ended after {_SECONDS} seconds"
    return last_line(result.error).replace("check ", "the script ", 1)


def _inside(top: Path, path: str) -> Path:
    return top / path.removeprefix("/opt/ml/")


def _times(top: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in top.rglob("*") if path.is_file()}


# --- notebooks and scripts as text ----------------------------------------------------------


def _has_gap(source: str, number: str) -> bool:
    """Tell whether a task's sentinel still stands in a cell or a script."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # magics of IPython, or half a line
        pattern = rf"^\s*(?:workshop\.)?not_attempted\(\s*[\"']{re.escape(number)}[\"']"
        return re.search(pattern, source, re.M) is not None
    return any(
        (calls(node, "not_attempted") and _first_text(node) == number)
        or (
            calls(node, "NotImplementedError")
            and _first_text(node).startswith(f"task {number} not attempted")
        )
        for node in ast.walk(tree)
    )


def without_magics(source: str) -> str:
    """Return a cell's source as Python can read it: magics and shell commands do nothing."""
    return re.sub(r"(?m)^(\s*)[!%].*", r"\1pass", source)


def calls(node: ast.AST, *names: str) -> bool:
    """Tell whether a node calls a function, or a method, of one of these names."""
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", None)) in names


def _first_text(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _output_text(output: dict) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    return "".join(text)


def last_line(error: str) -> str:
    """Return the line of a traceback that says what was wrong."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else ""


# --- words -----------------------------------------------------------------------------------


def instances_of(record: records.Record) -> tuple[str, int]:
    """Return the type and the number of a job's instances; the type is "local" in local mode."""
    request = record.request
    about = request.get("ResourceConfig")
    about = about or request.get("ProcessingResources", {}).get("ClusterConfig", {})
    return about.get("InstanceType", "local"), about.get("InstanceCount", 1)


def repository_of(record: records.Record) -> str:
    """Return the name of a processing job's image, without registry and tag."""
    return images.repository(record.request["AppSpecification"]["ImageUri"])


def outputs_of(record: records.Record) -> dict[str, tuple[str, str]]:
    """Return the outputs of a processing job: {name: (folder in the container, S3 address)}."""
    outputs = record.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    pairs = ((one["OutputName"], one["S3Output"]) for one in outputs)
    return {name: (_clean(place["LocalPath"]), place["S3Uri"]) for name, place in pairs}


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 address; both empty when it is none."""
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri)
    return (match[1], match[2]) if match else ("", "")


def listing(names: Iterable[str], most: int = 6) -> str:
    """Return names as a sentence can hold them."""
    names = list(names)
    if not names:
        return "nothing"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _clean(path: str) -> str:
    return posixpath.normpath(path)


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _clock(when: float) -> str:
    """Return 12:31, with the date in front when it is not today's."""
    then, now = time.localtime(when), time.localtime()
    same_day = then[:3] == now[:3]
    return time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", then)


def _at(when: float) -> str:
    text = _clock(when)
    return f"on {text}" if "-" in text else f"at {text}"
