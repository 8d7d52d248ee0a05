"""An embedded MongoDB: a single-member replica set, because only replica sets have change streams."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from connectors.errors import ConfigError
from dbwatch import binaries
from dbwatch.server import HOST, Server

REPLICA_SET = "rs0"
_CACHE_GB = 0.5
_OPLOG_MB = 1024
_ASK_TIMEOUT_MS = 2000
_PRIMARY_TIMEOUT_S = 60.0
_POLL_S = 0.02
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23
_UNAUTHORIZED = 13
_FATAL = ("F", "E")

Document = dict[str, Any]


class Mongod(Server):
    """A `mongod` of one member, primary when `start` returns."""

    name = "mongod"

    def __init__(
        self,
        folder: Path,
        *,
        preferred_port: int = 0,
        extra_args: Sequence[str] = (),
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        """`client_options` are PyMongo's, for what `extra_args` ask of clients: TLS, user and password."""
        super().__init__(folder, preferred_port=preferred_port, extra_args=extra_args)
        self.client_options = dict(client_options or {})

    @property
    def uri(self) -> str:
        return f"mongodb://{HOST}:{self.port}/?replicaSet={REPLICA_SET}"

    def client(self) -> MongoClient[Document]:
        """A client of just this member, for its administration."""
        return self._client(self.port)

    def _client(self, port: int) -> MongoClient[Document]:
        return MongoClient(
            HOST,
            port,
            directConnection=True,
            serverSelectionTimeoutMS=_ASK_TIMEOUT_MS,
            connectTimeoutMS=_ASK_TIMEOUT_MS,
            socketTimeoutMS=10 * _ASK_TIMEOUT_MS,
            **self.client_options,
        )

    def _command(self) -> list[str]:
        data = self.folder / "mongod"
        data.mkdir(exist_ok=True)
        return [
            str(binaries.mongod()),
            *("--dbpath", str(data), "--logpath", str(self.log_path), "--logappend"),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", str(_OPLOG_MB)),
            *("--wiredTigerCacheSizeGB", str(_CACHE_GB), "--setParameter", "diagnosticDataCollectionEnabled=false"),
            *self.extra_args,
        ]

    def _pid_at(self, port: int) -> int | None:
        """By the lock file of our data folder: what holds it is ours, and `hello` needs no user."""
        try:
            with self._client(port) as client:
                client.admin.command("hello")
            return int((self.folder / "mongod" / "mongod.lock").read_text(encoding="ascii"))
        except (PyMongoError, OSError, ValueError):
            return None

    def _settle(self) -> None:
        with self._client(self.port) as client:
            try:
                self._configure(client)
                self._wait_for_primary(client)
            except PyMongoError as exc:
                raise ConfigError(f"mongod on port {self.port} does not become a replica set: {exc}") from exc

    def _configure(self, client: MongoClient[Document]) -> None:
        """Make ours the only member of the set; its name changes with the port."""
        me = f"{HOST}:{self.port}"
        config = self._stored_config(client)
        if config is None:
            self._command_when_ready(
                client, "replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": me}]}
            )
        elif [member["host"] for member in config["members"]] != [me]:
            renamed = {**config, "version": config["version"] + 1, "members": [{**config["members"][0], "host": me}]}
            self._command_when_ready(client, "replSetReconfig", renamed, force=True)

    def _stored_config(self, client: MongoClient[Document]) -> Document | None:
        try:
            return client.local["system.replset"].find_one()
        except OperationFailure as exc:
            if exc.code == _UNAUTHORIZED:  # before there is a user, only the set may be initiated
                return None
            raise

    def _command_when_ready(self, client: MongoClient[Document], name: str, value: Document, **more: Any) -> None:
        """A member that has just started looks for itself in the stored configuration, and refuses until it has."""
        deadline = time.monotonic() + _PRIMARY_TIMEOUT_S
        while True:
            try:
                client.admin.command(name, value, **more)
            except (OperationFailure, AutoReconnect) as exc:  # it also drops connections when its state changes
                if _code(exc) == _ALREADY_INITIALIZED:
                    return
                if _code(exc) not in {_NOT_YET_INITIALIZED, None} or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
            else:
                return

    def _wait_for_primary(self, client: MongoClient[Document]) -> None:
        deadline = time.monotonic() + _PRIMARY_TIMEOUT_S
        while not client.admin.command("hello").get("isWritablePrimary"):
            if time.monotonic() > deadline:
                raise ConfigError(f"mongod on port {self.port} was not elected within {_PRIMARY_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_S)

    def _last_words(self) -> str:
        """The last error of the log, whose lines are JSON."""
        with suppress(OSError):
            for line in reversed(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()):
                with suppress(ValueError):
                    entry = json.loads(line)
                    if entry.get("s") in _FATAL:
                        return f"{entry['msg']} {json.dumps(entry.get('attr', {}).get('error', ''))}".strip()
        return ""


def _code(exc: PyMongoError) -> int | None:
    """What the server calls its refusal; None when it did not answer."""
    return exc.code if isinstance(exc, OperationFailure) else None
