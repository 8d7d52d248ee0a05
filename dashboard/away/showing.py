"""Keeps what a viewer's browser says it has shown: checked against what it was sent, written about once a second.

With it goes, where that can be told, how many entries there were up to there, so that it can be said later how many
were trimmed unseen: at once when there is nothing newer, else when the page has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from redis.asyncio import Redis

from connectors.errors import BadRecord, DBWatchError, TransientError
from connectors.seen import SeenStore
from connectors.settings import Keys
from connectors.stream_extents import ends_of, extents_of, rank_of
from connectors.stream_ids import parts
from connectors.stretches import EntryId, Stretch, Stretches, preceding, union
from dashboard.away.shown import Sent
from dashboard.live.messages import Positions

AGAIN_S = 1.0

log = structlog.get_logger()


class Showing:
    """For one viewer, on one event loop. What cannot be written while Redis is away is written later; what a closed
    page had said is written still."""

    def __init__(self, name: str, source: Callable[[], tuple[Redis, Keys]]) -> None:
        self._name = name
        self._source = source
        self._sent: Sent | None = None
        self._waiting: dict[str, Stretches] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._ends: dict[str, EntryId] = {}

    def sent(self, positions: Positions) -> None:
        """The page has been sent everything up to these, by stream, from the first ones on."""
        if self._sent is None:
            self._sent = Sent(self._source()[1].changes)
        self._sent.sent({stream: parts(entry_id) for stream, entry_id in positions.items()})

    def said(self, claim: object) -> None:
        """The browser says that it has shown this: as far as it was sent, it is kept. Anything may come."""
        try:
            believed = self._sent.believed(claim) if self._sent else {}
        except BadRecord as exc:
            log.warning("page.claim_refused", visitor=self._name, reason=str(exc))
            return
        for stream, stretches in believed.items():
            self._waiting[stream] = union((*self._waiting.get(stream, ()), *stretches))
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._write(), name="dbwatch seen")

    def close(self) -> None:
        """The page is gone: what it said is tried once more, not for ever."""
        self._closed = True
        if self._ends:
            self._task = asyncio.get_running_loop().create_task(self._count(self._task), name="dbwatch seen")

    async def settled(self) -> None:
        """Until all that was said so far is written, or given up."""
        if self._task is not None:
            await self._task

    async def _count(self, before: asyncio.Task[None] | None) -> None:
        """How many entries there were up to the last one shown."""
        if before is not None:
            await before
        redis, keys = self._source()
        with suppress(DBWatchError):  # else the notice will say that it is not known
            added = {stream: {end: await rank_of(redis, stream, end)} for stream, end in self._ends.items()}
            known = {s: {end: n for end, n in ranks.items() if n is not None} for s, ranks in added.items()}
            last = {stream: (Stretch(preceding(end), end),) for stream, end in self._ends.items()}
            await SeenStore(redis, keys).add(self._name, last, known)

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            redis, keys = self._source()
            try:
                extents = await extents_of(redis, tuple(waiting))
                await SeenStore(redis, keys).add(self._name, waiting, ends_of(extents))
                self._ends |= {stream: stretches[-1].upto for stream, stretches in waiting.items()}
                continue
            except TransientError:
                self._wait_again(waiting)
            except DBWatchError as exc:
                log.warning("page.seen_not_kept", visitor=self._name, reason=str(exc))
                return
            if self._closed:
                return
            await asyncio.sleep(AGAIN_S)

    def _wait_again(self, waiting: Mapping[str, Stretches]) -> None:
        for stream, stretches in waiting.items():
            self._waiting[stream] = union((*self._waiting.get(stream, ()), *stretches))
