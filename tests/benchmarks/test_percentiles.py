from __future__ import annotations

import json

import pytest

from benchmarks.percentiles import Percentiles, as_json, over_time


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    found = Percentiles.of([float(n) for n in range(1, 1001)])
    assert found is not None
    assert (found.number, found.p50, found.p95, found.p99, found.p999, found.most) == (1000, 500, 950, 990, 999, 1000)


def test_what_had_not_ended_counts_with_what_it_had_lasted() -> None:
    found = Percentiles.of([1.0] * 98, unfinished_ms=[5000.0, 6000.0])
    assert found is not None
    assert (found.p50, found.p99, found.unfinished) == (1.0, 5000.0, 2)


def test_there_are_none_of_nothing() -> None:
    assert Percentiles.of([]) is None


def test_they_survive_json() -> None:
    found = Percentiles.of([3.0, 1.0, 2.0])
    assert found is not None
    assert Percentiles.from_json(json.loads(json.dumps(as_json(found)))) == found


def test_a_line_has_a_point_for_each_step_in_which_anything_began() -> None:
    line = over_time([0.0, 100.0, 600.0, 2100.0], [1.0, 3.0, 9.0, 4.0], step_ms=500)
    assert line == [(0.25, 1.0, 3.0, 3.0), (0.75, 9.0, 9.0, 9.0), (2.25, 4.0, 4.0, 4.0)]


@pytest.mark.parametrize("moments", [[-700.0], [-1.0]])
def test_what_began_before_the_beginning_has_a_place_of_its_own(moments: list[float]) -> None:
    assert all(at_s < 0 for at_s, *_ in over_time(moments, [1.0], step_ms=500))
