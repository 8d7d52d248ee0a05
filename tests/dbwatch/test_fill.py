"""Filling a real database with the sample."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pymongo import MongoClient

from dbwatch.cli import run
from dbwatch.fill import COLLECTIONS, Sizes, fill
from tests.dbwatch.memory import quietly

SMALL = Sizes(movies=300, users=20, comments=700)


def filled(mongo: MongoClient[dict[str, Any]], database: str, *, seed: int = 1) -> tuple[Sizes, bool]:
    sizes, was_there = fill(mongo, database, sizes=SMALL, seed=seed, progress=quietly)
    return sizes, was_there


def test_every_collection_has_its_rows_and_keeps_images_of_changes(
    mongo: MongoClient[dict[str, Any]], mongo_db: str
) -> None:
    assert filled(mongo, mongo_db) == (SMALL, False)
    db = mongo[mongo_db]
    assert Sizes(*(db[name].count_documents({}) for name in COLLECTIONS)) == SMALL
    for name in COLLECTIONS:
        options = db.command("listCollections", filter={"name": name})["cursor"]["firstBatch"][0]["options"]
        assert options["changeStreamPreAndPostImages"] == {"enabled": True}
    assert db.users.index_information()["email_1"]["unique"]
    assert {"movie_id_1", "email_1"} <= set(db.comments.index_information())


def test_a_film_counts_its_comments(mongo: MongoClient[dict[str, Any]], mongo_db: str) -> None:
    filled(mongo, mongo_db)
    db = mongo[mongo_db]
    counts = Counter(comment["movie_id"] for comment in db.comments.find())
    assert all(film["num_mflix_comments"] == counts[film["_id"]] for film in db.movies.find())


def test_filling_twice_changes_nothing_and_says_what_is_there(
    mongo: MongoClient[dict[str, Any]], mongo_db: str
) -> None:
    filled(mongo, mongo_db)
    mongo[mongo_db].comments.delete_many({"text": {"$exists": True}})
    assert filled(mongo, mongo_db) == (SMALL._replace(comments=0), True)


def test_a_filling_that_was_interrupted_is_completed(mongo: MongoClient[dict[str, Any]], mongo_db: str) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(collection: str, done: int, _total: int) -> None:
        if collection == "users" and done:
            raise Interrupted

    with pytest.raises(Interrupted):
        fill(mongo, mongo_db, sizes=SMALL, seed=1, progress=interrupt)
    assert mongo[mongo_db].comments.count_documents({}) == 0
    assert filled(mongo, mongo_db) == (SMALL, False)
    assert Sizes(*(mongo[mongo_db][name].count_documents({}) for name in COLLECTIONS)) == SMALL


def test_rows_of_somebody_else_are_left_alone(mongo: MongoClient[dict[str, Any]], mongo_db: str) -> None:
    mongo[mongo_db].movies.insert_one({"title": "Mine"})
    assert filled(mongo, mongo_db) == (Sizes(1, 0, 0), True)
    assert mongo[mongo_db].list_collection_names() == ["movies"]


def test_the_command_fills_the_database_of_the_settings(
    mongo: MongoClient[dict[str, Any]],
    mongo_uri: str,
    mongo_db: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    monkeypatch.setenv("MONGO_DB", mongo_db)
    arguments = ["sample", "--movies", "50", "--users", "5", "--comments", "60"]
    assert run(arguments) == 0
    assert run(arguments) == 0
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{mongo_db}: 50 movies, 5 users, 60 comments",
        f"{mongo_db}: 50 movies, 5 users, 60 comments (there already)",
    ]


def test_a_database_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGO_URI", "mongodb://someone:secret@127.0.0.1:1/?serverSelectionTimeoutMS=200")
    monkeypatch.setattr("dbwatch.mongo_writer._SERVER_SELECTION_TIMEOUT_MS", 200)
    assert run(["sample"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("dbwatch: error: MONGO_URI: no MongoDB to write to answers at mongodb://127.0.0.1:1/")
    assert len(told.splitlines()) == 1
    assert "secret" not in told
