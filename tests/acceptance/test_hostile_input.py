"""Documents that nobody writes on purpose, through the real job: each arrives as the JSON that the pages say, or as a
dead letter; nothing stops it and nothing stalls it.
"""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from redis import Redis

from dbwatch.valkey import Valkey
from tests.acceptance.oracle import Document, key_of
from tests.acceptance.processes import ENGINE, Job
from tests.acceptance.raw_values import Unreadable, Value, document, fields, json_of, values
from tests.conftest import wait_until

SECRET = "never-to-be-seen"
VIEWS = """
dead_letters_per_minute = 1000000
[views.things]
mask = ["secret", "a.b", "owner.password"]
[views.things.lookups.other]
collection = "others"
local = "ref"
foreign = "value"
[views.others]
"""


class Feed:
    """The job, its database, and what it has written so far: the last row and the letters, by key."""

    def __init__(self, job: Job, db: Database[Document], redis: Redis, prefix: str) -> None:
        self.job, self.db, self._redis, self._prefix = job, db, redis, prefix
        self.rows: dict[tuple[str, str], Any] = {}
        self.letters: dict[str, list[dict[str, str]]] = {}
        self.seen_secret = False
        self._at = {"changes": "0-0", "deadletter": "0-0"}
        self._count = 0

    def new_id(self) -> int:
        self._count += 1
        return self._count

    def insert(self, raw: bytes, collection: str = "things") -> bool:
        """Whether the server takes the document."""
        try:
            reply = self.db.command("insert", collection, documents=[RawBSONDocument(raw)])
        except (OperationFailure, InvalidBSON):  # the refusal may quote the bytes
            return False
        return reply["n"] == 1

    def raw(self, key: Any, collection: str = "things") -> bytes | None:
        raw_codec: Any = self.db.codec_options.with_options(document_class=RawBSONDocument)
        found: Any = self.db.get_collection(collection, codec_options=raw_codec).find_one({"_id": {"$eq": key}})
        return None if found is None else bytes(found.raw)

    def settle(self) -> None:
        """Read on until what was written last has come."""
        mark = self.new_id()
        self.db.others.insert_one({"_id": mark})
        wait_until(lambda: self._read(mark) or not self.job.running, 30, what="the last change")
        assert self.job.running, self.job.output()

    def _read(self, mark: int) -> bool:
        for name in self._at:
            stream = f"{self._prefix}:{name}"
            found: Any = self._redis.xrange(stream, f"({self._at[name]}", count=1000)
            for entry_id, entry in found:
                self._at[name] = entry_id
                self.seen_secret |= SECRET in str(entry)
                if name == "changes":
                    self.rows[entry["view"], entry["key"]] = json.loads(entry["after"]) if "after" in entry else None
                else:
                    self.letters.setdefault(entry["key"], []).append(entry)
        return ("others", key_of(mark)) in self.rows


@pytest.fixture(scope="module")
def feed(
    mongo: MongoClient[Document], mongo_uri: str, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Feed]:
    name, prefix, folder = f"test_{uuid.uuid4().hex[:12]}", f"test-{uuid.uuid4().hex[:12]}", _folder(tmp_path_factory)
    (folder / "dbwatch.toml").write_text(VIEWS, encoding="utf-8")
    db = mongo[name]
    for collection in ("things", "others"):
        db.create_collection(collection, changeStreamPreAndPostImages={"enabled": True})
    env = {"MONGO_URI": mongo_uri, "MONGO_DB": name, "REDIS_URL": valkey.uri, "DBWATCH_PREFIX": prefix}
    with (
        Redis.from_url(valkey.uri, decode_responses=True) as redis,
        Job(folder, env, [*ENGINE, "-r", str(folder), "-s", "1", "-b", "0"]) as job,
    ):
        job.start()
        feed = Feed(job, db, redis, prefix)
        feed.settle()
        yield feed
        assert job.stop() == 0, job.output()
        keys: list[str] = list(cast("Iterator[str]", redis.scan_iter(match=f"{prefix}:*")))
        redis.delete(*keys)
    mongo.drop_database(name)


def _folder(factory: pytest.TempPathFactory) -> Path:
    folder = factory.mktemp("hostile")
    init_db_dir(folder, 2)
    return folder


def int32(number: int) -> Value:
    return Value(0x10, struct.pack("<i", number))


def text(value: str) -> Value:
    raw = value.encode()
    return Value(0x02, struct.pack("<i", len(raw) + 1) + raw + b"\0")


def expect(feed: Feed, key: Any) -> None:
    """The row is in the feed as the database has it or, if nobody can read it, set aside."""
    raw = feed.raw(key)
    assert raw is not None
    try:
        expected = json_of(raw)
    except Unreadable:
        assert feed.letters.get(key_of(key)), f"{key!r}: neither a row nor a letter"
        return
    shown = feed.rows.get(("things", key_of(key)))
    assert shown is not None, (feed.letters.get(key_of(key)), raw)
    shown.pop("other")
    expected.pop("other", None)
    assert shown == masked(expected)


def masked(row: dict[str, Any]) -> dict[str, Any]:
    """Without `secret`, `a.b` and `owner.password`, however a path is cut into names."""
    hidden = ("secret", "a.b", "owner.password")

    def kept(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            inside = {name: (kept(item, f"{path}{name}."), f"{path}{name}") for name, item in items}
            return {
                name: item
                for name, (item, at) in inside.items()
                if not any(at == h or at.startswith(f"{h}.") for h in hidden)
            }
        return [kept(item, path) for item in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]

    return kept(row, "")


FUZZ = settings(
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes long, and the documents are printed anyway
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@FUZZ
@given(st.lists(st.tuples(fields, values), min_size=4, max_size=12))
def test_documents_of_any_bytes_arrive_as_documented_or_as_dead_letters(
    feed: Feed, documents: list[tuple[list[tuple[bytes, Value]], Value]]
) -> None:
    keys: list[int] = []
    for row, ref in documents:
        key = feed.new_id()
        given_fields = [(name, value) for name, value in row if name not in (b"_id", b"ref")]
        if feed.insert(document([(b"_id", int32(key)), *given_fields, (b"ref", ref)])):
            keys.append(key)
            change_somehow(feed, key)
    feed.settle()
    for key in keys:
        expect(feed, key)


def change_somehow(feed: Feed, key: int) -> None:
    """Updates whose names are no paths; the server may refuse them."""
    for stage in (
        {"$replaceWith": {"$setField": {"field": {"$literal": "a.b"}, "input": "$$ROOT", "value": SECRET}}},
        {"$replaceWith": {"$setField": {"field": {"$literal": "$x.y"}, "input": "$$ROOT", "value": key}}},
        {"$replaceWith": {"$unsetField": {"field": {"$literal": "$a"}, "input": "$$ROOT"}}},
    ):
        try:
            feed.db.things.update_one({"_id": key}, [stage])
        except (OperationFailure, InvalidBSON):
            continue


@FUZZ
@given(st.lists(values, min_size=4, max_size=12))
def test_rows_are_found_by_ids_of_any_kind(feed: Feed, ids: list[Value]) -> None:
    before, rows_before = sum(map(len, feed.letters.values())), {row for row in feed.rows if row[0] == "things"}
    count = int(feed.db.command("count", "things")["n"])
    for value in ids:
        number = feed.new_id()
        inside = Value(0x03, document([(b"n", int32(number)), (b"id", value)]))
        for key in (value, inside):
            feed.insert(document([(b"_id", key), (b"n", int32(number))]))
    feed.settle()
    inserted = int(feed.db.command("count", "things")["n"]) - count
    arrived = {row for row in feed.rows if row[0] == "things"} - rows_before
    assert len(arrived) + sum(map(len, feed.letters.values())) - before == inserted


def test_masks_hold_however_names_are_cut_and_wherever_they_stand(feed: Feed) -> None:
    key = feed.new_id()
    owner = Value(0x03, document([(b"$ref", text("users")), (b"$id", int32(1)), (b"password", text(SECRET))]))
    inner = Value(0x03, document([(b"b", text(SECRET)), (b"b.c", text(SECRET)), (b"x", int32(1))]))
    many = Value(0x04, document([(b"0", inner), (b"1", inner)]))
    hostile = [(b"a.b", text(SECRET)), (b"a.b.c", text(SECRET)), (b"secret", text(SECRET)), (b"secret.x", text(SECRET))]
    assert feed.insert(document([(b"_id", int32(key)), *hostile, (b"a", inner), (b"owner", owner)]))
    feed.db.things.update_one({"_id": key}, {"$set": {"a.y": 1, "owner.password": SECRET}})
    other = feed.new_id()
    assert feed.insert(document([(b"_id", int32(other)), (b"a", many), (b"owner.password", text(SECRET))]))
    feed.settle()
    expect(feed, key)
    expect(feed, other)
    assert not feed.seen_secret
    assert SECRET not in feed.job.output()


@pytest.mark.parametrize("kind", [0x03, 0x04], ids=["rows", "arrays"])
def test_rows_as_deep_as_the_server_takes_arrive(feed: Feed, kind: int) -> None:
    taken: list[int] = []
    for depth in (50, 100, 150, 170, 178, 179, 180, 190, 200):
        value = int32(1)
        for _ in range(depth):
            value = Value(kind, document([(b"0", value)]))
        key = feed.new_id()
        if feed.insert(document([(b"_id", int32(key)), (b"deep", value)])):
            taken.append(key)
    feed.settle()
    assert len(taken) >= 4
    for key in taken:
        expect(feed, key)
        assert key_of(key) not in feed.letters


def test_huge_arrays_long_names_and_truncated_arrays_arrive(feed: Feed) -> None:
    key = feed.new_id()
    feed.db.things.insert_one({"_id": key, "n": list(range(20_000)), "x" * 10_000: {"y" * 10_000: 1}})
    for n in (15_000, 3, 0):
        feed.db.things.update_one({"_id": key}, {"$push": {"n": {"$each": [], "$slice": n}}})
    feed.settle()
    expect(feed, key)


def test_a_name_with_a_nul_cannot_be_written_at_all(feed: Feed) -> None:
    with pytest.raises(Exception, match="NULL"):
        feed.db.things.insert_one({"a\0b": 1})
