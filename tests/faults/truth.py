"""What really happened: every version of every row, and between which cluster times it came to be. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from bson.timestamp import Timestamp

from tests.acceptance.oracle import Document, RowKey
from tests.faults.history import Batch


class Version(NamedTuple):
    """A row from one change on, None if that removed it; the change's position is after `since`, not after `until`."""

    row: Document | None
    since: str
    until: str

    def may_be_at(self, position: str) -> bool:
        return self.since < position[:16] <= self.until


class Made(NamedTuple):
    """Changes that were made at once, as with `Version`; `began_ms` and `ended_ms` (Unix) are the writer's clock."""

    batch: Batch
    since: str
    until: str
    began_ms: int
    ended_ms: int


class Truth:
    """Rows as they were, in the order in which they were written. One thread adds, others read when it has ended."""

    def __init__(self) -> None:
        self._versions: defaultdict[RowKey, list[Version]] = defaultdict(list)
        self.log: list[Made] = []
        self.changes = 0

    def add(self, batch: Batch, since: str, until: str, *, began_ms: int = 0, ended_ms: int = 0) -> None:
        self.log.append(Made(batch, since, until, began_ms, ended_ms))
        for op in batch:
            self._versions[op.row_key].append(Version(op.after, since, until))
            self.changes += 1

    def rows_after(self, count: int) -> dict[RowKey, Document]:
        """The rows that there were when so many of the log's entries had been made."""
        found: dict[RowKey, Document] = {}
        for op in (op for made in self.log[:count] for op in made.batch):
            if op.after is None:
                found.pop(op.row_key, None)
            else:
                found[op.row_key] = op.after
        return found

    def of(self, row_key: RowKey) -> list[Version]:
        """The versions of a row, the oldest first."""
        return self._versions.get(row_key, [])

    def rows(self) -> list[RowKey]:
        return list(self._versions)

    def named(self, collection: str, position: str, *, snapshot: bool, images: bool = True) -> Iterator[Document]:
        """The rows of a collection whose version a position may name: those that changed there or, with `snapshot`,
        those that there were. Without images a change that was told late has its row as it was then: also later ones.
        """
        for (name, _), versions in self._versions.items():
            if name == collection:
                found = alive(versions, position) if snapshot else [v for v in versions if v.may_be_at(position)]
                if found and not (images or snapshot):
                    found = versions[versions.index(found[0]) :]
                yield from (version.row for version in found if version.row is not None)


def alive(versions: list[Version], position: str) -> list[Version]:
    """The versions that may have been the newest at a position; nearly always one, none before the first."""
    return [
        version
        for i, version in enumerate(versions)
        if version.since < position and (i + 1 == len(versions) or versions[i + 1].until > position)
    ]


def surely_alive(versions: list[Version], position: str) -> bool | None:
    """Whether there was a row at a position; None when the times do not tell."""
    before = [version for version in versions if version.until <= position]
    if any(version.since < position < version.until for version in versions):
        return None
    return bool(before) and before[-1].row is not None


def position_of(time: Timestamp | None) -> str:
    """A cluster time as positions begin: 16 hex digits."""
    return f"{time.time:08x}{time.inc:08x}" if time is not None else "0" * 16
