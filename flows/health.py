"""The job's figures, from the source's progress and the sink's writes to one value that a page can show. Pure."""

from __future__ import annotations

import threading
from typing import Any

from connectors.mongo_state import SourceProgress
from flows.rates import Interval

_STILL_S = 2.0


class Health:
    """What one process knows of itself, from any thread; `figures` gives the JSON of its field in `P:health`."""

    def __init__(self, *, started_ms: int) -> None:
        self._lock = threading.Lock()
        self._started_ms = started_ms
        self._progress: dict[str, tuple[SourceProgress, bool, int]] = {}
        self._held: tuple[int, str] | None = None
        self._written = 0
        self._skipped = 0

    def on_progress(self, progress: SourceProgress, now_ms: int) -> None:
        """One partition of the source has come this far; when nothing was read since the last call, it has caught
        up.
        """
        with self._lock:
            before = self._progress.get(progress.partition)
            same = before is not None and before[0][1:4] == progress[1:4]
            self._progress[progress.partition] = (progress, same and progress.phase == "tail", now_ms)

    def on_held(self, reason: str | None, now_ms: int) -> None:
        """The sink waits for Redis, or (None) goes on."""
        with self._lock:
            self._held = None if reason is None else (now_ms, reason)

    def on_interval(self, interval: Interval) -> None:
        with self._lock:
            self._written += interval.written
            self._skipped += interval.skipped

    def figures(self, now_ms: int, *, stopping: bool = False) -> dict[str, Any]:
        """Milliseconds are Unix time or durations; the fields are described in `docs/records.md`."""
        with self._lock:
            partitions = list(self._progress.values())
            held = self._held
        progresses = [progress for progress, _, _ in partitions]
        state = "stopped" if stopping else "holding" if held else _phase(progresses)
        figures: dict[str, Any] = {
            "at_ms": now_ms,
            "started_ms": self._started_ms,
            "state": state,
            "position": min((p.position for p in progresses), default=""),
            "source_ts_ms": min((p.ts_ms for p in progresses), default=0),
            "lag_ms": max((_lag_ms(*partition, now_ms) for partition in partitions), default=0),
            "written": self._written,
            "skipped": self._skipped,
            "retries": sum(p.retries for p in progresses),
            "snapshot": _snapshot(progresses),
        }
        if held:
            figures |= {"holding_since_ms": held[0], "holding_reason": held[1]}
        return figures


def _phase(progresses: list[SourceProgress]) -> str:
    """The phase of the partition that is furthest behind."""
    phases = {p.phase for p in progresses}
    return next((phase for phase in ("snapshot", "waiting", "tail") if phase in phases), "starting")


def _lag_ms(progress: SourceProgress, caught_up: bool, at_ms: int, now_ms: int) -> int:
    """How far the job is behind the source: nothing, when the server has just said that there is no more."""
    if progress.phase != "tail" or (caught_up and now_ms - at_ms < _STILL_S * 1000):
        return 0
    return max(0, now_ms - progress.ts_ms)


def _snapshot(progresses: list[SourceProgress]) -> dict[str, Any] | None:
    reading = [p for p in progresses if p.phase != "tail"]
    if not reading:
        return None
    return {
        "collection": reading[0].collection,
        "read": sum(p.read for p in reading),
        "expected": sum(p.expected for p in reading),
    }
