"""Sign-in: who a request comes from, the page that asks, and the way out.

Nothing of the feed is served to a request without a session. The session is known by a cookie that scripts cannot read;
the server keeps only its hash. Where Panel signs people in by a provider, the proof of that one takes its place
(`proofs`). `visitor_of` tells the page's own code who is there; it goes by what was found for this very
request, never by what the browser says of itself.
"""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from http.cookies import Morsel
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from bokeh.util.token import get_session_id
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from connectors.accounts import SESSION_LIFETIME_S, Refused, Session
from connectors.errors import DBWatchError
from dashboard.access import proofs
from dashboard.access.people import people
from dashboard.access.sockets import Sockets
from dashboard.assets import FOLDER
from dashboard.looks import look_script, look_source

COOKIE: Final = "dbwatch_session"
_VISITOR: Final = "dbwatch_visitor"
_FOLDER = Path(__file__).parent
_NEXT = re.compile(r"[A-Za-z0-9_~.-]+(/[A-Za-z0-9_~.-]+)*(\?[A-Za-z0-9_~.%&=+,:/-]*)?")
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_FORM_POLICY = (
    f"default-src 'none'; script-src {look_source()}; style-src 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def get_user_async(handler: RequestHandler) -> str | None:
    """The name of the user a request comes from, None (or a redirect to the sign-in page) when nobody is signed in.

    Bokeh asks this before it serves a page, a script, metadata or a websocket of the application. The cookie is taken
    out of the request, for Bokeh writes the cookies that it sees into the page.
    """
    _refuse_given_ids(handler)
    session = await session_of_request(handler)
    take_cookies(handler.request, COOKIE)
    if session is None:
        if not isinstance(handler, WebSocketHandler):
            handler.redirect(_path_to_sign_in(handler))
        return None
    return session.name if let_in(handler, session) else None


def let_in(handler: RequestHandler, session: Session) -> bool:
    """Note whose request this is, for whatever serves it; False for a socket to a page of somebody else."""
    if isinstance(handler, WebSocketHandler):
        if not sockets().may_open(_page_of(handler), session):
            return False
        sockets().add(session, handler)
    else:
        _harden(handler, _PAGE_POLICY)
        _ = handler.xsrf_token  # sets the cookie that signing out must prove
    setattr(handler.request, _VISITOR, session)
    return True


async def session_of_request(handler: RequestHandler) -> Session | None:
    """Who asks, None when nobody is signed in. Raises `HTTPError` 503 while Redis is away.

    Where Panel signs people in by a provider, that one's proof is what counts, and our own cookie is not.
    """
    if proofs.in_use():
        found = proofs.proof_of(handler)
        return None if found is None else await _vouched(found, handler.request.remote_ip or "")
    return await _known(handler.get_cookie(COOKIE))


def visitor_of(request: object) -> Session | None:
    """Who a page is made for: the session of the request that asks for it, None when the gate has not let it in."""
    visitor = getattr(request, _VISITOR, None)
    return visitor if isinstance(visitor, Session) else None


@cache
def sockets() -> Sockets:
    """Those of this process."""
    return Sockets(people().sessions)


class LoginHandler(RequestHandler):
    """The page that asks for name and password. Needs nothing of any other address, and no script but for its look."""

    def get_template_path(self) -> str:
        return str(_FOLDER)

    async def get(self) -> None:
        if await _known(self.get_cookie(COOKIE)) is not None:
            self.redirect(_next_of(self))
        else:
            self._ask()

    async def post(self) -> None:
        try:
            self.check_xsrf_cookie()
        except HTTPError:
            self._ask("This form was too old. Please try again.", HTTPStatus.FORBIDDEN)
            return
        name = self.get_body_argument("name", "")
        password = self.get_body_argument("password", "", strip=False)
        try:
            result = await people().sign_in(name, password, address=self.request.remote_ip or "")
        except DBWatchError as exc:
            raise _unreachable(exc) from exc
        if isinstance(result, Refused):
            self._refuse(result, name)
            return
        self.set_cookie(
            COOKIE,
            result.token,
            max_age=SESSION_LIFETIME_S,
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )
        self.redirect(_next_of(self))

    def _refuse(self, refused: Refused, name: str) -> None:
        if refused.retry_after_s is None:
            self._ask("That name and password do not go together.", HTTPStatus.UNAUTHORIZED, name)
            return
        self.set_header("Retry-After", str(refused.retry_after_s))
        wait = f"{refused.retry_after_s} seconds" if refused.retry_after_s < 120 else "some minutes"
        self._ask(f"Too many attempts. Please try again in {wait}.", HTTPStatus.TOO_MANY_REQUESTS, name)

    def _ask(self, problem: str = "", status: HTTPStatus = HTTPStatus.OK, name: str = "") -> None:
        _harden(self, _FORM_POLICY)
        self.set_status(status)
        self.render("sign_in.html", problem=problem, name=name[:64], theme=_theme(), look=look_script())


class LogoutHandler(RequestHandler):
    """Ends the session, in every tab. Only a POST that proves to come from our page does it.

    A provider would sign its people in again at once, without a question, so they are shown that they have left.
    """

    def get_template_path(self) -> str:
        return str(_FOLDER)

    async def get(self) -> None:
        if not proofs.in_use():
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        _harden(self, _FORM_POLICY)
        self.render("signed_out.html", theme=_theme(), look=look_script())

    async def post(self) -> None:
        self.check_xsrf_cookie()
        session = await session_of_request(self)
        if session is not None:
            try:
                await people().sign_out(session, address=self.request.remote_ip or "")
            except DBWatchError as exc:
                raise _unreachable(exc) from exc
            sockets().close(session.id)
        for name in (COOKIE, *proofs.COOKIES):
            if name in self.request.cookies:
                self.clear_cookie(name)
        self.redirect("./logout" if proofs.in_use() else "./login")


class HealthHandler(RequestHandler):
    """Whether this server can serve: 200, or 503 while Redis is away. Tells nothing else, and needs no session."""

    async def get(self) -> None:
        try:
            await people().session("")
        except DBWatchError:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.finish({"status": "redis is away"})
            return
        self.set_header("Cache-Control", "no-store")
        self.finish({"status": "ok"})


async def _known(token: str | None) -> Session | None:
    if not token:
        return None
    try:
        return await people().session(token)
    except DBWatchError as exc:
        raise _unreachable(exc) from exc


async def _vouched(proof: proofs.Proof, address: str) -> Session | None:
    try:
        return await people().vouched(proof.name, proof.secret, address=address, lifetime_s=proof.lifetime_s)
    except DBWatchError as exc:
        raise _unreachable(exc) from exc


def _unreachable(exc: DBWatchError) -> HTTPError:
    return HTTPError(HTTPStatus.SERVICE_UNAVAILABLE, "%s", exc, reason="DB Watch cannot reach its Redis")


def _refuse_given_ids(handler: RequestHandler) -> None:
    """Every page gets a document of its own: nobody may be led to one that somebody else holds."""
    given = {"bokeh-session-id", "bokeh-token"} & handler.request.arguments.keys()
    if given or "Bokeh-Session-Id" in handler.request.headers:
        raise HTTPError(HTTPStatus.FORBIDDEN, "a session's id was given by the browser")


def take_cookies(request: HTTPServerRequest, *names: str) -> None:
    """Take cookies out of a request: Bokeh writes those that it sees into the page."""
    cookies = cast("dict[str, Morsel[str]]", request.cookies)
    for name in names:
        cookies.pop(name, None)
    rest = "; ".join(f"{name}={other.coded_value}" for name, other in cookies.items())
    if rest:
        request.headers["Cookie"] = rest
    else:
        request.headers.pop("Cookie", None)


def _page_of(handler: WebSocketHandler) -> str:
    """The id of the document that a socket asks for, empty when it names none; Bokeh checks it afterwards."""
    _, _, token = handler.request.headers.get("Sec-WebSocket-Protocol", "").partition(",")
    try:
        return get_session_id(token.strip())
    except (ValueError, KeyError, TypeError, AttributeError):  # anything may stand there
        return ""


def _path_to_sign_in(handler: RequestHandler) -> str:
    """Relative, so that it is right behind a proxy that serves us below a path of its own."""
    application: Any = handler.application
    path = handler.request.path.removeprefix(application.prefix).lstrip("/")
    here = path + (f"?{handler.request.query}" if handler.request.query else "")
    asked = f"?next={quote(here, safe='')}" if _NEXT.fullmatch(here) and "/" not in path else ""
    return ("../" * path.count("/") or "./") + "login" + asked


def _next_of(handler: RequestHandler) -> str:
    """Where to go after signing in: a page of ours, beside the sign-in page."""
    wanted = handler.get_query_argument("next", "")
    return f"./{wanted}" if _NEXT.fullmatch(wanted) and ".." not in wanted else "./"


def _harden(handler: RequestHandler, policy: str) -> None:
    """Headers that keep the page out of frames and caches, and its requests at home."""
    handler.set_header("Content-Security-Policy", policy)
    handler.set_header("X-Frame-Options", "DENY")
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Referrer-Policy", "same-origin")
    handler.set_header("Cache-Control", "no-store")


@cache
def _theme() -> str:
    return (FOLDER / "theme.css").read_text(encoding="utf-8")
