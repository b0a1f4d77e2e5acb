"""Filters and joins: AWS's part of JSONPath, over CSV and JSON."""

from __future__ import annotations

import pytest

from workshop.emulator.service.sagemaker.batches import BadInput, Record
from workshop.emulator.service.sagemaker.data_processing import DataProcessing, JsonPath

JSON = "application/json"
ROW = ["a", "b", "c", "d"]
OBJECT = {"id": 7, "features": [1, 2, 3], "about": {"name": "x", "sizes": [{"w": 1}, {"w": 2}]}}


@pytest.mark.parametrize(
    ("path", "value", "selected"),
    [
        ("$", ROW, ROW),
        ("$[1]", ROW, "b"),
        ("$[-1]", ROW, "d"),
        ("$[0, 2,-1]", ROW, ["a", "c", "d"]),
        ("$[1:]", ROW, ["b", "c", "d"]),
        ("$[:2]", ROW, ["a", "b"]),
        ("$[:-1]", ROW, ["a", "b", "c"]),
        ("$[1:3]", ROW, ["b", "c"]),
        ("$[*]", ROW, ROW),
        ("$.features", OBJECT, [1, 2, 3]),
        ("$['features']", OBJECT, [1, 2, 3]),
        ("$.features[1:]", OBJECT, [2, 3]),
        ("$.about.name", OBJECT, "x"),
        ("$['id','features']", OBJECT, {"id": 7, "features": [1, 2, 3]}),
        ("$.about.['name']", OBJECT, "x"),
        ("$.about.*", OBJECT, ["x", [{"w": 1}, {"w": 2}]]),
        ("$.about.sizes[*].w", OBJECT, [1, 2]),
    ],
)
def test_a_path_selects_a_part(path, value, selected):
    assert JsonPath(path).select(value) == selected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("features", r"Invalid JsonPath: features: it must begin with \$"),
        ("$..name", r"Invalid JsonPath: \$..name"),
        ("$[0:2,5:]", r"only single range filters of format \(eg: \[1:5\]\) are supported"),
        ("$[::2]", r"only single range filters"),
        ("$['a'", r"\['a' is not supported"),
        ("$.", "is not supported"),
        ("$id", "id is not supported"),
    ],
)
def test_what_aws_does_not_support_is_refused(path, words):
    with pytest.raises(BadInput, match=words):
        JsonPath(path)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("$[4]", ROW, "not within the 4 elements"),
        ("$[0,-5]", ROW, "not within the 4 elements"),
        ("$[4:]", ROW, "not within the 4 elements"),
        ("$.id", ROW, "no attribute 'id'"),
        ("$['id','label']", OBJECT, "no attribute 'label'"),
        ("$[0]", OBJECT, "is no array"),
        ("$.id.*", OBJECT, "no object and no array"),
    ],
)
def test_where_nothing_is_is_an_error(path, value, words):
    with pytest.raises(BadInput, match=words):
        JsonPath(path).select(value)


def processing(given: str, wanted: str = "", **members: str) -> DataProcessing:
    return DataProcessing(
        {
            "TransformInput": {"ContentType": given},
            "TransformOutput": {"Accept": wanted},
            "DataProcessing": members,
        }
    )


def joined(given: str, content: bytes, wanted: str, answer: bytes, **members: str) -> str:
    made = processing(given, wanted, JoinSource="Input", **members)
    return made.after([Record(content, b"")], answer, "").decode()


@pytest.mark.parametrize(
    ("given", "content", "answer", "expected"),
    [
        ("text/csv", b"1,2,3", b"1", "1,2,3,1"),
        ("text/csv", b'"a ""b"", c",2\n3,4', b"1\n2\n", '"a ""b"", c",2,1\n3,4,2\n'),
        (JSON, b'{"key":1}', b'{"label":1}', '{"key":1,"SageMakerOutput":{"label":1}}'),
        (JSON, b"[1, 2]", b"0.1", '{"SageMakerInput":[1,2],"SageMakerOutput":0.1}'),
        (JSON, b'{"k": "\\ud800"}', b"1", '{"k":"?","SageMakerOutput":1}'),
        (JSON, b'{\n "k": "\xc3\xa9"\n}', b"null", '{"k":"é","SageMakerOutput":null}'),
        (f"{JSON}lines", b"1\n2\n", b"3\n4\n", '{"SageMakerInput":1,"SageMakerOutput":3}\n'
         '{"SageMakerInput":2,"SageMakerOutput":4}\n'),
    ],
)  # fmt: skip
def test_records_are_joined_as_the_guide_shows(given, content, answer, expected):
    assert joined(given, content, given, answer) == expected


def test_without_a_join_or_a_filter_not_a_byte_is_touched():
    made = processing("text/csv", "text/csv", InputFilter="$", OutputFilter="$", JoinSource="None")
    record = Record(b'"1" ,2', b'"1" ,2\r\n')
    assert made.before(record) is record
    assert made.after([record], b"\xff 1.50\n", "any/type") == b"\xff 1.50\n"


def test_a_filter_before_the_model_keeps_the_record_for_the_join():
    made = processing("text/csv", InputFilter="$[1:]")
    assert made.before(Record(b"7,1,2", b"7,1,2\n")) == Record(b"7,1,2", b"1,2\n")
    assert made.before(Record(b"7,1,2", b"7,1,2")) == Record(b"7,1,2", b"1,2")
    made = processing(JSON, InputFilter="$.features")
    assert made.before(Record(b'{"features": [1, 2]}', b"")).sent == b"[1,2]"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: joined("text/csv", b"1\n2", "text/csv", b"1"),
            "2 records .* with 1 of the output",
        ),
        (lambda: joined("text/csv", b"1", "application/json", b"1"), "must be of the same format"),
        (lambda: joined("image/png", b"1", "text/csv", b"1"), "ContentType 'image/png' cannot be"),
        (lambda: joined("text/csv", b"1", "image/png", b"1"), "Accept 'image/png' cannot be"),
        (lambda: joined("text/csv", b'"1', "text/csv", b"1"), "Failed to parse '\"1' as csv"),
        (lambda: joined(JSON, b"{", "application/json", b"1"), "as json"),
        (lambda: joined("text/csv", b"\xff", "text/csv", b"1"), "can't decode"),
    ],
)
def test_what_cannot_be_joined_is_named(call, words):
    with pytest.raises(BadInput, match=words):
        call()
