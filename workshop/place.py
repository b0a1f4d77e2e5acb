"""Where the learner is, a notebook or a terminal, and what a command is called there."""

from __future__ import annotations

import sys

#: What a notebook has too: `workshop.check("1.3")` is `./lab check 1.3`.
_IN_NOTEBOOKS = ("check", "hint", "compare", "progress")


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def command(verb: str, *arguments: str, **options: int) -> str:
    """Return a command as it can be typed here: each message that names one asks for it.

    verb, arguments, options: as in `./lab VERB ARGUMENT… --OPTION VALUE…`
    """
    if in_notebook() and verb in _IN_NOTEBOOKS:
        given = [f'"{one}"' for one in arguments]
        given += [f"{name}={value}" for name, value in options.items()]
        return f"workshop.{verb}({', '.join(given)})"
    given = [f"--{name} {value}" for name, value in options.items()]
    return " ".join(["./lab", verb, *arguments, *given])
