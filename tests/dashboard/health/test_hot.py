"""The hottest rows of the last minute."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from connectors.stream_ids import Placed
from dashboard.health.hot import Cause, Frequent, Hottest, Row

NOW_MS = 1_763_760_000_000


def entry(key: str, ago_ms: int = 0, *, seq: int = 0, **fields: str) -> Placed[Mapping[str, str]]:
    return Placed("s", f"{NOW_MS - ago_ms}-{seq}", {"view": "movies", "op": "u", "key": key, **fields})


def rejoined(key: str, fk: str, seq: int = 0) -> Placed[Mapping[str, str]]:
    versions = json.dumps({"row": "p", "movie": [2, fk, "p"]})
    return entry(key, seq=seq, view="comments", cause="movie", versions=versions)


def test_the_rows_that_changed_most_often_come_first_with_their_newest_entry() -> None:
    hot = Hottest()
    hot.add([entry("a", 3000), entry("b", 2000), entry("b", 1000, seq=7)])
    assert [(h.what, h.times, h.off) for h in hot.rows(NOW_MS)] == [
        (Row("movies", "b"), 2, 0),
        (Row("movies", "a"), 1, 0),
    ]
    assert hot.rows(NOW_MS)[0].place == ("s", f"{NOW_MS - 1000}-7")
    assert len(hot.rows(NOW_MS, most=1)) == 1


def test_a_fan_out_counts_for_the_row_that_caused_it_and_drowns_no_other() -> None:
    hot = Hottest()
    hot.add([entry("edited"), *(rejoined(f"c{n}", "m1", n) for n in range(300)), rejoined("c1", "m2")])
    assert [h.what for h in hot.rows(NOW_MS)] == [Row("movies", "edited")]
    assert [(h.what, h.times) for h in hot.causes(NOW_MS)] == [
        (Cause("comments", "movie", "m1"), 300),
        (Cause("comments", "movie", "m2"), 1),
    ]


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    hot = Hottest()
    hot.add([entry("old", 59_000)])
    hot.add([entry("new")])
    assert {h.what.key for h in hot.rows(NOW_MS)} == {"old", "new"}
    assert [h.what.key for h in hot.rows(NOW_MS + 30_000)] == ["new"]
    assert hot.rows(NOW_MS + 120_000) == []
    assert hot.read(NOW_MS + 120_000) == (0, True)


def test_all_of_one_moment_is_the_same_whoever_asks() -> None:
    hot = Hottest()
    hot.add([entry("a"), rejoined("c", "m1")], capped=True)
    top = hot.top(NOW_MS)
    assert ([h.what for h in top.rows], [h.what for h in top.causes]) == (
        [Row("movies", "a")],
        [Cause("comments", "movie", "m1")],
    )
    assert (top.read, top.all_read) == (2, False)
    hot.add([entry("a")])
    assert hot.top(NOW_MS) is top
    assert hot.top(NOW_MS + 1).rows[0].times == 2


def test_a_first_read_changes_nothing() -> None:
    hot = Hottest()
    hot.add([entry("a", op="r")])
    assert hot.rows(NOW_MS) == []
    assert hot.read(NOW_MS) == (0, True)


def test_it_is_known_when_not_all_was_read() -> None:
    hot = Hottest()
    hot.add([entry("a")], capped=True)
    assert hot.read(NOW_MS) == (1, False)


def test_what_cannot_be_read_counts_for_nothing() -> None:
    hot = Hottest()
    hot.add(
        [entry("a", cause="movie"), entry("b", cause="movie", versions="[1]"), entry("c", cause="x", versions="{}")]
    )
    hot.add([entry("d", cause="movie", versions='{"movie":[1,null,null]}')])
    assert (hot.rows(NOW_MS), hot.causes(NOW_MS)) == ([], [])


def test_memory_is_bounded_and_a_hot_row_among_a_million_others_is_found() -> None:
    frequent = Frequent[str](50)
    for n in range(20_000):
        frequent.add(f"cold {n}", ("s", str(n)))
        if n % 20 == 0:
            frequent.add("hot", ("s", str(n)))
    assert len(frequent) <= 100
    best = max(frequent.items(), key=lambda hot: hot.times - hot.off)
    assert (best.what, best.times, best.off) == ("hot", 1000, 0)


def test_a_key_of_a_megabyte_is_not_kept_whole() -> None:
    hot = Hottest()
    hot.add([entry("k" * 1_000_000)])
    assert len(hot.rows(NOW_MS)[0].what.key) <= 400


@given(st.lists(st.integers(0, 30), max_size=400), st.integers(1, 8))
def test_a_count_is_never_too_low_and_at_most_so_much_too_high_as_it_says(seen: list[int], size: int) -> None:
    frequent = Frequent[int](size)
    for number in seen:
        frequent.add(number, ("s", "0-1"))
    truth = Counter(seen)
    kept = {hot.what: hot for hot in frequent.items()}
    assert len(kept) <= 2 * size
    for number, times in truth.items():
        if number in kept:
            assert kept[number].times - kept[number].off <= times <= kept[number].times
        else:
            assert times <= frequent.floor
