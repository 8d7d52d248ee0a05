"""Reading one partition's share of the collections as they were at one cluster time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import bson
import structlog
from bson.raw_bson import RawBSONDocument

from connectors import rows
from connectors.changes import Change
from connectors.errors import BadRecord
from connectors.mongo_client import RAW, Client, decoded, translated
from connectors.mongo_events import position_ms, position_time, row_of, share
from connectors.mongo_state import Item, Plan, SourceProgress, SourceState

log = structlog.get_logger()


def read_snapshot(client: Client, plan: Plan, state: SourceState) -> Iterator[Item]:
    """What is left of the collections after `state`, one after the other, in order of `_id`.

    A collection that did not exist has no rows. Its last item counts it as done and is empty. Raises our errors;
    after a `TransientError` call again with the state of the last item. Ends after an item with an error.
    """
    for collection in plan.collections:
        if collection not in state.done:
            for item in _read_collection(client, plan, state, collection):
                state = item.state
                yield item
                if item.error:
                    return


def _read_collection(client: Client, plan: Plan, state: SourceState, collection: str) -> Iterator[Item]:
    if state.collection != collection:
        state = state._replace(collection=collection, last_id=None, read=0)
    with translated(_doing(plan, collection), position=state.snapshot_position):
        expected = int(client[plan.database].command("count", collection)["n"]) // plan.partitions
        cursor = client[plan.database].cursor_command(_find(plan, state), codec_options=RAW)
        with cursor.batch_size(plan.max_batch):
            while batch := list(islice(cursor, plan.max_batch)):
                item = _item(batch, plan, state, expected)
                state = item.state
                yield item
    log.info("snapshot.collection_read", partition=plan.name, collection=collection, rows=state.read)
    progress = _progress(plan, state, expected)
    yield Item((), state._replace(done=(*state.done, collection), collection="", last_id=None, read=0), progress)


def _find(plan: Plan, state: SourceState) -> dict[str, Any]:
    """Goes on by `min`, not by `$gt`, which sees values of its own type only: the `_id`s may be of several."""
    command: dict[str, Any] = {"find": state.collection, "hint": {"_id": 1}, "sort": {"_id": 1}}
    if plan.partitions > 1:
        command["filter"] = share("_id", partition=plan.partition, partitions=plan.partitions)
    if state.last_id is not None:
        command["min"] = RawBSONDocument(state.last_id)
    time = position_time(state.snapshot_position)
    return command | {"batchSize": plan.max_batch, "readConcern": {"level": "snapshot", "atClusterTime": time}}


def _item(batch: Sequence[RawBSONDocument], plan: Plan, state: SourceState, expected: int) -> Item:
    """The batch as changes, up to one that cannot be decoded, without the row that `min` names: it was emitted."""
    changes: list[Change] = []
    last_id: Any = None
    emitted = None if state.last_id is None else rows.key_text(bson.decode(state.last_id)["_id"])
    shape, error = plan.shapes[state.collection], None
    for raw in batch:
        try:
            document = decoded(raw)
            change = row_of(document, collection=state.collection, shape=shape, position=state.snapshot_position)
        except BadRecord as exc:
            error = BadRecord(f"{_doing(plan, state.collection)}: {exc}")
            break
        if change.key != emitted:
            changes.append(change)
            last_id = document["_id"]
    if changes:
        state = state._replace(last_id=bson.encode({"_id": last_id}), read=state.read + len(changes))
    return Item(changes, state, _progress(plan, state, expected), error)


def _progress(plan: Plan, state: SourceState, expected: int) -> SourceProgress:
    position = state.snapshot_position
    return SourceProgress(
        plan.name, "snapshot", state.collection, state.read, expected, position, position_ms(position)
    )


def _doing(plan: Plan, collection: str) -> str:
    return f"{plan.name}: snapshot of {plan.database}.{collection}"
