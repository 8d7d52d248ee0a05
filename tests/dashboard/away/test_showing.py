"""What a browser says that it has shown is kept, also over a time without Redis."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from connectors.redis_client import connect_async
from connectors.seen import SeenStore
from connectors.settings import Keys
from connectors.stream_extents import extents_of
from connectors.stretches import START, Seen, Stretch
from dashboard.away.showing import Showing
from tests.conftest import StartRedis

KEYS = Keys("p")
STREAM = KEYS.changes[0]


async def seen(redis: Redis) -> Seen:
    return (await SeenStore(redis, KEYS).begin("ann", await extents_of(redis, [STREAM])))[STREAM]


def test_no_more_is_kept_than_was_sent_and_nonsense_does_nothing(redis_url: str, prefix: str) -> None:
    keys = Keys(prefix)

    async def main() -> None:
        redis = connect_async(redis_url)
        showing = Showing("ann", lambda: (redis, keys))
        showing.said({"0": [["0-0", "9-0"]]})  # before anything was sent
        showing.sent({keys.changes[0]: "2-0"})
        showing.sent({keys.changes[0]: "5-0"})
        others: list[object] = [None, [], {"0": 1}, {"9": []}, {"0": [["x", "y"]]}]
        for nonsense in others:
            showing.said(nonsense)
        showing.said({"0": [["0-0", "99-0"]]})
        await showing.settled()
        text = await redis.hget(keys.of_user("ann", "seen"), keys.changes[0])  # pyright: ignore[reportGeneralTypeIssues]
        assert Seen.from_text(str(text)).stretches == (Stretch(START, (5, 0)),)
        await redis.aclose()

    asyncio.run(main())


def test_what_was_said_while_redis_was_away_is_kept_when_it_is_back(start_redis: StartRedis) -> None:
    server = start_redis(extra_args=["--appendonly", "yes"])

    async def main() -> None:
        redis = connect_async(server.uri)
        await redis.xadd(STREAM, {"n": "1"}, id="1-0")
        assert (await seen(redis)).stretches == (Stretch(START, (1, 0)),)
        showing = Showing("ann", lambda: (redis, KEYS))
        showing.sent({STREAM: "1-0"})
        for n in range(2, 6):
            await redis.xadd(STREAM, {"n": str(n)}, id=f"{n}-0")
        server.stop()
        showing.sent({STREAM: "4-0"})
        showing.said({"0": [["1-0", "3-0"]]})
        showing.said({"0": [["3-0", "4-0"]]})
        await asyncio.sleep(0.1)
        server.start()
        await showing.settled()
        assert (await seen(redis)).missed((5, 0)) == (Stretch((4, 0), (5, 0)),)
        showing.close()
        await showing.settled()
        assert (await seen(redis)).added[4, 0] == 4  # counted when the page has gone
        await redis.aclose()

    asyncio.run(main())
