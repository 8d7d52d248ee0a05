"""Places of entries in a feed of several streams: their order, spans between them, and streams merged both ways. Pure.

Ids order the entries of one stream. Across streams entries are ordered by id, and those of equal ids by the number of
their stream, so that one place says for every stream where to go on, and stays right when streams are trimmed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from connectors.errors import ConfigError
from connectors.stream_ids import parts

_LARGEST = (1 << 64) - 1
_BEFORE_ALL = -1


class Place(NamedTuple):
    """Where an entry stands: the milliseconds and the number of its id, and the number of its stream, from 0 on."""

    ms: int
    seq: int
    stream: int

    @property
    def id(self) -> str:
        return f"{self.ms}-{self.seq}"

    @property
    def is_moment(self) -> bool:
        """Whether it is where a millisecond begins, and no entry stands there."""
        return self.stream == _BEFORE_ALL

    def __str__(self) -> str:
        """`<stream>/<id>`, which is the address of a record, too; of a moment its milliseconds."""
        return str(self.ms) if self.is_moment else f"{self.stream}/{self.id}"

    @classmethod
    def of(cls, stream: int, entry_id: str) -> Place:
        return cls(*parts(entry_id), stream)

    @classmethod
    def moment(cls, ms: int) -> Place:
        """Where a millisecond (Redis's clock) begins: after all that is older, before all of it."""
        return cls(min(max(ms, 0), _LARGEST), 0, _BEFORE_ALL)

    @classmethod
    def parse(cls, text: str, *, streams: int) -> Place:
        """The place that a text names; raises `ConfigError` when it names none of a feed of so many streams."""
        found = re.fullmatch(r"(?:(\d{1,4})/(\d{1,20})-)?(\d{1,20})", text, re.ASCII)
        if found is None or any(int(number) > _LARGEST for number in found.groups("0")):
            raise ConfigError(f"{text[:60]!r} is no address of a record; expected one such as 0/1763760000000-0")
        if found[1] is None:
            return cls.moment(int(found[3]))
        if int(found[1]) >= streams:
            raise ConfigError(f"{text!r} names stream {found[1]}; the feed has {streams}, counted from 0")
        return cls(int(found[2]), int(found[3]), int(found[1]))


class Entry(NamedTuple):
    """One entry of the feed, not decoded."""

    place: Place
    fields: Mapping[str, str]


class Span(NamedTuple):
    """What lies after one place and before another, both not included; None is an open end."""

    after: Place | None = None
    before: Place | None = None

    def bounds(self, stream: int) -> tuple[str, str] | None:
        """The span in one stream, as `XRANGE` takes it (Redis 6.2 and later); None when nothing can lie in it."""
        if self.after is not None and self.before is not None and self.after >= self.before:
            return None
        low = "-"
        if self.after is not None:
            low = self.after.id if stream > self.after.stream else f"({self.after.id}"
        high = "+"
        if self.before is not None:
            high = self.before.id if stream < self.before.stream else f"({self.before.id}"
        empty = low == f"({_LARGEST}-{_LARGEST}" or high == "(0-0"  # which Redis takes for mistakes
        return None if empty else (low, high)

    def past(self, place: Place, *, newest_first: bool) -> Span:
        """What is left of it for who has come to this place."""
        return self._replace(before=place) if newest_first else self._replace(after=place)


class Page(NamedTuple):
    """Entries in the direction of reading. `stopped` says why there are no more: the page is `full`, the span is at its
    `end`, or the `budget` was used up. `at` is the last place looked at, from which the next page goes on; None when
    there was nothing to look at. `looked` counts the entries looked at."""

    entries: tuple[Entry, ...]
    stopped: Literal["full", "end", "budget"]
    at: Place | None
    looked: int


class Lanes:
    """Merges streams that are read in pieces, from either end of a span: an entry is ready once no stream can still
    bring one that comes before it."""

    def __init__(self, span: Span, streams: int, *, newest_first: bool) -> None:
        self._newest_first = newest_first
        self._waiting: list[deque[Entry]] = [deque() for _ in range(streams)]
        self._left: dict[int, Span] = dict.fromkeys(range(streams), span)
        self._reached: dict[int, Place] = {}

    @property
    def done(self) -> bool:
        """Whether everything was read and let go."""
        return not self._left and not any(self._waiting)

    def hungry(self, piece: int) -> dict[int, Span]:
        """The streams to be read next, each with what is left of it; `piece` is how much one read takes."""
        return {stream: span for stream, span in self._left.items() if len(self._waiting[stream]) <= piece // 2}

    def add(self, stream: int, entries: Sequence[tuple[str, Mapping[str, str]]], *, more: bool) -> None:
        """Take what one read gave of a stream, in the direction of the merge; `more` when it may have left some."""
        self._waiting[stream].extend(Entry(Place.of(stream, entry_id), fields) for entry_id, fields in entries)
        if more and entries:
            reached = self._reached[stream] = Place.of(stream, entries[-1][0])
            self._left[stream] = self._left[stream].past(reached, newest_first=self._newest_first)
        else:
            self._left.pop(stream, None)
            self._reached.pop(stream, None)

    def ready(self) -> list[Entry]:
        """Let go of what is certain, in order. Every stream must have been read once."""
        assert len(self._reached) == len(self._left), "a stream was never read"
        nearest = max if self._newest_first else min
        limit = nearest(self._reached.values(), default=None)
        ready: list[Entry] = []
        for queue in self._waiting:
            while queue and (limit is None or not self._is_beyond(queue[0].place, limit)):
                ready.append(queue.popleft())
        ready.sort(key=lambda entry: entry.place, reverse=self._newest_first)
        return ready

    def _is_beyond(self, place: Place, limit: Place) -> bool:
        return place < limit if self._newest_first else place > limit
