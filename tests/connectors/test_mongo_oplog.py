"""The oplog, on real servers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pymongo import MongoClient

from connectors.errors import TransientError
from connectors.mongo_client import connect, read_position
from connectors.mongo_oplog import oldest_entry_ms, read_oplog
from tests.conftest import StartMongod
from tests.secured import PASSWORD, USER

Mongo = MongoClient[dict[str, Any]]


def test_entries_of_watched_collections_after_a_position_are_counted(
    mongo: Mongo, mongo_uri: str, mongo_db: str
) -> None:
    db = mongo[mongo_db]
    db.watched.insert_one({"_id": 0})
    with connect(mongo_uri) as client:
        position = read_position(client, mongo_db, ["watched"])
        assert read_oplog(client, mongo_db, ["watched", "other"], position).behind == 0
        db.watched.insert_many([{"_id": i} for i in range(1, 5)], ordered=True)
        db.watched.update_one({"_id": 1}, {"$set": {"x": 1}})
        db.watched.delete_one({"_id": 2})
        db.unwatched.insert_one({})
        with mongo.start_session() as session:

            def two(session: Any) -> None:
                db.watched.insert_one({"_id": 8}, session=session)
                db.watched.insert_one({"_id": 9}, session=session)

            session.with_transaction(two)
        behind = read_oplog(client, mongo_db, ["watched", "other"], position).behind
        assert behind in (3 + 1, 6 + 1)  # a batch of inserts is one entry or one for each, by the server's version
        assert read_oplog(client, mongo_db, ["watched"], "").behind is None


def test_the_clock_and_the_oldest_entry_are_told_in_milliseconds(mongo_uri: str, mongo_db: str) -> None:
    with connect(mongo_uri) as client:
        oplog = read_oplog(client, mongo_db, ["c"], "")
        assert abs(oplog.server_ms - time.time() * 1000) < 5000
        assert oplog.oldest_ms is not None
        assert oplog.oldest_ms == oldest_entry_ms(client)
        assert 0 <= oplog.server_ms - oplog.oldest_ms < 3_600_000
        assert oplog.unreadable == ""


def test_how_full_the_oplog_is_tells_how_long_nothing_falls_out_yet(mongo_uri: str, mongo_db: str) -> None:
    with connect(mongo_uri) as client:
        oplog = read_oplog(client, mongo_db, ["c"], "")
    assert oplog.used is not None
    assert oplog.most is not None
    assert 0 < oplog.used < oplog.most
    assert oplog.spare_s is not None
    assert oplog.spare_s > 0
    assert oplog._replace(used=oplog.most).spare_s == 0
    assert oplog._replace(used=None).spare_s is None


def test_a_user_who_may_not_read_it_is_told_what_to_grant_and_still_knows_the_clock(start_mongod: StartMongod) -> None:
    server = start_mongod(auth=True)
    with Mongo(server.uri, serverSelectionTimeoutMS=10_000) as root:
        root.admin.command("createUser", "least", pwd="x", roles=[{"role": "read", "db": "shop"}])
    assert PASSWORD
    with connect(f"mongodb://least:x@127.0.0.1:{server.port}/?replicaSet=rs0&authSource=admin") as client:
        oplog = read_oplog(client, "shop", ["c"], "")
    assert oplog.server_ms > 0
    assert oplog.oldest_ms is None
    assert "grantPrivilegesToRole" in oplog.unreadable
    assert USER not in oplog.unreadable


def test_a_server_that_is_away_is_a_transient_error() -> None:
    with (
        connect("mongodb://127.0.0.1:1/?replicaSet=rs0", server_selection_timeout_ms=100) as client,
        pytest.raises(TransientError),
    ):
        read_oplog(client, "shop", ["c"], "")
