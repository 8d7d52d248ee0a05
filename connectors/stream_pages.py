"""Pages of the feed, as far back as it goes, for the page's server. An edge: it talks to Redis.

Reads the feed's streams merged in one order (`connectors.places`), from either end of a span, in pieces that are small
however large the entries are. Nothing is kept between pages: a page says at which `Place` it stopped, and reading on
from there gives every entry once, whatever was trimmed or written meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple, cast

from redis import ResponseError
from redis.asyncio import Redis

from connectors.places import Entry, Lanes, Page, Place, Span
from connectors.reach import Reach, reach_from
from connectors.redis_client import translated

Fields = Mapping[str, str]
Wanted = Callable[[Fields], bool]
SeenAs = Callable[[Fields], Fields]

_FIRST_PIECE = 64
_LARGEST_PIECE = 256
_PIECE_CHARS = 1_000_000
_STRETCH_S = 0.005
_MILLISECOND_S = 0.0015  # and a bit, for clocks that tick apart


class Budget(NamedTuple):
    """How much one request may look at before it must answer, and how much text its page may hold: a page of large
    entries is full early."""

    entries: int = 50_000
    seconds: float = 1.5
    chars: int = 20_000_000


def _every(_fields: Fields) -> bool:
    return True


def _as_they_are(fields: Fields) -> Fields:
    return fields


async def page_of(
    client: Redis,
    streams: Sequence[str],
    span: Span,
    *,
    count: int,
    newest_first: bool,
    wanted: Wanted = _every,
    seen_as: SeenAs = _as_they_are,
    budget: Budget = Budget(),  # noqa: B008
    now_s: Callable[[], float] = time.monotonic,
) -> Page:
    """At most `count` entries that are `wanted`, of what lies in the span, from its newer or its older end.

    `seen_as` removes what the viewer may not see, before `wanted` looks: a filter tells nothing of what is hidden.
    Raises our errors; other work of the event loop goes on meanwhile.
    """
    kept: list[Entry] = []
    looked, chars, at = 0, 0, None
    until_s = now_s() + budget.seconds
    breath = Breath()
    async for entries in scan(client, streams, span, newest_first=newest_first):
        for place, fields in entries:
            await breath.taken()
            looked, at = looked + 1, place
            seen = seen_as(fields)
            if wanted(seen):
                kept.append(Entry(place, seen))
                chars += _chars(seen)
                if len(kept) == count or chars >= budget.chars:
                    return Page(tuple(kept), "full", at, looked)
            if looked >= budget.entries or now_s() >= until_s:
                return Page(tuple(kept), "budget", at, looked)
    return Page(tuple(kept), "end", at, looked)


async def scan(
    client: Redis, streams: Sequence[str], span: Span, *, newest_first: bool
) -> AsyncIterator[Sequence[Entry]]:
    """Everything in the span, in order, some at a time. Raises our errors."""
    lanes = Lanes(span, len(streams), newest_first=newest_first)
    pieces = _Pieces()
    while not lanes.done:
        piece = pieces.of_each(len(streams))
        hungry = lanes.hungry(piece)
        pipeline = client.pipeline(transaction=False)
        asked: list[int] = []
        for stream, left in hungry.items():
            bounds = left.bounds(stream)
            if bounds is None:
                lanes.add(stream, (), more=False)
                continue
            asked.append(stream)
            low, high = bounds
            if newest_first:
                pipeline.xrevrange(streams[stream], max=high, min=low, count=piece)
            else:
                pipeline.xrange(streams[stream], min=low, max=high, count=piece)
        if asked:
            with translated(f"reading {', '.join(streams[stream] for stream in asked)}"):
                replies = cast("list[list[tuple[str, Fields]]]", await pipeline.execute())
            for stream, found in zip(asked, replies, strict=True):
                pieces.learn(found)
                lanes.add(stream, found, more=len(found) == piece)
        if ready := lanes.ready():
            yield ready


async def settled_end(client: Redis, streams: Sequence[str]) -> Place:
    """A place behind all that is written now, before which nothing will be written any more.

    Within one millisecond several streams may still be written to, in any order: so it waits until that is over.
    """
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for stream in streams:
        pipeline.xrevrange(stream, count=1)
    with translated(f"reading {', '.join(streams)}"):
        (seconds, micros), *newest = await pipeline.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    newest_ms = [Place.of(0, found[0][0]).ms for found in newest if found]  # ahead when the clock was set back
    await asyncio.sleep(_MILLISECOND_S)
    return Place.moment(max(now_ms, *newest_ms, 0) + 1)


async def reach_of(client: Redis, streams: Sequence[str]) -> Reach:
    """How far back the streams go, and what is missing of them."""
    pipeline = client.pipeline(transaction=False)
    for stream in streams:
        pipeline.xinfo_stream(stream)
    with translated(f"reading {', '.join(streams)}"):
        infos = await pipeline.execute(raise_on_error=False)
        for info in infos:
            if isinstance(info, Exception) and not (isinstance(info, ResponseError) and "no such key" in str(info)):
                raise info
    return reach_from({n: info for n, info in enumerate(infos) if not isinstance(info, Exception)})


class Breath:
    """Lets the event loop serve others when one stretch of work has become long."""

    def __init__(self) -> None:
        self._until_s = time.monotonic() + _STRETCH_S

    async def taken(self) -> None:
        if time.monotonic() >= self._until_s:
            await asyncio.sleep(0)
            self._until_s = time.monotonic() + _STRETCH_S


class _Pieces:
    """How many entries to read at a time: few of large ones."""

    def __init__(self) -> None:
        self._entries = 0
        self._chars = 0

    def of_each(self, streams: int) -> int:
        if not self._entries:
            return max(1, _FIRST_PIECE // streams)
        fitting = _PIECE_CHARS * self._entries // max(1, self._chars)
        return max(1, min(fitting, _LARGEST_PIECE) // streams)

    def learn(self, found: Sequence[tuple[str, Fields]]) -> None:
        self._entries += len(found)
        self._chars += sum(_chars(fields) for _, fields in found)


def _chars(fields: Fields) -> int:
    return sum(map(len, fields.values()))
