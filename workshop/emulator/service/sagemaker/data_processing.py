"""What is done to the records of a batch transform: filtered, joined with their predictions.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workshop.emulator.service.sagemaker.batches import BadInput, Record

_ALL = "$"
#: What AWS calls them: ContentType and Accept must be one of them.
_KINDS = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "jsonlines"}
#: One operator of a path. AWS's table has no others: no deep scan, no expression, no step.
_STEP = re.compile(
    r"\.(?P<dotted>[^.\[\]*'\s]+)"
    r"|\.?\[\s*(?P<names>'[^']*'(\s*,\s*'[^']*')*)\s*\]"
    r"|\.?\[\s*(?P<numbers>-?\d+(\s*,\s*-?\d+)*)\s*\]"
    r"|\.?\[\s*(?P<start>-?\d*)\s*:\s*(?P<end>-?\d*)\s*\]"
    r"|(?P<any>\.\*|\.?\[\s*\*\s*\])"
)


@dataclass(frozen=True)
class _Step:
    """Names, indexes, a slice, or all (none of these)."""

    names: Sequence[str] = ()
    indexes: Sequence[int] = ()
    part: slice | None = None


class JsonPath:
    """A path in AWS's part of JSONPath."""

    def __init__(self, text: str) -> None:
        """Read a path. Raises BadInput for what AWS does not support.

        https://github.com/aws/sagemaker-python-sdk/issues/1112 (the words for a range in a list)
        """
        self._steps: list[_Step] = []
        self._text = text
        if not text.startswith("$"):
            raise BadInput(f"Invalid JsonPath: {text}: it must begin with $.")
        place = 1
        while place < len(text):
            found = _STEP.match(text, place)
            if not found:
                rest = re.match(r"\.?(\[[^\]]*\]?)?", text[place:])[0] or text[place:]
                words = f"Invalid JsonPath: {text}: "
                if ":" in rest:
                    words += (
                        "only single range filters of format (eg: [1:5]) are supported. Format "
                    )
                raise BadInput(f"{words}{rest} is not supported")
            self._steps.append(_step(found))
            place = found.end()

    def select(self, value: object) -> object:
        """Return the part of a value at the path. Raises BadInput where there is nothing.

        A list of names gives an object of these, a list of indexes, a slice and ``*`` an array.
        """
        return self._select(value, self._steps)

    def _select(self, value: object, steps: Sequence[_Step]) -> object:
        if not steps:
            return value
        step, *rest = steps
        if step.names:
            for name in step.names:
                if not isinstance(value, dict) or name not in value:
                    words = f"the record has no attribute {name!r}"
                    raise BadInput(f"JsonPath {self._text}: {words}")
            if len(step.names) == 1:
                return self._select(value[step.names[0]], rest)
            return {name: self._select(value[name], rest) for name in step.names}
        if step.indexes or step.part:
            if not isinstance(value, list):
                raise BadInput(f"JsonPath {self._text}: the record is no array")
            try:
                found = value[step.part] if step.part else [value[one] for one in step.indexes]
            except IndexError:
                found = []
            if not found:
                words = f"an index is not within the {len(value)} elements"
                raise BadInput(f"JsonPath {self._text}: {words}")
            if len(step.indexes) == 1:
                return self._select(found[0], rest)
            return [self._select(one, rest) for one in found]
        if not isinstance(value, dict | list):
            raise BadInput(f"JsonPath {self._text}: the record is no object and no array")
        below = value.values() if isinstance(value, dict) else value
        return [self._select(one, rest) for one in below]


def _step(found: re.Match) -> _Step:
    if found["dotted"]:
        return _Step(names=[found["dotted"]])
    if found["names"]:
        return _Step(names=re.findall(r"'([^']*)'", found["names"]))
    if found["numbers"]:
        return _Step(indexes=[int(one) for one in found["numbers"].split(",")])
    if found["any"]:
        return _Step()
    # The guide's example takes the end for a part of the range; its table, the JSONPath that it
    # names, and those who leave out a last column with $[:-1] do not.
    start, end = (int(text) if text else None for text in (found["start"], found["end"]))
    return _Step(part=slice(start, end))


class DataProcessing:
    """The filters and the join of one job (API_DataProcessing)."""

    def __init__(self, request: dict) -> None:
        """Take them from a CreateTransformJob request. Raises BadInput for a path that is none."""
        wanted = request.get("DataProcessing", {})
        paths = (wanted.get("InputFilter") or _ALL, wanted.get("OutputFilter") or _ALL)
        self._before, self._after = (None if path == _ALL else JsonPath(path) for path in paths)
        self._joins = wanted.get("JoinSource") == "Input"
        self._given = request["TransformInput"].get("ContentType", "")
        self._wanted = request["TransformOutput"].get("Accept", "")

    def before(self, record: Record) -> Record:
        """Leave out of a record what the model is not to see. Raises BadInput."""
        if self._before is None:
            return record
        kind = _kind(self._given, "ContentType")
        values = _parsed(record.content, kind)
        values = [self._before.select(value) for value in values]
        return replace(record, sent=_lines(values, kind, like=record.sent))

    def after(self, batch: Sequence[Record], body: bytes, content_type: str) -> bytes:
        """Join what a container answers with the records it was asked for, and filter that.

        Raises BadInput where the one is no text/csv, application/json or application/jsonlines, and
        where the answer has not as many records.
        """
        if not self._joins and self._after is None:
            return body
        kind = _kind(self._wanted or content_type, "Accept")
        values = _parsed(body, kind)
        if self._joins:
            values = self._joined(batch, values, kind)
        if self._after:
            values = [self._after.select(value) for value in values]
        return _lines(values, kind, like=body)

    def _joined(self, batch: Sequence[Record], answers: list, kind: str) -> list:
        given = _kind(self._given, "ContentType")
        if (given == "csv") != (kind == "csv"):
            raise BadInput(
                f"Input of {self._given} cannot be joined with output of {kind}: ContentType and "
                "Accept must be of the same format."
            )
        records = [value for record in batch for value in _parsed(record.content, given)]
        if len(records) != len(answers):
            raise BadInput(
                f"{len(records)} records of the input cannot be joined with {len(answers)} of the "
                "output: the model must answer one for each."
            )
        if kind == "csv":
            return [one + answer for one, answer in zip(records, answers, strict=True)]
        return [
            (one if isinstance(one, dict) else {"SageMakerInput": one})
            | {"SageMakerOutput": answer}
            for one, answer in zip(records, answers, strict=True)
        ]


def _kind(content_type: str, member: str) -> str:
    kind = _KINDS.get(content_type.partition(";")[0].strip())
    if kind is None:
        raise BadInput(
            f"{member} {content_type!r} cannot be filtered or joined. Give one of "
            f"{', '.join(_KINDS)}."
        )
    return kind


def _parsed(body: bytes, kind: str) -> list:
    """Return the values in a body: the rows of a CSV, or JSON."""
    try:
        text = body.decode()
        if kind == "csv":
            return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        if kind == "json":
            try:
                return [json.loads(text)]
            except ValueError:  # several records in one request
                pass
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error, RecursionError) as error:
        start = body[:60].decode(errors="replace")
        raise BadInput(f"Failed to parse {start!r} as {kind}: {error}") from error


def _lines(values: list, kind: str, like: bytes) -> bytes:
    """Return values as a body that ends with a line's end where ``like`` does."""
    text = "\n".join(_text(value, kind) for value in values)
    return (text + "\n" * like.endswith(b"\n")).encode(errors="replace")


def _text(value: object, kind: str) -> str:
    if kind != "csv":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return row.getvalue()
