"""The history: what a browser asks of it, and what it is told, from entries of the feed to rows of a page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.errors import BadRecord, ConfigError
from connectors.places import Entry, Page, Place, Span
from connectors.reach import Reach
from connectors.records import Record
from connectors.summaries import Diff, Joined, summary_of

MOST_ROWS = 200
_LONGEST_FILTER = 2000
_LONGEST_KEY = 100_000
_LONGEST_TEXT = 160
_MOST_DIFFS = 6
_LARGEST_MS = 1 << 53
_LATEST_MS = 8_640_000_000_000_000  # as far as a browser's clock goes

Fields = Mapping[str, str]
Wanted = Callable[[Fields], bool]


class Chosen(NamedTuple):
    """Which part of the feed: records of a view, of one row of it, that a filter lets through, between two moments of
    Redis's clock (`from_ms` and later, before `to_ms`). None is no limit."""

    filter: str = ""
    view: str | None = None
    key: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None

    @classmethod
    def parse(cls, args: Mapping[str, Any]) -> Chosen:
        """From what a browser sent; raises `ConfigError` for what is not of its kind."""
        chosen = cls(
            filter=_text(args, "filter", _LONGEST_FILTER) or "",
            view=_text(args, "view", 1000),
            key=_text(args, "key", _LONGEST_KEY),
            from_ms=_moment(args, "fromMs"),
            to_ms=_moment(args, "toMs"),
        )
        if chosen.key is not None and chosen.view is None:
            raise ConfigError("a key was asked for without its view")
        return chosen

    @property
    def span(self) -> Span:
        return Span(
            None if self.from_ms is None else Place.moment(self.from_ms),
            None if self.to_ms is None else Place.moment(self.to_ms),
        )

    def wanted(self, matches: Wanted) -> Wanted:
        """Which entries: those of the view and row that `matches`, the filter, lets through; the cheap tests first."""
        view, key = self.view, self.key
        if view is None:
            return matches
        if key is None:
            return lambda fields: fields.get("view") == view and matches(fields)
        return lambda fields: fields.get("key") == key and fields.get("view") == view and matches(fields)


class Turn(NamedTuple):
    """Where a page of `rows` begins: those before a place, those after one, or, without either, the newest."""

    rows: int
    before: Place | None = None
    after: Place | None = None

    @classmethod
    def parse(cls, args: Mapping[str, Any], *, streams: int) -> Turn:
        """From what a browser sent: `before` or `after` an address, or `atMs`, the newest up to a moment; raises
        `ConfigError`."""
        count = args.get("count", MOST_ROWS)
        if type(count) is not int or not 1 <= count <= MOST_ROWS:
            raise ConfigError(f"a page has 1 to {MOST_ROWS} rows, {str(count)[:40]!r} were asked for")
        given = [name for name in ("before", "after", "atMs") if args.get(name) is not None]
        if len(given) > 1:
            raise ConfigError(f"a page begins at one place, {' and '.join(given)} were given")
        at_ms = _moment(args, "atMs")
        before = Place.moment(at_ms + 1) if at_ms is not None else _place(args, "before", streams)
        return cls(count, before, _place(args, "after", streams))

    @property
    def newest_first(self) -> bool:
        return self.after is None

    def span(self, chosen: Span) -> Span:
        """What is to be read of a span."""
        after, before = chosen
        if self.after is not None:
            after = self.after if after is None else max(after, self.after)
        if self.before is not None:
            before = self.before if before is None else min(before, self.before)
        return Span(after, before)


class HistoryRow(NamedTuple):
    """One record in a list. All texts are as they came: whoever puts them on a page must not read them as HTML.

    `stream` is the number of the stream; `more` counts the changed fields that `diffs` leaves out. `unreadable` says
    why a record cannot be told, else it is None.
    """

    stream: int
    id: str
    op: str
    view: str
    key: str
    text: str = ""
    joined: tuple[Joined, ...] = ()
    diffs: tuple[Diff, ...] = ()
    more: int = 0
    cause: str | None = None
    ts_ms: int = 0
    at_ms: int = 0
    position: str = ""
    unreadable: str | None = None


def history_row(entry: Entry) -> HistoryRow:
    """The row of an entry, of any operation; what cannot be read is said in its row."""
    place, fields = entry
    op, view, key = (fields.get(name, "") for name in ("op", "view", "key"))
    bare = HistoryRow(place.stream, place.id, op, view, key, at_ms=_shown(place.ms))
    try:
        record = Record.from_fields(fields)
        summary = summary_of(record, longest=_LONGEST_TEXT)
    except BadRecord as exc:
        return bare._replace(ts_ms=bare.at_ms, unreadable=str(exc)[:_LONGEST_TEXT])
    return bare._replace(
        text=summary.row,
        joined=summary.joined,
        diffs=summary.diffs[:_MOST_DIFFS],
        more=max(0, len(summary.diffs) - _MOST_DIFFS),
        cause=record.cause,
        ts_ms=_shown(record.ts_ms),
        position=record.position,
    )


def page_value(page: Page, rows: Sequence[HistoryRow], reach: Reach, turn: Turn, span: Span) -> dict[str, Any]:
    """What the browser is told of a page of `span`: its rows newest first, where to go on, and what is missing.
    `rows` are those of its entries, in their order.

    `older` and `newer` are the places to go on from, None where there is nowhere to go. `missingBeforeMs` says that
    entries older than that were trimmed from the feed, when the page reaches back there.
    """
    entries = page.entries if turn.newest_first else page.entries[::-1]
    ended = page.stopped == "end"
    if turn.newest_first:
        older, newer = (
            (None if ended else page.at),
            (entries[0].place if entries else page.at or _moment_of(span.before)),
        )
        reached = span.after if ended else page.at
    else:
        older = entries[-1].place if entries else page.at or turn.after
        newer = page.at or turn.after
        reached = span.after
    return {
        "rows": [row._asdict() for row in (rows if turn.newest_first else reversed(rows))],
        "stopped": page.stopped,
        "looked": page.looked,
        "atMs": None if page.at is None else page.at.ms,
        "older": None if older is None else str(older),
        "newer": None if newer is None else str(newer),
        "missingBeforeMs": _missing(reach, reached),
        "feed": feed_value(reach),
    }


def feed_value(reach: Reach) -> dict[str, Any]:
    """How far the feed reaches, and how many entries are no longer in it (None: not known)."""
    return {
        "entries": reach.entries,
        "oldestMs": None if reach.oldest is None else reach.oldest.ms,
        "newestMs": None if reach.newest is None else reach.newest.ms,
        "gone": reach.gone,
    }


def _shown(ms: int) -> int:
    """The nearest moment that a browser can show."""
    return max(-_LATEST_MS, min(ms, _LATEST_MS))


def _missing(reach: Reach, reached: Place | None) -> int | None:
    """Before which moment entries are missing, for who has read back to `reached` (None: as far as it goes)."""
    if reach.complete_from is None or (reached is not None and reached >= reach.complete_from):
        return None
    return reach.complete_from.ms


def _moment_of(place: Place | None) -> Place | None:
    """The place itself if no entry can stand there, for whoever reads on after it."""
    return place if place is not None and place.is_moment else None


def _text(args: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = args.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise ConfigError(f"{name}: expected a text of at most {longest:,} characters")
    return value


def _moment(args: Mapping[str, Any], name: str) -> int | None:
    value = args.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _LARGEST_MS:
        raise ConfigError(f"{name}: expected Unix milliseconds, found {str(value)[:40]!r}")
    return value


def _place(args: Mapping[str, Any], name: str, streams: int) -> Place | None:
    text = _text(args, name, 100)
    return None if text is None else Place.parse(text, streams=streams)
