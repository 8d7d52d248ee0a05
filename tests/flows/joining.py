"""Values for the tests of the join's stages: changes of movies, users and comments, and the plan of their views."""

from __future__ import annotations

import json
from typing import Any

from connectors.changes import Change, Op
from flows.join.messages import Answer, Routed, RowChange, Version
from flows.join.plan import Plan
from tests.flows.histories import VIEWS

PLAN = Plan(VIEWS)
COMMENTS = next(view for view in PLAN.views if view.lookups)
MOVIE, USER = COMMENTS.lookups


def change(at: int, collection: str, key: str, op: Op, row: dict[str, Any] | None = None, **more: Any) -> Change:
    """A change at position `at`; the key is text, and refs are those that the sample's views ask for."""
    refs = {name: json.dumps(row[name]) if row and name in row else None for name in ("movie_id", "email")}
    after = None if row is None else json.dumps({"_id": key, **row})
    return Change(collection, json.dumps(key), op, position(at), at, None, after, more.get("named"), refs)


def position(at: int) -> str:
    return f"{at:08}"


def row_change(at: int, key: str, movie: str | None, user: str | None = None, op: Op = "u") -> RowChange:
    """A change of a comment that refers to this movie and user; a delete if `op` says so."""
    gone = op == "d"
    row = None if gone else json.dumps({"_id": key, "at": at})
    return RowChange(COMMENTS.number, key, op, position(at), at, row, None, None if gone else (movie, user))


def version(at: int, key: str, movie: str | None, *, turn: int = 1, new: bool = True, op: Op = "u") -> Version:
    """A version on its way to its first foreign key."""
    return Version(row_change(at, key, movie, op=op), turn, (new and movie is not None, False), ())


def answered(value: Version, *answers: Answer) -> Version:
    return value._replace(answers=answers)


def messages(routed: list[Routed]) -> list[Any]:
    return [message for _, (_, message) in routed]


def places(routed: list[Routed]) -> list[tuple[int, str]]:
    """Stage and key of each, the key's parts separated by spaces."""
    return [(stage, key.replace("\0", " ").replace("\1", " ")) for key, (stage, _) in routed]
