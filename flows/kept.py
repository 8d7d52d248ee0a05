"""Steps of the engine that keep what the join knows: each slot of each shard is a state of the engine's.

They write nothing else and emit nothing. A step is woken for a shard when one of its slots must be written at the end
of the epoch; the shard itself is in the same worker, for the engine places both by the same key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import bytewax.operators as op
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.join.levels import BASE, SLOTS
from flows.join.stages import ShardsOfKind

ToWrite = tuple[str, tuple[int, str]]
"""`(shard, (slot, shard))`."""

V = TypeVar("V")
S = TypeVar("S")


def write_slots(step_id: str, to_write: KeyedStream[tuple[int, str]], shards: ShardsOfKind) -> None:
    """Keep the slots of one kind of shards, and give them back to the shards when a job resumes.

    The engine gives states back step by step, as they are declared: of `base` first, so that few wait for it.
    """
    for slot, name in sorted(enumerate(SLOTS), key=lambda numbered: numbered[0] != BASE):

        def of_slot(items: list[ToWrite], slot: int = slot) -> list[ToWrite]:
            return [item for item in items if item[1][0] == slot]

        def logic(resumed: tuple[str, bytes] | None, slot: int = slot) -> _SlotLogic:
            return _SlotLogic(shards, slot, resumed)

        here: KeyedStream[tuple[int, str]] = op.flat_map_batch(f"{step_id}_{name}_take", to_write, of_slot)
        op.stateful_batch(f"{step_id}_{name}", here, logic)


def write_names(step_id: str, names: KeyedStream[str], shards: ShardsOfKind) -> None:
    """Keep which shards there are, as the stages of several workers do, so that such a job may go on with them."""

    def logic(resumed: str | None) -> _NameLogic:
        return _NameLogic(shards, resumed)

    op.stateful_batch(step_id, names, logic)


class _Keeper(StatefulBatchLogic[V, Any, S]):
    """Keeps a state and emits nothing; what it is woken for says which shard it is."""

    __slots__ = ()

    def on_notify(self) -> tuple[list[Any], bool]:
        return [], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Any], bool]:
        return [], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        return None


class _SlotLogic(_Keeper[tuple[int, str], tuple[str, bytes]]):
    """One slot of one shard: what is kept of it for a restart, with the shard's name. It is woken in the epochs in
    which it is to be written; the shard is in the same worker, for the engine places both by the same key.
    """

    __slots__ = ("_name", "_shards", "_slot")

    def __init__(self, shards: ShardsOfKind, slot: int, resumed: tuple[str, bytes] | None) -> None:
        self._shards = shards
        self._slot = slot
        self._name = ""
        if resumed is not None:
            self._name, written = resumed
            shards.restore(self._name, slot, written)

    def on_batch(self, values: list[tuple[int, str]]) -> tuple[list[Any], bool]:
        self._name = values[0][1]
        return [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> tuple[str, bytes]:
        return self._name, self._shards.levels(self._name).written(self._slot)


class _NameLogic(_Keeper[str, str]):
    """One shard of which there are slots."""

    __slots__ = ("_name",)

    def __init__(self, shards: ShardsOfKind, resumed: str | None) -> None:
        self._name = resumed or ""
        if resumed is not None:
            shards.get(resumed).levels.expect()

    def on_batch(self, values: list[str]) -> tuple[list[Any], bool]:
        self._name = values[0]
        return [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> str:
        return self._name
