"""Reads for the page: one task in each server process, whatever the number of viewers, and none while nobody watches.

What is new in the feed is read at once; then there is a pause, the longer the more came, `TICK_S` at most. Only the
newest entries are read, at most `TICK_MAX` of each stream, so that the cost does not grow with the rate; what is left
out is told from the rates. While somebody looks through a filter up to `TICK_MOST` are read, for what they look for may
be rare. Once a second the rates and the flow's health are read too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar, cast

import structlog
from redis.asyncio import Redis

from connectors.errors import DBWatchError, TransientError
from connectors.redis_client import connect_async, translated
from connectors.settings import Keys, Settings
from connectors.stream_ids import BEGINNING, newest_of
from dashboard.health.figures import SERIES_S
from dashboard.health.findings import strip
from dashboard.health.hot import Hottest
from dashboard.health.vitals_reader import read_vitals
from dashboard.health.watch import Seen, Watch
from dashboard.live.channels import Channel, Send
from dashboard.live.fan_outs import Key, cut_off, is_torn
from dashboard.live.lenses import Entry, Lens
from dashboard.live.messages import Positions
from dashboard.live.rows import PER_BATCH

TICK_S = 0.1
TICK_MAX = 100
TICK_MOST = 5000
FAN_OUT_MOST = 1000
"""So many are read where a fan-out of many rows goes on before the newest `TICK_MAX`, so that it is counted whole."""
_ENTRY_S = TICK_S / PER_BATCH
_SHORTEST_S = 0.02
_TURN = 500
BEAT_S = 1.0
PATIENCE_S = 2.0
"""So long after its time may Redis answer; a page that hears nothing for 3.5 s takes this server for gone."""
VITALS_S = 5.0
HOT_MOST = 1000
"""So many of the entries of one read are counted for the hottest rows."""
LOOK_BACK = 1000
LOOK_BACK_FILTERED = 10_000
"""So many of the newest entries of each stream are looked through when somebody begins to watch."""

_Entries = list[tuple[str, Mapping[str, str]]]

T = TypeVar("T")

log = structlog.get_logger()


class Reader:
    """Sends messages (see `dashboard.live.messages`) to whoever has joined. For one event loop."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._channels: dict[Lens, Channel] = {}
        self._filling: dict[Lens, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        for task in self._filling.values():
            task.cancel()
        self._filling = {}
        self._positions: dict[str, str] = {}
        self._last_rates = BEGINNING
        self._watch = Watch()
        self._beat_at_s = self._vitals_at_s = float("-inf")
        self._clock: tuple[int, float] | None = None
        self._away = False

    @property
    def source(self) -> tuple[Redis, Keys]:
        """What is read from, for others of this process."""
        return self._client, self._keys

    @property
    def seen(self) -> Seen | None:
        """How things stood at the last beat; None when Redis cannot be read, or nobody watches yet."""
        return self._watch.seen

    @property
    def hottest(self) -> Hottest:
        return self._watch.hottest

    def join(self, send: Send, lens: Lens) -> None:
        """From now on `send` gets every message of what is seen through this lens, and of no other."""
        self.leave(send)
        running = self._task is not None and not self._task.done()
        if lens not in self._channels:
            self._channels[lens] = Channel(lens, self._keys.changes)
            if running and self._positions:
                self._fill_soon(self._channels[lens])
        self._channels[lens].join(send)
        if not running:
            self._forget()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="dbwatch reader")

    def leave(self, send: Send) -> None:
        """No more messages; reading ends with the last viewer."""
        for lens, channel in list(self._channels.items()):
            channel.viewers.pop(send, None)
            if not channel.viewers:
                del self._channels[lens]
                if task := self._filling.pop(lens, None):
                    task.cancel()

    def told(self, send: Send) -> tuple[Positions, Positions] | None:
        """From where and up to where in each stream somebody has been told everything; None who was told nothing."""
        return next((told for channel in self._channels.values() if (told := channel.told(send))), None)

    async def _run(self) -> None:
        while self._channels:
            pause_s = TICK_S
            try:
                if not self._positions:
                    await self._begin()
                else:
                    await self._await_news()
                    pause_s = await self._in_time(self._read_news())
                await self._in_time(self._read_figures())
                self._away = False
            except DBWatchError as exc:
                self._tell_away(exc)
            except Exception:  # a page that goes on and says so is worth more than one that stops
                log.exception("page.reader_failed")
                self._tell_unreadable()
                await asyncio.sleep(BEAT_S)
            await asyncio.sleep(pause_s)

    async def _in_time(self, reading: Coroutine[Any, Any, T]) -> T:
        """What is read, unless Redis hangs. Once that was told there is all the time that its client gives: what comes
        late may be large, and must come some time.
        """
        async with _patience(None if self._away else PATIENCE_S):
            return await reading

    async def _begin(self) -> None:
        """From now on everything is read; what stands there already fills the channels."""
        async with _patience(PATIENCE_S):
            newest = await self._newest(dict.fromkeys(self._keys.changes, BEGINNING), 1)
        self._positions = {stream: entries[0][0] if entries else BEGINNING for stream, entries in newest.items()}
        for channel in self._channels.values():
            self._fill_soon(channel)

    def _fill_soon(self, channel: Channel) -> None:
        lens = channel.lens
        task = asyncio.get_running_loop().create_task(self._fill(channel), name="dbwatch fill")
        self._filling[lens] = task
        task.add_done_callback(lambda done: self._filling.pop(lens) if self._filling.get(lens) is done else None)

    async def _fill(self, channel: Channel) -> None:
        """Look back from where the reader is now; what comes meanwhile waits in the channel."""
        positions = dict(self._positions)
        most = LOOK_BACK if channel.lens.is_whole else LOOK_BACK_FILTERED
        while True:
            try:
                entries = await self._before(positions, most)
                self._watch.hottest.begin(entries, capped=len(entries) >= most)
                for begin in range(0, len(entries), _TURN):
                    channel.look_back(entries[begin : begin + _TURN])
                    await asyncio.sleep(0)
                channel.filled([], positions, cut=_cut_before(entries, most))
                return
            except DBWatchError as exc:
                self._tell_away(exc)
                await asyncio.sleep(BEAT_S)

    async def _before(self, positions: Mapping[str, str], most: int) -> list[Entry]:
        """The newest `most` entries up to these positions, oldest first."""
        found: dict[str, _Entries] = {stream: [] for stream in positions}
        ends = dict(positions)
        while ends and all(len(entries) < most for entries in found.values()):
            pipeline = self._client.pipeline(transaction=False)
            for stream, end in ends.items():
                pipeline.xrevrange(stream, max=end, count=LOOK_BACK)
            with translated(f"reading {', '.join(ends)}"):
                replies = cast("list[_Entries]", await pipeline.execute())
            for (stream, _), entries in zip(list(ends.items()), replies, strict=True):
                found[stream] += entries
                if len(entries) < LOOK_BACK:
                    del ends[stream]
                else:
                    ends[stream] = f"({entries[-1][0]}"
        return newest_of(found, most)

    async def _await_news(self) -> None:
        """Until there is something new in the feed, or it is time for the next beat."""
        left_ms = round((self._beat_at_s + BEAT_S - time.monotonic()) * 1000)
        if left_ms > 0 or self._away:
            left_ms = max(left_ms, 1)  # none at all would be for ever
            with translated(f"waiting for {', '.join(self._positions)}"):
                async with _patience(left_ms / 1000 + PATIENCE_S):
                    await self._client.xread({**self._positions}, count=1, block=left_ms)

    async def _read_news(self) -> float:
        """Tell what is new; how long to leave the viewers with it."""
        most = TICK_MAX if all(lens.is_whole for lens in self._channels) else TICK_MOST
        found = await self._newest(self._positions, most)
        full = [stream for stream, entries in found.items() if len(entries) == most]
        if most < FAN_OUT_MOST:
            full = await self._read_on(found, full, FAN_OUT_MOST - most)
        for stream, entries in found.items():
            if entries:
                self._positions[stream] = entries[0][0]
        capped = bool(full)
        cut = frozenset[Key]().union(*(cut_off([fields for _, fields in found[stream]]) for stream in full))
        news = newest_of(found, sum(map(len, found.values())))
        self._watch.hottest.add(news[-HOT_MOST:], capped=capped or len(news) > HOT_MOST)
        up_to = dict(self._positions)
        for channel in tuple(self._channels.values()):
            channel.take(news, up_to, capped=capped, cut=cut)
        return min(max(_SHORTEST_S, len(news) * _ENTRY_S), TICK_S)

    async def _read_on(self, found: dict[str, _Entries], full: list[str], most: int) -> list[str]:
        """Read up to `most` older entries of those streams in which a fan-out was cut in two; add them to what was
        found. Which streams have still more.
        """
        torn = [stream for stream in full if is_torn([fields for _, fields in found[stream]])]
        if not torn:
            return full
        pipeline = self._client.pipeline(transaction=False)
        for stream in torn:
            pipeline.xrevrange(stream, max=f"({found[stream][-1][0]}", min=f"({self._positions[stream]}", count=most)
        with translated(f"reading {', '.join(torn)}"):
            replies = cast("list[_Entries]", await pipeline.execute())
        older = dict(zip(torn, replies, strict=True))
        for stream, entries in older.items():
            found[stream] = [*found[stream], *entries]
        return [stream for stream in full if stream not in older or len(older[stream]) == most]

    async def _newest(self, after: Mapping[str, str], most: int) -> dict[str, _Entries]:
        """The newest entries of each stream after what was read, newest first, at most `most` of each."""
        pipeline = self._client.pipeline(transaction=False)
        for stream, position in after.items():
            pipeline.xrevrange(stream, min=f"({position}", count=most)
        with translated(f"reading {', '.join(after)}"):
            replies = cast("list[_Entries]", await pipeline.execute())
        return dict(zip(after, replies, strict=True))

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
        self._clock = now_ms, time.monotonic()
        if rates:
            self._last_rates = rates[0][0]
        self._watch.take_rates(reversed(rates), now_ms)
        await self._read_vitals()
        seen = self._watch.look(health, now_ms)
        shown = strip(seen.found)
        for channel in tuple(self._channels.values()):
            channel.tell(seen.status, seen.rates, now_ms, shown)

    async def _read_vitals(self) -> None:
        """Now and then: what changes slowly."""
        if time.monotonic() - self._vitals_at_s >= VITALS_S:
            self._vitals_at_s = time.monotonic()
            self._watch.vitals = await read_vitals(self._client, self._keys)

    def _tell_away(self, exc: DBWatchError) -> None:
        if not self._away:
            log.warning("page.redis_away", reason=str(exc))
        self._away = True
        if time.monotonic() - self._beat_at_s >= BEAT_S:
            self._tell_unreadable()

    def _tell_unreadable(self) -> None:
        self._beat_at_s = time.monotonic()
        now_ms = self._now_ms()
        status = self._watch.lost(now_ms)
        for channel in tuple(self._channels.values()):
            channel.tell(status, None, now_ms)

    def _now_ms(self) -> int:
        """By Redis's clock, as far as that is known."""
        if self._clock is None:
            return time.time_ns() // 1_000_000
        read_ms, at_s = self._clock
        return read_ms + round((time.monotonic() - at_s) * 1000)


@asynccontextmanager
async def _patience(most_s: float | None) -> AsyncGenerator[None]:
    """Raises `TransientError` for what takes longer."""
    try:
        async with asyncio.timeout(most_s):
            yield
    except TimeoutError as exc:
        raise TransientError("Redis does not answer in time; it hangs, or has too much to do") from exc


def _cut_before(oldest_first: Sequence[Entry], most: int) -> frozenset[Key]:
    """The fan-outs that may go on before the oldest of what was found when at most `most` were looked for."""
    return cut_off([entry.item for entry in reversed(oldest_first)]) if len(oldest_first) >= most else frozenset()


@cache
def reader() -> Reader:
    """That of this process."""
    settings = Settings.load()
    return Reader(connect_async(settings.redis_url), settings.keys)
