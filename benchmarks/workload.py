"""The data that is written to MongoDB: rows in the shape of the sample's, the same for the same seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bson.objectid import ObjectId
from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database

from benchmarks.servers import Document
from dbwatch.films import films
from dbwatch.people import Author, Texts, authors, users
from dbwatch.sample_ids import object_id

COLLECTIONS = ("movies", "users", "comments")
SEED = 4
_FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
_BATCH = 3000


class Sizes(NamedTuple):
    """How many changes of each kind a backlog has."""

    movies: int = 2_000
    users: int = 1_000
    comments: int = 300_000
    film_updates: int = 20_000
    title_changes: int = 200

    @property
    def documents(self) -> int:
        return self.movies + self.users + self.comments

    @property
    def changes(self) -> int:
        return self.documents + self.film_updates + self.title_changes


QUICK = Sizes(movies=400, users=200, comments=60_000, film_updates=4_000, title_changes=40)


class Loaded(NamedTuple):
    """What was written: changes by view and operation, as `movies c`, and how many comments each title change reaches,
    all together.
    """

    own: dict[str, int]
    reached: int


def make_collections(db: Database[Document]) -> None:
    """Empty, with pre- and post-images as the documentation advises, and the sample's indexes."""
    for name in COLLECTIONS:
        db.create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    db.users.create_index([("email", ASCENDING)], unique=True)
    db.comments.create_index([("movie_id", ASCENDING)])
    db.comments.create_index([("email", ASCENDING)])


def load(db: Database[Document], sizes: Sizes, *, seed: int = SEED) -> Loaded:
    """Write the backlog: films and users, then comments with the updates of films spread evenly among them, then the
    title changes. A film update raises its votes, which no lookup shows.
    """
    rng = random.Random(f"{seed} backlog")
    made, people = list(films(count=sizes.movies, seed=seed)), list(authors(count=sizes.users, seed=seed))
    keys: list[ObjectId] = [film["_id"] for film in made]
    insert(db, "movies", made)
    insert(db, "users", users(count=sizes.users, seed=seed))
    retitled = set(rng.sample(keys, sizes.title_changes))
    reached = updated = written = 0
    for batch in _batches(comments(count=sizes.comments, movies=keys, people=people, seed=seed)):
        db.comments.insert_many(batch, ordered=False)
        reached += sum(comment["movie_id"] in retitled for comment in batch)
        written += len(batch)
        due = sizes.film_updates * written // sizes.comments - updated
        _update(db, [UpdateOne({"_id": key}, {"$inc": {"imdb.votes": 1}}) for key in rng.choices(keys, k=due)])
        updated += due
    for key in sorted(retitled):
        db.movies.update_one({"_id": key}, {"$set": {"title": f"Now called {key}"}})
    own = {
        "movies c": sizes.movies,
        "movies u": sizes.film_updates + sizes.title_changes,
        "users c": sizes.users,
        "comments c": sizes.comments,
    }
    return Loaded({what: count for what, count in own.items() if count}, reached)


def insert(db: Database[Document], collection: str, rows: Iterable[Document]) -> None:
    for batch in _batches(rows):
        db[collection].insert_many(batch, ordered=False)


def comments(
    *, count: int, movies: list[ObjectId], people: list[Author], seed: int = SEED, first: int = 0
) -> Iterator[Document]:
    """Comments on films that are all equally popular, so that each has about `count / len(movies)`."""
    rng = random.Random(f"{seed} comments {first}")
    texts = Texts(seed=seed)
    for number in range(first, first + count):
        author = rng.choice(people)
        yield {
            "_id": object_id("comments", number, seed=seed),
            "name": author.name,
            "email": author.email,
            "movie_id": rng.choice(movies),
            "text": texts.make(rng),
            "date": _FIRST_DAY + timedelta(seconds=number),
        }


def _update(db: Database[Document], updates: list[UpdateOne]) -> None:
    if updates:
        db.movies.bulk_write(updates, ordered=False)


def _batches(rows: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch
