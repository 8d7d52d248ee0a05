"""The join and the sink's rule under a scheduler that does its worst: any interleaving that the engine allows, and
crashes.

Messages between two (stage, key) pairs are first-in first-out, anything else may overtake anything. An epoch ends when
nothing is in flight. A crash loses everything but the last checkpoint and the stream.
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
from flows.join.stages import stages_of

Place = tuple[int, str]
"""Stage and key."""


class Checkpoint(NamedTuple):
    """What an epoch's end makes durable: how far each partition was read, the state by place, the sink's mark."""

    read: tuple[int, ...]
    states: dict[Place, Any]
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
    def states(self) -> dict[Place, Any]:
        """What is kept now, by stage and key."""
        return dict(self._states)

    @property
    def settled(self) -> bool:
        """Whether the mark may move on."""
        return self._tail.settled

    def _restart(self) -> None:
        read, states, mark = self._durable
        self._read, self._states, self._mark = list(read), dict(states), mark
        self._net: dict[tuple[Any, Place], deque[Message]] = defaultdict(deque)
        entries = (((r.view, r.key), Standing(_id(i), r.versions)) for i, r in enumerate(self.stream))
        self._tail = Tail(list(entries)[_place(mark.entry_id) :], mark)

    def _end_epoch(self) -> None:
        for place, state in list(self._states.items()):
            stage = self._stages[place[0]]
            closed = stage.close(state)
            if stage.is_idle(closed) and not stage.counts(closed):
                del self._states[place]
            else:
                self._states[place] = closed
        seen = _id(len(self.stream) - 1)
        if self._tail.settled:
            self._mark = Mark.at(seen)
        else:
            self._mark = self._mark._replace(seen=seen, unreached=self._tail.unreached)
        self._durable = Checkpoint(tuple(self._read), dict(self._states), self._mark)

    def _untold(self) -> bool:
        """Whether a timer is due somewhere; if so, it fires."""
        due = [p for p, s in self._states.items() if self._stages[p[0]].is_due(s)]
        for place in due:
            self._states[place], out = self._stages[place[0]].on_timer(self._states[place])
            self._send(place, out)
        return bool(due)

    def _emit(self, part: int) -> None:
        change = self._parts[part][self._read[part]]
        self._read[part] += 1
        self._send(("source", part), self._plan.route(change))

    def _send(self, source: Any, routed: list[Routed]) -> None:
        for key, (stage, message) in routed:
            self._net[source, (stage, key)].append(message)

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
        self._states[target], out = stage.apply(self._states.get(target, stage.empty), message)
        self._send(target, out)

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
