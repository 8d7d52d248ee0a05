"""What many viewers, and long watching, cost; and what hostile ones reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from connectors.settings import Keys
from tests.dashboard.browsing import add
from tests.dashboard.serving import Server
from tests.dashboard.watching import Watcher

NONSENSE: list[dict[str, Any]] = [
    {},
    {"watch": 7},
    {"watch": {"a": 1}},
    {"ask": -1, "what": "", "args": {}},
    {"ask": 10**400, "what": "x", "args": {}},
    {"ask": 1, "what": "__class__", "args": {"a": [[[[]]]]}},
    {"cancel": "all"},
    {"hello": True, "shown": {"a": "b"}},
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_whatever_a_browser_says_the_feed_goes_on(
    server: Server, token: str, client: Redis, keys: Keys, alive: Callable[..., None], nonsense: dict[str, Any]
) -> None:
    alive()

    async def watch() -> dict[str, Any]:
        watcher = await Watcher.opened(server, token)
        await watcher.say(nonsense)
        await watcher.say({"watch": ""})
        await watcher.heard("fill")
        add(client, keys, "c", "Still here")
        news = await watcher.heard("news")
        watcher.close()
        return news

    news = asyncio.run(asyncio.wait_for(watch(), 20))
    assert news["rows"][-1]["text"] == "Still here (1999)"
    assert "Traceback" not in server.log


def test_many_viewers_are_told_the_same(
    server: Server, token: str, client: Redis, keys: Keys, alive: Callable[..., None]
) -> None:
    alive()

    async def watch() -> list[dict[str, Any]]:
        watchers = [await Watcher.opened(server, token) for _ in range(20)]
        for watcher in watchers:
            await watcher.say({"watch": ""})
        for watcher in watchers:
            await watcher.heard("fill")
        add(client, keys, "c", "Seen by twenty")
        found = [await watcher.heard("news") for watcher in watchers]
        for watcher in watchers:
            watcher.close()
        return found

    found = asyncio.run(asyncio.wait_for(watch(), 40))
    assert {message["rows"][-1]["text"] for message in found} == {"Seen by twenty (1999)"}
