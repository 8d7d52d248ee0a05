"""The stages in the order in which a message can meet them, and the shards that they work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flows.join.levels import Levels
from flows.join.messages import Message, Routed
from flows.join.plan import FIRST_VALUES, KEYS, Plan
from flows.join.rows import RowShard
from flows.join.shards import SHARDS
from flows.join.values import ValueShard

Shard = RowShard | ValueShard


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: it works on the shards of one `kind`, which another stage may work on as well.

    `apply` takes in one message and adds to the list what to do next, in order. `entries` counts what is kept and
    `pending` what waits, for those who watch the job. The last stage of a kind `ends_epoch` for its shards: nothing
    comes to them after it, and it says what is to be written.

    Snapshots are kept under `name`: a later version must not change it.
    """

    number: int
    name: str
    kind: str
    apply: Callable[[Any, Message, list[Routed]], None]
    entries: Callable[[Any], int]
    pending: Callable[[Any], int]
    ends_epoch: bool = True


def stages_of(plan: Plan) -> list[Stage]:
    """All stages of a plan, by number."""
    lookups = [
        Stage(number, f"values_{number}", f"values_{number}", ValueShard.apply, len, _pending)
        for number in range(FIRST_VALUES, plan.rows)
    ]
    return [
        Stage(KEYS, "keys", "rows", RowShard.begin, _found, _nothing, ends_epoch=False),
        *lookups,
        Stage(plan.rows, "rows", "rows", RowShard.end, len, _pending),
    ]


class ShardsOfKind:
    """The shards of one kind that this process works on; they come into being when they are asked for."""

    def __init__(self, make: Callable[[], Shard]) -> None:
        self._make = make
        self._shards: dict[str, Shard] = {}

    @property
    def names(self) -> list[str]:
        """The shards that there are."""
        return list(self._shards)

    def get(self, name: str) -> Shard:
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = self._make()
            shard.levels.stagger(int(name) / SHARDS)
        return shard

    def levels(self, name: str) -> Levels:
        """Those of a shard that was asked for before; `KeyError` when it was not, and so is another process's."""
        return self._shards[name].levels

    def restore(self, name: str, level: int, written: bytes) -> None:
        """Read back a level of a shard."""
        shard = self.get(name)
        if shard.levels.restore(level, written):
            shard.resume()


def shards_of(plan: Plan) -> dict[str, ShardsOfKind]:
    """No shards yet, by kind. Snapshots are kept under these names: a later version must not change them."""
    kinds = {"rows": ShardsOfKind(partial(RowShard, plan))}
    for number in range(FIRST_VALUES, plan.rows):
        lookups = [p for p in plan.lookups if p.stage == number]
        kinds[f"values_{number}"] = ShardsOfKind(partial(ValueShard, plan, lookups))
    return kinds


def _found(shard: RowShard) -> int:
    return shard.found


def _nothing(_shard: Shard) -> int:
    return 0


def _pending(shard: Shard) -> int:
    return shard.pending
