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
from flows.join import keys, rows, values
from flows.join.messages import Candidate, Join, Leave, Routed, Spread, Update, Version
from flows.join.plan import Plan
from tests.flows.histories import VIEWS
from tests.flows.joining import change

MOVIE = change(1, "movies", "m", "c", {"title": "T", "year": 1})
POISON = "poison"


def comment(at: int, text: str, op: str = "u") -> Change:
    return change(at, "comments", "c", op, {"movie_id": "m", "email": "e", "text": text})  # pyright: ignore[reportArgumentType]


HISTORY = [MOVIE, comment(2, "a", "c"), comment(3, POISON), comment(4, "b"), comment(5, POISON), comment(6, "c")]
LETTER = DeadLetter("read", "users", '"u"', "c", "00000009", 9, "cannot be decoded", "{}")


def run(items: list[Any]) -> tuple[list[Record], list[DeadLetter]]:
    out: list[Any] = []
    flow = Dataflow("test")
    source: Any = TestingSource(items, batch_size=1000)
    op.output("out", denormalize("join", op.input("in", flow, source), Plan(VIEWS)), TestingSink(out))
    run_main(flow)
    return [o for o in out if isinstance(o, Record)], [o for o in out if isinstance(o, DeadLetter)]


def failing(original: Callable[..., Any], kind: type) -> Callable[..., Any]:
    def apply(plan: Plan, state: Any, message: Any) -> Any:
        if isinstance(message, kind) and POISON in str(message):
            raise ValueError("cannot be joined")
        return original(plan, state, message)

    return apply


@pytest.mark.parametrize(
    ("module", "name", "kind"), [(keys, "apply", object), (values, "apply", Version), (rows, "_next_version", Version)]
)
def test_versions_after_one_that_is_lost_in_any_stage_are_joined(
    module: Any, name: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, failing(getattr(module, name), kind))
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


@pytest.mark.parametrize("kind", [Candidate, Leave, Join, Update, Spread])
def test_other_messages_that_are_lost_are_told_as_well(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (values, rows):
        monkeypatch.setattr(module, "apply", _failing_kind(module.apply, kind))
    from flows.join import members

    monkeypatch.setattr(members, "apply", _failing_kind(members.apply, kind))
    crowd = [
        change(10 + i, "comments", f"c{i}", "c", {"movie_id": "m", "email": "e"}) for i in range(40)
    ]  # more than the first few
    moved = change(90, "comments", "c1", "u", {"movie_id": "n", "email": "e"})
    _, letters = run([MOVIE, *crowd, moved, change(99, "movies", "m", "u", {"title": "U", "year": 1})])
    assert letters
    assert {orjson.loads(x.event)["message"] for x in letters} == {kind.__name__}
    assert {x.stage for x in letters} == {"join"}


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


def _failing_kind(original: Callable[..., Any], kind: type) -> Callable[..., Any]:
    def apply(plan: Plan, state: Any, message: Any) -> Any:
        if isinstance(message, kind):
            raise ValueError("cannot be joined")
        return original(plan, state, message)

    return apply
