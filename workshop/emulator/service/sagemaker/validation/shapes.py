"""botocore's service model, which is AWS's own description of the API, and its patterns."""

from __future__ import annotations

import functools
import re


@functools.cache
def service_model(service: str = "sagemaker"):
    """Return botocore's ServiceModel of a service. botocore is imported at the first call."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


_SPACES = " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: Java's classes as the inside of a Python class. ``\w`` and ``\d`` are a little wider than
#: letters and numbers; AWS asks for them only together.
_JAVA_CLASSES = {"L": r"\w", "N": r"\d", "Z": _SPACES, "Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z"}


def matches(pattern: str, text: str) -> bool:
    """Whether a whole text matches a pattern of the service model, which are Java's.

    A pattern that Python cannot express matches everything.
    """
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(text) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    # Java writes a character above \uFFFF as two.
    python = re.sub(r"\\u(D[89AB]..)\\u(D[C-F]..)", _above_ffff, pattern)
    python = re.sub(r"\\p\{(\w+)\}", lambda found: _JAVA_CLASSES.get(found[1], found[0]), python)
    flags = 0 if "\\p{" in pattern else re.ASCII
    # Python 3.10 has no possessive repetition, such as a*+.
    for candidate in (python, re.sub(r"(?<!\\)([*+?}])\+", r"\1", python)):
        try:
            return re.compile(candidate, flags)
        except (re.error, OverflowError):
            continue
    return None


def _above_ffff(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
    return f"\\U{0x10000 + (high << 10) + low:08X}"
