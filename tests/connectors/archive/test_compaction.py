"""Parts become segments, and nothing that is read changes by that, wherever it is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from connectors.archive import compaction
from connectors.archive.chapter import Progress, write_progress
from connectors.archive.compaction import MANY_PARTS, clean, clean_hidden, compact, groups, leftovers, text_bytes
from connectors.archive.listing import Contents, contents, listed
from connectors.archive.reading import emitted
from connectors.archive.versions import Versions
from connectors.errors import ConfigError
from tests.connectors.archive.archives import BASE_S, HOUR_S, Archive, at, change
from tests.connectors.archive.limits import files_of_at_most

EVER = at(100 * HOUR_S)
HOUR = "collection=comments/hour=2027-01-15T08"


def two_hours(root: Path) -> Archive:
    """Three commits of the first hour, one that goes over its end, all of them durable."""
    archive = Archive(root)
    archive.commit([change("b", at(0), op="r"), change("a", at(0), op="r")])
    archive.commit([change("a", at(5)), change("b", at(6)), change("a", at(7), op="d")])
    archive.commit([change("c", at(HOUR_S - 1), op="c"), change("c", at(HOUR_S))])
    archive.progress(at(HOUR_S + 1))
    return archive


def everything(archive: Archive) -> list[object]:
    pieces = emitted(archive.root, archive.chapter, {}, upper=EVER, order=("comments",))
    return [(name, row) for piece in pieces for name, row in piece.rows]


def compact_all(archive: Archive, *, is_closed: bool = False) -> None:
    for group in groups(archive.root, archive.chapter.name, is_closed=is_closed):
        compact(archive.root, group)


def test_an_hour_that_is_over_becomes_a_segment_sorted_by_key_and_position(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    before = everything(archive)
    compact_all(archive)
    assert archive.names() == [
        f"{HOUR}/segment-000-0000000001-0000000003-00000001-00000003.parquet",
        "collection=comments/hour=2027-01-15T09/part-000-0000000003-0000000003-00000004-00000004.parquet",
    ]
    table = pq.read_table(archive.folder / archive.names()[0], partitioning=None)
    assert table.column("key").to_pylist() == ["a", "a", "a", "b", "b", "c"]
    assert everything(archive) == before
    assert groups(archive.root, archive.chapter.name) == []


def test_an_hour_that_ended_with_the_job_is_compacted_too(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    compact_all(archive, is_closed=True)
    assert not any("part-" in name for name in archive.names())


def test_what_the_job_writes_while_leftovers_are_looked_for_is_none(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    held = contents(archive.root, archive.chapter.name)
    archive.commit([change("d", at(HOUR_S + 2), op="c")])
    assert leftovers(held, listed(archive.folder)) == []


def test_what_the_job_may_take_back_is_not_touched(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    archive.progress(at(HOUR_S + 1), durable=2)
    assert groups(archive.root, archive.chapter.name) == []


def test_what_is_no_longer_durable_when_the_segment_is_ready_stays_as_it_was(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    (group,) = groups(archive.root, archive.chapter.name)
    archive.progress(at(HOUR_S + 1), durable=1)
    names = archive.names()
    with pytest.raises(FileNotFoundError):
        compact(archive.root, group)
    assert archive.names() == names


def test_many_parts_of_the_hour_that_goes_on_become_a_segment_and_later_one_with_the_rest(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for second in range(MANY_PARTS):
        archive.commit([change("a", at(second))])
    archive.progress(at(MANY_PARTS))
    assert groups(archive.root, archive.chapter.name) == []
    archive.commit([change("a", at(MANY_PARTS))])
    archive.progress(at(MANY_PARTS))
    compact_all(archive)
    assert archive.names() == [f"{HOUR}/segment-000-0000000001-0000000061-00000001-00000061.parquet"]
    archive.commit([change("a", at(HOUR_S - 1))])
    archive.progress(at(HOUR_S))
    compact_all(archive)
    assert archive.names() == [f"{HOUR}/segment-000-0000000001-0000000062-00000001-00000062.parquet"]
    assert len(everything(archive)) == MANY_PARTS + 2


def test_segments_are_no_larger_than_they_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    for second in range(6):
        archive.commit([change(f"key {number}", at(second, number)) for number in range(5)])
    archive.progress(at(HOUR_S))
    largest = max(text_bytes(file) for file in listed(archive.folder))
    monkeypatch.setattr(compaction, "SEGMENT_BYTES", 2 * largest)
    before = everything(archive)
    compact_all(archive)
    assert len(archive.names()) == 3
    assert everything(archive) == before


def test_cut_off_before_any_step_it_leaves_all_as_it_was_for_readers(tmp_path: Path) -> None:
    number = 0
    is_cut_off = True
    while is_cut_off:
        archive = two_hours(tmp_path / str(number))
        before = everything(archive)
        (group,) = groups(archive.root, archive.chapter.name)
        is_cut_off = cut_off(partial(compact, archive.root, group), number)
        assert everything(archive) == before
        clean(archive.root, archive.chapter.name)
        clean_hidden(archive.root, archive.chapter.name)
        assert everything(archive) == before
        compact_all(archive)
        assert len(archive.names()) == 2
        assert not list(archive.folder.rglob(".*"))
        number += 1
    assert number > 6


class CutOff(BaseException):
    """What a test lets happen in the middle of a work."""


def cut_off(work: Callable[..., object], steps: int) -> bool:
    """Do a work up to a number of steps; whether that was before its end."""
    left = [steps]

    def step(_doing: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise CutOff

    try:
        work(step=step)
    except CutOff:
        return True
    return False


KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from connectors.archive.compaction import compact, groups

left = int(sys.argv[3])
def step(doing):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

root = Path(sys.argv[1])
for group in groups(root, sys.argv[2]):
    compact(root, group, step=step)
"""


@pytest.mark.parametrize("steps", [2, 4])
def test_killed_in_the_middle_it_can_be_done_again(tmp_path: Path, steps: int) -> None:
    archive = two_hours(tmp_path)
    before = everything(archive)
    command = [sys.executable, "-c", KILLED, str(tmp_path), archive.chapter.name, str(steps)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert everything(archive) == before
    clean_hidden(archive.root, archive.chapter.name)
    clean(archive.root, archive.chapter.name)
    compact_all(archive)
    assert everything(archive) == before
    assert len(archive.names()) == 2


def test_who_reads_goes_on_when_the_files_that_come_next_are_compacted(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    before = everything(archive)
    reading = emitted(archive.root, archive.chapter, {}, upper=EVER, order=("comments",))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("connectors.archive.reading._PIECE", 1)
        read = [next(reading)]
        compact_all(archive)
        read.extend(reading)
    assert [each for piece in read for each in piece.rows] == before


def test_who_looks_for_a_row_looks_again_when_its_files_are_compacted(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    listings: list[Contents] = []

    def compacted_after_listing(root: Path, name: str) -> Contents:
        listings.append(contents(root, name))
        if len(listings) == 1:
            compact_all(archive)
        return listings[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("connectors.archive.versions.contents", compacted_after_listing)
        found = Versions(archive.root).versions(archive.chapter, "comments", "a", upper=EVER)
    assert [row["position"] for row in found] == [at(0), at(5), at(7)]
    assert len(listings) == 2


def test_a_commit_that_is_too_large_for_memory_stays_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    for number, rows in enumerate((1, 1, 400, 1, 1)):
        archive.commit([change(f"{one}", at(number, one + 1)) for one in range(rows)])
    archive.progress(at(2 * HOUR_S))
    before = [piece.rows for piece in emitted(tmp_path, archive.chapter, {}, upper=at(HOUR_S), order=("comments",))]
    large = max(listed(archive.folder), key=text_bytes)
    monkeypatch.setattr(compaction, "LARGEST_BYTES", text_bytes(large) - 1)
    for _ in range(2):
        for group in groups(tmp_path, archive.chapter.name):
            compact(tmp_path, group)
    assert [file.name[:4] for file in listed(archive.folder)] == [
        ("segment", 0, 1, 2),
        ("part", 0, 3, 3),
        ("segment", 0, 4, 5),
    ]
    after = [piece.rows for piece in emitted(tmp_path, archive.chapter, {}, upper=at(HOUR_S), order=("comments",))]
    assert after == before
    assert groups(tmp_path, archive.chapter.name) == []


def test_a_damaged_part_spoils_no_others(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    damaged = archive.folder / HOUR / "part-000-0000000002-0000000002-00000002-00000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    failed = 0
    for group in groups(archive.root, archive.chapter.name):
        try:
            compact(archive.root, group)
        except ConfigError:
            failed += 1
    assert failed == 1
    assert [name.rpartition("/")[2] for name in archive.names()] == [
        "part-000-0000000002-0000000002-00000002-00000002.parquet",
        "segment-000-0000000001-0000000001-00000001-00000001.parquet",
        "segment-000-0000000003-0000000003-00000003-00000003.parquet",
        "part-000-0000000003-0000000003-00000004-00000004.parquet",
    ]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    compact_all(archive)
    file = archive.folder / archive.names()[0]
    content = bytearray(file.read_bytes())
    content[40] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read"):
        everything(archive)


def test_a_column_that_only_some_files_have_is_left_out(tmp_path: Path) -> None:
    archive = two_hours(tmp_path)
    archive.commit([change("d", at(HOUR_S - 1), value="x")._replace(refs={})])
    archive.progress(at(HOUR_S + 1))
    compact_all(archive)
    versions = Versions(archive.root)
    assert "ref.ref" not in pq.read_schema(archive.folder / archive.names()[0]).names
    assert versions.keys_with(archive.chapter, "comments", "ref", '"x"', upper=EVER) == {"d"}


def test_times_that_occurred_twice_are_known_of_segments(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    ms = BASE_S * 1000
    archive.commit([change("a", at(100)), change("a", at(100, 2), ts_ms=ms + 40_000), change("b", at(101))])
    archive.progress(at(HOUR_S))
    compact_all(archive)
    assert Versions(tmp_path).set_back(archive.chapter) == [(ms + 40_000, ms + 100_000)]


def test_a_partition_that_has_said_nothing_is_left_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path, partitions=2)
    archive.commit([change("a", at(1))], partition=1)
    write_progress(archive.folder, Progress(0, 1, 1, at(HOUR_S), image=True, at_ms=0))
    assert groups(archive.root, archive.chapter.name) == []


def test_a_full_disk_leaves_nothing_hidden_behind(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.commit([change("a", at(1))])
    archive.progress(at(2 * HOUR_S))
    (group,) = groups(tmp_path, archive.chapter.name)
    for room in (0, 100):
        with files_of_at_most(room), pytest.raises(OSError, match="File too large"):
            compact(tmp_path, group)
        assert [path for path in archive.folder.rglob(".*") if path.is_file()] == []
    assert compact(tmp_path, group) == 1
