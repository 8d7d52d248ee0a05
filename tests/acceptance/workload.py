"""A random workload on movies, users and comments, which counts the changes that it makes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from bson.objectid import ObjectId
from pymongo import MongoClient

from tests.acceptance.oracle import SECRET, Document, RowKey, key_of

COLLECTIONS = ("movies", "users", "comments")


class Workload:
    """Writes with majority acknowledgement; `changes` counts by row what the source must have seen."""

    def __init__(self, mongo: MongoClient[Document], database: str, seed: int, *, images: bool = True) -> None:
        self._db = mongo[database]
        self._mongo = mongo
        self._rnd = random.Random(seed)
        self.changes: Counter[RowKey] = Counter()
        self._images = images
        for name in COLLECTIONS:
            self._create(name)
        # Few keys, so that rows meet; of several types, so that the key's form matters.
        self._keys: dict[str, list[Any]] = {
            "movies": [ObjectId(), ObjectId(), 5, "5", 6.5],
            "users": [ObjectId() for _ in range(6)],
            "comments": [*(ObjectId() for _ in range(40)), *range(10), *"abcdef"],
        }
        self._emails = ["a@x.org", "b@x.org", "c@x.org"]

    def fill(self, count: int) -> frozenset[RowKey]:
        """Rows that are there before the job starts; they are not changes."""
        for _ in range(count):
            self.step()
        self.changes.clear()
        return frozenset(
            (name, key_of(row["_id"])) for name in COLLECTIONS for row in self._db[name].find({}, {"_id": 1})
        )

    def _create(self, name: str) -> None:
        self._db.create_collection(name, changeStreamPreAndPostImages={"enabled": self._images})

    def remove(self, *names: str, how: str) -> None:
        """Drop the collections, or rename them away, and make them anew; each of their rows counts as a delete."""
        for name in names:
            for row in self._db[name].find({}, {"_id": 1}):
                self.changes[name, key_of(row["_id"])] += 1
        if how == "dropDatabase":
            self._mongo.drop_database(self._db.name)
        for name in names:
            if how == "drop":
                self._db[name].drop()
            elif how == "rename":
                self._db[name].rename(f"{name}_{self._rnd.randrange(1 << 30)}")
        for name in names:
            self._create(name)

    def remove_some(self, name: str, count: int) -> None:
        """Delete as many rows, or all."""
        for row in self._db[name].find({}, {"_id": 1}).limit(count):
            self.changes[name, key_of(row["_id"])] += self._db[name].delete_one(row).deleted_count

    def step(self) -> None:
        """One random change, now and then several in one transaction."""
        if self._rnd.random() < 0.05:
            with self._mongo.start_session() as session:
                counted = Counter(self.changes)

                def several(session: Any) -> None:
                    self.changes = Counter(counted)  # a transaction may be tried again
                    for _ in range(5):
                        self._one(session)

                session.with_transaction(several)
        else:
            self._one(None)

    def _one(self, session: Any) -> None:
        name = self._rnd.choices(COLLECTIONS, (2, 2, 6))[0]
        key = self._rnd.choice(self._keys[name])
        row = (name, key_of(key))
        collection = self._db[name]
        x = self._rnd.random()
        if x < 0.15:
            self.changes[row] += collection.delete_one({"_id": key}, session=session).deleted_count
        elif x < 0.4:
            done = collection.replace_one({"_id": key}, self._document(name), upsert=True, session=session)
            self.changes[row] += done.modified_count + (done.upserted_id is not None)
        else:
            fields = self._document(name)
            some = self._rnd.sample(sorted(fields), self._rnd.randint(1, len(fields)))
            done = collection.update_one({"_id": key}, {"$set": {f: fields[f] for f in some}}, session=session)
            self.changes[row] += done.modified_count

    def _document(self, name: str) -> Document:
        rnd = self._rnd
        if name == "movies":
            return {
                "title": rnd.choice(["Heat", "Alien", "Brazil"]),
                "year": rnd.randint(1979, 1981),
                "votes": rnd.random(),
            }
        if name == "users":
            return {
                "name": rnd.choice("PQR"),
                "email": rnd.choice(self._emails),
                "password": f"{SECRET}-{rnd.random()}",
            }
        return {
            "text": rnd.random(),
            "movie_id": rnd.choice([*self._keys["movies"], ObjectId(), None]),
            "email": rnd.choice([*self._emails, "nobody@x.org", None]),
        }
