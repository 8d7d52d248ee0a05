"""RedisStreamSink: writes records to Redis Streams, each of them once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import NamedTuple

import structlog
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from redis import Redis

from connectors.dead_letters import DeadLetter, Outputs
from connectors.deduplication import Deduplication
from connectors.ending import Ending
from connectors.errors import DBWatchError, TransientError
from connectors.hold import Hold
from connectors.last_record import last_record
from connectors.lease import Fence
from connectors.letter_box import LetterBox
from connectors.letter_limit import LetterLimit
from connectors.once import Mark, RowKey, Standing, Tail
from connectors.one_ahead import OneAhead
from connectors.output_stream import OF_A_JOB, OF_A_REPLAY, OutputStream, calls_of
from connectors.records import Record
from connectors.redis_client import connect
from connectors.refusals import Refusals, Refused, letter_of_record
from connectors.rereading import FeedBefore
from connectors.retried import after_last, places_of_retried
from connectors.settings import Keys
from connectors.stream_ids import BEGINNING, parts
from connectors.stream_rows import entries_said

log = structlog.get_logger()

_UNBOUNDED = 1 << 62


class Rereading(NamedTuple):
    """The collections are read again at `position`: of their rows only what differs from the feed is written.

    `is_over` says whether all of them have been processed and no restart will read them again; asked once in an epoch,
    it must not raise or wait long.
    """

    position: str
    is_over: Callable[[], bool]


class Written(NamedTuple):
    """What one write put into a stream: the records, Redis's clock then (ms), and how many duplicates were left out."""

    records: Sequence[Record]
    at_ms: int
    skipped: int


class SinkEvents(NamedTuple):
    """Who is told of what the sink does: after each write, when writing stops for a while (None: it goes on), of each
    attempt that failed for now, how long a write's call to Redis took (s), and how many dead letters were written.
    """

    on_written: Callable[[Written], None] = lambda _: None
    on_held: Callable[[str | None], None] = lambda _: None
    on_retry: Callable[[], None] = lambda: None
    on_call: Callable[[float], None] = lambda _: None
    on_letters: Callable[[int], None] = lambda _: None


class Guard(NamedTuple):
    """What keeps a job that was replaced from writing: each write checks the fence, and `before_snapshot` raises when
    the recovery store is another's by now; it must not wait long.
    """

    fence: Fence
    before_snapshot: Callable[[], None] = lambda: None


class RedisStreamSink(FixedPartitionedSink[Outputs, Mark]):
    """Appends records to the `changes` streams, and dead letters to theirs.

    Unit of parallelism: one partition, and one writer, for each stream; an item is some outputs in a row, keyed by the
    number of their shard.
    Delivery: each record once. The partition's snapshot is a *mark* in the stream: a resumed job reads what the stream
    holds after it and leaves out what it makes again (see `connectors.once`). A batch is one round trip, made while the
    flow prepares the next batch, but ended before a snapshot; when its fate is unknown, the end of the stream is read
    first. While Redis is away or refuses writes the batch is held, in order, and the flow with it. Trimming to `maxlen`
    entries is approximate and never goes beyond the mark of a durable checkpoint. More dead letters in a minute than
    `limit` allows end the job, after they are written.
    """

    def __init__(
        self,
        *,
        url: str,
        keys: Keys,
        maxlen: int,
        first_marks: Mapping[str, str],
        ending: Ending,
        limit: LetterLimit,
        events: SinkEvents | None = None,
        guard: Guard | None = None,
        rereading: Rereading | None = None,
        feed: str = "",
        floors: Mapping[str, str] | None = None,
    ) -> None:
        """`first_marks` holds each stream's last id before the job first wrote to it; a missing one is its
        beginning. They count also where the state is that of another `feed`, which a replay begins with.

        With `floors` that replay writes into the job's own streams: there the job's mark counts, except in those that
        have a floor, which do not reach back to it. What is below that is not written: the stream had it once.
        """
        self._url = url
        self._keys = keys
        self._maxlen = maxlen
        self._first_marks = first_marks
        self._ending = ending
        self._limit = limit
        self._events = events or SinkEvents()
        self._guard = guard
        self._rereading = rereading
        self._feed = feed
        self._floors = floors
        self._parts: list[RedisStreamPartition] = []

    def list_parts(self) -> list[str]:
        return [str(shard) for shard in range(len(self._keys.changes))]

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: Mark | None) -> RedisStreamPartition:
        stream = self._keys.changes[int(for_part)]
        first_mark = self._first_marks.get(stream, BEGINNING)
        client = connect(self._url, resend=False)
        part = RedisStreamPartition(
            client,
            stream,
            self._mark(stream, first_mark, resume_state),
            maxlen=self._maxlen,
            ending=self._ending,
            letters=Letters(LetterBox(client, self._keys.deadletter, self._guard and self._guard.fence), self._limit),
            events=self._events,
            guard=self._guard,
            rereading=self._rereading and (self._rereading, first_mark),
            floor=(self._floors or {}).get(stream, ""),
        )
        self._parts.append(part)
        return part

    def _mark(self, stream: str, first_mark: str, resumed: Mark | None) -> Mark:
        if resumed is not None and resumed.feed == self._feed:
            return resumed
        if resumed is not None and not resumed.feed and self._floors is not None and stream not in self._floors:
            return resumed._replace(feed=self._feed, anchored=False)  # a hole there is to be filled
        return Mark.at(first_mark, feed=self._feed)

    def check_ends(self) -> None:
        """Raises `StreamLost` when a stream lost entries, be it while nothing is written, when the engine does not come
        by. Thread-safe.
        """
        for part in self._parts:
            part.check_end()


class Letters(NamedTuple):
    """Where dead letters go, and how many may."""

    box: LetterBox
    limit: LetterLimit


class RedisStreamPartition(StatefulSinkPartition[Outputs, Mark]):
    """The one writer of one stream."""

    def __init__(
        self,
        client: Redis,
        stream: str,
        mark: Mark,
        *,
        maxlen: int,
        ending: Ending,
        letters: Letters,
        events: SinkEvents | None = None,
        guard: Guard | None = None,
        rereading: tuple[Rereading, str] | None = None,
        floor: str = "",
    ) -> None:
        """`rereading` comes with the stream's end when it began: what the feed said up to there counts. Nothing is
        written of a row that the stream says nothing of, as long as its reach is below the `floor`.
        """
        self._client = client
        self._stream = stream
        self._out = OutputStream(client, stream, guard and guard.fence, OF_A_REPLAY if mark.feed else OF_A_JOB)
        self._maxlen = maxlen
        self._ending = ending
        self._letters = letters
        self._events = events or SinkEvents()
        self._guard = guard
        self._hold = Hold(stream, ending, on_held=self._events.on_held, on_retry=self._events.on_retry)
        self._mark = mark
        self._last_id = mark.entry_id
        self._tail = Tail()
        self._rereading = rereading
        self._before: FeedBefore | None = None
        self._deduplication = Deduplication(self._row_at, floor)
        self._written = 0
        # How much was written up to each of the last marks. The newest checkpoint may not be durable yet.
        self._marked_at: deque[int] = deque([0], maxlen=3)
        self._failed: DBWatchError | None = None
        self._ahead = OneAhead(f"dbwatch writes {stream}")
        self._resume()

    def write_batch(self, values: Sequence[Outputs]) -> None:
        """Begins once what was given before is there, and does not wait for its own end: `snapshot` and `close` do."""
        outputs = values[0] if len(values) == 1 else list(chain.from_iterable(values))
        self._ahead.start(partial(self.write, outputs))

    def write(self, values: Outputs) -> None:
        """Returns when they are there."""
        if self._failed is not None:
            self._ending.abandon(self._failed)
        records = [value for value in values if type(value) is Record]
        if len(records) < len(values):  # first, so that whoever sees a record finds the letters before it
            self._set_aside([value for value in values if isinstance(value, DeadLetter)])
        start = 0
        for i in places_of_retried(records):
            self._write_all(records[start:i])
            self._write_retried(records[i])
            start = i + 1
        self._write_all(records[start:] if start else records)

    def _write_all(self, records: Sequence[Record]) -> None:
        for call in calls_of(records):
            self._write(call)

    def _write_retried(self, record: Record) -> None:
        """Write a row that was read again for a dead letter, unless the last record of its key says the same."""
        try:
            last = self._hold.until_done(lambda: last_record(self._client, self._stream, record.view, record.key))
        except DBWatchError as exc:
            self._failed = exc
            self._ending.abandon(exc)
        news = after_last(record, last)
        if news is not None:
            self._write([news])
            return
        self._tail.admit(record)  # it has been reached all the same
        self._events.on_written(Written((), parts(self._last_id)[0], 1))

    def snapshot(self) -> Mark:
        self._ahead.wait()
        if self._failed is not None:
            return self._mark
        self._check_ours()
        if self._rereading is not None and self._rereading[0].is_over():
            self._rereading = self._before = None
        if self._tail.settled:
            anchored = self._mark.anchored or self._written > 0
            self._mark = Mark.at(self._last_id, anchored=anchored, feed=self._mark.feed)
            self._marked_at.append(self._written)
        else:
            self._mark = self._mark._replace(seen=self._last_id, unreached=self._tail.unreached)
        return self._mark

    def close(self) -> None:
        self._ahead.end()
        self._client.close()

    def check_end(self) -> None:
        """Raises `StreamLost` when the stream ends before what is known to be in it. Thread-safe. A Redis that is away
        says nothing.
        """
        with suppress(TransientError):
            self._out.expect_end(self._last_id, checkpointed=False)

    def _check_ours(self) -> None:
        """A job that was replaced must not leave a snapshot where its successor keeps its own."""
        if self._guard is None:
            return
        try:
            self._guard.before_snapshot()
        except DBWatchError as exc:
            self._failed = exc
            self._ending.abandon(exc)

    def _resume(self) -> None:
        """Read what an earlier run wrote after the mark. A stream that ends before it, or was trimmed beyond it, has
        lost entries: then nothing may be written, for what is missing would never be noticed.
        """
        try:
            entries = self._hold.until_done(lambda: self._read_tail(self._mark.seen, checkpointed=True))
            if self._mark.anchored:
                self._hold.until_done(lambda: self._out.expect_entry(self._mark.entry_id))
            if self._rereading is not None:
                self._before = self._hold.until_done(self._read_before)
        except DBWatchError as exc:
            self._failed = exc
            self._ending.fail(exc)
            return
        self._tail = Tail(entries, self._mark)
        self._written = len(entries)
        if entries:
            self._last_id = entries[-1][1].entry_id
            log.info(
                "sink.resumed", stream=self._stream, mark=self._mark.entry_id, tail=len(entries), keys=len(self._tail)
            )

    def _read_before(self) -> FeedBefore | None:
        if self._rereading is None:
            return None
        rereading, end = self._rereading
        return FeedBefore(rereading.position, entries_said(self._client, self._stream, end))

    def _read_tail(self, seen: str, *, checkpointed: bool) -> list[tuple[RowKey, Standing]]:
        """What the stream holds after the last id we know, which then is its end; it must reach to what was seen."""
        end = self._out.expect_end(seen, checkpointed=checkpointed)
        found = list(self._out.standings_after(self._last_id))
        self._last_id = max([end, *(standing.entry_id for _, standing in found[-1:])], key=parts)
        return found

    def _write(self, records: Sequence[Record]) -> None:
        """Write one call's records, leaving out what the stream has; returns when they are there."""
        after = self._deduplication.wanted(self._tail, records, before=self._before)
        self._put(after, left_out=len(records) - len(after))

    def _put(self, after: Sequence[Record], *, left_out: int = 0) -> None:
        """Write these records; one that Redis refuses for itself becomes a dead letter."""
        written = after
        attempts = 0
        refusals = Refusals(self._client)

        def attempt() -> str:
            nonlocal after, attempts
            attempts += 1
            if attempts > 1:  # the fate of the last attempt is unknown
                found = self._read_tail(self._last_id, checkpointed=False)
                if found:
                    self._written += len(found)
                    after = self._deduplication.wanted(Tail(found), after)
            try:
                return self._send(after) if after else self._last_id
            except DBWatchError as exc:
                met = refusals.met(exc, after)
                if met is exc:
                    raise
                raise met from exc

        try:
            last_id = self._hold.until_done(attempt)
        except Refused as exc:
            if len(after) == 1:
                self._set_aside([letter_of_record(after[0], exc)])
            else:
                for record in after:  # only one of them may be refused
                    self._put([record])
            return
        except DBWatchError as exc:
            self._failed = exc
            self._ending.abandon(exc)
        self._written += len(after)
        self._last_id = last_id
        self._events.on_written(Written(written, parts(self._last_id)[0], left_out))

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters; too many of them end the job, but not before what was read is written."""
        try:
            new = self._hold.until_done(lambda: self._letters.box.put(letters))
        except DBWatchError as exc:
            self._failed = exc
            self._ending.abandon(exc)
        self._events.on_letters(len(new))
        if (error := self._letters.limit.add(new)) is not None:
            self._ending.fail(error)

    def _row_at(self, entry_id: str) -> str | None:
        return self._hold.until_done(lambda: self._out.row_at(entry_id))

    def _send(self, records: Sequence[Record]) -> str:
        # What a reading is held against must stay until it is over.
        keep = max(self._maxlen, 1 + self._written + len(records) - self._marked_at[0])
        called_s = time.monotonic()
        last_id = self._out.append(records, last_id=self._last_id, keep=keep if self._before is None else _UNBOUNDED)
        self._events.on_call(time.monotonic() - called_s)
        return last_id
