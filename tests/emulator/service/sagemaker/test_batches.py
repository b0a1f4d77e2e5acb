"""Objects are split into records, and records put into requests."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from workshop.emulator.service.sagemaker.batches import (
    BadInput,
    Record,
    Strategy,
    batches,
    records,
    strategy,
)

ONE_BY_ONE = Strategy(1, 6, True)


def sent(content: bytes, split: str, single: bool = False) -> list[bytes]:
    file = io.BufferedReader(io.BytesIO(content))
    return [record.sent for record in records(file, split, single)]


def test_a_line_is_a_record_with_its_end_or_without():
    assert sent(b"a\r\nb\n\nc", "Line") == [b"a\r\n", b"b\n", b"\n", b"c"]
    assert sent(b"a\r\nb\n\nc", "Line", single=True) == [b"a", b"b", b"", b"c"]
    assert sent(b"", "Line") == []
    assert sent(b"a\nb", "None") == [b"a\nb"]


@pytest.mark.slow
def test_recordio_is_that_of_the_sdk():
    from sagemaker.amazon.common import read_recordio, write_numpy_to_dense_tensor

    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, np.array([[1.0, 2.0], [3.0, 4.0]]))
    file.seek(0)
    contents = [*read_recordio(file)]
    assert sent(file.getvalue(), "RecordIO", single=True) == contents
    assert b"".join(sent(file.getvalue(), "RecordIO")) == file.getvalue()


def test_a_tfrecord_has_a_length_and_two_checksums():
    first, second = (struct.pack("<QI", len(one), 7) + one + b"crc." for one in (b"a", b"bc"))
    assert sent(first + second, "TFRecord", single=True) == [b"a", b"bc"]
    assert sent(first + second, "TFRecord") == [first, second]


@pytest.mark.parametrize(
    ("split", "content", "words"),
    [
        ("RecordIO", b"1,2,3,4,5", "the magic number"),
        ("RecordIO", b"1,2", "within the header of a RecordIO"),
        ("RecordIO", struct.pack("<II", 0xCED7230A, 9) + b"x", "9 bytes; 1 are left"),
        ("RecordIO", struct.pack("<II", 0xCED7230A, 1 << 29), "in several parts"),
        ("TFRecord", b"1,2", "within the header of a TFRecord"),
        ("TFRecord", struct.pack("<QI", 1 << 63, 0), f"has {1 << 63} bytes"),
        ("TFRecord", struct.pack("<QI", 1 << 60, 0), f"has {1 << 60} bytes"),
    ],
)
def test_what_is_no_such_format_is_named(split, content, words):
    with pytest.raises(BadInput, match=words):
        sent(content, split)


def test_a_request_is_filled_up_to_the_payload():
    third = Record(b"", b"x" * (1 << 19))

    def sizes(count: int, payload: int) -> list[int]:
        return [len(one) for one in batches([third] * count, Strategy(1, payload, False))]

    assert (sizes(5, 1), sizes(4, 1), sizes(5, 0), sizes(0, 1)) == ([2, 2, 1], [2, 2], [5], [])
    assert [len(one) for one in batches([third] * 3, ONE_BY_ONE)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("request_", "told", "expected"),
    [
        ({}, b"", Strategy(1, 6, False)),
        (
            {},
            b'{"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", '
            b'"MaxPayloadInMB": 2}',
            Strategy(4, 2, True),
        ),
        (
            {"MaxConcurrentTransforms": 0, "MaxPayloadInMB": 0},
            b'{"MaxConcurrentTransforms": 4, "MaxPayloadInMB": 2}',
            Strategy(4, 0, False),
        ),
        (
            {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord"},
            b'{"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD"}',
            Strategy(2, 6, False),
        ),
        ({}, b"<html>", Strategy(1, 6, False)),
        ({}, b'{"MaxConcurrentTransforms": "many", "MaxPayloadInMB": -1}', Strategy(1, 6, False)),
        ({}, b"[1]", Strategy(1, 6, False)),
    ],
)
def test_the_request_counts_before_the_container_and_that_before_the_default(
    request_, told, expected
):
    assert strategy(request_, told) == expected
