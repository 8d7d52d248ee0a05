"""StreamReader: reads the feed, or any other stream of the house, for consumers, the page, `dbwatch tail` and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, cast

from redis import Redis

from connectors.backoff import pause_s
from connectors.ending import Ending
from connectors.errors import BadRecord, TransientError
from connectors.redis_client import connect, reached, translated
from connectors.stream_ids import BEGINNING, Merge, Placed, Start, newest_of, parts

T = TypeVar("T")
Fields = Mapping[str, str]
Decode = Callable[[Fields], T]

_BATCH = 500
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class StreamReader(Generic[T]):
    """Reads entries of one or several streams (the shards of one feed) in the order of their ids.

    Iterating follows the streams until `ending` is requested: every entry after the start comes once, in order within
    its stream and, as far as ids tell, across streams. When Redis goes away it is tried again with growing pauses
    (told to `on_retry`), and reading goes on after the last entry read. What was trimmed before it was read is not
    seen.

    `decode` makes the value of an entry's fields; the `BadRecord` it raises is given the entry's stream and id.
    Raises `ConfigError` when Redis refuses. Not for several threads at once.
    """

    def __init__(
        self,
        client: Redis,
        positions: Mapping[str, str],
        decode: Decode[T],
        *,
        ending: Ending | None = None,
        on_retry: Callable[[TransientError, float], None] | None = None,
        poll_timeout_s: float = 0.5,
        batch: int = _BATCH,
    ) -> None:
        """`positions` holds, for each stream, the id after which to begin; `batch` bounds one read of each stream."""
        self._client = client
        self._positions = dict(positions)
        self._decode = decode
        self._ending = ending or Ending()
        self._on_retry = on_retry
        self._poll_timeout_s = poll_timeout_s
        self._batch = batch

    @property
    def positions(self) -> Mapping[str, str]:
        """The id after which each stream is read next, to be given to another reader."""
        return dict(self._positions)

    def __iter__(self) -> Iterator[Placed[T]]:
        merge = Merge[Fields](tuple(self._positions))
        failures = 0
        while not self._ending.requested:
            try:
                self._read_into(merge, wait_s=0 if merge.holds_back else self._poll_timeout_s)
                failures = 0
            except TransientError as error:
                self._pause(error, failures)
                failures += 1
            for entry in merge.ready():
                yield self._decoded(entry)

    def to_end(self) -> Iterator[Placed[T]]:
        """What lies between the start and the end as it is now, then stop. Raises `TransientError` when Redis goes
        away.
        """
        end = {stream: parts(last) for stream, last in last_ids(self._client, tuple(self._positions)).items()}
        merge = Merge[Fields](tuple(self._positions))
        while any(parts(self._positions[stream]) < last for stream, last in end.items()) or merge.holds_back:
            if not self._read_into(merge, wait_s=0) and not merge.holds_back:
                return
            for entry in merge.ready():
                if parts(entry.id) <= end[entry.stream]:
                    yield self._decoded(entry)

    def close(self) -> None:
        self._client.close()

    def _read_into(self, merge: Merge[Fields], *, wait_s: float) -> int:
        """Read once, waiting at most `wait_s` for something to come; how many entries came."""
        with translated(f"reading {', '.join(self._positions)}"):
            block_ms = int(wait_s * 1000) or None
            reply = self._client.xread({**self._positions}, count=self._batch, block=block_ms)
        found = dict(cast("list[tuple[str, list[tuple[str, Fields]]]]", reply or []))
        for stream in self._positions:
            entries = found.get(stream, [])
            merge.add(stream, entries, more=len(entries) == self._batch)
            if entries:
                self._positions[stream] = entries[-1][0]
        return sum(map(len, found.values()))

    def _decoded(self, entry: Placed[Fields]) -> Placed[T]:
        return Placed(entry.stream, entry.id, decoded(entry, self._decode))

    def _pause(self, error: TransientError, failures: int) -> None:
        wait_s = pause_s(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        if self._on_retry:
            self._on_retry(error, wait_s)
        self._ending.wait(wait_s)


def open_reader(
    url: str,
    streams: Sequence[str],
    decode: Decode[T],
    *,
    start: Start,
    ending: Ending | None = None,
    on_retry: Callable[[TransientError, float], None] | None = None,
) -> StreamReader[T]:
    """A reader whose start is settled when this returns: with `Start(None)`, what is written from now on is read.

    Raises `ConfigError` when Redis cannot be reached.
    """
    client = reached(connect(url), url)
    begin = last_ids(client, streams) if start.after is None else dict.fromkeys(streams, start.after)
    return StreamReader(client, begin, decode, ending=ending, on_retry=on_retry)


def decoded(entry: Placed[Fields], decode: Decode[T]) -> T:
    """The value of an entry; raises `BadRecord` that names the entry."""
    try:
        return decode(entry.item)
    except BadRecord as exc:
        raise BadRecord(f"{entry.stream} {entry.id}: {exc}") from exc


def last_ids(client: Redis, streams: Sequence[str]) -> dict[str, str]:
    """The id of each stream's last entry, `BEGINNING` where there is none."""
    with translated(f"reading {', '.join(streams)}"):
        newest = [cast("list[tuple[str, Fields]]", client.xrevrange(stream, count=1)) for stream in streams]
    return {stream: found[0][0] if found else BEGINNING for stream, found in zip(streams, newest, strict=True)}


def newest(client: Redis, streams: Sequence[str], count: int) -> list[Placed[Fields]]:
    """The newest entries of all the streams together, at most `count`, oldest first."""
    pipeline = client.pipeline(transaction=False)
    for stream in streams:
        pipeline.xrevrange(stream, count=count)
    with translated(f"reading {', '.join(streams)}"):
        replies: list[list[tuple[str, Fields]]] = pipeline.execute()
    return newest_of(dict(zip(streams, replies, strict=True)), count)
