"""Writes to a database as values, and their grouping into few commands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

Document = dict[str, Any]
Kind = Literal["insert", "update", "delete"]


class Write(NamedTuple):
    """One write of one row: `body` is the row of an insert, the operators of an update, and None for a delete."""

    kind: Kind
    collection: str
    key: Any
    body: Document | None = None


def insert(collection: str, row: Document) -> Write:
    return Write("insert", collection, row["_id"], row)


def update(collection: str, key: Any, **operators: Document) -> Write:
    """`update("movies", key, inc={"imdb.votes": 1})`: the operators without their `$`."""
    return Write("update", collection, key, {f"${name}": value for name, value in operators.items()})


def delete(collection: str, key: Any) -> Write:
    return Write("delete", collection, key)


def batches(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """Cut where a row is written again, so that within a batch the order of writes does not matter."""
    batch: list[Write] = []
    seen: set[tuple[str, Any]] = set()
    for write in writes:
        target = (write.collection, write.key)
        if target in seen:
            yield batch
            batch, seen = [], set()
        batch.append(write)
        seen.add(target)
    if batch:
        yield batch
