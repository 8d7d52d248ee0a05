"""One partition's writer: what a commit makes durable, what a restart takes back, and a disk that is full."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from connectors.archive import commits
from connectors.archive import writer as writer_module
from connectors.archive.chapter import Progress, Reached, read_progress, write_chapter, write_progress
from connectors.archive.files import NotDurable
from connectors.archive.layout import CHAPTER, FileName, progress_name
from connectors.archive.schema import ROW_GROUP
from connectors.archive.taking_back import take_back
from connectors.archive.writer import PartitionWriter
from connectors.dead_letters import DeadLetter
from connectors.ending import Ending
from connectors.errors import ArchiveLost, DBWatchError, Fenced
from tests.conftest import wait_until
from tests.connectors.archive.limits import files_of_at_most, only_more_handles
from tests.connectors.archive.past import chapter_of, hidden, kept, made

HOUR_S = 3600
LETTER = DeadLetter("read", "films", "a", "u", "", 0, "is no document", "")


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    write_chapter(tmp_path, chapter_of())
    return tmp_path / chapter_of().name


def writer_of(chapter: Path, *, seq: int = 0, partition: int = 0, ending: Ending | None = None) -> PartitionWriter:
    writer = PartitionWriter(chapter, partition, ending=ending or Ending())
    writer.start(seq)
    return writer


def reached(number: int = 0, *, image: bool = True) -> Reached:
    return Reached(made(number).position, image)


def test_what_is_committed_is_there_by_collection_and_hour_in_order_of_emission(chapter: Path) -> None:
    changes = [
        made(0),
        made(1, collection="a/b"),
        made(2, second=HOUR_S),
        made(3, key="b"),
        made(4, collection="a/b"),
    ]
    writer = writer_of(chapter)
    writer.add(changes[:2])
    writer.add([LETTER, *changes[2:]])
    assert kept(chapter) == []
    assert writer.commit(reached(4)) == 1
    assert [(one.seq, one.n, one.change) for one in kept(chapter)] == [(1, n, c) for n, c in enumerate(changes)]
    writer.add([made(5)])
    assert writer.commit(reached(5)) == 2
    assert [(one.seq, one.n) for one in kept(chapter)][-1] == (2, 0)
    writer.close()
    assert hidden(chapter) == []


def test_an_epoch_without_changes_has_the_last_commit_and_moves_the_progress(chapter: Path) -> None:
    writer = writer_of(chapter, seq=7)
    assert writer.commit(reached(1, image=False)) == 7
    writer.add([LETTER])
    assert writer.commit(reached(2)) == 7
    wait_until(lambda: (progress_of(chapter) or ())[:5] == (0, 7, 7, reached(2).position, True))
    writer.close()


def test_a_commit_of_more_hours_than_files_can_be_open_is_written(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_MOST_ROWS", 100)
    monkeypatch.setattr(commits, "_MOST_OPEN", 8)
    changes = [made(number, second=number % 50 * HOUR_S) for number in range(220)]
    writer = writer_of(chapter)
    with only_more_handles(24):
        writer.add(changes)
        assert writer.commit(reached()) == 1
    assert [one.change for one in kept(chapter)] == changes
    writer.close()
    assert hidden(chapter) == []


def progress_of(chapter: Path) -> Progress | None:
    return read_progress(chapter, 0)


def test_what_is_told_of_a_commit_is_on_the_disk_when_it_returns(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    writer = writer_of(chapter)
    writer.add([made(0)])
    writer.commit(reached())
    assert {(chapter / progress_name(0, 1)).stat().st_ino, chapter.stat().st_ino} <= set(synced)
    assert synced[-1] == chapter.stat().st_ino
    writer.close()


def test_a_commit_waits_until_the_disk_takes_what_is_told_of_it(chapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[Progress] = []

    def full_at_first(folder: Path, progress: Progress) -> None:
        if len(refused) < 2:
            refused.append(progress)
            raise OSError(errno.ENOSPC, "No space left on device")
        write_progress(folder, progress)

    monkeypatch.setattr(writer_module, "write_progress", full_at_first)
    writer = writer_of(chapter)
    writer.add([made(0)])
    assert writer.commit(reached()) == 1
    told = progress_of(chapter)
    assert told is not None
    assert told.seq == 1
    assert len(refused) == 2
    writer.close()


def test_a_progress_that_cannot_be_told_leaves_nothing_behind(chapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_progress(chapter, Progress(0, 1, 1, "", image=True, at_ms=0))
    assert hidden(chapter) == []
    assert progress_of(chapter) is None


def test_a_folder_of_which_the_disk_cannot_tell_whether_it_is_written_ends_the_run(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a second try says of it means nothing: the system has forgotten that there was something to write."""
    fsync, told = os.fsync, list[int]()

    def failing_once(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) and not told:
            told.append(handle)
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    writer = writer_of(chapter, ending=(ending := Ending()))
    monkeypatch.setattr(os, "fsync", failing_once)
    writer.add([made(0)])
    with pytest.raises(
        NotDurable, match=r"the disk did not take it: Input/output error.*goes on from its last snapshot"
    ):
        writer.commit(reached())
    assert ending.abandoned
    writer.close()


def test_of_many_collections_not_all_files_are_open_at_once(chapter: Path) -> None:
    ending = Ending()
    ending.request()  # so that a writer that is held ends, and does not wait
    writer = writer_of(chapter, ending=ending)
    with only_more_handles(40):
        writer.add([made(number, collection=f"c{number}") for number in range(90)])
        writer.commit(reached())
    assert len(kept(chapter)) == 90
    writer.close()


def test_a_commit_counts_as_durable_three_snapshots_later(chapter: Path) -> None:
    writer = writer_of(chapter, seq=4)
    durable: list[int] = []
    for number in range(6):
        writer.add([made(number)])
        seq = writer.commit(reached(number))
        progress = progress_of(chapter)
        assert progress is not None
        assert progress.seq == seq == 5 + number
        durable.append(progress.durable)
    writer.close()
    assert durable == [4, 4, 4, 5, 6, 7]


def test_long_commits_are_written_in_row_groups_while_they_come(chapter: Path) -> None:
    writer = writer_of(chapter)
    changes = [made(n, text="x" * 50) for n in range(2 * ROW_GROUP + 5)]
    for start in range(0, len(changes), 1000):
        writer.add(changes[start : start + 1000])
    wait_until(lambda: any(file.stat().st_size > 10_000 for file in chapter.rglob(".part-*")))
    writer.commit(reached())
    (file,) = chapter.rglob("part-*.parquet")
    metadata = pq.read_metadata(file)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROW_GROUP, ROW_GROUP, 5]
    assert metadata.row_group(0).column(0).statistics is not None
    assert [one.change for one in kept(chapter)] == changes
    writer.close()


def test_what_was_not_committed_is_taken_back_by_the_next_start(chapter: Path) -> None:
    first, other = writer_of(chapter), writer_of(chapter, partition=1)
    for number in range(3):
        first.add([made(number)])
        first.commit(reached(number))
    other.add([made(9)])
    other.commit(reached(9))
    lost = ".part-000-0000000004-0000000004.parquet.abc"
    (next(chapter.rglob("part-*")).parent / lost).write_bytes(b"half")
    first.close()
    other.close()
    second = writer_of(chapter, seq=2)
    assert [(one.partition, one.seq) for one in kept(chapter)] == [(0, 1), (0, 2), (1, 1)]
    assert hidden(chapter) == []
    second.add([made(2)])
    assert second.commit(reached(2)) == 3
    second.close()


def test_a_segment_that_holds_more_than_the_job_knows_is_cut(chapter: Path) -> None:
    writer = writer_of(chapter)
    for number in range(4):
        writer.add([made(number, key="ab"[number % 2])])
        writer.commit(reached(number))
    writer.close()
    _compact(chapter, FileName("segment", 0, 1, 4))
    take_back(chapter, 0, 3)
    assert [one.seq for one in kept(chapter)] == [1, 2, 3]
    assert [file.name for file in chapter.rglob("*.parquet")] == [str(FileName("segment", 0, 1, 3))]
    take_back(chapter, 0, 3)
    assert [one.seq for one in kept(chapter)] == [1, 2, 3]
    progress = progress_of(chapter)
    assert progress is not None
    take_back(chapter, 0, 0)
    assert kept(chapter) == []


def test_what_was_taken_back_does_not_count_as_complete(chapter: Path) -> None:
    writer = writer_of(chapter)
    for number in range(4):
        writer.add([made(number)])
        writer.commit(reached(number))
    writer.close()
    take_back(chapter, 0, 3, reached(2))
    progress = progress_of(chapter)
    assert progress is not None
    assert (progress.seq, progress.position, progress.image) == (3, *reached(2))
    take_back(chapter, 0, 0)
    progress = progress_of(chapter)
    assert progress is not None
    assert (progress.seq, progress.image) == (0, False)


def _compact(chapter: Path, name: FileName) -> None:
    parts = sorted(chapter.rglob("part-*.parquet"))
    table = pa.concat_tables([pq.read_table(part, partitioning=None) for part in parts])
    pq.write_table(table.sort_by([("key", "ascending"), ("position", "ascending")]), parts[0].with_name(str(name)))
    for part in parts:
        part.unlink()


def test_a_full_disk_holds_the_flow_back_until_there_is_room_and_nothing_is_lost(chapter: Path) -> None:
    held: list[str | None] = []
    writer = PartitionWriter(chapter, 0, ending=Ending(), on_held=held.append)
    writer.start(0)
    changes = [made(n, text=f"{n * n}") for n in range(3 * ROW_GROUP)]
    with capture_logs() as logs:
        with files_of_at_most(20_000):
            writer.add(changes)
            wait_until(lambda: bool(held))
            assert writer.is_full
            done = threading.Thread(target=writer.commit, args=(reached(),))
            done.start()
            done.join(timeout=0.2)
            assert done.is_alive()
        done.join(timeout=10)
        assert not done.is_alive()
    writer.close()
    assert held == ["File too large", None]
    assert [log["event"] for log in logs] == ["archive.held", "archive.goes_on"]
    assert not writer.is_full
    assert [one.change for one in kept(chapter)] == changes


def test_when_the_end_is_asked_for_while_the_disk_is_full_no_snapshot_is_taken(chapter: Path) -> None:
    ending = Ending()
    writer = writer_of(chapter, ending=ending)
    writer.add([made(0)])
    writer.commit(reached())
    aside = chapter.with_name("aside")
    chapter.rename(aside)
    chapter.write_text("no folder")
    try:
        writer.add([made(1)])
        ending.request()
        with pytest.raises(DBWatchError, match=r"cannot be written \(Not a directory\).*nothing is lost"):
            writer.commit(reached())
    finally:
        chapter.unlink()
        aside.rename(chapter)
    assert ending.abandoned
    writer.close()
    again = writer_of(chapter, seq=1)
    assert [one.seq for one in kept(chapter)] == [1]
    again.close()


def test_a_chapter_that_is_removed_meanwhile_ends_the_run(chapter: Path) -> None:
    ending = Ending()
    writer = writer_of(chapter, ending=ending)
    (chapter / CHAPTER).unlink()
    writer.add([made(0)])
    with pytest.raises(ArchiveLost, match="was removed while the job runs"):
        writer.commit(reached())
    assert ending.abandoned
    writer.close()


@pytest.mark.parametrize("most_open", [1, 8])
def test_a_chapter_that_is_removed_amid_a_long_commit_ends_the_run(
    chapter: Path, monkeypatch: pytest.MonkeyPatch, most_open: int
) -> None:
    monkeypatch.setattr(commits, "_MOST_ROWS", 2)
    monkeypatch.setattr(commits, "_MOST_OPEN", most_open)
    writer = writer_of(chapter, ending=(ending := Ending()))
    writer.add([made(0), made(1, second=HOUR_S)])
    wait_until(lambda: len(hidden(chapter)) == 2)
    shutil.rmtree(chapter)
    writer.add([made(2)])
    with pytest.raises(ArchiveLost, match="was removed while the job runs"):
        writer.commit(reached())
    assert ending.abandoned
    writer.close()


def test_a_folder_that_is_away_for_a_while_holds_the_flow_back(chapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_MOST_ROWS", 1)
    held: list[str | None] = []
    writer = PartitionWriter(chapter, 0, ending=Ending(), on_held=held.append)
    writer.start(0)
    writer.add([made(0)])
    wait_until(lambda: hidden(chapter))
    away = chapter.parent.with_name("away")
    chapter.parent.rename(away)
    done = threading.Thread(target=writer.commit, args=(reached(),))
    done.start()
    wait_until(lambda: held)
    away.rename(chapter.parent)
    done.join(timeout=10)
    assert not done.is_alive()
    writer.close()
    assert held == ["No such file or directory", None]
    assert [one.change for one in kept(chapter)] == [made(0)]


def test_a_run_whose_files_another_one_took_away_while_they_were_not_open_ends(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_MOST_ROWS", 2)
    monkeypatch.setattr(commits, "_MOST_OPEN", 1)
    ending = Ending()
    writer = writer_of(chapter, ending=ending)
    writer.add([made(0), made(1, second=HOUR_S)])
    wait_until(lambda: len(hidden(chapter)) == 2)
    take_back(chapter, 0, 0)
    writer.add([made(2)])
    with pytest.raises(Fenced, match="another run of the job has begun"):
        writer.commit(reached())
    writer.close()


def test_nothing_gets_its_name_once_the_job_is_another_ones(chapter: Path) -> None:
    def fenced() -> None:
        raise Fenced("another job has taken over")

    writer = PartitionWriter(chapter, 0, ending=Ending(), guard=fenced)
    writer.start(0)
    writer.add([made(0)])
    with pytest.raises(Fenced):
        writer.commit(reached())
    writer.close()
    assert kept(chapter) == []
    assert hidden(chapter) == []
