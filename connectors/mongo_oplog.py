"""What the oplog says of a position in it: how far back it reaches, and how much of it comes after the position."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import ExecutionTimeout, OperationFailure

from connectors.errors import ConfigError
from connectors.mongo_client import CODEC, Client, translated
from connectors.mongo_events import position_time
from connectors.mongo_state import Oplog

MOST_COUNTED = 100_000
_TIMEOUT_MS = 2000
_UNAUTHORIZED = 13


def read_oplog(client: Client, database: str, collections: Iterable[str], position: str) -> Oplog:
    """The server's clock and, of a member of a replica set, its oplog. Without a position nothing is counted.

    Counting starts at the position and gives up after two seconds or `MOST_COUNTED` entries; a transaction is one
    entry. Needs `find` on `local.oplog.rs`, and says so without; its size needs `collStats`, and is left out without.
    Raises `TransientError` when the server is away.
    """
    with translated("reading the server's clock"):
        hello = client.admin.command("hello", codec_options=CODEC)
    server_ms = _ms(hello["localTime"])
    if hello.get("msg") == "isdbgrid":
        return Oplog(server_ms)
    try:
        oldest_ms = oldest_entry_ms(client)
        behind = _behind(client, database, collections, position) if position else None
    except ConfigError as exc:
        return Oplog(server_ms, unreadable=str(exc))
    used, most = _size(client)
    return Oplog(server_ms, oldest_ms, behind, used=used, most=most)


def oldest_entry_ms(client: Client) -> int | None:
    """When the oldest entry of the oplog was made (Unix ms, to the second); None when it is empty. Raises `ConfigError`
    when it may not be read, `TransientError` when the server is away.
    """
    find = {"find": "oplog.rs", "sort": {"$natural": 1}, "limit": 1, "projection": {"ts": 1}, "maxTimeMS": _TIMEOUT_MS}
    try:
        with translated("reading the oplog"):
            batch = client.local.command(find, codec_options=CODEC)["cursor"]["firstBatch"]
    except ConfigError as exc:
        cause = exc.__cause__
        if isinstance(cause, OperationFailure) and cause.code == _UNAUTHORIZED:
            raise ConfigError(
                "the user of MONGO_URI may not read the oplog; expected `find` on local.oplog.rs: "
                'db.getSiblingDB("admin").grantPrivilegesToRole("<role>", [{resource: {db: "local", collection: '
                '"oplog.rs"}, actions: ["find"]}])'
            ) from exc
        raise
    return batch[0]["ts"].time * 1000 if batch else None


def _behind(client: Client, database: str, collections: Iterable[str], position: str) -> int | None:
    names = [f"{database}.{name}" for name in collections]
    query = {
        "ts": {"$gt": position_time(position)},
        "$or": [{"ns": {"$in": names}, "op": {"$in": ["i", "u", "d"]}}, {"o.applyOps.ns": {"$in": names}}],
    }
    count = {"count": "oplog.rs", "query": query, "limit": MOST_COUNTED, "maxTimeMS": _TIMEOUT_MS}
    try:
        with translated("counting in the oplog"):
            return int(client.local.command(count, codec_options=CODEC)["n"])
    except Exception as exc:
        if isinstance(exc.__cause__, ExecutionTimeout):
            return None
        raise


def _size(client: Client) -> tuple[int, int] | tuple[None, None]:
    """How many bytes of entries the oplog has, and may have."""
    try:
        with translated("reading the size of the oplog"):
            stats = client.local.command({"collStats": "oplog.rs", "maxTimeMS": _TIMEOUT_MS}, codec_options=CODEC)
    except ConfigError:
        return None, None
    return int(stats["size"]), int(stats["maxSize"])


def _ms(time: Any) -> int:
    assert isinstance(time, datetime)
    return round(time.replace(tzinfo=UTC).timestamp() * 1000)
