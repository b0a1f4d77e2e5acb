"""What a Python of `.venv` does first under `./lab`, by `workshop.pth`: so it must be quick.

Importing this gives a plain script the emulated AWS, or tags and prices under `--aws`. Where both
are asked for, nothing may reach AWS. pip leaves the packages alone that the labs are written for.
"""

from __future__ import annotations

import os

import wrapt

if "WORKSHOP_ENDPOINT" in os.environ:
    from workshop.emulator.client import hook
elif "WORKSHOP_AWS" in os.environ:
    from workshop.account import hook  # noqa: F401

wrapt.register_post_import_hook("workshop.pins:watch", "pip._internal.commands.install")
