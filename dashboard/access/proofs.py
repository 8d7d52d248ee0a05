"""What Panel's provider says of who sends a request: the signed cookie `user`, read from that very request.

Never `pn.state.user` or `pn.state.cookies`: what these tell can come from a token that the browser supplies.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from panel.config import config
from tornado.web import RequestHandler

COOKIES: Final = ("user", "id_token", "access_token", "refresh_token", "oauth_expiry", "is_guest")
"""What Panel's sign-in sets."""

_DAY_S = 24 * 3600


class Proof(NamedTuple):
    """The name that a provider vouches for, the secret that shows it, and how long at most that can be shown."""

    name: str
    secret: str
    lifetime_s: int


def in_use() -> bool:
    """Whether this server signs people in by a provider that Panel's options name."""
    return bool(config.oauth_provider)


def proof_of(handler: RequestHandler) -> Proof | None:
    """Whom the provider vouches for; None without its cookie, or when this server has not signed it lately."""
    days = float(config.oauth_expiry)
    signed = handler.get_cookie("user")
    name = handler.get_signed_cookie("user", max_age_days=days) if signed else None
    if not signed or not name:
        return None
    return Proof(name.decode("utf-8", "replace"), signed, int((days + 1) * _DAY_S))
