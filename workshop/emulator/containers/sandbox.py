"""One host of a job: a process that sees its own ``/opt/ml`` and little else of this machine.

Run as a program (``python -I -S sandbox.py SPEC.json``), so that it starts in a few milliseconds
and needs nothing but the standard library. Two ways to do it:

``namespaces``
    A Linux user, mount and process namespace (user_namespaces(7), mount_namespaces(7),
    pid_namespaces(7)), with a root of its own: the system's folders and the libraries of this
    Python, for reading, and the job's mounts. Needs no privilege. Once all is mounted, the rights
    to mount are given up for good (capabilities(7)): what is for reading stays so, also for a
    host's root. When the first process ends, the kernel ends all the others.
``links``
    Where namespaces are refused: symbolic links below the real ``/opt/ml``, one host at a time
    under a lock. Needs an ``/opt/ml`` that the user owns.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

NAMESPACES, LINKS, NONE = "namespaces", "links", "none"

# sched.h, sys/mount.h, sys/prctl.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 24, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
# linux/capability.h
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

#: The flags of a mount that a user namespace may not drop, as /proc/self/mountinfo names them.
_MOUNT_FLAGS = {
    **{"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC},
    **{"noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21},
}
#: What a host's root may do, by number: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID,
#: NET_BIND_SERVICE, SYS_CHROOT. Of Docker's own list (docs.docker.com, "Runtime privilege and
#: Linux capabilities") these are what concerns a host's own files and processes.
_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 10, 18}

# What of the machine a host may see: the system, read-only. Never /home, /root or /tmp.
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix")

# What of it only its root may read; a host's root is that one where a job runs as root.
SECRET = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers"),
    *("/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private"),
    *("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware"),
)
# What would change the machine (https://github.com/moby/moby, oci/defaults.go, ReadonlyPaths).
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
# Devices that any process may use, and those of graphics cards.
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "nvidia*", "dri", "kfd")

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
        _make_read_only(target)


def _make_read_only(target: str) -> None:
    """Make a mount read-only, and all that is mounted below it."""
    target = os.path.realpath(target)  # as the kernel names it
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [line.split(" ")[4:6] for line in file]
    for place, options in mounts:
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)
        if place != target and not place.startswith(f"{target}/"):
            continue
        keep = sum(_MOUNT_FLAGS.get(option, 0) for option in options.split(","))
        try:
            _mount("none", place, None, MS_BIND | MS_REMOUNT | MS_RDONLY | keep)
        except OSError as error:
            if error.errno != errno.EACCES:  # no way leads there, for the job neither
                raise


def _overlay(source: str, target: str, changes: str) -> None:
    """Show the folder ``source`` at ``target``; what is changed there lands in ``changes`` alone.

    An older kernel lets no user do that (overlayfs, since Linux 5.11): then it is read-only.
    """
    _bind(source, target, read_only=True)
    here = os.getcwd()
    try:
        # Relative, because the options of a mount are split at commas and colons.
        for name in ("upper", "work"):
            os.makedirs(f"{changes}/{name}", exist_ok=True)
        _bind(source, f"{changes}/lower")
        os.chdir(changes)
        options = "lowerdir=lower,upperdir=upper,workdir=work"
        if _in_user_namespace():
            options += ",userxattr"
        _mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options)
    except OSError:
        pass
    finally:
        os.chdir(here)


def _in_user_namespace() -> bool:
    with open("/proc/self/uid_map") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def _give_up_rights() -> None:
    """Keep no right but those of `_CAPABILITIES`, for this process and all that it starts.

    A job can make namespaces of its own, where it may mount; mounts that it brings there keep
    their flags (mount_namespaces(7), "Restrictions on mount namespaces").
    """
    libc = _libc()
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in {*range(last + 1)} - _CAPABILITIES:
        _check(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    kept = sum(1 << number for number in _CAPABILITIES)
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable, of numbers up to 31 and of those above (capget(2)).
    _check(libc.capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)), "capset")


def die_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends (prctl(2))."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def _enter_user_namespace(flags: int) -> None:
    """Enter new namespaces, as root of a user namespace of our own."""
    user, group = os.geteuid(), os.getegid()
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


def _unshare(network: int | None = None) -> None:
    """Enter new namespaces; ``network`` is the process that holds those of isolated hosts."""
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    if network is None:
        _enter_user_namespace(flags)
    else:
        for kind in ("user", "net"):
            theirs = f"/proc/{network}/ns/{kind}"
            if os.readlink(theirs) != os.readlink(f"/proc/self/ns/{kind}"):
                with open(theirs) as file:
                    _check(_libc().setns(file.fileno(), 0), "setns")
        _check(_libc().unshare(flags), "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)


def _hold_network() -> int:
    """Make a network that is loopback alone, and keep it until standard input ends."""
    _enter_user_namespace(CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_:
        # SIOCSIFFLAGS with IFF_UP (netdevice(7))
        fcntl.ioctl(any_, 0x8914, struct.pack("16sH14x", b"lo", 1))
    print("up", flush=True)
    sys.stdin.read()
    return 0


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
    _make_devices(inside("/dev"))
    _bind("/sys", inside("/sys"), read_only=True)
    os.makedirs(inside("/proc"))
    try:
        _mount("proc", inside("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # a container engine covers parts of /proc, and the kernel then refuses
        _bind("/proc", inside("/proc"))
    for path in READ_ONLY:
        if os.path.exists(inside(path)):
            _bind(inside(path), inside(path), read_only=True)
    nothing = inside("/.nothing")
    os.makedirs(nothing + "/folder")
    open(nothing + "/file", "w").close()
    for path in SECRET:
        if os.path.exists(inside(path)):
            kind = "folder" if os.path.isdir(inside(path)) else "file"
            _bind(f"{nothing}/{kind}", inside(path), read_only=True)
    os.unlink(nothing + "/file")
    os.rmdir(nothing + "/folder")
    os.rmdir(nothing)
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
    for path, target in spec["readable"]:
        _bind(path, inside(target), read_only=True)
    for source, target, changes in spec["mounts"]:
        if changes is None:
            _bind(source, inside(target))
        elif os.path.isdir(source):
            _overlay(source, inside(target), changes)
        else:
            _bind(source, inside(target), read_only=True)

    old = inside("/.old")
    os.makedirs(old)
    _check(_libc().pivot_root(os.fsencode(root), os.fsencode(old)), "pivot_root")
    os.chdir("/")
    _check(_libc().umount2(b"/.old", MNT_DETACH), "umount")
    os.rmdir("/.old")


def _make_devices(dev: str) -> None:
    """Make a ``/dev`` of a host's own."""
    os.makedirs(dev)
    _mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755")
    for path in (path for name in DEVICES for path in glob.glob(f"/dev/{name}")):
        _bind(path, dev + path.removeprefix("/dev"))
    os.makedirs(f"{dev}/shm")
    _mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.makedirs(f"{dev}/pts")
    options = "newinstance,ptmxmode=0666,mode=620"
    try:
        _mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
    except OSError:
        pass  # a host without terminals
    os.symlink("pts/ptmx", f"{dev}/ptmx")
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        os.symlink(f"/proc/self/fd{target}", f"{dev}/{name}")


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
    _unshare(spec["network"])
    first = os.fork()  # the first process of the new process namespace
    if first == 0:
        die_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _check(_libc().sethostname(os.fsencode(spec["name"]), len(spec["name"])), "sethostname")
        _build_root(spec["root"], spec)
        _give_up_rights()
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
            for source, target, _ in sorted(spec["mounts"], key=lambda one: one[1].count("/")):
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
    if arguments == ["--hold-network"]:
        return _hold_network()
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
