"""The job's figures, from the source's progress and the sink's writes to values that a page and a monitor show. Pure
but for its lock and clock.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from connectors.mongo_state import Oplog, SourceProgress
from flows.gauges import JoinGauges
from flows.histogram import Histogram
from flows.rates import Interval

_STILL_S = 2.0


class Partition(NamedTuple):
    """One partition of the source. Seconds: how old its position is, how far it lags, how long ago it said anything,
    and for how long MongoDB has not answered it (None when it does).
    """

    progress: SourceProgress
    caught_up: bool
    position_age_s: float
    lag_s: float
    said_s: float
    away_s: float | None = None


class Facts(NamedTuple):
    """Everything that is known of the process at one moment. Ages and durations are seconds, None when there is none;
    `polled_s` is how long ago the worker last asked a partition for changes, `written_s` how long ago the sink did
    anything, also in vain. `behind` counts oplog entries; `headroom_s` is how far the position is from the oplog's end,
    `spare_s` how long nothing falls out of it yet; `source_ahead_s` how far MongoDB's clock is ahead of ours. A process
    without a recovery folder does not recover, and its `checkpoint_age_s` means nothing; `store_bytes` is the folder's
    size. `held`: Redis does not take what is written, `archive_held`: the archive's disk does not; since when (Unix
    ms), why, and for how long.
    """

    at_ms: int
    started_ms: int
    state: str
    partitions: tuple[Partition, ...]
    polled_s: Mapping[str, float]
    written_s: float | None
    held: tuple[int, str, float] | None
    redis_away: str | None
    headroom_s: float | None
    spare_s: float | None
    behind: int | None
    source_ahead_s: float | None
    read_ahead: int
    read: Mapping[str, int]
    records: Mapping[tuple[str, str], int]
    skipped: int
    sink_retries: int
    dead_letters: int
    latency_s: Histogram
    call_s: Histogram
    state_entries: Mapping[str, int]
    pending: Mapping[str, int]
    checkpoint_age_s: float | None
    epoch_s: float | None
    recovers: bool
    store_bytes: int | None
    generation: int
    is_writer: bool | None
    archive_held: tuple[int, str, float] | None = None

    @property
    def lag_s(self) -> float:
        return max((partition.lag_s for partition in self.partitions), default=0.0)


class Health:
    """What one process knows of itself, from any thread: `facts` for a monitor, `figures` for its field in `P:health`.

    `clock` is monotonic (s); what is a duration is measured by it, so that a clock that is set does not show. How old a
    position is, is told by MongoDB's clock once that is known, for it is the one that positions come from.
    """

    def __init__(
        self,
        *,
        started_ms: int,
        join: JoinGauges | None = None,
        recovers: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._join = join or JoinGauges()
        self._started_ms = started_ms
        self._recovers = recovers
        self._progress: dict[str, tuple[SourceProgress, bool, float]] = {}
        self._away_since_s: dict[str, float] = {}
        self._polled: dict[str, tuple[float, int]] = {}
        self._read: Counter[str] = Counter()
        self._sink_at_s: float | None = None
        self._held: tuple[int, str, float] | None = None
        self._archive_held: tuple[int, str, float] | None = None
        self._redis_away: str | None = None
        self._oplog: tuple[Oplog, float] | None = None
        self._records: Counter[tuple[str, str]] = Counter()
        self._written = 0
        self._skipped = 0
        self._sink_retries = 0
        self._dead_letters = 0
        self._latency_s, self._call_s = Histogram(), Histogram()
        self._epochs: dict[str, tuple[float, float | None]] = {}
        self._store_bytes: int | None = None
        self._generation = 0
        self._is_writer: bool | None = None

    def on_progress(self, progress: SourceProgress) -> None:
        """One partition of the source has come this far; when nothing was read since the last call, it has caught
        up.
        """
        with self._lock:
            before = self._progress.get(progress.partition)
            same = before is not None and before[0][1:4] == progress[1:4] and not progress.away
            self._progress[progress.partition] = (progress, same and progress.phase == "tail", self._clock())
            if not progress.away:
                self._away_since_s.pop(progress.partition, None)
            else:
                self._away_since_s.setdefault(progress.partition, self._clock())

    def on_poll(self, partition: str, taken: int, ahead: int) -> None:
        """The worker asked a partition for changes and got so many; `ahead` more are read. Called a thousand times a
        second: it takes no lock, for each partition is asked by one thread.
        """
        self._polled[partition] = (self._clock(), ahead)
        if taken:
            self._read[partition] += taken

    def on_held(self, reason: str | None, now_ms: int) -> None:
        """The sink waits for Redis, or (None) goes on."""
        with self._lock:
            self._held = None if reason is None else (now_ms, reason, self._clock())

    def on_archive_held(self, reason: str | None, now_ms: int) -> None:
        """The archive waits for its disk, or (None) goes on."""
        with self._lock:
            self._archive_held = None if reason is None else (now_ms, reason, self._clock())

    def on_retry(self) -> None:
        """The sink tried in vain, and will again."""
        with self._lock:
            self._sink_retries += 1
            self._sink_at_s = self._clock()

    def on_call(self, took_s: float) -> None:
        """The sink wrote a batch, in one call to Redis."""
        with self._lock:
            self._call_s = self._call_s.with_values([took_s])
            self._sink_at_s = self._clock()

    def on_epoch(self, partition: str) -> None:
        """An epoch of a partition of the source ends, and a recovery snapshot begins."""
        with self._lock:
            now_s = self._clock()
            before = self._epochs.get(partition)
            self._epochs[partition] = (now_s, None if before is None else now_s - before[0])

    def on_store(self, size: int | None) -> None:
        """So many bytes has the recovery folder; None where another process keeps it."""
        with self._lock:
            self._store_bytes = size

    def on_interval(self, interval: Interval) -> None:
        with self._lock:
            self._written += interval.written
            self._skipped += interval.skipped
            self._records.update(interval.counts)
            self._latency_s = self._latency_s.with_values([ms / 1000 for ms in interval.latencies_ms])

    def on_redis(self, away: str | None) -> None:
        """Whether Redis took the last figures; if not, why."""
        with self._lock:
            self._redis_away = away

    def on_oplog(self, oplog: Oplog) -> None:
        with self._lock:
            self._oplog = (oplog, self._clock())

    def on_dead_letters(self, count: int = 1) -> None:
        with self._lock:
            self._dead_letters += count

    def on_generation(self, generation: int) -> None:
        with self._lock:
            self._generation = generation

    def on_writer(self, *, is_writer: bool) -> None:
        """Whether the writer's lock is this job's."""
        with self._lock:
            self._is_writer = is_writer

    @property
    def position(self) -> str:
        """The position up to which all partitions have been read; empty before anything was."""
        with self._lock:
            return min((progress.position for progress, _, _ in self._progress.values()), default="")

    def facts(self, now_ms: int, *, stopping: bool = False) -> Facts:
        now_s = self._clock()
        with self._lock:
            server_ms = self._server_ms(now_ms, now_s)
            away_since_s = self._away_since_s
            partitions = tuple(
                _partition(*known, now_s, server_ms, away_since_s.get(name)) for name, known in self._progress.items()
            )
            polled = dict(self._polled)
            epochs = list(self._epochs.values())
            return Facts(
                at_ms=now_ms,
                started_ms=self._started_ms,
                state="stopped" if stopping else "holding" if self._held or self._archive_held else _phase(partitions),
                partitions=partitions,
                polled_s={name: now_s - at_s for name, (at_s, _) in polled.items()},
                written_s=None if self._sink_at_s is None else now_s - self._sink_at_s,
                held=self._held and (*self._held[:2], now_s - self._held[2]),
                redis_away=self._redis_away,
                headroom_s=self._headroom_s(),
                spare_s=None if self._oplog is None else self._oplog[0].spare_s,
                behind=None if self._oplog is None else self._oplog[0].behind,
                source_ahead_s=None if self._oplog is None else (server_ms - now_ms) / 1000,
                read_ahead=sum(ahead for _, ahead in polled.values()),
                read=dict(self._read),
                records=dict(self._records),
                skipped=self._skipped,
                sink_retries=self._sink_retries,
                dead_letters=self._dead_letters,
                latency_s=self._latency_s,
                call_s=self._call_s,
                state_entries=self._join.entries,
                pending=self._join.pending,
                checkpoint_age_s=max((now_s - at_s for at_s, _ in epochs), default=None),
                epoch_s=max((took_s for _, took_s in epochs if took_s is not None), default=None),
                recovers=self._recovers,
                store_bytes=self._store_bytes,
                generation=self._generation,
                is_writer=self._is_writer,
                archive_held=self._archive_held and (*self._archive_held[:2], now_s - self._archive_held[2]),
            )

    def positions(self) -> list[str]:
        """Up to where each known partition of the source has emitted everything."""
        with self._lock:
            return [progress.position for progress, _, _ in self._progress.values()]

    def figures(self, now_ms: int, *, stopping: bool = False) -> dict[str, Any]:
        """Milliseconds are Unix time or durations; the fields are described in `docs/records.md`."""
        facts = self.facts(now_ms, stopping=stopping)
        progresses = [partition.progress for partition in facts.partitions]
        figures: dict[str, Any] = {
            "at_ms": now_ms,
            "started_ms": facts.started_ms,
            "state": facts.state,
            "position": min((p.position for p in progresses), default=""),
            "source_ts_ms": min((p.ts_ms for p in progresses), default=0),
            "lag_ms": round(facts.lag_s * 1000),
            "lag_events": facts.behind,
            "source_ahead_ms": None if facts.source_ahead_s is None else round(facts.source_ahead_s * 1000),
            "written": self._written,
            "skipped": facts.skipped,
            "retries": sum(p.retries for p in progresses),
            "sink_retries": facts.sink_retries,
            "dead_letters": facts.dead_letters,
            "state_entries": sum(facts.state_entries.values()),
            "pending": sum(facts.pending.values()),
            "oplog_headroom_s": None if facts.headroom_s is None else round(facts.headroom_s),
            "oplog_spare_s": None if facts.spare_s is None else round(facts.spare_s),
            "recovers": facts.recovers,
            "snapshot_age_s": _snapshot_age_s(facts),
            "epoch_s": None if facts.epoch_s is None else round(facts.epoch_s, 1),
            "store_bytes": facts.store_bytes,
            "snapshot": _snapshot(progresses),
        }
        if held := facts.held or facts.archive_held:
            reason = held[1] if facts.held else f"the archive cannot be written: {held[1]}"
            figures |= {"holding_since_ms": held[0], "holding_reason": reason}
        return figures | _away(facts)

    def _server_ms(self, now_ms: int, now_s: float) -> float:
        if self._oplog is None:
            return now_ms
        oplog, at_s = self._oplog
        return oplog.server_ms + (now_s - at_s) * 1000

    def _headroom_s(self) -> float | None:
        if self._oplog is None or self._oplog[0].oldest_ms is None or not self._progress:
            return None
        return (min(p.ts_ms for p, _, _ in self._progress.values()) - self._oplog[0].oldest_ms) / 1000


def _partition(
    progress: SourceProgress, caught_up: bool, at_s: float, now_s: float, server_ms: float, away_since_s: float | None
) -> Partition:
    """It does not lag when the server has just said that there is no more, however old the last change is."""
    age_s = max(0.0, (server_ms - progress.ts_ms) / 1000)
    still = progress.phase != "tail" or (caught_up and now_s - at_s < _STILL_S)
    away_s = None if away_since_s is None else now_s - away_since_s
    return Partition(progress, caught_up, age_s, 0.0 if still else age_s, now_s - at_s, away_s)


def _phase(partitions: tuple[Partition, ...]) -> str:
    """The phase of the partition that is furthest behind."""
    phases = {partition.progress.phase for partition in partitions}
    return next((phase for phase in ("snapshot", "waiting", "tail") if phase in phases), "starting")


def _snapshot_age_s(facts: Facts) -> int | None:
    """Of the last recovery snapshot; None before the first, and where none is kept."""
    return round(facts.checkpoint_age_s) if facts.recovers and facts.checkpoint_age_s is not None else None


def _away(facts: Facts) -> dict[str, Any]:
    """While MongoDB does not answer: why, and since when; of several partitions the longest."""
    away = [(p.away_s, p.progress.away) for p in facts.partitions if p.away_s is not None]
    if not away:
        return {}
    away_s, reason = max(away)
    return {"source_away_since_ms": facts.at_ms - round(away_s * 1000), "source_away_reason": reason}


def _snapshot(progresses: list[SourceProgress]) -> dict[str, Any] | None:
    reading = [p for p in progresses if p.phase != "tail"]
    if not reading:
        return None
    return {
        "collection": reading[0].collection,
        "read": sum(p.read for p in reading),
        "expected": sum(p.expected for p in reading),
    }
