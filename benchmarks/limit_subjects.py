"""The bare loops as subjects: each a process that begins at the same position and ends when it has seen it all."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.feed import read_feed
from benchmarks.meter import Meter
from benchmarks.names import BARE_FIND, BARE_LOOP, BARE_LUA, DRAIN
from benchmarks.processes import PYTHON, BenchmarkError, Child
from benchmarks.results import Run, Span
from benchmarks.subjects import Subject, World, run_of
from benchmarks.workload import Loaded

_TIMEOUT_S = 600.0


class Limit(Subject):
    """One of the loops of `benchmarks.limits`."""

    def __init__(self, name: str, loop: str) -> None:
        self.name = name
        self._loop = loop
        self._since = ""

    def prepare(self, world: World, round_no: int) -> None:
        time = world.servers.mongo.admin.command("ping")["operationTime"]
        self._since = self._since or f"{time.time},{time.inc + 1}"

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        servers, prefix = world.servers, f"limit-{self._loop}"
        expected = world.sizes.documents if self._loop == "find" else sum(loaded.own.values())
        given = [servers.mongod.uri, servers.valkey.uri, f"{prefix}:changes", str(expected), self._since]
        command = [PYTHON, "-m", "benchmarks.limits", self._loop, *given]
        log = world.folder / f"{prefix}.log"
        with Child(self.name, command, log=log, talks=True) as child:
            child.start()
            with Meter({"job": [child.pid], **servers.pids}) as meter:
                during = Span(*json.loads(child.hear()))
            child.wait(timeout_s=_TIMEOUT_S)
        if self._loop == "drain":
            return run_of(during, meter)
        feed = read_feed(servers.redis, [f"{prefix}:changes"])
        servers.forget(prefix)
        if feed.changes != expected:
            raise BenchmarkError(f"{self.name}: expected {expected} entries, found {feed.changes}")
        return run_of(feed, meter)


def limits() -> Sequence[Subject]:
    return (
        Limit(DRAIN, "drain"),
        Limit(BARE_LOOP, "watch"),
        Limit(BARE_LUA, "lua"),
        Limit(BARE_FIND, "find"),
    )
