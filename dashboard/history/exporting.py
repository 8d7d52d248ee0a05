"""Makes an export from the feed, piece by piece. An edge: it talks to Redis.

What is exported is fixed when it begins: what is written later is not in it. What is trimmed from the feed while it is
read is missing, at the old end. Memory is that of one piece, however many rows there are.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from connectors.passwords import Role
from connectors.places import Entry, Place, Span
from connectors.stream_pages import Breath, reach_of, scan, settled_end
from dashboard.access.hidden import hide_fields
from dashboard.access.roles import Hidden
from dashboard.filters import parse
from dashboard.history.exports import Order, Progress, file_of, limit_reached, share_of

Tell = Callable[[Progress], Awaitable[bool]]
"""Hears how far it is; whether to go on."""


class Allowed(NamedTuple):
    """What a role may have: at most so many rows, without what is hidden from it."""

    role: Role
    limit: int
    hidden: frozenset[Hidden]


class Export:
    """One export. `progress` is how far it has come."""

    def __init__(
        self,
        redis: Redis,
        streams: Sequence[str],
        order: Order,
        allowed: Allowed,
        tell: Tell,
        *,
        tell_every_s: float = 0.25,
    ) -> None:
        """Raises `FilterError` for a filter that does not parse."""
        self._tell_every_s = tell_every_s
        self._redis = redis
        self._streams = streams
        self._order = order
        self._allowed = allowed
        self._tell = tell
        self._wanted = order.chosen.wanted(parse(order.chosen.filter).matches_fields)
        self._file = file_of(order, streams)
        self._told_s = float("-inf")
        self._last: Place | None = None
        self.progress = Progress("running")

    async def pieces(self) -> AsyncIterator[str]:
        """The file, in order; told at its end whether it was cut off. Ends early when it is no longer wanted.

        Raises our errors when Redis goes away: then what was given is no whole file.
        """
        newest_first = self._order.newest_first
        span, begin_ms, end_ms = await self._extent()
        yield self._file.head()
        breath = Breath()
        async for entries in scan(self._redis, self._streams, span, newest_first=newest_first):
            rows: list[str] = []
            for place, fields in entries:
                await breath.taken()
                seen = hide_fields(fields, self._allowed.hidden)
                if not self._wanted(seen):
                    continue
                if self.progress.rows + len(rows) == self._allowed.limit:
                    yield "".join(rows) + self._cut_off(len(rows))
                    return
                rows.append(self._file.row(Entry(place, seen)))
                self._last = place
            if rows:
                yield "".join(rows)
            share = share_of(entries[-1].place, begin_ms=begin_ms, end_ms=end_ms, newest_first=newest_first)
            self._count(len(rows), len(entries), share)
            if not await self._go_on():
                self.progress = self.progress._replace(state="cancelled", message="cancelled")
                return
        self.progress = self.progress._replace(state="done", share=1.0)

    async def _extent(self) -> tuple[Span, int, int]:
        """What is read, and from when until when."""
        end = await settled_end(self._redis, self._streams)
        reach = await reach_of(self._redis, self._streams)
        after, before = self._order.chosen.span
        before = end if before is None else min(before, end)
        oldest_ms = reach.oldest.ms if reach.oldest is not None else before.ms
        return Span(after, before), max(oldest_ms, after.ms if after is not None else 0), before.ms

    def _cut_off(self, rows: int) -> str:
        assert self._last is not None, "a limit is at least one row"
        why = limit_reached(self._allowed.limit, self._allowed.role, self._last)
        self._count(rows, rows, self.progress.share)
        self.progress = self.progress._replace(state="cut", message=why)
        return self._file.cut_off(why)

    def _count(self, rows: int, looked: int, share: float) -> None:
        now = self.progress
        self.progress = now._replace(rows=now.rows + rows, looked=now.looked + looked, share=round(share, 4))

    async def _go_on(self) -> bool:
        if time.monotonic() - self._told_s < self._tell_every_s:
            return True
        self._told_s = time.monotonic()
        return await self._tell(self.progress)
