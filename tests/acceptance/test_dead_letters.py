"""Dead letters of the job on real servers: one for each change that cannot pass, through kills; and mending them."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis

from tests.acceptance.oracle import SECRET, Document, Entry, read_feed
from tests.acceptance.processes import DBWATCH, ENGINE, ROOT, Job
from tests.conftest import wait_until

Settings = dict[str, str]
LARGE = "x" * 9_000_000


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    db = mongo[mongo_db]
    for name in ("movies", "users", "comments"):
        db.create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    db.movies.insert_one({"_id": 1, "title": "One", "year": 1})
    db.users.insert_one({"_id": 1, "email": "a@b", "name": "A", "password": SECRET})
    db.comments.insert_one({"_id": 1, "movie_id": 1, "email": "a@b", "text": "t"})
    return db


def engine(folder: Path) -> list[str]:
    init_db_dir(folder, 4)
    return [*ENGINE, "-r", str(folder), "-s", "1", "-b", "0"]


def feed(settings: Mapping[str, str]) -> list[Entry]:
    return read_feed(settings["REDIS_URL"], [f"{settings['DBWATCH_PREFIX']}:changes"])


def letters(settings: Mapping[str, str]) -> list[Entry]:
    return read_feed(settings["REDIS_URL"], [f"{settings['DBWATCH_PREFIX']}:deadletter"])


def of(entries: list[Entry], view: str, key: int) -> list[Entry]:
    return [e for e in entries if e.row_key == (view, json.dumps({"$numberInt": str(key)}))]


def spoiled(key: int, **fields: Any) -> Any:
    """A document with a text that is not UTF-8: servers take it."""
    return RawBSONDocument(bson.encode({"_id": key, **fields, "note": "~~"}).replace(b"~~", b"\xff\xfe"))


def insert_spoiled(db: Database[Document], key: int) -> None:
    db.users.insert_one(spoiled(key, email=f"{key}@x", name="N", password=SECRET))


def until(job: Job, met: Callable[[], object], what: str) -> None:
    wait_until(lambda: met() or not job.running, 40, what=what)
    assert job.running, job.output()


def deadletter(job: Job, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DBWATCH, "deadletter", *words], cwd=ROOT, env=job.env, capture_output=True, text=True, timeout=60, check=False
    )


def test_each_change_that_cannot_pass_is_one_letter_through_kills(
    db: Database[Document], settings: Settings, tmp_path: Path
) -> None:
    rnd = random.Random(7)
    insert_spoiled(db, 100)
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        job.start()
        until(job, lambda: feed(settings), "the first record")
        for i in range(101, 121):
            insert_spoiled(db, i)
            db.movies.insert_one({"_id": i, "title": str(i), "year": i})
            if i % 5 == 0:
                time.sleep(rnd.random())
                job.kill()
                job.start()
        until(job, lambda: of(feed(settings), "movies", 120), "the last record")
        until(job, lambda: len(letters(settings)) >= 21, "the last letter")
        assert job.stop() == 0, job.output()
        assert SECRET not in job.output()
    found = letters(settings)
    assert [e.json("key")["$numberInt"] for e in found] == [str(i) for i in range(100, 121)]
    assert {e.fields["stage"] for e in found} == {"read"}
    assert not [e for e in found if SECRET in str(e.fields)]
    assert all(len(of(feed(settings), "movies", i)) == 1 for i in range(101, 121))


def test_more_letters_than_allowed_end_the_job_and_a_restart_goes_on_after_them(
    db: Database[Document], settings: Settings, tmp_path: Path
) -> None:
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        config = job.folder / "dbwatch.toml"
        config.write_text("dead_letters_per_minute = 3\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
        job.start()
        until(job, lambda: feed(settings), "the first record")
        for i in range(100, 106):
            insert_spoiled(db, i)
        assert job.wait() == 3, job.output()
        last = job.output().splitlines()[-1]
        assert "dead_letters_per_minute = 3 allows" in last
        assert "dbwatch deadletter list" in last
        assert SECRET not in job.output()
        count = len(letters(settings))
        assert count > 3
        job.start()
        db.movies.insert_one({"_id": 2, "title": "Two", "year": 2})
        wait_until(lambda: of(feed(settings), "movies", 2) or not job.running, 40)
        if job.running:  # else what was left was too many again
            assert job.stop() == 0, job.output()
    assert len({e.fields["key"] for e in letters(settings)}) == len(letters(settings)) >= count


def test_a_row_is_read_again_and_written_only_if_the_feed_lacks_it(
    db: Database[Document], settings: Settings, tmp_path: Path
) -> None:
    db.movies.update_one({"_id": 1}, {"$set": {"plot": LARGE}})
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        job.start()
        until(job, lambda: len(feed(settings)) == 3, "the snapshot")
        db.movies.update_one({"_id": 1}, {"$set": {"title": "New"}})
        until(job, lambda: letters(settings), "the letter")
        (letter,) = letters(settings)
        listed = deadletter(job, "list")
        assert letter.id in listed.stdout
        assert "is larger than the 16 MB" in listed.stdout
        assert json.loads(deadletter(job, "list", "--json").stdout)["event"]["documentKey"] == {"_id": 1}
        assert '"operationType": "update"' in deadletter(job, "show", letter.id).stdout
        done = deadletter(job, "retry", letter.id)
        assert done.returncode == 0, done.stderr
        assert f"{letter.id}: read again" in done.stderr
        assert not letters(settings)
        _, again = of(feed(settings), "movies", 1)
        assert (again.fields["op"], again.json("after")["title"]) == ("r", "New")
        assert again.json("before")["title"] == "One"
        joined = of(feed(settings), "comments", 1)
        assert [e.json("after")["movie"]["title"] for e in joined] == ["One", "New"]
        assert joined[-1].fields["cause"] == "movie"

        count = len(feed(settings))
        for view in ("movies", "comments"):  # the feed says the same already
            add_letter(settings, view)
        insert_spoiled(db, 7)
        until(job, lambda: len(letters(settings)) == 3, "the letters")
        db.users.delete_one({"_id": 7})
        until(job, lambda: len(feed(settings)) == count + 1, "the delete")
        done = deadletter(job, "retry", "--all")
        assert done.returncode == 0, done.stderr
        assert not letters(settings)
        assert len(feed(settings)) == count + 1
        db.movies.update_one({"_id": 1}, {"$set": {"plot": "", "title": "Newest"}})
        until(job, lambda: len(of(feed(settings), "comments", 1)) == 3, "what comes after it")
        assert job.stop() == 0, job.output()
    with_cause = of(feed(settings), "comments", 1)[-1]
    assert with_cause.json("versions")["row"] == joined[-1].json("versions")["row"]


def add_letter(settings: Settings, collection: str) -> None:
    fields = {
        "schema": "1", "at_ms": "1", "stage": "join", "collection": collection, "key": json.dumps({"$numberInt": "1"}),
        "op": "u", "position": "p", "ts_ms": "1", "error": "e", "event": "{}",
    }  # fmt: skip
    with Redis.from_url(settings["REDIS_URL"]) as client:
        client.xadd(f"{settings['DBWATCH_PREFIX']}:deadletter", {**fields})


@pytest.mark.soak
def test_a_row_read_again_through_kills_is_one_record(
    db: Database[Document], settings: Settings, tmp_path: Path
) -> None:
    rnd = random.Random(11)
    settings["DBWATCH_MONGO_PARTITIONS"] = "2"
    with Job(tmp_path, settings, engine(tmp_path)) as job, Redis.from_url(settings["REDIS_URL"]) as client:
        job.start()
        until(job, lambda: len(feed(settings)) == 3, "the snapshot")
        for i in range(10, 15):
            db.movies.insert_one({"_id": i, "title": "old", "year": 1, "plot": LARGE})
            db.comments.insert_one({"_id": i, "movie_id": i, "email": "a@b", "text": "t"})
        until(job, lambda: len(of(feed(settings), "comments", 14)) >= 1, "the rows")
        for i in range(10, 15):
            db.movies.update_one({"_id": i}, {"$set": {"title": "new"}})
        until(job, lambda: len(letters(settings)) == 5, "the letters")
        assert deadletter(job, "retry", "--all", "--no-wait").returncode == 0
        n = 0
        while client.exists(f"{settings['DBWATCH_PREFIX']}:retries"):
            db.movies.update_one({"_id": 1}, {"$set": {"title": str(n)}})
            n += 1
            time.sleep(rnd.random() / 2)
            if n in (3, 6, 9, 12):
                job.kill()
                job.start()
            assert n < 200
        until(job, lambda: of(feed(settings), "movies", 1)[-1].json("after")["title"] == str(n - 1), "the last change")
        assert job.stop() == 0, job.output()
    assert not letters(settings)
    assert len(of(feed(settings), "movies", 1)) == n + 1
    for i in range(10, 15):
        entries = of(feed(settings), "movies", i)
        assert [(e.fields["op"], e.json("after")["title"]) for e in entries] == [
            ("c", "old"),
            ("r", "new"),
        ]
        assert of(feed(settings), "comments", i)[-1].json("after")["movie"]["title"] == "new"


def test_what_can_be_said_without_a_job(settings: Settings, tmp_path: Path, db: Database[Document]) -> None:
    job = Job(tmp_path, settings, ENGINE)
    assert deadletter(job, "list").stderr == "no dead letters\n"
    for _ in range(3):
        add_letter(settings, "comments")
    ids = [e.id for e in letters(settings)]
    assert deadletter(job, "list", "--count", "2").stdout.split("\n")[1].startswith(ids[1])
    asked = deadletter(job, "retry", ids[0])
    assert (asked.returncode, "no job runs now" in asked.stderr) == (0, True)
    for words, said in (
        (("retry",), "give the ids of dead letters, or --all"),
        (("show", "1-1"), "there is no dead letter '1-1'"),
        (("drop", ids[0], "1-1"), "there is no dead letter '1-1'"),
    ):
        refused = deadletter(job, *words)
        assert (refused.returncode, said in refused.stderr, refused.stderr.count("\n")) == (2, True, 1), refused.stderr
    assert deadletter(job, "drop", ids[0], "--yes").stderr == "deleted 1 dead letter\n"
    assert deadletter(job, "drop", "--all", "--yes").stderr == "deleted 2 dead letters\n"
    with Redis.from_url(settings["REDIS_URL"]) as client:
        assert not client.exists(f"{settings['DBWATCH_PREFIX']}:retries")
