"""What the feed said of each row before the collections were read again, so that only what differs is written. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from connectors.once import RowKey
from connectors.records import Record
from connectors.rows import canonical_dumps, changed_paths, loads

_DIGEST_SIZE = 16


class Said(NamedTuple):
    """The last entry of a row in the feed: its id, and what it says. `digest` None: that there is no such row."""

    entry_id: str
    digest: bytes | None


def digest_of(after: str) -> bytes:
    """What tells two rows apart, whatever the order of their fields."""
    return hashlib.blake2b(canonical_dumps(loads(after)).encode(), digest_size=_DIGEST_SIZE).digest()


def said(entry_id: str, op: str, after: str | None) -> Said:
    """An update whose row was gone when it was looked up says nothing certain: it differs from every row."""
    if op == "d":
        return Said(entry_id, None)
    return Said(entry_id, b"" if after is None else digest_of(after))


class FeedBefore:
    """The last of each row that the feed held when the reading at `position` began; rows that were trimmed are not in
    it.
    """

    def __init__(self, position: str, entries: Iterable[tuple[RowKey, Said]]) -> None:
        """`entries` in the order of the stream; of each row the last one counts."""
        self._position = position
        self._said: dict[RowKey, Said] = dict(entries)

    def admit(self, record: Record) -> tuple[bool, Said | None]:
        """Whether to write the record, and the entry that it comes after when the job may not know what that says.

        Only what was read again is held against the feed: `r`, and `d` of rows that were found gone. Each row is read
        once, so what the feed said of it is forgotten then.
        """
        if record.versions.row != self._position or record.cause is not None:
            return True, None
        before = self._said.pop((record.view, record.key), None)
        if before is None or before.digest is None:
            return record.op != "d", None
        if record.after is not None and digest_of(record.after) == before.digest:
            return False, None
        return True, before


def as_differing(record: Record, before: str | None) -> Record:
    """A record that was read again as it must stand after a row that differs from it.

    Where only what was looked up differs, it is an update that a lookup caused. `before` None: it cannot be told.
    """
    if before is None or record.after is None:
        return record._replace(before=before)
    changed = changed_paths(loads(before), loads(record.after))
    causes = {path.partition(".")[0] for path in changed}
    if not causes or not causes.issubset(record.versions.lookups):
        return record._replace(before=before)
    cause = next(name for name in record.versions.lookups if name in causes)
    return record._replace(op="u", cause=cause, before=before, changed=tuple(changed))
