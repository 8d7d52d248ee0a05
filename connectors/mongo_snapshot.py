"""Reading one partition's share of the collections as they were at one cluster time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import structlog
from bson.raw_bson import RawBSONDocument

from connectors.dead_letters import Emitted
from connectors.mongo_client import RAW, Client, decoded, translated
from connectors.mongo_events import position_time, row_of, share
from connectors.mongo_gone import read_gone
from connectors.mongo_letters import document_letter
from connectors.mongo_state import GONE, Item, Plan, SourceState, finished, snapshot_progress
from connectors.raw_bson import only

log = structlog.get_logger()

_MAX_BATCH_BYTES = 8_000_000


def read_snapshot(client: Client, plan: Plan, state: SourceState) -> Iterator[Item]:
    """What is left of the collections after `state`, one after the other, in order of `_id`.

    A collection that did not exist has no rows. Its last item counts it as done and is empty. Raises our errors;
    after a `TransientError` call again with the state of the last item. A row that cannot be decoded is a dead letter.
    """
    for collection in plan.reads:
        if collection not in state.done:
            read = read_gone if collection == GONE else _read_absent if collection in plan.absent else _read_collection
            for item in read(client, plan, state, collection):
                state = item.state
                yield item


def _read_absent(_client: Client, plan: Plan, state: SourceState, collection: str) -> Iterator[Item]:
    yield finished(plan, state, collection, expected=0)


def _read_collection(client: Client, plan: Plan, state: SourceState, collection: str) -> Iterator[Item]:
    if state.collection != collection:
        state = state._replace(collection=collection, last_id=None, read=0)
    with translated(_doing(plan, collection), position=state.snapshot_position):
        expected = int(client[plan.database].command("count", collection)["n"]) // plan.partitions
        cursor = client[plan.database].cursor_command(_find(plan, state), codec_options=RAW)
        with cursor.batch_size(plan.max_batch):
            for batch in _batches(cursor, plan.max_batch):
                item = _item(batch, plan, state, expected)
                state = item.state
                yield item
    log.info("snapshot.collection_read", partition=plan.name, collection=collection, rows=state.read)
    yield finished(plan, state, collection, expected=expected)


def _find(plan: Plan, state: SourceState) -> dict[str, Any]:
    """Goes on by `min`, not by `$gt`, which sees values of its own type only: the `_id`s may be of several."""
    command: dict[str, Any] = {"find": state.collection, "hint": {"_id": 1}, "sort": {"_id": 1}}
    if plan.partitions > 1:
        command["filter"] = share("_id", partition=plan.partition, partitions=plan.partitions)
    if state.last_id is not None:
        command["min"] = RawBSONDocument(state.last_id)
    time = position_time(state.snapshot_position)
    return command | {"batchSize": plan.max_batch, "readConcern": {"level": "snapshot", "atClusterTime": time}}


def _batches(documents: Iterable[RawBSONDocument], max_batch: int) -> Iterator[list[RawBSONDocument]]:
    """Cut so that no batch of bulky documents takes much memory."""
    batch: list[RawBSONDocument] = []
    size = 0
    for raw in documents:
        batch.append(raw)
        size += len(raw.raw)
        if len(batch) == max_batch or size >= _MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _item(batch: Sequence[RawBSONDocument], plan: Plan, state: SourceState, expected: int) -> Item:
    """The batch as changes and dead letters, without the row that `min` names: it was emitted."""
    if state.last_id is not None and _id_of(batch[0]) == state.last_id:
        batch = batch[1:]
    emitted = [_emitted(raw, plan, state) for raw in batch]
    if emitted:
        state = state._replace(last_id=_id_of(batch[-1]), read=state.read + len(emitted))
    return Item(emitted, state, snapshot_progress(plan, state, expected))


def _emitted(raw: RawBSONDocument, plan: Plan, state: SourceState) -> Emitted:
    collection, position = state.collection, state.snapshot_position
    try:
        return row_of(decoded(raw), collection=collection, shape=plan.shapes[collection], position=position)
    except Exception as exc:  # whatever is wrong with one row, the others go on
        return document_letter(bytes(raw.raw), exc, database=plan.database, collection=collection, position=position)


def _id_of(raw: RawBSONDocument) -> bytes:
    """The BSON of the `_id`, byte by byte: it need not be one that can be decoded."""
    return only(bytes(raw.raw), "_id")


def _doing(plan: Plan, collection: str) -> str:
    return f"{plan.name}: snapshot of {plan.database}.{collection}"
