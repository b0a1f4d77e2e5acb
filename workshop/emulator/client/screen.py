"""Shows an error of AWS, the SDK or a job: a few lines first, the whole of it behind them."""

from __future__ import annotations

import html
import os
import sys
import textwrap
import time
import traceback
from collections.abc import Callable

from workshop.emulator import files, state
from workshop.emulator.client import failures, streams

_PAGE = """\
<div style="border-left: 4px solid #d33; padding: 0.3em 0.8em; margin-bottom: 0.4em">
{box}
{folds}
</div>"""
_FOLD = """\
<details><summary>{title}, {count} lines</summary>
<pre style="max-height: 30em; overflow: auto; font-size: 90%">{text}</pre>
</details>"""
#: The text of a cell is folded where it has no more characters.
_MOST = 200_000


def watch_notebook() -> None:
    """In IPython: show such errors short from now on.

    IPython shows all errors with one function, and gives it the lines of the traceback
    (``IPython/core/interactiveshell.py``, ``_showtraceback``; ``ipykernel/zmqshell.py``). The cell
    ends with an error output, as papermill and nbval expect; the whole traceback comes before it.
    Where a job has failed, what it printed goes behind the box, too: its traceback stands there.
    """
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    if shell._showtraceback.__module__ == __name__:
        return
    show_as_usual = type(shell)._showtraceback
    seen = _Seen(shell) if hasattr(shell, "kernel") else None  # a terminal shows no page

    def show(kind, error, lines: list[str]) -> None:
        explained = failures.explain(error, lambda filename: _cell(shell, filename))
        if explained is None:
            show_as_usual(shell, kind, error, lines)
            return
        whole = streams.settled(shell.InteractiveTB.stb2text(lines))
        if explained.job_error:
            whole = f"{whole}\n\n{explained.job_error}"
        if seen:
            _display(shell, explained, seen.take() if explained.job_error else "", whole)
            show_as_usual(shell, kind, error, [_headline(kind, explained)])
        else:
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


class _Seen:
    """What stands below the cell that runs: its text, from both streams."""

    def __init__(self, shell) -> None:
        self._shell = shell
        self._depth, self._text, self._shows_more = 0, "", False
        self._stop: Callable[[], None] = lambda: None  # the cell that connects has begun before
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ended)
        shell.display_pub.register_hook(self._displayed)

    def take(self) -> str:
        """Take the text away, and return it; "" where there is more than text, or too much."""
        if self._shows_more or not 0 < len(self._text) < _MOST:
            return ""
        self._shell.display_pub.clear_output()
        return streams.settled(self._text)

    def _begins(self, *_) -> None:
        if not self._depth:  # one cell may run another (%run)
            self._text, self._shows_more = "", False
            self._stop = streams.listen(self._hear)
        self._depth += 1

    def _ended(self, *_) -> None:
        self._depth = max(0, self._depth - 1)
        if not self._depth:
            self._stop()
            self._stop = lambda: None

    def _hear(self, _name: str, text: str) -> None:
        if len(self._text) < _MOST:
            self._text += text

    def _displayed(self, message: dict) -> dict:
        self._shows_more |= message.get("msg_type") == "display_data"
        return message


def _display(shell, explained: failures.Explained, printed: str, whole: str) -> None:
    title, *others = (html.escape(" ".join(map(str.strip, one))) for one in explained.parts())
    folds = {"What the cell printed": printed.strip("\n"), "The whole error": whole.strip("\n")}
    folds = {name: text for name, text in folds.items() if text}
    page = _PAGE.format(
        box="\n".join(f"<div>{one}</div>" for one in (f"<b>{title}</b>", *others)),
        folds="\n".join(
            _FOLD.format(title=name, count=text.count("\n") + 1, text=html.escape(text))
            for name, text in folds.items()
        ),
    )
    plain = "\n\n".join([explained.text(), *(f"{name}:\n{text}" for name, text in folds.items())])
    shell.display_pub.publish(
        {"text/plain": plain, "text/html": page},
        # For whoever runs the notebook (papermill): what its texts hold, in parts.
        {
            "workshop_error": {
                "where": explained.raised,
                "job_error": explained.job_error,
                "printed": printed,
            }
        },
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
