"""A line that tells how far something is: rewritten on a terminal, written now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

_TERMINAL_EVERY_S = 0.1
_ELSEWHERE_EVERY_S = 5.0
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """`tell` may be called as often as one likes; on leaving, the line of a terminal is cleared."""

    def __init__(self, out: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stderr
        self._clock = clock
        self._terminal = self._out.isatty()
        self._every_s = _TERMINAL_EVERY_S if self._terminal else _ELSEWHERE_EVERY_S
        self._next_s = clock() if self._terminal else clock() + self._every_s

    def tell(self, text: str) -> None:
        now = self._clock()
        if now < self._next_s:
            return
        self._next_s = now + self._every_s
        self._out.write(f"{_CLEAR}{text}" if self._terminal else f"{text}\n")
        self._out.flush()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._terminal:
            self._out.write(_CLEAR)
            self._out.flush()
