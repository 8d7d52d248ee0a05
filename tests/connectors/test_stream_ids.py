"""Ids of stream entries, and streams merged in the order of ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.stream_ids import Merge, Placed, Start, just_before, newest_of, parts

NOW_MS = 1_763_760_000_000
LAST_SEQ = 18446744073709551615


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("now", None),
        ("start", "0-0"),
        ("1763760000000-7", "1763760000000-7"),
        ("1763760000000", f"1763759999999-{LAST_SEQ}"),
        ("2025-11-21T21:20:00Z", f"1763759999999-{LAST_SEQ}"),
        ("2025-11-21T23:20:00+02:00", f"1763759999999-{LAST_SEQ}"),
        ("2025-11-21T21:20:00", f"1763759999999-{LAST_SEQ}"),
        ("15m", f"{NOW_MS - 900_000 - 1}-{LAST_SEQ}"),
    ],
)
def test_start_is_now_the_beginning_an_id_or_a_moment(text: str, after: str | None) -> None:
    assert Start.parse(text, now_ms=NOW_MS) == Start(after)


@pytest.mark.parametrize("text", ["", "yesterday", "1763760000", "12-", "5 m", "2025-13-01", "$"])
def test_another_start_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match=r"no place to start|looks like seconds"):
        Start.parse(text, now_ms=NOW_MS)


def test_moment_before_the_epoch_is_the_beginning() -> None:
    assert just_before(0) == "0-0"


def test_ids_compare_as_numbers() -> None:
    assert parts("9-10") > parts("9-9") > parts("8-100")


def test_a_stream_that_may_lag_holds_the_others_back() -> None:
    merge = Merge[str](("a", "b"))
    merge.add("a", [("1-0", "a1"), ("2-0", "a2")], more=True)
    merge.add("b", [("1-5", "b1"), ("9-0", "b9")], more=False)
    assert [entry.item for entry in merge.ready()] == ["a1", "b1", "a2"]
    assert merge.holds_back
    merge.add("a", [("3-0", "a3")], more=False)
    merge.add("b", [], more=False)
    assert [entry.item for entry in merge.ready()] == ["a3", "b9"]
    assert not merge.holds_back


entry_ids = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=30, unique=True).map(sorted)


@given(st.lists(entry_ids, min_size=1, max_size=4), st.integers(1, 5))
def test_merge_gives_every_entry_once_in_the_order_of_ids(shards: list[list[tuple[int, int]]], batch: int) -> None:
    streams = tuple(f"s{i}" for i in range(len(shards)))
    left = dict(zip(streams, ([(f"{ms}-{seq}", seq) for ms, seq in ids] for ids in shards), strict=True))
    merge = Merge[int](streams)
    given_out: list[Placed[int]] = []
    while any(left.values()) or merge.holds_back:
        for stream in streams:
            read, left[stream] = left[stream][:batch], left[stream][batch:]
            merge.add(stream, read, more=len(read) == batch)
        given_out += merge.ready()
    order = [parts(entry.id) for entry in given_out]
    assert order == sorted(order)
    assert sorted(order) == sorted(entry_id for ids in shards for entry_id in ids)


def test_newest_of_several_streams_are_the_newest_of_all_oldest_first() -> None:
    found = {"a": [("5-0", "a5"), ("1-0", "a1")], "b": [("4-0", "b4"), ("3-0", "b3")]}
    assert [entry.item for entry in newest_of(found, 3)] == ["b3", "b4", "a5"]
