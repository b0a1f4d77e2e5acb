"""The output of jobs, as CloudWatch has it: log events while a job runs, and metrics out of them.

moto keeps both in memory. The events are on disk too: what the next server reads again.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

#: Log groups of CloudWatch, by the kind of job; metrics of training jobs have the same namespace
#: (https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html).
GROUPS = {
    "processing": "/aws/sagemaker/ProcessingJobs",
    "training": "/aws/sagemaker/TrainingJobs",
}


class Stream:
    """The log stream of one host."""

    def __init__(self, account: str, region: str, group: str, name: str, file: Path) -> None:
        """Open the stream ``name``, like ``JOB/algo-1-1600000000``; ``file`` keeps its events."""
        self._backend = logs_backends[account][region]
        self._group, self._name, self._file = group, name, file
        self._backend.ensure_log_group(group)
        self._backend.ensure_log_stream(group, name)

    def load(self) -> list[dict]:
        """Take what the file holds; return these events as PutLogEvents has them."""
        with open(self._file) as file:
            events = [json.loads(line) for line in file if line.endswith("\n")]
        self._put(events)
        return events

    def write(self, lines: list[str], when: float) -> None:
        """Add lines of ``when`` (seconds since the epoch). CloudWatch takes no empty event."""
        events = [{"timestamp": int(when * 1000), "message": line} for line in lines if line]
        with open(self._file, "a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        self._put(events)

    def _put(self, events: list[dict]) -> None:
        if events:
            self._backend.put_log_events(self._group, self._name, events)


class Metrics:
    """The numbers that a training job's ``MetricDefinitions`` find in its output."""

    def __init__(self, account: str, region: str, job: str, definitions: list[dict]) -> None:
        """Prepare to find them: each definition has a Name and a Regex with one group."""
        self._backend = cloudwatch_backends[account][region]
        self._job = job
        self._patterns = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
        #: name → [(seconds since the epoch, value), …]
        self.found: dict[str, list[tuple[float, float]]] = {}

    def read(self, lines: list[str], when: float) -> None:
        """Search lines of output of ``when`` (seconds since the epoch); hits go to CloudWatch."""
        for line in lines:
            for name, pattern in self._patterns:
                hit = pattern.search(line)
                try:
                    value = float(hit[1]) if hit else None
                except (ValueError, IndexError):
                    continue  # no number: AWS takes no notice either
                if value is not None:
                    self.found.setdefault(name, []).append((when, value))
                    self._publish(name, when, value)

    def final(self) -> list[dict]:
        """Return ``FinalMetricDataList``: the last value of each metric."""
        return [
            {"MetricName": name, "Value": values[-1][1], "Timestamp": values[-1][0]}
            for name, values in self.found.items()
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
        self._backend.put_metric_data(GROUPS["training"], [datum])


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
