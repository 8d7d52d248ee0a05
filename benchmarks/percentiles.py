"""What many latencies come to. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

CURVE = (0, 1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)
"""The percentiles of a curve that is drawn."""


class Percentiles(NamedTuple):
    """Of `number` latencies in ms. Of those that had not ended when the measuring did, `unfinished` in number, it is
    known only that they were at least as long as they were then; as such they are in the figures.
    """

    number: int
    p50: float
    p95: float
    p99: float
    p999: float
    most: float
    curve: tuple[float, ...]
    unfinished: int = 0

    @classmethod
    def of(cls, latencies_ms: Sequence[float], *, unfinished_ms: Sequence[float] = ()) -> Percentiles | None:
        """Nearest rank; None for none."""
        ranked = sorted([*latencies_ms, *unfinished_ms])
        if not ranked:
            return None
        curve = tuple(round(_rank(ranked, p), 2) for p in CURVE)
        p50, p95, p99, p999 = (round(_rank(ranked, p), 2) for p in (50, 95, 99, 99.9))
        return cls(len(ranked), p50, p95, p99, p999, round(ranked[-1], 2), curve, len(unfinished_ms))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Percentiles:
        return cls(**value)._replace(curve=tuple(value["curve"]))


def as_json(found: Percentiles | None) -> dict[str, Any] | None:
    return None if found is None else found._asdict()


def _rank(ranked: Sequence[float], p: float) -> float:
    return ranked[max(0, math.ceil(len(ranked) * p / 100) - 1)]


def over_time(
    moments_ms: Sequence[float], latencies_ms: Sequence[float], *, step_ms: float
) -> list[tuple[float, float, float, float]]:
    """For each step in which there are any: its middle (s), median, 99th percentile and most, of what began in it."""
    steps: dict[int, list[float]] = {}
    for moment, latency in zip(moments_ms, latencies_ms, strict=True):
        steps.setdefault(math.floor(moment / step_ms), []).append(latency)
    line: list[tuple[float, float, float, float]] = []
    for step, values in sorted(steps.items()):
        ranked = sorted(values)
        p50, p99, most = (round(_rank(ranked, p), 2) for p in (50, 99, 100))
        line.append((round((step + 0.5) * step_ms / 1000, 3), p50, p99, most))
    return line
