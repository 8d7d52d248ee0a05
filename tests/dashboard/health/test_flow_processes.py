"""What each process of the flow last said of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.health.flow_processes import FirstRead, Process, Trouble, processes_of
from flows.health import Health

NOW_MS = 1_763_760_000_000


def said(**figures: Any) -> str:
    base = {"at_ms": NOW_MS - 500, "started_ms": NOW_MS - 60_000, "state": "tail", "lag_ms": 0, "snapshot": None}
    return json.dumps(base | figures)


def test_what_the_flow_writes_is_read_whole() -> None:
    health = Health(started_ms=NOW_MS - 60_000)
    health.on_store(5_000_000)
    health.on_epoch("tail-0")
    health.on_retry()
    health.on_held("OOM", NOW_MS - 2000)
    (process,) = processes_of({"0": json.dumps(health.figures(NOW_MS - 500))}, {"0": 100})
    assert process == Process(
        "0",
        heard_ms=NOW_MS - 400,
        started_ms=NOW_MS - 59_900,
        state="holding",
        ahead_ms=100,
        sink_retries=1,
        state_entries=0,
        recovers=True,
        snapshot_age_s=0,
        store_bytes=5_000_000,
        held=Trouble("OOM", NOW_MS - 1900),
    )


def test_what_an_older_version_does_not_tell_is_not_known() -> None:
    (process,) = processes_of({"0": said()})
    assert (process.recovers, process.snapshot_age_s, process.store_bytes, process.away) == (None, None, None, None)


def test_a_field_that_cannot_be_read_is_a_process_that_has_said_nothing() -> None:
    assert processes_of({"0": "garbage", "1": "[]", "2": "{}"}) == ()
    (process,) = processes_of({"0": said(at_ms="soon", lag_ms=None, state=5, snapshot={"collection": 1})})
    assert (process.heard_ms, process.lag_ms, process.state, process.first_read) == (0, 0, "5", FirstRead("1", 0, 0))


def test_a_process_silent_since_before_another_started_was_replaced_whatever_its_clock_says() -> None:
    old = said(at_ms=NOW_MS - 90_000 + 3_600_000, started_ms=NOW_MS - 900_000 + 3_600_000)
    found = processes_of({"0": said(), "1": old}, {"0": 0, "1": -3_600_000})
    assert [p.name for p in found] == ["0"]
    assert len(processes_of({"0": said(), "1": said()})) == 2


def test_processes_are_in_the_order_of_their_numbers() -> None:
    assert [p.name for p in processes_of({name: said() for name in ("10", "2", "1")})] == ["1", "2", "10"]


@pytest.mark.parametrize("ahead_ms", [0, 3_600_000, -3_600_000])
def test_silence_is_told_by_redis_clock_however_wrong_the_process_own_is(ahead_ms: int) -> None:
    for ago_ms, silent in ((3400, False), (3600, True)):
        (process,) = processes_of({"0": said(at_ms=NOW_MS - ago_ms - ahead_ms)}, {"0": ahead_ms})
        assert process.is_silent(NOW_MS) is silent


def test_a_word_from_the_future_by_a_clock_that_is_not_known_proves_nothing() -> None:
    (process,) = processes_of({"0": said(at_ms=NOW_MS + 600_000)})
    assert process.is_silent(NOW_MS)


def test_a_process_that_has_stopped_is_silent() -> None:
    (process,) = processes_of({"0": said(state="stopped")})
    assert process.is_silent(NOW_MS)
