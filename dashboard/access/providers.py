"""Sign-in by a provider: Panel's OAuth options (`--oauth-provider` and the rest) prove who somebody is, our accounts
say what they may do.

A provider's proof (see `proofs`) opens a session of ours, so that a role, a removed account and a sign-out hold
at once here too. Somebody without an account (and without the setting that lets strangers in) is refused every page,
script and socket; so is Panel's guest, whom nobody vouches for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from panel import auth
from tornado.web import RequestHandler

from dashboard.access.proofs import COOKIES
from dashboard.access.sign_in import LogoutHandler, let_in, session_of_request, take_cookies

_NO_ACCOUNT = (
    "You are signed in, but you have no account here. Ask an admin to run: dbwatch users add NAME --by-provider, "
    "with the name that your provider gives you.\n"
)

GetUser = Callable[[RequestHandler], Awaitable[str | None]]


def admitting(vouched_for: GetUser) -> GetUser:
    """What Bokeh asks, made of what Panel's provider answers: it lets in those of its people who have an account."""

    async def get_user(handler: RequestHandler) -> str | None:
        """As Bokeh has it: None is followed by a redirect to the sign-in, unless an answer was given."""
        if await vouched_for(handler) is None:
            return None
        session = await session_of_request(handler)
        take_cookies(handler.request, *COOKIES)
        if session is not None and let_in(handler, session):
            return session.name
        handler.set_status(HTTPStatus.FORBIDDEN)
        handler.set_header("Content-Type", "text/plain; charset=utf-8")
        handler.finish(_NO_ACCOUNT)
        return None

    return get_user


def install() -> None:
    """Have Panel's provider, which its `serve` command makes when its options name one, ask for an account and sign
    out as we do. It has no place for that, so its class is changed; were that to fail, the page would stay closed.
    """
    panels: Any = vars(auth.OAuthProvider)["get_user_async"]
    provider: Any = auth.OAuthProvider
    provider.get_user_async = property(lambda self: admitting(panels.fget(self)))
    provider.logout_handler = property(lambda _: LogoutHandler)
    provider._remove_user = _forget


def _forget(_provider: object, _session_context: object) -> None:
    """Panel counts who is here by cookies that were taken; only its renewal of tokens needs that."""
