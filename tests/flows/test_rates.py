"""Counts and latencies of what was written, an interval at a time."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Op
from connectors.records import Record, Versions
from flows.rates import Interval, Meter, latency_summary, rates_fields


def record(op: Op, ts_ms: int, *, view: str = "movies", cause: str | None = None) -> Record:
    return Record(view, op, "k", ts_ms, "01", Versions("01", {}), cause=cause)


def test_records_are_counted_by_view_and_operation_and_caused_ones_apart() -> None:
    meter = Meter()
    meter.add([record("c", 1), record("u", 2), record("u", 2, cause="movie")], 10, 0)
    meter.add([record("c", 1), record("d", 1, view="users")], 10, 2)
    taken = meter.take()
    assert taken.counts == {("movies", "c"): 2, ("movies", "u"): 1, ("movies", "caused"): 1, ("users", "d"): 1}
    assert (taken.written, taken.skipped) == (5, 2)


def test_latency_is_that_of_a_rows_own_changes_and_never_negative() -> None:
    meter = Meter()
    meter.add([record("c", 4), record("r", 0), record("u", 0, cause="movie"), record("u", 12)], 10, 0)
    assert sorted(meter.take().latencies_ms) == [0, 6]


def test_what_was_taken_is_not_taken_again() -> None:
    meter = Meter()
    meter.add([record("c", 1)], 10, 1)
    meter.take()
    assert meter.take() == Interval({}, [], 0, 0)


def test_nothing_is_lost_between_threads() -> None:
    meter, taken = Meter(), 0
    writers = [threading.Thread(target=lambda: [meter.add([record("c", 1)], 2, 0) for _ in range(500)]) for _ in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        taken += meter.take().written
    assert taken + meter.take().written == 1000


def test_the_entry_of_an_interval_is_text() -> None:
    interval = Interval({("users", "d"): 1, ("movies", "c"): 2, ("movies", "u"): 3}, [5, 1], 6, 0)
    fields = rates_fields(interval, at_ms=1000, process="0", seconds=0.5)
    assert {**fields, "counts": None, "latency_ms": None} == {
        "schema": "1",
        "at_ms": "1000",
        "process": "0",
        "seconds": "0.500",
        "counts": None,
        "latency_ms": None,
    }
    assert json.loads(fields["counts"]) == {"movies": {"c": 2, "u": 3}, "users": {"d": 1}}
    assert json.loads(fields["latency_ms"]) == {"count": 2, "p50": 1, "p95": 5, "p99": 5}


def test_an_interval_in_which_nothing_changed_has_no_latency() -> None:
    assert "latency_ms" not in rates_fields(Interval({}, [], 0, 0), at_ms=1, process="0", seconds=1)


def test_percentiles_are_values_that_occurred() -> None:
    assert latency_summary(range(1, 101)) == {"count": 100, "p50": 50, "p95": 95, "p99": 99}
    assert latency_summary([7]) == {"count": 1, "p50": 7, "p95": 7, "p99": 7}


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(latencies: list[int], percent: int) -> None:
    value = latency_summary(latencies)[f"p{percent}"]
    wanted = len(latencies) * percent
    assert sum(latency <= value for latency in latencies) * 100 >= wanted
    assert sum(latency < value for latency in latencies) * 100 < wanted or value == min(latencies)
    assert value in latencies


def test_rates_need_no_server() -> None:
    with pytest.raises(IndexError):
        latency_summary([])
