"""Asks MongoDB now and then how far its oplog reaches back, in a thread and with a client of its own. An edge."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import structlog

from connectors.errors import DBWatchError, TransientError
from connectors.mongo_client import Client, connect
from connectors.mongo_oplog import read_oplog
from flows.health import Health

log = structlog.get_logger()

_PERIOD_S = 30.0
_FIRST_PERIOD_S = 1.0


class OplogWatch:
    """A thread that ends with the process; what it cannot read is missing from the figures, and told once."""

    def __init__(
        self, uri: str, database: str, collections: Iterable[str], *, health: Health, period_s: float = _PERIOD_S
    ) -> None:
        self._uri = uri
        self._database = database
        self._collections = tuple(collections)
        self._health = health
        self._period_s = period_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch oplog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        told = False
        with connect(self._uri) as client:
            while True:
                position = self._health.position
                why = self._ask(client, position)
                if why and not told:
                    log.info("oplog.unreadable", reason=why, effect="headroom and lag in events are not told")
                told = told or bool(why)
                if self._end.wait(self._period_s if position else min(_FIRST_PERIOD_S, self._period_s)):
                    return

    def _ask(self, client: Client, position: str) -> str:
        """Why the oplog cannot be read; empty when it was, or when the server is away, as the source says then."""
        try:
            oplog = read_oplog(client, self._database, self._collections, position)
        except TransientError:
            return ""
        except DBWatchError as exc:
            return str(exc)
        self._health.on_oplog(oplog)
        return oplog.unreadable
