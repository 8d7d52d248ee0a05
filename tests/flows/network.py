"""The join and the sink's rule under a scheduler that does its worst: any interleaving that the engine allows, and
crashes.

Messages between two (stage, shard) pairs are first-in first-out, anything else may overtake anything. An epoch ends
when nothing is in flight. A crash loses everything but the last checkpoint, of which each level is the one that was
last written, and the stream.
"""

from __future__ import annotations

import random
import zlib
from collections import defaultdict, deque
from typing import Any, NamedTuple

from connectors.changes import Change
from connectors.once import Mark, Standing, Tail, following
from connectors.records import Record
from flows.join.messages import Message, Routed
from flows.join.plan import Plan
from flows.join.stages import Shard, shards_of, stages_of
from flows.join.values import ValueShard

Place = tuple[int, str]
"""Stage and shard."""

Level = tuple[str, str, int]
"""Kind of shard, shard and level."""


class Checkpoint(NamedTuple):
    """What an epoch's end makes durable: how far each partition was read, the slots as written, the sink's mark."""

    read: tuple[int, ...]
    levels: dict[Level, bytes]
    mark: Mark


class Job:
    """One run of the dataflow over a history, with crashes; `stream` is what a consumer reads."""

    def __init__(self, rnd: random.Random, plan: Plan, changes: list[Change], *, partitions: int) -> None:
        self._rnd = rnd
        self._plan = plan
        self._stages = stages_of(plan)
        parts: list[list[Change]] = [[] for _ in range(partitions)]
        for change in changes:
            parts[zlib.crc32(f"{change.collection}{change.key}".encode()) % partitions].append(change)
        self._parts = parts
        self.stream: list[Record] = []
        self._durable = Checkpoint((0,) * partitions, {}, Mark.at("0-0"))
        self._restart()

    def run(self, *, crashes: int) -> None:
        """Read everything, crashing now and then, until nothing is left to do."""
        while True:
            if crashes and self._rnd.random() < 0.01:
                self._restart()
                crashes -= 1
            ready = [p for p, part in enumerate(self._parts) if self._read[p] < len(part)]
            if not self._net and (not ready or self._rnd.random() < 0.3):
                self._end_epoch()
                if not ready and not self._untold():
                    if not (crashes and self._rnd.random() < 0.5):
                        return
                    self._restart()
                    crashes -= 1
            elif ready and (not self._net or self._rnd.random() < 0.35):
                self._emit(self._rnd.choice(ready))
            elif self._net:
                self._deliver(*self._rnd.choice(list(self._net)))

    @property
    def levels(self) -> dict[Level, bytes]:
        """What the last checkpoint holds."""
        return self._durable.levels

    @property
    def settled(self) -> bool:
        """Whether the mark may move on."""
        return self._tail.settled

    def _restart(self) -> None:
        read, levels, mark = self._durable
        self._read, self._mark = list(read), mark
        self._kinds = shards_of(self._plan)
        self._to_write: set[Level] = set()
        written = list(levels.items())
        self._rnd.shuffle(written)  # the engine gives them back in any order
        for (kind, shard, level), state in written:
            self._kinds[kind].restore(shard, level, state)
        self._net: dict[tuple[Any, Place], deque[Message]] = defaultdict(deque)
        entries = (((r.view, r.key), Standing(_id(i), r.versions)) for i, r in enumerate(self.stream))
        self._tail = Tail(list(entries)[_place(mark.entry_id) :], mark)

    def _end_epoch(self) -> None:
        levels = dict(self._durable.levels)
        for kind, shard, level in self._to_write:
            levels[kind, shard, level] = self._kinds[kind].levels(shard).written(level)
        self._to_write.clear()
        for _, shard in self._shards():
            shard.close()
        seen = _id(len(self.stream) - 1)
        if self._tail.settled:
            self._mark = Mark.at(seen)
        else:
            self._mark = self._mark._replace(seen=seen, unreached=self._tail.unreached)
        self._durable = Checkpoint(tuple(self._read), levels, self._mark)

    def _shards(self) -> list[tuple[Place, Shard]]:
        """Those that are there, where they work last."""
        places = {stage.kind: stage.number for stage in self._stages}
        found = [(kind, name) for kind, shards in self._kinds.items() for name in shards.names]
        return [((places[kind], name), self._kinds[kind].get(name)) for kind, name in found]

    def _untold(self) -> bool:
        """Whether a timer is due somewhere; if so, it fires."""
        due = [(p, s) for p, s in self._shards() if isinstance(s, ValueShard) and s.is_due]
        for place, shard in due:
            out: list[Routed] = []
            shard.tell_more(out)
            self._sent(place, shard, out)
        return bool(due)

    def _emit(self, part: int) -> None:
        change = self._parts[part][self._read[part]]
        self._read[part] += 1
        self._send(("source", part), self._plan.route(change))

    def _send(self, source: Any, routed: list[Routed]) -> None:
        for stage, shard, message in routed:
            self._net[source, (stage, shard)].append(message)

    def _sent(self, place: Place, shard: Shard, routed: list[Routed]) -> None:
        kind = self._stages[place[0]].kind
        self._to_write.update((kind, place[1], level) for level in shard.levels.to_write())
        self._send(place, routed)

    def _deliver(self, source: Any, target: Place) -> None:
        queue = self._net[source, target]
        message = queue.popleft()
        if not queue:
            del self._net[source, target]
        if target[0] == self._plan.out:
            assert isinstance(message, Record)
            self._write(message)
            return
        stage = self._stages[target[0]]
        shard = self._kinds[stage.kind].get(target[1])
        out: list[Routed] = []
        stage.apply(shard, message, out)
        self._sent(target, shard, out)

    def _write(self, record: Record) -> None:
        admitted, standing = self._tail.admit(record)
        if not admitted:
            return
        if standing is not None:
            record = following(record, standing.versions, self.stream[_place(standing.entry_id) - 1].after)
        self.stream.append(record)


def _id(index: int) -> str:
    """The id of an entry by its index in the stream; -1 is before the first."""
    return f"{index + 1}-0"


def _place(entry_id: str) -> int:
    """How many entries there are up to this one."""
    return int(entry_id.partition("-")[0])
