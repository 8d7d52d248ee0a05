"""A message that a stage cannot apply becomes a dead letter, and nothing waits for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import bytewax.operators as op
import orjson
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main  # pyright: ignore[reportUnknownVariableType]

from connectors.changes import Change
from connectors.dead_letters import DeadLetter
from connectors.records import Record
from flows.denormalize import denormalize
from flows.join.messages import Candidate, CandidateChange, Leave, Routed, Update, Version
from flows.join.plan import Plan
from flows.join.rows import RowShard
from flows.join.values import ValueShard
from tests.flows.histories import VIEWS
from tests.flows.joining import change
from tests.flows.ways import both_ways, in_stages

__all__ = ["both_ways"]  # a fixture

pytestmark = pytest.mark.usefixtures("both_ways")

MOVIE = change(1, "movies", "m", "c", {"title": "T", "year": 1})
POISON = "poison"


def comment(at: int, text: str, op: str = "u") -> Change:
    return change(at, "comments", "c", op, {"movie_id": "m", "email": "e", "text": text})  # pyright: ignore[reportArgumentType]


HISTORY = [MOVIE, comment(2, "a", "c"), comment(3, POISON), comment(4, "b"), comment(5, POISON), comment(6, "c")]
LETTER = DeadLetter("read", "users", '"u"', "c", "00000009", 9, "cannot be decoded", "{}")


def run(items: list[Any]) -> tuple[list[Record], list[DeadLetter]]:
    out: list[Any] = []
    flow = Dataflow("test")
    source: Any = TestingSource(items, batch_size=1)
    joined = denormalize("join", op.input("in", flow, source), Plan(VIEWS), is_parallel=in_stages())
    op.output("out", joined, TestingSink(out))
    run_main(flow)
    return [o for o in out if isinstance(o, Record)], [o for o in out if isinstance(o, DeadLetter)]


def failing(original: Callable[..., Any]) -> Callable[..., Any]:
    def fails(*args: Any) -> Any:
        if any(isinstance(arg, Version) and POISON in str(arg) for arg in args):
            raise ValueError("cannot be joined")
        return original(*args)

    return fails


STEPS = [(RowShard, "_number"), (ValueShard, "_answer"), (RowShard, "_next")]


@pytest.mark.parametrize(("shard", "step"), STEPS)
def test_versions_after_one_that_is_lost_in_any_stage_are_joined(
    shard: Any, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, step, failing(getattr(shard, step)))
    records, letters = run(HISTORY)
    own = [r for r in records if r.view == "comments" and r.cause is None]
    assert [json.loads(r.after or "")["text"] for r in own] == ["a", "b", "c"]
    last = [r for r in records if r.view == "comments"][-1]
    assert (json.loads(last.after or "")["text"], json.loads(last.after or "")["movie"]["title"]) == ("c", "T")
    assert [(x.stage, x.collection, x.key, x.op, x.position) for x in letters] == [
        ("join", "comments", '"c"', "u", "00000003"),
        ("join", "comments", '"c"', "u", "00000005"),
    ]
    assert letters[0].error == "ValueError: cannot be joined"
    assert orjson.loads(letters[0].event)["row"]["text"] == POISON


@pytest.mark.parametrize(("shard", "step"), STEPS)
def test_a_row_whose_first_version_was_lost_hears_of_answers_after_its_next_one(
    shard: Any, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, step, failing(getattr(shard, step)))
    retitled = change(9, "movies", "m", "u", {"title": "U", "year": 1})
    records, letters = run([MOVIE, comment(2, POISON, "c"), comment(3, "b"), retitled])
    assert len(letters) == 1
    last = [r for r in records if r.view == "comments"][-1]
    assert json.loads(last.after or "")["movie"]["title"] == "U"


OTHERS = [
    (ValueShard, "_change", Candidate),
    (ValueShard, "_leave", Leave),
    (RowShard, "_move", CandidateChange),
    (RowShard, "_updated", Update),
]


def test_a_letter_of_the_source_passes_by_and_a_change_that_cannot_be_routed_becomes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Plan.route

    def route(plan: Plan, change: Change) -> list[Routed]:
        if POISON in (change.after or ""):
            raise ValueError("cannot be routed")
        return original(plan, change)

    monkeypatch.setattr(Plan, "route", route)
    records, letters = run([LETTER, *HISTORY])
    assert len([r for r in records if r.view == "comments" and r.cause is None]) == 3
    assert [(x.stage, x.collection, x.position) for x in letters] == [
        ("read", "users", "00000009"),
        ("join", "comments", "00000003"),
        ("join", "comments", "00000005"),
    ]


@pytest.mark.parametrize(("shard", "step", "kind"), OTHERS)
def test_other_messages_that_are_lost_are_told_as_well(
    shard: Any, step: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("cannot be joined")

    monkeypatch.setattr(shard, step, fails)
    crowd = [change(10 + i, "comments", f"c{i}", "c", {"movie_id": "m", "email": "e"}) for i in range(40)]
    moved = change(90, "comments", "c1", "u", {"movie_id": "n", "email": "e"})
    user = change(91, "users", "u", "c", {"email": "e", "name": "E"})
    _, letters = run([MOVIE, *crowd, moved, user, change(99, "movies", "m", "u", {"title": "U", "year": 1})])
    assert letters
    assert {orjson.loads(x.event)["message"] for x in letters} == {kind.__name__}
    assert {x.stage for x in letters} == {"join"}
    if kind is Update:  # one letter for each row
        assert {x.key for x in letters} == {f'"c{i}"' for i in range(40)}


def test_a_row_read_again_that_is_known_keeps_its_version_and_another_is_a_new_one() -> None:
    again = comment(6, "c", "r")._replace(position="00000007.r")
    other = comment(6, "d", "r")._replace(position="00000008.r")
    gone = comment(6, "d", "d")._replace(position="00000009.r", after=None)
    records, letters = run([MOVIE, *HISTORY[5:], again, other, gone])
    own = [r for r in records if r.view == "comments" and r.cause is None]
    assert [(r.op, r.versions.row, r.position) for r in own] == [
        ("u", "00000006", "00000006"),
        ("r", "00000006", "00000007.r"),
        ("r", "00000008.r", "00000008.r"),
        ("d", "00000009.r", "00000009.r"),
    ]
    assert (own[1].before, letters) == (own[1].after, [])
