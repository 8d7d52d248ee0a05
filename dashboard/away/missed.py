"""What somebody has missed of the feed: looked up, counted, paged through, and taken for seen. It reads Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from redis.asyncio import Redis

from connectors.places import Entry, Place
from connectors.redis_client import translated
from connectors.seen import SeenStore
from connectors.settings import Keys
from connectors.stream_extents import ends_of, extents_of
from connectors.stream_ids import parts
from connectors.stretch_reading import Page, page_within, picked_within, up_to
from connectors.stretches import START, EntryId, Extent, Seen, Stretch, Stretches, common, preceding
from dashboard.access.hidden import hide_fields
from dashboard.access.roles import Hidden
from dashboard.away.summary import FIELDS, Away, Busy, Letter, Letters, Named, Tally, gone_of, since_of
from dashboard.history.pages import history_row

NEWEST_LETTERS = 5
_LETTER_FIELDS = ("stage", "collection", "error")
_EVERY_S = 0.2
_LARGEST = (1 << 64) - 1
_END: EntryId = (_LARGEST, _LARGEST)

Progress = Callable[[object], None]


class Missed(NamedTuple):
    """What lies open: the stretches of each stream, and of the dead letters `letters`; with what they were made of."""

    stretches: Mapping[str, Stretches]
    letters: Stretches
    seen: Mapping[str, Seen]
    extents: Mapping[str, Extent]


async def look_up(
    redis: Redis, keys: Keys, name: str, up_to: Mapping[str, EntryId], shown: Mapping[str, Stretches]
) -> Missed:
    """What the person has not seen up to these positions, once they have seen what is `shown`, too.

    Where they have never been, they begin at now.
    """
    store = SeenStore(redis, keys)
    extents = await extents_of(redis, (*keys.changes, keys.deadletter))
    seen = {**await store.begin(name, extents)}
    there = {stream: _there(own, extents[stream]) for stream, own in shown.items()}
    seen |= await store.add(name, there, ends_of(extents))
    ends = {stream: min(up_to.get(stream, extents[stream].last), extents[stream].last) for stream in keys.changes}
    return Missed(
        {stream: seen[stream].missed(end) for stream, end in ends.items()},
        seen[keys.deadletter].missed(extents[keys.deadletter].last),
        seen,
        extents,
    )


async def sum_up(redis: Redis, keys: Keys, missed: Missed, progress: Progress) -> Away:
    """Count it all; `progress` is told some times a second how many entries were counted, and the share of the time."""
    tally = await _counted(redis, missed, progress)
    gone = [gone_of(s, own, missed.seen[s], missed.extents[s]) for s, own in missed.stretches.items()]
    until = max((own[-1].upto for own in missed.stretches.values() if own), default=START)
    since_ms = since_of([missed.seen[stream] for stream in keys.changes], tally.first or until)
    return Away(
        tally,
        await _letters(redis, keys.deadletter, common(missed.letters, (Stretch((since_ms or 0, _LARGEST), _END),))),
        [found for found in gone if found is not None],
        since_ms,
        until[0],
    )


async def _counted(redis: Redis, missed: Missed, progress: Progress) -> Tally:
    tally = Tally()
    kept = {stream: _kept(own, missed.extents[stream]) for stream, own in missed.stretches.items()}
    whole_ms = sum(upto[0] - after[0] for own in kept.values() for after, upto in own) or 1
    done_ms, told_s = 0, time.monotonic()
    for stream, own in kept.items():
        for stretch in own:
            async for picked in picked_within(redis, stream, stretch, FIELDS):
                tally.add(stream, picked)
                if time.monotonic() - told_s >= _EVERY_S:
                    told_s = time.monotonic()
                    at_ms = done_ms + parts(picked[-1][0])[0] - stretch.after[0]
                    progress({"entries": tally.entries, "share": at_ms / whole_ms})
            done_ms += stretch.upto[0] - stretch.after[0]
    return tally


async def named(redis: Redis, rows: list[Busy], hidden: frozenset[Hidden], streams: tuple[str, ...]) -> list[Named]:
    """What these rows are called, by their last entries."""
    pipeline = redis.pipeline(transaction=False)
    for row in rows:
        pipeline.xrange(row.stream, row.id, row.id)
    with translated("reading the rows that changed most"):
        replies = cast("list[list[tuple[str, Mapping[str, str]]]]", await pipeline.execute() if rows else [])
    found: list[Named] = []
    for row, reply in zip(rows, replies, strict=True):
        fields: Mapping[str, str] = hide_fields(reply[0][1], hidden) if reply else {}
        text = history_row(Entry(Place.of(streams.index(row.stream), row.id), fields)).text
        found.append(Named(row, fields.get("key", row.key), text))
    return found


async def page(
    redis: Redis, stretches: Mapping[str, Stretches], after: Place | None, count: int, hidden: frozenset[Hidden]
) -> Page:
    """A page of what was missed, oldest first, without what is hidden."""
    found = await page_within(redis, stretches, after, count)
    return found._replace(
        entries=tuple(entry._replace(fields=hide_fields(entry.fields, hidden)) for entry in found.entries)
    )


async def take_for_seen(
    redis: Redis, keys: Keys, name: str, stretches: Mapping[str, Stretches], upto: Place | None, letters: EntryId
) -> None:
    """The person has seen these stretches, up to a place (None: all), and the dead letters up to that id.

    Nothing that is not written yet can be seen.
    """
    extents = await extents_of(redis, (*keys.changes, keys.deadletter))
    given = stretches if upto is None else up_to(stretches, upto)
    seen = {stream: _there(own, extents[stream]) for stream, own in given.items()}
    if letters > START:
        seen[keys.deadletter] = _there((Stretch(START, letters),), extents[keys.deadletter])
    await SeenStore(redis, keys).add(name, seen, ends_of(extents))


def _there(stretches: Stretches, extent: Extent) -> Stretches:
    return common(stretches, (Stretch(START, extent.last),))


def _kept(stretches: Stretches, extent: Extent) -> Stretches:
    """Without what is gone, so that the share of the time is true."""
    if extent.first is None:
        return ()
    return common(stretches, (Stretch(preceding(extent.first), _END),))


async def _letters(redis: Redis, stream: str, stretches: Stretches) -> Letters:
    total, newest = 0, list[Letter]()
    for stretch in stretches:
        async for picked in picked_within(redis, stream, stretch, _LETTER_FIELDS):
            total += len(picked)
            newest += [_letter(entry_id, values) for entry_id, values in picked[-NEWEST_LETTERS:]]
            del newest[:-NEWEST_LETTERS]
    return Letters(total, newest[::-1])


def _letter(entry_id: str, values: Sequence[str | None]) -> Letter:
    stage, collection, error = (value or "" for value in values)
    return Letter(parts(entry_id)[0], stage, collection, error)
