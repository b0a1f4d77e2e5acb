"""Moments as requests have them."""

from __future__ import annotations

import datetime
import math


def seconds(value: object) -> float:
    """Return the seconds since the epoch of a JSON timestamp: a number, or an ISO 8601 text.

    https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html. Raises ValueError when it is
    none, or outside of the years that exist.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        moment = float(value) if abs(value) < 2**63 else math.inf
    elif isinstance(value, str) and value[:1].isdigit():
        try:
            moment = float(value)
        except ValueError:
            text = value[:-1] + "+00:00" if value.endswith("Z") else value
            given = datetime.datetime.fromisoformat(text)
            given = given if given.tzinfo else given.replace(tzinfo=datetime.timezone.utc)
            moment = given.timestamp()
    else:
        raise ValueError(f"{value!r} is no time")
    if not math.isfinite(moment) or not 0 <= moment < 253402300800:  # 9999-12-31
        raise ValueError(f"{value!r} is no time")
    return moment
