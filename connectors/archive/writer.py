"""What one partition of the source emits, into the archive. An edge: it writes files.

Guarantee: what `commit` returns is the number under which everything that was added before is on the disk, each change
once and in order. After a crash, taking back what is later than the number that the job knows leaves just that.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from connectors.archive.chapter import Progress, Reached, chapter_lost, write_progress
from connectors.archive.commits import CommitFiles, characters
from connectors.archive.layout import CHAPTER
from connectors.archive.patience import OnHeld, Patience
from connectors.archive.taking_back import take_back
from connectors.changes import Change
from connectors.dead_letters import Emitted
from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError, mistake

log = structlog.get_logger()

_MOST_AHEAD, _MOST_AHEAD_CHARACTERS = 20_000, 32_000_000
"""Changes that may wait to be written; no more is asked of the source until they are fewer."""

_DURABLE_AFTER = 3
"""Snapshots after which the first of them is surely durable: the engine may be writing the newest two."""

_POLL_S = 0.05


class _Added(NamedTuple):
    changes: Sequence[Change]
    characters: int


class _Commit(NamedTuple):
    """All that was added is to be made durable (`done` then; None when there is nothing), and how far we are told."""

    seq: int
    durable: int
    reached: Reached
    done: threading.Event | None


class PartitionWriter:
    """One partition's writer. `start` is called first; the methods are for one thread, the worker's.

    Rows are made into files in a thread of its own, a row group at a time, so that memory stays bounded. While the disk
    does not take them, the writer `is_full` after a while, and a `commit` waits. When the end is requested meanwhile,
    the job ends at once, without the snapshot that the commit is for. `guard` is called in that thread before files get
    their names; what it raises ends the job, too. A run that is replaced just after that gives names that count for
    nobody, and its word of its progress is not heard: both have its number.
    """

    def __init__(
        self,
        chapter: Path,
        partition: int,
        *,
        ending: Ending,
        on_held: OnHeld = lambda _: None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._chapter = chapter
        self._partition = partition
        self._ending = ending
        self._guard = guard
        self._patience = Patience(f"archive folder {chapter.parent}", on_held=on_held)
        self._items: queue.SimpleQueue[_Added | _Commit | None] = queue.SimpleQueue()
        self._failure: DBWatchError | None = None
        self._seq = 0
        self._snapshots: list[int] = []
        self._begun = Progress(partition, 0, 0, "", image=False, at_ms=0)
        self._is_empty = True
        self._added = self._added_characters = 0
        self._taken = self._taken_characters = 0
        self._files = CommitFiles(chapter, partition, self._patience)
        self._thread = threading.Thread(target=self._run, name=f"dbwatch archive {partition}", daemon=True)

    def start(self, seq: int, reached: Reached | None = None) -> None:
        """Go on after a commit, 0 for none, and what the source had reached with it. Raises `ConfigError`."""
        try:
            begun = take_back(self._chapter, self._partition, seq, reached)
        except OSError as exc:
            raise ConfigError(
                f"archive folder {self._chapter}: what a crash left there cannot be taken back: {exc}; mend that, or "
                "switch the archive off"
            ) from exc
        self._seq = seq
        self._begun = begun
        self._files.begin_run(begun.run, begun.files or {})
        self._snapshots = [seq] * _DURABLE_AFTER
        self._files.begin(seq + 1)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be written that nothing should be added now."""
        return (
            self._added - self._taken > _MOST_AHEAD
            or self._added_characters - self._taken_characters > _MOST_AHEAD_CHARACTERS
        )

    def add(self, emitted: Sequence[Emitted]) -> None:
        """What was emitted, in order; dead letters among it are passed over. Does not wait."""
        changes = [change for change in emitted if isinstance(change, Change)]
        if changes:
            size = sum(map(characters, changes))
            self._added += len(changes)
            self._added_characters += size
            self._is_empty = False
            self._items.put(_Added(changes, size))

    def commit(self, reached: Reached) -> int:
        """Make durable what was added; returns the commit's number, that of the last one when nothing was.

        To be called once in each epoch. Ends the job when it cannot be done.
        """
        done = None if self._is_empty else threading.Event()
        self._seq += not self._is_empty
        self._is_empty = True
        self._items.put(_Commit(self._seq, self._snapshots.pop(0), reached, done))
        self._snapshots.append(self._seq)
        if done is not None:
            self._await(done)
        return self._seq

    def close(self) -> None:
        """What was not committed is thrown away."""
        self._items.put(None)
        if self._thread.is_alive():
            self._patience.give_up()
            self._thread.join(timeout=5)

    def _await(self, done: threading.Event) -> None:
        while not done.wait(_POLL_S):
            if self._failure is not None:
                self._ending.abandon(self._failure)
            if self._ending.requested and self._patience.held is not None:
                self._ending.abandon(
                    DBWatchError(
                        f"archive folder {self._chapter.parent}: cannot be written ({self._patience.held}), so the job "
                        "ended without a last snapshot; nothing is lost: started again, it goes on from the one before"
                    )
                )

    def _run(self) -> None:
        try:
            while (item := self._items.get()) is not None:
                if isinstance(item, _Commit):
                    self._commit(item)
                else:
                    self._files.add(item.changes, item.characters)
                    self._taken += len(item.changes)
                    self._taken_characters += item.characters
        except DBWatchError as exc:
            self._failure = exc
        except Exception as exc:  # a mistake of ours must end the job too, not leave it waiting
            log.exception("archive.failed", partition=self._partition)
            self._failure = mistake(f"archive folder {self._chapter}", exc)
        finally:
            self._files.discard()

    def _commit(self, commit: _Commit) -> None:
        if commit.done is not None:
            self._files.finish()
            self._guard()
            self._files.publish()
            self._files.begin(commit.seq + 1)
        progress = self._progress(commit)
        if commit.done is None:
            with suppress(OSError):  # it is told again with the next epoch
                write_progress(self._chapter, progress)
        else:  # a start that is told of less than the job knows begins another chapter
            self._patience.until_done(lambda: self._tell(progress))
            commit.done.set()

    def _progress(self, commit: _Commit) -> Progress:
        position, image = commit.reached
        return self._begun._replace(
            seq=commit.seq,
            durable=commit.durable,
            position=position,
            image=image,
            at_ms=time.time_ns() // 1_000_000,
            files=dict(self._files.numbers),
        )

    def _tell(self, progress: Progress) -> None:
        if not (self._chapter / CHAPTER).exists():
            raise chapter_lost(self._chapter)
        write_progress(self._chapter, progress)
