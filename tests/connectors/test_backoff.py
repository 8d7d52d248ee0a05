"""Pauses grow, up to the longest, and stay there however long it takes."""

from __future__ import annotations

import pytest

from connectors.backoff import pause_s


@pytest.mark.parametrize(("attempts", "most_s"), [(0, 0.1), (1, 0.2), (3, 0.8), (6, 5.0), (100_000, 5.0)])
def test_a_pause_is_between_half_and_all_of_what_it_may_be(attempts: int, most_s: float) -> None:
    found = [pause_s(attempts, first_s=0.1, longest_s=5.0) for _ in range(50)]
    assert most_s / 2 <= min(found) < max(found) <= most_s
