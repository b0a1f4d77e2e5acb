"""``/opt/program/submit`` and ``smspark-submit``: the entry points of the Spark images.

Each host of a processing job calls it. Together they are a Spark standalone cluster: the first is
its master, a worker, and runs the script; the others are workers until the first one ends.

What the images do, and this too:
``smspark-submit``: https://github.com/aws/sagemaker-spark-container (``src/smspark``);
``/opt/program/submit``: https://github.com/aws/amazon-sagemaker-examples
(``feature_transformation_with_sagemaker_processing/container/program/submit``).
They run YARN, and a path without a scheme is one of HDFS; here it is one of the host.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cluster
from cluster import Stop

ML = Path("/opt/ml")
INPUT = ML / "processing/input"

#: Where the job's ``configuration`` goes, which names EMR's classifications.
CLASSIFICATIONS = {
    "spark-defaults": "",
    "core-site": "spark.hadoop.",
    "hive-site": "spark.hadoop.",
    "spark-hive-site": "spark.hadoop.",
}


def main(program: str, *arguments: str) -> int:
    resources = json.loads((ML / "config/resourceconfig.json").read_text())
    hosts, me = resources["hosts"], resources["current_host"]
    settings, variables = configuration(INPUT / "conf/configuration.json")
    os.environ.update(variables)
    os.environ.update(cluster.environment(me))
    if me == hosts[0]:
        read = smspark_arguments if program == "smspark-submit" else program_arguments
        return lead(hosts, settings, *read(arguments))
    return cluster.work_for(hosts[0], settings, len(hosts))


# --- what the job asks for -----------------------------------------------------------------------
# Options, script and arguments for spark-submit; settings; and the folder of the event log, or "".


def smspark_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str], str]:
    """Read the command line of ``smspark-submit`` (``smspark/cli.py``)."""
    parser = argparse.ArgumentParser("smspark-submit", add_help=False, allow_abbrev=False)
    for name in ("class", "jars", "py-files", "files"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--local-spark-event-logs-dir", default="")
    parser.add_argument("--spark-event-logs-s3-uri", default="")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("application")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = vars(parser.parse_args(arguments))
    options = ["--class", asked["class"]] if asked["class"] else []
    for name in ("jars", "py-files", "files"):
        if listed := asked[name.replace("-", "_")]:
            options += [f"--{name}", _files(listed)]
    uri = asked["spark_event_logs_s3_uri"]
    settings = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": uri} if uri else {}
    command = [*options, asked["application"], *asked["arguments"]]
    return command, settings, asked["local_spark_event_logs_dir"]


def program_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str], str]:
    """Read the command line of ``/opt/program/submit``.

    It keeps the event log where the job has an output for it, named as PySparkProcessor names it.
    """
    events = ML / "processing/spark-events"
    folder = str(events) if events.is_dir() else ""
    given = os.environ
    mode = given.get("mode", "")
    if mode not in ("python", "jar"):
        raise Stop(
            f"The variable mode is {mode!r}, expected 'python' or 'jar': give the processor "
            "env={'mode': 'python'}."
        )
    options = [] if mode == "python" else ["--class", given.get("main_class", "")]
    name = "py-files" if mode == "python" else "jars"
    files = INPUT / name.replace("-", "_")
    if files.is_dir():
        options += [f"--{name}", _files(str(files))]
    return [*options, *arguments], {}, folder


def _files(listed: str) -> str:
    """Replace the folders in a list with commas by the files in them."""
    found: list[str] = []
    for path in listed.split(","):
        if "://" in path and not path.startswith("file://"):
            found.append(path)
            continue
        local = Path(path.removeprefix("file://"))
        if not local.exists():
            raise Stop(f"{path}: there is no such file or folder.")
        inside = sorted(str(one) for one in local.rglob("*") if one.is_file())
        found += inside if local.is_dir() else [str(local)]
    return ",".join(found)


def configuration(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of Spark, and the variables, that a job's ``configuration`` asks for.

    https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-configure-apps.html
    """
    settings: dict[str, str] = {}
    variables: dict[str, str] = {}
    content = json.loads(file.read_text()) if file.exists() else []
    for one in content if isinstance(content, list) else [content]:
        name, inner = one["Classification"], one.get("Configurations") or ()
        for export in inner:
            variables |= {key: _text(value) for key, value in export["Properties"].items()}
        if name in CLASSIFICATIONS:
            for key, value in one["Properties"].items():
                settings[CLASSIFICATIONS[name] + key] = _text(value)
        elif not inner:
            cluster.write(f"Note: the configuration {name!r} has no effect on this machine.")
    return settings, variables


def _text(value: object) -> str:
    """Write a value of JSON as Java reads it."""
    return value if isinstance(value, str) else json.dumps(value)


# --- the first host ------------------------------------------------------------------------------


def lead(
    hosts: list[str], asked: dict[str, str], command: list[str], more: dict[str, str], events: str
) -> int:
    """Start the cluster, run the script in it, and tell the other hosts when it has ended."""
    with cluster.Leader(hosts, asked, command) as leader:
        settings = leader.settings() | more
        kept = Path("/tmp/spark-events")
        if events:
            kept.mkdir()
            settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": kept.as_uri()}
        file = Path("/tmp/spark-defaults.conf")
        file.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        spark_submit = f"{os.environ['SPARK_HOME']}/bin/spark-submit"
        script = Script([spark_submit, "--properties-file", str(file), *command], leader.executors)
        try:
            next_copy = time.monotonic()
            while script.runs():
                leader.check()
                if events and time.monotonic() > next_copy:
                    copy_events(kept, Path(events))
                    next_copy = time.monotonic() + 1
        finally:
            script.end()
            if events:
                copy_events(kept, Path(events))
        return script.code


def copy_events(source: Path, target: Path) -> None:
    """Copy the event logs, as the images do: under their last names from the beginning."""
    target.mkdir(parents=True, exist_ok=True)
    for log in source.iterdir():
        copy = target / log.name.removesuffix(".inprogress")
        try:
            content = log.read_bytes()
        except FileNotFoundError:  # it has got its last name just now
            continue
        if not copy.exists() or copy.stat().st_size < len(content):
            copy.write_bytes(content)


class Script:
    """spark-submit with the job's script, whose output is passed on.

    What Java adds to an error of Python is left out, so that the error itself stands at the end.
    """

    def __init__(self, command: list[str], executors: cluster.Executors) -> None:
        self._executors = executors
        self._is_python = any(word.endswith(".py") for word in command)
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def runs(self) -> bool:
        """Wait for a moment; tell whether the script still runs."""
        self._reader.join(0.1)
        return self._reader.is_alive()

    def end(self) -> None:
        """Stop it if it still runs; ``code`` is its exit code then."""
        if self._reader.is_alive():
            self._process.terminate()
            self._reader.join(2)
            self._process.kill()
        code = self._process.wait()
        self.code = code if code >= 0 else 128 - code

    def _pass_on(self) -> None:
        for line in self._process.stdout:
            if self._is_python:
                if cluster.JAVA_FRAME.match(line):
                    continue
                if line.startswith("Traceback "):
                    self._executors.hold()
            cluster.write(line)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status = main(*sys.argv[1:])
    except Stop as stop:
        cluster.write(f"{stop}\n")
        status = 1
    sys.stdout.flush()
    # What still runs ends with this process; waiting for it would cost seconds.
    os._exit(status)
