"""From traces to the figures of the growth experiment. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.percentiles import Percentiles, as_json, over_time
from benchmarks.trace import Trace

EPOCH_S = 5.0
DAY_S = 86_400
_STEP_MS = 250.0


def steady(trace: Trace) -> dict[str, Any]:
    """Latency, and the longest silence of the feed in each epoch's time."""
    latency = trace.percentiles()
    pauses = silences_ms([m.read for m in trace.moments if m.read is not None], span_ms=EPOCH_S * 1000)
    return {
        "reached_per_s": trace.rate_per_s,
        "latency": as_json(latency),
        "pause_ms": statistics.median(pauses) if pauses else None,
        "longest_pause_ms": max(pauses, default=None),
    }


def silences_ms(reads_ms: Sequence[float], *, span_ms: float) -> list[float]:
    """The longest time between two entries that followed each other, in each whole span from the first entry on.

    >>> silences_ms([0, 1, 2, 8, 9, 10, 11, 14, 19, 20, 21], span_ms=10)
    [6, 5]
    """
    ranked = sorted(reads_ms)
    longest: dict[int, float] = {}
    for one, next_one in pairwise(ranked):
        span = int((one - ranked[0]) // span_ms)
        longest[span] = max(longest.get(span, 0), next_one - one)
    whole = int((ranked[-1] - ranked[0]) // span_ms) if ranked else 0
    return [longest[span] for span in range(whole) if span in longest]


def fan_out(trace: Trace, *, number: int, at_ms: float, count: int) -> dict[str, Any]:
    """How long the change `number`, made at `at_ms`, took to reach everybody, and how long others took meanwhile: those
    that came within that time, of which a second at least is looked at, against those that came before.
    """
    reached = [read_ms for caused_by, read_ms in trace.caused if caused_by == number]
    end_ms = max([*reached, at_ms])
    others = [m for m in trace.moments if at_ms <= m.acked <= max(end_ms, at_ms + 1000)]
    before = [m for m in trace.moments if m.acked < at_ms - 100]
    waits = [((m.read if m.read is not None else trace.end_ms) - m.acked) for m in trace.moments]
    return {
        "count": count,
        "reached": len(reached),
        "took_s": (end_ms - at_ms) / 1000,
        "others": as_json(Percentiles.of([_wait(m.read, m.acked, trace) for m in others])),
        "before": as_json(Percentiles.of([_wait(m.read, m.acked, trace) for m in before])),
        "line": over_time([m.acked - at_ms for m in trace.moments], waits, step_ms=_STEP_MS),
    }


def _wait(read: float | None, acked: float, trace: Trace) -> float:
    return (trace.end_ms if read is None else read) - acked


def epoch_share(result: Mapping[str, Any]) -> float:
    """Of the worker's time, the larger of two: the CPU time that epochs of 5 s add, and the silence at their ends."""
    largest = result["sizes"][str(max(map(int, result["sizes"])))]
    return max(cpu_share(result), pause_share(largest) or 0.0)


def cpu_share(result: Mapping[str, Any]) -> float:
    """The CPU time that epochs of 5 s add to that of none, at the same rate of changes."""
    largest = result["sizes"][str(max(map(int, result["sizes"])))]
    return max(0.0, largest["steady"]["cpu_share"] - result["resume"]["without_epochs"]["cpu_share"])


def pause_share(found: Mapping[str, Any]) -> float | None:
    """Of the time: how long the feed is silent at the end of an epoch."""
    pause_ms = found["steady"]["pause_ms"]
    return None if pause_ms is None else pause_ms / (EPOCH_S * 1000)


def store_growth(line: Sequence[Sequence[float]], *, from_s: float, to_s: float) -> tuple[float, float]:
    """Bytes that the store grew by each second: in the whole time, and in the last third of it, when what is no longer
    needed has begun to be given back. 0 for a time of less than two looks.
    """
    within = [(at_s, size) for at_s, size in line if from_s <= at_s <= to_s]
    last_third = [(at_s, size) for at_s, size in within if at_s >= to_s - (to_s - from_s) / 3]
    return _slope(within), _slope(last_third)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return 0.0
    return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])


def of_result(result: Mapping[str, Any]) -> dict[str, float]:
    """What the targets are about, at the largest size."""
    rows = max(map(int, result["sizes"]))
    others = [found["others"]["p99"] for found in result["fan_outs"] if found["others"]]
    return {
        "rows": rows,
        "memory_gib": max(result["sizes"][str(rows)]["peak_mb"], result["resume"]["peak_mb"]) * 1e6 / 2**30,
        "resume_s": result["resume"]["first_entry_s"],
        "fan_out_others_p99_ms": others[-1] if others else float("nan"),
        "epoch_share": epoch_share(result),
    }


def size_line(found: Mapping[str, Any]) -> str:
    steady, latency = found["steady"], found["steady"]["latency"]
    return (
        f"    first read {found['first_read']['per_s']:,.0f}/s, backlog {found['backlog']['per_s']:,.0f}/s, peak "
        f"{found['peak_mb']:,.0f} MB, store {found['store_bytes'] / 1e6:,.0f} MB; at {steady['reached_per_s']:,.0f}/s "
        f"pause {steady['pause_ms'] or 0:,.0f} ms, p99 {latency['p99']:,.0f} ms, {steady['cpu_share']:.2f} cores"
    )


def fan_out_line(found: Mapping[str, Any]) -> str:
    p99_ms = found["others"]["p99"] if found["others"] else float("nan")
    return f"    took {found['took_s']:.1f} s; others' p99 meanwhile {p99_ms:,.0f} ms"
