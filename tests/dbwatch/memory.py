"""A database as dictionaries, to see what writes of the simulator do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from bson.objectid import ObjectId

from dbwatch.sample_ids import object_id
from dbwatch.writes import Write


class Tables:
    """Applies writes; fails when one does not hit what it says."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, dict[Any, dict[str, Any]]] = defaultdict(dict)

    def apply(self, writes: Iterable[Write]) -> None:
        for write in writes:
            table = self.rows[write.collection]
            if write.kind == "insert":
                assert write.body is not None
                assert write.key not in table
                table[write.key] = {**write.body}
            elif write.kind == "delete":
                del table[write.key]
            else:
                self._update(table[write.key], write.body or {})
        addresses = [user["email"] for user in self.rows["users"].values()]
        assert len(addresses) == len(set(addresses))

    def _update(self, row: dict[str, Any], operators: dict[str, Any]) -> None:
        for operator, fields in operators.items():
            for path, value in fields.items():
                *parents, name = path.split(".")
                target = row
                for parent in parents:
                    target = target.setdefault(parent, {})
                if operator == "$set":
                    target[name] = value
                elif operator == "$inc":
                    target[name] = target.get(name, 0) + value
                else:
                    assert operator == "$push"
                    target[name] = [*target[name], value]


class Keys:
    """Keys one after the other."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self) -> ObjectId:
        return object_id("test", next(self._numbers), seed=0)


def noon() -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC)


def quietly(_collection: str, _done: int, _total: int) -> None:
    """Progress that nobody wants to know of."""
