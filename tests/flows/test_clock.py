"""A wall clock that is set, seen by one that only goes forward."""

from __future__ import annotations

import pytest

from connectors.errors import ClockSetBack
from flows.clock import TOLERATED_S, ClockWatch


class Clocks:
    """Both clocks, in a test's hand."""

    def __init__(self) -> None:
        self.wall_s, self.monotonic_s = 1_800_000_000.0, 500.0

    def watch(self) -> ClockWatch:
        return ClockWatch(wall_s=lambda: self.wall_s, monotonic_s=lambda: self.monotonic_s)

    def go(self, seconds: float, *, set_by_s: float = 0.0) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds + set_by_s


def test_a_clock_that_goes_or_is_set_forth_or_slewed_is_no_error() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for set_by_s in (0.0, 0.001, -0.02, -TOLERATED_S / 2, 3600.0, 24 * 3600.0):
        clocks.go(1.0, set_by_s=set_by_s)
        watch.check()


def test_a_clock_that_is_set_back_is_told_once_with_how_far() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(1.0, set_by_s=-3600.0)
    with pytest.raises(ClockSetBack, match="set back by 3600 s"):
        watch.check()
    clocks.go(1.0)
    watch.check()


def test_a_clock_that_is_set_forth_and_back_between_two_checks_was_set_back_if_somebody_looked_meanwhile() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(0.2, set_by_s=3600.0)
    watch.look()
    clocks.go(0.2, set_by_s=-3600.0)
    watch.look()
    with pytest.raises(ClockSetBack, match="by 3600 s"):
        watch.check()
    clocks.go(1.0)
    watch.look()
    watch.check()


def test_a_clock_that_is_set_forth_and_back_again_was_set_back() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.go(1.0, set_by_s=60.0)
    watch.check()
    clocks.go(1.0, set_by_s=-60.0)
    with pytest.raises(ClockSetBack, match="by 60 s"):
        watch.check()
