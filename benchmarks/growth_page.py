"""What the growth experiment found, as a section of the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.growth_figures import DAY_S, EPOCH_S, cpu_share, pause_share, store_growth
from benchmarks.latency_page import ms

_METHOD = """\
One database grows from size to size; at each a new job reads it, so that the state is built by the first read: as many
rows as there are comments, and {films:,} films and {users:,} users beside them. Then random comments are edited at
{rate:,} changes/s (no new rows, so the state stays as large as it is), and then the job is held up until {backlog:,}
edits wait for it. The job is one process, with recovery, the default epoch of 5 s and the default bound of its stream.
"""
_SIZES = """\
![Rates, memory and pauses by rows of state](img/growth.svg)

The *pause* is the longest time in which nothing comes into the feed within 5 s, the median of all such spans: the end
of an epoch is in each of them. CPU time is the job's, user and system.
"""
_SHARE = """\
### The work of an epoch

At the end of an epoch the engine takes the snapshots of the states that changed, writes them, and looks through all for
those that can go. With {rows:,} rows and {rate:,} changes/s the job took {with_epochs:.2f} s of CPU time a second with
epochs of 5 s, and {without:.2f} s with an epoch that did not end: epochs took {share:.1%} of the time of its worker.
{pauses} The larger of the two is held against the target.

This compares two stretches of the same job, with a restart between them. What it leaves out is what an epoch's end does
to others: while it lasts, changes wait, and are then worked off in larger batches, which cost less each. The silence of
the feed counts it all, and the time in which the worker did not get a core, too.
"""
_FAN_OUT = """\
### One row that many refer to

A film gets a new title, on which there are 10, 1,000 and so on comments, while other comments are edited at
{rate:,} changes/s. *Others* are the edits that were written until the last comment had been reached, or for a second at
least; *before* are those of the {around:.0f} s before.

![Latency of other rows while a change fans out](img/fan-out.svg)
"""
_RESUME = """\
### A restart

With {rows:,} rows of state the job is killed (SIGKILL) while changes come at {rate:,} a second, and started again at
once: the first new entry came {first:.1f} s after the start, and it had made good what had gathered after {all:.1f} s.
Most memory of the job, before and after: {peak:,.2f} GiB.
"""
_STORE = """\
### The recovery store

![Size of the recovery store over time](img/store.svg)

{per_row}
With {rows:,} rows, at {rate:,} edits/s, it grew by {first:,.2f} MB/s over {seconds:.0f} s and by {last:,.2f} MB/s in
the last third of them. Older snapshots are kept for as long as the engine is told to (`-b`, 60 s unless set), then
deleted, and their place is used again; the files never shrink. A day at the rate of that last third would come to
{day:,.1f} GB, and one of new comments at {rate:,} a second to {rows_day:,.1f} GB for their rows alone.
"""


def plots(result: Mapping[str, Any]) -> dict[str, Any]:
    from benchmarks.growth_plots import plots as drawn

    return dict(drawn(result))


def section(result: Mapping[str, Any]) -> str:
    plan = result["plan"]
    return "\n".join(
        [
            "## Growth\n",
            _METHOD.format(**plan),
            _SIZES,
            _sizes(result["sizes"]),
            _share(result),
            _FAN_OUT.format(rate=plan["rate"], around=plan["around_s"]),
            _fan_outs(result["fan_outs"]),
            _resume(result),
            _store(result),
        ]
    )


def _sizes(sizes: Mapping[str, Mapping[str, Any]]) -> str:
    heads = (
        "rows",
        "first read, rows/s (CPU s per million)",
        "backlog, changes/s (CPU s per million)",
        "most memory",
        "recovery store after the first read",
        "pause (longest)",
        "latency p50, p99",
    )
    lines = [_row(heads), "|--:|--:|--:|--:|--:|--:|--:|"]
    for rows, found in sizes.items():
        steady = found["steady"]
        cells = (
            f"{int(rows):,}",
            _speed(found["first_read"]),
            _speed(found["backlog"]),
            f"{found['peak_mb']:,.0f} MB",
            f"{found['store_bytes'] / 1e6:,.0f} MB",
            f"{_ms(steady['pause_ms'])} ({_ms(steady['longest_pause_ms'])})",
            ", ".join(_ms(steady["latency"][name]) for name in ("p50", "p99")) if steady["latency"] else "–",
        )
        lines.append(_row(cells))
    return "\n".join([*lines, ""])


def _share(result: Mapping[str, Any]) -> str:
    rows, largest = _largest(result)
    share = pause_share(largest)
    pauses = (
        ""
        if share is None
        else f"The feed was silent for {share:.1%} of the time ({_ms(share * EPOCH_S * 1000)} in 5 s)."
    )
    return _SHARE.format(
        rows=rows,
        rate=result["plan"]["rate"],
        with_epochs=largest["steady"]["cpu_share"],
        without=result["resume"]["without_epochs"]["cpu_share"],
        share=cpu_share(result),
        pauses=pauses,
    )


def _fan_outs(fan_outs: list[Mapping[str, Any]]) -> str:
    heads = ("comments reached", "after", "entries/s", "others' p50", "p99", "most", "before: p50", "p99", "most")
    lines = [_row(heads), "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for found in fan_outs:
        columns = [*_latency(found["others"]), *_latency(found["before"])]
        took_s = found["took_s"]
        rate = found["count"] / took_s if took_s else 0.0
        lines.append(_row((f"{found['count']:,}", f"{took_s:,.2f} s", f"{rate:,.0f}", *map(_ms, columns))))
    return "\n".join([*lines, ""])


def _resume(result: Mapping[str, Any]) -> str:
    resume = result["resume"]
    return _RESUME.format(
        rows=_largest(result)[0],
        rate=result["plan"]["rate"],
        first=resume["first_entry_s"],
        all=resume["caught_up_s"],
        peak=result["figures"]["memory_gib"],
    )


def _store(result: Mapping[str, Any]) -> str:
    plan, sizes = result["plan"], result["sizes"]
    rows = plan["store_rows"] if str(plan["store_rows"]) in sizes else _largest(result)[0]
    watched = sizes[str(rows)]
    from_s, to_s = watched["steady"]["from_s"], watched["steady"]["to_s"]
    whole, last = store_growth(watched["store_line"], from_s=from_s, to_s=to_s)
    each = [(int(size), found["store_bytes"] / found["documents"]) for size, found in sizes.items()]
    told = ", ".join(f"{each_bytes:,.0f} bytes a row with {size:,}" for size, each_bytes in each)
    return _STORE.format(
        per_row=f"After the first read the store has {told}.",
        rows=rows,
        rate=plan["rate"],
        first=whole / 1e6,
        last=last / 1e6,
        seconds=to_s - from_s,
        day=max(0.0, last) * DAY_S / 1e9,
        rows_day=each[-1][1] * plan["rate"] * DAY_S / 1e9,
    )


def _latency(found: Mapping[str, Any] | None) -> list[float | None]:
    return [None if found is None else found[name] for name in ("p50", "p99", "most")]


def _largest(result: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    rows = max(map(int, result["sizes"]))
    return rows, result["sizes"][str(rows)]


def _speed(found: Mapping[str, float]) -> str:
    return f"{found['per_s']:,.0f} ({found['cpu_s_per_million']:,.0f})"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{ms(value)} ms"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
