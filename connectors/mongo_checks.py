"""Whether MongoDB can be watched as asked, found out before anything starts: `check`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

import structlog
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from connectors.errors import ConfigError
from connectors.mongo_client import Client, connect, reason, settled, translated
from connectors.settings import hidden

log = structlog.get_logger()

_OLDEST = (6, 0)
_UNAUTHORIZED = 13
_NAMED = 20


def check(
    *, uri: str, database: str, collections: Iterable[str], must_exist: bool = True, timeout_ms: int = 5000
) -> None:
    """Raise `ConfigError` with the first reason for which the collections of `database` cannot be watched.

    One line: what was found, what was expected and what to do; never the password. The server must be a replica set or
    mongos, of MongoDB 6.0 or later, and show the collections, as such, to the user of the address; without `must_exist`
    only those that are there.
    """
    wanted = list(collections)
    with connect(uri, server_selection_timeout_ms=timeout_ms) as client, translated("MONGO_URI"):
        greeted(client, uri)
        _check_version(client.server_info())
        _check_collections(client, database, wanted, must_exist=must_exist)
        settled(lambda: check_privileges(client, database, wanted))


def greeted(client: Client, uri: str) -> dict[str, Any]:
    """What the server says of itself; raises `ConfigError` when none answers, or it is no replica set or mongos."""
    hello = _hello(client, uri)
    _check_kind(hello)
    return hello


def _hello(client: Client, uri: str) -> dict[str, Any]:
    try:
        return dict(client.admin.command("hello"))
    except ServerSelectionTimeoutError as exc:
        timeout_s = client.options.server_selection_timeout
        _check_kind(_hello_of_seed(uri, timeout_s), uri=uri)
        raise ConfigError(
            f"MONGO_URI: no answer from {hidden(uri)} within {timeout_s:g} s: {reason(exc)}; "
            "expected a MongoDB replica set or mongos there: start it, or correct the address"
        ) from exc


def _hello_of_seed(uri: str, timeout_s: float) -> dict[str, Any]:
    """What the first server of the address says of itself, whatever set it is in; empty when none answers."""
    with suppress(PyMongoError):
        parsed = parse_uri(uri)
        host, port = parsed["nodelist"][0]
        tls = {name: value for name, value in parsed["options"].items() if name.lower().startswith("tls")}
        timeout_ms = min(int(timeout_s * 1000), 2000)
        timeouts = {"serverSelectionTimeoutMS": timeout_ms, "connectTimeoutMS": timeout_ms}
        with MongoClient[dict[str, Any]](host, port, directConnection=True, **timeouts, **tls) as client:
            return client.admin.command("hello") | {"asked": parsed["options"].get("replicaSet")}
    return {}


def _check_kind(hello: dict[str, Any], *, uri: str = "") -> None:
    """Whether it is a replica set or mongos; with `uri`, also why it is not the replica set of the address."""
    if not hello or hello.get("msg") == "isdbgrid":
        return
    if hello.get("isreplicaset"):
        raise ConfigError("MONGO_URI: the server's replica set is not initiated; run `rs.initiate()` on it once")
    name, asked = hello.get("setName"), hello.get("asked")
    if not name:
        raise ConfigError(
            "MONGO_URI: found a standalone server, which has no change streams; expected a replica set or mongos: "
            "start it with `--replSet rs0` and run `rs.initiate()` on it once"
        )
    if asked and asked != name:
        raise ConfigError(f"MONGO_URI: found replica set {name!r}, the address asks for replicaSet={asked}; correct it")
    if uri:
        members = ", ".join(hello.get("hosts", ()))
        raise ConfigError(
            f"MONGO_URI: {hidden(uri)} answers, but no primary of replica set {name!r} can be reached; its members are "
            f"{members}: expected these names to be reachable from here, and one of them to be primary"
        )


def _check_version(info: dict[str, Any]) -> None:
    if tuple(info["versionArray"][:2]) < _OLDEST:
        raise ConfigError(
            f"MONGO_URI: found MongoDB {info['version']}, expected {'.'.join(map(str, _OLDEST))} or later, which has "
            "pre- and post-images and splits a change stream by hash; upgrade the server"
        )


def _check_collections(client: Client, database: str, wanted: list[str], *, must_exist: bool) -> None:
    with translated(f"MONGO_DB: listing the collections of {database}"):
        entries = client[database].list_collections(authorizedCollections=True, nameOnly=True)
        kinds: dict[str, str] = {str(entry["name"]): str(entry.get("type", "collection")) for entry in entries}
    there = {name for name in kinds if not name.startswith("system.")}
    missing = [name for name in wanted if name not in there]
    if missing and not must_exist:
        log.warning("source.collections_missing", database=database, collections=missing)
    elif not there:
        raise ConfigError(
            f"MONGO_DB: database {database!r} has no collections; {_choice(database, _databases(client))}"
        )
    elif missing:
        close = "; ".join(_choice(name, there) for name in missing[:1])
        listed = ", ".join(repr(name) for name in missing)
        raise ConfigError(
            f"MONGO_DB: database {database!r} has no collection {listed}, which the configuration names; {close}"
        )
    for name in wanted:
        if kinds.get(name, "collection") != "collection":
            raise ConfigError(
                f"MONGO_DB: {database}.{name} is a {kinds[name]}, which has no change stream; expected a collection: "
                "watch the one that it is made from"
            )


def _databases(client: Client) -> set[str]:
    with suppress(OperationFailure):
        return {name for name in client.list_database_names() if name not in ("admin", "config", "local")}
    return set()


def _choice(name: str, existing: Collection[str]) -> str:
    """What there is instead, the likeliest first."""
    close = difflib.get_close_matches(name, existing, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(sorted(existing)[:_NAMED]) + (", …" if len(existing) > _NAMED else "")
    return f"{meant}there is: {listed or 'nothing that its user may see'}"


def check_privileges(client: Client, database: str, wanted: Iterable[str]) -> None:
    """Raise `ConfigError` when the user may not read the collections as a snapshot, or not watch the database."""
    try:
        for name in wanted:
            client[database].command("find", name, limit=1, readConcern={"level": "snapshot"})
        with client[database].watch(batch_size=1):
            pass
    except OperationFailure as exc:
        if exc.code != _UNAUTHORIZED:
            with translated(f"MONGO_DB: reading {database}"):
                raise
        raise ConfigError(
            f"MONGO_URI: its user lacks a privilege on {database}: {reason(exc)}; expected `find` and `changeStream` "
            "on the whole database, as the role `read` gives: "
            f'db.grantRolesToUser("<user>", [{{role: "read", db: "{database}"}}])'
        ) from exc
