"""What became of each change of a stretch of paced writing: in the feed and, when somebody looks, on the page. Pure."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.percentiles import Percentiles


class Wrote(NamedTuple):
    """What was written: change `first + i` was of `kinds[i]`, and due, sent and acknowledged at Unix times in ns."""

    first: int
    kinds: list[str]
    due_ns: list[int]
    sent_ns: list[int]
    acked_ns: list[int]

    @property
    def rate_per_s(self) -> float:
        """What was reached, over the time that it took."""
        span_s = (max(self.acked_ns) - min(self.due_ns)) / 1e9
        return len(self.kinds) / span_s


class Arrived(NamedTuple):
    """Entry by entry: its id, the number of the change that made it (-1 when none is known), whether a looked-up row
    caused it, and when it was read, in ns of Unix time.
    """

    ids: list[str]
    numbers: list[int]
    caused: list[bool]
    read_ns: list[int]


class Shown(NamedTuple):
    """Row by row: the id of its entry, and when it stood in the page, and was drawn, in ms of Unix time."""

    ids: list[str]
    inserted_ms: list[float]
    painted_ms: list[float]


class Moments(NamedTuple):
    """Of one change, in ms of Unix time: when it was due, sent, acknowledged, read from the feed by a blocked consumer,
    and put into the feed by Redis' own clock (the last two None when it never came), and its entry's id.
    """

    kind: str
    due: float
    sent: float
    acked: float
    read: float | None
    stored: float | None
    entry_id: str | None


class Trace(NamedTuple):
    """All changes of a stretch, in the order in which they were due; entries that lookups caused, as the number of the
    change that caused them and when they were read (ms); and when the measuring ended (ms).
    """

    moments: list[Moments]
    caused: list[tuple[int, float]]
    first: int
    rate_per_s: float
    end_ms: float

    def percentiles(self, since: str = "acked", *, until: str = "read") -> Percentiles | None:
        """From one moment of each change to another."""
        done = [m for m in self.moments if m.read is not None]
        left = [m for m in self.moments if m.read is None]
        return Percentiles.of(
            [getattr(m, until) - getattr(m, since) for m in done],
            unfinished_ms=[self.end_ms - getattr(m, since) for m in left],
        )

    def to_page(self, shown: Shown, since: str = "acked", *, drawn: bool = True) -> Percentiles | None:
        """Of the changes that the page showed."""
        began = {m.entry_id: getattr(m, since) for m in self.moments if m.entry_id is not None}
        ends = shown.painted_ms if drawn else shown.inserted_ms
        return Percentiles.of(
            [end - began[entry_id] for entry_id, end in zip(shown.ids, ends, strict=True) if entry_id in began]
        )


def trace_of(wrote: Wrote, arrived: Arrived, *, end_ms: float) -> Trace:
    """Bring both sides together by the changes' numbers. Pure."""
    came: dict[int, int] = {}
    caused: list[tuple[int, float]] = []
    for i, (number, was_caused) in enumerate(zip(arrived.numbers, arrived.caused, strict=True)):
        if was_caused:
            caused.append((number, arrived.read_ns[i] / 1e6))
        elif number >= wrote.first:
            came.setdefault(number, i)
    moments: list[Moments] = []
    for i, kind in enumerate(wrote.kinds):
        at = came.get(wrote.first + i)
        entry_id = None if at is None else arrived.ids[at]
        moments.append(
            Moments(
                kind,
                wrote.due_ns[i] / 1e6,
                wrote.sent_ns[i] / 1e6,
                wrote.acked_ns[i] / 1e6,
                None if at is None else arrived.read_ns[at] / 1e6,
                None if entry_id is None else float(entry_id.partition("-")[0]),
                entry_id,
            )
        )
    return Trace(moments, caused, wrote.first, wrote.rate_per_s, end_ms)
