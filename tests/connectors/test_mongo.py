"""MongoChangeSource against a real replica set: its partitions are driven as Bytewax drives them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from connectors.changes import Change, Shape
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from connectors.rows import key_text
from tests.conftest import StartMongod
from tests.connectors.mongo_driving import Document, Driven, at_now, rows_held, rows_in, with_images
from tests.secured import PASSWORD


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    return mongo[mongo_db]


def test_snapshot_is_followed_by_every_kind_of_change(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "films")
    db.films.insert_one({"_id": 1, "title": "The Matrix", "imdb": {"votes": 5}})
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_count(1)
        db.films.insert_one({"_id": 2, "title": "Once"})
        db.films.update_one({"_id": 1}, {"$set": {"imdb.votes": 6}})
        db.films.replace_one({"_id": 1}, {"title": "Matrix"})
        db.films.delete_one({"_id": 2})
        read, created, updated, replaced, deleted = job.until_count(5)
    assert (read.op, read.key, read.position, read.named) == ("r", key_text(1), job.position, None)
    assert (created.op, created.before, created.after) == ("c", None, '{"_id":2,"title":"Once"}')
    assert (updated.op, updated.named) == ("u", ("imdb.votes",))
    assert orjson.loads(updated.before or "") == {"_id": 1, "title": "The Matrix", "imdb": {"votes": 5}}
    assert orjson.loads(updated.after or "") == {"_id": 1, "title": "The Matrix", "imdb": {"votes": 6}}
    assert (replaced.op, replaced.named, replaced.after) == ("u", None, '{"_id":1,"title":"Matrix"}')
    assert (deleted.op, deleted.before, deleted.after) == ("d", '{"_id":2,"title":"Once"}', None)
    positions = [change.position for change in job.all]
    assert positions == sorted(set(positions))


def test_nothing_is_missed_or_seen_twice_where_the_tail_begins(mongo_uri: str, db: Database[Document]) -> None:
    """Updates are numbered: the changes of one row must be one unbroken run from what the snapshot read."""
    with_images(db, "counters")
    db.counters.insert_many([{"_id": i, "n": 0} for i in range(200)])
    enough = threading.Event()

    def write() -> None:
        dice = random.Random(1)
        while not enough.is_set():
            db.counters.update_one({"_id": dice.randrange(200)}, {"$inc": {"n": 1}})

    writing = threading.Thread(target=write)
    writing.start()
    try:
        with Driven(mongo_uri, db.name, ["counters"], max_batch=20) as job:
            job.until(lambda: sum(c.op == "u" for c in job.all) > 200)
            enough.set()
            writing.join()
            job.until(lambda: rows_held(job.all) == rows_in(db, "counters"))
    finally:
        enough.set()
        writing.join()
    seen: dict[str, list[int]] = {}
    for change in job.all:
        seen.setdefault(change.key, []).append(orjson.loads(change.after or "")["n"])
    assert len(seen) == 200
    assert all(ns == list(range(ns[0], ns[0] + len(ns))) for ns in seen.values())


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_job_killed_at_any_point_goes_on_after_what_it_had_emitted(
    mongo_uri: str, db: Database[Document], partitions: int
) -> None:
    with_images(db, "films", "people")
    db.films.insert_many([{"_id": i, "n": i} for i in range(60)])
    db.people.insert_many([{"_id": f"p{i}"} for i in range(60)])
    position = at_now(mongo_uri, db.name, ["films", "people"])
    for i in range(60):
        db.films.update_one({"_id": i}, {"$inc": {"n": 1}})
        db.people.delete_one({"_id": f"p{i}"})

    def job() -> Driven:
        return Driven(
            mongo_uri,
            db.name,
            ["people", "films"],
            position=position,
            first=["films"],
            partitions=partitions,
            max_batch=7,
        )

    with job() as whole:
        expected = Counter(map(repr, whole.until_count(240)))
    assert {c.collection for c in whole.changes["tail-0"][:10]} == {"films"}

    dice, emitted, states = random.Random(partitions), list[Change](), dict[str, SourceState]()
    kills = 0
    while len(emitted) < 240:
        killed = job()
        killed.resume(states)
        killed.until_count(min(dice.randrange(1, 40), 240 - len(emitted)))
        states = killed.snapshots()
        killed.kill()
        emitted += killed.all
        kills += 1
    assert Counter(map(repr, emitted)) == expected
    assert kills > 4


def test_partitions_share_every_row_between_them(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "films")
    ids: list[Any] = [*range(100), *(f"t{i}" for i in range(100)), *(i + 0.5 for i in range(100))]
    db.films.insert_many([{"_id": i, "n": 0} for i in ids])
    with Driven(mongo_uri, db.name, ["films"], partitions=3) as job:
        job.until_count(len(ids))
        db.films.update_many({}, {"$inc": {"n": 1}})
        job.until_count(2 * len(ids))
        db.films.delete_many({})
        job.until_count(3 * len(ids))
    keys = [{change.key for change in changes} for changes in job.changes.values()]
    assert all(keys)
    assert sum(map(len, keys)) == len(set[str]().union(*keys)) == len(ids)
    assert Counter(change.op for change in job.all) == {"r": len(ids), "u": len(ids), "d": len(ids)}


def test_the_position_moves_while_watched_collections_are_idle(mongo_uri: str, db: Database[Document]) -> None:
    db.create_collection("films")
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        before = job.snapshots()["tail-0"]
        db.others.insert_one({})
        job.until(lambda: job.snapshots()["tail-0"].position > before.position)
        assert job.snapshots()["tail-0"].token != before.token
        assert job.progress[-1].phase == "tail"
        assert job.progress[-1].position == job.snapshots()["tail-0"].position
        db.films.insert_one({"_id": 1})
        states = job.snapshots()
    later = Driven(mongo_uri, db.name, ["films"], position=job.position)
    later.resume(states)
    assert [c.op for c in later.until_count(1)] == ["c"]
    later.kill()


def test_what_is_masked_or_not_chosen_is_in_no_change(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "users", "imageless")
    db.command("collMod", "imageless", changeStreamPreAndPostImages={"enabled": False})
    shapes = {
        "users": Shape(mask=("password", "keys.secret"), refs=("email",)),
        "imageless": Shape(mask=("password",), fields=("name", "password", "keys.public")),
    }
    person: Document = {"name": "Neo", "email": "neo@x.org", "password": "hunter2", "keys": {"secret": "hunter2"}}
    for name in shapes:
        db[name].insert_one({"_id": 0, **person})
    with Driven(mongo_uri, db.name, shapes) as job:
        job.until_count(2)
        for name in shapes:
            db[name].insert_one({"_id": 1, **person})
            db[name].update_one(
                {"_id": 1}, {"$set": {"password": "hunter2!", "keys": {"secret": "hunter2", "public": 1}}}
            )
            db[name].replace_one({"_id": 1}, {**person, "email": "hunter3"})
            db[name].delete_one({"_id": 1})
        changes = job.until_count(10)
    assert "hunter2" not in repr(changes)
    users = [c for c in changes if c.collection == "users"]
    assert [c.refs["email"] for c in users] == ['"neo@x.org"'] * 3 + ['"hunter3"', None]
    assert users[2].named == ("keys.public",)
    assert orjson.loads(users[1].after or "") == {"_id": 1, "name": "Neo", "email": "neo@x.org", "keys": {}}
    assert "hunter3" not in repr([c for c in changes if c.collection == "imageless"])


def test_a_collection_made_later_is_watched_too(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films", "people"]) as job:
        job.until_tail()
        db.people.insert_one({"_id": 2})
        assert [c.collection for c in job.until_count(2)] == ["films", "people"]


class CountingGate:
    """Open when told; notes who arrives."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.opened = False

    def arrive(self, partition: str) -> None:
        self.arrived.append(partition)

    def is_open(self) -> bool:
        return self.opened


def test_the_gate_holds_all_but_the_looked_up_rows(mongo_uri: str, db: Database[Document]) -> None:
    db.people.insert_many([{"_id": i} for i in range(10)])
    db.films.insert_many([{"_id": i} for i in range(10)])
    gate = CountingGate()
    with Driven(mongo_uri, db.name, ["films", "people"], first=["people"], gate=gate, max_batch=3) as job:
        job.until_count(10)
        job.until(lambda: job.progress[-1].phase == "waiting")
        assert gate.arrived == [], "rows are processed only when the epoch in which they were emitted is over"
        job.snapshots()
        job.until(lambda: gate.arrived)
        job.snapshots()
        assert [job.step() for _ in range(50)] == [[]] * 50
        states = job.snapshots()
    assert {c.collection for c in job.all} == {"people"}

    resumed = Driven(mongo_uri, db.name, ["films", "people"], position=job.position, first=["people"], gate=gate)
    resumed.resume(states)
    resumed.step()
    assert gate.arrived == ["tail-0", "tail-0"], "a resumed state is of an epoch that is over"
    gate.opened = True
    assert [c.collection for c in resumed.until_count(10)] == ["films"] * 10
    resumed.kill()


def test_a_requested_end_is_prompt_and_leaves_nothing_running(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        job.ending.request()
        with pytest.raises(StopIteration):
            job.step()
        assert job.snapshots()["tail-0"].token
    assert not [t.name for t in threading.enumerate() if t.name.startswith("dbwatch")]


def test_another_number_of_partitions_is_refused(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films"], partitions=2) as job:
        states = job.snapshots()
    other = Driven(mongo_uri, db.name, ["films"], position=job.position)
    other.resume(states)
    other.until_end()
    other.kill()
    assert isinstance(other.ending.error, ConfigError)
    assert "DBWATCH_MONGO_PARTITIONS: expected 2" in str(other.ending.error)


def test_a_restart_of_the_server_is_waited_out(start_mongod: StartMongod, tmp_path: Path) -> None:
    server = start_mongod(folder=tmp_path)
    with MongoClient[Document](server.uri) as client:
        with_images(client.shop, "films")
        client.shop.films.insert_one({"_id": 0})
    with Driven(server.uri, "shop", ["films"]) as job:
        job.until_tail()
        port = server.port
        server.stop()
        job.until(lambda: job.progress[-1].retries > 0 or job.step())
        server.start()
        assert server.port == port, "the address in use must stay"
        with MongoClient[Document](server.uri) as client:
            client.shop.films.insert_many([{"_id": i} for i in range(1, 50)])
        assert [c.key for c in job.until_count(50)] == [key_text(i) for i in range(50)]
    assert job.ending.error is None


def test_authentication_and_tls_are_those_of_the_address(start_mongod: StartMongod) -> None:
    server = start_mongod(auth=True, tls=True)
    with MongoClient[Document](server.uri) as client:
        client.shop.films.insert_one({"_id": 0})
        with Driven(server.uri, "shop", ["films"], partitions=2) as job:
            job.until_tail()
            client.shop.films.insert_one({"_id": 1})
            assert {c.op for c in job.until_count(2)} == {"r", "c"}
    assert PASSWORD not in repr(job.source)


def test_a_wrong_password_ends_the_job_with_one_line(start_mongod: StartMongod) -> None:
    server = start_mongod(auth=True)
    wrong = f"mongodb://watcher:wrong@127.0.0.1:{server.port}/?replicaSet=rs0&authSource=admin"
    with Driven(wrong, "shop", ["films"], position="6b00000000000001") as job:
        job.until_end()
    assert isinstance(job.ending.error, ConfigError)
    assert "refused the user or password" in str(job.ending.error)
    assert "wrong" not in str(job.ending.error)


def test_reading_never_holds_up_the_worker(mongo_uri: str, db: Database[Document]) -> None:
    """A server that cannot be reached is waited for elsewhere."""
    with Driven("mongodb://127.0.0.1:9/?replicaSet=rs0", "shop", ["films"], position="6b00000000000001") as job:
        asked_at_s = time.monotonic()
        assert [job.step() for _ in range(20)] == [[]] * 20
        assert time.monotonic() - asked_at_s < 1, "the driver itself waits 5 s for a server"
        assert job.parts["tail-0"].next_awake() is None
        job.ending.request()
        with pytest.raises(StopIteration):
            job.step()
