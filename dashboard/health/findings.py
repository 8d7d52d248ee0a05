"""How well the flow is, in figures that explain themselves. Pure: from what was read at one moment to words.

The limits are a start, and the same as those of `dbwatch doctor` and of the alarms in `docs/operations.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

from connectors.amounts import brief_span, counted, size_text
from dashboard.health.figures import Rates
from dashboard.health.flow_processes import Process
from dashboard.health.vitals import Vitals

N = TypeVar("N", int, float)

Level = Literal["ok", "warn", "bad", "unknown"]
_WORST_FIRST: tuple[Level, ...] = ("bad", "warn", "ok")

_HOUR_S, _DAY_S = 3600, 86_400
_MOST_COUNTED = 100_000  # see `lag_events` in docs/records.md


class Sight(NamedTuple):
    """What was read at one moment (Unix ms by Redis's clock). `rates` None: the flow writes none now."""

    now_ms: int
    processes: tuple[Process, ...]
    rates: Rates | None
    vitals: Vitals

    @property
    def speaking(self) -> list[Process]:
        """The processes whose word is fresh: what the others said is no figure of now."""
        return [p for p in self.processes if not p.is_silent(self.now_ms)]


class Finding(NamedTuple):
    """What one look found. `detail` says more in a few words, `todo` what to do, with commands between backquotes;
    `since_ms` is a moment that belongs to it (Unix ms). `short` is the value where there is little room.
    """

    value: str
    level: Level = "ok"
    detail: str = ""
    todo: str = ""
    since_ms: int | None = None
    short: str = ""


class Figure(NamedTuple):
    """One figure. `name` is stable, `label` short, `meaning` a sentence or two that explain it with its limits; in the
    `strip` it is always in sight.
    """

    name: str
    label: str
    meaning: str
    look: Callable[[Sight], Finding]
    strip: bool = False


_NOBODY = Finding("–", "unknown", "the flow says nothing")


def _limited(value: float, warn: float, bad: float) -> Level:
    """Where more is worse."""
    return "bad" if value > bad else "warn" if value > warn else "ok"


def _rate(sight: Sight) -> Finding:
    if sight.rates is None or not sight.speaking:
        return _NOBODY
    total, shown = sight.rates.total, sight.rates.shown
    more = f"{_number(shown)}/s are changes, the others a first read" if shown < total else ""
    return Finding(f"{_number(total)}/s", detail=more)


def _latency(sight: Sight) -> Finding:
    if sight.rates is None or not sight.speaking:
        return _NOBODY
    latency = sight.rates.latency
    if latency is None:
        return Finding("–", "unknown", "no change of a row in the last seconds")
    level = _limited(latency.p95, 1000, 10_000)
    todo = (
        "Compare the lag: near 0 it is Redis or a difference of clocks, else the flow is behind."
        if level != "ok"
        else ""
    )
    return Finding(
        f"p95 {_milliseconds(latency.p95)}",
        level,
        f"p50 {_milliseconds(latency.p50)}, p99 {_milliseconds(latency.p99)}",
        todo,
    )


def _lag(sight: Sight) -> Finding:
    if not sight.speaking:
        return _NOBODY
    slowest = max(sight.speaking, key=lambda p: p.lag_ms)
    events = _known(p.lag_events for p in sight.speaking)
    more = "" if not events else f"{'at least ' if max(events) >= _MOST_COUNTED else ''}{max(events):,} changes to read"
    level = _limited(slowest.lag_ms, 10_000, 60_000)
    todo = (
        ""
        if level == "ok"
        else "More processes and shards: docs/scaling.md; first see that Redis takes writes quickly."
    )
    return Finding(brief_span(slowest.lag_ms / 1000) if slowest.lag_ms >= 500 else "none", level, more, todo)


def _headroom(sight: Sight) -> Finding:
    if not sight.speaking:
        return _NOBODY
    known = [p for p in sight.speaking if p.headroom_s is not None]
    if not known:
        return Finding(
            "not known",
            "unknown",
            "the flow's account may not read the oplog",
            "docs/security.md has the grant for it.",
        )
    nearest = min(known, key=lambda p: p.headroom_s or 0)
    reach_s, spare_s = nearest.headroom_s or 0, nearest.oplog_spare_s
    safe_s = reach_s + (spare_s or 0)
    level: Level = "bad" if safe_s < 2 * _HOUR_S else "warn" if safe_s < _DAY_S else "ok"
    detail = ""
    if spare_s is None:
        level = "warn" if level == "bad" else level  # perhaps it is just young
        detail = "how full the oplog is, is not known"
    elif spare_s:
        detail = f"the oplog is not full yet; it reaches back {brief_span(reach_s)}"
        if reach_s < _HOUR_S:  # too young to tell its rate: a first load is no day's work
            level = "warn" if level == "bad" else "ok"
    resize = "On each member of the set: `db.adminCommand({replSetResizeOplog: 1, size: 20480, minRetentionHours: 48})`"
    safe = f"safe for {brief_span(safe_s)}"
    return Finding(f"position {safe}", level, detail, "" if level == "ok" else resize, short=safe)


def _snapshot(sight: Sight) -> Finding:
    if not sight.speaking:
        return _NOBODY
    if any(p.recovers is False for p in sight.speaking):
        return Finding(
            "none kept",
            "warn",
            "a restart reads everything again",
            "Start the flow with a folder: `dbwatch run -r FOLDER`",
        )
    ages = _known(p.snapshot_age_s for p in sight.speaking)
    if not ages:
        begun_ms = min(p.started_ms for p in sight.speaking)
        level = _limited((sight.now_ms - begun_ms) / 1000, 60, 120)
        return Finding("none yet", "unknown" if level == "ok" else level, "the first is taken soon after the start")
    level = _limited(max(ages), 60, 120)
    every = _known(p.epoch_s for p in sight.speaking)
    todo = (
        "" if level == "ok" else "A crash now would read again what came since: has the folder's disk room, is it slow?"
    )
    return Finding(f"{brief_span(max(ages))} ago", level, f"every {max(every):.0f} s" if every else "", todo)


def _memory(sight: Sight) -> Finding:
    memory = sight.vitals.memory
    if memory is None:
        return Finding(
            "not known", "unknown", "the page's account may not ask", "docs/security.md has the rule for it."
        )
    policy = f"policy {memory.policy}"
    if memory.policy.startswith("allkeys"):
        todo = "`redis-cli CONFIG SET maxmemory-policy noeviction`"
        return Finding(size_text(memory.used), "bad", f"{policy} throws streams away when memory is short", todo)
    if not memory.limit:
        return Finding(size_text(memory.used), detail=f"no limit but the machine's memory, {policy}")
    share = memory.used / memory.limit
    level = _limited(share, 0.8, 0.95)
    todo = "When it is full the flow waits: `redis-cli CONFIG SET maxmemory …`, or a smaller DBWATCH_STREAM_MAXLEN"
    value = f"{share:.0%} of {size_text(memory.limit)}"
    return Finding(value, level, f"{size_text(memory.used)} used, {policy}", "" if level == "ok" else todo)


def _letters(sight: Sight) -> Finding:
    count, last_ms = sight.vitals.dead_letters, sight.vitals.last_letter_ms
    if count is None:
        return Finding("not known", "unknown")
    if not count:
        return Finding("none")
    recent = last_ms is not None and sight.now_ms - last_ms < 300_000
    detail = "" if last_ms is None else f"the last {brief_span((sight.now_ms - last_ms) / 1000)} ago"
    todo = "`dbwatch deadletter list` says why; once the cause is mended: `dbwatch deadletter retry --all`"
    return Finding(f"{count:,}", "bad" if recent else "warn", detail, todo)


def _retries(sight: Sight) -> Finding:
    if not sight.speaking:
        return _NOBODY
    source, sink = sum(p.retries for p in sight.speaking), sum(p.sink_retries for p in sight.speaking)
    waits = any(p.away or p.held for p in sight.speaking)
    detail = f"{source:,} to read from MongoDB, {sink:,} to write to Redis" if source + sink else ""
    return Finding(f"{source + sink:,}", "warn" if waits else "ok", detail)


def _state(sight: Sight) -> Finding:
    if not sight.speaking:
        return _NOBODY
    entries, sizes = _known(p.state_entries for p in sight.speaking), _known(p.store_bytes for p in sight.speaking)
    pending = sum(p.pending for p in sight.speaking)
    said = [f"{size_text(max(sizes))} in the recovery folder"] if sizes else []
    return Finding(
        counted(sum(entries), "entry", "entries"),
        detail=", ".join([*said, f"{pending:,} wait" if pending else "none waits"]),
    )


def _feed(sight: Sight) -> Finding:
    vitals = sight.vitals
    if not vitals.streams:
        return Finding("not known", "unknown")
    since_ms = vitals.reaches_to_ms
    many = f" in {len(vitals.streams)} streams" if len(vitals.streams) > 1 else ""
    if since_ms is None:
        return Finding("empty", detail="nothing has been written yet")
    reach = brief_span((sight.now_ms - since_ms) / 1000)
    return Finding(
        f"{counted(vitals.length, 'entry', 'entries')}{many}", detail=f"reaches back {reach}", since_ms=since_ms
    )


def _clocks(sight: Sight) -> Finding:
    """MongoDB's and the processes' clocks against Redis's."""
    off_ms = {f"process {p.name}": -p.ahead_ms for p in sight.speaking if p.ahead_ms is not None}
    for p in sight.speaking:
        if p.ahead_ms is not None and p.source_ahead_ms is not None:
            off_ms["MongoDB"] = max(p.source_ahead_ms - p.ahead_ms, off_ms.get("MongoDB", 0), key=abs)
    if not off_ms:
        return Finding("not known", "unknown")
    worst = max(off_ms, key=lambda name: abs(off_ms[name]))
    most_ms = abs(off_ms[worst])
    level = _limited(most_ms, 1000, 5000)
    if level == "ok":
        return Finding("agree", detail="within a second")
    way = "ahead of" if off_ms[worst] > 0 else "behind"
    return Finding(
        f"{most_ms / 1000:.1f} s apart",
        level,
        f"{worst} is {way} Redis: latencies and ages are wrong by that"
        if worst == "MongoDB"
        else f"{worst} is {way} Redis",
        "Set the clocks of all machines: `timedatectl set-ntp true`",
    )


def _processes(sight: Sight) -> Finding:
    silent = len(sight.processes) - len(sight.speaking)
    of = max(len(sight.processes), sight.vitals.processes)
    if not of:
        return Finding("none", "bad", "no flow has written here yet")
    return Finding(f"{len(sight.speaking)} of {of}", "bad" if silent or len(sight.speaking) < of else "ok")


FIGURES: tuple[Figure, ...] = (
    Figure(
        "rate",
        "Records/s",
        "Records that the flow writes to Redis in a second, re-joined rows too: the mean of the last three seconds.",
        _rate,
    ),
    Figure(
        "latency",
        "Latency",
        "From the commit in the database to the entry in Redis, of changes of rows themselves, in the slowest process. "
        "It compares the clocks of two servers. Warns above 1 s, bad above 10 s.",
        _latency,
    ),
    Figure(
        "lag",
        "Behind",
        "How far the flow is behind the database; none when the database has just said that there is no more. Warns "
        "above 10 s, bad above a minute.",
        _lag,
        strip=True,
    ),
    Figure(
        "headroom",
        "Oplog",
        "How long the flow may be away before the database's oplog has forgotten its position; then the collections "
        "must be read again. Grows with the oplog's size. Warns below a day, bad below 2 hours.",
        _headroom,
        strip=True,
    ),
    Figure(
        "memory",
        "Redis memory",
        "What Redis uses of what it may. When it is full it takes no more records, and the flow waits. Warns above "
        "80 %, bad above 95 %.",
        _memory,
        strip=True,
    ),
    Figure(
        "letters",
        "Dead letters",
        "Changes that could not be read, joined or written and were set aside, so that the others go on. Bad when the "
        "last one is less than 5 minutes old.",
        _letters,
        strip=True,
    ),
    Figure(
        "snapshot",
        "Snapshot",
        "How old the flow's last recovery snapshot is: what came since is read again after a crash, and left out where "
        "the feed has it. Warns above a minute, bad above two.",
        _snapshot,
        strip=True,
    ),
    Figure(
        "feed",
        "Feed",
        "How many records Redis keeps, and since when the feed is whole. What is older has been trimmed: "
        "DBWATCH_STREAM_MAXLEN is the bound.",
        _feed,
    ),
    Figure(
        "state",
        "State",
        "How many rows and values the join remembers so that it can join what comes. It grows with the watched "
        "collections, not with time.",
        _state,
    ),
    Figure(
        "retries",
        "Retries",
        "Calls that failed for now and were tried again since the flow started. Nothing is lost by them; warns while "
        "one of the servers is waited for.",
        _retries,
    ),
    Figure(
        "processes",
        "Processes",
        "How many of the flow's processes speak. One that has said nothing for 3.5 s is gone or cannot reach Redis.",
        _processes,
    ),
    Figure(
        "clocks",
        "Clocks",
        "The clocks of MongoDB and of the flow against Redis's. Latencies are wrong by what MongoDB's differs. Warns "
        "above 1 s, bad above 5 s.",
        _clocks,
    ),
)


def findings(sight: Sight) -> dict[str, Finding]:
    """Every figure, by its name."""
    return {figure.name: figure.look(sight) for figure in FIGURES}


def strip(found: Mapping[str, Finding]) -> list[dict[str, str]]:
    """What every page is told each second: the figures that are always in sight, and those that are not well."""
    shown = [(figure, found[figure.name]) for figure in FIGURES]
    return [
        {"name": figure.name, "label": figure.label, "value": finding.short or finding.value, "level": finding.level}
        for figure, finding in shown
        if figure.strip or finding.level in ("warn", "bad")
    ]


def worst(found: Iterable[Finding]) -> Level:
    levels = {finding.level for finding in found}
    for level in _WORST_FIRST:
        if level in levels:
            return level
    return "unknown"


def _known(values: Iterable[N | None]) -> list[N]:
    return [value for value in values if value is not None]


def _number(n: float) -> str:
    return f"{n:,.0f}" if n >= 10 or n == int(n) else f"{n:.1f}"


def _milliseconds(n: float) -> str:
    return f"{n / 1000:,.1f} s" if n >= 10_000 else f"{n:,.0f} ms"
