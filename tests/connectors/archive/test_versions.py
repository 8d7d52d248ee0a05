"""A row's past is found by its key, and rows by what they were joined by."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.archive.moment import Moment
from connectors.archive.versions import Versions
from connectors.errors import ConfigError
from tests.connectors.archive.archives import BASE_S, HOUR_S, Archive, at, change

EVER = at(100 * HOUR_S)


def history(root: Path) -> Archive:
    archive = Archive(root, begin=at(10))
    archive.image([change("a", at(1), op="c"), change("b", at(10), op="r", value="x")])
    archive.commit([change("a", at(9)), change("a", at(20)), change("b", at(20), value="y")])
    archive.commit([change("a", at(HOUR_S)), change("a", at(HOUR_S, 2), op="d"), change("c", at(2 * HOUR_S), op="c")])
    archive.progress(at(2 * HOUR_S))
    return archive


def positions(archive: Archive, key: str, upper: str = EVER) -> list[str]:
    return [row["position"] for row in Versions(archive.root).versions(archive.chapter, "comments", key, upper=upper)]


def test_versions_come_in_order_the_images_first(tmp_path: Path) -> None:
    archive = history(tmp_path)
    assert positions(archive, "a") == [at(1), at(20), at(HOUR_S), at(HOUR_S, 2)]
    assert positions(archive, "a", at(HOUR_S)) == [at(1), at(20), at(HOUR_S)]
    assert positions(archive, "nobody") == []


def last(archive: Archive, key: str, moment: Moment) -> str | None:
    row = Versions(archive.root).last(archive.chapter, "comments", key, moment)
    return None if row is None else row["op"] + row["position"]


def test_the_last_version_is_that_of_the_moment(tmp_path: Path) -> None:
    archive = history(tmp_path)
    assert last(archive, "a", Moment(at(15))) == "c" + at(1)
    assert last(archive, "a", Moment(at(20))) == "u" + at(20)
    assert last(archive, "a", Moment(at(HOUR_S))) == "u" + at(HOUR_S)
    assert last(archive, "a", Moment(EVER)) == "d" + at(HOUR_S, 2)
    assert last(archive, "c", Moment(at(HOUR_S))) is None


def test_within_a_second_the_clock_decides(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    second = (BASE_S + 20) * 1000
    archive.commit(
        [
            change("a", at(20, 1), ts_ms=second + 100),
            change("a", at(20, 2), ts_ms=second + 300),
            change("a", at(20, 3), ts_ms=second + 200),
        ]
    )
    assert last(archive, "a", Moment.at(second + 99)) is None
    assert last(archive, "a", Moment.at(second + 250)) == "u" + at(20, 1)
    assert last(archive, "a", Moment.at(second + 300)) == "u" + at(20, 3)


def test_rows_are_found_by_a_value_that_they_had_at_any_time(tmp_path: Path) -> None:
    archive = history(tmp_path)
    versions = Versions(archive.root)
    assert versions.keys_with(archive.chapter, "comments", "ref", '"x"', upper=EVER) == {"b"}
    assert versions.keys_with(archive.chapter, "comments", "ref", '"y"', upper=EVER) == {"b"}
    assert versions.keys_with(archive.chapter, "comments", "ref", '"y"', upper=at(19)) == set()


def test_a_value_without_a_column_of_its_own_is_taken_from_the_rows(tmp_path: Path) -> None:
    archive = history(tmp_path)
    found = Versions(archive.root).keys_with(archive.chapter, "comments", "at", f'"{at(20)}"', upper=EVER)
    assert found == {"a", "b"}


def test_spans_tell_from_when_to_when(tmp_path: Path) -> None:
    archive = history(tmp_path)
    later = Archive(tmp_path, begin="", number=2)
    found = Versions(tmp_path).spans()
    assert [(span.chapter.name, span.begin, span.until) for span in found] == [
        (archive.chapter.name, at(10), at(2 * HOUR_S)),
        (later.chapter.name, "", None),
    ]


def test_times_that_occurred_twice_are_told(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    ms = BASE_S * 1000
    archive.commit([change("a", at(100)), change("a", at(100, 2), ts_ms=ms + 40_000), change("a", at(101))])
    archive.commit([change("b", at(100, 3), ts_ms=ms + 60_000), change("b", at(200), ts_ms=ms + 198_000)])
    assert Versions(tmp_path).set_back(archive.chapter) == [(ms + 40_000, ms + 100_000)]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    archive = history(tmp_path)
    next(archive.folder.rglob("part-*1.parquet")).write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be read"):
        positions(archive, "a")
