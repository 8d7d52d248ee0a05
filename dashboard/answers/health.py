"""How well everything is, whole: figures that explain themselves, processes, collections, the hottest rows, and what
was set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis

from connectors.dead_letters import DeadLetter
from connectors.errors import BadRecord, ConfigError, TransientError
from connectors.records import Record
from connectors.redis_client import translated
from connectors.stream_ids import parts
from connectors.summaries import one_line, summary_of
from dashboard.access.hidden import hide_fields
from dashboard.access.roles import Hidden
from dashboard.asks import Ask
from dashboard.health.findings import FIGURES, worst
from dashboard.health.flow_processes import Process
from dashboard.health.hot import Cause, Hot, Place, Row, Top
from dashboard.health.watch import Seen
from dashboard.live.reader import reader

MOST_LETTERS = 50
_LONGEST_TEXT = 120
_NEARLY_ALL = 0.98

_Entries = list[tuple[str, Mapping[str, str]]]


class _Named(NamedTuple):
    """What a record says in words: its row, and for each lookup the joined row and the foreign key."""

    row: str
    joined: Mapping[str, str | None]
    keys: Mapping[str, str | None]


async def health(ask: Ask) -> object:
    """Everything that the health panel shows, as of the reader's last beat."""
    seen = reader().seen
    if seen is None:
        raise TransientError("the server has not read Redis yet, or cannot; it tries again each second")
    now_ms = seen.sight.now_ms
    top = reader().hottest.top(now_ms)
    named = await _named(ask.redis, {hot.place for hot in (*top.rows, *top.causes)}, ask.hidden)
    return {
        "nowMs": now_ms,
        "worst": worst(seen.found.values()),
        "figures": _figures(seen),
        "processes": [_process(process, now_ms) for process in seen.sight.processes],
        "collections": [{"view": view, "counts": counts} for view, counts in seen.totals.items()],
        "hot": {
            "rows": [_hot_row(hot, named, ask.keys.changes) for hot in top.rows],
            "causes": [_hot_cause(hot, named) for hot in top.causes],
            **_share(top, seen),
        },
    }


async def deadletters(ask: Ask) -> object:
    """The newest dead letters, newest first: which change, and why. `most` of them, 10 unless said."""
    most = ask.args.get("most", 10)
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_LETTERS:
        raise ConfigError(f"most: expected a whole number from 1 to {MOST_LETTERS}")
    pipeline = ask.redis.pipeline(transaction=False)
    pipeline.xlen(ask.keys.deadletter)
    pipeline.xrevrange(ask.keys.deadletter, count=most)
    with translated(f"reading {ask.keys.deadletter}"):
        total, entries = cast("tuple[int, _Entries]", await pipeline.execute())
    return {"total": total, "letters": [_letter(*entry, hidden=bool(ask.hidden)) for entry in entries]}


def _figures(seen: Seen) -> list[dict[str, object]]:
    return [
        {
            "name": figure.name,
            "label": figure.label,
            "meaning": figure.meaning,
            **seen.found[figure.name]._asdict(),
        }
        for figure in FIGURES
    ]


def _process(process: Process, now_ms: int) -> dict[str, object]:
    """One process as it last said of itself."""
    return {
        "name": one_line(process.name, 40),
        "silent": process.is_silent(now_ms),
        "state": one_line(process.state, 40),
        "heardMs": min(process.heard_ms, now_ms),
        "startedMs": process.started_ms,
        "lagMs": process.lag_ms,
        "written": process.written,
        "skipped": process.skipped,
        "retries": process.retries + process.sink_retries,
        "deadLetters": process.dead_letters,
        "entries": process.state_entries,
        "pending": process.pending,
        "snapshotAgeS": process.snapshot_age_s,
    }


def _hot_row(hot: Hot[Row], named: Mapping[Place, _Named], streams: tuple[str, ...]) -> dict[str, object]:
    stream, entry_id = hot.place
    name = named.get(hot.place)
    return {
        "view": hot.what.view,
        "key": hot.what.key,
        "text": name.row if name else "",
        "times": hot.times,
        "off": hot.off,
        "stream": streams.index(stream) if stream in streams else None,
        "id": entry_id,
    }


def _hot_cause(hot: Hot[Cause], named: Mapping[Place, _Named]) -> dict[str, object]:
    """Its words and its key are those that this role may see; its view may hide them."""
    name = named.get(hot.place)
    return {
        "view": hot.what.view,
        "lookup": hot.what.lookup,
        "key": (name.keys.get(hot.what.lookup) or "") if name else "",
        "text": (name.joined.get(hot.what.lookup) or "") if name else "",
        "times": hot.times,
        "off": hot.off,
    }


def _share(top: Top, seen: Seen) -> dict[str, object]:
    """How much of what changed in the last minute was read, and so counted. The two are told at other moments, so a
    little less is all.
    """
    written = sum(count for kinds in seen.totals.values() for kind, count in kinds.items() if kind != "r")
    whole = top.all_read or top.read >= _NEARLY_ALL * written
    return {"read": top.read, "all": whole, "written": max(written, top.read)}


async def _named(redis: Redis, places: Iterable[Place], hidden: frozenset[Hidden]) -> dict[Place, _Named]:
    """The records at these places in words, without what is hidden; one that was trimmed has none."""
    asked = sorted(places)
    pipeline = redis.pipeline(transaction=False)
    for stream, entry_id in asked:
        pipeline.xrange(stream, entry_id, entry_id)
    with translated("reading the hottest rows"):
        replies = cast("list[_Entries]", await pipeline.execute()) if asked else []
    found: dict[Place, _Named] = {}
    for place, entries in zip(asked, replies, strict=True):
        for _, fields in entries:
            if name := _name_of(hide_fields(fields, hidden)):
                found[place] = name
    return found


def _name_of(fields: Mapping[str, str]) -> _Named | None:
    try:
        record = Record.from_fields(fields)
        summary = summary_of(record, longest=_LONGEST_TEXT)
    except BadRecord:
        return None
    keys = {name: version.fk for name, version in record.versions.lookups.items()}
    return _Named(summary.row, {joined.lookup: joined.text for joined in summary.joined}, keys)


def _letter(entry_id: str, fields: Mapping[str, str], *, hidden: bool) -> dict[str, Any]:
    """One dead letter. The event itself is not told; to a role from which fields are hidden the error is not either,
    for it may quote one.
    """
    told: dict[str, Any] = {"id": entry_id, "atMs": parts(entry_id)[0]}
    try:
        letter = DeadLetter.from_fields(fields)
    except BadRecord as exc:
        return told | {"stage": "", "view": "", "key": "", "op": "", "error": str(exc)}
    return told | {
        "stage": letter.stage,
        "view": one_line(letter.collection, 120),
        "key": one_line(letter.key, 200),
        "op": letter.op,
        "error": "(not shown to your role)" if hidden else one_line(letter.error, 500),
    }
