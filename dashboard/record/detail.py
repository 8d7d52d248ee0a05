"""The detail of one record as the page shows it: what changed, the row, the raw record, what it was made of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from connectors.errors import BadRecord
from connectors.records import LookupVersion, Record
from connectors.stream_ids import Placed, parts
from connectors.summaries import Summary, one_line, summary_of
from dashboard.record.addresses import HistoryAddress, RecordAddress
from dashboard.record.causes import cause_of
from dashboard.record.diffs import Node, diff
from dashboard.record.values import Limits, Value, tree

_OPS: Mapping[str, str] = {
    "c": "Created",
    "u": "Updated",
    "d": "Deleted",
    "r": "Read, with its whole collection",
}
_LONGEST_LINE = 200
_RAW_CHARS = 4_000
_MOST_PATHS = 200


@dataclass(frozen=True, slots=True)
class RawField:
    """A field of the entry as it is, `text` being its beginning; `size` counts all of its characters."""

    name: str
    text: str
    size: int


@dataclass(frozen=True, slots=True)
class NewValue:
    """What a path holds now, when what it held before is not known."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Latency:
    """From the source's commit to the entry in Redis. `ms` is None where that means nothing."""

    ms: int | None
    says: str


@dataclass(frozen=True, slots=True)
class Detail:
    """One record in full. Where it cannot be read `problem` says why, and only `raw` and the addresses are there.

    `diff` is None when what was before an update is not known: then `new_values` lists what is known of the change.
    `row` is the row itself, as it is (`row_is` "after") or was ("before").
    """

    stream: int
    id: str
    address: str
    history: str
    view: str
    key: str
    op: str
    op_says: str
    title: str
    joined: tuple[tuple[str, str | None], ...]
    at_ms: int
    age_ms: int
    ts_ms: int | None
    position: str
    latency: Latency
    cause: str | None
    versions: tuple[str, ...]
    diff: Node | None
    new_values: tuple[NewValue, ...]
    row: Value | None
    row_is: str
    raw: tuple[RawField, ...]
    notes: tuple[str, ...]
    problem: str | None


class _Read(NamedTuple):
    """What is read out of a record's rows."""

    summary: Summary
    cause: str | None
    diff: Node | None
    row: Value | None


def detail_of(entry: Placed[Mapping[str, str]], *, stream: int, now_ms: int, limits: Limits | None = None) -> Detail:
    """The detail of an entry; `stream` is the number of its stream. An entry that cannot be read is shown raw."""
    fields = entry.item
    at_ms = parts(entry.id)[0]
    record, read, problem = _read(fields, limits or Limits())
    view, key = fields.get("view", ""), fields.get("key", "")
    return Detail(
        stream=stream,
        id=entry.id,
        address=RecordAddress(stream, entry.id).query,
        history=HistoryAddress(view, key).query,
        view=view,
        key=key,
        op=fields.get("op", ""),
        op_says=_op_says(record),
        title=read.summary.row if read else "",
        joined=tuple((joined.lookup, joined.text) for joined in read.summary.joined) if read else (),
        at_ms=at_ms,
        age_ms=max(0, now_ms - at_ms),
        ts_ms=record.ts_ms if record else None,
        position=fields.get("position", ""),
        latency=_latency(record, at_ms),
        cause=_cause_says(record, read),
        versions=tuple(_versions(record)) if record else (),
        diff=read.diff if read else None,
        new_values=_new_values(record, read),
        row=read.row if read else None,
        row_is="after" if record and record.after is not None else "before",
        raw=tuple(RawField(name, text[:_RAW_CHARS], len(text)) for name, text in fields.items()),
        notes=tuple(_notes(record)) if record else (),
        problem=problem,
    )


def _read(fields: Mapping[str, str], limits: Limits) -> tuple[Record | None, _Read | None, str | None]:
    try:
        record = Record.from_fields(fields)
    except BadRecord as exc:
        return None, None, str(exc)
    try:
        cause = cause_of(record)
        row = record.after if record.after is not None else record.before
        read = _Read(
            summary_of(record, longest=_LONGEST_LINE),
            None if cause is None else cause.text,
            None if _is_before_unknown(record) else diff(record.before, record.after, limits),
            None if row is None else tree(row, limits),
        )
    except BadRecord as exc:
        return record, None, str(exc)
    return record, read, None


def _is_before_unknown(record: Record) -> bool:
    """Whether the row was there, but how is not known; or whether that is all that is known."""
    is_gone = record.after is None
    return (record.op in ("u", "d") and record.before is None) or (record.op == "u" and is_gone)


def _op_says(record: Record | None) -> str:
    if record is None:
        return "Unreadable"
    says = _OPS.get(record.op, record.op)
    return says if record.cause is None else f"{says}, because its {one_line(record.cause, 60)} changed"


def _cause_says(record: Record | None, read: _Read | None) -> str | None:
    if record is None or record.cause is None:
        return None
    what = f": {read.cause}" if read and read.cause else ""
    return f"The row itself did not change. Its {one_line(record.cause, 60)} did{what}."


def _latency(record: Record | None, at_ms: int) -> Latency:
    if record is None:
        return Latency(None, "The time of the commit cannot be read.")
    if record.op == "r":
        return Latency(None, "Read by a snapshot: the time is that at which the collection was read, not of a change.")
    ms = at_ms - record.ts_ms
    if ms < 0:
        return Latency(
            ms, "Redis had it before it was committed: the clocks of the two servers differ by more than it took."
        )
    if record.cause is not None:
        return Latency(ms, "From the commit of the joined row's change to this entry in Redis; by two servers' clocks.")
    return Latency(ms, "From the commit in the source to the entry in Redis; by two servers' clocks.")


def _versions(record: Record) -> Iterator[str]:
    yield f"The row's own version is that of position {one_line(record.versions.row, _LONGEST_LINE)}."
    for name, version in record.versions.lookups.items():
        yield f"{one_line(name, 60)}: {_lookup_says(record, version)}"


def _lookup_says(record: Record, version: LookupVersion) -> str:
    if record.op == "d":
        return "not looked up, for the row is gone."
    if version.fk is None:
        return "refers to nothing."
    refers = f"refers to {one_line(version.fk, _LONGEST_LINE)}"
    if version.position is None:
        return f"{refers}, but there is no such row (answer {version.n} for that value)."
    found = one_line(version.position, _LONGEST_LINE)
    return f"{refers}; the row found is the version of position {found} (answer {version.n} for that value)."


def _new_values(record: Record | None, read: _Read | None) -> tuple[NewValue, ...]:
    """What the paths that changed hold now, where there is nothing to compare them with."""
    if record is None or read is None or read.diff is not None or record.after is None:
        return ()
    return tuple(NewValue(path, new) for path, _, new in read.summary.diffs[:_MOST_PATHS])


def _notes(record: Record) -> Iterator[str]:
    """What is missing, and why."""
    if record.op == "u" and record.after is None:
        yield "The row was gone before it could be read; its deletion follows."
    elif record.op == "u" and record.before is None:
        yield "What the row was before is not known. What changed is what the source named."
    elif record.op == "d" and record.before is None:
        yield "What the row was is not known."
    if record.op == "u" and record.changed == ():
        yield "No field of the row as it is shown here changed."
