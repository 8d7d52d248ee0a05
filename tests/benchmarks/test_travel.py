"""The made-up day is an archive like any other."""

from __future__ import annotations

from pathlib import Path

from benchmarks.travel_archive import (
    BEGIN_S,
    COLLECTION,
    HOUR_S,
    HOURS,
    PATH,
    Day,
    key_of,
    make_chapter,
    make_hour,
    make_progress,
    movie_of,
    position,
)
from connectors.archive.compaction import compact, groups
from connectors.archive.reading import emitted
from connectors.archive.schema import change_of
from connectors.archive.versions import Versions
from connectors.changes import Shape
from connectors.shaping import shaper

DAY = Day(changes=HOURS * 400, keys=30)
EVER = position(DAY.end_s)


def test_its_changes_are_found_by_key_and_by_film_and_in_their_order(tmp_path: Path) -> None:
    make_chapter(tmp_path, DAY)
    make_hour(tmp_path, DAY, 0)
    make_progress(tmp_path, DAY)
    for group in groups(tmp_path, DAY.chapter.name, is_closed=True):
        compact(tmp_path, group)
    rows = [
        row for piece in emitted(tmp_path, DAY.chapter, {}, upper=EVER, order=[COLLECTION]) for _, row in piece.rows
    ]
    positions = [row["position"] for row in rows]
    assert len(rows) == 400
    assert positions == sorted(positions)
    assert position(BEGIN_S) < positions[0] < positions[-1] < position(BEGIN_S + HOUR_S)
    versions = Versions(tmp_path)
    found = [row for n in range(30) for row in versions.versions(DAY.chapter, COLLECTION, key_of(n), upper=EVER)]
    assert len(found) == 430  # with the image's
    assert key_of(5) in versions.keys_with(DAY.chapter, COLLECTION, PATH, movie_of(5), upper=EVER)


def test_its_rows_are_what_the_columns_say(tmp_path: Path) -> None:
    make_chapter(tmp_path, DAY)
    make_progress(tmp_path, DAY)
    row = Versions(tmp_path).versions(DAY.chapter, COLLECTION, key_of(3), upper=EVER)[0]
    change = change_of(row, collection=COLLECTION, shaper=shaper(Shape(refs=(PATH,))))
    assert change.refs[PATH] == row[f"ref.{PATH}"]
    assert change.after is not None
    assert 300 <= len(change.after) <= 450
