"""One stream of the feed, as its writer sees it: what it holds, and appending to it. An edge: it talks to Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis import Redis, ResponseError

from connectors.errors import StreamLost, TailLost, TransientError
from connectors.lease import Fence
from connectors.once import RowKey, Standing
from connectors.records import SCHEMA, Record, Versions, words_of
from connectors.redis_client import translated
from connectors.stream_ids import BEGINNING, parts
from connectors.writer import FENCE, passed

_Entries = list[tuple[str, dict[str, str]]]

_MAX_CALL_RECORDS = 1000
_MAX_CALL_CHARS = 4_000_000
_READ_COUNT = 1000


class WaysOut(NamedTuple):
    """What to do about lost entries: when a checkpoint says that they were there, and when this run wrote them."""

    before: str
    now: str


_START_OVER = (
    'restore its data, set on_stream_lost = "repair" in the configuration to have what is missing written, write it '
    "again from the archive by `dbwatch replay --into changes`, or start over with a new recovery folder: the "
    "collections are then read again"
)
OF_A_JOB = WaysOut(
    _START_OVER[0].upper() + _START_OVER[1:],
    f"Start the job again, which writes anew what came after its last checkpoint; if that is lost too, {_START_OVER}",
)
OF_A_REPLAY = WaysOut(
    "Begin the replay anew with --replace",
    "Give the same command again, which goes on from its last checkpoint; if what it wrote before that is lost too, "
    "begin anew with --replace",
)

# One call writes a batch whole or, refused, not at all. It writes nothing to a stream that does not end where we left
# it: a server that restarted without its newest entries looks just like one that was always there. Trimming is
# approximate: it drops whole nodes beyond the bound. Records come as `words_of` has them, so that the names of their
# fields need not be sent with each.
_APPEND = """
local stream, last = KEYS[2], '0-0'
if redis.call('EXISTS', stream) == 1 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for j = 1, #info, 2 do
    if info[j] == 'last-generated-id' then last = info[j + 1] end
  end
end
if last ~= ARGV[4] then return {1, false} end
local forms = {}
local function form_of(names)
  local form = {'XADD', stream, '*', 'schema', 'SCHEMA'}
  for name in string.gmatch(names, '%S+') do
    form[#form + 1] = name
    form[#form + 1] = ''
  end
  forms[names] = form
  return form
end
local i, count, words, size = 5, #ARGV, nil, 0
while i <= count do
  if ARGV[i] ~= '' then
    words = forms[ARGV[i]] or form_of(ARGV[i])
    size = #words
  end
  for j = 7, size, 2 do
    i = i + 1
    words[j] = ARGV[i]
  end
  last = redis.call(unpack(words, 1, size))
  i = i + 1
end
redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[3])
return {1, last}
""".replace("SCHEMA", SCHEMA)


class OutputStream:
    """Raises our errors; sends nothing twice. Its reading methods are thread-safe."""

    def __init__(self, client: Redis, name: str, fence: Fence | None, ways_out: WaysOut = OF_A_JOB) -> None:
        """With a `fence` each write checks that the writer's lock is still ours. `ways_out` end the errors of what was
        lost.
        """
        self.name = name
        self._client = client
        self._fence = fence
        self._ways_out = ways_out
        self._append = client.register_script((FENCE if fence else "") + _APPEND)

    def expect_end(self, seen: str, *, checkpointed: bool) -> str:
        """The stream's last id; raises `StreamLost` when that is before what a checkpoint has seen, `TailLost` when it
        is before what this run has.
        """
        with translated(f"looking at the end of {self.name}"):
            end = self._end()
        if parts(end) < parts(seen):
            text = f"{self.name} ends at {end}, before {seen}, which was written already: Redis lost entries. "
            raise StreamLost(text + self._ways_out.before) if checkpointed else TailLost(text + self._ways_out.now)
        return end

    def expect_entry(self, entry_id: str) -> None:
        """Raises `StreamLost` when the entry of a checkpoint is gone: then so may be some after it."""
        if not self._entry(entry_id):
            raise StreamLost(
                f"{self.name} does not hold {entry_id} any more, up to which it must be known: Redis lost entries, or "
                f"somebody trimmed or deleted them. {self._ways_out.before}"
            )

    def standings_after(self, entry_id: str) -> Iterator[tuple[RowKey, Standing]]:
        """The records after an entry, in the order of the stream."""
        while True:
            with translated(f"reading {self.name} after {entry_id}"):
                found = cast("_Entries", self._client.xrange(self.name, f"({entry_id}", count=_READ_COUNT))
            for entry_id, fields in found:
                if "versions" not in fields:  # not one of ours, nor can it be a duplicate of one
                    continue
                yield (fields["view"], fields["key"]), Standing(entry_id, Versions.from_json(fields["versions"]))
            if len(found) < _READ_COUNT:
                return

    def row_at(self, entry_id: str) -> str | None:
        """The row that an entry holds; None when it holds none, or is gone."""
        found = self._entry(entry_id)
        return found[0][1].get("after") if found else None

    def append(self, records: Sequence[Record], *, last_id: str, keep: int) -> str:
        """Write all records behind `last_id` in one call, or none; gives the new last id. At least `keep` entries are
        kept when it is trimmed.

        Raises `TransientError` when the stream does not end at `last_id`, `Fenced` when the lock is not ours.
        """
        key, token, epoch = self._fence or ("", "", 0)
        args: list[str | int] = [token, epoch, keep, last_id]
        args += words_of(records)
        with translated(f"writing to {self.name}"):
            reply = self._append(keys=[key or self.name, self.name], args=args)
        end = passed(self._fence, reply) if self._fence else reply[1]
        if end is None:
            raise TransientError(f"{self.name} does not end at {last_id}, where it was left")
        return str(end)

    def _entry(self, entry_id: str) -> _Entries:
        with translated(f"reading {self.name} at {entry_id}"):
            return cast("_Entries", self._client.xrange(self.name, entry_id, entry_id))

    def _end(self) -> str:
        try:
            info = cast("Mapping[str, Any]", self._client.xinfo_stream(self.name))
        except ResponseError as exc:
            if "no such key" not in str(exc):
                raise
            return BEGINNING
        return str(info["last-generated-id"])


def calls_of(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut a batch so that no call is so large that Redis serves nobody else for long."""
    for start in range(0, len(records), _MAX_CALL_RECORDS):
        call = records[start : start + _MAX_CALL_RECORDS]
        if sum([_chars(record) for record in call]) <= _MAX_CALL_CHARS:
            yield call
        else:
            yield from _bulky_calls_of(call)


def _bulky_calls_of(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    call: list[Record] = []
    chars = 0
    for record in records:
        call.append(record)
        chars += _chars(record)
        if chars > _MAX_CALL_CHARS:
            yield call
            call, chars = [], 0
    if call:
        yield call


def _chars(record: Record) -> int:
    return len(record.after or "") + len(record.before or "")
