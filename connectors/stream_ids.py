"""Ids of stream entries: their order, where to start reading, and several streams merged in the order of ids. Pure."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from connectors.errors import ConfigError
from connectors.times import unix_ms

T = TypeVar("T")

BEGINNING = "0-0"
_LARGEST_SEQ = (1 << 64) - 1


def parts(entry_id: str) -> tuple[int, int]:
    """Milliseconds and sequence number, which compare in the order of the stream."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def just_before(ms: int) -> str:
    """The last id that an entry older than `ms` can have: reading after it begins with that moment."""
    return BEGINNING if ms <= 0 else f"{ms - 1}-{_LARGEST_SEQ}"


class Start(NamedTuple):
    """Where to begin: after `after`, or, when that is None, after what is there now."""

    after: str | None

    @classmethod
    def parse(cls, text: str, *, now_ms: int) -> Start:
        """`now`, `start`, an entry's id (what comes after it), or a moment (what was written at it and later).

        A moment is ISO 8601 (without an offset: UTC), Unix milliseconds, or an age such as `90s`, `15m`, `2h`, `7d`.
        Moments are those at which Redis took the entry. Raises `ConfigError` for anything else.
        """
        given = text.strip()
        if given.lower() == "now":
            return cls(None)
        if given.lower() == "start":
            return cls(BEGINNING)
        if re.fullmatch(r"\d{1,20}-\d{1,20}", given):
            return cls(given)
        moment_ms = unix_ms(text, now_ms=now_ms)
        if moment_ms is None:
            raise _not_a_start(text)
        return cls(just_before(moment_ms))


def _not_a_start(text: str) -> ConfigError:
    return ConfigError(
        f"{text!r} is no place to start: expected now, start, an entry's id (1763760000000-0), a time "
        "(2026-11-21T20:00:00Z), Unix milliseconds, or an age (15m)"
    )


class Placed(NamedTuple, Generic[T]):
    """Something read from a stream under an id."""

    stream: str
    id: str
    item: T


class Merge(Generic[T]):
    """Merges streams of one server in the order of ids, as far as that order is certain.

    An entry is let go when no stream can still bring an older one: a stream that had more to give than one read took
    holds back what lies after its last id. New entries always have larger ids, for one server's clock makes them all.
    """

    def __init__(self, streams: tuple[str, ...]) -> None:
        self._waiting: dict[str, deque[Placed[T]]] = {stream: deque() for stream in streams}
        self._may_lag: dict[str, tuple[int, int]] = {}

    @property
    def holds_back(self) -> bool:
        """Whether something waits for another read."""
        return any(self._waiting.values())

    def add(self, stream: str, entries: list[tuple[str, T]], *, more: bool) -> None:
        """Take what one read gave of a stream, in order; `more` when the read may have left some."""
        self._waiting[stream].extend(Placed(stream, entry_id, item) for entry_id, item in entries)
        if more and entries:
            self._may_lag[stream] = parts(entries[-1][0])
        else:
            self._may_lag.pop(stream, None)

    def ready(self) -> Iterator[Placed[T]]:
        """Let go of what is certain; entries of equal ids come in the order of the streams' names."""
        limit = min(self._may_lag.values(), default=None)
        heads = [(parts(queue[0].id), stream) for stream, queue in self._waiting.items() if queue]
        heapq.heapify(heads)
        while heads and (limit is None or heads[0][0] <= limit):
            stream = heads[0][1]
            queue = self._waiting[stream]
            yield queue.popleft()
            if queue:
                heapq.heapreplace(heads, (parts(queue[0].id), stream))
            else:
                heapq.heappop(heads)


def newest_of(found: Mapping[str, Sequence[tuple[str, T]]], count: int) -> list[Placed[T]]:
    """The newest `count` of what was found of each stream, oldest first."""
    entries = [Placed(stream, entry_id, item) for stream, pairs in found.items() for entry_id, item in pairs]
    entries.sort(key=lambda entry: (parts(entry.id), entry.stream))
    return entries[-count:]
