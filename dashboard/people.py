"""Accounts for the server's event loop: its calls wait in threads, hashing in few of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from connectors.accounts import Accounts, Refused, Session, SignedIn
from connectors.redis_client import connect
from connectors.settings import Settings

T = TypeVar("T")

_READERS = 4
_HASHERS = 2  # each hash takes 64 MB and a core for about 0.1 s: more at once would starve the page


class People:
    """Raises what `Accounts` raises: `TransientError` while Redis is away, `ConfigError` when it refuses."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._reading = ThreadPoolExecutor(_READERS, "dbwatch people")
        self._hashing = ThreadPoolExecutor(_HASHERS, "dbwatch hash")

    async def session(self, token: str) -> Session | None:
        return await _in(self._reading, partial(self._accounts.session, token))

    async def sessions(self, ids: Sequence[str]) -> list[Session | None]:
        return await _in(self._reading, partial(self._accounts.sessions, ids))

    async def sign_in(self, name: str, password: str, *, address: str) -> SignedIn | Refused:
        return await _in(self._hashing, partial(self._accounts.sign_in, name, password, address=address))

    async def sign_out(self, token: str) -> None:
        await _in(self._reading, partial(self._accounts.sign_out, token))


@cache
def people() -> People:
    """Those of the settings; made at first use, so that each server process has connections of its own."""
    settings = Settings.load()
    return People(Accounts(connect(settings.redis_url), settings.keys))


async def _in(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, call)
