"""One instance of a batch transform: it asks its container for each object of its share.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from workshop.emulator.service.sagemaker import batches, serving
from workshop.emulator.service.sagemaker.batches import BadInput, Record
from workshop.emulator.service.sagemaker.data_processing import DataProcessing
from workshop.emulator.service.storage import transfer

#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelClientConfig.html
_TIMEOUT, _RETRIES = 600, 3
#: How much of a container's answer with an error is logged, in characters.
_MESSAGE = 4096


class _Output:
    """What becomes of one object. ``failure`` is why it has none, "" when nothing went wrong.

    Raises DataError where it cannot be written, as on a full disk.
    """

    def __init__(self, address: str, file: Path) -> None:
        self.address, self._file, self.failure = address, file, ""
        with self._writing():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def write(self, content: bytes) -> None:
        with self._writing(), open(self._file, "ab") as file:
            file.write(content)

    def fail(self, reason: str) -> None:
        self.failure = reason
        self._file.unlink()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            words = f"The output of {self.address} cannot be written: {error.strerror}."
            raise transfer.DataError(words) from error


class Instance:
    """An instance with its container. Its log lines go to ``say``."""

    def __init__(
        self,
        hosting: serving.Hosting,
        request: dict,
        open_object: Callable[[tuple[str, str]], BinaryIO],
        say: Callable[[list[str]], None],
        stopped: threading.Event,
    ) -> None:
        """Prepare to transform as a CreateTransformJob request says.

        ``open_object`` opens an object by bucket and key. Once ``stopped`` is set, no more is
        asked.
        """
        self._hosting, self._request = hosting, request
        self._open, self._say, self._stopped = open_object, say, stopped
        given, wanted = request["TransformInput"], request["TransformOutput"]
        headers = {"Content-Type": given.get("ContentType"), "Accept": wanted.get("Accept")}
        self._headers = {name: text for name, text in headers.items() if text}
        self._split = given.get("SplitType", "None")
        self._unpacks = given.get("CompressionType") == "Gzip"
        self._end = b"\n" if wanted.get("AssembleWith") == "Line" else b""
        client = request.get("ModelClientConfig", {})
        self._timeout = client.get("InvocationsTimeoutInSeconds", _TIMEOUT)
        self._retries = client.get("InvocationsMaxRetries", _RETRIES)

    def transform(self, objects: dict[str, tuple[str, str]], folder: Path) -> list[str]:
        """Write ``PATH.out`` below ``folder`` for each object that can be transformed as a whole.

        ``objects`` are bucket and key by path. Returns a sentence for each of the others. Raises
        NotServed when the container does not begin to answer, DataError on a full disk.
        """
        self._hosting.start()
        strategy = batches.strategy(self._request, self._hosting.parameters())
        self._log(str(strategy))
        outputs = []
        waiting: deque[tuple[_Output, DataProcessing, list[Record], Future]] = deque()
        with ThreadPoolExecutor(strategy.concurrent) as pool:
            for path, place in objects.items():
                output = _Output("/".join(place), folder / f"{path}.out")
                outputs.append(output)
                try:
                    processing = DataProcessing(self._request)
                    for batch in self._batches(place, processing, strategy):
                        if output.failure or self._stopped.is_set():
                            break
                        body = b"".join(record.sent for record in batch)
                        waiting.append((output, processing, batch, pool.submit(self._ask, body)))
                        if len(waiting) > strategy.concurrent:  # the next one is at hand
                            self._settle(*waiting.popleft())
                except BadInput as error:
                    self._fail(output, "ClientError", [str(error)])
            while waiting:
                self._settle(*waiting.popleft())
        return [output.failure for output in outputs if output.failure]

    def _batches(
        self, place: tuple[str, str], processing: DataProcessing, strategy: batches.Strategy
    ) -> Iterator[list[Record]]:
        try:
            stored = self._open(place)
        except (FileNotFoundError, KeyError) as error:
            raise BadInput("It has been removed.") from error
        with stored:
            file = gzip.GzipFile(fileobj=stored) if self._unpacks else stored
            found = batches.records(file, self._split, strategy.single)
            try:
                yield from batches.batches(map(processing.before, found), strategy)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise BadInput(f"It cannot be unpacked: {error}") from error

    def _ask(self, body: bytes) -> serving.Answer:
        for _ in range(self._retries):
            answer = self._hosting.ask(body, self._headers, self._timeout)
            if answer.status < 500 or self._stopped.is_set():
                return answer
        return self._hosting.ask(body, self._headers, self._timeout)

    def _settle(
        self,
        output: _Output,
        processing: DataProcessing,
        batch: Sequence[Record],
        future: Future,
    ) -> None:
        """Wait for an answer, and write it. After a failure nothing more of the object counts."""
        answer: serving.Answer = future.result()
        if output.failure or self._stopped.is_set():
            return
        if answer.status != 200:
            side, words = "AlgorithmError", "Unable to get response from algorithm"
            if answer.status < 500:
                side, words = "ClientError", f"ClientError: {answer.status}"
            elif answer.status not in (502, 504):
                words = f"Bad HTTP status received from algorithm: {answer.status}"
            message = answer.body[:_MESSAGE].decode(errors="replace").strip()
            self._fail(output, side, [words, "", "Message:", *message.splitlines()])
            return
        try:
            body = processing.after(batch, answer.body, answer.content_type)
        except BadInput as error:
            self._fail(output, "ClientError", [str(error)])
            return
        output.write(body if body.endswith(self._end) else body + self._end)

    def _fail(self, output: _Output, side: str, lines: list[str]) -> None:
        for line in lines:
            self._log(f"{output.address}: {line}")
        if not output.failure:
            said = " ".join(filter(None, lines))
            output.fail(f"{side}: See job logs for more information\n{output.address}: {said}")

    def _log(self, line: str) -> None:
        """https://github.com/aws/sagemaker-tensorflow-serving-container/issues/93 (the form)"""
        now = datetime.datetime.now(datetime.timezone.utc)
        self._say(
            [f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}:[sagemaker logs]: {line}"]
        )
