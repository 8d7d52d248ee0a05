"""Generations of a job: when it cannot go on from where it is, it reads the collections again, and the join and the
engine's state begin anew. What the feed has stays; only what differs from it is written.

Kept in `P:job`: a generation is asked for there when a run ends, and begun by the next one, whichever that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

import orjson
from redis import Redis

from connectors.errors import (
    ArchiveLost,
    ClockSetBack,
    CollectionRemoved,
    ConfigError,
    DBWatchError,
    HistoryLost,
    LockLost,
    SnapshotLost,
    StreamLost,
    TailLost,
)
from connectors.redis_client import translated
from connectors.settings import Keys
from flows.policies import Policies

Reason = Literal["history_lost", "snapshot_lost", "collection_removed", "stream_lost", "asked"]

MOST_ATTEMPTS = 5
"""Generations one after the other of which none comes to the end of its reading, before a person must look."""

# Asked for once, however many processes of the job do so; the streams' ends are taken when it begins.
_REQUEST = """
local now = redis.call('HGET', KEYS[1], 'generation')
if now and now ~= ARGV[1] then return 0 end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 5) == 'mark:' or string.sub(name, 1, 8) == 'arrived:' then
    redis.call('HDEL', KEYS[1], name)
  end
end
redis.call('HSET', KEYS[1], 'generation', ARGV[1] + 1, 'reread', ARGV[2], 'snapshot_position', ARGV[3],
  'asked', '1')
return 1
"""


class Reread(NamedTuple):
    """Why the collections are read again.

    `position` is the time to read them at, empty for the present. Of the collections in `removed` no row is left then.
    Changes from `since` to `until` (positions, where known) have no record of their own. `attempt` counts the
    generations that did not come to the end of their reading, with this one.
    """

    reason: Reason
    text: str
    position: str = ""
    removed: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    attempt: int = 1

    def to_json(self) -> str:
        return orjson.dumps(self._asdict()).decode()

    @classmethod
    def from_json(cls, text: str) -> Reread:
        value = orjson.loads(text)
        return cls(**(value | {"removed": tuple(value["removed"])}))


def reread_after(error: DBWatchError, policies: Policies, reached: str) -> Reread | None:
    """What is to be read again because of the error that ended a run; None when nothing is. Pure.

    `reached` is the position up to which everything was emitted, empty when it cannot be told: a stream that lost
    entries is best compared with the database as it was then, for every later change still gets its record.
    """
    text = str(error)
    match error:
        case CollectionRemoved():
            return Reread("collection_removed", text, error.position, tuple(sorted(error.removed)))
        case SnapshotLost():
            return Reread("snapshot_lost", text)
        case HistoryLost() if policies.on_history_lost == "resnapshot":
            return Reread("history_lost", text, since=error.since, until=error.until)
        case TailLost():
            return None
        case StreamLost() if policies.on_stream_lost == "repair":
            return Reread("stream_lost", text, reached)
        case _:
            return None


def goes_on_after(kind: str, policies: Policies) -> bool:
    """Whether a job goes on, in one way or the other, after an error of this class that one of its processes met.
    Pure.
    """
    match kind:
        case CollectionRemoved.__name__ | SnapshotLost.__name__:
            return True
        case ArchiveLost.__name__ | ClockSetBack.__name__ | TailLost.__name__ | LockLost.__name__:
            return True
        case HistoryLost.__name__:
            return policies.on_history_lost == "resnapshot"
        case StreamLost.__name__:
            return policies.on_stream_lost == "repair"
        case _:
            return False


def runs_again_after(error: DBWatchError, policies: Policies) -> bool:
    """Whether the same generation is to be run again: what the stream lost since its last checkpoint is written anew
    then, what else it lost is found out, and an engine whose clock was set back can only begin anew; an archive that is
    gone begins another chapter then. Pure.
    """
    if isinstance(error, LockLost):
        return policies.on_stream_lost == "stop"
    return isinstance(error, ArchiveLost | ClockSetBack | TailLost)


def following(reread: Reread, unfinished: Reread | None) -> Reread:
    """The reading that follows one that did not come to its end; raises `ConfigError` after too many of them. Pure."""
    if unfinished is None:
        return reread
    if unfinished.attempt >= MOST_ATTEMPTS:
        raise ConfigError(
            f"the collections were read {MOST_ATTEMPTS} times in turn and none of the readings came to its end; "
            f"the last one ended so: {reread.text}"
        )
    since = min(filter(None, (reread.since, unfinished.since)), default="")
    return reread._replace(attempt=unfinished.attempt + 1, since=since)


def reached_by(positions: Iterable[str], partitions: int) -> str:
    """The position up to which a run with so many partitions has emitted everything, when all of them are known."""
    known = list(positions)
    return max(known) if len(known) == partitions else ""


def asked_generation(client: Redis, keys: Keys) -> int:
    """The newest generation that was begun or asked for."""
    with translated("reading the job's state in Redis"):
        return int(cast("str | None", client.hget(keys.job, "generation")) or 1)


def request_generation(client: Redis, keys: Keys, generation: int, reread: Reread) -> None:
    """Let the next run begin the generation after `generation`, unless that was asked for already."""
    with translated("asking for another reading of the collections"):
        client.eval(_REQUEST, 1, keys.job, str(generation), reread.to_json(), reread.position)
