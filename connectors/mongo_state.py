"""What one partition of the source reads, how far it has come, and the items that it reads: values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from connectors.changes import Shape
from connectors.dead_letters import Emitted
from connectors.errors import DBWatchError
from connectors.mongo_events import position_ms
from connectors.retries import Retries
from connectors.shaping import Shaper, shapers

GONE = "\0gone"
"""Stands among the collections that are read for the rows that a feed has and the database has not."""

RowName = tuple[str, str]
"""A row's collection and key."""

Phase = Literal["snapshot", "waiting", "tail"]


def partition_name(number: int) -> str:
    """The name that a partition's state is kept under: a later version must not change it."""
    return f"tail-{number}"


def partition_number(name: str) -> int:
    """Of a partition by its name."""
    return int(name.removeprefix("tail-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one partition reads, and in which order. `await_ms` is how long the server waits before it answers that
    there is no event. Of the collections in `absent` the snapshot has no row: they are not read, only followed. With
    `known`, rows of these that are not in the snapshot are deletes; it is called in the reader's thread. So are the
    `retries`, which say what is to be read again.
    """

    database: str
    shapes: Mapping[str, Shape]
    collections: tuple[str, ...]
    partition: int = 0
    partitions: int = 1
    max_batch: int = 1000
    await_ms: int = 250
    absent: frozenset[str] = frozenset()
    known: Callable[[], Sequence[RowName]] | None = None
    retries: Retries | None = None
    shapers: Mapping[str, Shaper] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapers", shapers(self.shapes))

    @property
    def name(self) -> str:
        return partition_name(self.partition)

    @property
    def reads(self) -> tuple[str, ...]:
        """What the snapshot consists of, in order: rows that are gone come before those that are there."""
        return self.collections if self.known is None else (GONE, *self.collections)


class SourceState(NamedTuple):
    """How far one partition has come: what a recovery snapshot holds.

    The snapshot's time and the number of partitions never change for a job. `done` are the collections read whole;
    `last_id` is the BSON of the `_id` last emitted of `collection`, byte by byte as it is stored. `token` is the BSON
    of a resume token once the tail has one. `position` is the last one known. `read` counts the rows of `collection`
    or, in the tail, its changes. `retried` names the dead letters whose rows were read again and are still asked for.

    `former` is of a job that goes on after another one, whose partitions, of whatever number, had not come equally far:
    by the other's partitions, the place (`mongo_events.place_of`) up to which its rows' changes were emitted by that
    one. It is empty once all are behind us.
    """

    snapshot_position: str
    partitions: int
    position: str
    done: tuple[str, ...] = ()
    collection: str = ""
    last_id: bytes | None = None
    token: bytes | None = None
    read: int = 0
    retried: tuple[str, ...] = ()
    former: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type[SourceState], tuple[object, ...]]:
        """Without `former` as long as it says nothing: versions that do not know of it can read that."""
        return SourceState, tuple(self) if self.former else tuple(self)[:-1]

    @classmethod
    def at_start(cls, snapshot_position: str, partitions: int) -> SourceState:
        return cls(snapshot_position, partitions, position=snapshot_position)


class SourceProgress(NamedTuple):
    """Where one partition stands.

    `read` of about `expected` rows of `collection` in the snapshot; in the tail, changes since it began (of 0).
    `position` and `ts_ms` are those of the last change or, without one, of the time up to which the server has no more
    (`ts_ms` then to the second). `retries` counts failed attempts to read since the process started; `away` says why
    the last one failed, as long as none has worked since.
    """

    partition: str
    phase: Phase
    collection: str
    read: int
    expected: int
    position: str
    ts_ms: int
    retries: int = 0
    away: str = ""


class Oplog(NamedTuple):
    """What MongoDB said of itself: its clock (Unix ms), the time of its oldest oplog entry, how many entries of the
    watched collections come after the job's position, and how many bytes the oplog has used of how many at most. None
    is what there is not, or could not be counted, or what the user may not see: `unreadable` says why then.
    """

    server_ms: int
    oldest_ms: int | None = None
    behind: int | None = None
    unreadable: str = ""
    used: int | None = None
    most: int | None = None

    @property
    def spare_s(self) -> float | None:
        """How long no entry falls out yet; None when it is not known."""
        if self.oldest_ms is None or self.used is None or self.most is None:
            return None
        return until_full_s((self.server_ms - self.oldest_ms) / 1000, self.used, self.most)


def until_full_s(span_s: float, used: int | None, most: int | None) -> float:
    """How long nothing falls out of an oplog of `most` bytes, at the rate at which it has grown to `used` in `span_s`;
    0 when that is not known.
    """
    if used is None or most is None or used <= 0 or span_s <= 0:
        return 0.0
    return max(0.0, (most - used) * span_s / used)


class Item(NamedTuple):
    """Changes and dead letters, the state once they are emitted, and the error that ends the reading after them, if
    one does.
    """

    changes: Sequence[Emitted]
    state: SourceState
    progress: SourceProgress
    error: DBWatchError | None = None


def snapshot_progress(plan: Plan, state: SourceState, expected: int) -> SourceProgress:
    """Where a partition stands while it reads the snapshot."""
    position = state.snapshot_position
    collection = "deleted rows" if state.collection == GONE else state.collection
    return SourceProgress(plan.name, "snapshot", collection, state.read, expected, position, position_ms(position))


def finished(plan: Plan, state: SourceState, collection: str, *, expected: int) -> Item:
    """The last item of a collection, which is empty and counts it as done."""
    done = state._replace(done=(*state.done, collection), collection="", last_id=None, read=0)
    return Item((), done, snapshot_progress(plan, state, expected))
