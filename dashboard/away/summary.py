"""While you were away: what happened between what somebody saw last and now, in a few words and figures. Pure.

A `Tally` is fed with the missed entries, however many; it keeps the counts of each view and kind and, in bounded
memory, the rows that changed most. What was trimmed away before anybody saw it is told by `gone_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from connectors.stream_ids import parts
from connectors.stretches import START, EntryId, Extent, Picked, Seen, Stretch, Stretches

FIELDS = ("view", "op", "cause", "key")
"""The fields of an entry that a `Tally` wants, in this order."""

KINDS = ("c", "u", "caused", "d", "r")
MOST_ROWS = 10
_TRACKED = 4000
_MOST_VIEWS = 200
_OTHER_VIEWS = "(other views)"

RowKey = tuple[str, str]


class Busy(NamedTuple):
    """A row and how often it changed: `changes` times, and up to `error` times more that were not counted for it.
    `id` is its last entry, in `stream`."""

    view: str
    key: str
    changes: int
    error: int
    stream: str
    id: str


class Tally:
    """Counts of missed entries. The order within a stream matters, that of the streams does not."""

    def __init__(self, *, tracked: int = _TRACKED) -> None:
        """At most twice `tracked` rows are counted at a time."""
        self.entries = 0
        self.unreadable = 0
        self.first: EntryId | None = None
        self.last: EntryId | None = None
        self._counts: dict[tuple[str, str], int] = {}
        self._views: set[str] = set()
        self._rows: dict[RowKey, list[int]] = {}
        self._newest: dict[RowKey, tuple[str, str]] = {}
        self._tracked = tracked
        self._floor = 0  # as many changes as a row that is not tracked can have had

    def add(self, stream: str, picked: Sequence[Picked]) -> None:
        """Take entries of a stream, oldest first, with the values of `FIELDS`."""
        if not picked:
            return
        first, last = parts(picked[0][0]), parts(picked[-1][0])
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        self.entries += len(picked)
        for entry_id, (view, op, cause, key) in picked:
            kind = op if cause is None else "caused"
            if view is None or key is None or kind not in KINDS:
                self.unreadable += 1
                continue
            where = (self._view(view), kind)
            self._counts[where] = self._counts.get(where, 0) + 1
            self._count_row((view, key))
            self._newest[view, key] = (stream, entry_id)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many there are of each kind, by view; views in the order of their names."""
        found: dict[str, dict[str, int]] = {}
        for view, kind in sorted(self._counts):
            found.setdefault(view, dict.fromkeys(KINDS, 0))[kind] = self._counts[view, kind]
        return found

    def busiest(self, most: int = MOST_ROWS) -> tuple[list[Busy], bool]:
        """The rows that changed most, and whether they and their counts are exact.

        They are as long as no more rows than are tracked have changed, and beyond that as long as no other can have
        changed more often.
        """
        ranked = sorted(self._rows.items(), key=lambda item: (-item[1][0], item[0]))
        top = [Busy(*row, count, error, *self._newest[row]) for row, (count, error) in ranked[:most]]
        rest = max((count + error for _, (count, error) in ranked[most:]), default=0)
        last = top[-1].changes if top else 0
        exact = all(busy.error == 0 for busy in top) and last >= max(rest, self._floor)
        return top, exact

    def _view(self, view: str) -> str:
        if view in self._views:
            return view
        if len(self._views) >= _MOST_VIEWS:
            return _OTHER_VIEWS
        self._views.add(view)
        return view

    def _count_row(self, row: RowKey) -> None:
        counted = self._rows.get(row)
        if counted is not None:
            counted[0] += 1
            return
        if len(self._rows) >= 2 * self._tracked:
            self._forget_the_quietest()
        self._rows[row] = [1, self._floor]

    def _forget_the_quietest(self) -> None:
        ranked = sorted(self._rows.items(), key=lambda item: item[1][0] + item[1][1], reverse=True)
        self._rows = dict(ranked[: self._tracked])
        self._floor = max(self._floor, *(sum(counted) for _, counted in ranked[self._tracked :]))
        self._newest = {row: self._newest[row] for row in self._rows}


class Gone(NamedTuple):
    """Missed entries of a stream that are no longer there: those after `after_ms` and before the feed's beginning at
    `begins_ms`. `entries` is how many, None when that cannot be known."""

    stream: str
    after_ms: int
    begins_ms: int
    entries: int | None


def gone_of(stream: str, missed: Stretches, seen: Seen, extent: Extent) -> Gone | None:
    """What was trimmed away of the missed stretches; None when nothing was.

    The count is exact where it is known how many entries there were up to the last one seen (`Seen.added`); a stream
    that was deleted and begun anew counts from there.
    """
    begins = extent.first or extent.last
    lost = [stretch for stretch in missed if stretch.after < begins]
    if not lost:
        return None
    entries = _trimmed(lost, begins, seen, extent)
    return None if entries == 0 else Gone(stream, lost[0].after[0], begins[0], entries)


def _trimmed(lost: Sequence[Stretch], begins: EntryId, seen: Seen, extent: Extent) -> int | None:
    """How many of the entries that lay in the stretches before the stream's beginning are gone, None where unknown."""
    if extent.added is None:
        return None
    removed = extent.added - extent.length
    if removed == 0:
        return 0
    known = {START: 0, **seen.added}
    entries = 0
    for after, upto in lost:
        first = known.get(after)
        last = removed if upto >= begins else known.get(upto)
        if first is None or last is None or last < first:
            return None
        entries += last - first
    return entries


def since_of(seens: Iterable[Seen], first: EntryId) -> int | None:
    """When the last record was written that somebody had seen before the first one missed; None when they had seen
    none."""
    known = [stretch.upto for seen in seens for stretch in seen.stretches if START < stretch.upto < first]
    return max(known)[0] if known else None


class Letter(NamedTuple):
    """A dead letter of the time."""

    at_ms: int
    stage: str
    collection: str
    error: str


class Letters(NamedTuple):
    """How many changes could not be read, joined or written in the time, and the newest of them."""

    total: int
    newest: Sequence[Letter]

    def without_errors(self) -> Letters:
        """For who may not see all of a row: an error may quote it."""
        return self._replace(newest=[letter._replace(error="") for letter in self.newest])


class Named(NamedTuple):
    """A busy row with what it is called; the key as it is, also a long one."""

    row: Busy
    key: str
    text: str


class Away(NamedTuple):
    """What somebody missed. `since_ms` is when the last record was written that they have seen, None when they have
    seen none; `until_ms` that of the last one missed."""

    tally: Tally
    letters: Letters
    gone: Sequence[Gone]
    since_ms: int | None
    until_ms: int


def value_of(away: Away, rows: Iterable[Named], *, exact: bool) -> dict[str, object]:
    """What the page is sent. Times are Unix milliseconds: the page writes them as its reader's clock has them."""
    tally = away.tally
    counts = tally.counts()
    return {
        "entries": tally.entries,
        "sinceMs": away.since_ms,
        "untilMs": away.until_ms,
        "firstMs": None if tally.first is None else tally.first[0],
        "lastMs": None if tally.last is None else tally.last[0],
        "views": [{"view": view, "total": sum(kinds.values()), **kinds} for view, kinds in counts.items()],
        "unreadable": tally.unreadable,
        "rows": [
            {
                "view": named.row.view,
                "key": named.key,
                "text": named.text,
                "changes": named.row.changes,
                "atMost": named.row.changes + named.row.error,
                "stream": named.row.stream,
                "id": named.row.id,
            }
            for named in rows
        ],
        "rowsExact": exact,
        "letters": {"total": away.letters.total, "newest": [letter._asdict() for letter in away.letters.newest]},
        "gone": [gone._asdict() for gone in away.gone],
        "sentences": sentences(away),
    }


def sentences(away: Away) -> list[str]:
    """The same in words, without times."""
    tally = away.tally
    views = len(tally.counts())
    said = [f"{_many(tally.entries, 'change')} in {_many(views, 'view')}" if views else _many(tally.entries, "change")]
    if tally.unreadable:
        said.append(f"{_many(tally.unreadable, 'entry', 'entries')} of the feed could not be read")
    if away.letters.total:
        said.append(f"{_many(away.letters.total, 'change')} could not be read, joined or written: see the dead letters")
    if away.gone:
        known = [gone.entries for gone in away.gone]
        total = None if None in known else sum(n for n in known if n is not None)
        many = "an unknown number of entries" if total is None else _many(total, "entry", "entries")
        said.append(f"The feed no longer reaches back to what you saw last: {many} between are gone")
    return said


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
