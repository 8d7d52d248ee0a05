"""What viewers with the same lens share: tables, counts of what was left out, and the messages made of both. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dashboard.health.figures import Rates, Shortfall
from dashboard.health.status import Status
from dashboard.live.fan_outs import Key
from dashboard.live.lenses import Entry, Lens
from dashboard.live.messages import Positions, beat, fill, news
from dashboard.live.rows import PER_TABLE
from dashboard.live.tables import Tables

Send = Callable[[str], None]

MOST_KEPT = 10_000
"""Entries that wait for a channel that is being filled; of more, the oldest are left out, and the page is told."""


class Channel:
    """Begins empty and unfilled: what comes before `filled` waits."""

    def __init__(self, lens: Lens, streams: Sequence[str]) -> None:
        self.lens = lens
        self._streams = streams
        self.viewers: dict[Send, Positions] = {}
        self._tables = Tables()
        self._shortfall = Shortfall()
        self._counted = (0, 0)
        self._capped = False
        self._up_to: Positions = {}
        self._beat = ""
        self._waiting: list[Entry] | None = []
        self._found: list[Entry] = []
        self._cut: frozenset[Key] = frozenset()

    @property
    def is_filled(self) -> bool:
        return self._waiting is None

    def join(self, send: Send) -> None:
        """From now on `send` gets every message; first what the tables hold, as soon as that is known."""
        self.viewers[send] = self._up_to
        if self.is_filled:
            send(self._fill())
            if self._beat:
                send(self._beat)

    def look_back(self, entries: list[Entry]) -> None:
        """Some of the newest of what was there before the channel began, oldest first, as they are in the feed: not too
        many at once, so that others are served in between.
        """
        self._found += self.lens.seen(entries)

    def filled(self, entries: list[Entry], up_to: Positions, *, cut: frozenset[Key] = frozenset()) -> None:
        """The last of what was there before the channel began, after what `look_back` was given. Of the fan-outs in
        `cut`, not all entries are among them.
        """
        self.look_back(entries)
        waiting, self._waiting = self._waiting or [], None
        self._tables.add([*self._found, *self.lens.seen(waiting)], PER_TABLE, self._cut | cut)
        self._found = []
        self._counted = (self._tables.shown, self._tables.left_out)
        self._up_to = self._up_to or up_to
        self.viewers = dict.fromkeys(self.viewers, self._up_to)
        self._send(self._fill())
        if self._beat:
            self._send(self._beat)

    def told(self, send: Send) -> tuple[Positions, Positions] | None:
        """From where and up to where a viewer has been told everything; None as long as they have been told nothing."""
        return (self.viewers[send], self._up_to) if self.is_filled and send in self.viewers else None

    def take(self, entries: list[Entry], up_to: Positions, *, capped: bool, cut: frozenset[Key] = frozenset()) -> None:
        """New entries, oldest first; `capped`: there were more, which were not read, also of the fan-outs in `cut`."""
        self._capped |= capped
        self._up_to = up_to
        if self._waiting is not None:
            self._capped |= len(self._waiting) + len(entries) > MOST_KEPT
            self._waiting = [*self._waiting, *entries][-MOST_KEPT:]
            self._cut |= cut
            return
        brought = self._tables.add(self.lens.seen(entries), cut=cut)
        if brought:
            self._send(news(brought, up_to=up_to))

    def tell(
        self, status: Status, rates: Rates | None, now_ms: int | None, health: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """How things stand, once a second."""
        self._beat = beat(
            status,
            None if status.level == "down" else rates,  # those of the last seconds would look as if something came
            left_out=0 if rates is None else self._left_out(rates.shown),
            unreadable=self._tables.unreadable,
            now_ms=now_ms,
            up_to=self._up_to,
            health=health,
        )
        if self.is_filled or rates is None:
            self._send(self._beat)

    def _fill(self) -> str:
        return fill(self._tables.all(), filter_text=self.lens.filter, streams=self._streams, up_to=self._up_to)

    def _left_out(self, written: float) -> int:
        """About how many changes a second are not shown. Of a filtered feed only what was read is known."""
        tables = self._tables
        shown, left_out = self._counted
        self._counted = (tables.shown, tables.left_out)
        self._shortfall.add(tables.shown - shown, tables.left_out - left_out, capped=self._capped)
        self._capped = False
        return self._shortfall.per_second(written if self.lens.is_whole else 0)

    def _send(self, message: str) -> None:
        for send in tuple(self.viewers):
            send(message)
