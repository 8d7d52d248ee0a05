"""The look of all plots: no background of their own, and colours that can be read on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

INK = "#768390"
OURS, LIMIT, PEER = "#3f8ae0", "#b4bcc4", "#d9822b"
SERIES = ("#3f8ae0", "#d9822b", "#2fa36b", "#b565c9", "#d0544b")

mpl.use("agg")
mpl.rcParams.update(
    {
        "font.size": 10,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": INK,
        "axes.titlesize": 11,
        "grid.alpha": 0.3,
        "grid.color": INK,
        "legend.frameon": False,
        "legend.labelcolor": INK,
        "savefig.transparent": True,
        "svg.hashsalt": "dbwatch",  # so that the same figures give the same file
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
)


def axes(*, width: float = 8.0, height: float = 4.0, title: str = "") -> tuple[Figure, Axes]:
    """An empty plot, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title(title, loc="left")
    return figure, plot


def bars(values: Mapping[str, tuple[float, float, float]], *, colours: Sequence[str], title: str, unit: str) -> Figure:
    """Lying bars with a whisker from the least to the largest; `values` are median, least and largest."""
    figure, plot = axes(height=0.9 + 0.34 * len(values), title=title)
    names = list(values)
    middles = [values[name][0] for name in names]
    whiskers = [[values[n][0] - values[n][1] for n in names], [values[n][2] - values[n][0] for n in names]]
    plot.barh(names, middles, xerr=whiskers, color=list(colours), height=0.62, ecolor=INK, error_kw={"lw": 1})
    for place, name in enumerate(names):
        plot.text(values[name][2], place, f"  {values[name][0]:,.0f}", va="center", fontsize=9)
    plot.invert_yaxis()
    plot.set_xlabel(unit)
    plot.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    plot.grid(axis="x")
    plot.set_axisbelow(True)
    plot.margins(x=0.12)
    return figure


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """As SVG files of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
