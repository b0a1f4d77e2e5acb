"""What a job leaves for somebody who reads it as plain files: the SDK, in local mode.

The SDK copies what it finds, and follows links: to what they lead to on this machine, not in the
container; and it would wait for ever at a named pipe (``sagemaker/local/utils.py``,
``recursive_copy`` and ``move_to_destination``).
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from workshop.emulator import files
from workshop.emulator.containers.disk import Disk, LeftOut


def settle(disk: Disk, folder: Path, path: str) -> list[LeftOut]:
    """Leave files and folders alone in ``folder``, which the container had at ``path``.

    A link is replaced by its content, when that lies in the container's ``/opt/ml``. What has none
    there is removed, and returned. All hosts must have ended.
    """
    found = disk.look(path)
    with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
        for file in found.files:
            if _behind_a_link(folder, file.path):
                copy = Path(staging, file.path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                with disk.open(f"{path}/{file.path}") as source, open(copy, "wb") as target:
                    shutil.copyfileobj(source, target)
        for top, folders, names in os.walk(folder):
            for one in (Path(top, name) for name in folders + names):
                _clear(one)
        shutil.copytree(staging, folder, dirs_exist_ok=True)
    return found.left_out


def _behind_a_link(folder: Path, path: str) -> bool:
    one = folder
    for name in path.split("/"):
        one = one / name
        if one.is_symlink():
            return True
    return False


def _clear(path: Path) -> None:
    """Remove what is neither file nor folder, or has no name for S3; make the others readable."""
    mode = path.lstat().st_mode
    try:
        path.name.encode()
        unfit = not (stat.S_ISDIR(mode) or stat.S_ISREG(mode))
    except UnicodeEncodeError:
        unfit = True
    if unfit and stat.S_ISDIR(mode):
        files.remove(path)
    elif unfit:
        path.unlink()
    elif not os.access(path, os.R_OK):
        path.chmod(stat.S_IMODE(mode) | 0o400)
