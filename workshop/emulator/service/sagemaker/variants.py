"""The production variants of an endpoint: each one model, and what it is told when it is asked.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantSummary.html
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from workshop.emulator.containers import images
from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import serving
from workshop.emulator.service.sagemaker.logs import Stream
from workshop.emulator.service.sagemaker.resource import Account

#: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
LOG_GROUP = "/aws/sagemaker/Endpoints"


class Variant:
    """One variant of an endpoint."""

    def __init__(
        self, account: Account, endpoint: str, created: float, folder: Path, deployed: dict
    ) -> None:
        """Prepare to serve; nothing runs yet.

        ``endpoint`` is the name of the endpoint, ``created`` the time when it was made, ``folder``
        where its logs are kept. ``deployed`` has ``config``, the variant in the endpoint's
        configuration, ``model``, what DescribeModel answers, and ``region``, the client's.
        """
        self.config, self._model = deployed["config"], deployed["model"]
        self._account, self._endpoint, self._folder = account, endpoint, folder
        #: As AWS's look, and the same after a restart.
        number = hashlib.sha256(f"{endpoint}/{self.name}/{created}".encode()).hexdigest()[:17]
        self._instance = f"i-{number}"
        self._streams: dict[str, Stream] = {}
        regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), deployed["region"])
        self.hosting = serving.Hosting(
            account.store,
            self._model,
            f"{endpoint}/{self.name}",
            self._log,
            account.settings | regions,
        )
        self._asking, self._counting = 0, threading.Lock()

    @property
    def name(self) -> str:
        return self.config["VariantName"]

    def start(self) -> None:
        """Start the containers, and wait until they answer. Raises ``serving.NotServed``."""
        for container in serving.containers(self._model).values():
            note = images.note(container["Image"])
            if note:
                self.say(note)
        if self.config.get("InitialInstanceCount", 1) > 1:
            count = self.config["InitialInstanceCount"]
            self.say(f"Note: one host answers for the {count} instances of {self.name}.")
        try:
            self.hosting.start(
                self.config.get("ContainerStartupHealthCheckTimeoutInSeconds", serving.PATIENCE)
            )
        except serving.NotServed as error:
            raise serving.NotServed(
                str(error).replace(
                    "container did", f"container for production variant {self.name} did"
                )
            ) from error

    def ask(self, body: bytes, headers: Mapping[str, str], most: int | None) -> serving.Answer:
        """Ask the containers; ``most`` is how many requests of a serverless variant may run.

        Raises ApiError when there are as many, NotServed when the containers do not start.
        """
        with self._counting:
            if most is not None and self._asking >= most:
                words = f"Rate exceeded: {most} requests run, the MaxConcurrency of {self.name}."
                raise ApiError("ThrottlingException", words)
            self._asking += 1
        try:
            return self.hosting.ask(body, headers)
        finally:
            with self._counting:
                self._asking -= 1

    def retire(self) -> None:
        """End the containers, once they have answered what they were asked."""
        deadline = time.monotonic() + serving.LONGEST_ANSWER
        while self._asking and time.monotonic() < deadline:
            time.sleep(0.05)
        self.hosting.close()

    def summary(self) -> dict:
        """Return its ProductionVariantSummary when it is in service, as its configuration says."""
        config, now = self.config, time.time()
        images_ = [one["Image"] for one in serving.containers(self._model).values()]
        weight = config["InitialVariantWeight"]
        summary = {
            "VariantName": self.name,
            "DeployedImages": [
                {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": now}
                for image in images_
            ],
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if "ServerlessConfig" in config:
            serverless = config["ServerlessConfig"]
            return summary | {
                "CurrentServerlessConfig": serverless,
                "DesiredServerlessConfig": serverless,
                "CurrentInstanceCount": 0,
            }
        count = config["InitialInstanceCount"]
        return summary | {"CurrentInstanceCount": count, "DesiredInstanceCount": count}

    def say(self, sentence: str) -> None:
        """Tell the learner something in the log of the first container."""
        first = next(iter(serving.containers(self._model)))
        self._log(first, f"{sentence}\n".encode())

    def _log(self, container: str, output: bytes) -> None:
        lines = re.split(r"\r\n|\n|\r", output.decode(errors="replace"))
        self._stream(container).write(lines, time.time())
        self._account.news.tell()

    def _stream(self, container: str) -> Stream:
        if container not in self._streams:
            # A pipeline has a stream for each of its containers.
            end = "" if container == "primary" else f"/{container}"
            self._folder.mkdir(parents=True, exist_ok=True)
            self._streams[container] = Stream(
                self._account.number,
                self._account.region,
                f"{LOG_GROUP}/{self._endpoint}",
                f"{self.name}/{self._instance}{end}",
                self._folder / f"{self.name}.{container}.log",
            )
        return self._streams[container]

    def load(self) -> None:
        """Take what its containers have written, for CloudWatch."""
        for file in self._folder.glob(f"{self.name}.*.log"):
            self._stream(file.name.removeprefix(f"{self.name}.").removesuffix(".log")).load()
