"""What each process of the flow last said of itself, from the fields of `P:health`. Pure.

A process tells time by its own clock. Here every moment is by Redis's, which all processes share: how far that is ahead
of each process's clock is known from `P:rates` (see `dashboard.health.clocks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import orjson

SILENT_AFTER_MS = 3500
"""A process speaks each second and the page looks each second: so it is called silent within 5 s of its end."""


class FirstRead(NamedTuple):
    """How far the collections have been read: `read` of about `expected` rows of `collection`."""

    collection: str
    read: int
    expected: int


class Trouble(NamedTuple):
    """Why something has been waited for, and since when (None when it is not known)."""

    reason: str
    since_ms: int | None


class Process(NamedTuple):
    """One process. `_ms` are moments (Unix milliseconds by Redis's clock) or durations; None is what it does not know,
    or what an older version does not tell. Counts are since its start. `ahead_ms` is how far Redis's clock is ahead of
    its own; when that is None its moments are by its own clock. `lag_events` and what `docs/records.md` says of the
    other fields hold here too.
    """

    name: str
    heard_ms: int
    started_ms: int
    state: str
    ahead_ms: int | None = None
    lag_ms: int = 0
    lag_events: int | None = None
    written: int = 0
    skipped: int = 0
    retries: int = 0
    sink_retries: int = 0
    dead_letters: int = 0
    state_entries: int | None = None
    pending: int = 0
    headroom_s: int | None = None
    oplog_spare_s: int | None = None
    recovers: bool | None = None
    snapshot_age_s: int | None = None
    epoch_s: float | None = None
    store_bytes: int | None = None
    source_ahead_ms: int | None = None
    first_read: FirstRead | None = None
    held: Trouble | None = None
    away: Trouble | None = None

    def is_silent(self, now_ms: int) -> bool:
        """Whether it has stopped, or said nothing lately. What it says by an unknown clock counts when it can be true:
        a word from the future proves nothing.
        """
        if self.state == "stopped" or now_ms - self.heard_ms > SILENT_AFTER_MS:
            return True
        return self.ahead_ms is None and self.heard_ms - now_ms > SILENT_AFTER_MS


def processes_of(health: Mapping[str, str], ahead_ms: Mapping[str, int] | None = None) -> tuple[Process, ...]:
    """Those that are in use, in the order of their numbers; a field that cannot be read is a process that has said
    nothing. `ahead_ms`: how far Redis's clock is ahead of each one's, where that is known.

    Without those of an earlier run: a process that fell silent before another one started has been replaced.
    """
    known = ahead_ms or {}
    found = [_process(name, said, known.get(name)) for name, text in health.items() if (said := _json_object(text))]
    kept = [p for p in found if not any(other.started_ms > p.heard_ms for other in found if other is not p)]
    return tuple(sorted(kept, key=lambda p: (len(p.name), p.name)))


def _process(name: str, said: Mapping[str, Any], ahead_ms: int | None) -> Process:
    shift_ms = ahead_ms or 0
    snapshot: Any = said.get("snapshot")
    return Process(
        name=name,
        heard_ms=_number(said.get("at_ms")) + shift_ms,
        started_ms=_number(said.get("started_ms")) + shift_ms,
        state=str(said.get("state", "")),
        ahead_ms=ahead_ms,
        lag_ms=_number(said.get("lag_ms")),
        lag_events=_maybe(said.get("lag_events")),
        written=_number(said.get("written")),
        skipped=_number(said.get("skipped")),
        retries=_number(said.get("retries")),
        sink_retries=_number(said.get("sink_retries")),
        dead_letters=_number(said.get("dead_letters")),
        state_entries=_maybe(said.get("state_entries")),
        pending=_number(said.get("pending")),
        headroom_s=_maybe(said.get("oplog_headroom_s")),
        oplog_spare_s=_maybe(said.get("oplog_spare_s")),
        recovers=recovers if isinstance(recovers := said.get("recovers"), bool) else None,
        snapshot_age_s=_maybe(said.get("snapshot_age_s")),
        epoch_s=float(epoch_s) if isinstance(epoch_s := said.get("epoch_s"), int | float) else None,
        store_bytes=_maybe(said.get("store_bytes")),
        source_ahead_ms=_maybe(said.get("source_ahead_ms")),
        first_read=_first_read(snapshot) if _is_object(snapshot) else None,
        held=_trouble(said, "holding", shift_ms) if said.get("state") == "holding" else None,
        away=_trouble(said, "source_away", shift_ms) if "source_away_since_ms" in said else None,
    )


def _first_read(said: Mapping[str, Any]) -> FirstRead:
    return FirstRead(str(said.get("collection", "")), _number(said.get("read")), _number(said.get("expected")))


def _trouble(said: Mapping[str, Any], name: str, shift_ms: int) -> Trouble:
    since_ms = _number(said.get(f"{name}_since_ms"))
    return Trouble(str(said.get(f"{name}_reason", "")), since_ms + shift_ms if since_ms else None)


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if _is_object(value) else {}


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _maybe(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
