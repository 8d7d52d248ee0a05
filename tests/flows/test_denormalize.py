"""The join as an operator of the engine: slices, the end of the input, recovery, and states that are let go."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, Source, StatelessSourcePartition
from bytewax.recovery import RecoveryConfig, init_db_dir  # pyright: ignore[reportUnknownVariableType]
from bytewax.testing import TestingSink, TestingSource, run_main  # pyright: ignore[reportUnknownVariableType]

from connectors.changes import Change, Op
from connectors.records import Record
from flows import denormalize as module
from flows.denormalize import denormalize
from flows.join.messages import Routed
from flows.join.plan import Plan
from tests.flows.histories import VIEWS

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


def joined(source: Source[Any], out: list[Any], recovery: Path | None = None, epoch: timedelta | None = None) -> None:
    flow = Dataflow("test")
    op.output("out", denormalize("join", op.input("in", flow, source), Plan(VIEWS)), TestingSink(out))
    config = None if recovery is None else RecoveryConfig(str(recovery))
    run_main(flow, epoch_interval=epoch, recovery_config=config)


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


def kept_states(recovery: Path, step: str) -> dict[str, bool]:
    """Of each key of a step, whether its last snapshot holds a state."""
    with closing(sqlite3.connect(recovery / "part-0.sqlite3")) as db:
        found = db.execute(
            "SELECT state_key, ser_change IS NOT NULL FROM snaps WHERE step_id = ? ORDER BY snap_epoch",
            (f"test.{step}",),
        )
        return {str(key).replace("\0", " "): bool(kept) for key, kept in found}


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


def test_the_count_of_a_foreign_key_outlives_its_row(recovery: Path) -> None:
    out: list[Record] = []
    gone: list[Any] = [movie(1, "m", "a"), change(2, "movies", "m", "d")]
    source = TestingSource([*gone, TestingSource.EOF(), movie(3, "m", "b"), comment(4, "x", "m")])
    joined(source, out, recovery)
    joined(source, out, recovery)
    assert out[-1].versions.lookups["movie"].n == 3


def test_what_is_idle_is_let_go_but_not_the_count_of_a_foreign_key(
    recovery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGET_AFTER", timedelta(milliseconds=1))
    out: list[Record] = []
    changes = [movie(1, "m", "a"), comment(2, "gone", "m"), change(3, "comments", "gone", "d"), comment(4, "kept", "m")]
    changes.append(change(5, "movies", "m", "d"))

    notify = module._StageLogic.on_notify  # pyright: ignore[reportPrivateUsage]
    let_go: list[bool] = []

    def seen(logic: Any) -> tuple[list[Routed], bool]:
        answer = notify(logic)
        let_go.append(answer[1])
        return answer

    monkeypatch.setattr(module._StageLogic, "on_notify", seen)  # pyright: ignore[reportPrivateUsage]
    joined(Patient([changes], lambda: sum(let_go) == 2), out, recovery, timedelta(milliseconds=50))
    assert kept_states(recovery, "join_rows") == {'comments "gone"': False, 'comments "kept"': True}
    assert kept_states(recovery, "join_keys") == {'comments "gone"': False, 'comments "kept"': True}
    assert kept_states(recovery, "join_values_1") == {'comments.movie "m"': True}
