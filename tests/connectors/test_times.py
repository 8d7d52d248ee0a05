"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from connectors.times import to_the_second, unix_ms, written


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_read_to_the_millisecond_it_was_written_with(ms: int) -> None:
    text = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000).isoformat()
    assert unix_ms(text, now_ms=0) == ms
    assert unix_ms(written(ms), now_ms=0) == ms
    assert unix_ms(to_the_second(ms), now_ms=0) == ms // 1000 * 1000


def test_what_is_no_moment_is_none() -> None:
    assert [unix_ms(text, now_ms=0) for text in ("", "now", "start", "12-", "5 m", "٣m")] == [None] * 6
