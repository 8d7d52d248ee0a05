"""The recovery store before a run: whether it is there, whole, ours, and whether it holds state. Makes and empties it,
whatever cuts that off; never writes state.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

from connectors.errors import ConfigError, Fenced
from connectors.process_ids import this_process

PARTITIONS = 1
"""Of a store that we make, fixed at creation. Each is committed at every epoch, waiting for the disk several times,
and the job waits for that. (There were many when each row was a key: the time to load one grows with the square of its
keys.)
"""

_PAGE_BYTES = 32768
"""SQLite has 4096 unless it is told; see `_use_large_pages`."""

_LABEL = "dbwatch.json"
_FORMAT = 3
"""Of the state: 1 was kept by row and foreign key, 2 by shards in three levels, 3 is by shards in slots."""

_UNFINISHED = "dbwatch.making"
"""There while the partitions are made, and says how many: what is left by a process that was killed meanwhile."""

_OTHER_MAKER_S = 10.0
_POLL_S = 0.1


class Store(NamedTuple):
    """A recovery folder: the id of the job that it belongs to (None when none has used it), which generation of it the
    state is of, and whether it holds state.
    """

    folder: Path
    job_id: str | None
    has_state: bool
    generation: int = 1


def make_store(folder: Path) -> None:
    """Make the store unless it is there whole. Raises `ConfigError` when the folder cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not partition_files(folder) or _is_unfinished(folder):
                _make_anew(folder, PARTITIONS)
    except OSError as exc:
        raise ConfigError(f"recovery folder {folder}: cannot be made: {exc.strerror}; name another one") from exc


def finish_store(folder: Path) -> None:
    """Make the store if a process that was making or emptying it has ended meanwhile. Raises `ConfigError`."""
    if _is_unfinished(folder):
        make_store(folder)


def stay_empty(folder: Path) -> None:
    """Make the folder of a process that keeps no store, because the first process of its cluster keeps it for all.
    Raises `ConfigError` when there are partitions in it: the engine would take them for a part of that store.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"recovery folder {folder}: cannot be made: {exc.strerror}; name another one") from exc
    if partition_files(folder) or _is_unfinished(folder):
        raise ConfigError(
            f"recovery folder {folder}: expected an empty folder, since process 0 keeps the store, found partition "
            "files; name another folder, or leave --remote-store out if all processes share this one"
        )


def await_store(folder: Path, *, flow_id: str, timeout_s: float) -> None:
    """Wait until another process has made the store; raises `ConfigError` when there is none by then."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            open_store(folder, flow_id=flow_id)
        except ConfigError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def open_store(folder: Path, *, flow_id: str) -> Store:
    """Look at a store; raises `ConfigError` when it is missing, damaged, being made, or belongs to another flow."""
    if _is_unfinished(folder):
        raise ConfigError(
            f"recovery folder {folder}: it is being made, or that was cut off; the next start of the job makes it whole"
        )
    files = partition_files(folder)
    if not files:
        raise ConfigError(
            f"recovery folder {folder}: expected part-*.sqlite3 files, found none; make it with "
            f"`python -m bytewax.recovery {folder} {PARTITIONS}`, or use `dbwatch run`, which does"
        )
    flows: set[str] = set()
    for file in files:
        count, found = _look(file)
        flows |= found
        if count != len(files):
            raise ConfigError(
                f"recovery folder {folder}: expected {count} partition files, found {len(files)}; restore the rest"
            )
    if flows - {flow_id}:
        raise ConfigError(
            f"recovery folder {folder}: holds the state of the flow {sorted(flows - {flow_id})[0]!r}, expected that of "
            f"{flow_id!r}; name another folder"
        )
    job_id, generation = _labelled(folder)
    return Store(folder, job_id, bool(flows), generation)


def check_used_by(folder: Path, *, run_id: str) -> None:
    """Raise `Fenced` when another run has taken over the store. A label that cannot be read says nothing."""
    try:
        label = json.loads((folder / _LABEL).read_text(encoding="utf-8"))
        run, process = str(label["run"]), str(label.get("process", "an unknown process"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if run != run_id:
        raise Fenced(
            f"recovery folder {folder}: another job has taken over, {process}, while this one was held up or cut "
            "off; this one leaves it as it is. Nothing is lost, and nothing is to be done"
        )


def store_size(folder: Path) -> int | None:
    """How many bytes the partitions take, with what the engine has not moved into them yet; None when there is none."""
    try:
        sizes = [file.stat().st_size for file in folder.glob("part-*.sqlite3*")]
    except OSError:  # a log that the engine removes at this moment
        return None
    return sum(sizes) if sizes else None


def label_store(folder: Path, *, job_id: str, run_id: str, generation: int = 1) -> None:
    """Write down which job the store belongs to, which generation of it, and which run uses it now."""
    whole = folder / f".{_LABEL}.{uuid.uuid4().hex}"
    label = {"format": _FORMAT, "job": job_id, "generation": generation, "run": run_id, "process": str(this_process())}
    whole.write_text(json.dumps(label) + "\n", encoding="utf-8")
    whole.replace(folder / _LABEL)


def empty_store(store: Store) -> Store:
    """Throw the state away; the store keeps its label and its number of partitions. Raises `ConfigError`."""
    try:
        with _alone(store.folder):
            _make_anew(store.folder, len(partition_files(store.folder)) or PARTITIONS)
    except OSError as exc:
        raise ConfigError(
            f"recovery folder {store.folder}: its state cannot be thrown away: {exc.strerror}; name a new folder"
        ) from exc
    return store._replace(has_state=False)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Nobody else makes or empties the store meanwhile; a process that ends lets go of it by that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _OTHER_MAKER_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise ConfigError(f"recovery folder {folder}: another process is making it; stop that one") from exc
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _make_anew(folder: Path, partitions: int) -> None:
    """Without state. Of a making that was cut off, it is the number of partitions then that counts."""
    unfinished = folder / _UNFINISHED
    with suppress(OSError, ValueError):
        partitions = int(unfinished.read_text(encoding="ascii"))
    unfinished.write_text(f"{partitions}\n", encoding="ascii")
    for file in partition_files(folder):
        for part in folder.glob(f"{file.name}*"):  # with the engine's -wal and -shm
            part.unlink()
    init_db_dir(folder, partitions)
    for file in partition_files(folder):
        _use_large_pages(file)
    unfinished.unlink()


def _use_large_pages(file: Path) -> None:
    """The states of an epoch are some hundred blobs of some ten kilobytes: in large pages they are a fraction of the
    writes, and the log is moved into the file less often, for that goes by its pages (https://sqlite.org/wal.html).
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # in that mode alone a size can be changed
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.execute("VACUUM")
        db.execute("PRAGMA journal_mode = WAL")  # the engine's, which two processes must not try to set at once


def _is_unfinished(folder: Path) -> bool:
    return (folder / _UNFINISHED).exists()


def partition_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.sqlite3"))


def _look(file: Path) -> tuple[int, set[str]]:
    """How many partitions the store has, and the ids of the flows whose state this one holds."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT part_count FROM parts").fetchone()
            steps = db.execute("SELECT DISTINCT step_id FROM snaps").fetchall()
    except (sqlite3.Error, TypeError) as exc:
        raise ConfigError(
            f"recovery folder {file.parent}: {file.name} cannot be read as a recovery partition ({exc}); restore it "
            "from a copy, or name a new folder, which reads a snapshot again"
        ) from exc
    return count, {step.partition(".")[0] for (step,) in steps}


def _labelled(folder: Path) -> tuple[str | None, int]:
    try:
        label = json.loads((folder / _LABEL).read_text(encoding="utf-8"))
        if label["format"] != _FORMAT:
            raise ConfigError(
                f"recovery folder {folder}: its format is {label['format']}, this version reads {_FORMAT}; use the "
                "version that wrote it, or name a new folder, which reads a snapshot again"
            )
        return str(label["job"]), int(label.get("generation", 1))
    except FileNotFoundError:
        return None, 1
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"recovery folder {folder}: {_LABEL} cannot be read ({exc}); restore or delete it") from exc
