"""Levels are written by steps of their own, which come to an epoch's end later than the stage that changes them."""

from __future__ import annotations

import pickle
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

from connectors.records import Record
from flows.join import values
from flows.join.levels import Levels
from flows.join.rows import RowShard
from flows.join.values import ValueShard
from tests.flows.test_denormalize import Patient, comment, joined, movie, told

SUBSCRIBERS = 400


def as_value(written: bytes) -> dict[str, list[str]]:
    """What was written, in an order of its own."""
    dumped: dict[str, Any] = pickle.loads(written)  # noqa: S301  # our own bytes
    return {name: sorted(map(repr, d.items() if isinstance(d, dict) else d)) for name, d in dumped.items()}  # pyright: ignore[reportUnknownArgumentType]


def test_a_level_holds_what_was_there_when_its_epoch_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While subscribers are told slice by slice, the next epoch changes shards before those of the last are written."""
    init_db_dir(tmp_path, 1)
    monkeypatch.setattr(values, "SLICE", 8)
    dump, written = Levels._dump, Levels.written  # pyright: ignore[reportPrivateUsage]
    at_the_end: dict[tuple[int, int], bytes] = {}
    compared: list[bool] = []

    def close(shard: RowShard | ValueShard) -> None:
        of_kind[type(shard)](shard)
        levels = shard.levels
        for level in levels._announced:  # pyright: ignore[reportPrivateUsage]
            at_the_end[id(levels), level] = dump(levels, level)

    of_kind: dict[type, Any] = {kind: kind.close for kind in (RowShard, ValueShard)}
    for kind in of_kind:
        monkeypatch.setattr(kind, "close", close)

    def slowly(levels: Levels, level: int) -> bytes:
        time.sleep(0.002)  # as with many rows
        found = written(levels, level)
        expected = at_the_end.pop((id(levels), level), None)
        if expected is not None:
            compared.append(as_value(expected) == as_value(found))
        return found

    monkeypatch.setattr(Levels, "written", slowly)
    followers = [comment(10 + i, f"c{i}", "big") for i in range(SUBSCRIBERS)]
    out: list[Record] = []
    batches = [[movie(1, "big", "old"), *followers], [movie(9001, "big", "new", "u")]]
    joined(Patient(batches, lambda: len(told(out)) >= SUBSCRIBERS), out, tmp_path, timedelta(milliseconds=20))
    assert compared
    assert all(compared)
