"""Row groups of files that are sorted by key are of so many rows, or of so much text: long rows need little memory."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.archive.chapter import read_chapter
from connectors.archive.compaction import compact, groups
from connectors.archive.files import ArchiveFile
from connectors.archive.folding import fold
from connectors.archive.layout import IMAGE_HOUR, FileName
from connectors.archive.patience import Patience
from connectors.archive.reading import emitted, from_image
from connectors.archive.schema import ROW_GROUP, ROW_GROUP_BYTES, batch_of
from connectors.archive.sorted_files import SortedFile
from connectors.archive.sorting import ExternalSort
from connectors.archive.tables import group_sizes
from connectors.changes import Change
from tests.connectors.archive.archives import HOUR_S, Archive, at, change

MB = 1 << 20


def long(key: str, position: str, *, size: int = MB) -> Change:
    return change(key, position)._replace(after=f'{{"text":"{"x" * size}"}}')


def sizes(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=30), st.integers(1, 9), st.integers(1, 99))
def test_rows_go_together_in_order_within_both_limits(
    texts: list[tuple[int, int]], most_rows: int, most_bytes: int
) -> None:
    changes = [change("a", at(0))._replace(before="b" * b, after="a" * a) for b, a in texts]
    if not changes:
        return
    table = pa.Table.from_batches([batch_of(changes, seq=1, numbers=range(len(changes)))])
    found = group_sizes(table, most_rows=most_rows, most_bytes=most_bytes)
    assert sum(found) == len(texts)
    at_row = 0
    for rows in found:
        assert 1 <= rows <= most_rows
        assert rows == 1 or sum(b + a for b, a in texts[at_row : at_row + rows]) <= most_bytes
        at_row += rows


def test_a_table_of_no_rows_has_no_groups() -> None:
    table = pa.Table.from_batches([batch_of([change("a", at(0))], seq=1, numbers=[0])]).slice(1)
    assert group_sizes(table, most_rows=5, most_bytes=0) == []


def test_long_rows_are_few_in_a_row_group_and_short_ones_many(tmp_path: Path) -> None:
    rows = [long("a", at(0)) for _ in range(20)] + [change("b", at(1)) for _ in range(ROW_GROUP + 5)]
    table = pa.Table.from_batches([batch_of(rows, seq=1, numbers=range(len(rows)))])
    file = SortedFile(tmp_path / "file", table.schema, step=lambda _: None)
    for offset in range(0, len(rows), 3000):
        file.add(table.slice(offset, 3000))
    file.publish()
    in_groups = sizes(tmp_path / "file")
    assert in_groups[:2] == [7, 7]
    assert max(in_groups) == ROW_GROUP
    assert pq.read_table(tmp_path / "file").num_rows == len(rows)


def test_an_image_of_long_rows_in_any_order_has_small_row_groups(tmp_path: Path) -> None:
    def make(schema: pa.Schema) -> ArchiveFile:
        name = FileName("image", 0, 1, 1)
        return ArchiveFile(
            tmp_path, collection="films", hour=IMAGE_HOUR, name=name, schema=schema, patience=Patience("test")
        )

    file = ExternalSort(make)
    for number in range(80):
        file.add(long(f"{number * 37 % 80:02d}", at(0)), number)
    written = file.finish()
    assert written is not None
    written.publish()
    assert max(sizes(written.published)) * MB <= ROW_GROUP_BYTES
    keys = pq.read_table(written.published, columns=["key"], partitioning=None).column(0).to_pylist()
    assert keys == [f"{number:02d}" for number in range(80)]


def test_pieces_of_long_rows_are_short(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.commit([long("a", at(1)) for _ in range(40)])
    pieces = list(emitted(tmp_path, archive.chapter, {}, upper=at(9), order=("comments",)))
    assert [len(piece.rows) for piece in pieces] == [16, 16, 8]


@contextmanager
def peak_mb(found: list[int]) -> Generator[None]:
    """The most memory that this process has meanwhile, more than before."""

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) >> 10

    pa.default_memory_pool().release_unused()
    before, is_over = resident(), threading.Event()
    most = [before]

    def watch() -> None:
        while not is_over.wait(0.005):
            most[0] = max(most[0], resident())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        found.append(most[0] - before)


# Its peak is read every few milliseconds from a file that only Linux has; the group sizes are tested everywhere.
@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
def test_folding_gigabytes_of_long_rows_needs_less_memory_than_there_is_text(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for number in range(100):
        archive.commit([long(f"{(number * 20 + n) * 997 % 2000:04d}", at(number)) for n in range(20)], group=20)
    archive.commit([change("z", at(3 * HOUR_S))])
    archive.progress(at(3 * HOUR_S + 1))
    peaks: list[int] = []
    with peak_mb(peaks):
        for group in groups(tmp_path, archive.chapter.name):
            compact(tmp_path, group)
    with peak_mb(peaks):
        fold(tmp_path, archive.chapter.name, "2027-01-15T08")
    assert max(peaks) < 1200
    chapter = read_chapter(archive.folder)
    assert sum(len(piece.rows) for piece in from_image(tmp_path, chapter, order=("comments",))) == 2000
