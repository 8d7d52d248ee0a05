"""The hottest rows of the last minute, and the rows whose change reached most others, of what the page has read. Pure.

Memory is bounded whatever comes: of each part of the minute only the most frequent are kept (as in "space saving",
Metwally, Agrawal, El Abbadi 2005, but thrown away in batches), and it is known by how much a count may be too high. A
re-joined row counts for the row that caused it and not for itself, so that a fan-out does not drown what people do.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import orjson

from connectors.stream_ids import Placed, parts

K = TypeVar("K")

MINUTE_MS = 60_000
_SLICE_MS = 5_000
_KEPT = 200
_LONGEST_KEY = 400

Place = tuple[str, str]
"""A stream and an entry's id."""


class Row(NamedTuple):
    view: str
    key: str


class Cause(NamedTuple):
    """The row that `lookup` found under the foreign key `fk` (as `versions` writes it), whose change reached rows of
    `view`.
    """

    view: str
    lookup: str
    fk: str


class Hot(NamedTuple, Generic[K]):
    """`times` it came, or up to `off` times less; `place` is the newest entry of it."""

    what: K
    times: int
    off: int
    place: Place


class Top(NamedTuple):
    """The hottest of one minute. `read` changes were counted; `all_read` when these were certainly all."""

    rows: Sequence[Hot[Row]]
    causes: Sequence[Hot[Cause]]
    read: int
    all_read: bool


class Frequent(Generic[K]):
    """Counts the most frequent of what comes, in bounded memory: a count is never too low for what is kept, and at most
    `off` too high.
    """

    def __init__(self, size: int = _KEPT) -> None:
        self._size = size
        self._counts: Counter[K] = Counter()
        self._off: dict[K, int] = {}
        self._places: dict[K, Place] = {}
        self._floor = 0

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def floor(self) -> int:
        """What is not kept came at most so often."""
        return self._floor

    def add(self, what: K, place: Place) -> None:
        if what not in self._counts and self._floor:
            self._counts[what] = self._off[what] = self._floor
        self._counts[what] += 1
        self._places[what] = place
        if len(self._counts) > 2 * self._size:
            self._shrink()

    def items(self) -> Iterable[Hot[K]]:
        return (Hot(what, count, self._off.get(what, 0), self._places[what]) for what, count in self._counts.items())

    def _shrink(self) -> None:
        most = self._counts.most_common()
        kept, gone = most[: self._size], most[self._size :]
        self._floor = max(self._floor, gone[0][1])
        self._counts = Counter(dict(kept))
        self._off = {what: self._off[what] for what, _ in kept if what in self._off}
        self._places = {what: self._places[what] for what, _ in kept}


class _Slice:
    """What came within a few seconds."""

    def __init__(self, begin_ms: int) -> None:
        self.begin_ms = begin_ms
        self.read = 0
        self.capped = False
        self.rows = Frequent[Row]()
        self.causes = Frequent[Cause]()


class Hottest:
    """Counts what is read; what is older than a minute is forgotten."""

    def __init__(self) -> None:
        self._slices: deque[_Slice] = deque()
        self._top: tuple[int, Top] | None = None

    def begin(self, entries: Sequence[Placed[Mapping[str, str]]], *, capped: bool) -> None:
        """What stood there before reading began; does nothing once something was read."""
        if entries and not self._slices:
            span_ms = parts(entries[-1].id)[0] - parts(entries[0].id)[0]
            self.add(entries, capped=capped and span_ms < MINUTE_MS)

    def add(self, entries: Iterable[Placed[Mapping[str, str]]], *, capped: bool = False) -> None:
        """New entries, oldest first; `capped`: there were more, which were not read. A first read's rows are no
        changes, and passed by.
        """
        for entry in entries:
            part = self._slice(parts(entry.id)[0])
            if entry.item.get("op") == "r":
                continue
            part.read += 1
            place = (entry.stream, entry.id)
            if cause := _cause(entry.item):
                part.causes.add(cause, place)
            elif "cause" not in entry.item:
                part.rows.add(Row(entry.item.get("view", ""), entry.item.get("key", "")[:_LONGEST_KEY]), place)
        if capped and self._slices:
            self._slices[-1].capped = True

    def top(self, now_ms: int, most: int = 10) -> Top:
        """All of it; asked again for the same moment, whoever asks gets the same, for it costs some milliseconds."""
        if self._top is None or self._top[0] != now_ms:
            self._top = now_ms, Top(self.rows(now_ms, most), self.causes(now_ms, most), *self.read(now_ms))
        return self._top[1]

    def read(self, now_ms: int) -> tuple[int, bool]:
        """How many changes of the last minute were read, and whether that was certainly all of them."""
        self._forget(now_ms)
        return sum(part.read for part in self._slices), not any(part.capped for part in self._slices)

    def rows(self, now_ms: int, most: int = 10) -> list[Hot[Row]]:
        """The rows that changed most often by themselves, the hottest first."""
        self._forget(now_ms)
        return _hottest((part.rows for part in self._slices), most)

    def causes(self, now_ms: int, most: int = 10) -> list[Hot[Cause]]:
        """The joined rows whose changes reached most other rows, with how many records that made."""
        self._forget(now_ms)
        return _hottest((part.causes for part in self._slices), most)

    def _slice(self, at_ms: int) -> _Slice:
        """That of a moment; the last one for a moment before it, since entries come in order but for their streams."""
        if not self._slices or at_ms - self._slices[-1].begin_ms >= _SLICE_MS:
            self._slices.append(_Slice(at_ms))
            self._forget(at_ms)
        return self._slices[-1]

    def _forget(self, now_ms: int) -> None:
        while self._slices and now_ms - self._slices[0].begin_ms > MINUTE_MS:
            self._slices.popleft()


def _hottest(parts_of: Iterable[Frequent[K]], most: int) -> list[Hot[K]]:
    """Over all parts. What a part does not keep may have come there as often as its floor says: that is not added, for
    then every count would grow; so a count may also be too low by that, which is less than what the hottest have.
    """
    sums: dict[K, Hot[K]] = {}
    for part in parts_of:
        for what, count, off, place in part.items():
            before = sums.get(what)
            sums[what] = (
                Hot(what, count, off, place)
                if before is None
                else Hot(what, before.times + count, before.off + off, place)
            )
    return heapq.nlargest(most, sums.values(), key=lambda hot: (hot.times - hot.off, hot.place))


def _cause(fields: Mapping[str, str]) -> Cause | None:
    """Which joined row's change made this record; None when none did, or it cannot be read."""
    lookup = fields.get("cause")
    if lookup is None:
        return None
    try:
        fk = orjson.loads(fields["versions"])[lookup][1]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return Cause(fields.get("view", ""), lookup, fk[:_LONGEST_KEY]) if isinstance(fk, str) else None
