"""Whether what the page shows is live: the one sentence at its top. Pure.

Nothing is called live unless the flow has said within `STALE_AFTER_MS` that it runs and the page could read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeGuard

import orjson

STALE_AFTER_MS = 5000
BEHIND_AFTER_MS = 10_000

Level = Literal["live", "busy", "held", "down"]


class Status(NamedTuple):
    """`level` is for the eye, `label` and `detail` for the reader; `since_ms` is Unix time, None when it is not
    known.
    """

    level: Level
    label: str
    detail: str
    since_ms: int | None = None


class Process(NamedTuple):
    """What one process of the flow last said of itself. Times are Unix milliseconds."""

    name: str
    at_ms: int
    started_ms: int
    state: str
    lag_ms: int
    holding_reason: str
    holding_since_ms: int | None
    snapshot: tuple[str, int, int] | None


UNREADABLE = Status("down", "Cannot read Redis", "what is shown below is old; trying again")
NEVER = Status("down", "No flow", "no flow has written here yet; start one with `dbwatch run`")


def status_of(health: Mapping[str, str], now_ms: int) -> Status:
    """The state of the flow from the fields of `P:health`; `now_ms` is the time of the clock that wrote them."""
    processes = list(_in_use(_processes(health)))
    if not processes:
        return NEVER
    silent = [p for p in processes if now_ms - p.at_ms > STALE_AFTER_MS or p.state == "stopped"]
    if silent:
        return _down(processes, silent)
    if held := next((p for p in processes if p.state == "holding"), None):
        return Status(
            "held", "Holding back", held.holding_reason or "Redis does not take writes", held.holding_since_ms
        )
    if reading := next((p for p in processes if p.snapshot is not None and p.state != "tail"), None):
        return Status("busy", "First read", _snapshot_text(reading))
    if waiting := next((p for p in processes if p.state != "tail"), None):
        return Status("busy", "Starting", f"the flow is {waiting.state}")
    lag_ms = max(p.lag_ms for p in processes)
    if lag_ms > BEHIND_AFTER_MS:
        return Status("held", "Behind", f"the flow is {lag_ms / 1000:.0f} s behind the database")
    return Status("live", "Live", "the flow keeps up with the database")


def _down(processes: list[Process], silent: list[Process]) -> Status:
    last_ms = max(p.at_ms for p in silent)
    if all(p.state == "stopped" for p in processes):
        return Status("down", "Flow stopped", "it was ended; start it with `dbwatch run`", last_ms)
    if len(silent) < len(processes):
        some = f"{len(silent)} of {len(processes)} processes of the flow say nothing"
        return Status("down", "Flow partly down", f"{some}; some changes are missing", last_ms)
    return Status("down", "Flow down", "it has said nothing since; see its log, start it with `dbwatch run`", last_ms)


def _in_use(processes: list[Process]) -> Iterator[Process]:
    """Without those of an earlier run: a process that fell silent before another one started has been replaced."""
    for process in processes:
        if not any(other.started_ms > process.at_ms for other in processes if other is not process):
            yield process


def _processes(health: Mapping[str, str]) -> list[Process]:
    """What can be read of the fields; one that cannot is a process that has said nothing."""
    found = ((name, _json_object(text)) for name, text in sorted(health.items()))
    return [_process(name, figures) for name, figures in found if figures]


def _process(name: str, figures: Mapping[str, Any]) -> Process:
    snapshot: Any = figures.get("snapshot")
    return Process(
        name,
        _number(figures.get("at_ms")),
        _number(figures.get("started_ms")),
        str(figures.get("state", "")),
        _number(figures.get("lag_ms")),
        str(figures.get("holding_reason", "")),
        _number(figures.get("holding_since_ms")) or None,
        (str(snapshot.get("collection", "")), _number(snapshot.get("read")), _number(snapshot.get("expected")))
        if _is_object(snapshot)
        else None,
    )


def _snapshot_text(process: Process) -> str:
    assert process.snapshot is not None
    collection, read, expected = process.snapshot
    return f"reading {collection}: {read:,} of about {expected:,} rows; changes follow"


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
