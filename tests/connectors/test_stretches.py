"""Stretches of entries: what was seen only grows, and what was missed is all the rest."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.stretches import MOST_STRETCHES, START, Seen, Stretch, Stretches, common, entry_id_of, minus, union

LAST = 40
bounds = st.integers(0, LAST).map(lambda n: (n // 3, n % 3))
stretches = st.builds(Stretch, bounds, bounds)
many = st.lists(stretches, max_size=12)


def members(found: Stretches | list[Stretch]) -> set[tuple[int, int]]:
    return {(n // 3, n % 3) for n in range(LAST + 1) if any((n // 3, n % 3) in stretch for stretch in found)}


@given(many, many)
def test_unions_differences_and_common_parts_are_those_of_sets(some: list[Stretch], others: list[Stretch]) -> None:
    a, b = union(some), union(others)
    assert members(a) == members(some)
    assert members(union((*a, *b))) == members(some) | members(others)
    assert members(minus(a, b)) == members(some) - members(others)
    assert members(common(a, b)) == members(some) & members(others)
    assert all(one.upto < other.after for one, other in pairwise(a))


@given(many, st.permutations(range(12)))
def test_the_order_of_what_is_added_and_repetitions_change_nothing(added: list[Stretch], order: list[int]) -> None:
    one = Seen().with_stretches(added)
    other = Seen()
    for number in (*order, *order):
        other = other.with_stretches(added[number : number + 1])
    assert one.stretches == other.stretches


@given(many, bounds)
def test_an_entry_is_either_seen_or_missed(added: list[Stretch], upto: tuple[int, int]) -> None:
    seen = Seen().with_stretches(added)
    everything = members([Stretch(START, upto)])
    missed = members(seen.missed(upto))
    assert missed | (members(seen.stretches) & everything) == everything
    assert not missed & members(seen.stretches)


@given(many, st.dictionaries(bounds, st.integers(0, 1 << 63)))
def test_the_text_gives_the_same_back(added: list[Stretch], counts: dict[tuple[int, int], int]) -> None:
    seen = Seen().with_stretches(added, counts)
    assert Seen.from_text(seen.to_text()) == seen


def test_counts_are_kept_for_bounds_only() -> None:
    seen = Seen().with_stretches([Stretch((1, 0), (5, 0))], {(1, 0): 10, (3, 0): 12, (5, 0): 14})
    assert seen.added == {(1, 0): 10, (5, 0): 14}
    assert seen.with_stretches([Stretch((5, 0), (6, 0))]).added == {(1, 0): 10}


def test_of_too_many_spans_old_ones_are_told_again_and_the_newest_kept() -> None:
    alone = [Stretch((2 * n, 0), (2 * n + 1, 0)) for n in range(3 * MOST_STRETCHES)]
    seen = Seen().with_stretches(alone)
    assert len(seen.stretches) == MOST_STRETCHES
    assert seen.stretches[0] == alone[0]
    assert seen.stretches[1:] == tuple(alone[1 - MOST_STRETCHES :])


@pytest.mark.parametrize("text", ["1-0", "1-0..", "1-0..2-0..3-0", "x..y", "1-0..2-0=x", "1-0..2-0=-1", "١-0..2-0"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadRecord):
        Seen.from_text(text)


@pytest.mark.parametrize("text", ["", "1", "1-", "1-0 ", "99999999999999999999-0", "1" * 30 + "-0", "-"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadRecord):
        entry_id_of(text)
