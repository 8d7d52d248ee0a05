"""Per-second counts and latencies of what was written. Pure but for its lock.

Counted where Redis has confirmed the write, so that a record held back or left out as a duplicate does not count.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import orjson

from connectors.records import Record


class Interval(NamedTuple):
    """What was written since the last one. `counts` is by view and by `c`, `u`, `d`, `r` or `caused` (updates that a
    lookup caused, which are not in `u`). `latencies_ms` go from the source's commit to Redis, for a row's own
    changes only: a snapshot's rows are as old as they are, and a caused record waits its turn on purpose.
    """

    counts: Mapping[tuple[str, str], int]
    latencies_ms: Sequence[int]
    written: int
    skipped: int


_KIND = attrgetter("view", "op", "cause")


def _is_late(kind: tuple[str, str, str | None]) -> bool:
    """Whether records of this view, operation and cause say nothing of how quick the job is."""
    _, op, cause = kind
    return cause is not None or op == "r"


class Meter:
    """Counts records as they are written, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def add(self, records: Sequence[Record], at_ms: int, skipped: int) -> None:
        """Records that stand in Redis since `at_ms`, by its clock, and how many duplicates were left out."""
        kinds = Counter(map(_KIND, records))
        own = [r for r in records if r.cause is None and r.op != "r"] if any(map(_is_late, kinds)) else records
        latencies = [at_ms - r.ts_ms for r in own]
        if latencies and min(latencies) < 0:
            latencies = [max(0, ms) for ms in latencies]
        with self._lock:
            for (view, op, cause), count in kinds.items():
                self._counts[view, "caused" if cause else op] += count
            self._latencies_ms += latencies
            self._skipped += skipped

    def take(self) -> Interval:
        """What was added since the last call."""
        with self._lock:
            taken = Interval(self._counts, self._latencies_ms, self._counts.total(), self._skipped)
            self._clear()
        return taken

    def _clear(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._latencies_ms: list[int] = []
        self._skipped = 0


def rates_fields(interval: Interval, *, at_ms: int, process: str, seconds: float) -> dict[str, str]:
    """The entry of the `rates` stream for one interval; its fields are described in `docs/records.md`."""
    counts: dict[str, dict[str, int]] = {}
    for (view, op), count in sorted(interval.counts.items()):
        counts.setdefault(view, {})[op] = count
    fields = {
        "schema": "1",
        "at_ms": str(at_ms),
        "process": process,
        "seconds": f"{seconds:.3f}",
        "counts": orjson.dumps(counts).decode(),
    }
    if interval.latencies_ms:
        fields["latency_ms"] = orjson.dumps(latency_summary(interval.latencies_ms)).decode()
    return fields


def latency_summary(latencies_ms: Sequence[int]) -> dict[str, int]:
    """Count and percentiles (nearest rank) of at least one latency."""
    ranked = sorted(latencies_ms)
    return {"count": len(ranked), **{f"p{p}": ranked[-(-len(ranked) * p // 100) - 1] for p in (50, 95, 99)}}
