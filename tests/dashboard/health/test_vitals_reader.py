"""Redis's vitals, on real servers."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from connectors.errors import TransientError
from connectors.redis_client import connect, connect_async
from connectors.settings import Keys
from dashboard.health.vitals import Stream, Vitals
from dashboard.health.vitals_reader import read_vitals
from tests.conftest import StartRedis
from tests.ports import free_port


def vitals_of(url: str, keys: Keys) -> Vitals:
    async def read() -> Vitals:
        client = connect_async(url)
        try:
            return await read_vitals(client, keys)
        finally:
            await client.aclose()

    return asyncio.run(read())


def test_memory_the_feeds_ends_and_dead_letters_are_read(redis_url: str, prefix: str) -> None:
    keys = Keys(prefix, 2)
    with connect(redis_url) as client:
        for entry_id in ("1000-0", "2000-0", "2000-1"):
            client.xadd(keys.changes[0], {"a": "b"}, entry_id)
        client.xadd(keys.deadletter, {"a": "b"}, "3000-0")
        client.hset(keys.job, "processes", "4")
    vitals = vitals_of(redis_url, keys)
    assert vitals.memory is not None
    assert vitals.memory.used > 0
    assert vitals.streams == (Stream(keys.changes[0], 3, 1000, 2000), Stream(keys.changes[1], 0))
    assert (vitals.dead_letters, vitals.last_letter_ms, vitals.processes) == (1, 3000, 4)


def test_before_a_job_has_begun_there_is_nothing(redis_url: str, prefix: str) -> None:
    vitals = vitals_of(redis_url, Keys(prefix))
    assert (vitals.length, vitals.reaches_to_ms, vitals.dead_letters, vitals.processes) == (0, None, 0, 0)


def test_what_the_account_may_not_ask_is_not_known_and_the_rest_is(start_redis: StartRedis) -> None:
    server = start_redis()
    with Redis.from_url(server.uri, decode_responses=True) as root:
        root.xadd("p:changes", {"a": "b"}, "1000-0")
        root.execute_command("ACL SETUSER least on >x ~p:* -@all +xlen +xrange +xrevrange +hget")
    vitals = vitals_of(server.uri.replace("redis://", "redis://least:x@"), Keys("p"))
    assert vitals.memory is None
    assert vitals.streams == (Stream("p:changes", 1, 1000, 1000),)


def test_a_redis_that_is_away_is_a_transient_error() -> None:
    with pytest.raises(TransientError):
        vitals_of(f"redis://127.0.0.1:{free_port()}/0", Keys("p"))
