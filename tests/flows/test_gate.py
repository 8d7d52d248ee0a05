"""The gate, on a real Redis."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from redis import Redis

from connectors.redis_client import connect
from flows.gate import RedisGate
from tests.conftest import StartRedis


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


def test_it_opens_once_every_partition_has_arrived_wherever_it_is(client: Redis, prefix: str) -> None:
    here, there = (RedisGate(client, f"{prefix}:job", "run", 2) for _ in range(2))
    assert not here.is_open()
    here.arrive("tail-0")
    assert not here.is_open()
    assert not there.is_open()
    there.arrive("tail-1")
    assert there.is_open()
    assert here.is_open()


def test_who_arrives_twice_counts_once(client: Redis, prefix: str) -> None:
    gate = RedisGate(client, f"{prefix}:job", "run", 2)
    gate.arrive("tail-0")
    gate.arrive("tail-0")
    assert not gate.is_open()


def test_who_arrived_in_an_earlier_run_does_not_count(client: Redis, prefix: str) -> None:
    earlier, now = (RedisGate(client, f"{prefix}:job", run, 1) for run in ("earlier", "now"))
    earlier.arrive("tail-0")
    assert earlier.is_open()
    assert not now.is_open()


def test_an_arrival_while_redis_is_away_is_told_once_it_is_back(start_redis: StartRedis) -> None:
    server = start_redis()
    with connect(server.uri) as client:
        gate = RedisGate(client, "job", "run", 1)
        server.stop()
        gate.arrive("tail-0")
        assert not gate.is_open()
        server.start()
        assert gate.is_open()
