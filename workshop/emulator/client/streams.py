"""What a cell of a notebook writes to its two streams: heard by others, and as one sees it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

#: Called with the name of the stream, "stdout" or "stderr", and the text.
Listener = Callable[[str, str], object]

_listeners: list[Listener] = []
_untap: list[Callable[[], None]] = []
_COLORS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def listen(listener: Listener) -> Callable[[], None]:
    """Tell a listener all that is written from now on; return what ends that."""
    if not _listeners:
        _untap[:] = [_tap("stdout"), _tap("stderr")]
    _listeners.append(listener)

    def stop() -> None:
        _listeners.remove(listener)
        if not _listeners:
            for end in _untap:
                end()

    return stop


def _tap(name: str) -> Callable[[], None]:
    """Wrap the `write` of a stream; return what ends that.

    In a kernel, what programs print passes it, too (``ipykernel/iostream.py``). IPython wraps it
    anew for each cell (``IPython/core/interactiveshell.py``, ``_tee``).
    """
    stream = getattr(sys, name)
    write = stream.write

    def tell(text):
        for listener in tuple(_listeners):
            listener(name, text)
        return write(text)

    stream.write = tell
    return lambda: setattr(stream, "write", write)


def settled(text: str) -> str:
    """Return a text as a terminal shows it at the end: one state of each line, no colors."""
    text = _COLORS.sub("", text).replace("\r\n", "\n")
    return re.sub(r"(?m)^[^\n]*\r(?=[^\n])", "", text)
