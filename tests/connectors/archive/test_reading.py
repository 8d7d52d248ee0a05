"""What was emitted is read again in the order in which it was, and read on from any place."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.archive.compaction import clean, compact, groups
from connectors.archive.layout import IMAGE, WHOLE
from connectors.archive.reading import START, Cursor, Piece, emitted, from_image, rows_left, rows_of_image
from connectors.errors import ConfigError
from tests.connectors.archive.archives import HOUR_S, Archive, at, change
from tests.connectors.archive.limits import only_more_handles

ORDER = ("users", "comments")
EVER = at(100 * HOUR_S)


def read(
    archive: Archive, cursors: Mapping[int, Cursor] | None = None, *, upper: str = EVER, order: tuple[str, ...] = ORDER
) -> list[Piece]:
    return list(emitted(archive.root, archive.chapter, cursors or {}, upper=upper, order=order))


def told(pieces: list[Piece]) -> list[tuple[str, str, str]]:
    return [(collection, row["key"], row["position"]) for piece in pieces for collection, row in piece.rows]


def two_partitions(root: Path) -> Archive:
    archive = Archive(root, partitions=2)
    archive.commit([change("c1", at(0), op="r"), change("u1", at(0), op="r", collection="users")])
    archive.commit([change("u2", at(0), op="r", collection="users"), change("c2", at(20))], partition=1)
    archive.commit([change("c1", at(10)), change("u1", at(30), collection="users"), change("c1", at(HOUR_S))])
    archive.commit([change("c2", at(HOUR_S - 1))], partition=1)
    return archive


def test_partitions_are_merged_by_position_each_in_its_own_order(tmp_path: Path) -> None:
    assert told(read(two_partitions(tmp_path))) == [
        ("users", "u2", at(0)),
        ("comments", "c1", at(0)),
        ("users", "u1", at(0)),
        ("comments", "c1", at(10)),
        ("comments", "c2", at(20)),
        ("users", "u1", at(30)),
        ("comments", "c2", at(HOUR_S - 1)),
        ("comments", "c1", at(HOUR_S)),
    ]


def test_a_copy_of_an_hour_that_somebody_made_beside_it_is_not_read_and_spoils_no_upkeep(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    archive.progress(at(2 * HOUR_S))
    whole = told(read(archive))
    for hour in list(archive.folder.glob("collection=*/hour=*")):
        shutil.copytree(hour, hour.with_name(f"{hour.name} copy"))
    assert told(read(archive)) == whole
    for group in groups(tmp_path, archive.chapter.name):
        compact(tmp_path, group)
    clean(tmp_path, archive.chapter.name)
    assert told(read(archive)) == whole


def test_reading_goes_on_from_the_cursors_of_any_piece(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    whole = read(archive)
    cursors: dict[int, Cursor] = {}
    for number, piece in enumerate(whole):
        left = rows_left(archive.root, archive.chapter, cursors, EVER)
        assert left == sum(len(later.rows) for later in whole[number:])
        cursors[piece.partition] = piece.cursor
        assert told(read(archive, cursors)) == told(whole[number + 1 :])


def test_a_commit_of_more_hours_than_files_can_be_open_is_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    changes = [change("a", at(hour * HOUR_S), collection=name) for hour in range(60) for name in ORDER]
    archive.commit(changes)
    with only_more_handles(24):
        assert told(read(archive)) == [(each.collection, each.key, each.position) for each in changes]


def test_a_whole_commit_can_be_left_out(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    cursors = {0: Cursor(1, WHOLE), 1: Cursor(2, WHOLE)}
    assert [row["position"] for piece in read(archive, cursors) for _, row in piece.rows] == [
        at(10),
        at(30),
        at(HOUR_S),
    ]


def test_nothing_after_the_end_nothing_before_the_beginning_and_no_other_collection(tmp_path: Path) -> None:
    archive = Archive(tmp_path, begin=at(10))
    archive.commit([change("a", at(9)), change("a", at(10)), change("u", at(11), collection="users")])
    archive.commit([change("a", at(12)), change("a", at(13))])
    assert [position for _, _, position in told(read(archive, upper=at(12)))] == [at(10), at(11), at(12)]
    assert [position for _, _, position in told(read(archive, upper=at(12), order=("comments",)))] == [at(10), at(12)]
    assert rows_left(archive.root, archive.chapter, {0: Cursor(1, 1)}, at(12), order=ORDER) == 2


def test_the_image_comes_collection_by_collection_and_goes_on_anywhere(tmp_path: Path) -> None:
    archive = Archive(tmp_path, begin=at(10))
    archive.image([change(f"c{number}", at(10), op="r") for number in range(9)])
    archive.image([change("d", at(10), op="r")], share=1)
    archive.image([change("u", at(10), op="r", collection="users")])
    whole = list(from_image(archive.root, archive.chapter, order=ORDER))
    assert [key for _, key, _ in told(whole)] == ["u", *(f"c{number}" for number in range(9)), "d"]
    assert {piece.partition for piece in whole} == {IMAGE}
    assert rows_of_image(archive.root, archive.chapter, order=ORDER) == 11
    for number, piece in enumerate(whole):
        rest = list(from_image(archive.root, archive.chapter, order=ORDER, after=piece.cursor))
        assert told(rest) == told(whole[number + 1 :])
    assert told(read(archive)) == []


def test_an_image_that_was_replaced_meanwhile_is_not_read_on(tmp_path: Path) -> None:
    archive = Archive(tmp_path, begin=at(10))
    archive.image([change("c", at(10), op="r")])
    with pytest.raises(ConfigError, match="begin anew"):
        list(from_image(archive.root, archive.chapter, order=ORDER, after=Cursor(7, 0)))


def test_a_truncated_file_is_one_clear_line(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    file = next(archive.folder.rglob("part-001-*2-*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    pieces = emitted(archive.root, archive.chapter, {}, upper=EVER, order=ORDER)
    with pytest.raises(ConfigError) as raised:
        list(pieces)
    text = str(raised.value)
    assert "\n" not in text
    assert str(file) in text
    assert "changes of comments from the hour 2027-01-15T08 (UTC), commits 2 to 2 of partition 1" in text
    assert "moments before 2027-01-15T08:00Z, where the chapter begins before that, can still be read" in text
    assert "restore it from a copy" in text


def test_a_file_that_the_system_does_not_open_is_not_called_damaged(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    with only_more_handles(0), pytest.raises(ConfigError) as failed:
        read(archive)
    text = str(failed.value)
    assert "Too many open files" in text
    assert "ulimit -n" in text
    assert "from a copy" not in text


def test_a_chapter_that_is_gone_is_named(tmp_path: Path) -> None:
    archive = two_partitions(tmp_path)
    gone = archive.chapter._replace(name="job-0001-0009")
    with pytest.raises(ConfigError, match=r"job-0001-0009.*not there"):
        list(emitted(tmp_path, gone, {0: START}, upper=EVER, order=ORDER))
