"""Accounts for the server's event loop: its calls wait in threads, hashing in few of them.

Who asks is asked of Redis for each request: while it hangs, requests are refused soon, so that they do not pile up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from connectors.accounts import Accounts, Refused, Session, SignedIn
from connectors.audit import Audit, Deed, Outcome, Page
from connectors.errors import TransientError
from connectors.redis_client import connect
from connectors.settings import Settings
from dashboard.access.roles import roles

T = TypeVar("T")

_READERS = 4
_WITHIN_S = 3.0
_HASHERS = 2  # each hash takes 64 MB and a core for about 0.1 s: more at once would starve the page


class People:
    """Raises what `Accounts` raises: `TransientError` while Redis is away, `ConfigError` when it refuses."""

    def __init__(self, accounts: Accounts, audit: Audit) -> None:
        self._accounts = accounts
        self._audit = audit
        self._reading = ThreadPoolExecutor(_READERS, "dbwatch people")
        self._hashing = ThreadPoolExecutor(_HASHERS, "dbwatch hash")

    async def session(self, token: str) -> Session | None:
        return await _in_time(self._reading, partial(self._accounts.session, token))

    async def sessions(self, ids: Sequence[str]) -> list[Session | None]:
        return await _in_time(self._reading, partial(self._accounts.sessions, ids))

    async def sign_in(self, name: str, password: str, *, address: str) -> SignedIn | Refused:
        return await _in(self._hashing, partial(self._accounts.sign_in, name, password, address=address))

    async def vouched(self, name: str, proof: str, *, address: str, lifetime_s: int) -> Session | None:
        call = partial(self._accounts.vouched, name, proof, address=address, lifetime_s=lifetime_s)
        return await _in(self._reading, call)

    async def sign_out(self, session: Session, *, address: str) -> None:
        await _in(self._reading, partial(self._accounts.end, session, address=address))

    async def note(
        self, session: Session, action: Deed, what: str, *, address: str = "", outcome: Outcome = "done"
    ) -> None:
        """Write what somebody did into the audit; whoever must not go on without that lets its errors pass."""
        entry = self._audit.entry(
            action, who=session.name, role=session.role, what=what, address=address, outcome=outcome
        )
        await _in(self._reading, partial(self._audit.write, entry))

    async def audit(self, count: int, *, before: str | None = None) -> Page:
        """A page of the audit, newest first."""
        return await _in(self._reading, partial(self._audit.page, count, before=before))


@cache
def people() -> People:
    """Those of the settings; made at first use, so that each server process has connections of its own."""
    settings = Settings.load()
    client = connect(settings.redis_url)
    accounts = Accounts(client, settings.keys, strangers=roles().strangers)
    return People(accounts, Audit(client, settings.keys))


async def _in(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, call)


async def _in_time(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    """What only reads. Raises `TransientError` when it takes too long; when it has not begun by then, it never does."""
    try:
        return await asyncio.wait_for(_in(pool, call), _WITHIN_S)
    except TimeoutError as exc:
        raise TransientError(f"reading sessions: no answer within {_WITHIN_S:g} s") from exc
