"""Rows at one cluster time, and what happens when the server does not keep that time any more."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from connectors.errors import SnapshotLost
from connectors.mongo_at import MongoRows, key_of
from connectors.mongo_client import SNAPSHOT_GONE, connect, read_position
from connectors.mongo_events import position_time
from tests.conftest import Document, StartMongod, wait_until

KEYS: list[Any] = [*range(2500), *(f"text {n}" for n in range(500)), {"a": 1}, 2.5]


def keys_of(rows: list[RawBSONDocument]) -> list[bytes]:
    return sorted(bson.encode({"": key_of(row)}) for row in rows)


def test_rows_are_read_as_they_were_then(mongo: MongoClient[Document], mongo_uri: str, mongo_db: str) -> None:
    rows = mongo[mongo_db].rows
    rows.insert_many([{"_id": key, "n": 1, "even": key == 2} for key in KEYS])
    with connect(mongo_uri) as client:
        reader = MongoRows(client, mongo_db, read_position(client, mongo_db, ["rows"]))
        rows.update_many({}, {"$set": {"n": 2}})
        rows.delete_one({"_id": 7})
        found = list(reader.all("rows"))
        assert keys_of(found) == sorted(bson.encode({"": key}) for key in KEYS)
        assert {row["n"] for row in found} == {1}
        assert [row["_id"] for row in reader.by_key("rows", [7, "text 3", "nobody"])] == [7, "text 3"]
        assert [row["_id"] for row in reader.by_value("rows", "even", [True])] == [2]
        assert [row["_id"] for row in reader.by_value("rows", "_id", [2, 2.0, None, *range(5000, 6000)])] == [2]
        assert list(reader.all("nowhere")) == []


def test_a_reading_that_outlasts_the_snapshot_goes_on_at_a_later_time(start_mongod: StartMongod) -> None:
    server = start_mongod(extra_args=["--setParameter", "minSnapshotHistoryWindowInSeconds=0"])
    with MongoClient[Document](server.uri) as mongo, connect(server.uri) as client:
        mongo.db.rows.insert_many([{"_id": key} for key in KEYS])
        reader = MongoRows(client, "db", read_position(client, "db", ["rows"]))
        first = reader.position
        iterator = reader.all("rows")
        found = [next(iterator)]

        def is_gone() -> bool:
            mongo.db.other.insert_one({})
            concern = {"level": "snapshot", "atClusterTime": position_time(first)}
            try:
                mongo.db.command("find", "rows", limit=1, readConcern=concern)
            except OperationFailure as exc:
                return exc.code in SNAPSHOT_GONE
            return False

        wait_until(is_gone, 30)
        found += iterator
        assert reader.position > first
    assert keys_of(found) == sorted(bson.encode({"": key}) for key in KEYS)


def test_a_time_that_is_gone_from_the_start_is_left_for_the_present(start_mongod: StartMongod) -> None:
    server = start_mongod()
    with MongoClient[Document](server.uri) as mongo, connect(server.uri) as client:
        mongo.db.rows.insert_one({"_id": 1})
        reader = MongoRows(client, "db", "0000000100000001")
        assert [row["_id"] for row in reader.all("rows")] == [1]
        with pytest.raises(SnapshotLost, match="can then not be read"):
            list(MongoRows(client, "db", "0000000100000001").by_key("rows", [1]))


def test_the_key_of_a_row_that_cannot_be_decoded_is_told() -> None:
    raw = bson.encode({"name": "caf_", "_id": 5}).replace(b"caf_", b"caf\xe9")
    assert key_of(RawBSONDocument(raw)) == 5
