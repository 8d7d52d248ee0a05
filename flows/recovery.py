"""The recovery store before a run: whether it is there, whole, ours, and whether it holds state. Makes and empties it,
whatever cuts that off; never writes state.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

from connectors.durable import write_durably
from connectors.errors import ConfigError, Fenced
from connectors.process_ids import this_process

FLOW_ID = "watch"
"""The name that the engine keeps the job's state under: changing it loses the state."""

PARTITIONS = 1
"""Of a store that we make, fixed at creation. Each is committed at every epoch, waiting for the disk several times,
and the job waits for that. (There were many when each row was a key: the time to load one grows with the square of its
keys.)
"""

_PAGE_BYTES = 32768
"""SQLite has 4096 unless it is told; see `_use_large_pages`."""

LABEL = "dbwatch.json"
FORMAT = 3
"""Of the state: 1 was kept by row and foreign key, 2 by shards in three levels, 3 is by shards in slots."""

_UNFINISHED = "dbwatch.making"
"""There while the partitions are made, and says how many: what is left by a process that was killed meanwhile."""

_OTHER_MAKER_S = 10.0
_POLL_S = 0.1


class Store(NamedTuple):
    """A recovery folder: the id of the job that it belongs to (None when none has used it), which generation of it the
    state is of, and whether it holds state. `made_for` are the settings that the state fits, by their names in `P:job`;
    none where the version that wrote the state did not keep them. `steps` are those that state is kept under.
    """

    folder: Path
    job_id: str | None
    has_state: bool
    generation: int = 1
    made_for: Mapping[str, str] = MappingProxyType({})
    steps: frozenset[str] = frozenset()


class Label(NamedTuple):
    """What is written down beside the partitions. `version` is the program's that did it, empty for an old one. A copy
    of the folder can be told by its `inode`, which is not that of the copy (0 for an old one).
    """

    job_id: str
    generation: int
    version: str
    made_for: Mapping[str, str]
    inode: int = 0


def make_store(folder: Path) -> None:
    """Make the store unless it is there whole. Raises `ConfigError` when the folder cannot be used, or held a job's
    state.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not partition_files(folder) or is_unfinished(folder):
                if (folder / LABEL).exists() and not is_unfinished(folder):
                    raise ConfigError(
                        f"recovery folder {folder}: its partition files are gone, and {LABEL} says that a job has used "
                        "it; restore them from a copy, or name a new folder, which reads a snapshot again"
                    )
                _make_anew(folder, PARTITIONS)
    except OSError as exc:
        raise ConfigError(f"recovery folder {folder}: cannot be made: {exc.strerror}; name another one") from exc


def finish_store(folder: Path) -> None:
    """Make the store if a process that was making or emptying it has ended meanwhile. Raises `ConfigError`."""
    if is_unfinished(folder):
        make_store(folder)


def stay_empty(folder: Path) -> None:
    """Make the folder of a process that keeps no store, because the first process of its cluster keeps it for all.
    Raises `ConfigError` when there are partitions in it: the engine would take them for a part of that store.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"recovery folder {folder}: cannot be made: {exc.strerror}; name another one") from exc
    if partition_files(folder) or is_unfinished(folder):
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
    if is_unfinished(folder):
        raise ConfigError(
            f"recovery folder {folder}: it is being made, or that was cut off; the next start of the job makes it whole"
        )
    files = partition_files(folder)
    if not files:
        raise ConfigError(
            f"recovery folder {folder}: expected part-*.sqlite3 files, found none; make it with "
            f"`python -m bytewax.recovery {folder} {PARTITIONS}`, or use `dbwatch run`, which does"
        )
    steps: frozenset[str] = frozenset()
    for file in files:
        count, found = _look(file)
        steps |= found
        if count != len(files):
            mend = "restore the rest" if len(files) < count else "take away what is not this store's"
            raise ConfigError(
                f"recovery folder {folder}: {file.name} expects {count} partition files, found {len(files)}; {mend}"
            )
    others = {step.partition(".")[0] for step in steps} - {flow_id}
    if others:
        raise ConfigError(
            f"recovery folder {folder}: holds the state of the flow {min(others)!r}, expected that of {flow_id!r}; "
            "name another folder"
        )
    label = read_label(folder)
    if label is None:
        return Store(folder, None, bool(steps), steps=steps)
    return Store(folder, label.job_id, bool(steps), label.generation, label.made_for, steps)


def check_used_by(folder: Path, *, run_id: str) -> None:
    """Raise `Fenced` when another run has taken over the store. A label that cannot be read says nothing."""
    try:
        label = json.loads((folder / LABEL).read_text(encoding="utf-8"))
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


def label_store(
    folder: Path,
    *,
    job_id: str,
    run_id: str,
    generation: int = 1,
    made_for: Mapping[str, str] = MappingProxyType({}),
    by: str | None = None,
) -> None:
    """Write down which job the store belongs to, which generation of it, which run uses it now, which settings its
    state is made for, and `by` which version of the program: this one unless it is told. Raises `ConfigError`.
    """
    label = {
        "format": FORMAT,
        "job": job_id,
        "generation": generation,
        "run": run_id,
        "process": str(this_process()),
        "version": version("dbwatch") if by is None else by,
        "made_for": dict(made_for),
        "inode": folder.stat().st_ino,
    }
    try:
        write_durably(folder / LABEL, json.dumps(label).encode() + b"\n")
    except OSError as exc:
        raise ConfigError(
            f"recovery folder {folder}: {LABEL} cannot be written: {exc.strerror}; make room there"
        ) from exc


def empty_store(store: Store, *, first: Callable[[], None] = lambda: None) -> Store:
    """Throw the state away; the store keeps its label, or gets the one that `first` writes, and its number of
    partitions. Raises `ConfigError`.
    """
    try:
        with _alone(store.folder):
            first()
            _make_anew(store.folder, len(partition_files(store.folder)) or PARTITIONS)
    except OSError as exc:
        raise ConfigError(
            f"recovery folder {store.folder}: its state cannot be thrown away: {exc.strerror}; name a new folder"
        ) from exc
    return store._replace(has_state=False)


@contextmanager
def standing_still(folder: Path) -> Generator[None]:
    """Nobody makes or empties the store meanwhile, and should not have to wait for long. Raises `ConfigError`."""
    if not folder.is_dir():
        raise ConfigError(f"recovery folder {folder}: there is no such folder; -r names the one of the job")
    with _alone(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def _alone(folder: Path, how: int = fcntl.LOCK_EX) -> Generator[None]:
    """Nobody else makes or empties the store meanwhile; a process that ends lets go of it by that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _OTHER_MAKER_S
        while True:
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
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


def is_unfinished(folder: Path) -> bool:
    return (folder / _UNFINISHED).exists()


def partition_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.sqlite3"))


def _look(file: Path) -> tuple[int, frozenset[str]]:
    """How many partitions the store has, and the steps whose state this one holds."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT part_count FROM parts").fetchone()
            steps = db.execute("SELECT DISTINCT step_id FROM snaps").fetchall()
    except (sqlite3.Error, TypeError) as exc:
        raise ConfigError(
            f"recovery folder {file.parent}: {file.name} cannot be read as a recovery partition ({exc}); restore it "
            "from a copy, or name a new folder, which reads a snapshot again"
        ) from exc
    return count, frozenset(step for (step,) in steps)


def read_label(folder: Path) -> Label | None:
    """None when there is none, as before a job has used the store. Raises `ConfigError` when it cannot be read, or the
    state is of another format.
    """
    try:
        label = json.loads((folder / LABEL).read_text(encoding="utf-8"))
        if label["format"] != FORMAT:
            raise ConfigError(
                f"recovery folder {folder}: its format is {label['format']}, this version reads {FORMAT}; use the "
                "version that wrote it, or name a new folder, which reads a snapshot again"
            )
        made_for = {str(name): str(value) for name, value in label.get("made_for", {}).items()}
        return Label(
            str(label["job"]),
            int(label.get("generation", 1)),
            str(label.get("version", "")),
            made_for,
            int(label.get("inode", 0)),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"recovery folder {folder}: {LABEL} cannot be read ({exc}); restore or delete it") from exc
