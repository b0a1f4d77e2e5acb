"""The resources of the emulated account: what all have in common, and where they are kept.

A resource has a kind, a name, an ARN, a status, tags, times, a description and a folder with a file
of JSON in it. A kind is a class below ``Resource``, which names the members of its API outright.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from workshop.emulator import files, state
from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import older
from workshop.emulator.settings import ACCOUNT, REGION

#: The layout of the folders below ``resources``.
FORMAT = 1
_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[^:]*:\d*:([a-z-]+)/(.+)")


class Door(Protocol):
    """Where a resource asks for another one, as a client of the API does (``SageMakerApi``)."""

    def plays(self, operation: str) -> bool: ...

    def call(self, operation: str, request: dict, caller: Any) -> dict: ...


class News:
    """Wakes those who wait for a resource to write a line or to change its status."""

    def __init__(self) -> None:
        self._number = self._running = 0
        self._changed = threading.Condition()

    def tell(self, running: int = 0) -> None:
        """There are news; ``running`` is 1 when a job began, -1 when one ended."""
        with self._changed:
            self._number += 1
            self._running += running
            self._changed.notify_all()

    def wait(self, after: int, seconds: float) -> int:
        """Return the number of the last news, once it is another one than ``after``.

        Returns at the latest after ``seconds``, and at once when no job runs.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number != after or not self._running, seconds)
            return self._number


class Resource:
    """One resource. ``description`` is what Describe answers, ``tags`` what ListTags does."""

    #: What it is called in a sentence, such as ``training job``.
    title: str
    #: Its type in an ARN, such as ``training-job``; the folder of all of its kind.
    resource_type: str
    #: AWS's names of its members, such as ``TrainingJobName``. Not every kind has a status.
    name_member: str
    arn_member: str
    status_member: str = ""
    #: Where it can be found by Search: the resource that a request names, and the member of a
    #: record, such as ``ExperimentTrial`` and ``Trial``.
    search_name: str = ""
    search_shape: str = ""
    #: What AWS says of a name that none of the kind has, with ``{arn}`` for it, where that is no
    #: ResourceNotFound.
    missing: str = ""
    #: Whether it does something by itself, which a full disk must not end.
    works: bool = False

    def __init__(self, account: Account, description: dict, tags: Sequence[dict] = ()) -> None:
        self.account, self.description, self.tags = account, description, [*tags]
        #: Held by whoever changes it.
        self.changing = account.lock

    @property
    def name(self) -> str:
        return self.description[self.name_member]

    @property
    def arn(self) -> str:
        return self.description[self.arn_member]

    @property
    def status(self) -> str:
        return self.description[self.status_member]

    @property
    def folder(self) -> Path:
        """Where it is kept: each has another one. It is there once it was written."""
        return state.folder("resources", self.resource_type) / self.name

    def facts(self) -> dict:
        """Return what a summary in a list is made of: the description as it is now."""
        with self.changing:
            return json.loads(json.dumps(self.description))

    def describe(self) -> dict:
        """Return what Describe answers."""
        return self.facts()

    def properties(self) -> dict:
        """Return what the steps of a pipeline may refer to."""
        return self.describe()

    def record(self) -> dict:
        """Return what Search looks through."""
        return self.describe() | {"Tags": self.tags}

    def tagged(self) -> Resource:
        """Return the resource whose tags count for this one."""
        return self

    @classmethod
    def name_in(cls, resource_type: str, rest: str) -> str:
        """Return the name that an ARN of this kind says, ``TYPE/REST``; "" for other kinds."""
        return rest if resource_type == cls.resource_type else ""

    @classmethod
    def not_found(cls, name: str) -> ApiError:
        """Return the error for a name that none of the kind has."""
        if cls.missing:
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{cls.resource_type}/{name}"
            return ApiError("ValidationException", cls.missing.format(name=name, arn=arn))
        return ApiError("ResourceNotFound", f"{cls.title.capitalize()} {name!r} does not exist.")

    def change(self, **members: object) -> None:
        """Set members of the description, and keep it."""
        with self.changing:
            self.description |= members | {"LastModifiedTime": time.time()}
            self.keep()

    # --- on disk --------------------------------------------------------------------------

    def keep(self) -> None:
        """Write down what has changed.

        Raises OSError on a full disk. What is at work lives on, and its next change tries again.
        """
        try:
            self.write()
        except OSError as error:
            if not self.works:
                raise
            print(f"{self.folder} cannot be written: {error}", file=sys.stderr)

    def write(self) -> None:
        """Write its file. Raises OSError when that cannot be done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {"format": FORMAT, "description": self.description, "tags": self.tags}
        text = json.dumps(kept | self.beside(), allow_nan=False)
        files.write(self.folder / "resource.json", text)

    def beside(self) -> dict:
        """Return what is kept beside description and tags."""
        return {}

    @classmethod
    def read(cls, account: Account, kept: dict) -> Resource:
        """Make one of what ``write`` wrote. Raises whatever comes up when that is damaged."""
        missing = {cls.name_member, cls.arn_member, "CreationTime", "LastModifiedTime"}
        missing -= kept["description"].keys()
        if missing:
            raise ValueError(f"it has no {missing.pop()}")
        return cls(account, kept["description"], kept["tags"])

    def load(self) -> None:
        """Take what else is in its folder. Raises whatever comes up when that is damaged."""

    # --- the life of the server -----------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs."""
        return True

    def revive(self) -> None:
        """Go on after the server was started again, once all resources have been read."""

    def abandon(self, why: str) -> None:
        """The server ends: so does what runs of it."""

    def join(self) -> None:
        """Wait until it has ended."""


_Kind = TypeVar("_Kind", bound=Resource)


class Account:
    """All resources, and what they share. Every method may be called from any thread."""

    def __init__(
        self,
        number: str,
        region: str,
        kinds: Sequence[type[Resource]],
        store: Any,
        settings: dict[str, str],
    ) -> None:
        """Load what earlier servers kept. What cannot be read is set aside.

        ``store`` is the account's S3 (``transfer.Store``); ``settings`` are the variables with
        which a host finds the emulator. Logs and metrics of all regions are one: of ``region``.
        """
        self.number, self.region, self.kinds = number, region, kinds
        self.store, self.settings = store, settings
        self.lock, self.news = threading.RLock(), News()
        self.door: Door  # set by who answers for the account
        self._resources: dict[type[Resource], dict[str, Resource]] = {kind: {} for kind in kinds}
        remove(state.folder("instances"))  # of a server that was killed
        older.move_to("resources", FORMAT)
        for kind in kinds:
            for folder in sorted(state.folder("resources", kind.resource_type).iterdir()):
                with _setting_aside(folder, kind):
                    resource = self._read(kind, folder)
                    self._resources[kind][resource.name] = resource
        for resource in self.all():
            resource.revive()

    def _read(self, kind: type[Resource], folder: Path) -> Resource:
        kept = json.loads((folder / "resource.json").read_text())
        if kept["format"] != FORMAT:
            raise ValueError(f"it has format {kept['format']}, of another version of the workshop")
        resource = kind.read(self, kept)
        if folder != resource.folder:
            raise ValueError(f"it holds the {kind.title} {resource.name!r}")
        resource.load()
        json.dumps(resource.describe(), allow_nan=False)
        return resource

    def arn(self, region: str, resource_type: str, name: str) -> str:
        """Return the ARN of what is called ``name``."""
        return f"arn:aws:sagemaker:{region}:{self.number}:{resource_type}/{name}"

    def all(self, kind: type[_Kind] = Resource) -> list[_Kind]:
        """Return all resources, or those of a kind, in the order in which they were made."""
        with self.lock:
            return [
                one
                for own, resources in self._resources.items()
                if issubclass(own, kind)
                for one in resources.values()
            ]

    def find(self, kind: type[_Kind], name: str) -> _Kind | None:
        """Return a resource by its name, else None."""
        with self.lock:
            return self._resources[kind].get(name)

    def by_arn(self, arn: str) -> Resource | None:
        """Return a resource by its ARN, in whatever region, else None."""
        found = _ARN.fullmatch(arn)
        for kind in self.kinds if found else ():
            name = kind.name_in(found[1], found[2])
            if name:
                return self.find(kind, name)
        return None

    def add(self, resource: Resource) -> None:
        """Take a new resource, and keep it.

        Raises ApiError when its name is taken, OSError when it cannot be written.
        """
        with self.lock:
            of_kind = self._resources[type(resource)]
            if resource.name in of_kind:
                raise ApiError(
                    "ResourceInUse",
                    f"The name of a {resource.title} must be unique within an AWS account and "
                    f"region: {resource.name} exists.",
                )
            of_kind[resource.name] = resource
            try:
                resource.write()
            except BaseException:
                self.remove(resource)
                raise

    def remove(self, resource: Resource) -> None:
        """Forget a resource."""
        with self.lock:
            del self._resources[type(resource)][resource.name]
        remove(resource.folder)

    def busy(self) -> bool:
        """Tell whether anything runs."""
        return any(not one.ended for one in self.all())

    def close(self) -> None:
        """End all that runs: it has failed. What makes others comes before them."""
        for one in reversed(self.all()):
            one.abandon("the emulated AWS was ended while the job ran. Start the job again.")
        for one in self.all():
            one.join()


@contextlib.contextmanager
def _setting_aside(folder: Path, kind: type[Resource]) -> Iterator[None]:
    """Set a folder aside when the block fails: cut short, or of another version."""
    try:
        yield
    except Exception as error:  # whatever comes up
        state.set_aside(folder, f"it holds no {kind.title} that can be read ({error!r})")


def remove(folder: Path) -> None:
    """Remove a folder; where that cannot be done, say so in the server's log."""
    try:
        files.remove(folder)
    except OSError as error:
        print(error, file=sys.stderr)
