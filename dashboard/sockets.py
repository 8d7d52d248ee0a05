"""The websockets that are open, by session, so that they close when it ends, wherever that was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakSet

from tornado.websocket import WebSocketHandler

from connectors.accounts import Session
from connectors.errors import DBWatchError

SIGNED_OUT = 4401
"""The code a socket is closed with when its session has ended."""

_PERIOD_S = 1.0

Check = Callable[[Sequence[str]], Awaitable[list[Session | None]]]


class Sockets:
    """Closes the sockets of sessions that `check` no longer knows, within about a second. For one event loop.

    While Redis is away sockets stay open: nothing can be read then that they could show.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._open: dict[str, WeakSet[WebSocketHandler]] = {}
        self._watch: asyncio.Task[None] | None = None

    def add(self, session_id: str, socket: WebSocketHandler) -> None:
        """A socket that was let in for this session."""
        self._open.setdefault(session_id, WeakSet()).add(socket)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._watched(), name="dbwatch sockets")

    def close(self, session_id: str) -> None:
        """The session has ended: close what it had open."""
        for socket in list(self._open.pop(session_id, ())):
            socket.close(SIGNED_OUT, "signed out")

    async def _watched(self) -> None:
        while self._open:
            await asyncio.sleep(_PERIOD_S)
            ids = [session_id for session_id, sockets in self._open.items() if sockets]
            self._open = {session_id: self._open[session_id] for session_id in ids}
            try:
                sessions = await self._check(ids)
            except DBWatchError:
                continue
            for session_id, session in zip(ids, sessions, strict=True):
                if session is None:
                    self.close(session_id)
