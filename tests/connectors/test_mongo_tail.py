"""The tail on a real server: order, rows without images, removals, and what cannot be gone on from."""

from __future__ import annotations

from collections.abc import Callable, Generator

import bson
import orjson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from connectors.errors import CollectionRemoved, HistoryLost
from connectors.mongo_events import position_time
from connectors.mongo_state import SourceState
from connectors.rows import key_text
from tests.conftest import wait_until
from tests.connectors.bare_mongod import bare_mongod, initiate
from tests.connectors.mongo_driving import Document, Driven, rows_held, rows_in, with_images

SECRET = "never-to-be-seen"


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    return mongo[mongo_db]


@pytest.fixture(scope="module")
def short_oplog(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, SourceState]]:
    """A server that has forgotten what came after a state, and that state."""
    arguments = ("--oplogSize", "1", "--syncdelay", "1", "--setParameter", "minSnapshotHistoryWindowInSeconds=0")
    with bare_mongod(tmp_path_factory.mktemp("short"), "--replSet", "rs0", *arguments) as port:
        uri = initiate(port)
        with MongoClient[Document](uri) as client:
            client.shop.films.insert_one({"_id": 1})
            with Driven(uri, "shop", ["films"]) as job:
                job.until_tail()
                client.shop.films.insert_one({"_id": 2})
                job.until_count(2)
                state = job.snapshots()["tail-0"]

            def forgotten() -> bool:
                client.shop.filler.insert_many([{"text": "x" * 100_000} for _ in range(10)])
                oldest = client.local["oplog.rs"].find_one()
                return oldest is not None and oldest["ts"] > position_time(state.position)

            wait_until(forgotten, 30, what="the oplog forgets")
        yield uri, state


def test_the_operations_of_a_transaction_keep_their_order(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "films", "people")
    with Driven(mongo_uri, db.name, ["films", "people"], max_batch=50) as job:
        job.until_tail()
        with db.client.start_session() as session, session.start_transaction():
            for i in range(200):
                db.films.update_one({"_id": i % 3}, {"$set": {"n": i}}, upsert=True, session=session)
                db.people.insert_one({"_id": i}, session=session)
        changes = job.until_count(400)
    positions = [change.position for change in changes]
    assert positions == sorted(set(positions))
    assert len({position[:16] for position in positions}) == 1
    assert [p[16:] for p in positions[:2]] == ["", ".00000001"]
    assert positions[-1].endswith(f".{399:08x}")
    assert [orjson.loads(c.after or "").get("n") for c in changes if c.collection == "films"] == list(range(200))


def test_a_transaction_is_the_same_when_it_is_read_again_from_its_middle(
    mongo_uri: str, db: Database[Document]
) -> None:
    with_images(db, "films")
    with Driven(mongo_uri, db.name, ["films"], max_batch=3) as job:
        job.until_tail()
        with db.client.start_session() as session, session.start_transaction():
            for i in range(10):
                db.films.insert_one({"_id": i}, session=session)
        job.until_count(3)
        states = job.snapshots()
        rest = job.until_count(10)[3:]
    again = Driven(mongo_uri, db.name, ["films"], position=job.position)
    again.resume(states)
    assert again.until_count(7) == rest
    again.kill()


def test_rows_without_a_post_image_are_looked_up(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "imaged")
    for name in ("imaged", "plain"):
        db[name].insert_many([{"_id": i, "n": 0} for i in range(20)])
    with Driven(mongo_uri, db.name, ["imaged", "plain"]) as job:
        job.until_tail()
        for i in range(20):
            for name in ("imaged", "plain"):
                db[name].update_one({"_id": i}, {"$inc": {"n": 1}})
        job.until_count(80)
        assert rows_held(job.all) == rows_in(db, "imaged", "plain")
        db.plain.delete_many({})
        job.until_count(100)
    updates = [change for change in job.all if change.op == "u"]
    assert {c.named for c in updates} == {("n",)}
    assert {c.before is None for c in updates if c.collection == "plain"} == {True}
    assert {c.before is None for c in updates if c.collection == "imaged"} == {False}


def test_images_may_be_switched_on_and_off_while_it_runs(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_one({"_id": 1, "n": 0})
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        for enabled in (False, True, False, True):
            db.command("collMod", "films", changeStreamPreAndPostImages={"enabled": enabled})
            count = len(job.all) + 1
            db.films.update_one({"_id": 1}, {"$inc": {"n": 1}})
            assert (job.until_count(count)[-1].before is None) is not enabled
    assert [orjson.loads(c.after or "")["n"] for c in job.all] == [0, 1, 2, 3, 4]


def test_an_update_whose_row_is_gone_is_followed_by_its_delete(mongo_uri: str, db: Database[Document]) -> None:
    db.create_collection("films")
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        states = job.snapshots()
    db.films.insert_one({"_id": 1, "n": 0})
    db.films.update_one({"_id": 1}, {"$set": {"n": 1}})
    db.films.delete_one({"_id": 1})
    later = Driven(mongo_uri, db.name, ["films"], position=job.position)
    later.resume(states)
    _, updated, deleted = later.until_count(3)
    later.kill()
    assert (updated.op, updated.after, updated.named) == ("u", None, ("n",))
    assert deleted.op == "d"


def _drop(db: Database[Document]) -> None:
    db.films.drop()


def _rename(db: Database[Document]) -> None:
    db.films.rename("movies")


def _rename_onto(db: Database[Document]) -> None:
    db.scratch.rename("films", dropTarget=True)


def _drop_database(db: Database[Document]) -> None:
    db.client.drop_database(db.name)


@pytest.mark.parametrize(
    ("remove", "told"),
    [
        (_drop, "collection films was dropped at 20"),
        (_rename, "collection films was renamed to movies at 20"),
        (_rename_onto, "collection scratch was renamed to films, whose rows it replaced"),
        (_drop_database, "was dropped at 20"),
    ],
)
def test_a_removed_collection_ends_the_job_after_what_came_before(
    mongo_uri: str, db: Database[Document], remove: Callable[[Database[Document]], None], told: str
) -> None:
    db.films.insert_one({"_id": 1})
    db.scratch.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films"], partitions=2) as job:
        job.until_tail()
        db.films.insert_one({"_id": 2})
        job.until_count(2)
        remove(db)
        job.until_end()
        states = job.snapshots()
    assert isinstance(job.ending.error, CollectionRemoved)
    assert told in str(job.ending.error)
    assert "name a new recovery folder" in str(job.ending.error)
    again = Driven(mongo_uri, db.name, ["films"], position=job.position, partitions=2)
    again.resume(states)
    again.until_end()
    again.kill()
    assert told in str(again.ending.error), "the position must not move past it"


def test_other_collections_may_come_and_go(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_one({"_id": 1})
    db.scratch.insert_one({"_id": 1})
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        db.scratch.rename("scratched")
        db.scratched.drop()
        db.films.insert_one({"_id": 2})
        job.until_count(2)
    assert job.ending.error is None


@pytest.mark.parametrize("before_the_first_token", [False, True])
def test_a_position_that_the_oplog_no_longer_holds_is_told_with_its_time(
    short_oplog: tuple[str, SourceState], before_the_first_token: bool
) -> None:
    uri, state = short_oplog
    job = Driven(uri, "shop", ["films"])
    job.resume({"tail-0": state._replace(token=None) if before_the_first_token else state})
    job.until_end()
    job.kill()
    assert isinstance(job.ending.error, HistoryLost)
    assert "cannot go on from 20" in str(job.ending.error)
    assert f"(position {state.position})" in str(job.ending.error)
    assert "name a new recovery folder" in str(job.ending.error)


def test_a_change_too_large_to_send_is_a_dead_letter_and_the_others_are_read(
    mongo_uri: str, db: Database[Document]
) -> None:
    with_images(db, "films")
    db.films.insert_one({"_id": 1, "text": "x" * 9_000_000})
    with Driven(mongo_uri, db.name, ["films"], partitions=2) as job:
        job.until_tail()
        states = job.snapshots()
    db.films.insert_many([{"_id": i} for i in range(2, 10)])
    db.films.update_one({"_id": 1}, {"$set": {"n": 1}})
    db.films.delete_one({"_id": 1})
    db.films.insert_many([{"_id": i} for i in range(10, 20)])
    later = Driven(mongo_uri, db.name, ["films"], position=job.position, partitions=2)
    later.resume(states)
    later.until(lambda: len(later.all) + len(later.letters) >= 20)
    assert [c.key for c in later.all if c.op == "d"] == [key_text(1)]
    assert {c.key for c in later.all} == {key_text(i) for i in range(1, 20)}
    (letter,) = later.letters
    assert (letter.stage, letter.collection, letter.key, letter.op) == ("read", "films", key_text(1), "u")
    assert "is larger than the 16 MB" in letter.error
    assert orjson.loads(letter.event)["documentKey"] == {"_id": 1}
    states = later.snapshots()
    later.kill()
    again = Driven(mongo_uri, db.name, ["films"], position=job.position, partitions=2)
    again.resume(states)
    db.films.insert_one({"_id": 20})
    again.until_count(1)
    assert not again.letters
    again.kill()


def test_several_changes_too_large_to_send_in_a_row_are_as_many_letters(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "films")
    db.films.insert_one({"_id": 1, "text": "x" * 9_000_000})
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        for n in range(3):
            db.films.update_one({"_id": 1}, {"$set": {"n": n}})
        db.films.insert_one({"_id": 2})
        job.until_count(2)
    assert [letter.op for letter in job.letters] == ["u"] * 3
    assert len({letter.identity for letter in job.letters}) == 3


def test_a_document_as_large_as_can_be_passes_whole(mongo_uri: str, db: Database[Document]) -> None:
    with_images(db, "imaged")
    text = "x" * (16 * 1024 * 1024 - 60)
    with Driven(mongo_uri, db.name, ["imaged", "plain"]) as job:
        job.until_tail()
        for name in ("imaged", "plain"):
            db[name].insert_one({"_id": 1, "text": text})
        db.plain.delete_one({"_id": 1})
        changes = job.until_count(3)
    assert not job.letters
    assert [len(c.after or "") > len(text) for c in changes if c.op == "c"] == [True, True]


def test_bulky_rows_are_looked_up_a_few_at_a_time(mongo_uri: str, db: Database[Document]) -> None:
    position = Driven(mongo_uri, db.name, ["films"]).position
    for i in range(5):
        db.films.insert_one({"_id": i, "text": "x" * 5_000_000})
    for i in range(5):
        db.films.update_one({"_id": i}, {"$set": {"n": i}})
    with Driven(mongo_uri, db.name, ["films"], position=position) as job:
        job.resume({"tail-0": SourceState.at_start(position, 1)._replace(done=("films",))})
        changes = job.until_count(10)
    assert [orjson.loads(c.after or "")["n"] for c in changes[5:]] == list(range(5))
    assert [c.op for c in changes] == ["c"] * 5 + ["u"] * 5


def not_utf8(key: int) -> RawBSONDocument:
    """Servers take it, as older drivers wrote it."""
    return RawBSONDocument(bson.encode({"_id": key, "title": f"{SECRET}~~"}).replace(b"~~", b"\xff\xfe"))


def test_an_event_that_is_no_text_is_a_dead_letter_and_the_others_are_read(
    mongo_uri: str, db: Database[Document]
) -> None:
    db.create_collection("films")
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        db.films.insert_one({"_id": 1})
        db.films.insert_one(not_utf8(2))  # pyright: ignore[reportArgumentType]
        db.films.insert_one({"_id": 3})
        db.films.delete_one({"_id": 2})
        db.films.insert_one({"_id": 4})
        job.until(lambda: [c.key for c in job.all if c.op == "c"] == [key_text(i) for i in (1, 3, 4)])
    (letter,) = job.letters
    assert (letter.stage, letter.collection, letter.key, letter.op) == ("read", "films", key_text(2), "c")
    assert orjson.loads(letter.event) == {
        "operationType": "insert",
        "ns": {"db": db.name, "coll": "films"},
        "documentKey": {"_id": 2},
    }
    assert SECRET not in repr(letter)
    assert [c.op for c in job.all if c.key == key_text(2)] == ["d"]


def test_the_change_that_mends_or_removes_a_row_passes_without_what_was_before(
    mongo_uri: str, db: Database[Document]
) -> None:
    with_images(db, "films")
    db.films.insert_many([not_utf8(1), not_utf8(2)])  # pyright: ignore[reportArgumentType]
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        db.films.update_one({"_id": 1}, {"$set": {"title": "mended"}})
        db.films.delete_one({"_id": 2})
        changes = job.until_count(2)
    assert [(c.op, c.key, c.before) for c in changes] == [("u", key_text(1), None), ("d", key_text(2), None)]
    assert len(job.letters) == 2


def test_a_looked_up_row_that_is_no_text_is_a_dead_letter(mongo_uri: str, db: Database[Document]) -> None:
    db.films.insert_many([{"_id": 1}, not_utf8(2)])  # pyright: ignore[reportArgumentType]
    with Driven(mongo_uri, db.name, ["films"]) as job:
        job.until_tail()
        for key in (1, 2):
            db.films.update_one({"_id": key}, {"$set": {"n": 1}})
        db.films.insert_one({"_id": 3})
        job.until_count(3)
    assert [(letter.op, letter.key) for letter in job.letters] == [("r", key_text(2)), ("u", key_text(2))]
