"""Rates and latencies of the last minute."""

from __future__ import annotations

import json

import pytest

from connectors.errors import BadRecord
from dashboard.health.figures import SERIES_S, Latency, Minute, Second, Shortfall

NOW_MS = 1_763_760_000_000


def second(ago_s: float, counts: dict[str, dict[str, int]], process: str = "0", p95: float | None = None) -> Second:
    at_ms = NOW_MS - int(ago_s * 1000)
    return Second(at_ms, 0, process, 1.0, counts, None if p95 is None else Latency(1, p95, p95 + 1))


def minute(*seconds: Second) -> Minute:
    made = Minute()
    made.add(seconds, NOW_MS)
    return made


def test_an_entry_is_read_with_its_clock_difference() -> None:
    fields = {
        "schema": "1",
        "at_ms": str(NOW_MS - 40),
        "process": "0",
        "seconds": "1.002",
        "counts": json.dumps({"movies": {"c": 3}}),
        "latency_ms": json.dumps({"count": 3, "p50": 7, "p95": 9.5, "p99": 12}),
    }
    read = Second.from_fields(NOW_MS, fields)
    assert read == Second(NOW_MS, 40, "0", 1.002, {"movies": {"c": 3}}, Latency(7, 9.5, 12))
    assert Second.from_fields(NOW_MS, {k: v for k, v in fields.items() if k != "latency_ms"}).latency is None


@pytest.mark.parametrize("change", [{"schema": "2"}, {"counts": "{"}, {"counts": "[]"}, {"seconds": "x"}])
def test_another_entry_is_a_bad_record(change: dict[str, str]) -> None:
    fields = {"schema": "1", "at_ms": "1", "process": "0", "seconds": "1", "counts": "{}"}
    with pytest.raises(BadRecord):
        Second.from_fields(1, fields | change)


def test_rates_are_those_of_the_last_seconds_summed_over_processes() -> None:
    rates = minute(
        second(30, {"movies": {"c": 500}}),
        second(2, {"movies": {"c": 10, "r": 4}}),
        second(1, {"movies": {"c": 20}}),
        second(1, {"movies": {"caused": 7}}, process="1"),
    ).rates(NOW_MS)
    assert rates.by_view["movies"] == {"c": 15, "u": 0, "caused": 7, "d": 0, "r": 2}
    assert rates.total == 24
    assert rates.shown == 22


def test_old_seconds_are_no_rate_but_their_views_stay() -> None:
    rates = minute(second(10, {"movies": {"c": 10}})).rates(NOW_MS)
    assert rates.total == 0
    assert list(rates.by_view) == ["movies"]


def test_the_series_covers_a_minute_and_keeps_the_sum() -> None:
    rates = minute(second(1.5, {"a": {"c": 10}}), second(30.25, {"a": {"c": 8}})).rates(NOW_MS)
    assert len(rates.series) == SERIES_S
    assert sum(rates.series) == pytest.approx(18)
    assert sum(rates.series[-3:]) == pytest.approx(10)


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    window = minute(second(0, {"a": {"c": 1}}))
    window.add([], NOW_MS + 120_000)
    assert sum(window.rates(NOW_MS + 120_000).series) == 0


def test_the_latency_is_the_last_one_of_the_slowest_process() -> None:
    rates = minute(second(2, {}, p95=90), second(1, {}, p95=20), second(1, {}, process="1", p95=30)).rates(NOW_MS)
    assert rates.latency is not None
    assert rates.latency.p95 == 30


def test_a_shortfall_is_told_only_while_rows_are_left_out() -> None:
    shortfall = Shortfall()
    assert shortfall.per_second(50.0) == 0
    shortfall.add(40, 0, capped=False)
    assert shortfall.per_second(50.0) == 0
    for _ in range(3):
        shortfall.add(100, 0, capped=True)
    assert shortfall.per_second(5000.0) == 4900
    for _ in range(3):
        shortfall.add(100, 0, capped=False)
    assert shortfall.per_second(5000.0) == 0


def test_a_snapshot_that_is_not_read_whole_is_no_shortfall() -> None:
    shortfall = Shortfall()
    shortfall.add(0, 0, capped=True)
    assert shortfall.per_second(0.0) == 0


def test_rows_without_room_are_told_even_when_the_rates_are_not_known() -> None:
    shortfall = Shortfall()
    shortfall.add(25, 30, capped=False)
    assert shortfall.per_second(0.0) == 30
