"""The once-only rule of the sink: which records are written, given what the stream held when we came. Pure.

What the stream holds after the mark is its *tail*. A resumed job makes the records of the tail again, in another
interleaving perhaps, so that each key reaches or passes its last version there sooner or later. Until then a record is
written only if it is forward of that version; once every key has got there, the tail is settled and the mark may move
on. (A mark that moved earlier would forget the rest of the tail after a second crash, and duplicates would follow.)
Checkpoints taken meanwhile say which keys are still to be reached: those that are not will not be made again.

A key is reached by a version with the same answers, not only with as many changes under each foreign key: after an
equal number of them in another order the row may look different from what the stream says. What follows, for it must,
is written as following what the stream says, and until then that must be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from connectors.records import Record, Versions
from connectors.rows import changed_paths, loads
from connectors.stream_ids import parts

RowKey = tuple[str, str]
"""View and key."""


class Standing(NamedTuple):
    """The last entry of a key in the tail."""

    entry_id: str
    versions: Versions


class Mark(NamedTuple):
    """What the sink's checkpoint holds: a resumed job reads the stream after `entry_id`. `seen` is the stream's end at
    the checkpoint; of the keys whose last entry is not after it, the job makes only the `unreached` again.

    `anchored`: there was an entry of this id, and it is not ours to trim. Where it is gone, so may be some after it.
    `feed` tells whose streams they are: "" the job's own, else those of a replay. It means nothing in another feed.
    """

    entry_id: str
    seen: str
    unreached: frozenset[RowKey] = frozenset()
    anchored: bool = False
    feed: str = ""

    @classmethod
    def at(cls, entry_id: str, *, anchored: bool = False, feed: str = "") -> Mark:
        """The mark of a job that has reached everything up to this entry."""
        return cls(entry_id, entry_id, anchored=anchored, feed=feed)


class Tail:
    """The last version of each key that the stream holds after the mark, until we are past it."""

    def __init__(self, entries: Iterable[tuple[RowKey, Standing]] = (), mark: Mark | None = None) -> None:
        """`entries` in the order of the stream; of each key the last one counts. Without a mark all will be made
        again.
        """
        self._standing: dict[RowKey, Standing] = dict(entries)
        self._unreached = {
            row_key
            for row_key, standing in self._standing.items()
            if mark is None or parts(standing.entry_id) > parts(mark.seen) or row_key in mark.unreached
        }

    def __len__(self) -> int:
        """How many keys have not been reached again."""
        return len(self._unreached)

    @property
    def unreached(self) -> frozenset[RowKey]:
        return frozenset(self._unreached)

    @property
    def passed(self) -> bool:
        """Whether nothing is known that a record could be a duplicate of: all are to be written."""
        return not self._standing

    @property
    def settled(self) -> bool:
        """Whether every key of the tail has been reached or passed."""
        return not self._unreached

    def admit(self, record: Record) -> tuple[bool, Standing | None]:
        """Whether to write the record, and the entry that it comes after when the job may not know what that says."""
        if not self._standing:
            return True, None
        row_key = (record.view, record.key)
        standing = self._standing.get(row_key)
        if standing is None:
            return True, None
        if record.versions.settles(standing.versions):
            self._unreached.discard(row_key)
            if not record.versions.lookups:
                del self._standing[row_key]
        if not record.versions.is_forward_of(standing.versions):
            return False, None
        self._standing.pop(row_key, None)
        self._unreached.discard(row_key)
        return True, standing


def reach(record: Record) -> str:
    """The position up to which a record tells of its row: that of the row's version, or of a later cause."""
    return max(record.position, record.versions.row)


def following(record: Record, standing: Versions, last_after: str | None) -> Record:
    """The record as it must read after an entry that an earlier run wrote.

    That run may have joined in another order, so `before` is what the stream says. If the row version is in the stream
    already, this is an update that a lookup caused, whatever it was when it came. `last_after` is None when the entry
    holds no row or was trimmed meanwhile.
    """
    if record.versions.row == standing.row:
        record = record._replace(op="u", cause=record.cause or record.versions.raised_since(standing))
    elif record.op in ("c", "r") or last_after is None:
        return record
    if last_after is None:
        return record._replace(before=None, changed=record.changed or ())
    changed = record.changed
    if record.op == "u" and record.after is not None:
        changed = tuple(changed_paths(loads(last_after), loads(record.after)))
    return record._replace(before=last_after, changed=changed)
