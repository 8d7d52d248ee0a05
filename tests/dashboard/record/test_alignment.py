"""Which elements of an array became which."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dashboard.record.alignment import Run, align, same

Items = list[dict[str, int]]


def numbered(numbers: list[tuple[int, int]]) -> Items:
    """Elements with an identity; those of number 2 have no other field."""
    return [{"_id": identity} if n == 2 else {"_id": identity, "n": n} for identity, n in numbers]


PLAIN = st.lists(st.one_of(st.integers(0, 4), st.sampled_from(["a", "b", True, None, 1.0])), max_size=12)
NUMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=8, unique_by=lambda pair: pair[0])
OBJECTS = NUMBERS.map(numbered)


def longest_common(before: list[Any], after: list[Any]) -> int:
    """The plain way to find it."""
    lengths = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i, old in enumerate(before):
        for j, new in enumerate(after):
            best = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = max(best, lengths[i][j] + 1) if same(old, new) else best
    return lengths[-1][-1]


@given(PLAIN, PLAIN)
def test_every_element_is_in_one_run_and_as_many_as_can_be_are_the_same(before: list[Any], after: list[Any]) -> None:
    runs = align(before, after)
    assert [i for run in runs for i in range(run.old, run.old_end)] == list(range(len(before)))
    assert [i for run in runs for i in range(run.new, run.new_end)] == list(range(len(after)))
    kept = [run for run in runs if run.kind == "same"]
    assert all(same(before[run.old : run.old_end], after[run.new : run.new_end]) for run in kept)
    assert sum(run.old_end - run.old for run in kept) == longest_common(before, after)


@given(OBJECTS, OBJECTS)
def test_elements_of_other_identity_are_never_paired(before: Items, after: Items) -> None:
    for run in align(before, after):
        if run.kind in ("same", "paired"):
            pairs = zip(before[run.old : run.old_end], after[run.new : run.new_end], strict=True)
            assert all(old["_id"] == new["_id"] for old, new in pairs)
            assert all(same(old, new) == (run.kind == "same") for old, new in pairs)


def test_an_element_with_an_identity_that_changed_within_is_paired_though_others_came_before_it() -> None:
    before = [{"id": 1, "n": 1}, {"id": 2, "n": 1}]
    after = [{"id": 9, "n": 9}, {"id": 1, "n": 1}, {"id": 2, "n": 2}]
    assert align(before, after) == [Run("added", 0, 0, 0, 1), Run("same", 0, 1, 1, 2), Run("paired", 1, 2, 2, 3)]


def test_without_an_identity_neighbours_of_one_type_are_paired_in_order() -> None:
    assert align(["a", "b", "c"], ["a", "x", "c"]) == [
        Run("same", 0, 1, 0, 1),
        Run("paired", 1, 2, 1, 2),
        Run("same", 2, 3, 2, 3),
    ]
    assert [run.kind for run in align(["a"], [1, "b"])] == ["removed", "added"]


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    assert not same(1, True)
    assert not same([1], [1.0])
    assert not same({"a": [0]}, {"a": [False]})
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_long_lists_that_moved_by_one_are_recognized() -> None:
    items = list(range(100_000))
    assert align(items, [*items[1:], -1]) == [
        Run("removed", 0, 1, 0, 0),
        Run("same", 1, 100_000, 0, 99_999),
        Run("added", 100_000, 100_000, 99_999, 100_000),
    ]


def test_long_lists_with_some_changed_elements_are_recognized() -> None:
    items = [{"n": n} for n in range(50_000)]
    changed = [{"n": -1} if n % 100 == 50 else item for n, item in enumerate(items)]
    runs = align(items, changed)
    assert sum(run.old_end - run.old for run in runs if run.kind == "same") == 49_500
    assert [run.old for run in runs if run.kind == "paired"] == list(range(50, 50_000, 100))


def test_long_lists_with_nothing_in_common_are_not_looked_at_for_long() -> None:
    assert [run.kind for run in align(list(range(100_000)), ["x"] * 100_000)] == ["removed", "added"]
