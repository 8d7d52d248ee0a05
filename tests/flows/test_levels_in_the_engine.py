"""Slots are written by steps of their own, which come to an epoch's end later than the stage that makes the changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

from connectors.records import Record
from flows.join import values
from flows.join.levels import Levels
from flows.join.stages import Shard, ShardsOfKind
from tests.flows.slots import Sizes, use
from tests.flows.test_denormalize import Patient, comment, joined, movie, told
from tests.flows.ways import both_ways

__all__ = ["both_ways"]  # a fixture

pytestmark = pytest.mark.usefixtures("both_ways")

SUBSCRIBERS = 400


def state_of(levels: Levels) -> dict[str, Any]:
    parts = levels._parts.items()  # pyright: ignore[reportPrivateUsage]
    return {name: part.dump_all(sorted(part.names())) for name, part in parts}


class Watched:
    """What every shard held when its epochs ended, against what its slots give when they are read back."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.same: list[bool] = []
        self._make: dict[int, Callable[[], Shard]] = {}
        self._at_the_end: dict[int, list[tuple[set[int], dict[str, Any]]]] = {}
        self._durable: dict[int, dict[int, bytes]] = {}
        get, end_epoch, written = ShardsOfKind.get, Levels.end_epoch, Levels.written

        def getting(shards: ShardsOfKind, name: str) -> Shard:
            shard = get(shards, name)
            self._make[id(shard.levels)] = shards._make  # pyright: ignore[reportPrivateUsage]
            return shard

        def ending(levels: Levels) -> None:
            announced = levels._announced  # pyright: ignore[reportPrivateUsage]
            if announced:
                self._at_the_end.setdefault(id(levels), []).append((set(announced), state_of(levels)))
            end_epoch(levels)

        def writing(levels: Levels, slot: int) -> bytes:
            time.sleep(0.001)  # as with many rows
            found = written(levels, slot)
            self._wrote(levels, slot, found)
            return found

        patch.setattr(ShardsOfKind, "get", getting)
        patch.setattr(Levels, "end_epoch", ending)
        patch.setattr(Levels, "written", writing)

    def _wrote(self, levels: Levels, slot: int, found: bytes) -> None:
        durable = self._durable.setdefault(id(levels), {})
        durable[slot] = found
        if levels._emptied is not None or not self._at_the_end.get(id(levels)):  # pyright: ignore[reportPrivateUsage]
            return  # at the input's end all slots are written, one by one
        due, state = self._at_the_end[id(levels)][0]
        due.discard(slot)
        if due:
            return
        self._at_the_end[id(levels)].pop(0)
        again = self._make[id(levels)]().levels
        for each, blob in durable.items():
            again.restore(each, blob)
        self.same.append(state_of(again) == state)


@pytest.mark.parametrize("sizes", [Sizes(), Sizes(chunk=1, gathered=1), Sizes(fresh=1, recent=2, share=0, chunk=4)])
def test_the_slots_hold_what_was_there_when_their_epoch_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sizes
) -> None:
    """While subscribers are told slice by slice, the next epoch changes shards before those of the last are written."""
    init_db_dir(tmp_path, 1)
    use(sizes, monkeypatch)
    monkeypatch.setattr(values, "SLICE", 8)
    watched = Watched(monkeypatch)
    followers = [comment(10 + i, f"c{i}", "big") for i in range(SUBSCRIBERS)]
    out: list[Record] = []
    batches = [[movie(1, "big", "old"), *followers], [movie(9001, "big", "new", "u")]]
    joined(Patient(batches, lambda: len(told(out)) >= SUBSCRIBERS), out, tmp_path, timedelta(milliseconds=20))
    assert len(watched.same) > 64
    assert all(watched.same)
