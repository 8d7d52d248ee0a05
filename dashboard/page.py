"""The page of one session: the live feed for who is signed in, and nothing at all for anybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import structlog

from connectors.accounts import Session
from dashboard.access.sign_in import sockets, visitor_of
from dashboard.assets import STYLES, assets
from dashboard.feed import feed_for
from dashboard.looks import look_script

TITLE = "DB Watch"
_CLOSED = (
    "This page is closed: the server was started without its sign-in. Serve it with `panel serve dashboard/app.py` "
    "from an environment in which DB Watch is installed (pip install, or make install), without another auth module."
)

log = structlog.get_logger()


def serve() -> None:
    """Put the page of this session into its document. What the gate has not let in gets a page without data."""
    document: Any = pn.state.curdoc
    context: Any = document.session_context if document else None
    visitor = visitor_of(context.request if context else None)
    pn.extension()  # none is loaded; without this call the page would load them all
    if visitor is None:
        log.error("page.closed", reason=_CLOSED)
        pn.pane.Str(_CLOSED).servable(title=TITLE)
    else:
        sockets().bind(context.id, visitor)
        pn.state.on_session_destroyed(_gone)
        _page(visitor).servable(title=TITLE)


def _gone(context: Any) -> None:
    sockets().unbind(context.id)


def _page(visitor: Session) -> pn.Template:
    template = pn.Template((Path(__file__).with_name("page.html")).read_text(encoding="utf-8"))
    template.add_panel("feed", feed_for(visitor))
    template.add_variable("look", look_script())
    template.add_variable("build", assets().build)
    template.add_variable("modules", assets().modules)
    template.add_variable("styles", STYLES)
    return template
