"""The rows of the three tables, from entries of the feed to what the browser is sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from connectors.records import Record
from connectors.stream_ids import Placed, parts
from connectors.summaries import Diff, Joined, summary_of

Table = Literal["created", "updated", "deleted"]

PER_TABLE = 60
PER_BATCH = 12  # ten times a second, as many as fit on a screen: more would cost frames and nobody could read them
TABLES: Mapping[str, Table] = {"c": "created", "u": "updated", "d": "deleted"}
_LONGEST_TEXT = 160
_MOST_DIFFS = 6


class Row(NamedTuple):
    """One line of a table. All texts are as they came: whoever puts them on a page must not read them as HTML.

    `more` counts the changed fields that `diffs` leaves out; `at_ms` is when Redis took the entry, `ts_ms` when the
    source committed the change.
    """

    id: str
    stream: str
    table: Table
    view: str
    key: str
    text: str
    joined: tuple[Joined, ...]
    diffs: tuple[Diff, ...]
    more: int
    cause: str | None
    ts_ms: int
    at_ms: int


def row_of(entry: Placed[Mapping[str, str]]) -> Row | None:
    """The row of an entry, None for what no table shows: a snapshot's rows. Raises `BadRecord`."""
    table = TABLES.get(entry.item.get("op", ""))
    if table is None:
        return None
    record = Record.from_fields(entry.item)
    summary = summary_of(record, longest=_LONGEST_TEXT)
    return Row(
        entry.id,
        entry.stream,
        table,
        record.view,
        record.key[:_LONGEST_TEXT],
        summary.row,
        summary.joined,
        summary.diffs[:_MOST_DIFFS],
        max(0, len(summary.diffs) - _MOST_DIFFS),
        record.cause,
        record.ts_ms,
        parts(entry.id)[0],
    )
