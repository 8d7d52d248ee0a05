"""Random histories of three collections as `Change` values, and the batch join of what remains: the oracle."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from connectors.changes import Change
from flows.views import Views, parse_views

VIEWS: Views = parse_views(
    {
        "views": {
            "movies": {},
            "users": {},
            "comments": {
                "lookups": {
                    "movie": {"collection": "movies", "local": "movie_id", "foreign": "_id", "fields": ["title"]},
                    "user": {"collection": "users", "local": "email", "foreign": "email", "fields": ["name"]},
                }
            },
        }
    }
)

Row = dict[str, Any]


class History(NamedTuple):
    """Changes in commit order, and the joined comments that a batch join of the final rows gives, by key."""

    changes: list[Change]
    joined: dict[str, Row]


def random_history(rnd: random.Random, *, length: int, comments: int = 3, images: bool = True) -> History:
    """Inserts, updates, deletes, re-creations, re-keyings and duplicate foreign values.

    Without `images`, some updates come without their row because a delete had taken it when it was looked up.
    """
    changes: list[Change] = []
    rows: dict[str, dict[str, Row]] = {"comments": {}, "movies": {}, "users": {}}
    sizes = {"comments": comments, "movies": 3, "users": 3}
    for at in range(1, length + 1):
        x = rnd.random()
        collection = "comments" if x < 0.45 else "movies" if x < 0.7 else "users"
        key = f"{collection[0]}{rnd.randrange(sizes[collection])}"
        old = rows[collection].get(key)
        if old is not None and rnd.random() < 0.28:
            if not images and rnd.random() < 0.5:
                changes.append(_change(at, collection, key, "u", old, None, suffix=".1"))
            changes.append(_change(at, collection, key, "d", old, None, suffix=".2"))
            del rows[collection][key]
            continue
        row = _random_row(rnd, collection, key, at)
        rows[collection][key] = row
        changes.append(_change(at, collection, key, "c" if old is None else "u", old, row))
    return History(changes, batch_join(rows))


def batch_join(rows: dict[str, dict[str, Row]]) -> dict[str, Row]:
    """What the last record of each comment must hold, computed from the rows alone."""
    joined: dict[str, Row] = {}
    for key, comment in rows["comments"].items():
        movie = rows["movies"].get(_plain(comment["movie_id"]))
        named = sorted(
            k for k, u in rows["users"].items() if comment["email"] is not None and u["email"] == comment["email"]
        )
        joined[key] = {
            **comment,
            "movie": None if movie is None else {"title": movie["title"]},
            "user": {"name": rows["users"][named[0]]["name"]} if named else None,
        }
    return joined


def _random_row(rnd: random.Random, collection: str, key: str, at: int) -> Row:
    if collection == "comments":
        movie, email = rnd.choice(["m0", "m1", "m2", None]), rnd.choice(["a", "b", None])
        return {"_id": key, "movie_id": movie, "email": email, "text": at}
    if collection == "movies":
        return {"_id": key, "title": rnd.choice("XYZ"), "votes": at}
    return {"_id": key, "email": rnd.choice("ab"), "name": rnd.choice("PQR")}


def _change(at: int, collection: str, key: str, op: str, old: Row | None, row: Row | None, suffix: str = "") -> Change:
    refs = {name: _text(row.get(name)) if row else None for name in ("_id", "movie_id", "email")}
    return Change(
        collection=collection,
        key=json.dumps(key),
        op=op,  # pyright: ignore[reportArgumentType]  # one of the four, by the callers above
        position=f"{at:08x}{suffix}",
        ts_ms=at * 1000,
        before=None if old is None or op == "c" else json.dumps(old),
        after=None if row is None else json.dumps(row),
        named=tuple(n for n in row if old and row[n] != old[n]) if row and op == "u" else None,
        refs=refs,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else json.dumps(value)


def _plain(value: str | None) -> str:
    return value or ""
