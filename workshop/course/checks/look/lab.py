"""The lab that is looked at: its folder, its files, its place in the bucket."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from workshop.course import manifest
from workshop.course.checks.outcome import NotYet
from workshop.emulator.client import daemon


class Look:
    """One lab's folder, as the checks of one section see it."""

    def __init__(self, folder: Path, section: manifest.Section, task: str = "") -> None:
        self.folder, self.section, self.task = Path(folder).resolve(), section, task
        self.looked_at = ""

    def at(self, what: str) -> None:
        """Say what is looked at now; it stands in the feedback."""
        self.looked_at = what

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
            ast.parse(path.read_text())
        except OSError:
            raise NotYet(
                f"no file {name} in {self.scripts}", "the script of this section"
            ) from None
        except (SyntaxError, ValueError) as error:
            where = f"line {error.lineno}: " if getattr(error, "lineno", None) else ""
            raise NotYet(f"{where}{error.args[0]}", "a script that Python can read") from None
        return path

    @functools.cached_property
    def s3_client(self):
        """A client of the emulated S3; to ask for it anew takes as long as S3's answer."""
        return daemon.client("s3")
