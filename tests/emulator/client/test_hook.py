"""The hook alone. What it keeps from the network is in ``test_hook_network.py``."""

from __future__ import annotations

import subprocess
import sys

from workshop.emulator.client import hook


def test_it_needs_nothing_of_the_package():
    """As in a job, which imports the file alone."""
    code = (
        "import importlib.util, sys\n"
        "sys.modules['workshop.emulator'] = None  # importing it fails\n"
        f"spec = importlib.util.spec_from_file_location('alone', {hook.__file__!r})\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
