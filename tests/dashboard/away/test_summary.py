"""What happened while somebody was away, from entries to a few words and figures."""

from __future__ import annotations

from collections import Counter
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.stretches import START, Extent, Picked, Seen, Stretch, Stretches
from dashboard.away.summary import (
    Away,
    Busy,
    Gone,
    Letter,
    Letters,
    Named,
    Tally,
    gone_of,
    sentences,
    since_of,
    value_of,
)

NO_LETTERS = Letters(0, ())


def entry(n: int, view: str | None = "movies", op: str = "u", cause: str | None = None, key: str = "k") -> Picked:
    return f"{n}-0", (view, op, cause, key)


def test_changes_are_counted_by_view_and_kind_re_joined_ones_apart() -> None:
    tally = Tally()
    tally.add(
        "s", [entry(5, op="c"), entry(6), entry(7, "comments", cause="movie"), entry(8, "comments", cause="user")]
    )
    tally.add("t", [entry(2, op="d")])
    tally.add("t", [])
    assert tally.counts() == {
        "comments": {"c": 0, "u": 0, "caused": 2, "d": 0, "r": 0},
        "movies": {"c": 1, "u": 1, "caused": 0, "d": 1, "r": 0},
    }
    assert (tally.entries, tally.first, tally.last) == (5, (2, 0), (8, 0))


def test_what_is_no_record_is_counted_apart() -> None:
    tally = Tally()
    tally.add("s", [entry(1, view=None), entry(2, op="?"), entry(3)])
    assert (tally.entries, tally.unreadable) == (3, 2)


def test_the_busiest_rows_are_exact_while_all_are_tracked() -> None:
    tally = Tally()
    tally.add("s", [entry(n, key=f"k{n % 10}") for n in range(94)])
    top, exact = tally.busiest(4)
    assert exact
    assert [(row.key, row.changes) for row in top] == [("k0", 10), ("k1", 10), ("k2", 10), ("k3", 10)]
    assert (top[0].stream, top[0].id) == ("s", "90-0")


def test_the_busiest_rows_stay_exact_among_many_quiet_ones() -> None:
    tally = Tally(tracked=10)
    tally.add("s", [entry(n, key=f"k{n}" if n % 2 else "hot") for n in range(400)])
    top, exact = tally.busiest(1)
    assert exact
    assert top == [Busy("movies", "hot", 200, 0, "s", "398-0")]
    assert not tally.busiest(5)[1]


def test_a_row_that_may_have_been_counted_before_it_was_forgotten_makes_them_inexact() -> None:
    tally = Tally(tracked=1)
    tally.add("s", [entry(n, key=key) for n, key in enumerate("aabbchhh")])
    top, exact = tally.busiest(1)
    assert (top[0].key, top[0].changes, top[0].error) == ("h", 3, 2)
    assert not exact


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 8), st.integers(1, 6))
def test_counts_are_bounds_of_the_truth_and_exact_when_they_say_so(keys: list[int], tracked: int, most: int) -> None:
    tally = Tally(tracked=tracked)
    entries = [entry(n, key=str(key)) for n, key in enumerate(keys)]
    for begin in range(0, len(entries), 7):
        tally.add("s", entries[begin : begin + 7])
    truth = Counter(str(key) for key in keys)
    top, exact = tally.busiest(most)
    for row in top:
        assert row.changes <= truth[row.key] <= row.changes + row.error
    if exact:
        ranked = sorted(truth.values(), reverse=True)[:most]
        assert [row.changes for row in top] == ranked[: len(top)]
        assert len(top) == min(most, len(truth)) or ranked[len(top)] <= top[-1].changes


def test_memory_does_not_grow_with_views_or_rows() -> None:
    tally = Tally(tracked=50)
    tally.add("s", [entry(n, f"v{n}", key=str(n)) for n in range(5000)])
    assert len(tally.counts()) == 201
    assert sum(sum(kinds.values()) for kinds in tally.counts().values()) == 5000
    assert len(tally.busiest(5000)[0]) <= 100


SEEN = Seen((Stretch(START, (100, 0)),), {(100, 0): 40})


def missed(*pairs: tuple[int, int]) -> Stretches:
    return tuple(Stretch((after, 0), (upto, 0)) for after, upto in pairs)


@pytest.mark.parametrize(
    ("seen", "open_", "extent", "gone"),
    [
        (SEEN, missed((100, 900)), Extent((50, 0), (900, 0), 60, 90), None),  # it reaches back far enough
        (SEEN, missed((100, 900)), Extent((101, 0), (900, 0), 60, 100), None),  # trimmed just up to there
        (SEEN, missed((100, 900)), Extent((400, 0), (900, 0), 60, 130), 30),
        (SEEN, missed((100, 900)), Extent((400, 0), (900, 0), 60, None), "unknown"),  # an old server
        (SEEN._replace(added={}), missed((100, 900)), Extent((400, 0), (900, 0), 60, 130), "unknown"),
        (SEEN, missed((100, 900)), Extent((400, 0), (900, 0), 5, 8), "unknown"),  # deleted and begun anew
        (SEEN, missed((100, 900)), Extent(None, (900, 0), 0, 70), 30),  # nothing is left
        (SEEN, (), Extent((400, 0), (900, 0), 60, 130), None),
        (Seen(), missed((0, 900)), Extent((400, 0), (900, 0), 60, 70), 10),  # begun when it was empty
        (Seen(), missed((0, 900)), Extent((400, 0), (900, 0), 60, 60), None),
        (
            Seen((Stretch(START, (100, 0)), Stretch((200, 0), (300, 0))), {(100, 0): 40, (200, 0): 45, (300, 0): 55}),
            missed((100, 200), (300, 900)),
            Extent((400, 0), (900, 0), 60, 118),
            5 + 3,
        ),
    ],
)
def test_what_was_trimmed_unseen_is_told_and_counted_where_it_can_be(
    seen: Seen, open_: Stretches, extent: Extent, gone: int | str | None
) -> None:
    found = gone_of("s", open_, seen, extent)
    if gone is None:
        assert found is None
    else:
        begins = (extent.first or extent.last)[0]
        assert found == Gone("s", open_[0].after[0], begins, None if gone == "unknown" else cast("int", gone))


def test_since_is_the_last_record_seen_before_the_first_one_missed() -> None:
    watched = Seen((Stretch(START, (100, 0)), Stretch((200, 0), (300, 0))))
    quiet = Seen((Stretch(START, (40, 0)),))
    assert since_of([quiet, watched], (150, 0)) == 100
    assert since_of([quiet, watched], (350, 0)) == 300
    assert since_of([quiet, Seen()], (350, 0)) == 40
    assert since_of([Seen()], (350, 0)) is None


def test_the_value_is_json_and_says_it_in_words() -> None:
    tally = Tally()
    tally.add("s", [entry(n, key=f"k{n % 3}") for n in range(1, 1235)])
    rows, exact = tally.busiest(2)
    letters = Letters(3, (Letter(7, "join", "comments", "no such"),))
    away = Away(tally, letters, (Gone("s", 1, 2, 12), Gone("t", 1, 2, 8)), 1, 1234)
    value = orjson.loads(orjson.dumps(value_of(away, [Named(row, row.key, "Heat") for row in rows], exact=exact)))
    assert value["entries"] == 1234
    assert value["views"] == [{"view": "movies", "total": 1234, "c": 0, "u": 1234, "caused": 0, "d": 0, "r": 0}]
    assert value["rows"][0]["text"] == "Heat"
    assert (value["rows"][0]["changes"], value["rows"][0]["atMost"]) == (412, 412)
    assert value["rowsExact"] is True
    assert value["letters"]["newest"] == [{"at_ms": 7, "stage": "join", "collection": "comments", "error": "no such"}]
    assert value["sentences"] == [
        "1,234 changes in 1 view",
        "3 changes could not be read, joined or written: see the dead letters",
        "The feed no longer reaches back to what you saw last: 20 entries between are gone",
    ]


def test_words_say_when_it_cannot_be_known_how_many_are_gone() -> None:
    said = sentences(Away(Tally(), NO_LETTERS, (Gone("s", 1, 2, None), Gone("t", 1, 2, 8)), 1, 2))
    assert said == [
        "0 changes",
        "The feed no longer reaches back to what you saw last: an unknown number of entries between are gone",
    ]
