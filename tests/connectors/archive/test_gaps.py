"""A file that somebody deleted, or did not copy, is missed by whoever needs it: nothing is left out in silence."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from connectors.archive.chapter import Reached, read_chapter, read_progress, write_chapter, write_progress
from connectors.archive.compaction import clean, compact, groups
from connectors.archive.folding import fold
from connectors.archive.layout import WHOLE, FileName
from connectors.archive.listing import contents
from connectors.archive.moment import Moment
from connectors.archive.reading import Cursor, emitted, from_image, rows_left
from connectors.archive.taking_back import take_back
from connectors.archive.versions import Versions
from connectors.archive.writer import PartitionWriter
from connectors.ending import Ending
from connectors.errors import ConfigError
from tests.connectors.archive.archives import HOUR_S, Archive, at, change
from tests.connectors.archive.past import BEGIN_S, chapter_of, made
from tests.connectors.archive.test_compaction import CutOff, compact_all, cut_off

EVER = at(100 * HOUR_S)
HOUR_8, HOUR_9 = "2027-01-15T08", "2027-01-15T09"
ORDER = ("films", "comments")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Comments in four hours, two commits in each; films in the first commit of each."""
    archive = Archive(tmp_path)
    for hour in range(4):
        archive.commit([change("a", at(hour * HOUR_S + 1)), change("f", at(hour * HOUR_S + 1), collection="films")])
        archive.commit([change("b", at(hour * HOUR_S + 2))])
    archive.progress(at(3 * HOUR_S + 3))
    return archive


def read(archive: Archive, *, upper: str = EVER, order: tuple[str, ...] = ORDER, after: int = 0) -> int:
    """How many changes come out."""
    cursors = {0: Cursor(after, WHOLE)} if after else {}
    pieces = emitted(archive.root, read_chapter(archive.folder), cursors, upper=upper, order=order)
    return sum(len(piece.rows) for piece in pieces)


def file_of(archive: Archive, hour: str, seq: int, collection: str = "comments") -> Path:
    found = archive.folder.glob(f"collection={collection}/hour={hour}/*")
    return next(path for path in found if (name := FileName.parse(path.name)) and name.first <= seq <= name.last)


def test_whole_it_lacks_nothing(archive: Archive) -> None:
    assert contents(archive.root, archive.chapter.name).gaps == []
    assert read(archive) == 12


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize(("hour", "seq"), [("08", 1), ("09", 3), ("10", 6), ("11", 7), ("11", 8)])
def test_every_file_that_is_gone_is_missed(archive: Archive, hour: str, seq: int, *, compacted: bool) -> None:
    if compacted:
        compact_all(archive)
    file_of(archive, f"2027-01-15T{hour}", seq).unlink()
    for call in (
        lambda: read(archive),
        lambda: rows_left(archive.root, archive.chapter, {}, EVER),
        lambda: Versions(archive.root).versions(archive.chapter, "comments", "a", upper=EVER),
        lambda: Versions(archive.root).last(archive.chapter, "comments", "zz", Moment(EVER)),
        lambda: Versions(archive.root).keys_with(archive.chapter, "comments", "ref", '"x"', upper=EVER),
    ):
        with pytest.raises(ConfigError, match=r"missing of comments, partition 0: .*restore them from a copy"):
            call()
    assert read(archive, order=("films",)) == 4  # what is not concerned can be read
    assert len(Versions(archive.root).versions(archive.chapter, "films", "f", upper=EVER)) == 4


def test_what_is_missing_is_told_and_what_is_before_it_can_be_read(archive: Archive) -> None:
    for seq in (5, 6):
        file_of(archive, "2027-01-15T10", seq).unlink()
    with pytest.raises(ConfigError) as told:
        read(archive)
    assert str(told.value).startswith(
        f"archive chapter {archive.folder}: files 5 to 6 are missing of comments, partition 0: changes from commits 4 "
        "to 7, hour 2027-01-15T09 to 2027-01-15T11 (UTC); moments before 2027-01-15T09:00Z,"
    )
    assert read(archive, upper=at(HOUR_S - 1)) == 3
    assert Versions(archive.root).last(archive.chapter, "comments", "a", Moment(at(HOUR_S - 1)))
    assert read(archive, after=7) == 1  # who had read it needs it no more


def test_what_somebody_can_do_without_is_missed_no_more(archive: Archive) -> None:
    for seq in (5, 6):
        file_of(archive, "2027-01-15T10", seq).unlink()
    with pytest.raises(ConfigError) as told:
        read(archive)
    found = re.search(r"make an empty file (\S+)$", str(told.value))
    assert found is not None
    mark = archive.folder / found[1]
    mark.touch()
    assert read(archive) == 10
    compact_all(archive)
    assert clean(archive.root, archive.chapter.name) == 0
    assert mark.exists()
    fold(archive.root, archive.chapter.name, "2027-01-15T10")
    assert not mark.exists()
    assert read(archive) == 3
    assert contents(archive.root, archive.chapter.name).gaps == []


def test_a_damaged_file_that_somebody_can_do_without_is_missed_no_more(archive: Archive) -> None:
    damaged = file_of(archive, HOUR_9, 3)
    damaged.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"to do without these changes, add \.lost to its name"):
        read(archive)
    damaged.rename(f"{damaged}.lost")
    assert read(archive) == 11


def test_compaction_and_retention_do_not_bury_what_is_missing(archive: Archive) -> None:
    missing = file_of(archive, HOUR_9, 4)
    kept = missing.read_bytes()
    missing.unlink()
    compact_all(archive)
    with pytest.raises(ConfigError, match="is missing of comments"):
        fold(archive.root, archive.chapter.name, HOUR_9)
    assert read_chapter(archive.folder).begin == archive.chapter.begin
    fold(archive.root, archive.chapter.name, HOUR_8)  # which is before it
    with pytest.raises(ConfigError, match="is missing of comments"):
        read(archive)
    missing.write_bytes(kept)
    assert read(archive) == 9
    fold(archive.root, archive.chapter.name, HOUR_9)
    assert read(archive) == 6


def test_a_gap_in_the_middle_of_an_hour_is_not_made_one_segment(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for seconds in (1, 2, 3):
        archive.commit([change("a", at(seconds))])
    archive.progress(at(HOUR_S))
    file_of(archive, HOUR_8, 2).unlink()
    compact_all(archive)
    assert len(archive.names()) == 2
    with pytest.raises(ConfigError, match="commits 1 to 3, hour 2027-01-15T08 "):
        read(archive)


def test_a_fold_cut_off_anywhere_leaves_nothing_to_be_missed(archive: Archive) -> None:
    number = 0
    while cut_off(partial(fold, archive.root, archive.chapter.name, HOUR_9), number):
        assert contents(archive.root, archive.chapter.name).gaps == []
        if read_chapter(archive.folder).begin != archive.chapter.begin:
            break
        number += 1
    clean(archive.root, archive.chapter.name)
    assert contents(archive.root, archive.chapter.name).gaps == []
    assert read(archive) == 6


def test_a_file_of_the_image_is_missed(archive: Archive) -> None:
    fold(archive.root, archive.chapter.name, HOUR_9)
    next(archive.folder.glob("collection=comments/hour=image/*")).unlink()
    chapter = read_chapter(archive.folder)
    for call in (
        lambda: list(from_image(archive.root, chapter, order=ORDER)),
        lambda: Versions(archive.root).last(chapter, "comments", "a", Moment(EVER)),
        lambda: fold(archive.root, chapter.name, "2027-01-15T10"),
    ):
        with pytest.raises(ConfigError, match=r"file 0 of the image of comments is missing.*restore it"):
            call()
    assert Versions(archive.root).last(chapter, "films", "f", Moment(EVER))


def test_what_was_before_the_beginning_of_an_image_read_later_is_not_missed(tmp_path: Path) -> None:
    archive = Archive(tmp_path, begin="")
    archive.commit([change("a", at(1))])
    archive.commit([change("a", at(HOUR_S + 1))])
    archive.progress(at(HOUR_S + 2))
    write_chapter(tmp_path, archive.chapter._replace(begin=at(HOUR_S), image={}))
    assert clean(tmp_path, archive.chapter.name) == 1
    assert read(archive) == 1
    file_of(archive, HOUR_9, 2).unlink()
    with pytest.raises(ConfigError, match="file 2 is missing"):
        read(archive)


def test_an_archive_of_an_older_version_is_read_as_it_is(archive: Archive) -> None:
    for path in list(archive.folder.rglob("*.parquet")):
        name = FileName.parse(path.name)
        assert name is not None
        path.rename(path.with_name(str(name._replace(numbers=None))))
    told = read_progress(archive.folder, 0)
    assert told is not None
    write_progress(archive.folder, told._replace(files=None))
    assert read(archive) == 12
    file_of(archive, HOUR_9, 4).unlink()
    assert read(archive) == 11
    compact_all(archive)
    assert read(archive) == 11


# --- as the job's writer numbers them ---------------------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    write_chapter(tmp_path, chapter_of(begin=f"{BEGIN_S:08x}00000000"))
    return tmp_path / chapter_of().name


def run_of(chapter: Path, numbers: range) -> None:
    """A run that goes on after a commit, with one commit for each number: a change of films, users in every second."""
    writer = PartitionWriter(chapter, 0, ending=Ending())
    writer.start(numbers.start - 1)
    for number in numbers:
        second = 1200 * number
        writer.add([made(number, second=second)])
        if number % 2:
            writer.add([made(number, second=second, collection="users")])
        writer.commit(Reached(made(number, second=second).position, image=True))
    writer.close()


def numbers_of(chapter: Path) -> list[int]:
    """What a reader finds, in order; raises when something is missing."""
    found = read_chapter(chapter)
    pieces = emitted(chapter.parent, found, {}, upper=f"{BEGIN_S + 10**6:08x}", order=("films",))
    return [int(row["position"][8:], 16) for piece in pieces for _, row in piece.rows]


def test_of_what_was_taken_back_and_written_anew_nothing_is_missed(chapter: Path) -> None:
    run_of(chapter, range(1, 8))
    run_of(chapter, range(6, 9))  # an older copy of the recovery folder
    run_of(chapter, range(9, 11))
    run_of(chapter, range(10, 12))
    assert numbers_of(chapter) == list(range(1, 12))
    victim = sorted(chapter.glob("collection=users/*/*"))[-1]
    victim.unlink()
    with pytest.raises(ConfigError, match="missing of users"):
        Versions(chapter.parent).versions(read_chapter(chapter), "users", "a", upper=f"{BEGIN_S + 10**6:08x}")


def test_of_what_was_taken_back_from_a_segment_nothing_is_missed(chapter: Path) -> None:
    run_of(chapter, range(1, 8))
    told = read_progress(chapter, 0)
    assert told is not None
    write_progress(chapter, told._replace(durable=7))
    for group in groups(chapter.parent, chapter.name, is_closed=True):
        compact(chapter.parent, group)
    run_of(chapter, range(3, 9))
    run_of(chapter, range(9, 10))
    assert numbers_of(chapter) == list(range(1, 10))


@pytest.mark.parametrize("deleted", range(5))
def test_taking_back_cut_off_anywhere_leaves_nothing_to_be_missed(
    chapter: Path, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    run_of(chapter, range(1, 8))
    unlink, left = Path.unlink, [deleted]

    def cut(path: Path, *, missing_ok: bool = False) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise CutOff
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched, suppress(CutOff):
        patched.setattr(Path, "unlink", cut)
        take_back(chapter, 0, 3)
    run_of(chapter, range(4, 9))
    assert numbers_of(chapter) == list(range(1, 9))
