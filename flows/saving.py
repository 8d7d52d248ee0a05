"""Saving a snapshot: a consistent copy of a recovery store, of a job that may be running. An edge: it writes files."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from connectors.amounts import size_text
from connectors.archive.source import Archived
from connectors.durable import sync_folder
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from flows.recovery import (
    FLOW_ID,
    FORMAT,
    LABEL,
    Label,
    label_store,
    open_store,
    partition_files,
    read_label,
    standing_still,
)
from flows.snapshots import LEFT, META, Reached, Snapshot, check_name, find_snapshot, meta_text
from flows.store_states import SOURCE_STEP, ResumePoint, opened, refused, states_in

_PAGES = 256
"""Copied in a call: the bar moves, and Ctrl-C is heard."""

_MB = 1_000_000
_SPARE = 10 * _MB

_OF_WRITING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_TRUNCATE,
    }
)
"""What SQLite says of the copy: the store is only read."""

Tell = Callable[[str, int, int], None]
"""What is done, how much of it, of how many."""


def _tell_nobody(_doing: str, _done: int, _total: int) -> None:
    pass


def save_snapshot(folder: Path, root: Path, name: str, *, tell: Tell = _tell_nobody) -> Snapshot:
    """Copy a recovery store, of a job that runs or does not, to `root`/`name`; whole, or not at all.

    The job is not held up, and nothing of the store is changed. While the copy is made its write-ahead log grows by
    what the job writes meanwhile. Raises `ConfigError` for a name that is taken or cannot be one, for a store that is
    missing, being made, damaged, another flow's or without state, and when there is no room.
    """
    check_name(name)
    if (root / name).exists():
        raise ConfigError(
            f"snapshot {name}: there is one of this name in {root}; choose another name, or drop it first"
        )
    with _making(root, name) as making:
        with _seen_together(folder) as (partitions, point, label):
            states = states_in(folder, partitions, point)
            reached = {key: _reached(folder, key, state) for key, state in states.items()}
            _check_state(folder, reached)
            _check_room(root, partitions)
            _copy(folder, partitions, making, tell)
        _check_copy(folder, making, states)
        _write_all(making, label, _described(making, label, point, reached))
        try:
            making.rename(root / name)
        except OSError as exc:
            raise ConfigError(
                f"snapshot {name}: cannot be given its name in {root}: {exc.strerror}; choose another name, or see "
                "that the folder can be written"
            ) from exc
        sync_folder(root)
    return find_snapshot(root, name)


@contextmanager
def _seen_together(folder: Path) -> Generator[tuple[list[sqlite3.Connection], ResumePoint, Label]]:
    """The partitions and the label of one moment, at which nobody makes or empties the store."""
    with ExitStack() as stack:
        with standing_still(folder):
            open_store(folder, flow_id=FLOW_ID)
            label = read_label(folder)
            partitions, point = stack.enter_context(opened(folder))
        if label is None:
            raise ConfigError(
                f"recovery folder {folder}: it has no {LABEL}, so nobody can tell which job's state it holds; restore "
                "that file with the rest of its copy, or wait until the job has begun"
            )
        yield partitions, point, label


def _check_state(folder: Path, partitions: Mapping[str, Reached]) -> None:
    if not partitions:
        raise ConfigError(
            f"recovery folder {folder}: holds no state yet; a job takes its first recovery snapshot within seconds of "
            "its start: try again then"
        )


def _reached(folder: Path, key: str, state: object) -> Reached:
    chapter, seq = (state.chapter, state.seq) if isinstance(state, Archived) else ("", 0)
    inner: object = state.inner if isinstance(state, Archived) else state
    if not isinstance(inner, SourceState):
        raise ConfigError(
            f"recovery folder {folder}: the state of {SOURCE_STEP} {key} is not that of a live job; a snapshot is made "
            "of the recovery folder of `dbwatch run`"
        )
    return Reached(inner.position, "snapshot" if inner.token is None else "tail", chapter, seq)


def _check_room(root: Path, partitions: Sequence[sqlite3.Connection]) -> None:
    needed = sum(_bytes(db) for db in partitions)
    free = shutil.disk_usage(root).free
    if free < needed + _SPARE:
        raise ConfigError(
            f"folder {root}: a snapshot takes {size_text(needed)}, and {size_text(free)} are free; make room, or name "
            "another folder"
        )


def _bytes(db: sqlite3.Connection) -> int:
    (pages,), (page,) = db.execute("PRAGMA page_count").fetchone(), db.execute("PRAGMA page_size").fetchone()
    return pages * page


def _copy(folder: Path, partitions: Sequence[sqlite3.Connection], making: Path, tell: Tell) -> None:
    """What the open transactions see; the names are those of the engine, by each partition's number."""
    total, done = sum(_bytes(db) for db in partitions), 0
    for db in partitions:
        with refused(folder), _written(making.parent):
            (index,) = db.execute("SELECT part_index FROM parts").fetchone()
            size = _bytes(db)

            def progress(_: int, remaining: int, pages: int, size: int = size, before: int = done) -> None:
                copied = size if pages == 0 else size * (pages - remaining) // pages
                tell("MB copied", (before + copied) // _MB, total // _MB)

            with closing(sqlite3.connect(making / f"part-{index}.sqlite3")) as copy:
                copy.execute("PRAGMA synchronous = OFF")  # see _write_all
                db.backup(copy, pages=_PAGES, progress=progress)
        done += size


@contextmanager
def _written(root: Path) -> Generator[None]:
    """What keeps SQLite from writing the copy, as ours: the store is not to blame for it."""
    try:
        yield
    except sqlite3.Error as exc:
        if exc.sqlite_errorcode not in _OF_WRITING:
            raise
        raise ConfigError(
            f"folder {root}: the copy cannot be written ({exc}); make room there, or name another folder"
        ) from exc


def _check_copy(folder: Path, making: Path, states: Mapping[str, object]) -> None:
    """Raise `ConfigError` unless the engine can resume from the copy, with these states."""
    try:
        with opened(making, is_still=True) as (partitions, point):
            for db in partitions:
                (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise ConfigError(verdict)
            found = states_in(making, partitions, point)
    except (ConfigError, sqlite3.Error) as exc:
        raise ConfigError(
            f"recovery folder {folder}: what was copied of it is damaged, so it is itself: {exc}; restore it from an "
            "earlier snapshot, or name a new folder, which reads a snapshot again"
        ) from exc
    if found != states:
        raise ConfigError(f"recovery folder {folder}: a copy of it holds other states than it did; try again")


def _described(making: Path, label: Label, point: ResumePoint, reached: Mapping[str, Reached]) -> Snapshot:
    return Snapshot(
        folder=making,
        flow=FLOW_ID,
        version=label.version,
        state_format=FORMAT,
        job_id=label.job_id,
        generation=label.generation,
        epoch=point.epoch,
        partitions=reached,
        made_for=label.made_for,
        saved_ms=time.time_ns() // 1_000_000,
        files={file.name: file.stat().st_size for file in partition_files(making)},
    )


def _write_all(making: Path, label: Label, snapshot: Snapshot) -> None:
    """The files beside the partitions, and all of them to the disk."""
    label_store(
        making, job_id=label.job_id, run_id="", generation=label.generation, made_for=label.made_for, by=label.version
    )
    (making / META).write_text(meta_text(snapshot), encoding="utf-8")
    for file in making.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    sync_folder(making)


@contextmanager
def _making(root: Path, name: str) -> Generator[Path]:
    """A folder that is no snapshot yet; what is left of it at the end is removed. While its lock is held nobody takes
    it for what a process that was killed has left.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        making, handle = _locked(root, name)
    except OSError as exc:
        raise ConfigError(f"folder {root}: cannot be made or written: {exc.strerror}; name another one") from exc
    try:
        yield making
    except OSError as exc:
        raise ConfigError(f"snapshot {name}: cannot be written to {root}: {exc.strerror}; make room there") from exc
    finally:
        shutil.rmtree(making, ignore_errors=True)
        os.close(handle)


def _locked(root: Path, name: str) -> tuple[Path, int]:
    """A new folder, and the handle that holds its lock. One that was swept away before it had that is made again."""
    while True:
        making = root / f".{name}.{uuid.uuid4().hex}{LEFT}"
        making.mkdir()
        with suppress(FileNotFoundError):
            handle = os.open(making, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if making.exists():
                return making, handle
            os.close(handle)


def _sweep(root: Path) -> None:
    """Remove what was left by a process that was killed."""
    for left in root.glob(f".*{LEFT}"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)
