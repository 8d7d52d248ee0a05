"""Seconds in buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.histogram import BOUNDS_S, Histogram

VALUES = st.lists(st.floats(0, 1000) | st.sampled_from(BOUNDS_S), max_size=50)


@given(VALUES, VALUES)
def test_each_bucket_counts_the_values_up_to_its_bound(first: list[float], second: list[float]) -> None:
    histogram = Histogram().with_values(first).with_values(second)
    values = first + second
    assert histogram.counts == tuple(sum(value <= bound for value in values) for bound in BOUNDS_S)
    assert histogram.count == len(values)
    assert abs(histogram.sum_s - sum(values)) < 1e-6
