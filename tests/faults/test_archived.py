"""That each kind of difference of an archive is found: a comparison that cannot fail proves nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from connectors.archive.chapter import Progress, write_chapter, write_progress
from connectors.archive.layout import FileName, collection_folder, hour_folder, hour_of
from connectors.archive.schema import batch_of
from connectors.changes import Change
from tests.acceptance.oracle import SECRET, Document, key_of
from tests.connectors.archive.past import BEGIN_S, chapter_of
from tests.faults.archived import compare_archive
from tests.faults.compare import Terms
from tests.faults.history import Op
from tests.faults.short_hours import HOUR_S, short_hours
from tests.faults.short_hours import hour_of as short_hour_of
from tests.faults.short_hours import last_of_hour as last_of_short_hour
from tests.faults.travelled import compare_past
from tests.faults.truth import Truth


def at(n: int) -> str:
    return f"{BEGIN_S:08x}{n:08x}"


BEGIN = at(5)


def movie(stamp: int, title: str = "Heat") -> Document:
    return {"_id": 1, "title": title, "year": 1995, "stamp": stamp}


def change(op: str, position: int, before: Document | None, after: Document | None, key: int = 1) -> Change:
    texts = [None if row is None else orjson.dumps(row).decode() for row in (before, after)]
    return Change("movies", key_of(key), op, at(position), BEGIN_S * 1000, *texts, None, {"_id": None}, None)  # type: ignore[arg-type]


def truth() -> Truth:
    found = Truth()
    for position, row in ((3, movie(1)), (9, movie(2, "Alien")), (11, None), (13, movie(3))):
        found.add((Op("movies", 1, None, row),), at(position - 1), at(position))
    return found


RIGHT = (
    change("r", 5, None, movie(1)),
    change("u", 9, movie(1), movie(2, "Alien")),
    change("d", 11, movie(2, "Alien"), None),
    change("c", 13, None, movie(3)),
)


def differences(root: Path, changes: Sequence[Change], *, numbers: Sequence[int] | None = None) -> list[str]:
    made_archive(root, changes, numbers=numbers)
    return compare_archive(root, truth(), Terms((BEGIN,)), chapters=1).differences


def made_archive(
    root: Path, changes: Sequence[Change], *, numbers: Sequence[int] | None = None, is_folded: bool = False
) -> None:
    view: Document = {"name": "movies", "collection": "movies", "lookups": [], "fields": None}
    chapter = chapter_of(begin=BEGIN)._replace(views=[view], folded={"0": (0, -1)} if is_folded else {})
    write_chapter(root, chapter)
    write_progress(root / chapter.name, Progress(0, 1, 1, at(20), image=True, at_ms=0))
    folder = root / chapter.name / collection_folder("movies") / hour_folder(hour_of(BEGIN))
    folder.mkdir(parents=True)
    batch = batch_of(changes, seq=1, numbers=numbers or range(len(changes)))
    with pq.ParquetWriter(folder / str(FileName("part", 0, 1, 1)), batch.schema) as out:
        out.write_batch(batch)


def test_an_archive_that_is_right_has_no_differences(tmp_path: Path) -> None:
    assert differences(tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (RIGHT[:3], "no change after"),
        ((*RIGHT[:2], *RIGHT[3:]), "no change after"),
        (RIGHT[1:], "the image has None, there was"),
        ((*RIGHT[:2], RIGHT[1], *RIGHT[2:]), "never was, or is there twice"),
        ((*RIGHT, change("u", 15, movie(3), movie(4))), "never was, or is there twice"),
        ((RIGHT[0], change("u", 9, movie(1), movie(2, "Aliens")), *RIGHT[2:]), "expected"),
        ((RIGHT[0], change("u", 9, movie(7), movie(2, "Alien")), *RIGHT[2:]), "expected"),
        ((*RIGHT[:3], change("u", 13, None, movie(3))), "is a u, expected c"),
        ((*RIGHT, change("r", 5, None, movie(1), key=2)), "the image has"),
        ((*RIGHT[:3], change("c", 13, None, movie(3, SECRET))), "a masked value"),
    ],
)
def test_each_kind_of_difference_is_found(changes: Sequence[Change], expected: str, tmp_path: Path) -> None:
    assert any(expected in found for found in differences(tmp_path, changes)), expected


def test_changes_of_a_row_that_were_not_emitted_in_order_are_found(tmp_path: Path) -> None:
    assert any("that of emission" in found for found in differences(tmp_path, RIGHT, numbers=(0, 2, 1, 3)))


@pytest.mark.parametrize(("changes", "is_right"), [(RIGHT, True), ((RIGHT[0], *RIGHT[2:]), True), (RIGHT[:3], False)])
def test_a_write_that_was_under_way_where_a_folded_chapter_begins_may_be_on_either_side(
    changes: Sequence[Change], tmp_path: Path, *, is_right: bool
) -> None:
    """Without images, when what is in the image does not tell either."""
    made_archive(tmp_path, changes, is_folded=True)
    slow = Truth()
    for since, until, row in ((2, 3, movie(1)), (4, 9, movie(2, "Alien")), (10, 11, None), (12, 13, movie(3))):
        slow.add((Op("movies", 1, None, row),), at(since), at(until))
    found = compare_archive(tmp_path, slow, Terms((BEGIN,), images=False), chapters=1).differences
    assert (found == []) == is_right, found


def test_another_number_of_chapters_is_found(tmp_path: Path) -> None:
    made_archive(tmp_path, RIGHT)
    assert compare_archive(tmp_path, truth(), Terms((BEGIN,)), chapters=2).differences


@pytest.mark.parametrize("seed", range(4))
def test_a_past_that_is_told_wrongly_is_found(seed: int, tmp_path: Path) -> None:
    made_archive(tmp_path / "right", RIGHT)
    assert compare_past(tmp_path / "right", truth(), random.Random(seed)).differences == []
    made_archive(tmp_path / "wrong", [RIGHT[0], change("u", 9, movie(1), movie(2, "Aliens")), *RIGHT[2:]])
    assert compare_past(tmp_path / "wrong", truth(), random.Random(seed)).differences


def test_short_hours_follow_each_other_like_real_ones_and_go_with_the_context() -> None:
    from connectors.archive import compaction, layout, retention

    positions = [f"{BEGIN_S + second:08x}00000001" for second in range(10)]
    hours = [short_hour_of(position) for position in positions]
    assert hours == sorted(hours)
    assert len(set(hours)) in (5, 6)
    for position, hour in zip(positions, hours, strict=True):
        assert position < last_of_short_hour(hour)
        assert short_hour_of(last_of_short_hour(hour)) == hour
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d", hour)
    real = layout.hour_of
    with short_hours():
        assert (layout.hour_of, compaction.last_of_hour) == (short_hour_of, last_of_short_hour)
        assert retention.HOUR_S == HOUR_S
    assert (layout.hour_of, retention.HOUR_S) == (real, 3600)
