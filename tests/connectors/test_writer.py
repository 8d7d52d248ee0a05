"""The writer's lock on Valkey and Redis 8."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import ConfigError, Fenced, Stopped, StreamLost, TransientError
from connectors.process_ids import ProcessId
from connectors.redis_client import connect
from connectors.writer import Lease, acquire
from tests.conftest import REDIS_KINDS, StartRedis, wait_until

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)
ELSEWHERE = ProcessId("elsewhere", 7, "another boot", "1")
"""A process of which nothing can be seen from here."""


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def key(prefix: str) -> str:
    return f"{prefix}:job"


def take(client: Redis, key: str, here: ProcessId | None = None) -> Lease:
    return acquire(client, key, ending=Ending(), here=here)


def fields(client: Redis, key: str) -> dict[str, str]:
    found: Any = client.hgetall(key)
    return found


def test_a_free_lock_is_acquired_and_the_other_fields_stay(client: Redis, key: str) -> None:
    client.hset(key, "job_id", "j")
    lease = take(client, key, ELSEWHERE)
    found = fields(client, key)
    assert found.pop("writer") == lease.fence.token
    assert found.pop("writer_since_ms") == found.pop("writer_seen_ms")
    assert found == {
        "job_id": "j",
        "writer_epoch": "1",
        "writer_host": "elsewhere",
        "writer_pid": "7",
        "writer_place": "another boot",
        "writer_started": "1",
    }


def test_a_holder_whose_heartbeat_moves_is_named_and_not_replaced(client: Redis, key: str) -> None:
    with take(client, key, ELSEWHERE) as lease:
        with pytest.raises(
            ConfigError, match=r"another job writes here already: process 7 on elsewhere, .*Z; its last"
        ):
            take(client, key)
        lease.renew()


def test_a_holder_that_is_gone_is_replaced_at_once_and_fenced(client: Redis, key: str) -> None:
    first = take(client, key)  # the same process as the second: as after a re-execution
    second = take(client, key)
    assert second.fence.epoch == first.fence.epoch + 1
    with pytest.raises(Fenced, match="another job has taken over, process"):
        first.renew()
    second.renew()


def test_a_holder_that_stands_still_is_replaced_after_the_lease(
    client: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.lease.LEASE_S", 0.5)
    first = take(client, key, ELSEWHERE)
    second = take(client, key)
    with pytest.raises(Fenced):
        first.call(("SET", f"{key}:x", "1"))
    assert not client.exists(f"{key}:x")
    second.renew()


def test_a_stop_ends_the_wait_for_the_holder(client: Redis, key: str) -> None:
    take(client, key, ELSEWHERE)
    ending, ended = Ending(), list[BaseException]()

    def wait() -> None:
        try:
            acquire(client, key, ending=ending)
        except Stopped as exc:
            ended.append(exc)

    waiting = threading.Thread(target=wait)
    waiting.start()
    ending.request()
    waiting.join(timeout=30)
    assert ended


def test_of_many_who_find_the_lock_free_one_gets_it(client: Redis, key: str) -> None:
    leases: list[Lease] = []
    ending, together = Ending(), threading.Barrier(8)

    def race() -> None:
        together.wait()
        with suppress(Stopped, ConfigError):
            leases.append(acquire(client, key, ending=ending, here=ELSEWHERE._replace(place="")))

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    wait_until(lambda: leases)
    ending.request()
    for racer in racers:
        racer.join(timeout=10)
    assert [lease.fence.token for lease in leases] == [fields(client, key)["writer"]]


def test_a_lock_that_was_released_is_free_at_once(client: Redis, key: str) -> None:
    with take(client, key, ELSEWHERE) as first:
        pass
    second = take(client, key)
    assert second.fence.epoch == 2
    with pytest.raises(Fenced):
        first.renew()
    first.release()
    second.renew()


def test_a_further_process_of_the_job_may_write_but_neither_renews_nor_releases(client: Redis, key: str) -> None:
    first = take(client, key, ELSEWHERE)
    seen = fields(client, key)["writer_seen_ms"]
    further = Lease(client, first.fence, leads=False)
    assert further.call(("HSET", key, "x", "1"), ("HGET", key, "x")) == [1, "1"]
    further.release()
    assert fields(client, key)["writer_seen_ms"] == seen
    assert fields(client, key)["writer"] == first.fence.token


def test_redis_that_lost_the_lock_is_told_from_one_that_gave_it_away(client: Redis, key: str) -> None:
    lease = take(client, key)
    client.delete(key)
    with pytest.raises(StreamLost, match="Redis lost data"):
        lease.renew()


def test_redis_that_is_away_is_no_loss_of_the_lock(redis_kind: str, start_redis: StartRedis) -> None:
    server = start_redis(kind=redis_kind)
    with connect(server.uri) as client:
        lease = take(client, "k")
        server.stop()
        with pytest.raises(TransientError):
            lease.renew()
        lease.release()
