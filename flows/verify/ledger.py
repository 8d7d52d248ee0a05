"""The ledger of a comparison: of each key what the database and what the feed say, as digests, on disk."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from connectors.errors import ConfigError
from flows.verify.judging import Counts, Kind, kind_of

_CACHE_KIB = 16_384
_TABLES = """
CREATE TABLE row (view INTEGER, key TEXT, digest BLOB, PRIMARY KEY (view, key)) WITHOUT ROWID;
CREATE TABLE feed (view INTEGER, key TEXT, digest BLOB, entry TEXT, later BLOB, later_entry TEXT,
                   PRIMARY KEY (view, key)) WITHOUT ROWID;
CREATE TABLE candidate (lookup INTEGER, fk TEXT, key TEXT, text TEXT, PRIMARY KEY (lookup, fk)) WITHOUT ROWID;
CREATE TABLE suspect (view INTEGER, key TEXT, PRIMARY KEY (view, key)) WITHOUT ROWID;
CREATE TABLE unreadable (view INTEGER, key TEXT, PRIMARY KEY (view, key)) WITHOUT ROWID;
"""
_DIFFERING = """
SELECT r.view, r.key, r.digest, f.digest, f.entry, f.later IS NOT NULL
  FROM row r LEFT JOIN feed f ON f.view = r.view AND f.key = r.key
  WHERE r.digest IS NOT f.digest OR f.later IS NOT NULL
UNION ALL
SELECT f.view, f.key, NULL, f.digest, f.entry, f.later IS NOT NULL
  FROM feed f LEFT JOIN row r ON f.view = r.view AND f.key = r.key
  WHERE r.key IS NULL AND (length(f.digest) > 0 OR f.later IS NOT NULL)
"""
_OF_SUSPECTS = """
SELECT s.view, s.key, r.digest, f.digest, f.entry, f.later IS NOT NULL
  FROM suspect s LEFT JOIN row r ON r.view = s.view AND r.key = s.key
                 LEFT JOIN feed f ON f.view = s.view AND f.key = s.key
"""

Trimmed = Callable[[int, str], bool]
"""Whether the stream that holds a key of a view has lost its oldest entries."""


class Candidate(NamedTuple):
    """A row that others find under a foreign key, with what they show of it."""

    lookup: int
    fk: str
    key: str
    text: str


class Said(NamedTuple):
    """What an entry of the feed says of a key. `later`: it knows of more than the time at which the database is
    read.
    """

    view: int
    key: str
    digest: bytes
    entry: str
    later: bool


class Suspect(NamedTuple):
    """A key of which the two differ, or of which the feed is further than the database was when it was read."""

    view: int
    key: str
    kind: Kind | None
    entry: str | None
    later: bool


class Ledger:
    """A temporary SQLite database, which SQLite removes from the folder as soon as it is made, so that nothing is left
    behind whatever happens. Memory is bounded by its page cache; disk by about 100 bytes a key.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put_rows(self, rows: Iterable[tuple[int, str, bytes]]) -> None:
        """Rows of the database: view, key and digest."""
        self._db.executemany("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", rows)

    def put_unreadable(self, view: int, key: str) -> None:
        """A row that cannot be written as a record; nothing is said of its key but that."""
        self._db.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?)", (view, key))

    def put_candidates(self, candidates: Iterable[Candidate]) -> None:
        """Of those under one foreign key the one with the smallest key is kept: it is what is joined."""
        self._db.executemany(
            "INSERT INTO candidate VALUES (?, ?, ?, ?) ON CONFLICT (lookup, fk) "
            "DO UPDATE SET key = excluded.key, text = excluded.text WHERE excluded.key < key",
            candidates,
        )

    def candidates(self, lookup: int, fks: Sequence[str]) -> Mapping[str, str]:
        """What is shown of the row under each foreign key that has one."""
        places = ",".join("?" * len(fks))
        found = self._db.execute(
            f"SELECT fk, text FROM candidate WHERE lookup = ? AND fk IN ({places})",  # noqa: S608  # places only
            (lookup, *fks),
        )
        return dict(cast("Iterable[tuple[str, str]]", found))

    def put_feed(self, entries: Iterable[Said]) -> None:
        """Entries in the order of their stream; of each key the last one counts, and the last that is not `later`."""
        for said in entries:
            if said.later:
                statement = (
                    "INSERT INTO feed (view, key, later, later_entry) VALUES (?, ?, ?, ?) ON CONFLICT (view, key) "
                    "DO UPDATE SET later = excluded.later, later_entry = excluded.later_entry"
                )
            else:
                statement = (
                    "INSERT INTO feed (view, key, digest, entry) VALUES (?, ?, ?, ?) ON CONFLICT (view, key) "
                    "DO UPDATE SET digest = excluded.digest, entry = excluded.entry, later = NULL, later_entry = NULL"
                )
            self._db.execute(statement, said[:4])

    def catch_up(self) -> None:
        """The database is about to be read at a later time: what was `later` is not so any more."""
        self._db.execute(
            "UPDATE feed SET digest = later, entry = later_entry, later = NULL, later_entry = NULL "
            "WHERE later IS NOT NULL"
        )

    def suspect(self, trimmed: Trimmed, *, limit: int) -> Counter[tuple[int, Kind]]:
        """Note the keys that are to be compared again: of those that differ or are `later`, the first `limit`.

        Returns what the others are, by view and kind: those beyond the limit, and the trimmed ones, for which another
        look would change nothing.
        """
        chosen: list[tuple[int, str]] = []
        others: Counter[tuple[int, Kind]] = Counter()
        for suspect in self._judged(_DIFFERING, trimmed):
            if len(chosen) < limit and (suspect.later or suspect.kind != "trimmed"):
                chosen.append((suspect.view, suspect.key))
            elif suspect.kind is not None:
                others[suspect.view, suspect.kind] += 1
        self._db.executemany("INSERT INTO suspect VALUES (?, ?)", chosen)
        return others

    @property
    def suspected(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM suspect").fetchone()[0])

    def suspects(self, view: int, *, after: str, limit: int) -> list[str]:
        """Some keys of a view that are to be compared again, in order."""
        found = self._db.execute(
            "SELECT key FROM suspect WHERE view = ? AND key > ? ORDER BY key LIMIT ?", (view, after, limit)
        )
        return [key for (key,) in found]

    def put_row_again(self, view: int, key: str, digest: bytes | None) -> None:
        """What the database says of a suspected key now; None: there is no such row."""
        if digest is None:
            self._db.execute("DELETE FROM row WHERE view = ? AND key = ?", (view, key))
        else:
            self.put_rows([(view, key, digest)])

    def clear(self, trimmed: Trimmed) -> int:
        """Drop the suspects that agree by now; returns how many are left."""
        agreed = [(s.view, s.key) for s in self._judged(_OF_SUSPECTS, trimmed) if s.kind is None]
        self._db.executemany("DELETE FROM suspect WHERE view = ? AND key = ?", agreed)
        return self.suspected

    def remaining(self, trimmed: Trimmed) -> Iterator[Suspect]:
        """The suspects as they are now."""
        yield from self._judged(f"{_OF_SUSPECTS} ORDER BY s.view, s.key", trimmed)

    def counts(self, views: int) -> list[Counts]:
        """By view, how many rows there are and how many cannot be read; no kinds yet."""
        rows = self._by_view("row")
        unreadable = self._by_view("unreadable")
        return [Counts(rows=rows[view] + unreadable[view], unreadable=unreadable[view]) for view in range(views)]

    def _by_view(self, table: str) -> Counter[int]:
        found = self._db.execute(f"SELECT view, count(*) FROM {table} GROUP BY view")  # noqa: S608  # our own names
        return Counter(dict(cast("Iterable[tuple[int, int]]", found)))

    def _judged(self, query: str, trimmed: Trimmed) -> Iterator[Suspect]:
        found = cast("Iterator[tuple[int, str, Any, Any, Any, int]]", self._db.execute(query))
        for view, key, row, record, entry, later in found:
            if self._is_unreadable(view, key):
                continue
            kind = kind_of(row, record, trimmed=record is None and row is not None and trimmed(view, key))
            yield Suspect(view, key, kind, entry, bool(later))

    def _is_unreadable(self, view: int, key: str) -> bool:
        query = "SELECT 1 FROM unreadable WHERE view = ? AND key = ?"
        return self._db.execute(query, (view, key)).fetchone() is not None


@contextmanager
def open_ledger() -> Generator[Ledger]:
    """A new ledger, gone when left. It lies in SQLITE_TMPDIR, TMPDIR, /var/tmp or /tmp, the first that is there.

    Raises `ConfigError` when that folder is full or cannot be written.
    """
    try:
        db = sqlite3.connect("", isolation_level=None)
        try:
            for setting in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
                db.execute(f"PRAGMA {setting}")
            db.executescript(_TABLES)
            db.execute("BEGIN")
            yield Ledger(db)
        finally:
            db.close()
    except sqlite3.Error as exc:
        raise ConfigError(
            f"the temporary file of the comparison cannot be written: {exc}; make room, or name another folder in "
            "SQLITE_TMPDIR"
        ) from exc
