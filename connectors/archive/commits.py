"""The files of one commit of one partition, while it is made. An edge: it writes files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from connectors.archive.files import ArchiveFile
from connectors.archive.layout import FileName, hour_of
from connectors.archive.patience import Patience
from connectors.archive.schema import ROW_GROUP, batch_of
from connectors.changes import Change

_ROW_GROUP_CHARACTERS = 32_000_000
"""Fewer rows go together when they are long, ..."""

_MOST_ROWS, _MOST_CHARACTERS = 8 * ROW_GROUP, 64_000_000
"""... and of many collections together no more than this waits for the rest of its row group."""

_MOST_OPEN = 64
"""Files that are kept open: after a longer absence a commit can have one for each hour of each collection."""

Place = tuple[str, str]
"""Collection and hour."""


class CommitFiles:
    """A file for each collection and hour of which there is a change. What fills a row group is written at once.

    `begin` is called before the first change of each commit; after its last one `finish`, `publish`. `numbers` are
    those of each collection's last file.
    """

    def __init__(self, chapter: Path, partition: int, patience: Patience) -> None:
        self._chapter = chapter
        self._partition = partition
        self._patience = patience
        self._run = 0
        self._seq = 0
        self._n = 0
        self.numbers: dict[str, int] = {}
        self._number_of: dict[Place, int] = {}
        self._pending: dict[Place, _Pending] = {}
        self._rows = self._characters = 0
        self._files: dict[Place, ArchiveFile] = {}
        self._open: dict[Place, ArchiveFile] = {}

    def begin_run(self, run: int, numbers: Mapping[str, int]) -> None:
        """Before the first commit: whose files these are, and the number of the last file of each collection."""
        self._run = run
        self.numbers = dict(numbers)

    def begin(self, seq: int) -> None:
        """What comes is of the commit with this number."""
        assert not self._pending
        assert not self._files
        self._seq, self._n = seq, 0
        self._number_of = {}

    def add(self, changes: Sequence[Change], characters: int) -> None:
        """More changes, in order; about so many characters do they have together."""
        each = characters // max(1, len(changes))
        for place, start, stop in _runs(changes):
            pending = self._pending.get(place)
            if pending is None:
                pending = self._pending[place] = _Pending()
                self._count(place)
            count = stop - start
            pending.changes += changes[start:stop]
            pending.numbers += range(self._n, self._n + count)
            pending.characters += each * count
            self._n += count
            self._rows += count
            self._characters += each * count
            while len(pending.changes) >= ROW_GROUP:
                self._write(place, ROW_GROUP)
            if pending.characters >= _ROW_GROUP_CHARACTERS:
                self._write(place, len(pending.changes))
        if self._rows >= _MOST_ROWS or self._characters >= _MOST_CHARACTERS:
            self._write_all()

    def finish(self) -> None:
        """All that was added is on the disk, in files that are still hidden. Raises `NotDurable`, `GaveUp`."""
        for place, pending in self._pending.items():
            self._write(place, len(pending.changes))
            self._files[place].finish()  # one after the other: of many collections, not all need be open at once
        self._pending = {}
        for file in self._files.values():
            file.finish()

    def publish(self) -> None:
        """The files have their names, durably; the commit is done."""
        for file in self._files.values():
            file.publish()
        for file in self._files.values():
            file.sync_folders()
        self._files, self._open = {}, {}

    def discard(self) -> None:
        """What was not published is not there any more."""
        for file in self._files.values():
            file.discard()
        self._files, self._open = {}, {}

    def _count(self, place: Place) -> None:
        """One more file, unless it is known already."""
        if place not in self._number_of:
            self._number_of[place] = self.numbers[place[0]] = self.numbers.get(place[0], 0) + 1

    def _write_all(self) -> None:
        for place, pending in self._pending.items():
            self._write(place, len(pending.changes))
        self._pending = {}

    def _write(self, place: Place, count: int) -> None:
        """The first of what waits, as one row group."""
        pending = self._pending[place]
        if not count:
            return
        changes, pending.changes = pending.changes[:count], pending.changes[count:]
        numbers, pending.numbers = pending.numbers[:count], pending.numbers[count:]
        size = pending.characters * count // (count + len(pending.changes))
        pending.characters -= size
        self._rows -= count
        self._characters -= size
        batch = batch_of(changes, seq=self._seq, numbers=numbers)
        file = self._file(place, batch.schema)
        file.add(batch)
        self._open.pop(place, None)
        self._open[place] = file  # the last
        if len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open))).rest()

    def _file(self, place: Place, schema: pa.Schema) -> ArchiveFile:
        file = self._files.get(place)
        if file is None:
            number = self._number_of[place]
            name = FileName("part", self._partition, self._seq, self._seq, (number, number), self._run)
            file = ArchiveFile(
                self._chapter, collection=place[0], hour=place[1], name=name, schema=schema, patience=self._patience
            )
            self._files[place] = file
        return file


class _Pending:
    """Changes of one place that are not written yet, each with its number within the commit."""

    __slots__ = ("changes", "characters", "numbers")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.numbers: list[int] = []
        self.characters = 0


def characters(change: Change) -> int:
    """About how much room a change takes."""
    return len(change.after or "") + len(change.before or "")


def _runs(changes: Sequence[Change]) -> Iterator[tuple[Place, int, int]]:
    """Where changes of one place follow each other: from where to where."""
    start, collection, seconds = 0, "", ""
    for number, change in enumerate(changes):
        if change[0] != collection or change[3][:8] != seconds:
            if number:
                yield (collection, _hour(seconds)), start, number
            start, collection, seconds = number, change.collection, change.position[:8]
    if changes:
        yield (collection, _hour(seconds)), start, len(changes)


@lru_cache(maxsize=1024)
def _hour(seconds: str) -> str:
    return hour_of(seconds)
