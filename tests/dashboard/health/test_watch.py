"""What follows from what the reader has learnt."""

from __future__ import annotations

import json
from typing import Any

from dashboard.health.vitals import Vitals
from dashboard.health.watch import Watch

NOW_MS = 1_763_760_000_000


def said(at_ms: int, **figures: Any) -> str:
    base = {"at_ms": at_ms, "started_ms": NOW_MS - 600_000, "state": "tail", "lag_ms": 0, "snapshot": None}
    return json.dumps(base | figures)


def rates(at_ms: int, process: str = "0", *, redis_ms: int, **kinds: int) -> tuple[str, dict[str, str]]:
    counts = json.dumps({"movies": kinds})
    fields = {"schema": "1", "at_ms": str(at_ms), "process": process, "seconds": "1", "counts": counts}
    return f"{redis_ms}-0", fields


def test_a_flow_whose_clock_is_an_hour_ahead_is_down_within_five_seconds_of_its_last_word() -> None:
    watch, ahead_ms = Watch(), 3_600_000
    watch.take_rates([rates(NOW_MS + ahead_ms, redis_ms=NOW_MS, c=3)], NOW_MS)
    health = {"0": said(NOW_MS + ahead_ms)}
    assert watch.look(health, NOW_MS + 3400).status.level == "live"
    for later_ms in (3600, 120_000, 1_800_000):
        status = watch.look(health, NOW_MS + later_ms).status
        assert (status.label, status.since_ms) == ("Flow down", NOW_MS)


def test_each_process_is_dated_by_its_own_clock() -> None:
    watch = Watch()
    watch.take_rates(
        [rates(NOW_MS - 90_000, "0", redis_ms=NOW_MS), rates(NOW_MS + 70_000, "1", redis_ms=NOW_MS)], NOW_MS
    )
    health = {"0": said(NOW_MS - 90_000), "1": said(NOW_MS + 70_000)}
    assert watch.look(health, NOW_MS + 100).status.level == "live"


def test_a_process_of_the_job_that_has_never_spoken_is_missed() -> None:
    watch = Watch()
    watch.take_rates([rates(NOW_MS, redis_ms=NOW_MS)], NOW_MS)
    watch.vitals = Vitals(processes=2)
    assert watch.look({"0": said(NOW_MS)}, NOW_MS).status.label == "Flow partly down"


def test_the_last_minute_is_counted_by_view_and_kind() -> None:
    watch = Watch()
    watch.take_rates([rates(NOW_MS, redis_ms=NOW_MS - 61_500, c=9)], NOW_MS - 61_500)
    watch.take_rates([rates(NOW_MS, redis_ms=NOW_MS - 500, c=3, caused=2), rates(1, redis_ms=NOW_MS, c=1)], NOW_MS)
    assert watch.look({"0": said(NOW_MS)}, NOW_MS).totals == {"movies": {"c": 4, "caused": 2}}


def test_when_redis_is_lost_nothing_that_was_seen_is_shown_and_it_is_known_since_when() -> None:
    watch = Watch()
    watch.take_rates([rates(NOW_MS, redis_ms=NOW_MS)], NOW_MS)
    assert watch.look({"0": said(NOW_MS)}, NOW_MS).status.level == "live"
    assert watch.lost(NOW_MS + 1000).since_ms == NOW_MS + 1000
    assert watch.lost(NOW_MS + 2000).since_ms == NOW_MS + 1000
    assert watch.seen is None


def test_rates_that_cannot_be_read_are_passed_by() -> None:
    watch = Watch()
    watch.take_rates([("1-0", {"schema": "9"}), rates(NOW_MS, redis_ms=NOW_MS)], NOW_MS)
    assert watch.look({"0": said(NOW_MS)}, NOW_MS).status.level == "live"
