"""One-time tickets for exports, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis import Redis

from connectors.errors import ConfigError
from connectors.redis_client import connect_async
from connectors.settings import Keys
from connectors.tickets import UNUSED_S, Tickets
from tests.conftest import REDIS_KINDS


@pytest.fixture(params=REDIS_KINDS)
def redis_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(redis_url: str, prefix: str, work: Callable[[Tickets], Awaitable[None]]) -> None:
    async def main() -> None:
        client = connect_async(redis_url)
        try:
            await work(Tickets(client, Keys(prefix)))
        finally:
            await client.aclose()

    asyncio.run(main())


def test_a_ticket_holds_once_and_for_its_session_only(redis_url: str, prefix: str) -> None:
    async def work(tickets: Tickets) -> None:
        token = await tickets.issue("mine", "everything")
        assert await tickets.begin(token, "another") is None
        assert await tickets.begin("another", "mine") is None
        both = await asyncio.gather(tickets.begin(token, "mine"), tickets.begin(token, "mine"))
        assert sorted(both, key=str) == [None, "everything"]

    run(redis_url, prefix, work)


def test_who_watches_is_told_how_far_it_is_and_may_cancel(redis_url: str, prefix: str) -> None:
    async def work(tickets: Tickets) -> None:
        token = await tickets.issue("mine", "everything")
        assert await tickets.progress(token, "mine") is None
        assert await tickets.begin(token, "mine")
        assert await tickets.tell(token, "half")
        assert await tickets.progress(token, "mine") == "half"
        await tickets.cancel(token, "another")
        assert await tickets.tell(token, "most")
        await tickets.cancel(token, "mine")
        assert not await tickets.tell(token, "all", ended=True)
        assert await tickets.progress(token, "mine") == "all"
        with pytest.raises(ConfigError, match="ended without a word"):
            await tickets.progress(token, "another")

    run(redis_url, prefix, work)


def test_a_ticket_is_kept_as_a_hash_and_goes_by_itself(redis_url: str, prefix: str) -> None:
    async def work(tickets: Tickets) -> None:
        token = await tickets.issue("mine", "everything")
        with Redis.from_url(redis_url, decode_responses=True) as client:
            (key,) = list(client.scan_iter(match=f"{prefix}:*"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            assert token not in key
            assert 0 < int(str(client.ttl(str(key)))) <= UNUSED_S  # pyright: ignore[reportUnknownArgumentType]
            client.delete(str(key))  # pyright: ignore[reportUnknownArgumentType]
        assert not await tickets.tell(token, "half")
        await tickets.cancel(token, "mine")
        with Redis.from_url(redis_url) as client:
            assert list(client.scan_iter(match=f"{prefix}:*")) == []  # pyright: ignore[reportUnknownArgumentType]

    run(redis_url, prefix, work)
