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

from connectors.dead_letters import DeadLetter, Emitted
from connectors.errors import BadRecord, DBWatchError, HistoryLost, TransientError
from connectors.mongo_batches import Batch, Received, changes_of
from connectors.mongo_client import CODEC, RAW, Client, decoded, translated
from connectors.mongo_events import (
    ROW_OPS,
    Event,
    change_of,
    event_position,
    pipeline,
    place_of,
    position_ms,
    position_time,
    token_position,
    wants_lookup,
)
from connectors.mongo_letters import event_header, event_letter
from connectors.mongo_lookups import Found, TooBulky, look_up
from connectors.mongo_oversize import SLIM, SPLIT, splits, whole_events
from connectors.mongo_removal import may_go_on, removal, with_span
from connectors.mongo_retries import RetryTurns, pieces, read_again
from connectors.mongo_state import Item, Plan, SourceProgress, SourceState
from connectors.raw_bson import joined, only


def read_tail(client: Client, plan: Plan, state: SourceState) -> Iterator[Item]:
    """Every change after `state`, for ever; while there is none, an empty item each `await_ms`, so that the position
    moves. An event that cannot be decoded, or that is too large to be sent, is a dead letter.

    Raises our errors; after a `TransientError` call again with the state of the last item. Ends after an item with an
    error: a watched collection was removed; the item's state is before that event.
    """
    max_batch = plan.max_batch
    while True:
        if _is_past(state):
            state = state._replace(former=())
        try:
            for item in _follow(client, plan, state, max_batch):
                state = item.state
                yield item
                if item.error:
                    return
                if _is_past(state):
                    break
        except HistoryLost as exc:
            raise with_span(client, exc) from exc
        except BadRecord as exc:
            # The server fails the whole batch for one event that it cannot send: go up to that one event by event.
            if max_batch == 1:
                item = _pass_over(client, plan, state, exc)
                state = item.state
                yield item
            max_batch = plan.max_batch if max_batch == 1 else 1


def _is_past(state: SourceState) -> bool:
    """Whether all that another job had emitted lies behind: what comes need not be held against that any more."""
    return bool(state.former) and state.token is not None and place_of(state.token, "") > max(state.former)


def _follow(client: Client, plan: Plan, state: SourceState, max_batch: int) -> Iterator[Item]:
    doing = f"{plan.name}: tail of {plan.database}"
    fragments: list[bytes] = []
    with client.start_session(causal_consistency=False) as session:
        with translated(doing, position=state.position):
            last = [SPLIT] if splits(str(client[plan.database].command("buildInfo")["version"])) else []
            cursor = _command(client, plan, session, _open(plan, state, last))
        batch: list[Received] = []
        turns = RetryTurns(client, plan)
        cursor_id = cursor["id"]
        while cursor_id:
            more = {"getMore": cursor_id, "collection": "$cmd.aggregate"}
            with translated(doing, position=state.position):
                cursor = _command(client, plan, session, more | {"batchSize": max_batch, "maxTimeMS": plan.await_ms})
            received = Batch.of(cursor, CODEC)
            cursor_id = received.cursor_id
            next_batch = received.events
            if received.is_raw:
                next_batch, fragments = whole_events(fragments, next_batch)
            batch += next_batch
            if (fragments and not batch) or (cursor_id and may_go_on(plan, next_batch)):
                continue
            end = None if fragments else received.token
            with translated(doing, position=state.position):
                # Of what another job has emitted nothing tells here how old a row may be that is read again.
                state, due = (state, []) if state.former else turns.due(state, batch, end)
            for piece, retry in pieces(batch, end, due):
                last = None if retry or end is None else bytes(end.raw)
                for item in _items(client, plan, state, piece, last) if piece or retry is None else ():
                    state = item.state
                    yield item
                    if item.error:
                        return
                if retry is not None:
                    with translated(f"{doing}, reading a row again", position=state.position):
                        again = read_again(client, plan, retry)
                    state = state._replace(retried=(*state.retried, retry.id))
                    yield _item_of([again], plan, state)
            batch = []
    raise TransientError(f"{doing}: the server closed the stream")


def _items(
    client: Client, plan: Plan, state: SourceState, batch: Sequence[Received], end: bytes | None
) -> Iterator[Item]:
    """The batch, in as many items as it takes to hold each in memory; at least one."""
    while True:
        with translated(f"{plan.name}: tail of {plan.database}", position=state.position):
            item, batch = _item(client, plan, state, batch, end)
        state = item.state
        yield item
        if item.error or not batch:
            return


def _pass_over(client: Client, plan: Plan, state: SourceState, error: BadRecord) -> Item:
    """The one event after `state`, which the server cannot send, as a dead letter."""
    doing = f"{plan.name}: tail of {plan.database}, passing over an event"
    with client.start_session(causal_consistency=False) as session, translated(doing, position=state.position):
        cursor = _command(client, plan, session, _open(plan, state, [SLIM]))
        while cursor["id"] and not cursor.get("nextBatch"):
            more = {"getMore": cursor["id"], "collection": "$cmd.aggregate", "batchSize": 1, "maxTimeMS": plan.await_ms}
            cursor = _command(client, plan, session, more)
        raw = next(iter(cursor.get("nextBatch", ())), None)
        header = None if raw is None else event_header(bytes(raw.raw))
        if raw is None or header is None or header["operationType"] not in ROW_OPS:
            raise TransientError(f"{doing}: found none")
        state = _advanced(state, [event_letter(header, error)], _token_of(raw))
        return _item_of([event_letter(header, error)], plan, state)


def _open(plan: Plan, state: SourceState, last: Sequence[dict[str, Any]]) -> dict[str, Any]:
    stream: dict[str, Any] = {"fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable"}
    if state.token is None:
        snapshot = position_time(state.snapshot_position)
        stream["startAtOperationTime"] = Timestamp(snapshot.time, snapshot.inc + 1)
    else:
        stream["startAfter"] = RawBSONDocument(state.token)
    stages = pipeline(
        database=plan.database,
        collections=plan.shapes,
        partition=plan.partition,
        partitions=plan.partitions,
        former=state.former,
    )
    return {"aggregate": 1, "pipeline": [{"$changeStream": stream}, *stages, *last], "cursor": {"batchSize": 0}}


def _command(client: Client, plan: Plan, session: ClientSession, command: dict[str, Any]) -> Mapping[str, Any]:
    return client[plan.database].command(command, session=session, codec_options=RAW)["cursor"]


def _item(
    client: Client, plan: Plan, state: SourceState, batch: Sequence[Received], end: bytes | None
) -> tuple[Item, list[Received]]:
    """As much of the batch as can be held in memory at once, and the rest; `end` is the token after the batch, None for
    that of its last event.
    """
    ordinary = changes_of(batch, plan.shapers)
    if ordinary is not None:
        return _item_of(ordinary, plan, _after(state, ordinary, batch, end)), []
    events, error = _row_events(plan, batch)
    try:
        looked_up = look_up(client, plan, [e for e in events if not isinstance(e, DeadLetter) and wants_lookup(e)])
    except TooBulky:
        half = len(batch) // 2
        item, rest = _item(client, plan, state, batch[:half], None)
        return item, [*rest, *batch[half:]]
    emitted = [_emitted(event, plan, looked_up) for event in events]
    return _item_of(emitted, plan, _after(state, emitted, batch, end if error is None else None), error), []


def _item_of(emitted: Sequence[Emitted], plan: Plan, state: SourceState, error: DBWatchError | None = None) -> Item:
    ts_ms = emitted[-1].ts_ms if emitted else position_ms(state.position)
    collection = emitted[-1].collection if emitted else ""
    progress = SourceProgress(plan.name, "tail", collection, state.read, 0, state.position, ts_ms)
    return Item(emitted, state, progress, error)


def _row_events(plan: Plan, batch: Sequence[Received]) -> tuple[list[Event | DeadLetter], DBWatchError | None]:
    """The events up to one that removed a watched collection; what cannot be decoded is a dead letter."""
    events: list[Event | DeadLetter] = []
    for raw in batch:
        event = _event(raw)
        if isinstance(event, DeadLetter):
            events.append(event)
            continue
        if event["operationType"] not in ROW_OPS:
            return events, removal(plan, event, batch[len(events) + 1 :])
        events.append(event)
    return events, None


def _event(raw: Received) -> Event | DeadLetter:
    """The event; without the row before it, when only that cannot be decoded: the change that mends a row must pass."""
    if not isinstance(raw, RawBSONDocument):
        return raw
    try:
        return decoded(raw)
    except BadRecord as exc:
        rest = joined([bytes(raw.raw)], without=("fullDocumentBeforeChange",))
        try:
            return decoded(RawBSONDocument(rest))
        except BadRecord:
            return event_letter(event_header(rest), exc)


def _emitted(event: Event | DeadLetter, plan: Plan, looked_up: Found) -> Emitted:
    if isinstance(event, DeadLetter):
        return event
    row = looked_up.get(event_position(event)) if wants_lookup(event) else None
    try:
        if isinstance(row, BadRecord):
            raise row
        return change_of(event, plan.shapes[event["ns"]["coll"]], row)
    except Exception as exc:  # whatever is wrong with one event, the others go on
        return event_letter(event, exc)


def _after(state: SourceState, emitted: Sequence[Emitted], batch: Sequence[Received], end: bytes | None) -> SourceState:
    """The state once these have been emitted, the first of the batch or all of it; `end` as in `_item`."""
    if end is not None:
        return _advanced(state, emitted, end)
    return _advanced(state, emitted, _token_of(batch[len(emitted) - 1])) if emitted else state


def _token_of(raw: Received) -> bytes:
    """The event's resume token."""
    if not isinstance(raw, RawBSONDocument):
        return bson.encode(raw["_id"])
    token: RawBSONDocument = RawBSONDocument(only(bytes(raw.raw), "_id"))["_id"]
    return bytes(token.raw)


def _advanced(state: SourceState, emitted: Sequence[Emitted], token: bytes) -> SourceState:
    reached = (state.position, emitted[-1].position if emitted else "", token_position(bson.decode(token, CODEC)) or "")
    read = len(emitted) + (state.read if state.token else 0)
    return state._replace(token=token, position=max(reached), read=read)
