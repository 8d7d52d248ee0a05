"""The live part of the page: one component, drawn by `feed.js`, that the reader's messages go to."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from dashboard.reader import reader

_FOLDER = Path(__file__).parent


class Feed(JSComponent):
    """Shows messages to one viewer, from the moment their browser has said hello until their session ends.

    Callbacks live here, in an imported module: those of `app.py` fail once its session ends.
    """

    visitor = param.String(doc="Name of who is signed in, to be shown.")

    _esm: ClassVar[str | PathLike[str]] = _FOLDER / "feed.js"
    _stylesheets: ClassVar[list[str]] = [
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("theme.css", "feed.css")
    ]

    def _handle_msg(self, data: Any) -> None:
        """What the browser says; anything may come, and only a hello means something."""
        if isinstance(data, dict) and data.get("hello") is True:  # pyright: ignore[reportUnknownMemberType]
            reader().join(self.tell)

    def tell(self, message: str) -> None:
        """Send one of the reader's messages to the browser."""
        self._send_msg(message)

    def close(self, _session_context: object) -> None:
        """The session has ended."""
        reader().leave(self.tell)


def feed_for(visitor: str) -> Feed:
    """A feed for the session that is being made; it ends with it."""
    feed = Feed(visitor=visitor, sizing_mode="stretch_both")
    pn.state.on_session_destroyed(feed.close)
    return feed
