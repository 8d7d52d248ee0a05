"""One-time tickets for exports, in Redis: what may be fetched, by whom, and how far it is. An edge: it talks to Redis.

A page gets a ticket over its socket and fetches the file with it by a plain download, which may reach another process
of the server. A ticket holds once and for the session that asked for it, and both sides of the download meet at it:
the one that writes says how far it is, the one that watches may cancel it. It is the hash `P:export:<sha256 of the
ticket>` with `session`, `order`, and, as they come, `begun`, `progress`, `cancelled`; it expires by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import Redis

from connectors.errors import ConfigError
from connectors.passwords import new_token, token_hash
from connectors.redis_client import translated
from connectors.settings import Keys

UNUSED_S = 60
RUNNING_S = 60
ENDED_S = 300

_BEGIN = """
if redis.call('HGET', KEYS[1], 'session') ~= ARGV[1] then return false end
if redis.call('HSETNX', KEYS[1], 'begun', '1') == 0 then return false end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'order')
"""
_TELL = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'progress', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1 - redis.call('HEXISTS', KEYS[1], 'cancelled')
"""
_CANCEL = """
if redis.call('HGET', KEYS[1], 'session') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'cancelled', '1')
return 1
"""


class Tickets:
    """Every method raises `ConfigError` and `TransientError` as `translated` says."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def issue(self, session_id: str, order: str) -> str:
        """A ticket with which this session may have `order` once, within a minute."""
        token = new_token()
        key = self._key(token)
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hset(key, mapping={"session": session_id, "order": order})
        pipeline.expire(key, UNUSED_S)
        with translated("writing an export's ticket"):
            await pipeline.execute()
        return token

    async def begin(self, token: str, session_id: str) -> str | None:
        """The order, once; None when there is no such ticket, it is another session's, or it was used."""
        order = await self._run(_BEGIN, token, session_id, RUNNING_S)
        return None if order is None else str(order)

    async def tell(self, token: str, progress: str, *, ended: bool = False) -> bool:
        """Say how far it is, at least every half minute; whether it is still wanted."""
        return bool(await self._run(_TELL, token, progress, ENDED_S if ended else RUNNING_S))

    async def progress(self, token: str, session_id: str) -> str | None:
        """What was said last, None when nothing was yet. Raises `ConfigError` when the session has no such export."""
        with translated("reading an export's ticket"):
            found = await cast(
                "Awaitable[list[str | None]]", self._client.hmget(self._key(token), ["session", "progress"])
            )
        if found[0] != session_id:
            raise ConfigError("this export has ended without a word: its ticket is too old, or its server has gone")
        return found[1]

    async def cancel(self, token: str, session_id: str) -> None:
        """It is not wanted any more. Does nothing when the session has no such export."""
        await self._run(_CANCEL, token, session_id)

    def _key(self, token: str) -> str:
        return self._keys.export(token_hash(token))

    async def _run(self, script: str, token: str, *args: str | int) -> Any:
        with translated("writing an export's ticket"):
            return await self._client.eval(script, 1, self._key(token), *map(str, args))
