"""Rows that refer to rows of their own collection, by several lookups at once, held against a batch join."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from connectors.changes import Change
from connectors.records import Record
from flows.join.plan import Plan
from flows.views import parse_views
from tests.flows.network import Job

NAME = ["name"]
PLAN = Plan(
    parse_views(
        {
            "views": {
                "staff": {
                    "lookups": {
                        "boss": {"collection": "staff", "local": "boss", "fields": NAME},
                        "mate": {"collection": "staff", "local": "team", "foreign": "team", "fields": NAME},
                    }
                },
                "names": {"collection": "staff", "fields": NAME},
                "teams": {"lookups": {"lead": {"collection": "staff", "local": "lead", "fields": NAME}}},
            }
        }
    )
)
Row = dict[str, Any]


def random_changes(rnd: random.Random) -> tuple[list[Change], dict[str, dict[str, Row]]]:
    """Changes in commit order, and what the collections hold after them."""
    rows: dict[str, dict[str, Row]] = {"staff": {}, "teams": {}}
    changes: list[Change] = []
    for at in range(1, rnd.randrange(5, 40)):
        collection = rnd.choice(["staff", "staff", "staff", "teams"])
        key = rnd.choice("abcd")
        old = rows[collection].pop(key, None)
        if old is not None and rnd.random() < 0.25:
            changes.append(change(at, collection, key, old, None))
            continue
        row: Row = {"_id": key, "at": at}
        if collection == "staff":
            row |= {
                "name": rnd.choice("XYZ"),
                "boss": rnd.choice(["a", "b", key, None]),
                "team": rnd.choice(["t", "u"]),
            }
        else:
            row |= {"lead": rnd.choice(["a", "b", None])}
        rows[collection][key] = row
        changes.append(change(at, collection, key, old, row))
    return changes, rows


def change(at: int, collection: str, key: str, old: Row | None, row: Row | None) -> Change:
    paths = ("_id", "boss", "team", "lead")
    refs = {path: json.dumps(row[path]) if row and row.get(path) is not None else None for path in paths}
    op = "d" if row is None else "c" if old is None else "u"
    before, after = (None if value is None else json.dumps(value) for value in (old, row))
    return Change(collection, json.dumps(key), op, f"{at:08}", at, before, after, None, refs)


def batch_join(rows: dict[str, dict[str, Row]]) -> dict[tuple[str, str], Row]:
    staff = rows["staff"]

    def shown(key: str | None) -> Row | None:
        return {"name": staff[key]["name"]} if key is not None and key in staff else None

    joined: dict[tuple[str, str], Row] = {}
    for key, row in staff.items():
        mates = sorted(k for k, other in staff.items() if other["team"] == row["team"])
        joined["staff", key] = {**row, "boss": shown(row["boss"]), "mate": shown(mates[0])}
        joined["names", key] = {"name": row["name"]}
    joined |= {("teams", key): {**row, "lead": shown(row["lead"])} for key, row in rows["teams"].items()}
    return joined


def test_rows_that_look_up_each_other_and_themselves_end_as_a_batch_join_has_them() -> None:
    for seed in range(400):
        rnd = random.Random(seed)
        changes, rows = random_changes(rnd)
        job = Job(rnd, PLAN, changes, partitions=1 + seed % 3)
        job.run(crashes=seed % 5)
        last: dict[tuple[str, str], Record] = {}
        for record in job.stream:
            before = last.get((record.view, record.key))
            assert before is None or record.versions.is_forward_of(before.versions), seed
            last[record.view, record.key] = record
        held = {(view, json.loads(key)): json.loads(r.after) for (view, key), r in last.items() if r.after is not None}
        assert held == batch_join(rows), seed
        own = Counter((r.view, r.key) for r in job.stream if r.cause is None)
        for view, collection in (("staff", "staff"), ("names", "staff"), ("teams", "teams")):
            made = Counter((view, c.key) for c in changes if c.collection == collection)
            assert made == Counter({row: count for row, count in own.items() if row[0] == view}), seed
        assert job.settled, seed
