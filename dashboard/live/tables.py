"""What the three live tables hold, from entries of the feed: the newest lines, rows of one cause as one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from connectors.errors import BadRecord
from connectors.stream_ids import Placed, parts
from dashboard.live.fan_outs import FanOut, FanOuts, Group, Grown, Key
from dashboard.live.rows import PER_BATCH, PER_TABLE, TABLES, Row, Table, row_of

Line = Row | Group
Entry = Placed[Mapping[str, str]]
_MEMBERS = 5 / 3
"""Rows within groups that are decoded, for each line that a table may get."""


class News(NamedTuple):
    """What a batch brought, oldest first: new lines, of which one may take the place of a row that had its id, and
    lines that grew.
    """

    lines: tuple[Line, ...] = ()
    grown: tuple[Grown, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.grown)


class Tables:
    """The newest lines of each table, and no more: the page's memory does not grow."""

    def __init__(self) -> None:
        self._lines: dict[Table, dict[tuple[str, str], Line]] = {table: {} for table in TABLES.values()}
        self._fan_outs = FanOuts()
        self.shown = 0
        self.left_out = 0
        self.unreadable = 0
        """Counts since the beginning: records shown, records that found no room, entries that could not be read."""

    def add(self, entries: Iterable[Entry], most: int = PER_BATCH, cut: Collection[Key] = ()) -> News:
        """Take entries, oldest first; what is shown of them, at most `most` new lines of each table. Of the fan-outs in
        `cut`, not all entries are among them.
        """
        batch = _Batch(most)
        placed = [(entry, self._fan_outs.add(entry, cut)) for entry in entries]
        for entry, fan_out in reversed(placed):
            table = TABLES.get(entry.item.get("op", ""))
            if table is None:
                continue
            if fan_out is not None and fan_out.count > 1:
                self._take_member(batch, entry, fan_out)
            else:
                self._take_row(batch, table, entry, fan_out)
        return self._place(batch)

    def all(self) -> list[Line]:
        """Every line that is shown, oldest first."""
        lines = (line for lines in self._lines.values() for line in lines.values())
        return sorted(lines, key=lambda line: (parts(line.id), line.stream))

    def _take_row(self, batch: _Batch, table: Table, entry: Entry, fan_out: FanOut | None) -> None:
        if not batch.left[table]:  # not even decoded
            self.left_out += 1
        elif row := self._readable(entry):
            batch.left[table] -= 1
            batch.lines.append(row)
            self.shown += 1
            if fan_out is not None:
                fan_out.keep(entry, row)

    def _take_member(self, batch: _Batch, entry: Entry, fan_out: FanOut) -> None:
        if fan_out not in batch.members:
            if (fan_out.stream, fan_out.id) not in self._lines["updated"]:
                if not batch.left["updated"]:
                    self.left_out += 1
                    return
                batch.left["updated"] -= 1
            batch.members[fan_out] = []
            batch.lines.append(fan_out)
        self.shown += 1
        is_wanted = batch.members_left > 0 or not (fan_out.is_told or batch.members[fan_out])
        if is_wanted and (row := self._readable(entry)):
            batch.members_left -= 1
            batch.members[fan_out].append((entry, row))

    def _place(self, batch: _Batch) -> News:
        lines: list[Line] = []
        grown: list[Grown] = []
        for found in reversed(batch.lines):
            if isinstance(found, Row):
                lines.append(found)
                self._show(found)
                continue
            for entry, row in reversed(batch.members[found]):
                found.keep(entry, row)
            if isinstance(self._lines["updated"].get((found.stream, found.id)), Group):
                grown.append(found.grown())
                self._show(found.group())
            else:
                lines.append(found.group())
                self._show(lines[-1])
        return News(tuple(lines), tuple(grown))

    def _show(self, line: Line) -> None:
        lines = self._lines[line.table]
        lines[line.stream, line.id] = line
        while len(lines) > PER_TABLE:
            del lines[next(iter(lines))]

    def _readable(self, entry: Entry) -> Row | None:
        try:
            return row_of(entry)
        except BadRecord:
            self.unreadable += 1
            return None


class _Batch:
    """What is taken of one batch, newest first, and how much more may be."""

    def __init__(self, most: int) -> None:
        self.left = dict.fromkeys(TABLES.values(), most)
        self.members_left = round(most * _MEMBERS)
        self.lines: list[Row | FanOut] = []
        self.members: dict[FanOut, list[tuple[Entry, Row]]] = {}
