"""Filling a database with the sample: films, users and comments, as change streams like them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from bson.objectid import ObjectId
from pymongo import ASCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, CollectionInvalid

from dbwatch.films import films
from dbwatch.people import authors, comments, users
from dbwatch.sample_ids import object_id

Document = dict[str, Any]
Progress = Callable[[str, int, int], None]

ALL_FILMS = 17_472
COLLECTIONS = ("movies", "users", "comments")
_BATCH = 1000
_DUPLICATE_KEY = 11000


class Sizes(NamedTuple):
    """How many rows of each kind."""

    movies: int = ALL_FILMS
    users: int = 185
    comments: int = 41_000


class Filled(NamedTuple):
    """What is there now, and whether it was there before."""

    sizes: Sizes
    was_there: bool


def fill(client: MongoClient[Document], database: str, *, sizes: Sizes, seed: int, progress: Progress) -> Filled:
    """Make the three collections, with pre- and post-images, and their rows, unless they are there.

    Collections that hold anything are left alone, but for a filling with the same seed that was interrupted: it is
    completed. The indexes are made last, so they tell that one is complete. `progress` is told collection, rows done
    and rows in all.

    Raises PyMongo's errors.
    """
    db = client[database]
    if not _is_wanted(db, seed=seed):
        return Filled(Sizes(*(db[name].estimated_document_count() for name in COLLECTIONS)), was_there=True)
    for name in COLLECTIONS:
        _with_images(db, name)
    made = list(films(count=sizes.movies, seed=seed))
    keys: list[ObjectId] = [film["_id"] for film in made]
    people = list(authors(count=sizes.users, seed=seed))
    said = list(comments(count=sizes.comments, seed=seed, movies=keys, people=people))
    counts = Counter(comment["movie_id"] for comment in said)
    for film in made:
        film["num_mflix_comments"] = counts[film["_id"]]
    for name, rows in (("movies", made), ("users", users(count=sizes.users, seed=seed)), ("comments", said)):
        _insert(db, name, rows, total=getattr(sizes, name), progress=progress)
    db.users.create_index([("email", ASCENDING)], unique=True)
    db.comments.create_index([("movie_id", ASCENDING)])
    db.comments.create_index([("email", ASCENDING)])
    return Filled(sizes, was_there=False)


def _is_wanted(db: Database[Document], *, seed: int) -> bool:
    if all(db[name].find_one({}, {"_id": 1}) is None for name in COLLECTIONS):
        return True
    began = db.movies.find_one({"_id": object_id("movies", 0, seed=seed)}, {"_id": 1}) is not None
    return began and "email_1" not in db.comments.index_information()


def _with_images(db: Database[Document], name: str) -> None:
    """Pre- and post-images hold every row before and after a change, so that a change stream need not look it up."""
    enabled = {"enabled": True}
    try:
        db.create_collection(name, changeStreamPreAndPostImages=enabled)
    except CollectionInvalid:
        db.command("collMod", name, changeStreamPreAndPostImages=enabled)


def _insert(db: Database[Document], name: str, rows: Iterable[Document], *, total: int, progress: Progress) -> None:
    done = 0
    progress(name, done, total)
    for batch in _batches(rows):
        try:
            db[name].insert_many(batch, ordered=False)
        except BulkWriteError as exc:
            if any(error["code"] != _DUPLICATE_KEY for error in exc.details["writeErrors"]):
                raise
        done += len(batch)
        progress(name, done, total)


def _batches(rows: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch
