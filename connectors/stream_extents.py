"""From where to where a stream goes, and how many entries it holds and ever held. An edge, for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from redis.asyncio import Redis

from connectors.redis_client import translated
from connectors.stream_ids import BEGINNING, parts
from connectors.stretch_reading import picked_within
from connectors.stretches import EntryId, Extent, Stretch

_MOST_COUNTED = 20_000

# XINFO STREAM without the fields of the first and the last entry, which may be large.
_EXTENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then return {'', '0-0', 0, 0} end
local info, found = redis.call('XINFO', 'STREAM', KEYS[1]), {}
for i = 1, #info, 2 do found[info[i]] = info[i + 1] end
local first = found['first-entry']
return {first and first[1] or '', found['last-generated-id'], found['length'], found['entries-added'] or -1}
"""


async def extents_of(client: Redis, streams: Sequence[str]) -> dict[str, Extent]:
    """The extent of each stream as it is now. Raises our errors."""
    pipeline = client.pipeline(transaction=False)
    for stream in streams:
        pipeline.eval(_EXTENT, 1, stream)
    with translated(f"looking at {', '.join(streams)}"):
        replies = cast("list[tuple[str, str, int, int]]", await pipeline.execute())
    return {
        stream: Extent(parts(first) if first else None, parts(last), length, None if added < 0 else added)
        for stream, (first, last, length, added) in zip(streams, replies, strict=True)
    }


async def newest_ids(client: Redis, streams: Sequence[str]) -> dict[str, str]:
    """The id of the newest entry that is there, `0-0` where there is none. Raises our errors.

    An extent's `last` may be that of an entry that is gone, to which no reader ever comes.
    """
    pipeline = client.pipeline(transaction=False)
    for stream in streams:
        pipeline.xrevrange(stream, count=1)
    with translated(f"looking at {', '.join(streams)}"):
        replies = cast("list[list[tuple[str, object]]]", await pipeline.execute())
    return {stream: found[0][0] if found else BEGINNING for stream, found in zip(streams, replies, strict=True)}


def ends_of(extents: Mapping[str, Extent]) -> dict[str, dict[EntryId, int]]:
    """For each stream how many entries were ever added up to its last id, where that is known."""
    return {stream: {e.last: e.added} for stream, e in extents.items() if e.added is not None}


async def rank_of(client: Redis, stream: str, entry_id: EntryId) -> int | None:
    """How many entries were ever added to a stream up to this one; None where that is not known, or where more than
    `_MOST_COUNTED` came after it. Raises our errors."""
    extent = (await extents_of(client, [stream]))[stream]
    if extent.added is None or extent.first is None or extent.first > entry_id:
        return None
    later = 0
    async for found in picked_within(client, stream, Stretch(entry_id, extent.last), ()):
        later += len(found)
        if later > _MOST_COUNTED:
            return None
    return extent.added - later
