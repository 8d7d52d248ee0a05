"""The comparison of the database with the feed, while a job may be writing it and the database may be changing.

1. Every row is read at one cluster time T, joined as the views say, and noted as a digest.
2. When the job has read everything up to T, the streams are read to their end. Of each key the last record that knows
   of nothing later than T counts. A key that agrees is settled, unless later records follow.
3. The other keys are looked at again at a later time, only they, until each has agreed once or nothing changes any
   more. What still differs is drift.

So a change in flight is never taken for drift, and no drift for a change in flight: without further changes, what
agreed at its last record is right. Memory is bounded: see `flows.verify.ledger`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from redis import Redis

from connectors.errors import BadRecord
from connectors.mongo_at import MongoRows
from connectors.mongo_client import Client, read_position
from connectors.mongo_events import position_ms
from connectors.rows import changed_paths, loads
from connectors.settings import Settings
from flows.verify.database import Database, Tell
from flows.verify.feed import Feed
from flows.verify.following import JobWatch
from flows.verify.judging import Counts, Difference, Kind, Report, digest_of
from flows.verify.ledger import Ledger, Suspect, open_ledger
from flows.views import Views

MOST_ROUNDS = 7
"""How often a key is looked at that goes on changing."""

MOST_SUSPECTS = 100_000
"""How many keys are looked at again; if more differ, the rest is judged by the first look."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 4.0
_CHUNK = 500


class Options(NamedTuple):
    """`sample`: how many differences are described. `timeout_s`: how long the job may take to come up to the
    database.
    """

    sample: int = 20
    timeout_s: float = 60.0


def compare(settings: Settings, views: Views, mongo: Client, redis: Redis, *, options: Options, tell: Tell) -> Report:
    """Compare the views with the feed. Raises `DBWatchError` when that cannot be done."""
    with open_ledger() as ledger:
        return _Comparison(settings, views, mongo, redis, ledger, options, tell).run()


class _Comparison:
    def __init__(
        self,
        settings: Settings,
        views: Views,
        mongo: Client,
        redis: Redis,
        ledger: Ledger,
        options: Options,
        tell: Tell,
    ) -> None:
        self._settings = settings
        self._mongo = mongo
        self._ledger = ledger
        self._options = options
        self._tell = tell
        self._collections = views.collections
        self._database = Database(views)
        self._numbers = {plan.view.name: plan.number for plan in self._database.views}
        self._feed = Feed(redis, settings.keys, self._numbers, maxlen=settings.stream_maxlen)
        self._job = JobWatch(redis, settings.keys)
        self._rounds = 0

    def run(self) -> Report:
        began_s = time.monotonic()
        reader = self._reader()
        self._database.read(reader, self._ledger, self._tell)
        running = self._job.is_running() and self._catch_up(reader.position)
        self._read_feed(reader.position)
        if not running:
            self._ledger.catch_up()
        others = self._ledger.suspect(self._feed.has_trimmed, limit=MOST_SUSPECTS)
        self._rounds = 1
        position = self._look_again(reader.position) if running else reader.position
        counts, differences = self._outcome(others)
        standing = self._job.standing()
        return Report(
            position=position,
            at_ms=position_ms(position),
            job="running" if running else "stopped" if standing.position else "none",
            feed_ms=position_ms(standing.position) if standing.position else None,
            views=counts,
            differences=tuple(differences),
            entries=self._feed.entries,
            strays=self._feed.strays,
            rounds=self._rounds,
            seconds=time.monotonic() - began_s,
        )

    def _reader(self) -> MongoRows:
        database = self._settings.mongo_db
        return MongoRows(self._mongo, database, read_position(self._mongo, database, self._collections))

    def _catch_up(self, position: str) -> bool:
        return self._job.wait_for(position, timeout_s=self._options.timeout_s)

    def _read_feed(self, position: str) -> Mapping[str, str]:
        """Read the feed to its present end; what it knows that is later than the present is not believed."""
        ends = self._feed.ends()
        known = read_position(self._mongo, self._settings.mongo_db, self._collections)
        self._feed.read(self._ledger, ends, position=position, known=known, tell=self._tell)
        return ends

    def _look_again(self, position: str) -> str:
        """Until all agree, or nothing new was written between two looks at what differs."""
        pause_s, ends = _FIRST_PAUSE_S, self._feed.ends()
        while self._ledger.suspected and self._rounds < MOST_ROUNDS:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._ledger.catch_up()
            reader = self._reader()
            position = reader.position
            self._read_suspects(reader)
            runs = self._catch_up(position)
            before, ends = ends, self._read_feed(position)
            if not runs:  # it ended meanwhile, so nothing will follow
                self._ledger.catch_up()
            self._rounds += 1
            self._ledger.clear(self._feed.has_trimmed)
            if not runs or (self._rounds > 2 and ends == before):
                break
        return position

    def _read_suspects(self, reader: MongoRows) -> None:
        total, done = self._ledger.suspected, 0
        for plan in self._database.views:
            after = ""
            while keys := self._ledger.suspects(plan.number, after=after, limit=_CHUNK):
                found = {key: digest_of(text) for key, text in self._database.rows_now(reader, plan, keys)}
                for key in keys:
                    self._ledger.put_row_again(plan.number, key, found.get(key))
                after = keys[-1]
                done += len(keys)
                self._tell("comparing again", done, total)

    def _outcome(self, others: Counter[tuple[int, Kind]]) -> tuple[dict[str, Counts], list[Difference]]:
        kinds = Counter(others)
        shown: list[tuple[Suspect, Kind]] = []
        for suspect in self._ledger.remaining(self._feed.has_trimmed):
            if suspect.kind is None:
                continue
            kind: Kind = "changing" if suspect.later else suspect.kind
            kinds[suspect.view, kind] += 1
            if kind in ("missing", "stale", "extra") and len(shown) < self._options.sample:
                shown.append((suspect, kind))
        names = {number: name for name, number in self._numbers.items()}
        counts = {
            names[number]: count._replace(**{kind: n for (view, kind), n in kinds.items() if view == number})
            for number, count in enumerate(self._ledger.counts(len(names)))
        }
        reader = self._reader()
        described = [self._described(reader, suspect, kind) for suspect, kind in shown]
        return counts, self._with_letters(described) if described else []

    def _described(self, reader: MongoRows, suspect: Suspect, kind: Kind) -> Difference:
        plan = self._database.views[suspect.view]
        paths: tuple[str, ...] | None = ()
        if kind == "stale":
            paths = self._paths(reader, suspect)
        return Difference(kind, plan.view.name, suspect.key, suspect.entry, paths)

    def _with_letters(self, differences: list[Difference]) -> list[Difference]:
        """With the dead letters of the same keys, which may explain them. A letter names a collection or a view."""
        collections = {plan.view.name: plan.view.collection for plan in self._database.views}
        names = {d: ((d.view, d.key), (collections[d.view], d.key)) for d in differences}
        letters = self._feed.letters({name for pair in names.values() for name in pair})
        return [
            d._replace(letter=next((letters[name] for name in names[d] if name in letters), None)) for d in differences
        ]

    def _paths(self, reader: MongoRows, suspect: Suspect) -> tuple[str, ...] | None:
        """In which leaves the last record differs from the row as it is now."""
        found = dict(self._database.rows_now(reader, self._database.views[suspect.view], [suspect.key]))
        text = found.get(suspect.key)
        try:
            record = self._feed.record(suspect.view, suspect.key, suspect.entry) if suspect.entry else None
        except BadRecord:
            return None
        if text is None or record is None or record.after is None:
            return None
        return tuple(changed_paths(loads(record.after), loads(text)))
