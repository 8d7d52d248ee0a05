"""Moments of the past, and what had happened by then."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.archive.moment import CLOCK_SLACK_MS, Moment
from connectors.errors import ConfigError

NOW_MS = 1_763_760_000_123
SECOND = "6920d780"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("now", NOW_MS),
        ("2025-11-21T21:20:00.123Z", NOW_MS),
        ("2025-11-21T23:20:00.123+02:00", NOW_MS),
        ("2025-11-21T21:20:00.123", NOW_MS),
        ("2025-11-21", 1_763_683_200_000),
        ("1763760000123", NOW_MS),
        ("15m", NOW_MS - 900_000),
        ("90s", NOW_MS - 90_000),
    ],
)
def test_a_moment_is_now_a_time_milliseconds_or_an_age(text: str, at_ms: int) -> None:
    moment = Moment.parse(text, now_ms=NOW_MS)
    assert moment == Moment.at(at_ms)
    assert moment.second == at_ms // 1000


@pytest.mark.parametrize("text", ["", "yesterday", "1763760000", "12-", "5 m", "2025-13-01", "6920d780"])
def test_another_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no moment|looks like seconds"):
        Moment.parse(text, now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["1960-01-01", "9999-12-31", "999999999999999"])
def test_a_time_that_no_database_has_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="from 1970 to 2106"):
        Moment.parse(text, now_ms=NOW_MS)


def test_a_position_includes_all_of_its_cluster_time_and_nothing_later() -> None:
    moment = Moment.parse(f"{SECOND}00000002".upper(), now_ms=NOW_MS)
    included = ["00000001", "00000002", "00000002.00000007", "00000002.r"]
    assert all(moment.includes(SECOND + rest, NOW_MS + 10_000) for rest in included)
    assert not moment.includes(f"{SECOND}00000003", 0)


def test_a_position_within_a_transaction_includes_what_is_up_to_it() -> None:
    moment = Moment.parse(f"{SECOND}00000002.00000007", now_ms=NOW_MS)
    assert moment.includes(f"{SECOND}00000002.00000007", NOW_MS)
    assert not moment.includes(f"{SECOND}00000002.00000008", NOW_MS)


def test_a_time_includes_earlier_seconds_and_of_its_own_what_was_committed_by_then() -> None:
    moment = Moment.at(NOW_MS)
    assert moment.includes("6920d77fffffffff.~", NOW_MS + 5000)
    assert moment.includes(f"{SECOND}00000009", NOW_MS)
    assert not moment.includes(f"{SECOND}00000009", NOW_MS + 1)
    assert not moment.includes("6920d78100000001", 0)


changes = st.lists(
    st.tuples(st.integers(10, 14), st.integers(1, 3), st.integers(9_000, 15_999)), max_size=12, unique=True
)


@given(changes, st.integers(9_000, 15_999))
def test_no_change_after_the_upper_position_is_included(found: list[tuple[int, int, int]], at_ms: int) -> None:
    moment = Moment.at(at_ms)
    ordered = sorted((f"{second:08x}{increment:08x}", ts_ms) for second, increment, ts_ms in found)
    included = list(takewhile(lambda change: moment.includes(*change), ordered))
    assert all(position <= moment.upper for position, _ in included)
    assert all(change in included for change in ordered if int(change[0][:8], 16) < moment.second)


def test_a_moment_to_come_is_refused_but_for_a_clocks_slack() -> None:
    Moment.at(NOW_MS + CLOCK_SLACK_MS).require_past(now_ms=NOW_MS)
    Moment.parse(f"{SECOND}00000001", now_ms=NOW_MS).require_past(now_ms=NOW_MS)
    with pytest.raises(
        ConfigError, match=r"2025-11-21T21:20:03\.123Z is still to come: it is 2025-11-21T21:20:00\.123Z"
    ):
        Moment.at(NOW_MS + 3000).require_past(now_ms=NOW_MS)
    with pytest.raises(ConfigError, match="position 6920d78400000000 is still to come"):
        Moment.parse("6920d78400000000", now_ms=NOW_MS).require_past(now_ms=NOW_MS)
