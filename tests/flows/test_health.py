"""What one process knows of itself."""

from __future__ import annotations

from connectors.mongo_state import Phase, SourceProgress
from flows.health import Health
from flows.rates import Interval


def progress(
    partition: str = "tail-0", phase: Phase = "tail", *, read: int = 0, position: str = "05", ts_ms: int = 5000
) -> SourceProgress:
    expected = 10 if phase != "tail" else 0
    return SourceProgress(partition, phase, "movies" if expected else "", read, expected, position, ts_ms)


def test_before_anything_was_read_it_is_starting() -> None:
    figures = Health(started_ms=1).figures(9)
    assert (figures["state"], figures["position"], figures["lag_ms"], figures["snapshot"]) == ("starting", "", 0, None)
    assert (figures["at_ms"], figures["started_ms"]) == (9, 1)


def test_the_state_is_that_of_the_partition_furthest_behind() -> None:
    health = Health(started_ms=0)
    phases: list[Phase] = ["tail", "waiting", "snapshot"]
    for number, phase in enumerate(phases):
        health.on_progress(progress(f"tail-{number}", phase, read=3), 10)
    figures = health.figures(10)
    assert figures["state"] == "snapshot"
    assert figures["snapshot"] == {"collection": "movies", "read": 6, "expected": 20}


def test_position_and_time_are_those_of_the_slowest_partition() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress("tail-0", position="07", ts_ms=7000), 8000)
    health.on_progress(progress("tail-1", position="05", ts_ms=5000), 8000)
    figures = health.figures(8000)
    assert (figures["position"], figures["source_ts_ms"], figures["lag_ms"]) == ("05", 5000, 3000)


def test_a_tail_that_has_nothing_more_to_read_does_not_lag_however_old_the_last_change_is() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress(read=4), 60_000)
    assert health.figures(60_000)["lag_ms"] == 55_000
    health.on_progress(progress(read=4), 60_200)
    assert health.figures(60_300)["lag_ms"] == 0


def test_a_tail_that_says_nothing_for_a_while_lags() -> None:
    health = Health(started_ms=0)
    for at_ms in (60_000, 60_200):
        health.on_progress(progress(read=4), at_ms)
    assert health.figures(70_000)["lag_ms"] == 65_000


def test_while_redis_refuses_it_is_holding_and_says_why_and_since_when() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress(), 10)
    health.on_held("out of memory", 11)
    figures = health.figures(20)
    assert (figures["state"], figures["holding_since_ms"], figures["holding_reason"]) == (
        "holding",
        11,
        "out of memory",
    )
    health.on_held(None, 30)
    assert health.figures(31)["state"] == "tail"
    assert "holding_reason" not in health.figures(31)


def test_a_job_that_ends_says_so() -> None:
    assert Health(started_ms=0).figures(1, stopping=True)["state"] == "stopped"


def test_what_was_written_adds_up() -> None:
    health = Health(started_ms=0)
    for _ in range(2):
        health.on_interval(Interval({}, [], written=3, skipped=1))
    assert (health.figures(1)["written"], health.figures(1)["skipped"]) == (6, 2)
