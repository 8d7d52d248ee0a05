"""What a recovery store would give back: the epoch that the engine resumes at, and the source's states as of then.
Reads, and changes nothing.

The engine (Bytewax 0.21.1) keeps in the partitions, each row in one of them: the executions that there were (`exs`),
how far each worker of them had come (`fronts`), up to where each partition no longer holds replaced states (`commits`),
and the states themselves (`snaps`), pickled, by step, key and epoch. It resumes the last execution at the least of what
its workers reached, with the last state of each key before that epoch, unless a partition holds replaced states only
from a later epoch on.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from connectors.errors import ConfigError
from connectors.once import Mark
from flows.recovery import FLOW_ID, open_store, partition_files

SOURCE_STEP = f"{FLOW_ID}.changes"
SINK_STEP = f"{FLOW_ID}.feed"

_FIRST_EPOCH = 1
_ATTEMPTS = 20
_PAUSE_S = 0.05

_OURS = frozenset(
    {
        ("connectors.mongo_state", "SourceState"),
        ("connectors.archive.source", "Archived"),
        ("connectors.archive.replay_state", "Floor"),
        ("connectors.archive.replay_state", "Place"),
        ("connectors.archive.replay_state", "ReplayState"),
        ("connectors.once", "Mark"),
    }
)
"""Classes that a state may be of, besides plain values: those of the source and of the sink."""

_LAST_OF_ALL = """
SELECT step_id, state_key, ser_change FROM snaps JOIN (
    SELECT step_id, state_key, MAX(snap_epoch) AS snap_epoch FROM snaps WHERE snap_epoch < ?1
    GROUP BY step_id, state_key
) USING (step_id, state_key, snap_epoch) WHERE ser_change IS NOT NULL AND step_id <> ?2
"""
"""What the engine reads when it resumes at an epoch, but for the states of one step."""


class ResumePoint(NamedTuple):
    """Where the engine goes on: `execution` is the number that the next one gets, `epoch` its first."""

    execution: int
    epoch: int


def source_states(folder: Path) -> dict[str, object]:
    """The state of each partition of the source, by its name, as a job that is started with this store gets it; none
    when it would begin without state.

    The store may be in use: then it is what a job would get that is started now. Raises `ConfigError` when it is
    missing, being made, damaged, another flow's, does not agree with itself, or holds states that are not ours.
    """
    open_store(folder, flow_id=FLOW_ID)
    with opened(folder) as (partitions, point):
        return states_in(folder, partitions, point)


def sink_marks(folder: Path) -> dict[str, Mark]:
    """Likewise what the sink knows of each of its streams, by the stream's number. Raises `ConfigError`."""
    open_store(folder, flow_id=FLOW_ID)
    with opened(folder) as (partitions, point):
        states = states_in(folder, partitions, point, step=SINK_STEP)
    return {name: state for name, state in states.items() if isinstance(state, Mark)}


def check_states(folder: Path) -> dict[str, object]:
    """`source_states`, once every state of the other steps has been looked at as well. Raises `ConfigError` also for
    one of these that cannot be read: the engine would panic of it.
    """
    open_store(folder, flow_id=FLOW_ID)
    with opened(folder) as (partitions, point):
        for db in partitions:
            with refused(folder):
                for step, key, state in db.execute(_LAST_OF_ALL, (point.epoch, SOURCE_STEP)):
                    _unpickled(folder, step, key, state)
        return states_in(folder, partitions, point)


def states_in(
    folder: Path, partitions: Sequence[sqlite3.Connection], point: ResumePoint, *, step: str = SOURCE_STEP
) -> dict[str, object]:
    """`source_states`, or those of another step, of partitions that are open; `folder` is what a message calls them."""
    with refused(folder):
        rows = [row for db in partitions for row in _last_states(db, point.epoch, step)]
    last: dict[str, tuple[int, bytes | None]] = {}
    for key, epoch, state in rows:
        if key not in last or last[key][0] < epoch:
            last[key] = epoch, state
    return {key: _unpickled(folder, step, key, state) for key, (_, state) in sorted(last.items()) if state is not None}


@contextmanager
def opened(folder: Path, *, is_still: bool = False) -> Generator[tuple[list[sqlite3.Connection], ResumePoint]]:
    """The partitions of a store, which may be in use, to be read as they are at one moment, and where a job that is
    started with what they hold goes on. Raises `ConfigError` when they are not all there, or of different times.

    What a worker's front says is durable in every partition before the front is. So when the fronts say the same before
    all partitions are looked at and after, then each holds all states before that epoch. With `is_still`, nobody writes
    to it: then no file is made beside the partitions either.
    """
    with ExitStack() as stack:
        with refused(folder):
            partitions = [stack.enter_context(closing(_connected(file, is_still))) for file in partition_files(folder)]
        _check_all(folder, partitions)
        yield partitions, _looked_at_together(folder, partitions)


def _looked_at_together(folder: Path, partitions: Sequence[sqlite3.Connection]) -> ResumePoint:
    """Begin a transaction in each, all of the same epoch."""
    attempts = 0
    while True:
        with refused(folder):
            before = _resume_point(partitions)
            for db in partitions:
                db.execute("BEGIN")
                db.execute("SELECT count(*) FROM parts").fetchone()  # what comes later, it does not see
            point, ahead = _resume_point(partitions), _ahead(partitions, before)
            if before == point and not ahead:
                return point
            for db in partitions:
                db.execute("ROLLBACK")
        attempts += 1
        if attempts == _ATTEMPTS:
            raise _apart(folder, point, ahead)
        time.sleep(_PAUSE_S)


def _apart(folder: Path, point: ResumePoint, ahead: Sequence[int]) -> ConfigError:
    if not ahead:
        return ConfigError(
            f"recovery folder {folder}: its partitions cannot be read together, for its epochs are too "
            "short; start the job with a larger -s"
        )
    return ConfigError(
        f"recovery folder {folder}: its partition files are of different times: the job would go on at epoch "
        f"{point.epoch}, whose state part-{ahead[0]}.sqlite3 no longer holds; restore all files from one copy, or name "
        "a new folder, which reads a snapshot again; if a job runs on it, start that with a larger -b"
    )


def _connected(file: Path, is_still: bool) -> sqlite3.Connection:
    mode = "mode=ro&immutable=1" if is_still else "mode=ro"
    return sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)


@contextmanager
def refused(folder: Path) -> Generator[None]:
    """SQLite's errors about a store as ours."""
    try:
        yield
    except sqlite3.Error as exc:
        raise ConfigError(
            f"recovery folder {folder}: its partition files cannot be read ({exc}); restore them from a copy, or name "
            "a new folder, which reads a snapshot again"
        ) from exc


def _check_all(folder: Path, partitions: Sequence[sqlite3.Connection]) -> None:
    with refused(folder):
        parts = [row for db in partitions for row in db.execute("SELECT part_index, part_count FROM parts")]
    counts = {count for _, count in parts}
    if not parts or len(counts) != 1 or sorted(index for index, _ in parts) != list(range(counts.pop())):
        raise ConfigError(
            f"recovery folder {folder}: its {len(partitions)} partition files do not belong together or are not all; "
            "restore all of them from one copy"
        )


def _resume_point(partitions: Sequence[sqlite3.Connection]) -> ResumePoint:
    executions: Iterable[tuple[int, int, int]] = [
        row for db in partitions for row in db.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
    ]
    if not executions:
        return ResumePoint(0, _FIRST_EPOCH)
    number, workers, epoch = max(executions)
    reached = {worker: epoch for worker in range(workers)}  # noqa: C420  # whose type pyright can tell
    for db in partitions:
        for worker, front in db.execute("SELECT worker_index, worker_frontier FROM fronts WHERE ex_num = ?", (number,)):
            reached[worker] = max(reached.get(worker, front), front)
    return ResumePoint(number + 1, min(reached.values()))


def _ahead(partitions: Sequence[sqlite3.Connection], point: ResumePoint) -> list[int]:
    """Partitions that hold replaced states only from a later epoch on."""
    return [
        index
        for db in partitions
        for (index,) in db.execute("SELECT part_index FROM commits WHERE commit_epoch > ?", (point.epoch,))
    ]


def _last_states(db: sqlite3.Connection, epoch: int, step: str) -> list[tuple[str, int, bytes | None]]:
    """The last of each key before the epoch; None for one that was discarded."""
    return db.execute(
        "SELECT state_key, snap_epoch, ser_change FROM snaps JOIN (SELECT state_key, MAX(snap_epoch) AS snap_epoch "
        "FROM snaps WHERE step_id = ?1 AND snap_epoch < ?2 GROUP BY state_key) USING (state_key, snap_epoch) "
        "WHERE step_id = ?1",
        (step, epoch),
    ).fetchall()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> object:
        if (module_name, global_name) not in _OURS:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is none of this program's")
        return super().find_class(module_name, global_name)


def _unpickled(folder: Path, step: str, key: str, state: bytes) -> object:
    """Calls nothing but the constructors of our own classes, whatever the bytes say."""
    try:
        return _Unpickler(io.BytesIO(state)).load()
    except Exception as exc:  # a pickle may raise anything
        raise ConfigError(
            f"recovery folder {folder}: the state of {step} {key} cannot be read ({exc}); use the version of "
            "dbwatch that wrote it, restore the folder from a copy, or name a new one, which reads a snapshot again"
        ) from exc
