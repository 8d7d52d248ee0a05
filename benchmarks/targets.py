"""What is aimed at, and whether a run reached it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Target(NamedTuple):
    """A figure of an experiment and its bound. `wanted` for the case that it is missed: what it would take."""

    what: str
    experiment: str
    figure: str
    bound: float
    unit: str
    at_least: bool
    wanted: str

    def text(self, value: float) -> str:
        """The value with its unit; shares are told in percent.

        >>> TARGETS[0].text(1.234)
        '1.23'
        """
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        digits = 2 if value < 10 else 0
        return f"{value:.{digits}f} {self.unit}".strip()

    def bound_text(self) -> str:
        number = f"{100 * self.bound:g} %" if self.unit == "%" else f"{self.bound:g} {self.unit}".strip()
        return f"{number} or {'more' if self.at_least else 'less'}"

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def verdict(self, value: float) -> str:
        """`met`, or by how much it is missed, relative to the bound."""
        if self.is_met(value):
            return "met"
        return f"**missed** by {abs(value - self.bound) / self.bound:.0%}"


_CPU = "less CPU time of the job for each change: the profile below says where it goes; or another core for it"

TARGETS = (
    Target(
        "full join with recovery, one process, against Debezium's pass-through",
        *("backlog", "full_against_debezium", 1.0, "", True, _CPU),
    ),
    Target(
        "the same with as many processes as help on two cores",
        *("backlog", "best_against_debezium", 1.25, "", True),
        "more cores: on two, the servers need a good part of the second one (see the cost of each)",
    ),
    Target(
        "full join with recovery against without",
        *("backlog", "recovery_against_none", 0.85, "", True),
        "fewer or smaller states in an epoch's snapshot, or a longer epoch",
    ),
    Target(
        "pass-through with recovery against the bare loop from PyMongo to pipelined XADD",
        *("backlog", "plain_against_bare_loop", 1.0, "", True, _CPU),
    ),
    Target(
        "snapshot phase, rows/s against a bare loop from `find` to pipelined XADD",
        *("backlog", "snapshot_against_find_loop", 0.8, "", True),
        "less CPU time of the join for each row: the bare loop joins and keeps nothing",
    ),
    Target(
        "commit to Redis at 1,000 changes/s, p50",
        *("latency", "redis_p50_ms", 5.0, "ms", False),
        "fewer calls for a small batch: reading, joining and writing one or two changes takes about as long as ten",
    ),
    Target(
        "commit to Redis at 1,000 changes/s, p99",
        *("latency", "redis_p99_ms", 25.0, "ms", False),
        "a recovery store that is not written in the worker's own thread, for an epoch's end waits for that; and a "
        "core of its own for the job: the writer, the servers and the reader share two with it",
    ),
    Target(
        "commit to the browser's cell at 1,000 changes/s, p95",
        *("latency", "cell_p95_ms", 250.0, "ms", False),
        "a page that is refreshed more often, or draws less",
    ),
    Target(
        "memory of the job with 1 M rows of state",
        *("growth", "memory_gib", 1.5, "GiB", False),
        "a denser layout of the join's state",
    ),
    Target(
        "restart with 1 M rows of state, to the first new entry",
        *("growth", "resume_s", 30.0, "s", False),
        "less state to load, or more partitions of the recovery store",
    ),
    Target(
        "p99 of other rows while a change fans out to 100 k",
        *("growth", "fan_out_others_p99_ms", 100.0, "ms", False),
        "a slower fan-out, or more than two cores: job, servers and the reader of the feed are all busy with it",
    ),
    Target(
        "epoch work (snapshot, collection) of total time at 1 M rows",
        *("growth", "epoch_share", 0.05, "%", False),
        "less to write at the end of an epoch, or a longer epoch",
    ),
)


def table(experiments: Mapping[str, Mapping[str, Any]]) -> str:
    """Each target with what was measured, as Markdown."""
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        value = _measured(target, experiments)
        told = ("not measured", "") if value is None else (target.text(value), target.verdict(value))
        lines.append(f"| {target.what} | {target.bound_text()} | {' | '.join(told)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def missed(experiments: Mapping[str, Mapping[str, Any]]) -> str:
    """A list of the targets that were missed and what they would need; empty when there is none."""
    lines: list[str] = []
    for target in TARGETS:
        value = _measured(target, experiments)
        if value is not None and not target.is_met(value):
            what = f"{target.what[0].upper()}{target.what[1:]}"
            measured = f"{target.text(value)} instead of {target.bound_text()}"
            lines.append(f"- {what}: {measured}. It would take {target.wanted}.\n")
    return "".join(lines)


def _measured(target: Target, experiments: Mapping[str, Mapping[str, Any]]) -> float | None:
    value = experiments.get(target.experiment, {}).get("figures", {}).get(target.figure)
    return None if value is None else float(value)
