"""The last record of one row in a stream, looked for from the end. An edge: it talks to Redis."""

from __future__ import annotations

from typing import Any, cast

from redis import Redis

from connectors.records import Record
from connectors.redis_client import translated

_COUNT = 1000

# Within Redis, so that nothing but what is found has to travel; in slices, so that nobody waits for long.
_FIND = """
local found = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
for _, entry in ipairs(found) do
  local fields, view, key = entry[2], false, false
  for i = 1, #fields, 2 do
    if fields[i] == 'view' then view = fields[i + 1] elseif fields[i] == 'key' then key = fields[i + 1] end
  end
  if view == ARGV[3] and key == ARGV[4] then return {1, fields} end
end
if #found < tonumber(ARGV[2]) then return {0, ''} end
return {0, found[#found][1]}
"""


def last_record(client: Redis, stream: str, view: str, key: str) -> Record | None:
    """The last record of a row, None when the stream holds none. Raises our errors."""
    find = client.register_script(_FIND)
    end = "+"
    while end:
        with translated(f"looking for a row's last record in {stream}"):
            reply: Any = find(keys=[stream], args=[end, _COUNT, view, key])
        if reply[0]:
            words = cast("list[str]", reply[1])
            return Record.from_fields(dict(zip(words[::2], words[1::2], strict=True)))
        end = f"({reply[1]}" if reply[1] else ""
    return None
