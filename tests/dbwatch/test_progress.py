"""A line that tells how far something is."""

from __future__ import annotations

import io

from dbwatch.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_terminal_has_one_line_that_is_cleared_at_the_end() -> None:
    out, clock = Terminal(), Clock()
    with ProgressLine(out, clock=clock) as line:
        line.tell("1 of 3")
        line.tell("2 of 3")
        clock.now_s = 1
        line.tell("3 of 3")
    assert out.getvalue() == "\r\x1b[K1 of 3\r\x1b[K3 of 3\r\x1b[K"


def test_elsewhere_a_line_is_written_now_and_then() -> None:
    out, clock = io.StringIO(), Clock()
    with ProgressLine(out, clock=clock) as line:
        for second in range(12):
            clock.now_s = second
            line.tell(f"{second} s")
    assert out.getvalue() == "5 s\n10 s\n"
