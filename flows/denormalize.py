"""The foreign-key join as an operator: the stages of `flows.join` on the engine's keyed state.

Guarantee: in each stage a key's messages are applied in order; between two keys of two stages order holds as well,
which is all that the stages ask for. State is per key and immutable; an epoch's snapshot writes the keys that the epoch
touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from connectors.changes import Change
from connectors.records import Record
from flows.join.messages import Message, Routed
from flows.join.plan import KEYS, Plan
from flows.join.stages import Stages

SLICE_PAUSE = timedelta(milliseconds=10)
"""Between two slices of telling the subscribers of one foreign key: the others' turn."""

FORGET_AFTER = timedelta(seconds=30)
"""How long an idle state is kept at least; it goes once its epoch is over as well."""

FORGET_COUNT_AFTER = timedelta(hours=1)
"""How long the count of a foreign key is kept that nobody stands under or refers to.

A count that began again could be smaller than one in the stream that a replay must get past. A replay of the stream's
tail happens right after a start; an hour of silence in one run is far beyond it.
"""


class _StageLogic(StatefulBatchLogic[tuple[int, Message], Routed, Any]):
    """One key of one stage."""

    __slots__ = ("_closed", "_idle_since", "_stage", "_stages", "_state")

    def __init__(self, stages: Stages, stage: int, resumed: Any | None) -> None:
        self._stages = stages
        self._stage = stage
        self._state: Any = stages.empty(stage) if resumed is None else resumed
        self._closed = resumed is not None
        self._idle_since: datetime | None = None

    def on_batch(self, values: list[tuple[int, Message]]) -> tuple[Iterable[Routed], bool]:
        out: list[Routed] = []
        state, apply, stage = self._state, self._stages.apply, self._stage
        for _, message in values:
            state, more = apply(stage, state, message)
            out += more
        self._state = state
        self._closed = False
        self._idle_since = datetime.now(UTC) if self._stages.is_idle(stage, state) else None
        return out, StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[Routed], bool]:
        if self._stages.is_due(self._stage, self._state):
            self._state, out = self._stages.on_timer(self._stage, self._state)
            return out, StatefulBatchLogic.RETAIN
        # Only after its epoch: within it, what is in flight may still need the state.
        return (), self._closed and self._stages.is_idle(self._stage, self._state)

    def on_eof(self) -> tuple[Iterable[Routed], bool]:
        if not self._stages.is_due(self._stage, self._state):
            return (), StatefulBatchLogic.RETAIN
        self._state, out = self._stages.on_timer(self._stage, self._state, all_at_once=True)
        return out, StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        if self._stages.is_due(self._stage, self._state):
            return datetime.now(UTC) + SLICE_PAUSE
        if not self._stages.is_idle(self._stage, self._state):
            return None
        if self._idle_since is None:
            self._idle_since = datetime.now(UTC)
        wait = FORGET_COUNT_AFTER if self._stages.counts(self._state) else FORGET_AFTER
        return max(self._idle_since + wait, datetime.now(UTC) + timedelta(seconds=1))

    def snapshot(self) -> Any:
        self._state = self._stages.close(self._stage, self._state)
        self._closed = True
        return self._state


def denormalize(step_id: str, changes: Stream[Change], plan: Plan) -> Stream[Record]:
    """Join every change with the rows it refers to; out come the records of all views."""
    stages = Stages(plan)
    routed: Stream[Routed] = op.flat_map_batch(f"{step_id}_route", changes, _router(plan))
    for stage in range(plan.out):
        routed = _stage(f"{step_id}_{_name(plan, stage)}", routed, stages, stage)
    return op.map(f"{step_id}_record", routed, _record)


def _stage(step_id: str, routed: Stream[Routed], stages: Stages, stage: int) -> Stream[Routed]:
    """One stage: take out the messages for it, pass the others by."""
    branch = op.branch(f"{step_id}_take", routed, lambda item: item[1][0] == stage)
    here: KeyedStream[tuple[int, Message]] = branch.trues
    done = op.stateful_batch(step_id, here, lambda resumed: _StageLogic(stages, stage, resumed))
    onward = op.flat_map_batch(f"{step_id}_onward", done, _onward)
    return op.merge(f"{step_id}_merge", onward, branch.falses)


def _name(plan: Plan, stage: int) -> str:
    """Part of the names under which state is kept: a later version must not change them."""
    if stage == KEYS:
        return "keys"
    if stage == plan.members:
        return "members"
    return "rows" if stage == plan.rows else f"values_{stage}"


def _router(plan: Plan) -> Any:
    def route(changes: list[Change]) -> list[Routed]:
        return [routed for change in changes for routed in plan.route(change)]

    return route


def _onward(items: list[tuple[str, Routed]]) -> list[Routed]:
    """What a stage emits is wrapped in its own key; what counts is the key that it is for."""
    return [routed for _, routed in items]


def _record(routed: Routed) -> Record:
    record = routed[1][1]
    assert isinstance(record, Record)
    return record
