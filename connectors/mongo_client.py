"""One way to reach MongoDB, and the one boundary at which the driver's errors become ours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.server_description import ServerDescription

from connectors import rows
from connectors.errors import BadRecord, ConfigError, DBWatchError, HistoryLost, SnapshotLost, TransientError
from connectors.mongo_events import position_ms, position_text, position_time

T = TypeVar("T")
Client = MongoClient[RawBSONDocument]

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

START_OVER = "to start over, name a new recovery folder: the collections are then read again"

_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
_HISTORY_LOST = {136, 260, 280, 286}  # CappedPositionLost, InvalidResumeToken, ChangeStreamFatalError, …HistoryLost
_TO_COME = 72  # InvalidOptions: the time is later than the cluster's
_IDLE_S = 15.0
_SNAPSHOT_UNAVAILABLE = 246
SNAPSHOT_GONE = {239, _SNAPSHOT_UNAVAILABLE}  # 239 is SnapshotTooOld
_TOO_LARGE = 10334  # BSONObjectTooLarge
# As in the drivers' specification of resumable change-stream errors, and what a cursor or a read may meet besides:
# CursorNotFound, Interrupted, CursorKilled, MaxTimeMSExpired, NoSuchSession, no primary to read from.
_RETRIED = {
    *(6, 7, 43, 50, 63, 89, 91, 133, 134, 150, 189, 202, 206, 216, 234, 237, 262),
    *(9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436),
}
_SAYS_PATIENCE = "serverselectiontimeoutms="


def connect(uri: str, *, server_selection_timeout_ms: int = 5000) -> Client:
    """A client that always asks the same mongos of several, as a cursor lives on one. Nothing is sent yet. The address
    may say by itself how long to look for a server.

    Raises `ConfigError` for an address that cannot be read.
    """
    if "@" in uri.partition("://")[2].partition("?")[0].partition("/")[2]:
        raise ConfigError("MONGO_URI: found `/` before `@`; write user and password percent-encoded (`/` is %2F)")
    patience: dict[str, Any] = {"serverSelectionTimeoutMS": server_selection_timeout_ms}
    if _SAYS_PATIENCE in uri.lower():
        patience = {}
    try:
        return MongoClient(
            uri, appname="dbwatch", document_class=RawBSONDocument, server_selector=_first_of, **patience
        )
    except (PyMongoError, ValueError, TypeError, OSError) as exc:
        text = str(exc).splitlines()[0][:300]
        raise ConfigError(f"MONGO_URI: {text}; expected an address as mongodb://HOST:27017/?replicaSet=rs0") from exc


def decoded(raw: RawBSONDocument) -> dict[str, Any]:
    """A document's value; raises `BadRecord` when its bytes are not those of BSON, or a text not UTF-8."""
    try:
        return bson.decode(bytes(raw.raw), CODEC)
    except (BSONError, ValueError, TypeError, OverflowError, RecursionError) as exc:
        raise BadRecord(f"a document of {len(raw.raw)} bytes cannot be decoded: {exc}") from exc


def read_position(client: Client, database: str, collections: Iterable[str]) -> str:
    """The position of a majority-committed cluster time, at which the collections can now be read as a snapshot.

    It is not before anything that was acknowledged before the call.
    """
    db = client[database]
    with translated(f"{database}: choosing the time of the snapshot"):
        reply = db.command("ping")
        now: Timestamp = reply.get("operationTime") or reply["$clusterTime"]["clusterTime"]
        db.command("find", "dbwatch", limit=1, readConcern={"level": "majority", "afterClusterTime": now})
        for collection in collections:
            found = db.command("find", collection, limit=1, projection={"_id": 1}, readConcern={"level": "snapshot"})
            if "atClusterTime" in found["cursor"]:
                return position_text(found["cursor"]["atClusterTime"])
    return position_text(now)


def settled(call: Callable[[], T], *, timeout_s: float = 10.0) -> T:
    """The call's result once no collection was made or altered a moment ago, which spoils a snapshot of the present."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except SnapshotLost:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


def read_later_position(client: Client, database: str, collections: Iterable[str]) -> str:
    """A position as `read_position` gives it, later than any change that was committed before the call.

    The cluster's time stands still while nothing is written; the server itself writes something every 10 s then.
    """
    names = list(collections)
    first = read_position(client, database, names)
    deadline_s = time.monotonic() + _IDLE_S
    while (later := settled(lambda: read_position(client, database, names))) <= first:
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.1)
    return later


def is_readable(client: Client, database: str, collections: Iterable[str], position: str) -> bool:
    """Whether the collections can still be read as they were at a position, which may be a little later than anything
    that the server has: then it is waited for.
    """
    concern = {"level": "snapshot", "atClusterTime": position_time(position)}
    deadline_s = time.monotonic() + _IDLE_S
    left = list(collections)
    with translated(f"{database}: reading at position {position}"):
        while left:
            try:
                client[database].command("find", left[-1], limit=1, projection={"_id": 1}, readConcern=concern)
                left.pop()
            except OperationFailure as exc:
                if exc.code in SNAPSHOT_GONE or (exc.code == _TO_COME and time.monotonic() > deadline_s):
                    return False
                if exc.code != _TO_COME:
                    raise
                time.sleep(0.1)
    return True


def oldest_position(client: Client) -> str:
    """The position of the oldest change that the server still holds; empty when its user may not see that."""
    with suppress(PyMongoError, KeyError):
        found = client["local"].command("find", "oplog.rs", sort={"$natural": 1}, limit=1, projection={"ts": 1})
        for entry in found["cursor"]["firstBatch"]:
            return position_text(entry["ts"])
    return ""


@contextmanager
def translated(doing: str, *, position: str = "") -> Generator[None]:
    """Raise the driver's errors as ours. `doing` says what was done to what, `position` how far it had come."""
    try:
        yield
    except PyMongoError as exc:
        raise _translation(exc, doing, position) from exc


def reason(exc: PyMongoError) -> str:
    """What the server or driver says, in one line without its details."""
    if isinstance(exc, OperationFailure) and exc.details:
        return str(exc.details.get("errmsg", exc))[:300]
    return re.split(r", Timeout:|, full error:| \(configured timeouts", str(exc))[0][:300]


def _translation(exc: PyMongoError, doing: str, position: str) -> DBWatchError:
    if isinstance(exc, OperationFailure):
        return _of_server(exc, doing, position)
    if isinstance(exc, ConfigurationError | InvalidURI):
        return ConfigError(f"{doing}: {reason(exc)}")
    if isinstance(exc, AutoReconnect | ConnectionFailure | WaitQueueTimeoutError):
        return TransientError(f"{doing}: {reason(exc)}")
    return DBWatchError(f"{doing}: {type(exc).__name__}: {reason(exc)}")


def _of_server(exc: OperationFailure, doing: str, position: str) -> DBWatchError:
    at = f"{rows.iso_of_ms(position_ms(position))} (position {position})" if position else "its position"
    text = f"{reason(exc)} (code {exc.code})"
    if exc.code == _AUTHENTICATION_FAILED:
        return ConfigError(
            f"{doing}: MongoDB refused the user or password: {text}; correct them in MONGO_URI, or its `authSource`, "
            "the database in which the user was made"
        )
    if exc.code == _UNAUTHORIZED:
        return ConfigError(f"{doing}: the user of MONGO_URI lacks a privilege (the role `read` has them all): {text}")
    if exc.code in _HISTORY_LOST:
        return HistoryLost(
            f"{doing}: cannot go on from {at}: the server's oplog no longer holds what came after it: {text}",
            since=position,
        )
    if exc.code == _SNAPSHOT_UNAVAILABLE:
        return SnapshotLost(
            f"{doing}: a collection was made or altered, or the server started again, after the time of the snapshot, "
            f"{at}, at which it can then not be read any more: {text}; {START_OVER}"
        )
    if exc.code in SNAPSHOT_GONE:
        return ConfigError(
            f"{doing}: the server no longer keeps the snapshot of {at}: {text}; widen its window, "
            "`db.adminCommand({setParameter: 1, minSnapshotHistoryWindowInSeconds: 3600})` on each member of the set "
            f"(300 is the default); {START_OVER}"
        )
    if exc.code == _TOO_LARGE:
        # Not the reason that the server gives: it may quote the row.
        return BadRecord(f"{doing}: the change after {at} is larger than the 16 MB that MongoDB can send")
    if exc.code in _RETRIED or isinstance(exc, ExecutionTimeout) or exc.has_error_label("ResumableChangeStreamError"):
        return TransientError(f"{doing}: {text}")
    return DBWatchError(f"{doing}: MongoDB refused: {text}")


def _first_of(servers: list[ServerDescription]) -> list[ServerDescription]:
    """The same one of the suitable servers each time."""
    return sorted(servers, key=lambda server: str(server.address))[:1]
