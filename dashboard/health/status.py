"""Whether what the page shows is live: the one sentence at its top, and what to do. Pure.

Nothing is called live unless every process of the flow has said within `SILENT_AFTER_MS` that it runs and the page
could read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from connectors.amounts import brief_span
from connectors.summaries import one_line
from dashboard.health.flow_processes import Process, Trouble

BEHIND_AFTER_MS = 10_000
_STARTS_FOR_MS = 120_000
_LONGEST_REASON = 200

Level = Literal["live", "busy", "held", "down"]


class Status(NamedTuple):
    """`level` is for the eye, `label` and `detail` for the reader; `since_ms` is Unix time, None when it is not
    known. `todo` says what to do, empty when there is nothing; commands in it stand between backquotes.
    """

    level: Level
    label: str
    detail: str
    since_ms: int | None = None
    todo: str = ""


UNREADABLE = Status(
    "down",
    "Cannot read Redis",
    "what is shown below is old; it is tried again each second",
    todo="See that Redis runs and that the page's server can reach it: `redis-cli -u REDIS_URL ping`; "
    "the server's log says what is wrong.",
)
NEVER = Status(
    "down",
    "No flow",
    "no flow has written here yet",
    todo="Start one with `dbwatch run -r FOLDER`; if one runs, compare its REDIS_URL and DBWATCH_PREFIX with those of "
    "the page's server.",
)
_START = "Start it again with `dbwatch run -r FOLDER`: it goes on where it was."


def status_of(processes: Sequence[Process], now_ms: int, *, expected: int = 0) -> Status:
    """The state of the flow; `now_ms` by Redis's clock, `expected` is how many processes it has, 0 when unknown."""
    if not processes:
        return NEVER
    looks: tuple[Callable[[], Status | None], ...] = (
        lambda: _down(processes, now_ms),
        lambda: _missing(processes, now_ms, expected),
        lambda: _holding(processes),
        lambda: _away(processes),
        lambda: _reading(processes),
        lambda: _starting(processes, now_ms),
        lambda: _behind(processes),
    )
    found = (look() for look in looks)
    return next((status for status in found if status), Status("live", "Live", "the flow keeps up with the database"))


class Since:
    """Remembers since when a status holds that does not know it itself; None for one that was met as it was."""

    def __init__(self) -> None:
        self._label: str | None = None
        self._since_ms: int | None = None

    def of(self, status: Status, now_ms: int) -> Status:
        if status.label != self._label:
            self._since_ms = None if self._label is None else now_ms
            self._label = status.label
        if status.level == "live" or status.since_ms is not None:
            return status
        return status._replace(since_ms=self._since_ms)


def _down(processes: Sequence[Process], now_ms: int) -> Status | None:
    silent = [p for p in processes if p.is_silent(now_ms)]
    if not silent:
        return None
    last_ms = max(p.heard_ms for p in silent)
    since_ms = last_ms if last_ms <= now_ms else None
    if all(p.state == "stopped" for p in processes):
        return Status("down", "Flow stopped", "it was ended in order", since_ms, _START)
    if len(silent) < len(processes):
        return _partly(len(silent), len(processes), [p.name for p in silent], since_ms)
    return Status("down", "Flow down", "it has said nothing since", since_ms, f"See its log. {_START}")


def _missing(processes: Sequence[Process], now_ms: int, expected: int) -> Status | None:
    """A process that has never spoken; in the beginning each takes its time."""
    known = {p.name for p in processes}
    missing = [name for name in map(str, range(expected)) if name not in known]
    begun_ms = min(p.started_ms for p in processes)
    if not missing or now_ms - begun_ms < _STARTS_FOR_MS:
        return None
    return _partly(len(missing), expected, missing, None)


def _partly(count: int, of: int, names: Sequence[str], since_ms: int | None) -> Status:
    which = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    says = "says" if count == 1 else "say"
    return Status(
        "down",
        "Flow partly down",
        f"{count} of {of} processes (number {one_line(which, 40)}) {says} nothing; some changes are missing",
        since_ms,
        "See the log of that process; a cluster ends as a whole: start all of its processes again.",
    )


_REDIS_HINT = (
    "Nothing is lost, and it goes on by itself once Redis takes writes: `dbwatch doctor` says what is in the way."
)
_ARCHIVE_HINT = "Nothing is lost, and it goes on by itself once the disk takes it: make room in the archive's folder."


def _holding(processes: Sequence[Process]) -> Status | None:
    held = _first(p.held for p in processes)
    if held is None:
        return None
    return Status(
        "held",
        "Holding back",
        one_line(held.reason, _LONGEST_REASON) or "Redis does not take writes",
        held.since_ms,
        _ARCHIVE_HINT if held.reason.startswith("the archive ") else _REDIS_HINT,
    )


def _away(processes: Sequence[Process]) -> Status | None:
    away = _first(p.away for p in processes)
    if away is None:
        return None
    return Status(
        "held",
        "Database away",
        one_line(away.reason, _LONGEST_REASON) or "MongoDB does not answer",
        away.since_ms,
        "See that MongoDB runs and has a primary; the flow goes on by itself as long as the oplog reaches back.",
    )


def _reading(processes: Sequence[Process]) -> Status | None:
    read = next((p.first_read for p in processes if p.first_read is not None and p.state != "tail"), None)
    if read is None:
        return None
    collection = one_line(read.collection, 80)
    return Status(
        "busy", "First read", f"reading {collection}: {read.read:,} of about {read.expected:,} rows; changes follow"
    )


def _starting(processes: Sequence[Process], now_ms: int) -> Status | None:
    waiting = next((p for p in processes if p.state != "tail"), None)
    if waiting is None:
        return None
    late = now_ms - waiting.started_ms > _STARTS_FOR_MS
    return Status(
        "busy",
        "Starting",
        f"the flow is {one_line(waiting.state, 40)}",
        waiting.started_ms if waiting.started_ms <= now_ms else None,
        "It takes long: a large state is loaded, or another process is waited for; its log says which." if late else "",
    )


def _behind(processes: Sequence[Process]) -> Status | None:
    slowest = max(processes, key=lambda p: p.lag_ms)
    if slowest.lag_ms <= BEHIND_AFTER_MS:
        return None
    events = f", {slowest.lag_events:,} changes" if slowest.lag_events else ""
    return Status(
        "held",
        "Behind",
        f"the flow is {brief_span(slowest.lag_ms / 1000)} behind the database{events}",
        todo="Look at Health: a rate that stays high is more than it can take (more processes help); "
        "a rate of 0 means that it waits, and its log says for what.",
    )


def _first(troubles: Iterator[Trouble | None]) -> Trouble | None:
    """That which began first."""
    found = [trouble for trouble in troubles if trouble is not None]
    return min(found, key=lambda trouble: trouble.since_ms or 0, default=None)
