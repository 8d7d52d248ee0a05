"""Reading one partition's share of a database's changes, by one change stream.

The stream is driven by `aggregate` and `getMore` and not by PyMongo's `ChangeStream`, which gives single events and
does not say where a batch ends: missing rows are looked up for a whole batch, and without waiting for the next one.
Events are asked for with `fullDocument: whenAvailable`; the rows that the server had no post-image of are looked up
here, all of one collection at once where that is good enough. The server's own `updateLookup` is for all updates or
none, also for those of which there is an exact row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from connectors import rows
from connectors.changes import Change
from connectors.errors import BadRecord, ConfigError, DBWatchError, TransientError
from connectors.mongo_client import CODEC, RAW, SNAPSHOT_GONE, START_OVER, Client, decoded, translated
from connectors.mongo_events import (
    ROW_OPS,
    Event,
    change_of,
    event_position,
    is_shown,
    pipeline,
    position_ms,
    position_time,
    removal_text,
    token_position,
    wants_lookup,
)
from connectors.mongo_state import Item, Plan, SourceProgress, SourceState

Place = str
"""An event's position, which is its own."""


def read_tail(client: Client, plan: Plan, state: SourceState) -> Iterator[Item]:
    """Every change after `state`, for ever; while there is none, an empty item each `await_ms`, so that the position
    moves.

    Raises our errors; after a `TransientError` call again with the state of the last item. Ends after an item with an
    error: a watched collection was removed, or an event cannot be decoded; the item's state is before that event.
    """
    max_batch = plan.max_batch
    while True:
        try:
            for item in _follow(client, plan, state, max_batch):
                state = item.state
                yield item
                if item.error:
                    return
        except BadRecord:
            # The server fails the whole batch for one event that it cannot send: go up to that one event by event.
            if max_batch == 1:
                raise
            max_batch = 1


def _follow(client: Client, plan: Plan, state: SourceState, max_batch: int) -> Iterator[Item]:
    doing = f"{plan.name}: tail of {plan.database}"
    with client.start_session(causal_consistency=False) as session:
        with translated(doing, position=state.position):
            cursor = _command(client, plan, session, _open(plan, state))
        while cursor["id"]:
            more = {"getMore": cursor["id"], "collection": "$cmd.aggregate"}
            with translated(doing, position=state.position):
                cursor = _command(client, plan, session, more | {"batchSize": max_batch, "maxTimeMS": plan.await_ms})
                item = _item(client, plan, state, cursor["nextBatch"], cursor["postBatchResumeToken"])
            state = item.state
            yield item
    raise TransientError(f"{doing}: the server closed the stream")


def _open(plan: Plan, state: SourceState) -> dict[str, Any]:
    stream: dict[str, Any] = {"fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable"}
    if state.token is None:
        snapshot = position_time(state.snapshot_position)
        stream["startAtOperationTime"] = Timestamp(snapshot.time, snapshot.inc + 1)
    else:
        stream["startAfter"] = RawBSONDocument(state.token)
    stages = pipeline(
        database=plan.database, collections=plan.shapes, partition=plan.partition, partitions=plan.partitions
    )
    return {"aggregate": 1, "pipeline": [{"$changeStream": stream}, *stages], "cursor": {"batchSize": 0}}


def _command(client: Client, plan: Plan, session: ClientSession, command: dict[str, Any]) -> Mapping[str, Any]:
    return client[plan.database].command(command, session=session, codec_options=RAW)["cursor"]


def _item(
    client: Client, plan: Plan, state: SourceState, batch: Sequence[RawBSONDocument], token: RawBSONDocument
) -> Item:
    events, error = _row_events(plan, batch)
    looked_up = _look_up(client, plan, [event for event in events if wants_lookup(event)])
    changes: list[Change] = []
    for event in events:
        try:
            row = looked_up.get(event_position(event)) if wants_lookup(event) else None
            changes.append(change_of(event, plan.shapes[event["ns"]["coll"]], row))
        except BadRecord as exc:
            error = BadRecord(f"{plan.name}: tail of {plan.database}: {exc}")
            break
    if error is None:
        state = _advanced(state, changes, bytes(token.raw))
    elif changes:
        state = _advanced(state, changes, bson.encode(events[len(changes) - 1]["_id"]))
    ts_ms = changes[-1].ts_ms if changes else position_ms(state.position)
    collection = changes[-1].collection if changes else ""
    progress = SourceProgress(plan.name, "tail", collection, state.read, 0, state.position, ts_ms)
    return Item(changes, state, progress, error)


def _row_events(plan: Plan, batch: Sequence[RawBSONDocument]) -> tuple[list[Event], DBWatchError | None]:
    """The events up to one that cannot be decoded, or that removed a watched collection."""
    events: list[Event] = []
    for raw in batch:
        try:
            event = decoded(raw)
        except BadRecord as exc:
            after = f" after position {token_position(events[-1]['_id'])}" if events else ""
            return events, BadRecord(f"{plan.name}: tail of {plan.database}{after}: {exc}")
        if event["operationType"] not in ROW_OPS:
            what = removal_text(event, plan.shapes)
            return events, ConfigError(f"{plan.database}: {what}; the server reports no deletes for that; {START_OVER}")
        events.append(event)
    return events, None


def _advanced(state: SourceState, changes: Sequence[Change], token: bytes) -> SourceState:
    reached = (state.position, changes[-1].position if changes else "", token_position(bson.decode(token, CODEC)) or "")
    read = len(changes) + (state.read if state.token else 0)
    return state._replace(token=token, position=max(reached), read=read)


def _row_of(event: Event) -> tuple[str, str]:
    return event["ns"]["coll"], rows.key_text(event["documentKey"]["_id"])


def _look_up(client: Client, plan: Plan, events: Sequence[Event]) -> dict[Place, dict[str, Any]]:
    """The rows of these events, by place; what is gone is left out.

    A row that others are joined with is read as it was at the event's own time, so that every reading of the event
    gives the same. All others are read at once, as they are now or later than the events at least; so are the former
    once the server has forgotten that time (`minSnapshotHistoryWindowInSeconds`).
    """
    found: dict[Place, dict[str, Any]] = {}
    now: list[Event] = []
    for event in events:
        if not is_shown(event, plan.shapes[event["ns"]["coll"]]):
            now.append(event)
            continue
        then = {"level": "snapshot", "atClusterTime": event["clusterTime"]}
        try:
            found |= _find(client, plan, [event], then)
        except OperationFailure as exc:
            if exc.code not in SNAPSHOT_GONE:
                raise
            now.append(event)
    if now:
        found |= _find(client, plan, now, {"level": "majority", "afterClusterTime": max(e["clusterTime"] for e in now)})
    return found


def _find(
    client: Client, plan: Plan, events: Sequence[Event], concern: Mapping[str, Any]
) -> dict[Place, dict[str, Any]]:
    """The rows of these events as the read concern shows them, by place."""
    ids: dict[str, dict[str, Any]] = {}
    places: dict[tuple[str, str], list[Place]] = {}
    for event in events:
        row = _row_of(event)
        ids.setdefault(row[0], {})[row[1]] = event["documentKey"]["_id"]
        places.setdefault(row, []).append(event_position(event))
    found: dict[Place, dict[str, Any]] = {}
    for collection, wanted in ids.items():
        find = {"find": collection, "filter": {"_id": {"$in": list(wanted.values())}}, "readConcern": concern}
        with client[plan.database].cursor_command(find, codec_options=RAW) as cursor:
            for document in map(decoded, cursor):
                found |= dict.fromkeys(places[collection, rows.key_text(document["_id"])], document)
    return found
