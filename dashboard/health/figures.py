"""Rates and latencies of the last minute, from the entries of `P:rates`. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from connectors.errors import BadRecord

SCHEMA = "1"
SERIES_S = 60
_RECENT_MS = 3500
_KINDS: tuple[str, ...] = ("c", "u", "caused", "d", "r")


class Latency(NamedTuple):
    """From the source's commit to Redis, in milliseconds."""

    p50: float
    p95: float
    p99: float


class Second(NamedTuple):
    """What one process wrote in about one second. `at_ms` is when Redis took the entry, `ahead_ms` how far Redis's
    clock is ahead of the process's."""

    at_ms: int
    ahead_ms: int
    process: str
    seconds: float
    counts: Mapping[str, Mapping[str, int]]
    latency: Latency | None

    @classmethod
    def from_fields(cls, at_ms: int, fields: Mapping[str, str]) -> Second:
        """Raises `BadRecord` for another schema, or fields that cannot be read."""
        if fields.get("schema") != SCHEMA:
            raise BadRecord(f"rates of schema {fields.get('schema')!r} were found, {SCHEMA!r} was expected")
        try:
            counts: dict[str, dict[str, int]] = orjson.loads(fields["counts"])
            latency = fields.get("latency_ms")
            return cls(
                at_ms,
                at_ms - int(fields["at_ms"]),
                fields["process"],
                max(float(fields["seconds"]), 0.001),
                {view: {op: int(n) for op, n in of_view.items()} for view, of_view in counts.items()},
                None if latency is None else _latency(orjson.loads(latency)),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as exc:
            raise BadRecord(f"rates lack or garble a field: {exc}") from exc


class Rates(NamedTuple):
    """Records per second by view and kind (`c`, `u`, `caused`, `d`, `r`), their sum for each second of the last minute
    (oldest first), and the latest latency, of the slowest process."""

    by_view: Mapping[str, Mapping[str, float]]
    series: tuple[float, ...]
    latency: Latency | None

    @property
    def total(self) -> float:
        return sum(rate for kinds in self.by_view.values() for rate in kinds.values())

    @property
    def shown(self) -> float:
        """Those that the tables show: all but a snapshot's rows."""
        return sum(rate for kinds in self.by_view.values() for kind, rate in kinds.items() if kind != "r")


class Minute:
    """The seconds of the last minute, of all processes."""

    def __init__(self) -> None:
        self._seconds: list[Second] = []
        self._views: set[str] = set()

    def add(self, seconds: Iterable[Second], now_ms: int) -> None:
        """Take new seconds and forget old ones. Views once seen are listed on, at rate 0."""
        self._seconds = [s for s in (*self._seconds, *seconds) if now_ms - s.at_ms <= (SERIES_S + 1) * 1000]
        self._views.update(view for s in self._seconds for view in s.counts)

    def rates(self, now_ms: int) -> Rates:
        recent = [s for s in self._seconds if now_ms - s.at_ms <= _RECENT_MS]
        return Rates(_by_view(recent, sorted(self._views)), self._series(now_ms), _slowest(recent))

    def totals(self, now_ms: int) -> dict[str, Counter[str]]:
        """How many records were written in the last minute, by view and kind; those with the most come first."""
        by_view: dict[str, Counter[str]] = {view: Counter() for view in sorted(self._views)}
        for second in self._seconds:
            if now_ms - second.at_ms <= SERIES_S * 1000:
                for view, kinds in second.counts.items():
                    by_view[view].update(kinds)
        return dict(sorted(by_view.items(), key=lambda item: -item[1].total()))

    def _series(self, now_ms: int) -> tuple[float, ...]:
        """By whole seconds that have passed; what was written in a part of one counts by its part."""
        first_s = now_ms // 1000 - 1 - SERIES_S
        series = [0.0] * SERIES_S
        for second in self._seconds:
            count = sum(n for kinds in second.counts.values() for n in kinds.values())
            for at_s, share in _shares(second.at_ms / 1000 - second.seconds, second.at_ms / 1000):
                if 0 <= at_s - first_s < SERIES_S:
                    series[at_s - first_s] += count * share
        return tuple(round(n, 2) for n in series)


def _shares(begin_s: float, end_s: float) -> Iterator[tuple[int, float]]:
    """The whole seconds that an interval touches, each with its share of the interval."""
    duration_s = end_s - begin_s
    for at_s in range(int(max(begin_s, end_s - 2 * SERIES_S)), int(end_s) + 1):
        yield at_s, (min(end_s, at_s + 1) - max(begin_s, at_s)) / duration_s


class Shortfall:
    """How much is written but not shown, over the last three seconds."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, bool]] = deque(maxlen=3)

    def add(self, shown: int, left_out: int, *, capped: bool) -> None:
        """One second: how many rows were shown, how many found no room, and whether there were more than was read."""
        self._seconds.append((shown, left_out, capped))

    def per_second(self, written: float) -> int:
        """About how many changes a second are not shown, when `written` are made; 0 only when all are.

        What was not read may have been a snapshot's rows only: that is so when no changes were made.
        """
        if not self._seconds:
            return 0
        shown = sum(shown for shown, _, _ in self._seconds) / len(self._seconds)
        left_out = sum(left_out for _, left_out, _ in self._seconds) / len(self._seconds)
        if not left_out and not (written and any(capped for _, _, capped in self._seconds)):
            return 0
        return max(1, round(left_out), round(written - shown))


def _by_view(seconds: list[Second], views: list[str]) -> dict[str, dict[str, float]]:
    by_view: dict[str, dict[str, float]] = {view: dict.fromkeys(_KINDS, 0.0) for view in views}
    duration_s: dict[str, float] = defaultdict(float)
    for second in seconds:
        duration_s[second.process] += second.seconds
    for second in seconds:
        for view, kinds in second.counts.items():
            for kind, count in kinds.items():
                by_view[view][kind] = by_view[view].get(kind, 0.0) + count / duration_s[second.process]
    return by_view


def _slowest(seconds: list[Second]) -> Latency | None:
    newest: dict[str, Latency] = {s.process: s.latency for s in seconds if s.latency is not None}
    return max(newest.values(), key=lambda latency: latency.p95, default=None)


def _latency(value: Any) -> Latency:
    return Latency(float(value["p50"]), float(value["p95"]), float(value["p99"]))
