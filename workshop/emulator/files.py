"""Files written whole, and folders removed whatever is in them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import threading
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file in one step: a reader sees all of it, or the one before.

    So does whoever comes after a crash of the machine: the content is on the disk before it gets
    its name. Without that a file system may keep the name alone, and a learner's progress, keys or
    jobs would be an empty file. It takes some milliseconds; what changes with every line of output
    has a file that grows (``service/sagemaker/experiments.py``, metrics).

    The file is for its owner alone, or for whom ``mode`` and the umask let in. Raises OSError when
    it cannot be written; the one before is there then.
    """
    incoming = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(descriptor)
        incoming.replace(path)
    except BaseException:  # a full disk
        incoming.unlink(missing_ok=True)
        raise


def remove(folder: Path) -> None:
    """Remove a folder that a job could write to, whatever is in it.

    ``shutil.rmtree`` leaves folders that are closed to their owner, and too many in one another.
    Raises OSError when something is left all the same.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        quiet = {"stderr": subprocess.DEVNULL, "check": False}
        subprocess.run(["chmod", "-R", "u+rwx", "--", folder], **quiet)
        subprocess.run(["rm", "-rf", "--", folder], **quiet)
        if folder.exists():
            raise OSError(errno.ENOTEMPTY, "cannot be removed", str(folder))
