"""Faults of the archive that the job keeps, and of the work with it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from connectors.archive.chapter import Chapter, complete_until, read_chapters, read_progress
from connectors.archive.layout import FileName
from tests.faults.fault import Fault
from tests.faults.job import set_trap, spring_back
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import ARCHIVE_LIMITS, Setup


class ArchiveFault(Fault):
    """Base: the job keeps an archive."""

    group = "archive"

    def prepare(self, setup: Setup) -> None:
        setup.archive = True


class ArchiveFull(ArchiveFault):
    """The archive's disk takes nothing for a while; the job is held, and goes on."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        written = rig.follower.count  # a job that is only beginning, and finds no chapter, begins another one
        _step_until(rig, lambda: rig.follower.count > written, "a record of the job that runs")
        folder = rig.archive / _chapter(rig).name
        held, went_on = _told(rig, "archive.held"), _told(rig, "archive.goes_on")
        aside = rig.folder / "aside"
        folder.rename(aside)
        folder.write_text("stands in the way, whoever runs the suite")
        try:
            _step_until(rig, lambda: _told(rig, "archive.held") > held, "the word that the archive is held")
            time.sleep(rnd.uniform(0, 2))
        finally:
            folder.unlink()
            aside.rename(folder)
        rig.wait(lambda: _told(rig, "archive.goes_on") > went_on, what="the word that the archive goes on")


class ArchiveDamaged(ArchiveFault):
    """A file of the archive is cut off, and the job killed now and then; it goes on, and the file is put back later."""

    def __init__(self) -> None:
        self._kept: list[tuple[Path, Path]] = []

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        chapter = _chapter(rig)

        def whole() -> list[Path]:
            return [file for file in _settled(rig, chapter) if file not in {damaged for _, damaged in self._kept}]

        _step_until(rig, whole, "a file that the job will not take back")
        file = rnd.choice(whole())
        copy = rig.folder / f"kept-{len(self._kept)}-{file.name}"
        try:
            shutil.copyfile(file, copy)
            with file.open("r+b") as out:
                out.truncate(rnd.choice((0, 4, copy.stat().st_size // 2, copy.stat().st_size - 1)))
        except FileNotFoundError:  # made a segment just now
            return self.strike(rig, rnd)
        self._kept.append((copy, file))
        time.sleep(rnd.uniform(0, 2))
        if rnd.random() < 0.5:
            rig.flow.kill()
            rig.restart()
        return None

    def heal(self, rig: Rig) -> None:
        for copy, file in self._kept:
            if copy.exists() and file.exists():
                copy.replace(file)


class ArchiveOffAndOn(ArchiveFault):
    """The job is started without the archive for a while, and with it again: it begins a chapter with a new image."""

    alone = True

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.chapters = 2

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_tail()
        time.sleep(rnd.uniform(1, 3))
        for folder in ("off", str(rig.archive)):
            self._end(rig, rnd)
            rig.flow.settings["DBWATCH_ARCHIVE"] = folder
            rig.restart()
            rig.wait(lambda: rig.flow.begun, 30, what="the job's beginning")
            time.sleep(rnd.uniform(0, 3) if folder != "off" else rnd.uniform(2.5, 4))  # a checkpoint of its own
        if rnd.random() < 0.5:  # perhaps while the image is read
            rig.flow.kill()
            rig.restart()
        rig.wait(lambda: len(_chapters(rig)) == 2 and _chapters(rig)[-1].begin, 30, what="the second chapter's image")

    def _end(self, rig: Rig, rnd: random.Random) -> None:
        if rnd.random() < 0.5:
            rig.flow.kill()
        elif any(rig.flow.stop()):
            raise RoundFailed(f"asked to end, it said {rig.flow.last_words()}")


class KillInArchiveCommit(ArchiveFault):
    """The job is killed between the steps by which an epoch's changes get into the archive."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 3)):
            _trapped(rig, "commit", rnd.randint(1, 12))


class KillInCompaction(ArchiveFault):
    """The job is killed between the steps by which files of the archive are made one."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 2)):
            _trapped(rig, "compaction", rnd.randint(1, 8))


class KillInRetention(ArchiveFault):
    """The job is killed between the steps by which the archive's oldest hours are folded into its image."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.archive_limits = ARCHIVE_LIMITS

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 2)):
            _trapped(rig, "fold", rnd.randint(1, 20), timeout_s=30)
        begin = _chapter(rig).begin
        _step_until(rig, lambda: _chapter(rig).begin > begin, "a fold after the last kill")


def _chapters(rig: Rig) -> list[Chapter]:
    return read_chapters(rig.archive) if rig.archive.is_dir() else []


def _chapter(rig: Rig) -> Chapter:
    """The newest, once all that its image is made of is there."""
    rig.wait(lambda: _chapters(rig) and complete_until(rig.archive, _chapters(rig)[-1]), 30, what="a whole chapter")
    return _chapters(rig)[-1]


def _settled(rig: Rig, chapter: Chapter) -> list[Path]:
    """The files of commits that the job will not take back."""
    progress = [read_progress(rig.archive / chapter.name, partition) for partition in range(chapter.partitions)]
    durable = {one.partition: one.durable for one in progress if one is not None}
    files = (rig.archive / chapter.name).glob("collection=*/hour=*/*.parquet")
    names = [(file, FileName.parse(file.name)) for file in files]
    return sorted(file for file, name in names if name is not None and name.last <= durable.get(name.partition, 0))


def _told(rig: Rig, event: str) -> int:
    return rig.flow.log().count(f'"event": "{event}"')


def _step_until(rig: Rig, met: Callable[[], object], what: str) -> None:
    """Until it is met, with changes made meanwhile."""

    def is_met() -> bool:
        if not met():
            if not rig.workload.running:
                rig.workload.step()
            return False
        return True

    rig.wait(is_met, 30, what=what)


def _trapped(rig: Rig, work: str, step: int, *, timeout_s: float = 20) -> None:
    """Let the job die before a step of its work, if that comes; start it again."""
    _chapter(rig)
    rig.wait(lambda: rig.flow.begun, what="the job's beginning")
    set_trap(rig.folder, work, step=step)
    deadline = time.monotonic() + timeout_s
    while rig.flow.running and time.monotonic() < deadline:
        if not rig.workload.running:
            rig.workload.step()
        time.sleep(0.01)
    sprung = spring_back(rig.folder)
    if not sprung:
        raise RoundFailed(f"no step {step} of {work} came within {timeout_s:.0f} s")
    rig.counted[f"killed in {work}"] += 1
    rig.flow.kill()
    rig.restart()


FAULTS = (ArchiveFull, ArchiveDamaged, ArchiveOffAndOn, KillInArchiveCommit, KillInCompaction, KillInRetention)
