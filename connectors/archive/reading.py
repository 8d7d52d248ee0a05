"""A chapter's changes in the order in which the job emitted them. An edge: it reads files.

Within a partition that is the order of commits and of the numbers within them; the partitions are merged by position,
then by the order in which the job reads collections. What was emitted may be read on from the cursors of any piece.

In memory is, of each file that is being read, a row group of a part, or a whole segment, which is sorted by key and has
to be put back in order; of one collection and partition seldom more than one is being read.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive import tables
from connectors.archive.chapter import Chapter
from connectors.archive.layout import IMAGE, WHOLE, hour_of, image_number
from connectors.archive.listing import Contents, StoredFile, bounds, contents, opened, within
from connectors.archive.tables import Row, rows_of, text_of
from connectors.errors import ConfigError

_PIECE, _PIECE_CHARACTERS = 1_000, 16_000_000


class Cursor(NamedTuple):
    """The last change that was read of a partition: its commit, and its number within it (`WHOLE`: all of it)."""

    seq: int
    n: int


START = Cursor(0, -1)


class Piece(NamedTuple):
    """Some changes of one partition, each with its collection, and the cursor after the last of them."""

    partition: int
    rows: list[tuple[str, Row]]
    cursor: Cursor


def emitted(
    root: Path, chapter: Chapter, cursors: Mapping[int, Cursor], *, upper: str, order: Sequence[str]
) -> Iterator[Piece]:
    """The changes after `cursors` (missing: from the beginning) with positions up to `upper`, of the collections in
    `order`, that the chapter's image does not hold.

    Raises `ConfigError` when a file is damaged, or when retention has put changes that come next into the image.
    """
    rank = {name: number for number, name in enumerate(order)}
    streams = [
        _emitted_of(root, chapter, partition, cursors.get(partition, START), upper=upper, only=order)
        for partition in range(chapter.partitions)
    ]
    heads: list[tuple[str, int, int, _Found]] = []

    def follow(partition: int) -> None:
        if (found := next(streams[partition], None)) is not None:
            heapq.heappush(heads, (found.row["position"], rank[found.collection], partition, found))

    for partition in range(chapter.partitions):
        follow(partition)
    while heads:
        partition = heads[0][2]
        rows: list[tuple[str, Row]] = []
        cursor, size = START, 0
        while heads and heads[0][2] == partition and len(rows) < _PIECE and size < _PIECE_CHARACTERS:
            found = heapq.heappop(heads)[3]
            rows.append((found.collection, found.row))
            size += text_of(found.row)
            cursor = Cursor(found.seq, found.n)
            follow(partition)
        yield Piece(partition, rows, cursor)


def from_image(root: Path, chapter: Chapter, *, order: Sequence[str], after: Cursor = START) -> Iterator[Piece]:
    """The rows of the image, collection by collection, after a piece's cursor; partition is `IMAGE`.

    Nothing comes when the image is in the first reading's changes, as in a job's first chapter: then `emitted` begins
    with it. Raises `ConfigError` when a file is damaged, or when retention has replaced the image since.
    """
    number = image_number(chapter.begin)
    while True:
        held = contents(root, chapter.name)
        if held.chapter.begin != chapter.begin or after.seq not in (START.seq, number):
            raise _folded(root, held.chapter)
        try:
            for name, rows, last in _image_rows(held, order, skipped=after.n + 1):
                after = Cursor(number, last)
                yield Piece(IMAGE, [(name, row) for row in rows], after)
        except FileNotFoundError:
            continue
        return


def rows_left(
    root: Path, chapter: Chapter, cursors: Mapping[int, Cursor], upper: str, *, order: Sequence[str] | None = None
) -> int:
    """How many changes `emitted` has still to give; `order` None: of all collections."""
    while True:
        of_each = {partition: cursors.get(partition, START) for partition in range(chapter.partitions)}
        held = _held(root, chapter, of_each)
        begin, left = held.chapter.begin, 0
        try:
            for partition, cursor in of_each.items():
                for file in _of_partition(held, partition, cursor, upper=upper, only=order):
                    left += _count(file, cursor, begin=begin, upper=upper)
        except FileNotFoundError:
            continue
        return left


def rows_of_image(root: Path, chapter: Chapter, *, order: Sequence[str]) -> int:
    """How many rows `from_image` gives from the beginning."""
    while True:
        try:
            return sum(_length(file) for file in _of_image(contents(root, chapter.name), order))
        except FileNotFoundError:
            continue


# --- a partition's changes, in order ---------------------------------------------------------------------------------


class _Found(NamedTuple):
    seq: int
    n: int
    collection: str
    row: Row


def _emitted_of(
    root: Path, chapter: Chapter, partition: int, cursor: Cursor, *, upper: str, only: Iterable[str]
) -> Iterator[_Found]:
    while True:
        held = _held(root, chapter, {partition: cursor})
        files = _of_partition(held, partition, cursor, upper=upper, only=only)
        try:
            for found in _in_order(files, cursor, begin=held.chapter.begin, upper=upper):
                cursor = Cursor(found.seq, found.n)
                yield found
        except FileNotFoundError:  # compaction has put its rows elsewhere, or retention into the image
            continue
        return


def _held(root: Path, chapter: Chapter, cursors: Mapping[int, Cursor]) -> Contents:
    """What the chapter holds now, if that is all that comes after the cursors."""
    held = contents(root, chapter.name)
    for partition, cursor in cursors.items():
        folded = Cursor(*held.chapter.folded.get(str(partition), START))
        if cursor < folded and (cursor != START or held.chapter.begin != chapter.begin):
            raise _folded(root, held.chapter)
    return held


def _folded(root: Path, chapter: Chapter) -> ConfigError:
    return ConfigError(
        f"archive chapter {root / chapter.name}: retention has put changes up to {chapter.begin} into its image, some "
        "of which were still to be read; begin anew, or restore the folder from a copy"
    )


def _of_partition(
    held: Contents, partition: int, cursor: Cursor, *, upper: str, only: Iterable[str] | None
) -> list[StoredFile]:
    """The files that may hold changes after the cursor, by first commit. Raises `ConfigError` when one is missing."""
    last_hour = hour_of(upper)
    wanted = None if only is None else frozenset(only)
    after = cursor.seq if cursor.n == WHOLE else max(0, cursor.seq - 1)
    held.require(upper=upper, collections=wanted, partition=partition, after=after)
    found = [
        file
        for file in held.files
        if not file.is_image
        and file.name.partition == partition
        and file.hour <= last_hour
        and Cursor(file.name.last, WHOLE) > cursor
        and (wanted is None or file.collection in wanted)
    ]
    return sorted(found, key=lambda file: (file.name.first, file.name.last))


def _in_order(files: Sequence[StoredFile], cursor: Cursor, *, begin: str, upper: str) -> Iterator[_Found]:
    """The rows of all these files by commit and number. A file is opened when its own turn has come: one commit can
    have more of them than a process may have open, for there is one for each hour of each collection.
    """
    waiting = deque(files)
    heads: list[tuple[int, int, int, _Found | None, Iterator[_Found]]] = []
    files_begun = 0
    while waiting or heads:
        while waiting and (not heads or waiting[0].name.first <= heads[0][0]):
            file = waiting.popleft()
            files_begun += 1
            rows = _rows_after(file, cursor, begin=begin, upper=upper)
            heapq.heappush(heads, (file.name.first, _least_number(file), files_begun, None, rows))
        _, _, number, found, rows = heads[0]
        if found is not None:
            yield found
        if (following := next(rows, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.seq, following.n, number, following, rows))


def _least_number(file: StoredFile) -> int:
    """No change of a file has a smaller number within its commit."""
    with opened(file) as parquet:
        ranges = [bounds(parquet.metadata, group, "n") for group in range(parquet.num_row_groups)]
    return min((0 if found is None else found[0] for found in ranges), default=0)


def _rows_after(file: StoredFile, cursor: Cursor, *, begin: str, upper: str) -> Iterator[_Found]:
    with opened(file) as parquet:
        pieces = _of_segment if file.name.kind == "segment" else _of_part
        for piece in pieces(parquet, lambda table: _counting(table, cursor, begin=begin, upper=upper)):
            for row in rows_of(piece):
                yield _Found(row["seq"], row["n"], file.collection, row)


def _of_segment(parquet: pq.ParquetFile, counting: Callable[[pa.Table], pa.Table]) -> Iterator[pa.Table]:
    """Put back in the order in which they were emitted, not all at once: they would be in memory twice."""
    table = counting(parquet.read(use_threads=False)).combine_chunks()
    order = tables.order_of(table, ("seq", "n"))
    for offset in range(0, table.num_rows, _PIECE):
        yield table.take(order.slice(offset, _PIECE))


def _of_part(parquet: pq.ParquetFile, counting: Callable[[pa.Table], pa.Table]) -> Iterator[pa.Table]:
    for group in range(parquet.num_row_groups):
        table = counting(parquet.read_row_group(group, use_threads=False))
        for offset in range(0, table.num_rows, _PIECE):
            yield table.slice(offset, _PIECE)


def _counting(table: pa.Table, cursor: Cursor, *, begin: str, upper: str) -> pa.Table:
    """The rows after the cursor that count."""
    return tables.after(tables.between(table, begin, upper), *cursor)


def _count(file: StoredFile, cursor: Cursor, *, begin: str, upper: str) -> int:
    with opened(file) as parquet:
        if file.name.first > cursor.seq and within(parquet.metadata, begin=begin, upper=upper):
            return parquet.metadata.num_rows
        table = parquet.read(columns=["position", "seq", "n"], use_threads=False)
        return _counting(table, cursor, begin=begin, upper=upper).num_rows


# --- the image -------------------------------------------------------------------------------------------------------


def _of_image(held: Contents, order: Sequence[str]) -> list[StoredFile]:
    held.require_image(order)
    rank = {name: number for number, name in enumerate(order)}
    found = [file for file in held.files if file.is_image and file.collection in rank]
    return sorted(found, key=lambda file: (rank[file.collection], file.name.partition))


def _image_rows(held: Contents, order: Sequence[str], *, skipped: int) -> Iterator[tuple[str, list[Row], int]]:
    """Rows of one collection, and the last one's number within the whole image; without the first `skipped`."""
    number = 0
    for file in _of_image(held, order):
        with opened(file) as parquet:
            for group in range(parquet.num_row_groups):
                length = parquet.metadata.row_group(group).num_rows
                if number + length > skipped:
                    table = parquet.read_row_group(group, use_threads=False).slice(max(0, skipped - number))
                    at = max(number, skipped)
                    for offset in range(0, table.num_rows, _PIECE):
                        rows = rows_of(table.slice(offset, _PIECE))
                        yield file.collection, rows, at + offset + len(rows) - 1
                number += length


def _length(file: StoredFile) -> int:
    with opened(file) as parquet:
        return parquet.metadata.num_rows
