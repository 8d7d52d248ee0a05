"""The files of one commit of one partition, while it is made. An edge: it writes files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from connectors.archive.files import ArchiveFile
from connectors.archive.layout import FileName, hour_of
from connectors.archive.patience import Patience
from connectors.archive.schema import ROW_GROUP, batch_of
from connectors.changes import Change

_ROW_GROUP_CHARACTERS = 32_000_000
"""Fewer rows go together when they are long, ..."""

_MOST_ROWS, _MOST_CHARACTERS = 8 * ROW_GROUP, 64_000_000
"""... and of many collections together no more than this waits for the rest of its row group."""

Place = tuple[str, str]
"""Collection and hour."""


class CommitFiles:
    """A file for each collection and hour of which there is a change. What fills a row group is written at once.

    `begin` is called before the first change of each commit; after its last one `finish`, `publish`.
    """

    def __init__(self, chapter: Path, partition: int, patience: Patience) -> None:
        self._chapter = chapter
        self._partition = partition
        self._patience = patience
        self._seq = 0
        self._n = 0
        self._pending: dict[Place, _Pending] = {}
        self._rows = self._characters = 0
        self._files: dict[Place, ArchiveFile] = {}

    def begin(self, seq: int) -> None:
        """What comes is of the commit with this number."""
        assert not self._pending
        assert not self._files
        self._seq, self._n = seq, 0

    def add(self, changes: Sequence[Change]) -> None:
        """More changes, in order."""
        n = self._n
        self._n += len(changes)
        for change in changes:
            place = change.collection, _hour(change.position[:8])
            pending = self._pending.get(place)
            if pending is None:
                pending = self._pending[place] = _Pending()
            size = characters(change)
            pending.changes.append(change)
            pending.numbers.append(n)
            pending.characters += size
            self._rows += 1
            self._characters += size
            n += 1
            if len(pending.changes) >= ROW_GROUP or pending.characters >= _ROW_GROUP_CHARACTERS:
                self._write(place)
        if self._rows >= _MOST_ROWS or self._characters >= _MOST_CHARACTERS:
            self._write_all()

    def finish(self) -> None:
        """All that was added is on the disk, in files that are still hidden. Raises `NotDurable`, `GaveUp`."""
        self._write_all()
        for file in self._files.values():
            file.finish()

    def publish(self) -> None:
        """The files have their names, durably; the commit is done."""
        for file in self._files.values():
            file.publish()
        for file in self._files.values():
            file.sync_folders()
        self._files = {}

    def discard(self) -> None:
        """What was not published is not there any more."""
        for file in self._files.values():
            file.discard()
        self._files = {}

    def _write_all(self) -> None:
        for place in list(self._pending):
            self._write(place)

    def _write(self, place: Place) -> None:
        pending = self._pending.pop(place)
        self._rows -= len(pending.changes)
        self._characters -= pending.characters
        batch = batch_of(pending.changes, seq=self._seq, numbers=pending.numbers)
        file = self._files.get(place)
        if file is None:
            collection, hour = place
            name = FileName("part", self._partition, self._seq, self._seq)
            file = ArchiveFile(
                self._chapter,
                collection=collection,
                hour=hour,
                name=name,
                schema=batch.schema,
                patience=self._patience,
            )
            self._files[place] = file
        file.add(batch)


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


@lru_cache(maxsize=1024)
def _hour(seconds: str) -> str:
    return hour_of(seconds)
