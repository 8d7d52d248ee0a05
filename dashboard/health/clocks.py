"""How far Redis's clock is ahead of the clock of each process of the flow, as `P:rates` shows it. Pure.

A process writes its rates and its health in one call. Redis's clock makes the id of the entry and the process's clock
is in it, so what a process says can be dated by one clock, and is never called live because its own is ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dashboard.health.figures import Second

_MOST_PROCESSES = 256


class Clocks:
    """Remembers the last difference of each process, also of one that has fallen silent."""

    def __init__(self) -> None:
        self._ahead_ms: dict[str, int] = {}

    @property
    def ahead_ms(self) -> Mapping[str, int]:
        return self._ahead_ms

    def add(self, seconds: Iterable[Second]) -> None:
        """Take what processes wrote, oldest first."""
        for second in seconds:
            self._ahead_ms.pop(second.process, None)
            self._ahead_ms[second.process] = second.ahead_ms
        while len(self._ahead_ms) > _MOST_PROCESSES:
            del self._ahead_ms[next(iter(self._ahead_ms))]
