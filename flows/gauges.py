"""How much state the join keeps, and how much of it is still to be told; counted as it changes. Pure but for a lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class StageGauge:
    """One stage: its live keys, and what waits in them. Called from every worker's thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._entries = 0
        self._pending = 0

    @property
    def entries(self) -> int:
        return self._entries

    @property
    def pending(self) -> int:
        return self._pending

    def add(self, *, entries: int = 0, pending: int = 0) -> None:
        with self._lock:
            self._entries += entries
            self._pending += pending


class JoinGauges:
    """The gauges of all stages of one process, by the stage's name; they come into being when they are asked for."""

    def __init__(self) -> None:
        self._stages: dict[str, StageGauge] = {}

    def stage(self, name: str) -> StageGauge:
        return self._stages.setdefault(name, StageGauge(name))

    @property
    def entries(self) -> Mapping[str, int]:
        return {name: gauge.entries for name, gauge in list(self._stages.items())}

    @property
    def pending(self) -> Mapping[str, int]:
        return {name: gauge.pending for name, gauge in list(self._stages.items())}
