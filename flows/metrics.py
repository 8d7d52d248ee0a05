"""The metrics of one process: their names and meanings in one table, and their values from `Facts`. Pure."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.health import Facts, Partition
from flows.histogram import BOUNDS_S, Histogram

STATES = ("starting", "snapshot", "waiting", "tail", "holding", "stopped")

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]
Values = Mapping[Labels, float]
"""Values by the texts of the labels."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric: its name as it is scraped, its kind, its labels and what it says. A value that is not known is
    left out, never told as 0.
    """

    name: str
    kind: Kind
    labels: Labels
    help: str
    values: Callable[[Facts], Values | Histogram]


def _one(value: float | None) -> Values:
    return {} if value is None else {(): float(value)}


def _by_one(values: Mapping[str, float]) -> Values:
    return {(name,): float(value) for name, value in values.items()}


def _by_partition(value: Callable[[Partition], float]) -> Callable[[Facts], Values]:
    return lambda facts: {(p.progress.partition,): float(value(p)) for p in facts.partitions}


def _reading(value: Callable[[Partition], float]) -> Callable[[Facts], Values]:
    return lambda facts: {
        (p.progress.partition,): float(value(p)) for p in facts.partitions if p.progress.phase != "tail"
    }


def _answers(facts: Facts) -> Values:
    mongo = not any(p.progress.away for p in facts.partitions)
    return {("mongodb",): float(mongo), ("redis",): float(facts.redis_away is None and facts.held is None)}


def _retries(facts: Facts) -> Values:
    return {("source",): float(sum(p.progress.retries for p in facts.partitions)), ("sink",): float(facts.sink_retries)}


def _build(_facts: Facts) -> Values:
    return {(version("dbwatch"), version("bytewax"), platform.python_version()): 1.0}


# docs/operations.md holds the same table; a test compares them.
SPECS: tuple[Spec, ...] = (
    Spec(
        "dbwatch_build_info", "gauge", ("version", "bytewax", "python"), "Always 1; the labels say what runs.", _build
    ),
    Spec(
        "dbwatch_start_time_seconds",
        "gauge",
        (),
        "When the process started, Unix time.",
        lambda f: _one(f.started_ms / 1000),
    ),
    Spec(
        "dbwatch_state",
        "gauge",
        ("state",),
        "1 for the state that the process is in, 0 for the others; they are those of P:health.",
        lambda f: {(state,): float(f.state == state) for state in STATES},
    ),
    Spec(
        "dbwatch_answers",
        "gauge",
        ("server",),
        "1 when the last call to mongodb or redis succeeded, 0 while it is tried again.",
        _answers,
    ),
    Spec(
        "dbwatch_lag_seconds",
        "gauge",
        ("partition",),
        "How far the tail is behind MongoDB; 0 when the server has just said that there is no more.",
        _by_partition(lambda p: p.lag_s),
    ),
    Spec(
        "dbwatch_lag_events",
        "gauge",
        (),
        "Oplog entries of the watched collections after the position, counted every 30 s, up to 100000; a transaction "
        "counts once. Absent where the oplog cannot be read or counting took over 2 s.",
        lambda f: _one(f.behind),
    ),
    Spec(
        "dbwatch_read_ahead_changes",
        "gauge",
        (),
        "Changes read from MongoDB that the dataflow has not taken yet; bounded.",
        lambda f: _one(f.read_ahead),
    ),
    Spec(
        "dbwatch_position_age_seconds",
        "gauge",
        ("partition",),
        "How old the source's position is by MongoDB's own clock; up to 10 s on an idle server.",
        _by_partition(lambda p: p.position_age_s),
    ),
    Spec(
        "dbwatch_oplog_headroom_seconds",
        "gauge",
        (),
        "From the oldest entry of the oplog to the position, read every 30 s; at 0 history is lost. Absent where the "
        "oplog cannot be read.",
        lambda f: _one(f.headroom_s),
    ),
    Spec(
        "dbwatch_oplog_spare_seconds",
        "gauge",
        (),
        "How long the oplog can still grow at its rate until now before it forgets anything; 0 when it is full. Absent "
        "where its size cannot be read.",
        lambda f: _one(f.spare_s),
    ),
    Spec(
        "dbwatch_changes_read_total",
        "counter",
        ("partition",),
        "Rows and changes that the dataflow took from the source.",
        lambda f: _by_one(f.read),
    ),
    Spec(
        "dbwatch_snapshot_rows_read",
        "gauge",
        ("partition",),
        "Rows read of the collection that is being read; absent in the tail.",
        _reading(lambda p: p.progress.read),
    ),
    Spec(
        "dbwatch_snapshot_rows_expected",
        "gauge",
        ("partition",),
        "Rows that the collection which is being read has, about; absent in the tail.",
        _reading(lambda p: p.progress.expected),
    ),
    Spec(
        "dbwatch_join_state_entries",
        "gauge",
        ("stage",),
        "What a stage of the join keeps in this process: in values_N foreign keys, in rows joined rows, in keys "
        "looked-up rows that are found by another field than _id.",
        lambda f: _by_one(f.state_entries),
    ),
    Spec(
        "dbwatch_join_pending",
        "gauge",
        ("stage",),
        "In values_N: foreign keys of which not every row was told of a looked-up row's change yet; in rows: row "
        "versions that wait for their turn.",
        lambda f: _by_one(f.pending),
    ),
    Spec(
        "dbwatch_records_written_total",
        "counter",
        ("view", "op"),
        "Records that Redis has confirmed; op is c, u, d, r or caused (updates that a lookup caused).",
        lambda f: {labels: float(count) for labels, count in f.records.items()},
    ),
    Spec(
        "dbwatch_duplicates_skipped_total",
        "counter",
        (),
        "Records left out because the stream holds them already, after a restart or a broken call.",
        lambda f: _one(f.skipped),
    ),
    Spec(
        "dbwatch_retries_total",
        "counter",
        ("edge",),
        "Calls that failed for now and were tried again: of the source to MongoDB, of the sink to Redis.",
        _retries,
    ),
    Spec(
        "dbwatch_dead_letters_total",
        "counter",
        (),
        "Events put aside in P:deadletter.",
        lambda f: _one(f.dead_letters),
    ),
    Spec(
        "dbwatch_write_latency_seconds",
        "histogram",
        (),
        "From the commit in MongoDB to the entry in Redis, of rows' own changes (no r, no caused).",
        lambda f: f.latency_s,
    ),
    Spec(
        "dbwatch_redis_call_seconds",
        "histogram",
        (),
        "How long one write of a batch to Redis took.",
        lambda f: f.call_s,
    ),
    Spec(
        "dbwatch_held",
        "gauge",
        (),
        "1 while Redis does not take writes and the flow is held back.",
        lambda f: _one(float(f.held is not None)),
    ),
    Spec(
        "dbwatch_archive_held",
        "gauge",
        (),
        "1 while the archive's disk does not take what is written and the flow is held back.",
        lambda f: _one(float(f.archive_held is not None)),
    ),
    Spec(
        "dbwatch_held_seconds",
        "gauge",
        (),
        "For how long the flow is held back; absent when it is not.",
        lambda f: _one((f.held or f.archive_held or (0, "", None))[2]),
    ),
    Spec(
        "dbwatch_checkpoint_age_seconds",
        "gauge",
        (),
        "Since the last epoch ended, of which a recovery snapshot is written; of several partitions the oldest.",
        lambda f: _one(f.checkpoint_age_s),
    ),
    Spec(
        "dbwatch_epoch_seconds",
        "gauge",
        (),
        "How long the last epoch was, from one recovery snapshot to the next.",
        lambda f: _one(f.epoch_s),
    ),
    Spec(
        "dbwatch_recovery_store_bytes",
        "gauge",
        (),
        "Size of the recovery folder; absent without one, and where another process keeps it.",
        lambda f: _one(f.store_bytes),
    ),
    Spec(
        "dbwatch_generation",
        "gauge",
        (),
        "How many times the collections were read as a whole for this feed; it rises when history was lost.",
        lambda f: _one(f.generation or None),
    ),
    Spec(
        "dbwatch_writer",
        "gauge",
        (),
        "1 while the writer's lock is this job's; a process of which it is another's ends.",
        lambda f: _one(f.is_writer),
    ),
)


class FactsCollector(Collector):
    """For a registry: asks for the facts at each scrape."""

    def __init__(self, facts: Callable[[], Facts]) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        return families(self._facts())

    def describe(self) -> Iterable[Metric]:
        """Names only, so that nothing is asked when it is registered."""
        return [_family(spec, {}) for spec in SPECS]


def families(facts: Facts) -> Iterator[Metric]:
    """Every metric with its values."""
    for spec in SPECS:
        yield _family(spec, spec.values(facts))


def _family(spec: Spec, values: Values | Histogram) -> Metric:
    if spec.kind == "histogram":
        return _histogram(spec, values if isinstance(values, Histogram) else Histogram())
    kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
    family = kind(spec.name, spec.help, labels=spec.labels)
    if not isinstance(values, Histogram):
        for labels, value in values.items():
            family.add_metric(labels, value)
    return family


def _histogram(spec: Spec, histogram: Histogram) -> Metric:
    buckets = [(str(bound), float(count)) for bound, count in zip(BOUNDS_S, histogram.counts, strict=True)]
    family = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
    family.add_metric((), [*buckets, ("+Inf", float(histogram.count))], histogram.sum_s)
    return family
