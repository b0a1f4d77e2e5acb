"""The objects of a batch transform: split into records, and records put into requests.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformInput.html (SplitType)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MB = 1 << 20
#: https://mxnet.apache.org/versions/1.9.1/api/faq/recordio (also sagemaker/amazon/common.py)
_RECORDIO_MAGIC = 0xCED7230A
_RECORDIO_LENGTH = (1 << 29) - 1
#: MaxPayloadInMB where neither the request nor the container says another one.
_PAYLOAD = 6


class BadInput(Exception):
    """An object of the input cannot be transformed. The message is fit for the data log."""


@dataclass(frozen=True)
class Record:
    """One record: its content, and the bytes that a request has of it."""

    content: bytes
    sent: bytes


@dataclass(frozen=True)
class Strategy:
    """How records become requests: parallel requests, MB of the largest (0: any), one in each."""

    concurrent: int
    payload: int
    single: bool

    def __str__(self) -> str:
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload}, "
            f"BatchStrategy={'SINGLE_RECORD' if self.single else 'MULTI_RECORD'}"
        )


def strategy(request: dict, told: bytes) -> Strategy:
    """Return the strategy of a CreateTransformJob request.

    What it leaves open the container says: ``told`` is its answer to GET /execution-parameters.
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    try:
        container = json.loads(told or b"{}")
        container = container if isinstance(container, dict) else {}
    except ValueError:
        container = {}

    def number(name: str, usual: int) -> int:
        value = container.get(name)
        return value if isinstance(value, int) and value >= 0 else usual

    single = request.get("BatchStrategy", container.get("BatchStrategy"))
    return Strategy(
        request.get("MaxConcurrentTransforms") or number("MaxConcurrentTransforms", 1) or 1,
        request.get("MaxPayloadInMB", number("MaxPayloadInMB", _PAYLOAD)),
        single in ("SingleRecord", "SINGLE_RECORD"),
    )


def records(file: BinaryIO, split: str, single: bool) -> Iterator[Record]:
    """Split an object into its records; ``split`` is a SplitType.

    With ``single`` a request has the content alone, else also what frames it in the object: the end
    of a line, the header and the padding of a RecordIO or TFRecord record. Raises BadInput.
    """
    for content, framed in _SPLITS[split](file):
        yield Record(content, content if single else framed)


def _whole(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    content = file.read()
    yield content, content


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    for line in file:
        yield line.removesuffix(b"\n").removesuffix(b"\r"), line


def _recordio(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while header := file.read(8):
        if len(header) < 8:
            raise BadInput("It ends within the header of a RecordIO record.")
        magic, length = struct.unpack("<II", header)
        if magic != _RECORDIO_MAGIC:
            raise BadInput("It is no RecordIO: a record does not begin with the magic number.")
        if length != length & _RECORDIO_LENGTH:
            raise BadInput("It has a RecordIO record in several parts.")
        content, padding = _exactly(file, length), _exactly(file, -length % 4)
        yield content, header + content + padding


def _tfrecords(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """https://www.tensorflow.org/tutorials/load_data/tfrecord"""
    while header := file.read(12):
        if len(header) < 12:
            raise BadInput("It ends within the header of a TFRecord record.")
        content = _exactly(file, struct.unpack("<QI", header)[0])
        yield content, header + content + _exactly(file, 4)


def _exactly(file: BinaryIO, count: int) -> bytes:
    try:
        content = file.read(count)
    except (MemoryError, OverflowError):
        raise BadInput(f"A record says that it has {count} bytes.") from None
    if len(content) < count:
        raise BadInput(f"A record says that it has {count} bytes; {len(content)} are left.")
    return content


_SPLITS = {"None": _whole, "Line": _lines, "RecordIO": _recordio, "TFRecord": _tfrecords}


def batches(found: Iterable[Record], strategy: Strategy) -> Iterator[list[Record]]:
    """Put records into requests. Raises BadInput for one that is larger than a payload may be."""
    most = strategy.payload * _MB
    batch: list[Record] = []
    size = 0
    for record in found:
        length = len(record.sent)
        if most and length > most:
            raise BadInput(
                f"A record has {length} bytes: more than MaxPayloadInMB={strategy.payload}. Split "
                "the input, or give a larger max_payload."
            )
        if batch and (strategy.single or (most and size + length > most)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
