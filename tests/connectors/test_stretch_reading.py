"""What lies within stretches: fields of all of it, and pages that give each entry once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from connectors.places import Place
from connectors.redis_client import connect_async
from connectors.settings import Keys
from connectors.stretch_reading import page_within, picked_within, up_to
from connectors.stretches import START, Stretch, Stretches
from tests.conftest import REDIS_KINDS

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)
END = (1 << 64) - 1


def test_fields_are_picked_of_each_entry_of_a_span_and_large_ones_cut(redis_url: str, prefix: str) -> None:
    stream = Keys(prefix).changes[0]

    async def pick(client: Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        for n in range(1201):
            fields = {"view": "v", "key": str(n), "after": "x" * 100} | ({"cause": "movie"} if n % 2 else {})
            pipeline.xadd(stream, {**fields}, id=f"{n}-1")
        pipeline.xadd(stream, {"key": "k" * 600_000, "view": "é" * 300}, id="2000-0")
        pipeline.xadd(stream, {"key": "k" * 600_001}, id="2000-1")
        await pipeline.execute()
        stretch = Stretch((0, 1), (2000, 0))
        found = [entry async for some in picked_within(client, stream, stretch, ("key", "cause")) for entry in some]
        assert [entry_id for entry_id, _ in found] == [f"{n}-1" for n in range(1, 1201)] + ["2000-0"]
        assert [list(values) for _, values in found[:2]] == [["1", "movie"], ["2", None]]
        (_, (key, cause)) = found[-1]
        assert key is not None
        assert (len(key), cause) == (201, None)
        assert [s async for s in picked_within(client, stream, Stretch((5000, 0), (6000, 0)), ("key",))] == []

    with_client(redis_url, pick)


def test_pages_give_each_entry_of_several_streams_once_in_order(redis_url: str, prefix: str) -> None:
    streams = Keys(prefix, 3).changes

    async def page_through(client: Redis) -> None:
        written: list[Place] = []
        for n in range(200):
            place = Place(n // 7, n % 7 + 1, n * n % 3)
            await client.xadd(streams[place.stream], {"n": n}, id=place.id)
            written.append(place)
        for number, stream in enumerate(streams):  # the same id in each
            await client.xadd(stream, {"n": "last"}, id="100-0")
            written.append(Place(100, 0, number))
        stretches: dict[str, Stretches] = {s: (Stretch((1, 0), (9, 2)), Stretch((12, 7), (200, 0))) for s in streams}
        expected = [place for place in written if within(place, stretches[streams[0]])]
        found: list[Place] = []
        after: Place | None = None
        more = True
        while more:
            page = await page_within(client, stretches, after, 7)
            found += [entry.place for entry in page.entries]
            after, more = page.place, page.more
            assert after is not None
            given = up_to(stretches, after)
            assert [place for place in written if within(place, given[streams[place.stream]])] == found
        assert found == expected

    with_client(redis_url, page_through)


def test_an_empty_span_has_an_empty_page(redis_url: str, prefix: str) -> None:
    stream = Keys(prefix).changes[0]

    async def look(client: Redis) -> None:
        assert await page_within(client, {stream: (Stretch(START, (END, END)),)}, None, 5) == ((), None, False)
        assert await page_within(client, {stream: ()}, Place(5, 0, 0), 5) == ((), None, False)

    with_client(redis_url, look)


def within(place: Place, stretches: Stretches) -> bool:
    return any((place.ms, place.seq) in stretch for stretch in stretches)


def with_client(url: str, doing: Callable[[Redis], Awaitable[None]]) -> None:
    async def done() -> None:
        client = connect_async(url)
        try:
            await doing(client)
        finally:
            await client.aclose()

    asyncio.run(done())
