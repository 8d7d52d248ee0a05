"""The snapshot on a real server: one time, any `_id`, resumable, and what happens when the time is gone."""

from __future__ import annotations

import pickle
from datetime import datetime
from itertools import islice
from typing import Any

import bson
import orjson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from connectors.changes import Change, Shape
from connectors.dead_letters import DeadLetter, Emitted
from connectors.errors import ConfigError, SnapshotLost, TransientError
from connectors.mongo_client import Client, connect, read_position, translated
from connectors.mongo_snapshot import read_snapshot
from connectors.mongo_state import Item, Plan, SourceState
from connectors.rows import key_text
from tests.connectors.mongo_driving import Document, Driven

SECRET = "never-to-be-seen"
MIXED_IDS: list[Any] = [
    None,
    *(1, 2.5, Int64(7), Decimal128("3.3"), -4, 10**15),
    *("a", "ab", "", "ä", {"x": 1, "y": "b"}, {"x": 1}, {}),
    *(b"bin", Binary(b"x", 4), ObjectId(), True, False, datetime(2020, 1, 2), datetime(1960, 1, 1)),
]


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    return mongo[mongo_db]


@pytest.fixture
def client(mongo_uri: str) -> Client:
    return connect(mongo_uri)


def plan(db: Database[Document], *collections: str, max_batch: int = 4) -> Plan:
    shapes = {name: Shape() for name in collections}
    return Plan(database=db.name, shapes=shapes, collections=collections, max_batch=max_batch)


def test_ids_of_every_type_are_read_once_however_often_it_is_broken_off(mongo_uri: str, db: Database[Document]) -> None:
    db.things.insert_many([{"_id": value} for value in MIXED_IDS])
    with connect(mongo_uri) as client:
        state = SourceState.at_start(read_position(client, db.name, ["things"]), 1)
        keys: list[str] = []
        for max_batch in (1, 2, 3) * len(MIXED_IDS):
            first = next(iter(read_snapshot(client, plan(db, "things", max_batch=max_batch), state)), None)
            if first is None:
                break
            state = first.state
            keys += [change.key for change in first.changes]
    assert keys == [key_text(document["_id"]) for document in db.things.find().sort("_id", 1)]
    assert len(keys) == len(MIXED_IDS)


def test_every_collection_is_as_it_was_at_the_position(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_many([{"_id": i, "n": 0} for i in range(10)])
    db.people.insert_many([{"_id": i} for i in range(10)])
    with connect(mongo_uri) as client:
        position = read_position(client, db.name, ["films", "people"])
        db.films.update_many({}, {"$set": {"n": 1}})
        db.people.delete_many({})
        items = list(read_snapshot(client, plan(db, "films", "people"), SourceState.at_start(position, 1)))
    changes = [change for item in items for change in item.changes]
    assert [c.collection for c in changes] == ["films"] * 10 + ["people"] * 10
    assert {c.after for c in changes[:10] if isinstance(c, Change)} == {f'{{"_id":{i},"n":0}}' for i in range(10)}
    assert {c.position for c in changes} == {position}
    assert items[-1].state.done == ("films", "people")


def test_empty_and_missing_collections_have_no_rows(mongo_uri: str, db: Database[Document]) -> None:
    db.create_collection("films")
    with connect(mongo_uri) as client:
        position = read_position(client, db.name, ["missing", "films"])
        items = list(read_snapshot(client, plan(db, "films", "missing"), SourceState.at_start(position, 1)))
        assert len(read_position(client, db.name, ["missing"])) == 16
    assert [item.changes for item in items] == [(), ()]
    assert items[-1].state.done == ("films", "missing")


def test_progress_counts_rows_against_what_is_expected(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_many([{"_id": i} for i in range(10)])
    with Driven(mongo_uri, db.name, ["films"], max_batch=4) as job:
        job.until_tail()
    snapshot = [(p.collection, p.read, p.expected) for p in job.progress if p.phase == "snapshot"]
    assert snapshot == [("", 0, 0), *(("films", n, 10) for n in (4, 8, 10, 10))]


def test_a_time_that_the_server_no_longer_keeps_is_told_with_the_setting() -> None:
    too_old = OperationFailure("Read timestamp is older than the oldest available timestamp.", 239)
    with pytest.raises(ConfigError) as error, translated("the snapshot", position="5f00000000000001"):
        raise too_old
    assert "minSnapshotHistoryWindowInSeconds" in str(error.value)
    assert "2020-07-04T04:05:20Z" in str(error.value)
    assert "name a new recovery folder" in str(error.value)


def test_a_collection_that_was_made_after_the_time_of_the_snapshot_loses_it(
    mongo_uri: str, db: Database[Document]
) -> None:
    db.films.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films"], position="5f00000000000001") as job:
        job.until_end()
    assert isinstance(job.ending.error, SnapshotLost)
    assert "2020-07-04T04:05:20Z" in str(job.ending.error)


@pytest.mark.parametrize("max_batch", [1, 2, 1000])
def test_a_document_that_is_no_text_is_a_dead_letter_and_the_others_are_read(
    mongo_uri: str, db: Database[Document], max_batch: int
) -> None:
    db.films.insert_many([{"_id": i} for i in range(3)])
    insert_not_utf8(db, "films", 3)
    db.films.insert_one({"_id": 4})
    with Driven(mongo_uri, db.name, ["films"], max_batch=max_batch) as job:
        job.until_tail()
    assert [c.key for c in job.all] == [key_text(i) for i in (0, 1, 2, 4)]
    (letter,) = job.letters
    assert (letter.stage, letter.collection, letter.key, letter.op) == ("read", "films", key_text(3), "r")
    assert letter.position == job.position
    assert "cannot be decoded" in letter.error
    assert orjson.loads(letter.event) == {
        "operationType": "read",
        "ns": {"db": db.name, "coll": "films"},
        "documentKey": {"_id": 3},
    }
    assert SECRET not in repr(letter)


def test_a_snapshot_goes_on_after_ids_that_are_no_text(mongo_uri: str, db: Database[Document]) -> None:
    ids = [b"a~", b"b~", b"c~", b"d~", b"e~"]
    for i, key in enumerate(ids):
        raw = bson.encode({"_id": key.decode(), "i": i})
        broken = raw.replace(b"~", b"\xff") if i % 2 else raw
        db.films.insert_one(RawBSONDocument(broken))  # pyright: ignore[reportArgumentType]
    with connect(mongo_uri) as client:
        state = SourceState.at_start(read_position(client, db.name, ["films"]), 1)
        found: list[Emitted] = []
        while "films" not in state.done:
            for item in islice(read_snapshot(client, plan(db, "films", max_batch=1), state), 2):
                state = pickle.loads(pickle.dumps(item.state))  # noqa: S301  # ours
                found += item.changes
    assert [type(e) for e in found] == [Change, DeadLetter, Change, DeadLetter, Change]
    assert [e.key for e in found] == ['"a~"', "", '"c~"', "", '"e~"']
    assert len({letter.identity for letter in found if isinstance(letter, DeadLetter)}) == 2


def test_bulky_rows_are_read_a_few_at_a_time(mongo_uri: str, db: Database[Document]) -> None:
    for i in range(5):
        db.films.insert_one({"_id": i, "text": "x" * 3_000_000})
    with connect(mongo_uri) as client:
        state = SourceState.at_start(read_position(client, db.name, ["films"]), 1)
        items = list(read_snapshot(client, plan(db, "films", max_batch=1000), state))
    assert [len(item.changes) for item in items] == [3, 2, 0]


def test_reading_goes_on_after_the_last_item_when_the_connection_breaks(
    client: Client, db: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    db.films.insert_many([{"_id": i} for i in range(10)])
    state = SourceState.at_start(read_position(client, db.name, ["films"]), 1)
    with client:
        reading = read_snapshot(client, plan(db, "films"), state)
        item: Item = next(reading)
        kill_cursors(db)
        with pytest.raises(TransientError):
            list(reading)
        rest = list(read_snapshot(client, plan(db, "films"), item.state))
    assert [c.key for it in rest for c in it.changes] == [key_text(i) for i in range(4, 10)]


def insert_not_utf8(db: Database[Document], collection: str, key: int) -> None:
    """A document with a string that is not UTF-8: servers take it, as older drivers wrote them."""

    raw = bson.encode({"_id": key, "title": f"{SECRET}~~"}).replace(b"~~", b"\xff\xfe")
    db[collection].insert_one(RawBSONDocument(raw))  # pyright: ignore[reportArgumentType]


def kill_cursors(db: Database[Document]) -> None:
    open_cursors: list[Any] = [
        operation["cursor"]["cursorId"]
        for operation in db.client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        if operation.get("type") == "idleCursor" and operation["ns"].startswith(db.name + ".")
    ]
    db.command("killCursors", "films", cursors=open_cursors)
