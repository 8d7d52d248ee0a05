"""A histogram of seconds as an immutable value, in the buckets of its metric. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""A value equal to a bound is in its bucket."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts` are cumulative, one for each bound; `count` is of all values."""

    counts: tuple[int, ...] = (0,) * len(BOUNDS_S)
    count: int = 0
    sum_s: float = 0.0

    def with_values(self, values_s: Sequence[float]) -> Histogram:
        """Sorted once, so that many values cost little each."""
        if not values_s:
            return self
        ranked = sorted(values_s)
        counts = tuple(
            before + bisect_right(ranked, bound) for before, bound in zip(self.counts, BOUNDS_S, strict=True)
        )
        return Histogram(counts, self.count + len(ranked), self.sum_s + sum(ranked))
