"""Shows an error of AWS, the SDK or a job: a few lines first, the whole of it behind them."""

from __future__ import annotations

import html
import os
import re
import sys
import textwrap
import time
import traceback

from workshop.emulator import files, state
from workshop.emulator.client import failures

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_PAGE = """\
<div style="border-left: 4px solid #d33; padding: 0.3em 0.8em; margin-bottom: 0.4em">
{box}
<details><summary>The whole error, {count} lines</summary>
<pre style="max-height: 30em; overflow: auto; font-size: 90%">{whole}</pre>
</details>
</div>"""


def watch_notebook() -> None:
    """In IPython: show such errors short from now on.

    IPython shows all errors with one function, and gives it the lines of the traceback
    (``IPython/core/interactiveshell.py``, ``_showtraceback``; ``ipykernel/zmqshell.py``). The cell
    ends with an error output, as papermill and nbval expect; the whole traceback comes before it.
    """
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    show_as_usual = type(shell)._showtraceback

    def show(kind, error, lines: list[str]) -> None:
        explained = failures.explain(error, lambda filename: _cell(shell, filename))
        if explained is None:
            show_as_usual(shell, kind, error, lines)
            return
        whole = _COLORS.sub("", shell.InteractiveTB.stb2text(lines))
        if explained.job_error:
            whole = f"{whole}\n\n{explained.job_error}"
        if hasattr(shell, "kernel"):
            _display(shell, explained, whole)
            show_as_usual(shell, kind, error, [_headline(kind, explained)])
        else:  # a terminal shows no page
            show_as_usual(shell, kind, error, [_with_file(explained, whole)])

    shell._showtraceback = show


def show_in_terminal(kind: type, error: BaseException, trace) -> bool:
    """Show such an error short, and say where the whole of it is; False for any other error."""
    explained = failures.explain(error, os.path.relpath)
    if explained is None:
        return False
    whole = "".join(traceback.format_exception(kind, error, trace))
    if explained.job_error:
        whole = f"{whole}\n{explained.job_error}\n"
    print(f"\n{_with_file(explained, whole)}", file=sys.stderr)
    return True


def _cell(shell, filename: str) -> str:
    """Return what IPython calls the cell that it has run as a file, else the file's name."""
    known = shell.compile.format_code_name(filename)
    return f"cell {known[1].removeprefix('In')}" if known else os.path.relpath(filename)


def _headline(kind, explained: failures.Explained) -> str:
    told = explained.title if explained.job_error else explained.error.split(". ")[0]
    return f"{kind.__name__}: {textwrap.shorten(told, 160, placeholder=' …')}"


def _display(shell, explained: failures.Explained, whole: str) -> None:
    title, *others = (html.escape(" ".join(map(str.strip, one))) for one in explained.parts())
    page = _PAGE.format(
        box="\n".join(f"<div>{one}</div>" for one in (f"<b>{title}</b>", *others)),
        count=whole.count("\n") + 1,
        whole=html.escape(whole),
    )
    shell.display_pub.publish(
        {"text/plain": f"{explained.text()}\n\nThe whole error:\n{whole}", "text/html": page},
        # For whoever runs the notebook (papermill): what its texts hold, in parts.
        {"workshop_error": {"where": explained.raised, "job_error": explained.job_error}},
    )


def _with_file(explained: failures.Explained, whole: str) -> str:
    """Keep the whole error in a file; return the short one, with the file's name."""
    name = f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}.txt"
    file = state.folder("errors") / name
    try:
        files.write(file, whole)
    except OSError:  # a full disk
        return f"{explained.text()}\n\n{whole}"
    return f"{explained.text()}\nThe whole error: {os.path.relpath(file)}"
