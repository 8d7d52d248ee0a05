"""The timeline: bars from the entries of `P:rates`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from dashboard.health.figures import Latency, Second
from dashboard.history.timeline import SPANS_MS, Bar, Timeline, Window, window_value

NOW_MS = 1_763_760_003_000
HOUR_MS = 3_600_000


def second(at_ms: int, count: int = 1, *, seconds: float = 1.0, p95: float | None = None, **kinds: int) -> Second:
    latency = None if p95 is None else Latency(p95 / 2, p95, p95 * 2)
    return Second(at_ms, 0, "0", seconds, {"movies": {"c": count} | kinds}, latency)


def total(bars: list[Bar]) -> int:
    return sum(count for bar in bars for kinds in bar.counts.values() for count in kinds.values())


@pytest.mark.parametrize(
    ("span_ms", "bars", "bar_ms"),
    [
        (900_000, 180, 5_000),
        (900_000, 60, 20_000),
        (3_600_000, 180, 20_000),
        (3_600_000, 90, 60_000),
        (21_600_000, 180, 120_000),
        (86_400_000, 180, 480_000),
        (86_400_000, 24, 3_600_000),
    ],
)
def test_bars_are_whole_multiples_of_a_round_length_and_as_many_as_fit(span_ms: int, bars: int, bar_ms: int) -> None:
    window = Window.parse({"spanMs": span_ms, "bars": bars}, now_ms=NOW_MS)
    assert window.bar_ms == bar_ms
    assert window.from_ms % bar_ms == window.to_ms % bar_ms == 0
    assert window.to_ms - window.from_ms == span_ms
    assert window.from_ms <= NOW_MS < window.to_ms


def test_who_has_the_older_bars_is_given_the_newer_only() -> None:
    window = Window.parse({"spanMs": 900_000, "sinceMs": NOW_MS - 7_000}, now_ms=NOW_MS)
    assert (window.from_ms, window.to_ms) == (1_763_759_995_000, 1_763_760_005_000)
    later = Window.parse({"spanMs": 900_000, "sinceMs": NOW_MS + HOUR_MS}, now_ms=NOW_MS)
    assert Timeline().bars(later) == []


@pytest.mark.parametrize(
    "args", [{"spanMs": 1}, {"spanMs": "900000"}, {"bars": 1}, {"bars": 10**9}, {"sinceMs": -1}, {"sinceMs": None}]
)
def test_a_window_of_another_kind_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(args))}: expected"):
        Window.parse(args, now_ms=NOW_MS)


def test_a_bar_holds_what_its_processes_wrote_by_view_and_operation() -> None:
    timeline = Timeline()
    timeline.add(second(NOW_MS, 3, u=2))
    timeline.add(second(NOW_MS, 4)._replace(process="1", counts={"movies": {"c": 4}, "users": {"d": 1}}))
    window = Window.parse({}, now_ms=NOW_MS)
    assert timeline.bars(window) == [Bar(1_763_760_000_000, {"movies": {"c": 7, "u": 2}, "users": {"d": 1}}, None)]


def test_the_latency_of_a_bar_is_that_of_its_slowest_second() -> None:
    timeline = Timeline()
    for n, p95 in enumerate((20.0, 90.0, 30.0)):
        timeline.add(second(NOW_MS - n * 1000, p95=p95))
    (bar,) = timeline.bars(Window.parse({"spanMs": 86_400_000}, now_ms=NOW_MS))
    assert bar.latency == Latency(45, 90, 180)


def test_an_interval_that_took_long_is_divided_among_the_bars_it_lies_in() -> None:
    timeline = Timeline()
    timeline.add(second(1_763_760_010_000, 100, seconds=10))
    counts = [bar.counts["movies"]["c"] for bar in timeline.bars(Window.parse({}, now_ms=1_763_760_010_000))]
    assert counts == [50, 50]


@given(st.lists(st.tuples(st.integers(0, 830), st.integers(1, 500), st.sampled_from((0.9, 1.0, 1.1))), max_size=60))
def test_nothing_that_was_counted_is_lost_whatever_the_span(seconds: list[tuple[int, int, float]]) -> None:
    timeline = Timeline()
    for ago_s, count, duration_s in seconds:
        timeline.add(second(NOW_MS - ago_s * 1000, count, seconds=duration_s))
    expected = sum(count for _, count, _ in seconds)
    for span_ms in SPANS_MS:
        for bars in (24, 180):
            window = Window.parse({"spanMs": span_ms, "bars": bars}, now_ms=NOW_MS)
            assert total(timeline.bars(window)) == pytest.approx(expected, abs=0.51 * len(seconds) + 1)


def test_what_is_kept_is_bounded_by_time() -> None:
    timeline = Timeline()
    for hour in range(200):
        for minute in range(60):
            timeline.add(second(NOW_MS + hour * HOUR_MS + minute * 60_000))
    levels = (timeline._fine, timeline._coarse)  # pyright: ignore[reportPrivateUsage]
    assert [len(level.counts) <= level.kept_ms / level.step_ms + 1 for level in levels] == [True, True]
    window = Window.parse({"spanMs": 86_400_000}, now_ms=NOW_MS + 199 * HOUR_MS + 59 * 60_000)
    assert total(timeline.bars(window)) == pytest.approx(24 * 60, abs=8)


def test_the_browser_is_told_bars_and_how_far_back_they_reach() -> None:
    timeline = Timeline()
    timeline.add(second(NOW_MS, 3, p95=20))
    window = Window.parse({}, now_ms=NOW_MS)
    value = json.loads(json.dumps(window_value(window, timeline.bars(window), reaches_ms=NOW_MS - 5)))
    assert value["barMs"] == 5_000
    assert value["reachesMs"] == NOW_MS - 5
    latency = {"p50": 10, "p95": 20, "p99": 40}
    assert value["bars"] == [{"atMs": 1_763_760_000_000, "counts": {"movies": {"c": 3}}, "latency": latency}]
