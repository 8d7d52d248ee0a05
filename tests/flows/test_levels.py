"""What is read back is what was kept, whatever changed when; and an epoch writes what changed in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.join import levels
from flows.join.levels import BASE, FRESH, LEVELS, RECENT, Levels, Pairs, Table

KEYS = ["a", "b", "c", "d", "e", "f"]

Shares = tuple[int, int, int]
SHARES: list[Shares] = [(64, 16, 2), (0, 1, 1), (1, 2, 1), (0, 100, 1), (0, 2, 2), (2, 100, 100)]


class Kept:
    """A shard's parts: some entities, and some sets."""

    def __init__(self) -> None:
        self.table: Table[tuple[int, ...]] = Table(list, tuple)
        self.pairs = Pairs()
        self.levels = Levels({"table": self.table, "pairs": self.pairs})

    @property
    def state(self) -> tuple[dict[str, tuple[int, ...]], dict[str, set[str]]]:
        return dict(self.table), {key: set(members) for key, members in self.pairs.items()}


class Put(NamedTuple):
    key: str
    entity: tuple[int, ...] | None


class Pair(NamedTuple):
    key: str
    member: str
    is_in: bool


class Restart(NamedTuple):
    """Read back in this order, with so much of the epoch lost."""

    order: tuple[int, ...]


Epoch = tuple[Sequence[Put | Pair], Restart | None]

puts = st.builds(Put, st.sampled_from(KEYS), st.none() | st.tuples(st.integers(0, 9)))
pairs = st.builds(Pair, st.sampled_from(KEYS), st.sampled_from(KEYS), st.booleans())
restarts = st.none() | st.builds(Restart, st.permutations((FRESH, RECENT, BASE)).map(tuple))
histories = st.lists(st.tuples(st.lists(puts | pairs, max_size=8), restarts), max_size=12)


def change(kept: Kept, step: Put | Pair) -> None:
    match step:
        case Put():
            kept.table.put(step.key, step.entity)
        case Pair(is_in=True):
            kept.pairs.add(step.key, step.member)
        case Pair():
            kept.pairs.discard(step.key, step.member)


def read_back(written: Mapping[int, bytes], order: Sequence[int]) -> Kept:
    kept = Kept()
    last = [kept.levels.restore(level, written[level]) for level in order if level in written]
    assert last == [False, False, True] or not written
    return kept


def use(shares: Shares, patch: pytest.MonkeyPatch) -> None:
    for name, share in zip(("FEW", "FRESH_SHARE", "RECENT_SHARE"), shares, strict=True):
        patch.setattr(levels, name, share)


@settings(max_examples=300)
@given(history=histories, shares=st.sampled_from(SHARES), asks_often=st.booleans())
def test_what_was_written_last_of_each_level_is_the_state_at_the_end_of_the_epoch(
    history: list[Epoch], shares: Shares, *, asks_often: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use(shares, patch)
        kept, durable, durable_state = Kept(), dict[int, bytes](), Kept().state
        for steps, restart in history:
            due: list[int] = []
            for step in steps:
                change(kept, step)
                if asks_often:
                    due += kept.levels.to_write()
            due += kept.levels.to_write()
            assert len(due) == len(set(due))  # each is named once in an epoch
            if restart is not None:
                kept = read_back(durable, restart.order)  # what this epoch did is lost, and none of it was written
            else:
                durable = {**durable, **{level: kept.levels.written(level) for level in due}}
                durable_state = kept.state
            assert kept.state == durable_state
            assert read_back(durable, (BASE, FRESH, RECENT)).state == durable_state


def filled(count: int) -> tuple[Kept, dict[int, bytes]]:
    """So many entities and members, and what was written of them in one epoch."""
    kept = Kept()
    for i in range(count):
        kept.table.put(f"key {i:06}", (i,) * 5)
        kept.pairs.add("popular", f"member {i:06}")
    return kept, {level: kept.levels.written(level) for level in kept.levels.to_write()}


def test_what_an_epoch_writes_does_not_grow_with_what_is_kept() -> None:
    kept, whole = filled(10_000)
    kept.table.put("key 000005", (1,))
    kept.pairs.add("popular", "one more")
    [level] = kept.levels.to_write()
    assert level == FRESH
    assert len(kept.levels.written(FRESH)) < len(whole[BASE]) / 1000


@pytest.mark.parametrize("count", [0, 10, 1_000])
def test_an_epoch_in_which_nothing_changed_writes_nothing(count: int) -> None:
    kept, _ = filled(count)
    assert kept.levels.to_write() == ()
    kept.pairs.discard("popular", "a stranger")
    assert kept.levels.to_write() == ()


def test_of_few_changes_the_levels_below_are_not_written_again() -> None:
    kept, _ = filled(10)
    kept.table.put("key 000005", (1,))
    assert kept.levels.to_write() == (FRESH,)


def test_the_first_epoch_writes_every_level_for_all_of_them_are_read_back() -> None:
    kept = Kept()
    kept.table.put("a", (1,))
    assert sorted(kept.levels.to_write()) == [FRESH, RECENT, BASE]
    assert len(LEVELS) == 3


def test_a_change_is_written_a_few_times_in_all_however_many_epochs_there_are() -> None:
    rnd = random.Random(1)
    kept, whole = filled(2_000)
    written, epochs, changes = 0, 400, 20
    for epoch in range(epochs):
        for _ in range(changes):
            kept.table.put(f"key {rnd.randrange(2_000):06}", (epoch,) * 5)
        written += sum(len(kept.levels.written(level)) for level in kept.levels.to_write())
    of_one_change = len(whole[BASE]) / 4_000
    assert written / (epochs * changes) < 12 * of_one_change


def test_what_has_left_is_not_kept_for_ever() -> None:
    kept, _ = filled(1_000)
    written: dict[int, bytes] = {}
    for i in range(1_000):
        kept.table.put(f"key {i:06}", None)
        kept.pairs.discard("popular", f"member {i:06}")
        for level in kept.levels.to_write():
            written[level] = kept.levels.written(level)
    kept.table.put("last", (1,))
    written.update({level: kept.levels.written(level) for level in kept.levels.to_write()})
    assert read_back(written, (FRESH, RECENT, BASE)).state == ({"last": (1,)}, {})
    assert sum(map(len, written.values())) < 10_000


def test_the_parts_wait_until_every_level_was_read_back() -> None:
    _, written = filled(3)
    kept = Kept()
    assert not kept.levels.waits
    kept.levels.expect()
    for level in (RECENT, BASE):
        assert not kept.levels.restore(level, written[level])
        assert kept.levels.waits
        assert kept.state == ({}, {})
    assert kept.levels.restore(FRESH, written[FRESH])
    assert not kept.levels.waits
    kept.levels.expect()  # that it was written is known by then
    assert not kept.levels.waits


def test_what_was_announced_in_an_epoch_that_changed_more_is_written_with_that() -> None:
    kept, durable = filled(100)
    kept.table.put("key 000001", (1,))
    due = kept.levels.to_write()
    kept.table.put("key 000002", (2,))
    assert kept.levels.to_write() == ()
    durable.update({level: kept.levels.written(level) for level in due})
    assert read_back(durable, (FRESH, RECENT, BASE)).state == kept.state


def test_shards_that_fill_alike_write_their_base_in_different_epochs() -> None:
    """Or else all of them would pause the job together."""
    first: dict[float, int] = {}
    for stagger in (0.0, 0.25, 0.5, 0.75):
        kept, _ = filled(1_000)
        kept.levels.stagger = stagger
        for epoch in range(400):
            for i in range(20):
                kept.table.put(f"new {epoch} {i}", (i,))
            levels = kept.levels.to_write()
            for level in levels:
                kept.levels.written(level)
            if BASE in levels:
                first[stagger] = epoch
                break
    assert len(set(first.values())) == 4, first
