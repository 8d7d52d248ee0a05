"""What measurements come to: rates, medians, spreads, and ratios of runs that alternated. Pure; all of it goes to JSON
and back.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

WARM_UP = 0.05
"""The share of a run's entries that is left out at its beginning, for all subjects alike."""


class Spread(NamedTuple):
    """The median of several runs, the smallest and the largest, and each in order."""

    median: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values), tuple(values))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spread:
        return cls.of([float(each) for each in value["values"]])

    def as_json(self) -> dict[str, Any]:
        return {"median": self.median, "low": self.low, "high": self.high, "values": list(self.values)}


def ratios(of: Sequence[float], to: Sequence[float]) -> Spread:
    """The ratio in each round: what disturbs a round disturbs both of its runs."""
    return Spread.of([one / other for one, other in zip(of, to, strict=True)])


class Feed(NamedTuple):
    """What a subject wrote: entries of rows' own changes by view and operation, entries that a lookup caused, how many
    own ones are distinct, and `(Unix ms, own, caused)` for each millisecond in which any came.
    """

    own: Mapping[str, int]
    caused: int
    distinct: int
    times: Sequence[tuple[int, int, int]]

    @property
    def changes(self) -> int:
        """Entries of rows' own changes."""
        return sum(self.own.values())

    @classmethod
    def merged(cls, feeds: Sequence[Feed]) -> Feed:
        own: Counter[str] = Counter()
        for feed in feeds:
            own.update(feed.own)
        times = sorted(time for feed in feeds for time in feed.times)
        return cls(own, sum(f.caused for f in feeds), sum(f.distinct for f in feeds), times)


class Span(NamedTuple):
    """The measured part of a run: `changes` were made from `start_s` to `end_s`, both Unix time."""

    changes: int
    start_s: float
    end_s: float

    @property
    def rate_per_s(self) -> float:
        return self.changes / (self.end_s - self.start_s)


def span(feed: Feed, *, warm_up: float = WARM_UP) -> Span:
    """From the moment when a share of `warm_up` of the own entries was there, to the last entry of any kind.

    Entries that came in the same millisecond as the moment belong to the warm-up. Raises `ValueError` for a feed that
    is too short to be measured.
    """
    counted = list(accumulate(own for _, own, _ in feed.times))
    begins = next((i for i, count in enumerate(counted) if count >= warm_up * feed.changes), None)
    if begins is None:
        raise ValueError("nothing was written")
    start_ms, end_ms = feed.times[begins][0], feed.times[-1][0]
    if counted[begins] >= feed.changes or end_ms <= start_ms:
        raise ValueError(f"{feed.changes} entries within {end_ms - feed.times[0][0]} ms cannot be measured")
    return Span(feed.changes - counted[begins], start_ms / 1000, end_ms / 1000)


class Run(NamedTuple):
    """One subject's run: its rate, and by group of processes what a million changes cost."""

    rate_per_s: float
    caused: int
    cpu_s_per_million: Mapping[str, float]
    peak_mb: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {
            "rate_per_s": self.rate_per_s,
            "caused": self.caused,
            "cpu_s_per_million": dict(self.cpu_s_per_million),
            "peak_mb": dict(self.peak_mb),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Run:
        return cls(value["rate_per_s"], value["caused"], value["cpu_s_per_million"], value["peak_mb"])
