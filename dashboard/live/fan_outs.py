"""Rows that one change of a looked-up row re-joined, as one line: "The Matrix: title changed, 214 comments re-joined".

They belong together when they are of one view and the same lookup and position caused them. They may come in many
batches and among others: a fan-out stays open until nothing has come for `OPEN_MS`, by the entries' own times, or until
more than `MOST_OPEN` others have grown since. What comes later begins another. Pure; its memory is bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from connectors.records import Record
from connectors.stream_ids import Placed, parts
from connectors.summaries import one_line
from dashboard.live.rows import Row
from dashboard.record.causes import Cause, cause_of

OPEN_MS = 10_000
MOST_OPEN = 100
MOST_ROWS = 20
"""The newest rows that a line opens to; the others are counted."""

Entry = Placed[Mapping[str, str]]
Key = tuple[str, str, str]
"""Of a fan-out: the view, the lookup, and the position of the change."""

_EDGE = 20
_MANY = 5


def key_of(fields: Mapping[str, str]) -> Key | None:
    """The fan-out that an entry belongs to, None when it has no cause. Nothing is decoded."""
    if "cause" not in fields or "view" not in fields or "position" not in fields:
        return None
    return fields["view"], fields["cause"], fields["position"]


def cut_off(newest_first: Sequence[Mapping[str, str]]) -> frozenset[Key]:
    """The fan-outs that may go on before these entries, which are not all there were: those of the oldest few."""
    return frozenset(key for key in map(key_of, newest_first[-_EDGE:]) if key)


def is_torn(newest_first: Sequence[Mapping[str, str]]) -> bool:
    """Whether these entries are not all there were, and a fan-out of many seems to go on before them."""
    cut = cut_off(newest_first)
    if not cut:
        return False
    counts = Counter(map(key_of, newest_first))
    return any(counts[key] >= _MANY for key in cut)


class Group(NamedTuple):
    """One line of a table that stands for `total` rows, or `at_least` so many. Id and stream are those of the first;
    `rows` are the newest of them, oldest first. `name` and `change` tell the cause, `text` is the whole sentence.
    """

    id: str
    stream: str
    table: Literal["updated"]
    view: str
    cause: str
    position: str
    name: str
    change: str
    text: str
    total: int
    at_least: bool
    rows: tuple[Row, ...]
    ts_ms: int
    at_ms: int
    kind: Literal["group"] = "group"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, in which rows are objects."""
        return {**self._asdict(), "rows": [row._asdict() for row in self.rows]}


class Grown(NamedTuple):
    """A line that is shown already stands for more rows now, of which `rows` are some."""

    id: str
    stream: str
    total: int
    at_least: bool
    text: str
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, in which rows are objects."""
        return {**self._asdict(), "rows": [row._asdict() for row in self.rows]}


class FanOut:
    """One that is open. `count` grows with each entry; its rows are those that were given to `keep`. Entries, which may
    be large, are not held.
    """

    def __init__(self, first: Entry) -> None:
        self.stream, self.id = first.stream, first.id
        self._view, self._lookup, self._position = (first.item[name] for name in ("view", "cause", "position"))
        self._rows: deque[Row] = deque(maxlen=MOST_ROWS)
        self._fresh: list[Row] = []
        self._cause: Cause | None = None
        self.count = 0
        self.at_least = False
        self.last_ms = 0

    @property
    def is_told(self) -> bool:
        """Whether it is known what happened: a row was kept."""
        return self._cause is not None

    def keep(self, entry: Entry, row: Row) -> None:
        """One of the newest of its rows, made of that entry; they are to be given in order."""
        if self._cause is None:
            self._cause = cause_of(Record.from_fields(entry.item))
        self._rows.append(row)
        self._fresh.append(row)

    def group(self) -> Group:
        """The line as it is now."""
        cause = self._told()
        self._fresh.clear()
        return Group(
            self.id,
            self.stream,
            "updated",
            self._view,
            self._lookup,
            self._position,
            cause.name,
            cause.change,
            self._text(),
            self.count,
            self.at_least,
            tuple(self._rows),
            self._rows[-1].ts_ms if self._rows else parts(self.id)[0],
            self.last_ms,
        )

    def grown(self) -> Grown:
        """What has come since `group` or this was last asked for."""
        fresh = tuple(self._fresh[-MOST_ROWS:])
        self._fresh.clear()
        return Grown(self.id, self.stream, self.count, self.at_least, self._text(), fresh)

    def _text(self) -> str:
        total = f"at least {self.count:,}" if self.at_least else f"{self.count:,}"
        return f"{self._told().text}, {total} {one_line(self._view, 60)} re-joined"

    def _told(self) -> Cause:
        return self._cause or Cause(one_line(self._lookup, 60), "changed")


class FanOuts:
    """Those that are open."""

    def __init__(self) -> None:
        self._open: dict[Key, FanOut] = {}  # in the order in which they grew last

    def add(self, entry: Entry, cut: Collection[Key] = ()) -> FanOut | None:
        """The fan-out that an entry belongs to and has been counted in; None when it has no cause. Nothing is decoded.

        One with a count of 1 is just a row until another comes. Of those in `cut`, not all entries were read.
        """
        key = key_of(entry.item)
        if key is None:
            return None
        now_ms = parts(entry.id)[0]
        self._close(now_ms)
        fan_out = self._open.pop(key, None) or FanOut(entry)
        self._open[key] = fan_out
        fan_out.count += 1
        fan_out.at_least |= key in cut
        fan_out.last_ms = max(fan_out.last_ms, now_ms)
        return fan_out

    def _close(self, now_ms: int) -> None:
        """Forget those that have not grown for long, and the first of too many."""
        while self._open:
            key, fan_out = next(iter(self._open.items()))
            if len(self._open) < MOST_OPEN and fan_out.last_ms >= now_ms - OPEN_MS:
                return
            del self._open[key]
