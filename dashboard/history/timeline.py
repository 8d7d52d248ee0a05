"""The timeline: what was written when, as bars over minutes to a day, from the entries of `P:rates`. Pure.

`P:rates` holds about 90,000 entries, one a second from each process, so it reaches back a day divided by the number of
processes; bars before that are empty, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connectors.errors import ConfigError
from dashboard.health.figures import Latency, Second

SPANS_MS: tuple[int, ...] = (900_000, 3_600_000, 21_600_000, 86_400_000)
"""What can be looked at: the last 15 minutes, hour, 6 hours, day."""

MOST_BARS = 180
_STEPS_MS = (5_000, 10_000, 20_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_800_000, 3_600_000)
_MINUTE_MS = 60_000
_LARGEST_MS = 1 << 53


class Bar(NamedTuple):
    """What was written from `at_ms` (Redis's clock) until the next bar: counts by view and by `c`, `u`, `caused`, `d`,
    `r`; the latency is that of the slowest second, None when nothing had one."""

    at_ms: int
    counts: Mapping[str, Mapping[str, int]]
    latency: Latency | None


class Window(NamedTuple):
    """The bars that are looked at: each `bar_ms` long, at whole multiples of it, from `from_ms` and before `to_ms`."""

    from_ms: int
    to_ms: int
    bar_ms: int

    @classmethod
    def parse(cls, args: Mapping[str, Any], *, now_ms: int) -> Window:
        """From what a browser sent: `spanMs`, one of `SPANS_MS`, `bars`, how many fit on its screen, and `sinceMs` when
        it has the bars before that; raises `ConfigError`."""
        span_ms, bars, since_ms = args.get("spanMs", SPANS_MS[0]), args.get("bars", MOST_BARS), args.get("sinceMs", 0)
        if type(span_ms) is not int or span_ms not in SPANS_MS:
            raise ConfigError(f"spanMs: expected one of {SPANS_MS}, found {str(span_ms)[:40]!r}")
        if type(bars) is not int or not 24 <= bars <= MOST_BARS:
            raise ConfigError(f"bars: expected a number from 24 to {MOST_BARS}, found {str(bars)[:40]!r}")
        if type(since_ms) is not int or not 0 <= since_ms < _LARGEST_MS:
            raise ConfigError(f"sinceMs: expected Unix milliseconds, found {str(since_ms)[:40]!r}")
        bar_ms = next(step for step in _STEPS_MS if span_ms / step <= bars)
        to_ms = _floor(now_ms, bar_ms) + bar_ms
        from_ms = max(to_ms - span_ms, _floor(since_ms, bar_ms))
        return cls(min(from_ms, to_ms), to_ms, bar_ms)


class _Level:
    """Sums over stretches of one length, as far back as is kept."""

    def __init__(self, step_ms: int, kept_ms: int) -> None:
        self.step_ms = step_ms
        self.kept_ms = kept_ms
        self.counts: dict[int, dict[tuple[str, str], float]] = {}
        self.latencies: dict[int, Latency] = {}

    def add(self, second: Second) -> None:
        for at_ms, share in _shares(second, self.step_ms):
            counts = self.counts.setdefault(at_ms, {})
            for view, kinds in second.counts.items():
                for kind, count in kinds.items():
                    counts[view, kind] = counts.get((view, kind), 0.0) + count * share
        if second.latency is not None:
            at_ms = _floor(second.at_ms, self.step_ms)
            self.latencies[at_ms] = _slower(self.latencies.get(at_ms), second.latency)

    def forget(self, before_ms: int) -> None:
        for old in [at_ms for at_ms in self.counts if at_ms < before_ms]:
            del self.counts[old]
        for old in [at_ms for at_ms in self.latencies if at_ms < before_ms]:
            del self.latencies[old]


class Timeline:
    """Fed with the seconds of `P:rates` in any order, each once; its memory is bounded by time and views."""

    def __init__(self) -> None:
        self._fine = _Level(5_000, 75 * _MINUTE_MS)
        self._coarse = _Level(120_000, 25 * 60 * _MINUTE_MS)
        self._newest_ms = 0

    def add(self, second: Second) -> None:
        newest_ms = max(self._newest_ms, second.at_ms)
        for level in (self._fine, self._coarse):
            if second.at_ms >= newest_ms - level.kept_ms:
                level.add(second)
            if newest_ms // level.step_ms > self._newest_ms // level.step_ms:
                level.forget(newest_ms - level.kept_ms)
        self._newest_ms = newest_ms

    def bars(self, window: Window) -> list[Bar]:
        """The bars of the window in which something was written or measured, oldest first."""
        level = self._coarse if window.bar_ms % self._coarse.step_ms == 0 else self._fine
        return [bar for at_ms in range(*window) if (bar := _bar(level, at_ms, window.bar_ms)) is not None]


def window_value(window: Window, bars: list[Bar], *, reaches_ms: int | None) -> dict[str, Any]:
    """What the browser is told. `reaches_ms` is the time of the oldest rates there are, None when there are none."""
    return {
        "fromMs": window.from_ms,
        "toMs": window.to_ms,
        "barMs": window.bar_ms,
        "reachesMs": reaches_ms,
        "bars": [
            {
                "atMs": bar.at_ms,
                "counts": bar.counts,
                "latency": None if bar.latency is None else bar.latency._asdict(),
            }
            for bar in bars
        ],
    }


def _bar(level: _Level, at_ms: int, bar_ms: int) -> Bar | None:
    sums: dict[tuple[str, str], float] = {}
    latency: Latency | None = None
    for step_ms in range(at_ms, at_ms + bar_ms, level.step_ms):
        for kind, count in level.counts.get(step_ms, {}).items():
            sums[kind] = sums.get(kind, 0.0) + count
        measured = level.latencies.get(step_ms)
        latency = latency if measured is None else _slower(latency, measured)
    counts: dict[str, dict[str, int]] = {}
    for (view, kind), total in sorted(sums.items()):
        if round(total):
            counts.setdefault(view, {})[kind] = round(total)
    return Bar(at_ms, counts, latency) if counts or latency else None


def _shares(second: Second, step_ms: int) -> Iterator[tuple[int, float]]:
    """The stretches that an interval lies in, each with its share of it; one of about a second is not divided."""
    duration_ms = min(round(second.seconds * 1000), 100 * step_ms)
    begin_ms = second.at_ms - duration_ms
    if duration_ms <= step_ms / 2:
        yield _floor(begin_ms + duration_ms // 2, step_ms), 1.0
        return
    for at_ms in range(_floor(begin_ms, step_ms), second.at_ms, step_ms):
        yield at_ms, (min(second.at_ms, at_ms + step_ms) - max(begin_ms, at_ms)) / duration_ms


def _slower(one: Latency | None, other: Latency) -> Latency:
    return other if one is None or other.p95 > one.p95 else one


def _floor(ms: int, step_ms: int) -> int:
    return ms - ms % step_ms
