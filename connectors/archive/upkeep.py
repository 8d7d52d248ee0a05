"""The archive's upkeep beside a running job: compaction and retention, in a thread of its own.

It works in Arrow's kernels, which do not hold Python's lock, and where the system allows it at a lower priority. What
it does may be cut off anywhere. Of two that run on one archive one waits for the other.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import structlog

from connectors.archive import compaction, folding, retention
from connectors.archive.chapter import Chapter, read_chapters
from connectors.archive.settings import ArchiveSettings
from connectors.errors import ConfigError, DBWatchError, Stopped

log = structlog.get_logger()

COMPACT_EVERY_S = 60
RETAIN_EVERY_S = 600
_LOCK = ".upkeep"
_NICE = 10


class Upkeep:
    """Looks after the archive in `root`, to whose `chapter` this job writes, until it is closed.

    A damaged file is told of once and left as it is; what cannot be done now is tried again later.
    """

    def __init__(
        self,
        root: Path,
        settings: ArchiveSettings,
        chapter: Chapter,
        *,
        compact_every_s: float = COMPACT_EVERY_S,
        retain_every_s: float = RETAIN_EVERY_S,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._root = root
        self._settings = settings
        self._live = chapter.name
        self._compact_every_s = compact_every_s
        self._retain_every_s = retain_every_s
        self._now_ms = now_ms
        self._ending = threading.Event()
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="dbwatch archive upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends at once: what is being made is thrown away, and made again another time."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere this would be the whole process's
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        retain_at, is_clean = 0.0, False
        while not self._ending.wait(self._compact_every_s):
            with self._alone() as is_alone:
                if not is_alone:
                    continue
                if not is_clean:
                    self.clean_hidden()
                    is_clean = True
                self.compact()
                if time.monotonic() >= retain_at:
                    retain_at = time.monotonic() + self._retain_every_s
                    self.retain()
            pa.default_memory_pool().release_unused()

    def clean_hidden(self) -> None:
        """Delete what a crash has left of files that were being made."""
        with self._telling():
            for chapter in self._ours():
                compaction.clean_hidden(self._root, chapter.name)

    def compact(self) -> None:
        """Make segments of what is there to be made one, in every chapter of this job."""
        with self._telling():
            is_closed = True  # before the one that the job writes to
            for chapter in self._ours():
                is_closed = is_closed and chapter.name != self._live
                with self._telling():
                    compaction.clean(self._root, chapter.name, step=self._step)
                    self._compact(chapter.name, is_closed=is_closed)

    def _ours(self) -> list[Chapter]:
        """The chapters of this job, by age."""
        chapters = read_chapters(self._root, passed_over=self._passed_over)
        jobs = {chapter.job_id for chapter in chapters if chapter.name == self._live}
        return [chapter for chapter in chapters if chapter.job_id in jobs]

    def _compact(self, name: str, *, is_closed: bool) -> None:
        for group in compaction.groups(self._root, name, is_closed=is_closed):
            started = time.perf_counter()
            with self._telling():
                rows = compaction.compact(self._root, group, step=self._step)
                segment = group.segment
                log.info(
                    "archive.compacted",
                    chapter=name,
                    collection=segment.collection,
                    hour=segment.hour,
                    files=len(group.files),
                    rows=rows,
                    seconds=round(time.perf_counter() - started, 1),
                )

    def retain(self) -> None:
        """Bring the archive within its limits."""
        failed: list[retention.Fold | retention.Drop] = []
        with self._telling():
            retention.clean_dropped(self._root, step=self._step)
            while True:
                unable = {action.chapter for action in failed}
                kept = [
                    each._replace(hours=()) if each.chapter.name in unable else each
                    for each in retention.survey(self._root, self._live, passed_over=self._passed_over)
                ]
                now_ms = retention.counted_from(kept, self._live, clock_ms=self._now_ms())
                action = retention.next_action(kept, self._settings, now_ms=now_ms)
                if action is None or action in failed:
                    return
                failed.append(action)
                with self._telling():
                    self._do(action)
                    failed.remove(action)
                self._step("go on")

    def _do(self, action: retention.Fold | retention.Drop) -> None:
        started = time.perf_counter()
        if isinstance(action, retention.Drop):
            retention.drop(self._root, action.chapter, step=self._step)
            log.info("archive.dropped", chapter=action.chapter)
            return
        folded = folding.fold(self._root, action.chapter, action.hour, step=self._step)
        log.info(
            "archive.folded",
            chapter=action.chapter,
            until=folded.chapter.begin,
            files=folded.files,
            rows=folded.rows,
            seconds=round(time.perf_counter() - started, 1),
        )

    def _step(self, _doing: str) -> None:
        if self._ending.is_set():
            raise Stopped("the upkeep of the archive was cut off")

    @contextmanager
    def _telling(self) -> Generator[None]:
        """Whatever is wrong with files is told, once, and the upkeep goes on."""
        try:
            yield
        except Stopped:
            return
        except FileNotFoundError:  # taken back by a restart, or the folder was removed: another time
            return
        except (DBWatchError, OSError, pa.ArrowException) as exc:
            self._tell(str(exc))
        except Exception as exc:  # a mistake of ours: all else goes on, and is not told of every minute
            if repr(exc) not in self._told:
                self._told.add(repr(exc))
                log.exception("archive.failed", chapter=self._live)

    def _passed_over(self, _folder: Path, exc: ConfigError) -> None:
        self._tell(str(exc))

    def _tell(self, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            log.warning("archive.upkeep_failed", reason=reason)

    @contextmanager
    def _alone(self) -> Generator[bool]:
        """Whether nobody else is looking after this archive, on this machine."""
        try:
            handle = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            self._tell(str(exc))
            yield False
            return
        try:
            try:
                is_alone = _locked(handle)
            except OSError as exc:  # a file system that has no locks
                self._tell(f"{self._root / _LOCK}: {exc}")
                is_alone = False
            yield is_alone
        finally:
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
