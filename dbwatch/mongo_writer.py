"""Writing to MongoDB: how the sample and the simulator reach it, and how a batch of writes becomes commands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from connectors.errors import ConfigError, TransientError
from connectors.mongo_client import translated
from connectors.settings import Settings, hidden
from dbwatch.writes import Write

Document = dict[str, Any]

_SERVER_SELECTION_TIMEOUT_MS = 5000
_DUPLICATE_KEY = 11000


@contextmanager
def writing_to(settings: Settings) -> Generator[MongoClient[Document]]:
    """A client whose writes are confirmed by a majority; the driver's errors inside are raised as ours.

    Raises `ConfigError` when no server answers at `MONGO_URI`.
    """
    with translated("MONGO_URI"):
        client: MongoClient[Document] = MongoClient(
            settings.mongo_uri, w="majority", appname="dbwatch", serverSelectionTimeoutMS=_SERVER_SELECTION_TIMEOUT_MS
        )
    with client:
        try:
            with translated("asking MongoDB for a sign of life"):
                client.admin.command("ping")
        except TransientError as exc:
            address = hidden(settings.mongo_uri)
            raise ConfigError(f"MONGO_URI: no MongoDB to write to answers at {address}: {exc}; is it running?") from exc
        with translated(f"writing to {settings.mongo_db}"):
            yield client


def apply(db: Database[Document], batch: Sequence[Write]) -> int:
    """Write a batch, in one command for each collection and kind; how many rows changed.

    No two writes of a batch are of one row (`writes.batches`). A row that is there already is not inserted again, and
    one that is gone is neither updated nor deleted: somebody else writes too.
    """
    grouped: defaultdict[str, list[InsertOne[Document] | UpdateOne | DeleteOne]] = defaultdict(list)
    for write in sorted(batch, key=lambda write: write.kind):
        grouped[write.collection].append(_request(write))
    return sum(_write(db, collection, requests) for collection, requests in grouped.items())


def _write(db: Database[Document], name: str, requests: Sequence[InsertOne[Document] | UpdateOne | DeleteOne]) -> int:
    try:
        done = db[name].bulk_write(requests, ordered=False)
    except BulkWriteError as exc:
        if any(error["code"] != _DUPLICATE_KEY for error in exc.details["writeErrors"]):
            raise
        return int(exc.details["nInserted"] + exc.details["nModified"] + exc.details["nRemoved"])
    return done.inserted_count + done.modified_count + done.deleted_count


def _request(write: Write) -> InsertOne[Document] | UpdateOne | DeleteOne:
    if write.kind == "delete":
        return DeleteOne({"_id": write.key})
    assert write.body is not None
    return InsertOne(write.body) if write.kind == "insert" else UpdateOne({"_id": write.key}, write.body)
