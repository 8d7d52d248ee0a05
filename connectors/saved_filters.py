"""The filters that people keep, in Redis: per user a hash, by the name that they gave.

The field with the empty name, which no saved filter can have, is the filter that the user applied last. The hash is
one of a user's own things: it goes with the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from redis.asyncio import Redis

from connectors.errors import ConfigError
from connectors.redis_client import translated
from connectors.settings import Keys

MOST = 100
_LAST = ""

# Not one more than ARGV[3] names, the empty one not counted; a name that is there is written over.
_SAVE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  local held = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], '')
  if held >= tonumber(ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


class SavedFilters:
    """Names and texts come checked. Every method raises `ConfigError` and `TransientError` as `translated` says."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def of(self, user: str) -> Mapping[str, str]:
        """The user's filters by name, in the order of the names."""
        with translated("reading saved filters"):
            found = cast("dict[str, str]", await self._client.hgetall(self._key(user)))
        return {name: found[name] for name in sorted(found, key=lambda name: (name.casefold(), name)) if name != _LAST}

    async def save(self, user: str, name: str, text: str) -> None:
        """Keep a filter, in the place of the one of that name; raises `ConfigError` when there are `MOST` others."""
        with translated("saving a filter"):
            kept = await self._client.eval(_SAVE, 1, self._key(user), name, text, str(MOST))
        if not kept:
            raise ConfigError(f"{MOST} filters are saved already, and there is room for no more; delete one first")

    async def delete(self, user: str, name: str) -> bool:
        """Forget a filter; whether there was one."""
        with translated("deleting a filter"):
            return bool(await self._client.hdel(self._key(user), name)) if name != _LAST else False

    async def last(self, user: str) -> str:
        """The filter that the user applied last, empty for none."""
        with translated("reading the last filter"):
            return cast("str | None", await self._client.hget(self._key(user), _LAST)) or ""

    async def set_last(self, user: str, text: str) -> None:
        """Remember what the user has applied; the empty text is no filter."""
        with translated("keeping the last filter"):
            if text:
                await self._client.hset(self._key(user), _LAST, text)
            else:
                await self._client.hdel(self._key(user), _LAST)

    def _key(self, user: str) -> str:
        return self._keys.of_user(user, "filters")
