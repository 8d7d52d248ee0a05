"""When a process is alive, and when it is ready."""

from __future__ import annotations

from connectors.mongo_state import Phase, SourceProgress
from flows.health import Health
from flows.readiness import HANGS_AFTER_S, hangs, not_ready
from tests.flows.test_health import Clock

LONG_S = HANGS_AFTER_S + 5


def following(clock: Clock, phase: Phase = "tail", *, away: str = "") -> Health:
    health = Health(started_ms=0, clock=clock)
    health.on_poll("tail-0", 0, 0)
    health.on_progress(SourceProgress("tail-0", phase, "", 0, 0, "05", 5000, away=away))
    return health


def test_a_job_that_reads_or_follows_is_alive_and_ready() -> None:
    phases: list[Phase] = ["snapshot", "waiting", "tail"]
    for phase in phases:
        facts = following(Clock(), phase).facts(1)
        assert (hangs(facts), not_ready(facts)) == (None, [])


def test_a_job_that_loads_its_state_is_alive_however_long_and_not_ready() -> None:
    clock = Clock()
    health = Health(started_ms=0, clock=clock)
    clock.now_s += 100 * LONG_S
    assert hangs(health.facts(1)) is None
    assert not_ready(health.facts(1)) == ["the job is starting: nothing has been read yet"]


def test_a_worker_that_asks_for_nothing_hangs() -> None:
    clock = Clock()
    health = following(clock)
    clock.now_s += LONG_S
    reason = hangs(health.facts(1))
    assert reason is not None
    assert "for 35 s" in reason
    assert reason in not_ready(health.facts(1))


def test_a_worker_that_writes_one_large_batch_after_the_other_does_not_hang() -> None:
    clock = Clock()
    health = following(clock)
    clock.now_s += LONG_S
    health.on_call(0.1)
    assert hangs(health.facts(1)) is None


def test_a_worker_that_waits_for_redis_does_not_hang_but_is_not_ready() -> None:
    for held in (True, False):
        clock = Clock()
        health = following(clock)
        if held:
            health.on_held("OOM command not allowed", 1)
        else:
            health.on_redis("connection refused")
        clock.now_s += LONG_S
        facts = health.facts(1)
        assert hangs(facts) is None
        assert "OOM" in not_ready(facts)[0] or "connection refused" in not_ready(facts)[0]


def test_a_database_that_does_not_answer_is_a_reason() -> None:
    facts = following(Clock(), away="primary is gone").facts(1)
    assert not_ready(facts) == ["MongoDB does not answer: primary is gone"]
    assert hangs(facts) is None


def test_a_database_that_says_nothing_any_more_is_a_reason() -> None:
    clock = Clock()
    health = following(clock)
    clock.now_s += LONG_S
    health.on_poll("tail-0", 0, 0)
    assert not_ready(health.facts(1)) == ["tail-0 has had no word from MongoDB for 35 s"]


def test_a_job_that_is_not_the_writer_is_not_ready() -> None:
    health = following(Clock())
    health.on_writer(is_writer=True)
    assert not_ready(health.facts(1)) == []
    health.on_writer(is_writer=False)
    assert "writer's lock" in not_ready(health.facts(1))[0]


def test_a_job_that_waits_for_the_archives_disk_is_alive_and_not_ready() -> None:
    clock = Clock()
    health = following(clock)
    health.on_archive_held("No space left on device", 1)
    clock.now_s += LONG_S
    facts = health.facts(1)
    assert hangs(facts) is None
    assert not_ready(facts) == [f"the archive has not been written for {LONG_S:.0f} s: No space left on device"]
