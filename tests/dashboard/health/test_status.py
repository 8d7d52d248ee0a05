"""Whether what the page shows is live, since when not, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.health.flow_processes import FirstRead, Process, Trouble
from dashboard.health.status import NEVER, UNREADABLE, Since, Status, status_of

NOW_MS = 1_763_760_000_000


def process(name: str = "0", *, heard_ms: int = NOW_MS - 500, state: str = "tail", **known: Any) -> Process:
    return Process(name, heard_ms, NOW_MS - 600_000, state, ahead_ms=0)._replace(**known)


def test_a_flow_that_tails_and_keeps_up_is_live() -> None:
    status = status_of([process(), process("1")], NOW_MS, expected=2)
    assert (status.level, status.todo) == ("live", "")


def test_no_flow_is_never_live() -> None:
    assert status_of([], NOW_MS) == NEVER
    assert NEVER.level == "down"


def test_a_flow_silent_for_some_seconds_is_down_since_it_spoke_last() -> None:
    heard_ms = NOW_MS - 3501
    status = status_of([process(heard_ms=heard_ms)], NOW_MS)
    assert (status.level, status.label, status.since_ms) == ("down", "Flow down", heard_ms)
    assert "`dbwatch run" in status.todo
    assert status_of([process(heard_ms=NOW_MS - 3499)], NOW_MS).level == "live"


def test_a_word_from_the_future_is_not_shown_as_a_time_since_when() -> None:
    status = status_of([process(heard_ms=NOW_MS + 60_000, ahead_ms=None)], NOW_MS)
    assert (status.label, status.since_ms) == ("Flow down", None)


def test_one_silent_process_of_two_is_named_with_since_when() -> None:
    status = status_of([process(), process("1", heard_ms=NOW_MS - 9000)], NOW_MS)
    assert (status.level, status.label, status.since_ms) == ("down", "Flow partly down", NOW_MS - 9000)
    assert "1 of 2 processes (number 1) says nothing" in status.detail
    assert "start all" in status.todo


def test_a_process_that_has_never_spoken_is_missed_once_it_had_its_time() -> None:
    new = process(started_ms=NOW_MS - 5000)
    assert status_of([new], NOW_MS, expected=3).level == "live"
    status = status_of([process("1")], NOW_MS, expected=3)
    assert status.label == "Flow partly down"
    assert "2 of 3 processes (number 0, 2) say nothing" in status.detail


def test_a_stopped_flow_says_so_and_how_to_start_it() -> None:
    status = status_of([process(state="stopped")], NOW_MS)
    assert status.label == "Flow stopped"
    assert "`dbwatch run" in status.todo


def test_holding_back_gives_the_reason_and_since_when() -> None:
    held = [
        process(state="holding", held=Trouble("OOM command not allowed", NOW_MS - 7000)),
        process("1", state="holding", held=Trouble("later", NOW_MS - 10)),
    ]
    status = status_of(held, NOW_MS)
    assert status[:4] == ("held", "Holding back", "OOM command not allowed", NOW_MS - 7000)
    assert "`dbwatch doctor`" in status.todo
    assert status_of([process(state="holding", held=Trouble("", None))], NOW_MS).detail == "Redis does not take writes"


def test_a_database_that_is_away_is_not_live_however_small_the_lag() -> None:
    status = status_of([process(away=Trouble("127.0.0.1:27017:\nconnection refused", NOW_MS - 2000))], NOW_MS)
    assert status[:4] == ("held", "Database away", "127.0.0.1:27017: connection refused", NOW_MS - 2000)
    assert "oplog" in status.todo


def test_a_first_read_shows_how_far_it_is() -> None:
    status = status_of([process(state="snapshot", first_read=FirstRead("comments", 12_000, 41_079))], NOW_MS)
    assert status.level == "busy"
    assert "comments: 12,000 of about 41,079" in status.detail


def test_a_flow_far_behind_is_not_called_live_and_says_by_how_much() -> None:
    status = status_of([process(), process("1", lag_ms=125_000, lag_events=3000)], NOW_MS)
    assert (status.level, status.label) == ("held", "Behind")
    assert status.detail == "the flow is 2 min behind the database, 3,000 changes"
    assert status.todo
    assert status_of([process(lag_ms=10_000)], NOW_MS).level == "live"


@pytest.mark.parametrize("state", ["starting", "waiting", "something new"])
def test_other_states_are_busy_and_a_long_start_says_where_to_look(state: str) -> None:
    young = process(state=state, started_ms=NOW_MS - 3000)
    assert status_of([young], NOW_MS)[:5] == ("busy", "Starting", f"the flow is {state}", NOW_MS - 3000, "")
    assert "its log says which" in status_of([process(state=state)], NOW_MS).todo


def test_what_is_worse_goes_first() -> None:
    held = process("1", state="holding", held=Trouble("OOM", NOW_MS))
    assert status_of([process(heard_ms=0), held], NOW_MS).label == "Flow partly down"
    assert status_of([process(away=Trouble("x", NOW_MS)), held], NOW_MS).label == "Holding back"


def test_texts_of_others_cannot_break_the_line() -> None:
    evil = "a\x00b\u202ec\n" * 200
    status = status_of([process(state="holding", held=Trouble(evil, NOW_MS))], NOW_MS)
    assert len(status.detail) <= 200
    assert not set(status.detail) & set("\x00\u202e\n")


def test_since_when_is_remembered_for_a_status_that_does_not_know_it_itself() -> None:
    since, behind = Since(), Status("held", "Behind", "25 s")
    assert since.of(behind, 1000).since_ms is None  # perhaps long before somebody looked
    assert since.of(Status("live", "Live", ""), 2000).since_ms is None
    assert since.of(behind, 3000).since_ms == 3000
    assert since.of(behind._replace(detail="26 s"), 4000).since_ms == 3000
    assert since.of(UNREADABLE, 5000).since_ms == 5000
    assert since.of(Status("down", "Flow down", "", 77), 6000).since_ms == 77
    assert since.of(Status("live", "Live", ""), 7000).since_ms is None


@pytest.mark.parametrize("status", [NEVER, UNREADABLE])
def test_who_sees_old_data_is_told_what_to_do(status: Status) -> None:
    assert status.level == "down"
    assert "`" in status.todo
