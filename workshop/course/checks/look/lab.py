"""The lab that is looked at: its folder, its files, its place in the bucket."""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

from workshop.course import manifest
from workshop.course.checks.outcome import NotYet
from workshop.emulator.client import daemon

#: How many objects in S3 are noted as evidence: a folder may hold thousands.
_MOST = 100


class Look:
    """One lab's folder, as the checks of one section see it."""

    def __init__(self, folder: Path, section: manifest.Section) -> None:
        self.folder, self.section = Path(folder).resolve(), section
        self.begin()

    def begin(self, task: str = "") -> None:
        """Forget what was looked at: the check of a task begins."""
        self.task = task
        self.looked_at = ""
        self._jobs: dict[str, None] = {}
        self._objects: dict[str, None] = {}
        self._files: dict[str, str] = {}

    def at(self, what: str) -> None:
        """Say what is looked at now; it stands in the feedback."""
        self.looked_at = what

    def saw_job(self, name: str) -> None:
        self._jobs[name] = None

    def saw_object(self, uri: str) -> None:
        if len(self._objects) < _MOST:
            self._objects[uri] = None

    def saw_file(self, name: str, content: bytes) -> None:
        """Note a file, by its path in the lab's folder."""
        self._files[name] = hashlib.sha256(content).hexdigest()

    @property
    def evidence(self) -> dict:
        """What this check looked at, as `Outcome` has it."""
        seen = {
            "jobs": list(self._jobs),
            "objects": list(self._objects),
            "files": dict(self._files),
        }
        return {kind: found for kind, found in seen.items() if found}

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
            content = path.read_bytes()
            ast.parse(content.decode())
        except OSError:
            raise NotYet(
                f"no file {name} in {self.scripts}", "the script of this section"
            ) from None
        except (SyntaxError, ValueError) as error:
            where = f"line {error.lineno}: " if getattr(error, "lineno", None) else ""
            found = f"your file does not run: {where}{error.args[0]}"
            raise NotYet(found, "a script that Python can read") from None
        self.saw_file(f"{self.section.scripts}/{name}", content)
        return path

    @functools.cached_property
    def s3_client(self):
        """A client of the emulated S3; to ask for it anew takes as long as S3's answer."""
        return daemon.client("s3")
