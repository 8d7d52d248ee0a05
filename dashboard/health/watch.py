"""What the reader has learnt so far, and what follows from it once a second: status, rates and health. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from connectors.errors import BadRecord
from connectors.stream_ids import parts
from dashboard.health.clocks import Clocks
from dashboard.health.figures import Minute, Rates, Second
from dashboard.health.findings import Finding, Sight, findings
from dashboard.health.flow_processes import processes_of
from dashboard.health.hot import Hottest
from dashboard.health.status import UNREADABLE, Since, Status, status_of
from dashboard.health.vitals import Vitals

log = structlog.get_logger()


class Seen(NamedTuple):
    """How things stand at one moment. `found` are the figures by name; `totals` counts what was written in the last
    minute, by view and kind.
    """

    status: Status
    rates: Rates
    sight: Sight
    found: Mapping[str, Finding]
    totals: Mapping[str, Mapping[str, int]]


class Watch:
    """Fed by the reader, in one event loop."""

    def __init__(self) -> None:
        self.hottest = Hottest()
        self.vitals = Vitals()
        self.seen: Seen | None = None
        """At the last look; None when nothing can be read."""
        self._minute = Minute()
        self._clocks = Clocks()
        self._since = Since()

    def take_rates(self, entries: Iterable[tuple[str, Mapping[str, str]]], now_ms: int) -> None:
        """New entries of `P:rates`, oldest first; one that cannot be read is passed by."""
        seconds: list[Second] = []
        for entry_id, fields in entries:
            try:
                seconds.append(Second.from_fields(parts(entry_id)[0], fields))
            except BadRecord as exc:
                log.warning("page.rates_unreadable", id=entry_id, reason=str(exc))
        self._clocks.add(seconds)
        self._minute.add(seconds, now_ms)

    def look(self, health: Mapping[str, str], now_ms: int) -> Seen:
        """What follows from the fields of `P:health` and all that was taken; `now_ms` by Redis's clock."""
        processes = processes_of(health, self._clocks.ahead_ms)
        status = status_of(processes, now_ms, expected=self.vitals.processes)
        rates = self._minute.rates(now_ms)
        sight = Sight(now_ms, processes, rates, self.vitals)
        self.seen = Seen(self._since.of(status, now_ms), rates, sight, findings(sight), self._minute.totals(now_ms))
        return self.seen

    def lost(self, now_ms: int) -> Status:
        """Redis cannot be read."""
        self.seen = None
        return self._since.of(UNREADABLE, now_ms)
