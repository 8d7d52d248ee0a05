"""Saved filters on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from redis import Redis

from connectors import saved_filters as module
from connectors.accounts import Accounts
from connectors.errors import ConfigError, TransientError
from connectors.redis_client import connect, connect_async
from connectors.saved_filters import SavedFilters
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS

T = TypeVar("T")


@pytest.fixture(params=REDIS_KINDS)
def redis_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(redis_url: str, prefix: str, doing: Callable[[SavedFilters], Awaitable[T]]) -> T:
    """What is done, on an event loop and with a client of its own."""

    async def inside() -> T:
        client = connect_async(redis_url)
        try:
            return await doing(SavedFilters(client, Keys(prefix)))
        finally:
            await client.aclose()

    return asyncio.run(inside())


def test_filters_are_kept_by_user_and_name(redis_url: str, prefix: str) -> None:
    async def doing(saved: SavedFilters) -> None:
        await saved.save("ann", "good films", "imdb.rating > 8")
        await saved.save("ann", "Bad films", "imdb.rating < 3")
        await saved.save("bob", "good films", "imdb.rating > 9")
        await saved.save("ann", "good films", "imdb.rating > 8.5")
        assert list((await saved.of("ann")).items()) == [
            ("Bad films", "imdb.rating < 3"),
            ("good films", "imdb.rating > 8.5"),
        ]
        assert await saved.delete("ann", "good films")
        assert not await saved.delete("ann", "good films")
        assert await saved.of("ann") == {"Bad films": "imdb.rating < 3"}
        assert await saved.of("bob") == {"good films": "imdb.rating > 9"}
        assert await saved.of("eve") == {}

    run(redis_url, prefix, doing)


def test_the_last_one_is_kept_apart(redis_url: str, prefix: str) -> None:
    async def doing(saved: SavedFilters) -> None:
        assert await saved.last("ann") == ""
        await saved.set_last("ann", "view:movies")
        assert await saved.last("ann") == "view:movies"
        assert await saved.of("ann") == {}
        assert not await saved.delete("ann", "")
        assert await saved.last("ann") == "view:movies"
        await saved.set_last("ann", "")
        assert await saved.last("ann") == ""

    run(redis_url, prefix, doing)


def test_there_is_room_for_so_many_and_no_more(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)

    async def doing(saved: SavedFilters) -> None:
        await saved.set_last("ann", "x")
        await asyncio.gather(
            *[saved.save("ann", f"n{n}", "x") for n in range(6)],
            return_exceptions=True,
        )
        assert len(await saved.of("ann")) == 3
        with pytest.raises(ConfigError, match="3 filters are saved already"):
            await saved.save("ann", "another", "x")
        first = next(iter(await saved.of("ann")))
        await saved.save("ann", first, "y")
        await saved.delete("ann", first)
        await saved.save("ann", "another", "x")

    run(redis_url, prefix, doing)


def test_they_are_no_user_and_go_with_theirs(redis_url: str, prefix: str) -> None:
    client: Redis = connect(redis_url)
    accounts = Accounts(client, Keys(prefix))
    accounts.add("ann", "correct horse battery")
    run(redis_url, prefix, lambda saved: saved.save("ann", "x", "y"))
    assert [account.name for account in accounts.all()] == ["ann"]
    accounts.remove("ann")
    assert run(redis_url, prefix, lambda saved: saved.of("ann")) == {}
    client.close()


def test_a_server_that_is_away_is_a_transient_error(prefix: str) -> None:
    with pytest.raises(TransientError):
        run("redis://127.0.0.1:1/0", prefix, lambda saved: saved.of("ann"))
