"""The timeline is fed with each entry of `P:rates` once, as far back as it is asked for."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from redis import Redis

from connectors.redis_client import connect_async
from connectors.settings import Keys
from dashboard.history.rates_read import RatesRead
from dashboard.history.timeline import Timeline, Window

HOUR_MS = 3_600_000


def tell(client: Redis, keys: Keys, at_ms: int, count: int) -> None:
    fields = {"schema": "1", "at_ms": str(at_ms), "process": "0", "seconds": "1.0"}
    client.xadd(keys.rates, {**fields, "counts": json.dumps({"movies": {"c": count}})}, id=f"{at_ms}-*")


def total(timeline: Timeline, *, span_ms: int, now_ms: int) -> int:
    bars = timeline.bars(Window.parse({"spanMs": span_ms}, now_ms=now_ms))
    return sum(bar.counts.get("movies", {}).get("c", 0) for bar in bars)


def test_what_is_new_and_what_is_older_is_added_once(redis_url: str, prefix: str) -> None:
    keys, now_ms = Keys(prefix), time.time_ns() // 1_000_000
    client = Redis.from_url(redis_url, decode_responses=True)
    for n in range(600):
        tell(client, keys, now_ms - 3 * HOUR_MS + n * 18_000, 1)
    client.xadd(keys.rates, {"schema": "9"})

    async def main() -> None:
        redis = connect_async(redis_url)
        read = RatesRead(redis, keys, fresh_s=0)
        timeline, reaches_ms = await read.since(now_ms - 900_000)
        assert reaches_ms == now_ms - 3 * HOUR_MS
        assert total(timeline, span_ms=900_000, now_ms=now_ms) == pytest.approx(50, abs=1)
        both = await asyncio.gather(read.since(now_ms - 6 * HOUR_MS), read.since(now_ms - 24 * HOUR_MS))
        assert both[0][0] is both[1][0] is timeline
        assert total(timeline, span_ms=6 * HOUR_MS, now_ms=now_ms) == 600
        tell(client, keys, time.time_ns() // 1_000_000, 7)
        await read.since(now_ms - 900_000)
        assert total(timeline, span_ms=6 * HOUR_MS, now_ms=now_ms) == 607
        await redis.aclose()

    asyncio.run(main())
    client.close()


def test_a_stream_that_is_not_there_gives_no_bars(redis_url: str, prefix: str) -> None:
    async def main() -> None:
        redis = connect_async(redis_url)
        timeline, reaches_ms = await RatesRead(redis, Keys(prefix)).since(0)
        assert reaches_ms is None
        assert total(timeline, span_ms=900_000, now_ms=time.time_ns() // 1_000_000) == 0
        await redis.aclose()

    asyncio.run(main())


def test_what_was_read_a_moment_ago_is_not_read_again(redis_url: str, prefix: str) -> None:
    keys, now_ms = Keys(prefix), time.time_ns() // 1_000_000

    async def main() -> None:
        redis = connect_async(redis_url)
        read = RatesRead(redis, keys, fresh_s=60)
        await read.since(now_ms - 900_000)
        with Redis.from_url(redis_url) as client:
            tell(client, keys, now_ms - 3 * HOUR_MS, 1)
        timeline, _ = await read.since(now_ms - 900_000)
        assert total(timeline, span_ms=24 * HOUR_MS, now_ms=now_ms) == 0
        await read.since(now_ms - 24 * HOUR_MS)
        assert total(timeline, span_ms=24 * HOUR_MS, now_ms=now_ms) == 1
        await redis.aclose()

    asyncio.run(main())
