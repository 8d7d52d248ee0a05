"""A workload at a rate: which rows are written, and how. Pure: the same seed and rows give the same writes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bson.objectid import ObjectId

from connectors.errors import ConfigError
from dbwatch.people import Author, Texts
from dbwatch.writes import Document, Kind, Write, delete, insert, update

DEFAULT_MIX = "insert=45,update=45,delete=10"
_KINDS: tuple[Kind, ...] = ("insert", "update", "delete")
# Which collection a write goes to, by kind: mostly comments, as people do.
_TARGETS: Mapping[Kind, Mapping[str, float]] = {
    "insert": {"comments": 94, "users": 4, "movies": 2},
    "update": {"comments": 60, "movies": 34, "users": 6},
    "delete": {"comments": 96, "users": 3, "movies": 1},
}
_KEEP_AT_LEAST = 10  # rows of a collection, so that there is always something to refer to


class Mix(NamedTuple):
    """The share of each kind of write; only their ratio matters."""

    insert: float
    update: float
    delete: float


def parse_mix(text: str) -> Mix:
    """`insert=45,update=45,delete=10`; what is not named is 0. Raises `ConfigError`."""
    weights = dict.fromkeys(Mix._fields, 0.0)
    try:
        for part in text.split(","):
            name, _, weight = part.partition("=")
            if name.strip() not in weights:
                raise ValueError(name)
            weights[name.strip()] = float(weight)
    except (KeyError, ValueError) as exc:
        raise ConfigError(
            f"--mix: expected {', '.join(_KINDS)} with weights, as {DEFAULT_MIX}; found {text!r}"
        ) from exc
    if min(weights.values()) < 0 or not 0 < sum(weights.values()) < float("inf"):
        raise ConfigError(f"--mix: expected weights of 0 or more, not all 0; found {text!r}")
    return Mix(**weights)


class Rows:
    """The rows there are, by collection: what a write may refer to. Adding, removing and choosing take constant time.

    `movies` and `comments` are known by key, users by key with their name and address.
    """

    def __init__(self, *, movies: Iterable[Any], users: Iterable[tuple[Any, Author]], comments: Iterable[Any]) -> None:
        self.authors = dict(users)
        self._keys = {"movies": list(movies), "users": list(self.authors), "comments": list(comments)}

    def count(self, collection: str) -> int:
        return len(self._keys[collection])

    def add(self, collection: str, key: Any) -> None:
        self._keys[collection].append(key)

    def choose(self, collection: str, rng: random.Random) -> Any:
        return rng.choice(self._keys[collection])

    def take(self, collection: str, rng: random.Random) -> Any:
        """Choose one and forget it."""
        keys = self._keys[collection]
        at = rng.randrange(len(keys))
        keys[at], keys[-1] = keys[-1], keys[at]
        key = keys.pop()
        self.authors.pop(key, None)
        return key


def load(
    rows: Rows,
    *,
    mix: Mix,
    seed: int,
    new_key: Callable[[], ObjectId] = ObjectId,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Write]:
    """Writes without end, in the shares of `mix`. `rows` is kept up to date.

    Without anything to update or delete it inserts instead.
    """
    maker = _Maker(rows, random.Random(f"{seed} load"), Texts(seed=seed), new_key, now)
    while True:
        kind = maker.rng.choices(_KINDS, weights=mix)[0]
        names, weights = zip(*_TARGETS[kind].items(), strict=True)
        yield maker.write(kind, maker.rng.choices(names, weights=weights)[0])


class _Maker(NamedTuple):
    rows: Rows
    rng: random.Random
    texts: Texts
    new_key: Callable[[], ObjectId]
    now: Callable[[], datetime]

    def write(self, kind: Kind, collection: str) -> Write:
        for parent in ("movies", "users"):
            if self.rows.count(parent) == 0:
                return self._insert(parent)
        if kind == "insert" or self.rows.count(collection) == 0:
            return self._insert(collection)
        if kind == "update":
            return self._update(collection)
        if collection != "comments" and self.rows.count(collection) <= _KEEP_AT_LEAST:
            return self._insert(collection)
        return delete(collection, self.rows.take(collection, self.rng))

    def _insert(self, collection: str) -> Write:
        key = self.new_key()
        make = {"movies": self._movie, "users": self._user, "comments": self._comment}
        row = {"_id": key, **make[collection](key)}
        self.rows.add(collection, key)
        return insert(collection, row)

    def _movie(self, key: ObjectId) -> Document:
        return {
            "title": f"Take {str(key)[-6:]}",
            "year": self.rng.randint(1940, 2025),
            "runtime": self.rng.randint(70, 190),
            "genres": self.rng.sample(("Drama", "Comedy", "Action", "Thriller", "Romance", "Western", "Sci-Fi"), 2),
            "imdb": {"rating": self._rating(), "votes": self.rng.randint(5, 5000), "id": int(str(key)[-6:], 16)},
            "lastupdated": f"{self.now():%Y-%m-%d %H:%M:%S.%f}000",
            "num_mflix_comments": 0,
        }

    def _user(self, key: ObjectId) -> Document:
        author = Author(f"Extra {str(key)[-6:]}", f"extra.{key}@example.org")
        self.rows.authors[key] = author
        return {"name": author.name, "email": author.email, "password": f"$2b$04${'.' * 21}O{key}{str(key)[:7]}"}

    def _comment(self, _key: ObjectId) -> Document:
        author = self.rows.authors[self.rows.choose("users", self.rng)]
        return {
            "name": author.name,
            "email": author.email,
            "movie_id": self.rows.choose("movies", self.rng),
            "text": self.texts.make(self.rng),
            "date": self.now(),
        }

    def _update(self, collection: str) -> Write:
        key = self.rows.choose(collection, self.rng)
        choose = {"movies": self._movie_update, "users": self._user_update, "comments": self._comment_update}
        return choose[collection](key)

    def _movie_update(self, key: Any) -> Write:
        """Mostly votes, which no lookup shows; sometimes the rating, which reaches every comment."""
        if self.rng.random() < 0.2:
            return update("movies", key, set={"imdb.rating": self._rating()}, inc={"imdb.votes": 1})
        return update("movies", key, inc={"imdb.votes": self.rng.randint(1, 20)})

    def _user_update(self, key: Any) -> Write:
        """Mostly the name; sometimes the address, which parts a user from their comments."""
        author = self.rows.authors[key]
        if self.rng.random() < 0.2:
            moved = author._replace(email=f"moved.{self.new_key()}@example.org")
            self.rows.authors[key] = moved
            return update("users", key, set={"email": moved.email})
        renamed = author._replace(name=f"{author.name.split(' No. ')[0]} No. {self.rng.randint(2, 9999)}")
        self.rows.authors[key] = renamed
        return update("users", key, set={"name": renamed.name})

    def _comment_update(self, key: Any) -> Write:
        """Mostly the text; sometimes the film it is about."""
        if self.rng.random() < 0.1:
            return update("comments", key, set={"movie_id": self.rows.choose("movies", self.rng), "date": self.now()})
        return update("comments", key, set={"text": self.texts.make(self.rng), "date": self.now()})

    def _rating(self) -> float:
        return round(self.rng.uniform(2, 9.5), 1)
