"""What comes after the archive in a replay: the database's own log, up to the moment. An edge: it talks to MongoDB."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from connectors.archive.moment import LAST, Moment
from connectors.archive.replay_state import ReplayState, cut_after, cut_before
from connectors.changes import Shape
from connectors.dead_letters import Emitted
from connectors.errors import CollectionRemoved, ConfigError, DBWatchError, HistoryLost, TransientError
from connectors.mongo_client import connect, oldest_position, read_later_position, read_position, settled
from connectors.mongo_events import position_ms
from connectors.mongo_reader import Reader
from connectors.mongo_state import Item, Plan, SourceState
from connectors.times import to_the_second

_POLL_S = 0.005
_AWAY_S = 20.0

Tailed = tuple[Sequence[Emitted], ReplayState, str | None]
"""Changes, the state after them, and the cut, if this is the end."""


def tailed(
    *,
    uri: str,
    database: str,
    shapes: Mapping[str, Shape],
    moment: Moment,
    partitions: int,
    state: ReplayState,
    stopped: threading.Event,
    ends_apart: bool = False,
) -> Iterator[Tailed]:
    """Every change after `state.position` that had happened by the moment, in the order of positions.

    One change stream reads them all; `partitions` are those of the job that wrote the archive. With `ends_apart` the
    cut is not the position of the last change, though nothing may have happened since: then some seconds may pass until
    the server's time goes on. Raises our errors.
    """
    apart_from = moment.upper[:8] if ends_apart else ""
    now = _present(uri, database, tuple(shapes), state.position, stopped, apart_from=apart_from)
    floor = max((own.state.position for own in state.floors), default="")
    if floor > state.position:
        changes, state = _between(uri, database, shapes, partitions, state, floor, stopped)
        if stopped.is_set():
            return
        yield changes, state, None
    plan = _plan(database, shapes, 0, 1)
    for item in _items(uri, plan, _start(state.position, plan), stopped):
        changes: list[Emitted] = []
        end = None
        for change in item.changes:
            if not moment.includes(change.position, change.ts_ms) or change.position[:16] > now:
                end = cut_before(change.position)
                break
            if change.position > state.position:
                changes.append(change)
        if end is None:
            end = _end(item, now, moment)
        reached = item.changes[-1].position if item.changes else cut_before(item.state.position)
        if end is not None:
            reached = end
        last = changes[-1].position if changes else state.last
        state = state._replace(position=max(state.position, reached), last=last, read=state.read + len(changes))
        yield changes, state, end
        if end is not None:
            return


def _end(item: Item, now: str, moment: Moment) -> str | None:
    """The cut, when nothing more can come by the moment, or of what there was when the reading began."""
    reached = item.state.position
    # Of a transaction's changes some may still come as long as nothing later is known; a quiet stream has given all.
    if reached[:16] > now or (not item.changes and reached >= now):
        return now if now + LAST <= moment.upper else cut_after(moment.upper)
    if cut_before(reached) > moment.upper:
        return cut_after(moment.upper)
    return None


def _between(
    uri: str,
    database: str,
    shapes: Mapping[str, Shape],
    partitions: int,
    state: ReplayState,
    floor: str,
    stopped: threading.Event,
) -> tuple[list[Emitted], ReplayState]:
    """The snapshot's partitions had come further than the archive is complete, some of them further than others: what
    is missing of each up to the furthest. It is the work of an epoch at most.
    """
    floors = {floor.partition: floor.state for floor in state.floors}
    found: list[Emitted] = []
    for partition in range(partitions):
        plan = _plan(database, shapes, partition, partitions)
        own = floors.get(partition)
        begin = _start(state.position, plan)
        if own is not None and own.position > state.position:
            begin = own._replace(snapshot_position=begin.snapshot_position, done=plan.collections, retried=())
        for item in _items(uri, plan, begin, stopped):
            found += [change for change in item.changes if state.position < change.position <= floor]
            if item.state.position > floor or (not item.changes and item.state.position >= floor):
                break
    found.sort(key=lambda change: change.position)
    return found, state._replace(position=floor, last=floor, read=state.read + len(found))


def _plan(database: str, shapes: Mapping[str, Shape], partition: int, partitions: int) -> Plan:
    return Plan(database=database, shapes=shapes, collections=tuple(shapes), partition=partition, partitions=partitions)


def _start(position: str, plan: Plan) -> SourceState:
    """The tail from the position's cluster time on, which is read again; what was emitted of it is left out."""
    before = position[:16] if position[8:16] == "0" * 8 else cut_before(position)  # nothing happens at a count of 0
    return SourceState(before, plan.partitions, position=before, done=plan.collections)


def _items(uri: str, plan: Plan, state: SourceState, stopped: threading.Event) -> Iterator[Item]:
    """What a reader reads, until it is stopped; raises the error that ends it."""
    reader = Reader(uri, plan, state)
    reader.start()
    try:
        while not stopped.is_set():
            item = reader.take()
            if item is None:
                stopped.wait(_POLL_S)
                continue
            if item.changes or not item.error:
                yield item
            if item.error:
                raise _explained(item.error, item.state.position, uri)
    finally:
        reader.close()


def _present(
    uri: str,
    database: str,
    collections: Sequence[str],
    reached: str,
    stopped: threading.Event,
    *,
    apart_from: str,
) -> str:
    """The position up to which everything had happened by now; waits a while for a server that is away, and for one
    that shows a time later than any change, if it does not show one later than the second `apart_from`.
    """
    deadline_s = time.monotonic() + _AWAY_S
    while True:
        try:
            with connect(uri) as client:
                now = settled(lambda: read_position(client, database, collections))
                return now if now[:8] > apart_from else read_later_position(client, database, collections)
        except TransientError as exc:
            if stopped.wait(1.0) or time.monotonic() > deadline_s:
                raise ConfigError(
                    f"the archive is complete up to {_at(reached)}, and MongoDB, which would know what came after it, "
                    f"does not answer: {exc}; start it and call again, or replay up to there: --until {reached[:16]}"
                ) from exc


def _explained(error: DBWatchError, reached: str, uri: str) -> DBWatchError:
    """The error, with the ranges that are there."""
    if isinstance(error, CollectionRemoved):
        return HistoryLost(
            f"the replay has come to {_at(reached)}: {error}. The archive of that time is in a later chapter: name a "
            "moment before it, or leave the snapshot out for one after it"
        )
    if not isinstance(error, HistoryLost):
        return error
    with connect(uri) as client:
        oldest = oldest_position(client)
    ranges = f"the archive is complete up to {_at(reached)}"
    if oldest:
        ranges += f" and MongoDB's oplog begins at {_at(oldest)}"
    return HistoryLost(
        f"{ranges}: what lies between is lost to a replay; ask for a moment up to there, as `--until {reached[:16]}`, "
        "or let the job run again, which ends the gap with a new chapter",
        since=reached,
        until=oldest,
    )


def _at(position: str) -> str:
    return f"{to_the_second(position_ms(position))} (position {position[:16]})"
