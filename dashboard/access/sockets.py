"""Who is here: the websockets that are open and the pages that they show, by session.

A session that ends, wherever that was decided, closes its sockets; one whose user has got another role is told to its
pages. Both within about a second.
"""

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
Changed = Callable[[Session], None]


class Sockets:
    """Closes the sockets of sessions that `check` no longer knows, and tells pages of changes. For one event loop.

    While Redis is away sockets stay open: nothing can be read then that they could show.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._open: dict[str, WeakSet[WebSocketHandler]] = {}
        self._known: dict[str, Session] = {}
        self._pages: dict[str, str] = {}
        self._followers: dict[str, set[Changed]] = {}
        self._watch: asyncio.Task[None] | None = None

    def add(self, session: Session, socket: WebSocketHandler) -> None:
        """A socket that was let in for this session, which was read for it."""
        self._open.setdefault(session.id, WeakSet()).add(socket)
        self._take(session)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._watched(), name="dbwatch sockets")

    def bind(self, page: str, session: Session) -> None:
        """A page, by the id of its document, was made for this session: nobody else may open a socket to it."""
        self._pages[page] = session.id

    def unbind(self, page: str) -> None:
        """The page is gone."""
        self._pages.pop(page, None)

    def may_open(self, page: str, session: Session) -> bool:
        """Whether a socket of this session may be one of the page's. A page that is not here is yet to be made."""
        return self._pages.get(page, session.id) == session.id

    def follow(self, session: Session, changed: Changed) -> None:
        """Have `changed` called when the session's user has got another role, until `unfollow`."""
        self._followers.setdefault(session.id, set()).add(changed)
        known = self._known.get(session.id, session)
        if known != session:
            changed(known)

    def unfollow(self, session: Session, changed: Changed) -> None:
        followers = self._followers.get(session.id, set())
        followers.discard(changed)
        if not followers:
            self._followers.pop(session.id, None)

    def close(self, session_id: str) -> None:
        """The session has ended: close what it had open."""
        self._known.pop(session_id, None)
        for socket in list(self._open.pop(session_id, ())):
            socket.close(SIGNED_OUT, "signed out")

    def _take(self, session: Session) -> None:
        """What is known of a session now."""
        known, self._known[session.id] = self._known.get(session.id), session
        if known == session:
            return
        for changed in tuple(self._followers.get(session.id, ())):
            changed(session)

    async def _watched(self) -> None:
        while self._open:
            await asyncio.sleep(_PERIOD_S)
            ids = [session_id for session_id, sockets in self._open.items() if sockets]
            self._open = {session_id: self._open[session_id] for session_id in ids}
            self._known = {session_id: self._known[session_id] for session_id in ids if session_id in self._known}
            try:
                sessions = await self._check(ids)
            except DBWatchError:
                continue
            for session_id, session in zip(ids, sessions, strict=True):
                if session is None:
                    self.close(session_id)
                else:
                    self._take(session)
