"""A replay gives what the live job gave: over random histories, snapshots, interleavings and crashes of both."""

from __future__ import annotations

import json
import pickle
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive import replay_reading
from connectors.archive.chapter import write_chapter
from connectors.archive.layout import WHOLE
from connectors.archive.moment import Moment
from connectors.archive.replay_reading import Asked, replayed
from connectors.archive.replay_state import Floor, Place, ReplayState
from connectors.archive.writer import PartitionWriter, Reached
from connectors.changes import Change
from connectors.ending import Ending
from connectors.mongo_state import SourceState
from connectors.once import Mark
from connectors.records import Record
from flows.join.plan import Plan
from tests.flows.histories import VIEWS, random_history
from tests.flows.network import Checkpoint, Job
from tests.flows.replays import BEGIN, CHAPTER, FAR, LAST, placed

PLAN = Plan(VIEWS)
LOOKUPS = ("movie", "user")


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The live job has ended, so that its archive holds all that will ever be there."""
    monkeypatch.setattr(replay_reading, "_ALIVE_MS", 0)
    monkeypatch.setattr(replay_reading, "_MOST_CHANGES", 3)
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dbwatch")]


class Live(Job):
    """The live job; all its checkpoints are kept, and what it emitted up to each of them goes into an archive."""

    def __init__(self, rnd: random.Random, changes: list[Change], *, partitions: int) -> None:
        self.checkpoints: list[Checkpoint] = []
        super().__init__(rnd, PLAN, changes, partitions=partitions)

    def _end_epoch(self) -> None:
        super()._end_epoch()
        self.checkpoints.append(self._durable)

    def archived(self, root: Path) -> None:
        write_chapter(root, CHAPTER._replace(partitions=len(self._parts)))
        for number, part in enumerate(self._parts):
            writer = PartitionWriter(root / CHAPTER.name, number, ending=Ending())
            writer.start(0)
            read = 0
            for checkpoint in self.checkpoints:
                writer.add(part[read : checkpoint.read[number]])
                read = checkpoint.read[number]
                writer.commit(Reached(FAR, image=True))
            writer.close()

    def state_at(self, at: int) -> ReplayState:
        """How a replay begins that goes on after a checkpoint."""
        commits: list[Place] = []
        floors: list[Floor] = []
        for number in range(len(self._parts)):
            reads = [0, *(checkpoint.read[number] for checkpoint in self.checkpoints[: at + 1])]
            seq = sum(a < b for a, b in pairwise(reads))
            commits.append(Place(number, seq, WHOLE))
            floors.append(Floor(number, seq, SourceState.at_start(BEGIN, len(self._parts))))
        return ReplayState(CHAPTER.name, "", places=tuple(commits), floors=tuple(floors))

    def emitted_at(self, at: int) -> set[tuple[str, str, str]]:
        read = self.checkpoints[at].read
        return {(c.collection, c.key, c.position) for part, n in zip(self._parts, read, strict=True) for c in part[:n]}


class Replayed(Job):
    """The join over what a replay emits, from the state that a checkpoint holds, with crashes of its own."""

    def __init__(self, rnd: random.Random, changes: list[Change], begin: Checkpoint | None) -> None:
        super().__init__(rnd, PLAN, changes, partitions=1)
        if begin is not None:
            self._durable = Checkpoint((0,), begin.levels, Mark.at("0-0"))
            self._restart()


def emitted(root: Path, begin: ReplayState, rnd: random.Random, moment: Moment = LAST) -> list[Change]:
    """What a replay emits, which is the same from the state after any step on."""
    asked = Asked(root, CHAPTER.name, moment, VIEWS.whole_shapes, "", "sample", 1)
    steps = list(replayed(asked, begin, threading.Event()))
    assert [step.end is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    at = rnd.randrange(len(steps))
    resumed = pickle.loads(pickle.dumps(steps[at].state))  # noqa: S301  # ours
    assert _changes(replayed(asked, resumed, threading.Event())) == _changes(steps[at + 1 :])
    return _changes(steps)


def _changes(steps: Any) -> list[Change]:
    return [change for step in steps for change in step.changes]


def own(records: list[Record]) -> dict[tuple[str, str], list[Any]]:
    """Of each row the records without cause, without what was looked up: that may have come sooner or later."""
    found: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for record in records:
        if record.cause is None:
            row = json.loads(record.after or "{}")
            row = {name: value for name, value in row.items() if name not in LOOKUPS}
            found[record.view, record.key].append((record.op, record.position, record.ts_ms, record.versions.row, row))
    return dict(found)


def last(records: list[Record]) -> dict[tuple[str, str], Any]:
    """The last record of each row: what it says, and which row versions it was joined from."""
    found: dict[tuple[str, str], Any] = {}
    for record in records:
        joined = {name: version[1:] for name, version in record.versions.lookups.items()}
        after = None if record.after is None else json.loads(record.after)
        found[record.view, record.key] = (record.versions.row, after, joined if after is not None else None)
    return found


@settings(max_examples=12)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_a_replay_of_the_whole_past_gives_the_same_records_and_the_same_last_ones(seed: int) -> None:
    rnd = random.Random(seed)
    live = Live(rnd, placed(random_history(rnd, length=rnd.randint(5, 40)).changes), partitions=1 + seed % 3)
    live.run(crashes=seed % 5)
    with TemporaryDirectory() as folder:
        live.archived(Path(folder))
        replay = Replayed(rnd, emitted(Path(folder), ReplayState(CHAPTER.name, "", begin=BEGIN), rnd), None)
    replay.run(crashes=seed % 4)
    assert own(replay.stream) == own(live.stream)
    assert last(replay.stream) == last(live.stream)


@settings(max_examples=12)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_a_replay_from_any_snapshot_gives_what_came_after_it(seed: int) -> None:
    rnd = random.Random(seed)
    live = Live(rnd, placed(random_history(rnd, length=rnd.randint(5, 40)).changes), partitions=1 + seed % 3)
    live.run(crashes=seed % 5)
    at = rnd.randrange(len(live.checkpoints))
    with TemporaryDirectory() as folder:
        live.archived(Path(folder))
        replay = Replayed(rnd, emitted(Path(folder), live.state_at(at), rnd), live.checkpoints[at])
    replay.run(crashes=seed % 4)
    before = live.emitted_at(at)
    assert own(replay.stream) == own([r for r in live.stream if (r.view, r.key, r.position) not in before])
    ends, found = last(live.stream), last(replay.stream)
    assert {key: ends[key] for key in found} == found


@settings(max_examples=12)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_a_replay_ends_before_the_first_change_that_came_after_its_moment(seed: int) -> None:
    rnd = random.Random(seed)
    changes = placed(random_history(rnd, length=rnd.randint(5, 40)).changes)
    live = Live(rnd, changes, partitions=1 + seed % 3)
    live.run(crashes=0)
    end = rnd.choice(changes)
    moment = Moment.at(end.ts_ms) if seed % 2 else Moment.parse(end.position, now_ms=0)
    with TemporaryDirectory() as folder:
        live.archived(Path(folder))
        found = emitted(Path(folder), ReplayState(CHAPTER.name, "", begin=BEGIN), rnd, moment)
        asked = Asked(Path(folder), CHAPTER.name, moment, VIEWS.whole_shapes, "", "sample", 1)
        *_, step = replayed(asked, ReplayState(CHAPTER.name, "", begin=BEGIN), threading.Event())
    assert [change.position for change in found] == [c.position for c in changes if c.position <= end.position]
    assert step.end is not None
    after = [c.position for c in changes if c.position > end.position]
    assert end.position <= step.end.cut
    assert not after or step.end.cut < after[0]
