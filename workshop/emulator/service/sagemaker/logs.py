"""The output of jobs, as CloudWatch has it: log events while a job runs, and metrics out of them.

moto keeps both in memory. The events are on disk too: what the next server reads again.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path

import regex
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from workshop.emulator import state

#: CloudWatch takes no value beyond, and no NaN and no infinity
#: (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html).
_LARGEST_VALUE = 2.0**360
#: Seconds that an expression may take for one line.
_PATIENCE = 0.2
#: How much of one host's output is kept, in bytes: a job that writes for ever must not fill memory
#: and disk of the learner.
_MOST_OUTPUT = 64 << 20
#: How many values of a metric are kept: AWS keeps no more for a training job either
#: (https://docs.aws.amazon.com/sagemaker/latest/dg/training-metrics.html).
_MOST_VALUES = 40_000


class Stream:
    """The log stream of one host."""

    def __init__(self, account: str, region: str, group: str, name: str, file: Path) -> None:
        """Open the stream ``name``, like ``JOB/algo-1-1600000000``; ``file`` keeps its events."""
        self._backend = logs_backends[account][region]
        self._group, self._name, self._file = group, name, file
        self._left = _MOST_OUTPUT
        self._put([])

    def load(self) -> list[dict]:
        """Take what the file holds; return these events as PutLogEvents has them.

        A line that was cut short is passed over.
        """
        events = list(_events(self._file))
        self._left -= sum(len(event["message"]) for event in events)
        self._put(events)
        return events

    def write(self, lines: list[str], when: float) -> None:
        """Add lines of ``when`` (seconds since the epoch). CloudWatch takes no empty event."""
        if self._left <= 0:
            return
        self._left -= sum(map(len, lines))
        if self._left <= 0:
            lines = [*lines, f"(The emulator keeps the first {_MOST_OUTPUT >> 20} MB of a host.)"]
        events = [{"timestamp": int(when * 1000), "message": line} for line in lines if line]
        with open(self._file, "a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        self._put(events)

    def _put(self, events: list[dict]) -> None:
        # Not by way of the backend's put_log_events: it takes nothing that is older than 14 days.
        self._backend.ensure_log_group(self._group)
        self._backend.ensure_log_stream(self._group, self._name)
        self._backend.groups[self._group].put_log_events(self._name, events)


def _events(file: Path) -> Iterator[dict]:
    damaged = 0
    with open(file, errors="replace") as opened:
        for line in opened:
            try:
                event = json.loads(line)
                yield {"timestamp": int(event["timestamp"]), "message": str(event["message"])}
            except (ValueError, TypeError, KeyError, OverflowError):
                damaged += line.endswith("\n")  # the last one may have been cut short
    if damaged:
        state.notices.append(f"{file}: {damaged} lines cannot be read, and are left out.")


class Metrics:
    """The numbers that a training job's ``MetricDefinitions`` find in its output.

    https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
    """

    def __init__(
        self, account: str, region: str, namespace: str, job: str, definitions: list[dict]
    ) -> None:
        """Prepare to find them: each definition has a Name and a Regex with a group.

        A definition whose expression is none finds nothing (``validation`` refuses it).
        """
        self._backend = cloudwatch_backends[account][region]
        self._namespace, self._job = namespace, job
        self._patterns = []
        for one in definitions:
            with contextlib.suppress(regex.error):
                self._patterns.append((one["Name"], regex.compile(one["Regex"])))
        #: name → [(seconds since the epoch, value), …]
        self.found: dict[str, list[tuple[float, float]]] = {}
        self._last: dict[str, tuple[float, float]] = {}

    def read(self, lines: list[str], when: float) -> list[str]:
        """Search lines of output of ``when`` (seconds since the epoch); hits go to CloudWatch.

        Returns a sentence for each metric that is given up, because its expression takes too long.
        """
        given_up = []
        for line in lines:
            for name, pattern in list(self._patterns):
                try:
                    value = _number(pattern.search(line, timeout=_PATIENCE))
                except TimeoutError:
                    self._patterns.remove((name, pattern))
                    given_up.append(
                        f"Note: the metric {name!r} is given up: its expression "
                        f"{pattern.pattern!r} takes too long. Repetitions inside of repetitions, "
                        "such as (a+)+, are slow."
                    )
                    continue
                if value is None:
                    continue
                self._last[name] = (when, value)
                series = self.found.setdefault(name, [])
                if len(series) < _MOST_VALUES:
                    series.append(self._last[name])
                    self._publish(name, when, value)
        return given_up

    def final(self) -> list[dict]:
        """Return ``FinalMetricDataList``: the last value of each metric."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (when, value) in self._last.items()
        ]

    def _publish(self, name: str, when: float, value: float) -> None:
        """Make it a metric of CloudWatch, as sagemaker/analytics.py, TrainingJobAnalytics, asks."""
        datum = {
            "MetricName": name,
            "Value": value,
            # moto compares it with times that have no time zone.
            "Timestamp": datetime.datetime.fromtimestamp(when, datetime.timezone.utc).replace(
                tzinfo=None
            ),
            "Dimensions": [{"Name": "TrainingJobName", "Value": self._job}],
        }
        self._backend.put_metric_data(self._namespace, [datum])


def _number(hit) -> float | None:
    """Return the number in the first group that took part in a match; None when there is none."""
    text = next((one for one in hit.groups() if one is not None), None) if hit else None
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST_VALUE else None  # no NaN either


def with_stream_names(body: bytes, account: str, region: str) -> bytes:
    """Put the names of log streams into a FilterLogEvents request that gives a prefix of them.

    moto reads ``logStreamNames`` alone, and would answer with the logs of all jobs
    (moto/logs/responses.py, ``filter_log_events``).
    """
    request = json.loads(body)
    prefix = request.get("logStreamNamePrefix")
    if not prefix:
        return body
    group = logs_backends[account][region].groups.get(request.get("logGroupName"))
    names = [name for name in (group.streams if group else ()) if name.startswith(prefix)]
    # An empty list would mean: all of them.
    return json.dumps(request | {"logStreamNames": names or [prefix]}).encode()
