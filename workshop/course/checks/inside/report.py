"""What is reported: a dict that JSON can hold, and an exception in one line."""

import json
import os
import re
import sys
import traceback

#: What the function that is called tells; `look/trials.py` reads it.
REPORT = {}
MOST = 400  # characters of an error


def plain(value):
    if value is None or isinstance(value, (str, int, float)):
        return value
    return f"<{type(value).__name__}>"


def simple(value):
    """Return what JSON can hold of a value."""
    return json.loads(json.dumps(value, default=plain))


class BadArguments(Exception):
    """What argparse prints before it ends the program."""


def describe(error):
    """Return an exception in one line, with the line of the learner's script."""
    here = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".py")]
    here = [f for f in here if os.path.dirname(f.filename) in ("", os.getcwd())]
    where = f"{os.path.basename(here[-1].filename)}, line {here[-1].lineno}: " if here else ""
    text = " ".join(str(error).split())
    if "Stack trace: [bt]" in text:  # XGBoost's errors, with the time, and the file in C++
        text = re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", text.partition(" Stack trace: [bt]")[0])
    if len(text) > MOST:
        text = f"{text[:MOST]} …"
    if isinstance(error, NotImplementedError) and " not attempted" in text:
        return text
    if isinstance(error, BadArguments):
        return f"{sys.argv[0]}: error: {text}"
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"
