"""A live job over a random history, its archive and its snapshots, and replays of it, in the engine."""

from __future__ import annotations

import random
import shutil
import threading
import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import bson
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution, FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir  # pyright: ignore[reportUnknownVariableType]
from bytewax.testing import run_main  # pyright: ignore[reportUnknownVariableType]

from connectors.archive.chapter import Chapter, write_chapter
from connectors.archive.layout import WHOLE
from connectors.archive.moment import Moment
from connectors.archive.replay_reading import Asked
from connectors.archive.replay_source import Course, ReplaySource
from connectors.archive.replay_state import Floor, Place, ReplayState
from connectors.archive.source import Archived, ArchivedSource, Archiving
from connectors.archive.writer import Reached
from connectors.changes import Change
from connectors.dead_letters import Emitted, Outputs
from connectors.ending import Ending
from connectors.mongo_state import SourceState
from connectors.once import Mark, Standing, Tail, following
from connectors.records import Record
from flows.store_states import source_states
from flows.watch import build
from tests.flows.histories import VIEWS

BEGIN_S = 1_790_000_000
BEGIN = f"{BEGIN_S:08x}00000000"
FAR = f"{BEGIN_S + 1_000_000:08x}00000000"
LAST = Moment.at((BEGIN_S + 9999) * 1000)
"""After all changes of a history."""

CHAPTER = Chapter("job-0001-0001", "job", 1, 1, "sample", 1, BEGIN, 0, "1", (), {})


EPOCH = timedelta(milliseconds=100)
_READ_BACK = 2
"""Epochs after which the state of the join has surely been read back: the engine's are mostly much longer."""


def placed(changes: Sequence[Change]) -> list[Change]:
    """The changes of a history at positions as a database has them."""
    return [
        change._replace(
            position=f"{BEGIN_S + 1 + i // 3:08x}{i % 3 + 1:08x}", ts_ms=(BEGIN_S + 1 + i // 3) * 1000 + i % 3
        )
        for i, change in enumerate(changes)
    ]


class HistorySource(FixedPartitionedSource[Emitted, int]):
    """Emits what each partition has of a history up to `until`, some at a time; aborts after so many batches."""

    def __init__(
        self, parts: Sequence[Sequence[Change]], rnd: random.Random, *, until: str, aborts: int | None
    ) -> None:
        self._parts = [[change for change in part if change.position <= until] for part in parts]
        self._rnd = rnd
        self.batches = 10_000 if aborts is None else aborts

    def list_parts(self) -> list[str]:
        return [f"tail-{n}" for n in range(len(self._parts))]

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> StatefulSourcePartition[Emitted, int]:
        return _HistoryPartition(self, self._parts[int(for_part[-1])], resume_state or 0, self._rnd)


class _HistoryPartition(StatefulSourcePartition[Emitted, int]):
    def __init__(self, source: HistorySource, changes: Sequence[Change], state: int, rnd: random.Random) -> None:
        self._source, self._changes, self._state, self._rnd = source, changes, state, rnd
        self._awaited_epochs = _READ_BACK

    def next_batch(self) -> Sequence[Emitted]:
        if self._awaited_epochs > 0:
            return ()
        self._source.batches -= 1
        if self._source.batches < 0:
            raise AbortExecution
        if self._state >= len(self._changes):
            raise StopIteration
        batch = self._changes[self._state : self._state + self._rnd.randint(1, 4)]
        self._state += len(batch)
        self._awaited_epochs = int(self._rnd.random() < 0.3)
        return batch

    def snapshot(self) -> int:
        self._awaited_epochs -= 1
        return self._state


class Feed(FixedPartitionedSink[Outputs, Mark]):
    """A stream in memory, written by the rule of `connectors.once`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: list[Record] = []

    def list_parts(self) -> list[str]:
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: Mark | None) -> _FeedPartition:
        if resume_state is None or resume_state.feed != self.name:
            resume_state = Mark.at("0-0", feed=self.name)
        return _FeedPartition(self, resume_state)


class _FeedPartition(StatefulSinkPartition[Outputs, Mark]):
    def __init__(self, feed: Feed, mark: Mark) -> None:
        self._feed, self._mark = feed, mark
        entries = [((r.view, r.key), Standing(f"{i}-0", r.versions)) for i, r in enumerate(feed.records, 1)]
        self._tail = Tail(entries[int(mark.entry_id[:-2]) :], mark)

    def write_batch(self, values: list[Outputs]) -> None:
        for record in chain.from_iterable(values):
            assert isinstance(record, Record), record
            admitted, standing = self._tail.admit(record)
            if admitted and standing is not None:
                record = following(record, standing.versions, self._feed.records[int(standing.entry_id[:-2]) - 1].after)
            if admitted:
                self._feed.records.append(record)

    def snapshot(self) -> Mark:
        end = f"{len(self._feed.records)}-0"
        if self._tail.settled:
            self._mark = Mark.at(end, feed=self._mark.feed)
        else:
            self._mark = self._mark._replace(seen=end, unreached=self._tail.unreached)
        return self._mark


class LiveJob:
    """Runs over a history with crashes, keeping an archive; `snapshots` are copies of its recovery store."""

    def __init__(self, root: Path, rnd: random.Random, changes: Sequence[Change], partitions: int) -> None:
        self.archive, self._store = root / "archive", root / "recovery"
        self._root, self._rnd = root, rnd
        self.changes = list(changes)
        self._parts: list[list[Change]] = [[] for _ in range(partitions)]
        for change in changes:
            self._parts[zlib.crc32(f"{change.collection}{change.key}".encode()) % partitions].append(change)
        self.partitions = partitions
        self.feed = Feed("")
        self.snapshots: list[Path] = []
        write_chapter(self.archive, CHAPTER._replace(partitions=partitions))
        self._store.mkdir()
        init_db_dir(self._store, 1)

    def run(self, crashes: int) -> None:
        """To the end, crashing now and then; a snapshot is kept of each time in between."""
        last = self.changes[-1].position
        for _ in range(crashes):
            self._run(self._rnd.choice(self.changes).position, aborts=self._rnd.randint(1, 6))
            self._copy()
        self._run(last, aborts=None)
        self._copy()

    def emitted_until(self, counts: Mapping[str, int]) -> list[Change]:
        """What the partitions had emitted when they had come so far."""
        return [change for name, count in counts.items() for change in self._parts[int(name[-1])][:count]]

    def _run(self, until: str, *, aborts: int | None) -> None:
        inner = HistorySource(self._parts, self._rnd, until=until, aborts=aborts)
        archiving = Archiving(self.archive / CHAPTER.name, _reached)
        source = ArchivedSource(inner, archiving, ending=Ending())
        run(build(VIEWS, source, self.feed), self._store)

    def _copy(self) -> None:
        """Nothing runs, so it can be copied as it is."""
        folder = self._root / f"snapshot-{len(self.snapshots)}"
        shutil.copytree(self._store, folder)
        self.snapshots.append(folder)


def floors_of(snapshot: Path) -> tuple[Floor, ...]:
    """Where the partitions stood, as streams that had come to some place for each."""
    found: list[Floor] = []
    for name, state in source_states(snapshot).items():
        assert isinstance(state, Archived)
        number = int(name[-1])
        token = bson.encode({"_data": f"82{FAR.upper()}2B022C01{number:04}"})
        found.append(Floor(number, state.seq, SourceState(BEGIN, len(found), position=FAR, token=token)))
    return tuple(found)


class Replay:
    """A replay of a job's archive, from a snapshot or from the image, up to a moment or up to another snapshot."""

    def __init__(
        self,
        job: LiveJob,
        folder: Path,
        snapshot: Path | None,
        *,
        until: Moment,
        partitions: int,
        until_snapshot: Path | None = None,
    ) -> None:
        self.folder, self.feed = folder, Feed("replay")
        if snapshot is None:
            folder.mkdir()
            init_db_dir(folder, 1)
        else:
            shutil.copytree(snapshot, folder)
        self._asked = Asked(job.archive, CHAPTER.name, until, VIEWS.whole_shapes, "", "sample", partitions)
        states: dict[str, Any] = source_states(folder)
        self.emitted_before = {name: state.inner for name, state in states.items() if isinstance(state, Archived)}
        places = tuple(Place(int(name[-1]), state.seq, WHOLE) for name, state in states.items())
        ends = () if until_snapshot is None else floors_of(until_snapshot)
        begin = ReplayState(CHAPTER.name, "", begin="" if states else BEGIN, places=places, ends=ends)
        self.course = Course(self._asked, begin, list(states))

    def run(self, *, aborts: int | None = None, workers: int = 1) -> ReplaySource:
        source = ReplaySource(self.course, ending=Ending())
        flow = build(VIEWS, _Aborting(source, aborts), self.feed, is_parallel=workers > 1)
        run(flow, self.folder, workers=workers)
        return source


class _Aborting(FixedPartitionedSource[Emitted, Any]):
    """Another source, whose first partition aborts after so many batches that are not empty."""

    def __init__(self, source: ReplaySource, aborts: int | None) -> None:
        self._source, self._aborts = source, aborts

    def list_parts(self) -> list[str]:
        return self._source.list_parts()

    def build_part(
        self, step_id: str, for_part: str, resume_state: Any | None
    ) -> StatefulSourcePartition[Emitted, Any]:
        part = self._source.build_part(step_id, for_part, resume_state)
        return _AbortingPartition(part, 10_000 if self._aborts is None else self._aborts)


class _AbortingPartition(StatefulSourcePartition[Emitted, Any]):
    def __init__(self, part: StatefulSourcePartition[Emitted, Any], batches: int) -> None:
        self._part, self._batches = part, batches
        self._awaited_epochs = _READ_BACK

    def next_batch(self) -> Any:
        if self._awaited_epochs > 0:
            return ()
        batch = list(self._part.next_batch())
        self._batches -= bool(batch)
        self._awaited_epochs = int(self._batches % 3 == 0 and bool(batch))
        if self._batches < 0:
            raise AbortExecution
        return batch

    def snapshot(self) -> Any:
        self._awaited_epochs -= 1
        return self._part.snapshot()

    def close(self) -> None:
        self._part.close()


def run(flow: Dataflow, store: Path, *, workers: int = 1) -> None:
    config = RecoveryConfig(str(store), timedelta(seconds=60))
    if workers == 1:
        run_main(flow, epoch_interval=EPOCH, recovery_config=config)
        return
    from bytewax.testing import cluster_main  # pyright: ignore[reportUnknownVariableType]

    cluster_main(flow, [], 0, worker_count_per_proc=workers, epoch_interval=EPOCH, recovery_config=config)


def threads() -> int:
    return sum(thread.name.startswith("dbwatch") for thread in threading.enumerate())


def _reached(_state: Any) -> Reached:
    return Reached(FAR, image=True)
