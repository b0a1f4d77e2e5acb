"""One host of a job: a process that sees its own ``/opt/ml`` and little else of this machine.

Run as a program (``python -I -S sandbox.py SPEC.json``), so that it starts in a few milliseconds
and needs nothing but the standard library. Two ways to do it:

``namespaces``
    A Linux user, mount and process namespace (user_namespaces(7), mount_namespaces(7),
    pid_namespaces(7)), with a root of its own: the system's folders, the libraries of this
    Python, and the job's mounts. Needs no privilege. When the first process ends, the kernel
    ends all the others.
``links``
    Where namespaces are refused: symbolic links below the real ``/opt/ml``, one host at a time
    under a lock. Needs an ``/opt/ml`` that the user owns.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

NAMESPACES, LINKS, NONE = "namespaces", "links", "none"

# sched.h, sys/mount.h, sys/prctl.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC = 1024, 2048, 4096, 16384
MS_PRIVATE, MS_RELATIME = 1 << 18, 1 << 21
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

# What of the machine a host may see: the system, read-only. Never /home, /root or /tmp.
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix")

OPT_ML = "/opt/ml"


# --- what this machine allows -------------------------------------------------------------


def probe() -> tuple[str, str]:
    """Say which kind of sandbox works here: ``(NAMESPACES | LINKS | NONE, one sentence)``."""
    check = [sys.executable, "-I", "-S", os.path.abspath(__file__), "--probe"]
    refusal = subprocess.run(check, capture_output=True, text=True, check=False)
    if refusal.returncode == 0:
        return NAMESPACES, "each host gets its own /opt/ml in a Linux mount namespace"
    if os.path.isdir(OPT_ML) and os.access(OPT_ML, os.W_OK):
        return LINKS, (
            "this machine refuses mount namespaces, so jobs share the real /opt/ml, "
            "one host at a time"
        )
    return NONE, (
        f"this machine refuses mount namespaces ({refusal.stderr.strip()}) and /opt/ml is not "
        'yours; run this once, then try again: sudo mkdir -p /opt/ml && sudo chown "$(id -un)" '
        "/opt/ml"
    )


# --- system calls -------------------------------------------------------------------------


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = _libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3])
    _check(result, f"mount {source} on {target}")


def _bind(source: str, target: str, read_only: bool = False) -> None:
    """Mount ``source`` (a folder or a file) on ``target``, which is made when missing."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    _mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        # A user namespace may not drop the flags that a mount had outside: name them again.
        had = os.statvfs(target).f_flag
        keep = had & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
        if had & 0x1000:  # ST_RELATIME has another number than MS_RELATIME
            keep |= MS_RELATIME
        _mount("none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | keep)


def die_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends (prctl(2))."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def _unshare() -> None:
    """Enter new namespaces, as root of a user namespace of our own."""
    user, group = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    libc = _libc()
    if libc.unshare(flags | CLONE_NEWUSER) == 0:
        with open("/proc/self/setgroups", "w") as file:
            file.write("deny")
        with open("/proc/self/uid_map", "w") as file:
            file.write(f"0 {user} 1")
        with open("/proc/self/gid_map", "w") as file:
            file.write(f"0 {group} 1")
    elif user == 0:  # real root needs no user namespace
        _check(libc.unshare(flags), "unshare")
    else:
        _check(-1, "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)


# --- the host's own root ------------------------------------------------------------------


def _build_root(root: str, spec: dict) -> None:
    _mount("tmpfs", root, "tmpfs", MS_NOSUID, "mode=755")

    def inside(path: str) -> str:
        return root + os.path.abspath(path)

    for name in SYSTEM:
        path = f"/{name}"
        if os.path.islink(path):
            os.symlink(os.readlink(path), inside(path))
        elif os.path.isdir(path):
            _bind(path, inside(path), read_only=True)
    _bind("/dev", inside("/dev"))
    _mount("tmpfs", inside("/dev/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    _bind("/sys", inside("/sys"))
    os.makedirs(inside("/proc"))
    try:
        _mount("proc", inside("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # a container engine covers parts of /proc, and the kernel then refuses
        _bind("/proc", inside("/proc"))
    for path in ("/run", "/var/tmp"):
        os.makedirs(inside(path))
    # Often a link to a file below /run, which a host does not see.
    resolver = os.path.realpath("/etc/resolv.conf")
    if os.path.isfile(resolver) and not resolver.startswith("/etc/"):
        _bind(resolver, inside(resolver), read_only=True)
    if os.path.exists("/etc/hosts"):
        _bind(spec["hosts_file"], inside("/etc/hosts"), read_only=True)

    os.makedirs(inside("/opt"))
    for name in os.listdir("/opt") if os.path.isdir("/opt") else ():
        if name != "ml":
            _bind(f"/opt/{name}", inside(f"/opt/{name}"), read_only=True)
    for source, target in spec["private"]:
        _bind(source, inside(target))
    for path in spec["libraries"]:
        _bind(path, inside(path), read_only=True)
    for source, target in spec["mounts"]:
        _bind(source, inside(target))

    old = inside("/.old")
    os.makedirs(old)
    _check(_libc().pivot_root(os.fsencode(root), os.fsencode(old)), "pivot_root")
    os.chdir("/")
    _check(_libc().umount2(b"/.old", MNT_DETACH), "umount")
    os.rmdir("/.old")


# --- running the command ------------------------------------------------------------------


def _start(spec: dict) -> int:
    """Fork the host's command; return its process number."""
    child = os.fork()
    if child:
        return child
    die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    command = spec["command"]
    try:
        os.chdir(spec["directory"])
        os.execvpe(command[0], command, spec["environment"])
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _supervise(child: int) -> int:
    """Reap whatever ends until ``child`` does; return its exit code.

    SIGTERM is passed on to ``child``, SIGUSR1 kills it.
    """
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(child, signal.SIGKILL))
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _in_namespaces(spec: dict) -> int:
    _unshare()
    first = os.fork()  # the first process of the new process namespace
    if first == 0:
        die_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _check(_libc().sethostname(os.fsencode(spec["name"]), len(spec["name"])), "sethostname")
        _build_root(spec["root"], spec)
        os._exit(_supervise(_start(spec)))
    return _supervise(first)


def _in_links(spec: dict) -> int:
    if sys.platform == "linux":
        _libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    made: list[str] = []
    with open(spec["links_lock"], "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for the job that uses /opt/ml now to end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            # Deeper mounts become links inside the folders that hold them.
            for source, target in sorted(spec["mounts"], key=lambda mount: mount[1].count("/")):
                target = os.path.normpath(target)
                if target == OPT_ML:  # the real one must stay: link what it holds
                    continue
                if os.path.islink(target) and not os.path.realpath(target).startswith(source):
                    os.unlink(target)
                if os.path.realpath(target) == os.path.realpath(source):
                    continue
                if os.path.isdir(target):
                    try:
                        os.rmdir(target)  # an empty mount point
                    except OSError:
                        print(
                            f"{target} is a folder with files of its own; jobs need that path. "
                            "Move it away and try again.",
                            file=sys.stderr,
                        )
                        return 125
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.symlink(source, target)
                made.append(target)
            child = _start(spec)
            code = _supervise(child)
            _kill_rest()
            return code
        finally:
            for target in reversed(made):
                if os.path.islink(target):
                    os.unlink(target)


def _kill_rest() -> None:
    """Kill what the command left running; without a process namespace nobody else does."""
    if sys.platform != "linux":
        return
    me = str(os.getpid())
    while True:
        left = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == me and fields[0] != "Z":
                left.append(int(name))
        for number in left:
            os.kill(number, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _try_namespaces() -> int:
    """Make the namespaces and a mount in them, and nothing more."""
    place = tempfile.mkdtemp()
    child = os.fork()
    if child == 0:  # the mounts exist for this process alone, and end with it
        try:
            _unshare()
            _mount("tmpfs", place, "tmpfs", MS_NOSUID)
            _bind("/usr", place + "/usr", read_only=True)
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    os.rmdir(place)
    return os.waitstatus_to_exitcode(status)


def main(arguments: list[str]) -> int:
    if arguments == ["--probe"]:
        return _try_namespaces()
    die_with_parent(signal.SIGKILL)
    with open(arguments[0]) as file:
        spec = json.load(file)
    # A Ctrl-C goes to every process of the terminal; the engine decides what ends when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    run = _in_namespaces if spec["mode"] == NAMESPACES else _in_links
    try:
        return run(spec)
    except OSError as error:
        print(f"The sandbox of host {spec['name']} could not be made: {error}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
