"""What is heard of the two streams, and how their text looks at the end."""

from __future__ import annotations

import sys

from workshop.emulator.client import streams


def test_each_listener_hears_all_once_until_it_stops(capsys):
    first, second = [], []
    stop_first = streams.listen(lambda *heard: first.append(heard))
    stop_second = streams.listen(lambda *heard: second.append(heard))
    sys.stdout.write("a")
    sys.stderr.write("b")
    stop_first()
    sys.stdout.write("c")
    stop_second()
    sys.stdout.write("d")
    assert first == [("stdout", "a"), ("stderr", "b")]
    assert second == [*first, ("stdout", "c")]
    assert capsys.readouterr() == ("acd", "b")


def test_a_text_is_shown_as_a_terminal_shows_it_at_the_end():
    said = "\x1b[31mred\x1b[0m\r\n1/2 [=>..]\r2/2 [====]\n"
    assert streams.settled(said) == "red\n2/2 [====]\n"
