"""The foreign-key join as an operator: the stages of `flows.join` on the engine's keyed state.

Guarantee: in each stage a key's messages are applied in order; between two keys of two stages order holds as well,
which is all that the stages ask for. State is per key and immutable; an epoch's snapshot writes the keys that the epoch
touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from connectors.changes import Change
from connectors.dead_letters import DeadLetter, Emitted, Output, letter_of_change
from connectors.records import Record
from flows.gauges import JoinGauges, StageGauge
from flows.join.losses import lost, passed
from flows.join.messages import Message, Routed
from flows.join.plan import Plan
from flows.join.stages import Stage, stages_of

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
    """One key of one stage. A message that cannot be applied becomes a dead letter; the state stays as it was."""

    __slots__ = ("_closed", "_gauge", "_idle_since_s", "_pending", "_plan", "_stage", "_state")

    def __init__(self, plan: Plan, stage: Stage, gauge: StageGauge, resumed: Any | None) -> None:
        self._plan = plan
        self._stage = stage
        self._gauge = gauge
        self._pending = 0
        self._state: Any = stage.empty if resumed is None else resumed
        self._closed = resumed is not None
        self._idle_since_s: float | None = None
        gauge.add(entries=1)
        self._tell_pending()

    def on_batch(self, values: list[tuple[int, Message]]) -> tuple[list[Routed], bool]:
        apply, state = self._stage.apply, self._state
        out: list[Routed] = []
        for _, message in values:
            try:
                state, more = apply(state, message)
            except Exception as exc:
                more = lost(self._plan, message, exc)
            out += more
        self._state = state
        self._closed = False
        self._idle_since_s = None
        self._tell_pending()
        return out, StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Routed], bool]:
        if self._stage.is_due(self._state):
            self._state, out = self._stage.on_timer(self._state)
            self._tell_pending()
            return out, StatefulBatchLogic.RETAIN
        # Only after its epoch: within it, what is in flight may still need the state. And not before its time, which a
        # clock that was set forth does not bring about.
        discard = self._closed and self._stage.is_idle(self._state) and self._left_s() <= 0
        if discard:
            self._gauge.add(entries=-1)
        return [], discard

    def on_eof(self) -> tuple[list[Routed], bool]:
        out: list[Routed] = []
        while self._stage.is_due(self._state):
            self._state, more = self._stage.on_timer(self._state)
            out += more
        self._tell_pending()
        return out, StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        if self._stage.is_due(self._state):
            return datetime.now(UTC) + SLICE_PAUSE
        if not self._stage.is_idle(self._state):
            return None
        return datetime.now(UTC) + timedelta(seconds=max(1.0, self._left_s()))

    def snapshot(self) -> Any:
        self._state = self._stage.close(self._state)
        self._closed = True
        return self._state

    def _left_s(self) -> float:
        """How long an idle state is still to be kept."""
        now_s = time.monotonic()
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        wait = FORGET_COUNT_AFTER if self._stage.counts(self._state) else FORGET_AFTER
        return self._idle_since_s + wait.total_seconds() - now_s

    def _tell_pending(self) -> None:
        pending = self._stage.pending(self._state)
        if pending != self._pending:
            self._gauge.add(pending=pending - self._pending)
            self._pending = pending


def denormalize(step_id: str, changes: Stream[Emitted], plan: Plan, gauges: JoinGauges | None = None) -> Stream[Output]:
    """Join every change with the rows it refers to; out come the records of all views, and the dead letters: those that
    came in, and those of changes that could not be joined. `gauges` count its state.
    """
    gauges = gauges or JoinGauges()
    routed: Stream[Routed] = op.flat_map_batch(f"{step_id}_route", changes, _router(plan))
    for stage in stages_of(plan):
        routed = _through(f"{step_id}_{stage.name}", routed, plan, stage, gauges.stage(stage.name))
    return op.map(f"{step_id}_record", routed, _output)


def _through(step_id: str, routed: Stream[Routed], plan: Plan, stage: Stage, gauge: StageGauge) -> Stream[Routed]:
    """One stage: take out the messages for it, pass the others by. Whole batches at a time, which costs a call each."""
    number = stage.number

    def take(items: list[Routed]) -> list[Routed]:
        return [item for item in items if item[1][0] == number]

    def others(items: list[Routed]) -> list[Routed]:
        return [item for item in items if item[1][0] != number]

    here: KeyedStream[tuple[int, Message]] = op.flat_map_batch(f"{step_id}_take", routed, take)
    done = op.stateful_batch(step_id, here, lambda resumed: _StageLogic(plan, stage, gauge, resumed))
    onward = op.flat_map_batch(f"{step_id}_onward", done, _onward)
    return op.merge(f"{step_id}_merge", onward, op.flat_map_batch(f"{step_id}_pass", routed, others))


def _router(plan: Plan) -> Callable[[list[Emitted]], list[Routed]]:
    def route(items: list[Emitted]) -> list[Routed]:
        out: list[Routed] = []
        for item in items:
            if isinstance(item, Change):
                try:
                    out += plan.route(item)
                except Exception as exc:
                    out.append(passed(plan, letter_of_change(item, exc)))
            else:
                out.append(passed(plan, item))
        return out

    return route


def _onward(items: list[tuple[str, Routed]]) -> list[Routed]:
    """What a stage emits is wrapped in its own key; what counts is the key that it is for."""
    return [routed for _, routed in items]


def _output(routed: Routed) -> Output:
    output = routed[1][1]
    assert isinstance(output, Record | DeadLetter)
    return output
