"""Who may write, as decisions about values."""

from __future__ import annotations

import pytest

from connectors.errors import Fenced, StreamLost
from connectors.lease import LEASE_S, WRITER_FIELDS, Fence, Watch, Writer, judge, refusal
from connectors.process_ids import ProcessId

FIRST = Writer("a", 3, ProcessId("host-a", 7, "boot", "99"), since_ms=1_795_297_216_000, seen_ms=1_795_297_218_000)
FENCE = Fence("p:job", "a", 3)


def test_a_holder_is_read_from_its_fields() -> None:
    values = ["a", "3", "host-a", "7", "boot", "99", "1795297216000", "1795297218000"]
    assert Writer.from_fields(dict(zip(WRITER_FIELDS, values, strict=True))) == FIRST
    assert Writer.from_fields({"writer_epoch": "3", "job_id": "x"}) is None
    assert Writer.from_fields({"writer": "a", "writer_since_ms": "9" * 30}) is not None


def test_a_process_that_is_gone_is_dead_at_once() -> None:
    assert judge(None, FIRST, gone=True, now_s=0) == "dead"


def test_a_heartbeat_that_moves_shows_that_the_holder_lives() -> None:
    watch = judge(None, FIRST, gone=False, now_s=5)
    assert isinstance(watch, Watch)
    assert watch == Watch(FIRST, 5)
    assert judge(watch, FIRST._replace(seen_ms=1), gone=False, now_s=6) == "alive"  # back, when Redis's clock was set


def test_a_heartbeat_that_stands_still_for_the_lease_shows_that_it_is_dead() -> None:
    watch = Watch(FIRST, 5)
    assert judge(watch, FIRST, gone=False, now_s=4.9 + LEASE_S) == watch
    assert judge(watch, FIRST, gone=False, now_s=5 + LEASE_S) == "dead"


def test_another_holder_is_watched_anew() -> None:
    second = FIRST._replace(token="b", seen_ms=1)
    assert judge(Watch(FIRST, 5), second, gone=False, now_s=99) == Watch(second, 99)


def test_a_refusal_names_the_first_its_age_and_what_to_do() -> None:
    said = str(refusal("p:job", FIRST, FIRST.seen_ms + 800))
    assert said == (
        "p:job: another job writes here already: process 7 on host-a, which has been writing since "
        "2026-11-21T21:40:16Z; its last heartbeat was 0.8 s ago. Stop it first, or give this job a DBWATCH_PREFIX of "
        "its own"
    )


@pytest.mark.parametrize("epoch", ["3", "4"])
def test_a_later_writer_has_taken_over(epoch: str) -> None:
    error = FENCE.why_not_ours(["b", epoch, "host-b", "8", None, None, "1795297216000", None])
    assert isinstance(error, Fenced)
    assert "another job has taken over, process 8 on host-b" in str(error)
    assert error.exit_status == 2


@pytest.mark.parametrize("found", [[None] * 8, ["z", "2", "h", "1", None, None, None, None], ["a", None]])
def test_a_counter_that_is_missing_or_lower_shows_that_redis_lost_data(found: list[str | None]) -> None:
    assert isinstance(FENCE.why_not_ours(found), StreamLost)


def test_a_lock_that_was_released_is_no_longer_ours() -> None:
    assert isinstance(FENCE.why_not_ours([None, "3", "host-a", "7"]), Fenced)
