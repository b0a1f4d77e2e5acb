"""Calls the function that the command line names, and writes the report."""

import argparse
import importlib
import json
import sys

from .files import PLACE
from .report import REPORT, BadArguments, describe


def main():
    """Call the function of `MODULE.FUNCTION`, which is the first argument; report its error."""
    argparse.ArgumentParser.error = bad_arguments
    module, _, name = sys.argv[1].partition(".")
    function = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    try:
        function()
    except SystemExit as error:
        if error.code:
            REPORT["error"] = f"the script ended with exit status {error.code}"
    except BaseException as error:
        REPORT["error"] = describe(error)
    with open(f"{PLACE}/report.json", "w") as file:
        json.dump(REPORT, file)


def bad_arguments(self, message):
    raise BadArguments(message)
