"""Answers to what a page asks of the time that its reader was away. The arguments are checked here.

Streams are named by their numbers, from 0 on; `missed` is told with the summary and given back as it was, so that the
pages are those of one fixed range whatever is written meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.errors import BadRecord, ConfigError
from connectors.places import Place
from connectors.stream_extents import newest_ids
from connectors.stretches import START, EntryId, Stretches, entry_id_of, id_text
from dashboard.asks import Ask
from dashboard.away.missed import look_up, named, page, sum_up, take_for_seen
from dashboard.away.shown import positions_of, stretches_of, told_stretches
from dashboard.away.summary import value_of
from dashboard.history.pages import history_row

MOST_ROWS = 200


async def summary(ask: Ask) -> object:
    """What was missed up to `upTo` (ids by stream), in a few figures; `shown` are stretches that were on the screen and
    that an earlier page could not say any more.

    Nothing was missed when `entries` is 0, and `gone` and the letters are empty. Of dead letters the errors, which may
    quote a row, are told only to who may see all of it.
    """
    streams = ask.keys.changes
    up_to = positions_of(ask.args.get("upTo"), streams)
    shown = stretches_of(ask.args.get("shown", {}), streams)
    missed = await look_up(ask.redis, ask.keys, ask.visitor.name, up_to, shown)
    away = await sum_up(ask.redis, ask.keys, missed, ask.progress)
    if ask.hidden:
        away = away._replace(letters=away.letters.without_errors())
    busiest, exact = away.tally.busiest()
    rows = await named(ask.redis, busiest, ask.hidden, streams)
    return {
        **value_of(away, rows, exact=exact),
        "missed": told_stretches(missed.stretches, streams),
        "lettersUpTo": id_text(missed.extents[ask.keys.deadletter].last),
    }


async def ends(ask: Ask) -> object:
    """Up to where the feed has been written, by stream: a page that was cut off has missed no more than that."""
    newest = await newest_ids(ask.redis, ask.keys.changes)
    return {str(number): newest[stream] for number, stream in enumerate(ask.keys.changes)}


async def rows(ask: Ask) -> object:
    """A page of what was `missed`, oldest first: `count` records after the place `after`, or from the beginning."""
    count = ask.args.get("count")
    if type(count) is not int or not 1 <= count <= MOST_ROWS:
        raise ConfigError(f"a page has 1 to {MOST_ROWS} rows, {str(count)[:40]!r} were asked for")
    found = await page(ask.redis, _missed(ask), _place(ask, "after"), count, ask.hidden)
    return {
        "rows": [history_row(entry)._asdict() for entry in found.entries],
        "place": None if found.place is None else str(found.place),
        "more": found.more,
    }


async def seen(ask: Ask) -> object:
    """What was `missed` has been seen: up to the place `upTo`, or all of it, and the dead letters up to `letters`."""
    upto, letters = _place(ask, "upTo"), _letters(ask)
    await take_for_seen(ask.redis, ask.keys, ask.visitor.name, _missed(ask), upto, letters)
    return True


def _missed(ask: Ask) -> Mapping[str, Stretches]:
    told = stretches_of(ask.args.get("missed"), ask.keys.changes)
    return {stream: told.get(stream, ()) for stream in ask.keys.changes}  # a place counts the streams in this order


def _place(ask: Ask, name: str) -> Place | None:
    text = ask.args.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise BadRecord(f"{name}: expected the place of a record such as 0/1763760000000-0, found {str(text)[:40]!r}")
    return Place.parse(text, streams=len(ask.keys.changes))


def _letters(ask: Ask) -> EntryId:
    text = ask.args.get("letters")
    return entry_id_of(text) if isinstance(text, str) else START
