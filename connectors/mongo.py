"""MongoDB as a source of changes: `MongoChangeSource`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.changes import Shape
from connectors.dead_letters import Emitted
from connectors.ending import Ending
from connectors.errors import CollectionRemoved, ConfigError, DBWatchError
from connectors.mongo_client import START_OVER
from connectors.mongo_reader import Reader
from connectors.mongo_state import Plan, RowName, SourceProgress, SourceState, partition_name, partition_number
from connectors.retries import Retries

_GATE_POLL_S = 0.1
_DURABLE_AFTER = 3
"""Checkpoints after which the first of them is surely durable: the engine may be writing the newest two."""

OnPoll = Callable[[str, int, int], None]
"""Told of a partition, how many changes the worker got of it, and how many more have been read."""


class Gate(Protocol):
    """Holds every partition, once it has emitted its looked-up rows, until those of all have been processed."""

    def arrive(self, partition: str) -> None:
        """The partition's looked-up rows have been processed. May be called again, after a restart."""
        ...

    def is_open(self) -> bool:
        """Whether every partition has arrived. Must not block; asked at most every 100 ms."""
        ...


class Reading(NamedTuple):
    """How the collections are read once more, when a feed of them is there already.

    Of the collections in `absent` there is no row at the time of the snapshot. `known` gives the rows, by collection
    and key, of which the feed says that they exist; those that do not are emitted as `d` at that time. It is called in
    a thread of the source's. `finished` is where each partition arrives once no restart will read its snapshot again.
    """

    absent: frozenset[str]
    known: Callable[[], Sequence[RowName]]
    finished: Gate


class MongoChangeSource(FixedPartitionedSource[Emitted, SourceState]):
    """The rows of the watched collections at one cluster time, then every later change, in commit order.

    The unit of parallelism is a share of the rows, by hash of `_id`; each has its own change stream, and a row is
    always in the same. Each change is emitted once; after a restart those after the last recovery snapshot are
    emitted again, the same and in the same order for each row (but the row of an update without a post-image is
    looked up anew). What cannot be read is emitted as a `DeadLetter`, in its place; the `retries` ask for rows to be
    read again.

    `shapes` names the watched collections. Those in `snapshot_first` are read first and, with a `gate`, nothing else is
    emitted until it is open. `snapshot_position` is the time of the snapshot, as `read_position` gives it; a resumed
    partition keeps the one that it began with. `on_progress` is called on the worker's thread and must not block; so
    is `on_poll`, each time the worker asks a partition for changes, and `on_epoch`, with the partition's name, when an
    epoch ends; `before_snapshot` likewise, and what it raises ends the job without a snapshot.

    A server that is away is asked again until it is back, from where the reading was. For an error that waiting does
    not mend the source emits what comes before it, calls `ending.fail` and ends; it also ends when `ending` is
    requested. When a watched collection was removed, every partition first emits what came before that: of several,
    each waits at the gate that `removal_gate` gives for the position. With `ends_after_snapshot` the source ends where
    the tail would begin.
    """

    def __init__(
        self,
        *,
        uri: str,
        database: str,
        shapes: Mapping[str, Shape],
        snapshot_position: str,
        ending: Ending,
        snapshot_first: Sequence[str] = (),
        partitions: int = 1,
        gate: Gate | None = None,
        removal_gate: Callable[[str], Gate] | None = None,
        reading: Reading | None = None,
        retries: Retries | None = None,
        ends_after_snapshot: bool = False,
        on_progress: Callable[[SourceProgress], None] = lambda _: None,
        on_poll: OnPoll = lambda _name, _taken, _ahead: None,
        before_snapshot: Callable[[], None] = lambda: None,
        on_epoch: Callable[[str], None] = lambda _: None,
        max_batch: int = 1000,
    ) -> None:
        self._uri = uri
        self._database = database
        self._shapes = dict(shapes)
        self._first = tuple(name for name in snapshot_first if name in self._shapes)
        self._snapshot_position = snapshot_position
        self._partitions = partitions
        self._gate = gate
        self._removal_gate = removal_gate
        self._reading = reading
        self._retries = retries
        self._ends_after_snapshot = ends_after_snapshot
        self._ending = ending
        self._on_progress = on_progress
        self._on_poll = on_poll
        self._before_snapshot = before_snapshot
        self._on_epoch = on_epoch
        self._max_batch = max_batch

    def list_parts(self) -> list[str]:
        """`tail-0` and so on; a resumed job must have as many as it began with."""
        return [partition_name(i) for i in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: SourceState | None) -> _MongoChangePartition:
        state = resume_state or SourceState.at_start(self._snapshot_position, self._partitions)
        if state.partitions != self._partitions:
            self._ending.fail(
                ConfigError(
                    f"DBWATCH_MONGO_PARTITIONS: expected {state.partitions}, with which the job in the recovery folder "
                    f"began, found {self._partitions}; set it back, or {START_OVER}"
                )
            )
        plan = Plan(
            database=self._database,
            shapes=self._shapes,
            collections=(*self._first, *(name for name in self._shapes if name not in self._first)),
            partition=partition_number(for_part),
            partitions=self._partitions,
            max_batch=self._max_batch,
            absent=self._reading.absent if self._reading else frozenset(),
            known=self._reading.known if self._reading and for_part == partition_name(0) else None,
            retries=self._retries,
        )
        first = plan.reads[: len(plan.reads) - len(plan.collections) + len(self._first)]
        waits = self._gate is not None and (bool(self._first) or self._reading is not None)
        return _MongoChangePartition(
            reader=Reader(self._uri, plan, state),
            state=state,
            gate=_GateWatch(self._gate, plan.name, first, state) if self._gate and waits else None,
            reading=_ReadingWatch(self._reading.finished, plan) if self._reading else None,
            retries=_RetryWatch(self._retries) if self._retries else None,
            removal=_RemovalWatch(self._removal_gate, plan.name),
            ends_at=frozenset(plan.reads) if self._ends_after_snapshot else None,
            ending=self._ending,
            on_progress=self._on_progress,
            on_poll=self._on_poll,
            before_snapshot=self._before_snapshot,
            on_epoch=self._on_epoch,
        )


class _MongoChangePartition(StatefulSourcePartition[Emitted, SourceState]):
    def __init__(
        self,
        *,
        reader: Reader,
        state: SourceState,
        gate: _GateWatch | None,
        reading: _ReadingWatch | None,
        retries: _RetryWatch | None,
        removal: _RemovalWatch,
        ends_at: frozenset[str] | None,
        ending: Ending,
        on_progress: Callable[[SourceProgress], None],
        on_poll: OnPoll,
        before_snapshot: Callable[[], None],
        on_epoch: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._state = state
        self._gate = gate
        self._reading = reading
        self._retries = retries
        self._removal = removal
        self._ends_at = ends_at
        self._ending = ending
        self._on_progress = on_progress
        self._on_poll = on_poll
        self._before_snapshot = before_snapshot
        self._on_epoch = on_epoch
        self._progress: SourceProgress | None = None
        on_progress(reader.progress)
        if not ending.requested:
            reader.start()

    def next_batch(self) -> Sequence[Emitted]:
        """What has been read; never waits for the server."""
        if self._ending.requested or (self._ends_at is not None and self._ends_at.issubset(self._state.done)):
            raise StopIteration
        if self._removal.error is not None:
            if self._removal.is_everywhere():
                self._ending.fail(self._removal.error)
            return ()
        if self._gate and self._gate.holds(self._state):
            self._report_waiting()
            self._on_poll(self._reader.name, 0, self._reader.ahead)
            return ()
        item = self._reader.take()
        self._on_poll(self._reader.name, len(item.changes) if item else 0, self._reader.ahead)
        if item is None:
            return ()
        self._state, self._progress = item.state, item.progress
        self._on_progress(item.progress)
        if isinstance(item.error, CollectionRemoved):
            self._removal.found(item.error)
        elif item.error:
            self._ending.fail(item.error)
        return item.changes

    def snapshot(self) -> SourceState:
        """The state after the changes last returned."""
        try:
            self._before_snapshot()
        except DBWatchError as exc:
            self._ending.abandon(exc)
        self._on_epoch(self._reader.name)
        if self._gate:
            self._gate.settle(self._state)
        if self._reading:
            self._reading.settle(self._state)
        if self._retries:
            self._retries.settle(self._state)
        return self._state

    def close(self) -> None:
        self._reader.close()

    def _report_waiting(self) -> None:
        if self._progress and self._progress.phase == "snapshot":
            self._progress = self._progress._replace(phase="waiting")
            self._on_progress(self._progress)


class _GateWatch:
    """When a partition arrives at the gate, and how long it waits there.

    Bytewax begins an epoch only when every earlier one is done in all steps and workers. So rows emitted before a
    snapshot of this partition have been processed once it is asked for more after it; a resumed state is one as well.
    """

    def __init__(self, gate: Gate, partition: str, first: Sequence[str], resumed: SourceState) -> None:
        self._gate = gate
        self._partition = partition
        self._first = frozenset(first)
        self._settled = self._first.issubset(resumed.done)
        self._arrived = False
        self._passed = False
        self._ask_at_s = 0.0

    def settle(self, state: SourceState) -> None:
        """The epoch in which the state was reached ends."""
        self._settled = self._settled or self._first.issubset(state.done)

    def holds(self, state: SourceState) -> bool:
        """Whether the partition must not emit yet; arrives when it is time to."""
        if self._passed or not self._first.issubset(state.done):
            return False
        if not self._settled:
            return True
        if not self._arrived:
            self._gate.arrive(self._partition)
            self._arrived = True
        if time.monotonic() >= self._ask_at_s:
            self._ask_at_s = time.monotonic() + _GATE_POLL_S
            self._passed = self._gate.is_open()
        return not self._passed


class _ReadingWatch:
    """When a partition's snapshot will not be read again: once checkpoints that hold its end are surely durable."""

    def __init__(self, finished: Gate, plan: Plan) -> None:
        self._finished = finished
        self._partition = plan.name
        self._reads = frozenset(plan.reads)
        self._settled = 0

    def settle(self, state: SourceState) -> None:
        """The epoch in which the state was reached ends."""
        if self._settled < _DURABLE_AFTER and self._reads.issubset(state.done):
            self._settled += 1
            if self._settled == _DURABLE_AFTER:
                self._finished.arrive(self._partition)
        if self._settled == _DURABLE_AFTER and self._finished.is_open():
            self._settled += 1


class _RetryWatch:
    """Which rows that were read again are certain to be kept: those that durable checkpoints hold."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._checkpoints: dict[str, int] = {}
        self._told: frozenset[str] = frozenset()

    def settle(self, state: SourceState) -> None:
        """The epoch in which the state was reached ends."""
        self._checkpoints = {name: self._checkpoints.get(name, 0) + 1 for name in state.retried}
        self._told = self._told.intersection(state.retried)  # they go once nobody asks for them
        kept = [n for n, count in self._checkpoints.items() if count >= _DURABLE_AFTER and n not in self._told]
        if kept and self._retries.done(kept):
            self._told = self._told.union(kept)


class _RemovalWatch:
    """Keeps the partitions of a job together where a collection was removed: none ends before all have come there."""

    def __init__(self, gate_at: Callable[[str], Gate] | None, partition: str) -> None:
        self._gate_at = gate_at
        self._partition = partition
        self._gate: Gate | None = None
        self._ask_at_s = 0.0
        self.error: CollectionRemoved | None = None

    def found(self, error: CollectionRemoved) -> None:
        """This partition has emitted everything that came before the removal."""
        self.error = error
        if self._gate_at is not None:
            self._gate = self._gate_at(error.position)
            self._gate.arrive(self._partition)

    def is_everywhere(self) -> bool:
        """Whether every partition has; asks at most every 100 ms."""
        if self._gate is None:
            return True
        if time.monotonic() < self._ask_at_s:
            return False
        self._ask_at_s = time.monotonic() + _GATE_POLL_S
        return self._gate.is_open()
