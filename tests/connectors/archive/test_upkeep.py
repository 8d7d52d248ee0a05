"""Beside a running job the archive is looked after; what is damaged is told of, and the rest goes on."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.archive import compaction
from connectors.archive.chapter import read_chapter, write_chapter
from connectors.archive.layout import last_of_hour
from connectors.archive.settings import ArchiveSettings
from connectors.archive.upkeep import Upkeep
from tests.conftest import wait_until
from tests.connectors.archive.archives import BASE_S, HOUR_S, Archive, at, change

NOW_MS = (BASE_S + 10 * HOUR_S) * 1000


def kept(root: Path, keep_ms: int | None = None) -> tuple[Archive, Upkeep]:
    archive = Archive(root)
    for hour in range(5):
        archive.commit([change("a", at(hour * HOUR_S))])
    archive.progress(at(4 * HOUR_S + 1))
    settings = ArchiveSettings(root, keep_ms, None)
    upkeep = Upkeep(root, settings, archive.chapter, compact_every_s=0, retain_every_s=0, now_ms=lambda: NOW_MS)
    return archive, upkeep


def test_it_compacts_and_retains_while_the_job_runs_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    archive, upkeep = kept(tmp_path, keep_ms=HOUR_S * 1000)
    upkeep.start()
    begins = ["segment-", "part-000", "image-00"]
    wait_until(lambda: [name.rpartition("/")[2][:8] for name in archive.names()] == begins, what="folded hours")
    upkeep.close()
    assert read_chapter(archive.folder).begin == last_of_hour("2027-01-15T10")


@pytest.mark.parametrize("years", [0, 10])
def test_a_clock_that_is_far_ahead_folds_nothing_that_is_not_old(tmp_path: Path, years: int) -> None:
    archive, _ = kept(tmp_path)
    ahead_ms = NOW_MS + years * 365 * 24 * HOUR_S * 1000
    archive.progress(at(4 * HOUR_S + 1), at_ms=ahead_ms)
    settings = ArchiveSettings(tmp_path, 2 * HOUR_S * 1000, None)
    Upkeep(tmp_path, settings, archive.chapter, now_ms=lambda: ahead_ms).retain()
    assert read_chapter(archive.folder).begin == last_of_hour("2027-01-15T09")


def test_a_databases_clock_that_is_far_ahead_folds_nothing_either(tmp_path: Path) -> None:
    archive, _ = kept(tmp_path)
    archive.commit([change("a", at(90_000 * HOUR_S))])
    archive.progress(at(90_000 * HOUR_S))
    settings = ArchiveSettings(tmp_path, 24 * HOUR_S * 1000, None)
    Upkeep(tmp_path, settings, archive.chapter, now_ms=lambda: NOW_MS).retain()
    assert read_chapter(archive.folder).begin == archive.chapter.begin


def test_what_it_did_is_logged(tmp_path: Path) -> None:
    archive, upkeep = kept(tmp_path, keep_ms=HOUR_S * 1000)
    with capture_logs() as logs:
        upkeep.compact()
        upkeep.retain()
    assert [entry["event"] for entry in logs] == ["archive.compacted"] * 4 + ["archive.folded"]
    assert logs[-1]["rows"] == 1
    assert logs[-1]["chapter"] == archive.chapter.name


def test_a_damaged_file_is_told_of_once_and_all_else_is_done(tmp_path: Path) -> None:
    archive, upkeep = kept(tmp_path, keep_ms=HOUR_S * 1000)
    damaged = next(archive.folder.glob("*/hour=2027-01-15T08/*"))
    damaged.write_bytes(b"PAR1")
    with capture_logs() as logs:
        for _ in range(2):
            upkeep.compact()
            upkeep.retain()
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert str(damaged) in warnings[0]["reason"]
    assert len([name for name in archive.names() if "segment-" in name]) == 3
    assert read_chapter(archive.folder).begin == archive.chapter.begin


@pytest.mark.parametrize(("job", "file"), [("job", "progress-000.json"), ("other", "chapter.json")])
def test_a_chapter_that_cannot_be_read_is_told_of_once_and_the_others_are_looked_after(
    tmp_path: Path, job: str, file: str
) -> None:
    archive, upkeep = kept(tmp_path, keep_ms=HOUR_S * 1000)
    chapter = archive.chapter._replace(name=f"{job}-0001-0000", job_id=job, number=0, created_ms=0)
    write_chapter(tmp_path, chapter)
    (tmp_path / chapter.name / file).write_bytes(b"{")
    with capture_logs() as logs:
        for _ in range(2):
            upkeep.compact()
            upkeep.retain()
    warnings = [entry["reason"] for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert str(tmp_path / chapter.name / file) in warnings[0]
    assert "segment-" in "".join(archive.names())
    assert read_chapter(archive.folder).begin == last_of_hour("2027-01-15T10")
    assert (tmp_path / chapter.name).is_dir()


def test_a_mistake_in_one_chapter_keeps_no_other_from_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, upkeep = kept(tmp_path)
    asked: list[str] = []

    def groups(_root: Path, name: str, *, is_closed: bool) -> list[compaction.Group]:
        asked.append(f"{name} {is_closed}")
        raise AssertionError("never")

    monkeypatch.setattr(compaction, "groups", groups)
    write_chapter(tmp_path, archive.chapter._replace(name="job-0001-0002", number=2, created_ms=NOW_MS))
    with capture_logs() as logs:
        for _ in range(2):
            upkeep.compact()
    assert asked == [f"{archive.chapter.name} False", "job-0001-0002 False"] * 2
    assert [entry["event"] for entry in logs] == ["archive.failed"]


def test_where_there_are_no_locks_it_says_so_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, upkeep = kept(tmp_path)

    def flock(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with capture_logs() as logs:
        for _ in range(2):
            with upkeep._alone() as is_alone:  # pyright: ignore[reportPrivateUsage]
                assert not is_alone
    assert [entry["event"] for entry in logs] == ["archive.upkeep_failed"]
    assert "No locks available" in logs[0]["reason"]


def test_of_two_at_one_archive_one_waits(tmp_path: Path) -> None:
    archive, upkeep = kept(tmp_path)
    other = Upkeep(tmp_path, ArchiveSettings(tmp_path, None, None), archive.chapter, compact_every_s=0)
    with upkeep._alone() as first, other._alone() as second:  # pyright: ignore[reportPrivateUsage]
        assert first
        assert not second


def test_a_folder_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "gone")
    upkeep = Upkeep(tmp_path / "none", ArchiveSettings(tmp_path, None, None), archive.chapter, compact_every_s=0)
    with capture_logs() as logs:
        upkeep.start()
        wait_until(lambda: logs, what="a warning")
        upkeep.close()
    assert {entry["event"] for entry in logs} == {"archive.upkeep_failed"}


def test_closed_before_it_was_started_it_has_nothing_to_end(tmp_path: Path) -> None:
    kept(tmp_path)[1].close()


def test_closed_in_the_middle_it_leaves_nothing_half_made(tmp_path: Path) -> None:
    archive, upkeep = kept(tmp_path)
    upkeep.close()
    names = archive.names()
    upkeep.compact()
    upkeep.retain()
    assert archive.names() == names
    assert not list(archive.folder.rglob(".*"))
