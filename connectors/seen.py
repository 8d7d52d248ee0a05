"""What each person has seen of the feed, kept in Redis. An edge, for asyncio.

It is the hash `P:user:<name>:seen`: for each stream the stretches of entries that were on the person's screen, or that
they said they have seen (`connectors.stretches`). Adding is a union, written only over what it was made from, so that
tabs, servers and repetitions cannot undo each other: what is seen stays seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from redis.asyncio import Redis

from connectors.errors import BadRecord, ConfigError, TransientError
from connectors.redis_client import translated
from connectors.settings import Keys
from connectors.stretches import START, EntryId, Extent, Seen, Stretch, Stretches

# Writes fields that are still what they were when read ("" where there was none); says whether it did.
_REPLACE = """
for i = 1, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
for i = 1, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
return 1
"""
_NOTHING = "0-0..0-0"  # begun, and nothing seen: the stream was empty then
_MOST_TRIES = 100

Added = Mapping[EntryId, int]


class SeenStore:
    """Every method raises `ConfigError` and `TransientError` as `translated` says."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def begin(self, name: str, ends: Mapping[str, Extent]) -> Mapping[str, Seen]:
        """What they have seen of each stream; of one that they have never opened, all that it holds up to now."""

        def begun(stream: str, seen: Seen | None) -> Seen:
            if seen is not None:
                return seen
            end = ends[stream]
            return Seen().with_stretches([Stretch(START, end.last)], {} if end.added is None else {end.last: end.added})

        return await self._change(name, tuple(ends), begun)

    async def add(
        self, name: str, stretches: Mapping[str, Stretches], added: Mapping[str, Added] | None = None
    ) -> Mapping[str, Seen]:
        """They have seen these as well; what they have seen now of these streams.

        Where nothing is known of a stream yet, it begins with the first stretch: what is older counts as seen.
        """
        known = added or {}

        def grown(stream: str, seen: Seen | None) -> Seen:
            before = seen or Seen((Stretch(START, min(stretch.after for stretch in stretches[stream])),))
            return before.with_stretches(stretches[stream], known.get(stream))

        return await self._change(name, tuple(stream for stream in stretches if stretches[stream]), grown)

    async def _change(
        self, name: str, streams: tuple[str, ...], change: Callable[[str, Seen | None], Seen]
    ) -> Mapping[str, Seen]:
        if not streams:
            return {}
        key = self._keys.of_user(name, "seen")
        for _ in range(_MOST_TRIES):
            with translated(f"reading {key}"):
                old = await cast("Awaitable[list[str | None]]", self._client.hmget(key, list(streams)))
            now = {stream: change(stream, self._read(key, text)) for stream, text in zip(streams, old, strict=True)}
            words: list[str] = []
            for stream, text in zip(streams, old, strict=True):
                new = now[stream].to_text() or _NOTHING
                if new != text:
                    words += (stream, text or "", new)
            if not words or await self._replaced(key, words):
                return now
        raise TransientError(f"writing {key}: others wrote it {_MOST_TRIES} times in between")

    async def _replaced(self, key: str, words: list[str]) -> bool:
        with translated(f"writing {key}"):
            return bool(await cast("Awaitable[int]", self._client.eval(_REPLACE, 1, key, *words)))

    @staticmethod
    def _read(key: str, text: str | None) -> Seen | None:
        try:
            return None if text is None else Seen.from_text(text)
        except BadRecord as exc:
            raise ConfigError(f"{key} cannot be read: {exc}; delete it to begin at now") from exc
