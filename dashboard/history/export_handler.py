"""Serves exports as downloads, to who holds a ticket (`connectors.tickets`) of their own session.

Rows are sent as they are read, as fast as the browser takes them. When Redis goes away in the midst, the connection is
broken off, so that the browser does not take the part for the whole.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from http import HTTPStatus

import orjson
import structlog
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from connectors.accounts import Session
from connectors.audit import Outcome
from connectors.errors import DBWatchError
from connectors.tickets import RUNNING_S, Tickets
from dashboard.access.hidden import hidden_paths
from dashboard.access.people import people
from dashboard.access.permissions import require
from dashboard.access.roles import roles
from dashboard.access.sign_in import session_of_request
from dashboard.history.exporting import Allowed, Export
from dashboard.history.exports import CONTENT_TYPES, Order, Progress
from dashboard.live.reader import reader

PATTERN = r"/export"
MOST_AT_ONCE = 2
"""Exports of one person at a time, in each server process."""

_KEEP_EVERY_S = RUNNING_S / 3

_running: Counter[str] = Counter()

log = structlog.get_logger()


class ExportHandler(RequestHandler):
    """`GET ./export?ticket=…`: 403 without a session, 404 for a ticket that does not hold, 429 when too many run."""

    _ticket = ""
    _gone = False

    async def get(self) -> None:
        session = await session_of_request(self)
        if session is None:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        self._session = session
        self._ticket = self.get_query_argument("ticket", "")
        redis, keys = reader().source
        self._tickets = Tickets(redis, keys)
        try:
            text = await self._tickets.begin(self._ticket, session.id)
            if text is None:
                raise HTTPError(HTTPStatus.NOT_FOUND, reason="This export has expired or was fetched already")
            await self._serve(session, Order.parse(orjson.loads(text)))
        except DBWatchError as exc:
            await self._failed(exc)
        except Exception:  # whatever it is, Tornado would end what was sent as if it were whole; it is raised on
            if self._headers_written:
                self._break_off()
            raise

    def on_connection_close(self) -> None:
        self._gone = True

    async def _serve(self, session: Session, order: Order) -> None:
        require(session.role, "export")
        if _running[session.name] >= MOST_AT_ONCE:
            await self._tell(Progress("failed", message=f"{MOST_AT_ONCE} of your exports are running; wait for one"))
            raise HTTPError(HTTPStatus.TOO_MANY_REQUESTS)
        redis, keys = reader().source
        allowed = Allowed(session.role, roles().export_rows[session.role], hidden_paths(session.role))
        export = Export(redis, keys.changes, order, allowed, self._tell)
        await self._note(session, f"{order.in_words()}: begun")  # without which nothing is given
        _running[session.name] += 1
        try:
            await self._send(order, export)
        finally:
            _running[session.name] -= 1
            state, rows = export.progress.state, export.progress.rows
            log.info("page.export", who=session.name, order=order.to_args(), state=state, rows=rows)
        ended = "done" if state in ("done", "cut") else "failed"
        await self._note(session, f"{order.in_words()}: {rows:,} rows, {state}", ended)

    async def _send(self, order: Order, export: Export) -> None:
        self.set_header("Content-Type", CONTENT_TYPES[order.format])
        self.set_header("Content-Disposition", f'attachment; filename="{order.file_name(time.time_ns() // 1_000_000)}"')
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        try:
            async for piece in export.pieces():
                self.write(piece)
                await self._taken(export)
        except StreamClosedError:
            export.progress = export.progress._replace(state="cancelled", message="the browser ended the download")
        if export.progress.state == "cancelled":
            self._break_off()
        await self._tickets.tell(self._ticket, json.dumps(export.progress._asdict()), ended=True)

    async def _note(self, session: Session, what: str, outcome: Outcome = "done") -> None:
        """Write it into the audit."""
        await people().note(session, "export", what, address=self.request.remote_ip or "", outcome=outcome)

    async def _taken(self, export: Export) -> None:
        """Wait until the browser has taken what was written. It may pause for long: the ticket is kept meanwhile."""
        flushed = self.flush()
        while not (await asyncio.wait({flushed}, timeout=_KEEP_EVERY_S))[0]:
            if not await self._tell(export.progress):
                raise StreamClosedError
        await flushed

    async def _tell(self, progress: Progress) -> bool:
        """Say how far it is; whether to go on: it is still wanted, by somebody who is still who they were."""
        wanted = await self._tickets.tell(self._ticket, json.dumps(progress._asdict()), ended=progress.ended)
        return wanted and not self._gone and await session_of_request(self) == self._session

    async def _failed(self, exc: DBWatchError) -> None:
        """Say why to who watches, and leave no part of a file that looks whole."""
        try:
            await self._tell(Progress("failed", message=str(exc)))
        except DBWatchError:
            log.warning("page.redis_away", reason=str(exc))
        if self._headers_written:
            self._break_off()
        else:
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE, "%s", exc) from exc

    def _break_off(self) -> None:
        """Close the connection before the end of what was promised."""
        connection = self.detach() if not self._finished else None
        if connection is not None:
            connection.close()
