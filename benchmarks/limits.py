"""Bare loops: what PyMongo and redis-py can do on this machine when nothing is promised. A process each.

They keep no position, take no checkpoint, mask, join and compare nothing, and lose or repeat entries when anything goes
wrong. `python -m benchmarks.limits LOOP MONGO_URI REDIS_URL STREAM COUNT TIME,INC` prints one line of JSON: how many
changes it took after the warm-up, from when to when.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

import orjson
from bson.timestamp import Timestamp
from pymongo import MongoClient
from redis import Redis

from benchmarks.job import DATABASE
from benchmarks.results import WARM_UP
from benchmarks.servers import Document
from benchmarks.workload import COLLECTIONS

_BATCH = 1000
_OPS: Mapping[str, str] = {"insert": "c", "update": "u", "replace": "u", "delete": "d"}
_LUA = """
local id
for i = 1, #ARGV, 10 do
  id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, i, i + 9))
end
return id
"""

Fields = dict[Any, Any]
Write = Callable[[list[Fields]], None]


def main() -> None:
    loop, mongo_uri, redis_url, stream, count, since = sys.argv[1:]
    seconds, _, inc = since.partition(",")
    with MongoClient[Document](mongo_uri) as mongo, Redis.from_url(redis_url) as redis:
        changes = _changes(mongo, Timestamp(int(seconds), int(inc)))
        rows, write = {
            "drain": (changes, _nowhere),
            "watch": (map(_fields_of_change, changes), _pipelined(redis, stream)),
            "lua": (map(_fields_of_change, changes), _scripted(redis, stream)),
            "find": (_found(mongo), _pipelined(redis, stream)),
        }[loop]
        _loop(cast("Iterator[Fields]", rows), write, int(count))


def _loop(rows: Iterator[Fields], write: Write, count: int) -> None:
    done, left_out, start_s = 0, 0, time.time()
    while done < count:
        batch = list(islice(rows, min(_BATCH, count - done)))
        if not batch:
            raise SystemExit(f"expected {count} rows, found {done}")
        write(batch)
        done += len(batch)
        if done < WARM_UP * count:
            left_out, start_s = done, time.time()
    print(json.dumps([done - left_out, start_s, time.time()]))


def _changes(mongo: MongoClient[Document], since: Timestamp) -> Iterator[Document]:
    with mongo[DATABASE].watch(
        start_at_operation_time=since, full_document="whenAvailable", batch_size=_BATCH
    ) as stream:
        yield from stream


def _found(mongo: MongoClient[Document]) -> Iterator[Fields]:
    for name in COLLECTIONS:
        for row in mongo[DATABASE][name].find(batch_size=_BATCH):
            yield _fields(name, "r", row["_id"], 0, row)


def _fields_of_change(change: Document) -> Fields:
    ts_ms = int(change["wallTime"].timestamp() * 1000)
    op = _OPS[change["operationType"]]
    return _fields(change["ns"]["coll"], op, change["documentKey"]["_id"], ts_ms, change.get("fullDocument"))


def _fields(view: str, op: str, key: object, ts_ms: int, row: object) -> Fields:
    return {"view": view, "op": op, "key": str(key), "ts_ms": ts_ms, "after": orjson.dumps(row, default=str)}


def _nowhere(_batch: list[Fields]) -> None:
    pass


def _pipelined(redis: Redis, stream: str) -> Write:
    """One XADD for each row, a batch in one round trip."""

    def write(batch: list[Fields]) -> None:
        pipe = redis.pipeline(transaction=False)
        for fields in batch:
            pipe.xadd(stream, fields)
        pipe.execute()

    return write


def _scripted(redis: Redis, stream: str) -> Write:
    """One call for a batch; the server takes it apart."""
    script = redis.register_script(_LUA)

    def write(batch: list[Fields]) -> None:
        script(keys=[stream], args=list(_flat(batch)))

    return write


def _flat(batch: Iterable[Fields]) -> Iterator[Any]:
    for fields in batch:
        for name, value in fields.items():
            yield name
            yield value


if __name__ == "__main__":
    main()
