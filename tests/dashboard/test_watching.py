"""What many viewers, and long watching, cost; and what hostile ones reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from connectors.settings import Keys
from dashboard.answers import ANSWERS
from dashboard.asks import MOST_AT_ONCE
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


HOSTILE: list[Any] = [
    *(None, True, -1, 2**53, 1e308, "", "\0", "__proto__", "1-1", "x" * 2_000, "(" * 500, [], {}, [[[[[[]]]]]]),
    *({"0": [["2-2", "1-1"]] * 5}, "9/99999999999999999999-0", "0/18446744073709551616-1"),
]
SPARED = ("export.watch",)  # waits until a download begins


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


def test_hostile_arguments_of_any_question_are_answered_in_a_line(server: Server, token: str) -> None:
    names = ("text", "filter", "upTo", "missed", "count", "rows", "address", "stream", "id", "key", "field", "path")
    names += (
        "start",
        "index",
        "view",
        "before",
        "after",
        "fromMs",
        "toMs",
        "ticket",
        "format",
        "name",
        "most",
        "at",
        "position",
    )
    asked = [(what, dict.fromkeys(names, value)) for what in {*ANSWERS} - {*SPARED} for value in HOSTILE]

    async def watch() -> list[dict[str, Any]]:
        watcher = await Watcher.opened(server, token)
        found: list[dict[str, Any]] = []
        for begin in range(0, len(asked), MOST_AT_ONCE):
            few = asked[begin : begin + MOST_AT_ONCE]
            for number, (what, args) in enumerate(few, begin):
                await watcher.say({"ask": number, "what": what, "args": args})
            while len(found) < begin + len(few):
                found += [message for message in await watcher.hear() or () if message["type"] in ("answer", "failed")]
        watcher.close()
        return found

    found = asyncio.run(asyncio.wait_for(watch(), 60))
    refused = [message["message"] for message in found if message["type"] == "failed"]
    assert len(refused) > len(asked) / 2
    assert not [line for line in refused if "its log says why" in line or "\n" in line]
    assert "Traceback" not in server.log
