"""The writer's lock of a prefix: one job writes at a time, and one that was replaced cannot write when it wakes.

The lock is a few fields of the hash `P:job`. Whoever acquires it raises `writer_epoch` and puts a token of its own into
`writer`; every write checks both in the same call (`FENCE`). The holder's heartbeat is Redis's own time, and whether it
stands still is measured on a clock of ours that only goes forward, so that no setting of a clock matters.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import structlog
from redis import Redis

from connectors.ending import Ending
from connectors.errors import DBWatchError, Stopped, TransientError
from connectors.lease import LEASE_S, Fence, Watch, Writer, judge, refusal
from connectors.process_ids import ProcessId, is_gone, this_process
from connectors.redis_client import translated

log = structlog.get_logger()

HEARTBEAT_S = 1.0
_POLL_S = 0.2

Command = Sequence[str | int]

FENCE = """
local found = redis.call('HMGET', KEYS[1], 'writer', 'writer_epoch', 'writer_host', 'writer_pid', 'writer_place',
  'writer_started', 'writer_since_ms', 'writer_seen_ms')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return {0, found} end
local function now_ms()
  local now = redis.call('TIME')
  return now[1] .. string.format('%03d', math.floor(now[2] / 1000))
end
"""
"""How a fenced script begins: `KEYS[1]` is `P:job`, `ARGV[1]` the token, `ARGV[2]` the counter. Its reply is a list, 0
and what was found when the lock is not ours, or 1 and what the script gives; `passed` takes it apart.
"""

_ACQUIRE = """
local held = redis.call('HMGET', KEYS[1], 'writer', 'writer_seen_ms')
if (held[1] or '') ~= ARGV[1] or (held[1] and (held[2] or '0') ~= ARGV[2]) then return false end
local now = redis.call('TIME')
now = now[1] .. string.format('%03d', math.floor(now[2] / 1000))
local epoch = redis.call('HINCRBY', KEYS[1], 'writer_epoch', 1)
redis.call('HSET', KEYS[1], 'writer', ARGV[3], 'writer_host', ARGV[4], 'writer_pid', ARGV[5], 'writer_place', ARGV[6],
  'writer_started', ARGV[7], 'writer_since_ms', now, 'writer_seen_ms', now)
return epoch
"""

_CALL = (
    FENCE
    + """
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'writer_seen_ms', now_ms()) end
local replies = {}
local i = 4
while i <= #ARGV do
  local stop = i + tonumber(ARGV[i])
  replies[#replies + 1] = redis.call(unpack(ARGV, i + 1, stop))
  i = stop + 1
end
return {1, replies}
"""
)


def passed(fence: Fence, reply: Any) -> Any:
    """What a fenced script gave; raises `Fenced`, or `StreamLost` when Redis lost what it had."""
    ours, given = cast("tuple[int, Any]", reply)
    if not ours:
        raise fence.why_not_ours(given)
    return given


class Lease:
    """The lock while we hold it. Thread-safe.

    As a context manager it renews itself each second in a thread and releases the lock at the end; a job's pulse does
    both by itself.
    """

    def __init__(self, client: Redis, fence: Fence, *, leads: bool = True) -> None:
        """`leads` False: a further process of the job that holds the lock; it neither renews nor releases."""
        self.fence = fence
        self.leads = leads
        self._script = client.register_script(_CALL)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="dbwatch writer", daemon=True)

    def call(self, *commands: Command) -> list[Any]:
        """Run commands in one call, and renew the lock, if it is still ours; gives their replies. The second word of
        each must be its key.

        Raises `Fenced` or `StreamLost` when it is not ours, with nothing done; `TransientError` when Redis is away.
        """
        keys = [self.fence.key, *(str(command[1]) for command in commands)]
        words: list[str | int] = [self.fence.token, self.fence.epoch, int(self.leads)]
        for command in commands:
            words += (len(command), *command)
        with translated(f"writing as the holder of {self.fence.key}"):
            reply = self._script(keys=keys, args=words)
        return cast("list[Any]", passed(self.fence, reply))

    @property
    def releasing(self) -> Command:
        """The command that releases the lock, for a call that does more at its end."""
        return ("HDEL", self.fence.key, "writer")

    def renew(self) -> None:
        """Raises as `call` does."""
        self.call()

    def release(self) -> None:
        """Let another writer begin at once. Nothing happens if the lock is another's, or Redis away."""
        self._end.set()
        if not self.leads:
            return
        with suppress(DBWatchError):
            self.call(self.releasing)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(timeout=HEARTBEAT_S)
        self.release()

    def _keep(self) -> None:
        while not self._end.wait(HEARTBEAT_S):
            try:
                self.renew()
            except TransientError:
                continue
            except DBWatchError:
                return  # the next write says it


def acquire(client: Redis, key: str, *, ending: Ending, here: ProcessId | None = None) -> Lease:
    """Become the writer of the prefix whose hash `P:job` is `key`.

    A holder that is certainly gone is replaced at once; one whose heartbeat moves is not, which raises `ConfigError`
    naming it; for one that shows neither, this waits until it has been still for `LEASE_S`. Raises `Stopped` when the
    end is requested meanwhile, `TransientError` while Redis is away.
    """
    attempt = _Attempt(client, key, here or this_process())
    while not ending.requested:
        lease = attempt.once()
        if lease is not None:
            return lease
        ending.wait(_POLL_S)
    raise Stopped


class _Attempt:
    """To become the writer; what it has seen of the holder is kept from one look to the next."""

    def __init__(self, client: Redis, key: str, here: ProcessId) -> None:
        self._client = client
        self._key = key
        self._here = here
        self._token = uuid.uuid4().hex
        self._script = client.register_script(_ACQUIRE)
        self._watch: Watch | None = None

    def once(self) -> Lease | None:
        """None: look again soon."""
        with translated(f"reading {self._key}"):
            holder = Writer.from_fields(cast("dict[str, str]", self._client.hgetall(self._key)))
        if holder is None:
            return self._take("", "")
        gone = is_gone(holder.process, self._here)
        verdict = judge(self._watch, holder, gone=gone, now_s=time.monotonic())
        if verdict == "alive":
            raise refusal(self._key, holder, self._now_ms())
        if verdict != "dead":
            if self._watch is None:
                log.info("writer.waiting", holder=str(holder.process), at_most_s=LEASE_S)
            self._watch = verdict
            return None
        lease = self._take(holder.token, str(holder.seen_ms))
        if lease is not None:
            reason = "its process is gone" if gone else f"no heartbeat for {LEASE_S:.0f} s"
            if holder.process == self._here:
                reason = "it was this process, which has begun anew"
            log.info("writer.took_over", holder=str(holder.process), reason=reason)
        return lease

    def _take(self, held: str, seen_ms: str) -> Lease | None:
        """Unless something of the holder has changed since we looked."""
        me = self._here
        args = [held, seen_ms, self._token, me.host, me.pid, me.place, me.started]
        with translated(f"acquiring {self._key}"):
            epoch = cast("int | None", self._script(keys=[self._key], args=args))
        return None if epoch is None else Lease(self._client, Fence(self._key, self._token, epoch))

    def _now_ms(self) -> int:
        with translated("TIME"):
            seconds, microseconds = self._client.time()
        return seconds * 1000 + microseconds // 1000
