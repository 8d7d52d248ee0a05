"""The MongoDB and the Valkey of one run, in a temporary folder, stopped at its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo import MongoClient
from redis import Redis

from benchmarks.processes import BenchmarkError
from dbwatch.mongod import Mongod
from dbwatch.valkey import Valkey

Document = dict[str, Any]

# A subject that waits for its turn keeps its cursor.
_MONGOD = ("--setParameter", "cursorTimeoutMillis=3600000")
# Without a log on disk: it grows by gigabytes here, and is rewritten at moments that would hit one subject by chance.
_VALKEY = ("--appendonly", "no")

_PATIENCE_S = 300.0  # a stream is counted in one call


class Servers:
    """Both servers, with a client of each. A context manager."""

    def __init__(self, folder: Path, *, mongod_args: Sequence[str] = (), valkey_args: Sequence[str] = ()) -> None:
        self.mongod = Mongod(folder / "mongod", extra_args=(*_MONGOD, *mongod_args))
        self.valkey = Valkey(folder / "valkey", extra_args=(*_VALKEY, *valkey_args))
        self._stack = ExitStack()

    def __enter__(self) -> Servers:
        try:
            for server in (self.mongod, self.valkey):
                self._stack.callback(server.stop)
                server.start()
            self.mongo = self._stack.enter_context(MongoClient[Document](self.mongod.uri, w="majority"))
            self.redis = self._stack.enter_context(
                Redis.from_url(self.valkey.uri, decode_responses=True, socket_timeout=_PATIENCE_S)
            )
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pids(self) -> dict[str, list[int]]:
        """For the meter."""
        assert self.mongod.pid is not None
        assert self.valkey.pid is not None
        return {"mongod": [self.mongod.pid], "valkey": [self.valkey.pid]}

    def expect_in_oplog(self, since: Timestamp) -> None:
        """Raises `BenchmarkError` when the oplog no longer reaches back to a time: then nobody can catch up from it."""
        oldest = self.mongo.local["oplog.rs"].find_one(sort=[("$natural", 1)])
        assert oldest is not None
        if oldest["ts"] > since:
            raise BenchmarkError(
                f"the oplog begins at {oldest['ts']}, expected it to reach back to {since}; write less"
            )

    def forget(self, prefix: str) -> None:
        """Delete what stands below a prefix in Redis, and have its memory back before anything else is measured."""
        keys: list[str] = list(self.redis.scan_iter(match=f"{prefix}:*", count=1000))  # pyright: ignore[reportUnknownArgumentType]
        if keys:
            self.redis.delete(*keys)
