"""From traces to the figures of the latency experiment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.percentiles import Percentiles, as_json, over_time
from benchmarks.trace import Shown, Trace

TARGET_RATE = 1000
"""Changes a second at which the targets are."""

_STEP_MS = 500.0
_NORMAL_MS = 25.0


def of_rates(found: Mapping[str, Any]) -> dict[str, float]:
    """What the targets are about, in ms."""
    at_target = found.get(str(TARGET_RATE), {})
    return {
        **{f"redis_{name}_ms": at_target["acked"][name] for name in ("p50", "p99") if "acked" in at_target},
        **({"cell_p95_ms": at_target["page"]["acked"]["p95"]} if at_target.get("page", {}).get("acked") else {}),
    }


def to_page(trace: Trace, shown: Shown) -> dict[str, Any]:
    """What was shown of the trace's changes."""
    return {
        "reached_per_s": trace.rate_per_s,
        "feed": as_json(trace.percentiles()),
        **{since: as_json(trace.to_page(shown, since)) for since in ("acked", "sent", "due", "read")},
        "inserted": as_json(trace.to_page(shown, drawn=False)),
    }


def recovery(trace: Trace, *, killed_ms: float, started_ms: float) -> dict[str, Any]:
    """How far behind the job was when it was started, when its first new entry came, and when latency was back: the end
    of the first half second whose median is what 95 of 100 were before the kill, or 25 ms. Pure.
    """
    began_ms = trace.moments[0].due
    reads = sorted(m.read for m in trace.moments if m.read is not None)
    first_ms = next((read for read in reads if read > started_ms), None)
    # An entry may be seen before its acknowledgement; one that was written before the kill was normal.
    before = Percentiles.of([m.read - m.acked for m in trace.moments if m.read is not None and m.read < killed_ms])
    normal_ms = max(_NORMAL_MS, before.p95 if before else 0.0)
    waits = [(m.read if m.read is not None else trace.end_ms) - m.acked for m in trace.moments]
    line = over_time([m.acked - began_ms for m in trace.moments], waits, step_ms=_STEP_MS)
    started_s = (started_ms - began_ms) / 1000
    normal = (
        at_s for at_s, p50, _, _ in line if at_s * 1000 - _STEP_MS / 2 > started_ms - began_ms and p50 <= normal_ms
    )
    back_s = next(normal, None)
    meanwhile = [wait for moments, wait in zip(trace.moments, waits, strict=True) if moments.acked > killed_ms]
    return {
        "killed_s": (killed_ms - began_ms) / 1000,
        "started_s": started_s,
        "behind": sum(m.acked < started_ms and (m.read is None or m.read > started_ms) for m in trace.moments),
        "first_entry_s": None if first_ms is None else (first_ms - started_ms) / 1000,
        "normal_ms": normal_ms,
        "back_s": None if back_s is None else back_s + _STEP_MS / 2000 - started_s,
        "before": as_json(before),
        "meanwhile": as_json(Percentiles.of(meanwhile)),
        "line": line,
    }


def to_feed(trace: Trace) -> dict[str, Any]:
    return {
        "reached_per_s": trace.rate_per_s,
        "changes": len(trace.moments),
        "caused": len(trace.caused),
        "write": as_json(Percentiles.of([m.acked - m.due for m in trace.moments])),
        **{since: as_json(trace.percentiles(since)) for since in ("acked", "sent", "due")},
        "stored": as_json(trace.percentiles(until="stored")),
        "line": over_time(
            [m.acked - trace.moments[0].due for m in trace.moments],
            [(m.read if m.read is not None else trace.end_ms) - m.acked for m in trace.moments],
            step_ms=_STEP_MS,
        ),
    }
