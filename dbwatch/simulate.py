"""Running a story or a load against a database, until it is over or somebody ends it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pymongo.database import Database

from connectors.ending import Ending
from connectors.errors import ConfigError
from dbwatch.load import Mix, Rows, load
from dbwatch.mongo_writer import apply
from dbwatch.pace import Pace
from dbwatch.people import Author
from dbwatch.progress import ProgressLine
from dbwatch.story import RealFilm, story
from dbwatch.writes import Write, batches

Document = dict[str, Any]

_KNOWN_COMMENTS = 200_000
_TALKED_OF_SKIP, _TALKED_OF = 5, 60
_TICK_S = 0.02
_MOST_PER_TICK = 1000
_MILLION = 1_000_000


class Summary(NamedTuple):
    """What a run has written."""

    writes: int
    by_kind: Counter[str]
    elapsed_s: float
    missed: int = 0

    @property
    def rate_per_s(self) -> float:
        return self.writes / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def text(self) -> str:
        kinds = ", ".join(f"{self.by_kind[kind]:,} {kind}s" for kind in ("insert", "update", "delete"))
        late = f"; {self.missed:,} were due and could not be made in time" if self.missed else ""
        return f"{self.writes:,} writes in {self.elapsed_s:.1f} s ({self.rate_per_s:,.1f}/s): {kinds}{late}"


class _Tally:
    """Counts what is written, from the beginning."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.by_kind: Counter[str] = Counter()

    def write(self, db: Database[Document], writes: list[Write]) -> None:
        for batch in batches(writes):
            apply(db, batch)
        self.by_kind.update(write.kind for write in writes)

    def summary(self, *, missed: int = 0) -> Summary:
        elapsed_s = time.monotonic() - self._began_s
        return Summary(self.by_kind.total(), self.by_kind.copy(), elapsed_s, missed)


def run_story(
    db: Database[Document],
    ending: Ending,
    *,
    seed: int,
    speed: float = 1.0,
    duration_s: float | None = None,
    tell: Callable[[str], None],
) -> Summary:
    """Tell the story until `ending` is requested or `duration_s` is over. `speed` 2 halves the pauses.

    Raises PyMongo's errors.
    """
    tally = _Tally()
    deadline_s = time.monotonic() + duration_s if duration_s is not None else float("inf")
    for step in story(seed=seed, films=talked_of(db)):
        if ending.requested or time.monotonic() >= deadline_s:
            break
        tally.write(db, list(step.writes))
        tell(step.line)
        ending.wait(min(step.pause_s / speed, max(0.0, deadline_s - time.monotonic())))
    return tally.summary()


def run_load(
    db: Database[Document],
    ending: Ending,
    *,
    rate_per_s: float,
    mix: Mix,
    seed: int,
    duration_s: float | None = None,
    progress: ProgressLine,
) -> Summary:
    """Write at a rate until `ending` is requested or `duration_s` is over; `missed` is what was due then and not made.

    Raises PyMongo's errors.
    """
    writes = load(known_rows(db), mix=mix, seed=seed)
    tally = _Tally()
    began_s = time.monotonic()
    pace = Pace(rate_per_s=rate_per_s, now_s=began_s)
    over = False
    while not (over or ending.requested):
        now_s = time.monotonic()
        if duration_s is not None and now_s >= began_s + duration_s:
            now_s, over = began_s + duration_s, True
        due = pace.take(now_s, most=_MOST_PER_TICK)
        if due:
            tally.write(db, list(itertools.islice(writes, due)))
        elif not over:
            ending.wait(max(_TICK_S, pace.wait_s()))
        progress.tell(tally.summary(missed=pace.missed).text())
    return tally.summary(missed=pace.missed + (pace.waiting if over else 0))


def talked_of(db: Database[Document]) -> list[RealFilm]:
    """Films with many comments, but not those with the most, of which a change would fill the screen."""
    query = db.movies.find({"num_mflix_comments": {"$gt": 0}}, {"title": 1}).sort("num_mflix_comments", -1)
    return [RealFilm(film["_id"], film["title"]) for film in query.skip(_TALKED_OF_SKIP).limit(_TALKED_OF)]


def known_rows(db: Database[Document]) -> Rows:
    """The rows that a load may write. Raises `ConfigError` when there are none to begin with."""
    users = [
        (user["_id"], Author(str(user.get("name", "")), user["email"]))
        for user in db.users.find({"email": {"$type": "string"}}, {"name": 1, "email": 1}).limit(_MILLION)
    ]
    rows = Rows(
        movies=_keys(db, "movies", most=_MILLION), users=users, comments=_keys(db, "comments", most=_KNOWN_COMMENTS)
    )
    if not rows.count("movies") or not users:
        raise ConfigError(
            f"{db.name}: a load needs collections `movies` and `users` with rows; fill them with `dbwatch sample`"
        )
    return rows


def _keys(db: Database[Document], name: str, *, most: int) -> Iterator[Any]:
    return (row["_id"] for row in db[name].find({}, {"_id": 1}).limit(most))
