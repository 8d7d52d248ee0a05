"""Updates without a post-image, whose rows are looked up: those that others are joined with, as they were then."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from connectors.changes import Change, Shape
from connectors.mongo_events import is_shown
from tests.connectors.mongo_driving import Document, Driven

SHOWN = Shape(refs=("email",), shown=("name", "email"))


@pytest.fixture
def people(mongo: MongoClient[Document], mongo_db: str) -> Collection[Document]:
    mongo[mongo_db].create_collection("people")
    return mongo[mongo_db].people


def rename(people: Collection[Document], names: str) -> None:
    people.insert_one({"_id": 1, "name": "", "email": "", "n": 0})
    for i, name in enumerate(names):
        people.update_one({"_id": 1}, {"$set": {"name": name, "email": f"{name}@x", "n": i}})


def updates(changes: list[Change]) -> Iterator[Document]:
    return (orjson.loads(change.after or "{}") for change in changes if change.op == "u")


def test_a_row_that_others_are_joined_with_is_read_as_it_was_at_each_of_its_updates(
    mongo_uri: str, people: Collection[Document]
) -> None:
    with Driven(mongo_uri, people.database.name, {"people": SHOWN}) as job:
        rename(people, "abc")
        people.delete_one({"_id": 1})
        changes = job.until_count(5)
    assert [row.get("name") for row in updates(changes)] == ["a", "b", "c"]
    assert [change.refs["email"] for change in changes] == ['""', '"a@x"', '"b@x"', '"c@x"', None]


def test_every_reading_of_an_update_gives_the_same_row(mongo_uri: str, people: Collection[Document]) -> None:
    shapes = {"people": SHOWN}
    with Driven(mongo_uri, people.database.name, shapes) as job:
        rename(people, "ab")
        first = job.until_count(3)
    people.update_one({"_id": 1}, {"$set": {"name": "later"}})
    with Driven(mongo_uri, people.database.name, shapes, position=job.position) as job:
        assert job.until_count(4)[:3] == first


def test_a_row_that_nobody_is_joined_with_is_read_once_for_many_updates(
    mongo_uri: str, people: Collection[Document]
) -> None:
    position = Driven(mongo_uri, people.database.name, ["people"]).position
    rename(people, "abc")
    with Driven(mongo_uri, people.database.name, ["people"], position=position) as job:
        changes = job.until_count(4)
    assert [row["name"] for row in updates(changes)] == ["c", "c", "c"]


@pytest.mark.parametrize(
    ("paths", "shown", "is_so"),
    [
        (["votes"], ("title", "imdb.rating"), False),
        (["imdb.votes"], ("title", "imdb.rating"), False),
        (["imdb.rating"], ("title", "imdb.rating"), True),
        (["imdb"], ("title", "imdb.rating"), True),
        (["genres.0"], ("genres",), True),
        (["votes"], None, True),
        (["votes"], (), False),
    ],
)
def test_an_update_counts_for_others_only_if_it_names_what_they_show(
    paths: list[str], shown: tuple[str, ...] | None, *, is_so: bool
) -> None:
    event: Document = {"updateDescription": {"updatedFields": dict.fromkeys(paths, 1), "removedFields": []}}
    assert is_shown(event, Shape(shown=shown)) is is_so
