"""What stands in the streams of a subject, counted by the server itself: which entries, when they came, none twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from redis import Redis

from benchmarks.results import Feed

# An entry without `view` and `op` (a peer's) is counted as " ". One with a `cause` is no change of the row itself.
_COUNT = """
local after, own, caused, seen, distinct, at, n_own, n_caused = '-', {}, 0, {}, 0, {}, {}, {}
while true do
  local entries = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', 500)
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    local view, op, key, position, cause = '', '', '', nil, nil
    local fields = entry[2]
    for i = 1, #fields, 2 do
      local name = fields[i]
      if name == 'view' then view = fields[i + 1]
      elseif name == 'op' then op = fields[i + 1]
      elseif name == 'key' then key = fields[i + 1]
      elseif name == 'position' then position = fields[i + 1]
      elseif name == 'cause' then cause = fields[i + 1] end
    end
    local ms = tonumber(string.match(entry[1], '^%d+'))
    if at[#at] ~= ms then
      at[#at + 1], n_own[#n_own + 1], n_caused[#n_caused + 1] = ms, 0, 0
    end
    if cause then
      caused = caused + 1
      n_caused[#at] = n_caused[#at] + 1
    else
      n_own[#at] = n_own[#at] + 1
      local what = view .. ' ' .. op
      own[what] = (own[what] or 0) + 1
      local change = what .. key .. ' ' .. (position or entry[1])
      if not seen[change] then
        seen[change], distinct = true, distinct + 1
      end
    end
    after = '(' .. entry[1]
  end
end
return cjson.encode({own = own, caused = caused, distinct = distinct, at = at, n_own = n_own, n_caused = n_caused})
"""


def read_feed(redis: Redis, streams: Sequence[str]) -> Feed:
    """Nothing may write meanwhile, and nothing is answered meanwhile."""
    script = redis.register_script(_COUNT)
    return Feed.merged([_feed(json.loads(cast("str", script(keys=[stream])))) for stream in streams])


def length(redis: Redis, streams: Sequence[str]) -> int:
    """How many entries the streams have."""
    pipe = redis.pipeline(transaction=False)
    for stream in streams:
        pipe.xlen(stream)
    return sum(cast("list[int]", pipe.execute()))


def _feed(counted: dict[str, Any]) -> Feed:
    # An empty table of Lua is an empty object of JSON.
    at, own, caused = (list(counted[name] or ()) for name in ("at", "n_own", "n_caused"))
    return Feed(
        own=dict(counted["own"] or {}),
        caused=int(counted["caused"]),
        distinct=int(counted["distinct"]),
        times=tuple(zip(map(int, at), map(int, own), map(int, caused), strict=True)),
    )
