"""From where to where a stream goes, and how many entries it holds and ever held. An edge, for asyncio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from redis.asyncio import Redis

from connectors.redis_client import translated
from connectors.stream_ids import parts
from connectors.stretches import Extent

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
