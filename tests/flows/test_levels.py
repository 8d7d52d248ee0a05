"""What is read back is what was kept, whatever changed when; and an epoch writes what changed in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.join import levels
from flows.join.levels import BASE, FRESH, RECENT, SLOTS, Levels
from flows.join.parts import Pairs, Table
from tests.flows.slots import Sizes, use

KEYS = ["a", "b", "c", "d", "e", "f"]

SIZES = [
    Sizes(),
    Sizes(fresh=1, recent=1, share=0, recent_share=0, chunk=1, gathered=1),
    Sizes(fresh=2, recent=2, share=0, recent_share=0, chunk=2, gathered=2),
    Sizes(fresh=2, recent=1, share=2, chunk=1, gathered=1),
    Sizes(fresh=3, recent=3, share=0, recent_share=0, chunk=100, gathered=100),
]

Entity = tuple[int, int]


class Kept:
    """A shard's parts: some entities, of which the second number may change alone, and some sets."""

    def __init__(self) -> None:
        self.table: Table[Entity] = Table(list, _entity, lambda e: e[1], lambda e, second: (e[0], second))
        self.plain: Table[Entity] = Table()
        self.pairs = Pairs()
        self.levels = Levels({"table": self.table, "plain": self.plain, "pairs": self.pairs})

    @property
    def state(self) -> tuple[dict[str, Entity], dict[str, Entity], dict[str, set[str]], int]:
        pairs = {key: set(members) for key, members in self.pairs.items()}
        return dict(self.table), dict(self.plain), pairs, self.pairs.kept


def _entity(packed: Sequence[int]) -> Entity:
    first, second = packed
    return first, second


class Put(NamedTuple):
    key: str
    entity: Entity | None


class Patch(NamedTuple):
    key: str
    second: int


class Pair(NamedTuple):
    key: str
    member: str
    is_in: bool


class Restart(NamedTuple):
    """Read back in this order: after a crash, with what the epoch did lost, or after an end, at which all is written
    in that order.
    """

    seed: int
    is_end: bool


Step = Put | Patch | Pair
Epoch = tuple[Sequence[Step], Restart | None]

puts = st.builds(Put, st.sampled_from(KEYS), st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)))
patches = st.builds(Patch, st.sampled_from(KEYS), st.integers(0, 9))
pairs = st.builds(Pair, st.sampled_from(KEYS), st.sampled_from(KEYS), st.booleans())
restarts = st.none() | st.none() | st.builds(Restart, st.integers(0, 99), st.booleans())
histories = st.lists(st.tuples(st.lists(puts | patches | pairs, max_size=6), restarts), max_size=25)


def change(kept: Kept, step: Step) -> None:
    match step:
        case Put():
            kept.table.put(step.key, step.entity)
            kept.plain.put(step.key, step.entity)
        case Patch():
            for table in (kept.table, kept.plain):
                if step.key in table:
                    table.patch(step.key, (table[step.key][0], step.second))
        case Pair(is_in=True):
            kept.pairs.add(step.key, step.member)
        case Pair():
            kept.pairs.discard(step.key, step.member)


def shuffled(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order


def read_back(written: Mapping[int, bytes], order: Sequence[int]) -> Kept:
    kept = Kept()
    last = [kept.levels.restore(slot, written[slot]) for slot in order if slot in written]
    assert last == [False] * (len(order) - 1) + [True] or not written
    return kept


@settings(max_examples=600)
@given(history=histories, sizes=st.sampled_from(SIZES), asks_often=st.booleans(), is_late=st.booleans())
def test_what_was_written_last_of_each_slot_is_the_state_at_the_end_of_the_epoch(
    history: list[Epoch], sizes: Sizes, *, asks_often: bool, is_late: bool
) -> None:
    """`is_late`: it is written when the next epoch has begun."""
    with pytest.MonkeyPatch.context() as patch:
        use(sizes, patch)
        count = sizes.fresh + sizes.recent + 1
        kept, durable, durable_state = Kept(), dict[int, bytes](), Kept().state
        for number, (steps, restart) in enumerate(history):
            kept.levels.begin_epoch()
            due: list[int] = []
            for step in steps:
                change(kept, step)
                if asks_often:
                    due += kept.levels.to_write()
            due += kept.levels.to_write()
            assert len(due) == len(set(due))  # each is named once in an epoch
            if restart is not None:
                if restart.is_end:
                    durable = {slot: kept.levels.written(slot) for slot in shuffled(count, restart.seed)}
                    durable_state = kept.state
                kept = read_back(durable, shuffled(count, restart.seed + 1))
                assert kept.state == durable_state
                continue
            durable_state = kept.state
            kept.levels.end_epoch()
            if is_late:
                kept.levels.begin_epoch()
                change(kept, Put("a", (number, number)))
                change(kept, Pair("a", str(number), is_in=True))
            durable = {**durable, **{slot: kept.levels.written(slot) for slot in due}}
            assert read_back(durable, shuffled(count, number)).state == durable_state


def filled(count: int) -> tuple[Kept, dict[int, bytes]]:
    """So many entities and members, and what was written of them in one epoch."""
    kept = Kept()
    for i in range(count):
        kept.table.put(f"key {i:06}", (i, i))
        kept.pairs.add("popular", f"member {i:06}")
    return kept, epoch(kept)


def epoch(kept: Kept) -> dict[int, bytes]:
    """What is written at its end."""
    return {slot: kept.levels.written(slot) for slot in kept.levels.to_write()}


def test_what_an_epoch_writes_does_not_grow_with_what_is_kept() -> None:
    kept, whole = filled(10_000)
    kept.table.put("key 000005", (1, 1))
    kept.pairs.add("popular", "one more")
    written = epoch(kept)
    assert list(written) == [0]
    assert len(written[0]) < len(whole[BASE]) / 1000


def test_an_entity_of_which_a_part_changed_is_written_as_that_part() -> None:
    kept = Kept()
    texts: Table[tuple[str, int]] = Table(None, None, lambda e: e[1], lambda e, second: (e[0], second))
    kept.levels = Levels({"texts": texts})
    rnd = random.Random(1)
    long = {f"key {i:06}": rnd.randbytes(250).hex() for i in range(1_000)}
    for i, (key, text) in enumerate(long.items()):
        texts.put(key, (text, i))
    whole = epoch(kept)
    for i in range(100):
        texts.patch(f"key {i:06}", (long[f"key {i:06}"], i + 1))
    [(slot, parts)] = epoch(kept).items()
    assert len(parts) < len(whole[BASE]) / 100
    read: Table[tuple[str, int]] = Table(None, None, lambda e: e[1], lambda e, second: (e[0], second))
    again = Levels({"texts": read})
    for each, written in {**whole, slot: parts}.items():
        again.restore(each, written)
    assert read == texts


@pytest.mark.parametrize("count", [0, 10, 1_000])
def test_an_epoch_in_which_nothing_changed_writes_nothing(count: int) -> None:
    kept, _ = filled(count)
    assert kept.levels.to_write() == ()
    kept.pairs.discard("popular", "a stranger")
    assert kept.levels.to_write() == ()


def test_the_first_epoch_writes_every_slot_for_all_of_them_are_read_back() -> None:
    kept = Kept()
    kept.table.put("a", (1, 1))
    written = epoch(kept)
    assert sorted(written) == list(range(len(SLOTS)))
    assert sum(map(len, written.values())) < 400


def test_a_shard_that_was_visited_and_has_nothing_is_written_once_for_it_is_waited_for() -> None:
    kept = Kept()
    written = epoch(kept)
    assert set(written) == set(range(len(SLOTS)))
    assert not epoch(kept)
    again = read_back(written, sorted(written))
    assert (again.state, again.levels.waits) == (Kept().state, False)


def test_a_slot_is_used_again_only_when_what_it_held_is_in_another() -> None:
    kept, _ = filled(1_000)
    slots: list[int] = []
    for number in range((FRESH + 1) * 3):
        kept.table.put(f"key {number:06}", (0, 0))
        slots += epoch(kept)
    assert slots == [*range(FRESH), FRESH, *range(FRESH), FRESH + 1, *range(FRESH), FRESH + 2]


def test_a_change_is_written_a_few_times_in_all_however_many_epochs_there_are() -> None:
    rnd = random.Random(1)
    kept, whole = filled(2_000)
    written, epochs, changes = 0, 1_000, 20
    for number in range(epochs):
        for _ in range(changes):
            kept.table.put(f"key {rnd.randrange(2_000):06}", (number, number))
        written += sum(map(len, epoch(kept).values()))
    of_one_change = len(whole[BASE]) / 4_000
    assert written / (epochs * changes) < 5 * of_one_change


def test_subscribers_count_as_what_is_kept() -> None:
    """Or one change of a popular foreign key's subscribers would be reason enough to write all of them again."""
    kept = Kept()
    for i in range(1_000):
        kept.pairs.add("popular", f"member {i:06}")
    epoch(kept)
    for i in range(10):
        kept.pairs.add("popular", f"one more {i}")
    assert list(epoch(kept)) == [0]


def test_what_the_slots_hold_is_a_few_times_what_is_kept() -> None:
    rnd = random.Random(2)
    kept, whole = filled(2_000)
    written = dict[int, bytes](whole)
    for number in range(300):
        for _ in range(1_500):
            kept.table.put(f"key {rnd.randrange(2_000):06}", (number, number))
        written.update(epoch(kept))
        assert sum(map(len, written.values())) < 8 * len(whole[BASE])


def test_what_has_left_is_not_kept_for_ever() -> None:
    kept, written = filled(1_000)
    for i in range(1_000):
        kept.table.put(f"key {i:06}", None)
        kept.pairs.discard("popular", f"member {i:06}")
        written.update(epoch(kept))
    for _ in range(FRESH * RECENT):
        kept.table.put("last", (1, 1))
        written.update(epoch(kept))
    assert read_back(written, range(len(SLOTS))).state == ({"last": (1, 1)}, {}, {}, 0)
    assert sum(map(len, written.values())) < 30_000


def test_what_is_written_is_made_ready_while_the_epoch_lasts() -> None:
    """Everything waits while it ends."""
    kept, _ = filled(2_000)
    kept.table.put("key 000001", (1, 1))
    assert kept.levels.to_write() == (0,)
    for i in range(400):
        kept.table.put(f"key {i:06}", (1, i))
        kept.levels.to_write()
    making = kept.levels._making  # pyright: ignore[reportPrivateUsage]
    assert making is not None
    ready = sum(map(len, making.chunks))
    assert ready > 0.9 * len(kept.levels.written(0))


def test_the_parts_wait_until_every_slot_was_read_back() -> None:
    _, written = filled(3)
    kept = Kept()
    assert not kept.levels.waits
    kept.levels.expect()
    for slot in range(1, len(SLOTS)):
        assert not kept.levels.restore(slot, written[slot])
        assert kept.levels.waits
    assert kept.levels.restore(0, written[0])
    assert not kept.levels.waits
    kept.levels.expect()  # that it was written is known by then
    assert not kept.levels.waits


@pytest.mark.parametrize("has_ended", [False, True], ids=["in its first epoch", "later"])
@pytest.mark.parametrize("step", [Put("key 000001", (9, 9)), Put("a", None), Pair("a", "b", is_in=True)], ids=repr)
def test_a_state_that_comes_back_to_a_shard_at_work_is_refused(step: Step, *, has_ended: bool) -> None:
    """Or what the shard did meanwhile, and what was written of it, would be mixed with what was there before."""
    _, written = filled(3)
    kept = Kept()
    change(kept, step)
    if has_ended:
        epoch(kept)
    before = kept.state
    with pytest.raises(RuntimeError, match="at work already"):
        kept.levels.expect()
    with pytest.raises(RuntimeError, match="at work already"):
        kept.levels.restore(BASE, written[BASE])
    assert kept.state == before
    assert not kept.levels.waits


def test_a_shard_that_was_read_back_may_be_expected_again_when_it_is_at_work() -> None:
    """Each stage of a shard says so by itself, and so does the step that knows its name."""
    _, written = filled(3)
    kept = read_back(written, range(len(SLOTS)))
    kept.table.put("key 000001", (9, 9))
    epoch(kept)
    kept.levels.expect()
    assert not kept.levels.waits
    assert kept.table["key 000001"] == (9, 9)


def test_a_state_whose_base_is_older_than_what_was_moved_to_it_is_refused() -> None:
    kept, durable = filled(100)
    kept.table.put("key 000001", (1, 1))
    durable.update(epoch(kept))
    ended = {slot: kept.levels.written(slot) for slot in range(len(SLOTS))}
    again = Kept()
    for slot in range(BASE):
        again.levels.restore(slot, ended[slot])
    with pytest.raises(ValueError, match="not whole: its base is number 1"):
        again.levels.restore(BASE, durable[BASE])


def test_what_was_announced_in_an_epoch_that_changed_more_is_written_with_that() -> None:
    kept, durable = filled(100)
    kept.table.put("key 000001", (1, 1))
    due = kept.levels.to_write()
    kept.table.put("key 000002", (2, 2))
    assert kept.levels.to_write() == ()
    durable.update({slot: kept.levels.written(slot) for slot in due})
    assert read_back(durable, range(len(SLOTS))).state == kept.state


def test_what_is_never_written_is_not_remembered_as_changed() -> None:
    kept, _ = filled(1)
    kept.table.put("a", (1, 1))
    kept.levels.forget()
    assert kept.levels.to_write() == ()


def test_shards_that_fill_alike_write_their_base_in_different_epochs() -> None:
    """Or else all of them would pause the job together."""
    first: dict[float, int] = {}
    for share in (0.0, 0.25, 0.5, 0.75):
        kept, _ = filled(1_000)
        kept.levels.stagger(share)
        for number in range(400):
            for i in range(20):
                kept.table.put(f"new {number} {i}", (i, i))
            if BASE in epoch(kept):
                first[share] = number
                break
    assert len(set(first.values())) == 4, first


def test_the_names_that_state_is_kept_under_stay() -> None:
    assert (*(f"fresh_{i}" for i in range(8)), *(f"recent_{i}" for i in range(16)), "base") == levels.SLOTS
