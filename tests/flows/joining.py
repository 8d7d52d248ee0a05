"""Values for the tests of the join's stages: changes of movies, users and comments, and the plan of their views."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from connectors.changes import Change, Op
from connectors.joined_rows import Answer
from flows.join.messages import Message, Routed, Version
from flows.join.plan import Plan
from flows.join.rows import RowShard
from flows.join.shards import shard_of
from flows.join.values import ValueShard
from tests.flows.histories import VIEWS

PLAN = Plan(VIEWS)
COMMENTS = next(view for view in PLAN.views if view.lookups)
MOVIE, USER = COMMENTS.lookups

S = TypeVar("S", RowShard, ValueShard)


def change(at: int, collection: str, key: str, op: Op, row: dict[str, Any] | None = None, **more: Any) -> Change:
    """A change at position `at`; the key is text, and refs are those that the sample's views ask for."""
    refs = {name: json.dumps(row[name]) if row and name in row else None for name in ("movie_id", "email")}
    after = None if row is None else json.dumps({"_id": key, **row})
    return Change(collection, json.dumps(key), op, position(at), at, None, after, more.get("named"), refs)


def position(at: int) -> str:
    return f"{at:08}"


def version(at: int, key: str, movie: str | None, user: str | None = None, *, op: Op = "u") -> Version:
    """A version of a comment that refers to this movie and user, as it comes in; a delete if `op` says so."""
    gone = op == "d"
    row = None if gone else json.dumps({"_id": key, "at": at})
    return Version(COMMENTS.number, key, op, position(at), at, row, None, None if gone else (movie, user))


def unread(at: int, key: str) -> Version:
    """An update whose row was gone when it was looked up."""
    return Version(COMMENTS.number, key, "u", position(at), at, None, None, None)


def passing(at: int, key: str, movie: str, *, turn: int = 1) -> Version:
    """A version on its way to its first foreign key."""
    found = version(at, key, movie)
    found.turn = turn
    return found


def answer(n: int, text: str, at: int | None, fk: str = '"m"') -> Answer:
    """The answer with this count; the row there is of the version at this position, if there is one."""
    return n, fk, None if at is None else position(at), text


def answered(value: Version, *answers: Answer, turn: int = 1) -> Version:
    """The version as it comes back with these answers."""
    value.turn, value.answers = turn, list(answers)
    return value


def begun(shard: RowShard, *told: Message) -> list[Routed]:
    """What follows when the first stage of the rows takes in these messages."""
    out: list[Routed] = []
    for message in told:
        shard.begin(message, out)
    return out


def ended(shard: RowShard, *told: Message) -> list[Routed]:
    """What follows when the last stage takes in these messages."""
    out: list[Routed] = []
    for message in told:
        shard.end(message, out)
    return out


def applied(shard: ValueShard, *told: Message) -> list[Routed]:
    """What follows when a stage of values takes in these messages."""
    out: list[Routed] = []
    for message in told:
        shard.apply(message, out)
    return out


def restored(old: S, new: S) -> S:
    """`new`, with all that was written of `old`, which must not have been written before."""
    for level in old.levels.to_write():
        if new.levels.restore(level, old.levels.written(level)):
            new.resume()
    return new


def messages(routed: list[Routed]) -> list[Any]:
    return [message for _, _, message in routed]


def places(routed: list[Routed]) -> list[tuple[int, str]]:
    """Stage and shard of each."""
    return [(stage, shard) for stage, shard, _ in routed]


def place(stage: int, key: str) -> tuple[int, str]:
    """Where a stage keeps this key; what comes out of the join has no such place."""
    return stage, "" if stage == PLAN.out else shard_of(key)
