"""The join in one step, for one worker, which has all shards: each change goes its way to the end at once.

Guarantee: the stages are those of `flows.join`, visited in an order that they allow, and what follows from a batch is
done before the next one. An epoch's snapshot writes a slot of each shard in which something changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from connectors.dead_letters import Emitted, Output
from flows.gauges import JoinGauges, StageGauge
from flows.join.levels import Levels
from flows.join.losses import lost, routed
from flows.join.messages import Routed
from flows.join.plan import Plan
from flows.join.stages import Shard, ShardsOfKind, Stage, shards_of, stages_of
from flows.join.values import SLICE_PAUSE_S, ValueShard
from flows.kept import ToWrite, write_names, write_slots

_ALONE_AFTER_S = 0.1
_READ_BACK_POLL = timedelta(milliseconds=1)
_COUNT_EACH_S = 0.25

Place = tuple[str, str]
"""Kind and name of a shard."""


class Done(NamedTuple):
    """What came of a batch: the outputs, the slots of shards to be written when the epoch ends, and the shards that
    were not there before.
    """

    outputs: list[Output]
    slots: list[tuple[Place, int]]
    new: list[Place]


class _WholeLogic(StatefulBatchLogic[list[Emitted], Done, list[Place]]):
    """The whole join. A message that cannot be applied becomes a dead letter; the state stays as it was.

    The engine keeps of it only which shards there are: their slots are snapshots of their own, in steps that may get
    theirs a moment later. What comes before that waits.
    """

    def __init__(
        self,
        plan: Plan,
        kinds: Mapping[str, ShardsOfKind],
        gauges: JoinGauges,
        *,
        recovers: bool,
        resumed: list[Place] | None,
    ) -> None:
        self._plan = plan
        self._kinds = kinds
        self._stages = stages_of(plan)
        self._of_stage = [(stage.kind, kinds[stage.kind], stage.apply) for stage in self._stages]
        self._gauges = [_Count(stage, kinds[stage.kind], gauges.stage(stage.name)) for stage in self._stages]
        self._recovers = recovers
        self._early: list[list[Emitted]] = []
        self._known: set[Place] = set(resumed or ())
        self._touched: dict[Shard, Place] = {}
        self._telling: dict[ValueShard, Place] = {}
        self._changed: set[Levels] = set()
        self._gathering: dict[Levels, None] = {}
        self._ended: set[Levels] = set()
        self._count_at_s = 0.0
        self._batch_at_s = self._told_at_s = self._telling_took_s = 0.0
        self._has_begun = False
        for kind, name in self._known:
            kinds[kind].get(name).levels.expect()

    def on_batch(self, values: list[list[Emitted]]) -> tuple[list[Done], bool]:
        if self._early or self._waits():
            self._early += values
            return [], StatefulBatchLogic.RETAIN
        return [self._joined(items) for items in values], StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list[Done], bool]:
        if self._waits():
            return [], StatefulBatchLogic.RETAIN
        early, self._early = self._early, []
        done = [self._joined(items) for items in early]
        if self._telling and time.monotonic() >= self._tell_at_s():
            began_s = time.monotonic()
            done += self._told(slices=1)
            self._told_at_s = time.monotonic()
            self._telling_took_s = self._told_at_s - began_s
        return done, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Done], bool]:
        if self._waits():
            return [], StatefulBatchLogic.RETAIN
        early, self._early = self._early, []
        return [*(self._joined(items) for items in early), *self._told()], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        if self._early or (self._known and not self._has_begun):
            return datetime.now(UTC) + _READ_BACK_POLL
        if not self._telling:
            return None
        return datetime.now(UTC) + timedelta(seconds=max(0.0, self._tell_at_s() - time.monotonic()))

    def _tell_at_s(self) -> float:
        """When the next slice is told: the others get as much time as the slices, unless there are none."""
        if self._told_at_s - self._batch_at_s > _ALONE_AFTER_S:
            return self._told_at_s
        return self._told_at_s + max(SLICE_PAUSE_S, self._telling_took_s)

    def snapshot(self) -> list[Place]:
        if self._early:
            raise RuntimeError("the state of the join was not read back within an epoch")
        for levels in self._changed:
            levels.end_epoch()
        self._ended |= self._changed
        self._changed = set()
        return sorted(self._known)

    def _waits(self) -> bool:
        """Whether something is still to be read back. Once nothing is, we begin, and nothing will be."""
        if not self._has_begun:
            shards = [shards.get(name) for shards in self._kinds.values() for name in shards.names]
            if any(shard.levels.waits for shard in shards):
                return True
            self._has_begun = True
            for kind, shards_of_kind in self._kinds.items():
                for name in shards_of_kind.names:
                    self._known.add((kind, name))
                    shard = shards_of_kind.get(name)
                    if isinstance(shard, ValueShard) and shard.is_due:
                        self._telling[shard] = (kind, name)
        return False

    def _joined(self, items: list[Emitted]) -> Done:
        self._begin_epoch()
        self._batch_at_s = time.monotonic()
        out: list[Output] = []
        todo: list[Routed] = []
        for item in items:
            todo += routed(self._plan, item)
        self._follow(todo, out)
        return self._done(out)

    def _told(self, *, slices: int | None = None) -> list[Done]:
        """Tell subscribers what changed, in so many slices or to the last, by turns for the shards that have some."""
        done: list[Done] = []
        while self._telling and (slices is None or len(done) < slices):
            self._begin_epoch()
            shard = next(iter(self._telling))
            place = self._telling.pop(shard)
            todo: list[Routed] = []
            out: list[Output] = []
            shard.tell_more(todo)
            self._touched[shard] = place
            self._follow(todo, out)
            done.append(self._done(out))
        return done

    def _follow(self, todo: list[Routed], out: list[Output]) -> None:
        """Apply messages and what follows from them, until all that is left is for the feed."""
        of_stage, last, touched = self._of_stage, self._plan.out, self._touched
        while todo:
            more: list[Routed] = []
            for stage, name, message in todo:
                if stage == last:
                    out.append(cast("Output", message))
                    continue
                kind, shards, apply = of_stage[stage]
                shard = shards.get(name)
                touched[shard] = (kind, name)
                try:
                    apply(shard, message, more)
                except Exception as exc:
                    more += lost(self._plan, message, exc)
            todo = more

    def _begin_epoch(self) -> None:
        """What is still to be written of an epoch that has ended must not show what changes now."""
        if self._ended:
            for levels in self._ended:
                levels.begin_epoch()
            self._ended = set()

    def _done(self, out: list[Output]) -> Done:
        done = Done(out, [], [])
        for shard, place in self._touched.items():
            shard.close()  # nothing is in flight
            if isinstance(shard, ValueShard):
                shard.forget()
                if shard.is_due:
                    self._telling.setdefault(shard, place)
            if place not in self._known:
                self._known.add(place)
                done.new.append(place)
            if self._recovers:
                done.slots.extend((place, slot) for slot in shard.levels.to_write())
                self._changed.add(shard.levels)
            else:
                shard.levels.forget()
            if shard.levels.gathers:
                self._gathering[shard.levels] = None
        self._touched.clear()
        self._gather()
        self._count()
        return done

    def _gather(self) -> None:
        """Make a little more of what is to be written ready, of one shard after the other."""
        if self._gathering:
            levels = next(iter(self._gathering))
            del self._gathering[levels]
            levels.gather()
            if levels.gathers:
                self._gathering[levels] = None

    def _count(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._count_at_s:
            self._count_at_s = now_s + _COUNT_EACH_S
            for gauge in self._gauges:
                gauge.look()


class _Count:
    """Tells how much the shards of a stage keep."""

    def __init__(self, stage: Stage, shards: ShardsOfKind, gauge: StageGauge) -> None:
        self._stage = stage
        self._shards = shards
        self._gauge = gauge
        self._entries = self._pending = 0

    def look(self) -> None:
        shards = [self._shards.get(name) for name in self._shards.names]
        entries, pending = sum(map(self._stage.entries, shards)), sum(map(self._stage.pending, shards))
        self._gauge.add(entries=entries - self._entries, pending=pending - self._pending)
        self._entries, self._pending = entries, pending


def join(step_id: str, changes: Stream[Emitted], plan: Plan, gauges: JoinGauges, *, recovers: bool) -> Stream[Output]:
    """See `flows.denormalize`."""
    kinds = shards_of(plan)

    def logic(resumed: list[Place] | None) -> _WholeLogic:
        return _WholeLogic(plan, kinds, gauges, recovers=recovers, resumed=resumed)

    batches: KeyedStream[list[Emitted]] = op.flat_map_batch(f"{step_id}_batch", changes, _as_one)
    done = op.stateful_batch(f"{step_id}_whole", batches, logic)
    if recovers:
        for kind, shards in kinds.items():
            write_slots(
                f"{step_id}_{kind}", op.flat_map_batch(f"{step_id}_{kind}_slots", done, _slots_of(kind)), shards
            )
        for stage in stages_of(plan):
            new = op.flat_map_batch(f"{step_id}_{stage.name}_new", done, _new_of(stage.kind))
            write_names(f"{step_id}_{stage.name}", new, kinds[stage.kind])
    return op.flat_map_batch(f"{step_id}_record", done, _outputs)


def _as_one(items: list[Emitted]) -> list[tuple[str, list[Emitted]]]:
    return [("", items)]


def _slots_of(kind: str) -> Callable[[list[tuple[str, Done]]], list[ToWrite]]:
    def slots(items: list[tuple[str, Done]]) -> list[ToWrite]:
        return [(place[1], (slot, place[1])) for _, done in items for place, slot in done.slots if place[0] == kind]

    return slots


def _new_of(kind: str) -> Callable[[list[tuple[str, Done]]], list[tuple[str, str]]]:
    def new(items: list[tuple[str, Done]]) -> list[tuple[str, str]]:
        return [(place[1], place[1]) for _, done in items for place in done.new if place[0] == kind]

    return new


def _outputs(items: list[tuple[str, Done]]) -> list[Output]:
    if len(items) == 1:
        return items[0][1].outputs
    return [output for _, done in items for output in done.outputs]
