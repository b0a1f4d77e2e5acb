"""What a host may touch of the machine: its own, and nothing else. Its root tries it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: Tries each way to write to a place; prints WROTE when one works.
WRITE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
REMOUNT, BIND, REC, NOSUID, NODEV, RELATIME = 32, 4096, 16384, 2, 4, 1 << 21

def write(path):
    try:
        with open(os.path.join(path, 'written-by-a-job'), 'w'):
            print('WROTE', path)
    except OSError:
        pass

def attack(path):
    write(path)
    for flags in (0, NOSUID, NOSUID | NODEV, RELATIME, NOSUID | NODEV | RELATIME):
        libc.mount(b'none', path.encode(), None, ctypes.c_ulong(REMOUNT | BIND | flags), None)
        libc.mount(b'none', path.encode(), None, ctypes.c_ulong(REMOUNT | flags), None)
        write(path)
    libc.umount2(path.encode(), 2)
    write(path)
    os.makedirs('/tmp/elsewhere', exist_ok=True)
    libc.mount(path.encode(), b'/tmp/elsewhere', None, ctypes.c_ulong(BIND | REC), None)
    if os.path.samefile('/tmp/elsewhere', path):
        libc.mount(b'none', b'/tmp/elsewhere', None, ctypes.c_ulong(REMOUNT | BIND), None)
        write('/tmp/elsewhere')

for path in sys.argv[1:]:
    attack(path)
if os.fork() == 0:  # the same with all rights in a namespace of its own
    user, group = os.getuid(), os.getgid()
    assert libc.unshare(0x10000000 | 0x20000) == 0
    open('/proc/self/setgroups', 'w').write('deny')
    open('/proc/self/uid_map', 'w').write(f'0 {user} 1')
    open('/proc/self/gid_map', 'w').write(f'0 {group} 1')
    for path in sys.argv[1:]:
        attack(path)
    print('tried', flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("path", ["state", "by a link"])
def test_what_is_for_reading_stays_so_whatever_a_jobs_root_mounts(python, tmp_path, path):
    (tmp_path / "by a link").symlink_to(tmp_path / "state")
    (tmp_path / "state").mkdir()
    places = ["/usr", "/etc", "/sys", "/dev/../usr/lib", sys.prefix, "/proc/sys/kernel"]
    try:
        done = python(WRITE, *places, outer={"WORKSHOP_STATE": str(tmp_path / path)})
        assert "WROTE" not in done.stdout
        assert done.stdout.endswith("tried\n"), done.stdout
    finally:
        for place in places:
            Path(place, "written-by-a-job").unlink(missing_ok=True)


def test_a_job_has_the_rights_over_its_own_files_and_no_others(python):
    """Those that docker gives a container, without the ones that concern the machine."""
    done = python(
        """
with open('/proc/self/status') as file:
    print({line.split()[0]: line.split()[1] for line in file if line.startswith(('Cap', 'NoNew'))})
"""
    )
    rights = f"{0b1000000010011111011:016x}"
    assert ast.literal_eval(done.stdout) == {
        "CapInh:": "0" * 16,
        "CapPrm:": rights,
        "CapEff:": rights,
        "CapBnd:": rights,
        "CapAmb:": "0" * 16,
        "NoNewPrivs:": "1",
    }


def test_the_devices_of_a_job_are_its_own(python):
    done = python(
        """
import os, stat
for name in sorted(os.listdir('/dev')):
    mode = os.lstat('/dev/' + name).st_mode
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
        print(name)
try:
    os.mknod('/tmp/disk', stat.S_IFBLK | 0o600, os.makedev(8, 0))
    print('MADE A DISK', open('/tmp/disk', 'rb').read(1))
except OSError:
    pass
"""
    )
    ordinary = {"full", "null", "random", "tty", "urandom", "zero"}
    assert {name for name in done.stdout.split() if "nvidia" not in name} - {"kfd"} == ordinary


def test_a_job_changes_no_setting_of_the_machine(python):
    """Where it runs as root, its root is the machine's."""
    done = python(
        """
import os
for top in ('/sys', '/proc/sys'):
    for folder, _, names in os.walk(top):
        for name in names:
            if os.access(os.path.join(folder, name), os.W_OK):
                print('WRITABLE', folder, name)
print(os.access('/proc/sysrq-trigger', os.W_OK))
"""
    )
    assert done.stdout == "False\n"


def test_what_only_root_may_read_is_not_there(python):
    done = python(
        """
import os
for path in ('/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/proc/kcore', '/proc/keys'):
    try:
        print(open(path, 'rb').read(1))
    except OSError:
        print(b'')
"""
    )
    assert set(done.stdout.split()) == {"b''"}


def test_what_a_containers_root_does_with_its_own_works(python):
    done = python(
        """
import multiprocessing, os, pty, subprocess, tempfile
os.makedirs('/opt/ml/closed')
open('/opt/ml/closed/file', 'w').write('mine')
os.chown('/opt/ml/closed/file', 0, 0)
os.chmod('/opt/ml/closed/file', 0)
os.chmod('/opt/ml/closed', 0)
assert open('/opt/ml/closed/file').read() == 'mine'
os.setgid(0); os.setuid(0)
os.mkdir('/srv'); open('/srv/file', 'w').close()
open('/dev/null', 'w').write('x'); open('/dev/shm/x', 'w').write('x'); os.urandom(1)
assert os.isatty(pty.openpty()[0])
subprocess.run(['bash', '-c', 'cat <(echo substituted) > /dev/stdout'], check=True)
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1]) == [1]
assert os.cpu_count() and os.listdir('/sys/fs/cgroup') is not None
print('all of it')
"""
    )
    assert done.stdout == "substituted\nall of it\n"


@pytest.fixture
def learners(tmp_path_factory):
    """A folder of the learner's, beside the one that the SDK makes for a job."""
    folder = tmp_path_factory.mktemp("learner's, own data")
    (folder / "sub").mkdir()
    (folder / "sub/a.txt").write_text("as it was")
    (folder / "b.txt").write_text("as it was")
    return folder


def test_what_a_job_changes_in_a_folder_of_the_learners_it_alone_sees(compose, learners):
    """As on AWS, where the folder was copied."""
    program = """
import os
os.chdir('/opt/ml/input/data/train')
open('sub/a.txt', 'a').write(', changed')
os.remove('b.txt')
open('new', 'w').write('x')
print(open('sub/a.txt').read(), sorted(os.listdir()))
"""
    done = compose(
        {
            "algo-1": {
                "image": "any",
                "entrypoint": ["python3", "-c", program],
                "volumes": [f"{learners}:/opt/ml/input/data/train"],
            }
        }
    )
    assert done.stdout == "as it was, changed ['new', 'sub']\n"
    assert sorted(path.name for path in learners.iterdir()) == ["b.txt", "sub"]
    assert (learners / "sub/a.txt").read_text() == "as it was"
