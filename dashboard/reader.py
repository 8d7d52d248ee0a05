"""Reads for the page: one task in each server process, whatever the number of viewers, and none while nobody watches.

What is new in the feed is read at once; then there is a pause, the longer the more came, `TICK_S` at most. Only the
newest entries are read, at most `TICK_MAX` of each stream, so that the cost does not grow with the rate; what is left
out is told from the rates. Once a second the rates and the flow's health are read too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from connectors.errors import BadRecord, DBWatchError
from connectors.redis_client import connect_async, translated
from connectors.settings import Keys, Settings
from connectors.stream_ids import BEGINNING, newest_of, parts
from dashboard.figures import SERIES_S, Minute, Second, Shortfall
from dashboard.messages import beat, fill, news
from dashboard.rows import PER_BATCH, PER_TABLE, Tables
from dashboard.status import UNREADABLE, Status, status_of

TICK_S = 0.1
TICK_MAX = 100
_ENTRY_S = TICK_S / PER_BATCH
_SHORTEST_S = 0.02
BEAT_S = 1.0
LOOK_BACK = 1000

Send = Callable[[str], None]
_Entries = list[tuple[str, Mapping[str, str]]]

log = structlog.get_logger()


class Reader:
    """Sends messages (see `dashboard.messages`) to whoever has joined. For one event loop."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._viewers: set[Send] = set()
        self._task: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        self._positions = dict.fromkeys(self._keys.changes, BEGINNING)
        self._last_rates = BEGINNING
        self._tables = Tables()
        self._minute = Minute()
        self._beat = ""
        self._beat_at_s = float("-inf")
        self._shortfall = Shortfall()
        self._capped = False
        self._counted = (0, 0)
        self._away = False

    def join(self, send: Send) -> None:
        """From now on `send` gets every message; first what the tables hold, as soon as that is known."""
        running = self._task is not None and not self._task.done()
        self._viewers.add(send)
        if running and self._beat:
            send(fill(self._tables.all()))
            send(self._beat)
        if not running:
            self._forget()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="dbwatch reader")

    def leave(self, send: Send) -> None:
        """No more messages; reading ends with the last viewer."""
        self._viewers.discard(send)

    async def _run(self) -> None:
        started = False
        while self._viewers:
            pause_s = TICK_S
            try:
                if not started:
                    await self._begin()
                    started = True
                else:
                    await self._await_news()
                    pause_s = await self._read_news()
                await self._read_figures()
                self._away = False
            except DBWatchError as exc:
                self._tell_away(exc)
            except Exception:  # a page that goes on and says so is worth more than one that stops
                log.exception("page.reader_failed")
                self._send(beat(UNREADABLE, None))
                await asyncio.sleep(BEAT_S)
            await asyncio.sleep(pause_s)

    async def _begin(self) -> None:
        """Fill the tables with the newest of what is there."""
        found, _ = await self._newest(LOOK_BACK)
        self._tables.add(newest_of(found, LOOK_BACK), PER_TABLE)
        self._counted = (self._tables.shown, self._tables.left_out)
        await self._read_figures()
        self._send(fill(self._tables.all()))
        self._send(self._beat)

    async def _await_news(self) -> None:
        """Until there is something new in the feed, or it is time for the next beat."""
        left_ms = round((self._beat_at_s + BEAT_S - time.monotonic()) * 1000)
        if left_ms > 0:
            with translated(f"waiting for {', '.join(self._positions)}"):
                await self._client.xread({**self._positions}, count=1, block=left_ms)

    async def _read_news(self) -> float:
        """Tell what is new; how long to leave the viewers with it."""
        found, capped = await self._newest(TICK_MAX)
        self._capped |= capped
        rows = self._tables.add(newest_of(found, TICK_MAX * len(found)))
        if rows:
            self._send(news(rows))
        return min(max(_SHORTEST_S, sum(map(len, found.values())) * _ENTRY_S), TICK_S)

    async def _newest(self, most: int) -> tuple[dict[str, _Entries], bool]:
        """The newest entries of each stream after what was read, and whether there were more than `most`."""
        pipeline = self._client.pipeline(transaction=False)
        for stream, after in self._positions.items():
            pipeline.xrevrange(stream, min=f"({after}", count=most)
        with translated(f"reading {', '.join(self._positions)}"):
            replies = cast("list[_Entries]", await pipeline.execute())
        found = dict(zip(self._positions, replies, strict=True))
        for stream, entries in found.items():
            if entries:
                self._positions[stream] = entries[0][0]
        return found, any(len(entries) == most for entries in replies)

    async def _read_figures(self) -> None:
        """Once a second: how fast the flow writes, and whether it lives."""
        if time.monotonic() - self._beat_at_s < BEAT_S:
            return
        self._beat_at_s = time.monotonic()
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.xrevrange(self._keys.rates, min=f"({self._last_rates}", count=SERIES_S * 16)
        pipeline.hgetall(self._keys.health)
        with translated(f"reading {self._keys.rates} and {self._keys.health}"):
            reply: list[Any] = await pipeline.execute()
        (seconds, micros), rates, health = reply
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        self._take_rates(rates, now_ms)
        status = status_of(health, now_ms - self._minute.ahead_ms())
        self._tell(status, now_ms)

    def _take_rates(self, newest_first: _Entries, now_ms: int) -> None:
        if newest_first:
            self._last_rates = newest_first[0][0]
        seconds: list[Second] = []
        for entry_id, fields in reversed(newest_first):
            try:
                seconds.append(Second.from_fields(parts(entry_id)[0], fields))
            except BadRecord as exc:
                log.warning("page.rates_unreadable", id=entry_id, reason=str(exc))
        self._minute.add(seconds, now_ms)

    def _tell(self, status: Status, now_ms: int) -> None:
        rates = self._minute.rates(now_ms)
        left_out = self._left_out(rates.shown)
        self._beat = beat(status, rates, left_out=left_out, unreadable=self._tables.unreadable, now_ms=now_ms)
        self._send(self._beat)

    def _left_out(self, written: float) -> int:
        """About how many changes a second are not shown; call it once a second."""
        shown, left_out = self._counted
        self._counted = (self._tables.shown, self._tables.left_out)
        tables = self._tables
        self._shortfall.add(tables.shown - shown, tables.left_out - left_out, capped=self._capped)
        self._capped = False
        return self._shortfall.per_second(written)

    def _tell_away(self, exc: DBWatchError) -> None:
        if not self._away:
            log.warning("page.redis_away", reason=str(exc))
        self._away = True
        if time.monotonic() - self._beat_at_s >= BEAT_S:
            self._beat_at_s = time.monotonic()
            self._send(beat(UNREADABLE, None))

    def _send(self, message: str) -> None:
        for send in tuple(self._viewers):
            send(message)


@cache
def reader() -> Reader:
    """That of this process."""
    settings = Settings.load()
    return Reader(connect_async(settings.redis_url), settings.keys)
