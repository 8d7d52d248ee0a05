"""What the latency experiment found, as a section of the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("p50", "p95", "p99", "p999", "most")
_COLUMNS = "p50 | p95 | p99 | p99.9 | most"
_Row = tuple[str, Mapping[str, Any] | None]

_HEAD = "## Latency\n"
_METHOD = """\
A writer in a process of its own writes changes that are due at fixed moments, whatever the servers do: one at a
time or, when several are due, together, always with `w: "majority"`. 75 % are new comments, 12 % edits of comments,
12 % votes for films (which no lookup shows), 0.5 % new titles of films and 0.5 % new names of users, both of which
reach every comment on them. There are {films:,} films, {users:,} users and {comments:,} comments to begin with; the
job is one process with recovery and the default epoch of 5 s; each rate is held for {seconds:.0f} s. Latency is
counted from the moment at which the writer had the acknowledgement (the targets' figure), and also from the moment
of sending and from the moment at which the change was *due*, which leaves nothing out when the writer itself is
held up. An entry may be read before the acknowledgement is; then the first is negative. `>` means that some changes
had not come when the measuring ended.
"""
_TO_FEED = """\
### From the acknowledged write to the entry in Redis

![Latency to Redis and to the page, by percentile](img/latency.svg)

In ms, as seen by a consumer that is blocked on `XREAD`.
"""
_TO_PAGE = """\
### To the cell of the page in a browser

The dashboard as it is served, in a Chromium that signed in; the page itself notes when a row stands in it and when
the frame with it was drawn. The page shows the newest 25 changes of each table, several times a second; these are
the latencies of what it showed, in ms. The browser draws without a graphics card, and on the same cores.
"""
_RECOVERY = """\
### While a backlog is made good

![Latency over time, before, during and after a restart](img/recovery.svg)

At {rate_per_s:,} changes/s the job is killed (SIGKILL) and started again {away:.0f} s later, while the writing goes
on. It was {behind:,} changes behind then. The first new entry came {first} after the start; latency was back (a
median of {normal_ms:,.0f} ms within half a second) {back} after it. Of the changes written from the kill on, the
median took {median:,.1f} s and the longest {longest:,.1f} s, the time without a job included.
"""
_NO_PAGE = "Not measured: no browser was found; `.venv/bin/python -m tests.browser` installs one."


def plots(result: Mapping[str, Any]) -> dict[str, Any]:
    from benchmarks.latency_plots import plots as drawn

    return dict(drawn(result))


def section(result: Mapping[str, Any]) -> str:
    rates = {int(rate): found for rate, found in result["rates"].items()}
    parts = [
        _HEAD,
        _METHOD.format(**result["plan"]),
        _TO_FEED,
        _table("changes/s asked for (reached), from", _to_feed(rates)),
    ]
    pages = {rate: found["page"] for rate, found in rates.items() if "page" in found}
    if pages:
        parts += [_TO_PAGE, _table("changes/s asked for (reached), from and to", _to_page(pages))]
    else:
        parts += [_TO_PAGE.splitlines()[0], "", _NO_PAGE, ""]
    return "\n".join([*parts, _recovery(result["recovery"])])


def _to_feed(rates: Mapping[int, Mapping[str, Any]]) -> list[_Row]:
    rows: list[_Row] = []
    for rate, found in rates.items():
        if "acked" in found:
            rows += [
                (f"{rate:,} ({found['reached_per_s']:,.0f}), acknowledged", found["acked"]),
                ("… by Redis' own clock (the entry's id, whole ms)", found["stored"]),
                ("… sent", found["sent"]),
                ("… due", found["due"]),
                ("the write alone, due to acknowledged", found["write"]),
            ]
    return rows


def _to_page(pages: Mapping[int, Mapping[str, Any]]) -> list[_Row]:
    rows: list[_Row] = []
    for rate, found in pages.items():
        rows += [
            (f"{rate:,} ({found['reached_per_s']:,.0f}), acknowledged to drawn", found["acked"]),
            ("… acknowledged to inserted into the page", found["inserted"]),
            ("… read from Redis to drawn", found["read"]),
            ("… acknowledged to Redis, all changes, with the browser beside it", found["feed"]),
        ]
    return rows


def _recovery(found: Mapping[str, Any]) -> str:
    meanwhile = found["meanwhile"]
    return _RECOVERY.format(
        **found,
        away=found["started_s"] - found["killed_s"],
        first=_seconds(found["first_entry_s"]),
        back=_seconds(found["back_s"]),
        median=meanwhile["p50"] / 1000,
        longest=meanwhile["most"] / 1000,
    )


def _seconds(value: float | None) -> str:
    return "not within the measured time" if value is None else f"{value:,.1f} s"


def _table(head: str, rows: list[_Row]) -> str:
    lines = [f"| {head} | changes | {_COLUMNS} |", "|---|--:|--:|--:|--:|--:|--:|"]
    return "\n".join([*lines, *(f"| {name} | {_cells(found)} |" for name, found in rows), ""])


def _cells(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return " | ".join(["0", *["–"] * len(_NAMES)])
    over = ">" if found["unfinished"] else ""
    return " | ".join([f"{found['number']:,}", *(f"{over}{ms(found[name])}" for name in _NAMES)])


def ms(value: float) -> str:
    """
    >>> ms(3.14), ms(1234.5)
    ('3.1', '1,234')
    """
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
