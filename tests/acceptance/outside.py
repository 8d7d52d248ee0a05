"""A log of changes kept outside: a change stream of its own, read to its end. Imports nothing of the project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from tests.acceptance.oracle import Document, RowKey, key_of, plain

Seen = tuple[str, Document | None]
"""What a change did, as Debezium calls it, and the row after it without what is masked."""

_OPS = {"insert": "c", "update": "u", "replace": "u", "delete": "d"}


class OutsideLog:
    """Every change of a database since it was made, by row. The collections must keep post-images."""

    def __init__(self, mongo: MongoClient[Document], database: str, *, masked: Mapping[str, str]) -> None:
        """`masked` is the one masked field of each collection that has one."""
        self._db: Database[Document] = mongo[database]
        self._masked = masked
        self._stream = self._db.watch(full_document="whenAvailable", batch_size=1000)

    def read(self) -> dict[RowKey, list[Seen]]:
        """All up to now, in order; the log ends."""
        self._db["end_of_log"].insert_one({})
        seen: defaultdict[RowKey, list[Seen]] = defaultdict(list)
        with self._stream as stream:
            for event in stream:
                collection = event["ns"]["coll"]
                if collection == "end_of_log":
                    break
                if event["operationType"] in _OPS:
                    row = collection, key_of(event["documentKey"]["_id"])
                    seen[row].append((_OPS[event["operationType"]], self._row(collection, event.get("fullDocument"))))
        self._db["end_of_log"].drop()
        return dict(seen)

    def _row(self, collection: str, document: Any) -> Document | None:
        if document is None:
            return None
        return plain({name: value for name, value in document.items() if name != self._masked.get(collection)})
