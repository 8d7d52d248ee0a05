"""One stretch of paced writing to a running job, followed at the other end of the feed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks import arrivals, paced
from benchmarks.job import DATABASE, Job
from benchmarks.processes import PYTHON, BenchmarkError, Child
from benchmarks.servers import Servers
from benchmarks.trace import Arrived, Trace, Wrote, trace_of

_POLL_S = 0.2
_WRITER_EXTRA_S = 120.0


class Stretch:
    """Paced writing to a running job, followed at the other end. A context manager that leaves no process behind.

    Enter, do whatever is to happen meanwhile, then `finish`.
    """

    def __init__(self, servers: Servers, job: Job, folder: Path, *, first: int, extra: int = 0, **pacing: Any) -> None:
        """`first` is the number of the first change: larger than that of any before. `extra` numbers behind the last
        are of changes that somebody else makes meanwhile. `pacing` is of `paced.Job`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.first = first
        self._extra = extra
        self._wrote, self._came = folder / f"wrote-{first}.json", folder / f"came-{first}.json"
        self._spec = paced.Job(uri=servers.mongod.uri, database=DATABASE, first=first, out=str(self._wrote), **pacing)
        follow = arrivals.Job(servers.valkey.uri, job.keys.changes[0], str(self._came))
        self._reader = _child("arrivals", follow._asdict(), folder)
        self._writer = _child("paced", self._spec._asdict(), folder)

    @property
    def extra_number(self) -> int:
        """The first number of the changes that somebody else makes."""
        return self.first + round(self._spec.rate_per_s * self._spec.seconds)

    @property
    def next_first(self) -> int:
        """The first number that a later stretch may use."""
        return self.extra_number + self._extra

    @property
    def writing(self) -> bool:
        return self._writer.running

    def __enter__(self) -> Stretch:
        self._reader.start()
        if self._reader.hear() != "ready":
            raise BenchmarkError(f"{self._reader.name} does not follow the feed: {self._reader.last_words()}")
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        for child in (self._writer, self._reader):
            if child.running:
                child.kill()

    def came(self) -> tuple[int, int]:
        """How many of the changes have been read from the feed, and how many entries that lookups caused."""
        self._reader.say("how many?")
        own, caused = self._reader.hear().split()
        return int(own), int(caused)

    def finish(self, *, drain_s: float, caused: int = 0, meanwhile: Callable[[float], None] = time.sleep) -> Trace:
        """Wait until all is written and, for `drain_s` at most, until all of it has come, and so many entries that
        lookups caused.
        """
        end_s = time.monotonic() + self._spec.seconds + _WRITER_EXTRA_S
        while self._writer.running and time.monotonic() < end_s:
            meanwhile(_POLL_S)
        self._writer.wait(timeout_s=1)
        end_s = time.monotonic() + drain_s
        while self._is_short_of(caused) and time.monotonic() < end_s:
            meanwhile(_POLL_S)
        end_ms = time.time_ns() / 1e6
        self._reader.end_of_talk()
        self._reader.wait(timeout_s=_WRITER_EXTRA_S)
        wrote = Wrote(**orjson.loads(self._wrote.read_bytes()))
        return trace_of(wrote, Arrived(**orjson.loads(self._came.read_bytes())), end_ms=end_ms)

    def _is_short_of(self, caused: int) -> bool:
        came_own, came_caused = self.came()
        return came_own < self.next_first - self.first or came_caused < caused


def _child(name: str, spec: dict[str, Any], folder: Path) -> Child:
    command = [PYTHON, "-m", f"benchmarks.{name}", orjson.dumps(spec).decode()]
    return Child(name, command, log=folder / f"{name}.log", talks=name == "arrivals")
