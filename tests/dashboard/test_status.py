"""Whether what the page shows is live."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.status import NEVER, Status, status_of

NOW_MS = 1_763_760_000_000


def process(**figures: Any) -> str:
    base = {"at_ms": NOW_MS - 500, "started_ms": NOW_MS - 60_000, "state": "tail", "lag_ms": 0, "snapshot": None}
    return json.dumps(base | figures)


def test_a_flow_that_tails_and_keeps_up_is_live() -> None:
    assert status_of({"0": process(), "1": process()}, NOW_MS).level == "live"


def test_no_flow_is_never_live() -> None:
    assert status_of({}, NOW_MS) == NEVER
    assert status_of({"0": "garbage", "1": "[]"}, NOW_MS) == NEVER


def test_a_flow_silent_for_five_seconds_is_down_since_it_spoke_last() -> None:
    at_ms = NOW_MS - 5001
    assert status_of({"0": process(at_ms=at_ms)}, NOW_MS)[:2] == ("down", "Flow down")
    assert status_of({"0": process(at_ms=at_ms)}, NOW_MS).since_ms == at_ms
    assert status_of({"0": process(at_ms=NOW_MS - 4999)}, NOW_MS).level == "live"


def test_one_silent_process_of_two_is_not_live() -> None:
    status = status_of({"0": process(), "1": process(at_ms=NOW_MS - 9000)}, NOW_MS)
    assert status.label == "Flow partly down"
    assert "1 of 2" in status.detail


def test_a_process_silent_since_before_another_started_was_replaced() -> None:
    old = process(at_ms=NOW_MS - 90_000, started_ms=NOW_MS - 900_000)
    assert status_of({"0": process(), "1": old}, NOW_MS).level == "live"


def test_a_stopped_flow_says_so() -> None:
    assert status_of({"0": process(state="stopped")}, NOW_MS).label == "Flow stopped"


def test_holding_back_gives_the_reason_and_since_when() -> None:
    held = process(state="holding", holding_since_ms=NOW_MS - 7000, holding_reason="OOM command not allowed")
    assert status_of({"0": held}, NOW_MS) == Status("held", "Holding back", "OOM command not allowed", NOW_MS - 7000)


def test_a_first_read_shows_how_far_it_is() -> None:
    snapshot = {"collection": "comments", "read": 12_000, "expected": 41_079}
    status = status_of({"0": process(state="snapshot", snapshot=snapshot)}, NOW_MS)
    assert status.level == "busy"
    assert "comments: 12,000 of about 41,079" in status.detail


def test_a_flow_far_behind_is_not_called_live() -> None:
    assert status_of({"0": process(lag_ms=25_000)}, NOW_MS)[:2] == ("held", "Behind")


@pytest.mark.parametrize("state", ["starting", "waiting", "something new"])
def test_other_states_are_busy(state: str) -> None:
    assert status_of({"0": process(state=state)}, NOW_MS).level == "busy"
