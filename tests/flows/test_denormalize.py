"""The join as an operator of the engine: slices, the end of the input, recovery, and states that are let go."""

from __future__ import annotations

import json
import pickle
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution, DynamicSource, Source, StatelessSourcePartition
from bytewax.recovery import RecoveryConfig, init_db_dir  # pyright: ignore[reportUnknownVariableType]
from bytewax.testing import (
    TestingSink,
    TestingSource,
    cluster_main,  # pyright: ignore[reportUnknownVariableType]
    run_main,  # pyright: ignore[reportUnknownVariableType]
)

from connectors.changes import Change, Op
from connectors.records import Record
from flows import staged
from flows.denormalize import denormalize
from flows.gauges import StageGauge
from flows.join import values
from flows.join.levels import SLOTS
from flows.join.messages import Candidate
from flows.join.parts import Table
from flows.join.plan import Plan
from flows.join.shards import shard_of
from flows.join.stages import shards_of, stages_of
from flows.join.values import ValueShard
from tests.flows.histories import VIEWS
from tests.flows.joining import MOVIE, applied, messages, passing
from tests.flows.ways import both_ways, in_stages

__all__ = ["both_ways"]  # a fixture

pytestmark = pytest.mark.usefixtures("both_ways")

SUBSCRIBERS = 5000


def change(at: int, collection: str, key: str, op: Op, row: dict[str, Any] | None = None) -> Change:
    refs = {name: json.dumps(row[name]) if row and name in row else None for name in ("movie_id", "email")}
    after = None if row is None else json.dumps({"_id": key, **row})
    return Change(collection, json.dumps(key), op, f"{at:08}", at, None, after, None, refs)


def movie(at: int, key: str, title: str, op: Op = "c") -> Change:
    return change(at, "movies", key, op, {"title": title})


def comment(at: int, key: str, movie_id: str, op: Op = "c") -> Change:
    return change(at, "comments", key, op, {"movie_id": movie_id, "text": at})


def followed() -> list[list[Change]]:
    """A movie with very many comments, and another with one, in batches."""
    movies = [movie(1, "big", "old"), movie(2, "small", "S")]
    return [movies, [*(comment(10 + i, f"c{i}", "big") for i in range(SUBSCRIBERS)), comment(9000, "x", "small")]]


class Patient(DynamicSource[Change]):
    """Emits each batch, then nothing until `done`, then ends."""

    def __init__(self, batches: Sequence[list[Change]], done: Callable[[], bool]) -> None:
        self._batches = list(batches)
        self._done = done

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Change]:
        return _PatientPartition(self._batches, self._done)


class _PatientPartition(StatelessSourcePartition[Change]):
    def __init__(self, batches: Sequence[list[Change]], done: Callable[[], bool]) -> None:
        self._batches = iter(batches)
        self._done = done
        self._deadline_s = time.monotonic() + 20

    def next_batch(self) -> list[Change]:
        batch = next(self._batches, list[Change]())
        if not batch and (self._done() or time.monotonic() > self._deadline_s):
            raise StopIteration
        return batch

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=1)


def joined(
    source: Source[Any],
    out: list[Any],
    recovery: Path | None = None,
    epoch: timedelta | None = None,
    workers: int = 1,
) -> None:
    flow = Dataflow("test")
    changes = op.input("in", flow, source)
    records = denormalize("join", changes, Plan(VIEWS), is_parallel=workers > 1 or in_stages())
    op.output("out", records, TestingSink(out))
    config = None if recovery is None else RecoveryConfig(str(recovery))
    if workers == 1:
        run_main(flow, epoch_interval=epoch, recovery_config=config)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers, epoch_interval=epoch, recovery_config=config)


def told(out: list[Record]) -> list[Record]:
    """The records of comments that were told of the new title."""
    return [record for record in out if record.cause == "movie" and title(record) == "new"]


def title(record: Record) -> str | None:
    shown = json.loads(record.after or "{}").get("movie")
    return None if shown is None else str(shown["title"])


@pytest.fixture
def recovery(tmp_path: Path) -> Path:
    init_db_dir(tmp_path, 1)
    return tmp_path


def kept_keys(recovery: Path, kind: str) -> set[str]:
    """The entities that the last snapshots of the shards of a kind hold: rows, or foreign keys."""
    shards = shards_of(Plan(VIEWS))[kind]
    for file in recovery.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(file)) as db:
            for number, name in enumerate(SLOTS):
                steps = f"test.join_{kind}_{name}"
                query = "SELECT ser_change FROM snaps WHERE step_id = ?1 OR step_id LIKE ?1 || '.%' ORDER BY snap_epoch"
                last: dict[str, bytes] = {}
                for (state,) in db.execute(query, (steps,)):
                    shard, written = pickle.loads(state)  # noqa: S301  # our own bytes
                    last[shard] = written
                for shard, written in last.items():
                    shards.restore(shard, number, written)
    found: set[str] = set()
    for name in shards.names:
        shard = shards.get(name)
        assert not shard.levels.waits
        for table in shard.levels._parts.values():  # pyright: ignore[reportPrivateUsage]
            if isinstance(table, Table):
                found |= set(cast("Table[Any]", table))
    return found


def last_of(out: list[Record]) -> dict[str, str | None]:
    return {record.key: record.after for record in out if record.view == "comments"}


def own(out: list[Record]) -> Counter[tuple[str, str]]:
    """How often each change has a record without cause."""
    return Counter((record.key, record.position) for record in out if record.cause is None)


def test_a_row_with_very_many_subscribers_tells_them_in_slices_while_others_go_on() -> None:
    out: list[Record] = []
    renamed = [movie(9001, "big", "new", "u")]
    meanwhile = [[comment(9002 + i, "x", "small", "u")] for i in range(3)]
    joined(Patient([*followed(), renamed, *meanwhile], lambda: len(out) >= 2 * SUBSCRIBERS + 6), out)
    assert len({record.key for record in told(out)}) == SUBSCRIBERS
    others = [i for i, record in enumerate(out) if record.key == '"x"' and record.op == "u"]
    assert len(others) == 3
    assert len(told(out[: others[-1]])) < SUBSCRIBERS / 2


def test_a_newer_change_supersedes_what_is_left_of_an_older_one() -> None:
    out: list[Record] = []
    changes = [movie(9001, "big", "middle", "u")], [movie(9002, "big", "new", "u")]
    joined(Patient([*followed(), *changes], lambda: len(out) > 2 * SUBSCRIBERS and len(told(out)) >= SUBSCRIBERS), out)
    assert len({record.key for record in told(out)}) == SUBSCRIBERS
    assert sum(title(record) == "middle" for record in out) < SUBSCRIBERS / 2


def test_at_the_end_of_the_input_all_who_are_left_are_told() -> None:
    out: list[Record] = []
    changes = [*(change for batch in followed() for change in batch), movie(9001, "big", "new", "u")]
    joined(TestingSource(changes, batch_size=6000), out)
    last = {record.key: title(record) for record in out if record.view == "comments"}
    assert Counter(last.values()) == {"new": SUBSCRIBERS, "S": 1}


def test_a_resumed_job_goes_on_with_what_it_knows(recovery: Path) -> None:
    changes: list[Any] = [movie(1, "m", "old"), comment(2, "a", "m"), comment(3, "b", "none")]
    more = [movie(4, "m", "new", "u"), comment(5, "a", "none", "u"), change(6, "comments", "b", "d")]
    whole: list[Record] = []
    joined(TestingSource([*changes, *more]), whole)
    halves: list[Record] = []
    source = TestingSource([*changes, TestingSource.EOF(), *more])
    joined(source, halves, recovery)
    assert len(halves) == 3
    joined(source, halves, recovery)
    assert sorted(halves, key=str) == sorted(whole, key=str)


NOTHING_TO_KEEP: dict[str, list[Change]] = {
    "a looked-up row that is found by no value": [change(1, "users", "u", "c", {"name": "N"})],
    "a delete of such a row": [change(1, "users", "u", "d")],
    "a reference that is left before it is looked up": [
        change(1, "comments", "a", "c", {"email": "away"}),
        change(2, "comments", "a", "u", {"email": "there"}),
    ],
}


@pytest.mark.parametrize("what", NOTHING_TO_KEEP)
def test_a_job_of_which_a_shard_was_visited_and_had_nothing_to_keep_can_be_resumed(recovery: Path, what: str) -> None:
    out: list[Record] = []
    later = change(5, "comments", "u", "c", {"movie_id": "m", "email": "away"})
    first, more = NOTHING_TO_KEEP[what], [later, movie(6, "m", "T")]
    source = TestingSource([*first, TestingSource.EOF(), *more], batch_size=len(first))
    joined(source, out, recovery)
    joined(source, out, recovery)
    assert "T" in map(title, out)


def test_the_count_of_a_foreign_key_outlives_its_row(recovery: Path) -> None:
    out: list[Record] = []
    gone: list[Any] = [movie(1, "m", "a"), change(2, "movies", "m", "d")]
    source = TestingSource([*gone, TestingSource.EOF(), movie(3, "m", "b"), comment(4, "x", "m")])
    joined(source, out, recovery)
    joined(source, out, recovery)
    assert out[-1].versions.lookups["movie"].n == 3


def test_a_deleted_row_is_let_go_at_once_and_a_looked_up_one_that_nobody_asks_for_in_the_end(
    recovery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out: list[Record] = []
    changes = [movie(1, "m", "a"), movie(2, "n", "b"), comment(3, "gone", "m"), comment(4, "kept", "m")]
    deletes = [change(5, "comments", "gone", "d"), change(6, "movies", "m", "d"), change(7, "movies", "n", "d")]
    joined(TestingSource([*changes, *deletes]), out, recovery)
    assert kept_keys(recovery, "rows") == {'"kept"'}
    assert kept_keys(recovery, "values_1") == {'"m"', '"n"'}
    monkeypatch.setattr(values, "FORGET_AFTER_S", 0.0)
    came = [comment(10 + i, f"later {i}", "n") for i in range(2)]
    left = [change(20 + i, "comments", f"later {i}", "d") for i in range(2)]
    more = [comment(8, "x", "m"), *came, *left, change(90, "movies", "n", "d")]
    joined(TestingSource([*changes, *deletes, *more]), out, recovery)
    assert kept_keys(recovery, "values_1") == {'"m"'}


HALVES = [
    [movie(i, f"m{i}", "old") for i in range(20)] + [comment(100 + i, f"c{i}", f"m{i % 25}") for i in range(200)],
    [movie(1000 + i, f"m{i}", "new", "c" if i >= 20 else "u") for i in range(25)]
    + [comment(2000 + i, f"c{i}", f"m{i % 7}", "u") for i in range(0, 200, 3)]
    + [change(3000 + i, "comments", f"c{i}", "d") for i in range(0, 200, 7)],
]


@pytest.mark.parametrize(("workers", "then"), [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_a_job_that_is_resumed_with_any_number_of_workers_says_what_an_unbroken_one_says(
    tmp_path: Path, workers: int, then: int
) -> None:
    init_db_dir(tmp_path, 3)
    whole: list[Record] = []
    joined(TestingSource([*HALVES[0], *HALVES[1]], batch_size=50), whole)
    halves: list[Record] = []
    items: list[Any] = [*HALVES[0], TestingSource.EOF(), *HALVES[1]]
    joined(TestingSource(items, batch_size=50), halves, tmp_path, workers=workers)
    assert len(halves) < len(whole)
    joined(TestingSource(items, batch_size=50), halves, tmp_path, workers=then)
    assert last_of(halves) == last_of(whole)
    assert own(halves) == own(whole)
    rows = kept_keys(tmp_path, "rows")
    assert rows == {key for key, row in last_of(whole).items() if row is not None}
    assert len({shard_of(key) for key in rows}) > 50


def test_subscribers_that_remained_to_be_told_when_the_job_crashed_are_told_by_the_next_one(
    recovery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "SLICE", 8)
    followers = [comment(10 + i, f"c{i}", "big") for i in range(400)]
    out: list[Record] = []
    crashing = Patient([[movie(1, "big", "old"), *followers], [movie(9001, "big", "new", "u")]], lambda: crash(out))
    joined(crashing, out, recovery, timedelta(milliseconds=20))
    before = len({record.key for record in told(out)})
    assert 0 < before < 400
    again: list[Record] = []
    joined(Patient([], lambda: len({r.key for r in told([*out, *again])}) == 400), again, recovery)
    assert len({record.key for record in told([*out, *again])}) == 400
    assert told(again)
    assert len(told(again)) < 400  # those who knew took no notice


def crash(out: list[Record]) -> bool:
    """Ends the process as it were, without a snapshot, when some are told."""
    if len(told(out)) > 150:
        raise AbortExecution
    return False


def test_messages_that_come_before_the_state_was_read_back_wait_for_it() -> None:
    plan = Plan(VIEWS)
    stage, kinds = stages_of(plan)[1], shards_of(plan)
    old = kinds[stage.kind].get("07")
    assert isinstance(old, ValueShard)
    applied(old, Candidate(MOVIE.number, '"m"', "m", '{"title":"T"}', "1", 1))
    written = {level: old.levels.written(level) for level in old.levels.to_write()}

    resumed = shards_of(plan)[stage.kind]
    logic = staged._ShardLogic(plan, stage, resumed, StageGauge("x"), recovers=True, resumed="07")  # pyright: ignore[reportPrivateUsage]
    assert logic.on_batch([(1, "07", [passing(2, "c", '"m"')])]) == ([], False)
    assert logic.notify_at() is not None
    assert logic.on_notify() == ([], False)
    with pytest.raises(RuntimeError, match="the state of the values_1 stage was not read back within an epoch"):
        logic.snapshot()
    for level, state in written.items():
        resumed.restore("07", level, state)
    [done], discards = logic.on_notify()
    assert not discards
    assert messages(done.routed)[0].answers[0][3] == '{"title":"T"}'
    assert (logic.notify_at(), logic.snapshot()) == (None, "07")
