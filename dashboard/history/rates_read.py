"""Keeps the timeline of this server process up to date with `P:rates`, as far back as somebody has asked. An edge.

Each entry is read once, whatever the number of viewers: what is new before each answer, what is older when it is first
asked for. A day of one process takes about as long as its 86,400 entries take to be read, in slices that leave the
event loop to others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import structlog
from redis.asyncio import Redis

from connectors.errors import BadRecord
from connectors.places import Place, Span
from connectors.settings import Keys
from connectors.stream_pages import Breath, reach_of, scan, settled_end
from dashboard.health.figures import Second
from dashboard.history.timeline import Timeline
from dashboard.live.reader import reader

log = structlog.get_logger()


class _Read(NamedTuple):
    """Everything between these places has been read."""

    since: Place
    until: Place


class RatesRead:
    """One timeline and how much of the stream is in it. For one event loop."""

    def __init__(self, client: Redis, keys: Keys, *, fresh_s: float = 1.0) -> None:
        """What was read less than `fresh_s` ago is not read again: the cost does not grow with the viewers."""
        self._client = client
        self._streams = (keys.rates,)
        self._timeline = Timeline()
        self._read: _Read | None = None
        self._turn = asyncio.Lock()
        self._fresh_s = fresh_s
        self._read_s = float("-inf")
        self._reaches_ms: int | None = None

    async def since(self, from_ms: int) -> tuple[Timeline, int | None]:
        """The timeline, with all that was written from then on, and when the oldest rates there are were written.

        Raises our errors; what was read until then is kept.
        """
        async with self._turn:
            if not self._is_fresh(Place.moment(from_ms)):
                await self._refresh(Place.moment(from_ms))
        return self._timeline, self._reaches_ms

    def _is_fresh(self, begin: Place) -> bool:
        recent = time.monotonic() - self._read_s < self._fresh_s
        return recent and self._read is not None and self._read.since <= begin

    async def _refresh(self, begin: Place) -> None:
        end = await settled_end(self._client, self._streams)
        if self._read is None:
            self._read = _Read(end, end)
        await self._take(Span(self._read.until, end), newest_first=False)
        if begin < self._read.since:
            await self._take(Span(begin, self._read.since), newest_first=True)
        oldest = (await reach_of(self._client, self._streams)).oldest
        self._reaches_ms = None if oldest is None else oldest.ms
        self._read_s = time.monotonic()

    async def _take(self, span: Span, *, newest_first: bool) -> None:
        """Add what lies in a span beside what was read; what was added is never added again, however this ends."""
        breath = Breath()
        async for entries in scan(self._client, self._streams, span, newest_first=newest_first):
            for entry in entries:
                self._add(entry.place, entry.fields)
                self._extend(entry.place, newest_first)
                await breath.taken()
        end = span.after if newest_first else span.before
        assert end is not None, "the span has two ends"
        self._extend(end, newest_first)

    def _extend(self, place: Place, older: bool) -> None:
        assert self._read is not None
        self._read = self._read._replace(since=place) if older else self._read._replace(until=place)

    def _add(self, place: Place, fields: Mapping[str, str]) -> None:
        try:
            self._timeline.add(Second.from_fields(place.ms, fields))
        except BadRecord as exc:
            log.warning("page.rates_unreadable", id=place.id, reason=str(exc))


@cache
def rates_read() -> RatesRead:
    """That of this process."""
    return RatesRead(*reader().source)
