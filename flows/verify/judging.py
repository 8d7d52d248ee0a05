"""What a row of the database and the last record of its key say of each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple

from connectors.records import Record
from connectors.rows import canonical_dumps, loads

Kind = Literal["missing", "stale", "extra", "trimmed", "changing"]
"""`missing`: the feed does not have the row. `stale`: it has another state of it. `extra`: it has a row that the
database has not. These are drift. `trimmed`: the record may have left a stream that has been trimmed. `changing`: the
row changed at each look, so that the two could not be caught at one time.
"""

DRIFT: tuple[Kind, ...] = ("missing", "stale", "extra")

NO_ROW = b""
"""The digest of a record that says that there is no row."""

UNKNOWN = b"?"
"""The digest of a record that does not say what the row is: it was gone before it could be read."""

_DIGEST_BYTES = 16


def digest_of(text: str) -> bytes:
    """What tells a row's JSON text from any other; the order of fields does not count."""
    return blake2b(canonical_dumps(loads(text)).encode(), digest_size=_DIGEST_BYTES).digest()


def digest_of_record(record: Record) -> bytes:
    """The digest of the state that a record leaves its key in."""
    if record.after is not None:
        return digest_of(record.after)
    return NO_ROW if record.op == "d" else UNKNOWN


def moment_of(record: Record) -> str:
    """The latest position that the record knows of; it may say more than the database did before that."""
    positions = (v.position for v in record.versions.lookups.values() if v.position is not None)
    return max(record.position, record.versions.row, *positions)


def kind_of(row: bytes | None, record: bytes | None, *, trimmed: bool) -> Kind | None:
    """How a row and the last record of its key differ, None when they agree; both are digests, None where there is
    none. `trimmed`: the stream of that key has lost its oldest entries.
    """
    if row is None:
        return None if record is None or record == NO_ROW else "extra"
    if record is None:
        return "trimmed" if trimmed else "missing"
    if record == NO_ROW:
        return "missing"
    return None if row == record else "stale"


class Counts(NamedTuple):
    """One view: how many rows the database has, and of how many keys the two differ, by kind. `unreadable` rows cannot
    be written as records at all.
    """

    rows: int = 0
    missing: int = 0
    stale: int = 0
    extra: int = 0
    trimmed: int = 0
    changing: int = 0
    unreadable: int = 0

    @property
    def drift(self) -> int:
        return self.missing + self.stale + self.extra


class Difference(NamedTuple):
    """One key. `entry` is the id of its last record, None when there is none; `paths` are the leaves in which a stale
    row differs, None when they cannot be told any more. `letter` is the id of a dead letter of the same key.
    """

    kind: Kind
    view: str
    key: str
    entry: str | None = None
    paths: tuple[str, ...] | None = ()
    letter: str | None = None


class Report(NamedTuple):
    """The outcome. `position` and `at_ms` are the time of the database; `job` is `running`, `stopped` or `none`, and
    `feed_ms` the time up to which it had read (None: unknown). `entries` were read from the streams, `strays` of them
    are no records of a view or stand in the wrong stream. `rounds` is how often differing keys were compared.
    """

    position: str
    at_ms: int
    job: str
    feed_ms: int | None
    views: Mapping[str, Counts]
    differences: tuple[Difference, ...]
    entries: int
    strays: int
    rounds: int
    seconds: float

    @property
    def drift(self) -> int:
        return sum(counts.drift for counts in self.views.values())
