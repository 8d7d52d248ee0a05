"""Changes at a rate, whatever the servers do: an open-loop writer, as a process of its own.

Each change has a moment at which it is due. Some threads take what is due by then, at once and together, and write it
with `w: "majority"`; a server that is slow makes later groups larger, never later moments. Each row carries the number
of the change that wrote it last, so that it is known again in the feed and on the page.

`python -m benchmarks.paced JOB`, where JOB is the JSON of a `Job`; when all is written, it leaves what it wrote, and
when, in the file `out`.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
from bson.objectid import ObjectId
from pymongo import InsertOne, MongoClient, UpdateOne
from pymongo.database import Database

from benchmarks.marks import mark
from benchmarks.servers import Document
from benchmarks.trace import Wrote
from benchmarks.workload import SEED
from dbwatch.people import Author, Texts
from dbwatch.sample_ids import object_id

_Operation = InsertOne[Document] | UpdateOne

MIX = {"comment": 75.0, "comment_text": 12.0, "film_votes": 12.0, "film_title": 0.5, "user_name": 0.5}
"""Mostly new comments; some are edited; films get votes, which no lookup shows; seldom a title or a name changes,
which reaches every comment on it.
"""

_THREADS = 6
_MOST_AT_ONCE = 200
_AHEAD_S = 0.3
"""Between the last change that is made ready and the first that is due."""


class Job(NamedTuple):
    """`first` is the number of the first change. Of the comments of the workload those
    from the first of `comments` up to the second are edited."""

    uri: str
    database: str
    rate_per_s: float
    seconds: float
    first: int
    comments: tuple[int, int]
    out: str
    mix: dict[str, float] = MIX
    threads: int = _THREADS


class Change(NamedTuple):
    """One change, not yet written."""

    kind: str
    collection: str
    operation: _Operation


class Rows(NamedTuple):
    """What there is to refer to and to update."""

    films: Sequence[ObjectId]
    users: Sequence[tuple[ObjectId, Author]]
    comments: tuple[int, int]


def rows_of(db: Database[Document], *, comments: tuple[int, int]) -> Rows:
    films = [row["_id"] for row in db.movies.find({}, {"_id": 1})]
    users = [(row["_id"], Author(row["name"], row["email"])) for row in db.users.find({}, {"name": 1, "email": 1})]
    return Rows(films, users, comments)


def changes(job: Job, rows: Rows) -> Iterator[Change]:
    """The changes of the mix, each carrying its number; the same seed and rows give the same."""
    rng, texts = random.Random(f"{SEED} paced {job.first}"), Texts(seed=SEED)
    kinds = [kind for kind, share in job.mix.items() if share]
    weights = [job.mix[kind] for kind in kinds]
    for number in range(job.first, job.first + round(job.rate_per_s * job.seconds)):
        kind = rng.choices(kinds, weights=weights)[0]
        yield _MAKERS[kind](rng, texts, rows, number)


def _comment(rng: random.Random, texts: Texts, rows: Rows, number: int) -> Change:
    author = rng.choice(rows.users)[1]
    said = f"{texts.make(rng)} {mark('comments', number)}"
    row = {"name": author.name, "email": author.email, "movie_id": rng.choice(rows.films), "text": said}
    return Change("comment", "comments", InsertOne({"_id": ObjectId(), **row}))


def _comment_text(rng: random.Random, texts: Texts, rows: Rows, number: int) -> Change:
    said = f"{texts.make(rng)} {mark('comments', number)}"
    key = object_id("comments", rng.randrange(*rows.comments), seed=SEED)
    return Change("comment_text", "comments", UpdateOne({"_id": key}, {"$set": {"text": said}}))


def _film_votes(rng: random.Random, _texts: Texts, rows: Rows, number: int) -> Change:
    update = {"$set": {"lastupdated": mark("movies", number)}, "$inc": {"imdb.votes": rng.randint(1, 20)}}
    return Change("film_votes", "movies", UpdateOne({"_id": rng.choice(rows.films)}, update))


def _film_title(rng: random.Random, _texts: Texts, rows: Rows, number: int) -> Change:
    update = {"$set": {"title": f"Take {mark('movies', number)}"}}
    return Change("film_title", "movies", UpdateOne({"_id": rng.choice(rows.films)}, update))


def _user_name(rng: random.Random, _texts: Texts, rows: Rows, number: int) -> Change:
    key, author = rng.choice(rows.users)
    update = {"$set": {"name": f"{author.name} {mark('users', number)}"}}
    return Change("user_name", "users", UpdateOne({"_id": key}, update))


_MAKERS: dict[str, Callable[[random.Random, Texts, Rows, int], Change]] = {
    "comment": _comment,
    "comment_text": _comment_text,
    "film_votes": _film_votes,
    "film_title": _film_title,
    "user_name": _user_name,
}


class _Writer:
    """Several threads that write what is due."""

    def __init__(self, job: Job, db: Database[Document], ready: Sequence[Change]) -> None:
        self._job = job
        self._db = db
        self._ready = ready
        self._sent_ns, self._acked_ns = [0] * len(ready), [0] * len(ready)
        self._lock = threading.Lock()
        self._next = 0
        self._failed: Exception | None = None
        self._start_ns = time.time_ns() + round(_AHEAD_S * 1e9)
        self._step_ns = 1e9 / job.rate_per_s

    def write(self) -> Wrote:
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self._job.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failed is not None:
            raise self._failed
        due_ns = [self._due_ns(i) for i in range(len(self._ready))]
        return Wrote(self._job.first, [c.kind for c in self._ready], due_ns, self._sent_ns, self._acked_ns)

    def _due_ns(self, i: int) -> int:
        return self._start_ns + round(i * self._step_ns)

    def _run(self) -> None:
        try:
            while (due := self._take()) is not None:
                self._put(due)
        except Exception as exc:
            self._failed = exc

    def _take(self) -> range | None:
        """The next changes, as soon as the first of them is due; None when there are no more, or one failed."""
        with self._lock:
            first = self._next
            if first == len(self._ready) or self._failed is not None:
                return None
            wait_ns = self._due_ns(first) - time.time_ns()
            if wait_ns > 0:  # the others wait behind the lock: there is nothing for them to do
                time.sleep(wait_ns / 1e9)
            due = int((time.time_ns() - self._start_ns) / self._step_ns) + 1
            self._next = min(max(due, first + 1), first + _MOST_AT_ONCE, len(self._ready))
            return range(first, self._next)

    def _put(self, due: range) -> None:
        by_collection: dict[str, list[int]] = {}
        for i in due:
            by_collection.setdefault(self._ready[i].collection, []).append(i)
        for collection, indexes in by_collection.items():
            sent_ns = time.time_ns()
            self._db[collection].bulk_write([self._ready[i].operation for i in indexes], ordered=False)
            acked_ns = time.time_ns()
            for i in indexes:
                self._sent_ns[i], self._acked_ns[i] = sent_ns, acked_ns


def main() -> int:
    job = Job(**orjson.loads(sys.argv[1]))
    with MongoClient[Document](job.uri, w="majority") as client:
        db = client[job.database]
        written = _Writer(job, db, list(changes(job, rows_of(db, comments=job.comments)))).write()
    Path(job.out).write_bytes(orjson.dumps(written._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
