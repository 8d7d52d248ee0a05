"""What a page asks about one record: its detail, the parts that were left out, its neighbours, its fan-out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from connectors.errors import ConfigError
from connectors.places import Place, Span
from connectors.redis_client import translated
from connectors.stream_ids import Placed
from connectors.stream_pages import Fields, page_of, reach_of
from dashboard.access.hidden import hide_fields
from dashboard.answers.history import rows_of
from dashboard.asks import Ask
from dashboard.history.pages import Chosen, Turn, page_value
from dashboard.record.addresses import RecordAddress
from dashboard.record.detail import detail_of
from dashboard.record.values import Limits, Name, Value, part

_WHOLE = Limits(text=20_000, texts=4_000_000, items=5_000, nodes=20_000)
_PART = Limits(text=200_000, texts=1_000_000, items=500, nodes=3_000)
_LONG = 200_000
"""Characters from which on making a detail is not done on the event loop."""
_LONGEST_NAME = 1_000
_DEEPEST = 300


async def record(ask: Ask) -> object:
    """`{stream, id}` or `{address}`, with `whole` more of what is large: the record's detail as `{detail}`, or, when
    the feed does not have it, `{missing, address, oldestMs, newestMs}`.
    """
    address = _address(ask)
    fields = await _fields(ask, address)
    if fields is None:
        return await _missing(ask, address)
    now_ms = await _now_ms(ask)
    limits = _WHOLE if ask.args.get("whole") is True else None

    def made() -> object:
        entry = Placed(ask.keys.changes[address.stream], address.id, fields)
        return {"detail": detail_of(entry, stream=address.stream, now_ms=now_ms, limits=limits)}

    is_long = sum(map(len, fields.values())) > _LONG
    return await asyncio.to_thread(made) if is_long else made()


async def record_part(ask: Ask) -> object:
    """`{stream, id, field, path, start}`: what a field of the record holds at a path, from `start` on. Without a path
    it is the field's text.
    """
    address, field, start = _address(ask), _text(ask.args, "field"), ask.args.get("start", 0)
    if type(start) is not int or start < 0:
        raise ConfigError(f"start: expected a number from 0 on, found {str(start)[:40]!r}")
    path = _path(ask.args.get("path"))
    fields = await _fields(ask, address)
    if fields is None:
        raise ConfigError("the record is no longer in the feed: it was trimmed")
    if field not in fields:
        raise ConfigError(f"the record has no field {field[:60]!r}")
    text = fields[field]
    if path is None:
        return Value("string", len(text), start, text[start : start + _PART.text])
    return await asyncio.to_thread(part, text, path, start, _PART)


async def record_beside(ask: Ask) -> object:
    """`{stream, id, view, key, newer}`: the address of the next record of that row after this one (or, unless `newer`,
    before it); None where there is none. With `stopped` "budget" it was not found yet: ask on from `at`.
    """
    address = _address(ask)
    view, key = _text(ask.args, "view"), ask.args.get("key")
    is_newer = ask.args.get("newer") is True
    place = Place.of(0, address.id)
    page = await page_of(
        ask.redis,
        [ask.keys.changes[address.stream]],
        Span(after=place) if is_newer else Span(before=place),
        count=1,
        newest_first=not is_newer,
        wanted=lambda fields: fields.get("key") == key and fields.get("view") == view,
    )
    found = page.entries[0].place.id if page.entries else None
    return {
        "address": None if found is None else RecordAddress(address.stream, found).text,
        "stopped": page.stopped,
        "at": None if page.at is None else RecordAddress(address.stream, page.at.id).text,
        "atMs": None if page.at is None else page.at.ms,
    }


async def fan_out(ask: Ask) -> object:
    """`{view, cause, position, fromMs, toMs}`, and where to go on as in the history: a page of the rows that one change
    of a looked-up row re-joined, newest first.
    """
    streams = ask.keys.changes
    chosen, turn = Chosen.parse(ask.args), Turn.parse(ask.args, streams=len(streams))
    cause, position = _text(ask.args, "cause"), _text(ask.args, "position")
    span = turn.span(chosen.span)

    def is_of_it(fields: Fields) -> bool:
        return fields.get("position") == position and fields.get("cause") == cause

    page = await page_of(
        ask.redis,
        streams,
        span,
        count=turn.rows,
        newest_first=turn.newest_first,
        wanted=chosen.wanted(is_of_it),
        seen_as=lambda fields: hide_fields(fields, ask.hidden),
    )
    return page_value(page, await rows_of(page), await reach_of(ask.redis, streams), turn, chosen.span)


def _address(ask: Ask) -> RecordAddress:
    text = ask.args.get("address")
    if text is None:
        text = f"{ask.args.get('stream')}/{ask.args.get('id')}"
    if not isinstance(text, str):
        raise ConfigError(f"address: expected a text, found {str(text)[:40]!r}")
    address = RecordAddress.from_text(text, streams=len(ask.keys.changes))
    Place.parse(address.text, streams=len(ask.keys.changes))  # its numbers are such as Redis takes
    return address


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise ConfigError(f"{name}: expected a text of at most {_LONGEST_NAME:,} characters")
    return value


def _path(value: object) -> list[Name] | None:
    if value is None:
        return None
    steps = cast("list[object]", value) if isinstance(value, list) else None
    if steps is None or len(steps) > _DEEPEST or not all(type(step) in (str, int) for step in steps):
        raise ConfigError("path: expected a list of names and places")
    return cast("list[Name]", steps)


async def _fields(ask: Ask, address: RecordAddress) -> Mapping[str, str] | None:
    """The entry as the visitor may see it, None when it is not there."""
    stream = ask.keys.changes[address.stream]
    with translated(f"reading {stream}"):
        found = cast(
            "list[tuple[str, Mapping[str, str]]]", await ask.redis.xrange(stream, min=address.id, max=address.id)
        )
    return hide_fields(found[0][1], ask.hidden) if found else None


async def _now_ms(ask: Ask) -> int:
    with translated("reading the time"):
        seconds, micros = await ask.redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def _missing(ask: Ask, address: RecordAddress) -> object:
    """Why the feed does not have it, and from when to when it reaches."""
    reach = await reach_of(ask.redis, [ask.keys.changes[address.stream]])
    trimmed = reach.oldest is not None and Place.of(0, address.id) < reach.oldest
    why = "empty" if reach.oldest is None else "trimmed" if trimmed else "none"
    return {
        "missing": why,
        "address": address.text,
        "oldestMs": None if reach.oldest is None else reach.oldest.ms,
        "newestMs": None if reach.newest is None else reach.newest.ms,
    }
