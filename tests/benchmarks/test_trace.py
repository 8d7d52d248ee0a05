from __future__ import annotations

from benchmarks import growth_figures, latency_figures
from benchmarks.marks import mark, newest
from benchmarks.trace import Arrived, Moments, Shown, Trace, Wrote, trace_of

MS = 1_000_000
WROTE = Wrote(10, ["comment", "film_title"], [0, 1000 * MS], [MS, 1001 * MS], [5 * MS, 1005 * MS])


def trace(waits: list[float], *, every_ms: float = 1.0) -> Trace:
    """Changes that were acknowledged when they were due and came after as long."""
    moments = [
        Moments("comment", i * every_ms, i * every_ms, i * every_ms, i * every_ms + w, None, str(i))
        for i, w in enumerate(waits)
    ]
    return Trace(moments, [], 0, 1000 / every_ms, 1e9)


def test_each_change_is_found_again_by_its_number() -> None:
    arrived = Arrived(["7-0", "1008-0", "1009-0"], [10, 11, 11], [False, False, True], [8 * MS, 1009 * MS, 1010 * MS])
    found = trace_of(WROTE, arrived, end_ms=2000)
    assert found.moments[0] == Moments("comment", 0, 1, 5, 8, 7, "7-0")
    assert found.moments[1] == Moments("film_title", 1000, 1001, 1005, 1009, 1008, "1008-0")
    assert found.caused == [(11, 1010)]
    latency = found.percentiles("due")
    assert latency is not None
    assert (latency.p50, latency.most, latency.unfinished) == (8, 9, 0)


def test_a_change_that_never_came_counts_as_one_that_took_until_the_end() -> None:
    found = trace_of(WROTE, Arrived(["7-0"], [10], [False], [8 * MS]), end_ms=2005)
    latency = found.percentiles()
    assert latency is not None
    assert (latency.number, latency.most, latency.unfinished) == (2, 1000, 1)


def test_changes_of_an_earlier_stretch_are_not_taken_for_this_ones() -> None:
    arrived = Arrived(["1-0", "7-0"], [9, 10], [False, False], [MS, 8 * MS])
    assert trace_of(WROTE, arrived, end_ms=2000).moments[0].read == 8


def test_the_page_counts_what_it_showed_and_nothing_else() -> None:
    arrived = Arrived(["7-0", "1008-0"], [10, 11], [False, False], [8 * MS, 1009 * MS])
    found = trace_of(WROTE, arrived, end_ms=2000)
    to_page = found.to_page(Shown(["6-0", "1008-0"], [20, 1100], [30, 1105]))
    assert to_page is not None
    assert (to_page.number, to_page.most) == (1, 100)


def test_a_joined_rows_number_is_not_taken_for_the_rows_own() -> None:
    after = f'{{"text":"Well. {mark("comments", 12)}","movie":{{"title":"Take {mark("movies", 34)}"}}}}'.encode()
    assert (newest(after, "comments"), newest(after, "movies"), newest(after, "users")) == (12, 34, -1)


def test_a_restart_is_over_when_latency_is_what_it_was_before() -> None:
    """A change a millisecond; killed at 2 s, started at 4 s, at work from 5 s on, as quick as before from 6 s on."""
    waits = [5.0] * 2000 + [5000.0 - i if i < 4000 else 6000.0 - i for i in range(2000, 6000)] + [5.0] * 2000
    found = latency_figures.recovery(trace(waits), killed_ms=2000, started_ms=4000)
    assert found["behind"] == 2000
    assert found["first_entry_s"] == 1.0
    assert found["normal_ms"] == 25
    assert found["back_s"] == 2.5


def test_a_pause_is_the_longest_silence_of_each_epoch() -> None:
    waits = [5.0 if i % 5000 > 400 else 405.0 - i % 5000 for i in range(15_001)]
    found = growth_figures.steady(trace(waits))
    assert found["pause_ms"] == 401
    assert found["latency"]["p50"] == 5


def test_a_fan_out_is_measured_by_what_others_take_meanwhile() -> None:
    waits = [5.0] * 2000 + [50.0] * 1500 + [5.0] * 500
    slow = trace(waits)._replace(caused=[(99, 2100.0), (99, 3400.0), (98, 3900.0)])
    found = growth_figures.fan_out(slow, number=99, at_ms=2000, count=2)
    assert (found["reached"], found["took_s"]) == (2, 1.4)
    assert (found["before"]["p99"], found["others"]["p50"]) == (5, 50)


def test_a_store_that_is_used_again_grows_no_more_at_the_end() -> None:
    line = [(float(s), min(s, 20) * 1_000_000) for s in range(31)]
    assert growth_figures.store_growth(line, from_s=0, to_s=30) == (20_000_000 / 30, 0)
