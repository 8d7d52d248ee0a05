"""What the job's change streams cost the server: the whole backlog is read by as many of them as it has partitions.

They are those of the source, with its own pipeline, one after the other; nothing is decoded and nothing is done with
what comes, so that the time is the server's.
"""

from __future__ import annotations

import os
import time
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from benchmarks.job import DATABASE
from benchmarks.meter import Meter
from benchmarks.processes import BenchmarkError
from benchmarks.results import Run, Span
from benchmarks.servers import Document, Servers
from benchmarks.subjects import Subject, World, run_of
from benchmarks.workload import COLLECTIONS, Loaded
from connectors.mongo_client import RAW
from connectors.mongo_events import pipeline, position_text, token_position

_AWAIT_MS = 1000


class ChangeStreams(Subject):
    """A number of change streams that share the rows out between them."""

    def __init__(self, name: str, *, partitions: int) -> None:
        self.name = name
        self._partitions = partitions
        self._since: dict[int, Timestamp] = {}

    def prepare(self, world: World, round_no: int) -> None:
        now = _now(world.servers)
        self._since[round_no] = Timestamp(now.time, now.inc + 1)

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        servers, changes, since = world.servers, sum(loaded.own.values()), self._since.pop(round_no)
        until = position_text(_now(servers))
        with Meter({"job": [os.getpid()], **servers.pids}) as meter:
            start_s = time.time()
            read = sum(_read(servers, since, until, number, self._partitions) for number in range(self._partitions))
            end_s = time.time()
        if read != changes:
            raise BenchmarkError(f"{self.name}: expected {changes} changes, found {read}")
        return run_of(Span(changes, start_s, end_s), meter)


def _now(servers: Servers) -> Timestamp:
    return servers.mongo.admin.command("ping")["operationTime"]


def _read(servers: Servers, since: Timestamp, until: str, partition: int, partitions: int) -> int:
    """How many changes one of the streams has up to a position."""
    db, read = servers.mongo[DATABASE], 0
    stream: Document = {"fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable"}
    stages = pipeline(database=DATABASE, collections=COLLECTIONS, partition=partition, partitions=partitions)
    command: dict[str, Any] = {
        "aggregate": 1,
        "pipeline": [{"$changeStream": {**stream, "startAtOperationTime": since}}, *stages],
        "cursor": {"batchSize": 0},
    }
    with servers.mongo.start_session(causal_consistency=False) as session:
        cursor: Any = db.command(command, session=session, codec_options=RAW)["cursor"]
        while (_reached(cursor["postBatchResumeToken"]) or "") < until:
            more = {"getMore": cursor["id"], "collection": "$cmd.aggregate", "maxTimeMS": _AWAIT_MS}
            cursor = db.command(more, session=session, codec_options=RAW)["cursor"]
            read += len(cursor["nextBatch"])
        db.command({"killCursors": "$cmd.aggregate", "cursors": [cursor["id"]]}, session=session)
    return read


def _reached(token: RawBSONDocument) -> str | None:
    return token_position(token)
