"""Beyond its limits the oldest hours of an archive go into the image, and chapters that have ended go whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from connectors.archive import chapter as chapter_module
from connectors.archive.chapter import Chapter, read_chapter, read_chapters, write_chapter
from connectors.archive.compaction import clean, clean_hidden
from connectors.archive.folding import fold
from connectors.archive.listing import contents
from connectors.archive.moment import Moment
from connectors.archive.reading import Cursor, emitted, from_image
from connectors.archive.retention import Drop, Fold, clean_dropped, counted_from, drop, next_action, size_of, survey
from connectors.archive.settings import ArchiveSettings
from connectors.archive.versions import Versions
from connectors.errors import ConfigError
from tests.connectors.archive.archives import BASE_S, HOUR_S, Archive, at, change
from tests.connectors.archive.test_compaction import CutOff, compact_all, cut_off

EVER = at(100 * HOUR_S)
FIRST = "2027-01-15T08"
NOW_MS = (BASE_S + 10 * HOUR_S) * 1000


def day(root: Path, *, hours: int = 8, number: int = 1) -> Archive:
    """Two rows, one of which changes every hour; a third is there for an hour."""
    archive = Archive(root, number=number)
    archive.commit([change("a", at(0), op="r"), change("b", at(0), op="r", value="x")])
    archive.commit([change("c", at(1), op="c"), change("c", at(HOUR_S + 1), op="d")])
    for hour in range(1, hours):
        archive.commit([change("a", at(hour * HOUR_S + 2))])
    archive.progress(at(hours * HOUR_S), at_ms=(BASE_S + hours * HOUR_S) * 1000)
    compact_all(archive)
    return archive


def settings(keep_hours: float | None = None, max_bytes: int | None = None) -> ArchiveSettings:
    return ArchiveSettings(Path(), None if keep_hours is None else int(keep_hours * HOUR_S * 1000), max_bytes)


def image(archive: Archive) -> list[tuple[str, str, str]]:
    pieces = from_image(archive.root, read_chapter(archive.folder), order=("comments",))
    return [(row["key"], row["op"], row["position"]) for piece in pieces for _, row in piece.rows]


def test_the_last_change_of_each_row_stays_and_of_deleted_rows_nothing(tmp_path: Path) -> None:
    archive = day(tmp_path)
    folded = fold(tmp_path, archive.chapter.name, "2027-01-15T09")
    assert folded.rows == 2
    assert image(archive) == [("a", "u", at(HOUR_S + 2)), ("b", "r", at(0))]
    chapter = read_chapter(archive.folder)
    assert chapter.begin == f"{BASE_S + 2 * HOUR_S - 1:08x}ffffffff.~"
    assert chapter.folded == {"0": [3, 0]}
    versions = Versions(tmp_path).versions(chapter, "comments", "a", upper=at(3 * HOUR_S))
    assert [row["position"] for row in versions] == [at(HOUR_S + 2), at(2 * HOUR_S + 2)]
    assert not list(archive.folder.glob("*/hour=2027-01-15T08"))


def test_folding_again_goes_on_from_the_image(tmp_path: Path) -> None:
    archive = day(tmp_path)
    fold(tmp_path, archive.chapter.name, FIRST)
    assert [key for key, _, _ in image(archive)] == ["a", "b", "c"]
    fold(tmp_path, archive.chapter.name, "2027-01-15T10")
    assert image(archive) == [("a", "u", at(2 * HOUR_S + 2)), ("b", "r", at(0))]
    assert len([name for name in archive.names() if "image-" in name]) == 1
    chapter = read_chapter(archive.folder)
    assert Versions(tmp_path).keys_with(chapter, "comments", "ref", '"x"', upper=EVER) == {"b"}
    assert Versions(tmp_path).last(chapter, "comments", "c", Moment(EVER)) is None


def test_folding_cut_off_before_any_step_moves_the_beginning_or_not(tmp_path: Path) -> None:
    number, is_cut_off, begins = 0, True, set[str]()
    whole = [("a", "u", at(HOUR_S + 2)), ("b", "r", at(0))]
    while is_cut_off:
        archive = day(tmp_path / str(number), hours=4)
        name = archive.chapter.name
        is_cut_off = cut_off(partial(fold, archive.root, name, "2027-01-15T09"), number)
        begins.add(read_chapter(archive.folder).begin)
        if read_chapter(archive.folder).begin == archive.chapter.begin:
            assert image(archive) == []
        else:
            assert image(archive) == whole
        clean_hidden(archive.root, name)
        clean(archive.root, name)
        if read_chapter(archive.folder).begin == archive.chapter.begin:
            fold(archive.root, name, "2027-01-15T09")
        assert image(archive) == whole
        assert len(archive.names()) == 3
        assert not list(archive.folder.rglob(".*"))
        number += 1
    assert len(begins) == 2
    assert number > 6


def test_what_an_image_that_was_cut_off_had_more_of_does_not_count(tmp_path: Path) -> None:
    archive = day(tmp_path)
    name = archive.chapter.name

    def step(doing: str) -> None:
        if doing == "begin at the cut":
            raise CutOff

    with pytest.raises(CutOff):
        fold(tmp_path, name, FIRST, step=step)
    image_file = next(path for path in archive.names() if "image-000-" in path)
    shutil.copy(archive.folder / image_file, archive.folder / image_file.replace("image-000-", "image-001-"))
    fold(tmp_path, name, FIRST)
    assert [key for key, _, _ in image(archive)] == ["a", "b", "c"]


def test_who_still_had_to_read_what_is_folded_is_told(tmp_path: Path) -> None:
    archive = day(tmp_path)
    fold(tmp_path, archive.chapter.name, "2027-01-15T09")
    read = {0: Cursor(3, 0)}
    positions = [
        row["position"]
        for piece in emitted(tmp_path, archive.chapter, read, upper=EVER, order=("comments",))
        for _, row in piece.rows
    ]
    assert positions[0] == at(2 * HOUR_S + 2)
    for cursors in ({0: Cursor(2, 1)}, {}):
        with pytest.raises(ConfigError, match="begin anew"):
            list(emitted(tmp_path, archive.chapter, cursors, upper=EVER, order=("comments",)))
    list(emitted(tmp_path, read_chapter(archive.folder), {}, upper=EVER, order=("comments",)))


def test_hours_beyond_the_age_are_folded_a_few_at_once(tmp_path: Path) -> None:
    archive = day(tmp_path)
    kept = survey(tmp_path, archive.chapter.name)
    assert next_action(kept, settings(keep_hours=9.5), now_ms=NOW_MS) is None
    assert next_action(kept, settings(keep_hours=8.8), now_ms=NOW_MS) is None  # not for so little
    assert next_action(kept, settings(keep_hours=7), now_ms=NOW_MS) == Fold(archive.chapter.name, "2027-01-15T10")
    assert next_action(kept, settings(), now_ms=NOW_MS) is None


def test_the_last_hour_and_what_may_be_taken_back_stay(tmp_path: Path) -> None:
    archive = day(tmp_path)
    kept = survey(tmp_path, archive.chapter.name)
    assert [hour.hour for hour in kept[0].hours][-1] == "2027-01-15T14"  # the job is at 16:00
    archive.progress(at(8 * HOUR_S), durable=4)
    kept = survey(tmp_path, archive.chapter.name)
    assert [hour.hour for hour in kept[0].hours][-1] == "2027-01-15T10"
    archive.progress(at(HOUR_S))
    assert survey(tmp_path, archive.chapter.name)[0].hours == []


def test_beyond_the_size_the_oldest_go_first_and_the_image_stays(tmp_path: Path) -> None:
    old, new = day(tmp_path, hours=3), day(tmp_path, number=2)
    actions: list[Fold | Drop] = []
    for _ in range(20):
        kept = survey(tmp_path, new.chapter.name)
        action = next_action(kept, settings(max_bytes=1), now_ms=NOW_MS)
        if action is None:
            break
        actions.append(action)
        if isinstance(action, Drop):
            drop(tmp_path, action.chapter)
        else:
            fold(tmp_path, action.chapter, action.hour)
    assert actions == [
        Fold(old.chapter.name, "2027-01-15T09"),
        Drop(old.chapter.name),
        Fold(new.chapter.name, "2027-01-15T13"),
        Fold(new.chapter.name, "2027-01-15T14"),
    ]
    assert [key for key, _, _ in image(new)] == ["a", "b"]
    assert [chapter.name for chapter in read_chapters(tmp_path)] == [new.chapter.name]


def test_within_the_size_nothing_happens(tmp_path: Path) -> None:
    archive = day(tmp_path)
    kept = survey(tmp_path, archive.chapter.name)
    size = size_of(archive.folder)
    assert next_action(kept, settings(max_bytes=size), now_ms=NOW_MS) is None
    assert next_action(kept, settings(max_bytes=size - 1), now_ms=NOW_MS) == Fold(archive.chapter.name, FIRST)


def test_a_chapter_that_has_ended_goes_once_all_of_it_is_too_old(tmp_path: Path) -> None:
    old, new = day(tmp_path, hours=3), day(tmp_path, number=2)
    name = new.chapter.name
    kept = survey(tmp_path, name)
    assert next_action(kept, settings(keep_hours=6.9), now_ms=NOW_MS) == Drop(old.chapter.name)
    live = survey(tmp_path, old.chapter.name)
    assert [each.has_ended for each in live] == [False, False]  # as if the job wrote to the first


def test_ages_are_counted_from_the_last_that_is_archived_and_from_no_later_than_the_clock(tmp_path: Path) -> None:
    archive = day(tmp_path)
    kept = survey(tmp_path, archive.chapter.name)
    reached_ms = (BASE_S + 8 * HOUR_S) * 1000
    assert counted_from(kept, archive.chapter.name, clock_ms=NOW_MS) == reached_ms
    assert counted_from(kept, archive.chapter.name, clock_ms=reached_ms - 1) == reached_ms - 1
    new = Archive(tmp_path, number=2)
    assert counted_from(survey(tmp_path, new.chapter.name), new.chapter.name, clock_ms=NOW_MS) == 0


def test_what_was_written_while_the_clock_was_ahead_does_not_stay_for_that(tmp_path: Path) -> None:
    old, new = day(tmp_path, hours=3), day(tmp_path, number=2)
    old.progress(at(3 * HOUR_S), at_ms=NOW_MS * 2)
    kept = survey(tmp_path, new.chapter.name)
    assert next_action(kept, settings(keep_hours=6.9), now_ms=NOW_MS) == Drop(old.chapter.name)


def test_another_jobs_chapter_goes_by_age_alone(tmp_path: Path) -> None:
    archive = day(tmp_path, hours=3)
    other = Archive(tmp_path, number=2)
    write_chapter(tmp_path, other.chapter._replace(job_id="other"))
    kept = survey(tmp_path, other.chapter.name)
    assert next_action(kept, settings(None, 1), now_ms=NOW_MS) is None
    assert next_action(kept, settings(keep_hours=6), now_ms=NOW_MS) is None  # it may be at rest
    later_ms = NOW_MS + 24 * HOUR_S * 1000
    assert next_action(kept, settings(keep_hours=6), now_ms=later_ms) == Drop(archive.chapter.name)
    assert next_action(kept, settings(keep_hours=48), now_ms=later_ms) is None


def test_the_chapter_before_one_without_an_image_stays(tmp_path: Path) -> None:
    day(tmp_path, hours=3)
    new = Archive(tmp_path, begin="", number=2)
    assert next_action(survey(tmp_path, new.chapter.name), settings(None, 1), now_ms=NOW_MS) != Drop("x")
    kept = survey(tmp_path, new.chapter.name)
    assert not any(each.has_ended for each in kept)


def test_a_dropped_chapter_is_gone_at_once_and_wholly_later(tmp_path: Path) -> None:
    archive = day(tmp_path)
    assert cut_off(partial(drop, tmp_path, archive.chapter.name), 1)
    assert read_chapters(tmp_path) == []
    with pytest.raises(ConfigError, match="not there"):
        contents(tmp_path, archive.chapter.name)
    clean_dropped(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_chapter_that_is_dropped_while_they_are_read_is_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Archive(tmp_path, number=1), Archive(tmp_path, number=2)
    read = chapter_module.read_chapter

    def old_first(_: Path) -> Iterator[Path]:
        return iter([old.folder, new.folder])

    def later(folder: Path) -> Chapter:
        if old.folder.exists():
            drop(tmp_path, old.chapter.name)
        return read(folder)

    monkeypatch.setattr(chapter_module, "read_chapter", later)
    monkeypatch.setattr(Path, "iterdir", old_first)
    assert [chapter.name for chapter in read_chapters(tmp_path)] == [new.chapter.name]
