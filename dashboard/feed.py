"""The connection of one page: what the reader and the answers tell it, and what its browser says."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from connectors.accounts import Session
from connectors.errors import DBWatchError
from dashboard.access.sign_in import sockets
from dashboard.answers import ANSWERS
from dashboard.asks import Desk
from dashboard.away.showing import Showing
from dashboard.live.lenses import lens_of
from dashboard.live.messages import refused, visitor
from dashboard.live.reader import reader


class Feed(JSComponent):
    """Shows messages to one viewer, from the moment their browser has said hello until their session ends.

    Callbacks live here, in an imported module: those of `app.py` fail once its session ends.
    """

    visitor = param.String(doc="Name of who is signed in, to be shown.")
    role = param.String(doc="Their role, to be shown; what it allows is decided on the server.")

    _esm: ClassVar[str | PathLike[str]] = Path(__file__).with_name("feed.js")

    def __init__(self, session: Session, **params: Any) -> None:
        super().__init__(visitor=session.name, role=session.role, **params)
        self._session = session
        self._filter: str | None = None
        self._desk = Desk(ANSWERS, lambda: self._session, lambda: reader().source, self.tell)
        self._showing = Showing(session.name, lambda: reader().source)

    def _handle_msg(self, data: Any) -> None:
        """What the browser says: anything may come, and what makes no sense does nothing."""
        if not isinstance(data, dict):
            return
        message: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
        if self._desk.take(message):
            return
        self._was_told()
        if "shown" in message:
            self._showing.said(message["shown"])
        if isinstance(message.get("watch"), str):
            self._watch(message["watch"])

    def _was_told(self) -> None:
        """What the browser may say that it has shown (`away.shown`), before it says so or sees another feed."""
        for positions in reader().told(self.tell) or ():
            self._showing.sent(positions)

    def _watch(self, filter_text: str) -> None:
        """Begin to show the feed, or show it through another filter. A text that does not parse changes nothing."""
        try:
            lens = lens_of(filter_text, self._session.role)
        except DBWatchError as exc:
            self.tell(refused(str(exc)))
        else:
            self._filter = filter_text
            self.tell(visitor(self._session.name, self._session.role))
            reader().join(self.tell, lens)

    def changed(self, session: Session) -> None:
        """The viewer has got another role: it holds for all that they see from now on, and nothing asked before is
        answered.
        """
        if session.role == self._session.role:
            return
        self._session = session
        self._desk.interrupt("your role has changed meanwhile; ask again")
        if self._filter is None:
            return
        reader().leave(self.tell)
        self._watch(self._filter)

    def tell(self, message: str) -> None:
        """Send a message to the browser."""
        self._send_msg(message)

    def close(self, _session_context: object) -> None:
        """The session has ended."""
        sockets().unfollow(self._session, self.changed)
        self._desk.close()
        self._showing.close()
        reader().leave(self.tell)


def feed_for(session: Session) -> Feed:
    """A feed for the page that is being made; it ends with its session."""
    feed = Feed(session)
    pn.state.on_session_destroyed(feed.close)
    sockets().follow(session, feed.changed)
    return feed
