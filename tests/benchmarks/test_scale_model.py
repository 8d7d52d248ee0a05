"""The model of more cores: costs from measurements, forecasts from costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale_model import Costs, Line, costs, crossing, forecast, line

COSTS = Costs(job=Line(100, 40), streams=Line(20, 10), valkey=10)


def test_what_was_measured_without_noise_is_found_again() -> None:
    found = costs(
        job={n: 100 + 40 * crossing(n) for n in (1, 2, 4)},
        streams={n: 20 + 10 * n for n in (1, 2, 4)},
        valkey={1: 10, 2: 11, 4: 12},
        cores=4,
    )
    assert found.valkey == 10
    for each, wanted in zip(found[:2], COSTS[:2], strict=True):
        assert each == pytest.approx(wanted)


def test_more_processes_than_cores_tell_nothing_of_what_crossing_costs() -> None:
    measured = {1: 100.0, 2: 120.0, 4: 900.0}
    assert costs(job=measured, streams={1: 9}, valkey={1: 9}, cores=2).job == Line(100, 40)


@given(st.lists(st.tuples(st.floats(0, 8), st.floats(0.1, 1000)), min_size=1, max_size=6))
def test_no_cost_is_ever_below_nothing(points: list[tuple[float, float]]) -> None:
    found = line(points)
    assert found.base >= 0
    assert found.slope >= 0


def test_noise_that_slopes_down_is_taken_for_level() -> None:
    assert line([(1, 3), (2, 2), (3, 1)]) == Line(2, 0)


def test_one_process_on_many_cores_is_bound_by_itself() -> None:
    assert forecast(COSTS, processes=1, cores=64) == (pytest.approx(10_000), "the job")


def test_on_few_cores_more_processes_do_not_help() -> None:
    two, four = (forecast(COSTS, processes=n, cores=2) for n in (2, 4))
    assert two == (pytest.approx(2e6 / 170), "all cores")
    assert four.rate_per_s < two.rate_per_s


def test_with_enough_of_both_what_cannot_be_shared_out_is_the_limit() -> None:
    assert forecast(COSTS, processes=64, cores=10_000).limit in {"a change stream", "Valkey"}
    assert forecast(COSTS._replace(valkey=30), processes=64, cores=10_000) == (pytest.approx(1e6 / 30), "Valkey")
