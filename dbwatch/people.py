"""Made-up users and comments in the shape of `sample_mflix.users` and `.comments`, the same for the same seed."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import bcrypt
from bson.objectid import ObjectId
from faker import Faker

from dbwatch.sample_ids import object_id

Document = dict[str, Any]

_ROUNDS = 4  # the least that bcrypt allows: these passwords guard nothing, and there may be many
_DISTINCT_PASSWORDS = 500
_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SENTENCES = 1500
_ZIPF_EXPONENT = 0.9
_ZIPF_OFFSET = 8  # keeps the first film from having a fifth of all comments
_FIRST_DAY = datetime(2001, 1, 1, tzinfo=UTC)
_DAYS = 25 * 365
_MS_PER_DAY = 86_400_000


class Author(NamedTuple):
    """Who writes comments."""

    name: str
    email: str


def users(*, count: int, seed: int) -> Iterator[Document]:
    """People with an address of their own and a bcrypt `password`."""
    rng = random.Random(f"{seed} users")
    passwords = [_password(rng) for _ in range(min(count, _DISTINCT_PASSWORDS))]
    for number, author in enumerate(authors(count=count, seed=seed)):
        yield {
            "_id": object_id("users", number, seed=seed),
            "name": author.name,
            "email": author.email,
            "password": passwords[number % _DISTINCT_PASSWORDS],
        }


def authors(*, count: int, seed: int) -> Iterator[Author]:
    """The names and addresses of the first `count` users."""
    fake = _faker(seed)
    seen: dict[str, int] = {}
    for _ in range(count):
        name = f"{fake.first_name()} {fake.last_name()}"
        local = address_of(name)
        seen[local] = seen.get(local, 0) + 1
        yield Author(name, f"{local}{seen[local] if seen[local] > 1 else ''}@example.org")


def address_of(name: str) -> str:
    """What stands before the @ of someone's address.

    >>> address_of("Zoë O'Brien")
    'zoe_obrien'
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]+", "_", ascii_name.lower().replace("'", "")).strip("_")


def comments(*, count: int, seed: int, movies: Sequence[ObjectId], people: Sequence[Author]) -> Iterator[Document]:
    """Comments on `movies`, the first being the most popular; most have few. None without movies or people."""
    if not movies or not people:
        return
    rng = random.Random(f"{seed} comments")
    texts = Texts(seed=seed)
    weights = list(itertools.accumulate((rank + _ZIPF_OFFSET) ** -_ZIPF_EXPONENT for rank in range(len(movies))))
    for number, movie_id in enumerate(rng.choices(movies, cum_weights=weights, k=count)):
        author = rng.choice(people)
        yield {
            "_id": object_id("comments", number, seed=seed),
            "name": author.name,
            "email": author.email,
            "movie_id": movie_id,
            "text": texts.make(rng),
            "date": _FIRST_DAY + timedelta(milliseconds=rng.randrange(_DAYS * _MS_PER_DAY) // 1000 * 1000),
        }


class Texts:
    """Comments from a stock of sentences, because making each sentence anew takes most of the time."""

    def __init__(self, *, seed: int) -> None:
        fake = _faker(seed)
        self._sentences = [fake.sentence(nb_words=9) for _ in range(_SENTENCES)]

    def make(self, rng: random.Random) -> str:
        return " ".join(rng.choices(self._sentences, k=rng.randint(1, 4)))


def _faker(seed: int) -> Faker:
    fake = Faker("en_US")
    fake.seed_instance(seed)
    return fake


def _password(rng: random.Random) -> str:
    """The hash of a random password. bcrypt's salt has 128 bits in 22 letters, so the last one has only 2 bits."""
    salt = "".join(rng.choices(_BCRYPT_ALPHABET, k=21)) + rng.choice(".Oeu")
    return bcrypt.hashpw(rng.randbytes(12).hex().encode(), f"$2b${_ROUNDS:02}${salt}".encode()).decode()
