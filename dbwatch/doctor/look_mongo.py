"""A look at MongoDB: reads, and changes nothing. An edge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from connectors.errors import ConfigError, DBWatchError
from connectors.mongo_checks import check_privileges, greeted
from connectors.mongo_client import CODEC, Client, connect, reason, translated
from dbwatch.doctor.facts import Collection, Member, MongoFacts, Oplog, Unknown

T = TypeVar("T")
_UNAUTHORIZED = 13


def look_at_mongo(uri: str, database: str, collections: Iterable[str], *, timeout_ms: int = 5000) -> MongoFacts:
    """What can be seen; never raises for what is wrong with the server."""
    try:
        with connect(uri, server_selection_timeout_ms=timeout_ms) as client, translated("MONGO_URI"):
            hello = greeted(client, uri)
            return _facts(client, hello, database, list(collections))
    except DBWatchError as exc:
        return MongoFacts(refusal=str(exc))


def _facts(client: Client, hello: Mapping[str, Any], database: str, wanted: list[str]) -> MongoFacts:
    is_set = bool(hello.get("setName"))
    seen = _seen(lambda: _collections(client, database, wanted))
    return MongoFacts(
        kind=f"replica set {hello['setName']}" if is_set else "mongos",
        version=tuple(client.server_info()["versionArray"][:3]),
        members=_seen(lambda: _members(client)) if is_set else (),
        privileges=_privileges(client, database, [] if isinstance(seen, Unknown) else [c.name for c in seen if c.kind]),
        collections=seen,
        snapshot_window_s=_seen(lambda: _window_s(client)),
        oplog=_seen(lambda: _oplog(client)) if is_set else Unknown("mongos has none of its own"),
        skew_ms=_skew_ms(client),
    )


def _seen(look: Callable[[], T]) -> T | Unknown:
    try:
        return look()
    except OperationFailure as exc:
        return Unknown(reason(exc), denied=exc.code == _UNAUTHORIZED)
    except (PyMongoError, KeyError, LookupError) as exc:
        return Unknown(reason(exc) if isinstance(exc, PyMongoError) else f"{type(exc).__name__}: {exc}")


def _members(client: Client) -> tuple[Member, ...]:
    status = client.admin.command("replSetGetStatus")
    config = client.admin.command("replSetGetConfig")["config"]
    votes = {member["host"]: bool(member.get("votes", 1)) for member in config["members"]}
    return tuple(Member(m["name"], m["stateStr"], votes.get(m["name"], True)) for m in status["members"])


def _privileges(client: Client, database: str, collections: Iterable[str]) -> str:
    try:
        check_privileges(client, database, collections)
    except ConfigError as exc:
        return str(exc)
    except OperationFailure as exc:
        return reason(exc)
    return ""


def _collections(client: Client, database: str, wanted: list[str]) -> tuple[Collection, ...]:
    try:
        entries = list(client[database].list_collections())
        sees_options = True
    except OperationFailure as exc:
        if exc.code != _UNAUTHORIZED:
            raise
        entries = list(client[database].list_collections(authorizedCollections=True, nameOnly=True))
        sees_options = False
    there = {str(entry["name"]): entry for entry in entries}
    found: list[Collection] = []
    for name in wanted:
        entry = there.get(name)
        if entry is None:
            found.append(Collection(name, ""))
            continue
        kind = str(entry.get("type", "collection"))
        options: Mapping[str, Any] = entry.get("options", {})
        images = bool(options.get("changeStreamPreAndPostImages", {}).get("enabled")) if sees_options else None
        rows = int(client[database].command("count", name)["n"]) if kind == "collection" else 0
        found.append(Collection(name, kind, images, rows))
    return tuple(found)


def _window_s(client: Client) -> int:
    name = "minSnapshotHistoryWindowInSeconds"
    return int(client.admin.command({"getParameter": 1, name: 1})[name])


def _oplog(client: Client) -> Oplog:
    entries = client["local"].get_collection("oplog.rs", codec_options=CODEC)
    ends: list[Timestamp] = []
    for direction in (1, -1):
        (entry,) = entries.find({}, {"ts": 1}).sort("$natural", direction).limit(1)
        ends.append(entry["ts"])
    stats = _seen(lambda: client["local"].command("collStats", "oplog.rs"))
    used = most = None
    if not isinstance(stats, Unknown):
        used, most = int(stats["size"]), int(stats["maxSize"])
    return Oplog(ends[0].time, ends[1].time, used, most)


def _skew_ms(client: Client) -> int:
    """The server's clock against the middle of the time that the question took."""
    before_s = time.time()
    hello = client.admin.command("hello")
    middle_s = (before_s + time.time()) / 2
    local: datetime = hello["localTime"]
    return round((local.replace(tzinfo=UTC).timestamp() - middle_s) * 1000)
