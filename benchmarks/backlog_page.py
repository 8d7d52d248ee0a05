"""What a backlog came to: figures, the page's section and its plot. Pure but for the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.names import (
    ABOUT,
    BARE_FIND,
    BARE_LOOP,
    CLUSTER,
    DEBEZIUM,
    FULL,
    FULL_OFF,
    PLAIN,
    SNAPSHOT,
    SNAPSHOT_PLAIN,
)
from benchmarks.results import Run, Spread, ratios

Runs = Mapping[str, Sequence[Run]]

RATIOS: Mapping[str, tuple[str, str]] = {
    "full_against_debezium": (FULL, DEBEZIUM),
    "cluster_against_debezium": (CLUSTER, DEBEZIUM),
    "recovery_against_none": (FULL, FULL_OFF),
    "plain_against_bare_loop": (PLAIN, BARE_LOOP),
    "snapshot_against_find_loop": (SNAPSHOT, BARE_FIND),
    "plain_snapshot_against_find_loop": (SNAPSHOT_PLAIN, BARE_FIND),
}
"""Which subject is held against which."""

_FIGURES = ("full_against_debezium", "recovery_against_none", "plain_against_bare_loop", "snapshot_against_find_loop")
_COST = """\
CPU seconds (user and system) for a million changes, and peak memory (resident) within the measured part, medians. What
MongoDB keeps in its cache and Valkey in its streams is part of theirs.
"""
_GROUPS = {"job": "subject", "mongod": "MongoDB", "valkey": "Valkey"}


def compared(runs: Runs) -> dict[str, Spread]:
    """The ratios of which both subjects ran, by name."""
    return {
        name: ratios([run.rate_per_s for run in runs[of]], [run.rate_per_s for run in runs[to]])
        for name, (of, to) in RATIOS.items()
        if runs.get(of) and runs.get(to)
    }


def figures(found: Mapping[str, Spread]) -> dict[str, float]:
    """What the targets refer to."""
    told = {name: found[name].median for name in _FIGURES if name in found}
    against = [found[n].median for n in ("full_against_debezium", "cluster_against_debezium") if n in found]
    return told | ({"best_against_debezium": max(against)} if len(against) > 1 else {})


def section(result: Mapping[str, Any]) -> str:
    runs = runs_of(result)
    parts = [
        "## Backlog: from MongoDB to Redis Streams\n",
        _what(result),
        "![Changes per second of each subject](img/backlog.svg)\n",
        _rates(runs),
        *_ratios(runs),
        "### What it costs\n",
        _COST,
        _costs(runs),
    ]
    if result.get("profile"):
        parts += ["### Where the time goes\n", _profile(result["profile"])]
    if result.get("notes"):
        parts.append("".join(f"{note}\n" for note in result["notes"]))
    return "\n".join(parts)


def plots(result: Mapping[str, Any]) -> dict[str, Any]:
    from benchmarks.plots import LIMIT, OURS, PEER, bars

    values = {name: Spread.of([run.rate_per_s for run in of_one]) for name, of_one in runs_of(result).items()}
    ours = set(ABOUT) - {name for name, about in ABOUT.items() if about.startswith("limit")} - {DEBEZIUM}
    colours = [OURS if name in ours else PEER if name == DEBEZIUM else LIMIT for name in values]
    bounds = {name: (v.median, v.low, v.high) for name, v in values.items()}
    return {"backlog": bars(bounds, colours=colours, title="From MongoDB to Redis Streams", unit="changes/s")}


def runs_of(result: Mapping[str, Any]) -> dict[str, list[Run]]:
    return {name: [Run.from_json(run) for run in of_one] for name, of_one in result["subjects"].items() if of_one}


def _what(result: Mapping[str, Any]) -> str:
    sizes, rounds = result["sizes"], result["rounds"]
    return f"""\
{sizes["movies"]:,} films and {sizes["users"]:,} users are created, then {sizes["comments"]:,} comments with
{sizes["film_updates"]:,} updates of films among them that touch no joined field, then {sizes["title_changes"]:,} titles
change, which reaches {result["written"]["reached"]:,} comments. All of it is written once, after each subject has taken
a position for each of {rounds} rounds; then they catch up in turns, one at a time, each from its own position into
streams of its own. Afterwards the server counts each stream: a subject of ours must have written every change of a row
exactly once, a peer and a limit as many entries, or the run fails.

A rate is the number of changes of rows, without the first 5 %, over the time from there to the last entry of all, by
the ids of the entries (Redis's clock). So nobody's start-up counts; the time for the entries that lookups cause does,
though they are not among the changes. Without recovery a restart would read the collections again, so such a job is
suspended (SIGSTOP) until its turn instead of stopped. Streams are not trimmed, and Valkey keeps no log on disk.
"""


def _rates(runs: Runs) -> str:
    lines = ["| subject | changes/s, median (least to most) | caused besides | what it is |", "|---|---|---|---|"]
    for name, of_one in runs.items():
        rates = Spread.of([run.rate_per_s for run in of_one])
        caused = max(run.caused for run in of_one)
        spread = f"{rates.median:,.0f} ({rates.low:,.0f} to {rates.high:,.0f})"
        lines.append(f"| {name} | {spread} | {f'{caused:,}' if caused else 'none'} | {ABOUT.get(name, '')} |")
    return "\n".join(lines) + "\n"


def _ratios(runs: Runs) -> list[str]:
    """Nothing when no two subjects ran that belong together."""
    found = compared(runs)
    lines = ["| subject | against | ratio, median (least to most) |", "|---|---|---|"]
    for name, ratio in found.items():
        of, to = RATIOS[name]
        lines.append(f"| {of} | {to} | {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) |")
    text = "Ratios are made within each round, of the two runs that belong together:\n"
    return [text, "\n".join(lines) + "\n"] if found else []


def _costs(runs: Runs) -> str:
    heads = [f"{what}, {unit}" for unit in ("CPU s", "MB") for what in _GROUPS.values()]
    lines = [f"| subject | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, of_one in runs.items():
        cpu = [Spread.of([run.cpu_s_per_million[group] for run in of_one]).median for group in _GROUPS]
        peak = [Spread.of([run.peak_mb[group] for run in of_one]).median for group in _GROUPS]
        lines.append(f"| {name} | {' | '.join([*(f'{v:.1f}' for v in cpu), *(f'{v:,.0f}' for v in peak)])} |")
    return "\n".join(lines) + "\n"


def _profile(profile: Mapping[str, Any]) -> str:
    return f"""\
One more run of *{FULL}* under py-spy, which looks at the stack of the thread that holds Python's global lock,
{profile["rate_hz"]} times a second from outside: {profile["samples"]:,} samples after the start. That lock is what
limits a process; waiting for servers is not in it. What C code does counts for the Python function that called it.

{_shares("stage", profile["stages"], profile["samples"])}
The functions in which most of it is spent, without what they call:

{_shares("function", [(f"`{name}`", count) for name, count in profile["functions"]], profile["samples"])}"""


def _shares(what: str, counts: Sequence[tuple[str, int]], total: int) -> str:
    lines = [f"| {what} | share |", "|---|---|", *(f"| {name} | {count / total:.1%} |" for name, count in counts)]
    return "\n".join(lines) + "\n"
