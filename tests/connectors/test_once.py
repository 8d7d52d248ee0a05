"""The once-only rule: what is written after a tail that an earlier run left, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Op
from connectors.once import Standing, Tail, following
from connectors.records import LookupVersion, Record, Versions


def versions(row: int, n: int | None = None) -> Versions:
    return Versions(f"{row:02}", {} if n is None else {"movie": LookupVersion(n, "m", None)})


def record(key: str, row: int, n: int | None = None, *, op: Op = "u", after: Any = None, **more: Any) -> Record:
    text = None if after is None else json.dumps(after)
    return Record("v", op, key, 0, f"{row:02}", versions(row, n), after=text, **more)


def tail(*entries: tuple[str, int, int | None]) -> Tail:
    return Tail((("v", key), Standing(f"{i}-0", versions(row, n))) for i, (key, row, n) in enumerate(entries))


def admitted(held: Tail, *records: Record) -> list[tuple[str, str]]:
    return [(r.key, r.versions.row) for r in records if held.admit(r)[0]]


def test_without_a_tail_everything_is_written_and_the_mark_may_move() -> None:
    empty = Tail()
    assert admitted(empty, record("a", 1), record("a", 1)) == [("a", "01"), ("a", "01")]
    assert empty.settled


def test_of_a_tail_the_last_entry_of_each_key_counts() -> None:
    held = tail(("a", 1, 1), ("b", 1, 1), ("a", 3, 1))
    assert len(held) == 2
    assert admitted(held, record("a", 1, 1), record("a", 2, 1), record("a", 3, 1), record("b", 2, 1)) == [("b", "02")]


def test_the_tail_is_settled_once_every_key_was_reached_or_passed() -> None:
    held = tail(("a", 2, 1), ("b", 2, 1))
    held.admit(record("a", 1, 5))
    held.admit(record("c", 9, 1))
    assert not held.settled
    held.admit(record("a", 2, 1))
    assert not held.settled
    held.admit(record("b", 3, 0))
    assert held.settled


def test_a_key_of_another_view_is_another_row() -> None:
    held = tail(("a", 2, 1))
    assert held.admit(record("a", 1, 1)._replace(view="w")) == (True, None)


def test_the_entry_before_is_told_once_and_then_the_job_knows_for_itself() -> None:
    held = tail(("a", 2, 1))
    first, second = record("a", 3, 1), record("a", 4, 1)
    assert held.admit(first) == (True, Standing("0-0", versions(2, 1)))
    assert held.admit(second) == (True, None)


def test_a_key_that_was_reached_is_still_held_against_versions_that_are_not_forward() -> None:
    held = tail(("a", 2, 3))
    assert not held.admit(record("a", 2, 3))[0]
    assert held.settled
    assert not held.admit(record("a", 2, 3))[0]
    assert held.admit(record("a", 2, 4))[0]


def test_a_row_without_lookups_is_free_again_once_it_was_reached() -> None:
    held = tail(("a", 2, None))
    assert not held.admit(record("a", 2))[0]
    assert held.admit(record("a", 3)) == (True, None)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 2)), max_size=5),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 2)), max_size=8),
)
def test_the_first_record_of_a_key_is_written_only_if_it_is_forward_of_the_tails_last(
    old: list[tuple[str, int, int]], new: list[tuple[str, int, int]]
) -> None:
    last = {key: versions(row, n) for key, row, n in old}
    held = tail(*old)
    unwritten = set(last)
    for key, row, n in new:
        written = held.admit(record(key, row, n))[0]
        if key in unwritten:
            assert written == versions(row, n).is_forward_of(last[key])
            if written:
                unwritten.discard(key)
        else:
            assert written


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_row_version_that_is_in_the_stream_becomes_an_update_with_its_cause(op: Op) -> None:
    new = record("a", 2, 2, op=op, after={"x": 1, "movie": {"t": 2}})
    seen = following(new, versions(2, 1), '{"x": 1, "movie": {"t": 1}}')
    assert (seen.op, seen.cause, seen.changed) == ("u", "movie", ("movie.t",))
    assert seen.before == '{"x": 1, "movie": {"t": 1}}'
    assert seen.after == new.after


def test_a_record_that_a_lookup_caused_keeps_its_cause() -> None:
    new = record("a", 2, 2, after={"x": 1}, cause="user", changed=())
    assert following(new, versions(2, 1), "{}").cause == "user"


def test_a_later_row_version_is_told_after_what_the_stream_says() -> None:
    new = record("a", 3, 1, after={"x": 2, "y": 1}, before='{"x": 7}', changed=("x",))
    seen = following(new, versions(2, 1), '{"x": 1, "y": 1}')
    assert (seen.op, seen.cause, seen.before, seen.changed) == ("u", None, '{"x": 1, "y": 1}', ("x",))


def test_a_delete_says_which_row_it_took() -> None:
    seen = following(record("a", 3, 0, op="d"), versions(2, 1), '{"x": 1}')
    assert (seen.op, seen.before, seen.after, seen.changed) == ("d", '{"x": 1}', None, None)


@pytest.mark.parametrize("op", ["c", "r"])
def test_a_new_row_follows_nothing(op: Op) -> None:
    new = record("a", 3, 1, op=op, after={"x": 1})
    assert following(new, versions(2, 1), '{"x": 0}') == new


def test_after_a_deleted_row_a_later_version_stays_as_it_is() -> None:
    new = record("a", 3, 1, after={"x": 1}, changed=("x",))
    assert following(new, versions(2, 1), None) == new


def test_when_the_entry_before_was_trimmed_its_row_is_not_guessed() -> None:
    seen = following(record("a", 2, 2, op="c", after={"x": 1}, before="{}"), versions(2, 1), None)
    assert (seen.op, seen.before, seen.changed) == ("u", None, ())
