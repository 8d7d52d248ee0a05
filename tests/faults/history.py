"""A random history of movies, users and comments: which rows are written, with what, in which order. Pure.

Every written row carries a `stamp` of its own, so that each version of a row can be told from all others, and so that
whoever writes can make each write depend on the version before it: then a write whose answer was lost can be tried
again without being made twice.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from bson.objectid import ObjectId

from tests.acceptance.oracle import SECRET, Document, RowKey, key_of

COLLECTIONS = ("movies", "users", "comments")
_TRANSACTION_SHARE = 0.05
_DELETE_SHARE = 0.15
_REPLACE_SHARE = 0.4


class Op(NamedTuple):
    """One change of one row: from one version to the next, None where there is no row."""

    collection: str
    key: Any
    before: Document | None
    after: Document | None
    replaces: bool = False

    @property
    def row_key(self) -> RowKey:
        return self.collection, key_of(self.key)


Batch = tuple[Op, ...]
"""What happens at once: one change, or those of a transaction."""


class History:
    """Makes the changes of a seed, one batch after the other."""

    def __init__(self, seed: int, *, fleeting: bool = False) -> None:
        """`fleeting`: some updates are followed at once by a delete, so that the row is gone when it is looked up."""
        self._rnd = random.Random(seed)
        self._fleeting = fleeting
        self._stamp = 0
        self._next: list[Batch] = []
        self.rows: dict[RowKey, Document] = {}
        # Few keys, so that rows meet; of several types, so that the key's form matters.
        self._keys: dict[str, list[Any]] = {
            "movies": [self._id(), self._id(), 5, "5", 6.5, {"a": 1, "b": "x"}],
            "users": [*(self._id() for _ in range(5)), "émile", 2**40],
            "comments": [*(self._id() for _ in range(40)), *range(10), *"abcdef", {"of": "film", "no": 1}, True],
        }
        self._emails = ["a@x.org", "b@x.org", "c@x.org"]

    def next(self) -> Batch:
        """The next changes; the history goes on as if they had been made."""
        if self._next:
            return self._next.pop()
        if self._rnd.random() < _TRANSACTION_SHARE:
            return tuple(self._one() for _ in range(5))
        op = self._one()
        if self._fleeting and op.before and op.after and self._rnd.random() < 0.3:
            self._next.append((self._made(op.collection, op.key, None),))
        return (op,)

    def remove(self, collection: str) -> list[Op]:
        """Every row of a collection goes, as with a drop; so do those whose own end was next."""
        fleeting = [op for batch in self._next for op in batch if op.collection == collection]
        self._next = [batch for batch in self._next if batch[0].collection != collection]
        rows = [row["_id"] for key, row in self.rows.items() if key[0] == collection]
        return [*fleeting, *(self._made(collection, key, None) for key in rows)]

    def change(self, collection: str, key: Any, fields: Document | None) -> Op:
        """A change of the caller's choice."""
        return self._made(collection, key, None if fields is None else self._stamped(key, fields), replaces=True)

    def _one(self) -> Op:
        name = self._rnd.choices(COLLECTIONS, (2, 2, 6))[0]
        key = self._rnd.choice(self._keys[name])
        before = self.rows.get((name, key_of(key)))
        x = self._rnd.random()
        fields = self._fields(name)
        if before is None:
            return self._made(name, key, self._stamped(key, fields))
        if x < _DELETE_SHARE:
            return self._made(name, key, None)
        if x < _REPLACE_SHARE:
            return self._made(name, key, self._stamped(key, fields), replaces=True)
        some = self._rnd.sample(sorted(fields), self._rnd.randint(1, len(fields)))
        return self._made(name, key, self._stamped(key, {**before, **{name: fields[name] for name in some}}))

    def _stamped(self, key: Any, fields: Document) -> Document:
        self._stamp += 1
        return {"_id": key, **{name: value for name, value in fields.items() if name != "_id"}, "stamp": self._stamp}

    def _made(self, collection: str, key: Any, after: Document | None, *, replaces: bool = False) -> Op:
        row = (collection, key_of(key))
        op = Op(collection, key, self.rows.get(row), after, replaces)
        if after is None:
            self.rows.pop(row, None)
        else:
            self.rows[row] = after
        return op

    def _fields(self, name: str) -> Document:
        rnd = self._rnd
        if name == "movies":
            title = f"{rnd.choice(['Heat', 'Alien', 'Brazil'])} {rnd.randint(1, 99)}"
            return {"title": title, "year": rnd.randint(1979, 1999), "votes": rnd.random()}
        if name == "users":
            name = f"{rnd.choice('PQR')}{rnd.randint(1, 99)}"
            return {"name": name, "email": rnd.choice(self._emails), "password": f"{SECRET}-{rnd.random()}"}
        return {
            "text": rnd.random(),
            "movie_id": rnd.choice([*self._keys["movies"], self._id(), None]),
            "email": rnd.choice([*self._emails, "nobody@x.org", None]),
        }

    def _id(self) -> ObjectId:
        return ObjectId(self._rnd.randbytes(12))
