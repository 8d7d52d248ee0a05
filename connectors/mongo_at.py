"""Rows as they were at one cluster time, for whoever compares: whole collections, or a few rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from connectors.mongo_client import CODEC, RAW, SNAPSHOT_GONE, Client, read_position, translated
from connectors.mongo_events import position_time
from connectors.raw_bson import only

_BATCH = 1000
_VALUES = 200
_LENIENT: CodecOptions[dict[str, Any]] = CODEC.with_options(unicode_decode_error_handler="replace")


class MongoRows:
    """Reads rows at `position`. Memory: one batch of the server, which is 16 MB at most.

    When the server no longer keeps that time, reading goes on at the present one, and `position` is that. Raises our
    errors.
    """

    def __init__(self, client: Client, database: str, position: str) -> None:
        self._client = client
        self._database = database
        self.position = position

    def count(self, collection: str) -> int:
        """About how many rows there are now."""
        with translated(f"counting {self._database}.{collection}"):
            return int(self._client[self._database].command("count", collection)["n"])

    def all(self, collection: str) -> Iterator[RawBSONDocument]:
        """Every row, in order of `_id`."""
        last: RawBSONDocument | None = None
        with translated(f"reading {self._database}.{collection}", position=self.position):
            while True:
                began_after = last
                try:
                    for row in self._from(collection, last):
                        last = row
                        yield row
                    return
                except OperationFailure as exc:
                    if exc.code not in SNAPSHOT_GONE or (last is began_after and last is not None):
                        raise
                    self.position = read_position(self._client, self._database, (collection,))

    def by_key(self, collection: str, keys: Sequence[Any]) -> Iterator[RawBSONDocument]:
        """The rows with these `_id`s, as far as there are any, in any order."""
        yield from self._chosen(collection, {"_id": {"$in": list(keys)}})

    def by_value(self, collection: str, path: str, values: Sequence[Any]) -> Iterator[RawBSONDocument]:
        """The rows of which MongoDB says that `path` equals one of the values, and perhaps some others."""
        for start in range(0, len(values), _VALUES):
            equal = [{path: {"$eq": value}} for value in values[start : start + _VALUES]]
            yield from self._chosen(collection, {"$or": equal})

    def _from(self, collection: str, last: RawBSONDocument | None) -> Iterator[RawBSONDocument]:
        """Goes on by `min`, not by `$gt`, which sees values of its own type only."""
        command: dict[str, Any] = {"find": collection, "hint": {"_id": 1}, "sort": {"_id": 1}}
        if last is not None:
            command["min"] = {"_id": key_of(last)}
        rows = self._cursor(command)
        if last is not None and (first := next(rows, None)) is not None and key_of(first) != key_of(last):
            yield first
        yield from rows

    def _chosen(self, collection: str, condition: dict[str, Any]) -> Iterator[RawBSONDocument]:
        with translated(f"reading rows of {self._database}.{collection}", position=self.position):
            yield from self._cursor({"find": collection, "filter": condition})

    def _cursor(self, command: dict[str, Any]) -> Iterator[RawBSONDocument]:
        concern = {"level": "snapshot", "atClusterTime": position_time(self.position)}
        command |= {"batchSize": _BATCH, "readConcern": concern}
        with self._client[self._database].cursor_command(command, codec_options=RAW) as cursor:
            yield from cursor.batch_size(_BATCH)


def key_of(row: RawBSONDocument) -> Any:
    """The `_id` also of a row that cannot be decoded otherwise."""
    return bson.decode(only(bytes(row.raw), "_id"), _LENIENT)["_id"]
