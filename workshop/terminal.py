"""What `./lab` prints: styled and wrapped on a terminal, plain lines everywhere else.

What a notebook prints with these functions is a page there, and plain text where it is saved.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from workshop.place import in_notebook

#: How a state is shown on a terminal. The word itself always says the same.
STYLES = {
    "ok": "green",
    "done": "green",
    "note": "cyan",
    "running": "cyan",
    "FIX": "bold red",
    "FAILED": "bold red",
    "not run": "yellow",
    "passed": "green",
    "not yet": "yellow",
    "not attempted": "cyan",
}
#: The same in a notebook: white on a color can be read in a light theme and in a dark one.
_BADGES = {
    "passed": "bold #ffffff on #1a7f37",
    "not yet": "bold #ffffff on #9a6700",
    "not attempted": "bold #ffffff on #57606a",
}
# JupyterLab's style sheet may give a <pre> letters of different width.
_STYLE = "font-family: var(--jp-code-font-family, monospace); margin: 0; white-space: pre-wrap"
_PAGE = f'<pre style="{_STYLE}">{{code}}</pre>'
#: In markdown, a star that is no format.
STAR = r"\*"


def console(*, stderr: bool = False) -> Console:
    """Make a console that takes its text literally: no markup, no automatic colors."""
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        theme=Theme(STYLES),
    )


def say(text: Text) -> None:
    """Print a text whose styles are states, like "passed": with colors where there are some."""
    if not in_notebook():
        console().print(text)
        return
    from IPython.display import display

    # By itself, rich would display it too.
    drawn = Console(file=io.StringIO(), record=True, theme=Theme(_BADGES), force_jupyter=False)
    drawn.print(text, soft_wrap=True)
    html = drawn.export_html(inline_styles=True, code_format=_PAGE)
    display({"text/plain": text.plain, "text/html": html}, raw=True)


def page(markdown: str) -> None:
    """Show markdown: as a page in a notebook, rendered on a terminal, else as it is."""
    if in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(markdown))
        return
    to = console()
    if not to.is_terminal:
        to.print(markdown.replace(STAR, "*"), end="")
        return
    from rich.markdown import Markdown

    to.print(Markdown(markdown, code_theme="ansi_dark"), soft_wrap=False)


def print_table(to: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; on a terminal, the last column wraps inside its own width."""
    if to.is_terminal:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in header:
            table.add_column(name, overflow="fold", no_wrap=name != header[-1])
        for row in rows:
            table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
        to.print(table, soft_wrap=False)
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        to.print(line.rstrip())


class Check(NamedTuple):
    """One line of `./lab doctor`; `state` is ok, note (nothing to do) or FIX."""

    name: str
    state: str
    finding: str


def report(checks: Sequence[Check], *, again: str, all_well: str) -> int:
    """Print checks and what to do first; return 1 when something is to be fixed, else 0."""
    to = console()
    rows = [(check.state, check.name, check.finding) for check in checks]
    print_table(to, ["", "Check", "Finding"], rows)
    blocked = list(dict.fromkeys(check.name for check in checks if check.state == "FIX"))
    to.print()
    if blocked:
        to.print(f"To do first: {', '.join(blocked)}. Then call {again} again.")
        return 1
    to.print(all_well)
    return 0


def shown(path: os.PathLike | str) -> str:
    """Write a path as short as it can be typed: relative to the current folder if it is below."""
    path = os.path.abspath(path)
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
