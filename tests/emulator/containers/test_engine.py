"""The engine through its door: a compose file goes in, output and an exit status come out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from workshop.emulator import state
from workshop.emulator.client import connection
from workshop.emulator.containers import engine

from ..conftest import processes_with, until

pytestmark = pytest.mark.slow


# --- what a host sees ---------------------------------------------------------------------


def test_a_host_has_its_own_opt_ml_with_the_mounts_of_the_job(python, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("from the learner")
    done = python(
        "print(open('/opt/ml/input/data/train/a.txt').read());"
        "open('/opt/ml/model/weights', 'w').write('made in the host')",
        volumes=[f"{tmp_path}/in:/opt/ml/input/data/train", f"{tmp_path}/model:/opt/ml/model"],
    )
    assert done.returncode == 0, done.stdout
    assert "from the learner" in done.stdout
    assert (tmp_path / "model/weights").read_text() == "made in the host"


def test_a_host_does_not_see_the_home_or_the_working_directory(python, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    home = str(Path.home())
    done = python(
        "import os, sys; print(os.path.exists(sys.argv[1]), os.listdir('/tmp'),"
        " [n for n in os.listdir(sys.argv[2]) if not n.startswith('.pyenv')] "
        " if os.path.isdir(sys.argv[2]) else [])",
        str(tmp_path / "secret.txt"),
        home,
    )
    seen = done.stdout.split()
    assert seen[0] == "False"
    assert "secret" not in done.stdout
    assert all(not name.startswith((".aws", ".ssh", ".cache")) for name in seen)


def test_a_script_that_reads_a_relative_path_fails_as_on_aws(python, tmp_path):
    (tmp_path.parent / "data").mkdir(exist_ok=True)
    (tmp_path.parent / "data/raw.txt").write_text("here")
    done = python("print(open('../data/raw.txt').read())")
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stdout


def test_a_host_cannot_change_the_system_or_the_learners_environment(python):
    done = python(
        "import os, sys\n"
        "for path in ('/usr/x', '/etc/x', sys.argv[1] + '/x'):\n"
        "    try: open(path, 'w'); print('WROTE', path)\n"
        "    except OSError as error: print(error.strerror)",
        sys.prefix,
    )
    assert "WROTE" not in done.stdout
    assert done.stdout.count("Read-only file system") == 3


def test_hosts_know_each_other_by_name_and_may_use_the_same_port(compose):
    program = (
        "import socket, sys, time\n"
        "me, other = sys.argv[1:]\n"
        "server = socket.create_server((socket.gethostbyname(me), 45173))\n"
        "for _ in range(200):\n"
        "    try: socket.create_connection((socket.gethostbyname(other), 45173)); break\n"
        "    except OSError: time.sleep(0.05)\n"
        "else: sys.exit(9)\n"
        "server.settimeout(10); server.accept(); print(socket.gethostname(), 'met', other)"
    )
    done = compose(
        {
            "algo-1": ["python3", "-c", program, "algo-1", "algo-2"],
            "algo-2": ["python3", "-c", program, "algo-2", "algo-1"],
        }
    )
    assert done.returncode == 0, done.stdout
    assert "algo-1 | algo-1 met algo-2" in done.stdout
    assert "algo-2 | algo-2 met algo-1" in done.stdout


def test_a_host_gets_the_environment_of_the_job_and_not_the_learners(python):
    done = python(
        "import os; print(dict(os.environ))",
        environment=["EPOCHS=3", "EMPTY=", "WITH=a=b"],
        outer={"LEARNERS_SECRET": "x"},
    )
    assert "'EPOCHS': '3'" in done.stdout
    assert "'EMPTY': ''" in done.stdout
    assert "'WITH': 'a=b'" in done.stdout
    assert "LEARNERS_SECRET" not in done.stdout


# --- how a job ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("print('fine')", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit(130)", 1),  # the SDK takes 130 for success
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_the_exit_status_is_the_hosts(python, program, status):
    done = python(program)
    assert done.returncode == status, done.stdout


def test_a_killed_host_says_so_last(python):
    done = python("import os; print('working'); os.kill(os.getpid(), 9)")
    assert done.stdout.strip().splitlines()[-1] == (
        "algo-1-test was ended by signal 9 (SIGKILL). "
        "A machine does that when it has no memory left."
    )


def test_a_host_that_ends_without_a_traceback_is_told_by_its_last_lines(python):
    """As argparse does it. On the screen they are already; the job's error has them too."""
    done = python("import sys; print('usage: x', flush=True); sys.exit('x: error: no such option')")
    lines = done.stdout.splitlines()
    assert lines == ["usage: x", "x: error: no such option"]
    error = state.folder("failures") / str(os.getpid())
    assert error.read_text().splitlines() == ["algo-1-test exited with code 1.", *lines]


def test_when_one_host_fails_the_others_are_stopped(compose):
    started = time.monotonic()
    done = compose(
        {
            "algo-1": ["python3", "-c", "import time; time.sleep(60)"],
            "algo-2": ["python3", "-c", "raise ValueError('second host')"],
        }
    )
    assert time.monotonic() - started < 20
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith("ValueError: second host")


RAISING = """
def preprocess():
    print("line before")
    for number in range(int(__import__("sys").argv[1])):
        print("progress", number)
    raise ValueError("labels outside 0-9")
try:
    1 / 0
except ZeroDivisionError:
    preprocess()
"""


def test_the_whole_traceback_is_on_the_screen_and_last_50_times_of_50(compose, capsys):
    """Read by the SDK's own function, which stops reading as soon as the process has ended."""
    from sagemaker.local.image import _stream_output

    for attempt in range(50):
        process = compose(["python3", "-c", RAISING, str(attempt * 7)], popen=True)
        process.args = ["docker", "compose"]
        with pytest.raises(RuntimeError, match="exited with code: 1"):
            _stream_output(process)
        screen = capsys.readouterr().out
        assert screen.count("progress") == attempt * 7
        assert "During handling of the above exception" in screen, attempt
        assert screen.count("Traceback (most recent call last):") == 2, attempt
        assert screen.rstrip().endswith("ValueError: labels outside 0-9"), attempt


def test_nothing_is_left_behind(python, tmp_path):
    python("open('/tmp/big', 'w').write('x'); raise SystemExit(1)")
    python("print('fine')")
    assert list(state.folder("jobs").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_job_leaves_no_process(python, how):
    mark = uuid.uuid4().hex
    process = python(
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', sys.argv[1]])\n"
        "print('started', flush=True); time.sleep(99)",
        mark,
        popen=True,
    )
    assert process.stdout.readline() == b"started\n"
    assert until(lambda: len(processes_with(mark)) >= 2)
    process.send_signal(how)
    process.wait(timeout=20)
    assert until(lambda: not processes_with(mark)), processes_with(mark)
    assert process.returncode not in (0, 130)
    shutil.rmtree(state.folder("jobs"))  # a killed job leaves its folder to a later one, see below


def test_a_host_that_ignores_sigterm_is_killed(python):
    mark = uuid.uuid4().hex
    process = python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True)\n"
        "time.sleep(99)",
        mark,
        popen=True,
    )
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=engine.GRACE + 15)
    assert processes_with(mark) == []


def test_the_folder_of_a_killed_job_is_swept_by_a_later_one(python):
    process = python("import time; print('on', flush=True); time.sleep(99)", popen=True)
    process.stdout.readline()
    process.kill()
    process.wait()
    (left,) = state.folder("jobs").iterdir()
    os.utime(left, (0, 0))
    python("print('fine')")
    assert list(state.folder("jobs").iterdir()) == []


def test_running_jobs_can_be_watched(python):
    process = python(
        "import time; print('epoch 1', flush=True); time.sleep(99)",
        image="tensorflow-training",
        popen=True,
    )
    try:
        process.stdout.readline()
        (job,) = engine.running()
        assert (job.kind, job.last_line) == ("processing", "epoch 1")
        assert 0 <= time.time() - job.started < 60
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert engine.running() == []


def test_two_jobs_at_the_same_time_do_not_meet(compose, tmp_path):
    program = (
        "import sys, time; open('/opt/ml/mine', 'w').write(sys.argv[1]);"
        "print('on', flush=True); time.sleep(3); print('mine', open('/opt/ml/mine').read())"
    )
    first = compose(["python3", "-c", program, "one"], popen=True)
    assert first.stdout.readline() == b"on\n"
    second = compose(["python3", "-c", program, "two"], popen=True)
    assert second.stdout.readline() == b"on\n"
    assert len(engine.running()) == 2
    assert first.communicate(timeout=60)[0] == b"mine one\n"
    assert second.communicate(timeout=60)[0] == b"mine two\n"


def test_a_long_output_arrives_whole_and_in_order(python):
    done = python("for number in range(20000): print(number)")
    assert done.stdout.split() == [str(number) for number in range(20000)]


# --- the images' own programs -------------------------------------------------------------


def test_files_of_another_user_can_be_unpacked(python, tmp_path):
    """As the start script of a framework processor does it: root in a host is the learner."""
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/sourcedir.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("script.py")
        member.uid = member.gid = 4242
        archive.addfile(member)
    done = python(
        "import subprocess; subprocess.run(['tar', '-xzf', '/opt/ml/in/sourcedir.tar.gz'])",
        volumes=[f"{tmp_path}/in:/opt/ml/in"],
    )
    assert done.stdout == ""


# --- images -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            {"image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu"},
            "No program on this machine plays the image "
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu with the "
            "command 'train'. Training jobs can use the images tensorflow-training and "
            "sagemaker-scikit-learn",
        ),
        (
            {"image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19"},
            "No program on this machine plays the image "
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19 with the "
            "command 'train'. Training jobs can use the images tensorflow-training and "
            "sagemaker-scikit-learn",
        ),
        (
            {"image": "mine:1", "entrypoint": ["/opt/program/submit"], "command": None},
            "No program on this machine plays the image mine:1: the job's command is "
            "'/opt/program/submit', and there is no such program here.",
        ),
    ],
)
def test_an_image_nobody_plays_is_named(compose, service, expected):
    done = compose({"algo-1": {"command": "train", **service}})
    assert done.returncode == 1
    assert expected in done.stdout
    assert "./lab start --docker" in done.stdout
    assert "Traceback" not in done.stdout


def test_other_versions_are_said_once_a_process(python):
    major, minor = sys.version_info[:2]
    image = f"x/tensorflow-training:2.16.2-cpu-py3{minor + 1}"
    first, again = [python("print('on')", image=image).stdout for _ in range(2)]
    assert first == (
        f"Note: the image has TensorFlow 2.16.2 and Python {major}.{minor + 1}; this machine plays "
        f"it with TensorFlow 2.19.0 and Python {major}.{minor}.\non\n"
    )
    assert again == "on\n"


def test_lines_that_nobody_can_act_on_are_left_out(python):
    noise = [
        "AWS CLI is not installed. Skipping CodeArtifact login.",
        "WARNING: Skipping typing as it is not installed.",
    ]
    assert python(f"for line in ['one', *{noise}, 'two']: print(line)").stdout == "one\ntwo\n"


def test_training_runs_the_real_toolkit_without_importing_tensorflow_twice(compose, tmp_path):
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    program = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"/opt/ml/code"'}
    (config / "hyperparameters.json").write_text(json.dumps(program))
    (config / "resourceconfig.json").write_text(
        json.dumps(
            {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
        )
    )
    (config / "inputdataconfig.json").write_text("{}")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text(
        "import os\n"
        "toolkit = open(f'/proc/{os.getppid()}/cmdline').read()\n"
        "maps = open(f'/proc/{os.getppid()}/maps').read()\n"
        "print('toolkit:', 'train.py' in toolkit, 'tensorflow' in maps)\n"
        "raise ValueError('in the script')\n"
    )
    done = compose(
        {
            "algo-1": {
                "image": "tensorflow-training:2.19.0-cpu-py312",
                "command": "train",
                "volumes": [
                    f"{tmp_path}/input:/opt/ml/input",
                    f"{tmp_path}/output:/opt/ml/output",
                    f"{tmp_path}/code:/opt/ml/code",
                ],
            }
        }
    )
    assert "sagemaker-training-toolkit" in done.stdout
    assert "toolkit: True False" in done.stdout
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith("ValueError: in the script")
    assert "ExecuteUserScriptError" in (tmp_path / "output/failure").read_text()


# --- other machines -----------------------------------------------------------------------


def test_a_compose_file_without_services_is_refused(tmp_path):
    file = tmp_path / "docker-compose.yaml"
    file.write_text("services: {}\n")
    done = subprocess.run(
        ["docker", "compose", "-f", str(file), "up"],
        env=connection.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{file}: expected a compose file" in done.stdout


def test_the_folder_of_a_compose_file_that_is_not_the_sdks_stays():
    folder = Path(tempfile.mkdtemp())  # named as the SDK names its own
    try:
        file = folder / "docker-compose.yaml"
        service = {"image": "any", "entrypoint": ["true"], "volumes": [f"{folder}/x:/opt/ml/x"]}
        file.write_text(json.dumps({"services": {"algo-1": service}}))
        up = ["docker", "compose", "-f", str(file), "up"]
        subprocess.run(up, env=connection.environment(), check=True)
        time.sleep(0.5)
        assert file.exists()
    finally:
        shutil.rmtree(folder)


def test_what_the_stand_in_cannot_do_it_says():
    done = subprocess.run(
        ["docker", "run", "hello-world"],
        env=connection.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "docker run hello-world: this is the workshop's stand-in for Docker." in done.stderr


def test_without_any_sandbox_the_one_time_command_is_said(python):
    done = python("print('on')", outer={"WORKSHOP_SANDBOX": "none"})
    assert done.returncode == 1
    assert done.stdout.strip().startswith("Jobs cannot run here:")


IN_A_NAMESPACE_OF_ITS_OWN = """
set -e
mount -t tmpfs tmpfs /opt
mkdir -p /opt/ml
exec "$@"
"""


def without_namespaces(command: list[str], **options):
    """Run ``command`` where /opt/ml is ours, as a machine that refuses namespaces has it."""
    return subprocess.run(
        ["unshare", "-rm", "bash", "-c", IN_A_NAMESPACE_OF_ITS_OWN, "-", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


LINKED = """
import subprocess, sys, os, time
from pathlib import Path
file = sys.argv[1]
Path("/opt/ml/metadata").mkdir()
Path("/opt/ml/metadata/resource-metadata.json").write_text("{}")
up = ["docker", "compose", "-f", file, "up"]
jobs = [subprocess.Popen(up) for _ in range(2)]
print([job.wait() for job in jobs], sorted(os.listdir("/opt/ml")))
"""


def test_where_namespaces_are_refused_links_below_opt_ml_do_it(tmp_path):
    """Two jobs take turns, and what else is in the real /opt/ml stays."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("from the learner")
    mark = uuid.uuid4().hex
    program = (
        "import subprocess, sys, time; print(open('/opt/ml/processing/input/x/a.txt').read());"
        "open('/opt/ml/processing/output/n', 'a').write('1'); time.sleep(0.3);"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', '{mark}'])"
    )
    service = {
        "image": "any",
        "entrypoint": ["python3", "-c", program],
        "volumes": [
            f"{tmp_path}/out:/opt/ml/processing/output",
            f"{tmp_path}/in:/opt/ml/processing/input/x",
        ],
    }
    file = tmp_path / "compose.yaml"
    file.write_text(json.dumps({"services": {"algo-1": service}}))
    done = without_namespaces(
        [sys.executable, "-c", LINKED, str(file)],
        env=connection.environment() | {"WORKSHOP_SANDBOX": "links"},
    )
    assert done.stdout.count("from the learner") == 2, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("[0, 0] ['metadata', 'processing']")
    assert (tmp_path / "out/n").read_text() == "11"
    assert processes_with(mark) == []


ISOLATED = """
from workshop.emulator.containers import engine
job = [engine.Host(name="algo-1", image="any", entrypoint=["true"], isolated=True)]
try:
    engine.Job(job)
except engine.WorkshopError as error:
    print(error)
"""


def test_where_namespaces_are_refused_isolation_is_not_pretended():
    done = without_namespaces(
        [sys.executable, "-c", ISOLATED], env=os.environ | {"WORKSHOP_SANDBOX": "links"}
    )
    assert "The job asks for network isolation" in done.stdout, done.stderr
    assert "leave out enable_network_isolation" in done.stdout
