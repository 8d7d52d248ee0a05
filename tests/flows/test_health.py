"""What one process knows of itself."""

from __future__ import annotations

from connectors.mongo_state import Oplog, Phase, SourceProgress
from flows.gauges import JoinGauges
from flows.health import Health
from flows.rates import Interval


def progress(
    partition: str = "tail-0", phase: Phase = "tail", *, read: int = 0, position: str = "05", ts_ms: int = 5000
) -> SourceProgress:
    expected = 10 if phase != "tail" else 0
    return SourceProgress(partition, phase, "movies" if expected else "", read, expected, position, ts_ms)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_before_anything_was_read_it_is_starting() -> None:
    figures = Health(started_ms=1).figures(9)
    assert (figures["state"], figures["position"], figures["lag_ms"], figures["snapshot"]) == ("starting", "", 0, None)
    assert (figures["at_ms"], figures["started_ms"]) == (9, 1)


def test_the_state_is_that_of_the_partition_furthest_behind() -> None:
    health = Health(started_ms=0)
    phases: list[Phase] = ["tail", "waiting", "snapshot"]
    for number, phase in enumerate(phases):
        health.on_progress(progress(f"tail-{number}", phase, read=3))
    figures = health.figures(10)
    assert figures["state"] == "snapshot"
    assert figures["snapshot"] == {"collection": "movies", "read": 6, "expected": 20}


def test_position_and_time_are_those_of_the_slowest_partition() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress("tail-0", position="07", ts_ms=7000))
    health.on_progress(progress("tail-1", position="05", ts_ms=5000))
    figures = health.figures(8000)
    assert (figures["position"], figures["source_ts_ms"], figures["lag_ms"]) == ("05", 5000, 3000)


def test_a_tail_that_has_nothing_more_to_read_does_not_lag_however_old_the_last_change_is() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress(read=4))
    assert health.figures(60_000)["lag_ms"] == 55_000
    health.on_progress(progress(read=4))
    assert health.figures(60_300)["lag_ms"] == 0


def test_a_tail_that_says_nothing_for_a_while_lags() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    for _ in range(2):
        health.on_progress(progress(read=4))
    assert health.figures(70_000)["lag_ms"] == 0
    clock.now_s += 10
    assert health.figures(70_000)["lag_ms"] == 65_000


def test_a_server_that_is_away_is_no_sign_of_having_caught_up() -> None:
    health = Health(started_ms=0)
    for _ in range(2):
        health.on_progress(progress(read=4)._replace(away="no answer"))
    assert health.figures(60_000)["lag_ms"] == 55_000


def test_ages_go_by_the_clock_of_the_database_so_that_setting_ours_does_not_show() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    health.on_progress(progress(ts_ms=5000))
    health.on_oplog(Oplog(server_ms=6000, oldest_ms=1000, behind=7))
    clock.now_s += 2
    for now_ms in (8000, 8000 - 3_600_000, 8000 + 3_600_000):
        facts = health.facts(now_ms)
        assert (facts.partitions[0].position_age_s, facts.lag_s) == (3.0, 3.0)
        assert (facts.headroom_s, facts.behind) == (4.0, 7)


def test_an_oplog_that_cannot_be_read_leaves_its_figures_out() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress())
    health.on_oplog(Oplog(server_ms=6000))
    assert health.facts(1).headroom_s is None
    assert health.figures(1)["oplog_headroom_s"] is None
    assert health.figures(1)["oplog_spare_s"] is None


def test_an_oplog_that_is_not_full_forgets_nothing_yet() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress(ts_ms=5000))
    health.on_oplog(Oplog(server_ms=11_000, oldest_ms=1000, used=100, most=900))
    figures = health.figures(1)
    assert (figures["oplog_headroom_s"], figures["oplog_spare_s"]) == (4, 80)


def test_an_epoch_is_as_long_as_from_one_end_to_the_next_of_the_same_partition() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    assert (health.facts(1).checkpoint_age_s, health.facts(1).epoch_s) == (None, None)
    for partition, after_s in (("a", 0), ("b", 1), ("a", 4), ("b", 2)):
        clock.now_s += after_s
        health.on_epoch(partition)
    clock.now_s += 1
    assert (health.facts(1).checkpoint_age_s, health.facts(1).epoch_s) == (3.0, 6.0)


def test_the_joins_state_and_what_waits_in_it_are_summed_for_the_page() -> None:
    join = JoinGauges()
    join.stage("keys").add(entries=2)
    join.stage("values_1").add(entries=3, pending=4)
    figures = Health(started_ms=0, join=join).figures(1)
    assert (figures["state_entries"], figures["pending"]) == (5, 4)


def test_while_redis_refuses_it_is_holding_and_says_why_and_since_when() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress())
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


def test_while_the_archives_disk_is_full_it_is_holding_too() -> None:
    health = Health(started_ms=0)
    health.on_progress(progress())
    health.on_archive_held("No space left on device", 12)
    figures = health.figures(20)
    assert (figures["state"], figures["holding_since_ms"]) == ("holding", 12)
    assert figures["holding_reason"] == "the archive cannot be written: No space left on device"
    health.on_held("out of memory", 15)
    assert health.figures(20)["holding_reason"] == "out of memory"
    health.on_held(None, 30)
    health.on_archive_held(None, 30)
    assert health.figures(31)["state"] == "tail"


def test_a_job_that_ends_says_so() -> None:
    assert Health(started_ms=0).figures(1, stopping=True)["state"] == "stopped"


def test_what_was_written_adds_up() -> None:
    health = Health(started_ms=0)
    for _ in range(2):
        health.on_interval(Interval({}, [], written=3, skipped=1))
    assert (health.figures(1)["written"], health.figures(1)["skipped"]) == (6, 2)


def test_how_old_the_last_recovery_snapshot_is_and_how_large_the_folder() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    before = health.figures(1)
    assert (before["recovers"], before["snapshot_age_s"], before["epoch_s"], before["store_bytes"]) == (
        True,
        None,
        None,
        None,
    )
    health.on_epoch("tail-0")
    clock.now_s += 5.04
    health.on_epoch("tail-0")
    health.on_store(4096)
    clock.now_s += 3.4
    figures = health.figures(1)
    assert (figures["snapshot_age_s"], figures["epoch_s"], figures["store_bytes"]) == (3, 5.0, 4096)


def test_without_a_recovery_folder_the_end_of_an_epoch_is_no_snapshot() -> None:
    health = Health(started_ms=0, recovers=False)
    health.on_epoch("tail-0")
    figures = health.figures(1)
    assert (figures["recovers"], figures["snapshot_age_s"]) == (False, None)


def test_a_database_that_is_away_is_told_with_its_reason_and_since_when_it_is() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    health.on_progress(progress("tail-0"))
    assert "source_away_reason" not in health.figures(10_000)
    health.on_progress(progress("tail-0")._replace(away="connection refused"))
    clock.now_s += 2
    health.on_progress(progress("tail-0")._replace(away="no primary"))
    health.on_progress(progress("tail-1")._replace(away="later"))
    figures = health.figures(10_000)
    assert (figures["source_away_since_ms"], figures["source_away_reason"]) == (8000, "no primary")
    health.on_progress(progress("tail-0"))
    health.on_progress(progress("tail-1"))
    assert "source_away_since_ms" not in health.figures(10_000)


def test_the_databases_clock_is_compared_with_ours() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    assert (health.figures(1)["source_ahead_ms"], health.figures(1)["lag_events"]) == (None, None)
    health.on_oplog(Oplog(server_ms=6000, oldest_ms=1000, behind=7))
    clock.now_s += 2
    figures = health.figures(5500)
    assert (figures["source_ahead_ms"], figures["lag_events"]) == (2500, 7)
