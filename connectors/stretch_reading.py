"""Reading what lies within stretches of streams: some fields of all of it, or page by page. An edge, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import NamedTuple, cast

from redis.asyncio import Redis

from connectors.places import Entry, Place
from connectors.redis_client import translated
from connectors.stream_ids import parts
from connectors.stretches import EntryId, Picked, Stretch, Stretches, id_text, preceding

# The wanted fields (at most 512 bytes of each, else its beginning and its hash) of a stretch's first entries, flat; how
# many are looked at is bounded by their size, so that large rows do not hold Redis up. Begins with whether that is all.
_PICK = """
local after, upto, wanted, found, size, count = ARGV[1], ARGV[2], {}, {1}, 0, 0
for i = 3, #ARGV do wanted[ARGV[i]] = i - 2 end
local width = #ARGV - 2
while count < 500 and size < 2000000 do
  local entries = redis.call('XRANGE', KEYS[1], '(' .. after, upto, 'COUNT', 20)
  for _, entry in ipairs(entries) do
    local fields, at = entry[2], #found + 1
    found[at] = entry[1]
    for i = 1, width do found[at + i] = false end
    for i = 1, #fields, 2 do
      local value, place = fields[i + 1], wanted[fields[i]]
      size = size + #value
      if place then
        if #value > 512 then value = string.sub(value, 1, 160) .. '…' .. redis.sha1hex(value) end
        found[at + place] = value
      end
    end
    after = entry[1]
  end
  count = count + #entries
  if #entries < 20 then return found end
end
found[1] = 0
return found
"""


async def picked_within(
    client: Redis, stream: str, stretch: Stretch, names: Sequence[str]
) -> AsyncIterator[Sequence[Picked]]:
    """These fields of each entry of the stretch, oldest first, some hundred entries at a time. Raises our errors."""
    after, upto, width = id_text(stretch.after), id_text(stretch.upto), 1 + len(names)
    complete = False
    while not complete:
        with translated(f"reading {stream} after {after}"):
            reply = await cast("Awaitable[list[str | None]]", client.eval(_PICK, 1, stream, after, upto, *names))
        complete = bool(reply[0])
        found = [(cast("str", reply[i]), reply[i + 1 : i + width]) for i in range(1, len(reply), width)]
        if found:
            after = found[-1][0]
            yield found


class Page(NamedTuple):
    """Entries of several streams, oldest first. `place` is that of the last; with `more` there are some after it."""

    entries: tuple[Entry, ...]
    place: Place | None
    more: bool


async def page_within(client: Redis, stretches: Mapping[str, Stretches], after: Place | None, count: int) -> Page:
    """The first `count` entries of the stretches after a place, in the order of places; streams are numbered as given.

    Pages that begin where the one before ended give each entry once. Raises our errors.
    """
    heads: list[Place] = []
    for number, (stream, own) in enumerate(stretches.items()):
        ids = await _first_ids(client, stream, _rest(own, number, after), count + 1)
        heads += [Place(*entry_id, number) for entry_id in ids]
    heads.sort()
    wanted, streams = heads[:count], tuple(stretches)
    pipeline = client.pipeline(transaction=False)
    for place in wanted:
        pipeline.xrange(streams[place.stream], place.id, place.id)
    with translated(f"reading {', '.join(streams)}"):
        replies = cast("list[list[tuple[str, dict[str, str]]]]", await pipeline.execute() if wanted else [])
    entries = [
        Entry(place, found[0][1])
        for place, found in zip(wanted, replies, strict=True)
        if found  # else it was trimmed between the two looks
    ]
    return Page(tuple(entries), wanted[-1] if wanted else None, len(heads) > count)


def up_to(stretches: Mapping[str, Stretches], place: Place) -> dict[str, Stretches]:
    """The part of the stretches that pages up to a place have given."""
    found: dict[str, Stretches] = {}
    for number, (stream, own) in enumerate(stretches.items()):
        end = _end(number, place)
        found[stream] = tuple(Stretch(s.after, min(s.upto, end)) for s in own if s.after < end)
    return found


def _rest(stretches: Stretches, number: int, after: Place | None) -> Stretches:
    if after is None:
        return stretches
    end = _end(number, after)
    return tuple(Stretch(max(s.after, end), s.upto) for s in stretches if s.upto > end)


def _end(number: int, place: Place) -> EntryId:
    """Up to which id of stream `number` everything comes at or before the place."""
    entry_id = (place.ms, place.seq)
    return entry_id if number <= place.stream else preceding(entry_id)


async def _first_ids(client: Redis, stream: str, stretches: Stretches, count: int) -> list[EntryId]:
    found: list[EntryId] = []
    for stretch in stretches:
        async for some in picked_within(client, stream, stretch, ()):
            found += [parts(entry_id) for entry_id, _ in some]
            if len(found) >= count:
                return found[:count]
    return found
