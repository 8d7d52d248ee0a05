"""A look at a MongoDB database: what its collections hold, for `dbwatch init`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.database import Database

from connectors.mongo_client import Client, translated
from connectors.rows import ref_text
from dbwatch.guesses import Look

_EACH_END = 100
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)


class MongoLook:
    """Reads a few hundred documents at most of each collection. Raises our errors."""

    def __init__(self, client: Client, database: str) -> None:
        self._db: Database[dict[str, Any]] = client[database].with_options(codec_options=_CODEC)

    def collections(self) -> tuple[list[str], list[str]]:
        """The collections that can be watched, and what else there is, both in order of name."""
        with translated(f"listing the collections of {self._db.name}"):
            entries = list(self._db.list_collections(authorizedCollections=True, nameOnly=True))
        kinds = {str(e["name"]): e.get("type", "collection") for e in entries if not e["name"].startswith("system.")}
        watched = sorted(name for name, kind in kinds.items() if kind == "collection")
        return watched, sorted(kinds.keys() - set(watched))

    def look(self, collection: str) -> Look:
        """The first and the last documents by `_id`, so that a second look sees the same; and the unique fields."""
        with translated(f"looking at {self._db.name}.{collection}"):
            documents = [
                document
                for direction in (1, -1)
                for document in self._db[collection].find(sort=[("_id", direction)], limit=_EACH_END)
            ]
            indexes = list(self._db[collection].list_indexes())
        unique = [list(index["key"]) for index in indexes if index.get("unique")]
        return Look(documents, tuple(sorted(keys[0] for keys in unique if len(keys) == 1)))

    def found(self, collection: str, field: str, values: Sequence[Any]) -> int:
        """How many of the values are in the field, which has an index."""
        with translated(f"looking for values in {self._db.name}.{collection}.{field}"):
            there = self._db[collection].distinct(field, {field: {"$in": list(values)}})
        return len({ref_text(value) for value in there} & {ref_text(value) for value in values})
