"""What a job leaves behind: links, pipes, names and files of all kinds, and where they end up."""

from __future__ import annotations

import json

import pytest

from workshop.emulator import state
from workshop.emulator.client import daemon

from ...by_boto3 import (
    BUCKET,
    bucket,  # noqa: F401
    channel,
    content,
    ended,
    given,
    keys,
    log,
    process,
    put,
    taken,
    train,
    unpacked,
)
from ...conftest import until

pytestmark = pytest.mark.slow

OUT = "/opt/ml/processing/out"


def put_bytes(key: str, data: bytes) -> None:
    daemon.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)


@pytest.fixture
def secret(tmp_path):
    """A file of the learner's that a job cannot see, and that must reach neither S3 nor a log."""
    path = tmp_path / "secret"
    path.write_text("SECRET-OF-THE-LEARNER")
    return path


def everything() -> bytes:
    """All that S3 holds below the tests' bucket."""
    s3, found = daemon.client("s3"), b""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    for page in pages:
        for one in page.get("Contents", ()):
            found += s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
    return found


# --- links ------------------------------------------------------------------------------------

LINKS = """
import os
os.chdir('{folder}')
os.makedirs('blobs')
open('blobs/abc', 'w').write('WEIGHTS')
os.symlink('blobs/abc', 'relative')
os.symlink('{folder}/blobs/abc', 'absolute')
os.symlink('blobs', 'folder')
os.symlink('../../../../..{folder}/blobs/abc', 'roundabout')
os.symlink('relative', 'of-a-link')
os.symlink('{folder}', 'itself')
os.symlink('nothing', 'broken')
"""
LINKED = {"blobs/abc", "relative", "absolute", "folder/abc", "roundabout", "of-a-link"}


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_links_inside_of_opt_ml_arrive_in_an_output(mode):
    name = process(LINKS.format(folder=OUT), outputs=[taken(f"links-{mode}", OUT, mode)])
    assert ended(name)["ProcessingJobStatus"] == "Completed", ended(name)
    assert set(keys(f"links-{mode}/")) == {f"links-{mode}/{path}" for path in LINKED}
    assert content(f"links-{mode}/absolute") == b"WEIGHTS"
    told = [line for line in log(name)["algo-1"] if line.startswith("Not copied to S3: ")]
    assert told == [
        f"Not copied to S3: {OUT}/broken is a link to nothing, which is not there.",
        f"Not copied to S3: {OUT}/itself is a link to a folder that it is in.",
    ]


def test_links_inside_of_opt_ml_arrive_in_a_model():
    """As what they stand for: the archive can be unpacked anywhere. Empty folders are there too."""
    program = LINKS.format(folder="/opt/ml/model") + "os.makedirs('assets/empty')"
    name = train(program)
    assert ended(name)["TrainingJobStatus"] == "Completed", ended(name)
    key = f"trained/{name}/output/model.tar.gz"
    assert unpacked(key) == dict.fromkeys(LINKED, b"WEIGHTS")
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(content(key))) as archive:
        assert {one.name for one in archive if one.isdir()} == {"assets/empty"}
        assert not [one for one in archive if one.issym() or one.islnk()]


def test_links_inside_of_opt_ml_arrive_in_checkpoints():
    program = LINKS.format(folder="/opt/ml/checkpoints") + "import time; time.sleep(2)"
    name = train(program, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/links-checkpoints"})
    assert until(lambda: keys("links-checkpoints/"))
    assert ended(name)["TrainingJobStatus"] == "Completed"
    found = {key.removeprefix("links-checkpoints/") for key in keys("links-checkpoints/")}
    assert found == LINKED


LEAVE = """
import os
os.chdir('{folder}')
open('good', 'w').write('good')
os.symlink('{secret}', 'absolute')
os.symlink('../../../../../../../..{secret}', 'relative')
os.symlink('/etc', 'folder')
os.symlink('/proc/self/root{secret}', 'magic')
"""


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_a_link_out_of_opt_ml_is_refused_by_name(secret, mode):
    """On the machine it would lead to the learner's files. All else arrives."""
    program = LEAVE.format(folder=OUT, secret=secret)
    name = process(program, outputs=[taken(f"leave-{mode}", OUT, mode)])
    failed = ended(name)
    assert failed["ProcessingJobStatus"] == "Failed"
    reason = failed["FailureReason"]
    assert f"{OUT}/absolute is a link to {secret}, which is outside of /opt/ml" in reason
    assert keys(f"leave-{mode}/") == [f"leave-{mode}/good"]
    assert b"SECRET" not in everything()
    lines = "\n".join(log(name)["algo-1"])
    assert all(f"Not copied to S3: {OUT}/{one} is a link" in lines
               for one in ("absolute", "relative", "folder", "magic"))  # fmt: skip


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_a_link_out_of_a_model_is_refused_by_name(secret, compression):
    output = {"S3OutputPath": f"s3://{BUCKET}/leave-model", "CompressionType": compression}
    program = LEAVE.format(folder="/opt/ml/model", secret=secret)
    name = train(program, OutputDataConfig=output)
    failed = ended(name)
    assert failed["TrainingJobStatus"] == "Failed"
    assert "/opt/ml/model/absolute is a link to" in failed["FailureReason"]
    assert failed["ModelArtifacts"]["S3ModelArtifacts"].startswith(f"s3://{BUCKET}/leave-model")
    if compression == "GZIP":
        assert unpacked(f"leave-model/{name}/output/model.tar.gz") == {"good": b"good"}
    else:
        assert keys(f"leave-model/{name}/") == [f"leave-model/{name}/output/model/good"]
    assert b"SECRET" not in everything()


def test_a_link_out_of_the_checkpoints_is_refused_by_name_and_the_job_goes_on(secret):
    """What the job made is there; a checkpoint is for the next time."""
    program = LEAVE.format(folder="/opt/ml/checkpoints", secret=secret)
    name = train(program, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/leave-checkpoints"})
    assert ended(name)["TrainingJobStatus"] == "Completed"
    assert keys("leave-checkpoints/") == ["leave-checkpoints/good"]
    assert any("checkpoints/absolute is a link to" in line for line in log(name)["algo-1"])
    assert b"SECRET" not in everything()


@pytest.mark.parametrize("name", ["failure", "message"])
def test_the_text_that_a_container_leaves_is_its_own(secret, name):
    program = f"import os; os.symlink('{secret}', '/opt/ml/output/{name}'); raise SystemExit(1)"
    assert "SECRET" not in json.dumps(ended(process(program)), default=str)


def test_a_folder_that_becomes_a_link_while_it_is_copied_leads_nowhere(secret):
    """A job that exchanges a folder for a link, again and again, while its outputs are copied."""
    program = f"""
import os, time
os.chdir('{OUT}')
os.makedirs('real'); open('real/secret', 'w').write('harmless')
end = time.time() + 4
while time.time() < end:
    os.rename('real', 'other'); os.symlink('{secret.parent}', 'real')
    os.unlink('real'); os.rename('other', 'real')
"""
    name = process(program, outputs=[taken("exchanged", OUT, "Continuous")])
    ended(name)
    assert b"SECRET" not in everything()


# --- what is no file --------------------------------------------------------------------------

ODD = """
import os, socket
os.chdir('{folder}')
open('good', 'w').write('good')
os.mkfifo('pipe')
s = socket.socket(socket.AF_UNIX); s.bind('socket')
open('closed', 'w').write('closed'); os.chmod('closed', 0)
os.makedirs('hidden'); open('hidden/file', 'w').write('hidden'); os.chmod('hidden', 0)
"""


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_pipes_and_sockets_in_an_output_are_named_and_nothing_waits_for_them(mode):
    name = process(ODD.format(folder=OUT), outputs=[taken(f"odd-{mode}", OUT, mode)])
    assert ended(name)["ProcessingJobStatus"] == "Completed", ended(name)
    names = ("closed", "good", "hidden/file")
    assert keys(f"odd-{mode}/") == [f"odd-{mode}/{one}" for one in names]
    lines = log(name)["algo-1"]
    assert f"Not copied to S3: {OUT}/pipe is a named pipe." in lines
    assert f"Not copied to S3: {OUT}/socket is a socket." in lines


def test_pipes_and_sockets_in_a_model_and_in_checkpoints():
    program = ODD.format(folder="/opt/ml/model") + ODD.format(folder="/opt/ml/checkpoints")
    name = train(program, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/odd-checkpoints"})
    assert ended(name)["TrainingJobStatus"] == "Completed", ended(name)
    files = {"good": b"good", "closed": b"closed", "hidden/file": b"hidden"}
    assert unpacked(f"trained/{name}/output/model.tar.gz") == files
    assert {key.removeprefix("odd-checkpoints/") for key in keys("odd-checkpoints/")} == set(files)


def test_a_pipe_where_the_failure_is_expected():
    name = process("import os; os.mkfifo('/opt/ml/output/failure'); raise SystemExit(1)")
    assert ended(name)["FailureReason"].startswith("AlgorithmError: algo-1 exited with code 1")


def test_nothing_of_a_job_with_closed_folders_is_left_behind():
    name = process(ODD.format(folder="/opt/ml/processing"))
    ended(name)
    assert until(lambda: not list(state.folder("instances").glob(f"*{name}*")))


# --- names ------------------------------------------------------------------------------------


def test_a_name_that_is_not_utf_8_fails_its_job_alone():
    program = f"""
import os
open(os.fsencode('{OUT}/caf') + bytes([0xe9]), 'w').write('x')
open('{OUT}/good', 'w').write('good')
"""
    failed = ended(process(program, outputs=[taken("names")]))
    assert failed["ProcessingJobStatus"] == "Failed"
    assert r"out/caf\xe9 has a name that is not UTF-8" in failed["FailureReason"]
    assert keys("names/") == ["names/good"]
    put("names/later")
    assert "names/later" in keys("names/"), "the bucket can be used"


def test_a_name_that_makes_too_long_a_key():
    program = f"""
import os
deep = '{OUT}/' + '/'.join(['d' * 200] * 6)
os.makedirs(deep)
open(deep + '/file', 'w').write('x')
open('{OUT}/good', 'w').write('good')
"""
    failed = ended(process(program, outputs=[taken("long")]))
    assert "makes an S3 key of 1215 bytes, 1024 may be" in failed["FailureReason"]
    assert keys("long/") == ["long/good"]


def test_folders_in_folders_without_end():
    program = f"""
import os
os.chdir('{OUT}')
open('good', 'w').write('good')
for _ in range(1500):
    os.mkdir('d'); os.chdir('d')
"""
    failed = ended(process(program, outputs=[taken("deep")]))
    assert "lies too deep" in failed["FailureReason"]
    name = failed["ProcessingJobName"]
    assert until(lambda: not list(state.folder("instances").glob(f"*{name}*"))), "nothing is left"
    assert keys("deep/") == ["deep/good"]


# --- keys and manifests -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["../escaped", "a/../../escaped", "a/./b", "a//b", "a/" + "x" * 256, "é" * 150]
)
def test_a_key_that_is_no_path_fails_the_job_by_name(key):
    """Written as it is, it would land outside of the job's disk."""
    put_bytes(f"hostile-{len(key)}/{key}", b"x")
    prefix = f"hostile-{len(key)}/"
    for name in (
        process("", inputs=[given(f"s3://{BUCKET}/{prefix}")]),
        train("", channels=[channel("in", f"s3://{BUCKET}/{prefix}")]),
        train("", CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{prefix}"}),
    ):
        reason = ended(name)["FailureReason"]
        assert reason.startswith("ClientError: Data download failed: below s3://"), reason
        assert key in reason or "has a part of" in reason
    assert not list(state.folder().rglob("escaped"))


def test_an_entry_of_a_manifest_that_is_no_path_fails_the_job_by_name():
    put_bytes("m/../escaped", b"x")
    manifest = [{"prefix": f"s3://{BUCKET}/m/"}, "../escaped"]
    put_bytes("hostile.manifest", json.dumps(manifest).encode())
    one = given(f"s3://{BUCKET}/hostile.manifest", S3DataType="ManifestFile")
    assert "'../escaped'" in ended(process("", inputs=[one]))["FailureReason"]
    assert not list(state.folder().rglob("escaped"))


@pytest.mark.parametrize("text", [b"", b"[", b"{}", b"[1]", b'["a"]', b"[" * 9999, b"\xff\xfe"])
def test_a_manifest_that_is_none(text):
    put_bytes("broken.manifest", text)
    one = given(f"s3://{BUCKET}/broken.manifest", S3DataType="ManifestFile")
    assert "is not a manifest" in ended(process("", inputs=[one]))["FailureReason"]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_is_no_way_out(name):
    put("way-out/hyperparameters.json")
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="Invalid channel name"):
        train("", channels=[channel(name, f"s3://{BUCKET}/way-out/")])


# --- output on the log ------------------------------------------------------------------------

SEPARATED = r"""
import sys
for i in range(3):
    sys.stdout.write(f"epoch={i + 1};\r"); sys.stdout.flush()
print()
print("page1\fpage2")
print("one\u2028two \x85three \x1cfour")
print("windows\r")
print("a | b")
print("x" * 300_000)
print("end", end="")
"""


@pytest.mark.parametrize("hosts", [1, 2])
def test_no_text_is_lost_from_the_log_whatever_separates_it(hosts):
    name = process(SEPARATED, hosts=hosts)
    assert ended(name)["ProcessingJobStatus"] == "Completed"
    found = log(name)
    assert len(found) == hosts
    for lines in found.values():
        assert lines[:8] == [
            *("epoch=1;", "epoch=2;", "epoch=3;", "page1\fpage2"),
            *("one\u2028two \x85three \x1cfour", "windows", "a | b", lines[7]),
        ]
        assert "".join(lines[7:-1]) == "x" * 300_000
        assert lines[-1] == "end"


def test_output_without_end_does_not_fill_the_machine(monkeypatch):
    """64 MB of a host are kept; the job goes on."""
    program = "import sys\nfor _ in range(80): sys.stdout.write('y' * 1023 * 1024 + '\\n')"
    name = process(program)
    assert ended(name)["ProcessingJobStatus"] == "Completed"
    lines = log(name)["algo-1"]
    assert lines[-1] == "(The emulator keeps the first 64 MB of a host.)"
    assert sum(map(len, lines)) < 70e6
    kept = (state.folder("resources", "processing-job") / name / "algo-1.log").stat().st_size
    assert kept < 80e6
