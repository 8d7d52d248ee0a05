"""The pages for a monitor: `/metrics`, `/healthz` and `/readyz`, served by a thread of the job's process. An edge."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import orjson
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.settings import Listen
from flows.health import Facts
from flows.metrics import FactsCollector
from flows.readiness import hangs, not_ready

log = structlog.get_logger()

_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"


class Page(NamedTuple):
    status: HTTPStatus
    content_type: str
    body: bytes


class Pages:
    """What is answered to which path."""

    def __init__(self, facts: Callable[[], Facts], ending: Ending) -> None:
        self._facts = facts
        self._ending = ending
        self._registry = CollectorRegistry()
        self._registry.register(FactsCollector(facts))
        ProcessCollector(registry=self._registry)

    def page(self, path: str, accept: str) -> Page:
        match path.partition("?")[0]:
            case "/metrics":
                return Page(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry))
            case "/healthz":
                reason = None if self._ending.requested else hangs(self._facts())
                return _verdict([reason] if reason else [], accept)
            case "/readyz":
                reasons = not_ready(self._facts())
                stopping = "the job is stopping"
                if self._ending.requested and stopping not in reasons:
                    reasons.insert(0, stopping)
                return _verdict(reasons, accept)
            case _:
                return Page(HTTPStatus.NOT_FOUND, _TEXT, b"not found; there is /metrics, /healthz and /readyz\n")


class Endpoint:
    """Serves the pages until the process ends or `close` is called; never in the worker's way."""

    def __init__(self, listen: Listen, pages: Pages) -> None:
        """Raises `OSError` when the address cannot be had."""
        self._server = _Server(listen, pages)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="dbwatch metrics", daemon=True, kwargs={"poll_interval": 0.5}
        )
        self._thread.start()

    @property
    def address(self) -> Listen:
        """Where it listens indeed."""
        host, port = self._server.server_address[:2]
        return Listen(str(host), int(port))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)


def serve(listen: Listen | None, pages: Pages) -> Endpoint | None:
    """Serve the pages if they are wanted. An address that is taken is an error when it was asked for, and otherwise a
    warning: the job matters more than its metrics. Raises `ConfigError`.
    """
    if listen is None:
        return None
    try:
        endpoint = Endpoint(listen, pages)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        if listen.explicit:
            raise ConfigError(
                f"DBWATCH_METRICS: cannot listen on {listen}: {reason}; name an address of this machine and a port "
                "that is free, or `off`"
            ) from exc
        log.warning("metrics.not_served", address=str(listen), reason=reason, effect="DBWATCH_METRICS names another")
        return None
    log.info("metrics.served", address=str(endpoint.address))
    return endpoint


def show_beside_the_engines(facts: Callable[[], Facts]) -> None:
    """Let the engine's own page of metrics, where it is switched on, have ours too: it takes the default registry's."""
    with suppress(ValueError):  # they are there already: a second job in one process, as tests have it
        REGISTRY.register(FactsCollector(facts))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listen: Listen, pages: Pages) -> None:
        family, _, _, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        self.pages = pages
        super().__init__(address[:2], _Handler)  # pyright: ignore[reportArgumentType]  # no flow or scope is needed

    def server_bind(self) -> None:
        """Without asking the resolver for a name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 5  # of a client that sends nothing
    server_version = "dbwatch"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base's
        """Whoever asks each few seconds need not be in the log."""

    def _answer(self, *, with_body: bool) -> None:
        assert isinstance(self.server, _Server)
        try:
            page = self.server.pages.page(self.path, self.headers.get("Accept", ""))
        except Exception:  # a mistake of ours: said in the log, not to whoever asks
            log.exception("metrics.failed", path=self.path.partition("?")[0])
            page = Page(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"failed; the job's log says why\n")
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)


def _verdict(reasons: list[str], accept: str) -> Page:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    if _JSON in accept:
        return Page(status, _JSON, orjson.dumps({"ok": not reasons, "reasons": reasons}) + b"\n")
    lines = [" ".join(reason.split()) for reason in reasons] or ["ok"]
    return Page(status, _TEXT, "".join(f"{line}\n" for line in lines).encode())
