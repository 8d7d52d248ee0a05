"""The sink's contract, on Valkey and on Redis 8."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from typing import cast

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import DBWatchError, Fenced, StreamLost, TransientError
from connectors.letter_box import LetterBox
from connectors.letter_limit import LetterLimit
from connectors.once import Mark
from connectors.records import LookupVersion, Record, Versions
from connectors.redis_client import connect
from connectors.redis_streams import (
    Guard,
    Letters,
    RedisStreamPartition,
    RedisStreamSink,
    SinkEvents,
    Written,
)
from connectors.settings import Keys
from connectors.stream_ids import parts
from connectors.writer import Lease, acquire
from tests.conftest import REDIS_KINDS, StartRedis, wait_until

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)
AT_START = Mark.at("0-0")


def record(key: str, row: int, n: int = 1, *, op: str = "u", cause: str | None = None, text: str = "x") -> Record:
    return Record(
        view="comments",
        op=op,  # pyright: ignore[reportArgumentType]  # one of the four
        key=key,
        ts_ms=row,
        position=f"{row:016x}",
        versions=Versions(f"{row:016x}", {"movie": LookupVersion(n, "m", "p")}),
        after=json.dumps({"text": text}),
        changed=() if op == "u" else None,
        cause=cause,
    )


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


def partition(url: str, prefix: str, mark: Mark = AT_START, *, maxlen: int = 100_000) -> RedisStreamPartition:
    client = connect(url, resend=False)
    return RedisStreamPartition(
        client, f"{prefix}:changes", mark, maxlen=maxlen, ending=Ending(), letters=letters(client, prefix)
    )


def letters(client: Redis, prefix: str = "s", *, per_minute: int = 100) -> Letters:
    return Letters(LetterBox(client, f"{prefix}:deadletter"), LetterLimit(per_minute))


def alone(url: str, *, ending: Ending, events: SinkEvents | None = None) -> RedisStreamPartition:
    client = connect(url, resend=False)
    return RedisStreamPartition(
        client, "s", AT_START, maxlen=9999, ending=ending, letters=letters(client), events=events
    )


def entries(client: Redis, prefix: str) -> list[Record]:
    return [Record.from_fields(fields) for fields in written_fields(client, prefix)]


def last_id(client: Redis, prefix: str) -> str:
    return str(cast("dict[str, str]", client.xinfo_stream(f"{prefix}:changes"))["last-generated-id"])


def written_fields(client: Redis, prefix: str) -> list[dict[str, str]]:
    found = cast("list[tuple[str, dict[str, str]]]", client.xrange(f"{prefix}:changes"))
    return [fields for _, fields in found]


def test_records_are_written_in_order_with_the_fields_of_the_contract(
    client: Redis, redis_url: str, prefix: str
) -> None:
    written = [record("a", 1, op="c"), record("b", 2, op="r"), record("a", 3, text="é😀")]
    partition(redis_url, prefix).write(written)
    assert entries(client, prefix) == written
    assert written_fields(client, prefix)[0] == {
        "schema": "1",
        "view": "comments",
        "op": "c",
        "key": "a",
        "after": '{"text": "x"}',
        "ts_ms": "1",
        "position": f"{1:016x}",
        "versions": '{"row":"0000000000000001","movie":[1,"m","p"]}',
    }


def test_a_resumed_job_that_makes_the_tail_again_writes_only_what_is_new(
    client: Redis, redis_url: str, prefix: str
) -> None:
    first = partition(redis_url, prefix)
    first.write([record("a", 1)])
    mark = first.snapshot()
    first.write([record("a", 2), record("b", 2)])
    resumed = partition(redis_url, prefix, mark)
    resumed.write([record("a", 2), record("b", 2), record("b", 3)])
    assert [(r.key, r.ts_ms) for r in entries(client, prefix)] == [("a", 1), ("a", 2), ("b", 2), ("b", 3)]


def test_the_mark_waits_until_every_key_of_the_tail_was_reached_again(redis_url: str, prefix: str) -> None:
    first = partition(redis_url, prefix)
    mark = first.snapshot()
    first.write([record("a", 1), record("b", 1)])
    resumed = partition(redis_url, prefix, mark)
    resumed.write([record("a", 1), record("c", 1)])
    assert resumed.snapshot().entry_id == mark.entry_id
    resumed.write([record("b", 2)])
    assert parts(resumed.snapshot().entry_id) > parts(mark.entry_id)


def test_after_a_second_crash_the_mark_waits_only_for_what_the_checkpoint_had_not_reached(
    client: Redis, redis_url: str, prefix: str
) -> None:
    first = partition(redis_url, prefix)
    mark = first.snapshot()
    first.write([record("a", 1), record("b", 1)])
    second = partition(redis_url, prefix, mark)
    second.write([record("a", 1), record("c", 1)])
    mark = second.snapshot()
    second.write([record("d", 1)])
    third = partition(redis_url, prefix, mark)  # it will not make a or c again
    third.write([record("b", 1)])
    assert third.snapshot().entry_id == mark.entry_id
    third.write([record("d", 1), record("d", 2)])
    assert third.snapshot() == Mark.at(last_id(client, prefix), anchored=True)
    assert [r.key for r in entries(client, prefix)] == ["a", "b", "c", "d", "d"]


def test_a_row_version_that_is_in_the_stream_is_written_again_only_as_caused(
    client: Redis, redis_url: str, prefix: str
) -> None:
    partition(redis_url, prefix).write([record("a", 1, op="c", text="old")])
    resumed = partition(redis_url, prefix)
    resumed.write([record("a", 1, n=2, op="c", text="new")])
    last = entries(client, prefix)[-1]
    assert (last.op, last.cause, last.before, last.changed) == ("u", "movie", '{"text": "old"}', ("text",))


def test_versions_never_go_back(client: Redis, redis_url: str, prefix: str) -> None:
    partition(redis_url, prefix).write([record("a", 5, n=3)])
    resumed = partition(redis_url, prefix)
    resumed.write([record("a", 4), record("a", 5, n=2), record("a", 5, n=3)])
    assert len(entries(client, prefix)) == 1


def test_trimming_keeps_to_the_bound_but_never_goes_beyond_the_mark(client: Redis, redis_url: str, prefix: str) -> None:
    sink = partition(redis_url, prefix, maxlen=200)
    for batch in range(30):
        sink.write([record(f"k{i}", batch + 1) for i in range(100)])
    assert client.xlen(f"{prefix}:changes") == 3000  # no checkpoint was taken, all of it may be needed
    for batch in range(30, 36):
        sink.snapshot()
        sink.write([record(f"k{i}", batch + 1) for i in range(100)])
    assert 200 <= client.xlen(f"{prefix}:changes") <= 700


def test_a_stream_that_others_trimmed_beyond_the_mark_stops_the_job(client: Redis, redis_url: str, prefix: str) -> None:
    sink = partition(redis_url, prefix)
    sink.write([record("a", 1)])
    mark = sink.snapshot()
    sink.write([record("a", 2), record("a", 3)])
    client.xtrim(f"{prefix}:changes", maxlen=1, approximate=False)
    resumed = partition(redis_url, prefix, mark)
    with pytest.raises(StreamLost, match="trimmed or deleted them"):
        resumed.write([record("a", 2)])


@pytest.mark.parametrize("marks_ago", [0, 1, 2])
def test_our_own_trimming_leaves_the_marks_that_a_restart_may_begin_at(
    client: Redis, redis_url: str, prefix: str, marks_ago: int
) -> None:
    sink = partition(redis_url, prefix, maxlen=1)
    marks: list[Mark] = []
    for row in range(1, 400):
        sink.write([record("a", row)])
        if row % 7 == 0:
            marks.append(sink.snapshot())
    resumed = partition(redis_url, prefix, marks[-1 - marks_ago])
    resumed.write([record("a", row) for row in range(399 - 399 % 7 - 7 * marks_ago + 1, 401)])
    assert [r.ts_ms for r in entries(client, prefix)][-2:] == [399, 400]


def test_entries_that_redis_lost_are_found_out_while_nothing_is_written(
    client: Redis, redis_url: str, prefix: str
) -> None:
    sink = RedisStreamSink(
        url=redis_url, keys=Keys(prefix), maxlen=1000, first_marks={}, ending=Ending(), limit=LetterLimit(100)
    )
    sink.build_part("step", "0", None).write([record("a", 1)])
    sink.check_ends()
    client.delete(f"{prefix}:changes")
    with pytest.raises(StreamLost, match="Redis lost entries"):
        sink.check_ends()


def test_a_batch_larger_than_one_call_is_written_whole(client: Redis, redis_url: str, prefix: str) -> None:
    partition(redis_url, prefix).write([record(f"k{i}", 1) for i in range(2500)])
    assert client.xlen(f"{prefix}:changes") == 2500


def test_a_stream_that_ends_before_the_mark_stops_the_job(redis_url: str, prefix: str) -> None:
    ending = Ending()
    sink = RedisStreamSink(
        url=redis_url, keys=Keys(prefix), maxlen=1000, first_marks={}, ending=ending, limit=LetterLimit(100)
    )
    mark = Mark("0-0", "9999999999999-0")
    part = sink.build_part("step", "0", mark)
    assert isinstance(ending.error, StreamLost)
    with pytest.raises(StreamLost):
        part.write([record("a", 1)])
    assert part.snapshot() == mark


@pytest.mark.parametrize("refusal", ["maxmemory", "min-replicas-to-write"])
def test_a_batch_is_held_while_redis_refuses_writes_and_nothing_is_lost(
    redis_kind: str, start_redis: StartRedis, refusal: str
) -> None:
    server = start_redis(kind=redis_kind)
    held: list[str | None] = []
    written: list[Written] = []
    ending = Ending()
    with Redis.from_url(server.uri, decode_responses=True) as client:
        client.config_set(refusal, "1")
        part = alone(server.uri, ending=ending, events=SinkEvents(written.append, held.append))
        writer = threading.Thread(target=part.write, args=([record("a", 1), record("b", 1)],))
        writer.start()
        wait_until(lambda: bool(held), 10)
        client.config_set(refusal, "0")
        writer.join(timeout=20)
        assert client.xlen("s") == 2
    assert {"maxmemory": "maxmemory", "min-replicas-to-write": "NOREPLICAS"}[refusal] in str(held[0])
    assert held[-1] is None
    assert [len(w.records) for w in written] == [2]


def test_an_entry_of_somebody_else_is_passed_by(client: Redis, redis_url: str, prefix: str) -> None:
    first = partition(redis_url, prefix)
    mark = first.snapshot()
    first.write([record("a", 1)])
    client.xadd(f"{prefix}:changes", {"hello": "world"})
    first.write([record("a", 2)])
    resumed = partition(redis_url, prefix, mark)
    resumed.write([record("a", 1), record("a", 2), record("a", 3)])
    assert [fields.get("ts_ms") for fields in written_fields(client, prefix)] == ["1", None, "2", "3"]


def test_a_stream_that_lost_its_newest_entries_is_not_written_to(client: Redis, redis_url: str, prefix: str) -> None:
    part = partition(redis_url, prefix)
    part.write([record("a", 1)])
    client.delete(f"{prefix}:changes")
    with pytest.raises(StreamLost, match=r"Redis lost entries\. Start the job again"):
        part.write([record("a", 2)])
    assert not client.exists(f"{prefix}:changes")


def test_a_job_started_again_writes_anew_what_was_lost_after_its_checkpoint(
    client: Redis, redis_url: str, prefix: str
) -> None:
    part = partition(redis_url, prefix)
    part.write([record("a", 1)])
    mark = part.snapshot()
    stream = f"{prefix}:changes"
    with Redis.from_url(redis_url) as raw:
        durable = cast("bytes", raw.dump(stream))
        part.write([record("a", 2), record("b", 2)])
        raw.restore(stream, 0, durable, replace=True)
    with pytest.raises(StreamLost):
        part.write([record("b", 3)])
    resumed = partition(redis_url, prefix, mark)
    resumed.write([record("a", 2), record("b", 2), record("b", 3)])
    assert [(r.key, r.ts_ms) for r in entries(client, prefix)] == [("a", 1), ("a", 2), ("b", 2), ("b", 3)]


def test_a_batch_whose_reply_was_lost_is_not_written_twice(
    client: Redis, redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = partition(redis_url, prefix)
    send = RedisStreamPartition._send  # pyright: ignore[reportPrivateUsage]
    lost: list[int] = []

    def lose_one_reply(self: RedisStreamPartition, records: list[Record]) -> str:
        reply = send(self, records)
        if not lost:
            lost.append(len(records))
            raise_timeout()
        return reply

    monkeypatch.setattr(RedisStreamPartition, "_send", lose_one_reply)
    part.write([record("a", 1), record("b", 1), record("a", 2)])
    part.write([record("c", 1)])
    assert [(r.key, r.ts_ms) for r in entries(client, prefix)] == [("a", 1), ("b", 1), ("a", 2), ("c", 1)]


def raise_timeout() -> None:
    raise TransientError("the reply was lost")


def test_redis_stopped_and_started_again_in_mid_stream_loses_and_repeats_nothing(
    redis_kind: str, start_redis: StartRedis
) -> None:
    server = start_redis(kind=redis_kind)
    part = alone(server.uri, ending=Ending())
    part.write([record("a", 1)])
    server.stop()
    writer = threading.Thread(target=part.write, args=([record("a", 2)],))
    writer.start()
    server.start()
    writer.join(timeout=30)
    with Redis.from_url(server.uri) as client:
        assert client.xlen("s") == 2


def test_a_stop_ends_the_wait_for_redis(redis_kind: str, start_redis: StartRedis) -> None:
    server = start_redis(kind=redis_kind)
    ending = Ending()
    part = alone(server.uri, ending=ending)
    server.stop()
    ending.request()
    with pytest.raises(DBWatchError):
        part.write([record("a", 1)])


def guarded(lease: Lease, url: str, prefix: str, check: Callable[[], None] = lambda: None) -> RedisStreamPartition:
    guard, client = Guard(lease.fence, check), connect(url, resend=False)
    box = LetterBox(client, f"{prefix}:deadletter", lease.fence)
    return RedisStreamPartition(
        client,
        f"{prefix}:changes",
        AT_START,
        maxlen=9999,
        ending=Ending(),
        letters=Letters(box, LetterLimit(100)),
        guard=guard,
    )


def lock(client: Redis, prefix: str) -> Lease:
    return acquire(client, Keys(prefix).job, ending=Ending())


def test_a_writer_that_was_replaced_writes_nothing_more(client: Redis, redis_url: str, prefix: str) -> None:
    first = guarded(lock(client, prefix), redis_url, prefix)
    first.write([record("a", 1)])
    second = guarded(lock(client, prefix), redis_url, prefix)
    with pytest.raises(Fenced, match="another job has taken over"):
        first.write([record("a", 2)])
    second.write([record("a", 1), record("a", 3)])
    assert [r.ts_ms for r in entries(client, prefix)] == [1, 3]


def test_a_redis_that_lost_the_writers_lock_is_not_written_to(client: Redis, redis_url: str, prefix: str) -> None:
    part = guarded(lock(client, prefix), redis_url, prefix)
    part.write([record("a", 1)])
    client.delete(Keys(prefix).job)
    with pytest.raises(StreamLost, match="Redis lost data"):
        part.write([record("a", 2)])
    assert len(entries(client, prefix)) == 1


def test_a_writer_that_was_replaced_takes_no_snapshot(client: Redis, redis_url: str, prefix: str) -> None:
    lease = lock(client, prefix)
    part = guarded(lease, redis_url, prefix, lease.renew)
    part.snapshot()
    lock(client, prefix)
    with pytest.raises(Fenced):
        part.snapshot()
