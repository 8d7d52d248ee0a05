"""Plots of the latency experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from benchmarks.percentiles import CURVE
from benchmarks.plots import INK, LIMIT, SERIES

_NINES = {50: 0.30, 90: 1.0, 95: 1.30, 99: 2.0, 99.9: 3.0}
"""Where a percentile stands: as far to the right as it has nines."""

_TARGETS_MS = {"feed": {50: 5.0, 99: 25.0}, "page": {95: 250.0}}


def plots(result: Mapping[str, Any]) -> dict[str, Figure]:
    return {"latency": _by_percentile(result), "recovery": _recovery(result["recovery"])}


def _by_percentile(result: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    feed, page = figure.subplots(1, 2, sharey=True)
    rates: Mapping[str, Mapping[str, Any]] = result["rates"]
    for i, (rate, found) in enumerate(rates.items()):
        name, colour = f"{int(rate):,} changes/s", SERIES[i % len(SERIES)]
        _curve(feed, found.get("acked"), name, colour)
        _curve(page, found.get("page", {}).get("acked"), name, colour)
    for plot, title, targets in ((feed, "to the entry in Redis", "feed"), (page, "to the cell in the browser", "page")):
        _percentiles(plot, f"From the acknowledged write {title}")
        for percentile, bound_ms in _TARGETS_MS[targets].items():
            plot.plot([_NINES[percentile]], [bound_ms], "v", color=LIMIT, ms=8, zorder=1)
    feed.plot([], [], "v", color=LIMIT, label="target at 1,000/s")
    feed.set_ylabel("ms")
    feed.legend(loc="upper left", fontsize=9)
    return figure


def _percentiles(plot: Axes, title: str) -> None:
    plot.set_title(title, loc="left", fontsize=10)
    plot.set_yscale("log")
    plot.set_xticks(list(_NINES.values()), [f"p{p:g}" for p in _NINES])
    plot.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    plot.grid(axis="both")


def _curve(plot: Axes, found: Mapping[str, Any] | None, name: str, colour: str) -> None:
    """What is not positive has no place on this scale: an entry that was read before its acknowledgement."""
    if found is None:
        return
    values = {p: value for p, value in zip(CURVE, found["curve"], strict=True) if p in _NINES and value > 0}
    plot.plot([_NINES[p] for p in values], list(values.values()), "o-", color=colour, ms=4, label=name)


def _recovery(found: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title("A job that is killed and started again: latency by the moment of the write", loc="left", pad=16)
    at_s, p50, p99 = ([point[i] for point in found["line"]] for i in (0, 1, 2))
    plot.plot(at_s, [max(value, 1.0) for value in p50], color=SERIES[0], label="median")
    plot.plot(at_s, [max(value, 1.0) for value in p99], color=SERIES[1], lw=1, label="p99")
    for moment_s, what in ((found["killed_s"], "killed"), (found["started_s"], "started again")):
        plot.axvline(moment_s, color=INK, ls=":", lw=1)
        plot.text(moment_s, 1.02, f" {what}", transform=plot.get_xaxis_transform(), fontsize=8, ha="center")
    if found["back_s"] is not None:
        plot.axvline(found["started_s"] + found["back_s"], color=SERIES[2], ls=":", lw=1)
    plot.set_yscale("log")
    plot.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    plot.set_xlabel(f"s, at {found['rate_per_s']:,} changes/s")
    plot.set_ylabel("ms")
    plot.grid(axis="y")
    plot.legend(loc="upper right", fontsize=9)
    return figure
