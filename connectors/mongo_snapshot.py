"""Reading one partition's share of the collections as they were at one cluster time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

import bson
import structlog
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from connectors.dead_letters import Emitted
from connectors.mongo_batches import Batch, Received, is_decoded, rows_of
from connectors.mongo_client import CODEC, RAW, Client, decoded, translated
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
        emitted = state.last_id
        with closing(_pieces(client, plan, state)) as pieces:
            for piece in pieces:
                item = _item(piece.after(emitted), plan, state, expected)
                state, emitted = item.state, None
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


class _Piece(NamedTuple):
    """Some documents of one of the server's answers."""

    batch: Batch
    start: int
    stop: int

    @property
    def documents(self) -> Sequence[Received]:
        return self.batch.events[self.start : self.stop]

    @property
    def raw(self) -> Sequence[RawBSONDocument]:
        return self.batch.raw_events()[self.start : self.stop]

    def after(self, last_id: bytes | None) -> _Piece:
        """Without the document that `min` names: it was emitted."""
        return self if last_id is None or self.id_at(self.start) != last_id else self._replace(start=self.start + 1)

    def id_at(self, index: int) -> bytes:
        """The BSON of the `_id`, byte by byte: it need not be one that can be decoded, and other types of a driver do
        not always give the bytes that they were made of.
        """
        document = self.batch.events[index]
        if is_decoded(document) and type(document["_id"]) is ObjectId:
            return bson.encode({"_id": document["_id"]})
        return only(bytes(self.batch.raw_events()[index].raw), "_id")


def _pieces(client: Client, plan: Plan, state: SourceState) -> Generator[_Piece]:
    """The server's answers, cut so that no piece takes much memory."""
    db = client[plan.database]
    with client.start_session(causal_consistency=False) as session:
        cursor = db.command(_find(plan, state), session=session, codec_options=RAW)["cursor"]
        batch = Batch.of(cursor, CODEC, name="firstBatch")
        try:
            yield from _cut(batch)
            while batch.cursor_id:
                more = {"getMore": batch.cursor_id, "collection": state.collection, "batchSize": plan.max_batch}
                batch = Batch.of(db.command(more, session=session, codec_options=RAW)["cursor"], CODEC)
                yield from _cut(batch)
        except GeneratorExit:  # nobody reads on: the server would keep all that the cursor sees
            with suppress(PyMongoError):
                db.command({"killCursors": state.collection, "cursors": [batch.cursor_id]}, session=session)
            raise


def _cut(batch: Batch) -> Iterator[_Piece]:
    """In pieces of documents that follow each other; none of an empty batch."""
    count = len(batch.events)
    step = -(-count // (len(batch.raw) // _MAX_BATCH_BYTES + 1))
    for start in range(0, count, step or 1):
        yield _Piece(batch, start, min(start + step, count))


def _item(piece: _Piece, plan: Plan, state: SourceState, expected: int) -> Item:
    """The documents as changes and dead letters."""
    name, at = state.collection, state.snapshot_position
    emitted: Sequence[Emitted] | None = rows_of(
        piece.documents, collection=name, shaper=plan.shapers[name], position=at
    )
    if emitted is None:
        emitted = [_emitted(raw, plan, state) for raw in piece.raw]
    if emitted:
        state = state._replace(last_id=piece.id_at(piece.stop - 1), read=state.read + len(emitted))
    return Item(emitted, state, snapshot_progress(plan, state, expected))


def _emitted(raw: RawBSONDocument, plan: Plan, state: SourceState) -> Emitted:
    collection, position = state.collection, state.snapshot_position
    try:
        return row_of(decoded(raw), collection=collection, shape=plan.shapes[collection], position=position)
    except Exception as exc:  # whatever is wrong with one row, the others go on
        return document_letter(bytes(raw.raw), exc, database=plan.database, collection=collection, position=position)


def _doing(plan: Plan, collection: str) -> str:
    return f"{plan.name}: snapshot of {plan.database}.{collection}"
