"""Plots of the growth experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from benchmarks.plots import LIMIT, SERIES

_TARGET_MB = 1.5 * 2**30 / 1e6
_TARGET_MS = 100.0


def plots(result: Mapping[str, Any]) -> dict[str, Figure]:
    return {"growth": _sizes(result), "fan-out": _fan_outs(result["fan_outs"]), "store": _store(result["sizes"])}


def _sizes(result: Mapping[str, Any]) -> Figure:
    sizes: Mapping[str, Mapping[str, Any]] = result["sizes"]
    rows, found = [int(size) for size in sizes], list(sizes.values())
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    rates, memory, pauses = figure.subplots(1, 3)
    for i, (key, name) in enumerate((("first_read", "first read"), ("backlog", "backlog of edits"))):
        rates.plot(rows, [each[key]["per_s"] for each in found], "o-", color=SERIES[i], label=name)
    memory.plot(rows, [each["peak_mb"] for each in found], "o-", color=SERIES[0], label="job, most memory")
    memory.plot(rows, [each["store_bytes"] / 1e6 for each in found], "o-", color=SERIES[1], label="recovery store")
    memory.axhline(_TARGET_MB, color=LIMIT, ls=":", label="target of memory at 1 M")
    pauses.plot(rows, [each["steady"]["pause_ms"] for each in found], "o-", color=SERIES[0], label="pause, median")
    longest = [each["steady"]["longest_pause_ms"] for each in found]
    pauses.plot(rows, longest, "o-", color=SERIES[1], label="pause, longest")
    for plot, title, unit in ((rates, "Speed", "changes/s"), (memory, "Size", "MB"), (pauses, "Epoch's end", "ms")):
        plot.set_title(title, loc="left")
        plot.set_ylabel(unit)
        plot.set_xscale("log")
        plot.set_xlabel("rows of state")
        plot.set_ylim(0, 1.15 * plot.dataLim.y1)
        plot.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        plot.grid(axis="y")
        plot.legend(fontsize=8)
    return figure


def _fan_outs(fan_outs: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title("p99 of other rows, while a change reaches so many comments", loc="left")
    for i, found in enumerate(fan_outs):
        at_s, p99 = ([point[n] for point in found["line"]] for n in (0, 2))
        colour = SERIES[i % len(SERIES)]
        plot.plot(at_s, [max(value, 1.0) for value in p99], color=colour, label=f"{found['count']:,} comments")
        plot.axvspan(0, found["took_s"], color=colour, alpha=0.08, lw=0)
    plot.axhline(_TARGET_MS, color=LIMIT, ls=":", label="target")
    _log(plot)
    plot.set_xlabel("s since the change; shaded until it had reached all")
    plot.set_ylabel("ms")
    plot.legend(fontsize=9)
    return figure


def _store(sizes: Mapping[str, Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title("Recovery store, from the start of a job on", loc="left")
    for i, (rows, found) in enumerate(sizes.items()):
        line: Sequence[Sequence[float]] = found["store_line"]
        begin_s, colour = line[0][0], SERIES[i % len(SERIES)]
        plot.plot(
            [s - begin_s for s, _ in line], [size / 1e6 for _, size in line], color=colour, label=f"{int(rows):,} rows"
        )
        steady = found["steady"]
        plot.axvspan(steady["from_s"] - begin_s, steady["to_s"] - begin_s, color=colour, alpha=0.08, lw=0)
    _log(plot)
    plot.set_xlabel("s; shaded while comments are edited at a steady rate")
    plot.set_ylabel("MB")
    plot.legend(fontsize=9)
    return figure


def _log(plot: Axes) -> None:
    plot.set_yscale("log")
    plot.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    plot.grid(axis="y")
