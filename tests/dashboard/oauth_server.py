"""A provider that speaks OAuth 2 (authorization code), for tests: a real server on a free loopback port.

Who it lets in is said by `name`: no form is shown. It checks client, secret, redirect address and code, and each code
opens once.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT = "dbwatch-tests"
SECRET = "known to both"


class Provider:
    """`name` is the user that the next authorization is for; None refuses it, as when somebody says no."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.redirects_to = ""
        self._codes: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                given = {name: values[0] for name, values in parse_qs(url.query).items()}
                if url.path == "/authorize":
                    self._redirect(provider.authorized(given))
                elif url.path == "/user":
                    name = provider.user_of(self.headers.get("Authorization", ""))
                    self._json(*((200, {"email": name}) if name else (401, {"error": "invalid_token"})))
                else:
                    self._json(404, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                token = provider.token_for({name: values[0] for name, values in parse_qs(body).items()})
                self._json(*((200, {"access_token": token}) if token else (400, {"error": "invalid_grant"})))

            def _redirect(self, to: str) -> None:
                self.send_response(302)
                self.send_header("Location", to)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _json(self, status: int, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name that the base gives it
                """Nothing: the test's own output is enough."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def settings(self) -> dict[str, str]:
        """What Panel must be told of this provider."""
        return {
            "PANEL_OAUTH_PROVIDER": "generic",
            "PANEL_OAUTH_KEY": CLIENT,
            "PANEL_OAUTH_SECRET": SECRET,
            "PANEL_OAUTH_AUTHORIZE_URL": f"{self.url}/authorize",
            "PANEL_OAUTH_TOKEN_URL": f"{self.url}/token",
            "PANEL_OAUTH_USER_URL": f"{self.url}/user",
        }

    def authorized(self, given: dict[str, str]) -> str:
        """Where a browser that asks for authorization is sent."""
        assert given["client_id"] == CLIENT
        assert given["response_type"] == "code"
        assert given["redirect_uri"].startswith(self.redirects_to)
        if self.name is None:
            return f"{given['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': given['state']})}"
        code = secrets.token_urlsafe()
        self._codes[code] = self.name
        return f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"

    def token_for(self, given: dict[str, str]) -> str | None:
        """A token for a code, once."""
        name = self._codes.pop(given.get("code", ""), None)
        if name is None or (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET):
            return None
        token = secrets.token_urlsafe()
        self._tokens[token] = name
        return token

    def user_of(self, authorization: str) -> str | None:
        return self._tokens.get(authorization.removeprefix("Bearer "))


@contextmanager
def providing() -> Generator[Provider]:
    """A provider that runs while this does."""
    provider = Provider()
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
