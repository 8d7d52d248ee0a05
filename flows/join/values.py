"""By lookup and foreign key: the rows that stand there, the count `n` of their changes, and who is told of the next
one.

A shard holds many foreign keys. What is left and who came within an epoch is only of use until it ends, for then
nothing is in flight.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from connectors.joined_rows import NONE, Answer
from flows.join.levels import Levels
from flows.join.messages import Candidate, Leave, Message, Routed, Update, Version
from flows.join.parts import Pairs, Part, Table
from flows.join.plan import LookupPlan, Plan, next_stop
from flows.join.shards import shard_of

SLICE = 128
"""How many subscribers are told of a change at once; the others follow slice by slice, so that nobody else has to wait.
"""

SLICE_PAUSE_S = 0.01
"""Between two slices: the others' turn."""

FORGET_AFTER_S = 3600.0
"""How long the count of a foreign key is kept that nobody stands under or refers to.

A count that began again could be smaller than one in the stream that a replay must get past. A replay of the stream's
tail happens right after a start; an hour of silence in one run is far beyond it.
"""


class CandidateRow(NamedTuple):
    """A row that can be found here: its key, its chosen fields, and the position of the version they are from."""

    key: str
    text: str
    position: str


class Value(NamedTuple):
    """What stands under one foreign key. `candidates` are sorted by key; the first gives the `answer`. `cause` is the
    newest change (position, time). While `untold`, subscribers remain to be told of it; who, is not kept: after a
    restart all are told again, and those who know it already take no notice.
    """

    answer: Answer
    candidates: tuple[CandidateRow, ...] = ()
    cause: tuple[str, int] = ("", 0)
    untold: bool = False


class _OfLookup:
    """What is kept for one lookup: values by foreign key, and subscribers, which are row keys, by foreign key."""

    __slots__ = ("plan", "subscribers", "values")

    def __init__(self, plan: LookupPlan) -> None:
        self.plan = plan
        self.values: Table[Value] = Table(_packed, _unpacked)
        self.subscribers = Pairs()


class ValueShard:
    """The foreign keys of one shard, of the lookups that are answered in one stage."""

    def __init__(self, plan: Plan, lookups: Iterable[LookupPlan]) -> None:
        self._plan = plan
        self._of_lookup = {p.number: _OfLookup(p) for p in lookups}
        parts: dict[str, Part] = {}
        for of in self._of_lookup.values():
            parts[f"values {of.plan.state_name}"] = of.values
            parts[f"subscribers {of.plan.state_name}"] = of.subscribers
        self.levels = Levels(parts)
        self._untold: dict[_Place, Iterator[str]] = {}
        self._idle_since_s: dict[_Place, float] = {}
        # Within the epoch: at which position a row came to a foreign key, and who may have left before it came.
        self._came: dict[tuple[int, str, str], str] = {}
        self._left: dict[tuple[int, str, str], str] = {}

    def __len__(self) -> int:
        """How many foreign keys are known."""
        return sum(len(of.values) for of in self._of_lookup.values())

    @property
    def is_due(self) -> bool:
        """Whether subscribers remain to be told of a change."""
        return bool(self._untold)

    @property
    def pending(self) -> int:
        """How many foreign keys have subscribers that remain to be told of a change."""
        return len(self._untold)

    def apply(self, message: Message, out: list[Routed]) -> None:
        """Answer a version that passes by, let a subscriber go, or take in a change of the rows that stand here."""
        if isinstance(message, Version):
            self._answer(message, out)
        elif isinstance(message, Candidate):
            self._change(message, out)
        elif isinstance(message, Leave):
            self._leave(message)
        else:
            raise TypeError(f"the values stage got a {type(message).__name__}")

    def tell_more(self, out: list[Routed]) -> None:
        """Tell the next slice of subscribers, those of one foreign key after another."""
        place = next(iter(self._untold), None)
        if place is None:
            return
        keys = self._untold.pop(place)
        number, fk = place
        of = self._of_lookup[number]
        value = of.values[fk]
        some = list(islice(keys, SLICE))
        _tell(self._plan, of.plan, value, some, out)
        if len(some) == SLICE:
            self._untold[place] = keys
        else:
            of.values.put(fk, value._replace(untold=False))

    def close(self) -> None:
        """The epoch ends: nothing is in flight."""
        self._came.clear()
        self._left.clear()

    def resume(self) -> None:
        """The state was read back: go on with what was not finished."""
        for number, of in self._of_lookup.items():
            for fk, value in of.values.items():
                if value.untold:
                    self._untold[number, fk] = iter(list(of.subscribers.get(fk, ())))
                self._look_if_idle(of, fk, value)

    def forget(self) -> None:
        """Let go of the counts that have been of no use for long."""
        while self._idle_since_s:
            place, since_s = next(iter(self._idle_since_s.items()))
            if time.monotonic() - since_s < FORGET_AFTER_S:
                return
            del self._idle_since_s[place]
            number, fk = place
            of = self._of_lookup[number]
            value = of.values.get(fk)
            if value is not None and not value.candidates and fk not in of.subscribers:
                of.values.put(fk, None)

    def _answer(self, version: Version, out: list[Routed]) -> None:
        view = self._plan.views[version.view]
        lookup = view.lookups[len(version.answers)]
        of = self._of_lookup[lookup.number]
        fk = version.refs[lookup.slot] if version.refs else None
        assert fk is not None
        members = of.subscribers.get(fk)
        if members is None or version.turn > 1 or version.key not in members:
            self._subscribe(of, fk, version)
        value = of.values.get(fk)
        version.answers.append((0, fk, None, NONE) if value is None else value.answer)
        out.append(next_stop(self._plan, view, version))

    def _subscribe(self, of: _OfLookup, fk: str, version: Version) -> None:
        key = version.key
        if self._left and self._left.get((of.plan.number, fk, key), "") > version.position:
            return
        if version.turn > 1:
            # It may have overtaken an earlier one's leaving, which must not end this stay.
            came = (of.plan.number, fk, key)
            self._came[came] = max(version.position, self._came.get(came, ""))
        of.subscribers.add(fk, key)

    def _leave(self, leave: Leave) -> None:
        of = self._of_lookup[leave.lookup]
        place = (leave.lookup, leave.fk, leave.key)
        if self._came.get(place, "") <= leave.position:
            of.subscribers.discard(leave.fk, leave.key)
            self._look_if_idle(of, leave.fk, of.values.get(leave.fk))
        if leave.early:
            self._left[place] = max(leave.position, self._left.get(place, ""))

    def _change(self, candidate: Candidate, out: list[Routed]) -> None:
        of = self._of_lookup[candidate.lookup]
        fk = candidate.fk
        value = of.values.get(fk)
        standing = () if value is None else value.candidates
        old = next((s for s in standing if s.key == candidate.key), None)
        if candidate.text == (None if old is None else old.text):
            return
        others = [s for s in standing if s.key != candidate.key]
        if candidate.text is not None:
            others.append(CandidateRow(candidate.key, candidate.text, candidate.position))
        candidates = tuple(sorted(others))
        n = 1 if value is None else value.answer[0] + 1
        answer: Answer = (n, fk, None, NONE)
        if candidates:
            answer = (n, fk, candidates[0].position, candidates[0].text)
        keys = iter(list(of.subscribers.get(fk, ())))
        some = list(islice(keys, SLICE))
        value = Value(answer, candidates, (candidate.position, candidate.ts_ms), len(some) == SLICE)
        _tell(self._plan, of.plan, value, some, out)
        of.values.put(fk, value)
        if value.untold:
            self._untold[candidate.lookup, fk] = keys
        else:
            self._untold.pop((candidate.lookup, fk), None)
        self._look_if_idle(of, fk, value)

    def _look_if_idle(self, of: _OfLookup, fk: str, value: Value | None) -> None:
        if value is not None and not value.candidates and fk not in of.subscribers:
            self._idle_since_s.pop((of.plan.number, fk), None)
            self._idle_since_s[of.plan.number, fk] = time.monotonic()


_Place = tuple[int, str]
"""The number of a lookup, and a foreign key."""


def _tell(plan: Plan, lookup: LookupPlan, value: Value, keys: Iterable[str], out: list[Routed]) -> None:
    of_shard: dict[str, list[str]] = {}
    for key in keys:
        of_shard.setdefault(shard_of(key), []).append(key)
    told = (value.answer, *value.cause)
    out += [(plan.rows, shard, Update(lookup.number, some, *told)) for shard, some in of_shard.items()]


def _packed(value: Value) -> Any:
    return value.answer, [tuple(row) for row in value.candidates], value.cause, value.untold


def _unpacked(packed: Any) -> Value:
    answer, candidates, cause, untold = packed
    return Value(answer, tuple(CandidateRow(*row) for row in candidates), cause, untold)
