"""What people have seen, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from connectors.accounts import Accounts
from connectors.errors import ConfigError
from connectors.redis_client import connect, connect_async
from connectors.seen import SeenStore
from connectors.settings import Keys
from connectors.stream_extents import extents_of, rank_of
from connectors.stretches import START, Stretch
from tests.conftest import REDIS_KINDS

T = TypeVar("T")

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)


def run(url: str, doing: Callable[[AsyncRedis], Awaitable[T]]) -> T:
    async def done() -> T:
        client = connect_async(url)
        try:
            return await doing(client)
        finally:
            await client.aclose()

    return asyncio.run(done())


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, 2)


def test_a_first_visit_begins_at_now_and_a_later_one_where_it_was(redis_url: str, keys: Keys) -> None:
    one, two = keys.changes

    async def visits(client: AsyncRedis) -> None:
        store = SeenStore(client, keys)
        await client.xadd(one, {"a": "b"}, id="5-0")
        first = await store.begin("ann", await extents_of(client, keys.changes))
        assert first[one].stretches == (Stretch(START, (5, 0)),)
        assert first[one].added == {(5, 0): 1}
        assert first[two].stretches == ()
        await client.xadd(one, {"a": "b"}, id="6-0")
        await client.xadd(two, {"a": "b"}, id="7-3")
        again = await store.begin("ann", await extents_of(client, keys.changes))
        assert again[one].missed((6, 0)) == (Stretch((5, 0), (6, 0)),)
        assert again[two].missed((7, 3)) == (Stretch(START, (7, 3)),)

    run(redis_url, visits)


def test_it_never_goes_back_however_many_tabs_write_at_once(redis_url: str, keys: Keys) -> None:
    (one, *_) = keys.changes

    async def tabs(client: AsyncRedis) -> None:
        store = SeenStore(client, keys)
        stretches = [Stretch((n, 0), (n + 1, 0)) for n in range(40)]
        await asyncio.gather(*(store.add("ann", {one: (stretch,)}) for stretch in (*stretches, *stretches)))
        await store.add("ann", {one: (Stretch((3, 0), (5, 0)),)}, {one: {(5, 0): 9}})
        (seen,) = (await store.begin("ann", {one: (await extents_of(client, [one]))[one]})).values()
        assert seen.stretches == (Stretch(START, (40, 0)),)

    run(redis_url, tabs)


def test_who_is_removed_leaves_nothing_behind_and_is_no_user(redis_url: str, keys: Keys) -> None:
    client: Redis = connect(redis_url)
    accounts = Accounts(client, keys)
    accounts.add("ann", "open sesame")
    run(redis_url, lambda c: SeenStore(c, keys).add("ann", {keys.changes[0]: (Stretch((1, 0), (2, 0)),)}))
    assert client.exists(keys.of_user("ann", "seen"))
    assert [account.name for account in accounts.all()] == ["ann"]
    accounts.remove("ann")
    assert not client.exists(keys.of_user("ann", "seen"))
    client.close()


def test_what_cannot_be_read_is_said_with_what_to_do(redis_url: str, keys: Keys) -> None:
    client: Redis = connect(redis_url)
    client.hset(keys.of_user("ann", "seen"), keys.changes[0], "nonsense")
    client.close()
    with pytest.raises(ConfigError, match=r"delete it to begin at now"):
        run(redis_url, lambda c: SeenStore(c, keys).add("ann", {keys.changes[0]: (Stretch((1, 0), (2, 0)),)}))


def test_an_extent_says_what_is_there_and_how_many_ever_were(redis_url: str, keys: Keys) -> None:
    (one, two) = keys.changes

    async def look(client: AsyncRedis) -> None:
        for n in range(5):
            await client.xadd(one, {"large": "x" * 1000}, id=f"{n + 1}-0")
        await client.xtrim(one, maxlen=2, approximate=False)
        found = await extents_of(client, keys.changes)
        assert found[one] == ((4, 0), (5, 0), 2, 5)
        assert found[two] == (None, (0, 0), 0, 0)
        ranks = [await rank_of(client, one, (ms, 0)) for ms in (1, 3, 4, 5)]
        assert ranks == [None, None, 4, 5]

    run(redis_url, look)
