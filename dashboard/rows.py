"""The rows of the three tables, from entries of the feed to what the browser is sent. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from connectors.errors import BadRecord
from connectors.records import Record
from connectors.stream_ids import Placed, parts
from connectors.summaries import Diff, Joined, summary_of

Table = Literal["created", "updated", "deleted"]

PER_TABLE = 60
PER_BATCH = 12  # ten times a second, as many as fit on a screen: more would cost frames and nobody could read them
_TABLES: Mapping[str, Table] = {"c": "created", "u": "updated", "d": "deleted"}
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
    table = _TABLES.get(entry.item.get("op", ""))
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


class Tables:
    """The newest rows of each table, and no more: the page's memory does not grow."""

    def __init__(self) -> None:
        self._rows: dict[Table, deque[Row]] = {table: deque(maxlen=PER_TABLE) for table in _TABLES.values()}
        self.shown = 0
        self.left_out = 0
        self.unreadable = 0
        """Counts since the beginning: rows shown, rows that found no room, entries that could not be read."""

    def add(self, entries: Iterable[Placed[Mapping[str, str]]], most: int = PER_BATCH) -> list[Row]:
        """Take entries, oldest first; which of their rows are shown now, oldest first, at most `most` of each table."""
        wanted: list[Row] = []
        left = dict.fromkeys(self._rows, most)
        for entry in reversed(list(entries)):
            table = _TABLES.get(entry.item.get("op", ""))
            if table is None:
                continue
            if not left[table]:  # not even decoded
                self.left_out += 1
            elif row := self._readable(entry):
                left[table] -= 1
                wanted.append(row)
        wanted.reverse()
        for row in wanted:
            self._rows[row.table].append(row)
        self.shown += len(wanted)
        return wanted

    def all(self) -> list[Row]:
        """Every row that is shown, oldest first."""
        return sorted(
            (row for rows in self._rows.values() for row in rows), key=lambda row: (parts(row.id), row.stream)
        )

    def _readable(self, entry: Placed[Mapping[str, str]]) -> Row | None:
        try:
            return row_of(entry)
        except BadRecord:
            self.unreadable += 1
            return None
