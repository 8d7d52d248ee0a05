"""What measurements come to."""

from __future__ import annotations

import json

import pytest

from benchmarks.results import Feed, Run, Span, Spread, ratios, span


def test_the_middle_and_the_ends_of_several_runs_survive_json() -> None:
    spread = Spread.of([3.0, 1.0, 2.0])
    assert spread[:3] == (2.0, 1.0, 3.0)
    assert Spread.from_json(json.loads(json.dumps(spread.as_json()))) == spread


def test_ratios_are_those_of_each_round() -> None:
    assert ratios([10, 30], [5, 10]).values == (2.0, 3.0)


def test_the_beginning_of_a_run_is_left_out_and_what_was_caused_belongs_to_its_time() -> None:
    feed = Feed({"a c": 100}, 7, 100, [(1000, 3, 0), (1200, 2, 1), (1500, 50, 0), (2200, 45, 0), (3200, 0, 6)])
    assert span(feed) == Span(95, 1.2, 3.2)
    assert span(feed).rate_per_s == pytest.approx(47.5)


def test_a_run_that_is_too_short_is_not_measured() -> None:
    with pytest.raises(ValueError, match="cannot be measured"):
        span(Feed({"a c": 5}, 0, 5, [(1000, 5, 0)]))
    with pytest.raises(ValueError, match="nothing was written"):
        span(Feed({}, 0, 0, []))


def test_feeds_of_several_streams_are_one_in_order_of_time() -> None:
    one = Feed({"a c": 2}, 1, 2, [(10, 1, 0), (30, 1, 1)])
    two = Feed({"a c": 1, "a u": 1}, 0, 2, [(20, 2, 0)])
    assert Feed.merged([one, two]) == Feed({"a c": 3, "a u": 1}, 1, 4, [(10, 1, 0), (20, 2, 0), (30, 1, 1)])


def test_a_run_survives_json() -> None:
    run = Run(1234.5, 7, {"job": 50.0}, {"job": 120.0})
    assert Run.from_json(json.loads(json.dumps(run.as_json()))) == run
