"""The join in stages, for several workers: each has some of the shards, and messages travel between them.

Guarantee: in each stage a shard's messages are applied in order; between two shards of two stages order holds as well,
which is all that the stages ask for. An epoch's snapshot writes a slot of each shard in which something changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from connectors.dead_letters import Emitted, Output
from flows.gauges import JoinGauges, StageGauge
from flows.join.losses import lost, routed
from flows.join.messages import Message, Noted, Routed
from flows.join.plan import Plan
from flows.join.stages import Shard, ShardsOfKind, Stage, shards_of, stages_of
from flows.join.values import SLICE_PAUSE_S, ValueShard
from flows.kept import ToWrite, write_slots

_SLICE_PAUSE = timedelta(seconds=SLICE_PAUSE_S)
_READ_BACK_POLL = timedelta(milliseconds=1)

Contents = tuple[int, str, list[Message]]
"""Messages for one place, `(stage, shard, messages)`, in their order."""

Parcel = tuple[str, Contents]
"""Contents under their shard, by which the engine places them; that they go together costs it less."""


class Done(NamedTuple):
    """What a stage made of a batch: what to do next, and the slots of the shard to be written when the epoch ends."""

    routed: list[Routed]
    slots: Sequence[int]


class _ShardLogic(StatefulBatchLogic[Contents, Done, str]):
    """One shard in one stage. A message that cannot be applied becomes a dead letter; the state stays as it was.

    The engine, which does not say which key a logic is for, keeps of it only the shard's name: the slots are snapshots
    of their own, in steps that may get theirs a moment later. What comes before that waits.
    """

    __slots__ = (
        "_early",
        "_entries",
        "_gauge",
        "_name",
        "_pending",
        "_plan",
        "_recovers",
        "_shard",
        "_shards",
        "_stage",
        "_tell_at",
    )

    def __init__(
        self, plan: Plan, stage: Stage, shards: ShardsOfKind, gauge: StageGauge, *, recovers: bool, resumed: str | None
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._shards = shards
        self._gauge = gauge
        self._recovers = recovers
        self._entries: int = 0
        self._pending: int = 0
        self._early: list[Contents] = []
        self._tell_at: datetime | None = None
        self._name = resumed
        self._shard: Shard | None = None
        if resumed is not None:
            self._shard = shards.get(resumed)
            self._shard.levels.expect()

    def on_batch(self, values: list[Contents]) -> tuple[list[Done], bool]:
        shard = self._shard
        if shard is None:
            self._name = values[0][1]
            shard = self._shard = self._shards.get(self._name)
        if shard.levels.waits:
            self._early += values
            return [], StatefulBatchLogic.RETAIN
        apply = self._stage.apply
        shard.levels.begin_epoch()
        out: list[Routed] = []
        for _, _, messages in values:
            for message in messages:
                try:
                    apply(shard, message, out)
                except Exception as exc:
                    out += lost(self._plan, message, exc)
        return [self._done(shard, out)], StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Done], bool]:
        shard = self._shard
        if shard is None or shard.levels.waits:
            return [], StatefulBatchLogic.RETAIN
        if self._early:
            early, self._early = self._early, []
            return self.on_batch(early)
        out: list[Routed] = []
        if isinstance(shard, ValueShard) and self._tell_at is not None and datetime.now(UTC) >= self._tell_at:
            shard.levels.begin_epoch()
            shard.tell_more(out)
            self._tell_at = None
        return [self._done(shard, out)], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Done], bool]:
        shard = self._shard
        if not isinstance(shard, ValueShard) or not shard.is_due:
            return [], StatefulBatchLogic.RETAIN
        shard.levels.begin_epoch()
        out: list[Routed] = []
        while shard.is_due:
            shard.tell_more(out)
        return [self._done(shard, out)], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        shard = self._shard
        if self._early or (shard is not None and shard.levels.waits):
            return datetime.now(UTC) + _READ_BACK_POLL
        if not isinstance(shard, ValueShard) or not shard.is_due:
            self._tell_at = None
        elif self._tell_at is None:
            self._tell_at = datetime.now(UTC) + _SLICE_PAUSE
        return self._tell_at

    def snapshot(self) -> str:
        shard, name = self._shard, self._name
        if shard is None or name is None or self._early:
            raise RuntimeError(f"the state of the {self._stage.name} stage was not read back within an epoch")
        if self._stage.ends_epoch:
            shard.close()
            shard.levels.end_epoch()
        return name

    def _done(self, shard: Shard, out: list[Routed]) -> Done:
        if isinstance(shard, ValueShard):
            shard.forget()
        entries, pending = self._stage.entries(shard), self._stage.pending(shard)
        if entries != self._entries or pending != self._pending:
            self._gauge.add(entries=entries - self._entries, pending=pending - self._pending)
            self._entries, self._pending = entries, pending
        if not self._stage.ends_epoch:
            if not shard.levels.is_written:  # from now on it is known by name, so its slots must come
                out.append((self._plan.rows, self._name or "", Noted()))
            return Done(out, ())
        if not self._recovers:
            shard.levels.forget()
            return Done(out, ())
        return Done(out, shard.levels.to_write())


def join(step_id: str, changes: Stream[Emitted], plan: Plan, gauges: JoinGauges, *, recovers: bool) -> Stream[Output]:
    """See `flows.denormalize`."""
    shards = shards_of(plan)
    parcels: Stream[Parcel] = op.flat_map_batch(f"{step_id}_route", changes, _router(plan))
    writes: dict[str, list[KeyedStream[tuple[int, str]]]] = {kind: [] for kind in shards}
    for stage in stages_of(plan):
        gauge, kind = gauges.stage(stage.name), stage.kind
        parcels, to_write = _through(f"{step_id}_{stage.name}", parcels, plan, stage, shards[kind], gauge, recovers)
        writes[kind].append(to_write)
    if recovers:
        for kind, streams in writes.items():
            write_slots(f"{step_id}_{kind}", op.merge(f"{step_id}_{kind}_slots", *streams), shards[kind])
    return op.flat_map_batch(f"{step_id}_record", parcels, _outputs)


def _through(
    step_id: str,
    parcels: Stream[Parcel],
    plan: Plan,
    stage: Stage,
    shards: ShardsOfKind,
    gauge: StageGauge,
    recovers: bool,
) -> tuple[Stream[Parcel], KeyedStream[tuple[int, str]]]:
    """One stage: take out the messages for it, pass the others by; and which slots of which shards are to be written.

    Whole batches at a time, which costs a call each.
    """
    number = stage.number

    def take(items: list[Parcel]) -> list[Parcel]:
        return [item for item in items if item[1][0] == number]

    def others(items: list[Parcel]) -> list[Parcel]:
        return [item for item in items if item[1][0] != number]

    def logic(resumed: str | None) -> _ShardLogic:
        return _ShardLogic(plan, stage, shards, gauge, recovers=recovers, resumed=resumed)

    here: KeyedStream[Contents] = op.flat_map_batch(f"{step_id}_take", parcels, take)
    done = op.stateful_batch(step_id, here, logic)
    onward = op.flat_map_batch(f"{step_id}_onward", done, _onward)
    to_write: KeyedStream[tuple[int, str]] = op.flat_map_batch(f"{step_id}_changed", done, _to_write)
    return op.merge(f"{step_id}_merge", onward, op.flat_map_batch(f"{step_id}_pass", parcels, others)), to_write


def _router(plan: Plan) -> Callable[[list[Emitted]], list[Parcel]]:
    def route(items: list[Emitted]) -> list[Parcel]:
        out: list[Routed] = []
        for item in items:
            out += routed(plan, item)
        return _packed(out)

    return route


def _onward(items: list[tuple[str, Done]]) -> list[Parcel]:
    return _packed([routed for _, done in items for routed in done.routed])


def _to_write(items: list[tuple[str, Done]]) -> list[ToWrite]:
    return [(shard, (slot, shard)) for shard, done in items for slot in done.slots]


def _packed(routed: list[Routed]) -> list[Parcel]:
    """What is for one place goes together, in its order."""
    parcels: dict[tuple[int, str], list[Message]] = {}
    for stage, shard, message in routed:
        place = (stage, shard)
        if place in parcels:
            parcels[place].append(message)
        else:
            parcels[place] = [message]
    return [(shard, (stage, shard, messages)) for (stage, shard), messages in parcels.items()]


def _outputs(parcels: list[Parcel]) -> list[Output]:
    return cast("list[Output]", [message for _, (_, _, messages) in parcels for message in messages])
