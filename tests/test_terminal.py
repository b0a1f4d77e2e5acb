"""States have a color, and say the same without one."""

from __future__ import annotations

import re

import pytest
from IPython.utils.capture import capture_output
from rich.text import Text

from workshop import terminal

STATES = ("passed", "not yet", "not attempted")


def text():
    return Text("\n").join(Text(f"1.3 <a&b> {state}").append(state, state) for state in STATES)


def test_a_terminal_has_a_color_for_each_state(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal.say(text())
    out = capsys.readouterr().out
    assert len(set(re.findall(r"\x1b\[(\d+)m(?:passed|not yet|not attempted)", out))) == 3


def test_elsewhere_it_is_plain_text(capsys):
    terminal.say(text())
    assert capsys.readouterr().out == f"{text().plain}\n"


def test_a_notebook_shows_colors_and_keeps_plain_text(in_notebook):
    with capture_output() as captured:
        terminal.say(text())
    (output,) = captured.outputs
    assert output.data["text/plain"] == text().plain
    page = output.data["text/html"]
    assert "&lt;a&amp;b&gt;" in page
    assert "font-family: var(--jp-code-font-family, monospace)" in page
    for state in STATES:
        assert re.search(rf'<span style="[^"]*background-color: #\w+[^"]*">{state}</span>', page)


def luminance(color: str) -> float:
    """The relative luminance of "#1a7f37" (WCAG 2)."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(share * p for share, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("style", terminal._BADGES.values())
def test_badges_can_be_read_in_any_theme(style):
    """They bring their own background; WCAG 2 wants a contrast of 4.5."""
    front, back = re.findall(r"#\w+", style)
    assert (luminance(front) + 0.05) / (luminance(back) + 0.05) >= 4.5
