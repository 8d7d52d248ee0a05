"""What the archive costs: figures and the page's section. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.results import Run, Spread, ratios

ARCHIVED = "full join, archived"
NOT_ARCHIVED = "full join, not archived"
PLAIN_ARCHIVED = "pass-through, archived"
PLAIN_NOT_ARCHIVED = "pass-through, not archived"

PAIRS = ((ARCHIVED, NOT_ARCHIVED), (PLAIN_ARCHIVED, PLAIN_NOT_ARCHIVED))

_WHAT = """\
The backlog of the first section, by jobs with recovery on: with an [archive](archive.md), and without one. They take
turns, and each ratio is of the two runs of one round. Size is that of the whole archive's folder, before compaction.
"""


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """What the archive leaves of the throughput."""
    names = ("archived_against_not", "plain_archived_against_not")
    return {name: _ratio(result, *pair).median for name, pair in zip(names, PAIRS, strict=True)}


def section(result: Mapping[str, Any]) -> str:
    parts = ["## Archive: what it costs\n", _WHAT, _rates(result), _ratios(result)]
    return "\n".join(parts)


def _rates(result: Mapping[str, Any]) -> str:
    lines = [
        "| subject | changes/s, median (least to most) | CPU s per million changes | MB at most | bytes a change |",
        "|---|---|---|---|---|",
    ]
    for name in result["subjects"]:
        runs = _runs(result, name)
        rates = Spread.of([run.rate_per_s for run in runs])
        cpu = median(run.cpu_s_per_million["job"] for run in runs)
        peak = median(run.peak_mb["job"] for run in runs)
        sizes = result["bytes_per_change"].get(name)
        size = f"{median(sizes):.0f}" if sizes else "none"
        spread = f"{rates.median:,.0f} ({rates.low:,.0f} to {rates.high:,.0f})"
        lines.append(f"| {name} | {spread} | {cpu:.1f} | {peak:,.0f} | {size} |")
    return "\n".join(lines) + "\n"


def _ratios(result: Mapping[str, Any]) -> str:
    lines = ["| subject | against | ratio, median (least to most) |", "|---|---|---|"]
    for of, to in PAIRS:
        ratio = _ratio(result, of, to)
        lines.append(f"| {of} | {to} | {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) |")
    return "\n".join(lines) + "\n"


def _ratio(result: Mapping[str, Any], of: str, to: str) -> Spread:
    return ratios(*([run.rate_per_s for run in _runs(result, name)] for name in (of, to)))


def _runs(result: Mapping[str, Any], name: str) -> list[Run]:
    return [Run.from_json(run) for run in result["subjects"][name]]
