"""Holding a stream of events to a rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbwatch.pace import Pace


@given(st.floats(0.5, 20_000), st.lists(st.floats(0.001, 0.9), min_size=1, max_size=60))
def test_every_event_that_was_due_is_made_waiting_or_missed(rate: float, steps: list[float]) -> None:
    pace, now_s, made = Pace(rate_per_s=rate, now_s=0), 0.0, 0
    for step in steps:
        now_s += step
        made += pace.take(now_s, most=500)
    assert abs(made + pace.waiting + pace.missed - rate * now_s) < 3


def test_a_rate_is_held_exactly() -> None:
    pace = Pace(rate_per_s=500, now_s=0)
    assert sum(pace.take(tick * 0.02, most=1000) for tick in range(1, 201)) == 2000
    assert pace.missed == 0


def test_what_a_pause_left_undone_is_made_up_for_within_the_burst_only() -> None:
    pace = Pace(rate_per_s=100, now_s=0)
    assert pace.take(10, most=1000) == 100
    assert pace.missed == 900


def test_a_slow_rate_has_its_event_when_it_is_due() -> None:
    pace = Pace(rate_per_s=0.5, now_s=0)
    assert pace.take(1, most=10) == 0
    assert pace.wait_s() == 1
    assert pace.take(2, most=10) == 1
