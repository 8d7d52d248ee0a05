"""A story for a person who watches: films are announced, cast, named, released, discussed and withdrawn. Pure.

It tells every kind of change once a scene, also those that a join makes interesting: a title that reaches the comments
on it, an address that parts someone from their comments until these follow, a film that goes before its comments do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bson.objectid import ObjectId

from dbwatch.people import address_of
from dbwatch.scenes import EDITIONS, SCENES, Person, Scene
from dbwatch.writes import Document, Write, delete, insert, update

NewKey = Callable[[], ObjectId]
Clock = Callable[[], datetime]


class Step(NamedTuple):
    """Something happens: a line for the person, the writes, and how long to let it sink in."""

    line: str
    writes: tuple[Write, ...]
    pause_s: float = 1.2


class RealFilm(NamedTuple):
    """A film that is there already, for people to talk of."""

    key: Any
    title: str


def story(
    *,
    seed: int,
    films: Sequence[RealFilm] = (),
    new_key: NewKey = ObjectId,
    now: Clock = lambda: datetime.now(UTC),
) -> Iterator[Step]:
    """Scene after scene, without end, no two quite alike. Each removes the rows that it made, but for its last words.

    The same seed, films, keys and clock give the same steps.
    """
    rng = random.Random(f"{seed} story")
    number = 0
    while True:
        for scene in rng.sample(SCENES, len(SCENES)):
            yield from _Telling(scene, number, rng, films, new_key, now).steps()
            number += 1


class _Fan(NamedTuple):
    """A person of a scene as a row of `users`."""

    key: ObjectId
    person: Person
    email: str
    later_email: str


class _Telling:
    """One scene told once."""

    def __init__(
        self,
        scene: Scene,
        number: int,
        rng: random.Random,
        films: Sequence[RealFilm],
        new_key: NewKey,
        now: Clock,
    ) -> None:
        self.scene, self.rng, self.films, self.new_key, self.now = scene, rng, films, new_key, now
        self.title = scene.title + EDITIONS[number // len(SCENES) % len(EDITIONS)]
        self.film = new_key()
        self.fans = [self._fan(person) for person in scene.people]
        self.names = {fan.key: fan.person.first_name for fan in self.fans}
        self.comments: list[tuple[ObjectId, _Fan]] = []
        self.remarks = rng.sample(scene.remarks, len(scene.remarks))

    def steps(self) -> Iterator[Step]:
        first, second = self.fans
        yield self._announce()
        yield self._join(first)
        yield self._comment(first)
        yield self._cast(self.scene.joining[0])
        yield self._vote()
        yield self._join(second)
        yield self._comment(second)
        yield self._name_it()
        yield from self._talk_of_another(first)
        yield self._rename(first)
        yield self._comment(first)
        yield self._cast(self.rng.choice(self.scene.joining[1:]))
        yield self._move(second)
        yield self._follow(second)
        yield self._vote()
        yield self._reconsider(first)
        yield self._retract()
        yield self._withdraw()
        yield from self._leave()

    def _announce(self) -> Step:
        scene, now = self.scene, self.now()
        film: Document = {
            "_id": self.film,
            "title": scene.working_title,
            "year": scene.year,
            "runtime": scene.runtime,
            "genres": list(scene.genres),
            "cast": list(scene.announced),
            "directors": list(scene.directors),
            "writers": list(scene.writers),
            "languages": ["English"],
            "countries": ["USA"],
            "released": datetime(*scene.released, tzinfo=UTC),
            "rated": scene.rated,
            "imdb": {"rating": scene.rating, "votes": self.rng.randint(50, 900), "id": scene.imdb_id},
            "lastupdated": _lastupdated(now),
            "type": "movie",
            "num_mflix_comments": 0,
        }
        return Step(f"+ announced: {scene.working_title}, with {', '.join(scene.announced)}", (insert("movies", film),))

    def _join(self, fan: _Fan) -> Step:
        row = {"_id": fan.key, "name": fan.person.first_name, "email": fan.email, "password": _password(self.rng)}
        return Step(f"+ {fan.person.first_name} signs up as {fan.email}", (insert("users", row),))

    def _comment(self, fan: _Fan) -> Step:
        text = self.remarks.pop()
        key = self.new_key()
        self.comments.append((key, fan))
        return Step(f'+ {self.names[fan.key]}: "{text}"', self._comment_writes(key, fan, self.film, text))

    def _comment_writes(self, key: ObjectId, fan: _Fan, film: Any, text: str) -> tuple[Write, ...]:
        row = {
            "_id": key,
            "name": self.names[fan.key],
            "email": fan.email,
            "movie_id": film,
            "text": text,
            "date": self.now(),
        }
        return insert("comments", row), update("movies", film, inc={"num_mflix_comments": 1})

    def _cast(self, actor: str) -> Step:
        write = update("movies", self.film, push={"cast": actor}, set={"lastupdated": _lastupdated(self.now())})
        return Step(f"~ {actor} joins the cast", (write,))

    def _vote(self) -> Step:
        votes = self.rng.randint(1000, 90_000)
        rating = round(min(9.8, max(1.0, self.scene.rating + self.rng.uniform(-0.5, 0.5))), 1)
        write = update("movies", self.film, inc={"imdb.votes": votes}, set={"imdb.rating": rating})
        return Step(f"~ {votes:,} people vote; it stands at {rating}", (write,))

    def _name_it(self) -> Step:
        write = update("movies", self.film, set={"title": self.title, "lastupdated": _lastupdated(self.now())})
        return Step(f"~ {self.scene.working_title} is now called {self.title}; its comments follow", (write,), 2.0)

    def _talk_of_another(self, fan: _Fan) -> Iterator[Step]:
        """A comment on a film that is there already, and a vote that reaches all of its comments."""
        if not self.films:
            return
        film = self.rng.choice(self.films)
        key = self.new_key()
        text = self.rng.choice(
            ("Holds up.", "Better than I remembered.", "On the list for Sunday.", "Twice this week.")
        )
        self.comments.append((key, fan))
        line = f'+ {self.names[fan.key]} on {film.title}: "{text}"'
        yield Step(line, self._comment_writes(key, fan, film.key, text))
        rating = round(self.rng.uniform(6.0, 9.2), 1)
        write = update("movies", film.key, inc={"imdb.votes": self.rng.randint(100, 900)}, set={"imdb.rating": rating})
        yield Step(f"~ {film.title} now stands at {rating}; its comments follow", (write,), 2.0)

    def _rename(self, fan: _Fan) -> Step:
        self.names[fan.key] = fan.person.later_name
        write = update("users", fan.key, set={"name": fan.person.later_name})
        return Step(f"~ {fan.person.first_name} now goes by {fan.person.later_name}", (write,))

    def _move(self, fan: _Fan) -> Step:
        write = update("users", fan.key, set={"email": fan.later_email})
        return Step(f"~ {self.names[fan.key]} moves to {fan.later_email}; their comments stay behind", (write,), 2.0)

    def _follow(self, fan: _Fan) -> Step:
        theirs = [key for key, author in self.comments if author == fan]
        writes = tuple(update("comments", key, set={"email": fan.later_email}) for key in theirs)
        return Step(f"~ the comments of {self.names[fan.key]} follow, and know their author again", writes)

    def _reconsider(self, fan: _Fan) -> Step:
        key = next(key for key, author in self.comments if author == fan)
        text = self.rng.choice(self.scene.second_thoughts)
        write = update("comments", key, set={"text": text, "date": self.now()})
        return Step(f'~ {self.names[fan.key]} thinks again: "{text}"', (write,))

    def _retract(self) -> Step:
        key, fan = self.comments.pop(self.rng.randrange(len(self.comments)))
        return Step(f"- a comment of {self.names[fan.key]} is taken back", (delete("comments", key),))

    def _withdraw(self) -> Step:
        return Step(
            f"- {self.title} is withdrawn; comments on it have no film now", (delete("movies", self.film),), 2.0
        )

    def _leave(self) -> Iterator[Step]:
        """The first comment is left behind, without film or author: the last words of the scene."""
        gone = tuple(delete("comments", key) for key, _fan in self.comments[1:])
        if gone:
            yield Step(f"- {len(gone)} comments are cleared away", gone)
        for fan in self.fans:
            yield Step(f"- {self.names[fan.key]} leaves", (delete("users", fan.key),))

    def _fan(self, person: Person) -> _Fan:
        key = self.new_key()
        tail = str(key)[-6:]  # addresses are unique, and scenes come back
        return _Fan(
            key,
            person,
            f"{address_of(person.first_name)}.{tail}@example.org",
            f"{address_of(person.later_name)}.{tail}@example.org",
        )


def _lastupdated(now: datetime) -> str:
    return f"{now:%Y-%m-%d %H:%M:%S.%f}000"


def _password(rng: random.Random) -> str:
    """In the form of a bcrypt hash, of no password."""
    return f"$2b$04$NoPasswordMakesThis.O{rng.randbytes(16).hex()[:32]}"
