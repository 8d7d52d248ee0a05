"""A whole batch at once gives what its events give one by one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import bson
import pytest
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Shape
from connectors.mongo_batches import Batch, changes_of, is_decoded, rows_of
from connectors.mongo_client import CODEC
from connectors.mongo_events import change_of, row_of
from connectors.shaping import shapers
from tests.connectors.test_mongo_events import AT, REST, VERSION_1, VERSION_2, key_string
from tests.connectors.test_rows import documents, values

Document = dict[str, Any]

SHAPES = {
    "films": Shape(),
    "people": Shape(mask=("a", "b.c"), refs=("a", "b.d")),
    "notes": Shape(fields=("a", "b"), mask=("b.c",), refs=("b",)),
}
SHAPERS = shapers(SHAPES)
START = datetime(2026, 11, 21, 21, 10, 13)


def _row(some: Document, more: Document) -> Document:
    return {"_id": 1, **some, **more}


def _keyed(key: Any, row: Document) -> Document:
    return {**row, "_id": key}


def _description(updated: Document, removed: list[str]) -> Document:
    return {"updatedFields": updated, "removedFields": removed, "truncatedArrays": []}


rows = st.builds(_row, documents, st.dictionaries(st.sampled_from("abc"), values))
keys = st.binary(min_size=12, max_size=12).map(ObjectId) | st.integers(-9, 9) | st.text(max_size=3)
descriptions = st.builds(
    _description,
    st.dictionaries(st.sampled_from(["a", "b.c", "b", "c.0.x"]), values, max_size=3),
    st.lists(st.sampled_from(["a", "b.d", "c"]), max_size=2, unique=True),
)


@st.composite
def events(draw: st.DrawFn) -> Document:
    operation = draw(st.sampled_from(["insert", "update", "replace", "delete"]))
    time = Timestamp(1795295413 + draw(st.integers(0, 2)), draw(st.integers(0, 70_000)))
    index = key_string(draw(st.integers(0, 3)))
    token = f"82{time.time:08X}{time.inc:08X}{draw(st.sampled_from([VERSION_1, VERSION_2]))}{index}{REST}"
    event: Document = {
        "_id": {"_data": token},
        "operationType": operation,
        "clusterTime": time,
        "ns": {"db": "shop", "coll": draw(st.sampled_from(list(SHAPES)))},
        "documentKey": {"_id": draw(keys)},
    }
    if draw(st.booleans()):
        event["wallTime"] = START + timedelta(milliseconds=draw(st.integers(0, 3)))
    if operation != "delete":
        event["fullDocument"] = draw(rows)
    if operation != "insert" and draw(st.booleans()):
        event["fullDocumentBeforeChange"] = draw(rows)
    if operation == "update":
        event["updateDescription"] = draw(descriptions)
    return event


def reply(*sent: Any, name: str = "nextBatch", **more: Any) -> RawBSONDocument:
    """A cursor as the server gives it."""
    cursor = {name: list(sent), "postBatchResumeToken": {"_data": "82"}, "id": 7, "ns": "shop.$cmd.aggregate"}
    return RawBSONDocument(bson.encode(cursor | more))


def _one_by_one(batch: Batch) -> list[Any] | None:
    """None when one cannot be made a change."""
    try:
        return [change_of(e, SHAPES[e["ns"]["coll"]]) for e in batch.events]
    except Exception:  # whatever it is that fails, such an event cannot be made a change
        return None


@given(st.lists(events(), max_size=4))
def test_ordinary_events_are_the_changes_that_they_are_one_by_one(sent: list[Document]) -> None:
    batch = Batch.of(reply(*sent), CODEC)
    assert [bson.encode(dict(e)) for e in batch.events] == [bson.encode(e) for e in sent]
    assert changes_of(batch.events, SHAPERS) == (None if batch.is_raw else _one_by_one(batch))


@given(st.lists(st.builds(_keyed, keys, rows), max_size=4), st.sampled_from(list(SHAPES)))
def test_documents_of_a_snapshot_are_the_changes_that_they_are_one_by_one(sent: list[Document], name: str) -> None:
    batch = Batch.of(reply(*sent, name="firstBatch"), CODEC, name="firstBatch")
    try:
        expected = [row_of(dict(d), collection=name, shape=SHAPES[name], position=AT) for d in batch.events]
    except Exception:  # whatever it is that fails, such a document cannot be made a change
        expected = None
    expected = None if batch.is_raw else expected  # a value may look like the name of a fragment's field
    assert rows_of(batch.events, collection=name, shaper=SHAPERS[name], position=AT) == expected
    assert [bytes(raw.raw) for raw in batch.raw_events()] == [bson.encode(d) for d in sent]


def test_a_document_that_reads_like_a_reference_is_left_to_be_looked_at_by_itself() -> None:
    batch = Batch.of(reply({"$ref": "films", "$id": 1, "_id": 2}), CODEC)
    assert not is_decoded(batch.events[0])
    assert rows_of(batch.events, collection="films", shaper=SHAPERS["films"], position=AT) is None


@pytest.mark.parametrize(
    "unusual",
    [
        {"operationType": "drop"},
        {"operationType": "update", "updateDescription": {"updatedFields": {"a": 1}, "removedFields": []}},
        {"operationType": "update", "fullDocument": None},
        {"operationType": "insert", "fullDocument": {"_id": 1}, "ns": {"db": "shop", "coll": "others"}},
    ],
    ids=["a removal", "no row", "a row that is null", "not watched"],
)
def test_what_is_not_ordinary_is_left_to_be_looked_at_by_itself(unusual: Document) -> None:
    usual = {"_id": {"_data": "82"}, "clusterTime": Timestamp(1, 1), "ns": {"db": "shop", "coll": "films"}}
    event = usual | {"documentKey": {"_id": 1}} | unusual
    assert changes_of([event], SHAPERS) is None


def test_a_batch_that_cannot_be_decoded_at_once_is_given_raw() -> None:
    good, bad = {"_id": 1}, {"_id": 2, "text": "~~"}
    cursor = RawBSONDocument(bytes(reply(good, bad).raw).replace(b"~~", b"\xff\xfe"))
    batch = Batch.of(cursor, CODEC)
    assert batch.is_raw
    assert [type(e) for e in batch.events] == [RawBSONDocument, RawBSONDocument]
    assert dict(batch.events[0]) == good
    assert batch.token is not None
    assert (batch.cursor_id, batch.token["_data"]) == (7, "82")
    assert changes_of(batch.events, SHAPERS) is None


def test_a_batch_with_fragments_of_an_event_is_given_raw() -> None:
    assert Batch.of(reply({"_id": 1, "splitEvent": {"fragment": 1, "of": 2}}), CODEC).is_raw


def test_the_token_after_a_batch_is_kept_byte_by_byte() -> None:
    token = {"_data": "82AB", "_typeBits": b"\x01\x02"}
    batch = Batch.of(reply(postBatchResumeToken=token), CODEC)
    assert not batch.is_raw
    assert batch.token is not None
    assert bytes(batch.token.raw) == bson.encode(token)
