"""Rows of one collection and partition, which come in any order, into one file that is sorted by key. An edge."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive.commits import characters
from connectors.archive.files import ArchiveFile
from connectors.archive.schema import ROW_GROUP, ROW_GROUP_BYTES, batch_of
from connectors.archive.tables import Row, text_of
from connectors.bounded import bounded
from connectors.changes import Change

_AT_ONCE, _AT_ONCE_CHARACTERS = 50_000, 32_000_000
"""Rows that are sorted in memory."""

_MERGED_AT_ONCE = 16
_PIECE = 500

_T = TypeVar("_T")


class ExternalSort:
    """Rows that come by key, as those whose keys are ObjectIds do, are written as they come. Others go into a file for
    each stretch that does, and these are merged in the end.
    """

    def __init__(self, make: Callable[[pa.Schema], ArchiveFile]) -> None:
        """`make` gives a new file of these columns, hidden, for the same place each time."""
        self._make = make
        self._pending: list[tuple[Change, int]] = []
        self._characters = 0
        self._last_key = ""
        self._runs: list[ArchiveFile] = []

    def add(self, change: Change, number: int) -> None:
        """A row, and its number within the whole."""
        self._pending.append((change, number))
        self._characters += characters(change)
        if len(self._pending) >= _AT_ONCE or self._characters >= _AT_ONCE_CHARACTERS:
            self._write()

    def finish(self) -> ArchiveFile | None:
        """The one file, durable and to be published; None when there are no rows."""
        self._write()
        while len(self._runs) > 1:
            merged = self._runs[:_MERGED_AT_ONCE]
            self._runs = [*self._runs[_MERGED_AT_ONCE:], self._merged(merged)]
            for run in merged:
                run.discard()
        if not self._runs:
            return None
        self._runs[0].finish()
        return self._runs[0]

    def _write(self) -> None:
        pending, self._pending, self._characters = self._pending, [], 0
        if not pending:
            return
        pending.sort(key=lambda one: one[0].key)
        follows = bool(self._runs) and self._last_key < pending[0][0].key
        self._last_key = pending[-1][0].key
        for group in _groups(pending, lambda one: characters(one[0])):
            changes, numbers = zip(*group, strict=True)
            batch = batch_of(changes, seq=0, numbers=numbers)
            if not follows:
                if self._runs:
                    self._runs[-1].finish()
                self._runs.append(self._make(batch.schema))
                follows = True
            self._runs[-1].add(batch)

    def _merged(self, runs: list[ArchiveFile]) -> ArchiveFile:
        for run in runs:
            run.finish()
        with ExitStack() as stack:
            files = [stack.enter_context(pq.ParquetFile(run.hidden, pre_buffer=False)) for run in runs]
            schema = files[0].schema_arrow
            whole = self._make(schema)
            rows = heapq.merge(*map(_rows, files), key=lambda row: row["key"])
            for group in _groups(rows, text_of):
                whole.add(pa.RecordBatch.from_pylist(group, schema=schema))
        return whole


def _groups(rows: Iterable[_T], text: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Rows that go together, each of so much text."""
    return bounded(rows, text, most=ROW_GROUP, most_size=ROW_GROUP_BYTES)


def _rows(file: pq.ParquetFile) -> Iterator[Row]:
    for batch in file.iter_batches(batch_size=_PIECE, use_threads=False):
        yield from batch.to_pylist()
